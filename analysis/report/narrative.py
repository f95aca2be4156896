"""Numbers and verdicts as words: the one place where a report's sentences are made."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import shlex
import statistics
from typing import Any, Sequence

from analysis.runs import plan
from analysis.runs.plan import is_app, is_cold, is_trace
from analysis.stats import inference
from analysis.stats.secondary_metrics import Parts
from analysis.stats.verdicts import Analysis, Claim, WorkloadResult
from analysis.system import units

MEANINGS = {
    "faster": "proved: the whole interval lies beyond δ, and the claim survives Holm’s correction",
    "slower": "proved likewise, in the other direction",
    "equal": "proved: the whole interval lies within δ, and within 10 %",
    "small": "not a claim: a difference is there, but does not clear δ",
    "inconclusive": "not a claim: this run cannot tell"
}

PROMISES = {"malloc": ("pool-keep", "keeping contents"), "calloc": ("pool", "zeroing and wiping")}
"""Promise → the pool arm that makes it, and what that means."""

VERDICTS = ("A ratio is the baseline’s time over the pool’s time: 1.25 times as fast means that the"
            " pool needs 0.8 of the baseline’s time. Behind it stands the 95 % interval of its"
            " median over the launches.")

FOREST = ("{}, {}, against the fastest {}. Filled marks are claims, hollow ones are not. The grey"
          " band is δ, within which this run calls differences noise; the line is the 95 % interval.")

NOISE = ("Two arms that are the same program and the same allocator. What separates them is this"
         " run’s noise.")

MAP = ("A row a workload, a column an arm. “In front” names the fastest arm and its lead over the"
       " next: a winner only with ▲, where the lead is proved. The other cells say how many times"
       " as fast the pool is as that arm. A solid box with a sign is a claim; a dashed one with"
       " slanted figures is not. Hatched: the arm does not apply to the workload, is absent here,"
       " or was refused.")

FLOORS = ("The no-op arm does everything but allocate: its share of the fastest arm’s time is what"
          " the harness costs, and it is in every figure above. An unchecked free list shows how"
          " fast reuse without any check can be.")

MACHINE = ("The two arms of a launch share a processor and alternate, so that a neighbour’s load"
           " falls on both; the processor changes between launches. No launch is dropped or"
           " repeated for what the machine did meanwhile.")

AGAIN = ("This report is made from run.json and launches.jsonl.gz alone, which holds every turn;"
         " beside it lies verdicts.json. To make it again:")

METHOD = [
    "A launch is the sample: the processes of two arms share a processor and take turns, in a"
    " random order; a turn’s processor time counts. A launch’s difference is the median over its"
    " turns of the logarithm of baseline time over arm time. Its median over the launches comes"
    " with the exact interval between two order statistics; its p-value is that of the sign test,"
    " times the number of looks, corrected by Holm over all claims of the run. δ is the larger of"
    " 1 % and the far end of the null pair’s own interval: what may separate the medians of one"
    " and the same program at 95 %. There is no score over workloads: they are different"
    " questions.",
    "Sources: David and Nagaraja, Order Statistics (2003); Conover, Practical Nonparametric"
    " Statistics (1999); Holm (1979); Mytkowicz et al. (ASPLOS 2009); Kalibera and Jones (arXiv"
    " 2007.10899)."]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a pool arm's claims on one workload amount to."""

    title: str
    """Yes, No, No gain, Within noise or Not known."""
    sentence: str
    claim: Claim
    """The claim against the fastest rival."""


def interval(claim: Claim) -> str:
    """A claim's interval in words, such as "2.33 to 2.52"."""
    if not math.isfinite(claim.interval.low):
        return "no interval"
    return f"{units.ratio(claim.low)} to {units.ratio(claim.high)}"


def arm_label(name: str) -> str:
    """An arm's name for people: the library, and the call where it is not malloc."""
    return name.removesuffix("-calloc") + (" calloc" if name.endswith("-calloc") else "")


def listed(words: Sequence[str]) -> str:
    """Words with commas, and the last with "and"."""
    return " and ".join([", ".join(words[:-1]), *words[-1:]] if len(words) > 1 else words)


def kind_of_workload(workload: str) -> str:
    """ "micro workload", "recorded program, warm" or "… cold", or "whole program"."""
    if is_app(workload):
        return "whole program"
    if not is_trace(workload):
        return "micro workload"
    return "recorded program, cold" if is_cold(workload) else "recorded program, warm"


