"""The two engines that drive a fuzz target: how each is started and watched, and what it leaves.

libFuzzer is linked into its targets. AFL++ runs them in a loop of its own, through the driver that
it brings for libFuzzer's entry point; the targets' sources are the same, compiled with its
counters.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import shutil
import subprocess
import time
from typing import Callable, Iterator, Protocol, TextIO

from analysis.fuzzing import findings
from analysis.system.exits import UNFIT, UserError
from analysis.system.process import find_program

POLL_S = 0.5
HANG_S = 20
MEMORY_MB = 2048


@dataclasses.dataclass(frozen=True)
class Status:
    """How far a process is."""

    executions: int
    edges: int = 0
    features: int = 0
    corpus: int = 0


@dataclasses.dataclass(frozen=True)
class Task:
    """What one process is to do; it ends by whichever limit is reached first."""

    program: pathlib.Path
    work: pathlib.Path
    learned: pathlib.Path
    """Where inputs that reach something new are kept."""
    seeds: list[pathlib.Path]
    """Folders of inputs that are read alone."""
    dictionary: pathlib.Path | None
    seed: int
    longest: int
    """Bytes of an input, at most."""
    seconds: float | None = None
    executions: int | None = None


class Engine(Protocol):
    """One of the two."""

    name: str

    def start(self, task: Task) -> subprocess.Popen:
        """Starts a process that runs until one of its limits, or its first finding."""

    def follow(self, process: subprocess.Popen, task: Task, log: TextIO,
               learn: Callable[[Status], None]) -> int:
        """Tells of its progress until it ends; returns its exit code, 0 if nothing was found."""

    def artifacts(self, work: pathlib.Path) -> Iterator[pathlib.Path]:
        """The failing inputs that it left."""


# --- libFuzzer ------------------------------------------------------------------------------------


def parse_status(line: str) -> Status | None:
    """libFuzzer's progress in a line of its stderr, or None if the line is another.

    Such a line is '#', the executions, a tab, an event, and pairs of a word with a colon and a
    value:
    '#2048 \\tNEW    cov: 240 ft: 410 corp: 12/96b lim: 8 exec/s: 1024 rss: 40Mb L: 8/8 MS: 2 …'.
    """
    words = line.split()
    if len(words) < 4 or not words[0].startswith("#") or not words[0][1:].isdigit():
        return None
    values = dict(zip(words[1:], words[2:]))
    corpus = values.get("corp:", "0").partition("/")[0]
    edges, features = values.get("cov:", "0"), values.get("ft:", "0")
    if "exec/s:" not in values or not (corpus + edges + features).isdigit():
        return None
    return Status(int(words[0][1:]), int(edges), int(features), int(corpus))


def parse_executions(line: str) -> int | None:
    """The number of executions in libFuzzer's final statistics, or None if the line is another."""
    name, _, value = line.partition(":")
    value = value.removeprefix(":").partition(":")[2].strip() if name == "stat" else ""
    if not line.startswith("stat::number_of_executed_units:") or not value.isdigit():
        return None
    return int(value)


