"""Plants bugs in copies of the pool, one at a time, and lets the fuzzer look for them.

Each bug's target starts from nothing with several seeds, each on a budget of executions, so that
the same seed gives the same numbers again. The scoreboard says of every bug whether it was reached,
went wrong and was found, after how many executions, and which oracle saw it. Controls stand beside
it: the pool as it is and changes that make no difference must stay unfound, a call that does
nothing must be found at once. Exit 0 if at least 95 % of the bugs that were reached are found and
the controls behave, else 1. Interrupted, it goes on where it was when run again.

examples:
  ./poolproof bugs --quick                  a few bugs, a minute
  ./poolproof bugs                          all of them, two million executions each for five seeds
  ./poolproof bugs no-merge-left --seeds 1
  ./poolproof bugs --refresh                rewrite patches that apply elsewhere than they say
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import difflib
import functools
import hashlib
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

from analysis.building import meson
from analysis.commands import fuzz
from analysis.fuzzing import findings, planted, scoreboard
from analysis.fuzzing.planted import Bug
from analysis.fuzzing.scoreboard import Score, Trial
from analysis.system.exits import FINDING, PASS, UserError
from analysis.system.files import named_path, only_one, output_folder

WORK = meson.BUILD_ROOT / "bugs"
BUDGET, SEEDS = 2_000_000, 5
QUICK_BUDGET, QUICK_SEEDS = 100_000, 1

QUICK = ("bin-left-marked", "free-twice-not-at-head", "leak-on-destroy", "link-left-in-chunk",
         "pointer-clobbered", "required-one-less", "rounded-size-opened", "shift-by-int",
         "short-way-link-left", "control-hollow-free", "control-wipe-edge")
"""What --quick plants: one bug for each oracle, and the controls."""

HANG_S = 10
"""A single execution that takes longer is a finding."""

LEAST_PER_SECOND = 200
"""A trial that is slower than this on the whole is given up."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bug", nargs="*", metavar="BUG", help="a patch's name in fuzz/bugs")
    parser.add_argument("--quick", action="store_true",
                        help=f"{len(QUICK)} of them, {QUICK_BUDGET:,} executions, one seed")
    parser.add_argument("--executions", type=fuzz.parse_amount, default=None, metavar="N",
                        help=f"of each seed (default {BUDGET:,})")
    parser.add_argument("--seeds", type=fuzz.parse_count, default=None, metavar="N",
                        help=f"how many, from 1 on (default {SEEDS})")
    parser.add_argument("--jobs", type=fuzz.parse_count, default=None, metavar="N",
                        help="processes at a time (default: one for each processor)")
    parser.add_argument("-o", "--output", type=named_path, default=WORK / "results",
                        metavar="DIR",
                        help="where the scoreboard goes (default build/bugs/results)")
    parser.add_argument("--list", action="store_true", help="name the bugs, and what each breaks")
    parser.add_argument("--refresh", action="store_true",
                        help="rewrite patches that apply elsewhere than they say; plant nothing")


def choose(wanted: list[str], quick: bool, known: list[Bug]) -> list[Bug]:
    """The bugs that are meant, with the clean pool for each of their targets; UserError for an
    unknown one."""
    names = {bug.name: bug for bug in known}
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean '{near[0]}'?" if near else "see ./poolproof bugs --list"
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
                   f"-max_len={fuzz.SHORT_INPUT_BYTES if seed else fuzz.MOST_INPUT_BYTES}",
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


class Campaign:
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
            inputs = [str(file) for place in fuzz.folders_of(bug.target)
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


def refresh(bugs: list[Bug]) -> int:
    """Rewrites what applies elsewhere; returns the exit code."""
    failed = 0
    for bug in bugs:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                if planted.refresh(bug, pathlib.Path(scratch)):
                    print(f"{bug.name}: rewritten")
            except UserError as error:
                failed += 1
                print(error)
    print(f"{len(bugs) - failed} of {len(bugs)} patches apply")
    return FINDING if failed else PASS


def run(args: argparse.Namespace) -> int:
    known = planted.read_all()
    bugs = choose(args.bug, args.quick, known)
    named = [bug for bug in bugs if bug in known]
    if args.list:
        for bug in named:
            print(f"{bug.name:<28}{bug.target:<18}{bug.oracle:<20}{bug.sentence}")
        return PASS
    if args.refresh:
        return refresh(named)
    output_folder(args.output)
    folders = {sanitizer: meson.ensure_build(meson.FUZZERS[sanitizer])
               for sanitizer in sorted({bug.sanitizer for bug in bugs})}
    WORK.mkdir(parents=True, exist_ok=True)
    with only_one(WORK / ".lock", "another command plants bugs; waiting for it"):
        return plant(args, bugs, folders)


def plant(args: argparse.Namespace, bugs: list[Bug], folders: dict[str, pathlib.Path]) -> int:
    executions = args.executions or (QUICK_BUDGET if args.quick else BUDGET)
    campaign = Campaign(folders, executions, args.seeds or (QUICK_SEEDS if args.quick else SEEDS))
    jobs = args.jobs or len(os.sched_getaffinity(0))
    start = time.monotonic()
    scores: list[Score] = []
    broken: list[str] = []
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(campaign.score, bug): bug for bug in bugs}
        try:
            for done in concurrent.futures.as_completed(waiting):
                try:
                    scores.append(done.result())
                    said = scoreboard.line(scores[-1])
                except UserError as error:
                    broken.append(waiting[done].name)
                    said = str(error)
                print(f"[{len(scores) + len(broken)}/{len(bugs)}] {said}", flush=True)
        except BaseException:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)  # what is over is kept; a moment
            campaign.stop.set()
            for one in waiting:
                one.cancel()
            raise
    seconds = time.monotonic() - start
    places = {bug.name: at for at, bug in enumerate(bugs)}
    scores.sort(key=lambda score: places[score.bug.name])
    board = scoreboard.board(scores, sorted(broken), executions, campaign.seeds, seconds,
                             meson.compiler_version(meson.compilers("clang")[0]))
    scoreboard.write(board, scores, args.output)
    print(scoreboard.verdict(board))
    print(f"scoreboard: {fuzz.relative(args.output / 'scoreboard.md')}")
    sys.stdout.flush()
    return PASS if board["holds"] else FINDING
