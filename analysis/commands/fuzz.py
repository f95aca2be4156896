"""Attacks the pool with generated traces until the time is over.

Each target is a libFuzzer program under AddressSanitizer and UndefinedBehaviorSanitizer, unless
--engine and --sanitizer say otherwise. What it
learns is kept in build/fuzz-corpus/TARGET between runs, and what fails in build/findings/TARGET,
made small and readable, with the one command that runs it again. Exit 0 if nothing was found, 1
with findings.

examples:
  ./poolproof fuzz                          every target, 60 s in all
  ./poolproof fuzz pool_api --time 10m      one target for ten minutes
  ./poolproof fuzz --time 8h --jobs 8 --seed 1
  ./poolproof fuzz --executions 200m        goes on where it was when it is run again
  ./poolproof fuzz --trace mine.trace       begins with pieces of a recorded program
  ./poolproof fuzz --engine afl --sanitizer undefined --time 5m
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import difflib
import itertools
import json
import math
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from analysis.building import meson
from analysis.fuzzing import engines, execution_count, findings, result_reader
from analysis.fuzzing.engines import Status
from analysis.system.exits import FINDING, PASS, UNFIT, UserError
from analysis.system.files import ROOT, only_one, whole_file
from analysis.system.process import say

SEEDS = ROOT / "fuzz"
CORPUS = meson.BUILD_ROOT / "fuzz-corpus"
SUMMARY = findings.KEPT / "summary.json"

CAMPAIGNS = meson.BUILD_ROOT / "fuzz-campaign"
MULTIPLES = {"k": 1_000, "m": 1_000_000}

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MOST_INPUT_BYTES = 1028
"""The longest input: the settings and 256 operations. More is never read by a pool target."""

SHORT_INPUT_BYTES = 260
"""As many for 64 operations: most of what goes wrong needs fewer, and they run four times as
fast."""

LONG_EVERY = 4
"""One process in so many may make inputs of the greatest length."""

LAST_TURN_S = 600.0
"""A process is started anew after so long: logs stay short, and jobs learn from each other."""

LEAST_S = 0.5
"""Less time than this is not worth a process."""

STALLED = 4
"""A target that ends so often in a row with what is already known gives up its turn."""

CROWDED = 4000
"""A corpus of more files than this is reduced to what it needs before a run."""

SETTINGS_BYTES = 3
"""What is in front of an input's operations."""

SLICES = 64
"""So many pieces of a trace are put among what each target has learned."""

PLAIN_EVERY_S = 5.0


@dataclasses.dataclass
class Progress:
    """What is known of a target in this run. Counted by its jobs, under the run's lock."""

    target: str
    ended: int = 0  # executions of processes that are over
    running: dict[int, int] = dataclasses.field(default_factory=dict)  # slot → executions so far
    busy_s: float = 0.0  # of processes that are over, added up
    since: dict[int, float] = dataclasses.field(default_factory=dict)  # slot → start
    edges: int = 0
    features: int = 0
    corpus: int = 0
    findings: list[dict] = dataclasses.field(default_factory=list)
    repeated: int = 0  # failures that were known already
    troubles: list[str] = dataclasses.field(default_factory=list)

    @property
    def executions(self) -> int:
        return self.ended + sum(self.running.values())

    def per_second(self, now: float) -> float:
        """Executions a second and job."""
        busy = self.busy_s + sum(now - start for start in self.since.values())
        return self.executions / busy if busy > 0 else 0.0


@dataclasses.dataclass(frozen=True)
class Turn:
    """A job's time on a target."""

    target: str
    seconds: float


def parse_duration(text: str) -> float:
    """Seconds of a word such as 30s, 5m, 2h or 1d; UserError for any other."""
    unit = UNITS_S.get(text[-1:])
    digits = text[:-1]
    if unit is None or not digits.isascii() or not digits.isdigit() or int(digits) == 0:
        raise UserError(f"'{text}' is no duration; write 30s, 5m, 2h or 1d")
    if int(digits) * unit > 366 * 86400:
        raise UserError(f"'{text}' is more than a year")
    return float(int(digits) * unit)


