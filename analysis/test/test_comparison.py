"""Two builds or two runs compared: a slowdown is found, an equal build is none, unlike runs are
refused."""

import dataclasses
import math

import pytest

from analysis import __main__
from analysis.report import comparison_formats
from analysis.runs import plan, records
from analysis.stats import comparison
from analysis.system.exits import FINDING, PASS, UserError
from analysis.test import synthetic, tiny
from analysis.test.tiny import CALM, spread

POOL, CALLOC, NULL = ("pool-keep", "glibc"), ("pool", "glibc-calloc"), ("null", "glibc")
GATED, GATED_NULL = ("pool-keep", "base-pool-keep"), ("null", "base-pool-keep")


def run_of(lead=0.2, null=CALM, name="w", launches=10, **pairs):
    """A run in which the pool is so far ahead of glibc."""
    return tiny.record({name: {POOL: spread(lead, launches=launches), NULL: null} | pairs})


def gate(*leads, null=CALM):
    """What a gate says of a new build that leads its base by so much, a workload each."""
    return comparison.of_gate(tiny.record({
        f"w{index}": {GATED: lead, GATED_NULL: null} for index, lead in enumerate(leads)}))


# --- Two builds in turns --------------------------------------------------------------------------


@pytest.mark.parametrize("leads, outcome, outcomes", [
    ([spread(0.0)], "pass", ["pass"]), ([spread(-0.05)], "regression", ["regression"]),
    ([spread(0.05)], "pass", ["pass"]), ([spread(0.0, 0.01)], "inconclusive", ["inconclusive"]),
    ([spread(-0.006)], "pass", ["pass"]), ([spread(-0.012)], "inconclusive", ["inconclusive"]),
    ([spread(0.0, 0.01), spread(-0.05)], "regression", ["inconclusive", "regression"]),
    ([spread(0.0), spread(0.0, 0.01)], "inconclusive", ["pass", "inconclusive"]),
    ([(spread(0.0), spread(-0.05))], "inconclusive", ["inconclusive"])])
def test_a_gate_tells_regression_from_pass_from_neither(leads, outcome, outcomes):
    """A pass excludes a regression beyond δ of 1 % with the interval's near end."""
    said = gate(*leads)
    assert (said.outcome, [change.outcome for change in said.claims]) == (outcome, outcomes)


def test_a_gates_changes_are_its_claims_and_its_controls():
    said = gate(spread(-0.05), null=spread(0.0, 0.002))
    control, = [change for change in said.changes if change.kind == "control"]
    change, = said.claims
    assert (change.verdict, change.limit) == ("slower", math.log(1.01))
    assert (change.baseline_time_ns, change.time_ns) == (1000, pytest.approx(1051.27, abs=0.01))
    assert (control.arm, control.verdict, control.limit) == ("null", "equal", change.limit)
    assert change.ratio == pytest.approx(math.exp(-0.05)) and change.outcome == "regression"
    assert change.interval.launches == 8


def test_a_gate_whose_noise_is_not_known_passes_nothing():
    assert gate(spread(0.0), null=CALM[:5]).outcome == "inconclusive"


def test_a_pass_excludes_ten_percent_whatever_the_noise():
    assert gate(spread(-0.08), null=spread(0.0, 0.1)).outcome == "pass"
    assert gate(spread(-0.11), null=spread(0.0, 0.1)).outcome == "inconclusive"


@pytest.mark.parametrize("arm, crashed, outcome", [
    ("pool-keep", True, "regression"), ("base-pool-keep", True, "unfit"),
    ("pool-keep", False, "unfit")])
def test_a_gate_in_which_an_arm_dies(arm, crashed, outcome):
    run = tiny.record({name: {GATED: spread(0.0), GATED_NULL: CALM} for name in ("v", "w")})
    run.refusals.append(records.Refusal("w", arm, 3, "killed", crashed))
    said = comparison.of_gate(run)
    assert said.outcome == outcome and said.left_out == ["w with pool-keep has no launch"]


# --- Two runs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("new, verdict, outcome", [
    (0.2, "equal", "pass"), (0.1, "slower", "regression"), (0.3, "faster", "pass"),
    (0.187, "small", "inconclusive")])
def test_a_pool_is_compared_by_its_lead_over_the_c_library(new, verdict, outcome):
    """Ten launches each, a thousandth apart: at 97.5 % each interval is as wide as seven
    thousandths, and the shift's far ends lie that far apart on each side."""
    said = comparison.compare(run_of(), run_of(new))
    change, = said.claims
    assert (change.verdict, said.outcome) == (verdict, outcome)
    assert (change.interval.median, change.interval.low, change.interval.high) == pytest.approx(
        (new - 0.2, new - 0.2 - 0.007, new - 0.2 + 0.007), abs=1e-8)


