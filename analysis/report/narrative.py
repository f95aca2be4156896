"""Numbers and verdicts as words: the one place where a report's sentences are made."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import shlex
from typing import Any

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

PROMISES = {
    "malloc": ("pool-keep", "keeping contents", "every malloc"),
    "calloc": ("pool", "zeroing and wiping", "every calloc")
}
"""Promise → the pool arm that makes it, what that means, and its rivals."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a pool arm's claims on one workload amount to."""

    word: str
    """"yes", "no", "equal", "small" or "unknown"."""
    title: str
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
    pool, manner, everyone = PROMISES[promise]
    best = result.against_best(pool)
    if best is None:
        return None
    mine = [claim for claim in result.claims if claim.arm == pool and claim.kind == "claim"]
    rival = arm_label(best.baseline)
    amount = f"{units.ratio(best.ratio)} times as fast as {rival} ({interval(best)})"
    if all(claim.verdict == "faster" for claim in mine):
        everyone_else = everyone if len(mine) > 1 else rival
        return Answer(
            "yes", "Yes", f"Faster than {everyone_else} measured: {amount}, the fastest of "
            f"them." if len(mine) > 1 else f"Faster: {amount}.", best)
    if best.verdict == "slower":
        return Answer("no", "No", f"A pool does not pay off here: {amount}.", best)
    if best.verdict == "equal":
        return Answer(
            "equal", "No gain", f"Equal to the fastest rival: {amount}, all of it within δ of"
            f" {units.percent(best.limit)}.", best)
    if best.verdict == "faster":
        unproved = [arm_label(claim.baseline) for claim in mine if claim.verdict != "faster"]
        return Answer(
            "unknown", "Not known", f"Faster than the fastest rival: {amount}. Not proved"
            f" against {' and '.join(unproved)}.", best)
    if best.verdict == "small":
        return Answer("small", "Within noise", f"There is a difference, but not one that clears"
                      f" this run’s noise: {amount}; δ is {units.percent(best.limit)}.", best)
    if best.doubt:
        return Answer("unknown", "Not known", f"Measured {amount}: {best.doubt}.", best)
    if best.interval.low > best.limit or best.interval.high < -best.limit:
        return Answer("unknown", "Not known", f"Measured {amount}, beyond the noise; but so many"
                      " claims would need more launches to prove it.", best)
    smallest = inference.smallest_provable(best.interval, best.limit)
    could = (f"this run could have proved {units.percent(smallest)}"
             if math.isfinite(smallest) else "this run could have proved nothing")
    return Answer("unknown", "Not known", f"Measured {amount}, which proves nothing; {could}.",
                  best)


def summary(analysis: Analysis) -> list[str]:
    """The run in a few sentences, for the first screen."""
    return [_summary_of(promise, answers) for promise in PROMISES
            if (answers := [found for result in analysis.results
                            if (found := answer(result, promise))])]


def _summary_of(promise: str, answers: list[Answer]) -> str:
    pool, manner, everyone = PROMISES[promise]
    words = [found.word for found in answers]
    proved = {
        f"faster than {everyone} on": words.count("yes"),
        "slower than the fastest on": words.count("no"),
        "equal to the fastest on": words.count("equal"),
    }
    parts = [f"{what} {number}" for what, number in proved.items() if number]
    rest = len(words) - sum(proved.values())
    start = f"Of {units.count(len(words), 'workload')}, the pool {manner} ({pool}) is"
    if not parts:
        return f"{start} proved neither faster nor slower than the fastest rival on any."
    listed = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
    return f"{start} proved {listed}." + (f" On {rest} nothing is claimed." if rest else "")


def doubt_sentence(analysis: Analysis) -> str:
    """How many verdicts were taken back because methods disagree, and which methods."""
    doubted = [claim for claim in analysis.family if claim.doubt]
    start = ("Every verdict was also put to the signed-rank test and to the arms alone, in turns"
             " without a neighbour")
    if not doubted:
        return f"{start}; none of them disagrees."
    reasons = sorted({claim.doubt.partition(" borne out by ")[2] for claim in doubted})
    return (f"{start}; {units.count(len(doubted), 'verdict')} became inconclusive, not borne out by"
            f" {'; '.join(reasons)}.")


