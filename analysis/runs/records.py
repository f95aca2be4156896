"""A run folder's raw files: what run.json and samples.jsonl hold, and how they are read and
appended.

samples.jsonl is the only thing that a report needs beside run.json; work.jsonl, memory.jsonl and
latency.jsonl hold what the run measured beside time, if it did. A line is one process; it is
written whole and flushed before the next process starts, so that a run killed at any moment has
lost at most the process that was running. results/schema/ describes every file; all are checked
when read.
"""

from __future__ import annotations

import dataclasses
import fcntl
import functools
import io
import json
import lzma
import math
import os
import pathlib
from typing import Any, Callable, Iterable, Iterator

import jsonschema
import pandas

from analysis.runs.plan import Plan, SCHEMA
from analysis.system.exits import UserError
from analysis.system.files import ROOT, nearest, whole_file

RUN_FILE = "run.json"
SAMPLES_FILE = "samples.jsonl"
VERDICTS_FILE = "verdicts.json"
SCHEMA_FOLDER = ROOT / "results" / "schema"


@dataclasses.dataclass(frozen=True)
class Sample:
    """What one process told. Times of an operation are medians over the process's repetitions."""

    workload: str
    arm: str
    round: int
    attempt: int
    """0, or how often the round of this workload had been run before for the ledger's sake."""
    position: int
    """Place within the round, from 0."""
    started_unix_s: float
    iterations: int
    operations: float
    """Allocator operations of one iteration: an alloc and its free are two."""
    time_ns: float
    """Wall time of one operation."""
    cpu_time_ns: float
    repetitions_ns: list[float]
    """Wall time of one operation in each repetition, in order."""
    wall_s: float
    """Of the whole process, as are the following."""
    user_s: float
    system_s: float
    max_rss_bytes: int | None
    """Peak resident size of the process; None where it cannot be told from that of its parent."""
    minor_faults: int
    major_faults: int
    voluntary_switches: int
    involuntary_switches: int
    steal_s: float
    """Time that the hypervisor took from all processors meanwhile, in the kernel's ticks of 10
    ms."""
    pressure_s: float | None
    """Time during which some process waited for a processor; None where the kernel does not
    tell."""
    spin_before_ns: int
    """A fixed piece of work, timed before and after the process: how fast the machine was."""
    spin_after_ns: int
    padding_bytes: int
    """Random length of an environment variable, which moves the stack."""
    malloc_owner: str
    """The file whose malloc served the process, by its own proof."""
    malloc_sha256: str
    benchmark_sha256: str
    benchmark_version: str
    compiler: str
    compiler_flags: str
    counters: dict[str, float]
    """Whatever else the workload counted, such as peak_live_bytes."""
    schema: int = SCHEMA


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A process whose times do not count, and why. Its arm leaves that workload for the whole
    run."""

    workload: str
    arm: str
    round: int
    attempt: int
    refused: str
    crashed: bool
    """Whether the process died, as against being set aside for what it proved or failed to
    prove."""
    schema: int = SCHEMA


@dataclasses.dataclass(frozen=True)
class Work:
    """A line of work.jsonl: the instructions of one arm on one workload, as a slope between a
    shorter and a longer process. Work, not time."""

    workload: str
    arm: str
    round: int
    instructions_per_operation: float
    operations: float
    """Allocator operations of one iteration."""
    short_iterations: int
    long_iterations: int
    short_instructions: int
    long_instructions: int
    """Of the whole process, as is short_instructions."""
    counter: str
    """What counted, such as "valgrind-3.19.0 callgrind"."""
    wall_s: float
    malloc_owner: str
    malloc_sha256: str
    benchmark_sha256: str
    benchmark_version: str
    compiler: str
    compiler_flags: str
    schema: int = SCHEMA


@dataclasses.dataclass(frozen=True)
class Memory:
    """A line of memory.jsonl: what one process held while it did a workload once."""

    workload: str
    arm: str
    round: int
    operations: int
    """Between the first place and the last, draining left out."""
    peak_live_bytes: int
    """That the workload had asked for and not freed, at most."""
    base_rss_bytes: int
    """Resident before the arm was opened: the program, its libraries, the workload's own arrays."""
    peak_rss_bytes: int
    """The kernel's high-water mark, set back before the arm was opened."""
    end_rss_bytes: int
    """After the last operation, with what the workload leaves live."""
    drained_rss_bytes: int
    """After everything was freed, the arm still open."""
    minor_faults: int
    """From opening the arm to the last operation."""
    major_faults: int
    progress: list[float]
    """Places along the workload, ascending, as shares of its operations."""
    live_bytes: list[int]
    """At each place, as is rss_bytes."""
    rss_bytes: list[int]
    malloc_owner: str
    malloc_sha256: str
    benchmark_sha256: str
    benchmark_version: str
    compiler: str
    compiler_flags: str
    schema: int = SCHEMA

    def grown(self, rss_bytes: int) -> int:
        """What of a resident size is the arm's: beyond what was there before it was opened."""
        return max(0, rss_bytes - self.base_rss_bytes)

    @property
    def peak_ratio(self) -> float:
        """Peak resident memory of the arm over peak live bytes; infinite if nothing was live."""
        grown = self.grown(self.peak_rss_bytes)
        return grown / self.peak_live_bytes if self.peak_live_bytes else math.inf


