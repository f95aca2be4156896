"""An Analysis as files and on the terminal: nothing is computed here."""

from __future__ import annotations

import pathlib
from typing import Iterable

from rich.console import Console
from rich.text import Text

from analysis.report import charts, document, narrative, tables
from analysis.report.page import page
from analysis.runs import records
from analysis.runs.schema import encoded
from analysis.stats import secondary_metrics
from analysis.stats.verdicts import Analysis
from analysis.system import drawing
from analysis.system.files import whole_file

PICTURE = "picture.svg"
REPORT_HTML, REPORT_MARKDOWN = "report.html", "report.md"


def write_all(analysis: Analysis, folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes report.html, report.md, verdicts.json and, if there are claims on malloc, picture.svg,
    each whole or not at all."""
    verdicts = analysis.to_json()
    wrong = records.complaint("verdicts", verdicts)
    if wrong:
        raise AssertionError(f"verdicts.json {wrong}")
    content = page(analysis, secondary_metrics.of(analysis.record, analysis.results))
    texts = {
        REPORT_HTML: document.html(content),
        REPORT_MARKDOWN: document.markdown(content),
        records.VERDICTS_FILE: encoded(verdicts),
    }
    if chart := charts.forest(analysis, "malloc", "picture"):
        texts[PICTURE] = drawing.alone(chart)
    for name, text in texts.items():
        with whole_file(folder / name) as stream:
            stream.write(text)
    return [folder / name for name in texts]


def print_terminal(analysis: Analysis, console: Console, paths: Iterable[pathlib.Path]) -> None:
    """The verdicts as tables, what to mind, and where the report lies."""
    for promise in narrative.PROMISES:
        if grid := tables.map_grid(analysis, promise, front=False):
            console.print(document.terminal(grid))
    said = [Text(sentence) for sentence in (narrative.found(analysis), narrative.unseen(analysis))]
    said.append(Text("▲ faster ▼ slower = equal: claims. ≈ small, ? inconclusive: not claims."
                     " Ratios are baseline time / pool time, in brackets the 95 % interval.",
                     "dim"))
    said += [Text(f"mind: {warning}", "yellow") for warning in narrative.warnings(analysis)]
    for line in [*said, *(Text(str(path)) for path in paths)]:
        console.print(line, soft_wrap=True)
