"""A run of the fuzzers: jobs in threads, each with one libFuzzer process at a time.

libFuzzer's own -fork=N starts a process every few seconds and reads all inputs for each: in 30 s on
pool_api it made 550 executions a processor second, where one process makes 1,350. So jobs stay
here: each keeps a process for its whole turn.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence

from analysis.building import meson
from analysis.fuzzing import execution_count, findings, libfuzzer
from analysis.fuzzing.libfuzzer import Status
from analysis.system.exits import UserError
from analysis.system.files import ROOT
from analysis.system.process import say
from analysis.system.terminal import did_you_mean

SEEDS = ROOT / "fuzz"

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


def share_turns(targets: list[str], jobs: int, seconds: float) -> list[list[Turn]]:
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
            raise UserError(f"there is no fuzz target '{name}'; {did_you_mean(name, known)}")
    return list(dict.fromkeys(wanted)) or known


class Session:
    """Everything that a run of the command does while time is left."""

    def __init__(self, folder: pathlib.Path, targets: list[str], jobs: int, seconds: float,
                 seed: int, corpus: pathlib.Path, sanitizer: str = "address",
                 count: execution_count.Count | None = None) -> None:
        self.folder = folder
        self.sanitizer = sanitizer
        self.count = count
        self.seed = seed
        self.seconds = seconds
        self.corpus = corpus
        self.work = meson.BUILD_ROOT / "fuzz-work"
        # With a count every job takes any target's share, so none has turns of its own.
        turns = share_turns(targets[:1] if count else targets, jobs, seconds)
        self.progress = {target: Progress(target) for target in targets}
        self.lock = threading.RLock()
        self.keeping = threading.Lock()  # one finding is made small at a time
        self.reducing = threading.Lock()
        self.stop = threading.Event()
        self.processes: dict[int, subprocess.Popen] = {}
        self.start = time.monotonic()
        self.threads = [threading.Thread(target=self._work, args=(slot, mine), daemon=True)
                        for slot, mine in enumerate(turns)]

    def begin(self) -> None:
        self.start = time.monotonic()
        for thread in self.threads:
            thread.start()

    def rescue(self) -> None:
        """Keeps what a run that was killed had found and not yet kept."""
        for work in sorted(self.work.glob("*-*")):
            target = work.name.rpartition("-")[0]
            if any(libfuzzer.artifacts(work)) and target in findings.targets(self.folder):
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
                    claimed = self.count.claim() if self.count else None
                    if left < LEAST_S or (self.count and not claimed):
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
        longest = libfuzzer.SHORT_INPUT_BYTES if seed % LONG_EVERY else libfuzzer.MOST_INPUT_BYTES
        job = libfuzzer.Job(
            self.folder / "fuzz" / target, work, learned, folders_of(target),
            dictionary if dictionary.exists() else None, seed, longest, seconds, executions)
        start = time.monotonic()
        with (work / "log.txt").open("w", encoding="utf-8", errors="replace") as log:
            process = libfuzzer.start(job)
            with self.lock:
                self.processes[slot] = process
                progress.since[slot] = start
                progress.running[slot] = 0
            if self.stop.is_set():
                process.send_signal(signal.SIGINT)
            code = libfuzzer.follow(process, log,
                                    lambda status: self._learn(progress, slot, status))
        with self.lock:
            del self.processes[slot]
            busy = time.monotonic() - progress.since.pop(slot)
            progress.busy_s += busy
            done = progress.running.pop(slot)
            progress.ended += done
        found = code != 0 and (not self.stop.is_set() or any(libfuzzer.artifacts(work)))
        news = self._keep(target, work, code, seed) if found else None
        if self.count and executions is not None:
            self.count.settle(target, executions, done, busy, progress.edges, progress.features,
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
        artifacts = list(libfuzzer.artifacts(work))
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
            facts = {"executions": progress.executions,
                     "seconds": round(time.monotonic() - self.start, 1), "seed": self.seed,
                     "process_seed": seed, "sanitizer": self.sanitizer}
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
    if sum(1 for _ in os.scandir(old)) <= CROWDED:
        return
    new, aside = corpus / f".{target}.reduced", corpus / f".{target}.old"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    done = subprocess.run([str(folder / "fuzz" / target), "-merge=1", str(new), str(old)],
                          env=findings.surroundings(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if done.returncode == 0 and any(os.scandir(new)):
        shutil.rmtree(aside, ignore_errors=True)
        old.rename(aside)
        new.rename(old)
        shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(new, ignore_errors=True)
