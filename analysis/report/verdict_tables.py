"""The tables of verdicts, and of what a run could see."""

from __future__ import annotations

import math
import statistics

from analysis.report import narrative
from analysis.report.grid import SIGNS, Cell, Column, Grid, Row, cells
from analysis.runs import plan
from analysis.stats import inference
from analysis.stats.verdicts import Analysis, Claim, WorkloadResult
from analysis.system import units


def promises(analysis: Analysis) -> list[str]:
    """The promises under which this run compared a pool with a rival."""
    return [promise for promise, (pool, _, _) in narrative.PROMISES.items()
            if any(result.against_best(pool) for result in analysis.results)]


def claim_cell(claim: Claim | None) -> Cell:
    """A ratio with its interval and verdict."""
    if claim is None:
        return Cell("–")
    return Cell(f"{units.ratio(claim.ratio)}×", narrative.interval(claim), claim.verdict)


JUDGED = [Column("ratio", True), Column("95 % interval", True), Column("verdict")]


def _judged(claim: Claim) -> list[str | Cell]:
    return [f"{units.ratio(claim.ratio)}×", narrative.interval(claim),
            Cell(claim.verdict, verdict=claim.verdict)]


def headline_grid(analysis: Analysis, promise: str) -> Grid:
    """The pool against the fastest rival of one promise on each workload."""
    pool = narrative.PROMISES[promise][0]
    rows = []
    for result in analysis.results:
        claim = result.against_best(pool)
        if claim is not None:
            rows.append(Row(cells(claim.workload, narrative.arm_label(claim.baseline),
                                  *_judged(claim))))
    columns = [Column("workload"), Column("fastest rival"), *JUDGED]
    return Grid(f"headline-{promise}", f"{pool} against the fastest {promise}", columns, rows)


def claims_grid(analysis: Analysis, promise: str) -> Grid | None:
    """The pool against every rival of one promise; None if there are none."""
    pool = narrative.PROMISES[promise][0]
    rivals = _rivals(analysis, promise)
    rows = [Row([Cell(result.workload.workload),
                 *(claim_cell(_claims_on(result, pool).get(name)) for name in rivals)])
            for result in analysis.results if _claims_on(result, pool)]
    if not rows:
        return None
    columns = [Column("workload"), *(Column(narrative.arm_label(name)) for name in rivals)]
    return Grid(f"claims-{promise}", f"{pool} against each {promise}", columns, rows)


def map_grid(analysis: Analysis, promise: str) -> Grid | None:
    """Who is in front on each workload, and the pool against every rival of one promise, those
    that do not apply or are absent included. None if nothing of this promise ran."""
    pool = narrative.PROMISES[promise][0]
    rivals = _rivals(analysis, promise)
    absent = _absent(analysis, promise)
    rows = []
    for result in analysis.results:
        if not any(arm.arm.promise == promise for arm in result.arms):
            continue
        claims = _claims_on(result, pool)
        rows.append(Row([Cell(result.workload.workload),
                         _leader_cell(result.leaders.get(promise), pool),
                         *(_map_cell(result, pool, name, claims.get(name)) for name in rivals),
                         *(Cell("absent", kind="off") for _ in absent)]))
    if not rows:
        return None
    columns = [Column("workload"), Column("in front"),
               *(Column(narrative.arm_label(name).removesuffix(" calloc")) for name in rivals),
               *(Column(item["arm"], note=f"install {item['package']}") for item in absent)]
    return Grid(f"map-{promise}", f"{pool} against each {promise}: how many times as fast", columns,
                rows)


def _rivals(analysis: Analysis, promise: str) -> list[str]:
    return [arm.name for arm in analysis.plan.arms
            if arm.role == "rival" and arm.promise == promise]


def _absent(analysis: Analysis, promise: str) -> list[dict[str, str]]:
    return [item for item in analysis.plan.absent
            if promise == "calloc" or not item["arm"].endswith("-calloc")]


def _claims_on(result: WorkloadResult, pool: str) -> dict[str, Claim]:
    return {claim.baseline: claim for claim in result.claims
            if claim.arm == pool and claim.kind == "claim"}


def _map_cell(result: WorkloadResult, pool: str, rival: str, claim: Claim | None) -> Cell:
    if claim is not None:
        return claim_cell(claim)
    for name in (rival, pool):
        if any(refusal.arm == name for refusal in result.refusals):
            return Cell("refused", narrative.arm_label(name), kind="off")
        if name not in result.workload.arms:
            return Cell("n/a", "" if name == rival else f"no {pool}", kind="off")
    return Cell("no launches", kind="off")


def _leader_cell(claim: Claim | None, pool: str) -> Cell:
    """The fastest arm and its lead over the runner-up: a winner only where that is proved."""
    if claim is None:
        return Cell("n/a", "no rival", kind="off")
    own = claim.arm == pool
    arm, runner_up = (narrative.arm_label(name).removesuffix(" calloc")
                      for name in (claim.arm, claim.baseline))
    return Cell(arm, f"{units.ratio(claim.ratio)}× {runner_up}", claim.verdict,
                kind="" if own or claim.verdict != "faster" else "theirs")


def leaders_grid(analysis: Analysis) -> Grid:
    """The fastest arm of each promise against its runner-up."""
    rows = []
    for result in analysis.results:
        for promise, claim in result.leaders.items():
            if claim is None:
                continue
            own = analysis.plan.arm(claim.arm).role == "pool"
            rows.append(Row(cells(Cell(result.workload.workload, promise),
                                  narrative.arm_label(claim.arm),
                                  narrative.arm_label(claim.baseline), *_judged(claim)),
                            "own" if own else ""))
    columns = [Column("workload"), Column("in front"), Column("runner-up"), *JUDGED]
    return Grid("leaders-table", "The arm in front, against its runner-up: a winner only where the"
                " verdict is faster", columns, rows)


