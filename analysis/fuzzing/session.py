"""A run of the fuzzers: jobs in threads, each with one libFuzzer process at a time.

libFuzzer's own -fork=N starts a process every few seconds and reads all inputs for each: in 30 s on
pool_api it made 550 executions a processor second, where one process makes 1,350. So each job keeps
a process for its whole turn.
"""

import collections
import contextlib
import json
import pathlib
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence

from analysis.building import meson
from analysis.fuzzing import findings, libfuzzer
from analysis.fuzzing.campaign import Count, Turn
from analysis.fuzzing.jobs import Crew, Stopped
from analysis.fuzzing.libfuzzer import Status
from analysis.system.exits import UserError
from analysis.system.files import ROOT, relative
from analysis.system.process import say
from analysis.system.units import count, duration

SEEDS = ROOT / "fuzz"

LONG_EVERY = 4
"""One process in so many may make inputs of the greatest length."""

SETTINGS_BYTES = 3
"""What is in front of an input's operations."""

SLICES = 64
"""So many parts of a trace are put among what each target has learned."""


def folders_of(target: str, root: pathlib.Path = SEEDS) -> list[pathlib.Path]:
    """The repository's inputs for a target: its own, its regressions, and its family's (the name's
    first word), whose targets read the same kind of bytes."""
    family = target.partition("_")[0]
    places = [root / "corpus" / family, root / "corpus" / target, root / "regressions" / target]
    return [place for place in places if place.is_dir()]


def learn_traces(folder: pathlib.Path, traces: Sequence[pathlib.Path], targets: Sequence[str],
                 corpus: pathlib.Path) -> None:
    """Puts parts of recorded traces among what each target that runs the pool has learned."""
    pools = [target for target in targets if target.startswith("pool_")]
    if traces and not pools:
        raise UserError("--trace is for targets that run the pool, pool_api and others")
    for trace in traces:
        with tempfile.TemporaryDirectory() as scratch:
            parts = [part for part in
                      findings.slices(folder, trace, SLICES, pathlib.Path(scratch))
                      if part.stat().st_size > SETTINGS_BYTES]
            if not parts:
                raise UserError(f"{trace} holds no operation that a pool can play")
            for target in pools:
                for part in parts:
                    shutil.copyfile(part, corpus / target / part.name)
        say(f"parts of {trace}: {len(parts)}, for {', '.join(pools)}")


