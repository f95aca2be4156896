"""The bench command from end to end, on a stand-in for the benchmark binary."""

import argparse
import hashlib
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import time
import types

import pytest

from analysis import __main__
from analysis.commands import bench
from analysis.measure import catalogue, recorder, runner
from analysis.runs import interference, plan, records
from analysis.system.exits import FINDING, UNFIT, USAGE, UserError
from analysis.system.files import ROOT

HERE = pathlib.Path(__file__).resolve().parent

DRIVER = """
import pathlib, sys
sys.path.insert(0, {root!r})
bench.benchmark_binary = lambda: pathlib.Path({binary!r})
bench.program_traces = lambda *_: ([], [])
{before}
sys.argv = ["poolproof", *sys.argv[1:]]
sys.exit(__main__.main())
"""


@pytest.fixture
def fake(tmp_path):
    """A copy of the stand-in, whose settings a test may change."""
    binary = tmp_path / "binary" / "poolproof-bench"
    binary.parent.mkdir()
    shutil.copy(HERE / "fake_bench.py", binary)
    return binary


@pytest.fixture
def poolproof(fake, monkeypatch, capsys):
    """Runs a command line in this process: (exit code, standard output, standard error)."""
    monkeypatch.setattr(bench, "benchmark_binary", lambda: fake)
    monkeypatch.setattr(bench, "program_traces", lambda *_: ([], []))
    monkeypatch.setattr(bench, "RUNS", fake.parent / "runs")
    monkeypatch.setattr(interference, "objection", lambda *_: None)  # how busy this machine is
    monkeypatch.setenv("POOLPROOF_INSTALL", "no")

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["poolproof", *words])
        try:
            code = __main__.main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)

    return run


