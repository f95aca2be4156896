"""The parts of a run beside time, on the stand-in for the benchmark binary."""

import json
import re
import signal
import time

import pytest

from analysis.commands import bench
from analysis.measure import probes, runner
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
    assert record.plan.parts == ["memory", "latency"] and record.samples == []
    for part in ("memory", "latency"):
        expected = {("pair/64", arm, round_) for arm in ARMS
                    for round_ in range(plan.PART_ROUNDS[part])}
        assert places(getattr(record, part)) == expected
        assert str(run / f"{part}.jsonl") in done.stdout
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
    done = poolproof("bench", *FEW, "--rounds", "6", "-o", str(run))
    assert (done.returncode, done.stderr) == (0, "")
    record = records.read(run)
    assert record.plan.parts == ["time", "memory", "latency"]
    assert record.samples and record.memory and record.latency and not record.work
    assert re.search(r"expected: .* in all: time .*, memory .*, latency ", done.stdout)
    assert record.plan.estimated_s == pytest.approx(sum(record.plan.estimates_s.values()))


def test_a_part_is_added_to_a_run_that_lacks_it(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    assert poolproof("bench", "--memory", *FEW, "-o", str(run)).returncode == 0
    before = (run / "memory.jsonl").read_bytes()
    done = poolproof("bench", "--resume", str(run), "--latency")
    assert (done.returncode, done.stderr) == (0, "")
    record = records.read(run)
    assert record.plan.parts == ["memory", "latency"] and len(record.latency) == 2 * 5 * len(ARMS)
    assert (run / "memory.jsonl").read_bytes() == before


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
    path = run / f"{part}.jsonl"
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_bytes().count(b"\n") >= 2):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(sent)
    assert process.wait(timeout=30) == (-sent if sent == signal.SIGKILL else bench.INTERRUPTED)
    settle(fake)
    kept = path.read_bytes()
    path.write_bytes(kept + kept.splitlines()[-1][:40])
    done = poolproof("bench", "--resume", str(run))
    assert (done.returncode, done.stderr) == (0, "")
    lines = getattr(records.read(run), part)
    assert len(lines) == len(ARMS) * plan.PART_ROUNDS[part] * (2 if part == "latency" else 1)


def test_a_process_cut_between_its_lines_is_measured_again(tmp_path):
    path = tmp_path / "latency.jsonl"
    line = '{{"workload": "w", "arm": "{}", "round": 0, "operation": "{}"}}\n'
    whole = line.format("a", "alloc") + line.format("a", "free")
    path.write_text(whole + line.format("b", "alloc") + line.format("b", "free")[:30])
    records.Appender(path).close()
    assert path.read_text() == whole
    records.Appender(path).close()
    assert path.read_text() == whole


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
    assert by_arm["glibc"].long_iterations == 1 + plan.WORK_OPERATIONS // 100
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
        return runner.Outcome(code, b"", "", False, 0.0, 1.0, None)

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
    assert bench.uncounted(marked)[0]["what"] == "work of scudo, scudo-calloc"


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
    outcome = runner.Outcome(0, text.encode(errors="surrogateescape"), "", False, 0.0, 1.0, None)
    monkeypatch.setattr(runner, "run_process", lambda *_: outcome)
    monkeypatch.setattr(runner, "proven", lambda *_: {})
    arm = plan.Arm("a", "a", "pool", "")
    run = type("", (), {"benchmark": {"path": "/b"}, "traces": []})()
    with pytest.raises(runner.Unusable, match="not that of a probe"):
        probes.probe_memory(run, (0, plan.Workload("w", "?", ["a"]), arm), runner.Hashes())


def test_a_part_fits_its_budget_by_rounds_then_by_its_dearest_workload():
    items = [plan.Workload(name, "?", ["a", "null"]) for name in ("near", "far")]
    arms = {"a": plan.Arm("a", "a", "pool", ""), "null": plan.Arm("null", "m", "null", "")}
    costs = {"near": plan.Calibration(1e-6, 0.1), "far": plan.Calibration(1e-6, 0.9)}
    one_s = sum(plan.probe_s("memory", costs[name], "a") for name in costs)  # the null arm is none
    roomy = plan.fit_part("memory", items, arms, costs, 10 * one_s)
    assert (roomy.rounds, roomy.workloads) == (3, ["near", "far"])
    assert roomy.estimated_s == pytest.approx(3 * one_s)
    assert plan.fit_part("memory", items, arms, costs, 2.5 * one_s).rounds == 2
    tight = plan.fit_part("memory", items, arms, costs, 0.5 * one_s)
    assert (tight.rounds, tight.workloads) == (1, ["near"])
    assert tight.left_out[0]["what"] == "memory of far"
    assert plan.fit_part("memory", items, arms, costs, 2.5 * one_s, rounds=7).rounds == 7
    asked = plan.fit_part("memory", items, arms, costs, 0.5 * one_s, keep=True)
    assert asked.workloads == ["near", "far"]


# --- What a plan promises ------------------------------------------------------------------------


def many(fake, count, overhead_s):
    """So many workloads, with arms that take so long to start."""
    names = {f"churn/{i}": 2.0 + i for i in range(count)}
    settle(fake, workloads=names | {"pair/64": 2.0}, overhead_s=overhead_s)


