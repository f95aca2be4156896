"""Runs the launches of a plan, where they still decide something.

Every pair has the launches of the first look; then those go on whose verdict is open, to the next
look, until none is or time is up. Launches of different pairs run at the same time, each pair on a
processor of its own.
"""

from __future__ import annotations

import dataclasses
import os
import queue
import threading
import time
import zlib
from typing import Callable, Sequence

from analysis.measure import runner, side_by_side
from analysis.runs import plan as plans
from analysis.runs.plan import Pair, Plan, Workload
from analysis.runs.records import Appender, Record
from analysis.runs.samples import Launch, Refusal
from analysis.stats import verdicts

MOST_AT_A_TIME = 4
"""Launches that run side by side at most: more would fight for the memory's bandwidth."""

Task = tuple[Workload, Pair, int]
"""One launch: workload, pair, number."""
Listener = Callable[[Launch | Refusal], None]
"""Told of each line after it has been appended."""


def processors_used() -> list[int]:
    """Each runs one launch at a time."""
    return sorted(os.sched_getaffinity(0))[:MOST_AT_A_TIME]


def missing(known: Record, look: int) -> list[Task]:
    """What the plan lacks until a look: of all pairs until the first, then of those that are
    open, what has no proved verdict first."""
    plan, there = known.plan, {
        (entry.workload, entry.arm, entry.baseline, entry.launch) for entry in known.launches}
    gone = {(refusal.workload, refusal.arm) for refusal in known.refusals}
    every = [(item, pair) for item in plan.measured("time") for pair in item.pairs]
    groups = (every,) if look == plan.looks[0] else verdicts.open_pairs(known)
    return [
        (item, pair, number) for wanted in groups for number in range(look)
        for item, pair in plans.launch_order(plan, wanted, number)
        if number < plan.most_launches(pair.kind)
        and (item.workload, pair.arm, pair.baseline, number) not in there
        and not {(item.workload, pair.arm), (item.workload, pair.baseline)} & gone
    ]


def collect(known: Record, appender: Appender, listener: Listener,
            announce: Callable[[int], None]) -> Record:
    """Runs what is missing, appending as it ends, and returns all that there is.

    announce: told before each look how many launches there will be. The first look's are run
    whatever that takes; later ones until the plan's budget is spent.
    """
    plan = known.plan
    begun = time.monotonic() - sum(entry.wall_s for entry in known.launches) / max(
        1, len(processors_used()))
    for look in plan.looks:
        todo = missing(known, look)
        announce(len(known.launches) + len(todo))
        end = None if look == plan.looks[0] else begun + plan.budget_s
        entries = _run(plan, todo, appender, listener, end)
        known = dataclasses.replace(
            known,
            launches=known.launches + [item for item in entries if isinstance(item, Launch)],
            refusals=known.refusals + [item for item in entries if isinstance(item, Refusal)])
        if time.monotonic() >= begun + plan.budget_s:
            break
    return known


def _run(plan: Plan, todo: Sequence[Task], appender: Appender, listener: Listener,
         end: float | None) -> list[Launch | Refusal]:
    """Runs launches: those of one thread on all processors at a time, then the others alone."""
    used = processors_used()
    queues: dict[int | None, list[Task]] = {processor: [] for processor in used}
    threaded: list[Task] = []
    for item, pair, number in todo:
        if item.form == "threads":
            threaded.append((item, pair, number))
        else:  # which processor alternates between a pair's launches
            place = zlib.crc32(f"{item.workload} {pair.arm} {pair.baseline}".encode()) + number
            queues[used[place % len(used)]].append((item, pair, number))
    crew = _Crew(plan, end)
    found = crew.work(queues, appender, listener)
    return found + crew.work({None: threaded}, appender, listener)


class _Crew:
    """A thread for each processor; the caller's thread alone writes."""
    def __init__(self, plan: Plan, end: float | None) -> None:
        self._plan = plan
        self._end = end
        self._hashes = runner.Hashes()
        self._stop = threading.Event()
        self._gone: set[tuple[str, str]] = set()
        self._done: queue.Queue = queue.Queue()

    def work(self, queues: dict[int | None, list[Task]], appender: Appender,
             listener: Listener) -> list[Launch | Refusal]:
        """Empties the queues. An exception, in whichever thread, ends all that runs first."""
        threads = [threading.Thread(target=self._follow, args=item) for item in queues.items()]
        found: list[Launch | Refusal] = []
        try:
            for thread in threads:
                thread.start()
            working = len(threads)
            while working:
                entries = self._done.get()
                if isinstance(entries, BaseException):
                    raise entries
                working -= entries is None
                for entry in entries or ():
                    if isinstance(entry, Refusal):
                        if (entry.workload, entry.arm) in self._gone:
                            continue
                        self._gone.add((entry.workload, entry.arm))
                    appender.append(entry)
                    found.append(entry)
                    listener(entry)
        finally:
            self._stop.set()
            while any(thread.is_alive() for thread in threads):
                side_by_side.end_all()
                time.sleep(0.01)
            self._stop.clear()
        return found

    def _follow(self, processor: int | None, todo: Sequence[Task]) -> None:
        """What one thread does; None tells that it is through."""
        runner.go_first()
        try:
            for item, pair, number in todo:
                if self._stop.is_set() or self._end and time.monotonic() >= self._end:
                    break
                if {(item.workload, pair.arm), (item.workload, pair.baseline)} & self._gone:
                    continue
                entries = runner.launch(self._plan, item, pair, number, processor, self._hashes)
                if not self._stop.is_set():
                    self._done.put(entries)
            self._done.put(None)
        except BaseException as error:  # pylint: disable=broad-except
            self._done.put(error)