def bias_sentence(analysis: Analysis) -> str:
    """Whether taking turns changed what was measured."""
    arms = [arm for result in analysis.results for arm in result.arms if arm.bias]
    if not arms:
        return "No arm of this run was also measured alone, so what taking turns does is not known."
    biased = [(result, arm) for result in analysis.results for arm in result.biased]
    text = (f"Every arm in turns was also measured alone in the same processes; of"
            f" {units.count(len(arms), 'arm')} of workloads")
    if not biased:
        return f"{text} none took surely another time in turns, beyond 3 % (traces: 5 %)."
    named = [f"{arm.arm.name} on {result.workload.workload}"
             f" ({units.signed_percent(arm.bias.median)})" for result, arm in biased[:5]]
    more = f" and {len(biased) - 5} more" if len(biased) > 5 else ""
    return (f"{text} {len(biased)} took another time in turns, beyond 3 % (traces: 5 %):"
            f" {', '.join(named)}{more}.")


def delay_sentence(analysis: Analysis) -> str:
    """What became of the arm with a known delay."""
    delays = [result.delay for result in analysis.results if result.delay]
    if not delays:
        return (
            "No arm with a known delay was part of this run, so its power was not put to the test.")
    seen = [claim for claim in delays if claim.interval.high < 0 and claim.p <= inference.ALPHA]
    missed = len(delays) - len(seen)
    text = (f"The pool with a known delay was told apart from the pool on {len(seen)} of"
            f" {units.count(len(delays), 'workload')}")
    return text + ("."
                   if not missed else f"; on the other {'one' if missed == 1 else missed} this run"
                   " could not see so little.")


def null_sentence(analysis: Analysis) -> str:
    """Whether the null arm stayed silent."""
    nulls = [result.null for result in analysis.results if result.null]
    if not nulls:
        return "There is no null arm, so this run does not know its noise and claims nothing."
    claimed = [claim for claim in nulls if claim.verdict in ("faster", "slower")]
    widest = max(abs(claim.interval.median) for claim in nulls)
    text = (
        f"The same allocator under two names differed by {units.percent(widest)} at most in the"
        " median of"
        f" a workload")
    return text + (" and yielded no claim." if not claimed else
                   f" and yielded {units.count(len(claimed), 'false claim')}: do not trust this"
                   " run.")


def launches_sentence(analysis: Analysis) -> str:
    """Whether the launches are enough for the family."""
    claims, looks = len(analysis.family), len(analysis.plan.looks)
    needed = inference.launches_needed(claims, looks)
    fewest = min((claim.interval.launches for claim in analysis.family), default=0)
    text = (f"{units.count(claims, 'claim')} were declared and looked at {looks} times at most;"
            f" Holm’s correction needs {needed} launches of each pair for so many")
    if fewest >= needed:
        return f"{text}, and the pair with the fewest has {fewest}."
    return f"{text}; with {fewest} a pair can prove no difference at all."


def asked(analysis: Analysis) -> str:
    """What the run was asked, for the first screen."""
    plan = analysis.plan
    pools = [arm.name for arm in plan.arms if arm.role == "pool"]
    rivals = sorted({arm.name.removesuffix("-calloc") for arm in plan.arms if arm.role == "rival"})
    names = [result.workload.workload for result in analysis.results]
    chosen = [result.workload.workload for result in named(analysis)] or names
    where = f"on {' and '.join(chosen)}" if len(chosen) <= 3 else f"on {len(chosen)} workloads"
    return (f"Asked: how fast {' and '.join(pools) or 'each arm'} is {where}, against"
            f" {', '.join(rivals) or 'no malloc'}.")


def named(analysis: Analysis) -> list[WorkloadResult]:
    """The workloads that the user named, by --workload or --trace."""
    words = set(shlex.split(analysis.plan.command)[2:])
    files = {pathlib.Path(word).name.partition(".")[0] for word in words}
    return [result for result in analysis.results if (name := result.workload.workload) in words
            or is_trace(name) and name.partition("/")[2] in files]


def smallest_provable(analysis: Analysis, result: WorkloadResult) -> float:
    """The smallest difference that the claims of a workload could have proved; infinite where the
    run has too few launches for its family."""
    needed = inference.launches_needed(len(analysis.family), len(analysis.plan.looks))
    enough = all(claim.interval.launches >= needed for claim in result.claims)
    return result.smallest_provable() if enough else math.inf


