"""A trial as a sentence, a table, Markdown, JSON and a small page. Nothing is measured here."""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
import statistics

import jinja2
import markupsafe

from analysis.report import trial_charts
from analysis.runs.schema import encoded
from analysis.runs.trial import LOCKED, Launch, Pair, Site, Trial
from analysis.stats import trial_verdict
from analysis.stats.trial_intervals import interval, verdict, without_calls
from analysis.stats.trial_verdict import Judgement, Measured
from analysis.system import units
from analysis.system.files import version, whole_file

SCHEMA = 1
TEMPLATES = pathlib.Path(__file__).resolve().parent / "templates"
SITES_SHOWN = 16
ROLES = {"glibc again": "null", "glibc delayed": "delay"}


def measure(trial: Trial) -> list[Measured]:
    """The arms as intervals; calls that cost nothing are extrapolated from arms that do more."""
    found = [Measured(pair.arm.name, pair.against.name, pair.arm.kind, interval(pair.logs),
                      "final" if pair.final else ROLES.get(pair.arm.name, ""))
             for pair in trial.pairs if not pair.arm.name.startswith("calls ")]
    more = {pair.arm.name: interval(pair.logs) for pair in trial.pairs}
    if "calls twice" in more:
        free = without_calls(more["calls twice"], more["calls three times"])
        found.append(Measured("calls that cost nothing", "glibc", "ceiling", free))
    return found


def verdicts(measured: list[Measured], judgement: Judgement) -> list[dict]:
    """The rows of trial.json. An interval that has no end yet is null."""
    def bounded(value: float) -> float | None:
        return round(value, 5) if 0 < value < 1e6 else None

    return [{"arm": one.arm, "baseline": one.baseline, "kind": one.kind,
             "ratio": bounded(one.interval.ratio), "low": bounded(one.interval.low),
             "high": bounded(one.interval.high), "n": one.interval.n,
             "verdict": verdict(one.interval, judgement.delta)} for one in measured]


def _sample(one: Launch) -> dict:
    return {"user_s": one.user_s, "system_s": one.system_s, "cpu_s": round(one.cpu_s, 6),
            "wall_s": one.wall_s, "max_rss_bytes": one.max_rss_bytes}


def _proof(pair: Pair) -> dict:
    """What the last launch of an arm served, what it left to the C library, and why."""
    last = pair.launches[-1][0]
    names = (
    "served",
    "left",
    "early",
    "unfit",
    "aligned",
    "foreign",
    "remote",
    "refused",
    "owners",
     "adopted")
    return {"processes": sum(process.arm == "witness" for process in last.processes),
            **{name: last.total(name) for name in names}}


def document(trial: Trial, measured: list[Measured], judgement: Judgement, host: dict) -> dict:
    """trial.json."""
    command = dataclasses.asdict(trial.command)
    return {
        "schema": SCHEMA, "version": version(), "sentence": judgement.sentence,
        "answer": judgement.answer, "verdicts": verdicts(measured, judgement),
        "delta": round(judgement.delta, 5) if judgement.delta < 1e6 else None,
        "delay_seen": judgement.delay_seen, "notes": trial.notes,
        "command": command, "seed": trial.seed, "time_s": round(trial.time_s, 1), "host": host,
        "counted": {"allocations": trial.counted.operations,
                    "bytes": trial.counted.launch.total("served_bytes"),
                    "repeats": trial.counted.repeats, "spread": round(trial.counted.spread, 5),
                    "status": trial.baseline.status, "processes": len(trial.baseline.processes)},
        "sites": [dataclasses.asdict(site) for site in trial.counted.sites[:SITES_SHOWN]],
        "advice": {"sites": [site.name for site in trial.advice.sites],
                   "share": round(trial.advice.share, 4),
                   "capacity_bytes": trial.advice.capacity_bytes},
        "pairs": [{"arm": pair.arm.name, "baseline": pair.against.name, "final": pair.final,
                   "proof": _proof(pair),
                   "launches": [[_sample(one), _sample(other)] for one, other in pair.launches]}
                  for pair in trial.pairs if pair.launches],
    }