def parse_amount(text: str) -> int:
    """A number of executions such as 5000, 2,000,000, 500k or 200m; UserError for any other."""
    digits = text.replace(",", "").replace("_", "")
    factor = MULTIPLES.get(digits[-1:].lower(), 1)
    digits = digits[:-1] if factor > 1 else digits
    if not digits.isascii() or not digits.isdigit() or not 1 <= int(digits) * factor <= 10 ** 12:
        raise UserError(f"'{text}' is no number of executions; write 5000 or 200m")
    return int(digits) * factor


def parse_count(text: str) -> int:
    """A whole number from 1 to 1024."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1024:
        raise UserError(f"'{text}' is not a number from 1 to 1024")
    return int(text)


def parse_seed(text: str) -> int:
    """A whole number from 1 to 2^32 - 1: libFuzzer takes 0 for no seed."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) < 1 << 32:
        raise UserError(f"'{text}' is not a number from 1 to 4294967295")
    return int(text)


def plan(targets: list[str], jobs: int, seconds: float) -> list[list[Turn]]:
    """For each job its turns, one after the other, so that every job works for all the time.

    With fewer targets than jobs several jobs share one; otherwise each job divides its time evenly
    among every jobs-th target.
    """
    shares = [targets[slot::jobs] or [targets[slot % len(targets)]] for slot in range(jobs)]
    return [[Turn(target, seconds / len(share)) for target in share] for share in shares]


def folders_of(target: str, root: pathlib.Path = SEEDS) -> list[pathlib.Path]:
    """The repository's inputs for a target: its family's, its own, and its regressions.

    The family is the name's first word: all pool targets read the same kind of bytes.
    """
    family = target.partition("_")[0]
    places = [root / "corpus" / family, root / "corpus" / target, root / "regressions" / target]
    return [place for place in places if place.is_dir()]


def learn_traces(folder: pathlib.Path, traces: Sequence[pathlib.Path], targets: Sequence[str],
                 corpus: pathlib.Path) -> None:
    """Puts pieces of recorded traces among what each target that runs the pool has learned."""
    pools = [target for target in targets if target.startswith("pool_")]
    if traces and not pools:
        raise UserError("--trace is for targets that run the pool, pool_api and others")
    with tempfile.TemporaryDirectory() as scratch:
        for trace in traces:
            pieces = [piece for piece in
                      findings.slices(folder, trace, SLICES, pathlib.Path(scratch))
                      if piece.stat().st_size > SETTINGS_BYTES]
            if not pieces:
                raise UserError(f"{trace} holds no operation that a pool can play")
            for target, piece in itertools.product(pools, pieces):
                shutil.copyfile(piece, corpus / target / piece.name)
            say(f"pieces of {trace}: {len(pieces)}, for {', '.join(pools)}")


def check_targets(wanted: list[str], known: list[str]) -> list[str]:
    """The targets that are meant, each once; all if none is named. UserError for an unknown one."""
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
            raise UserError(f"there is no fuzz target '{name}'; {hint}")
    return list(dict.fromkeys(wanted)) or known


