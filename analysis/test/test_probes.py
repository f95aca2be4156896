"""The parts of a run beside time, on the stand-in for the benchmark binary."""

import dataclasses
import gzip
import json
import signal
import time

import pytest

from analysis.commands import bench
from analysis.measure import planning, probes, runner, session, side_by_side
from analysis.measure.side_by_side import Ended
from analysis.report import render
from analysis.runs import plan, records
from analysis.system.exits import FINDING, UNFIT, USAGE
from analysis.test import synthetic
from analysis.test.test_bench import fake, poolproof, settle, start

pytestmark = pytest.mark.slow

__all__ = ["fake", "poolproof"]  # fixtures

FEW = ("--workload", "pair/64", "--arm", "pool-keep", "noop", "--seed", "7")
ARMS = {"pool-keep", "glibc", "noop"}


def lines_of(record, part):
    return [line for line in record.probes if line.part == part]


def places(lines):
    return {(line.workload, line.arm, line.round) for line in lines}


def test_an_ordinary_run_has_memory_and_latency_too(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    done = poolproof("bench", *FEW, "--launches", "6", "-o", str(run))
    assert (done.returncode, done.stderr) == (0, "")
    record = records.read(run)
    assert list(record.plan.budgets_s) == ["time", "memory", "latency"]
    for part in ("memory", "latency"):
        assert places(lines_of(record, part)) == {
            ("pair/64", arm, round_) for arm in ARMS for round_ in range(probes.ROUNDS[part])}
    assert record.launches and not lines_of(record, "work")
    memory, latency = lines_of(record, "memory")[0], lines_of(record, "latency")[0]
    assert memory.malloc_owner.endswith("/libc.so.6") and memory.benchmark_version == "1.7.1"
    assert memory.figures == {"peak_live_bytes": 500_000, "base_rss_bytes": 4_000_000, "faults": 9,
                              "peak_bytes": 600_000, "end_bytes": 500_000,
                              "drained_bytes": 100_000}
    assert latency.instrument == "rdtscp" and latency.figures["alloc p99_9"] == 50
    assert {name.split()[0] for name in latency.figures} == {"alloc", "free", "clock"}
    page = (run / "report.html").read_text()
    assert "1.20×" in page and "rdtscp" in page


def without_probes(fake, poolproof, run, **settings):
    """A run whose probes are still to be made, beside a process with these settings."""
    assert poolproof("bench", *FEW, "--launches", "6", "-o", str(run)).returncode == 0
    (run / "probes.jsonl.gz").unlink()
    settle(fake, **settings)


def test_an_arm_that_crashes_leaves_its_workload_once(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    without_probes(fake, poolproof, run, crash=[["pair/64", "noop"]])
    done = poolproof("bench", "--resume", str(run))
    assert done.returncode == FINDING
    record = records.read(run)
    assert [(line.part, line.arm) for line in record.probe_refusals] == [
        ("memory", "noop"), ("latency", "noop")]
    assert {line.arm for line in record.probes} == ARMS - {"noop"}
    assert "refused: memory of pair/64 with noop" in done.stdout and "out of memory" in done.stdout
    assert "No latency of pair/64 with noop" in (run / "report.html").read_text()


def test_a_liar_is_refused(fake, poolproof, tmp_path):
    without_probes(fake, poolproof, tmp_path / "run", liar=True)
    done = poolproof("bench", "--resume", str(tmp_path / "run"))
    assert done.returncode == UNFIT
    assert "malloc belongs to /usr/lib/libliar.so" in done.stdout


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_stopped_and_resumed_nothing_is_lost_or_doubled(fake, poolproof, tmp_path, sent):
    run = tmp_path / "run"
    without_probes(fake, poolproof, run, seconds=0.15)
    process = start(fake, "bench", "--resume", str(run), stderr=-3)
    path = run / "probes.jsonl.gz"
    deadline = time.monotonic() + 30
    while not (path.exists() and path.stat().st_size > 800):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(sent)
    assert process.wait(timeout=30) == (-sent if sent == signal.SIGKILL else session.INTERRUPTED)
    settle(fake)
    kept = path.read_bytes()
    path.write_bytes(kept + gzip.compress(b"half a line")[:12])
    done = poolproof("bench", "--resume", str(run))
    assert (done.returncode, done.stderr) == (0, "")
    found = records.read(run).probes
    assert len(found) == len(ARMS) * sum(probes.ROUNDS[part] for part in ("memory", "latency"))


# --- Instructions --------------------------------------------------------------------------------


PROOF = dict(malloc_owner="/libc.so.6", malloc_sha256="0" * 64, benchmark_version="1.7.1",
             benchmark_sha256="0" * 64, compiler="c", compiler_flags="-O")


@pytest.mark.parametrize("name, capacity, operations, work", [
    ("pool-keep", 0, (100, 100), (201, 100, 9)), ("noop", 0, (100, 100), None),
    ("pool", 4 << 20, (30_000, 29_000), (2, 28_000, 1)), ("pool", 0, (30_000, 29_000), None)])
def test_work_is_the_slope_between_two_lengths(monkeypatch, name, capacity, operations, work):
    """No slope is no answer; operations may vary where a capacity is filled and nowhere else: of
    the iterations between the two lengths, each has the operations of those alone."""
    def count(run, workload, arm, iterations):
        each = {"noop": 0, "pool-keep": 900, "pool": 28_000}[arm.name]
        return operations[iterations > 1], 12345 + iterations * each, PROOF

    monkeypatch.setattr(probes, "_count", count)
    monkeypatch.setattr(probes, "valgrind_version", lambda: "valgrind-0")
    workload = plan.Workload("w", "?", [name], capacity_bytes=capacity)
    line = probes.probe(None, (0, workload, plan.Arm(name, name, "pool", ""), "work"))
    if work is None:
        assert "instructions for 1 iteration" in line.refused and not line.crashed
        return
    assert (line.figures["long_iterations"], line.figures["operations"],
            line.figures["instructions"]) == work
    assert line.instrument == "valgrind-0 callgrind"


def test_an_allocator_that_dies_in_valgrind_is_not_counted(monkeypatch):
    tried = []

    def run(command, variables, limit_s):
        tried.append(variables["LD_PRELOAD"])
        code = -6 if "scudo" in variables["LD_PRELOAD"] else 0
        return Ended(code, False, b"", b"", 0.0, 1.0, 1)

    monkeypatch.setattr(side_by_side, "run", run)
    arms = [plan.Arm("pool", "pool", "pool", ""),
            plan.Arm("scudo", "malloc", "malloc", "malloc", "/scudo.so"),
            plan.Arm("scudo-calloc", "calloc", "malloc", "calloc", "/scudo.so"),
            plan.Arm("jemalloc", "malloc", "malloc", "malloc", "/jemalloc.so")]
    marked = probes.with_countable("/bin/bench", arms)
    assert [arm.counted for arm in marked] == [True, False, False, True] and len(tried) == 2
    workload = plan.Workload("w", "?", [arm.name for arm in marked], probed=True)
    made = dataclasses.replace(synthetic.make_plan({}, 6), arms=marked, workloads=[workload])
    for part, there in (("work", {"pool", "jemalloc"}), ("memory", {arm.name for arm in marked})):
        todo = probes.missing(records.Record(None, made, [], []), part)
        assert {arm.name for _, _, arm, _ in todo} == there
        assert len(todo) == len(there) * probes.ROUNDS[part]


def test_without_valgrind_or_with_a_library_that_dies_in_it_a_note_says_so(monkeypatch):
    for valgrind, note in (("valgrind", "Instructions of scudo are not counted"),
                           (None, "install valgrind")):
        monkeypatch.setattr(planning, "find_program", lambda *_, found=valgrind: found)
        monkeypatch.setattr(probes, "with_countable", lambda _, arms: [
            dataclasses.replace(arm, counted=False) for arm in arms])
        notes, budgets_s = [], {"time": 1.0, "work": 1.0}
        planning.countable("/bin/bench", [plan.Arm("scudo", "malloc", "malloc", "malloc")],
                           budgets_s, notes)
        assert note in notes[0] and ("work" in budgets_s) == bool(valgrind)


# --- Parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"memory": {}, "context": {}}', "\udcff"])
def test_what_a_probe_may_answer_wrongly(text, monkeypatch):
    outcome = Ended(0, False, text.encode(errors="surrogateescape"), b"", 0.0, 1.0, 1)
    monkeypatch.setattr(side_by_side, "run", lambda *_: outcome)
    monkeypatch.setattr(runner, "proven", lambda *_: PROOF)
    arm = plan.Arm("a", "a", "pool", "")
    run = type("", (), {"benchmark": {"path": "/b"}, "base": None, "traces": []})()
    line = probes.probe(run, (0, plan.Workload("w", "?", ["a"]), arm, "memory"))
    assert "not that of a probe" in line.refused and not line.crashed


# --- What a plan promises ------------------------------------------------------------------------


def planned(fake, monkeypatch, *words, traces=()):
    """The plan of a command line, without measuring."""
    import argparse
    monkeypatch.setattr(session, "benchmark_binary", lambda: fake)
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    return planning.make_plan(parser.parse_args(words), fake, list(traces),
                              render.output_console())


@pytest.mark.parametrize("mode", ["--quick", "", "--full"])
def test_a_mode_has_launches_for_its_family(fake, monkeypatch, mode):
    made = planned(fake, monkeypatch, *mode.split())
    pairs = [pair for item in made.workloads for pair in item.pairs]
    claims = sum(pair.kind == "claim" for pair in pairs)
    assert made.looks == sorted(set(made.looks))
    assert len(made.looks) * claims * 2 ** (1 - made.looks[0]) <= 0.05
    assert {pair.kind for pair in pairs} == {"claim", "null", "delay",
                                             *(["other"] if mode != "--quick" else [])}


def test_time_that_is_up_ends_a_part_which_can_go_on(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    without_probes(fake, poolproof, run)
    value = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(
        value | {"budgets_s": {"time": 1500, "memory": 0}}))
    done = poolproof("bench", "--resume", str(run))
    assert done.returncode == 0
    assert "time is up for memory: 6 of 6 probes left; --resume does them" in done.stdout
    (run / "run.json").write_text(json.dumps(value))
    assert poolproof("bench", "--resume", str(run)).returncode == 0
    assert len(lines_of(records.read(run), "memory")) == 6


def test_time_that_is_up_ends_a_run_after_its_first_look(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    assert poolproof("bench", *FEW, "--launches", "6", "-o", str(run)).returncode == 0
    value = json.loads((run / "run.json").read_text())
    value |= {"looks": [6, 30], "budgets_s": {"time": 0}}
    (run / "run.json").write_text(json.dumps(value))
    assert poolproof("bench", "--resume", str(run)).returncode == 0
    assert {entry.launch for entry in records.read(run).launches} == set(range(6))


def test_what_is_settled_has_no_more_launches(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    assert poolproof("bench", *FEW, "--launches", "9", "-o", str(run)).returncode == 0
    value = json.loads((run / "run.json").read_text()) | {"looks": [9, 12]}
    (run / "run.json").write_text(json.dumps(value))
    assert poolproof("bench", "--resume", str(run)).returncode == 0
    pairs = records.read(run).by_pair()
    assert len(pairs["pair/64", "pool-keep", "glibc"]) == 9


def test_a_cut_trace_is_refused_before_anything_is_measured(fake, poolproof, tmp_path):
    settle(fake, cut=True)
    (tmp_path / "x.trace").write_bytes(b"poolproof")
    done = poolproof("bench", "--trace", str(tmp_path / "x.trace"), "-o", str(tmp_path / "run"))
    assert done.returncode == USAGE
    assert done.stderr.count("\n") == 1 and "x.trace: cut" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_file_that_cannot_be_written_is_one_line(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    without_probes(fake, poolproof, run)
    (run / "probes.jsonl.gz").mkdir()
    done = poolproof("bench", "--resume", str(run))
    assert done.returncode == USAGE and done.stderr.count("\n") == 1
    assert "Is a directory" in done.stderr
