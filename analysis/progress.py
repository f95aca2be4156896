"""What a running measurement shows: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from analysis import wording
from analysis.plan import Plan
from analysis.samples import Record, Refusal, Sample

PLAIN_INTERVAL_S = 20.0


class Clock:
    """Time left, from the plan's estimates and how they have held so far."""
    def __init__(self, plan: Plan, known: Record) -> None:
        self._cost_s = {item.workload: item.sample_s for item in plan.workloads}
        self._left_s = plan.estimated_s - sum(self._cost_s[s.workload]
                                              for s in known.samples if s.attempt == 0)
        self._done_s = 0.0
        self._took_s = 0.0
        self.total = plan.samples_planned()
        self.done = sum(1 for sample in known.samples if sample.attempt == 0)

    def count(self, entry: Sample | Refusal) -> None:
        """Takes note of a process that has ended."""
        if entry.attempt == 0:
            self.done += 1
            self._done_s += self._cost_s[entry.workload]
            self._took_s += getattr(entry, "wall_s", 0.0)

    @property
    def left_s(self) -> float:
        """Seconds that the rest is going to take."""
        pace = self._took_s / self._done_s if self._done_s > 0 else 1.0
        return max(0.0, (self._left_s - self._done_s) * pace)


class Display(Protocol):
    """Where progress goes."""
    def advance(self, entry: Sample | Refusal) -> None:
        """A process has ended and is recorded."""

    def say(self, line: str) -> None:
        """Something worth a line of its own."""

    def close(self) -> None:
        """The end, also after an error."""


class LiveDisplay:
    """One line on a terminal, redrawn in place."""
    def __init__(self, plan: Plan, clock: Clock, console: Console) -> None:
        self._clock = clock
        self._rounds = plan.rounds
        self._progress = Progress(TextColumn("round {task.fields[round]} of " + str(plan.rounds)),
                                  BarColumn(bar_width=None),
                                  TextColumn("{task.completed}/{task.total}"),
                                  TextColumn("{task.fields[left]} left"),
                                  TextColumn("[dim]{task.fields[name]}"), console=console,
                                  transient=True)
        self._task = self._progress.add_task("", total=clock.total, completed=clock.done, round=1,
                                             left="…", name="")
        self._progress.start()

    def advance(self, entry: Sample | Refusal) -> None:
        """Moves the bar."""
        self._clock.count(entry)
        self._progress.update(self._task, completed=self._clock.done, round=entry.round + 1,
                              left=wording.duration(self._clock.left_s),
                              name=f"{entry.workload} {entry.arm}"[:36])

    def say(self, line: str) -> None:
        """Prints above the bar."""
        self._progress.console.print(line, soft_wrap=True, markup=False, highlight=False)

    def close(self) -> None:
        """Takes the bar away."""
        self._progress.stop()


class PlainDisplay:
    """A line at times, for files and pipes."""
    def __init__(self, plan: Plan, clock: Clock, console: Console) -> None:
        self._clock = clock
        self._rounds = plan.rounds
        self._console = console
        self._last = time.monotonic()

    def advance(self, entry: Sample | Refusal) -> None:
        """Prints if the last line is some time ago."""
        self._clock.count(entry)
        if time.monotonic() - self._last >= PLAIN_INTERVAL_S:
            self._last = time.monotonic()
            self.say(f"round {entry.round + 1} of {self._rounds}, {self._clock.done} of"
                     f" {self._clock.total} processes, {wording.duration(self._clock.left_s)} left")

    def say(self, line: str) -> None:
        """Prints a line."""
        self._console.print(line, soft_wrap=True, markup=False, highlight=False)

    def close(self) -> None:
        """Nothing is open."""


def display(plan: Plan, known: Record, console: Console) -> Display:
    """The display that fits where the console goes."""
    kind = LiveDisplay if console.is_terminal else PlainDisplay
    return kind(plan, Clock(plan, known), console)
