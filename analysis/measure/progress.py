"""What a running measurement shows: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any, Mapping, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from analysis.system import units
from analysis.runs.plan import Plan
from analysis.runs.records import Record

PLAIN_INTERVAL_S = 20.0


class Clock:
    """Time left, from the plan's estimates and how they have held so far."""
    def __init__(self, costs_s: Mapping[str, float], left_s: float, done: int, total: int,
                 rounds: int) -> None:
        """costs_s: workload → what a process is expected to take."""
        self._costs_s = costs_s
        self._left_s = left_s
        self._started = time.monotonic()
        self._done_s = 0.0
        self.done = done
        self.total = total
        self.rounds = rounds

    def count(self, entry: Any) -> None:
        """Takes note of a process that has ended."""
        if getattr(entry, "attempt", 0) == 0:
            self.done += 1
            self._done_s += self._costs_s[entry.workload]

    @property
    def left_s(self) -> float:
        """Seconds that the rest is going to take."""
        took_s = time.monotonic() - self._started
        pace = took_s / self._done_s if self._done_s > 0 else 1.0
        return max(0.0, (self._left_s - self._done_s) * pace)


def clock_of_time(plan: Plan, known: Record) -> Clock:
    """For what a run's samples still have to take."""
    costs_s = {
        item.workload: (item.round_s / len(item.arms) if item.round_s else item.sample_s)
        for item in plan.measured("time")
    }
    done = [sample.workload for sample in known.samples if sample.attempt == 0]
    total_s = plan.rounds * sum(len(item.arms) * costs_s[item.workload]
                                for item in plan.measured("time"))
    return Clock(costs_s, total_s - sum(costs_s[name] for name in done), len(done),
                 plan.samples_planned(), plan.rounds)


def clock_of_part(plan: Plan, part: str, processes: int) -> Clock:
    """For another part of which so many processes are to run."""
    expected_s = plan.estimates_s.get(part, 0.0)
    one_s = expected_s / processes if processes and expected_s else 1.0
    return Clock(dict.fromkeys((item.workload for item in plan.measured(part)), one_s),
                 one_s * processes, 0, processes, plan.part_rounds[part])


class Display(Protocol):
    """Where progress goes."""
    def advance(self, entry: Any) -> None:
        """A process has ended and is recorded."""

    def say(self, line: str) -> None:
        """Something worth a line of its own."""

    def close(self) -> None:
        """The end, also after an error."""


class LiveDisplay:
    """One line on a terminal, redrawn in place."""
    def __init__(self, clock: Clock, console: Console) -> None:
        self._clock = clock
        self._progress = Progress(TextColumn("round {task.fields[round]} of " + str(clock.rounds)),
                                  BarColumn(bar_width=None),
                                  TextColumn("{task.completed}/{task.total}"),
                                  TextColumn("{task.fields[left]} left"),
                                  TextColumn("[dim]{task.fields[name]}"), console=console,
                                  transient=True)
        self._task = self._progress.add_task("", total=clock.total, completed=clock.done, round=1,
                                             left="…", name="")
        self._progress.start()

    def advance(self, entry: Any) -> None:
        """Moves the bar."""
        self._clock.count(entry)
        self._progress.update(self._task, completed=self._clock.done, round=entry.round + 1,
                              left=units.duration(self._clock.left_s),
                              name=f"{entry.workload} {entry.arm}"[:36])

    def say(self, line: str) -> None:
        """Prints above the bar."""
        self._progress.console.print(line, soft_wrap=True, markup=False, highlight=False)

    def close(self) -> None:
        """Takes the bar away."""
        self._progress.stop()


class PlainDisplay:
    """A line at times, for files and pipes."""
    def __init__(self, clock: Clock, console: Console) -> None:
        self._clock = clock
        self._console = console
        self._last = time.monotonic()

    def advance(self, entry: Any) -> None:
        """Prints if the last line is some time ago."""
        self._clock.count(entry)
        if time.monotonic() - self._last >= PLAIN_INTERVAL_S:
            self._last = time.monotonic()
            self.say(f"round {entry.round + 1} of {self._clock.rounds}, {self._clock.done} of"
                     f" {self._clock.total} processes, {units.duration(self._clock.left_s)} left")

    def say(self, line: str) -> None:
        """Prints a line."""
        self._console.print(line, soft_wrap=True, markup=False, highlight=False)

    def close(self) -> None:
        """Nothing is open."""


def display(clock: Clock, console: Console) -> Display:
    """The display that fits where the console goes."""
    kind = LiveDisplay if console.is_terminal else PlainDisplay
    return kind(clock, console)
