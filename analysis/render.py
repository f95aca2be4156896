"""An Analysis as HTML, Markdown, CSV, JSON and a terminal table. Nothing is computed here, only
laid out."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import re
import shlex
from typing import Any, Iterable, Sequence

import jinja2
import markupsafe
import pandas
from rich.console import Console
from rich.table import Table

from analysis import charts, environment, inference, samples, wording

from analysis.verdicts import Analysis, Claim, WorkloadResult

TEMPLATES = pathlib.Path(__file__).resolve().parent / "templates"
REPORT_HTML, REPORT_MARKDOWN, SAMPLES_CSV = "report.html", "report.md", "samples.csv"

# --- Tables, as both HTML and Markdown lay them out ----------------------------------------------


@dataclasses.dataclass(frozen=True)
class Column:
    """A column's heading, and whether it holds numbers."""

    title: str
    number: bool = False


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell: text, a smaller note under it, and a verdict if it states one."""

    text: str
    note: str = ""
    verdict: str = ""

    @property
    def sign(self) -> str:
        """The verdict's shape."""
        return wording.SIGNS.get(self.verdict, "")


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

    def for_page(self) -> dict[str, Any]:
        """The arguments of the template's macro."""
        rows = [{"cells": row.cells, "class": row.kind} for row in self.rows]
        return {"caption": self.caption, "columns": self.columns, "rows": rows, "name": self.name}


def _cells(*texts: str | Cell) -> list[Cell]:
    return [text if isinstance(text, Cell) else Cell(text) for text in texts]


def _claim_cell(claim: Claim | None) -> Cell:
    if claim is None:
        return Cell("–")
    return Cell(f"{wording.ratio(claim.ratio)}×", wording.interval(claim), claim.verdict)


def headline_grid(analysis: Analysis, promise: str) -> Grid:
    """The pool against the fastest rival of one promise on each workload."""
    pool = wording.PROMISES[promise][0]
    rows = []
    for result in analysis.results:
        claim = result.against_best(pool)
        if claim is not None:
            rows.append(
                Row(
                    _cells(claim.workload, wording.arm_label(claim.baseline),
                           f"{wording.ratio(claim.ratio)}×", wording.interval(claim),
                           Cell(claim.verdict, verdict=claim.verdict))))
    columns = [
        Column("workload"),
        Column("fastest rival"),
        Column("ratio", True),
        Column("95 % interval", True),
        Column("verdict")
    ]
    return Grid(f"headline-{promise}", f"{pool} against the fastest {promise}", columns, rows)


def map_grid(analysis: Analysis, promise: str) -> Grid | None:
    """The pool against every rival of one promise; None if there are none."""
    pool = wording.PROMISES[promise][0]
    rivals = [
        arm.name for arm in analysis.plan.arms if arm.role == "rival" and arm.promise == promise
    ]
    rows = []
    for result in analysis.results:
        by_rival = {claim.baseline: claim for claim in result.claims if claim.arm == pool}
        if by_rival:
            rows.append(
                Row(
                    _cells(result.workload.workload,
                           *(_claim_cell(by_rival.get(name)) for name in rivals))))
    if not rows:
        return None
    columns = [Column("workload"), *(Column(wording.arm_label(name)) for name in rivals)]
    return Grid(f"map-{promise}", f"{pool} against each {promise}", columns, rows)


def leaders_grid(analysis: Analysis) -> Grid:
    """The fastest arm of each promise against its runner-up."""
    rows = []
    for result in analysis.results:
        for promise, claim in result.leaders.items():
            if claim is None:
                continue
            own = analysis.plan.arm(claim.arm).role == "pool"
            rows.append(
                Row(
                    _cells(Cell(result.workload.workload, promise), wording.arm_label(claim.arm),
                           wording.arm_label(claim.baseline), f"{wording.ratio(claim.ratio)}×",
                           wording.interval(claim), Cell(claim.verdict, verdict=claim.verdict)),
                    "own" if own else ""))
    columns = [
        Column("workload"),
        Column("in front"),
        Column("runner-up"),
        Column("ratio", True),
        Column("95 % interval", True),
        Column("verdict")
    ]
    return Grid(
        "leaders-table",
        "The arm in front, against its runner-up: a winner only where the verdict is"
        " faster", columns, rows)


