"""What a running measurement shows: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from analysis.runs.samples import Line, Refusal

PLAIN_INTERVAL_S = 20.0


class Display:
    """How much is done of how much, and the time left at the pace so far."""
    def __init__(self, done: int, total: int, noun: str, console: Console) -> None:
        self._noun, self._console = noun, console
        self._bar = Progress(BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn(noun),
                             TimeRemainingColumn(), TextColumn("[dim]{task.description}"),
                             console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=total, completed=done)
        self._told_s = time.monotonic()

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def expect(self, total: int) -> None:
        """So many there will be in all."""
        self._bar.update(self._task, total=total)

    def advance(self, entry: Line) -> None:
        """A launch or a probe has ended and is recorded."""
        if isinstance(entry, Refusal):
            self._say(f"refused: {entry.part} of {entry.workload} with {entry.arm}:"
                      f" {entry.refused}")
        self._bar.update(self._task, advance=1,
                         description=f"{entry.workload} {entry.arm}"[:36])
        if not self._console.is_terminal and time.monotonic() - self._told_s >= PLAIN_INTERVAL_S:
            self._told_s = time.monotonic()
            task = self._bar.tasks[0]
            self._say(f"{task.completed:.0f} of {task.total:.0f} {self._noun}")

    def _say(self, line: str) -> None:
        """Something worth a line of its own, above the bar."""
        self._console.print(line, soft_wrap=True, markup=False, highlight=False)