class Run:
    """One run of the fuzzers: jobs in threads, each with one libFuzzer process at a time."""

    def __init__(self, folder: pathlib.Path, targets: list[str], jobs: int, seconds: float,
                 seed: int, corpus: pathlib.Path, engine: engines.Engine = engines.LibFuzzer(),
                 sanitizer: str = "address", ledger: execution_count.Ledger | None = None) -> None:
        self.folder = folder
        self.engine = engine
        self.sanitizer = sanitizer
        self.ledger = ledger
        self.seed = seed
        self.seconds = seconds
        self.corpus = corpus
        self.work = meson.BUILD_ROOT / "fuzz-work"
        # With a ledger every job takes any target's share, so none has turns of its own.
        self.turns = plan(targets[:1] if ledger else targets, jobs, seconds)
        self.progress = {target: Progress(target) for target in targets}
        self.lock = threading.RLock()
        self.keeping = threading.Lock()  # one finding is made small at a time
        self.reducing = threading.Lock()
        self.stop = threading.Event()
        self.processes: dict[int, subprocess.Popen] = {}
        self.start = time.monotonic()
        self.threads = [
            threading.Thread(target=self._work, args=(slot, turns), daemon=True)
            for slot, turns in enumerate(self.turns)
        ]

    def begin(self) -> None:
        self.start = time.monotonic()
        for thread in self.threads:
            thread.start()

    def rescue(self) -> None:
        """Keeps what a run that was killed had found and not yet kept."""
        for work in sorted(self.work.glob("*-*")):
            target = work.name.rpartition("-")[0]
            left = any(any(kind.artifacts(work)) for kind in engines.ENGINES.values())
            if left and target in findings.targets(self.folder):
                self.progress.setdefault(target, Progress(target))
                self._keep(target, work, 0, 0)
            shutil.rmtree(work, ignore_errors=True)

    def is_busy(self) -> bool:
        return any(thread.is_alive() for thread in self.threads)

    def left_s(self) -> float:
        return max(0.0, self.start + self.seconds - time.monotonic())

    def interrupt(self) -> None:
        """Asks every process to end and waits until what was found is kept."""
        self.stop.set()
        with self.lock:
            running = list(self.processes.values())
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        for thread in self.threads:
            thread.join(timeout=findings.MINIMISE_S)

    def _work(self, slot: int, turns: list[Turn]) -> None:
        """A job: its turns, and in each a process after the other until the turn's time is over."""
        random_seeds = random.Random(self.seed * 1024 + slot)
        deadline = self.start
        for turn in turns:
            deadline += turn.seconds
            stalled = 0
            target = turn.target
            try:
                while not self.stop.is_set() and stalled < STALLED:
                    left = deadline - time.monotonic()
                    claimed = self.ledger.claim() if self.ledger else None
                    if left < LEAST_S or (self.ledger and not claimed):
                        break
                    target, executions = claimed or (turn.target, None)
                    news = self._attack(slot, target, min(left, LAST_TURN_S),
                                        random_seeds.randrange(1, 1 << 32), executions)
                    stalled = stalled + 1 if news == 0 else 0
            except (OSError, UserError) as error:
                with self.lock:
                    self.progress[target].troubles.append(str(error))

    def _attack(self, slot: int, target: str, seconds: float, seed: int,
                executions: int | None = None) -> int | None:
        """Runs one process. Returns None if it found nothing, else how much of it is new."""
        progress = self.progress[target]
        work = self.work / f"{target}-{slot}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        learned = self.corpus / target
        learned.mkdir(parents=True, exist_ok=True)
        with self.reducing:
            reduce_corpus(self.folder, target, self.corpus)
        dictionary = SEEDS / "dictionaries" / f"{target}.dict"
        task = engines.Task(
            self.folder / "fuzz" / target, work, learned, folders_of(target),
            dictionary if dictionary.exists() else None, seed,
            SHORT_INPUT_BYTES if seed % LONG_EVERY else MOST_INPUT_BYTES, seconds, executions)
        start = time.monotonic()
        with (work / "log.txt").open("w", encoding="utf-8", errors="replace") as log:
            process = self.engine.start(task)
            with self.lock:
                self.processes[slot] = process
                progress.since[slot] = start
                progress.running[slot] = 0
            if self.stop.is_set():
                process.send_signal(signal.SIGINT)
            code = self.engine.follow(process, task, log,
                                      lambda status: self._learn(progress, slot, status))
        with self.lock:
            del self.processes[slot]
            busy = time.monotonic() - progress.since.pop(slot)
            progress.busy_s += busy
            done = progress.running.pop(slot)
            progress.ended += done
        found = code != 0 and (not self.stop.is_set() or any(self.engine.artifacts(work)))
        news = self._keep(target, work, code, seed) if found else None
        if self.ledger and executions is not None:
            self.ledger.settle(target, executions, done, busy, progress.edges, progress.features,
                               progress.corpus, news or 0)
        return news

    def _learn(self, progress: Progress, slot: int, status: Status) -> None:
        with self.lock:
            progress.running[slot] = max(progress.running[slot], status.executions)
            progress.edges = max(progress.edges, status.edges)
            progress.features = max(progress.features, status.features)
            progress.corpus = max(progress.corpus, status.corpus)

    def _keep(self, target: str, work: pathlib.Path, code: int, seed: int) -> int:
        """Keeps what a process that failed left behind. Returns how much of it is new."""
        progress = self.progress[target]
        artifacts = [file for kind in engines.ENGINES.values() for file in kind.artifacts(work)]
        log_file = work / "log.txt"
        log = log_file.read_text(encoding="utf-8", errors="replace") if log_file.exists() else ""
        if not artifacts:
            said = [line for line in log.splitlines() if line.strip()][-1:]
            with self.lock:
                progress.troubles.append(
                    f"{target} ended with {code} and no input: {' '.join(said)}")
            self.stop.wait(1)
            return 0
        news = 0
        for artifact in artifacts:
            facts = {
                "executions": progress.executions,
                "seconds": round(time.monotonic() - self.start, 1),
                "seed": self.seed,
                "process_seed": seed,
                "engine": self.engine.name,
                "sanitizer": self.sanitizer,
            }
            with self.keeping:
                place, is_new = findings.keep(self.folder, target, artifact, log, facts)
            about = json.loads((place / "finding.json").read_text())
            with self.lock:
                if str(place) in (known["place"] for known in progress.findings):
                    progress.repeated += 1
                else:
                    progress.findings.append({"place": str(place), "new": is_new, **about})
                    news += 1
        return news


