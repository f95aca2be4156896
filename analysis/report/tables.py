"""The tables of a report: each a Grid, which HTML, Markdown and the terminal lay out alike."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import re
import statistics
from typing import Any, Iterable, Sequence

from analysis.report import narrative
from analysis.runs import plan
from analysis.stats import inference
from analysis.system import units
from analysis.stats.secondary_metrics import Held, Parts, Tail
from analysis.stats.verdicts import Analysis, Claim, WorkloadResult


@dataclasses.dataclass(frozen=True)
class Column:
    """A column's heading, and whether it holds numbers."""

    title: str
    number: bool = False
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell: text, a smaller note under it, and a verdict if it states one."""

    text: str
    note: str = ""
    verdict: str = ""
    kind: str = ""
    """"off" for what does not apply, is absent or was refused; "theirs" for a rival's victory."""

    @property
    def sign(self) -> str:
        """The verdict's shape."""
        return narrative.SIGNS.get(self.verdict, "")


@dataclasses.dataclass(frozen=True)
class Row:
    """The first cell is the row's heading."""

    cells: list[Cell]
    kind: str = ""
    """"own" for the pool's rows, "aside" for those that are not contestants."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """A table with its caption."""

    name: str
    caption: str
    columns: list[Column]
    rows: list[Row]

    @property
    def layout(self) -> str:
        """A name that tables with the same columns share."""
        return "t-" + slug("-".join(column.title for column in self.columns))

    @property
    def folds(self) -> bool:
        """Whether it becomes a list of its rows on a narrow screen: two columns fit there."""
        return len(self.columns) > 2


def promises(analysis: Analysis) -> list[str]:
    """The promises under which this run compared a pool with a rival."""
    return [promise for promise, (pool, _, _) in narrative.PROMISES.items()
            if any(result.against_best(pool) for result in analysis.results)]


def _cells(*texts: str | Cell) -> list[Cell]:
    return [text if isinstance(text, Cell) else Cell(text) for text in texts]


def _claim_cell(claim: Claim | None) -> Cell:
    if claim is None:
        return Cell("–")
    return Cell(f"{units.ratio(claim.ratio)}×", narrative.interval(claim), claim.verdict)


def headline_grid(analysis: Analysis, promise: str) -> Grid:
    """The pool against the fastest rival of one promise on each workload."""
    pool = narrative.PROMISES[promise][0]
    rows = []
    for result in analysis.results:
        claim = result.against_best(pool)
        if claim is not None:
            rows.append(
                Row(
                    _cells(claim.workload, narrative.arm_label(claim.baseline),
                           f"{units.ratio(claim.ratio)}×", narrative.interval(claim),
                           Cell(claim.verdict, verdict=claim.verdict))))
    columns = [
        Column("workload"),
        Column("fastest rival"),
        Column("ratio", True),
        Column("95 % interval", True),
        Column("verdict")
    ]
    return Grid(f"headline-{promise}", f"{pool} against the fastest {promise}", columns, rows)


def claims_grid(analysis: Analysis, promise: str) -> Grid | None:
    """The pool against every rival of one promise; None if there are none."""
    pool = narrative.PROMISES[promise][0]
    rivals = _rivals(analysis, promise)
    rows = [Row([Cell(result.workload.workload),
                 *(_claim_cell(_claims_on(result, pool).get(name)) for name in rivals)])
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
        return _claim_cell(claim)
    for name in (rival, pool):
        if any(refusal.arm == name for refusal in result.refusals):
            return Cell("refused", narrative.arm_label(name), kind="off")
        if name not in result.workload.arms:
            return Cell("n/a", "" if name == rival else f"no {pool}", kind="off")
    return Cell("no rounds", kind="off")


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
            rows.append(
                Row(
                    _cells(Cell(result.workload.workload, promise), narrative.arm_label(claim.arm),
                           narrative.arm_label(claim.baseline), f"{units.ratio(claim.ratio)}×",
                           narrative.interval(claim), Cell(claim.verdict, verdict=claim.verdict)),
                    "own" if own else ""))
    columns = [
        Column("workload"),
        Column("in front"),
        Column("runner-up"),
        Column("ratio", True),
        Column("95 % interval", True),
        Column("verdict")
    ]
    return Grid(
        "leaders-table",
        "The arm in front, against its runner-up: a winner only where the verdict is"
        " faster", columns, rows)


def _smallest_provable(analysis: Analysis, result: WorkloadResult) -> float:
    """The smallest difference that the claims of a workload could have proved; infinite where the
    run has too few rounds for its family."""
    enough = result.rounds >= inference.rounds_needed(len(analysis.family))
    return result.smallest_provable() if enough else math.inf


def noise_grid(analysis: Analysis) -> Grid:
    """δ and what it makes provable, for each workload."""
    rows = []
    for result in analysis.results:
        null = result.null
        rows.append(
            Row(
                _cells(result.workload.workload, str(result.rounds),
                       units.signed_percent(null.interval.median) if null else "none",
                       units.percent(result.limit),
                       units.percent(_smallest_provable(analysis, result)))))
    columns = [
        Column("workload"),
        Column("rounds", True),
        Column("null arm, median", True),
        Column("δ", True),
        Column("smallest provable difference", True)
    ]
    return Grid(
        "noise-table",
        "The noise of each workload, and the smallest difference that its claims could have"
        " proved", columns, rows)


def workload_grid(result: WorkloadResult, measured: Parts, arms: Sequence[plan.Arm] = ()) -> Grid:
    """All arms of one workload, fastest first: time, how the pool of equal promise compares, and
    where they were measured, usable capacity, work and memory. Then those of the run's `arms` that
    cannot do it."""
    name = result.workload.workload
    works, remembers = measured.has(measured.work, name), measured.has(measured.memory, name)
    fills = result.workload.capacity_bytes > 0
    by_pair = {(claim.arm, claim.baseline): claim for claim in result.claims}
    rows = []
    for promise in ("malloc", "calloc", ""):
        pool = narrative.PROMISES[promise][0] if promise else ""
        for arm in (item for item in result.arms if item.arm.promise == promise):
            claim = by_pair.get((pool, arm.arm.name))
            spread = (f"{units.time(arm.low_ns)} to {units.time(arm.high_ns)}"
                      if math.isfinite(arm.high_ns) else "no interval")
            role = arm.arm.role
            place = name, arm.arm.name
            cells = [Cell(narrative.arm_label(arm.arm.name),
                          "" if role == "rival" else narrative.describe(arm.arm)),
                     Cell(units.time(arm.time_ns), spread),
                     _claim_cell(claim) if claim else Cell("–")]
            cells += [_usable_cell(arm.counters.get(USABLE))] if fills else []
            cells += [_work_cell(measured.work.get(place))] if works else []
            cells += [_peak_cell(measured.memory.get(place))] if remembers else []
            rows.append(Row(cells, "own" if role == "pool" else "" if role == "rival" else "aside"))
    unable = [arm for arm in arms if arm.name not in result.workload.arms]
    rows += [Row([Cell(narrative.arm_label(arm.name),
                       result.workload.excluded.get(arm.benchmark_arm, arm.limits)),
                  Cell("not applicable"), *[Cell("–")] * (1 + fills + works + remembers)], "aside")
             for arm in unable]
    columns = [Column("arm"), Column("median time", True), Column("pool’s ratio", True)]
    columns += [Column("usable", True, f"of {units.size(result.workload.capacity_bytes)}, when a"
                       " request was first refused")] if fills else []
    columns += [Column("instructions", True)] if works else []
    columns += [Column("peak memory", True)] if remembers else []
    return Grid(f"arms-{slug(name)}",
                f"{units.count(result.rounds, 'round')} of {name}, one process each", columns,
                rows)


USABLE = "usable_share"
"""The counter of a sample: the share of a capacity that was live when a request was refused."""


def _usable_cell(share: float | None) -> Cell:
    if share is None:
        return Cell("n/a", "no capacity", kind="off")
    return Cell(f"{100 * share:.1f} %")


def _work_cell(instructions: float | None) -> Cell:
    return Cell("–") if instructions is None else Cell(units.amount(instructions))


def _peak_cell(held: Held | None) -> Cell:
    if held is None:
        return Cell("–")
    return Cell(units.size(held.peak_bytes), _of_live(held.ratio))


def _of_live(ratio: float | None) -> str:
    return "" if ratio is None else f"{units.ratio(ratio)}× live"


MOST_DRAWN = 6
"""Lines that one chart can hold and still be read."""


def drawn(result: WorkloadResult, there: Sequence[str]) -> list[str]:
    """The arms of a line chart, out of those that have something: the pools, the fastest rival of
    each, the baseline, then others from the fastest on."""
    contestants = [arm.arm.name for arm in result.arms if arm.arm.role in ("pool", "rival")]
    pools = [pool for pool, _, _ in narrative.PROMISES.values()]
    best = [claim.baseline for pool in pools if (claim := result.against_best(pool))]
    wanted = dict.fromkeys([*pools, *best, plan.BASELINE, *contestants])
    return [name for name in wanted if name in there][:MOST_DRAWN]


def memory_grid(result: WorkloadResult, measured: Parts) -> Grid | None:
    """What the arms of a workload occupied; None where nobody looked."""
    name = result.workload.workload
    rows = []
    for promise in (*narrative.PROMISES, ""):
        for arm in result.arms:
            held = measured.memory.get((name, arm.arm.name))
            if arm.arm.promise != promise or held is None:
                continue
            rows.append(Row(_cells(
                narrative.arm_label(arm.arm.name), units.size(held.peak_bytes),
                f"{units.ratio(held.ratio)}×" if held.ratio is not None else "–",
                _size(held.end_bytes), _size(held.drained_bytes), f"{held.faults:,.0f}"),
                "own" if arm.arm.role == "pool" else "" if arm.arm.promise else "aside"))
    if not rows:
        return None
    live = max(held.live_bytes for (workload, _), held in measured.memory.items()
               if workload == name)
    columns = [Column("arm"), Column("peak", True), Column("of live", True),
               Column("at the end", True), Column("drained", True), Column("page faults", True)]
    return Grid(f"memory-{slug(name)}", f"Memory of {name}: medians over the processes; at most"
                f" {units.size(live)} live", columns, rows)


def _size(size_bytes: float | None) -> str:
    return "–" if size_bytes is None else units.size(size_bytes)


PERCENTILES = {"p50": "50 %", "p90": "90 %", "p99": "99 %", "p99_9": "99.9 %", "p99_99": "99.99 %",
               "max": "slowest"}
"""Percentile of a latency line → its heading."""


def latency_grid(result: WorkloadResult, measured: Parts) -> Grid | None:
    """Times of single operations, of the arms that the chart draws; None where none were timed."""
    name = result.workload.workload
    rows = []
    for kind in measured.operations(name):
        tails = {arm: tail for (workload, arm, operation), tail in measured.latency.items()
                 if workload == name and operation == kind}
        for arm in drawn(result, list(tails)):
            own = arm in (pool for pool, _, _ in narrative.PROMISES.values())
            rows.append(Row(_tail_cells(f"{kind}, {narrative.arm_label(arm)}", tails[arm].latency_ns),
                            "own" if own else ""))
        rows.append(Row(_tail_cells(f"{kind}, the clock alone", clock_of(tails.values())), "aside"))
    if not rows:
        return None
    return Grid(f"latency-{slug(name)}",
                f"Single operations of {name}, one reading of the clock included",
                [Column("operation, arm"),
                 *(Column(title, True) for title in PERCENTILES.values())], rows)


def clock_of(tails: Iterable[Tail]) -> dict[str, float]:
    """What the clock alone takes: medians over the arms."""
    tails = list(tails)
    return {percentile: statistics.median(tail.clock_ns[percentile] for tail in tails)
            for percentile in PERCENTILES}


def _tail_cells(title: str, times_ns: dict[str, float]) -> list[Cell]:
    return _cells(title, *(units.time(times_ns[percentile]) for percentile in PERCENTILES))


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
                           for verdict in narrative.SIGNS)]))
    if not rows:
        return None
    return Grid("tally", "On how many workloads it is what; the last two are not claims",
                [Column("the pool"), *(Column(verdict) for verdict in narrative.SIGNS)], rows)


MOST_NAMED = {"faster": 2, "slower": 2, "equal": 1}
"""Headlines of each verdict and pool."""


def headlines(analysis: Analysis) -> list[Claim]:
    """The claims that say most: of each pool against its fastest rival, the widest proved margins
    each way. Where nothing is proved, the claim that came nearest to telling."""
    found: list[Claim] = []
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
    return found


def sight_grid(analysis: Analysis) -> Grid:
    """What this run could see, at a glance."""
    results = analysis.results
    nulls = [result.null for result in results if result.null]
    false = sum(claim.verdict in ("faster", "slower") for claim in nulls)
    delays = [result.delay for result in results if result.delay]
    seen = sum(claim.interval.high < 0 and claim.p <= inference.ALPHA for claim in delays)
    able = sorted((_smallest_provable(analysis, result), result.workload.workload)
                  for result in results if result.claims)
    rows = [("runs with a false claim", f"at most {inference.ALPHA:.0%}".replace("%", " %"),
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
        rows.append(("smallest provable difference", "none", "too few rounds, or no null arm"))
    if able:
        seen_ten = sum(value <= inference.LARGEST_EQUALITY for value, _ in able)
        rows.append(("a true difference of 10 %", f"provable on {seen_ten} of {len(able)}",
                     "workloads; on the others this run could not have seen so little"
                     if seen_ten < len(able) else "workloads"))
    rows.append((f"a known delay of {plan.DELAY_PERCENT:g} %",
                 f"seen on {seen} of {len(delays)}" if delays else "not put to the test",
                 "workloads, with the pool slowed down on purpose"))
    return Grid("sight-facts", "What this run could see", [Column("asked"), Column("answer")],
                [Row([Cell(what), Cell(value, note)]) for what, value, note in rows])


LARGE_HARNESS = 0.2
"""A share of the fastest contestant's time that a workload must explain."""