def answer(result: WorkloadResult, promise: str) -> Answer | None:
    """Whether a pool pays off on this workload, against the rivals of one promise; None if none
    ran."""
    pool, _ = PROMISES[promise]
    best = result.against_best(pool)
    if best is None:
        return None
    mine = [claim for claim in result.claims if claim.arm == pool and claim.kind == "claim"]
    amount = f"{units.ratio(best.ratio)} times as fast as {arm_label(best.baseline)}" \
             f" ({interval(best)})"
    unproved = [arm_label(claim.baseline) for claim in mine if claim.verdict != "faster"]
    if best.verdict == "faster" and not unproved:
        every = f"than every {promise} measured: {amount}, the fastest of them"
        return Answer("Yes", f"Faster {every}." if len(mine) > 1 else f"Faster: {amount}.", best)
    title, sentence = {
        "faster": ("Not known", f"Faster than the fastest rival: {amount}. Not proved against"
                                f" {listed(unproved)}."),
        "slower": ("No", f"A pool does not pay off here: {amount}."),
        "equal": ("No gain", f"Equal to the fastest rival: {amount}, all of it within δ of"
                             f" {units.percent(best.limit)}."),
        "small": ("Within noise", "There is a difference, but not one that clears this run’s noise:"
                                  f" {amount}; δ is {units.percent(best.limit)}."),
        "inconclusive": ("Not known", f"Measured {amount}{_why_unknown(best)}."),
    }[best.verdict]
    return Answer(title, sentence, best)


def _why_unknown(claim: Claim) -> str:
    if claim.doubt:
        return f": {claim.doubt}"
    if claim.interval.low > claim.limit or claim.interval.high < -claim.limit:
        return ", beyond the noise; but so many claims would need more launches to prove it"
    smallest = inference.smallest_provable(claim.interval, claim.limit)
    could = units.percent(smallest) if math.isfinite(smallest) else "nothing"
    return f", which proves nothing; this run could have proved {could}"


# --- The first screen -----------------------------------------------------------------------------


def asked(analysis: Analysis) -> str:
    """What the run was asked."""
    arms = analysis.plan.arms
    pools = [arm.name for arm in arms if arm.role == "pool"]
    rivals = sorted({arm.name.removesuffix("-calloc") for arm in arms if arm.role == "rival"})
    names = [result.workload.workload for result in analysis.results]
    chosen = [result.workload.workload for result in named(analysis)] or names
    where = listed(chosen) if len(chosen) <= 3 else f"{len(chosen)} workloads"
    if not pools or not rivals:
        return f"Asked: how fast is each arm on {where}?"
    than = listed(rivals) if len(rivals) <= 6 else f"{len(rivals)} allocators"
    return f"Asked: {'are' if len(pools) > 1 else 'is'} {listed(pools)} faster than {than} on" \
           f" {where}?"


def named(analysis: Analysis) -> list[WorkloadResult]:
    """The workloads that the user named, by --workload or --trace."""
    words = set(shlex.split(analysis.plan.command)[2:])
    files = {pathlib.Path(word).name.partition(".")[0] for word in words}
    return [result for result in analysis.results if (name := result.workload.workload) in words
            or is_trace(name) and name.partition("/")[2] in files]


def found(analysis: Analysis) -> str:
    """What it found."""
    parts = []
    for promise, (pool, _) in PROMISES.items():
        titles = [said.title for result in analysis.results if (said := answer(result, promise))]
        proved = [f"{what} on {number}" for title, what in (
            ("Yes", f"faster than every {promise}"), ("No", "slower than the fastest"),
            ("No gain", "equal to the fastest")) if (number := titles.count(title))]
        unproved = titles.count("Not known") + titles.count("Within noise")
        if titles:
            parts.append(f"{pool} is {listed(proved) or 'proved neither faster nor slower on any'}"
                         f" of {units.count(len(titles), 'workload')}"
                         + f", unproved on {unproved}" * (0 < unproved < len(titles)))
    return f"Found: {'; '.join(parts) or 'no pool was compared with a rival'}."


