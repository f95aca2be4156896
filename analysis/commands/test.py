"""Builds the sources with two compilers and runs every test there is.

The C tests run three times: as gcc's release build, ordinary and checked, and as clang's build
under ASan and UBSan. Beside them stand the Python tests, the packaging tests, the linters, the
repository's rules and the pool's coverage. A suite's name after `test` chooses it alone. --quick
leaves out the sanitizers, the checked build, the linters, the packaging tests and the coverage.
"""

from __future__ import annotations

from analysis.quality.testing import add_arguments, run  # noqa: F401
