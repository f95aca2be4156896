"""The report of a run: sentences, charts and tables in their order."""

from __future__ import annotations

import json
import pathlib
import shlex

from analysis.report import charts, narrative, tables, workload_charts, workload_tables
from analysis.report.document import Article, Code, Figure, Page, Point, Points, Section, slug
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
    headlines = [Point(claim.verdict, claim.verdict, f"{units.ratio(claim.ratio)} times as fast as"
                       f" {narrative.arm_label(claim.baseline)} ({narrative.interval(claim)})",
                       claim.workload, claim.arm) for claim in tables.headlines(analysis)]
    return Page(
        f"Does a memory pool pay off? {narrative.day(run.started)}", "Does a memory pool pay off?",
        [narrative.asked(analysis), narrative.found(analysis), narrative.unseen(analysis)],
        _sections(analysis, measured),
        f"Made by Poolproof {run.environment.get('poolproof', version())} from"
        f" {units.count(len(analysis.record.launches), 'launch')}.",
        Points("The claims that say most", headlines) if headlines else None,
        [tables.sight_grid(analysis)],
        narrative.warnings(analysis), narrative.meta(analysis))


def _sections(analysis: Analysis, measured: Parts) -> list[Section]:
    legend = Points("What verdicts mean", [Point(verdict, verdict, meaning)
                                           for verdict, meaning in narrative.MEANINGS.items()])
    maps = [block for promise in narrative.PROMISES for block in (
        Figure(charts.forest(analysis, promise, f"forest-{promise}"), None,
               narrative.FOREST.format(*narrative.PROMISES[promise], promise)),
        tables.map_grid(analysis, promise)) if block]
    arms = sum(len(result.arms) for result in analysis.results)
    most_dots = min(60, max(8, DOTS // max(1, arms)))
    workloads = [_workload(analysis, result, measured, most_dots) for result in analysis.results]
    planted = bugs()
    return [
        Section("verdicts", "Verdicts", [narrative.VERDICTS, legend, narrative.MAP, *maps]),
        Section("sight", "What this run could see",
                [Figure(charts.noise(analysis, "noise-chart"), tables.noise_grid(analysis),
                        narrative.NOISE)]),
        Section("workloads", "Workload by workload", [
            *narrative.workloads(analysis, measured, most_dots, workload_tables.MOST_DRAWN),
            *workloads]),
        Section("floors", "Floors and the harness",
                [narrative.FLOORS, tables.floors_grid(analysis)]),
        Section("machine", "The machine meanwhile",
                [narrative.MACHINE, tables.machine_grid(analysis)]),
        *([Section("bugs", "Planted bugs", planted)] if planted else []),
        Section("environment", "Environment", [tables.environment_grid(analysis),
                                               tables.libraries_grid(analysis)]),
        Section("again", "Run it again", [
            "The same plan, the same order, new noise:", Code(analysis.plan.command),
            narrative.AGAIN,
            Code(f"./poolproof report {shlex.quote(_shown(analysis.record.folder))}"),
            *narrative.METHOD])]


def _workload(analysis: Analysis, result: WorkloadResult, measured: Parts,
              most_dots: int) -> Article:
    name = slug(result.workload.workload)
    answers = [Point(found.claim.verdict, found.title, found.sentence, arm=pool)
               for promise, (pool, _) in narrative.PROMISES.items()
               if (found := narrative.answer(result, promise))]
    figures = [
        Figure(workload_charts.arms(result, f"launches-{name}", most_dots),
               workload_tables.workload_grid(result, measured, analysis.plan.arms),
               remarks=narrative.remarks(result)),
        Figure(workload_charts.memory(result, measured, f"memory-chart-{name}"),
               workload_tables.memory_grid(result, measured)),
        Figure(workload_charts.latency(result, measured, f"latency-chart-{name}"),
               workload_tables.latency_grid(result, measured)),
    ]
    return Article(result.workload.workload, [
        *([Points("Does a pool pay off here?", answers)] if answers else []),
        *(figure for figure in figures if figure.table)],
        result.workload.question, narrative.kind_of_workload(result.workload.workload))


def bugs(path: pathlib.Path = SCOREBOARD) -> list:
    """The scoreboard of planted bugs that the repository publishes: sentences and a table. Nothing
    where there is none; a sentence alone where it cannot be read."""
    try:
        board = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        return [f"The scoreboard of planted bugs cannot be read: {error}."]
    if wrong := records.complaint("bugs", board):
        return [f"The scoreboard of planted bugs {wrong}."]
    return [*narrative.bugs(board), tables.bugs_grid(board)]


def _shown(folder: pathlib.Path) -> str:
    """A run folder as the user would type it: below the repository, else whole."""
    folder = folder.resolve()
    return str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)