class Session:
    """What the jobs of a run share."""

    def __init__(self, folder: pathlib.Path, crew: Crew, done: Count, seed: int,
                 corpus: pathlib.Path, sanitizer: str = "address") -> None:
        self.folder, self.crew, self.count = folder, crew, done
        self.seed, self.corpus, self.sanitizer = seed, corpus, sanitizer
        self.work = meson.BUILD_ROOT / "fuzz-work"
        self.start = time.monotonic()
        self.keeping = threading.Lock()  # one finding is made small at a time
        self.found: dict[pathlib.Path, dict] = {}
        """Folder of a finding → its finding.json, and whether it is new."""
        self.repeated: collections.Counter[str] = collections.Counter()
        """Target → how often it failed with what was known already."""
        self.troubles: list[str] = []

    def rescue(self) -> None:
        """Keeps what a run that was killed had found and not yet kept."""
        for work in sorted(self.work.glob("*-*")):
            target = work.name.rpartition("-")[0]
            if any(libfuzzer.artifacts(work)) and target in findings.targets(self.folder):
                self._keep(target, work, "", {})
            shutil.rmtree(work, ignore_errors=True)

    def job(self, slot: int) -> None:
        """Takes turns, one after the other, until there are none; says how each ended."""
        while not self.crew.stopping.is_set() and (turn := self.count.claim()):
            status, news = Status(), 0
            try:
                status, news = self._attack(turn, self.work / f"{turn.target}-{slot}")
            except (OSError, UserError) as error:
                self.troubles.append(f"{turn.target}: {error}")
            finally:
                self.count.settle(turn, status, news)
            say(f"{turn.target}: {status.executions:,} executions, {status.edges:,} edges,"
                f" {count(news or 0, 'new finding')}; {self.left()} left")

    def _attack(self, turn: Turn, work: pathlib.Path) -> tuple[Status, int | None]:
        """Runs one process: how far it came, and how many findings are new; None if it has none."""
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        seed = random.Random(f"{self.seed}/{turn.number}").randrange(1, 1 << 32)
        code: int | None = 0
        with contextlib.suppress(Stopped), (work / "log.txt").open("wb") as stream:
            code = self.crew.run(
                self._command(turn, work, seed), None, cwd=work, env=findings.surroundings(),
                stdout=subprocess.DEVNULL, stderr=stream)
        log = (work / "log.txt").read_text(encoding="utf-8", errors="replace")
        status = libfuzzer.read_status(log)
        if any(libfuzzer.artifacts(work)):
            return status, self._keep(turn.target, work, log, {"process_seed": seed})
        if code == 0 or self.crew.stopping.is_set():
            return status, None
        last = [line for line in log.split("\n") if line.strip()][-1:]
        self.troubles.append(f"{turn.target} ended with {code} and no input: {' '.join(last)}")
        return status, 0

    def _command(self, turn: Turn, work: pathlib.Path, seed: int) -> list[str]:
        longest = libfuzzer.SHORT_INPUT_BYTES if seed % LONG_EVERY else libfuzzer.MOST_INPUT_BYTES
        dictionary = SEEDS / "dictionaries" / f"{turn.target}.dict"
        return [
            str(self.folder / "fuzz" / turn.target), str(self.corpus / turn.target),
            *map(str, folders_of(turn.target)), f"-seed={seed}", f"-artifact_prefix={work}/",
            f"-max_len={longest}", f"-timeout={libfuzzer.HANG_S}",
            f"-rss_limit_mb={libfuzzer.MEMORY_MB}", "-print_final_stats=1",
            f"-max_total_time={max(1, int(turn.seconds))}",
            *([f"-dict={dictionary}"] if dictionary.exists() else []),
            *([f"-runs={turn.executions}"] if turn.executions else []),
        ]

    def _keep(self, target: str, work: pathlib.Path, log: str, facts: dict[str, object]) -> int:
        """Keeps what a process that failed left. Returns how much of it is new."""
        news = 0
        facts = facts | {"seed": self.seed, "sanitizer": self.sanitizer,
                         "executions": self.count.executions,
                         "seconds": round(time.monotonic() - self.start, 1)}
        with self.keeping:
            for artifact in libfuzzer.artifacts(work):
                place, is_new = findings.keep(self.folder, target, artifact, log, facts)
                if place in self.found:
                    self.repeated[target] += 1
                else:
                    about = json.loads((place / "finding.json").read_text())
                    self.found[place] = about | {"new": is_new}
                    news += 1
        return news

    # --- What is told ----------------------------------------------------------------------------

    def left(self) -> str:
        """What the run has still to do."""
        if self.count.goal is not None:
            done = self.count.executions
            return f"{max(0, self.count.goal - done):,} of {self.count.goal:,} executions"
        return duration(max(0.0, self.count.end - time.monotonic()))

    def ending(self, interrupted: bool) -> str:
        """What was done, what was found, and how to see each finding again."""
        lines = [f"{share.target:<20} {share.executions:>14,} executions,"
                 f" {share.busy_seconds:.0f} s, {share.edges:,} edges, {share.features:,} features,"
                 f" {share.corpus:,} inputs"
                 for share in self.count.shares.values()]
        lines += [f"trouble: {trouble}" for trouble in self.troubles]
        lines += [f"{target} failed {count(times, 'time')} more with what is below"
                  for target, times in self.repeated.items()]
        for place, about in self.found.items():
            known = "" if about["new"] else ", known from an earlier run"
            where = f" at {about['operation']}" if about["operation"] else ""
            lines += [f"\nfinding in {about['target']} after {about['executions']:,} executions"
                      f"{known}: the {about['oracle']} oracle{where}", f"  {about['message']}",
                      f"  ./poolproof reproduce {relative(place / 'input')}"]
        lines.append(f"\n{self.count.executions:,} executions"
                     f" {'interrupted after' if interrupted else 'in'}"
                     f" {time.monotonic() - self.start:.0f} s, {count(len(self.found), 'finding')}"
                     f" (seed {self.seed})")
        return "\n".join(lines)
