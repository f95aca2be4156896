"""Run folders that are cut short, damaged, mixed, locked or full: one clear line, nothing lost."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import json
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
from typing import Any, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as make

from analysis import __main__
from analysis.runs import records
from analysis.runs.samples import Refusal
from analysis.system.exits import UserError
from analysis.system.files import ROOT
from analysis.test import synthetic

Files = dict[str, list[bytes]]
"""Name → its lines, without compression."""

LAUNCHES = "launches.jsonl.gz"


@functools.cache
def originals() -> Files:
    """The files of a small run with every part."""
    with tempfile.TemporaryDirectory() as folder:
        record = synthetic.make_record({"pair/64": synthetic.EXAMPLE["pair/64"]}, 2,
                                       synthetic.normal(0.01))
        synthetic.write(synthetic.with_parts(record), pathlib.Path(folder))
        return {path.name: gzip.decompress(path.read_bytes()).splitlines(keepends=True)
                if path.suffix == ".gz" else [path.read_bytes()]
                for path in sorted(pathlib.Path(folder).iterdir())}


def packed(lines: list[bytes]) -> list[bytes]:
    return [gzip.compress(line, 1, mtime=0) for line in lines]


def write(folder: pathlib.Path, files: Files) -> None:
    for name, lines in files.items():
        content = packed(lines) if name.endswith(".gz") else lines
        (folder / name).write_bytes(b"".join(content))


@pytest.fixture(name="run")
def _run(tmp_path: pathlib.Path) -> pathlib.Path:
    write(tmp_path, originals())
    return tmp_path


def complaint(folder: pathlib.Path) -> str:
    """The one line that reading ends with."""
    with pytest.raises(UserError) as refused:
        records.read(folder)
    said = str(refused.value)
    assert said.strip() and said.isprintable(), said
    return said


# --- Killed while writing ------------------------------------------------------------------------


def test_a_file_cut_anywhere_holds_its_whole_lines_and_takes_the_next(run: pathlib.Path) -> None:
    whole = records.read(run).launches
    members = packed(originals()[LAUNCHES][:3])
    content, path = b"".join(members), run / LAUNCHES
    ends = [sum(map(len, members[:number])) for number in range(4)]
    cuts = {*range(0, len(content), 97), *(end + step for end in ends for step in (-1, 0, 1))}
    for cut in sorted(cuts & set(range(len(content) + 1))):
        path.write_bytes(content[:cut])
        kept = sum(end <= cut for end in ends) - 1
        assert records.read(run).launches == whole[:kept], cut
        appender = records.Appender(path)
        appender.append(whole[kept])
        appender.close()
        assert records.read(run).launches == whole[:kept + 1], cut


def test_a_killed_writer_loses_at_most_what_it_was_writing(run: pathlib.Path) -> None:
    (run / LAUNCHES).unlink()
    script = """if True:
        import pathlib, sys
        from analysis.runs import records
        from analysis.runs.samples import Refusal
        appender = records.Appender(pathlib.Path(sys.argv[1]))
        for number in range(10**6):
            appender.append(Refusal("pair/64", "pool", number, "x" * 5000, False))
            print(number, flush=True)
        """
    with subprocess.Popen([sys.executable, "-c", script, run / LAUNCHES], cwd=ROOT,
                          stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(40)]
        writer.send_signal(signal.SIGKILL)
        said += writer.stdout.readlines()
    refusals = records.read(run).refusals
    assert [entry.round for entry in refusals] == list(range(len(refusals)))
    assert len(refusals) >= sum(line.endswith("\n") for line in said) >= 40


def test_on_a_full_disk_no_part_of_a_line_stays(run: pathlib.Path) -> None:
    path = run / LAUNCHES
    before = path.read_bytes()
    more = dataclasses.replace(records.read(run).launches[0], launch=99)
    appender = records.Appender(path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))
        with pytest.raises(OSError):
            appender.append(more)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before
    appender.append(more)
    appender.close()
    assert records.read(run).launches[-1] == more


def test_a_run_has_one_writer(run: pathlib.Path) -> None:
    first = records.Appender(run / LAUNCHES)
    with pytest.raises(UserError, match="is being written by another process$"):
        records.Appender(run / LAUNCHES)
    first.close()
    records.Appender(run / LAUNCHES).close()


# --- Damaged -------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [1, 2, 3])
def test_a_damaged_line_is_named_and_nothing_is_cut_off(run: pathlib.Path, line: int) -> None:
    members = packed(originals()[LAUNCHES][:3])
    middle = len(members[line - 1]) // 2
    members[line - 1] = members[line - 1][:middle] + bytes(8) + members[line - 1][middle + 8:]
    content = b"".join(members)
    (run / LAUNCHES).write_bytes(content)
    assert complaint(run) == f"{run / LAUNCHES}, line {line} is damaged: it cannot be unpacked"
    with pytest.raises(UserError, match=f"line {line} is damaged"):
        records.Appender(run / LAUNCHES)
    assert (run / LAUNCHES).read_bytes() == content


def with_value(*path: Any, value: Any) -> Callable[[Any], None]:
    """Replaces the value at a place."""
    def edit(whole: Any) -> None:
        for key in path[:-1]:
            whole = whole[key]
        whole[path[-1]] = value
    return edit


@pytest.mark.parametrize("name, edit, said", [
    ("run.json", with_value("schema", value=99), "has schema 99, and this Poolproof reads schema"),
    ("run.json", lambda plan: plan.pop("seed"), "is not as it should be: must contain"),
    ("run.json", lambda plan: plan["benchmark"].pop("path"), "benchmark must contain"),
    ("run.json", lambda plan: plan["arms"].append(plan["arms"][0]), "arm 'pool' is there twice"),
    ("run.json", with_value("workloads", 0, "arms", 0, value="odd"), "'odd' that is not among"),
    (LAUNCHES, with_value("schema", value=1), "line 2 has schema 1, and this Poolproof reads"),
    (LAUNCHES, with_value("wall_s", value="1"), "line 2 is not as it should be: wall_s must be"),
    (LAUNCHES, with_value("wall_s", value=float("nan")), "line 2 is damaged: NaN is not a number"),
    (LAUNCHES, with_value("extra\n", value=1), "line 2 is not as it should be: must not contain"),
    (LAUNCHES, lambda launch: launch["sides"].pop(), "sides must contain at least 2 items"),
    (LAUNCHES, lambda launch: launch["sides"][1]["cpu_ns"].pop(), "and first differ in length"),
    (LAUNCHES, with_value("sides", 0, "cpu_ns", 0, value=0), "must be bigger than or equal to 1"),
    (LAUNCHES, with_value("sides", 1, "alone_cpu_ns", 0, value=0), "must be bigger than or equal"),
    (LAUNCHES, with_value("sides", 0, "slices", value=0), "slices must be bigger than or equal"),
    (LAUNCHES, with_value("sides", 0, "slices", value=2), "not as often of each slice"),
    (LAUNCHES, with_value("sides", 1, "slices", value=3), "not as often of each slice"),
    (LAUNCHES, with_value("sides", 0, "arm", value="\x1b[2J"), "run.json does not plan it"),
    (LAUNCHES, with_value("sides", 0, "benchmark_sha256", value="0" * 64), "another benchmark"),
    (LAUNCHES, lambda launch: launch.update(json.loads(originals()[LAUNCHES][0])), "there twice"),
])
def test_what_does_not_hold_is_named(run: pathlib.Path, name: str, edit: Callable[[Any], None],
                                     said: str) -> None:
    lines = list(originals()[name])
    at = min(1, len(lines) - 1)
    value = json.loads(lines[at])
    edit(value)
    lines[at] = json.dumps(value).encode() + b"\n"
    write(run, originals() | {name: lines})
    assert str(run / name) in complaint(run) and said in complaint(run)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 9000, b'"a\nb"', b"null"])
def test_what_is_no_run_is_refused(content: bytes, run: pathlib.Path) -> None:
    (run / "run.json").write_bytes(content)
    assert str(run / "run.json") in complaint(run)
    write(run, originals() | {LAUNCHES: [content + b"\n"]})
    assert f"{run / LAUNCHES}, line 1 is" in complaint(run) or content == b""


def test_folders_that_are_none(tmp_path: pathlib.Path) -> None:
    assert complaint(tmp_path / "absent").endswith("absent: no such directory")
    assert complaint(tmp_path).endswith("is not a run folder: it has no run.json")
    (tmp_path / "file").write_text("")
    assert complaint(tmp_path / "file").endswith("file: not a directory")


def test_what_a_run_refused_stands_beside_what_counts(run: pathlib.Path) -> None:
    whole = records.read(run)
    refused = [Refusal("pair/64", "pool", 7, "it crashed", True),
               Refusal("pair/64", "glibc", 7, "another malloc", False)]
    for name in (LAUNCHES, "probes.jsonl.gz"):
        appender = records.Appender(run / name)
        for entry in refused:
            appender.append(entry)
        appender.close()
    again = records.read(run)
    assert (again.launches, again.probes) == (whole.launches, whole.probes)
    assert again.refusals == again.probe_refusals == refused


def test_a_run_that_measured_time_alone_has_no_probes(run: pathlib.Path) -> None:
    (run / "probes.jsonl.gz").unlink()
    read = records.read(run)
    assert (read.probes, read.probe_refusals) == ([], []) and read.launches


@pytest.mark.parametrize("words, name", [
    ("report RUN", "run.json"), ("report RUN", LAUNCHES), ("compare RUN OTHER", "run.json"),
    ("compare OTHER RUN", LAUNCHES), ("bench --resume RUN", "run.json"),
])
def test_each_command_that_reads_a_run_says_it_in_one_line(
        run: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture, words: str, name: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write(other, originals())
    (run / name).write_bytes(b"\x1f\x8b" * 40)
    monkeypatch.setenv("POOLPROOF_INSTALL", "no")
    monkeypatch.setattr(sys, "argv", ["poolproof", *(
        {"RUN": str(run), "OTHER": str(other)}.get(word, word) for word in words.split())])
    assert __main__.main() == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert said.err.startswith("poolproof: ") and name in said.err


# --- Anything at all -----------------------------------------------------------------------------

ODD = make.one_of(make.none(), make.booleans(), make.integers(), make.floats(),
                  make.text(max_size=20), make.just("../.."), make.just([]), make.just({}))


def places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value inside of a JSON value."""
    inside = list(value.items() if isinstance(value, dict) else
                  enumerate(value) if isinstance(value, list) else ())
    return [(value, key) for key, _ in inside] + [at for _, part in inside for at in places(part)]


@make.composite
def damaged(draw: make.DrawFn) -> Files:
    """A run of which one line has one value replaced or removed, or other bytes."""
    name = draw(make.sampled_from(sorted(originals())))
    lines = list(originals()[name])
    at = draw(make.integers(0, min(len(lines), 40) - 1))
    if draw(make.booleans()):
        value = json.loads(lines[at])
        container, key = draw(make.sampled_from(places(value)))
        container[key] = draw(ODD)
        if draw(make.booleans()):
            del container[key]
        lines[at] = json.dumps(value).encode()
    else:
        start = draw(make.integers(0, len(lines[at])))
        lines[at] = lines[at][:start] + draw(make.binary(max_size=40)) + lines[at][start + 1:]
    return originals() | {name: lines}


@settings(max_examples=200, derandomize=True, deadline=None)
@given(damaged())
def test_damage_is_read_or_refused_in_one_line(files: Files) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(pathlib.Path(folder), files)
        try:
            records.read(pathlib.Path(folder))
        except UserError as error:
            assert str(error).strip() and "\n" not in str(error)
