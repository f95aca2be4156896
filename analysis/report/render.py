"""A run's report, as files and on the terminal: nothing is computed here."""

import pathlib

from rich.console import Console
from rich.text import Text

from analysis.report import charts, document, narrative, tables
from analysis.report.page import page
from analysis.runs import records
from analysis.runs.schema import encoded
from analysis.stats import verdicts
from analysis.stats.verdicts import Analysis
from analysis.system import drawing
from analysis.system.exits import FINDING, PASS, UNFIT, UserError
from analysis.system.files import output_folder, write_whole

PICTURE = "picture.svg"
REPORT_HTML, REPORT_MARKDOWN = "report.html", "report.md"


def write_all(analysis: Analysis, folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes the page, report.md, verdicts.json and, with claims on malloc, picture.svg."""
    claims = analysis.to_json()
    if wrong := records.complaint("verdicts", claims):
        raise AssertionError(f"verdicts.json {wrong}")
    content = page(analysis)
    texts = {
        REPORT_HTML: document.html(content),
        REPORT_MARKDOWN: document.markdown(content),
        records.VERDICTS_FILE: encoded(claims),
    }
    if chart := charts.forest(analysis, "malloc", "picture"):
        texts[PICTURE] = drawing.alone(chart)
    for name, text in texts.items():
        write_whole(folder / name, text)
    return [folder / name for name in texts]


def output_console() -> Console:
    """Standard output; in a file or a pipe at least wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 120))


def report(folder: pathlib.Path, console: Console, output: pathlib.Path | None = None) -> int:
    """Makes the report, prints its verdicts, notes and paths. Returns the exit code."""
    if output is not None and output.is_file():
        raise UserError(f"{output} is a file; name a folder")
    taken = records.read(folder)
    if not taken.launches:
        raise UserError(f"{folder} has no complete launch yet: continue with --resume")
    analysis = verdicts.analyse(taken)
    if output is not None:
        output_folder(output)
    paths = write_all(analysis, output or folder)
    for promise in narrative.PROMISES:
        if grid := tables.map_grid(analysis, promise):
            console.print(document.terminal(grid))
    said = [Text(sentence) for sentence in (narrative.found(analysis), narrative.unseen(analysis))]
    said.append(Text("▲ faster ▼ slower = equal: claims. ≈ small, ? inconclusive: not claims."
                     " Ratios are baseline time / pool time, in brackets the 95 % interval.",
                     "dim"))
    said += [Text(f"note: {warning}", "yellow") for warning in narrative.warnings(analysis)]
    for line in [*said, *(Text(str(path)) for path in paths)]:
        console.print(line, soft_wrap=True)
    refused = [*taken.refusals, *taken.probe_refusals]
    if any(refusal.crashed for refusal in refused):
        return FINDING
    return UNFIT if refused else PASS
