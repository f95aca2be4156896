"""A trial as a sentence, tables, JSON and a page. Nothing is measured here."""

import dataclasses
import pathlib
import shlex
import statistics
from typing import Any

from analysis.report import document
from analysis.report.document import (PROSE, Cell, Code, Column, Figure, Grid, Page, Row, Section,
                                      cells)
from analysis.runs.schema import encoded
from analysis.runs.trial import (LOCKED, Advised, Document, Launch, Pair, Samples, Site, Trial,
                                 Verdict, Work)
from analysis.stats import trial_verdict
from analysis.stats.inference import Interval
from analysis.stats.trial_verdict import Judgement, Measured, interval, verdict, without_calls
from analysis.system import units
from analysis.system.files import version, write_whole
from analysis.system.templates import fill

SITES_SHOWN = 16

PROVED = ("served", "left", "early", "unfit", "aligned", "foreign", "remote", "refused", "owners",
          "adopted")
"""What an arm's library says of itself."""


def measure(trial: Trial) -> list[Measured]:
    """The arms as intervals; calls that cost nothing are extrapolated from arms that do more."""
    found = [Measured(pair.arm.name, pair.against.name, "final" if pair.final else pair.arm.kind,
                      interval(pair.logs))
             for pair in trial.pairs if not pair.arm.name.startswith("calls ")]
    more = {pair.arm.name: interval(pair.logs) for pair in trial.pairs}
    if "calls twice" in more:
        free = without_calls(more["calls twice"], more["calls three times"])
        found.append(Measured("calls that cost nothing", trial.baseline.arm, "ceiling", free))
    return found


# --- The JSON -------------------------------------------------------------------------------------


