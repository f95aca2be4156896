"""Recording of a program: the preloaded library, the converter beside it, and what they tell."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import difflib
import errno
import hashlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
from typing import Callable, Iterator

from analysis.building import meson
from analysis.system import packages
from analysis.system.exits import UNFIT, USAGE, UserError
from analysis.system.files import ROOT, output_file, whole_file

RING_VARIABLE = "POOLPROOF_RECORD_RING"
"""Tells the preloaded library through which shared memory its events go."""

PROGRAMS = ROOT / "bench" / "traces" / "programs.json"
"""The real programs that Poolproof keeps traces of, and knows how to record again."""


KINDS = ("alloc", "calloc", "realloc", "free")

INTERRUPTS_TO_KILL = 3
"""An interrupt from the keyboard reaches the command too; so many kill one that ignores them."""

PATIENCE_S = 1.0
"""So long after the command's end the user is told that it left processes."""


@dataclasses.dataclass(frozen=True)
class Tools:
    """The built library and the program that makes traces of its events."""

    library: pathlib.Path
    convert: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Recording:
    """What was recorded.

    images: one entry for each program image that ran, as poolproof-convert describes it; those that
    became a trace have "operations", "peak_live_bytes", "sizes" and more.
    status: the command's exit status; -N if signal N ended it. unfinished: events that their
    threads never finished. stopped: why the recording ended before the programs, or None.
    """

    traces: list[pathlib.Path]
    images: list[dict]
    status: int
    unfinished: int = 0
    stopped: str | None = None

    @property
    def converted(self) -> list[dict]:
        """The images that became a trace, in the order of `traces`."""
        return [image for image in self.images if "operations" in image]


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
            f" {plural(kept.threads, 'thread')}")


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


def built_tools() -> Tools:
    """The tools, built if need be. UserError where the build has no recorder."""
    folder = meson.ensure_build("release") / "bench" / "record"
    tools = Tools(folder / "libpoolproof-record.so", folder / "poolproof-convert")
    for path in (tools.library, tools.convert):
        if not path.exists():
            raise UserError(f"the build has no {path.name}; the recorder needs Linux and glibc",
                            UNFIT)
    return tools


def record(command: list[str], output: pathlib.Path, *, tools: Tools | None = None,
           variables: dict[str, str] | None = None, process: str | None = None,
           everything: bool = False, form: str = "binary", quiet: bool = False,
           folder: pathlib.Path | None = None) -> Recording:
    """Runs the command with the recorder and writes its trace to `output`, whole or not at all.

    variables: added to the environment. process: the name of the program whose process is wanted,
    instead of the command's own. everything: one trace for each process, with process and image
    number before the suffix. form: "binary", "gzip" or "text". quiet: the command's output is
    dropped. folder: where the command runs, if not here. UserError if the command cannot run,
    nothing was recorded, or the trace cannot be written. Not from a thread but the main one:
    signals are redirected.
    """
    output = output_file(output)
    tools = tools or built_tools()
    program = find_command(command[0])
    choice = ["--all"] if everything else ["--process", process] if process else []
    with trace_folder(output) as made, loadable(tools.library) as library, \
            interrupts_caught() as interrupts:
        with Converter([tools.convert, "-o", made / output.name, "--form", form, *choice],
                       folder) as converter:
            preload = " ".join(filter(None, [str(library), os.environ.get("LD_PRELOAD")]))
            added = {**(variables or {}), "LD_PRELOAD": preload, RING_VARIABLE: converter.ring}
            pid, status = run_command(command, os.environ | added, quiet, folder, interrupts)
            found = converter.finish(interrupts)
        if converter.error:
            raise UserError(converter.error.replace(str(made / output.name), str(output)), UNFIT)
        recording = Recording([], found["images"], status, found["unfinished"], found["stopped"])
        unseen = None if process or everything else why_unseen(program, found, pid)
        for image in recording.images:
            if image["own_malloc"] and (image["pid"] == pid or image in recording.converted):
                raise UserError(f"{image['program']} has a malloc of its own linked in, whose calls"
                                " cannot be seen from outside; no trace written")
        if unseen or not recording.converted:
            raise UserError(unseen or why_nothing(program, recording, process),
                            UNFIT if found["stopped"] else USAGE)
        for image in recording.converted:
            trace = output.with_name(pathlib.Path(image["file"]).name)
            os.replace(image["file"], trace)
            recording.traces.append(trace)
        return recording