def noise_grid(analysis: Analysis) -> Grid:
    """δ and what it makes provable, for each workload."""
    rows = []
    for result in analysis.results:
        null = result.null
        rows.append(
            Row(
                _cells(result.workload.workload, str(result.rounds),
                       wording.signed_percent(null.interval.median) if null else "none",
                       wording.percent(result.limit), wording.percent(result.smallest_provable()))))
    columns = [
        Column("workload"),
        Column("rounds", True),
        Column("null arm, median", True),
        Column("δ", True),
        Column("smallest provable difference", True)
    ]
    return Grid(
        "noise-table",
        "The noise of each workload, and the smallest difference that its claims could have"
        " proved", columns, rows)


def workload_grid(analysis: Analysis, result: WorkloadResult) -> Grid:
    """All arms of one workload, fastest first, and how the pool of equal promise compares."""
    by_pair = {(claim.arm, claim.baseline): claim for claim in result.claims}
    rows = []
    for promise in ("malloc", "calloc", ""):
        pool = wording.PROMISES[promise][0] if promise else ""
        for arm in (item for item in result.arms if item.arm.promise == promise):
            claim = by_pair.get((pool, arm.arm.name))
            spread = (f"{wording.time(arm.low_ns)} to {wording.time(arm.high_ns)}"
                      if math.isfinite(arm.high_ns) else "no interval")
            role = arm.arm.role
            compared = _claim_cell(claim) if claim else Cell("–")
            rows.append(
                Row(
                    _cells(Cell(wording.arm_label(arm.arm.name), wording.describe(arm.arm)),
                           Cell(wording.time(arm.time_ns), spread), compared),
                    "own" if role == "pool" else "" if role == "rival" else "aside"))
    columns = [
        Column("arm"),
        Column("an operation, median", True),
        Column("pool’s ratio to it", True)
    ]
    return Grid(
        f"arms-{_slug(result.workload.workload)}",
        f"{wording.count(result.rounds, 'round')} of {result.workload.workload}, one process each",
        columns, rows)


def memory_grids(analysis: Analysis) -> list[Grid]:
    """Peak resident size of each arm, one table a promise."""
    grids = []
    for promise in ("malloc", "calloc"):
        names = [arm.name for arm in analysis.plan.arms if arm.promise == promise]
        rows = []
        for result in analysis.results:
            cells = [_memory_cell(result, name) for name in names]
            live = next((arm.counters["peak_live_bytes"]
                         for arm in result.arms if "peak_live_bytes" in arm.counters), None)
            note = f"peak live {wording.size(live)}" if live else ""
            if any(cell.text != "–" for cell in cells):
                rows.append(Row([Cell(result.workload.workload, note), *cells]))
        if rows:
            columns = [
                Column("workload"), *(Column(wording.arm_label(name), True) for name in names)
            ]
            pool = wording.PROMISES[promise][0]
            grids.append(
                Grid(f"memory-{promise}", f"Peak resident size with {pool} and its rivals, median"
                     " of the processes", columns, rows))
    return grids


def _memory_cell(result: WorkloadResult, name: str) -> Cell:
    arm = result.arm(name)
    if arm is None:
        return Cell("–")
    resident = wording.size(arm.max_rss_bytes) if arm.max_rss_bytes is not None else "not known"
    return Cell(resident, f"{arm.minor_faults:,.0f} faults")


