"""Runs whole programs side by side: started together on one processor, so that the scheduler
alternates them and whatever disturbs the machine disturbs all.

What counts is their processor time from wait4. Standard library alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import resource
import select
import signal
import subprocess
import tempfile
import time
from typing import IO, Iterator, Mapping, Sequence

TOLD_BYTES = 4096
"""So much of the end of a standard error is read for its last line."""


@dataclasses.dataclass(frozen=True)
class Program:
    """What to start."""

    command: Sequence[str]
    environment: Mapping[str, str] | None = None
    """All its variables; None for those of this process."""
    folder: pathlib.Path | None = None
    """Where it runs."""
    input: pathlib.Path | None = None
    """Its standard input; None for an empty one."""
    keep_fds: tuple[int, ...] = ()
    """Descriptors that it inherits."""


@dataclasses.dataclass(frozen=True)
class Ended:
    """A program that has ended. Times and faults are its own and those of the children that it
    waited for."""

    exit_code: int
    """Negative: the signal that ended it."""
    timed_out: bool
    output: bytes
    errors: bytes
    started_unix_s: float
    wall_s: float
    user_s: float
    system_s: float
    max_rss_bytes: int | None
    """None where it cannot be told from the peak of the process that started it."""
    minor_faults: int
    major_faults: int
    voluntary_switches: int
    involuntary_switches: int
    pid: int

    @property
    def cpu_s(self) -> float:
        """Processor time."""
        return self.user_s + self.system_s

    @property
    def complaint(self) -> str:
        """The last line of its standard error, "" if none."""
        lines = self.errors[-TOLD_BYTES:].decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


RUNNING: set[Running] = set()
"""What any thread of this process has running."""


def end_all() -> None:
    """Kills what other threads wait for."""
    for item in list(RUNNING):
        item.kill()


class Running:
    """A program that runs: in a session of its own, its outputs in files without names."""
    def __init__(self, program: Program, processor: int | None) -> None:
        """processor: the only one that it may use; None for all."""
        self._output: IO[bytes] = tempfile.TemporaryFile()
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        self.started_unix_s, self._begin = time.time(), time.perf_counter()
        source = open(program.input, "rb") if program.input else None
        with pinned(processor), source or contextlib.nullcontext():
            self.process = subprocess.Popen(
                list(program.command), env=program.environment, cwd=program.folder,
                stdin=source or subprocess.DEVNULL, stdout=self._output, stderr=self._errors,
                pass_fds=program.keep_fds, start_new_session=True)
        self.ended_fd = os.pidfd_open(self.process.pid)
        """Readable once the program has ended."""
        RUNNING.add(self)

    def kill(self) -> None:
        """Ends it and all that it started in its session."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def wait(self, timed_out: bool = False) -> Ended:
        """Waits for its end, ends what it left running, and tells. Once."""
        _, status, usage = os.wait4(self.process.pid, 0)
        RUNNING.discard(self)
        wall_s = time.perf_counter() - self._begin
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.kill()
        os.close(self.ended_fd)
        texts = []
        for stream in (self._output, self._errors):
            with stream:
                stream.seek(0)
                texts.append(stream.read())
        # The kernel lets a child inherit the peak of the process that started it.
        own_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak = usage.ru_maxrss * 1024 if usage.ru_maxrss > own_kib else None
        return Ended(self.process.returncode, timed_out, texts[0], texts[1], self.started_unix_s,
                     wall_s, usage.ru_utime, usage.ru_stime, peak, usage.ru_minflt,
                     usage.ru_majflt, usage.ru_nvcsw, usage.ru_nivcsw, self.process.pid)


@contextlib.contextmanager
def pinned(processor: int | None) -> Iterator[None]:
    """Pins this thread, and so what it starts meanwhile, to one processor."""
    if processor is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def run_together(programs: Sequence[Program], processor: int | None,
                 limit_s: float) -> list[Ended]:
    """Starts the programs together, in their order, and waits for all.

    One that has not ended within limit_s is killed and marked. An exception meanwhile, such as an
    interrupt, kills all of them. OSError if one cannot be started.
    """
    running: list[Running] = []
    try:
        for program in programs:
            running.append(Running(program, processor))
        late = await_all([item.ended_fd for item in running], limit_s)
        for item in running:
            if item.ended_fd in late:
                item.kill()
        return [item.wait(item.ended_fd in late) for item in running]
    except BaseException:
        for item in running:
            if item.process.returncode is None:
                item.kill()
                item.wait()
        raise


def await_all(descriptors: Sequence[int], limit_s: float) -> set[int]:
    """Sleeps until all are readable, or so long; returns those that are not."""
    left, end, poll = set(descriptors), time.monotonic() + limit_s, select.poll()
    for descriptor in left:
        poll.register(descriptor, select.POLLIN)
    while left and (wait_s := end - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(1000 * wait_s + 1):
            poll.unregister(descriptor)
            left.discard(descriptor)
    return left
