"""Programs that a recorder has harmed, with the recorder and without: the same outcome and output,
bounded memory and processor time, and every event in the trace. And the same programs under
recorders with a planted bug, which one of them must notice."""

import dataclasses
import os
import pathlib
import resource
import shutil
import subprocess
import sys

import pytest

from analysis.building import meson
from analysis.fuzzing import planted
from analysis.measure import recorder
from analysis.system.exits import UserError
from analysis.system.files import ROOT

pytestmark = pytest.mark.slow

MEMORY_BYTES = 8 << 20
"""The ring and a program's tables are to be less."""

EVENT_S, START_S = 2e-6, 0.5
"""Processor time of a program for each event and once, far above what is measured (README.md: the
recorder's cost); what kind 1 costs is a hundred microseconds an event."""

CONVERTER_KIB = 16 << 10
"""What the converter may allocate."""

MODULE_BYTES = 1 << 30
"""No module is larger."""

PEAK_KIB = """import os, sys
_, status, used = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
print(used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))"""
# Runs a command from a small process: the kernel lets a child inherit the peak of its parent.
REPLAY_BYTES = 256 << 20
"""A replay holds the trace, and of each object what a program may well have written."""

LIBRARIES = 2000


@dataclasses.dataclass(frozen=True)
class Case:
    """What to run and how it is to come out.

    words: the program and its arguments, each after the folder that it stands in: {test} of what is
    built, {folder} of the test's own. pairs: allocations that each free one thing, of all
    processes; what starts and ends a program makes some more. threads: of its own process.
    makers: size → the function that allocates as much.
    """

    words: str
    pairs: int = 0
    resizes: int = 0
    threads: int = 1
    makers: dict[int, str] = dataclasses.field(default_factory=dict)
    everything: bool = False
    root: bool = False
    limit_s: int = 60

    @property
    def command(self):
        program = "" if self.words.startswith("{test}") else "{test}/record-cases "
        return program + self.words


CASES = [
    Case("cancel", 200_000, threads=2),
    Case("small-stack 8192", 40_000),
    Case("small-stack 10240", 40_000),
    Case("address-space", 1_000_010),
    Case("filtered", 200_001),
    Case("drops", 200_001, everything=True, root=True),
    Case("drops {folder}", 200_001, everything=True, root=True),
    Case("threads 100000", 100_004, resizes=400_000, threads=100_005),
    Case("reserves", 16, resizes=1),
    Case("leaves", 200_000, everything=True),
    Case("libraries {folder}", LIBRARIES * 200),
    Case("unloads {test}/record-alpha.so {test}/record-beta.so", 4,
         makers={7001: "record-alpha.so+0x{} alpha_makes", 7002: "record-beta.so+0x{} beta_makes"}),
    Case("plugin {test}/record-plugin.so", 1, threads=2),
    Case("{test}/record-host {test}/record-plugin.so", 0, threads=2, limit_s=20),
]


@pytest.fixture(scope="session", name="built")
def built_folder():
    return pathlib.Path(os.environ.get("POOLPROOF_BUILD") or meson.ensure_build("release"))


def with_little_memory(convert, folder):
    """A converter that may allocate CONVERTER_KIB."""
    limited = folder / "convert"
    limited.write_text(f"#!/bin/sh\nulimit -d {CONVERTER_KIB}\nexec '{convert}' \"$@\"\n")
    limited.chmod(0o755)
    return limited


def cpu_s(used):
    return used.ru_utime + used.ru_stime


def peak_bytes(output):
    """What a program says at the end of its output of its resident memory; 0 if it does not."""
    word, _, size = output.splitlines()[-1].partition(":")
    return int(size.split()[0]) * 1024 if word == "VmHWM" else 0


def run_bare(command):
    """(status, output, processor time in seconds)"""
    before = cpu_s(resource.getrusage(resource.RUSAGE_CHILDREN))
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    return (done.returncode, done.stdout,
            cpu_s(resource.getrusage(resource.RUSAGE_CHILDREN)) - before)


def judge(case, built, tools, folder, monkeypatch, capfd):
    """Runs a case without the recorder and with it; AssertionError if that makes a difference."""
    monkeypatch.setenv("CASES_LIMIT_S", str(case.limit_s))
    test = built / "bench/record/test"
    if case.words.startswith("libraries"):
        for number in range(1, LIBRARIES + 1):
            shutil.copy(test / "record-alpha.so", folder / f"{number}.so")
    command = case.command.format(test=test, folder=folder).split()
    status, output, bare_s = run_bare(command)
    assert status == 0
    recording = recorder.record(command, folder / "x.trace", tools=tools,
                                everything=case.everything)
    heard = capfd.readouterr().out
    assert recording.status == 0 and recording.unseen == []
    assert [line for line in heard.splitlines() if "VmHWM" not in line] == \
        [line for line in output.splitlines() if "VmHWM" not in line]
    assert peak_bytes(heard) < peak_bytes(output) + MEMORY_BYTES
    events = sum(image["events"] for image in recording.images)
    assert cpu_s(recording.used) < 2 * bare_s + EVENT_S * events + START_S
    judge_trace(case, built, recording)


