"""Record the heap operations of a program as a trace.

The program runs as it would without, some tens of nanoseconds slower for each allocation, with a
library preloaded that notes sizes, alignments, threads and call sites; never contents. Programs
that it starts are noted too, each by itself; the trace is that of the command's own process unless
--process or --all says otherwise.

    ./poolproof record -o shop.trace -- sqlite3 :memory: '.read shop.sql'
    ./poolproof record -o cc1.trace --process cc1 -- make
    ./poolproof record --program sqlite

The last records one of Poolproof's own programs anew, in the place of the trace that is kept of it.
"""

from __future__ import annotations

from analysis.measure.recorder import add_arguments, run  # noqa: F401