def floors_grid(analysis: Analysis) -> Grid:
    """The floors, and the harness's share of the fastest contestant."""
    names = [arm.name for arm in analysis.plan.arms if arm.role == "floor"]
    rows = []
    for result in analysis.results:
        fastest = next((arm for arm in result.arms if arm.arm.role in ("pool", "rival")), None)
        floors = [result.arm(name) for name in names]
        if fastest is None or not any(floors):
            continue
        rows.append(
            Row(
                _cells(
                    result.workload.workload,
                    Cell(units.time(fastest.time_ns), narrative.arm_label(fastest.arm.name)),
                    *(units.time(arm.time_ns) if arm else "–" for arm in floors),
                    _harness_cell(result))))
    columns = [
        Column("workload"),
        Column("fastest contestant", True), *(Column(name, True) for name in names),
        Column("harness share", True)
    ]
    return Grid("floors-table", "Time of an operation, median over the rounds", columns, rows)


def _harness_cell(result: WorkloadResult) -> Cell:
    """The harness's share, and why it is so much where it is more than a fifth."""
    share = result.harness_share
    if not share:
        return Cell("–")
    why = result.workload.harness if share > LARGE_HARNESS else ""
    return Cell(f"{share:.0%}".replace("%", " %"), why)


def ledger_grid(analysis: Analysis) -> Grid:
    """The ledger in figures."""
    frame, plan = analysis.frame, analysis.plan
    rows = [("processes", f"{len(frame):,}"),
            ("rounds run again", f"{len(analysis.repeats)} of at most {plan.repeats_allowed()}"), ]
    if not frame.empty:
        spin = frame[["spin_before_ns", "spin_after_ns"]].to_numpy()
        reference = plan.ledger.spin_reference_ns or float(spin.mean())
        busy = (frame["user_s"] + frame["system_s"]).sum() / frame["wall_s"].sum()
        rows += [("spin probe, reference", units.time(reference)),
                 ("spin probe, fastest and slowest",
                  f"{units.time(spin.min())}, {units.time(spin.max())}"),
                 ("stolen by the hypervisor",
                  f"{frame['steal_s'].sum() / frame['wall_s'].sum():.2%}".replace("%", " %")),
                 ("processor time of wall time", f"{busy:.0%}".replace("%", " %")),
                 ("involuntary switches a process",
                  f"{frame['involuntary_switches'].median():.0f} (median),"
                  f" {frame['involuntary_switches'].max():.0f} (most)"),
                 ("major page faults", f"{frame['major_faults'].sum():,.0f}"), ]
        if frame["pressure_s"].notna().any():
            rows.append(
                ("waiting for a processor",
                 f"{frame['pressure_s'].sum() / frame['wall_s'].sum():.1%}".replace("%", " %")))
    return Grid("ledger-table", "What the machine did meanwhile",
                [Column("what"), Column("value", True)], [Row(_cells(*row)) for row in rows])


