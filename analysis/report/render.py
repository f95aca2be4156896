"""An Analysis as HTML, Markdown, CSV, JSON and a terminal table: nothing is computed here."""

from __future__ import annotations

import base64
import collections
import concurrent.futures
import contextlib
import gc
import gzip
import hashlib
import json
import multiprocessing
import os
import pathlib
import re
import shlex
from typing import Any, Iterable, Iterator, Sequence

import jinja2
import markupsafe
import pandas
from rich.console import Console
from rich.table import Table

from analysis.report import charts, csv_export, narrative, tables
from analysis.runs import records
from analysis.stats import secondary_metrics
from analysis.system import units
from analysis.report.tables import Cell, Grid
from analysis.runs.plan import Arm
from analysis.stats.secondary_metrics import Parts
from analysis.stats.verdicts import Analysis, Claim, WorkloadResult
from analysis.system.files import ROOT, version, whole_file

TEMPLATES = pathlib.Path(__file__).resolve().parent / "templates"
SCOREBOARD = ROOT / "results" / "bugs" / "scoreboard.json"
PICTURE = "picture.svg"
FEW = 12
"""So many workloads are laid out before other processes would have begun."""
REPORT_HTML, REPORT_MARKDOWN, SAMPLES_CSV = "report.html", "report.md", "samples.csv"

SECTIONS = {
    "verdicts": "Verdicts",
    "sight": "What this run could see",
    "map": "Who wins where",
    "workloads": "Workload by workload",
    "floors": "Floors and the harness",
    "ledger": "Ledger",
    "bugs": "Planted bugs",
    "environment": "Environment",
    "again": "Run it again",
}

# --- The page -------------------------------------------------------------------------------------


