"""Two runs compared: a slowdown is found, an identical build is none, unlike runs are refused."""

import csv
import dataclasses
import io
import json
import math
import xml.etree.ElementTree as ElementTree

import numpy
import pytest

from analysis import __main__
from analysis.report import comparison_formats
from analysis.runs import plan, records
from analysis.stats import comparison
from analysis.test import synthetic
from analysis.system.exits import FINDING, PASS, UserError
from analysis.test.synthetic import Truth

WORKLOADS = {"short": 5.0, "long": 9.0}


def truths(slower=1.0, arms=("pool-keep", "pool")):
    """Two workloads; on the first one, all pools take so many times as long."""
    return {
        name: Truth("?", {arm: base * (slower if name == "short" else 1.0) for arm in arms}
                    | synthetic.rivals(8, 6, 5.5, 7) | synthetic.rivals(9, 7, 8, 8, "-calloc"))
        for name, base in WORKLOADS.items()
    }


def run_of(slower=1.0, seed=1, rounds=12, noise=synthetic.normal(0.01), **more):
    return synthetic.make_record(truths(slower), rounds, noise, seed, **more)


def verdict_of(compared, workload="short", arm="pool-keep"):
    return next(c for c in compared.changes if (c.workload, c.arm) == (workload, arm))


@pytest.fixture(autouse=True)
def quick_holm(monkeypatch):
    """statsmodels collects garbage at every call, which would be most of these tests' time."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)


@pytest.fixture
def poolproof(monkeypatch, capsys):
    """Runs a command line in this process: (exit code, standard output, standard error)."""
    monkeypatch.setenv("POOLPROOF_INSTALL", "no")

    def run(*words):
        monkeypatch.setattr("sys.argv", ["poolproof", *map(str, words)])
        try:
            code = __main__.main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def folders(tmp_path):
    """base, same (another run of the same build) and slow (pools 10 % slower on one workload)."""
    for name, slower, seed in (("base", 1.0, 1), ("same", 1.0, 2), ("slow", 1.1, 3)):
        synthetic.write(run_of(slower, seed), tmp_path / name)
    return tmp_path


# --- What is found -------------------------------------------------------------------------------


def test_a_slowdown_of_ten_percent_is_a_regression_where_it_is():
    compared = comparison.compare(run_of(), run_of(1.1, seed=3))
    assert compared.outcome == "regression"
    assert {(c.workload, c.arm): c.outcome for c in compared.claims} == {
        ("short", "pool-keep"): "regression", ("short", "pool"): "regression",
        ("long", "pool-keep"): "pass", ("long", "pool"): "pass"
    }
    change = verdict_of(compared)
    assert change.ratio == pytest.approx(1 / 1.1, abs=0.02)
    assert change.verdict == "slower" and change.new_time_ns > change.base_time_ns


def test_the_other_way_round_it_is_faster_and_passes():
    compared = comparison.compare(run_of(1.1, seed=3), run_of())
    assert compared.outcome == "pass" and verdict_of(compared).verdict == "faster"
    there = verdict_of(comparison.compare(run_of(), run_of(1.1, seed=3)))
    back = verdict_of(compared)
    assert there.interval.low == pytest.approx(-back.interval.high)
    assert there.interval.median == pytest.approx(-back.interval.median)


def test_a_slower_machine_is_no_slower_pool():
    crawling = run_of(seed=4, machine=lambda generator: float(generator.normal(0.7, 0.02)))
    compared = comparison.compare(run_of(), crawling)
    assert compared.outcome == "pass" and verdict_of(compared).new_time_ns > 9


NOISES = {
    "calm": synthetic.normal(0.005), "noisy": synthetic.normal(0.05),
    "heavy tails": synthetic.heavy_tailed(0.02), "bimodal": synthetic.bimodal(0.3, 0.01),
    "skewed": synthetic.skewed(0.05)
}


@pytest.mark.parametrize("rounds", [6, 9])
@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_an_identical_build_is_no_regression_in_twenty_of_twenty(noise, rounds):
    base = run_of(seed=100, rounds=rounds, noise=noise)
    outcomes = [
        comparison.compare(base, run_of(seed=seed, rounds=rounds, noise=noise)).outcome
        for seed in range(20)
    ]
    assert set(outcomes) <= {"pass", "inconclusive"}


def test_what_wanders_is_not_claimed():
    """The pool, and it alone, is in another state from the new run's seventh round on."""
    new = run_of(seed=5, rounds=20)
    moved = [
        dataclasses.replace(s, cpu_time_ns=s.cpu_time_ns * 1.25, time_ns=s.time_ns * 1.25)
        if s.arm == "pool-keep" and s.round >= 6 else s for s in new.samples
    ]
    change = verdict_of(comparison.compare(run_of(rounds=20),
                                           dataclasses.replace(new, samples=moved)))
    assert change.interval.high < -change.limit
    assert change.verdict == change.outcome == "inconclusive"
    assert "slower, not borne out by" in change.doubt and "half" in change.doubt


