"""A number of executions to be done by all targets together, each for as long as the others, and
the file that keeps count.

The file is written whole after every process, so that a campaign goes on where it was after an
interruption. A target whose program has changed since starts at nothing: what was done was done on
other code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import platform
import threading
from typing import Any


from analysis.runs import schema
from analysis.system.exits import UserError
from analysis.system.files import version, whole_file

SCHEMA = 1
CHUNK = 1_000_000
"""A process is started anew after so many executions."""

PARTS = 8
"""A small goal is divided so that every target gets so many parts of it, if all are as fast."""


@dataclasses.dataclass
class Share:
    """What has been done on one target."""

    target: str
    program: str
    """The first digits of the SHA-256 of what was run."""
    executions: int = 0
    busy_seconds: float = 0.0
    edges: int = 0
    features: int = 0
    corpus: int = 0
    findings: int = 0


class Count:
    """The campaign's file; used by several jobs at a time."""

    def __init__(self, path: pathlib.Path, goal: int, programs: dict[str, pathlib.Path],
                 facts: dict[str, str]) -> None:
        self.path = path
        self.goal = goal
        self.part = max(1, min(CHUNK, goal // (PARTS * len(programs))))
        self.facts = facts
        self.lock = threading.Lock()
        self.running: dict[str, list[int]] = {target: [] for target in programs}
        marks = {target: hashlib.sha256(program.read_bytes()).hexdigest()[:16]
                 for target, program in programs.items()}
        known = {share.target: share for share in read(path, facts)}
        self.others = [share for target, share in known.items() if target not in marks]
        self.shares = {
            target: known[target] if target in known and known[target].program == mark
            else Share(target, mark)
            for target, mark in marks.items()
        }
        self._write()  # or say now that it cannot be written

    def claim(self) -> tuple[str, int] | None:
        """The target that had the least time, and a part of what is left; None if all is done or
        under way."""
        with self.lock:
            under_way = sum(sum(parts) for parts in self.running.values())
            left = self.goal - self.executions - under_way
            if left <= 0:
                return None
            target = min(self.shares, key=lambda name: (len(self.running[name]),
                                                        self.shares[name].busy_seconds))
            part = min(left, self.part)
            self.running[target].append(part)
            return target, part

    def settle(self, target: str, claimed: int, done: int, busy_seconds: float,
               edges: int, features: int, corpus: int, findings: int) -> None:
        """Takes note of a process that has ended."""
        with self.lock:
            share = self.shares[target]
            self.running[target].remove(claimed)
            share.executions += done
            share.busy_seconds = round(share.busy_seconds + busy_seconds, 1)
            share.edges, share.features = max(share.edges, edges), max(share.features, features)
            share.corpus, share.findings = max(share.corpus, corpus), share.findings + findings
            self._write()

    @property
    def executions(self) -> int:
        return sum(share.executions for share in self.shares.values())

    @property
    def complete(self) -> bool:
        return self.executions >= self.goal

    def _write(self) -> None:
        shares = sorted([*self.shares.values(), *self.others], key=lambda share: share.target)
        busy = sum(share.busy_seconds for share in shares)
        executions = sum(share.executions for share in shares)
        made: dict[str, Any] = {
            "schema": SCHEMA,
            **self.facts,
            "version": version(),
            "machine": platform.machine(),
            "goal": self.goal,
            "executions": executions,
            "busy_seconds": round(busy, 1),
            "executions_per_second": round(executions / busy, 1) if busy > 0 else None,
            "findings": sum(share.findings for share in shares),
            "complete": self.complete,
            "targets": [dataclasses.asdict(share) for share in shares],
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self.path) as stream:
            stream.write(schema.encoded(made, 200))


def read(path: pathlib.Path, facts: dict[str, str]) -> list[Share]:
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
