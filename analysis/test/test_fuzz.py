"""The fuzz and reproduce commands: what libFuzzer prints is understood, and no finding is lost."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from analysis.building import meson
from analysis.commands import fuzz, replay, reproduce
from analysis.fuzzing import findings, libfuzzer, session
from analysis.fuzzing.jobs import Crew, Memory
from analysis.system import arguments as words_of
from analysis.system.exits import FINDING, PASS, UNFIT, USAGE, UserError
from analysis.system.files import ROOT, only_one

SAID = ('{"oracle": "contents", "index": 3, "operation": "free 7", "message": '
        '"byte 12 of slot 7\'s 20 has changed by itself"}\n'
        'finding: the contents oracle at operation 3 (free 7)\n'
        "poolproof trace 1\norigin pool source=malloc bytes=64 offset=0 flags=none\n"
        "alloc 7 20 1\nend 1\n"
        "==1== ERROR: libFuzzer: deadly signal\n")

ASAN = ("=================================================================\n"
        "==7==ERROR: AddressSanitizer: use-after-poison on address 0x1 at pc 0x2\n"
        "SUMMARY: AddressSanitizer: use-after-poison /a/b:17:3 in cache_pop\n")


# --- What is read ---------------------------------------------------------------------------------


PROGRESS = "#2048\tNEW    cov: 240 ft: 410 corp: 12/96b lim: 8 exec/s: 1024 rss: 40Mb L: 8/8\n"


@pytest.mark.parametrize("log, status", [
    (PROGRESS, libfuzzer.Status(2048, 240, 410, 12)),
    (PROGRESS + "#4096\tpulse  cov: 241 ft: 411 corp: 13/97b lim: 8 exec/s: 9 rss: 4Mb\n==1== x",
     libfuzzer.Status(4096, 241, 411, 13)),
    (PROGRESS + "stat::number_of_executed_units: 5000\nstat::peak_rss_mb:              61\n",
     libfuzzer.Status(5000, 240, 410, 12)),
    ("#12345 pools\n# pool\nINFO: Seed: 7\n#x NEW cov: 1 ft: 1 corp: 1/1b\n"
     "stat::number_of_executed_units: many\n", libfuzzer.Status(12345)),
    ("", libfuzzer.Status()),
])
def test_how_far_a_process_came_is_read_from_its_log(log: str, status: libfuzzer.Status) -> None:
    assert libfuzzer.read_status(log) == status


@pytest.mark.parametrize(("text", "seconds"), [
    ("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86400),
])
def test_durations_are_words(text: str, seconds: float) -> None:
    assert words_of.duration(text) == seconds


@pytest.mark.parametrize("text", [
    "", "s", "30", "0s", "-5s", "1.5h", "5 m", "5M", "٣s", "9999999h", "1w",
])
def test_other_durations_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(UserError) as refused:
        words_of.duration(text)
    assert refused.value.exit_code == USAGE
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["0", "-1", "x", "", "1025", "1.0"])
def test_other_numbers_of_jobs_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        words_of.count(text)


def test_a_seed_is_no_more_than_libfuzzer_takes() -> None:
    assert words_of.seed("4294967295") == 4294967295
    for text in ("0", "4294967296", "-1", "x"):
        with pytest.raises(argparse.ArgumentTypeError):
            words_of.seed(text)


# --- What is attacked, and from where -------------------------------------------------------------


def test_a_target_reads_its_familys_seeds_its_own_and_regressions(tmp_path: pathlib.Path) -> None:
    for name in ("corpus/pool", "corpus/pool_api", "regressions/pool_api", "corpus/trace"):
        (tmp_path / name).mkdir(parents=True)
    found = [str(path.relative_to(tmp_path)) for path in session.folders_of("pool_api", tmp_path)]
    assert found == ["corpus/pool", "corpus/pool_api", "regressions/pool_api"]
    assert session.folders_of("pool_x", tmp_path) == [tmp_path / "corpus" / "pool"]


def test_a_mistyped_target_is_refused_with_the_nearest(workshop: pathlib.Path) -> None:
    with pytest.raises(UserError, match="did you mean 'pool_fake'"):
        fuzz.run(arguments("pool_faek"))


# --- Findings -------------------------------------------------------------------------------------


def test_an_oracles_line_is_the_report() -> None:
    report = findings.read_report(SAID)
    said = "byte 12 of slot 7's 20 has changed by itself"
    assert report == findings.Report("contents", "free 7", said, 3)


def test_a_sanitizers_summary_is_the_report() -> None:
    report = findings.read_report(ASAN)
    assert report == findings.Report("address", "use-after-poison", "use-after-poison in cache_pop")


def test_a_failed_assertion_is_the_report() -> None:
    printed = "t: a.c:4: int f(void): Assertion `n > 0' failed.\nSUMMARY: libFuzzer: deadly\n"
    report = findings.read_report(printed)
    assert report is not None and report.oracle == "assertion" and "n > 0" in report.message


@pytest.mark.parametrize("printed", ["", "nothing", '{"oracle": broken', '{"oracle": "a"}',
                                     "SUMMARY: libFuzzer: deadly signal"])
def test_what_holds_no_report_is_none(printed: str) -> None:
    assert findings.read_report(printed) is None


def test_findings_that_differ_in_figures_alone_are_one() -> None:
    one = findings.Report("model", "alloc 1 20 1", "byte 12 of slot 7")
    other = findings.Report("model", "alloc 9 300 16", "byte 290 of slot 9")
    assert one.name() == other.name()
    assert one.name() != findings.Report("model", "free 1", "byte 12 of slot 7").name()
    assert one.name() != findings.Report("model", "alloc 1 20 1", "byte 12 of chunk 7").name()
    assert set(one.name()) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def program(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{textwrap.dedent(text)}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture(name="workshop")
def _workshop(tmp_path: pathlib.Path,
              monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A build folder with a target pool_fake that fails on an F; made small its inputs are F."""
    folder = tmp_path / "build" / "fuzz"
    monkeypatch.setattr(findings, "KEPT", tmp_path / "findings")
    monkeypatch.setattr(fuzz, "CORPUS", tmp_path / "corpus")
    monkeypatch.setattr(meson, "BUILD_ROOT", tmp_path / "build")
    monkeypatch.setattr(meson, "ensure_build", lambda configuration: folder)
    program(folder / "fuzz" / "pool_fake-replay", f"""\
        import pathlib, sys
        if b"F" in pathlib.Path(sys.argv[1]).read_bytes():
            print({SAID!r})
            sys.exit(1)
        """)
    program(folder / "fuzz" / "pool_fake-minimise", 'print("F", end="")\n')
    return folder


