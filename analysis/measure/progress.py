"""What a running measurement shows: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from analysis.system import units

PLAIN_INTERVAL_S = 20.0


class Clock:
    """How much is done of how much, and the time left at the pace so far."""
    def __init__(self, done: int, total: int, noun: str) -> None:
        self.done = self._before = done
        self.total = total
        self.noun = noun
        self._started = time.monotonic()

    def count(self) -> None:
        """Takes note of one more."""
        self.done += 1
        self.total = max(self.total, self.done)

    def expect(self, total: int) -> None:
        """So many there will be in all."""
        self.total = max(total, self.done)

    @property
    def left_s(self) -> float:
        """Seconds that the rest is going to take."""
        new = self.done - self._before
        return (self.total - self.done) * (time.monotonic() - self._started) / new if new else 0.0


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
        self._progress = Progress(BarColumn(bar_width=None),
                                  TextColumn("{task.completed}/{task.total} " + clock.noun),
                                  TextColumn("{task.fields[left]} left"),
                                  TextColumn("[dim]{task.fields[name]}"), console=console,
                                  transient=True)
        self._task = self._progress.add_task("", total=clock.total, completed=clock.done, left="…",
                                             name="")
        self._progress.start()

    def advance(self, entry: Any) -> None:
        """Moves the bar."""
        self._clock.count()
        self._progress.update(self._task, completed=self._clock.done,
                              total=self._clock.total, left=units.duration(self._clock.left_s),
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
        self._clock.count()
        if time.monotonic() - self._last >= PLAIN_INTERVAL_S:
            self._last = time.monotonic()
            self.say(
                f"{self._clock.done} of {self._clock.total} {self._clock.noun},"
                f" {units.duration(self._clock.left_s)} left")

    def say(self, line: str) -> None:
        """Prints a line."""
        self._console.print(line, soft_wrap=True, markup=False, highlight=False)

    def close(self) -> None:
        """Nothing is open."""


def display(clock: Clock, console: Console) -> Display:
    """The display that fits where the console goes."""
    kind = LiveDisplay if console.is_terminal else PlainDisplay
    return kind(clock, console)
