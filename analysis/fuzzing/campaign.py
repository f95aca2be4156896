"""How much every target has been attacked, whose turn it is, and the file that says so."""

import collections
import dataclasses
import hashlib
import math
import pathlib
import platform
import threading
import time
from typing import Mapping

from analysis.fuzzing.libfuzzer import Status
from analysis.runs import schema
from analysis.runs.attacks import Campaign, Share
from analysis.system.files import version, write_whole

CHUNK = 1_000_000
"""A process is started anew after so many executions."""

PARTS = 8
"""A small goal is divided so that every target gets so many parts of it, if all are as fast."""

LONGEST_TURN_S = 600.0
"""A process is started anew after so long: logs stay short, and jobs learn from each other."""

LEAST_S = 0.5
"""Less time than this is not worth a process."""

STALLED = 4
"""A target that ends so often in a row with what is already known gets no more turns."""


@dataclasses.dataclass(frozen=True)
class Turn:
    """A process on a target."""

    target: str
    number: int
    """How many turns there were before, of any target."""
    start: float
    seconds: float
    executions: int | None
    """What it may do at most; None for as many as it can."""


class Count:
    """What was done on each target; used by several jobs at a time."""

    def __init__(self, programs: Mapping[str, pathlib.Path], jobs: int, seconds: float,
                 goal: int | None = None) -> None:
        self.goal = goal
        self.seconds, self.end = seconds, math.inf  # until the first turn is claimed
        # Before the time is over every target has had as many turns as the others.
        rounds = math.ceil(len(programs) / jobs) if goal is None else 1
        self.turn_s = min(LONGEST_TURN_S, seconds / rounds)
        self.part = max(1, min(CHUNK, (goal or 0) // (PARTS * len(programs))))
        self.lock = threading.Lock()
        self.turns = 0
        self.running: collections.Counter[str] = collections.Counter()
        self.in_vain = dict.fromkeys(programs, 0)
        self.shares = {target: Share(target, hashlib.sha256(program.read_bytes()).hexdigest()[:16])
                       for target, program in programs.items()}

    @property
    def executions(self) -> int:
        """Of all targets."""
        return sum(share.executions for share in self.shares.values())

    def claim(self) -> Turn | None:
        """The next turn of the target that had the least time; None if all is done or under way."""
        with self.lock:
            now, part = time.monotonic(), None
            self.end = min(self.end, now + self.seconds)
            if self.goal is not None:
                under_way = self.running.total() * self.part
                part = min(self.goal - self.executions - under_way, self.part)
            ready = [target for target, times in self.in_vain.items() if times < STALLED]
            if self.end - now < LEAST_S or not ready or (part is not None and part <= 0):
                return None
            target = min(ready, key=lambda name: (self.running[name],
                                                  self.shares[name].busy_seconds))
            self.turns += 1
            self.running[target] += 1
            return Turn(target, self.turns - 1, now, min(self.end - now, self.turn_s), part)

    def settle(self, turn: Turn, status: Status, news: int | None) -> None:
        """Notes how a process ended, and how much of its findings is new; None if it has none."""
        with self.lock:
            share = self.shares[turn.target]
            self.running[turn.target] -= 1
            share.executions += status.executions
            share.edges = max(share.edges, status.edges)
            share.features = max(share.features, status.features)
            share.corpus = max(share.corpus, status.corpus)
            share.busy_seconds = round(share.busy_seconds + time.monotonic() - turn.start, 1)
            share.findings += news or 0
            self.in_vain[turn.target] = self.in_vain[turn.target] + 1 if news == 0 else 0

    def write(self, path: pathlib.Path, sanitizer: str, compiler: str) -> None:
        """The file of a campaign: what a goal of executions came to."""
        busy = sum(share.busy_seconds for share in self.shares.values())
        made = Campaign(
            engine="libfuzzer", sanitizer=sanitizer, compiler=compiler, version=version(),
            machine=platform.machine(), goal=self.goal, executions=self.executions,
            busy_seconds=round(busy, 1),
            executions_per_second=round(self.executions / busy, 1) if busy > 0 else None,
            findings=sum(share.findings for share in self.shares.values()),
            complete=self.executions >= self.goal, targets=list(self.shares.values()))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, schema.encoded(dataclasses.asdict(made), schema.NARROW))
