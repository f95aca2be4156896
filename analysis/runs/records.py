"""A run folder's raw files: what they hold, and how they are read and appended.

launches.jsonl.gz is the only thing that a report needs beside run.json; work.jsonl.gz and its like
hold what the run measured beside time, if it did. A line is one launch, or one process of a probe,
and compressed by itself; it is written whole before the next one starts, so that a run killed at
any moment has lost at most what was running. results/schema/ describes every file; all are checked
when read.
"""

from __future__ import annotations

import dataclasses
import fcntl
import gzip
import io
import json
import math
import os
import pathlib
import zlib
from typing import Any, Iterator

from analysis.runs.plan import Plan
from analysis.runs.samples import (Latency, Launch, Memory, PART_LINES, PERCENTILES, Refusal, Side,
                                   Work)
from analysis.runs.schema import complaint, decoded
from analysis.system.exits import UserError
from analysis.system.files import ROOT, nearest, whole_file

RUN_FILE = "run.json"
LAUNCHES_FILE = "launches.jsonl.gz"
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
    work: list[Work] = dataclasses.field(default_factory=list)
    memory: list[Memory] = dataclasses.field(default_factory=list)
    latency: list[Latency] = dataclasses.field(default_factory=list)
    part_refusals: dict[str, list[Refusal]] = dataclasses.field(default_factory=dict)
    """Part → its processes that could not be used."""

    def by_pair(self) -> dict[tuple[str, str, str], list[Launch]]:
        """(workload, arm, baseline) → its launches in their order."""
        found: dict[tuple[str, str, str], list[Launch]] = {}
        for entry in sorted(self.launches, key=lambda entry: entry.launch):
            found.setdefault((entry.workload, entry.arm, entry.baseline), []).append(entry)
        return found


def read_plan(folder: pathlib.Path) -> Plan:
    """run.json of a run folder, checked. UserError if it is absent, damaged or of another
    schema."""
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "no such folder"
        raise UserError(f"{folder}: {what}{nearest(folder)}")
    path = folder / RUN_FILE
    try:
        plan = decoded(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} is not a run folder: it has no {RUN_FILE}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}") from None
    wrong = complaint("run", plan)
    if wrong:
        raise UserError(f"{path} {wrong}")
    for item, key, base in _paths(plan, folder):
        item[key] = str(base / item[key])
    known = Plan.from_json(plan)
    wrong = _plan_contradiction(known)
    if wrong:
        raise UserError(f"{path} contradicts itself: {wrong}")
    return known


def _plan_contradiction(plan: Plan) -> str | None:
    """What no schema can say of a plan; None if it holds."""
    for kind, names in (("arm", [arm.name for arm in plan.arms]),
                        ("workload", [item.workload for item in plan.workloads]),
                        ("trace", [trace.name for trace in plan.traces])):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            return f"the {kind} {twice!r} is there twice"
    known = {arm.name for arm in plan.arms}
    for item in plan.workloads:
        unknown = next((name for name in item.arms if name not in known), None)
        if unknown is not None:
            return f"{item.workload} has an arm {unknown!r} that is not among the arms"
    return None


def _paths(plan: dict[str, Any], folder: pathlib.Path) -> Iterator[tuple[dict, str, pathlib.Path]]:
    """Each path in a plan's JSON, and the folder that run.json names it from if it lies inside: a
    run that is moved or published says nothing of where it was made."""
    yield plan["benchmark"], "path", ROOT
    if plan.get("base"):
        yield plan["base"], "path", ROOT
    for trace in plan["traces"]:
        yield trace, "file", folder.resolve()


def read(folder: pathlib.Path) -> Record:
    """A run folder up to its last whole line. UserError names the file and the line that is
    wrong."""
    plan = read_plan(folder)
    parts = {part: read_part(folder, plan, part) for part in ("time", *PART_LINES)}
    launches, refusals = parts.pop("time")
    measured = {part: entries for part, (entries, _) in parts.items()}
    return Record(folder, plan, launches, refusals, **measured,
                  part_refusals={part: refused for part, (_, refused) in parts.items() if refused})


