"""libFuzzer, linked into each target's program: its limits, and what it says."""

import dataclasses
import pathlib
import re
from typing import Iterator

HANG_S = 20
MEMORY_MB = 2048
MOST_INPUT_BYTES = 1028
"""The longest input: the settings and 256 operations. More is never read by a pool target."""

SHORT_INPUT_BYTES = 260
"""64 operations: most of what goes wrong needs fewer, and they run four times as fast."""

PROGRESS = re.compile(r"^#(\d+)\s+\S+\s+cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)
EXECUTED = re.compile(r"^(?:stat::number_of_executed_units:\s+|#)(\d+)\b", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Status:
    """How far a process came."""

    executions: int = 0
    edges: int = 0
    features: int = 0
    corpus: int = 0


def read_status(log: str) -> Status:
    """What a process's log says last of its progress, such as
    '#2048 \\tNEW    cov: 240 ft: 410 corp: 12/96b lim: 8 exec/s: 1024 rss: 40Mb L: 8/8 MS: 2 …',
    and of its executions, such as 'stat::number_of_executed_units: 4096'."""
    progress = PROGRESS.findall(log)[-1:] or [(0, 0, 0, 0)]
    executed = EXECUTED.findall(log)[-1:] or [0]
    return Status(int(executed[0]), *map(int, progress[0][1:]))


def artifacts(work: pathlib.Path) -> Iterator[pathlib.Path]:
    """The failing inputs that it left; a slow input alone is no failure."""
    for kind in ("crash", "timeout", "oom", "leak"):
        yield from sorted(work.glob(f"{kind}-*"))
