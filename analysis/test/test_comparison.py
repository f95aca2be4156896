"""Two runs compared: a slowdown is found, an identical build is none, unlike runs are refused."""

import csv
import dataclasses
import io
import xml.etree.ElementTree as ElementTree

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


def test_delta_is_the_noisier_runs():
    calm, noisy = run_of(noise=NOISES["calm"]), run_of(noise=NOISES["noisy"], seed=2)
    limit = verdict_of(comparison.compare(calm, noisy)).limit
    assert limit == verdict_of(comparison.compare(noisy, calm)).limit
    assert limit > verdict_of(comparison.compare(calm, run_of(noise=NOISES["calm"], seed=2))).limit


# --- What cannot be said -------------------------------------------------------------------------


def test_five_rounds_say_nothing():
    compared = comparison.compare(run_of(rounds=5), run_of(1.5, seed=2, rounds=5))
    assert compared.outcome == "unfit" and "their noise is not known" in compared.unfit[0]


def without(record, arm, crashed):
    refusal = records.Refusal("short", arm, 3, 0, "killed", crashed)
    kept = [s for s in record.samples if not (s.workload == "short" and s.arm == arm
                                              and s.round >= 3)]
    return dataclasses.replace(record, samples=kept, refusals=[refusal])


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


def test_another_recording_of_the_same_name_is_unlike():
    with pytest.raises(UserError, match="the trace sqlite: 111111111111 → 222222222222"):
        comparison.compare(with_trace(run_of(), "1" * 64), with_trace(run_of(seed=2), "2" * 64))
    assert comparison.compare(with_trace(run_of(), "1" * 64), run_of(seed=2)).unlike == []


# --- Commands ------------------------------------------------------------------------------------


def test_holms_family_is_the_claims_and_nothing_else():
    """Twice two pools: the smallest p-value counts four times; other arms keep theirs."""
    compared = comparison.compare(run_of(), run_of(seed=2))
    smallest = min(compared.claims, key=lambda change: change.p)
    assert len(compared.claims) == 4
    assert smallest.p_holm == pytest.approx(min(1, 4 * smallest.p))
    others = [change for change in compared.changes if change.kind != "claim"]
    assert others and all(change.p_holm == change.p for change in others)


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