@contextlib.contextmanager
def _collecting_later() -> Iterator[None]:
    """Puts the collection of garbage off: Matplotlib makes much of it, and looking for it among all
    the samples of a long run takes a third of the report's time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_collecting_later()
def page(analysis: Analysis) -> dict[str, Any]:
    """Everything that the templates lay out."""
    run = analysis.plan
    promises = tables.promises(analysis)
    measured = secondary_metrics.of(analysis)
    dots = sum(len(arm.times_ns) for result in analysis.results
               for arm in result.arms) <= charts.MOST_DOTS
    planted = bugs()
    sections = {id_: title for id_, title in SECTIONS.items() if planted or id_ != "bugs"}
    archive = csv_export.archive(analysis, measured)
    return {
        "title": f"Does a memory pool pay off? {_day(run.started)}",
        "summary": narrative.summary(analysis) or ["No pool was compared with a rival in this run."],
        "warnings": warnings(analysis),
        "meta": meta(analysis),
        "sections": sections,
        "tally": tables.tally_grid(analysis),
        "headlines": [_headline(claim) for claim in tables.headlines(analysis)],
        "glance": tables.sight_grid(analysis),
        "forests": [_forest(analysis, promise) for promise in promises],
        "sight": sight_sentences(analysis),
        "noise": _figure(charts.noise(analysis, "noise-chart"), tables.noise_grid(analysis)),
        "legend": [{"verdict": verdict, "sign": narrative.SIGNS[verdict], "meaning": meaning}
                   for verdict, meaning in narrative.MEANINGS.items()],
        "maps": [grid for promise in narrative.PROMISES
                 if (grid := tables.map_grid(analysis, promise))],
        "leaders": tables.leaders_grid(analysis),
        "dots": dots,
        "workloads": _workloads(analysis, measured, dots),
        "parts": part_sentences(analysis, measured),
        "floors": tables.floors_grid(analysis),
        "ledger": _figure(charts.ledger(analysis, "ledger-chart"), tables.ledger_grid(analysis))
        | {"sentences": ledger_sentences(analysis), "repeats": tables.repeats_grid(analysis)},
        "bugs": planted,
        "environment": tables.environment_grid(analysis),
        "libraries": tables.libraries_grid(analysis),
        "again": run.command,
        "rebuild": f"./poolproof report {shlex.quote(_shown(analysis.record.folder))}",
        "seed": run.seed,
        "version": run.environment.get("poolproof", version()),
        "samples": units.count(len(analysis.frame), "sample"),
        "archive": archive,
    }


def _figure(svg: str | None, table: Grid | None) -> dict[str, Any]:
    return {"svg": markupsafe.Markup(svg) if svg else None, "table": table}


def _headline(claim: Claim) -> dict[str, str]:
    return {"verdict": claim.verdict, "sign": narrative.SIGNS[claim.verdict], "arm": claim.arm,
            "workload": claim.workload, "id": tables.slug(claim.workload),
            "text": f"{units.ratio(claim.ratio)} times as fast as"
                    f" {narrative.arm_label(claim.baseline)}", "span": narrative.interval(claim)}


def _sentences(result: WorkloadResult) -> list[dict[str, str]]:
    found = []
    for promise, (pool, manner, _) in narrative.PROMISES.items():
        answer = narrative.answer(result, promise)
        if answer is not None:
            found.append({"pool": pool, "manner": manner, "word": answer.word,
                          "title": answer.title, "sentence": answer.sentence,
                          "sign": narrative.SIGNS[answer.claim.verdict]})
    return found


def _forest(analysis: Analysis, promise: str) -> dict[str, Any]:
    pool, manner, _ = narrative.PROMISES[promise]
    svg = charts.forest(analysis, promise, f"forest-{promise}")
    return _figure(svg, tables.headline_grid(analysis, promise)) | {
        "title": f"{pool}, {manner}, against the fastest {promise}"}


_inherited: tuple[Analysis, Parts, bool] | None = None
"""In a process that lays out workloads: what there is, which it was born with, without a copy."""


def _inherit(*everything: Any) -> None:
    global _inherited
    _inherited = everything


def _inherited_workload(number: int) -> dict[str, Any]:
    analysis, measured, dots = _inherited
    return _workload(analysis.results[number], measured, dots, analysis.plan.arms)


def _workloads(analysis: Analysis, measured: Parts, dots: bool) -> list[dict[str, Any]]:
    """Each workload laid out; of many, by as many processes as there are processors, as drawing
    is most of a report's time."""
    processors = len(os.sched_getaffinity(0))
    if len(analysis.results) < FEW or processors == 1:
        return [_workload(result, measured, dots, analysis.plan.arms)
                for result in analysis.results]
    with concurrent.futures.ProcessPoolExecutor(
            processors, multiprocessing.get_context("fork"), _inherit,
            (analysis, measured, dots)) as pool:
        return list(pool.map(_inherited_workload, range(len(analysis.results)), chunksize=2))


def _workload(result: WorkloadResult, measured: Parts, dots: bool,
              arms: Sequence[Arm]) -> dict[str, Any]:
    workload = result.workload
    name = tables.slug(workload.workload)
    times = "once" if workload.repetitions == 1 else f"{workload.repetitions} times"
    remarks = [f"{refusal.arm} left this workload in round {refusal.round + 1}: {refusal.refused}."
               for refusal in result.refusals]
    remarks.append(f"{units.count(workload.iterations, 'iteration')}, {times} in each process."
                   f" δ is {units.percent(result.limit)} here.")
    if workload.parameters:
        remarks.append(f"The name’s parts: {workload.parameters}.")
    if workload.source:
        remarks.append(f"After {workload.source}.")
    figures = [
        _figure(charts.arms(result, measured, f"rounds-{name}", dots),
                tables.workload_grid(result, measured, arms)),
        _figure(charts.memory(result, measured, f"memory-chart-{name}"),
                tables.memory_grid(result, measured)),
        _figure(charts.latency(result, measured, f"latency-chart-{name}"),
                tables.latency_grid(result, measured)),
    ]
    return {"id": name, "workload": workload.workload, "question": workload.question,
            "kind": narrative.kind_of_workload(workload.workload), "remarks": remarks,
            "answers": _sentences(result),
            "figures": [figure for figure in figures if figure["table"]]}