@dataclasses.dataclass(frozen=True)
class Latency:
    """A line of latency.jsonl: single operations of one kind, timed one by one in one process."""

    workload: str
    arm: str
    round: int
    operation: str
    """"alloc", "free" or "realloc"."""
    count: int
    latency_ns: dict[str, float]
    """PERCENTILES → time of an operation, one reading of the clock included."""
    clock: str
    """What was read, such as "rdtscp"."""
    clock_step_ns: float
    """The smallest difference between two intervals: finer than this the clock cannot tell."""
    clock_count: int
    clock_ns: dict[str, float]
    """PERCENTILES → time of an interval with nothing in it, in the same process."""
    malloc_owner: str
    malloc_sha256: str
    benchmark_sha256: str
    benchmark_version: str
    compiler: str
    compiler_flags: str
    schema: int = SCHEMA


LONGEST_INTEGER = 20
"""Digits: no count in a run is longer, and tables hold 64 bits."""
PERCENTILES = ("p50", "p90", "p99", "p99_9", "p99_99", "max")
PART_LINES: dict[str, type] = {"work": Work, "memory": Memory, "latency": Latency}
"""Part of a run → what a line of PART.jsonl holds; results/schema/PART.schema.json describes it."""


@dataclasses.dataclass(frozen=True)
class Record:
    """A run folder, read."""

    folder: pathlib.Path
    plan: Plan
    samples: list[Sample]
    refusals: list[Refusal]
    work: list[Work] = dataclasses.field(default_factory=list)
    memory: list[Memory] = dataclasses.field(default_factory=list)
    latency: list[Latency] = dataclasses.field(default_factory=list)
    part_refusals: dict[str, list[Refusal]] = dataclasses.field(default_factory=dict)
    """Part → its processes that could not be used."""

    def frame(self) -> pandas.DataFrame:
        """The samples as a table, one row a process, counters as columns `counter:NAME`."""
        return frame_of(self.samples)


def frame_of(samples: Iterable[Sample]) -> pandas.DataFrame:
    """Samples as a table with Sample's columns, one `counter:NAME` a counter instead of the
    dictionary."""
    rows = []
    for sample in samples:
        row = dict(sample.__dict__)
        row |= {f"counter:{name}": value for name, value in row.pop("counters").items()}
        rows.append(row)
    columns = [field.name for field in dataclasses.fields(Sample) if field.name != "counters"]
    return pandas.DataFrame(rows) if rows else pandas.DataFrame(columns=columns)


