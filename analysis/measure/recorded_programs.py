"""The real programs that Poolproof keeps traces of: their table, and recording them again."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import os
import pathlib
import tempfile

from analysis.measure.recorder import record
from analysis.measure.recording import Recording
from analysis.system import packages
from analysis.system.exits import UNFIT, UserError
from analysis.system.files import ROOT, whole_file
from analysis.system.units import count

PROGRAMS = ROOT / "bench" / "traces" / "programs.json"
"""What to run of each, and what its kept trace is of."""


@dataclasses.dataclass(frozen=True)
class Kept:
    """What a kept trace is of."""

    program: str
    version: str
    """Of the program's Debian package."""
    command: str
    """Of the process that was recorded, as the trace itself says it."""
    threads: int
    call_sites: int
    operations: int
    peak_live_bytes: int
    """As asked for."""
    peak_live_objects: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Program:
    """A real program of PROGRAMS: what to run in the repository's top folder, and the Debian
    package that has it."""

    name: str
    package: str
    question: str
    command: list[str]
    environment: dict[str, str]
    process: str | None = None
    mode: str = "full"
    """The smallest run that plays its trace."""
    kept: Kept | None = None

    @property
    def trace(self) -> pathlib.Path:
        """Where its trace is kept."""
        return PROGRAMS.parent / f"{self.name}.trace.gz"


def programs() -> list[Program]:
    """The programs of the table."""
    entries = json.loads(PROGRAMS.read_text(encoding="utf-8"))["programs"]
    return [Program(**entry | {"kept": Kept(**entry["kept"]) if entry["kept"] else None})
            for entry in entries]


def find_program(name: str) -> Program:
    """The program of this name; UserError with the nearest names if there is none."""
    known = {program.name: program for program in programs()}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
        raise UserError(f"no program is called {name}; {hint}")
    return known[name]


def provenance(program: Program) -> str:
    """What a kept trace is of, as part of a sentence."""
    kept = program.kept
    if kept is None:
        return program.name
    return (f"{kept.program} of {program.package} {kept.version}, {kept.operations:,} operations,"
            f" {count(kept.threads, 'thread')}")


def keep(program: Program) -> Recording:
    """Records one of the programs in the place of its kept trace, and notes in the table what it
    is now. UserError as record_program; what was kept then stays."""
    with tempfile.TemporaryDirectory(prefix=".record.", dir=program.trace.parent) as folder:
        taken = record_program(program, pathlib.Path(folder) / program.trace.name)
        os.replace(taken.traces[0], program.trace)
    [image] = taken.converted
    facts = {field.name: image[field.name] for field in dataclasses.fields(Kept)
             if field.name in image}
    version = packages.installed([program.package]).get(program.package, "unknown")
    digest = hashlib.sha256(program.trace.read_bytes()).hexdigest()
    write_kept(program.name, Kept(version=version, sha256=digest, **facts))
    return dataclasses.replace(taken, traces=[program.trace])


def write_kept(name: str, kept: Kept) -> None:
    """Writes what was recorded of a program into the table, whole or not at all."""
    table = json.loads(PROGRAMS.read_text(encoding="utf-8"))
    for entry in table["programs"]:
        if entry["name"] == name:
            entry["kept"] = dataclasses.asdict(kept)
    with whole_file(PROGRAMS) as stream:
        json.dump(table, stream, indent=1)
        stream.write("\n")


def record_program(program: Program, output: pathlib.Path) -> Recording:
    """Records one of the programs quietly; UserError, with its package if that is missing, if it
    cannot be run or fails."""
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