def as_a_runner_starts_its_jobs():
    """An interrupt is not ignored, which a shell does to its background jobs, but it is blocked."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})


def start(fake, *words, before="", **more):
    """Starts a command line as a process of its own, to be killed, after these lines of Python."""
    driver = fake.parent / "driver.py"
    driver.write_text(DRIVER.format(root=str(ROOT), binary=str(fake),
                                    before=before))
    return subprocess.Popen([sys.executable, "-B", str(driver), *words], stdout=subprocess.DEVNULL,
                            text=True, env=os.environ | {"POOLPROOF_INSTALL": "no"},
                            preexec_fn=as_a_runner_starts_its_jobs, **more)


def settle(fake, **settings):
    (fake.parent / "fake_bench.json").write_text(json.dumps(settings))


FEW = ("--workload", "pair/64", "--arm", "pool-keep", "--rounds", "6", "--seed", "7")


def test_a_run_from_the_command_to_the_report(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    done = poolproof("bench", *FEW, "-o", str(run))
    assert (done.returncode, done.stderr) == (0, "")
    record = records.read(run)
    arms = {"pool-keep", "glibc", "null"}
    assert {sample.arm for sample in record.samples} == arms
    assert len(record.samples) == 6 * len(arms)
    assert all(sample.malloc_owner.endswith("/libc.so.6") for sample in record.samples)
    for round_ in range(6):
        taken = [s for s in record.samples if s.round == round_ and s.attempt == 0]
        expected = [
            a.name for a in plan.arm_order(record.plan, record.plan.workloads[0], round_, 0)
        ]
        assert [s.arm for s in sorted(taken, key=lambda s: s.position)] == expected
    for name in ("report.html", "report.md", "verdicts.json", "samples.csv"):
        assert (run / name).stat().st_size > 0
        assert str(run / name) in done.stdout
    verdicts = json.loads((run / "verdicts.json").read_text())
    assert {"workload", "arm", "baseline", "ratio", "low", "high", "n", "verdict"} <= set(
        verdicts[0])
    claim = next(entry for entry in verdicts if entry["kind"] == "claim")
    assert claim["ratio"] == pytest.approx(2, rel=0.05) and claim["n"] == 6
    assert "pool-keep" in done.stdout and "glibc" in done.stdout
    # The report alone, elsewhere, is the same.
    again = poolproof("report", str(run), "-o", str(tmp_path / "elsewhere"))
    assert again.returncode == 0
    assert (tmp_path / "elsewhere" / "verdicts.json").read_text() == (run /
                                                                      "verdicts.json").read_text()


def test_rivals_are_preloaded_and_prove_it(fake, poolproof, tmp_path):
    found, _ = catalogue.rivals()
    if not found:
        pytest.skip("no rival allocator is installed")
    name = next(iter(found))
    run = tmp_path / "run"
    done = poolproof("bench", "--workload", "pair/64", "--arm", "pool-keep", name, "--rounds", "1",
                     "-o", str(run))
    assert done.returncode == 0, done.stderr
    sample = next(s for s in records.read(run).samples if s.arm == name)
    assert os.path.realpath(sample.malloc_owner) == os.path.realpath(found[name][0])
    assert sample.malloc_sha256 == found[name][1]


def test_an_absent_rival_is_named_with_its_package(poolproof, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "library_folders", lambda: [])
    done = poolproof("bench", *FEW, "-o", str(tmp_path / "run"))
    assert done.returncode == 0
    assert "The arm jemalloc is absent: install libjemalloc2." in done.stdout
    assert "libtcmalloc-minimal4" in (tmp_path / "run" / "report.html").read_text()


def test_a_program_that_cannot_be_recorded_is_said_so(tmp_path, monkeypatch):
    tools = recorder.Tools(tmp_path / "library", tmp_path / "convert")
    monkeypatch.setattr(recorder, "built_tools", lambda: tools)
    missing = recorder.Program("ghost", "ghost-package", "nothing", ["no-such-program"], {})
    (tmp_path / "traces").mkdir()
    traces, notes = bench.program_traces([missing], tmp_path, bench.output_console())
    assert traces == [] and len(notes) == 1
    assert "ghost could not be recorded" in notes[0] and "install ghost-package" in notes[0]


def test_a_kept_trace_is_copied_into_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "record_program", lambda *_: pytest.fail("recorded anew"))
    program = recorder.programs()[0]
    [trace], notes = bench.program_traces([program], tmp_path, bench.output_console())
    assert notes == [] and trace.sha256 == program.kept.sha256
    assert pathlib.Path(trace.file).is_relative_to(tmp_path)
    assert f"{program.package} {program.kept.version}" in trace.origin


def test_each_mode_plays_what_the_smaller_ones_play(monkeypatch):
    def names(*words):
        parser = argparse.ArgumentParser()
        bench.add_arguments(parser)
        return [program.name for program in bench.wanted_programs(parser.parse_args(words))]
    quick, default, full = names("--quick"), names(), names("--full")
    assert 0 < len(quick) < len(default) < len(full) == len(recorder.programs())
    assert set(quick) < set(default) < set(full)
    assert names("--workload", "trace/jq", "pair/64") == ["jq"]


def test_killed_in_mid_write_and_resumed_nothing_is_lost_or_doubled(fake, poolproof, tmp_path):
    settle(fake, seconds=0.2)
    run = tmp_path / "run"
    process = start(fake, "bench", *FEW, "-o", str(run), stderr=subprocess.DEVNULL)
    path = run / "samples.jsonl"
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_bytes().count(b"\n") >= 4):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = path.read_bytes()
    whole = kept[:kept.rfind(b"\n") + 1]
    path.write_bytes(whole + b'{"workload": "pair/64", "arm": "po')
    assert len(records.read(run).samples) == whole.count(b"\n")  # read up to the last whole line
    settle(fake)
    done = poolproof("bench", "--resume", str(run))
    assert (done.returncode, done.stderr) == (0, "")
    after = path.read_bytes()
    assert after.startswith(whole)
    keys = [(s.workload, s.arm, s.round) for s in records.read(run).samples if s.attempt == 0]
    assert len(keys) == len(set(keys)) == 18


def test_killed_before_there_is_a_plan_it_is_planned_again(fake, poolproof, tmp_path):
    settle(fake, seconds=0.5)
    run = tmp_path / "run"
    process = start(fake, "bench", *FEW, "-o", str(run), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (run / "asked").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not (run / "run.json").exists()
    settle(fake)
    done = poolproof("bench", "--resume", str(run))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(records.read(run).samples) == 18 and records.read_plan(run).seed == 7
    assert (run / "report.html").exists() and not (run / "asked").exists()


@pytest.mark.parametrize("left", ["", "<!DOCTYPE html>half"])
def test_killed_while_it_reports_it_reports_again(fake, poolproof, tmp_path, left):
    run = tmp_path / "run"
    process = start(fake, "bench", *FEW, "-o", str(run), stderr=subprocess.DEVNULL,
                    before=f"""
import time
def stall(*_):
    pathlib.Path({str(run)!r}, "report.html").write_text({left!r})
    time.sleep(60)
