"""The real programs that Poolproof keeps traces of."""

import dataclasses
import json
import pathlib
from typing import Any

from analysis.system.files import ROOT
from analysis.system.units import count

PROGRAMS = ROOT / "bench" / "traces" / "programs.json"
"""What to run of each, and what its kept trace is of."""


@dataclasses.dataclass(frozen=True)
class Program:
    """A real program of PROGRAMS, run in the repository's top folder, and its Debian package."""

    name: str
    package: str
    question: str
    command: list[str]
    environment: dict[str, str]
    process: str | None
    mode: str
    """The smallest run that plays its trace."""
    kept: dict[str, Any]
    """What its kept trace is of, which a test counts again."""

    @property
    def trace(self) -> pathlib.Path:
        """Where its trace is kept."""
        return PROGRAMS.parent / f"{self.name}.trace.gz"

    @property
    def provenance(self) -> str:
        """What its kept trace is of, as part of a sentence."""
        kept = self.kept
        return (f"{kept['program']} of {self.package} {kept['version']}, {kept['operations']:,}"
                f" operations, {count(kept['threads'], 'thread')}")


def programs() -> list[Program]:
    """The programs of the table."""
    return [Program(**entry)
            for entry in json.loads(PROGRAMS.read_text(encoding="utf-8"))["programs"]]