def warnings(analysis: Analysis) -> list[str]:
    """What a reader must know before believing anything."""
    plan = analysis.plan
    said = list(plan.notes)
    if busy := narrative.busy_sentence(analysis):
        said.append(busy)
    if not analysis.complete:
        done = sum(result.rounds for result in analysis.results)
        planned = plan.rounds * len(plan.workloads)
        said.append(f"The run is not complete: {done} of {planned} rounds are there.")
    said += [f"The run was to measure {part}, and has nothing of it."
             for part in plan.parts
             if part != "time" and not getattr(analysis.record, part)
             and part not in analysis.record.part_refusals]
    said += [f"The arm {item['arm']} is absent: install {item['package']}." for item in plan.absent]
    said += [
        f"{refusal.workload} with {refusal.arm} was refused: {refusal.refused}."
        for refusal in analysis.record.refusals
    ]
    return said


def meta(analysis: Analysis) -> str:
    """Where, when and how much, in a line."""
    plan = analysis.plan
    facts = plan.environment
    parts = [
        _day(plan.started),
        str(facts.get("processor", "")),
        str(facts.get("system", "")), f"{plan.mode} run",
        units.count(plan.rounds, "round"),
        units.count(len(analysis.frame), "process").replace("processs", "processes")
    ]
    return " · ".join(part for part in parts if part)


def sight_sentences(analysis: Analysis) -> list[str]:
    """What this run could have told, in sentences."""
    return [narrative.rounds_sentence(analysis), narrative.null_sentence(analysis),
            narrative.delay_sentence(analysis), narrative.clock_sentence(analysis),
            narrative.doubt_sentence(analysis)]


def part_sentences(analysis: Analysis, measured: Parts) -> list[str]:
    """What was measured beside time, what it is, and what was left out."""
    said = []
    if measured.work:
        counter = ", ".join(sorted({line.counter for line in analysis.record.work}))
        said.append("Instructions are work, not time: those of one operation, as the slope between"
                    f" a shorter and a longer process, counted by {counter}. They repeat where time"
                    " does not, and say nothing of what a cache miss costs.")
    if analysis.record.memory:
        said.append("Memory is what the arm added to the process’s resident size, in processes of"
                    " their own. Live is what the workload itself held: nothing can occupy less."
                    " Drained is what is kept after every object was freed.")
    elif measured.memory:
        said.append("Memory is what the arm added to the process’s resident size while the trace"
                    " was played once. Live is what the program itself held: nothing can occupy"
                    " less. Drained is what is kept after every object was freed.")
    if measured.latency:
        clocks = ", ".join(sorted({tail.clock for tail in measured.latency.values()}))
        said.append("Latency is the time of single operations, one reading of the clock"
                    f" ({clocks}) included; what that alone takes stands beside it. Drawn are the"
                    " pools, their fastest rivals and glibc, then others, at most"
                    f" {tables.MOST_DRAWN}; every arm is in latency.csv below.")
    said += [f"Not measured: {item['what']}, because {item['why']}.".replace("..", ".")
             for item in analysis.plan.left_out]
    for part, refused in analysis.record.part_refusals.items():
        said += [f"No {part} of {item.workload} with {item.arm}: {item.refused}."
                 for item in refused]
    return said


def bugs(path: pathlib.Path = SCOREBOARD) -> dict[str, Any] | None:
    """The scoreboard of planted bugs that the repository publishes: sentences and a table. None
    where there is none; a sentence alone where it cannot be read."""
    try:
        board = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        return {"sentences": [f"The scoreboard of planted bugs cannot be read: {error}."],
                "table": None}
    if wrong := records.complaint("bugs", board):
        return {"sentences": [f"The scoreboard of planted bugs {wrong}."], "table": None}
    controls = "behaved" if board["controls_behave"] else "did not behave: believe none of this"
    return {
        "sentences": [
            f"How far the pool under test can be trusted: {board['found']} of"
            f" {units.count(board['bugs'], 'bug')} that were planted in copies of it were found"
            f" by the fuzzer, of {board['reached']} that it reached, within"
            f" {board['executions']:,} executions on the median of"
            f" {units.count(len(board['seeds']), 'seed')}. The controls {controls}.",
            "This is of the repository, not of this run; results/bugs has every bug."],
        "table": tables.bugs_grid(board)}


