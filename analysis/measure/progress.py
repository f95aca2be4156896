"""What a running measurement shows: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from analysis.system import units

PLAIN_INTERVAL_S = 20.0


class Display:
    """How much is done of how much, and the time left at the pace so far."""
    def __init__(self, done: int, total: int, noun: str, console: Console) -> None:
        self._noun, self._console = noun, console
        self._bar = Progress(BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn(noun),
                             TimeRemainingColumn(), TextColumn("[dim]{task.description}"),
                             console=console, transient=True)
        self._task = self._bar.add_task("", total=total, completed=done)
        if console.is_terminal:
            self._bar.start()
        self._told_s = time.monotonic()

    def expect(self, total: int) -> None:
        """So many there will be in all."""
        self._bar.update(self._task, total=total)

    def advance(self, entry: Any) -> None:
        """A process of this workload and arm has ended and is recorded."""
        self._bar.update(self._task, advance=1,
                         description=f"{entry.workload} {entry.arm}"[:36])
        if not self._console.is_terminal and time.monotonic() - self._told_s >= PLAIN_INTERVAL_S:
            self._told_s = time.monotonic()
            task = self._bar.tasks[0]
            left = "" if task.time_remaining is None else \
                f", {units.duration(task.time_remaining)} left"
            self.say(f"{task.completed:.0f} of {task.total:.0f} {self._noun}{left}")

    def say(self, line: str) -> None:
        """Something worth a line of its own, above the bar."""
        self._bar.console.print(line, soft_wrap=True, markup=False, highlight=False)

    def close(self) -> None:
        """Takes the bar away, also after an error."""
        if self._console.is_terminal:
            self._bar.stop()