def document_of(trial: Trial, measured: list[Measured], judgement: Judgement,
                host: dict[str, Any]) -> Document:
    """trial.json. An interval that has no end yet is None."""
    def bounded(value: float) -> float | None:
        return round(value, 5) if 0 < value < 1e6 else None

    def sample(one: Launch) -> list[int]:
        return [round(one.cpu_s * 1e6), round(one.system_s * 1e6), round(one.wall_s * 1e6),
                one.max_rss_bytes // 1024]

    verdicts = [Verdict(one.arm, one.baseline, one.kind, bounded(one.interval.ratio),
                        *map(bounded, one.interval.ends), one.interval.launches,
                        verdict(one.interval, judgement.delta)) for one in measured]
    counted, advice = trial.counted, trial.advice
    return Document(
        version(), judgement.sentence, judgement.answer, verdicts,
        round(judgement.delta, 5) if judgement.delta < 1e6 else None, judgement.delay_seen,
        [*trial.notes], trial.command, trial.seed, round(trial.time_s, 1), host,
        Work(counted.operations, counted.launch.total("served_bytes"), counted.repeats,
             round(counted.spread, 5), trial.baseline.status, len(trial.baseline.processes)),
        counted.sites[:SITES_SHOWN],
        Advised([site.name for site in advice.sites], round(advice.share, 4),
                advice.capacity_bytes),
        [Samples(pair.arm.name, pair.against.name, pair.final, _proof(pair),
                 [[sample(one), sample(other)] for one, other in pair.launches])
         for pair in trial.pairs if pair.launches])


def _proof(pair: Pair) -> dict[str, int]:
    """What the last launch of an arm served, what it left to the C library, and why."""
    last = pair.launches[-1][0]
    return {"processes": sum(process.arm == "witness" for process in last.processes),
            **{name: last.total(name) for name in PROVED}}


# --- The page -------------------------------------------------------------------------------------


def speed_grid(trial: Trial, measured: list[Measured], judgement: Judgement) -> Grid:
    """Every arm beside what it ran with."""
    memory = {(pair.arm.name, pair.against.name): statistics.median(
        mine.max_rss_bytes / max(1, other.max_rss_bytes) for mine, other in pair.launches)
        for pair in trial.pairs if pair.launches}
    rows = []
    for one in measured:
        share = memory.get((one.arm, one.baseline))
        said = verdict(one.interval, judgement.delta)
        ratio = f"{one.interval.ratio:.3f}" if one.interval.launches else "–"
        rows.append(Row(cells(one.arm, one.baseline, ratio, _span(one.interval),
                              Cell(said, verdict=said), "–" if share is None else f"{share:.2f}",
                              str(one.interval.launches)),
                        "own" if one.kind in ("pool", "final") else ""))
    return Grid("speeds", "Speed of the whole program with each arm", [
        Column("arm"), Column("beside"), Column("speed", True), Column("99 % interval", True),
        Column("verdict"), Column("memory", True), Column("launches", True)], rows)


def _span(seen: Interval) -> str:
    low, high = seen.ends
    return f"{low:.3f} to {high:.3f}" if seen.half_width < 1e6 else "none yet"


def sites_grid(sites: list[Site]) -> Grid:
    """The call sites."""
    rows = [Row(cells(
        site.name, f"{site.share * 100:.1f} %", f"{site.allocs:,}",
        f"{site.least}–{site.most}" if site.least != site.most else str(site.most),
        f"{site.live_most:,}", site.order, f"{site.temporary * 100:.0f} %", str(site.threads),
        ", ".join(name for name, _ in site.dies_with[:2]), site.unfit or "candidate"))
        for site in sites[:SITES_SHOWN]]
    return Grid("sites", "Where the program allocates", [
        Column("call site"), Column("share", True), Column("objects", True), Column("bytes", True),
        Column("most live", True), Column("die"), Column("temporary", True),
        Column("threads", True), Column("die after those of"), Column("fit for a pool")], rows)


def proof_grid(trial: Trial) -> Grid:
    """What each preloaded arm of the trial's own served."""
    shown = ("early", "unfit", "foreign", "remote", "refused", "adopted")
    rows = []
    for pair in trial.pairs:
        if pair.launches and not pair.final and pair.arm.kind in ("pool", "ceiling"):
            proof = _proof(pair)
            share = proof["served"] / max(1, proof["served"] + proof["left"])
            rows.append(Row(cells(pair.arm.name, f"{share * 100:.2f} %",
                                  *(f"{proof[name]:,}" for name in shown))))
    return Grid("served", "What each arm served", [
        Column("arm"), Column("served", True), *(Column(name, True) for name in shown)], rows)


def share_text(trial: Trial, one: Measured) -> str:
    """Of a pool's arm: how much of the program's allocations it served; else nothing."""
    proofs = [_proof(pair) for pair in trial.pairs
              if one.kind in ("pool", "final") and pair.launches and pair.arm.name == one.arm]
    return "".join(f", {units.share(proof['served'] / max(1, proof['served'] + proof['left']))}"
                   " of the allocations" for proof in proofs[:1])


def facts(trial: Trial, judgement: Judgement) -> list[str]:
    """What a reader must know beside the sentence."""
    crowded = {pair.arm.name: _proof(pair)["unfit"] for pair in trial.pairs
               if pair.arm.name.endswith("at sites") and pair.launches}
    text = fill(document.TEMPLATES / "trial_facts.j2", {
        "time": units.time, "size": units.size, "count": units.count, "percent": units.percent},
        base=trial.baseline, counted=trial.counted, judgement=judgement, crowded=crowded,
        locked=trial.counted.launch.total("flags") & LOCKED)
    return text.splitlines() + trial.notes


def page(trial: Trial, measured: list[Measured], judgement: Judgement) -> Page:
    """Everything that the templates lay out."""
    from analysis.report import charts

    rows = [charts.Ratio(one.arm + share_text(trial, one),
                         f"{one.interval.ratio:.3f}× {one.baseline}", one.interval,
                         judgement.delta, verdict(one.interval, judgement.delta))
            for one in measured if one.interval.half_width < 1e6]
    chart = charts.ratios(rows, "speed-chart", "Speed of the whole program with each arm",
                          "times as fast as what it ran beside")
    sections = [
        Section("speed", "The whole program’s speed",
                [Figure(chart, speed_grid(trial, measured, judgement), PROSE["speed"],
                        facts(trial, judgement))]),
        Section("sites", "Call sites", [sites_grid(trial.counted.sites)]),
        Section("served", "What was served", [proof_grid(trial), PROSE["served"]])]
    if sites := trial.advice.sites:
        capacity = trial.advice.capacity_bytes
        sections.append(Section("advice", "In your program", [
            PROSE["advice"].format(trial.advice.share * 100, units.size(capacity),
                                   ", ".join(site.name for site in sites)),
            Code(PROSE["code"].format(capacity, sites[0].symbol))]))
    return Page(judgement.sentence, "Does a pool pay off in this program?",
                [judgement.sentence, shlex.join(trial.command.words)], sections,
                f"Made by Poolproof {version()}.")


def write(folder: pathlib.Path, trial: Trial, host: dict[str, Any],
          stated_limit: float) -> Judgement:
    """Judges the trial and writes trial.json, trial.md and report.html."""
    measured = measure(trial)
    judgement = trial_verdict.judge(measured, stated_limit)
    told = page(trial, measured, judgement)
    write_whole(folder / "trial.json", encoded(dataclasses.asdict(
        document_of(trial, measured, judgement, host))))
    write_whole(folder / "trial.md", document.markdown(told))
    write_whole(folder / "report.html", document.html(told))
    return judgement


def terminal(trial: Trial, judgement: Judgement) -> str:
    """The sentence, then the table."""
    return document.text([judgement.sentence, speed_grid(trial, measure(trial), judgement),
                          *(f"- {line}" for line in facts(trial, judgement))], 120)