def reduce_corpus(folder: pathlib.Path, target: str, corpus: pathlib.Path) -> None:
    """Replaces a crowded corpus by the few inputs that reach as much; if that fails it stays."""
    old = corpus / target
    if not old.is_dir() or sum(1 for _ in os.scandir(old)) <= CROWDED:
        return
    new = corpus / f".{target}.reduced"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    done = subprocess.run([str(folder / "fuzz" / target), "-merge=1", str(new), str(old)],
                          env=findings.surroundings(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if done.returncode == 0 and any(os.scandir(new)):
        aside = corpus / f".{target}.old"
        shutil.rmtree(aside, ignore_errors=True)
        old.rename(aside)
        new.rename(old)
        shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(new, ignore_errors=True)


# --- What is shown --------------------------------------------------------------------------------


def show_duration(seconds: float) -> str:
    """'59 s', '4:05' or '2:00:00'."""
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def show_left(run: Run) -> str:
    """What there is still to do."""
    if run.ledger:
        left = run.ledger.goal - run.ledger.executions
        return f"{left:,} of {run.ledger.goal:,} executions left" if left > 0 else "finishing"
    return f"{show_duration(run.left_s())} left" if run.left_s() > 0 else "finishing"


def table(run: Run, now: float) -> Table:
    """The state of every target."""
    rows = Table(box=box.SIMPLE_HEAD, title=f"fuzzing with seed {run.seed}, {show_left(run)}",
                 title_justify="left", padding=(0, 1, 0, 0))
    rows.add_column("target", no_wrap=True, min_width=max(map(len, run.progress)))
    for column in ("executions", "a second", "edges", "features", "corpus", "findings"):
        rows.add_column(column, justify="right", no_wrap=True)
    with run.lock:
        for progress in run.progress.values():
            count = len(progress.findings)
            name = Text(progress.target, style="bold" if progress.since else "")
            rows.add_row(name, f"{progress.executions:,}", f"{progress.per_second(now):,.0f}",
                         f"{progress.edges:,}", f"{progress.features:,}", f"{progress.corpus:,}",
                         Text(str(count), style="bold red" if count else "dim"))
    return rows


def plain_lines(run: Run, now: float) -> list[str]:
    """One line for each target that is running, for a log."""
    with run.lock:
        return [
            f"{progress.target}: {progress.executions:,} executions, "
            f"{progress.per_second(now):,.0f} a second, {progress.edges:,} edges, "
            f"{progress.features:,} features, corpus {progress.corpus:,}, "
            f"{len(progress.findings)} findings, {show_left(run)}"
            for progress in run.progress.values() if progress.since
        ]


def watch(run: Run, console: Console) -> None:
    """Shows the run until it is over."""
    if console.is_terminal:
        with Live(table(run, time.monotonic()), console=console, refresh_per_second=4) as live:
            while run.is_busy():
                time.sleep(0.25)
                live.update(table(run, time.monotonic()))
        return
    shown = time.monotonic()
    while run.is_busy():
        time.sleep(0.1)
        if time.monotonic() - shown >= PLAIN_EVERY_S:
            shown = time.monotonic()
            for line in plain_lines(run, shown):
                print(line, flush=True)


def summary(run: Run, interrupted: bool) -> dict:
    """The run for machines; every duration in seconds."""
    now = time.monotonic()
    with run.lock:
        return {
            "schema": "1",
            "seed": run.seed,
            "engine": run.engine.name,
            "sanitizer": run.sanitizer,
            "campaign": str(run.ledger.path) if run.ledger else None,
            "seconds": round(now - run.start, 1),
            "interrupted": interrupted,
            "executions": sum(progress.executions for progress in run.progress.values()),
            "findings": sum(len(progress.findings) for progress in run.progress.values()),
            "targets": [
                {
                    "target": progress.target,
                    "executions": progress.executions,
                    "executions_per_second": round(progress.per_second(now), 1),
                    "edges": progress.edges,
                    "features": progress.features,
                    "corpus": progress.corpus,
                    "findings": progress.findings,
                    "repeated": progress.repeated,
                    "troubles": progress.troubles,
                }
                for progress in run.progress.values()
            ],
        }


def print_summary(run: Run, facts: dict, console: Console) -> None:
    """The end of a run: what was done, what was found, and how to see each finding again."""
    if not console.is_terminal:
        console.print(table(run, time.monotonic()))
    for progress in facts["targets"]:
        for trouble in progress["troubles"]:
            print(f"trouble: {trouble}")
        if progress["repeated"]:
            print(f"{progress['target']} failed {progress['repeated']} times more with what is "
                  "below")
        for finding in progress["findings"]:
            known = "" if finding["new"] else ", known from an earlier run"
            where = f" at {finding['operation']}" if finding["operation"] else ""
            print(f"\nfinding in {progress['target']} after {finding['executions']:,} executions"
                  f"{known}: the {finding['oracle']} oracle{where}")
            print(f"  {finding['message']}")
            print(f"  ./poolproof reproduce {relative(pathlib.Path(finding['place']) / 'input')}")
    ending = "interrupted after" if facts["interrupted"] else "in"
    print(f"\n{facts['executions']:,} executions {ending} {facts['seconds']:.0f} s, "
          f"{facts['findings']} findings (seed {facts['seed']}; {relative(SUMMARY)})")
    if run.ledger:
        print(f"campaign: {run.ledger.executions:,} of {run.ledger.goal:,} executions done "
              f"({relative(run.ledger.path)})")


def relative(path: pathlib.Path) -> str:
    """A path as the user would type it from where they are."""
    shorter = os.path.relpath(path)
    return shorter if len(shorter) < len(str(path)) else str(path)


# --- The command ----------------------------------------------------------------------------------


LOCK = ".fuzzing.lock"
"""In the build folder; a build of the targets holds another meanwhile."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", nargs="*", metavar="TARGET", help="a file's name in fuzz/targets")
    parser.add_argument("--time", type=parse_duration, default=None, metavar="TIME",
                        help="for all targets together: 30s, 5m, 2h or 1d (default 60s)")
    parser.add_argument("--executions", type=parse_amount, default=None, metavar="N",
                        help="until so many are done, by this run or one before: 5000, 500k, 200m")
    parser.add_argument("--record", type=pathlib.Path, default=None, metavar="FILE",
                        help="where --executions keeps count (default build/fuzz-campaign/…)")
    parser.add_argument("--engine", choices=list(engines.ENGINES), default="libfuzzer")
    parser.add_argument("--sanitizer", choices=list(meson.FUZZERS), default="address",
                        help="address watches the shadow; under undefined a pool takes the short "
                             "way of alloc and free (default address)")
    parser.add_argument("--jobs", type=parse_count, default=None, metavar="N",
                        help="processes at a time (default: one for each processor)")
    parser.add_argument("--seed", type=parse_seed, default=None, metavar="N",
                        help="the run's randomness (default: a new one, which is shown)")
    parser.add_argument("--trace", type=pathlib.Path, nargs="+", action="extend", default=[],
                        metavar="FILE",
                        help="begin with pieces of these recorded traces too")
    parser.add_argument("--corpus", type=pathlib.Path, default=CORPUS, metavar="DIR",
                        help="where what is learned is kept (default build/fuzz-corpus)")


def open_ledger(args: argparse.Namespace, folder: pathlib.Path,
                targets: list[str]) -> execution_count.Ledger | None:
    """The count of executions, if that is what the run is to reach."""
    if args.executions is None:
        if args.record is not None:
            raise UserError("--record keeps count of --executions; give both")
        return None
    facts = {"engine": args.engine, "sanitizer": args.sanitizer,
             "compiler": f"clang {meson.compiler_version(meson.compilers('clang')[0])}"}
    path = args.record or CAMPAIGNS / f"{args.engine}-{args.sanitizer}.json"
    return execution_count.Ledger(path.absolute(), args.executions,
                           {target: folder / "fuzz" / target for target in targets}, facts)


def run(args: argparse.Namespace) -> int:
    meson.BUILD_ROOT.mkdir(parents=True, exist_ok=True)
    with only_one(meson.BUILD_ROOT / LOCK,
                              "another ./poolproof fuzz works in this tree; waiting for it"):
        return run_alone(args)


def run_alone(args: argparse.Namespace) -> int:
    name = meson.FUZZERS[args.sanitizer] + ("-afl" if args.engine == "afl" else "")
    folder = meson.ensure_build(name)
    if args.engine == "libfuzzer" and args.sanitizer == "address":
        result_reader.install(folder)
    targets = check_targets(args.target, findings.targets(folder))
    jobs = args.jobs or len(os.sched_getaffinity(0))
    seed = args.seed or random.SystemRandom().randrange(1, 1 << 32)
    corpus = args.corpus.absolute()
    ledger = open_ledger(args, folder, targets)
    seconds = args.time or (60.0 if ledger is None else 366.0 * 86400)
    for target in targets:
        (corpus / target).mkdir(parents=True, exist_ok=True)
    learn_traces(folder, args.trace, targets, corpus)
    findings.KEPT.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False)
    attack = Run(folder, targets, jobs, seconds, seed, corpus, engines.ENGINES[args.engine],
                 args.sanitizer, ledger)
    interrupted = False
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the same for a job that is stopped
    try:
        attack.rescue()
        attack.begin()
        watch(attack, console)
    except KeyboardInterrupt:
        interrupted = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what was found is being kept; a moment
        attack.interrupt()
    facts = summary(attack, interrupted)
    with whole_file(SUMMARY) as stream:
        json.dump(facts, stream, indent=1)
        stream.write("\n")
    print_summary(attack, facts, console)
    sys.stdout.flush()
    if facts["findings"]:
        return FINDING
    idle = facts["executions"] == 0 and not (ledger and ledger.complete)
    if any(progress["troubles"] for progress in facts["targets"]) or idle:
        return UNFIT if not interrupted else PASS
    return PASS
