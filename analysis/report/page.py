"""The report of a run: sentences, charts and tables in their order."""

from __future__ import annotations

import json
import pathlib
import shlex

from analysis.report import charts, narrative, tables
from analysis.report.document import PROSE, Code, Figure, Page, Point, Points, Section, slug
from analysis.runs import records
from analysis.stats.secondary_metrics import Parts
from analysis.stats.verdicts import Analysis, WorkloadResult
from analysis.system import units
from analysis.system.files import ROOT, version

DOTS = 20_000
"""Launches that a page draws: it stays below three megabytes."""

SCOREBOARD = ROOT / "results" / "bugs" / "scoreboard.json"


def page(analysis: Analysis, measured: Parts) -> Page:
    """Everything that the templates lay out."""
    run = analysis.plan
    headlines = [Point(claim.verdict, narrative.amount(claim), claim.arm, claim.workload)
                 for claim in tables.headlines(analysis)]
    return Page(
        f"Does a memory pool pay off? {narrative.day(run.started)}", "Does a memory pool pay off?",
        [narrative.asked(analysis), narrative.found(analysis), narrative.unseen(analysis)],
        _sections(analysis, measured),
        f"Made by Poolproof {run.environment.get('poolproof', version())} from"
        f" {units.count(len(analysis.record.launches), 'launch')}.",
        Points("The claims that say most", headlines) if headlines else None,
        [tables.facts_grid("sight-facts", "What this run could see", narrative.sight(analysis))],
        narrative.warnings(analysis), narrative.meta(analysis))


def _sections(analysis: Analysis, measured: Parts) -> list[Section]:
    legend = Points("What verdicts mean", [Point(verdict, meaning)
                                           for verdict, meaning in PROSE["meanings"].items()])
    maps = []
    for promise, pool in narrative.PROMISES.items():
        if chart := charts.forest(analysis, promise, f"forest-{promise}"):
            maps.append(Figure(chart, None, PROSE["forest"].format(*pool, promise)))
        if grid := tables.map_grid(analysis, promise):
            maps.append(grid)
    arms = sum(len(result.arms) for result in analysis.results)
    most_dots = min(60, max(8, DOTS // max(1, arms)))
    workloads = [_workload(analysis, result, measured, most_dots) for result in analysis.results]
    planted = bugs()
    return [
        Section("verdicts", "Verdicts", [PROSE["ratios"], legend, PROSE["map"], *maps]),
        Section("sight", "What this run could see",
                [Figure(charts.noise(analysis, "noise-chart"), tables.noise_grid(analysis),
                        PROSE["noise"])]),
        Section("workloads", "Workload by workload", [*narrative.workloads(
            analysis, measured, most_dots, tables.MOST_DRAWN), *workloads]),
        Section("machine", "The machine meanwhile",
                [PROSE["machine"], tables.machine_grid(analysis)]),
        *([Section("bugs", "Planted bugs", planted)] if planted else []),
        Section("environment", "Environment", [tables.environment_grid(analysis),
                                               tables.libraries_grid(analysis)]),
        Section("again", "Run it again", [
            PROSE["again"], Code(analysis.plan.command), PROSE["report"],
            Code(f"./poolproof report {shlex.quote(_shown(analysis.record.folder))}"),
            PROSE["method"], PROSE["sources"]])]


def _workload(analysis: Analysis, result: WorkloadResult, measured: Parts,
              most_dots: int) -> Section:
    name = slug(result.workload.workload)
    answers = [Point(best.verdict, f"{narrative.amount(best)}, the fastest rival", pool)
               for pool, _ in narrative.PROMISES.values() if (best := result.against_best(pool))]
    figures = [
        Figure(charts.arms(result, f"launches-{name}", most_dots),
               tables.workload_grid(result, measured, analysis.plan.arms),
               remarks=narrative.remarks(result)),
        Figure(charts.memory(result, measured, f"memory-chart-{name}"),
               tables.memory_grid(result, measured)),
        Figure(charts.latency(result, measured, f"latency-chart-{name}"),
               tables.latency_grid(result, measured)),
    ]
    return Section(name, result.workload.workload, [
        *([Points("Does a pool pay off here?", answers)] if answers else []),
        *(figure for figure in figures if figure.table)],
        result.workload.question, narrative.kind_of_workload(result.workload.workload))


def bugs(path: pathlib.Path = SCOREBOARD) -> list:
    """The scoreboard of planted bugs that the repository publishes: a sentence and a table. Nothing
    where there is none; a sentence alone where it cannot be read."""
    try:
        board = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        return [f"The scoreboard of planted bugs cannot be read: {error}."]
    if wrong := records.complaint("bugs", board):
        return [f"The scoreboard of planted bugs {wrong}."]
    controls = "behaved" if board["controls_behave"] else "did not behave: believe none of this"
    return [PROSE["bugs"].format(**board | {"seeds": len(board["seeds"]), "controls": controls}),
            tables.bugs_grid(board)]


def _shown(folder: pathlib.Path) -> str:
    """A run folder as the user would type it: below the repository, else whole."""
    folder = folder.resolve()
    return str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)