def ledger_sentences(analysis: Analysis) -> list[str]:
    """The rule by which rounds were run again."""
    rule = analysis.plan.ledger
    return [
        f"A round of a workload is run again as a whole if the hypervisor stole more than"
        f" {rule.steal_share:.0%} of it or the spin probe ran {rule.spin_ratio:g} times slower than"
        f" at the start; at most {rule.repeat_share:.0%} of all rounds. The rule was fixed before"
        " the first sample"
        " and sees no arm’s time. Single values are never dropped.".replace("%", " %")
    ]


def _day(started: str) -> str:
    return started.replace("T", " ").replace("Z", " UTC")


def _shown(folder: pathlib.Path) -> str:
    """A run folder as the user would type it: below the repository, else whole."""
    try:
        return str(folder.resolve().relative_to(ROOT))
    except ValueError:
        return str(folder)


def _templates(autoescape: bool) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined,
        autoescape=autoescape, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    made.filters["cell"] = lambda text: text.replace("|", "\\|").replace("\n", " ")
    made.filters["css"] = _css_string
    return made


LARGEST_PLAIN_BYTES = 900_000
"""A larger page carries its workloads packed, and a script of its own unpacks them."""


def html(content: dict[str, Any]) -> str:
    """report.html from a `page`: one file that needs nothing else."""
    script = _style("report.js").strip()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    made = _templates(True).get_template("report.html.j2").render(
        page=content, wide=_wide(content).values(), script=markupsafe.Markup(script), digest=digest)
    rules, made = _share_styles(made)
    made = made.replace("<!-- styles -->", _style("chart.css") + rules + _style("report.css"), 1)
    return made if len(made.encode()) <= LARGEST_PLAIN_BYTES else _packed(made)


_OPEN, _CLOSE = "<!-- workloads -->\n", "<!-- end of workloads -->\n"


def _share_styles(page_text: str) -> tuple[str, str]:
    """The styles that charts repeat as rules of the page's style sheet, and the page with their
    classes in place of them."""
    counted = collections.Counter(re.findall(r' style="([^"]*)"', page_text))
    shared = {style: f"s{number}" for number, (style, times) in enumerate(counted.most_common())
              if times > 2}
    text = re.sub(r' style="([^"]*)"', lambda found: f' class="{shared[found[1]]}"'
                  if found[1] in shared else found[0], page_text)
    return "".join(f".{name} {{ {style} }}\n" for style, name in shared.items()), text


def _packed(page_text: str) -> str:
    """The page with its workloads compressed: the same page once its script has run."""
    before, rest = page_text.split(_OPEN, 1)
    workloads, after = rest.split(_CLOSE, 1)
    packed = base64.b64encode(gzip.compress(workloads.encode(), 9, mtime=0)).decode()
    return (f'{before}<noscript><p class="warning">This run is large: its workloads are packed, and'
            f" unpacking them takes a script that is part of this page. {REPORT_MARKDOWN} has the"
            f' same tables.</p></noscript>\n<div id="packed" hidden>{packed}</div>\n{after}')


def _wide(content: Any) -> dict[str, Grid]:
    """The tables of a page that change on a narrow screen, one of each layout."""
    if isinstance(content, Grid):
        return {content.layout: content} if content.folds else {}
    members = content.values() if isinstance(content, dict) else content
    found: dict[str, Grid] = {}
    for member in members if isinstance(content, (dict, list)) else ():
        found |= _wide(member)
    return found


def _css_string(text: str) -> markupsafe.Markup:
    """A string for CSS that cannot end the string, the rule or the style element."""
    return markupsafe.Markup('"' + "".join(
        char if char.isalnum() or char in " .,%-" else f"\\{ord(char):x} " for char in text) + '"')