def test_the_wall_clock_may_not_say_the_opposite():
    new = run_of(1.1, seed=3)
    turned = [dataclasses.replace(s, time_ns=s.time_ns / 1.3) if s.arm == "pool-keep" else s
              for s in new.samples]
    change = verdict_of(comparison.compare(run_of(), dataclasses.replace(new, samples=turned)))
    assert change.verdict == "inconclusive" and "the wall clock" in change.doubt


def test_no_smaller_difference_is_claimed_than_an_unchanged_arm_moved():
    """jemalloc cannot have changed; where it lands 12 % off, 10 % of a pool are noise."""
    new = run_of(1.1, seed=3)
    moved = [
        dataclasses.replace(s, cpu_time_ns=s.cpu_time_ns * 1.12) if s.arm == "jemalloc" else s
        for s in new.samples
    ]
    change = verdict_of(comparison.compare(run_of(), dataclasses.replace(new, samples=moved)))
    assert change.limit > math.log(1.10) and change.outcome == "inconclusive"


def test_delta_is_the_noisier_runs():
    calm, noisy = run_of(noise=NOISES["calm"]), run_of(noise=NOISES["noisy"], seed=2)
    limit = verdict_of(comparison.compare(calm, noisy)).limit
    assert limit == verdict_of(comparison.compare(noisy, calm)).limit
    assert limit > verdict_of(comparison.compare(calm, run_of(noise=NOISES["calm"], seed=2))).limit


def test_every_number_comes_from_the_raw_samples():
    base, new = run_of(noise=NOISES["noisy"]), run_of(1.1, seed=3, rounds=10)
    entry = next(e for e in comparison.compare(base, new).to_json()["changes"]
                 if (e["workload"], e["arm"]) == ("short", "pool"))

    def relative(record):
        time = {(s.arm, s.round): s.cpu_time_ns for s in record.samples if s.workload == "short"}
        return [math.log(time["glibc", r] / time["pool", r]) for r in range(record.plan.rounds)]

    pairs = sorted(b - a for a in relative(base) for b in relative(new))
    assert entry["ratio"] == pytest.approx(math.exp(numpy.median(pairs)))
    assert entry["low"] == pytest.approx(math.exp(pairs[29]))  # U of 29 rejects for 12 and 10
    assert entry["high"] == pytest.approx(math.exp(pairs[-30]))
    assert (entry["base_rounds"], entry["new_rounds"]) == (12, 10)
    below = sum(pair < 0 for pair in pairs)
    spread = math.sqrt(120 * 23 / 12)
    p = 2 * (1 - 0.5 * (1 + math.erf((abs(below - 60) - 0.5) / spread / math.sqrt(2))))
    assert entry["p"] == pytest.approx(p, abs=0.01)


# --- What cannot be said -------------------------------------------------------------------------


def test_five_rounds_say_nothing():
    compared = comparison.compare(run_of(rounds=5), run_of(1.5, seed=2, rounds=5))
    assert compared.outcome == "unfit" and "their noise is not known" in compared.unfit[0]


def test_a_run_without_a_null_arm_is_unfit():
    def bare(record):
        items = [dataclasses.replace(w, arms=[a for a in w.arms if a != plan.NULL])
                 for w in record.plan.workloads]
        kept = [s for s in record.samples if s.arm != plan.NULL]
        return dataclasses.replace(record, samples=kept,
                                   plan=dataclasses.replace(record.plan, workloads=items))

    assert comparison.compare(run_of(), bare(run_of(seed=2))).outcome == "unfit"
    assert comparison.compare(bare(run_of()), run_of(seed=2)).outcome == "unfit"


def without(record, arm, crashed):
    refusal = records.Refusal("short", arm, 3, 0, "killed", crashed)
    kept = [s for s in record.samples if not (s.workload == "short" and s.arm == arm
                                              and s.round >= 3)]
    return dataclasses.replace(record, samples=kept, refusals=[refusal])