def unseen(analysis: Analysis) -> str:
    """What the run could not have seen."""
    able = provable(analysis)
    if not able:
        return "Not seen: any difference, as there is no claim."
    value, workload = able[-1]
    if not math.isfinite(value):
        return f"Not seen: any difference on {workload}, which lacks launches or a null pair."
    middle = statistics.median(value for value, _ in able)
    return (f"Not seen: differences below {units.percent(middle)} on the middle workload, or below"
            f" {units.percent(value)} on {workload}, the noisiest.")


def provable(analysis: Analysis) -> list[tuple[float, str]]:
    """(smallest provable difference, workload) of those with claims, in this order."""
    return sorted((smallest_provable(analysis, result), result.workload.workload)
                  for result in analysis.results if result.claims)


def smallest_provable(analysis: Analysis, result: WorkloadResult) -> float:
    """The smallest difference that the claims of a workload could have proved; infinite where the
    run has too few launches for its family."""
    enough = all(claim.interval.launches >= _needed(analysis) for claim in result.claims)
    return result.smallest_provable() if enough else math.inf


def _needed(analysis: Analysis) -> int:
    return inference.launches_needed(len(analysis.family), len(analysis.plan.looks))


Fact = tuple[str, str, str]
"""What is asked of a run, the answer, and a note."""


def sight(analysis: Analysis) -> list[Fact]:
    """What this run could see, and what became of its controls."""
    results = analysis.results
    untested = "not put to the test"
    nulls = [result.null for result in results if result.null]
    delays = [result.delay for result in results if result.delay]
    seen = sum(claim.interval.high < 0 and claim.p <= inference.ALPHA for claim in delays)
    widest = max((abs(claim.interval.median) for claim in nulls), default=0.0)
    return [
        ("runs with a false claim", f"at most {units.share(inference.ALPHA)}",
         f"by chance, even one among {units.count(len(analysis.family), 'claim')}: Holm’s"
         " correction"),
        ("false claims seen", f"{len(false_claims(analysis))} of {len(nulls)}" if nulls
         else untested, "where the same allocator ran under two names, medians at most"
         f" {units.percent(widest)} apart"),
        *_provable_facts(analysis),
        (f"a known delay of {plan.DELAY_PERCENT:g} %",
         f"seen on {seen} of {len(delays)}" if delays else untested,
         "workloads, with the pool slowed down on purpose"),
        _bias_fact(analysis), _doubt_fact(analysis), _launches_fact(analysis)]


def false_claims(analysis: Analysis) -> list[Claim]:
    """Those that the same allocator under two names yielded."""
    return [result.null for result in analysis.results
            if result.null and result.null.verdict in ("faster", "slower")]


def _provable_facts(analysis: Analysis) -> list[Fact]:
    able = provable(analysis)
    if not able:
        return []
    values = [value for value, _ in able]
    smallest = ("none", "too few launches, or no null pair")
    if math.isfinite(values[0]):
        smallest = (units.percent(statistics.median(values)),
                    f"the middle workload; from {units.percent(values[0])} ({able[0][1]}) to"
                    f" {units.percent(values[-1])} ({able[-1][1]})")
    ten = sum(value <= inference.LARGEST_EQUALITY for value in values)
    less = "; on the others this run could not have seen so little" * (ten < len(able))
    return [("smallest provable difference", *smallest),
            ("a true difference of 10 %", f"provable on {ten} of {len(able)}", f"workloads{less}")]


def _bias_fact(analysis: Analysis) -> Fact:
    """Whether taking turns changed what was measured."""
    alone = sum(arm.bias is not None for result in analysis.results for arm in result.arms)
    biased = [f"{arm.arm.name} on {result.workload.workload}"
              f" ({units.signed_percent(arm.bias.median)})"
              for result in analysis.results for arm in result.biased if arm.bias]
    more = [f"{len(biased) - 3} more"] if len(biased) > 3 else []
    return ("arms changed by turns", f"{len(biased)} of {alone}" if alone else
            "not put to the test", "against the same processes alone, beyond 3 % (traces: 5 %)"
            + (f": {listed([*biased[:3], *more])}" if biased else ""))


def _doubt_fact(analysis: Analysis) -> Fact:
    """How many verdicts were taken back because methods disagree, and which methods."""
    reasons = [claim.doubt.partition(" borne out by ")[2] for claim in analysis.family
               if claim.doubt]
    return ("verdicts taken back", str(len(reasons)), f"not borne out by"
            f" {'; '.join(sorted(set(reasons)))}" if reasons else
            "each was put to the signed-rank test and to the arms alone")