def unseen(analysis: Analysis) -> str:
    """What the run could not have seen, for the first screen."""
    able = sorted((smallest_provable(analysis, result), result.workload.workload)
                  for result in analysis.results if result.claims)
    if not able:
        return "Not seen: any difference, as there is no claim."
    value, workload = able[-1]
    if not math.isfinite(value):
        return f"Not seen: any difference on {workload}, which lacks launches or a null pair."
    return (f"Not seen: differences below {units.percent(able[len(able) // 2][0])} on the middle"
            f" workload, or below {units.percent(value)} on {workload}, the noisiest.")


def sight(analysis: Analysis) -> list[str]:
    """What this run could have told."""
    return [launches_sentence(analysis), null_sentence(analysis), delay_sentence(analysis),
            bias_sentence(analysis), doubt_sentence(analysis)]


def warnings(analysis: Analysis) -> list[str]:
    """What a reader must know before believing anything."""
    plan = analysis.plan
    said = list(plan.notes)
    if not analysis.complete:
        said.append(f"The run is not complete: {len(analysis.record.launches):,} launches are"
                    " there, and some pairs lack some.")
    said += [f"The run was to measure {part}, and has nothing of it."
             for part in plan.parts
             if part != "time" and not getattr(analysis.record, part)
             and part not in analysis.record.part_refusals]
    said += [f"The arm {item['arm']} is absent: install {item['package']}." for item in plan.absent]
    said += [f"{refusal.workload} with {refusal.arm} was refused: {refusal.refused}."
             for refusal in analysis.record.refusals]
    return said


def meta(analysis: Analysis) -> str:
    """Where, when and how much, in a line."""
    plan = analysis.plan
    facts = plan.environment
    parts = [day(plan.started), str(facts.get("processor", "")), str(facts.get("system", "")),
             f"{plan.mode} run", units.count(len(analysis.record.launches), "launch")]
    return " · ".join(part for part in parts if part)


def day(started: str) -> str:
    """When a run began."""
    return started.replace("T", " ").replace("Z", " UTC")


def parts(analysis: Analysis, measured: Parts, most_drawn: int) -> list[str]:
    """What was measured beside time, what it is, and what was left out."""
    said = []
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
                    " every arm is in latency.csv beside this report.")
    said += [f"Not measured: {item['what']}, because {item['why'].removesuffix('.')}."
             for item in analysis.plan.left_out]
    for part, refused in analysis.record.part_refusals.items():
        said += [f"No {part} of {item.workload} with {item.arm}: {item.refused}."
                 for item in refused]
    return said


def remarks(result: WorkloadResult) -> list[str]:
    """How a workload was measured, and who left it."""
    workload = result.workload
    said = [f"{refusal.arm} left this workload in launch {refusal.round + 1}: {refusal.refused}."
            for refusal in result.refusals]
    form = {"side by side": "once in each process, two processes side by side on one processor",
            "threads": f"in turns of {units.count(workload.batch, 'iteration')}, on all"
                       f" processors, {units.count(workload.cycles, 'turn')} in a launch"}.get(
        workload.form, f"in turns of {units.count(workload.batch, 'iteration')}, two arms at a time"
                       f" on one processor, {units.count(workload.cycles, 'turn')} in a launch")
    said.append(f"Run {form}. δ is {units.percent(result.limit)} here.")
    if workload.parameters:
        said.append(f"The name’s parts: {workload.parameters}.")
    if workload.source:
        said.append(f"After {workload.source}.")
    return said


def machine(analysis: Analysis) -> list[str]:
    """How launches stay fair on a machine that others use."""
    return ["The two arms of a launch share a processor and alternate, so that a neighbour’s load"
            " falls on both; the processor changes between launches. No launch is dropped or"
            " repeated for what the machine did meanwhile."]


def bugs(board: dict[str, Any]) -> list[str]:
    """The published scoreboard of planted bugs."""
    controls = "behaved" if board["controls_behave"] else "did not behave: believe none of this"
    return [f"How far the pool under test can be trusted: {board['found']} of"
            f" {units.count(board['bugs'], 'bug')} that were planted in copies of it were found"
            f" by the fuzzer, of {board['reached']} that it reached, within"
            f" {board['executions']:,} executions on the median of"
            f" {units.count(len(board['seeds']), 'seed')}. The controls {controls}.",
            "This is of the repository, not of this run; results/bugs has every bug."]