def part_file(folder: pathlib.Path, part: str) -> pathlib.Path:
    """Where a part of a run is recorded."""
    return folder / (LAUNCHES_FILE if part == "time" else f"{part}.jsonl.gz")


def read_part(folder: pathlib.Path, plan: Plan, part: str) -> tuple[list[Any], list[Refusal]]:
    """The file of a part up to its last whole line: (lines, refusals).

    Empty if there is no such file. UserError names the file and the line that is wrong.
    """
    path = part_file(folder, part)
    entries: list[Any] = []
    refusals: list[Refusal] = []
    seen: set[tuple] = set()
    for number, line in enumerate(_whole_lines(path), start=1):
        entry = _parse_part(path, number, line, part)
        key = (entry.workload, entry.arm, getattr(entry, "baseline", ""), _number(entry),
               getattr(entry, "operation", ""))
        if key in seen:
            raise UserError(f"{path}, line {number}: {_place(entry)} in {_what(entry)}"
                            f" {_number(entry)} is there twice")
        seen.add(key)
        (refusals if isinstance(entry, Refusal) else entries).append(entry)
    _check_arms(path, plan, [*entries, *refusals])
    return entries, refusals


def _number(entry: Any) -> int:
    return entry.launch if isinstance(entry, Launch) else entry.round


def _what(entry: Any) -> str:
    return "launch" if isinstance(entry, Launch) else "round"


def _parse_part(path: pathlib.Path, number: int, line: bytes, part: str) -> Any:
    value = _parse_json(path, number, line, "launch" if part == "time" else part)
    if "refused" in value:
        return Refusal(**value)
    if part == "time":
        entry = Launch(**value | {"sides": [Side(**side) for side in value["sides"]]})
    else:
        entry = PART_LINES[part](**value)
    wrong = _contradiction(entry)
    if wrong:
        raise UserError(f"{path}, line {number} contradicts itself: {wrong}")
    return entry


def _contradiction(entry: Launch | Work | Memory | Latency) -> str | None:
    """What no schema can say of a line; None if it holds."""
    if isinstance(entry, Launch):
        if len(entry.sides) != 2:
            return f"it has {len(entry.sides)} sides"
        lengths = {len(times) for side in entry.sides for times in (side.cpu_ns, side.wall_ns)}
        if lengths != {len(entry.first)} or not entry.first:
            return "cpu_ns, wall_ns and first differ in length"
        if any(min(side.cpu_ns) <= 0 or side.operations <= 0 for side in entry.sides):
            return "a time is not positive"
    elif isinstance(entry, Work):
        slope = (entry.long_instructions - entry.short_instructions) / max(
            1, entry.long_iterations - entry.short_iterations) / entry.operations
        if entry.long_iterations <= entry.short_iterations:
            return "the longer process is not longer"
        if not math.isclose(slope, entry.instructions_per_operation, rel_tol=1e-6, abs_tol=1e-6):
            return f"instructions_per_operation is {slope:g} by its own counts"
    elif isinstance(entry, Memory):
        if not len(entry.progress) == len(entry.live_bytes) == len(entry.rss_bytes):
            return "progress, live_bytes and rss_bytes differ in length"
        if entry.progress != sorted(entry.progress):
            return "progress goes back"
    else:
        for name, values in (("latency_ns", entry.latency_ns), ("clock_ns", entry.clock_ns)):
            if set(values) != set(PERCENTILES):
                return f"{name} has not the percentiles {', '.join(PERCENTILES)}"
            in_order = [values[percentile] for percentile in PERCENTILES]
            if in_order != sorted(in_order):
                return f"a higher percentile of {name} is smaller"
    return None


def _whole_lines(path: pathlib.Path) -> Iterator[bytes]:
    """The lines of a file whose every line is compressed by itself. A last one that does not end
    was being written when the run was killed. UserError if another one is damaged."""
    if path.exists():
        content = path.read_bytes()
        for number, (start, end, line) in enumerate(_members(content), start=1):
            if line is None and end < len(content):
                raise UserError(f"{path}, line {number} is damaged: it cannot be unpacked")
            if line is not None:
                yield from line.splitlines(keepends=True)


