"""The report of a run: sentences, charts and tables in their order."""

import pathlib
import shlex

from analysis.report import charts, narrative, tables
from analysis.report.document import PROSE, Code, Figure, Page, Point, Points, Section, slug
from analysis.stats.verdicts import Analysis, WorkloadResult, medians
from analysis.system import units
from analysis.system.files import ROOT, version

def page(analysis: Analysis) -> Page:
    """Everything that the templates lay out."""
    run = analysis.plan
    headlines = [Point(claim.verdict, narrative.amount(claim), claim.arm, claim.workload)
                 for claim in tables.headlines(analysis)]
    return Page(
        f"Does a memory pool pay off? {narrative.day(run.started)}", "Does a memory pool pay off?",
        [narrative.asked(analysis), narrative.found(analysis), narrative.unseen(analysis)],
        _sections(analysis),
        f"Made by Poolproof {run.environment.get('poolproof', version())} from"
        f" {units.count(len(analysis.record.launches), 'launch')}.",
        Points("The claims that say most", headlines) if headlines else None,
        narrative.warnings(analysis), narrative.meta(analysis))


def _sections(analysis: Analysis) -> list[Section]:
    legend = Points("What verdicts mean", [Point(verdict, meaning)
                                           for verdict, meaning in PROSE["meanings"].items()])
    maps = []
    for promise, pool in narrative.PROMISES.items():
        if chart := charts.forest(analysis, promise, f"forest-{promise}"):
            maps.append(Figure(chart, None, PROSE["forest"].format(*pool, promise)))
        if grid := tables.map_grid(analysis, promise):
            maps.append(grid)
    return [
        Section("verdicts", "Verdicts", [PROSE["ratios"], legend, PROSE["map"], *maps]),
        Section("sight", "What this run could see",
                [PROSE["noise"], tables.noise_grid(analysis)]),
        Section("workloads", "Workload by workload", [
            *narrative.workloads(analysis),
            *(_workload(analysis, result) for result in analysis.results)]),
        Section("environment", "Environment", [tables.environment_grid(analysis),
                                               tables.libraries_grid(analysis)]),
        Section("again", "Run it again", [
            PROSE["again"], Code(analysis.plan.command), PROSE["report"],
            Code(f"./poolproof report {shlex.quote(_shown(analysis.record.folder))}"),
            PROSE["method"], PROSE["sources"]])]


def _workload(analysis: Analysis, result: WorkloadResult) -> Section:
    name = slug(result.workload.workload)
    beside = {part: medians(analysis.record, result.workload.workload, part)
              for part in ("work", "memory", "latency")}
    answers = [Point(best.verdict, f"{narrative.amount(best)}, the fastest", pool)
               for pool, _ in narrative.PROMISES.values() if (best := result.against_best(pool))]
    more = [tables.memory_grid(result, beside["memory"]),
            tables.latency_grid(result, beside["latency"])]
    return Section(name, result.workload.workload, [
        *([Points("Does a pool pay off here?", answers)] if answers else []),
        Figure(charts.workload(result, f"ratios-{name}"),
               tables.workload_grid(result, beside["work"], analysis.plan.arms),
               remarks=narrative.remarks(result)), *filter(None, more)],
        result.workload.question)


def _shown(folder: pathlib.Path) -> str:
    """A run folder as the user would type it: below the repository, else whole."""
    folder = folder.resolve()
    return str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)
