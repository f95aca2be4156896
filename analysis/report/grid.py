"""A table of a report or a comparison: a Grid, which HTML, Markdown and the terminal lay out."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

SIGNS = {"faster": "▲", "slower": "▼", "equal": "=", "small": "≈", "inconclusive": "?"}
"""A shape for each verdict, so that none depends on colour."""

COUNT_SIGNS = {"more": "▼", "fewer": "▲"}
"""Those of instructions alone."""

STYLES = {"faster": "bold cyan", "slower": "bold yellow", "equal": "bold", "small": "dim italic",
          "inconclusive": "dim italic", "fewer": "bold cyan", "more": "bold yellow"}


@dataclasses.dataclass(frozen=True)
class Column:
    """A column's heading, and whether it holds numbers."""

    title: str
    number: bool = False
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell: text, a smaller note under it, and a verdict if it states one."""

    text: str
    note: str = ""
    verdict: str = ""
    kind: str = ""
    """"off" for what does not apply, is absent or was refused; "theirs" for a rival's victory."""

    @property
    def sign(self) -> str:
        """The verdict's shape."""
        return (SIGNS | COUNT_SIGNS).get(self.verdict, "")


@dataclasses.dataclass(frozen=True)
class Row:
    """The first cell is the row's heading."""

    cells: list[Cell]
    kind: str = ""
    """"own" for the pool's rows, "aside" for those that are not contestants."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """A table with its caption."""

    name: str
    caption: str
    columns: list[Column]
    rows: list[Row]

    @property
    def folds(self) -> bool:
        """Whether it becomes a list of its rows on a narrow screen: two columns fit there."""
        return len(self.columns) > 2


def cells(*texts: str | Cell) -> list[Cell]:
    """Cells of texts, where they are none yet."""
    return [text if isinstance(text, Cell) else Cell(text) for text in texts]


def slug(text: str) -> str:
    """A name as part of an id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def markdown(grid: Grid) -> str:
    """The table for a pull request, without its caption."""
    rows = [[escaped(column.title) + (f" ({escaped(column.note)})" if column.note else "")
             for column in grid.columns],
            ["---:" if column.number else "---" for column in grid.columns]]
    rows += [[escaped(f"{cell.sign} {cell.text}".strip())
              + (f" ({escaped(cell.note)})" if cell.note else "") for cell in row.cells]
             for row in grid.rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def escaped(text: str) -> str:
    """Nothing in a name may start a column, a tag or an emphasis."""
    return " ".join(re.sub(r"([\\`*_<>|\[\]])", r"\\\1", text).split())


def terminal(grid: Grid) -> Table:
    """The table for a terminal or a log."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
    title=grid.caption or None,
    title_justify="left",
    box=box.SIMPLE_HEAD,
     pad_edge=False)
    for column in grid.columns:
        table.add_column(
    column.title,
    overflow="fold",
     justify="right" if column.number else "left")
    for row in grid.rows:
        table.add_row(*(Text.assemble((f"{cell.sign} {cell.text}".strip(),
                                       STYLES.get(cell.verdict, "")),
                                      (f" ({cell.note})" if cell.note else "", "dim"))
                        for cell in row.cells))
    return table