def engine(folder: pathlib.Path, text: str) -> None:
    """A libFuzzer of our own, whose body may use `prefix` and `seconds`."""
    start = """\
        import os, pathlib, signal, sys, time
        arguments = dict(word.split("=", 1) for word in sys.argv if word.startswith("-"))
        prefix, seconds = arguments["-artifact_prefix"], int(arguments["-max_total_time"])
        def say(line):
            print(line, file=sys.stderr, flush=True)
        say("#9\\tINITED cov: 5 ft: 6 corp: 2/9b exec/s: 0 rss: 30Mb")
        """
    program(folder / "fuzz" / "pool_fake", textwrap.dedent(start) + textwrap.dedent(text))


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    fuzz.add_arguments(parser)
    return parser.parse_args([*words, "--corpus", str(fuzz.CORPUS)])


def test_a_finding_is_kept_small_and_readable(
        workshop: pathlib.Path, tmp_path: pathlib.Path) -> None:
    artifact = tmp_path / "crash-1"
    artifact.write_bytes(b"xxFxx")
    place, is_new = findings.keep(workshop, "pool_fake", artifact, "", {"executions": 7})
    assert is_new
    assert (place / "input").read_bytes() == b"F"
    assert (place / "found").read_bytes() == b"xxFxx"
    assert (place / "trace.txt").read_text().splitlines()[-2:] == ["alloc 7 20 1", "end 1"]
    about = json.loads((place / "finding.json").read_text())
    assert (about["oracle"], about["operation"], about["executions"]) == ("contents", "free 7", 7)
    assert "contents oracle" in (place / "log.txt").read_text()
    again, is_new = findings.keep(workshop, "pool_fake", artifact, "", {})
    assert (again, is_new) == (place, False)
    assert [path.name for path in place.parent.iterdir()] == [place.name], "no draft is left"


