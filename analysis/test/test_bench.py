"""The bench command from end to end, on a stand-in for the benchmark binary."""

import argparse
import gzip
import hashlib
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import types

import pytest

from analysis import __main__
from analysis.commands import bench
from analysis.measure import catalogue, planning, recorded_programs, runner, session
from analysis.measure.side_by_side import Ended
from analysis.runs import plan, records
from analysis.runs.plan import Workload
from analysis.system.exits import FINDING, UNFIT, USAGE, UserError
from analysis.system.files import ROOT

HERE = pathlib.Path(__file__).resolve().parent

DRIVER = """
import pathlib, sys
import threading
sys.path.insert(0, {root!r})
from analysis import __main__
from analysis.measure import recorded_programs, session
from analysis.report import render
session.benchmark_binary = lambda: pathlib.Path({binary!r})
recorded_programs.programs = lambda: []
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
    monkeypatch.setattr(session, "benchmark_binary", lambda: fake)
    monkeypatch.setattr(recorded_programs, "programs", lambda: [])
    monkeypatch.setattr(session, "RUNS", fake.parent / "runs")
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


def words(line):
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    return parser.parse_args(line.split())


def settle(fake, **settings):
    (fake.parent / "fake_bench.json").write_text(json.dumps(settings))


FEW = ("--workload", "pair/64", "--arm", "pool-keep", "--launches", "6", "--seed", "7")


def test_a_run_from_the_command_to_the_report(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    done = poolproof("bench", *FEW, "-o", str(run))
    assert (done.returncode, done.stderr) == (0, "")
    record = records.read(run)
    arms = {"pool-keep", "glibc", "null"}
    pairs = {("pool-keep", "glibc"), ("null", "glibc")}
    assert {(entry.arm, entry.baseline) for entry in record.launches} == pairs
    assert len(record.launches) == 6 * len(pairs)
    sides = [side for entry in record.launches for side in entry.sides]
    assert {side.arm for side in sides} == arms
    assert all(side.malloc_owner.endswith("/libc.so.6") for side in sides)
    turns = {(len(side.cpu_ns), len(side.alone_cpu_ns)) for side in sides}
    workload = record.plan.workloads[0]
    assert turns == {(workload.cycles, workload.alone)} and workload.alone > 0
    for entry in record.launches:
        assert {*entry.first} == {"a", "b"}
    used = {entry.processor for entry in record.launches}
    assert len(used) == min(len(os.sched_getaffinity(0)), 4, 6)
    for name in ("report.html", "report.md", "verdicts.json"):
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


@pytest.mark.slow
def test_rivals_are_preloaded_and_prove_it(fake, poolproof, tmp_path):
    found, _ = catalogue.installed_mallocs()
    if not found:
        pytest.skip("no malloc but glibc's is installed")
    name = next(iter(found))
    run = tmp_path / "run"
    done = poolproof(
    "bench",
    "--workload",
    "pair/64",
    "--arm",
    "pool-keep",
    name,
    "--launches",
    "1",
    "-o",
     str(run))
    assert done.returncode == 0, done.stderr
    sample = next(side for entry in records.read(run).launches for side in entry.sides
                  if side.arm == name)
    assert os.path.realpath(sample.malloc_owner) == os.path.realpath(found[name][0])
    assert sample.malloc_sha256 == found[name][1]


@pytest.mark.slow
def test_an_absent_rival_is_named_with_its_package(poolproof, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "library_folders", lambda: [])
    done = poolproof("bench", *FEW, "-o", str(tmp_path / "run"))
    assert done.returncode == 0
    assert "jemalloc is absent: install libjemalloc2." in done.stdout
    assert "libtcmalloc-minimal4" in (tmp_path / "run" / "report.html").read_text()


def test_a_kept_trace_is_played_where_it_lies():
    program = recorded_programs.programs()[0]
    trace, = planning.traces_of(words(f"--workload trace/{program.name} pair/64"))
    assert (trace.file, trace.sha256) == (str(program.trace), program.kept["sha256"])
    assert f"{program.package} {program.kept['version']}" in trace.origin


def test_each_mode_plays_what_the_smaller_ones_play():
    quick, default, full = ({trace.name for trace in planning.traces_of(words(mode))}
                            for mode in ("--quick", "", "--full"))
    assert quick and quick < default < full
    assert len(full) == len(recorded_programs.programs())


@pytest.mark.slow
def test_killed_in_mid_write_and_resumed_nothing_is_lost_or_doubled(fake, poolproof, tmp_path):
    settle(fake, seconds=0.2)
    run = tmp_path / "run"
    process = start(fake, "bench", *FEW, "-o", str(run), stderr=subprocess.DEVNULL)
    path = run / "launches.jsonl.gz"
    deadline = time.monotonic() + 30
    while not (path.exists() and path.stat().st_size > 3000):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = len(records.read(run).launches)
    assert 0 < there < 12
    kept = path.read_bytes()
    path.write_bytes(kept + gzip.compress(b'{"workload": "pair/64", "launch"')[:20])
    assert len(records.read(run).launches) == there  # read up to the last whole line
    settle(fake)
    done = poolproof("bench", "--resume", str(run))
    assert (done.returncode, done.stderr) == (0, "")
    keys = [(s.workload, s.arm, s.launch) for s in records.read(run).launches]
    assert len(keys) == len(set(keys)) == 12


@pytest.mark.slow
@pytest.mark.parametrize("left", ["", "<!DOCTYPE html>half"])
def test_killed_while_it_reports_it_reports_again(fake, poolproof, tmp_path, left):
    run = tmp_path / "run"
    process = start(fake, "bench", *FEW, "-o", str(run), stderr=subprocess.DEVNULL,
                    before=f"""