@functools.lru_cache(maxsize=None)
def validator(name: str) -> jsonschema.protocols.Validator:
    """The validator of results/schema/NAME.schema.json."""
    text = (SCHEMA_FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


@functools.lru_cache(maxsize=None)
def _quick_check(name: str) -> Callable[[Any], Any] | None:
    """A schema compiled to code, tens of times faster than its validator; None without
    fastjsonschema. It knows an older draft, so it must read `$defs` and constants alike: only what
    it accepts is believed, and what it refuses is put before the validator."""
    try:
        import fastjsonschema
    except ImportError:
        return None
    text = (SCHEMA_FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    return fastjsonschema.compile(json.loads(text))


def _passes_at_once(name: str, value: Any) -> bool:
    check = _quick_check(name)
    try:
        return check is not None and check(value) is value
    except ValueError:  # fastjsonschema's own exception is one
        return False


def complaint(name: str, value: Any) -> str | None:
    """What results/schema/NAME.schema.json has against a value, as part of a sentence; None if
    nothing."""
    if isinstance(value, dict) and value.get("schema", SCHEMA) != SCHEMA:
        return f"has schema {value['schema']!r}, and this Poolproof reads schema {SCHEMA}"
    if _passes_at_once(name, value):
        return None
    error = jsonschema.exceptions.best_match(validator(name).iter_errors(value))
    if error is None:
        return None
    place = ".".join(str(part) for part in error.absolute_path)
    message = error.message if len(error.message) <= 160 else error.message[:157] + "…"
    return f"is not as it should be{f' at {place}' if place else ''}: {message}"


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
    for trace in plan["traces"]:
        yield trace, "file", folder.resolve()


def read(folder: pathlib.Path) -> Record:
    """A run folder up to its last whole line. UserError names the file and the line that is
    wrong."""
    plan = read_plan(folder)
    samples: list[Sample] = []
    refusals: list[Refusal] = []
    path = folder / SAMPLES_FILE
    seen: set[tuple[str, str, int, int]] = set()
    for number, line in enumerate(_whole_lines(path), start=1):
        entry = _parse_line(path, number, line)
        key = (entry.workload, entry.arm, entry.round, entry.attempt)
        if key in seen:
            raise UserError(f"{path}, line {number}: {_place(entry)} in round"
                            f" {entry.round} is there twice")
        seen.add(key)
        (samples if isinstance(entry, Sample) else refusals).append(entry)
    _check_places(path, plan, [*samples, *refusals])
    parts = {part: read_part(folder, plan, part) for part in PART_LINES}
    measured = {part: entries for part, (entries, _) in parts.items()}
    return Record(folder, plan, samples, refusals, **measured,
                  part_refusals={part: refused for part, (_, refused) in parts.items() if refused})


def part_file(folder: pathlib.Path, part: str) -> pathlib.Path:
    """Where a part of a run is recorded."""
    return folder / (SAMPLES_FILE if part == "time" else f"{part}.jsonl")


def read_part(folder: pathlib.Path, plan: Plan, part: str) -> tuple[list[Any], list[Refusal]]:
    """work.jsonl, memory.jsonl or latency.jsonl up to its last whole line: (lines, refusals).

    Empty if there is no such file. UserError names the file and the line that is wrong.
    """
    path = part_file(folder, part)
    entries: list[Any] = []
    refusals: list[Refusal] = []
    seen: set[tuple] = set()
    for number, line in enumerate(_whole_lines(path), start=1):
        entry = _parse_part(path, number, line, part)
        key = (entry.workload, entry.arm, entry.round, getattr(entry, "operation", ""))
        if key in seen:
            raise UserError(f"{path}, line {number}: {_place(entry)} in round"
                            f" {entry.round} is there twice")
        seen.add(key)
        (refusals if isinstance(entry, Refusal) else entries).append(entry)
    _check_arms(path, plan, [*entries, *refusals])
    return entries, refusals


def _parse_part(path: pathlib.Path, number: int, line: bytes, part: str) -> Any:
    value = _parse_json(path, number, line, part)
    if "refused" in value:
        return Refusal(**value)
    entry = PART_LINES[part](**value)
    wrong = _contradiction(entry)
    if wrong:
        raise UserError(f"{path}, line {number} contradicts itself: {wrong}")
    return entry


def _contradiction(entry: Work | Memory | Latency) -> str | None:
    """What no schema can say of a line; None if it holds."""
    if isinstance(entry, Work):
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
            in_order = [values[percentile] for percentile in PERCENTILES]
            if in_order != sorted(in_order):
                return f"a higher percentile of {name} is smaller"
    return None


def _whole_lines(path: pathlib.Path) -> Iterator[bytes]:
    """The lines that end; a last one that does not was being written when the run was killed.

    A finished run may have been put away as samples.jsonl.xz instead. UserError if that is damaged.
    """
    packed = path.with_name(path.name + ".xz")
    if not path.exists() and not packed.exists():
        return
    try:
        with path.open("rb") if path.exists() else lzma.open(packed) as stream:
            for line in stream:
                if line.endswith(b"\n"):
                    yield line
    except (lzma.LZMAError, EOFError) as error:
        raise UserError(f"{packed} is damaged: {error}") from None


def _parse_line(path: pathlib.Path, number: int, line: bytes) -> Sample | Refusal:
    value = _parse_json(path, number, line, "sample")
    return Refusal(**value) if "refused" in value else Sample(**value)


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


def _check_places(path: pathlib.Path, plan: Plan, entries: list[Sample | Refusal]) -> None:
    """Every line must belong to the plan: samples of another run cannot be mixed in."""
    _check_arms(path, plan, entries)
    for entry in entries:
        if entry.round >= plan.rounds:
            raise UserError(
                f"{path} holds {_place(entry)} in round {entry.round},"
                f" which {RUN_FILE} does not plan")


def _place(entry: Any) -> str:
    """A line's workload and arm for a message, which is one line whatever a file says."""
    name = f"{entry.workload} with {entry.arm}"
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in name)


def _check_arms(path: pathlib.Path, plan: Plan, entries: list[Any]) -> None:
    """Every line must be of an arm and a workload of the plan, and of its benchmark binary."""
    arms = {item.workload: set(item.arms) for item in plan.workloads}
    for entry in entries:
        if entry.arm not in arms.get(entry.workload, ()):
            raise UserError(f"{path} holds {_place(entry)}, which {RUN_FILE}"
                            " does not plan")
        if not isinstance(entry, Refusal) and entry.benchmark_sha256 != plan.benchmark["sha256"]:
            raise UserError(f"{path} mixes samples of different benchmark binaries")


class Appender:
    """samples.jsonl, open for one writer at a time. A half line at its end is cut off when
    opened."""
    def __init__(self, path: pathlib.Path) -> None:
        """UserError if another process is writing to this run."""
        self._stream: io.FileIO = open(path, "ab+", buffering=0)  # closed by close()
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stream.close()
            raise UserError(f"{path.parent} is being written by another process") from None
        self._cut_half_line()

    def _cut_half_line(self) -> None:
        self._stream.seek(0)
        content = self._stream.read()
        whole = content[:content.rfind(b"\n") + 1]
        if len(whole) < len(content):  # the half line may be one of several of its process
            last = _process(whole[whole.rfind(b"\n", 0, -1) + 1:])
            while last and _process(whole[whole.rfind(b"\n", 0, -1) + 1:]) == last:
                whole = whole[:whole.rfind(b"\n", 0, -1) + 1]
        self._stream.truncate(len(whole))

    def append(self, *entries: Sample | Refusal | Work | Memory | Latency) -> None:
        """Adds a process's lines and hands them to the kernel. On a full disk none of them
        stays."""
        line = "".join(
            json.dumps(dataclasses.asdict(entry), allow_nan=False) + "\n"
            for entry in entries).encode()
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


def _process(line: bytes) -> tuple | None:
    """Which process a line of latency.jsonl is of; None for any other line: its process has one."""
    try:
        value = json.loads(line)
        return (value["workload"], value["arm"], value["round"]) if "operation" in value else None
    except (ValueError, KeyError, TypeError):
        return None


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


def decoded(text: str | bytes) -> Any:
    """JSON without what Python alone takes for JSON: NaN, infinities, numbers too large to be one.

    ValueError or RecursionError if it is none.
    """
    def refuse(word: str) -> float:
        raise ValueError(f"{word} is no number")

    def real(word: str) -> float:
        return float(word) if math.isfinite(float(word)) else refuse(word)

    def whole(word: str) -> int:
        return int(word) if len(word) <= LONGEST_INTEGER else refuse(word)

    return json.loads(text, parse_constant=refuse, parse_float=real, parse_int=whole)


def finite(value: float) -> float | None:
    """JSON has no infinity: None stands for it."""
    return value if math.isfinite(value) else None