class LibFuzzer:
    """Part of the target's program; tells its progress on stderr."""

    name = "libfuzzer"

    def start(self, task: Task) -> subprocess.Popen:
        command = [
            str(task.program), str(task.learned), *map(str, task.seeds), f"-seed={task.seed}",
            f"-artifact_prefix={task.work}/", f"-max_len={task.longest}", f"-timeout={HANG_S}",
            f"-rss_limit_mb={MEMORY_MB}", "-print_final_stats=1",
        ]
        if task.seconds is not None:
            command.append(f"-max_total_time={max(1, int(task.seconds))}")
        if task.executions is not None:
            command.append(f"-runs={task.executions}")
        if task.dictionary is not None:
            command.append(f"-dict={task.dictionary}")
        return subprocess.Popen(
            command, cwd=task.work, env=findings.surroundings(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
            start_new_session=True)

    def follow(self, process: subprocess.Popen, task: Task, log: TextIO,
               learn: Callable[[Status], None]) -> int:
        for line in process.stderr or ():
            log.write(line)
            status = parse_status(line)
            executions = parse_executions(line)
            if status or executions is not None:
                learn(status or Status(executions or 0))
        return process.wait()

    def artifacts(self, work: pathlib.Path) -> Iterator[pathlib.Path]:
        """A slow input alone is no failure."""
        for kind in ("crash", "timeout", "oom", "leak"):
            yield from sorted(work.glob(f"{kind}-*"))


# --- AFL++ ----------------------------------------------------------------------------------------


def parse_stats(text: str) -> Status | None:
    """AFL++'s progress in its file fuzzer_stats, or None if it is not whole yet."""
    values = {name.strip(): value.strip() for name, _, value in
              (line.partition(":") for line in text.splitlines())}
    try:
        return Status(int(values["execs_done"]), int(values["edges_found"]), 0,
                      int(values["corpus_count"]))
    except (KeyError, ValueError):
        return None


class Afl:
    """A program that runs the target; keeps its own folder of what it learns."""

    name = "afl"

    def start(self, task: Task) -> subprocess.Popen:
        program = find_program("afl-fuzz")
        if program is None:
            raise UserError("afl-fuzz is missing; install afl++", UNFIT)
        inputs = task.work / "inputs"
        inputs.mkdir()
        for folder in (task.learned, *task.seeds):
            for file in sorted(folder.iterdir()):
                if file.is_file() and file.name != "README.md":
                    shutil.copy(file, inputs / file.name[:60])
        if not any(inputs.iterdir()):
            (inputs / "nothing").write_bytes(b"\0")
        command = [program, "-i", str(inputs), "-o", str(task.work / "afl"), "-s", str(task.seed),
                   "-t", f"{HANG_S * 50}", "-m", "none", "-G", str(task.longest)]
        if task.seconds is not None:
            command += ["-V", str(max(1, int(task.seconds)))]
        if task.executions is not None:
            command += ["-E", str(task.executions)]
        if task.dictionary is not None:
            command += ["-x", str(task.dictionary)]
        variables = findings.surroundings() | {
            "AFL_NO_UI": "1", "AFL_SKIP_CPUFREQ": "1", "AFL_NO_AFFINITY": "1",
            "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1", "AFL_TESTCACHE_SIZE": "8",
            "AFL_IGNORE_SEED_PROBLEMS": "1", "AFL_BENCH_UNTIL_CRASH": "1",
        }
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            variables[name] += ":abort_on_error=1:symbolize=0"
        variables["ASAN_OPTIONS"] += ":detect_leaks=0"
        variables["MSAN_OPTIONS"] = "exit_code=86:abort_on_error=1:symbolize=0"
        mutator = task.program.with_name(f"lib{task.program.name.partition('_')[0]}_mutator.so")
        if mutator.exists():
            variables["AFL_CUSTOM_MUTATOR_LIBRARY"] = str(mutator)
        return subprocess.Popen(
            [*command, "--", str(task.program)], cwd=task.work, env=variables,
            stdin=subprocess.DEVNULL, stdout=(task.work / "log.txt").open("w"),
            stderr=subprocess.STDOUT, start_new_session=True)

    def follow(self, process: subprocess.Popen, task: Task, log: TextIO,
               learn: Callable[[Status], None]) -> int:
        stats = task.work / "afl" / "default" / "fuzzer_stats"
        while True:
            code = process.poll()
            status = parse_stats(stats.read_text(errors="replace")) if stats.exists() else None
            if status:
                learn(status)
            if code is not None:
                break
            time.sleep(POLL_S)
        for file in sorted((task.work / "afl" / "default" / "queue").glob("id:*")):
            content = file.read_bytes()
            kept = task.learned / hashlib.sha1(content).hexdigest()
            if ",orig:" not in file.name and not kept.exists():
                kept.write_bytes(content)
        found = any(self.artifacts(task.work))
        return 1 if found or not stats.exists() else 0

    def artifacts(self, work: pathlib.Path) -> Iterator[pathlib.Path]:
        for kind in ("crashes", "hangs"):
            yield from sorted((work / "afl" / "default" / kind).glob("id:*"))


ENGINES: dict[str, Engine] = {engine.name: engine for engine in (LibFuzzer(), Afl())}