def repeats_grid(analysis: Analysis) -> Grid | None:
    """The rounds that were run again, and why."""
    if not analysis.repeats:
        return None
    rows = [
        Row(_cells(repeat.workload, str(repeat.round + 1), repeat.reason))
        for repeat in analysis.repeats
    ]
    return Grid(
        "repeats-table", "Rounds that were run again as a whole",
        [Column("workload"),
         Column("round", True),
         Column("what the ledger had against it")], rows)


_FACTS = (("processor", "processor"), ("processors", "processors"),
          ("architecture", "architecture"), ("memory_bytes", "memory"),
          ("virtual_machine", "virtual machine"), ("system", "system"), ("kernel", "kernel"),
          ("c_library", "C library"), ("huge_pages", "transparent huge pages"),
          ("address_randomisation",
           "address randomisation"), ("frequency_governor",
                                      "frequency governor"), ("load_at_start", "load at the start"),
          ("source", "sources"), ("poolproof", "Poolproof"), ("python", "Python"))


def environment_grid(analysis: Analysis) -> Grid:
    """Machine, compiler and versions."""
    facts = analysis.plan.environment
    rows = [
        Row(_cells(title, _fact(key, facts[key]))) for key, title in _FACTS
        if facts.get(key) not in (None, "")
    ]
    frame = analysis.frame
    for column, title in (("compiler", "compiler"), ("compiler_flags", "compiler flags"),
                          ("benchmark_version", "Google Benchmark")):
        values = sorted(set(frame[column])) if not frame.empty else []
        rows += [Row(_cells(title, ", ".join(values)))] if values else []
    libraries = facts.get("libraries") or {}
    if libraries:
        rows.append(
            Row(_cells("statistics by", ", ".join(f"{k} {v}" for k, v in libraries.items() if v))))
    removed = facts.get("variables_removed") or []
    rows.append(Row(_cells("variables kept from the samples", ", ".join(removed)
                           or "none was set")))
    return Grid("facts-table", "The machine and the software",
                [Column("what"), Column("value")], rows)