class Converter:
    """The program that drains the recorded programs' events while they run."""

    def __init__(self, command: list, folder: pathlib.Path | None) -> None:
        self.process = subprocess.Popen(command, cwd=folder, text=True, errors="surrogateescape",
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.ring = self.process.stdout.readline().rstrip("\n")
        self.error: str | None = None
        if not self.ring:
            _, told = self.process.communicate()
            lines = told.strip().splitlines() or ["poolproof-convert could not start"]
            raise UserError(lines[-1].removeprefix("poolproof-convert: "), UNFIT)

    def __enter__(self) -> "Converter":
        return self

    def __exit__(self, *_what: object) -> None:
        if self.process.poll() is None:  # its input ends, so it does
            self.process.communicate()

    def finish(self, interrupts: "Interrupts") -> dict:
        """Tells it that the command has ended, waits for the processes that are left, or until an
        interrupt, and returns what it found; with `error` set if it could not write."""
        self.say("e")
        seen = interrupts.count
        interrupts.receive = lambda _number: self.say("q")
        reader = concurrent.futures.ThreadPoolExecutor(1)
        answer = reader.submit(self.process.stdout.read)
        with contextlib.suppress(concurrent.futures.TimeoutError):
            answer.result(PATIENCE_S)
        if not answer.done() and interrupts.count == seen:
            print("poolproof: the command has ended; taking what is left, and waiting for its"
                  " processes (an interrupt ends the recording)", file=sys.stderr)
        text = answer.result()
        reader.shutdown()
        error = self.process.stderr.read().strip().splitlines()
        if self.process.wait() not in (0, 1):
            self.error = (error or ["poolproof-convert failed"])[-1].removeprefix(
                "poolproof-convert: ")
            return {"images": [], "unfinished": 0, "stopped": None, "command_pid": 0}
        return json.loads(text)

    def say(self, word: str) -> None:
        """Sends a word; it may have ended by itself."""
        with contextlib.suppress(OSError):
            os.write(self.process.stdin.fileno(), word.encode())


def find_command(word: str) -> str:
    """The path of the program that a command line starts with; UserError if it cannot be run."""
    path = shutil.which(word)
    if path:
        return path
    if "/" not in word:
        raise UserError(f"there is no command '{word}' on PATH")
    if os.path.isdir(word):
        raise UserError(f"{word} is a folder, not a program")
    if os.path.exists(word):
        raise UserError(f"{word} is not executable")
    raise UserError(f"there is no program {word}")


@contextlib.contextmanager
def trace_folder(output: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder for traces beside the output, removed at the end whatever happens."""
    try:
        folder = tempfile.mkdtemp(prefix=".record.", dir=output.absolute().parent)
    except OSError as error:
        unfit = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
        raise UserError(f"cannot write to {output.absolute().parent}: {error.strerror}",
                        UNFIT if unfit else USAGE) from error
    try:
        yield pathlib.Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def loadable(library: pathlib.Path) -> Iterator[pathlib.Path]:
    """The library under a name without spaces and colons, at which LD_PRELOAD is cut."""
    if not set(" :\t") & set(str(library)):
        yield library
        return
    with tempfile.TemporaryDirectory(prefix="poolproof-") as folder:
        link = pathlib.Path(folder) / library.name
        link.symlink_to(library)
        yield link


class Interrupts:
    """Signals that ask this process to end: they are for the command, so that what was recorded is
    kept."""

    def __init__(self) -> None:
        self.count = 0
        self.receive: Callable[[int], object] = lambda _number: None

    def __call__(self, number: int, _frame: object) -> None:
        self.count += 1
        self.receive(number)


@contextlib.contextmanager
def interrupts_caught() -> Iterator[Interrupts]:
    """Catches them for a while."""
    interrupts = Interrupts()
    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    kept = {number: signal.signal(number, interrupts) for number in caught}
    try:
        yield interrupts
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def run_command(command: list[str], variables: dict[str, str], quiet: bool,
                folder: pathlib.Path | None, interrupts: Interrupts) -> tuple[int, int]:
    """Runs the command in this folder, or the current one, to its end and returns (process id,
    status); -N means signal N. Interrupts from the keyboard reach it by themselves."""
    sink = subprocess.DEVNULL if quiet else None
    if interrupts.count:
        raise UserError("interrupted before the command began; no trace written")
    try:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=sink, stderr=sink,
                                   stdin=subprocess.DEVNULL if quiet else None)
    except OSError as error:
        raise UserError(f"cannot run {command[0]}: {error.strerror}") from error

    def forward(number: int) -> None:
        if interrupts.count >= INTERRUPTS_TO_KILL:
            process.kill()
        elif number != signal.SIGINT:
            process.send_signal(number)

    interrupts.receive = forward
    return process.pid, process.wait()


def why_unseen(program: str, found: dict, pid: int) -> str | None:
    """One sentence on why the command's own process is not what was recorded; None if it is."""
    images = [image for image in found["images"] if image["pid"] == pid]
    reason = unfit_reason(program)
    if not images and reason:
        return f"nothing was recorded: {program} {reason}"
    return None


def why_nothing(program: str, recording: Recording, process: str | None) -> str:
    """One sentence on why no process was found that could become a trace."""
    ran = sorted({image["program"] for image in recording.images})
    if process and ran:
        return f"no process of {process} was recorded; there were {', '.join(ran)} (--process NAME)"
    if recording.stopped:
        return f"nothing was recorded: {recording.stopped}"
    others = f"; it started {', '.join(ran)}, try --process NAME" if ran else ""
    ended = (f" (it was ended by signal {-recording.status})" if recording.status < 0
             else f" (exit status {recording.status})")
    return f"nothing was recorded of {program}{ended}{others}"


def unfit_reason(program: str) -> str | None:
    """Why a library cannot be preloaded into this program, as the end of a sentence; or None."""
    try:
        mode = os.stat(program).st_mode
        with open(program, "rb") as stream:
            start = stream.read(64)
            if mode & (stat.S_ISUID | stat.S_ISGID):
                return "is setuid or setgid, and the system preloads nothing into such programs"
            if start[:4] != b"\x7fELF":
                return None
            if start[4] != (2 if sys.maxsize > 2**32 else 1):
                return "is a program of another word size than the recorder"
            if start[4] == 2 and not has_interpreter(start, stream):
                return "is statically linked, so nothing can be preloaded"
    except (OSError, struct.error):
        return None
    return None


def has_interpreter(start: bytes, stream) -> bool:
    """Whether a 64-bit ELF program names a dynamic loader (a program header of type PT_INTERP)."""
    (offset,) = struct.unpack_from("<Q", start, 32)
    size, count = struct.unpack_from("<HH", start, 54)
    stream.seek(offset)
    headers = stream.read(size * count)
    return any(struct.unpack_from("<I", headers, i * size)[0] == 3 for i in range(count))


def size_text(size_bytes: float) -> str:
    """A size for people: 512 B, 1.5 KiB, 3.2 MiB."""
    if size_bytes < 1024:
        return f"{size_bytes:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        size_bytes /= 1024
        if size_bytes < 1024 or unit == "GiB":
            return f"{size_bytes:.1f} {unit}"
    raise AssertionError("unreachable")


def plural(count: int, noun: str) -> str:
    """1 thread, 2 threads."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def describe(recording: Recording) -> str:
    """What was recorded, as a few lines of text."""
    lines = []
    for image, trace in zip(recording.converted, recording.traces):
        sizes = image["sizes"]
        kinds = ", ".join(f"{image[kind]:,} {kind}" for kind in KINDS)
        lines += [
            f"{image['program']}: {plural(image['operations'], 'operation')} ({kinds})",
            f"  {plural(image['threads'], 'thread')}, {plural(image['call_sites'], 'call site')}, "
            f"peak live {size_text(image['peak_live_bytes'])} in "
            f"{plural(image['peak_live_objects'], 'object')}",
            f"  sizes: half up to {size_text(sizes['p50'])}, 90 % up to {size_text(sizes['p90'])}, "
            f"99 % up to {size_text(sizes['p99'])}, largest {size_text(sizes['max'])}",
        ]
        lines += [f"  {line}" for line in oddities(image)]
        lines.append(f"  in {trace}, {size_text(trace.stat().st_size)}; "
                     f"play it: ./poolproof replay {shlex.quote(str(trace))}")
    if recording.unfinished:
        lines.append(f"{plural(recording.unfinished, 'event')} left out: a thread never finished"
                     f" {'it' if recording.unfinished == 1 else 'them'}")
    if recording.stopped:
        lines.append(f"the recording stopped before the end: {recording.stopped}")
    lines += [f"{image['program']} (process {image['pid']}) ran on; its trace ends where the"
              " recording did" for image in recording.images if image["running"]]
    others = [image for image in recording.images if image not in recording.converted]
    if others:
        named = ", ".join(f"{image['program']} ({image['events']:,})" for image in others[:8])
        more = f" and {len(others) - 8} more" if len(others) > 8 else ""
        lines.append(f"not in the trace, other processes and their events: {named}{more}")
    lines.append(f"the command ended by signal {-recording.status}" if recording.status < 0
                 else f"the command's exit status: {recording.status}")
    return "\n".join(lines)


def oddities(image: dict) -> list[str]:
    """What the trace could not express, one line each."""
    said = {
        "unknown_frees": "of memory from before the recording left out",
        "missed_frees": "seen too late and put where the address was given out again",
        "over_aligned": "aligned to more than a page noted as a page",
        "empty": "of size 0 noted as 1",
    }
    nouns = {"unknown_frees": "free", "missed_frees": "free"}
    return [f"{plural(image[key], nouns.get(key, 'allocation'))} {what}"
            for key, what in said.items() if image[key]]