bench.render.write_all = stall
bench.ledger.objection = lambda *_: None
""")
    deadline = time.monotonic() + 30
    while not (run / "report.html").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    taken = (run / "samples.jsonl").read_bytes()
    done = poolproof("bench", "--resume", str(run))
    assert (done.returncode, done.stderr) == (0, "")
    assert (run / "samples.jsonl").read_bytes() == taken and taken.count(b"\n") == 18
    assert (run / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert (run / "verdicts.json").exists()


def test_interrupted_it_says_how_to_go_on(fake, poolproof, tmp_path):
    settle(fake, seconds=0.5)  # the interrupt comes long before the end
    run = tmp_path / "run"
    process = start(fake, "bench", *FEW, "-o", str(run), stderr=subprocess.PIPE, cwd=tmp_path)
    deadline = time.monotonic() + 30
    while not (run / "samples.jsonl").exists() or not (run / "samples.jsonl").stat().st_size:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == bench.INTERRUPTED
    assert said == "poolproof: interrupted; go on with: ./poolproof bench --resume run\n"


def test_resume_refuses_a_changed_binary_and_names_it(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    assert poolproof("bench", *FEW, "-o", str(run)).returncode == 0
    with fake.open("a") as stream:
        stream.write("# changed\n")
    done = poolproof("bench", "--resume", str(run))
    assert done.returncode == UNFIT
    assert "poolproof-bench" in done.stderr and "has changed" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_binary_that_changes_meanwhile_ends_the_run(fake, poolproof, tmp_path, monkeypatch):
    measured = runner.measure

    def change(*words):
        with fake.open("a") as stream:
            stream.write("# changed\n")
        return measured(*words)

    monkeypatch.setattr(runner, "measure", change)
    done = poolproof("bench", *FEW, "-o", str(tmp_path / "run"))
    assert done.returncode == UNFIT
    assert "poolproof-bench has changed since the run began" in done.stderr
    assert records.read(tmp_path / "run").samples == []


@pytest.mark.parametrize("key", ["compiler", "compiler_flags", "google_benchmark"])
def test_a_sample_without_proof_is_none(key, tmp_path):
    binary = tmp_path / "binary"
    binary.touch()
    empty = hashlib.sha256(b"").hexdigest()
    run = types.SimpleNamespace(benchmark={"path": str(binary), "sha256": empty})
    context = {"malloc_owner": "/lib/x86_64-linux-gnu/libc.so.6", "compiler": "gcc 12",
               "compiler_flags": "-O3", "google_benchmark": "1.7.1"}
    arm = plan.Arm("glibc", "malloc", "rival", "malloc")
    assert runner.proven(run, arm, context, runner.Hashes())["compiler"] == "gcc 12"
    with pytest.raises(runner.Unusable, match=f"does not say its {key}"):
        runner.proven(run, arm, context | {key: ""}, runner.Hashes())


def test_an_arm_that_fails_leaves_and_the_exit_code_says_so(fake, poolproof, tmp_path):
    settle(fake, crash=[["pair/64", "pool"]])
    run = tmp_path / "run"
    done = poolproof("bench", "--workload", "pair/64", "--arm", "pool", "pool-keep", "--rounds",
                     "6", "-o", str(run))
    assert done.returncode == FINDING
    assert "refused: pair/64 with pool: exit code 4: out of memory" in done.stdout
    record = records.read(run)
    assert len(record.refusals) == 1 and len(record.samples) == 18
    assert "out of memory" in (run / "report.html").read_text()


def test_a_process_that_lies_about_malloc_is_refused(fake, poolproof, tmp_path):
    settle(fake, liar=True)
    done = poolproof("bench", *FEW, "-o", str(tmp_path / "run"))
    assert done.returncode == USAGE
    assert "malloc belongs to /usr/lib/libliar.so, not to the C library" in done.stdout
    assert "no whole sample" in done.stderr


@pytest.mark.parametrize(
    "words, complaint",
    [(("--workload", "pair/46"), "no workload is called pair/46; did you mean pair/64"),
     (("--arm", "jmalloc"), "no arm is called jmalloc; did you mean"),
     (("--trace", "absent.trace"), "absent.trace: No such file or directory"),
     (("--trace", "near.trce"), "near.trce: No such file or directory; did you mean near.trace?"),
     (("--resume", "far"), "/fair?"),
     (("-o", "near.trace"), "near.trace is a file; name a folder"),
     (("--resume", "absent"), "absent: no such folder"),
     (("--resume", "absent", "--quick"), "leave out --quick"),
     (("--rounds", "0"), "between 1 and 10000"), (("--seed", "x"), "a whole number is needed"), ])
def test_bad_arguments_get_one_line(poolproof, tmp_path, monkeypatch, words, complaint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "near.trace").touch()
    (tmp_path / "fair").mkdir()
    done = poolproof("bench", *words)
    assert done.returncode == USAGE
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(bench.RUNS.glob("*")), "a run that was never planned leaves no folder"


def test_a_folder_with_a_run_is_not_written_over(fake, poolproof, tmp_path):
    assert poolproof("bench", *FEW, "-o", str(tmp_path / "run")).returncode == 0
    done = poolproof("bench", *FEW, "-o", str(tmp_path / "run"))
    assert done.returncode == USAGE and "holds a run already" in done.stderr


def test_two_writers_at_once_are_refused(tmp_path):
    first = records.Appender(tmp_path / "samples.jsonl")
    with pytest.raises(UserError, match="written by another process"):
        records.Appender(tmp_path / "samples.jsonl")
    first.close()
    records.Appender(tmp_path / "samples.jsonl").close()


def test_a_full_disk_leaves_whole_lines_and_gets_one_line(fake, poolproof, tmp_path):
    appender = records.Appender(tmp_path / "samples.jsonl")
    refusal = records.Refusal("pair/64", "pool", 0, 0, "x" * 300, False)
    appender.append(refusal)
    size = (tmp_path / "samples.jsonl").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, before[1]))
        with pytest.raises(OSError):
            appender.append(refusal)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "samples.jsonl").stat().st_size == size
    appender.close()


# --- Parts ---------------------------------------------------------------------------------------


def test_no_variable_of_the_user_reaches_a_sample(monkeypatch):
    for name in ("MALLOC_PERTURB_", "GLIBC_TUNABLES", "MIMALLOC_SHOW_STATS", "LD_PRELOAD", "HOME"):
        monkeypatch.setenv(name, "1")
    variables = runner.child_environment(None, 5)
    assert set(variables) == {"PATH", "LC_ALL", "POOLPROOF_PADDING"}
    assert variables["POOLPROOF_PADDING"] == "xxxxx"
    assert runner.child_environment("/a.so", 0)["LD_PRELOAD"] == "/a.so"


def workloads(*names):
    return [plan.Workload(name, "?", ["a", "b"]) for name in names]


def test_the_plan_fits_its_budget():
    costs = {"pair/64": plan.Calibration(1e-6, 0.02), "trace-cold/x": plan.Calibration(0.05, 0.01)}
    fits = plan.fit(workloads(*costs), costs, (10, 6), budget_s=5.0)
    fitted = fits.workloads
    assert (fits.rounds, fits.left_out) == (10, [])
    assert plan.estimated_s(fitted, 10) == pytest.approx(5.0, rel=0.01)
    # Cold: once, and nothing to repeat.
    assert (fitted[1].iterations, fitted[1].repetitions) == (1, 1)
    assert fitted[0].repetitions == plan.REPETITIONS and fitted[0].iterations > 1000


def test_an_arm_that_is_slower_than_the_baseline_is_counted_as_it_is():
    slow = plan.Calibration(1e-6, 0.02, arms={"b": plan.Cost(9e-6, 0.5)})
    fits = plan.fit(workloads("pair/64"), {"pair/64": slow}, (10, 6), budget_s=9.0)
    [fitted] = fits.workloads
    assert fits.rounds == 10
    assert plan.estimated_s([fitted], 10) == pytest.approx(9.0, rel=0.02)
    timed_s = fitted.sample_s - 0.02 * fitted.repetitions
    assert fitted.round_s == pytest.approx(0.52 + 10 * timed_s + 2 * plan.PROCESS_S, rel=0.02)


def test_too_small_a_budget_costs_rounds_then_length_then_the_dearest_workload():
    costs = {"pair/64": plan.Calibration(1e-6, 0.01), "walk/far": plan.Calibration(1e-6, 0.2),
             "walk/near": plan.Calibration(1e-6, 0.01)}

    def fits(budget_s, **more):
        return plan.fit(workloads(*costs), costs, (20, 8), budget_s, **more)

    assert fits(100.0).rounds == 20
    assert 8 < fits(8.0).rounds < 20
    tight = fits(4.5)
    assert tight.rounds == 8 and not tight.left_out
    assert all(w.sample_s < costs[w.workload].overhead_s + plan.SHORTEST_SAMPLE_S
               for w in tight.workloads)
    small = fits(1.0)
    assert [item["what"] for item in small.left_out] == ["walk/far"]
    assert "the 1 s of this mode" in small.left_out[0]["why"]
    assert plan.estimated_s(small.workloads, small.rounds) <= 1.0
    kept = fits(1.0, keep=True)  # what was asked for is measured, whatever it takes
    assert len(kept.workloads) == 3 and kept.rounds == 8


def test_further_sizes_are_left_out_before_programs_and_what_every_run_has():
    names = ["pair/64", "pair/128", "lifo/64x1000", "trace-cold/x", "app/lua"]
    costs = {name: plan.Calibration(1e-6, 0.1) for name in names}
    costs["app/lua"] = plan.Calibration(0.3, 0.0)  # the dearest

    def kept(budget_s):
        fits = plan.fit(workloads(*names), costs, (20, 8), budget_s)
        return [item.workload for item in fits.workloads]

    assert kept(12.5) == names
    assert kept(11.0) == ["pair/64", "lifo/64x1000", "trace-cold/x", "app/lua"]
    assert kept(9.0) == ["pair/64", "trace-cold/x", "app/lua"]
    assert kept(7.0) == ["pair/64", "trace-cold/x"]


def test_an_iteration_longer_than_a_sample_runs_once():
    costs = {"pair/64": plan.Calibration(7.0, 0.02)}
    [fitted] = plan.fit(workloads("pair/64"), costs, (1, 1), budget_s=1.0).workloads
    assert (fitted.iterations, fitted.repetitions) == (1, 1)


def test_arms_of_every_rival_and_both_calls():
    arms = plan.arms_for(["pool", "pool-keep", "malloc", "calloc", "noop"],
                         {"jemalloc": ("/j.so", "0" * 64)})
    assert [arm.name for arm in arms] == [
        "pool", "pool-keep", plan.DELAY, "glibc", "jemalloc", "null", "glibc-calloc",
        "jemalloc-calloc", "noop"
    ]
    by_name = {arm.name: arm for arm in arms}
    assert by_name["jemalloc-calloc"].preload == "/j.so" and by_name["null"].preload is None
    all_of_them = plan.Workload("w", "?", list(by_name))
    assert plan.compared(by_name, all_of_them) == [("pool", "glibc-calloc"),
                                                   ("pool", "jemalloc-calloc"),
                                                   ("pool-keep", "glibc"),
                                                   ("pool-keep", "jemalloc"), ]


@pytest.mark.parametrize("entry, complaint", [
    ({"run_type": "iteration", "real_time": 1.0, "cpu_time": 1.0, "time_unit": "ns"}, "operations"),
    ({"run_type": "iteration", "operations": 0, "real_time": 1.0, "time_unit": "ns"}, "operations"),
])
def test_times_without_operations_are_unusable(entry, complaint):
    with pytest.raises(runner.Unusable, match=complaint):
        runner.per_operation_ns(entry, "real_time")


def outcome(text, code=0):
    return runner.Outcome(code, text, "why", False, 0.0, 1.0, None)


@pytest.mark.parametrize(
    "text, code, complaint",
    [(b"", 0, "not Google Benchmark's JSON"), (b"[]", 0, "not Google Benchmark's JSON"),
     (b'{"context": {}, "benchmarks": []}', 0, "ran no benchmark"), (b"", 3, "exit code 3: why"),
     (b"", -11, "SIGSEGV"),
     (b'{"context": {}, "benchmarks": [{"run_type": "iteration", "error_occurred": true,'
      b' "error_message": "no room"}]}', 0, "reports: no room"), ])
def test_what_a_process_may_answer_wrongly(text, code, complaint):
    with pytest.raises(runner.Unusable, match=complaint):
        runner.read_output(outcome(text, code))


def test_time_units_and_operations():
    entry = {"real_time": 3.0, "time_unit": "us", "operations": 2.0}
    assert runner.per_operation_ns(entry, "real_time") == 1500.0


def test_a_workload_that_was_not_built_is_named_with_its_package(poolproof, monkeypatch):
    monkeypatch.setattr(plan, "absent_workloads", lambda _: {"app/ghost": "libghost-dev"})
    done = poolproof("bench", "--workload", "app/ghost")
    assert done.returncode == UNFIT
    assert done.stderr == "poolproof: app/ghost was not built; install libghost-dev\n"
    assert "absent: install libghost-dev" in poolproof("bench", "--list").stdout
