"""Work side by side: threads, the processes that they start, and results that outlast a kill."""

import concurrent.futures
import contextlib
import json
import pathlib
import signal
import subprocess
import threading
from typing import Any, Callable, Iterable, Iterator

from analysis.system.process import processors


class Stopped(Exception):
    """The crew was told to stop before this could begin."""


class Crew:
    """Jobs that run at the same time, and end together with their processes."""

    def __init__(self, jobs: int | None) -> None:
        self.jobs = jobs or processors()
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen] = set()

    def each(self, work: Callable[[Any], Any], items: Iterable[Any],
             tell: Callable[[Any, Any], None] = lambda *_: None) -> None:
        """Does the work on every item; tells (item, result) as they come. An interrupt, SIGTERM or
        a job's exception ends the processes, and waits until jobs have kept what they found."""
        with _interrupted_by_sigterm(), concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            waiting: dict[concurrent.futures.Future[Any], Any] = {}
            try:  # an interrupt may come with the first process
                for item in items:
                    waiting[pool.submit(work, item)] = item
                for one in concurrent.futures.as_completed(waiting):
                    tell(waiting[one], one.result())
            except BaseException:
                self.stop()  # before signals are ignored, which a new process would inherit
                for number in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(number, signal.SIG_IGN)  # what is over is kept; a moment
                for one in waiting:
                    one.cancel()
                raise

    def stop(self) -> None:
        """Interrupts every process, and lets none begin."""
        with self._lock:
            self.stopping.set()
            for process in self._running:
                process.send_signal(signal.SIGINT)

    def run(self, command: list[str], seconds: float | None, **how: Any) -> int | None:
        """A process's exit code; None if it took too long. Stopped if the crew was meanwhile."""
        with self._lock:
            if self.stopping.is_set():
                raise Stopped
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True,
                                       **how)
            self._running.add(process)
        with process:
            try:
                code: int | None = process.wait(seconds)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                process.kill()
                with self._lock:
                    self._running.discard(process)
        if self.stopping.is_set():
            raise Stopped
        return code


@contextlib.contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM is an interrupt too; afterwards signals do what they did."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Memory:
    """Results by key in a file, a line each as they come, so that a killed run goes on."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self.known: dict[str, Any] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that was cut
                said = json.loads(line)
                self.known[said["key"]] = said["result"]

    def keep(self, key: str, result: Any) -> Any:
        """Remembers a result at once, and returns it."""
        with self._lock, self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"key": key, "result": result}) + "\n")
            self.known[key] = result
        return result