def test_an_arm_that_dies_in_the_new_run_is_a_regression():
    compared = comparison.compare(run_of(), without(run_of(seed=2), "pool", True))
    assert compared.outcome == "regression" and "died" in comparison_formats.headline(compared)
    both = comparison.compare(without(run_of(), "pool", True),
                              without(run_of(seed=2), "pool", True))
    assert both.outcome == "inconclusive" and both.left_out


def test_an_arm_that_proved_something_else_makes_a_run_unfit():
    compared = comparison.compare(run_of(), without(run_of(seed=2), "jemalloc", False))
    assert compared.outcome == "unfit" and "jemalloc was refused" in compared.unfit[0]


def test_what_only_one_run_has_is_named_and_not_passed_over():
    fewer = synthetic.make_record({"short": truths()["short"]}, 12, synthetic.normal(0.01), 2)
    compared = comparison.compare(run_of(), fewer)
    assert compared.outcome == "inconclusive"
    assert sorted(compared.left_out) == ["long with pool is not in the new run",
                                 "long with pool-keep is not in the new run"]
    assert comparison.compare(fewer, run_of()).left_out[0].endswith("is not in the base")


def test_runs_that_share_nothing_are_refused():
    other = synthetic.make_record({"other": truths()["short"]}, 12, synthetic.normal(0.01), 2)
    with pytest.raises(UserError, match="share no workload"):
        comparison.compare(run_of(), other)


# --- Instructions ---------------------------------------------------------------------------------


def instructions_of(workload, arm, round_, number):
    return synthetic.work_line({"workload": workload, "arm": arm, "round": round_}, round(number))


def counted(record, more=1.0, apart=0.0, timed=True):
    """The record with 1,000 instructions an operation, so many times as many of pool-keep on the
    first workload, a share more in the second process than in the first."""
    work, items = [], []
    for item in record.plan.workloads:
        items.append(dataclasses.replace(item, parts=["time", "work"] if timed else ["work"]))
        for arm in item.arms:
            changed = (item.workload, arm) == ("short", "pool-keep")
            work += [instructions_of(item.workload, arm, round_, 1000 * (
                more * (1 + apart * round_) if changed else 1)) for round_ in (0, 1)]
    parts = dataclasses.replace(record.plan, workloads=items, parts=items[0].parts)
    return dataclasses.replace(record, work=work, plan=parts,
                               samples=record.samples if timed else [])


@pytest.mark.parametrize("more, apart, verdict, outcome", [
    (1.0, 0.0, "equal", "pass"), (1.009, 0.0, "equal", "pass"),
    (1.011, 0.0, "more", "regression"), (0.9, 0.0, "fewer", "pass"),
    (1.005, 0.02, "inconclusive", "inconclusive"), (1.02, 0.02, "more", "regression")
])
@pytest.mark.parametrize("timed", [True, False])
def test_instructions_are_judged_without_noise(more, apart, verdict, outcome, timed):
    base = counted(run_of(), timed=timed)
    compared = comparison.compare(base, counted(run_of(seed=2), more, apart, timed))
    count = next(c for c in compared.counts if (c.workload, c.arm) == ("short", "pool-keep"))
    assert (count.verdict, count.outcome, compared.outcome) == (verdict, outcome, outcome)
    assert bool(compared.changes) == timed and compared.left_out == []
    others = [c for c in compared.counts if c is not count]
    assert {c.verdict for c in others} == {"equal"}
    assert count.ratio == pytest.approx(1 / (more * (1 + apart / 2)), abs=0.001)


def test_no_other_arm_fails_for_its_instructions():
    new = counted(run_of(seed=2))
    more = [instructions_of(line.workload, line.arm, line.round, 1100) if line.arm == "jemalloc"
            else line for line in new.work]
    compared = comparison.compare(counted(run_of()), dataclasses.replace(new, work=more))
    assert compared.outcome == "pass"
    assert {c.verdict for c in compared.counts if c.arm == "jemalloc"} == {"more"}


def test_instructions_that_one_run_lacks_are_named():
    base, new = counted(run_of(), timed=False), counted(run_of(seed=2), timed=False)
    fewer = dataclasses.replace(new, work=[line for line in new.work if line.workload == "short"
                                           or line.arm != "pool"])
    compared = comparison.compare(base, fewer)
    assert compared.outcome == "inconclusive"
    assert compared.left_out == [
        "long with pool (instructions) has no count in one of the runs"]
    said = comparison_formats.sentences(comparison.compare(counted(run_of()), run_of(seed=2)))
    assert "Only the base counted instructions." in said


