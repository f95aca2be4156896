"""Attacks the pool with generated traces until the time is over.

Each target is a libFuzzer program under AddressSanitizer and UndefinedBehaviorSanitizer. What it
learns is kept in build/fuzz-corpus/TARGET between runs, and what fails in build/findings/TARGET,
made small and readable, with the one command that runs it again. Exit 0 if nothing was found, 1
with findings.

examples:
  ./poolproof fuzz                          every target, 60 s in all
  ./poolproof fuzz pool_api --time 10m      one target for ten minutes
  ./poolproof fuzz --time 8h --jobs 8 --seed 1
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import difflib
import json
import math
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import Iterator

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from analysis import build, environment, findings

SEEDS = environment.ROOT / "fuzz"
CORPUS = build.BUILD_ROOT / "fuzz-corpus"
SUMMARY = findings.KEPT / "summary.json"

BUILDS = {"address": "fuzz", "undefined": "fuzz-undefined", "memory": "fuzz-memory"}
"""Sanitizer → the build whose targets it watches; with the first go the oracles of the shadow."""

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

PLAIN_EVERY_S = 5.0


@dataclasses.dataclass(frozen=True)
class Status:
    """One of libFuzzer's lines of progress."""

    executions: int
    edges: int
    features: int
    corpus: int


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
        raise environment.UserError(f"'{text}' is no duration; write 30s, 5m, 2h or 1d")
    if int(digits) * unit > 366 * 86400:
        raise environment.UserError(f"'{text}' is more than a year")
    return float(int(digits) * unit)


def parse_count(text: str) -> int:
    """A whole number from 1 to 1024."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1024:
        raise environment.UserError(f"'{text}' is not a number from 1 to 1024")
    return int(text)


def parse_seed(text: str) -> int:
    """A whole number from 1 to 2^32 - 1: libFuzzer takes 0 for no seed."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) < 1 << 32:
        raise environment.UserError(f"'{text}' is not a number from 1 to 4294967295")
    return int(text)


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


def check_targets(wanted: list[str], known: list[str]) -> list[str]:
    """The targets that are meant, each once; all if none is named. UserError for an unknown one."""
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
            raise environment.UserError(f"there is no fuzz target '{name}'; {hint}")
    return list(dict.fromkeys(wanted)) or known


class Run:
    """One run of the fuzzers: jobs in threads, each with one libFuzzer process at a time."""

    def __init__(self, folder: pathlib.Path, targets: list[str], jobs: int, seconds: float,
                 seed: int, corpus: pathlib.Path) -> None:
        self.folder = folder
        self.seed = seed
        self.seconds = seconds
        self.corpus = corpus
        self.work = build.BUILD_ROOT / "fuzz-work"
        self.turns = plan(targets, jobs, seconds)
        self.progress = {target: Progress(target) for target in targets}
        self.lock = threading.RLock()
        self.keeping = threading.Lock()  # one finding is made small at a time
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
            if any(_artifacts(work)) and target in findings.targets(self.folder):
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
            try:
                while not self.stop.is_set() and stalled < STALLED:
                    left = deadline - time.monotonic()
                    if left < LEAST_S:
                        break
                    news = self._attack(slot, turn.target, min(left, LAST_TURN_S),
                                        random_seeds.randrange(1, 1 << 32))
                    stalled = stalled + 1 if news == 0 else 0
            except (OSError, environment.UserError) as error:
                with self.lock:
                    self.progress[turn.target].troubles.append(str(error))

    def _attack(self, slot: int, target: str, seconds: float, seed: int) -> int | None:
        """Runs one process. Returns None if it found nothing, else how much of it is new."""
        progress = self.progress[target]
        work = self.work / f"{target}-{slot}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        learned = self.corpus / target
        learned.mkdir(parents=True, exist_ok=True)
        longest = SHORT_INPUT_BYTES if seed % LONG_EVERY else MOST_INPUT_BYTES
        command = [
            str(self.folder / "fuzz" / target), str(learned), *map(str, folders_of(target)),
            f"-seed={seed}", f"-max_total_time={max(1, int(seconds))}", f"-artifact_prefix={work}/",
            f"-max_len={longest}", "-timeout=20", "-rss_limit_mb=2048",
            "-print_final_stats=1",
        ]
        dictionary = SEEDS / "dictionaries" / f"{target}.dict"
        if dictionary.exists():
            command.append(f"-dict={dictionary}")
        start = time.monotonic()
        with (work / "log.txt").open("w", encoding="utf-8", errors="replace") as log:
            process = subprocess.Popen(
                command, cwd=work, env=findings.surroundings(), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
                start_new_session=True)
            with self.lock:
                self.processes[slot] = process
                progress.since[slot] = start
                progress.running[slot] = 0
            if self.stop.is_set():
                process.send_signal(signal.SIGINT)
            for line in process.stderr or ():
                log.write(line)
                self._learn(progress, slot, line)
            code = process.wait()
        with self.lock:
            del self.processes[slot]
            progress.busy_s += time.monotonic() - progress.since.pop(slot)
            progress.ended += progress.running.pop(slot)
        if code == 0 or (self.stop.is_set() and not any(_artifacts(work))):
            return None
        return self._keep(target, work, code, seed)

    def _learn(self, progress: Progress, slot: int, line: str) -> None:
        status = parse_status(line)
        executions = status.executions if status else parse_executions(line)
        with self.lock:
            if executions is not None:
                progress.running[slot] = max(progress.running[slot], executions)
            if status:
                progress.edges = max(progress.edges, status.edges)
                progress.features = max(progress.features, status.features)
                progress.corpus = max(progress.corpus, status.corpus)

    def _keep(self, target: str, work: pathlib.Path, code: int, seed: int) -> int:
        """Keeps what a process that failed left behind. Returns how much of it is new."""
        progress = self.progress[target]
        artifacts = list(_artifacts(work))
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


