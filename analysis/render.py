"""An Analysis as HTML, Markdown, CSV, JSON and a terminal table: nothing is computed here."""

from __future__ import annotations

import itertools
import json
import pathlib
import shlex
from typing import Any, Iterable, Sequence

import jinja2
import markupsafe
import pandas
from rich.console import Console
from rich.table import Table

from analysis import charts, environment, samples, tables, wording
from analysis.tables import Cell, Grid
from analysis.verdicts import Analysis, WorkloadResult

TEMPLATES = pathlib.Path(__file__).resolve().parent / "templates"
PICTURE = "picture.svg"
REPORT_HTML, REPORT_MARKDOWN, SAMPLES_CSV = "report.html", "report.md", "samples.csv"

SECTIONS = {
    "verdicts": "Verdicts",
    "sight": "What this run could see",
    "map": "Who wins where",
    "workloads": "Workload by workload",
    "memory": "Memory",
    "floors": "Floors and the harness",
    "ledger": "Ledger",
    "environment": "Environment",
    "again": "Run it again",
}

# --- The page -------------------------------------------------------------------------------------


def page(analysis: Analysis) -> dict[str, Any]:
    """Everything that the templates lay out."""
    plan = analysis.plan
    promises = tables.promises(analysis)
    return {
        "title": f"Does a memory pool pay off? {_day(plan.started)}",
        "summary": wording.summary(analysis) or ["No pool was compared with a rival in this run."],
        "warnings": warnings(analysis),
        "meta": meta(analysis),
        "sections": SECTIONS,
        "answers": _answers(analysis.results),
        "forests": [_forest(analysis, promise) for promise in promises],
        "sight": sight_sentences(analysis),
        "noise": _figure(charts.noise(analysis, "noise-chart"), tables.noise_grid(analysis)),
        "legend": [{"verdict": verdict, "sign": wording.SIGNS[verdict], "meaning": meaning}
                   for verdict, meaning in wording.MEANINGS.items()],
        "maps": [tables.map_grid(analysis, promise) for promise in promises],
        "leaders": tables.leaders_grid(analysis),
        "workloads": [_workload(result) for result in analysis.results],
        "memory": {"sentences": memory_sentences(analysis),
                   "figures": [_memory(result, table) for result in analysis.results
                               if (table := tables.memory_grid(result))]},
        "floors": tables.floors_grid(analysis),
        "ledger": _figure(charts.ledger(analysis, "ledger-chart"), tables.ledger_grid(analysis))
        | {"sentences": ledger_sentences(analysis), "repeats": tables.repeats_grid(analysis)},
        "environment": tables.environment_grid(analysis),
        "libraries": tables.libraries_grid(analysis),
        "again": plan.command,
        "rebuild": f"./poolproof report {shlex.quote(_shown(analysis.record.folder))}",
        "seed": plan.seed,
        "version": plan.environment.get("poolproof", environment.version()),
        "samples": wording.count(len(analysis.frame), "sample"),
    }


def _figure(svg: str | None, table: Grid) -> dict[str, Any]:
    return {"svg": markupsafe.Markup(svg) if svg else None, "table": table}


def _answers(results: Sequence[WorkloadResult]) -> list[dict[str, Any]]:
    """One entry a question: a workload in sentences, or several that ask the same as a table."""
    groups = itertools.groupby(
        results, lambda item: (item.workload.workload.partition("/")[0], item.workload.question))
    found = []
    for (family, question), members in groups:
        alike = list(members)
        only = alike[0] if len(alike) == 1 else None
        found.append({
            "title": only.workload.workload if only else family,
            "question": question,
            "kind": wording.kind_of_workload(alike[0].workload.workload),
            "answers": _sentences(only) if only else [],
            "table": None if only else tables.answers_grid(family, alike),
        })
    return found


def _sentences(result: WorkloadResult) -> list[dict[str, str]]:
    found = []
    for promise, (pool, manner, _) in wording.PROMISES.items():
        answer = wording.answer(result, promise)
        if answer is not None:
            found.append({"pool": pool, "manner": manner, "word": answer.word,
                          "title": answer.title, "sentence": answer.sentence,
                          "sign": wording.SIGNS[answer.claim.verdict]})
    return found