def test_holms_family_is_the_pools_of_both_runs():
    both = [run_of(lead) for lead in (0.2, 0.1)]
    pairs = {POOL: spread(0.2, launches=10), CALLOC: spread(0.4, launches=10), NULL: CALM}
    wide = tiny.record({"v": pairs, "w": pairs})
    assert [change.p_holm for change in comparison.compare(*both).claims] == [
        pytest.approx(2 / math.comb(20, 10))]
    said = comparison.compare(wide, wide)
    assert [change.kind for change in said.changes].count("control") == 2
    assert len(said.claims) == 4 and all(change.p_holm == 1 for change in said.claims)


def test_delta_is_the_noisier_runs_and_what_the_null_pair_moved():
    for null, delta in ((spread(0.0, 0.01), 0.035), (spread(0.02), 0.0235), (CALM, None)):
        for pair in ((run_of(), run_of(null=null)), (run_of(null=null), run_of())):
            change, = comparison.compare(*pair).claims
            assert change.limit == pytest.approx(delta or math.log(1.01))
    apart, = comparison.compare(run_of(null=spread(-0.02)), run_of(null=spread(0.02))).claims
    assert apart.limit == pytest.approx(0.04)


def test_five_launches_say_nothing():
    said = comparison.compare(run_of(null=CALM[:5]), run_of(null=CALM[:5]))
    assert said.outcome == "unfit" and "their noise is not known" in said.unfit[0]


NOISES = {"calm": synthetic.normal(0.005), "noisy": synthetic.normal(0.05),
          "heavy tails": synthetic.heavy_tailed(0.02), "bimodal": synthetic.bimodal(0.3, 0.01)}


@pytest.mark.slow
@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_an_identical_build_is_no_regression_in_twenty_of_twenty(noise):
    truth = {"w": synthetic.Truth("?", {"pool-keep": 5.0} | synthetic.mallocs(8, 6, 5.5, 7))}
    base, *others = [synthetic.make_record(truth, 9, noise, seed) for seed in range(21)]
    assert {comparison.compare(base, other).outcome for other in others} <= {"pass",
                                                                             "inconclusive"}


def test_what_only_one_run_has_is_named_and_not_passed_over():
    pairs = {POOL: spread(0.2, launches=10), NULL: CALM}
    both, one = tiny.record({"v": pairs, "w": pairs}), tiny.record({"w": pairs})
    for base, new, phrase in ((both, one, "v with pool-keep has no launch in the new run"),
                              (one, both, "v with pool-keep has no launch in the base")):
        said = comparison.compare(base, new)
        assert (said.outcome, said.left_out) == ("inconclusive", [phrase])
    with pytest.raises(UserError, match="share no workload"):
        comparison.compare(run_of(), run_of(name="other"))


@pytest.mark.parametrize("crashed, outcome", [(True, "regression"), (False, "unfit")])
def test_an_arm_that_is_refused(crashed, outcome):
    pairs = {POOL: spread(0.2, launches=10), NULL: CALM}
    base, new = (tiny.record({"v": pairs, "w": pairs}) for _ in range(2))
    refusal = records.Refusal("v", "pool-keep", 3, "killed", crashed)
    new.refusals.append(refusal)
    said = comparison.compare(base, new)
    assert said.outcome == outcome and "v with pool-keep has no launch" in said.left_out[0]
    base.refusals.append(refusal)
    assert comparison.compare(base, new).crashed == [], "it died in the base, too"


# --- Instructions ---------------------------------------------------------------------------------


def counted(base, new):
    """A gate in which the pool takes so many instructions an operation, a process each."""
    run = tiny.record({"w": {GATED: spread(0.0), GATED_NULL: CALM}})
    run.probes.extend(synthetic.work_line({"workload": "w", "arm": arm, "round": round_}, number)
                    for arm, numbers in (("base-pool-keep", base), ("pool-keep", new))
                    for round_, number in enumerate(numbers))
    return run


@pytest.mark.parametrize("base, new, verdict, outcome", [
    ([1000, 1000], [1000, 1000], "equal", "pass"), ([1000, 1000], [1010, 1010], "equal", "pass"),
    ([1000, 1000], [1011, 1011], "more", "regression"),
    ([1000, 1000], [1005, 1020], "inconclusive", "inconclusive"),
    ([1000, 1020], [1015, 1015], "inconclusive", "inconclusive"),
    ([1000, 1000], [989, 989], "fewer", "pass"), ([1000, 980], [975, 965], "equal", "pass")])