def rows(trial: Trial, measured: list[Measured], judgement: Judgement) -> list[list[str]]:
    """The table of arms: name, ratio, interval, verdict, memory, launches."""
    pairs = {(pair.arm.name, pair.against.name): pair for pair in trial.pairs}
    table = []
    for one in measured:
        pair = pairs.get((one.arm, one.baseline))
        memory = "–"
        if pair and pair.launches:
            shares = [mine.max_rss_bytes / max(1, other.max_rss_bytes)
                      for mine, other in pair.launches]
            memory = f"{statistics.median(shares):.2f}"
        known = one.interval.half_width < 1e6
        table.append([one.arm, one.baseline, f"{one.interval.ratio:.3f}",
                      f"{one.interval.low:.3f} to {one.interval.high:.3f}" if known else "none yet",
                      verdict(one.interval, judgement.delta), memory, str(one.interval.n)])
    return table


HEADINGS = ["arm", "beside", "speed", "99 % interval", "verdict", "memory", "launches"]


def site_rows(sites: list[Site]) -> list[list[str]]:
    """The table of call sites."""
    return [[site.name, f"{site.share * 100:.1f} %", f"{site.allocs:,}",
             f"{site.least}–{site.most}" if site.least != site.most else str(site.most),
             f"{site.live_most:,}", site.order, f"{site.temporary * 100:.0f} %", str(site.threads),
             ", ".join(name for name, _ in site.dies_with[:2]), site.unfit or "candidate"]
            for site in sites[:SITES_SHOWN]]


SITE_HEADINGS = ["call site", "share", "objects", "bytes", "most live", "die", "temporary",
                 "threads", "die after those of", "fit for a pool"]


def proof_rows(trial: Trial) -> list[list[str]]:
    """What each preloaded arm of the trial's own served."""
    table = []
    for pair in trial.pairs:
        if not pair.launches or pair.final or pair.arm.kind not in ("pool", "ceiling"):
            continue
        proof = _proof(pair)
        all_calls = max(1, proof["served"] + proof["left"])
        table.append([pair.arm.name, f"{proof['served'] / all_calls * 100:.2f} %",
                      *(f"{proof[name]:,}" for name in PROOF[2:])])
    return table


PROOF = ["arm", "served", "early", "unfit", "foreign", "remote", "refused", "adopted"]
PROOF_NOTE = (
    "Served: share of the allocations that the arm made; the C library made the others: "
    "those before the arm had started (early), those that found no room (unfit), those of "
    "sites not named, zeroed blocks of 128 KiB and more. Foreign: frees of what came from "
    "the C library. Remote: frees by another thread. Adopted: pools of ended threads.")


def code(trial: Trial) -> str:
    """The lines of C that put the advised sites on a pool; "" without advice."""
    if not trial.advice.sites:
        return ""
    where = trial.advice.sites[0].symbol
    return (
        "struct m_pool pool = {0};\n"
        "pool_init_with(&pool, &(struct pool_config){"
        f".capacity = {trial.advice.capacity_bytes}, .flags = POOL_LAZY | POOL_KEEP_CONTENTS}});\n"
        f"pool_alloc(&pool, (void **)&object, size, POOL_USER); /* for malloc, in {where} */\n"
        "pool_free((void **)&object, size, &pool);             /* for free */\n"
        "pool_destroy(&pool);                                  /* frees all that is left */\n")