def test_what_does_not_fail_again_is_kept_as_flaky(
        workshop: pathlib.Path, tmp_path: pathlib.Path) -> None:
    artifact = tmp_path / "crash-1"
    artifact.write_bytes(b"harmless")
    (workshop / "fuzz" / "fuzz-translate").write_text("")
    program(workshop / "fuzz" / "fuzz-translate", "print('poolproof trace 1')\n")
    place, is_new = findings.keep(workshop, "pool_fake", artifact, ASAN, {})
    assert is_new and place.name.startswith("flaky-address")
    assert (place / "input").read_bytes() == b"harmless"
    assert "use-after-poison" in (place / "log.txt").read_text()


def test_a_run_without_findings_passes(
        workshop: pathlib.Path, capsys: pytest.CaptureFixture) -> None:
    engine(workshop, """\
        time.sleep(0.3)
        say("#400\\tDONE   cov: 7 ft: 8 corp: 3/9b exec/s: 400 rss: 30Mb")
        say("stat::number_of_executed_units: 417")
        """)
    assert fuzz.run(arguments("--time", "1s", "--jobs", "1", "--seed", "1")) == PASS
    out = capsys.readouterr().out
    name, executions, *_ = out.split()
    assert name == "pool_fake" and "s, 7 edges, 8 features, 3 inputs" in out.splitlines()[0]
    assert int(executions.replace(",", "")) % 417 == 0
    assert f"{executions} executions in 1 s, 0 findings (seed 1)" in out


def test_pieces_of_traces_are_among_what_pool_targets_have_learned(
        workshop: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture) -> None:
    engine(workshop, """\
        say("#9\\tDONE   cov: 7 ft: 8 corp: 3/9b exec/s: 400 rss: 30Mb")
        say("stat::number_of_executed_units: 9")
        """)
    program(workshop / "fuzz" / "fuzz-translate", """\
        import pathlib, sys
        assert sys.argv[1:4] == ["slices", sys.argv[2], "64"]
        for i in range(3):
            pathlib.Path(f"{sys.argv[4]}-{i}").write_bytes(pathlib.Path(sys.argv[2]).read_bytes())
        """)
    trace = tmp_path / "odd [name].trace"
    trace.write_bytes(b"recorded")
    assert fuzz.run(arguments("--trace", str(trace), "--time", "1s", "--jobs", "1")) == 0
    kept = sorted((fuzz.CORPUS / "pool_fake").iterdir())
    assert [file.name for file in kept] == [f"trace-{trace.name}-{i}" for i in range(3)]
    assert all(file.read_bytes() == b"recorded" for file in kept)
    assert f"parts of {trace}: 3, for pool_fake" in capsys.readouterr().err


def test_a_trace_without_operations_is_refused(
        workshop: pathlib.Path, tmp_path: pathlib.Path) -> None:
    program(workshop / "fuzz" / "fuzz-translate", """\
        import pathlib, sys
        pathlib.Path(f"{sys.argv[4]}-1").write_bytes(b"...")
        """)
    with pytest.raises(UserError, match="empty.trace holds no operation"):
        session.learn_traces(workshop, [tmp_path / "empty.trace"], ["pool_fake"], fuzz.CORPUS)


def test_a_record_that_cannot_be_written_is_refused_before_the_run_begins(
        workshop: pathlib.Path, tmp_path: pathlib.Path) -> None:
    engine(workshop, "sys.exit(3)\n")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        fuzz.run(arguments("--executions", "9", "--record", str(tmp_path / "file" / "c.json")))
    assert not (workshop.parent / "fuzz-work").exists()


def test_a_trace_is_for_targets_that_run_the_pool(
        workshop: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError, match="run the pool"):
        session.learn_traces(workshop, [tmp_path / "x"], ["trace_bytes"], fuzz.CORPUS)
    program(workshop / "fuzz" / "fuzz-translate",
            "import sys; sys.exit('x: byte 0: the file is empty')\n")
    with pytest.raises(UserError, match="the file is empty"):
        session.learn_traces(workshop, [tmp_path / "x"], ["pool_fake"], fuzz.CORPUS)