def _launches_fact(analysis: Analysis) -> Fact:
    """Whether the launches are enough for the family."""
    launches = [claim.interval.launches for claim in analysis.family] or [0]
    return ("launches of a pair", f"{min(launches)} to {max(launches)}",
            f"so many claims, looked at {units.count(len(analysis.plan.looks), 'time')} at most,"
            f" need {_needed(analysis)}")


# --- The rest -------------------------------------------------------------------------------------


def warnings(analysis: Analysis) -> list[str]:
    """What a reader must know before believing anything."""
    record = analysis.record
    said = list(analysis.plan.notes)
    if false := false_claims(analysis):
        said.append(f"The same allocator under two names yielded"
                    f" {units.count(len(false), 'false claim')}: do not trust this run.")
    if not analysis.complete:
        said.append(f"The run is not complete: {len(record.launches):,} launches are there, and"
                    " some pairs lack some.")
    said += [f"The run was to measure {part}, and has nothing of it."
             for part in analysis.plan.parts if part != "time" and not getattr(record, part)
             and part not in record.part_refusals]
    said += [f"The arm {item['arm']} is absent: install {item['package']}."
             for item in analysis.plan.absent]
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


def workloads(analysis: Analysis, measured: Parts, most_dots: int, most_drawn: int) -> list[str]:
    """How to read the charts of workloads, what was measured beside time, and what was not."""
    said = [f"A dot is a launch, the first on top of its row, the last at the bottom, at most"
            f" {most_dots} of an arm; the bar is the median of all. Arms are compared only within a"
            " group, because a promise of zeroed memory costs something."]
    if measured.work:
        counter = ", ".join(sorted({line.counter for line in analysis.record.work}))
        said.append("Instructions are work, not time: those of one operation, as the slope between"
                    f" a shorter and a longer process, counted by {counter}. They repeat where time"
                    " does not, and say nothing of what a cache miss costs.")
    if measured.memory:
        when, held = (("in processes of their own", "the workload") if analysis.record.memory else
                      ("while the trace was played once", "the program"))
        said.append(f"Memory is what the arm added to the process’s resident size, {when}. Live is"
                    f" what {held} itself held: nothing can occupy less. Drained is what is kept"
                    " after every object was freed.")
    if measured.latency:
        clocks = ", ".join(sorted({tail.clock for tail in measured.latency.values()}))
        said.append("Latency is the time of single operations, one reading of the clock"
                    f" ({clocks}) included; what that alone takes stands beside it. Drawn are the"
                    f" pools, their fastest rivals and glibc, then others, at most {most_drawn};"
                    " the run’s latency.jsonl.gz has every arm.")
    said += [f"Not measured: {item['what']}, because {item['why'].removesuffix('.')}."
             for item in analysis.plan.left_out]
    return said + [f"No {part} of {item.workload} with {item.arm}: {item.refused}."
                   for part, refused in analysis.record.part_refusals.items() for item in refused]


def remarks(result: WorkloadResult) -> list[str]:
    """How a workload was measured, and who left it."""
    workload = result.workload
    said = [f"{refusal.arm} left this workload in launch {refusal.round + 1}: {refusal.refused}."
            for refusal in result.refusals]
    where = ("on all processors" if workload.form == "threads" else
             "two arms at a time on one processor")
    form = (f"in turns of {units.count(workload.batch, 'iteration')}, {where},"
            f" {units.count(workload.cycles, 'turn')} in a launch")
    if workload.form == "side by side":
        form = "once in each process, two processes side by side on one processor"
    said.append(f"Run {form}. δ is {units.percent(result.limit)} here.")
    said += [f"The name’s parts: {workload.parameters}."] if workload.parameters else []
    return said + ([f"After {workload.source}."] if workload.source else [])


def bugs(board: dict[str, Any]) -> list[str]:
    """The published scoreboard of planted bugs."""
    controls = "behaved" if board["controls_behave"] else "did not behave: believe none of this"
    return [f"How far the pool under test can be trusted: {board['found']} of"
            f" {units.count(board['bugs'], 'bug')} that were planted in copies of it were found"
            f" by the fuzzer, of {board['reached']} that it reached, within"
            f" {board['executions']:,} executions on the median of"
            f" {units.count(len(board['seeds']), 'seed')}. The controls {controls}.",
            "This is of the repository, not of this run; results/bugs has every bug."]
