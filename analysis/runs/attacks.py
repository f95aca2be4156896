"""Results of attacks on the pool: the scoreboard of planted bugs, and a campaign's count."""

import dataclasses
from typing import Annotated, Literal

from analysis.runs.plan import Counting


@dataclasses.dataclass(frozen=True)
class Trial:
    """One process on a planted bug. Executions count from 1; null is never."""

    seed: int
    """0 is the repository's inputs alone; a scoreboard has those of the others."""
    executions: int
    reached: Counting | None
    wrong: Counting | None
    found: Counting | None
    oracle: str | None


@dataclasses.dataclass(frozen=True)
class Bug:
    """A realistic mistake, what it breaks, and who should see it."""

    name: str
    what: str
    class_: str
    """Of mistakes."""
    breaks: str
    """The invariant or the promise."""
    target: str
    sanitizer: Literal["address", "undefined"]
    """Under which it shows: the fast path of alloc and free is not taken under "address"."""
    oracle_due: str
    kind: Literal["bug", "equivalent", "hollow"]
    """A bug is to be found, of the controls an equivalent change never, a hollow call always."""
    survives_because: str | None
    """Why it is not found, where that is known; null for most."""


@dataclasses.dataclass(frozen=True)
class Score(Bug):
    """What became of it, over all trials."""

    verdict: Literal["found", "unseen", "harmless", "unreached"]
    """found: on the median seed; unseen: it went wrong and no oracle said so in time; harmless:
    its place was reached and it never made a difference."""
    behaves: bool | None
    """Whether a control did what it is there for; null for a bug."""
    kept_inputs_find_it: bool
    """Whether the repository's own inputs alone find it."""
    median_reached: Counting | None
    """Executions on the median seed, as are the next two; null if that one never got there."""
    median_wrong: Counting | None
    median_found: Counting | None
    oracles: dict[str, Counting]
    """In how many trials each oracle was the one that saw it."""
    trials: list[Trial]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scoreboard:
    """Every bug that was planted, and what they come to."""

    schema: int = 1
    version: str
    compiler: str
    machine: str
    executions: Counting
    """The budget of each trial."""
    seeds: list[Counting]
    seconds: float
    """Of the whole run; trials remembered from an interrupted one cost none."""
    executions_done: int
    bugs: int
    """Planted, the controls not counted."""
    reached: int
    found: int
    found_share_of_reached: Annotated[float | None, ("maximum", 1)]
    controls_behave: bool
    broken: list[str]
    """Patches that no longer apply or compile."""
    holds: bool
    """The controls behave, all was planted, and at least 0.95 of the reached bugs are found."""
    scores: list[Score]


@dataclasses.dataclass
class Share:
    """What has been done on one target."""

    target: str
    program: Annotated[str, ("pattern", "^[0-9a-f]{16}$")]
    """Of the SHA-256 of the program that ran; a target whose program changes starts at nothing."""
    executions: int = 0
    busy_seconds: float = 0.0
    edges: int = 0
    features: int = 0
    corpus: int = 0
    findings: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Campaign:
    """A number of executions to be done by all targets together, and how far it is."""

    schema: int = 1
    engine: Literal["libfuzzer"]
    sanitizer: Literal["address", "undefined", "memory"]
    compiler: str
    version: str
    machine: str
    goal: Counting
    """Executions over all targets, which get equal time."""
    executions: int
    busy_seconds: float
    """Of all processes, added up."""
    executions_per_second: float | None
    """Of one process."""
    findings: int
    """Processes that ended with something new."""
    complete: bool
    targets: list[Share]
