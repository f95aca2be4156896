"""The parts of a run beside time, on the stand-in for the benchmark binary."""

import gzip
import json
import signal
import time

import pytest

from analysis.commands import bench
from analysis.measure import planning, probes, runner, session
from analysis.measure.side_by_side import Ended
from analysis.report import closing
from analysis.runs import plan, records
from analysis.system.exits import FINDING, UNFIT, USAGE, UserError
from analysis.test.test_bench import fake, poolproof, settle, start

__all__ = ["fake", "poolproof"]  # fixtures

FEW = ("--workload", "pair/64", "--arm", "pool-keep", "noop", "--seed", "7")
ARMS = {"pool-keep", "glibc", "noop"}


def places(lines):
    return {(line.workload, line.arm, line.round) for line in lines}


def test_memory_and_latency_alone(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    done = poolproof("bench", "--memory", "--latency", *FEW, "-o", str(run))
    assert (done.returncode, done.stderr) == (0, "")
    record = records.read(run)
    assert record.plan.parts == ["memory", "latency"] and record.launches == []
    for part in ("memory", "latency"):
        expected = {("pair/64", arm, round_) for arm in ARMS
                    for round_ in range(plan.PART_ROUNDS[part])}
        assert places(getattr(record, part)) == expected
        assert str(run / f"{part}.jsonl.gz") in done.stdout
    assert {line.operation for line in record.latency} == {"alloc", "free"}
    line = record.memory[0]
    assert line.malloc_owner.endswith("/libc.so.6") and line.benchmark_version == "1.7.1"
    assert 60 <= len(line.progress) <= probes.PLACES_KEPT
    assert (line.progress[0], line.progress[-1]) == (0, 1) and max(line.live_bytes) == 500_000
    assert "1.20" in done.stdout  # of pool-keep: 600,000 resident over 500,000 live
    assert "20 / 50" in done.stdout
    assert "20 / 50" in poolproof("report", str(run)).stdout


def test_an_ordinary_run_has_memory_and_latency_too(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    done = poolproof("bench", *FEW, "--launches", "6", "-o", str(run))
    assert (done.returncode, done.stderr) == (0, "")
    record = records.read(run)
    assert record.plan.parts == ["time", "memory", "latency"]
    assert record.launches and record.memory and record.latency and not record.work


def test_a_part_is_added_to_a_run_that_lacks_it(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    assert poolproof("bench", "--memory", *FEW, "-o", str(run)).returncode == 0
    before = (run / "memory.jsonl.gz").read_bytes()
    done = poolproof("bench", "--resume", str(run), "--latency")
    assert (done.returncode, done.stderr) == (0, "")
    record = records.read(run)
    assert record.plan.parts == ["memory", "latency"] and len(
        record.latency) == 2 * plan.PART_ROUNDS["latency"] * len(ARMS)
    assert (run / "memory.jsonl.gz").read_bytes() == before


def test_an_arm_that_crashes_leaves_its_workload_once(fake, poolproof, tmp_path):
    settle(fake, crash=[["pair/64", "noop"]])
    run = tmp_path / "run"
    done = poolproof("bench", "--memory", *FEW, "-o", str(run))
    assert done.returncode == FINDING
    record = records.read(run)
    assert len(record.part_refusals["memory"]) == 1
    assert {line.arm for line in record.memory} == ARMS - {"noop"}
    assert "out of memory" in done.stdout


def test_a_liar_is_refused(fake, poolproof, tmp_path):
    settle(fake, liar=True)
    done = poolproof("bench", "--memory", *FEW, "-o", str(tmp_path / "run"))
    assert done.returncode == UNFIT
    assert "malloc belongs to /usr/lib/libliar.so" in done.stdout


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("part", ["memory", "latency"])
def test_stopped_and_resumed_nothing_is_lost_or_doubled(fake, poolproof, tmp_path, part, sent):
    settle(fake, seconds=0.15)
    run = tmp_path / "run"
    process = start(fake, "bench", f"--{part}", *FEW, "-o", str(run), stderr=-3)
    path = run / f"{part}.jsonl.gz"
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
    lines = getattr(records.read(run), part)
    assert len(lines) == len(ARMS) * plan.PART_ROUNDS[part] * (2 if part == "latency" else 1)


def test_a_process_cut_in_its_lines_is_measured_again(tmp_path):
    path = tmp_path / "latency.jsonl.gz"
    whole = gzip.compress(b"one process\nof two lines\n")
    path.write_bytes(whole + gzip.compress(b"another\n")[:-1])
    for _ in range(2):
        records.Appender(path).close()
        assert path.read_bytes() == whole


# --- Instructions --------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch):
    """Counts by a formula instead of by Valgrind: {iterations: instructions}, by arm."""
    def count(run, task, iterations, hashes):
        told = {"iterations": iterations, "operations": 100}
        proof = dict(malloc_owner="/libc.so.6", malloc_sha256="0" * 64, benchmark_version="1.7.1",
                     benchmark_sha256=run.benchmark["sha256"], compiler="c", compiler_flags="-O")
        each = {"noop": 0, "pool-keep": 900}.get(task[2].name, 2500 + task[0])
        return told, 12345 + iterations * each, proof

    monkeypatch.setattr(probes, "_count", count)
    monkeypatch.setattr(probes, "valgrind_version", lambda: "valgrind-0")


def test_work_is_the_slope_between_two_lengths(poolproof, counted, tmp_path):
    run = tmp_path / "run"
    done = poolproof("bench", "--work", *FEW, "-o", str(run))
    record = records.read(run)
    by_arm = {line.arm: line for line in record.work if line.round == 0}
    assert by_arm["pool-keep"].instructions_per_operation == 9
    assert by_arm["glibc"].long_iterations == 1 + probes.WORK_OPERATIONS // 100
    # No slope is no answer; and where counts differ between the rounds, it is said.
    assert [line.arm for line in record.part_refusals["work"]] == ["noop"]
    assert done.returncode == UNFIT
    assert "1 of 2 figures agree to the instruction; not pair/64 with glibc" in done.stdout


def test_operations_may_vary_where_a_capacity_is_filled_and_nowhere_else(monkeypatch):
    """Of the iterations between the two lengths, each has the operations of those alone."""
    def count(run, task, iterations, hashes):
        operations = 30_000 if iterations == 1 else 29_000
        proof = dict.fromkeys(("malloc_owner", "malloc_sha256", "benchmark_sha256",
                               "benchmark_version", "compiler", "compiler_flags"), "x")
        return {"iterations": iterations, "operations": operations}, iterations * 280_000, proof

    monkeypatch.setattr(probes, "_count", count)
    monkeypatch.setattr(probes, "valgrind_version", lambda: "valgrind-0")
    arm = plan.Arm("a", "a", "pool", "")
    fills = plan.Workload("refill", "?", ["a"], capacity_bytes=4 << 20)
    [line] = probes.probe_work(None, (0, fills, arm), None)
    assert (line.long_iterations, line.operations) == (2, 28_000)
    assert line.instructions_per_operation == 10
    with pytest.raises(runner.Unusable):
        probes.probe_work(None, (0, plan.Workload("pair", "?", ["a"]), arm), None)


def test_an_allocator_that_dies_in_valgrind_is_not_counted(monkeypatch):
    tried = []

    def run_process(command, variables, patience_s):
        tried.append(variables["LD_PRELOAD"])
        code = -6 if "scudo" in variables["LD_PRELOAD"] else 0
        return Ended(code, False, b"", b"", 0.0, 1.0, 0, 0, None, 0, 0, 0, 0, 1)

    monkeypatch.setattr(runner, "run_process", run_process)
    arms = [plan.Arm("pool", "pool", "pool", ""),
            plan.Arm("scudo", "malloc", "rival", "malloc", "/scudo.so"),
            plan.Arm("scudo-calloc", "calloc", "rival", "calloc", "/scudo.so"),
            plan.Arm("jemalloc", "malloc", "rival", "malloc", "/jemalloc.so")]
    marked = probes.with_countable("/bin/bench", arms)
    assert [arm.counted for arm in marked] == [True, False, False, True] and len(tried) == 2
    names = {arm.name: arm for arm in marked}
    workload = plan.Workload("w", "?", list(names))
    assert plan.probed_arms(names, workload, "work") == ["pool", "jemalloc"]
    assert plan.probed_arms(names, workload, "memory") == list(names)
    assert planning.uncounted(marked)[0]["what"] == "work of scudo, scudo-calloc"


def test_work_without_valgrind_is_one_line(poolproof, tmp_path, monkeypatch):
    monkeypatch.setattr(probes, "find_program", lambda *_: None)
    probes.valgrind_version.cache_clear()
    done = poolproof("bench", "--work", *FEW, "-o", str(tmp_path / "run"))
    assert done.returncode == UNFIT and "install valgrind" in done.stderr
    assert not (tmp_path / "run").exists()


# --- Parts ---------------------------------------------------------------------------------------


def test_a_curve_keeps_its_ends_and_peaks():
    live = [0] * 1000
    live[517] = 9
    kept = probes.places_kept(live, list(range(500)) + [501] * 500, 64)
    assert len(kept) <= 64 and kept == sorted(set(kept))
    assert {0, 517, 500, 999} <= set(kept)
    assert probes.places_kept([1, 2, 3], [1, 2, 3], 64) == [0, 1, 2]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"memory": {}, "context": {}}', "\udcff"])
def test_what_a_probe_may_answer_wrongly(text, monkeypatch):
    outcome = Ended(0, False, text.encode(errors="surrogateescape"), b"", 0.0, 1.0, 0, 0, None, 0,
                    0, 0, 0, 1)
    monkeypatch.setattr(runner, "run_process", lambda *_: outcome)
    monkeypatch.setattr(runner, "proven", lambda *_: {})
    arm = plan.Arm("a", "a", "pool", "")
    run = type("", (), {"benchmark": {"path": "/b"}, "base": None, "traces": []})()
    with pytest.raises(runner.Unusable, match="not that of a probe"):
        probes.probe_memory(run, (0, plan.Workload("w", "?", ["a"]), arm), runner.Hashes())


# --- What a plan promises ------------------------------------------------------------------------


def planned(fake, monkeypatch, *words, traces=()):
    """The plan of a command line, without measuring."""
    import argparse
    monkeypatch.setattr(session, "benchmark_binary", lambda: fake)
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    return planning.make_plan(parser.parse_args(words), fake, list(traces), [],
                           closing.output_console())


@pytest.mark.parametrize("mode", ["--quick", "", "--full"])
def test_a_mode_has_launches_for_its_family(fake, monkeypatch, mode):
    made = planned(fake, monkeypatch, *mode.split())
    pairs = [pair for item in made.workloads for pair in item.pairs]
    claims = sum(pair.kind == "claim" for pair in pairs)
    assert made.looks == sorted(set(made.looks))
    assert len(made.looks) * claims * 2 ** (1 - made.looks[0]) <= 0.05
    assert {pair.kind for pair in pairs} == {"claim", "null", "delay", "other"}


def test_time_that_is_up_ends_a_part_which_can_go_on(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    assert poolproof("bench", "--memory", *FEW, "-o", str(run)).returncode == 0
    before = len(records.read(run).memory)
    content = (run / "memory.jsonl.gz").read_bytes()
    (run / "memory.jsonl.gz").write_bytes(content[:content.index(b"\x1f\x8b\x08", 3)])
    value = json.loads((run / "run.json").read_text())
    assert "part_limits_s" in value and not value["part_limits_s"]  # it was asked for by name
    (run / "run.json").write_text(json.dumps(value | {"part_limits_s": {"memory": 0.0}}))
    done = poolproof("bench", "--resume", str(run))
    assert done.returncode == 0 and "time is up for memory after 0 of 5 probes" in done.stdout
    (run / "run.json").write_text(json.dumps(value))
    assert poolproof("bench", "--resume", str(run)).returncode == 0
    assert len(records.read(run).memory) == before == 6


def test_time_that_is_up_ends_a_run_after_its_first_look(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    assert poolproof("bench", *FEW, "--launches", "6", "-o", str(run)).returncode == 0
    value = json.loads((run / "run.json").read_text()) | {"looks": [6, 30], "budget_s": 0.0}
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


def test_a_cut_trace_is_refused_before_anything_is_done(fake, poolproof, tmp_path):
    settle(fake, cut=True)
    (tmp_path / "x.trace").write_bytes(b"poolproof")
    done = poolproof("bench", "--trace", str(tmp_path / "x.trace"), "-o", str(tmp_path / "run"))
    assert done.returncode == USAGE
    assert done.stdout == "" and done.stderr.count("\n") == 1 and "x.trace: cut" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "work.jsonl.gz").mkdir()
    with pytest.raises(UserError, match="work.jsonl.gz cannot be written: Is a directory"):
        with session.appending(tmp_path, "work"):
            pass


def test_workloads_without_probes_are_named_once(fake, monkeypatch):
    made = planned(fake, monkeypatch, "--workload", "pair/64")
    assert made.left_out == []
    traces = [plan.Trace("x", "/x", "0" * 64, "")]
    made = planned(fake, monkeypatch, "--workload", "pair/64", "trace-cold/x", traces=traces)
    assert [item["what"] for item in made.left_out] == ["memory, latency of trace-cold/x"]
    with pytest.raises(UserError, match="memory cannot be had of trace-cold/x"):
        planned(fake, monkeypatch, "--workload", "trace-cold/x", "--memory", traces=traces)