import time
def stall(*_):
    pathlib.Path({str(run)!r}, "report.html").write_text({left!r})
    time.sleep(60)
render.write_all = stall
""")
    deadline = time.monotonic() + 30
    while not (run / "report.html").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    taken = (run / "launches.jsonl.gz").read_bytes()
    done = poolproof("bench", "--resume", str(run))
    assert (done.returncode, done.stderr) == (0, "")
    assert (run / "launches.jsonl.gz").read_bytes() == taken
    assert len(records.read(run).launches) == 12
    assert (run / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert (run / "verdicts.json").exists()


@pytest.mark.slow
def test_interrupted_it_says_how_to_go_on(fake, poolproof, tmp_path):
    settle(fake, seconds=0.5)  # the interrupt comes long before the end
    run = tmp_path / "run"
    process = start(fake, "bench", *FEW, "-o", str(run), stderr=subprocess.PIPE, cwd=tmp_path)
    deadline = time.monotonic() + 30
    while not (
    run /
    "launches.jsonl.gz").exists() or not (
        run /
         "launches.jsonl.gz").stat().st_size:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == session.INTERRUPTED
    assert said == "poolproof: interrupted; go on with: ./poolproof bench --resume run\n"


@pytest.mark.slow
def test_resume_refuses_a_changed_binary_and_names_it(fake, poolproof, tmp_path):
    run = tmp_path / "run"
    assert poolproof("bench", *FEW, "-o", str(run)).returncode == 0
    with fake.open("a") as stream:
        stream.write("# changed\n")
    done = poolproof("bench", "--resume", str(run))
    assert done.returncode == UNFIT
    assert "poolproof-bench" in done.stderr and "has changed" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_binary_that_changes_meanwhile_ends_the_run(fake, poolproof, tmp_path, monkeypatch):
    measured = runner.launch

    def change(*words):
        changed = fake.with_name(f"changed-{threading.get_ident()}")  # of two lanes at a time
        shutil.copy(fake, changed)
        with changed.open("a") as stream:
            stream.write("# changed\n")
        os.replace(changed, fake)
        return measured(*words)

    monkeypatch.setattr(runner, "launch", change)
    done = poolproof("bench", *FEW, "-o", str(tmp_path / "run"))
    assert done.returncode == UNFIT
    assert "poolproof-bench has changed since the run began" in done.stderr
    assert records.read(tmp_path / "run").launches == []


@pytest.mark.parametrize("key", ["compiler", "compiler_flags", "google_benchmark"])
def test_a_sample_without_proof_is_none(key, tmp_path):
    binary = tmp_path / "binary"
    binary.touch()
    empty = hashlib.sha256(b"").hexdigest()
    run = types.SimpleNamespace(benchmark={"path": str(binary), "sha256": empty}, base=None)
    context = {"malloc_owner": "/lib/x86_64-linux-gnu/libc.so.6", "compiler": "gcc 12",
               "compiler_flags": "-O3", "google_benchmark": "1.7.1"}
    arm = plan.Arm("glibc", "malloc", "malloc", "malloc")
    assert runner.proven(run, arm, context)["compiler"] == "gcc 12"
    with pytest.raises(runner.Unusable, match=f"does not say its {key}"):
        runner.proven(run, arm, context | {key: ""})


@pytest.mark.slow
def test_an_arm_that_fails_leaves_and_the_exit_code_says_so(fake, poolproof, tmp_path):
    settle(fake, crash=[["pair/64", "pool"]])
    run = tmp_path / "run"
    done = poolproof("bench", "--workload", "pair/64", "--arm", "pool", "pool-keep", "--launches",
                     "6", "-o", str(run))
    assert done.returncode == FINDING
    assert "refused: time of pair/64 with pool: exit code 4: out of memory" in done.stdout
    record = records.read(run)
    assert len(record.refusals) == 1 and len(record.launches) == 12
    assert "out of memory" in (run / "report.html").read_text()


@pytest.mark.slow
def test_a_process_that_lies_about_malloc_is_refused(fake, poolproof, tmp_path):
    settle(fake, liar=True)
    done = poolproof("bench", *FEW, "-o", str(tmp_path / "run"))
    assert done.returncode == USAGE
    assert "malloc belongs to /usr/lib/libliar.so, not to the C library" in done.stdout
    assert "no complete launch" in done.stderr


@pytest.mark.parametrize(
    "words, complaint",
    [(("--workload", "pair/46"), "no workload is called pair/46; did you mean 'pair/64"),
     (("--arm", "jmalloc"), "no arm is called jmalloc; did you mean"),
     (("--trace", "absent.trace"), "absent.trace: No such file or directory"),
     (("-o", "near.trace"), "near.trace is a file; name a folder"),
     (("--resume", "absent"), "absent: no such directory"),
     (("--resume", "absent", "--quick"), "leave out --quick"),
     (("--launches", "0"), "argument --launches: invalid number '0': use 1 to"),
     (("--seed", "x"), "invalid number 'x'")])
def test_bad_arguments_get_one_line(poolproof, tmp_path, monkeypatch, words, complaint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "near.trace").touch()
    done = poolproof("bench", *words)
    assert done.returncode == USAGE
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(session.RUNS.glob("*")), "a run that was never planned leaves no folder"


@pytest.mark.slow
def test_a_folder_with_a_run_is_not_written_over(fake, poolproof, tmp_path):
    assert poolproof("bench", *FEW, "-o", str(tmp_path / "run")).returncode == 0
    done = poolproof("bench", *FEW, "-o", str(tmp_path / "run"))
    assert done.returncode == USAGE and "holds a run already" in done.stderr


def test_two_writers_at_once_are_refused(tmp_path):
    first = records.Appender(tmp_path / "launches.jsonl.gz")
    with pytest.raises(UserError, match="written by another process"):
        records.Appender(tmp_path / "launches.jsonl.gz")
    first.close()
    records.Appender(tmp_path / "launches.jsonl.gz").close()


def test_a_full_disk_leaves_whole_lines_and_gets_one_line(fake, poolproof, tmp_path):
    appender = records.Appender(tmp_path / "launches.jsonl.gz")
    refusal = records.Refusal("pair/64", "pool", 0, "x" * 300, False)
    appender.append(refusal)
    size = (tmp_path / "launches.jsonl.gz").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, before[1]))
        with pytest.raises(OSError):
            appender.append(refusal)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "launches.jsonl.gz").stat().st_size == size
    appender.close()


# --- Parts ---------------------------------------------------------------------------------------


def test_no_variable_of_the_user_reaches_a_sample(monkeypatch):
    for name in ("MALLOC_PERTURB_", "GLIBC_TUNABLES", "MIMALLOC_SHOW_STATS", "LD_PRELOAD", "HOME"):
        monkeypatch.setenv(name, "1")
    variables = runner.child_environment(None, 5)
    assert set(variables) == {"PATH", "LC_ALL", "POOLPROOF_PADDING", "NO_PRELOAD"}
    preloaded = runner.child_environment("/a.so", 5, "arm")
    assert preloaded["LD_PRELOAD"] == "/a.so"
    lengths = {sum(map(len, [*item.items()][-2][1:] + (item.get("LD_PRELOAD", ""), name)))
               for item, name in ((variables, ""), (preloaded, "arm"))}
    assert lengths == {runner.LONGEST_NAMES + 5}, "as long whatever is preloaded"


@pytest.mark.parametrize("workload, iteration_s, live_bytes, form, batch, slices, cycles, alone", [
    ("pair/64", 1e-6, 64, "turns", 200, 1, 101, 20),
    ("churn/mixed16-1024/200000", 5e-4, 1e8, "turns", 3, 1, 20, 4),
    ("trace/sqlite", 1e-4, 1e4, "turns", 2, 1, 101, 20),
    ("trace/cppcheck", 0.01, 2e6, "turns", 1, 9, 27, 9),
    ("trace-cold/sqlite", 0.028, 1e6, "turns", 1, 28, 28, 0),
    ("app/lua", 1.0, 0, "side by side", 1, 1, 1, 0)])
def test_a_turn_is_short_but_for_what_fills_caches(workload, iteration_s, live_bytes, form, batch,
                                                   slices, cycles, alone):
    found = Workload(workload, "", [], **runner.turns_of(
        workload, runner.Calibrated(iteration_s, 1000, live_bytes), False))
    assert (found.form, found.batch, found.slices, found.cycles, found.alone) == (
        form, batch, slices, cycles, alone)


@pytest.mark.slow
def test_an_arm_that_stops_answering_is_named_and_the_others_go_on(fake, poolproof, tmp_path,
                                                                   monkeypatch):
    monkeypatch.setattr(runner, "PATIENCE_S", 3.0)
    settle(fake, stuck=[["pair/64", "pool"]])
    run = tmp_path / "run"
    done = poolproof("bench", "--workload", "pair/64", "--arm", "pool", "pool-keep", "--launches",
                     "6", "-o", str(run))
    assert done.returncode == FINDING
    assert "refused: time of pair/64 with pool: did not answer in turn 4" in done.stdout
    assert len(records.read(run).launches) == 12


def test_arms_of_every_rival_and_both_calls():
    arms = plan.arms_for(["pool", "pool-keep", "malloc", "calloc", "noop"],
                         {"jemalloc": ("/j.so", "0" * 64)})
    assert [arm.name for arm in arms] == [
        "pool", "pool-keep", plan.DELAY, "glibc", "jemalloc", "null", "glibc-calloc",
        "jemalloc-calloc", "noop"
    ]
    by_name = {arm.name: arm for arm in arms}
    assert by_name["jemalloc-calloc"].preload == "/j.so" and by_name["null"].preload is None
    all_of_them = plan.Workload("w", "?", list(by_name), pairs=plan.pairs_of(arms))
    assert plan.Pair("noop", "pool-keep", "other") in all_of_them.pairs
    assert [(pair.arm, pair.baseline) for pair in all_of_them.pairs if pair.kind == "claim"] == [
        ("pool", "glibc-calloc"), ("pool", "jemalloc-calloc"), ("pool-keep", "glibc"),
        ("pool-keep", "jemalloc")]


def outcome(text, code=0):
    return Ended(code, False, text, b"why", 0.0, 1.0, 1)


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


def test_a_workload_that_was_not_built_is_named_with_its_package(poolproof, monkeypatch):
    asked = catalogue.ask
    monkeypatch.setattr(catalogue, "ask", lambda *words: asked(*words) | {
        "absent": {"app/ghost": "libghost-dev"}})
    done = poolproof("bench", "--workload", "app/ghost")
    assert done.returncode == UNFIT
    assert done.stderr == "poolproof: app/ghost was not built; install libghost-dev\n"
    assert "install libghost-dev" in poolproof("bench", "--list").stdout
