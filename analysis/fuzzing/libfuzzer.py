"""libFuzzer, linked into each target's program: its limits, and what it says."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Iterator

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


def artifacts(work: pathlib.Path) -> Iterator[pathlib.Path]:
    """The failing inputs that it left; a slow input alone is no failure."""
    for kind in ("crash", "timeout", "oom", "leak"):
        yield from sorted(work.glob(f"{kind}-*"))