def floors_grid(analysis: Analysis) -> Grid:
    """The floors, and the harness's share of the fastest contestant."""
    names = [arm.name for arm in analysis.plan.arms if arm.role == "floor"]
    rows = []
    for result in analysis.results:
        fastest = next((arm for arm in result.arms if arm.arm.role in ("pool", "rival")), None)
        floors = [result.arm(name) for name in names]
        if fastest is None or not any(floors):
            continue
        rows.append(
            Row(
                _cells(
                    result.workload.workload,
                    Cell(wording.time(fastest.time_ns), wording.arm_label(fastest.arm.name)),
                    *(wording.time(arm.time_ns) if arm else "–" for arm in floors),
                    f"{result.harness_share:.0%}".replace("%", " %")
                    if result.harness_share else "–")))
    columns = [
        Column("workload"),
        Column("fastest contestant", True), *(Column(name, True) for name in names),
        Column("harness share", True)
    ]
    return Grid("floors-table", "Time of an operation, median over the rounds", columns, rows)


def ledger_grid(analysis: Analysis) -> Grid:
    """The ledger in figures."""
    frame, plan = analysis.frame, analysis.plan
    rows = [("processes", f"{len(frame):,}"),
            ("rounds run again", f"{len(analysis.repeats)} of at most {plan.repeats_allowed()}"), ]
    if not frame.empty:
        spin = frame[["spin_before_ns", "spin_after_ns"]].to_numpy()
        reference = plan.ledger.spin_reference_ns or float(spin.mean())
        busy = (frame["user_s"] + frame["system_s"]).sum() / frame["wall_s"].sum()
        rows += [("spin probe, reference", wording.time(reference)),
                 ("spin probe, fastest and slowest",
                  f"{wording.time(spin.min())}, {wording.time(spin.max())}"),
                 ("stolen by the hypervisor",
                  f"{frame['steal_s'].sum() / frame['wall_s'].sum():.2%}".replace("%", " %")),
                 ("processor time of wall time", f"{busy:.0%}".replace("%", " %")),
                 ("involuntary switches a process",
                  f"{frame['involuntary_switches'].median():.0f} (median),"
                  f" {frame['involuntary_switches'].max():.0f} (most)"),
                 ("major page faults", f"{frame['major_faults'].sum():,.0f}"), ]
        if frame["pressure_s"].notna().any():
            rows.append(
                ("waiting for a processor",
                 f"{frame['pressure_s'].sum() / frame['wall_s'].sum():.1%}".replace("%", " %")))
    return Grid("ledger-table", "What the machine did meanwhile",
                [Column("what"), Column("value", True)], [Row(_cells(*row)) for row in rows])


def repeats_grid(analysis: Analysis) -> Grid | None:
    """The rounds that were run again, and why."""
    if not analysis.repeats:
        return None
    rows = [
        Row(_cells(repeat.workload, str(repeat.round + 1), repeat.reason))
        for repeat in analysis.repeats
    ]
    return Grid(
        "repeats-table", "Rounds that were run again as a whole",
        [Column("workload"),
         Column("round", True),
         Column("what the ledger had against it")], rows)


_FACTS = (("processor", "processor"), ("processors", "processors"),
          ("architecture", "architecture"), ("memory_bytes", "memory"),
          ("virtual_machine", "virtual machine"), ("system", "system"), ("kernel", "kernel"),
          ("c_library", "C library"), ("huge_pages", "transparent huge pages"),
          ("address_randomisation",
           "address randomisation"), ("frequency_governor",
                                      "frequency governor"), ("load_at_start", "load at the start"),
          ("source", "sources"), ("poolproof", "Poolproof"), ("python", "Python"))