def test_instructions_need_no_statistics(base, new, verdict, outcome):
    """Every process of one build has to say so beside every one of the other, beyond 1 %."""
    said = comparison.of_gate(counted(base, new))
    assert ([count.verdict for count in said.counts], said.outcome) == ([verdict], outcome)
    assert "instructions an operation" in comparison_formats.text(said)


def test_counts_alone_are_judged():
    run = dataclasses.replace(counted([1000], [1100]), launches=[])
    said = comparison.of_gate(run)
    assert (said.outcome, said.changes) == ("regression", [])
    assert comparison_formats.headline(said) == (
        "regression: w with pool-keep (1.10× the instructions)")
    for pair in ((run, run_of()), (run_of(), run)):
        with pytest.raises(UserError, match="no whole launch"):
            comparison.compare(*pair)


# --- Unlike runs ---------------------------------------------------------------------------------


def with_sides(run, arm=None, **change):
    return dataclasses.replace(run, launches=[dataclasses.replace(launch, sides=[
        dataclasses.replace(side, **change) if arm in (None, side.arm) else side
        for side in launch.sides]) for launch in run.launches])


def with_plan(run, **change):
    return dataclasses.replace(run, plan=dataclasses.replace(run.plan, **change))


def with_trace(run, digest):
    return with_plan(run, traces=[plan.Trace("sqlite", "sqlite.trace", digest, "")])


UNLIKE = {
    "processor": (lambda run: with_plan(run, environment=run.plan.environment | {
        "processor": "another"}), "processor: none → another"),
    "compiler": (lambda run: with_sides(run, compiler="clang 19"), "gcc 12.2.0 → clang 19"),
    "compiler_flags": (lambda run: with_sides(run, compiler_flags="-O0"), "-O3 → -O0"),
    "benchmark_version": (lambda run: with_sides(run, benchmark_version="1.9"), "1.7.1 → 1.9"),
    "malloc of glibc": (lambda run: with_sides(run, "glibc", malloc_sha256="a" * 64),
                f"malloc of glibc: {synthetic.HASH[:12]} → aaaaaaaaaaaa"),
    "trace": (lambda run: with_trace(run, "2" * 64),
              "the trace sqlite: 111111111111 → 222222222222")}


@pytest.mark.parametrize("kind", UNLIKE)
def test_unlike_runs_can_say_nothing(kind):
    change, said = UNLIKE[kind]
    base = with_trace(run_of(), "1" * 64)
    compared = comparison.compare(base, change(base))
    assert compared.outcome == "unfit" and said in compared.unfit[0]
    assert comparison.compare(base, base).unfit == []


# --- What is written ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", comparison_formats.FORMATS)
def test_every_form_has_the_outcome_the_figures_and_what_to_mind(form):
    name = "a|b`<i>&\"]x,"
    said = comparison.compare(run_of(0.2, name=name), run_of(0.1, name=name))
    written = comparison_formats.FORMATS[form](said)
    assert "regression" in written
    assert all(text in written for text in ("0.90×", "0.90 to 0.91", "not measured in turns"))
    assert "null (unchanged)" in written
    if form == "markdown":
        rows = [line for line in written.splitlines() if line.startswith("|")]
        assert len({row.replace("\\|", "").count("|") for row in rows}) == 1
        assert "<i>" not in written


def test_the_command_writes_and_ends_with_the_outcomes_code(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("POOLPROOF_INSTALL", "no")
    for name, lead in (("base", 0.2), ("same", 0.2), ("slow", 0.1)):
        synthetic.write(run_of(lead), tmp_path / name)

    def run(*words):
        monkeypatch.setattr("sys.argv", ["poolproof", "compare", *map(str, words)])
        return __main__.main(), capsys.readouterr().out

    assert run(tmp_path / "base", tmp_path / "same")[0] == PASS
    code, said = run(tmp_path / "base", tmp_path / "slow")
    assert code == FINDING and "regression: w with pool-keep (0.90×)\n" in said
    said = run(tmp_path / "base", tmp_path / "slow", "--format", "markdown")[1]
    assert "**regression: w with pool-keep (0.90×)**\n" in said


def test_exit_codes_are_the_houses():
    assert comparison.EXIT_CODES == {"pass": PASS, "regression": FINDING,
                                     "inconclusive": 3, "unfit": 4}
