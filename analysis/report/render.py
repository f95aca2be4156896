"""An Analysis as files and on the terminal: nothing is computed here."""

from __future__ import annotations

import base64
import gc
import hashlib
import pathlib
from typing import Any, Iterable

import markupsafe
from rich.console import Console
from rich.text import Text

from analysis.report import charts, csv_export, grid, narrative, verdict_tables
from analysis.report.page import page
from analysis.runs import records
from analysis.runs.schema import encoded
from analysis.stats import secondary_metrics
from analysis.stats.verdicts import Analysis
from analysis.system import drawing
from analysis.system.files import whole_file
from analysis.system.templates import fill

TEMPLATES = pathlib.Path(__file__).resolve().parent / "templates"
PICTURE = "picture.svg"
REPORT_HTML, REPORT_MARKDOWN = "report.html", "report.md"


def html(content: dict[str, Any]) -> str:
    """report.html from a `page`: one file that needs nothing else."""
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    styles = "".join(path.read_text(encoding="utf-8")
                     for path in (drawing.STYLE, TEMPLATES / "report.css"))
    return fill(TEMPLATES / "report.html.j2", escape=True, page=content, digest=digest,
                script=markupsafe.Markup(script), styles=markupsafe.Markup(styles))


def markdown(content: dict[str, Any]) -> str:
    """report.md from the same `page`, for a pull request."""
    return fill(TEMPLATES / "report.md.j2", {"table": grid.markdown}, page=content)


def write_all(analysis: Analysis, folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes report.html, report.md, verdicts.json, CSV files and, if there are claims on malloc,
    picture.svg, each whole or not at all."""
    verdicts = analysis.to_json()
    wrong = records.complaint("verdicts", verdicts)
    if wrong:
        raise AssertionError(f"verdicts.json {wrong}")
    measured = secondary_metrics.of(analysis)
    gc.freeze()  # Matplotlib makes much garbage; the samples are none and need no look each time
    content = page(analysis, measured)
    texts = {
        REPORT_HTML: html(content),
        REPORT_MARKDOWN: markdown(content),
        records.VERDICTS_FILE: encoded(verdicts),
        **csv_export.tables(analysis, measured),
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
        if table := verdict_tables.claims_grid(analysis, promise):
            console.print(grid.terminal(table))
    for sentence in narrative.summary(analysis):
        console.print(Text(sentence), soft_wrap=True)
    console.print(Text("▲ faster ▼ slower = equal: claims. ≈ small, ? inconclusive: not claims."
                       " Ratios are baseline time / pool time, in brackets the 95 % interval.",
                       "dim"), soft_wrap=True)
    for warning in narrative.warnings(analysis):
        console.print(Text(f"mind: {warning}", "yellow"), soft_wrap=True)
    for path in (path for path in paths if path.suffix != ".csv"):
        console.print(Text(str(path)), soft_wrap=True)