def _artifacts(work: pathlib.Path) -> Iterator[pathlib.Path]:
    """The failing inputs that libFuzzer left; a slow one alone is no failure."""
    for kind in ("crash", "timeout", "oom", "leak"):
        yield from sorted(work.glob(f"{kind}-*"))


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


def table(run: Run, now: float) -> Table:
    """The state of every target."""
    left = run.left_s()
    ending = f"{show_duration(left)} left" if left > 0 else "finishing"
    rows = Table(box=box.SIMPLE_HEAD, title=f"fuzzing with seed {run.seed}, {ending}",
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
            f"{len(progress.findings)} findings, {show_duration(run.left_s())} left"
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


def relative(path: pathlib.Path) -> str:
    """A path as the user would type it from where they are."""
    shorter = os.path.relpath(path)
    return shorter if len(shorter) < len(str(path)) else str(path)


# --- The command ----------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", nargs="*", metavar="TARGET", help="a file's name in fuzz/targets")
    parser.add_argument("--time", type=parse_duration, default=60.0, metavar="TIME",
                        help="for all targets together: 30s, 5m, 2h or 1d (default 60s)")
    parser.add_argument("--jobs", type=parse_count, default=None, metavar="N",
                        help="processes at a time (default: one for each processor)")
    parser.add_argument("--seed", type=parse_seed, default=None, metavar="N",
                        help="the run's randomness (default: a new one, which is shown)")
    parser.add_argument("--corpus", type=pathlib.Path, default=CORPUS, metavar="DIR",
                        help="where what is learned is kept (default build/fuzz-corpus)")


def run(args: argparse.Namespace) -> int:
    folder = build.ensure_build("fuzz")
    targets = check_targets(args.target, findings.targets(folder))
    jobs = args.jobs or len(os.sched_getaffinity(0))
    seed = args.seed or random.SystemRandom().randrange(1, 1 << 32)
    corpus = args.corpus.absolute()
    for target in targets:
        (corpus / target).mkdir(parents=True, exist_ok=True)
        reduce_corpus(folder, target, corpus)
    findings.KEPT.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False)
    attack = Run(folder, targets, jobs, args.time, seed, corpus)
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
    with environment.whole_file(SUMMARY) as stream:
        json.dump(facts, stream, indent=1)
        stream.write("\n")
    print_summary(attack, facts, console)
    sys.stdout.flush()
    if facts["findings"]:
        return environment.FINDING
    if any(progress["troubles"] for progress in facts["targets"]) or facts["executions"] == 0:
        return environment.UNFIT if not interrupted else environment.PASS
    return environment.PASS
