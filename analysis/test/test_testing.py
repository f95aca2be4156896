"""Results are read whole from the logs of Meson and pytest, told once, and remembered."""

import json
import os
import subprocess

import pytest

from analysis.quality import suites, testing
from analysis.quality.testing import Result
from analysis.system import process
from analysis.system.exits import UserError
from analysis.system.files import ROOT

MESON = [
    {"name": "poolproof:core+any-build / header", "result": "OK", "stdout": ""},
    {"name": "poolproof:core / crash", "result": "FAIL", "returncode": -6,
     "stdout": "a\n../../core/test/life.c:12: runtime error: shift\n"},
    {"name": "poolproof:core / vast", "result": "SKIP", "returncode": 77,
     "stdout": "skipped: no disk\n"},
    {"name": "poolproof:core / life", "result": "OK",
     "stdout": "ok 1 - one\n# left out: nothing is cached\nok 2 - two\n"},
    {"name": "poolproof:core / reset", "result": "FAIL",
     "stdout": "ok 1 - one\nnot ok 2 - two\n# core/test/life.c:3: error: Failure!\n"},
    {"name": "poolproof:core / empty", "result": "SKIP", "stdout": ""},
]

PYTEST = """<testsuites><testsuite>
<testcase classname="t" file="analysis/test/test_build.py" name="a"/>
<testcase classname="t" file="analysis/test/test_build.py" name="b"><failure>E  1 != 2

analysis/test/test_build.py:7: AssertionError</failure></testcase>
<testcase classname="t" file="analysis/test/test_build.py" name="c"><skipped message="no gcc"/>
</testcase></testsuite></testsuites>"""


def outcomes(results):
    return {result.name: result.outcome for result in results}


@pytest.fixture
def logs(tmp_path, monkeypatch):
    monkeypatch.setattr(testing, "LOGS", tmp_path)
    return tmp_path


def test_reads_meson():
    log = "\n".join(json.dumps({"returncode": 0} | entry) for entry in MESON)
    results = list(testing.read_meson("release", log))
    assert outcomes(results) == {
        "release: core/header": "passed", "release: core/crash": "failed",
        "release: core/vast": "skipped", "release: core/life": "passed",
        "release: core/life/two": "skipped", "release: core/reset": "failed",
        "release: core/empty": "failed"}
    by_name = {result.name: result for result in results}
    assert by_name["release: core/vast"].reason == "no disk"
    assert by_name["release: core/life/two"].reason == "nothing is cached"
    assert "killed by SIGABRT" in by_name["release: core/crash"].output
    failed = by_name["release: core/reset"]
    assert failed.alone == "meson test -C build/release reset"
    assert testing.place_of(failed) == "core/test/life.c:3"


def test_a_failure_without_a_place_names_the_source_of_the_test():
    result = Result("t", "failed", alone="meson test -C build/release life")
    assert testing.place_of(result) == "core/test/life.c:1"


def test_reads_pytest():
    passed, failed, skipped = testing.read_pytest(PYTEST)
    assert [r.outcome for r in (passed, failed, skipped)] == ["passed", "failed", "skipped"]
    assert skipped.reason == "no gcc"
    assert failed.alone.endswith("'analysis/test/test_build.py::b'")
    assert testing.place_of(failed) == "analysis/test/test_build.py:7"


@pytest.mark.parametrize("results, code, last", [
    ([Result("a", "passed"), Result("b", "skipped", "no\ncompiler")], 0,
     "1 passed, 0 failed, 1 skipped"),
    ([Result("a", "passed"), Result("b", "failed", output="E  x")], 1,
     "1 passed, 1 failed, 0 skipped"),
    ([Result("b", "skipped", "r")], 1, "0 passed, 0 failed, 1 skipped"),
    ([], 1, "0 passed, 0 failed, 0 skipped"),
])
def test_the_count_is_the_last_line(results, code, last, capsys, logs):
    assert testing.conclude(results, 1.0) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == last
    if any(result.outcome == "skipped" for result in results):
        assert any(line.startswith("skipped: b: ") for line in lines[:-1])


