"""What a report consists of, and its one way to HTML, to Markdown and to a terminal.

A page is a list of sections, a section a list of blocks: a string is a paragraph, the others are
below. Nothing here knows what is reported.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import pathlib
import re
import tomllib
from typing import TYPE_CHECKING, Any, Sequence

from analysis.system.templates import fill

if TYPE_CHECKING:
    from rich.table import Table

TEMPLATES = pathlib.Path(__file__).resolve().parent / "templates"

PROSE = tomllib.loads((TEMPLATES / "prose.toml").read_text(encoding="utf-8"))
"""What reports say whatever was measured."""

SIGNS = {"faster": "▲", "slower": "▼", "equal": "=", "small": "≈", "inconclusive": "?",
         "fewer": "▲", "more": "▼"}
"""A shape for each verdict, so that none depends on colour. The last two are of instructions."""

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
    """"off" for what does not apply or was refused."""


@dataclasses.dataclass(frozen=True)
class Row:
    """The first cell is the row's heading."""

    cells: list[Cell]
    kind: str = ""
    """"own" for the pool's rows, "aside" for controls and floors."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """A table with its caption."""

    name: str
    caption: str
    columns: list[Column]
    rows: list[Row]
    look: str = ""
    """"map" where a verdict colours its whole cell."""


@dataclasses.dataclass(frozen=True)
class Figure:
    """A chart, the table of its numbers, and sentences below that. What is missing is None."""

    svg: str | None
    table: Grid | None
    caption: str = ""
    remarks: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Point:
    """A verdict and a sentence."""

    verdict: str
    text: str
    arm: str = ""
    workload: str = ""
    """Links to the section of that title."""


@dataclasses.dataclass(frozen=True)
class Points:
    """A list of them."""

    title: str
    items: list[Point]


@dataclasses.dataclass(frozen=True)
class Code:
    """Lines to copy."""

    text: str


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a page that its navigation names; inside of one, a workload."""

    id: str
    title: str
    blocks: list[Any]
    question: str = ""


@dataclasses.dataclass(frozen=True)
class Page:
    """A whole report. What comes before the sections fits the first screen."""

    title: str
    heading: str
    lead: list[str]
    sections: list[Section]
    footer: str
    points: Points | None = None
    warnings: Sequence[str] = ()
    meta: str = ""


def cells(*texts: str | Cell) -> list[Cell]:
    """Cells of texts, where they are none yet."""
    return [text if isinstance(text, Cell) else Cell(text) for text in texts]


def slug(text: str) -> str:
    """A name as part of an id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def html(page: Page) -> str:
    """One file that needs nothing else."""
    import markupsafe

    from analysis.system import drawing

    script = (TEMPLATES / "report.js").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    styles = "".join(path.read_text(encoding="utf-8")
                     for path in (drawing.STYLE, TEMPLATES / "report.css"))
    filters = {"svg": markupsafe.Markup, "slug": slug}
    return fill(TEMPLATES / "report.html.j2", filters, escape=True, page=page, signs=SIGNS,
                digest=digest, script=markupsafe.Markup(script), styles=markupsafe.Markup(styles))


def markdown(page: Page) -> str:
    """The same for a pull request."""
    filters = {"table": table, "plain": escaped}
    text = fill(TEMPLATES / "report.md.j2", filters, page=page, signs=SIGNS)
    return re.sub(r"\n{3,}", "\n\n", text)


def table(grid: Grid) -> str:
    """A table in Markdown, without its caption."""
    rows = [[escaped(column.title) + (f" ({escaped(column.note)})" if column.note else "")
             for column in grid.columns],
            ["---:" if column.number else "---" for column in grid.columns]]
    rows += [[escaped(_signed(cell))
              + (f" ({escaped(cell.note)})" if cell.note else "") for cell in row.cells]
             for row in grid.rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _signed(cell: Cell) -> str:
    """The verdict's shape and the text."""
    return f"{SIGNS.get(cell.verdict, '')} {cell.text}".strip()


def escaped(text: str) -> str:
    """Nothing in a name may start a column, a tag or an emphasis."""
    return " ".join(re.sub(r"([\\`*_<>|\[\]])", r"\\\1", text).split())


def terminal(grid: Grid) -> Table:
    """The table for a terminal or a log."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(title=grid.caption or None, title_justify="left", box=box.SIMPLE_HEAD,
                 pad_edge=False)
    for column in grid.columns:
        made.add_column(column.title, overflow="fold",
                        justify="right" if column.number else "left")
    for row in grid.rows:
        made.add_row(*(Text.assemble((_signed(cell), STYLES.get(cell.verdict, "")),
                                     (f" ({cell.note})" if cell.note else "", "dim"))
                       for cell in row.cells))
    return made


def text(parts: Sequence[Grid | str], width: int) -> str:
    """Tables and lines for a terminal or a log."""
    from rich.console import Console
    from rich.text import Text

    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None)
    for part in parts:
        console.print(Text(part) if isinstance(part, str) else terminal(part), soft_wrap=True)
    return "\n".join(line.rstrip() for line in stream.getvalue().strip("\n").split("\n")) + "\n"
