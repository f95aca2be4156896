"""Runs the launches of a plan, where they still decide something.

Every pair has the launches of the first look; then those go on whose verdict is open, to the next
look, until none is or time is up. Launches of different pairs run at the same time, each pair on a
processor of its own.
"""

import dataclasses
import math
import os
import time
import zlib
from typing import Callable, Sequence

from analysis.measure import lanes, runner
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
    """What the plan lacks until a look: of all pairs at the first, then of open ones."""
    plan, there = known.plan, {
        (entry.workload, entry.arm, entry.baseline, entry.launch) for entry in known.launches}
    gone = {(refusal.workload, refusal.arm) for refusal in known.refusals}
    every = [(item, pair) for item in plan.measured("time") for pair in item.pairs]
    groups = (every,) if look == plan.looks[0] else verdicts.open_pairs(known)
    return [
        (item, pair, number) for wanted in groups for number in range(look)
        for item, pair in plans.shuffled(plan, wanted, number)
        if number < plan.most_launches(pair.kind)
        and (item.workload, pair.arm, pair.baseline, number) not in there
        and not {(item.workload, pair.arm), (item.workload, pair.baseline)} & gone
    ]


def collect(known: Record, appender: Appender, listener: Listener,
            announce: Callable[[int], None]) -> Record:
    """Runs what is missing, appending as it ends, and returns all that there is. The first look's
    launches are run whatever that takes, later ones until the plan's budget is spent; `announce` is
    told before each look how many there will be."""
    plan = known.plan
    begun = time.monotonic() - sum(entry.wall_s for entry in known.launches) / max(
        1, len(processors_used()))
    for look in plan.looks:
        todo = missing(known, look)
        announce(len(known.launches) + len(todo))
        end = math.inf if look == plan.looks[0] else begun + plan.budgets_s["time"]
        entries = _run(plan, todo, appender, listener, end)
        known = dataclasses.replace(
            known,
            launches=known.launches + [item for item in entries if isinstance(item, Launch)],
            refusals=known.refusals + [item for item in entries if isinstance(item, Refusal)])
        if time.monotonic() >= begun + plan.budgets_s["time"]:
            break
    return known


def _run(plan: Plan, todo: Sequence[Task], appender: Appender, listener: Listener,
         end: float) -> list[Launch | Refusal]:
    """Runs launches: those of one thread on all processors at a time, then the others alone."""
    used = processors_used()
    queues: dict[int | None, list[Task]] = {processor: [] for processor in (*used, None)}
    for item, pair, number in reversed(todo):  # which processor alternates between launches
        place = zlib.crc32(f"{item.workload} {pair.arm} {pair.baseline}".encode()) + number
        queues[None if item.form == "threads" else used[place % len(used)]].append(
            (item, pair, number))
    found: list[Launch | Refusal] = []

    def waiting(processor: int | None) -> list[Task]:
        if not queues[processor] and processor is not None:  # rather than idle, take another's
            return max((queues[other] for other in used), key=len)
        return queues[processor]

    def keep(entry: Launch | Refusal) -> None:
        appender.append(entry)
        found.append(entry)
        listener(entry)

    runner.go_first()
    for some in (used, [None]):
        lanes.collect(some, waiting, lambda task: {(task[0].workload, task[1].arm),
                                                   (task[0].workload, task[1].baseline)},
                      lambda task, lane: runner.launch(plan, *task, lane), end, keep)
    return found