@pytest.mark.parametrize("timed", [True, False])
def test_an_arm_that_dies_while_it_is_counted_is_a_regression(timed):
    base, new = counted(run_of(), timed=timed), counted(run_of(seed=2), timed=timed)
    died = dataclasses.replace(
        new, work=[line for line in new.work if (line.workload, line.arm) != ("short", "pool")],
        part_refusals={"work": [records.Refusal("short", "pool", 0, 0, "killed", True)]})
    compared = comparison.compare(base, died)
    assert compared.outcome == "regression"
    assert comparison_formats.headline(compared) == "regression: short with pool (died)"
    assert comparison.compare(died, died).outcome == "inconclusive"
    if timed:  # where nothing is compared that was counted, nothing that died of it counts
        assert comparison.compare(run_of(), died).outcome == "pass"


def test_one_and_the_same_counts_are_said_to_be():
    base, new = counted(run_of(), timed=False), counted(run_of(), more=1.5, timed=False)
    said = "Both folders hold one and the same run."
    assert said in comparison_formats.sentences(comparison.compare(base, base))
    assert said not in comparison_formats.sentences(comparison.compare(base, new))


def test_runs_with_different_parts_are_refused():
    with pytest.raises(UserError, match="holds no whole sample of time, and not both runs have"):
        comparison.compare(run_of(), counted(run_of(seed=2), timed=False))