def test_a_finding_ends_with_one_and_the_command_to_see_it(
        workshop: pathlib.Path, capsys: pytest.CaptureFixture) -> None:
    engine(workshop, """\
        pathlib.Path(prefix + "crash-1").write_bytes(b"..F")
        say("stat::number_of_executed_units: 5")
        sys.exit(77)
        """)
    assert fuzz.run(arguments("--time", "2s", "--jobs", "2", "--seed", "1")) == FINDING
    out = capsys.readouterr().out
    assert out.count("./poolproof reproduce ") == 1 and ", 1 finding (seed 1)" in out
    assert re.search(r"pool_fake failed \d times? more with what is below", out)
    command = next(line for line in out.splitlines() if "./poolproof reproduce" in line).split()
    assert pathlib.Path(command[-1]).read_bytes() == b"F"


def test_a_target_that_cannot_run_is_no_pass(
        workshop: pathlib.Path, capsys: pytest.CaptureFixture) -> None:
    engine(workshop, "say('cannot do this'); sys.exit(3)\n")
    assert fuzz.run(arguments("--time", "1s", "--jobs", "1")) == UNFIT
    assert "cannot do this" in capsys.readouterr().out


def test_a_finding_at_the_moment_of_an_interrupt_is_kept(
        workshop: pathlib.Path, capsys: pytest.CaptureFixture) -> None:
    engine(workshop, """\
        def stop(*_):
            pathlib.Path(prefix + "crash-1").write_bytes(b"F")
            sys.exit(77)
        signal.signal(signal.SIGINT, stop)
        say("#10\\tNEW    cov: 5 ft: 6 corp: 2/9b exec/s: 0 rss: 30Mb")
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(30)
        """)
    assert fuzz.run(arguments("--time", "1m", "--jobs", "1")) == FINDING
    assert len(list((findings.KEPT / "pool_fake").iterdir())) == 1
    assert "executions interrupted after" in capsys.readouterr().out


def test_what_a_killed_run_had_found_is_kept_by_the_next(workshop: pathlib.Path) -> None:
    left = workshop.parent / "fuzz-work" / "pool_fake-3"
    left.mkdir(parents=True)
    (left / "crash-1").write_bytes(b"..F")
    engine(workshop, "time.sleep(0.2)\n")
    assert fuzz.run(arguments("--time", "1s", "--jobs", "1")) == FINDING
    assert len(list((findings.KEPT / "pool_fake").iterdir())) == 1
    assert not left.exists()


def test_a_second_run_waits_for_the_first_and_says_so(
        workshop: pathlib.Path, capsys: pytest.CaptureFixture) -> None:
    engine(workshop, """\
        time.sleep(0.2)
        say("#9\\tDONE   cov: 7 ft: 8 corp: 3/9b exec/s: 400 rss: 30Mb")
        say("stat::number_of_executed_units: 9")
        """)
    lock = only_one(meson.BUILD_ROOT / fuzz.LOCK, "")
    lock.__enter__()
    threading.Timer(0.5, lock.__exit__, (None, None, None)).start()
    start = time.monotonic()
    assert fuzz.run(arguments("--time", "1s", "--jobs", "1")) == PASS
    assert time.monotonic() >= start + 0.5
    assert "waiting for another ./poolproof fuzz in this tree" in capsys.readouterr().err


def test_the_lock_of_a_run_is_none_that_its_build_waits_for() -> None:
    assert fuzz.LOCK not in {f".{name}.lock" for name in [*meson.CONFIGURATIONS, "test"]}


# --- Reproducing ----------------------------------------------------------------------------------


def reproduce_arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    reproduce.add_arguments(parser)
    return parser.parse_args(list(words))


def test_reproduce_takes_the_target_from_the_path(
        workshop: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture) -> None:
    place = tmp_path / "pool_fake" / "some-finding"
    place.mkdir(parents=True)
    (place / "input").write_bytes(b"F")
    assert reproduce.run(reproduce_arguments(str(place))) == FINDING
    out = capsys.readouterr().out
    assert "alloc 7 20 1" in out and "contents oracle at operation 3 (free 7)" in out


def test_reproduce_says_what_it_cannot_know(workshop: pathlib.Path, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"F")
    with pytest.raises(UserError, match="give --target pool_fake"):
        reproduce.run(reproduce_arguments(str(file)))
    with pytest.raises(UserError, match="no fuzz target 'nobody'"):
        reproduce.run(reproduce_arguments(str(file), "--target", "nobody"))
    recorded = tmp_path / "recorded"
    recorded.write_bytes(b"\x93PPT\r\n\x1a\n and so on")
    for words in ((), ("--target", "pool_fake")):
        with pytest.raises(UserError, match="a recorded trace.* replay"):
            reproduce.run(reproduce_arguments(str(recorded), *words))
    with pytest.raises(FileNotFoundError):
        reproduce.run(reproduce_arguments(str(tmp_path / "nothing")))
    with pytest.raises(UserError, match="not the folder of a finding"):
        reproduce.run(reproduce_arguments(str(tmp_path.parent)))