def _bias(result: WorkloadResult) -> Cell:
    """The arm whose time in turns is farthest from its time alone."""
    arms = [arm for arm in result.arms if arm.bias]
    if not arms:
        return Cell("–")
    widest = max(arms, key=lambda arm: abs(arm.bias.median))
    return Cell(units.signed_percent(widest.bias.median), narrative.arm_label(widest.arm.name))


def noise_grid(analysis: Analysis) -> Grid:
    """δ and what it makes provable, for each workload."""
    rows = []
    for result in analysis.results:
        null = result.null
        rows.append(Row(cells(
            result.workload.workload, str(result.launches),
            units.signed_percent(null.interval.median) if null else "none",
            units.percent(result.limit),
            units.percent(narrative.smallest_provable(analysis, result)),
            _bias(result))))
    columns = [Column("workload"), Column("launches", True), Column("null pair, median", True),
               Column("δ", True), Column("smallest provable difference", True),
               Column("largest bias of turns", True)]
    return Grid("noise-table", "The noise of each workload, and the smallest difference that its"
                " claims could have proved", columns, rows)


def tally_grid(analysis: Analysis) -> Grid | None:
    """How many workloads have which verdict, against the fastest rival; None without claims."""
    rows = []
    for promise in promises(analysis):
        pool, manner, _ = narrative.PROMISES[promise]
        found = [claim.verdict for result in analysis.results
                 if (claim := result.against_best(pool))]
        rows.append(Row([Cell(pool, f"{manner}, against the fastest {promise}"),
                         *(Cell(str(found.count(verdict)),
                                verdict=verdict if verdict in found else "")
                           for verdict in SIGNS)]))
    if not rows:
        return None
    return Grid("tally", "On how many workloads it is what; the last two are not claims",
                [Column("the pool"), *(Column(verdict) for verdict in SIGNS)], rows)


MOST_NAMED = {"faster": 2, "slower": 2, "equal": 1}
"""Headlines of each verdict and pool."""


def headlines(analysis: Analysis) -> list[Claim]:
    """The claims that say most: of each pool against its fastest rival, those of
    workloads that the user named, then the widest proved margins each way. Where nothing is proved,
    the claim that came nearest to telling."""
    found = [claim for result in narrative.named(analysis)[:3] for promise in promises(analysis)
             if (claim := result.against_best(narrative.PROMISES[promise][0]))]
    for promise in promises(analysis):
        pool = narrative.PROMISES[promise][0]
        claims = [claim for result in analysis.results if (claim := result.against_best(pool))]
        for verdict, end in (("faster", lambda claim: -claim.interval.low),
                             ("slower", lambda claim: claim.interval.high),
                             ("equal", lambda claim: claim.interval.high - claim.interval.low)):
            alike = [claim for claim in claims if claim.verdict == verdict]
            found += sorted(alike, key=end)[:MOST_NAMED[verdict]]
        if not any(claim.proved for claim in claims):
            found.append(min(claims, key=lambda claim: claim.interval.high - claim.interval.low))
    return list({(claim.workload, claim.arm): claim for claim in found}.values())


def sight_grid(analysis: Analysis) -> Grid:
    """What this run could see, at a glance."""
    results = analysis.results
    nulls = [result.null for result in results if result.null]
    false = sum(claim.verdict in ("faster", "slower") for claim in nulls)
    delays = [result.delay for result in results if result.delay]
    seen = sum(claim.interval.high < 0 and claim.p <= inference.ALPHA for claim in delays)
    able = sorted((narrative.smallest_provable(analysis, result), result.workload.workload)
                  for result in results if result.claims)
    rows = [("runs with a false claim", f"at most {units.share(inference.ALPHA)}",
             f"by chance, even one among {units.count(len(analysis.family), 'claim')}: Holm’s"
             " correction"),
            ("false claims seen", f"{false} of {len(nulls)}" if nulls else "not put to the test",
             "where the same allocator ran under two names")]
    if able and math.isfinite(able[0][0]):
        middle = statistics.median(value for value, _ in able)
        rows.append(("smallest provable difference", units.percent(middle),
                     f"the middle workload; from {units.percent(able[0][0])} ({able[0][1]}) to"
                     f" {units.percent(able[-1][0])} ({able[-1][1]})"))
    elif able:
        rows.append(("smallest provable difference", "none", "too few launches, or no null pair"))
    if able:
        seen_ten = sum(value <= inference.LARGEST_EQUALITY for value, _ in able)
        rows.append(("a true difference of 10 %", f"provable on {seen_ten} of {len(able)}",
                     "workloads; on the others this run could not have seen so little"
                     if seen_ten < len(able) else "workloads"))
    rows.append((f"a known delay of {plan.DELAY_PERCENT:g} %",
                 f"seen on {seen} of {len(delays)}" if delays else "not put to the test",
                 "workloads, with the pool slowed down on purpose"))
    biased = sum(len(result.biased) for result in results)
    alone = sum(arm.bias is not None for result in results for arm in result.arms)
    rows.append(
    ("arms changed by turns",
    f"{biased} of {alone}" if alone else "not put to the test",
     "arms of workloads, against the same processes alone: beyond 3 %, traces 5 %"))
    return Grid("sight-facts", "What this run could see", [Column("asked"), Column("answer")],
                [Row([Cell(what), Cell(value, note)]) for what, value, note in rows])
