"""A run folder's raw files: what they hold, and how they are read and appended.

launches.jsonl.gz is the only thing that a report needs beside run.json; probes.jsonl.gz holds what
the run saw beside time, if it did. A line is one launch or one probe, and compressed by itself; it
is written whole before the next one starts, so that a run killed at any moment has lost at most
what was running. results/schema/ describes every file; all are checked when read.
"""

import contextlib
import dataclasses
import fcntl
import gzip
import io
import json
import os
import pathlib
import zlib
from typing import Any, Callable, Iterator

from analysis.runs.plan import Plan
from analysis.runs.samples import Launch, Line, Probe, Refusal
from analysis.runs.schema import built, complaint, decoded, encoded
from analysis.system.exits import UserError
from analysis.system.files import ROOT, output_folder, write_whole

RUN_FILE = "run.json"
LAUNCHES_FILE, PROBES_FILE = "launches.jsonl.gz", "probes.jsonl.gz"
VERDICTS_FILE = "verdicts.json"


STEP_BYTES = 2048
"""So much of a file is unpacked at a time: about two launches."""


@dataclasses.dataclass(frozen=True)
class Record:
    """A run folder, read."""

    folder: pathlib.Path
    plan: Plan
    launches: list[Launch]
    refusals: list[Refusal]
    probes: list[Probe] = dataclasses.field(default_factory=list)
    probe_refusals: list[Refusal] = dataclasses.field(default_factory=list)

    def by_pair(self) -> dict[tuple[str, str, str], list[Launch]]:
        """(workload, arm, baseline) → its launches in their order."""
        found: dict[tuple[str, str, str], list[Launch]] = {}
        for entry in sorted(self.launches, key=lambda entry: entry.launch):
            found.setdefault((entry.workload, entry.arm, entry.baseline), []).append(entry)
        return found


# --- Reading -------------------------------------------------------------------------------------


def read(folder: pathlib.Path) -> Record:
    """A run folder up to its last whole line. UserError names the wrong file and line."""
    plan = read_plan(folder)
    launches, refusals = _read_lines(folder / LAUNCHES_FILE, plan, Launch)
    return Record(folder, plan, launches, refusals,
                  *_read_lines(folder / PROBES_FILE, plan, Probe))


def read_plan(folder: pathlib.Path) -> Plan:
    """run.json of a run folder, checked. UserError if absent, damaged or of another schema."""
    if not folder.is_dir():
        what = "not a directory" if folder.exists() else "no such directory"
        raise UserError(f"{folder}: {what}")
    path = folder / RUN_FILE
    try:
        plan = _checked(str(path), path.read_bytes(), "run")
    except FileNotFoundError:
        raise UserError(f"{folder} is not a run folder: it has no {RUN_FILE}") from None
    for item, key in _paths(plan):
        item[key] = str(ROOT / item[key])
    known = built(Plan, plan)
    if wrong := _plan_contradiction(known):
        raise UserError(f"{path} contradicts itself: {wrong}")
    return known


def _read_lines(path: pathlib.Path, plan: Plan, kind: type) -> tuple[list[Any], list[Refusal]]:
    """A file of such lines up to its last whole one: (lines, refusals); empty without one.
    UserError names the file and the line that is wrong."""
    contradiction = _contradictions(plan)
    entries: dict[str, Line] = {}
    lines = [line for _, text in _members(path, path.read_bytes()) for line in
             text.splitlines(keepends=True)] if path.exists() else []
    for number, line in enumerate(lines, start=1):
        where = f"{path}, line {number}"
        value = _checked(where, line, kind.__name__.lower())
        entry = built(Refusal if "refused" in value else kind, value)
        place = _place(entry)
        wrong = contradiction(entry) or (
            "it is there twice" if place in entries else None)
        if wrong:
            raise UserError(f"{where} contradicts the run, {place}: {wrong}")
        entries[place] = entry
    refused = [entry for entry in entries.values() if isinstance(entry, Refusal)]
    return [entry for entry in entries.values() if not isinstance(entry, Refusal)], refused


def _checked(where: str, text: bytes, schema: str) -> dict[str, Any]:
    """The object that its schema, or that of a refusal, describes. UserError if it is none."""
    try:
        value = decoded(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is damaged: {error}") from None
    is_refusal = schema != "run" and isinstance(value, dict) and "refused" in value
    if wrong := complaint("refusal" if is_refusal else schema, value):
        raise UserError(f"{where} {wrong}")
    return value


def _place(entry: Line) -> str:
    """What a line is of, for a message that is one line whatever a file says."""
    if isinstance(entry, Launch):
        name = f"{entry.workload} with {entry.arm} and {entry.baseline}, launch {entry.launch}"
    else:
        name = f"{entry.part} of {entry.workload} with {entry.arm}, round {entry.round}"
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in name)


# --- What no schema can say ----------------------------------------------------------------------