def test_both_commands_fail_in_one_line(tmp_path: pathlib.Path) -> None:
    absent = str(tmp_path / "none")
    for words in (["fuzz", "--time", "soon"], ["fuzz", "--jobs", "0"], ["reproduce", absent]):
        done = subprocess.run(
            [sys.executable, "-m", "analysis", *words], cwd=ROOT, capture_output=True, text=True,
            env=os.environ | {"POOLPROOF_INSTALL": "no", "PYTHONPATH": str(ROOT)}, check=False)
        lines = [line for line in done.stderr.splitlines() if not line.startswith("  ")
                 and "going on without" not in line]
        assert done.returncode == USAGE, done.stderr
        assert len(lines) == 1 and lines[0].startswith("poolproof: "), done.stderr


def test_an_interrupt_ends_every_process_and_is_no_failure(
        workshop: pathlib.Path, capsys: pytest.CaptureFixture) -> None:
    engine(workshop, """\
        signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
        say("#10\\tNEW    cov: 5 ft: 6 corp: 2/9b exec/s: 0 rss: 30Mb")
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(30)
        """)
    start = time.monotonic()
    record = workshop.parent / "count.json"
    assert fuzz.run(arguments("--executions", "99", "--jobs", "1", "--record", str(record))) == PASS
    assert time.monotonic() < start + 20
    assert json.loads(record.read_text())["executions"] == 10
    assert "10 executions interrupted after" in capsys.readouterr().out


def test_an_exception_in_a_job_ends_the_others() -> None:
    crew = Crew(2)

    def work(item: str) -> None:
        if item == "bad":
            raise ValueError(item)
        crew.run([sys.executable, "-c", "import time; time.sleep(30)"], 30)

    start = time.monotonic()
    with pytest.raises(ValueError, match="bad"):
        crew.each(work, ["long", "bad", "late"], lambda *_: None)
    assert time.monotonic() < start + 20
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_remembered_outlasts_a_line_that_was_cut(tmp_path: pathlib.Path) -> None:
    memory = Memory(tmp_path / "memory")
    assert memory.keep("one", [1]) == [1]
    memory.keep("two", None)
    with (tmp_path / "memory").open("a") as stream:
        stream.write('{"key": "three", "res')
    assert Memory(tmp_path / "memory").known == {"one": [1], "two": None}


# --- Replaying ------------------------------------------------------------------------------------


@pytest.mark.parametrize("on, code, told", [
    ("pool", 0, ["pool       verified  ok --on pool --lazy --",
               "pool-keep  verified  ok --on pool"]),
    ("pool", 1, ["pool       FAILED    byte 3", "pool-keep  FAILED    byte 3"]),
    ("malloc", 0, ["glibc      verified  ok --on malloc --"]),
])
def test_replay_tells_how_each_allocator_fared(
        tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
        on: str, code: int, told: list[str]) -> None:
    program(tmp_path / "core" / "trace" / "poolproof-trace", f"""\
        import sys
        if {code}:
            sys.exit("poolproof-trace: byte 3")
        print("ok", *sys.argv[2:])
        """)
    monkeypatch.setattr(meson, "ensure_build", lambda configuration: tmp_path)
    monkeypatch.setattr(replay.plan, "MALLOCS",
                        (replay.plan.MallocLibrary("odd", ("odd.so",), "libodd"),))
    (tmp_path / "x.trace").write_text("")
    parser = argparse.ArgumentParser()
    replay.add_arguments(parser)
    assert replay.run(parser.parse_args([str(tmp_path / "x.trace"), "--on", on])) == code
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert len(lines) == len(told)
    assert all(line.startswith(start) for line, start in zip(lines, told))
    assert said.err == ("" if on == "pool" else "odd is absent; install libodd\n")
    with pytest.raises(UserError, match="none does not exist"):
        replay.run(parser.parse_args([str(tmp_path / "none")]))