def planned(fake, monkeypatch, *words, traces=()):
    """The plan of a command line, without measuring."""
    import argparse
    monkeypatch.setattr(bench, "benchmark_binary", lambda: fake)
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    return bench.make_plan(parser.parse_args(words), fake, list(traces), [],
                           bench.output_console())


@pytest.mark.parametrize("mode, most_s, times", [("--quick", 360, 10), ("", 1500, 30),
                                                 ("--full", 3600, 90)])
def test_a_mode_keeps_its_time_with_many_arms(fake, monkeypatch, mode, most_s, times):
    many(fake, 6, {})
    # As if there were so many times as many arms.
    monkeypatch.setattr(runner, "calibrate",
                        lambda *_: (plan.Calibration(1e-5, times * 0.05, 2.0), 1))
    monkeypatch.setattr(runner, "try_arm", lambda *_: None)
    made = planned(fake, monkeypatch, *mode.split())
    longest_s = plan.REPEATED * made.estimates_s["time"] + sum(
        seconds for part, seconds in made.estimates_s.items() if part != "time")
    assert longest_s < most_s - 40  # for calibrating and reporting
    assert made.least_rounds <= made.rounds >= plan.MODES[made.mode].fewest
    assert made.limit_s <= plan.REPEATED * plan.MODES[made.mode].budgets_s["time"]
    if mode == "--full":
        assert len(made.workloads) < 7 and "work" not in made.parts  # nothing of it would fit
        assert made.left_out and all(item["what"] and item["why"] for item in made.left_out)
        assert "pair/64" in [item.workload for item in made.workloads]


def test_time_that_is_up_ends_a_part_which_can_go_on(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    assert poolproof("bench", "--memory", *FEW, "-o", str(run)).returncode == 0
    whole = (run / "memory.jsonl").read_text().splitlines(keepends=True)
    (run / "memory.jsonl").write_text(whole[0])
    value = json.loads((run / "run.json").read_text())
    assert "part_limits_s" in value and not value["part_limits_s"]  # it was asked for by name
    (run / "run.json").write_text(json.dumps(value | {"part_limits_s": {"memory": 0.0}}))
    done = poolproof("bench", "--resume", str(run))
    assert done.returncode == 0 and "time is up for memory after 0 of 8 probes" in done.stdout
    (run / "run.json").write_text(json.dumps(value))
    assert poolproof("bench", "--resume", str(run)).returncode == 0
    assert len((run / "memory.jsonl").read_text().splitlines()) == len(whole) == 9


def test_time_that_is_up_ends_a_run_after_the_rounds_that_it_needs(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    assert poolproof("bench", *FEW, "--rounds", "6", "-o", str(run)).returncode == 0
    (run / "samples.jsonl").write_text("")
    value = json.loads((run / "run.json").read_text()) | {"least_rounds": 2, "limit_s": 0.01}
    (run / "run.json").write_text(json.dumps(value))
    done = poolproof("bench", "--resume", str(run))
    assert "time is up after 2 of 6 rounds" in done.stdout
    assert {sample.round for sample in records.read(run).samples} == {0, 1}


def test_an_estimate_knows_a_slow_arm(fake):
    settle(fake, overhead_s={"pool": 0.9})
    arms = plan.arms_for(["malloc", "pool", "noop"], {})
    item = plan.Workload("pair/64", "?", [arm.name for arm in arms])
    costs = bench.calibrate(fake, [], item, arms)
    assert costs.of("pool").overhead_s > 0.9 and costs.of(plan.NULL) == costs.of(plan.BASELINE)
    assert plan.probe_s("memory", costs, "pool") > plan.probe_s("memory", costs, "noop") + 0.3
    fitted = plan.fit([item], {"pair/64": costs}, (6, 6), 1e3).workloads[0]
    assert fitted.round_s > 0.9


def test_a_cut_trace_is_refused_before_anything_is_done(fake, poolproof, tmp_path):
    settle(fake, cut=True)
    (tmp_path / "x.trace").write_bytes(b"poolproof")
    done = poolproof("bench", "--trace", str(tmp_path / "x.trace"), "-o", str(tmp_path / "run"))
    assert done.returncode == USAGE
    assert done.stdout == "" and done.stderr.count("\n") == 1 and "x.trace: cut" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "work.jsonl").mkdir()
    with pytest.raises(UserError, match="work.jsonl cannot be written: Is a directory"):
        with bench.appending(tmp_path, "work"):
            pass


def test_workloads_without_probes_are_named_once(fake, monkeypatch):
    made = planned(fake, monkeypatch, "--workload", "pair/64")
    assert made.left_out == []
    traces = [plan.Trace("x", "/x", "0" * 64, "")]
    made = planned(fake, monkeypatch, "--workload", "pair/64", "trace-cold/x", traces=traces)
    assert [item["what"] for item in made.left_out] == ["memory, latency of trace-cold/x"]
    with pytest.raises(UserError, match="memory cannot be had of trace-cold/x"):
        planned(fake, monkeypatch, "--workload", "trace-cold/x", "--memory", traces=traces)
