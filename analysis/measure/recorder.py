"""Recording of a program: the preloaded library, and the converter beside it."""

import concurrent.futures
import contextlib
import dataclasses
import errno
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile
from typing import Callable, Iterator

from analysis.building import meson
from analysis.measure.recording import Recording, why_nothing
from analysis.measure.unseen import find_command, reason
from analysis.system.exits import UNFIT, USAGE, UserError
from analysis.system.files import output_file
from analysis.system.process import last_line, say

RING_VARIABLE = "POOLPROOF_RECORD_RING"
"""Tells the preloaded library through which shared memory its events go."""

INTERRUPTS_TO_KILL = 3
"""An interrupt from the keyboard reaches the command too; so many kill one that ignores them."""

LABEL_BYTES = 20
"""Process and image number between the dots of a trace's name, at most."""

PATIENCE_S = 1.0
"""So long after the command's end the user is told that it left processes."""


@dataclasses.dataclass(frozen=True)
class Tools:
    """The built library and the program that makes traces of its events."""

    library: pathlib.Path
    convert: pathlib.Path


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
    output = output_file(output).absolute()
    tools = tools or built_tools()
    program = find_command(command[0])
    choice = ["--all"] if everything else ["--process", process] if process else []
    label_bytes = LABEL_BYTES if everything else 0
    with trace_folder(output, label_bytes) as made, loadable(tools.library) as library, \
            interrupts_caught() as interrupts:
        with Converter([tools.convert, "-o", made / "trace", "--form", form, *choice],
                       folder) as converter:
            preload = " ".join(filter(None, [str(library), os.environ.get("LD_PRELOAD")]))
            added = {**(variables or {}), "LD_PRELOAD": preload, RING_VARIABLE: converter.ring}
            pid, status, used = run_command(command, os.environ | added, quiet, folder, interrupts)
            try:
                found = converter.finish(interrupts)
            except UserError as error:
                told = str(error).replace(str(made / "trace"), str(output))
                raise UserError(told, error.exit_code) from None
        recording = Recording(
            [], found["images"], found["unseen"], status, found["unfinished"], found["stopped"],
            used, converter.used, everything)
        if not any(image["pid"] == pid for image in recording.images):
            recording.unseen.append({"pid": pid, "program": program, "cleared": False})
        if why := why_nothing(program, recording, pid, process):
            raise UserError(why, UNFIT if found["stopped"] else USAGE)
        for image in recording.converted:
            label = f".{image['pid']}-{image['image']}" if everything else ""
            trace = output.with_name(output.stem + label + output.suffix)
            os.replace(image["file"], trace)
            recording.traces.append(trace)
        return recording


class Converter(contextlib.AbstractContextManager):
    """The program that drains the recorded programs' events while they run."""

    def __init__(self, command: list, folder: pathlib.Path | None) -> None:
        try:
            self.process = subprocess.Popen(
                command, cwd=folder, text=True, errors="surrogateescape", stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError as error:
            raise UserError(f"cannot run {command[0]}: {error.strerror}", UNFIT) from None
        self.ring = self.process.stdout.readline().rstrip("\n")
        self.used: resource.struct_rusage | None = None
        if not self.ring:
            _, told = self.process.communicate()
            raise failure(told)

    def __exit__(self, *_what: object) -> None:
        if self.process.poll() is None:  # its input ends, so it does
            self.process.communicate()

    def finish(self, interrupts: "Interrupts") -> dict:
        """Tells it that the command has ended, waits for the processes that are left, or until an
        interrupt, and returns what it found. UserError if it could not write."""
        self.tell("e")
        seen = interrupts.count
        interrupts.receive = lambda _number: self.tell("q")
        with concurrent.futures.ThreadPoolExecutor(1) as reader:
            answer = reader.submit(self.process.stdout.read)
            with contextlib.suppress(concurrent.futures.TimeoutError):
                answer.result(PATIENCE_S)
            if not answer.done() and interrupts.count == seen:
                say("the command has ended; taking what is left, and waiting for its processes"
                    " (an interrupt ends the recording)")
            text = answer.result()
        told = self.process.stderr.read()
        status, self.used = wait(self.process)
        if status not in (0, 1):
            raise failure(told)
        return json.loads(text)

    def tell(self, word: str) -> None:
        """Sends a word; it may have ended by itself."""
        with contextlib.suppress(OSError):
            os.write(self.process.stdin.fileno(), word.encode())


def failure(told: str) -> UserError:
    """What the converter said last, its name left out."""
    said = last_line(told, "it ended without a word").removeprefix("poolproof-convert: ")
    return UserError(said, UNFIT)


def wait(process: subprocess.Popen) -> tuple[int, resource.struct_rusage]:
    """Waits for a process: its status, -N for signal N, and what it used."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, used


@contextlib.contextmanager
def trace_folder(output: pathlib.Path, label_bytes: int) -> Iterator[pathlib.Path]:
    """A folder beside the output, removed at the end. UserError if no trace can stand there."""
    try:
        longest = os.pathconf(output.parent, "PC_NAME_MAX") - label_bytes
        folder = tempfile.mkdtemp(prefix=".record.", dir=output.parent)
    except OSError as error:
        unfit = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
        raise UserError(f"cannot write to {output.parent}: {error.strerror}",
                        UNFIT if unfit else USAGE) from error
    try:
        if len(os.fsencode(output.name)) > longest:
            raise UserError(f"a trace's name has at most {longest} bytes here: {output.name}")
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
    """Signals to end, which are for the command: what was recorded is kept."""

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
                folder: pathlib.Path | None,
                interrupts: Interrupts) -> tuple[int, int, resource.struct_rusage]:
    """Runs the command to its end: (process id, status, what it used); -N means signal N.
    Interrupts from the keyboard reach it by themselves."""
    sink = subprocess.DEVNULL if quiet else None
    if interrupts.count:
        raise UserError("interrupted before the command began; no trace written")
    try:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=sink, stderr=sink,
                                   stdin=subprocess.DEVNULL if quiet else None)
    except OSError as error:
        why = reason(command[0])
        raise UserError(f"cannot run {command[0]}: {error.strerror}"
                        + (f"; it {why}" if why else "")) from error

    def forward(number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            if interrupts.count >= INTERRUPTS_TO_KILL:
                os.kill(process.pid, signal.SIGKILL)
            elif number != signal.SIGINT:
                os.kill(process.pid, number)

    interrupts.receive = forward
    return process.pid, *wait(process)
