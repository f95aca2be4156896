"""Runs programs side by side: started together, on one processor where that is wanted, so that
whatever disturbs the machine disturbs all. Standard library alone.
"""

import contextlib
import dataclasses
import os
import select
import signal
import subprocess
import tempfile
import time
from typing import IO, Mapping, Sequence

TOLD_BYTES = 4096
"""So much of the end of a standard error is read for its last line."""


@dataclasses.dataclass(frozen=True)
class Ended:
    """A program that has ended."""

    exit_code: int
    """Negative: the signal that ended it."""
    timed_out: bool
    output: bytes
    errors: bytes
    started_unix_s: float
    wall_s: float
    pid: int

    @property
    def complaint(self) -> str:
        """The last line of its standard error, "" if none."""
        lines = self.errors[-TOLD_BYTES:].decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


class Running:
    """A program that runs: in a session of its own, its outputs in files without names."""
    def __init__(self, command: Sequence[str], variables: Mapping[str, str],
                 processor: int | None = None, descriptors: Sequence[int] = ()) -> None:
        """All its variables, its only processor (None: any), and the descriptors it inherits."""
        self._output: IO[bytes] = tempfile.TemporaryFile()
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        self.started_unix_s, self._begin = time.time(), time.perf_counter()
        where = [] if processor is None else ["taskset", "-c", str(processor)]
        self.process = subprocess.Popen(
            [*where, *command], env=variables, stdin=subprocess.DEVNULL, stdout=self._output,
            stderr=self._errors, pass_fds=descriptors, start_new_session=True)
        self.ended_fd = os.pidfd_open(self.process.pid)
        """Readable once the program has ended."""
        RUNNING.add(self)

    def kill(self) -> None:
        """Ends it and all that it started in its session."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def wait(self, timed_out: bool = False) -> Ended:
        """Waits for its end, ends what it left running, and tells. Once."""
        _, status = os.waitpid(self.process.pid, 0)
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
        return Ended(self.process.returncode, timed_out, texts[0], texts[1], self.started_unix_s,
                     wall_s, self.process.pid)


RUNNING: set[Running] = set()
"""What any thread of this process has running."""


def end_all() -> None:
    """Kills what other threads wait for."""
    for item in list(RUNNING):
        item.kill()


def run(command: Sequence[str], variables: Mapping[str, str], limit_s: float) -> Ended:
    """Runs a command to its end; after limit_s it is killed and marked. OSError if none starts."""
    running = Running(command, variables)
    try:
        late = bool(await_all([running.ended_fd], limit_s))
        if late:
            running.kill()
        return running.wait(late)
    except BaseException:
        if running.process.returncode is None:
            running.kill()
            running.wait()
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
