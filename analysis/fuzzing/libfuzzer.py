"""libFuzzer, linked into each target's program: how a process is started and what it says."""

from __future__ import annotations

import dataclasses
import pathlib
import subprocess
from typing import Callable, Iterator, TextIO

from analysis.fuzzing import findings

HANG_S = 20
MEMORY_MB = 2048
MOST_INPUT_BYTES = 1028
"""The longest input: the settings and 256 operations. More is never read by a pool target."""

SHORT_INPUT_BYTES = 260
"""As many for 64 operations: most of what goes wrong needs fewer, and they run four times as
fast."""


@dataclasses.dataclass(frozen=True)
class Status:
    """How far a process is."""

    executions: int
    edges: int = 0
    features: int = 0
    corpus: int = 0


@dataclasses.dataclass(frozen=True)
class Job:
    """What one process is to do; it ends by whichever limit is reached first."""

    program: pathlib.Path
    work: pathlib.Path
    learned: pathlib.Path
    """Where inputs that reach something new are kept."""
    seeds: list[pathlib.Path]
    """Folders of inputs that are read alone."""
    dictionary: pathlib.Path | None
    seed: int
    longest: int
    """Bytes of an input, at most."""
    seconds: float
    executions: int | None = None


def parse_status(line: str) -> Status | None:
    """libFuzzer's progress in a line of its stderr, or None if the line is another.

    Such a line is '#', the executions, a tab, an event, and pairs of a word with a colon and a
    value:
    '#2048 \\tNEW    cov: 240 ft: 410 corp: 12/96b lim: 8 exec/s: 1024 rss: 40Mb L: 8/8 MS: 2 …'.
    The final statistics give the executions alone: 'stat::number_of_executed_units: 4096'.
    """
    words = line.split()
    if words[:1] == ["stat::number_of_executed_units:"] and words[-1].isdigit():
        return Status(int(words[-1]))
    if len(words) < 4 or not words[0].startswith("#") or not words[0][1:].isdigit():
        return None
    values = dict(zip(words[1:], words[2:]))
    corpus = values.get("corp:", "0").partition("/")[0]
    edges, features = values.get("cov:", "0"), values.get("ft:", "0")
    if "exec/s:" not in values or not (corpus + edges + features).isdigit():
        return None
    return Status(int(words[0][1:]), int(edges), int(features), int(corpus))


def start(job: Job) -> subprocess.Popen:
    """Starts a process that runs until one of its limits, or its first finding."""
    command = [
        str(job.program), str(job.learned), *map(str, job.seeds), f"-seed={job.seed}",
        f"-artifact_prefix={job.work}/", f"-max_len={job.longest}", f"-timeout={HANG_S}",
        f"-rss_limit_mb={MEMORY_MB}", "-print_final_stats=1",
        f"-max_total_time={max(1, int(job.seconds))}",
    ]
    if job.executions is not None:
        command.append(f"-runs={job.executions}")
    if job.dictionary is not None:
        command.append(f"-dict={job.dictionary}")
    return subprocess.Popen(
        command, cwd=job.work, env=findings.surroundings(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
        start_new_session=True)


def follow(process: subprocess.Popen, log: TextIO, learn: Callable[[Status], None]) -> int:
    """Tells of a process's progress until it ends; returns its exit code, 0 if nothing was
    found."""
    for line in process.stderr or ():
        log.write(line)
        if status := parse_status(line):
            learn(status)
    return process.wait()


def artifacts(work: pathlib.Path) -> Iterator[pathlib.Path]:
    """The failing inputs that it left; a slow input alone is no failure."""
    for kind in ("crash", "timeout", "oom", "leak"):
        yield from sorted(work.glob(f"{kind}-*"))