def test_a_failure_names_its_log_its_place_and_its_command(capsys, logs):
    noise = [f"line {n}" for n in range(50)]
    output = "\n".join([*noise, "../core/mem_pool.c:3: runtime error: shift", *noise])
    testing.conclude([Result("release: core/life", "failed", output=output, alone="try this")], 1.0)
    out = capsys.readouterr().out
    log = logs / testing.FAILURES
    assert output in log.read_text() and log.name in out
    assert "runtime error: shift" in out and "line 7" not in out
    assert "  look at core/mem_pool.c:3\n  alone: try this\n" in out


def test_of_a_python_failure_only_its_own_words_are_shown():
    source = [f"    raise ValueError({n})  # Error" for n in range(20)]
    output = "\n".join([*source, "E   assert 1 == 2", "", "analysis/plan.py:3: AssertionError"])
    assert testing.telling_lines(output) == [
        "E   assert 1 == 2", "analysis/plan.py:3: AssertionError"]


def test_what_hangs_is_ended():
    code, output = process.outcome(["sh", "-c", "echo a; sleep 60"], dict(os.environ), limit_s=1)
    assert code == process.TIMED_OUT and output == "a\n\nerror: timed out after 1 s\n"


# --- Suites --------------------------------------------------------------------------------------


def test_suites_are_named_after_their_folders(tmp_path):
    for name in ("analysis/test/test_a.py", "core/test/package/test_b.py", "bench/test/test_c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(suites.python_suites(tmp_path)) == ["analysis", "bench", "package"]


def test_suites_are_known_before_anything_is_built():
    assert suites.declared_suites(ROOT) == {
        "core", "trace", "bench", "record", "trial", "fuzz"}


def test_an_unknown_suite_is_refused():
    with pytest.raises(UserError, match="did you mean 'rules'"):
        suites.run(["rulse"], False, False)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.setattr(suites, "ROOT", tmp_path)
    monkeypatch.setattr(suites, "MEMORY", tmp_path / "build" / "passed")
    (tmp_path / "build").mkdir()
    (tmp_path / ".gitignore").write_text("build/\n")
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "a.c").write_text("int a;\n")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


@pytest.mark.parametrize("code, outcome", [(4, "skipped"), (1, "failed"), (2, "failed")])
def test_what_a_machine_lacks_is_a_skip_and_other_errors_are_failures(code, outcome):
    def work():
        raise UserError("no such luck", code)
    result, = testing.attempt("t", work)
    assert result.outcome == outcome and "no such luck" in result.reason + result.output


def test_a_program_of_another_kind_of_machine_is_a_skip(tmp_path):
    program = tmp_path / "foreign"
    program.write_bytes(b"\x7fELF\x01" + bytes(60))
    program.chmod(0o755)
    result, = testing.attempt("t", lambda: subprocess.run([program], check=True))
    assert result.outcome == "skipped" and str(program) in result.reason


@pytest.mark.parametrize("outcome, times", [("passed", 1), ("failed", 2)])
def test_what_passed_and_is_unchanged_is_not_run_again(repository, capsys, outcome, times):
    ran = []
    results = [Result("a", "passed"), Result("b", outcome), Result("c", "skipped", "no disk")]
    group = suites.Group("release", lambda: ran.append(1) or results, ("core",))
    assert outcomes(suites.tell(group)) == outcomes(suites.tell(group)) == outcomes(results)
    assert len(ran) == times
    if outcome == "passed":
        assert "release: unchanged since the last pass: 3 tests" in capsys.readouterr().out
        (repository / "core" / "a.c").write_text("int b;\n")
        suites.tell(group)
        suites.tell(suites.Group("release", group.run, ("core",), ("other",)))
        assert len(ran) == 3
