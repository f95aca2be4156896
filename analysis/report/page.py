"""What a report's page consists of: sentences, charts and tables in their order."""

from __future__ import annotations

import json
import pathlib
import shlex
from typing import Any

import markupsafe

from analysis.report import (charts, narrative, run_tables, verdict_tables, workload_charts,
                             workload_tables)
from analysis.report.grid import SIGNS, Grid, slug
from analysis.runs import records
from analysis.stats.secondary_metrics import Parts
from analysis.stats.verdicts import Analysis, Claim, WorkloadResult
from analysis.system import units
from analysis.system.files import ROOT, version

SCOREBOARD = ROOT / "results" / "bugs" / "scoreboard.json"

SECTIONS = {
    "verdicts": "Verdicts",
    "sight": "What this run could see",
    "map": "Who wins where",
    "workloads": "Workload by workload",
    "floors": "Floors and the harness",
    "machine": "The machine meanwhile",
    "bugs": "Planted bugs",
    "environment": "Environment",
    "again": "Run it again",
}


def page(analysis: Analysis, measured: Parts) -> dict[str, Any]:
    """Everything that the templates lay out."""
    run = analysis.plan
    dots = sum(len(arm.times_ns) for result in analysis.results
               for arm in result.arms) <= workload_charts.MOST_DOTS
    planted = bugs()
    return {
        "title": f"Does a memory pool pay off? {narrative.day(run.started)}",
        "summary": [narrative.asked(analysis), *(narrative.summary(analysis) or [
            "No pool was compared with a rival in this run."]), narrative.unseen(analysis)],
        "warnings": narrative.warnings(analysis),
        "meta": narrative.meta(analysis),
        "sections": {id_: title for id_, title in SECTIONS.items() if planted or id_ != "bugs"},
        "tally": verdict_tables.tally_grid(analysis),
        "headlines": [_headline(claim) for claim in verdict_tables.headlines(analysis)],
        "glance": verdict_tables.sight_grid(analysis),
        "forests": [_forest(analysis, promise) for promise in verdict_tables.promises(analysis)],
        "sight": narrative.sight(analysis),
        "noise": _figure(charts.noise(analysis, "noise-chart"),
                         verdict_tables.noise_grid(analysis)),
        "legend": [{"verdict": verdict, "sign": SIGNS[verdict], "meaning": meaning}
                   for verdict, meaning in narrative.MEANINGS.items()],
        "maps": [grid for promise in narrative.PROMISES
                 if (grid := verdict_tables.map_grid(analysis, promise))],
        "leaders": verdict_tables.leaders_grid(analysis),
        "dots": dots,
        "workloads": [_workload(analysis, result, measured, dots) for result in analysis.results],
        "parts": narrative.parts(analysis, measured, workload_tables.MOST_DRAWN),
        "floors": run_tables.floors_grid(analysis),
        "machine": _figure(charts.machine(analysis, "machine-chart"),
                           run_tables.machine_grid(analysis))
        | {"sentences": narrative.machine(analysis)},
        "bugs": planted,
        "environment": run_tables.environment_grid(analysis),
        "libraries": run_tables.libraries_grid(analysis),
        "again": run.command,
        "rebuild": f"./poolproof report {shlex.quote(_shown(analysis.record.folder))}",
        "seed": run.seed,
        "version": run.environment.get("poolproof", version()),
        "samples": units.count(len(analysis.record.launches), "launch"),
    }


def _figure(svg: str | None, table: Grid | None) -> dict[str, Any]:
    return {"svg": markupsafe.Markup(svg) if svg else None, "table": table}


def _headline(claim: Claim) -> dict[str, str]:
    return {"verdict": claim.verdict, "sign": SIGNS[claim.verdict], "arm": claim.arm,
            "workload": claim.workload, "id": slug(claim.workload),
            "text": f"{units.ratio(claim.ratio)} times as fast as"
                    f" {narrative.arm_label(claim.baseline)}", "span": narrative.interval(claim)}


def _forest(analysis: Analysis, promise: str) -> dict[str, Any]:
    pool, manner, _ = narrative.PROMISES[promise]
    svg = charts.forest(analysis, promise, f"forest-{promise}")
    return _figure(svg, verdict_tables.headline_grid(analysis, promise)) | {
        "title": f"{pool}, {manner}, against the fastest {promise}"}


def _workload(analysis: Analysis, result: WorkloadResult, measured: Parts,
              dots: bool) -> dict[str, Any]:
    name = slug(result.workload.workload)
    figures = [
        _figure(workload_charts.arms(result, measured, f"launches-{name}", dots),
                workload_tables.workload_grid(result, measured, analysis.plan.arms)),
        _figure(workload_charts.memory(result, measured, f"memory-chart-{name}"),
                workload_tables.memory_grid(result, measured)),
        _figure(workload_charts.latency(result, measured, f"latency-chart-{name}"),
                workload_tables.latency_grid(result, measured)),
    ]
    answers = [{"pool": pool, "manner": manner, "word": found.word, "title": found.title,
                "sentence": found.sentence, "sign": SIGNS[found.claim.verdict]}
               for promise, (pool, manner, _) in narrative.PROMISES.items()
               if (found := narrative.answer(result, promise))]
    return {"id": name, "workload": result.workload.workload, "question": result.workload.question,
            "kind": narrative.kind_of_workload(result.workload.workload),
            "remarks": narrative.remarks(result), "answers": answers,
            "figures": [figure for figure in figures if figure["table"]]}


def bugs(path: pathlib.Path = SCOREBOARD) -> dict[str, Any] | None:
    """The scoreboard of planted bugs that the repository publishes: sentences and a table. None
    where there is none; a sentence alone where it cannot be read."""
    try:
        board = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        wrong: str | None = f"cannot be read: {error}"
    else:
        wrong = records.complaint("bugs", board)
    if wrong:
        return {"sentences": [f"The scoreboard of planted bugs {wrong}."], "table": None}
    return {"sentences": narrative.bugs(board), "table": run_tables.bugs_grid(board)}


def _shown(folder: pathlib.Path) -> str:
    """A run folder as the user would type it: below the repository, else whole."""
    try:
        return str(folder.resolve().relative_to(ROOT))
    except ValueError:
        return str(folder)
