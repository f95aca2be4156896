"""Numbers and verdicts as words: the one place where a report's sentences are made."""

import fnmatch
import math
import pathlib
import shlex
import statistics
from typing import Sequence

from analysis.report.document import PROSE
from analysis.runs.plan import is_trace
from analysis.stats import inference
from analysis.stats.verdicts import Analysis, Claim, WorkloadResult
from analysis.system import units

PROMISES = {"malloc": ("pool-keep", "keeping contents"), "calloc": ("pool", "zeroing and wiping")}
"""Promise → the pool arm that makes it, and what that means."""


def interval(claim: Claim) -> str:
    """A claim's interval in words, such as "2.33 to 2.52"."""
    if not math.isfinite(claim.interval.low):
        return "no interval"
    return " to ".join(map(units.ratio, claim.interval.ends))


def arm_label(name: str) -> str:
    """An arm's name for people: the library, and the call where it is not malloc."""
    return name.removesuffix("-calloc") + (" calloc" if name.endswith("-calloc") else "")


def listed(words: Sequence[str]) -> str:
    """Words with commas, and the last with "and"."""
    return " and ".join([", ".join(words[:-1]), *words[-1:]] if len(words) > 1 else words)


def amount(claim: Claim) -> str:
    """A claim in words, and why it is not proved where it is not."""
    text = (f"{units.ratio(claim.ratio)} times as fast as {arm_label(claim.baseline)}"
            f" ({interval(claim)})")
    if claim.doubt:
        return f"{text}: {claim.doubt}"
    if claim.proved:
        return text
    if claim.interval.low > claim.limit or claim.interval.high < -claim.limit:
        return f"{text}; this many claims need more launches for a proof"
    smallest = inference.smallest_provable(claim.interval, claim.limit)
    could = units.percent(smallest) if math.isfinite(smallest) else "nothing"
    return f"{text}; this run could have proved {could}"


# --- The first screen -----------------------------------------------------------------------------


def asked(analysis: Analysis) -> str:
    """What the run was asked."""
    arms = analysis.plan.arms
    pools = [arm.name for arm in arms if arm.role == "pool"]
    mallocs = sorted({arm.name.removesuffix("-calloc") for arm in arms if arm.role == "malloc"})
    names = [result.workload.workload for result in analysis.results]
    chosen = [result.workload.workload for result in named(analysis)] or names
    where = listed(chosen) if len(chosen) <= 3 else f"{len(chosen)} workloads"
    if not pools or not mallocs:
        return f"Asked: how fast is each arm on {where}?"
    than = listed(mallocs) if len(mallocs) <= 6 else f"{len(mallocs)} allocators"
    return f"Asked: {'are' if len(pools) > 1 else 'is'} {listed(pools)} faster than {than} on" \
           f" {where}?"


def named(analysis: Analysis) -> list[WorkloadResult]:
    """The workloads that the user named, by --workload, a pattern too, or by --trace."""
    words = shlex.split(analysis.plan.command)[2:]
    files = {pathlib.Path(word).name.partition(".")[0] for word in words}

    def is_named(name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, word) for word in words) \
            or is_trace(name) and name.partition("/")[2] in files

    return [result for result in analysis.results if is_named(result.workload.workload)]


def found(analysis: Analysis) -> str:
    """What it found."""
    parts = []
    for promise, (pool, _) in PROMISES.items():
        words = [outcome for result in analysis.results if (outcome := outcome_of(result, pool))]
        told = [f"{what} on {number}" for word, what in (
            ("faster", f"faster than every {promise}"), ("slower", "slower than the fastest"),
            ("equal", "equal to the fastest"), ("unproved", "undecided"))
                if (number := words.count(word))]
        if told:
            told[0] += f" of {units.count(len(words), 'workload')}"
            parts.append(f"{pool} is {listed(told)}")
    return f"Found: {'; '.join(parts) or 'no pool was compared with a malloc'}."


def outcome_of(result: WorkloadResult, pool: str) -> str | None:
    """Whether a pool beats every malloc, or loses to or equals the fastest; None if none ran."""
    best = result.against_best(pool)
    every = all(claim.verdict == "faster" for claim in result.claims
                if claim.arm == pool and claim.kind == "claim")
    if best is None or every:
        return best and "faster"
    return best.verdict if best.verdict in ("slower", "equal") else "unproved"