def judge_trace(case, built, recording):
    """That everything is in the trace, and where it was."""
    assert recording.unfinished == 0 and recording.stopped is None
    images = recording.converted
    assert sum(image["missed_frees"] for image in images) == 0
    most = case.pairs + (LIBRARIES * 10 if case.words.startswith("libraries") else 400)
    for kind in ("alloc", "free"):
        assert case.pairs <= sum(image[kind] for image in images) <= most
    assert case.resizes <= sum(image["realloc"] for image in images) <= case.resizes + 20
    assert max(image["threads"] for image in images) == case.threads
    for trace in recording.traces:
        player = built / "core/trace/poolproof-trace"
        reserved = max(image["peak_live_bytes"] for image in images) > REPLAY_BYTES
        for words in (["malloc"], ["pool", "--lazy"]) if reserved else (["malloc"],):
            replay = subprocess.run(
                [sys.executable, "-I", "-S", "-c", PEAK_KIB, player, "run", "--on", *words, trace],
                stdout=subprocess.PIPE, text=True, check=True)
            assert int(replay.stdout.splitlines()[-1]) * 1024 < REPLAY_BYTES
        lines = subprocess.run([player, "print", trace], stdout=subprocess.PIPE, text=True,
                               check=True).stdout.splitlines()
        sites = [line.removeprefix("site ") for line in lines if line.startswith("site ")]
        assert not [site for site in sites if site.startswith("?") or
                    int(site.partition("+0x")[2].split()[0], 16) > MODULE_BYTES]
        for size, maker in case.makers.items():
            made = [line.split() for line in lines if line.startswith("alloc ")
                    and line.split()[2] == str(size)]
            assert made
            for words in made:
                site = sites[int(words[words.index("site") + 1]) - 1].split("+0x")
                assert [site[0], site[1].partition(" ")[2]] == maker.split("+0x{} ")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.words)
def test_a_case_is_as_without_the_recorder(case, built, tmp_path, monkeypatch, capfd):
    if case.root and os.geteuid() != 0:
        pytest.skip("only root can give up rights")
    folder = built / "bench/record"
    tools = recorder.Tools(folder / "libpoolproof-record.so",
                           with_little_memory(folder / "poolproof-convert", tmp_path))
    judge(case, built, tools, tmp_path, monkeypatch, capfd)


def test_a_long_trace_as_text_takes_little_memory(built, tmp_path):
    library = built / "bench/record/libpoolproof-record.so"
    convert = with_little_memory(built / "bench/record/poolproof-convert", tmp_path)
    recording = recorder.record([built / "bench/record/test/record-cases", "address-space"],
                                tmp_path / "x.txt", tools=recorder.Tools(library, convert),
                                form="text", quiet=True)
    image, = recording.converted
    assert image["alloc"] >= 1_000_010
    lines = (tmp_path / "x.txt").read_text().splitlines()
    operations = sum(line.startswith(("alloc ", "free ")) for line in lines)
    assert operations == image["operations"] and lines[-1] == f"end {operations}"


BUGS = planted.read_all(ROOT / "bench/record/test/bugs")


def compiled(built, tree, files):
    """The recorder's tools, of which that one is compiled from a copy of its sources which has one
    of these files."""
    source, folder = tree / "bench/record", built / "bench/record"
    flags = ["gcc", "-std=c11", "-O1", "-w", f"-I{source}", f"-I{ROOT}/core/trace",
             f"-I{ROOT}/core"]
    own = [source / name for name in ("recorder.c", "events.c", "attach.c", "calls.c",
                                      "operators.c")]
    library, convert = folder / "libpoolproof-record.so", folder / "poolproof-convert"
    if {path.name for path in own} & files:
        library = tree / "record.so"
        subprocess.run([*flags, "-shared", "-fPIC", "-fno-builtin", "-fexceptions",
                        "-fvisibility=hidden", "-Wl,-z,initfirst", *own, "-o", library], check=True)
    else:
        convert = tree / "poolproof-convert"
        subprocess.run([*flags, *set(source.glob("*.c")).difference(own),
                        built / "core/trace/libtrace.a", built / "core/libmem_pool.a", "-lz",
                        "-o", convert], check=True)
    return recorder.Tools(library, with_little_memory(convert, tree))


CONTROLS = ("events.c", "drain.c")


@pytest.mark.parametrize("bug", [*CONTROLS, *BUGS], ids=lambda bug: getattr(bug, "name", bug))
def test_a_planted_bug_is_noticed(bug, built, tmp_path, monkeypatch, capfd):
    """By the case that its patch names; without one, the same builds pass."""
    tree = tmp_path / "tree"
    control = bug in CONTROLS
    case = next(case for case in CASES if case.words == ("filtered" if control else bug.target))
    if case.root and os.geteuid() != 0:
        pytest.skip("only root can give up rights")
    if control:
        shutil.copytree(ROOT / "bench/record", tree / "bench/record")
        tools = compiled(built, tree, {bug})
        judge(case, built, tools, tmp_path, monkeypatch, capfd)
        return
    planted.copy_with(bug, tree)
    tools = compiled(built, tree, {pathlib.PurePath(file).name for file in bug.files})
    with pytest.raises((AssertionError, UserError)):
        judge(case, built, tools, tmp_path, monkeypatch, capfd)