def _forest(analysis: Analysis, promise: str) -> dict[str, Any]:
    pool, manner, _ = wording.PROMISES[promise]
    svg = charts.forest(analysis, promise, f"forest-{promise}")
    return _figure(svg, tables.headline_grid(analysis, promise)) | {
        "title": f"{pool}, {manner}, against the fastest {promise}"}


def _workload(result: WorkloadResult) -> dict[str, Any]:
    workload = result.workload
    name = tables.slug(workload.workload)
    times = "once" if workload.repetitions == 1 else f"{workload.repetitions} times"
    remarks = [f"{refusal.arm} left this workload in round {refusal.round + 1}: {refusal.refused}."
               for refusal in result.refusals]
    remarks.append(f"{wording.count(workload.iterations, 'iteration')}, {times} in each process."
                   f" δ is {wording.percent(result.limit)} here.")
    if workload.parameters:
        remarks.append(f"The name’s parts: {workload.parameters}.")
    if workload.source:
        remarks.append(f"After {workload.source}.")
    return _figure(charts.rounds(result, f"rounds-{name}"), tables.workload_grid(result)) | {
        "id": name, "workload": workload.workload, "question": workload.question,
        "kind": wording.kind_of_workload(workload.workload), "remarks": remarks}


def _memory(result: WorkloadResult, table: Grid) -> dict[str, Any]:
    name = f"memory-chart-{tables.slug(result.workload.workload)}"
    return _figure(charts.memory(result, name), table) | {"workload": result.workload.workload}


def warnings(analysis: Analysis) -> list[str]:
    """What a reader must know before believing anything."""
    plan = analysis.plan
    said = list(plan.notes)
    if busy := wording.busy_sentence(analysis):
        said.append(busy)
    if not analysis.complete:
        done = sum(result.rounds for result in analysis.results)
        planned = plan.rounds * len(plan.workloads)
        said.append(f"The run is not complete: {done} of {planned} rounds are there.")
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
        wording.count(plan.rounds, "round"),
        wording.count(len(analysis.frame), "process").replace("processs", "processes")
    ]
    return " · ".join(part for part in parts if part)


def sight_sentences(analysis: Analysis) -> list[str]:
    """What this run could have told, in sentences."""
    return [wording.rounds_sentence(analysis), wording.null_sentence(analysis),
            wording.delay_sentence(analysis), wording.clock_sentence(analysis),
            wording.doubt_sentence(analysis)]


def memory_sentences(analysis: Analysis) -> list[str]:
    """What the memory figures are, or that there are none."""
    if not any(map(tables.memory_grid, analysis.results)):
        return ["No workload of this run measures memory; recorded programs do."]
    return ["Footprint is the resident memory that the arm added to the process, read from its page"
            " tables while the trace is played once with every page of every object written to."
            " Peak live is what the program itself held at most: nothing can occupy less. What is"
            " left after draining is what the arm keeps when every object has been freed."]


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
        return str(folder.resolve().relative_to(environment.ROOT))
    except ValueError:
        return str(folder)


def _templates(autoescape: bool) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined,
        autoescape=autoescape, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    made.filters["cell"] = lambda text: text.replace("|", "\\|")
    return made


def html(content: dict[str, Any]) -> str:
    """report.html from a `page`: one file that needs nothing else."""
    style = markupsafe.Markup(_style("chart.css") + _style("report.css"))
    return _templates(True).get_template("report.html.j2").render(page=content, style=style)


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
    """Writes report.html, report.md, verdicts.json, samples.csv and, if there are claims on malloc,
    picture.svg, each whole or not at all."""
    verdicts = analysis.to_json()
    wrong = samples.complaint("verdicts", verdicts)
    if wrong:
        raise AssertionError(f"verdicts.json {wrong}")
    content = page(analysis)
    texts = {
        REPORT_HTML: html(content),
        REPORT_MARKDOWN: markdown(content),
        samples.VERDICTS_FILE: json.dumps(verdicts, indent=1, allow_nan=False) + "\n",
        SAMPLES_CSV: csv(analysis),
    }
    if chart := picture(analysis):
        texts[PICTURE] = chart
    for name, text in texts.items():
        with environment.whole_file(folder / name) as stream:
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
    for promise in wording.PROMISES:
        if table := terminal_table(analysis, promise):
            console.print(table)
    for sentence in wording.summary(analysis):
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
    grid = tables.map_grid(analysis, promise)
    if grid is None:
        return None
    pool, manner, _ = wording.PROMISES[promise]
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