@pytest.mark.parametrize("timed", [True, False])
def test_every_form_has_the_instructions(poolproof, tmp_path, timed):
    synthetic.write(counted(run_of(), timed=timed), tmp_path / "base")
    synthetic.write(counted(run_of(seed=2), 1.25, timed=timed), tmp_path / "new")
    written = {}
    for form in comparison_formats.FORMATS:
        code, written[form], err = poolproof("gate", tmp_path / "base", tmp_path / "new",
                                             "--format", form)
        assert (code, err) == (1, "")
    said = "regression: short with pool-keep (1.25× the instructions)"
    assert written["text"].splitlines()[-1] == said and "▼ more" in written["text"]
    assert written["markdown"].startswith(f"**{said}**")
    value = json.loads(written["json"])
    entry = records.validator("comparison").schema["properties"]["counts"]["items"]
    assert set(entry["properties"]) == set(value["counts"][0])
    assert [e["verdict"] for e in value["counts"] if e["kind"] == "claim"].count("more") == 1
    rows = list(csv.DictReader(io.StringIO(written["csv"])))
    assert [row["outcome"] for row in rows if row["base_instructions"]] == [
        "regression", "pass", "pass", "pass"]
    assert len(rows) == (8 if timed else 4)
    suite = ElementTree.fromstring(written["junit"]).find("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("8" if timed else "4", "1")
    _, out, _ = poolproof("compare", tmp_path / "base", tmp_path / "new")
    assert "jemalloc (unchanged)" in out


# --- Unlike runs ---------------------------------------------------------------------------------


def with_samples(record, arms=None, **change):
    return dataclasses.replace(record, samples=[
        dataclasses.replace(s, **change) if arms is None or s.arm in arms else s
        for s in record.samples
    ])


def with_fact(record, **facts):
    known = dataclasses.replace(record.plan, environment=record.plan.environment | facts)
    return dataclasses.replace(record, plan=known)


def with_trace(record, digest):
    trace = plan.Trace("sqlite", "traces/sqlite.trace", digest, "")
    return dataclasses.replace(record, plan=dataclasses.replace(record.plan, traces=[trace]))


UNLIKE = {
    "machine": (lambda r: with_fact(r, processor="another"), "processor: none → another"),
    "compiler": (lambda r: with_samples(r, compiler="clang 19"), "gcc 12.2.0 → clang 19"),
    "flags": (lambda r: with_samples(r, compiler_flags="-O0"), "-O3 → -O0"),
    "harness": (lambda r: with_samples(r, benchmark_version="1.9"), "1.7.1 → 1.9"),
    "library": (lambda r: with_samples(r, ["jemalloc"], malloc_sha256="a" * 64),
                "malloc of jemalloc: b3cc0475bb78 → aaaaaaaaaaaa"),
}


@pytest.mark.parametrize("kind", UNLIKE)
def test_unlike_runs_are_refused_by_name_unless_told_otherwise(kind):
    change, said = UNLIKE[kind]
    other = change(run_of(seed=2))
    with pytest.raises(UserError, match=f"{said}.*--allow {kind}$"):
        comparison.compare(run_of(), other)
    with pytest.raises(UserError):
        comparison.compare(run_of(), other, [name for name in comparison.KINDS if name != kind])
    compared = comparison.compare(run_of(), other, [kind])
    assert [item.kind for item in compared.unlike] == [kind]
    assert said in " ".join(comparison_formats.sentences(compared))


def test_another_recording_of_the_same_name_is_unlike():
    with pytest.raises(UserError, match="the trace sqlite: 111111111111 → 222222222222"):
        comparison.compare(with_trace(run_of(), "1" * 64), with_trace(run_of(seed=2), "2" * 64))
    assert comparison.compare(with_trace(run_of(), "1" * 64), run_of(seed=2)).unlike == []


def test_rivals_whose_library_changed_are_no_controls():
    other = UNLIKE["library"][0](run_of(seed=2))
    kinds = {c.arm: c.kind for c in comparison.compare(run_of(), other, ["library"]).changes}
    assert kinds["jemalloc"] == kinds["mimalloc"] == "other"
    assert (kinds["null"], kinds["pool"]) == ("control", "claim")
    alike = {c.arm: c.kind for c in comparison.compare(run_of(), run_of(seed=2)).changes}
    assert alike["jemalloc"] == alike["glibc-calloc"] == "control"
    assert not {plan.BASELINE, plan.DELAY} & set(alike)


def test_a_new_binary_is_what_a_gate_is_for():
    built = with_samples(run_of(seed=2), benchmark_sha256="c" * 64)
    built = dataclasses.replace(built, plan=dataclasses.replace(
        built.plan, benchmark={"path": "x", "sha256": "c" * 64}))
    compared = comparison.compare(run_of(), built)
    assert compared.unlike == [] and compared.outcome == "pass"
    assert "same binary" not in " ".join(comparison_formats.sentences(compared))


# --- Commands ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["compare", "gate"])
@pytest.mark.parametrize("new, code", [("same", 0), ("slow", 1)])
def test_exit_codes(poolproof, folders, command, new, code):
    given, out, err = poolproof(command, folders / "base", folders / new)
    assert given == code and err == ""
    assert out.splitlines()[-1].startswith("regression: short with pool" if code else "pass")


def test_too_noisy_is_inconclusive(poolproof, tmp_path):
    for seed, name in enumerate(("base", "new")):
        synthetic.write(run_of(seed=seed, noise=synthetic.normal(0.3)), tmp_path / name)
    code, out, _ = poolproof("gate", tmp_path / "base", tmp_path / "new")
    assert code == 3 and "remain open" in out


def test_unfit_runs_end_with_four(poolproof, tmp_path):
    for seed, name in enumerate(("base", "new")):
        synthetic.write(run_of(seed=seed, rounds=5), tmp_path / name)
    code, out, _ = poolproof("gate", tmp_path / "base", tmp_path / "new")
    assert code == 4 and "unfit" in out.splitlines()[-1]


def test_unlike_folders_end_with_two_and_a_line(poolproof, folders):
    synthetic.write(with_fact(run_of(seed=9), processors=64), folders / "other")
    code, out, err = poolproof("compare", folders / "base", folders / "other")
    assert (code, out) == (2, "") and err.count("\n") == 1 and "processors: 1 → 64" in err
    code, out, _ = poolproof("compare", folders / "base", folders / "other", "--allow", "machine")
    assert code == 0 and "The runs differ in processors: 1 → 64." in out


def test_compare_shows_every_arm_and_gate_the_pools(poolproof, folders):
    _, compared, _ = poolproof("compare", folders / "base", folders / "same")
    _, gated, _ = poolproof("gate", folders / "base", folders / "same")
    assert "jemalloc (unchanged)" in compared and "jemalloc" not in gated and "pool-keep" in gated


def test_json_fits_its_schema_and_has_every_field(poolproof, folders):
    code, out, _ = poolproof("gate", folders / "base", folders / "slow", "--format", "json")
    value = json.loads(out)
    assert records.complaint("comparison", value) is None
    assert (value["exit_code"], value["outcome"]) == (code, "regression") == (1, "regression")
    schema = records.validator("comparison").schema
    assert set(schema["properties"]) == set(value)
    change = schema["properties"]["changes"]["items"]
    assert set(change["properties"]) == set(value["changes"][0])
    assert records.complaint("comparison", value | {"schema": 2}) is not None


def test_json_says_what_was_measured_and_how_finely():
    value = comparison.compare(with_fact(run_of(), source="abc+"), run_of(1.1, seed=3)).to_json()
    assert (value["base"]["source"], value["new"]["source"]) == ("abc+", "")
    change = value["changes"][0]
    assert 0.03 <= change["delta"] + 1e-9 < change["smallest_provable"] < 0.2
    assert comparison.share(math.inf) is None and comparison.finite_ratio(-math.inf) is None


def test_holms_family_is_the_claims_and_nothing_else():
    """Twice two pools: the smallest p-value counts four times; other arms keep theirs."""
    compared = comparison.compare(run_of(), run_of(seed=2))
    smallest = min(compared.claims, key=lambda change: change.p)
    assert len(compared.claims) == 4
    assert smallest.p_holm == pytest.approx(min(1, 4 * smallest.p))
    others = [change for change in compared.changes if change.kind != "claim"]
    assert others and all(change.p_holm == change.p for change in others)


def test_csv_has_the_claims(poolproof, folders):
    _, out, _ = poolproof("gate", folders / "base", folders / "slow", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["verdict"] for row in rows] == ["slower", "slower", "equal", "equal"]


def test_markdown_is_a_table(poolproof, folders):
    _, out, _ = poolproof("gate", folders / "base", folders / "slow", "--format", "markdown")
    rows = [line for line in out.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 4 and len({row.count("|") for row in rows}) == 1
    assert "▼ slower" in out and out.startswith("**regression: short with pool")


def test_junit_counts_what_failed(poolproof, folders):
    _, out, _ = poolproof("gate", folders / "base", folders / "slow", "--format", "junit")
    suite = ElementTree.fromstring(out).find("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("4", "2")
    fewer = synthetic.make_record({"short": truths()["short"]}, 12, synthetic.normal(0.01), 2)
    synthetic.write(fewer, folders / "fewer")
    _, out, _ = poolproof("gate", folders / "base", folders / "fewer", "--format", "junit")
    suite = ElementTree.fromstring(out).find("testsuite")
    assert (suite.get("tests"), suite.get("skipped"), suite.get("failures")) == ("4", "2", "0")


def test_junit_of_unfit_runs_is_an_error_in_every_case():
    compared = comparison.compare(run_of(), without(run_of(seed=2), "jemalloc", False))
    suite = ElementTree.fromstring(
    comparison_formats.junit(
        compared, compared.claims)).find("testsuite")
    assert suite.get("errors") == suite.get("tests") == "4"


def test_a_result_goes_to_a_file_whole(poolproof, folders):
    file = folders / "gate.xml"
    code, out, _ = poolproof("gate", folders / "base", folders / "slow", "--format", "junit", "-o",
                             file)
    assert code == 1 and out.startswith("regression: ") and out.count("\n") == 1
    assert ElementTree.parse(file).getroot().tag == "testsuites"
    code, _, err = poolproof("gate", folders / "base", folders / "slow", "-o",
                             folders / "absent" / "gate.txt")
    assert code == 2 and "no such folder" in err


@pytest.mark.parametrize("write",
    comparison_formats.FORMATS.values(),
     ids=comparison_formats.FORMATS)
def test_names_that_are_hostile_change_no_form(write):
    name = "a|b`<i>&\"]\nx,"
    truth = {name: truths()["short"]}
    compared = comparison.compare(synthetic.make_record(truth, 8, synthetic.normal(0.01), 1),
                                  synthetic.make_record(truth, 8, synthetic.normal(0.01), 2))
    written = write(compared, compared.claims)
    if write is comparison_formats.markdown:
        rows = [line for line in written.splitlines() if line.startswith("|")]
        assert len({row.replace("\\|", "").count("|") for row in rows}) == 1
        assert "<i>" not in written
    if write is comparison_formats.junit:
        assert len(ElementTree.fromstring(written).findall(".//testcase")) == 2
    if write is comparison_formats.as_csv:
        assert {row["workload"] for row in csv.DictReader(io.StringIO(written))} == {name}


def test_exit_codes_are_the_houses():
    assert comparison.EXIT_CODES == {"pass": PASS, "regression": FINDING,
                                     "inconclusive": 3, "unfit": 4}