def _plan_contradiction(plan: Plan) -> str | None:
    """What is wrong with a plan; None if nothing is."""
    arms = [arm.name for arm in plan.arms]
    for kind, names in (("arm", arms), ("workload", [item.workload for item in plan.workloads]),
                        ("trace", [trace.name for trace in plan.traces])):
        if twice := [name for name in names if names.count(name) > 1]:
            return f"the {kind} {twice[0]!r} is there twice"
    for item in plan.workloads:
        if unknown := [name for name in item.arms if name not in arms]:
            return f"{item.workload} has an arm {unknown[0]!r} that is not among the arms"
    return None


def _contradictions(plan: Plan) -> Callable[[Line], str | None]:
    """What is wrong with a line of a run with this plan; None if nothing is."""
    arms = {(item.workload, arm) for item in plan.workloads for arm in item.arms}
    pairs = {(item.workload, pair.arm, pair.baseline) for item in plan.workloads
             for pair in item.pairs}
    builds = {plan.benchmark["sha256"], *([plan.base["sha256"]] if plan.base else [])}

    def wrong(entry: Line) -> str | None:
        sides = entry.sides if isinstance(entry, Launch) else []
        if not ((entry.workload, entry.arm, entry.baseline) in pairs if sides
                else (entry.workload, entry.arm) in arms):
            return f"{RUN_FILE} does not plan it"
        told = [entry] if isinstance(entry, Probe) else sides
        if not {item.benchmark_sha256 for item in told} <= builds:
            return "it is of another benchmark binary"
        if sides and {len(side.cpu_ns) for side in sides} != {len(entry.first) or -1}:
            return "cpu_ns and first differ in length"
        if any(len(times) % sides[0].slices or side.slices != sides[0].slices
               for side in sides for times in (side.cpu_ns, side.alone_cpu_ns)):
            return "its turns are not as often of each slice"
        return None

    return wrong


# --- Lines that are compressed by themselves -----------------------------------------------------


def _members(path: pathlib.Path, content: bytes) -> Iterator[tuple[int, bytes]]:
    """(end, text) of each member of a file's gzip data. A last one that is cut was being written
    when the run was killed, and is left out. UserError if one is damaged."""
    start = number = 0
    while start < len(content):
        unpacker = zlib.decompressobj(wbits=31)
        text, at = b"", start
        number += 1
        try:
            while not unpacker.eof and at < len(content):
                text += unpacker.decompress(content[at:at + STEP_BYTES])
                at = min(len(content), at + STEP_BYTES)
        except zlib.error:
            raise UserError(f"{path}, line {number} is damaged: it cannot be unpacked") from None
        if not unpacker.eof:
            return
        start = at - len(unpacker.unused_data)
        yield start, text


class Appender(contextlib.AbstractContextManager):
    """A file of lines, open for one writer. Opening cuts off a half line at its end."""

    def __init__(self, path: pathlib.Path) -> None:
        """UserError if another process is writing to this run, or the file is damaged."""
        self._stream: io.FileIO = open(path, "ab+", buffering=0)  # closed by close()
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stream.close()
            raise UserError(f"{path.parent} is being written by another process") from None
        self._stream.seek(0)
        try:
            self._stream.truncate(max((end for end, _ in _members(path, self._stream.read())),
                                      default=0))
        except UserError:
            self._stream.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, entry: Line) -> None:
        """Adds a line, handed to the kernel whole. On a full disk nothing of it stays."""
        line = gzip.compress(json.dumps(dataclasses.asdict(entry), allow_nan=False).encode()
                             + b"\n", mtime=0)
        start = self._stream.seek(0, io.SEEK_END)
        try:
            written = self._stream.write(line)
            while written < len(line):
                written += self._stream.write(line[written:])
        except OSError:
            self._stream.truncate(start)
            raise

    def close(self) -> None:
        """Writes through to the disk and gives the lock back."""
        try:
            os.fsync(self._stream.fileno())
        finally:
            self._stream.close()


# --- The plan ------------------------------------------------------------------------------------


def _paths(plan: dict[str, Any]) -> Iterator[tuple[dict, str]]:
    """Each path in a plan's JSON. Below the repository run.json names it from there: a run that is
    moved or published says nothing of where it was made."""
    yield plan["benchmark"], "path"
    if plan.get("base"):
        yield plan["base"], "path"
    for trace in plan["traces"]:
        yield trace, "file"


def write_plan(folder: pathlib.Path, plan: Plan) -> None:
    """run.json, whole or not at all, in a folder that is made if need be."""
    output_folder(folder)
    value = dataclasses.asdict(plan)
    for item, key in _paths(value):
        if pathlib.Path(item[key]).is_relative_to(ROOT):
            item[key] = str(pathlib.Path(item[key]).relative_to(ROOT))
    if wrong := complaint("run", value):
        raise AssertionError(f"the plan {wrong}")
    write_whole(folder / RUN_FILE, encoded(value))
