"""Trials of planted bugs: each bug built into its target, and the target fuzzed from nothing."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import json
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time
from typing import Sequence

from analysis.building import meson
from analysis.fuzzing import findings, libfuzzer, planted, scoreboard
from analysis.fuzzing.planted import Bug
from analysis.fuzzing.scoreboard import Score, Trial
from analysis.fuzzing.session import folders_of
from analysis.system.exits import UserError
from analysis.system.terminal import did_you_mean

WORK = meson.BUILD_ROOT / "bugs"

QUICK = ("bin-left-marked", "free-twice-not-at-head", "leak-on-destroy", "link-left-in-chunk",
         "pointer-clobbered", "required-one-less", "rounded-size-opened", "shift-by-int",
         "short-way-link-left", "control-hollow-free", "control-wipe-edge")
"""What --quick plants: one bug for each oracle, and the controls."""

HANG_S = 10
"""A single execution that takes longer is a finding."""

LEAST_PER_SECOND = 200
"""A trial that is slower than this on the whole is given up."""


def choose(wanted: list[str], quick: bool, known: list[Bug]) -> list[Bug]:
    """The bugs that are meant, with the clean pool for each of their targets; UserError for an
    unknown one."""
    names = {bug.name: bug for bug in known}
    for name in wanted:
        if name not in names:
            hint = did_you_mean(name, names, "see ./poolproof bugs --list")
            raise UserError(f"there is no planted bug '{name}'; {hint}")
    chosen = wanted or ([name for name in QUICK if name in names] if quick else list(names))
    bugs = [names[name] for name in dict.fromkeys(chosen)]
    places = sorted({(bug.target, bug.sanitizer) for bug in bugs})
    return bugs + [planted.clean(target, sanitizer) for target, sanitizer in places]


def read_marks(path: pathlib.Path) -> tuple[int, int | None, int | None]:
    """(executions, the first that reached the bug, the first that went wrong by it)."""
    try:
        executions, reached, wrong = struct.unpack("<QQQ", path.read_bytes())
    except (OSError, struct.error):
        return 0, None, None
    return executions, reached or None, wrong or None


def oracle_of(said: str) -> str:
    """Which oracle ended a process, by what it printed."""
    report = findings.read_report(said)
    if report is not None:
        return report.oracle
    for words, oracle in (("libFuzzer: timeout", "time"), ("out-of-memory", "memory")):
        if words in said:
            return oracle
    return "crash"


def wait(process: subprocess.Popen, seconds: float, stop: threading.Event) -> int:
    """The process's exit code. If it takes longer, or all is to stop, it is ended."""
    end = time.monotonic() + seconds
    while not stop.is_set() and time.monotonic() < end:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=0.25)
    process.kill()
    return process.wait()


@functools.lru_cache(maxsize=None)
def steady() -> tuple[str, ...]:
    """What runs a program at the same addresses every time, where the system allows that."""
    words = ("setarch", "-R")
    if not shutil.which(words[0]):
        return ()
    tried = subprocess.run([*words, "true"], stderr=subprocess.DEVNULL, check=False)
    return words if tried.returncode == 0 else ()


def attempt(program: pathlib.Path, seed: int, executions: int, inputs: list[str],
            stop: threading.Event) -> Trial:
    """Runs a target from nothing for so many executions, or with seed 0 on these inputs alone."""
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        scratch = pathlib.Path(folder)
        # Where the heap starts depends on the length of what a process is told, so that is alike
        # wherever the tree stands; and addresses are not to be random.
        command = [*steady(), f"../{program.name}", f"-seed={seed or 1}", "-artifact_prefix=./",
                   "-max_len=" + str(libfuzzer.SHORT_INPUT_BYTES if seed
                                     else libfuzzer.MOST_INPUT_BYTES),
                   f"-timeout={HANG_S}",
                   "-rss_limit_mb=1024", "-verbosity=0"]
        command += inputs if seed == 0 else [f"-runs={executions}"]
        surroundings = findings.surroundings()
        surroundings["ASAN_OPTIONS"] += ":symbolize=0"
        surroundings["POOLPROOF_MARKS"] = str(scratch / "marks")
        with (scratch / "said").open("w+b") as said:
            process = subprocess.Popen(command, cwd=scratch, env=surroundings, stderr=said,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       start_new_session=True)
            code = wait(process, 60 + executions / LEAST_PER_SECOND, stop)
            said.seek(0)
            text = said.read(1 << 20).decode(errors="replace")
        done, reached, wrong = read_marks(scratch / "marks")
    return Trial(seed, done, reached, wrong, done if code != 0 else None,
                 oracle_of(text) if code != 0 else None)


class TrialRunner:
    """Every trial of a run, and the file that remembers those that are over."""

    def __init__(self, folders: dict[str, pathlib.Path], executions: int, seeds: int) -> None:
        self.folders = folders
        self.executions = executions
        self.seeds = seeds
        self.memory = WORK / "trials.jsonl"
        self.known = {(said["key"], said["seed"], said["executions"]): Trial(**said["trial"])
                      for said in _read_lines(self.memory)}
        self.lock = threading.Lock()
        self.stop = threading.Event()

    def score(self, bug: Bug) -> Score:
        """Plants one bug and looks for it with every seed."""
        work = WORK / bug.name
        work.mkdir(parents=True, exist_ok=True)
        try:
            program = planted.build_target(bug, self.folders[bug.sanitizer], work)
            inputs = [str(file) for place in folders_of(bug.target)
                      for file in sorted(place.iterdir()) if file.name != "README.md"]
            seeds = 1 if bug.kind == "equivalent" else self.seeds  # one that lasts says enough
            trials = [self._trial(program, seed, inputs) for seed in range(seeds + 1)]
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return Score(bug, trials[0], trials[1:])

    def _trial(self, program: pathlib.Path, seed: int, inputs: list[str]) -> Trial:
        executions = self.executions if seed else 0
        needed = [program, *([] if seed else map(pathlib.Path, inputs))]
        key = hashlib.sha256(b"".join(file.read_bytes() for file in needed)).hexdigest()[:16]
        if (key, seed, executions) in self.known:
            return self.known[key, seed, executions]
        if self.stop.is_set():
            raise KeyboardInterrupt
        trial = attempt(program, seed, executions, inputs, self.stop)
        if self.stop.is_set():
            raise KeyboardInterrupt
        with self.lock, self.memory.open("a", encoding="utf-8") as stream:
            said = {"key": key, "seed": seed, "executions": executions,
                    "trial": dataclasses.asdict(trial)}
            stream.write(json.dumps(said) + "\n")
        return trial


def _read_lines(path: pathlib.Path) -> list[dict]:
    """The whole lines of a file that may have been cut short."""
    lines = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def run_all(runner: TrialRunner, bugs: Sequence[Bug], jobs: int) -> tuple[list[Score], list[str]]:
    """(every bug's score in their order, the names of those that could not be planted). Says each
    when it is known; interrupted, it keeps the trials that are over."""
    scores: dict[str, Score] = {}
    broken: list[str] = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(runner.score, bug): bug for bug in bugs}
        try:
            for done in concurrent.futures.as_completed(waiting):
                name = waiting[done].name
                try:
                    scores[name] = done.result()
                    said = scoreboard.line(scores[name])
                except UserError as error:
                    broken.append(name)
                    said = str(error)
                print(f"[{len(scores) + len(broken)}/{len(bugs)}] {said}", flush=True)
        except BaseException:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)  # what is over is kept; a moment
            runner.stop.set()
            for one in waiting:
                one.cancel()
            raise
    return [scores[bug.name] for bug in bugs if bug.name in scores], sorted(broken)