def environment_grid(analysis: Analysis) -> Grid:
    """Machine, compiler and versions."""
    facts = analysis.plan.environment
    rows = [
        Row(_cells(title, _fact(key, facts[key]))) for key, title in _FACTS
        if facts.get(key) not in (None, "")
    ]
    frame = analysis.frame
    for column, title in (("compiler", "compiler"), ("compiler_flags", "compiler flags"),
                          ("benchmark_version", "Google Benchmark")):
        values = sorted(set(frame[column])) if not frame.empty else []
        rows += [Row(_cells(title, ", ".join(values)))] if values else []
    libraries = facts.get("libraries") or {}
    if libraries:
        rows.append(
            Row(_cells("statistics by", ", ".join(f"{k} {v}" for k, v in libraries.items() if v))))
    removed = facts.get("variables_removed") or []
    rows.append(Row(_cells("variables kept from the samples", ", ".join(removed)
                           or "none was set")))
    return Grid("facts-table", "The machine and the software",
                [Column("what"), Column("value")], rows)


def _fact(key: str, value: Any) -> str:
    if key == "memory_bytes":
        return wording.size(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def libraries_grid(analysis: Analysis) -> Grid:
    """Which file served malloc in which arms, by the processes' own proof; and the binary and
    traces."""
    frame = analysis.frame
    rows = []
    if not frame.empty:
        for (owner, digest), part in frame.groupby(["malloc_owner", "malloc_sha256"]):
            arms = [arm.name for arm in analysis.plan.arms if arm.name in set(part["arm"])]
            rows.append(Row(_cells(owner, ", ".join(map(wording.arm_label, arms)), digest[:16])))
    benchmark = analysis.plan.benchmark
    rows.append(Row(_cells(pathlib.Path(benchmark["path"]).name, "all", benchmark["sha256"][:16])))
    rows += [
        Row(_cells(f"trace {trace.name}", trace.origin or "given by file", trace.sha256[:16]))
        for trace in analysis.plan.traces
    ]
    rows += [
        Row(_cells(item["arm"], f"absent: install {item['package']}", "–"), "aside")
        for item in analysis.plan.absent
    ]
    return Grid(
        "libraries-table",
        "Files that the result depends on; malloc’s owner as each process proved it",
        [Column("file"),
         Column("in these arms"),
         Column("SHA-256, first half of 32 digits")], rows)


# --- The page ------------------------------------------------------------------------------------

SECTIONS = (("verdicts", "Verdicts"), ("sight", "What this run could see"),
            ("map", "Who wins where"), ("workloads", "Workload by workload"), ("memory", "Memory"),
            ("floors", "Floors and the harness"), ("ledger", "Ledger"),
            ("environment", "Environment"), ("again", "Run it again"))


def page(analysis: Analysis) -> dict[str, Any]:
    """Everything that the templates lay out."""
    plan = analysis.plan
    noise = noise_grid(analysis)
    repeats = repeats_grid(analysis)
    return {
        "title": f"Does a memory pool pay off? {_day(plan.started)}",
        "summary": wording.summary(analysis) or ["No pool was compared with a rival in this run."],
        "warnings": warnings(analysis), "meta": meta(analysis),
        "sections": [{"id": name, "title": title} for name, title in SECTIONS
                     ], "answers": [_answers(result) for result in analysis.results], "forests": [
                         _forest(analysis, promise) for promise in wording.PROMISES
                         if headline_grid(analysis, promise).rows
                     ], "sight": [
                         wording.rounds_sentence(analysis),
                         wording.null_sentence(analysis),
                         wording.delay_sentence(analysis)
                     ],
        "noise": {"svg": _safe(charts.noise(analysis, "noise-chart")), "table": noise.for_page()},
        "legend": [{"verdict": verdict, "sign": wording.SIGNS[verdict], "meaning": meaning}
                   for verdict, meaning in wording.MEANINGS.items()], "maps": [
                       grid.for_page() for promise in wording.PROMISES
                       if (grid := map_grid(analysis, promise))
                   ], "leaders": leaders_grid(analysis).for_page(),
        "workloads": [_workload(analysis, result) for result in analysis.results], "memory": {
            "sentences": memory_sentences(analysis),
            "tables": [grid.for_page() for grid in memory_grids(analysis)]
        }, "floors": floors_grid(analysis).for_page(), "ledger": {
            "sentences": ledger_sentences(analysis),
            "svg": _safe(charts.ledger(analysis,
                                       "ledger-chart")), "table": ledger_grid(analysis).for_page(),
            "repeats": repeats.for_page() if repeats else None
        }, "environment": environment_grid(analysis).for_page(),
        "libraries": libraries_grid(analysis).for_page(), "again": plan.command,
        "rebuild": f"./poolproof report {shlex.quote(_shown(analysis.record.folder))}",
        "seed": plan.seed, "version": plan.environment.get("poolproof", environment.version()),
        "samples": wording.count(len(analysis.frame), "sample")
    }


def _safe(svg: str | None) -> markupsafe.Markup | None:
    return markupsafe.Markup(svg) if svg else None


def _answers(result: WorkloadResult) -> dict[str, Any]:
    found = []
    for promise, (pool, manner, _) in wording.PROMISES.items():
        answer = wording.answer(result, promise)
        if answer is not None:
            found.append({
                "pool": pool, "manner": manner, "word": answer.word, "title": answer.title,
                "sign": wording.SIGNS[answer.claim.verdict], "sentence": answer.sentence
            })
    return {
        "workload": result.workload.workload, "question": result.workload.question, "answers": found
    }


def _forest(analysis: Analysis, promise: str) -> dict[str, Any]:
    pool, manner, _ = wording.PROMISES[promise]
    return {
        "title": f"{pool}, {manner}, against the fastest {promise}",
        "svg": _safe(charts.forest(analysis, promise, f"forest-{promise}")),
        "table": headline_grid(analysis, promise).for_page()
    }


def _workload(analysis: Analysis, result: WorkloadResult) -> dict[str, Any]:
    name = result.workload.workload
    remarks = [
        f"{refusal.arm} left this workload in round {refusal.round + 1}: {refusal.refused}."
        for refusal in result.refusals
    ]
    remarks.append(
        f"{result.workload.iterations:,} iterations, {result.workload.repetitions} times in each"
        f" process. δ is {wording.percent(result.limit)} here.")
    return {
        "id": _slug(name), "workload": name, "question": result.workload.question,
        "kind": wording.kind_of_workload(name),
        "svg": _safe(charts.rounds(result, f"rounds-{_slug(name)}")),
        "table": workload_grid(analysis, result).for_page(), "remarks": remarks
    }


def warnings(analysis: Analysis) -> list[str]:
    """What a reader must know before believing anything."""
    plan = analysis.plan
    said = list(plan.notes)
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


def memory_sentences(analysis: Analysis) -> list[str]:
    """What the memory figures are."""
    said = [
        "Resident size counts everything that the process holds: the program, its prepared"
        " operations and the allocator’s own bookkeeping, so differences between arms matter, not"
        " the absolute size."
    ]
    if any("peak_live_bytes" in arm.counters for result in analysis.results for arm in result.arms):
        said.append("Peak live is what the workload itself held at most, in requested bytes.")
    return said


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


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def html(analysis: Analysis) -> str:
    """report.html: one file that needs nothing else."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined,
                                   trim_blocks=True, lstrip_blocks=True)
    style = markupsafe.Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))
    return templates.get_template("report.html.j2").render(page=page(analysis), style=style)


# --- Markdown, CSV, JSON, terminal ---------------------------------------------------------------


def markdown(analysis: Analysis) -> str:
    """report.md: the same content, for a pull request."""
    plan = analysis.plan
    lines = [
        "# Does a memory pool pay off?", "", *wording.summary(analysis), "",
        meta(analysis), ""
    ]
    lines += [f"> **Mind:** {warning}\n" for warning in warnings(analysis)]
    lines += ["## Verdicts", ""]
    for result in analysis.results:
        for promise, (pool, manner, _) in wording.PROMISES.items():
            answer = wording.answer(result, promise)
            if answer is not None:
                lines.append(
                    f"- `{result.workload.workload}`, {pool} ({manner}): **{answer.title}.**"
                    f" {answer.sentence}")
    lines += [
        "", *(_markdown_table(headline_grid(analysis, promise)) for promise in wording.PROMISES)
    ]
    lines += [
        "## What this run could see", "",
        wording.rounds_sentence(analysis),
        wording.null_sentence(analysis),
        wording.delay_sentence(analysis), "",
        _markdown_table(noise_grid(analysis)), "## Who wins where", ""
    ]
    lines += [
        f"- {wording.SIGNS[verdict]} **{verdict}**: {meaning}"
        for verdict, meaning in wording.MEANINGS.items()
    ]
    lines += [
        "", *(_markdown_table(grid)
              for promise in wording.PROMISES if (grid := map_grid(analysis, promise)))
    ]
    lines += [_markdown_table(leaders_grid(analysis)), "## Workload by workload", ""]
    for result in analysis.results:
        lines += [
            f"### `{result.workload.workload}`", "", result.workload.question, "",
            _markdown_table(workload_grid(analysis, result))
        ]
    lines += [
        "## Memory", "", *memory_sentences(analysis), "",
        *(_markdown_table(grid) for grid in memory_grids(analysis)), "## Floors and the harness",
        "",
        _markdown_table(floors_grid(analysis)), "## Ledger", "", *ledger_sentences(analysis), "",
        _markdown_table(ledger_grid(analysis))
    ]
    repeats = repeats_grid(analysis)
    lines += [_markdown_table(repeats)] if repeats else []
    lines += [
        "## Environment", "",
        _markdown_table(environment_grid(analysis)),
        _markdown_table(libraries_grid(analysis)), "## Run it again", "", "```", plan.command,
        "```", ""
    ]
    return "\n".join(lines)


def _markdown_table(grid: Grid) -> str:
    def one(cell: Cell) -> str:
        text = f"{cell.sign} {cell.text}".strip()
        return (f"{text} ({cell.note})" if cell.note else text).replace("|", "\\|")

    head = "| " + " | ".join(column.title for column in grid.columns) + " |"
    rule = "|" + "|".join(" ---: " if column.number else " --- " for column in grid.columns) + "|"
    rows = ["| " + " | ".join(one(cell) for cell in row.cells) + " |" for row in grid.rows]
    return "\n".join([f"{grid.caption}:", "", head, rule, *rows, ""])


def csv(analysis: Analysis) -> str:
    """samples.csv: the raw samples, a row each, and whether the verdicts rest on it."""
    frame: pandas.DataFrame = analysis.frame.copy()
    if not frame.empty:
        frame["repetitions_ns"] = frame["repetitions_ns"].map(
            lambda times: " ".join(map(repr, times)))
    return frame.to_csv(index=False)


def write_all(analysis: Analysis, folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes report.html, report.md, verdicts.json and samples.csv, each whole or not at all."""
    verdicts = analysis.to_json()
    wrong = samples.complaint("verdicts", verdicts)
    if wrong:
        raise AssertionError(f"verdicts.json {wrong}")
    texts = {
        REPORT_HTML: html(analysis), REPORT_MARKDOWN: markdown(analysis),
        samples.VERDICTS_FILE: json.dumps(verdicts, indent=1, allow_nan=False) + "\n",
        SAMPLES_CSV: csv(analysis)
    }
    for name, text in texts.items():
        with environment.whole_file(folder / name) as stream:
            stream.write(text)
    return [folder / name for name in texts]


_STYLES = {
    "faster": "bold cyan", "slower": "bold yellow", "equal": "bold", "small": "dim italic",
    "inconclusive": "dim italic"
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
    grid = map_grid(analysis, promise)
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