def _members(content: bytes) -> Iterator[tuple[int, int, bytes | None]]:
    """(start, end, text) of each gzip member; None as text, and the end of what was there, of one
    that is cut or damaged."""
    start = 0
    while start < len(content):
        unpacker = zlib.decompressobj(wbits=31)
        text, at = b"", start
        try:
            while not unpacker.eof and at < len(content):
                text += unpacker.decompress(content[at:at + STEP_BYTES])
                at = min(len(content), at + STEP_BYTES)
        except zlib.error:
            yield start, start, None
            return
        if not unpacker.eof:
            yield start, len(content), None
            return
        end = at - len(unpacker.unused_data)
        yield start, end, text
        start = end


def _parse_json(path: pathlib.Path, number: int, line: bytes, schema: str) -> dict[str, Any]:
    """One line as the object that its schema describes. UserError if it is not."""
    try:
        value = decoded(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}, line {number} is damaged: {error}") from None
    wrong = complaint(schema, value)
    if wrong:
        raise UserError(f"{path}, line {number} {wrong}")
    return value


def _place(entry: Any) -> str:
    """A line's workload and arm for a message, which is one line whatever a file says."""
    name = f"{entry.workload} with {entry.arm}"
    if isinstance(entry, Launch):
        name += f" and {entry.baseline}"
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in name)


def _check_arms(path: pathlib.Path, plan: Plan, entries: list[Any]) -> None:
    """Every line must be of a pair, or an arm and a workload, of the plan, and of its benchmark
    binaries."""
    arms = {item.workload: set(item.arms) for item in plan.workloads}
    pairs = {(item.workload, pair.arm, pair.baseline) for item in plan.workloads
             for pair in item.pairs}
    builds = {plan.benchmark["sha256"], *([plan.base["sha256"]] if plan.base else [])}
    for entry in entries:
        if isinstance(entry, Launch):
            planned = (entry.workload, entry.arm, entry.baseline) in pairs
        else:
            planned = entry.arm in arms.get(entry.workload, ())
        if not planned:
            raise UserError(f"{path} holds {_place(entry)}, which {RUN_FILE}"
                            " does not plan")
        told = entry.sides if isinstance(entry, Launch) else [entry]
        if not isinstance(entry, Refusal) and not {item.benchmark_sha256
                                                   for item in told} <= builds:
            raise UserError(f"{path} mixes samples of different benchmark binaries")


class Appender:
    """A part's file, open for one writer at a time. A half line at its end is cut off when
    opened."""
    def __init__(self, path: pathlib.Path) -> None:
        """UserError if another process is writing to this run."""
        self._stream: io.FileIO = open(path, "ab+", buffering=0)  # closed by close()
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stream.close()
            raise UserError(f"{path.parent} is being written by another process") from None
        self._stream.seek(0)
        content = self._stream.read()
        whole = max((end for _, end, line in _members(content) if line is not None), default=0)
        self._stream.truncate(whole)

    def append(self, *entries: Launch | Refusal | Work | Memory | Latency) -> None:
        """Adds the lines of one launch or process and hands them to the kernel, all in one piece.
        On a full disk none of them stays."""
        line = gzip.compress("".join(
            json.dumps(dataclasses.asdict(entry), allow_nan=False) + "\n"
            for entry in entries).encode(), mtime=0)
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


def write_plan(folder: pathlib.Path, plan: Plan) -> None:
    """run.json, whole or not at all."""
    value = plan.to_json()
    for item, key, base in _paths(value, folder):
        if pathlib.Path(item[key]).is_relative_to(base):
            item[key] = str(pathlib.Path(item[key]).relative_to(base))
    wrong = complaint("run", value)
    if wrong:
        raise AssertionError(f"the plan {wrong}")
    with whole_file(folder / RUN_FILE) as stream:
        json.dump(value, stream, indent=1, allow_nan=False)
        stream.write("\n")


def finite(value: float) -> float | None:
    """JSON has no infinity: None stands for it."""
    return value if math.isfinite(value) else None