def _fact(key: str, value: Any) -> str:
    if key == "memory_bytes":
        return units.size(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def libraries_grid(analysis: Analysis) -> Grid:
    """Which file served malloc in which arms, by the processes' own proof; and the binary and
    traces."""
    frame = analysis.frame
    rows = []
    if not frame.empty:
        for (owner, digest), part in frame.groupby(["malloc_owner", "malloc_sha256"]):
            arms = [arm.name for arm in analysis.plan.arms if arm.name in set(part["arm"])]
            rows.append(Row(_cells(owner, ", ".join(map(narrative.arm_label, arms)), digest[:16])))
    benchmark = analysis.plan.benchmark
    rows.append(Row(_cells(pathlib.Path(benchmark["path"]).name, "all", benchmark["sha256"][:16])))
    rows += [
        Row(_cells(f"trace {trace.name}", trace.origin or "given by file", trace.sha256[:16]))
        for trace in analysis.plan.traces
    ]
    rows += [
        Row(_cells(item["arm"], f"absent: install {item['package']}", "–"), "aside")
        for item in analysis.plan.absent
    ]
    return Grid(
        "libraries-table",
        "Files that the result depends on; malloc’s owner as each process proved it",
        [Column("file"),
         Column("in these arms"),
         Column("SHA-256, first half of 32 digits")], rows)


def bugs_grid(board: dict[str, Any]) -> Grid:
    """The scoreboard of planted bugs, a row a class."""
    classes: dict[str, list[dict[str, Any]]] = {}
    for score in board["scores"]:
        if score["kind"] == "bug":
            classes.setdefault(score["class"], []).append(score)
    rows = []
    for name, scores in sorted(classes.items()):
        found = [score for score in scores if score["verdict"] == "found"]
        slowest = max((score["median_found"] or 0 for score in found), default=None)
        oracles = sorted({oracle for score in scores for oracle in score["oracles"]})
        rows.append(Row(_cells(name, f"{len(found)} of {len(scores)}",
                               "–" if slowest is None else f"{slowest:,.0f}",
                               ", ".join(oracles) or "none")))
    return Grid("bugs-table", "Planted bugs by class, and the executions until the slowest of each"
                " was found", [Column("class"), Column("found", True),
                               Column("executions", True), Column("seen by")], rows)


def slug(text: str) -> str:
    """A name as part of an id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