def _style(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def picture(analysis: Analysis) -> str | None:
    """picture.svg: the pool against the fastest malloc, as a file that needs nothing else. None
    without claims."""
    chart = charts.forest(analysis, "malloc", "picture")
    if chart is None:
        return None
    style = _style("chart.css") + "svg { background: var(--paper); padding: 12px; }\n"
    return chart.replace(">", f">\n<style>\n{style}</style>\n", 1) + "\n"


def markdown(content: dict[str, Any]) -> str:
    """report.md from the same `page`, for a pull request."""
    return _templates(False).get_template("report.md.j2").render(page=content)


# --- CSV, JSON, terminal --------------------------------------------------------------------------


def csv(analysis: Analysis) -> str:
    """samples.csv: the raw samples, a row each, and whether the verdicts rest on it."""
    frame: pandas.DataFrame = analysis.frame.copy()
    if not frame.empty:
        frame["repetitions_ns"] = frame["repetitions_ns"].map(
            lambda times: " ".join(map(repr, times)))
    return frame.to_csv(index=False)


def write_all(analysis: Analysis, folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes report.html, report.md, verdicts.json, records.csv and, if there are claims on malloc,
    picture.svg, each whole or not at all."""
    verdicts = analysis.to_json()
    wrong = records.complaint("verdicts", verdicts)
    if wrong:
        raise AssertionError(f"verdicts.json {wrong}")
    content = page(analysis)
    texts = {
        REPORT_HTML: html(content),
        REPORT_MARKDOWN: markdown(content),
        records.VERDICTS_FILE: json.dumps(verdicts, indent=1, allow_nan=False) + "\n",
        SAMPLES_CSV: csv(analysis),
    }
    if chart := picture(analysis):
        texts[PICTURE] = chart
    for name, text in texts.items():
        with whole_file(folder / name) as stream:
            stream.write(text)
    return [folder / name for name in texts]


_STYLES = {
    "faster": "bold cyan",
    "slower": "bold yellow",
    "equal": "bold",
    "small": "dim italic",
    "inconclusive": "dim italic",
}


def print_terminal(analysis: Analysis, console: Console, paths: Iterable[pathlib.Path]) -> None:
    """The verdicts as tables, what to mind, and where the report lies."""
    for promise in narrative.PROMISES:
        if table := terminal_table(analysis, promise):
            console.print(table)
    for sentence in narrative.summary(analysis):
        console.print(sentence, soft_wrap=True, highlight=False)
    console.print(
        "[dim]▲ faster ▼ slower = equal: claims. ≈ small, ? inconclusive: not claims. Ratios are"
        " baseline time / pool time, in brackets the 95 % interval.[/dim]", soft_wrap=True,
        highlight=False)
    for warning in warnings(analysis):
        console.print(f"mind: {warning}", style="yellow", soft_wrap=True, markup=False,
                      highlight=False)
    for path in paths:
        console.print(str(path), soft_wrap=True, markup=False, highlight=False)


def terminal_table(analysis: Analysis, promise: str) -> Table | None:
    """A pool arm against each rival of equal promise; None if there are none."""
    grid = tables.claims_grid(analysis, promise)
    if grid is None:
        return None
    pool, manner, _ = narrative.PROMISES[promise]
    table = Table(title=f"{pool} ({manner}): times as fast as", title_justify="left")
    for column in grid.columns:
        first = column is grid.columns[0]
        table.add_column(column.title.removesuffix(" calloc"), overflow="fold",
                         justify="left" if first else "right")
    for row in grid.rows:
        table.add_row(row.cells[0].text, *(_terminal_cell(cell) for cell in row.cells[1:]))
    return table


def _terminal_cell(cell: Cell) -> str:
    if not cell.verdict:
        return cell.text
    style = _STYLES[cell.verdict]
    span = cell.note.replace(" to ", "–")
    return f"[{style}]{cell.sign} {cell.text.rstrip('×')}[/] [dim]({span})[/]"
