"""The real programs that Poolproof keeps traces of: their table, and recording one again."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

from analysis.measure.recorder import record
from analysis.measure.recording import Recording
from analysis.system import packages
from analysis.system.exits import UNFIT, UserError
from analysis.system.files import ROOT
from analysis.system.terminal import did_you_mean
from analysis.system.units import count

PROGRAMS = ROOT / "bench" / "traces" / "programs.json"
"""What to run of each, and what its kept trace is of."""


@dataclasses.dataclass(frozen=True)
class Program:
    """A real program of PROGRAMS: what to run in the repository's top folder, and the Debian
    package that has it."""

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


def record_program(name: str, output: pathlib.Path) -> Recording:
    """Records one of the programs quietly; UserError, with its package if that is missing, if there
    is none of this name, it cannot be run or fails."""
    known = {program.name: program for program in programs()}
    if name not in known:
        raise UserError(f"no program is called {name}; {did_you_mean(name, known)}")
    program = known[name]
    form = "gzip" if output.suffix == ".gz" else "binary"
    try:
        recording = record(program.command, output.absolute(), variables=program.environment,
                           process=program.process, form=form, quiet=True,
                           folder=ROOT)
        if recording.status != 0:
            output.unlink()
            raise UserError(f"{program.name}, being recorded, ended with status"
                            f" {recording.status}", UNFIT)
    except UserError as error:
        if packages.installed([program.package]):
            raise
        raise UserError(f"{error}; install {program.package}", UNFIT) from None
    return recording