def facts(trial: Trial, judgement: Judgement) -> list[str]:
    """What a reader must know beside the sentence."""
    base, counted = trial.baseline, trial.counted
    told = [
        f"The command takes {units.time(base.cpu_s * 1e9)} of processor time and "
        f"{units.size(base.max_rss_bytes)}; it makes {counted.operations:,} allocations in "
        f"{units.count(sum(process.arm == 'witness' for process in base.processes), 'process')}.",
        f"Equal programs seemed up to {units.percent(judgement.delta)} apart (δ, from glibc beside "
        "itself); a claim must clear that." if judgement.delta < 1e6 else
        "How far apart equal programs seem is not known yet, so nothing can be claimed.",
        "A delay of 2 % was added to glibc on purpose: " +
        ("the trial saw it." if judgement.delay_seen else "the trial did NOT see it."),
    ]
    if not counted.repeats:
        told.append("The work varies from run to run: sizes asked for differ between two launches, "
                    f"their number by {counted.spread * 100:.2f} %.")
    if counted.launch.total("flags") & LOCKED:
        told.append("The program locks its memory; under the arms, pages are locked on first touch"
                    ".")
    return told + trial.notes


def grid(headings: list[str], table: list[list[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(headings) + " |", "|" + " --- |" * len(headings)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table]
    return "\n".join(lines)


def markdown(trial: Trial, measured: list[Measured], judgement: Judgement) -> str:
    """trial.md."""
    parts = [f"# {shlex.join(trial.command.words)}", judgement.sentence,
             grid(HEADINGS, rows(trial, measured, judgement)),
             "\n".join(f"- {line}" for line in facts(trial, judgement)), "## Call sites",
             grid(SITE_HEADINGS, site_rows(trial.counted.sites)), "## What was served",
             grid(PROOF, proof_rows(trial)), PROOF_NOTE]
    if trial.advice.sites:
        names = ", ".join(site.name for site in trial.advice.sites)
        parts += ["## Advice",
    f"{trial.advice.share * 100:.0f} % of the allocations could come from"
    f" a pool of {units.size(trial.advice.capacity_bytes)}: {names}. The arm “pool at "
    "sites” is just that.",
     f"```c\n{code(trial)}```"]
    return "\n\n".join(parts) + "\n"


def page(trial: Trial, measured: list[Measured], judgement: Judgement) -> str:
    """report.html: one file, no scripts."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True,
                                     undefined=jinja2.StrictUndefined)
    share = {"pool": 1.0, "pool at sites": trial.advice.share,
             "region at sites": trial.region.share}
    points = [(one.arm, share[one.arm], one) for one in measured
              if one.kind == "pool" and one.role != "final" and one.interval.half_width < 1e6]
    return environment.get_template("trial.html.j2").render(
        command=shlex.join(trial.command.words), sentence=judgement.sentence,
        speeds=markupsafe.Markup(trial_charts.speeds(measured)),
        shares=markupsafe.Markup(trial_charts.shares(points)), facts=facts(trial, judgement),
        headings=HEADINGS,
        rows=rows(trial, measured, judgement), site_headings=SITE_HEADINGS,
        sites=site_rows(trial.counted.sites), proof_headings=PROOF, proof=proof_rows(trial),
        proof_note=PROOF_NOTE, code=code(trial))


def write(folder: pathlib.Path, trial: Trial, host: dict, stated_limit: float) -> Judgement:
    """Judges the trial and writes trial.json, trial.md and report.html."""
    measured = measure(trial)
    judgement = trial_verdict.judge(measured, stated_limit)
    with whole_file(folder / "trial.json") as stream:
        stream.write(encoded(document(trial, measured, judgement, host)))
    with whole_file(folder / "trial.md") as stream:
        stream.write(markdown(trial, measured, judgement))
    with whole_file(folder / "report.html") as stream:
        stream.write(page(trial, measured, judgement))
    return judgement


def terminal(trial: Trial, judgement: Judgement) -> str:
    """The sentence, then the table."""
    table = [HEADINGS, *rows(trial, measure(trial), judgement)]
    widths = [max(len(row[i]) for row in table) for i in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
             for row in table]
    return "\n".join([judgement.sentence, "", *lines, "",
                      *(f"- {line}" for line in facts(trial, judgement))])