def unseen(analysis: Analysis) -> str:
    """What the run could not have seen."""
    able = provable(analysis)
    if not able:
        return "Not seen: any difference, as there is no claim."
    value, workload = able[-1]
    if not math.isfinite(value):
        return f"Not seen: any difference on {workload}, which lacks launches or a null pair."
    middle = statistics.median(value for value, _ in able)
    return (f"Not seen: differences below {units.percent(middle)} on the median workload, or below"
            f" {units.percent(value)} on {workload}, the noisiest.")


def provable(analysis: Analysis) -> list[tuple[float, str]]:
    """(smallest provable difference, workload) of those with claims, in this order."""
    return sorted((smallest_provable(analysis, result), result.workload.workload)
                  for result in analysis.results if result.claims)


def smallest_provable(analysis: Analysis, result: WorkloadResult) -> float:
    """The smallest difference a workload's claims could prove; infinite with too few launches."""
    needed = inference.launches_needed(len(analysis.family), len(analysis.plan.looks))
    if not result.claims or any(claim.interval.launches < needed for claim in result.claims):
        return math.inf
    return statistics.median(inference.smallest_provable(claim.interval, claim.limit)
                             for claim in result.claims)


# --- The rest -------------------------------------------------------------------------------------


def warnings(analysis: Analysis) -> list[str]:
    """Reasons to doubt the run."""
    record = analysis.record
    said = list(analysis.plan.notes)
    false = [null for result in analysis.results if (null := result.controls.get("null"))
             and null.verdict in ("faster", "slower")]
    if false:
        said.append(f"The same allocator under two names yielded"
                    f" {units.count(len(false), 'false claim')}: do not trust this run.")
    if not analysis.complete:
        said.append(f"The run is incomplete: it has {len(record.launches):,} launches, and some"
                    " pairs lack theirs.")
    return said + [f"{refusal.workload} with {refusal.arm} was refused: {refusal.refused}."
                   for refusal in record.refusals]


def meta(analysis: Analysis) -> str:
    """Where, when and how much, in a line."""
    facts = analysis.plan.environment
    parts = [day(analysis.plan.started), facts.get("processor"), facts.get("system"),
             f"{analysis.plan.mode} run", units.count(len(analysis.record.launches), "launch")]
    return " · ".join(str(part) for part in parts if part)


def day(started: str) -> str:
    """When a run began."""
    return started.replace("T", " ").replace("Z", " UTC")


def workloads(analysis: Analysis) -> list[str]:
    """How to read what is said of workloads, and what was not measured."""
    record = analysis.record
    instruments = {part: ", ".join(sorted({line.instrument for line in record.probes
                                           if line.part == part}))
                   for part in dict.fromkeys(line.part for line in record.probes)}
    return [PROSE["workloads"],
            *(PROSE[part].format(instrument) for part, instrument in instruments.items()),
            *(f"No {refused.part} of {refused.workload} with {refused.arm}: {refused.refused}."
              for refused in record.probe_refusals)]


LARGE_HARNESS = 0.2
"""A share of the fastest arm's time that a workload must explain."""


def remarks(result: WorkloadResult) -> list[str]:
    """How a workload was measured."""
    workload = result.workload
    where = ("on all processors" if workload.form == "threads" else
             "two arms at a time on one processor")
    turn = units.count(workload.batch, "iteration") if workload.slices == 1 else \
        f"one of {workload.slices} slices"
    form = f"in turns of {turn}, {where}, {units.count(workload.cycles, 'turn')} in a launch"
    if workload.form == "side by side":
        form = "once in each process, two processes side by side on one processor"
    said = [f"Run {form}. δ is {units.percent(result.limit)} here."]
    if result.harness_share:
        large = result.harness_share > LARGE_HARNESS and workload.harness
        why = f": {workload.harness}" if large else "."
        said.append(f"The harness takes {units.share(result.harness_share)} of the fastest arm’s"
                    f" time{why}")
    said += [f"The name’s parts: {workload.parameters}."] if workload.parameters else []
    return said + ([f"After {workload.source}."] if workload.source else [])
