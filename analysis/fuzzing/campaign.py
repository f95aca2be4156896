"""How much every target has been attacked, whose turn it is, and the file that keeps count.

The file is written whole after every process, so that a campaign goes on where it was after an
interruption. A target whose program has changed since starts at nothing: what was done was done on
other code.
"""

from __future__ import annotations

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
from analysis.system.exits import UserError
from analysis.system.files import version, whole_file

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
                 goal: int | None = None, path: pathlib.Path | None = None,
                 facts: Mapping[str, str] | None = None) -> None:
        self.goal, self.path, self.facts = goal, path, dict(facts or {})
        self.seconds, self.end = seconds, math.inf  # until the first turn is claimed
        # Before the time is over every target has had as many turns as the others.
        rounds = math.ceil(len(programs) / jobs) if goal is None else 1
        self.turn_s = min(LONGEST_TURN_S, seconds / rounds)
        self.part = max(1, min(CHUNK, (goal or 0) // (PARTS * len(programs))))
        self.lock = threading.Lock()
        self.turns = 0
        self.running: collections.Counter[str] = collections.Counter()
        self.in_vain = dict.fromkeys(programs, 0)
        self.shares = {share.target: share for share in read(path, self.facts)} if path else {}
        for target, program in programs.items():
            mark = hashlib.sha256(program.read_bytes()).hexdigest()[:16]
            if target not in self.shares or self.shares[target].program != mark:
                self.shares[target] = Share(target, mark)
        self.before = self.executions
        self._write()  # or say now that it cannot be written

    @property
    def chosen(self) -> list[Share]:
        """The targets of this run; the file may hold others."""
        return [self.shares[target] for target in self.in_vain]

    @property
    def executions(self) -> int:
        """Of all targets of this run, its own and those before."""
        return sum(share.executions for share in self.chosen)

    @property
    def complete(self) -> bool:
        return self.goal is not None and self.executions >= self.goal

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
        """Takes note of a process that has ended, and of how much of what it found is new; None if
        it found nothing."""
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
            self._write()

    def _write(self) -> None:
        if self.path is None or self.goal is None:
            return
        shares = sorted(self.shares.values(), key=lambda share: share.target)
        busy = sum(share.busy_seconds for share in shares)
        executions = sum(share.executions for share in shares)
        made = Campaign(
            **self.facts, version=version(), machine=platform.machine(), goal=self.goal,
            executions=executions, busy_seconds=round(busy, 1),
            executions_per_second=round(executions / busy, 1) if busy > 0 else None,
            findings=sum(share.findings for share in shares), complete=self.complete,
            targets=shares)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self.path) as stream:
            stream.write(schema.encoded(dataclasses.asdict(made), schema.NARROW))


def read(path: pathlib.Path, facts: Mapping[str, str]) -> list[Share]:
    """What a campaign's file says was done; nothing if there is none.

    UserError if the file is another's, or of a campaign under other circumstances.
    """
    if not path.exists():
        return []
    try:
        made = schema.decoded(path.read_bytes())
        wrong = schema.complaint("campaign", made)
    except ValueError as error:
        wrong = str(error)
    if wrong:
        raise UserError(f"{path}: not the file of a campaign: {wrong}")
    for name, value in facts.items():
        if made[name] != value:
            raise UserError(f"{path}: a campaign with {name} {made[name]}, not {value};"
                            " name another file")
    return [Share(**share) for share in made["targets"]]
