"""Results are read whole from Meson, TAP and pytest, counted once, and told with their reasons."""

import json

import pytest

from analysis.quality import testing
from analysis.quality.testing import Result
from analysis.system.files import ROOT

TAP = """1..5
ok 1 - one
not ok 2 - two
# 0x1 != 0x2
# life.x:11: error: Failure!
no huge pages
not ok 3 # SKIP three
ok 4 - four # skip no network
# ok - group
"""


def entry(result="OK", code=0, out="", err="", name="proof:core+slow / life"):
    return {"name": name, "result": result, "returncode": code, "stdout": out, "stderr": err}


def outcomes(results):
    return [(result.name, result.outcome) for result in results]


def test_tap_gives_each_subtest():
    results = list(testing.read_tap("t", TAP))
    assert outcomes(results) == [
        ("t/one", "passed"), ("t/two", "failed"), ("t/three", "skipped"), ("t/four", "skipped")]
    assert results[1].output.splitlines()[1:] == ["# 0x1 != 0x2", "# life.x:11: error: Failure!"]
    assert [result.reason for result in results[2:]] == ["no huge pages", "no network"]


@pytest.mark.parametrize("log", ["testlog.json", "testlog-valgrind.json"])
def test_mesons_log_is_found_also_where_a_wrapper_names_it(log, tmp_path, monkeypatch):
    logs = tmp_path / "meson-logs"
    for folder in (logs, tmp_path / "meson-info"):
        folder.mkdir()
    tests = [{"name": "life", "protocol": "exitcode", "suite": ["poolproof:core"]}]
    (tmp_path / "meson-info" / "intro-tests.json").write_text(json.dumps(tests))
    (logs / "testlog-older.json").write_text("of another run")

    def run(*_):
        (logs / log).write_text(json.dumps(
            {"name": "poolproof:core / life", "result": "OK", "returncode": 0}))
        return 0, ""
    monkeypatch.setattr(testing, "watch", run)
    assert testing.run_meson("x", tmp_path, None) == [Result("x: core/life", "passed")]


def test_a_plain_test_is_one_result():
    results = testing.read_meson_test("release", entry(), tap=set())
    assert outcomes(results) == [("release: core/life", "passed")]


def test_a_crash_after_good_subtests_is_a_failure():
    crashed = entry("ERROR", -6, "1..3\nok 1 - one\n", "SUMMARY: AddressSanitizer: heap-overflow\n")
    results = testing.read_meson_test("sanitize", crashed, tap={"life"})
    assert outcomes(results) == [
        ("sanitize: core/life/one", "passed"), ("sanitize: core/life", "failed")]
    assert "killed by SIGABRT" in results[1].output and "SUMMARY" in results[1].output


@pytest.mark.parametrize("result", ["FAIL", "TIMEOUT", "ERROR", "UNEXPECTEDPASS", "INTERRUPT"])
def test_whatever_is_not_sound_is_a_failure(result):
    results = testing.read_meson_test("release", entry(result, 1), tap=set())
    assert [result.outcome for result in results] == ["failed"]


def test_what_a_build_leaves_out_is_a_skip_with_its_reason():
    said = ("# left out: nothing is cached\nok 1 - one\nok 2 - two\n"
            "# left out: x\nnot ok 3 - three\n")
    results = list(testing.read_tap("t", said))
    assert [(result.name, result.outcome) for result in results] == [
        ("t/one", "skipped"), ("t/two", "passed"), ("t/three", "failed")]
    assert results[0].reason == "nothing is cached"


def test_a_tap_test_that_ran_nothing_is_a_failure():
    results = testing.read_meson_test("release", entry(out="1..0\n"), tap={"life"})
    assert [result.outcome for result in results] == ["failed"]


@pytest.mark.parametrize("out, err, reason", [
    ("1..0 # SKIP no compiler\n", "", "no compiler"),
    ("", "no disk\n", "no disk"),
    ("", "", "no reason given"),
])
def test_a_skip_has_its_reason(out, err, reason):
    results = testing.read_meson_test("release", entry("SKIP", 77, out, err), tap={"life"})
    assert [(result.outcome, result.reason) for result in results] == [("skipped", reason)]


def test_reads_pytest(tmp_path):
    report = tmp_path / "junit.xml"
    report.write_text("""<testsuites><testsuite>
      <testcase classname="analysis.test.test_plan" name="a"/>
      <testcase classname="analysis.test.test_plan" name="b"><failure>E  1 != 2</failure></testcase>
      <testcase classname="analysis.test.test_plan" name="c"><skipped message="no gcc"/></testcase>
      <testcase classname="" name="test_x"><error message="collection"/></testcase>
    </testsuite></testsuites>""")
    assert testing.read_junit("analysis", report) == [
        Result("analysis: test_plan/a", "passed"),
        Result("analysis: test_plan/b", "failed", output="E  1 != 2"),
        Result("analysis: test_plan/c", "skipped", "no gcc"),
        Result("analysis: test_x", "failed", output="collection"),
    ]


@pytest.mark.parametrize("results, code, last", [
    ([Result("a", "passed"), Result("b", "skipped", "no\ncompiler")], 0,
     "1 passed, 0 failed, 1 skipped"),
    ([Result("a", "passed"), Result("b", "failed", output="E  x")], 1,
     "1 passed, 1 failed, 0 skipped"),
    ([Result("b", "skipped", "r")], 1, "0 passed, 0 failed, 1 skipped"),
    ([], 1, "0 passed, 0 failed, 0 skipped"),
])
def test_the_count_is_the_last_line(results, code, last, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(testing, "LOGS", tmp_path)
    assert testing.conclude(results, 1.0) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == last
    if any(result.name == "b" and result.outcome == "skipped" for result in results):
        assert any(line.startswith("skipped: b: ") for line in lines[:-1])


def test_a_failure_names_its_log_and_says_the_telling_lines(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(testing, "LOGS", tmp_path)
    noise = [f"line {n}" for n in range(50)]
    output = "\n".join([*noise, "x.c:3: runtime error: shift", *noise])
    testing.conclude([Result("release: core/life", "failed", output=output)], 1.0)
    out = capsys.readouterr().out
    log = tmp_path / "release-core-life.log"
    assert log.read_text() == output + "\n" and log.name in out
    assert "runtime error: shift" in out and "line 7" not in out


def test_of_a_python_failure_only_its_own_words_are_shown():
    source = [f"    raise ValueError({n})  # Error" for n in range(20)]
    output = "\n".join([*source, "E   assert 1 == 2", "", "analysis/plan.py:3: AssertionError"])
    assert testing.telling_lines(output) == [
        "E   assert 1 == 2", "analysis/plan.py:3: AssertionError"]


def test_suites_are_named_after_their_folders(tmp_path):
    files = ["analysis/test/test_a.py", "core/test/package/test_b.py", "bench/test/test_c.py"]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(testing.find_python_suites(tmp_path)) == ["analysis", "bench", "package"]


def test_suites_are_known_before_anything_is_built(tmp_path):
    (tmp_path / "fuzz").mkdir()
    (tmp_path / "fuzz" / "meson.build").write_text("test('a', b, suite: 'odd')\n")
    assert testing.declared_suites(tmp_path) == {"odd"}
    assert testing.declared_suites(ROOT) == {
        "core", "trace", "bench", "record", "fuzz", "analysis"}


def test_watch_ends_what_hangs():
    command = ["sh", "-c", "echo a; exec sleep 60"]
    code, output = testing.watch(command, {}, "t", testing.TELLING, limit_s=0.2)
    assert code != 0 and "timed out" in output
