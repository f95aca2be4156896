"""A trial of a whole program: the command, its arms, their launches, and the call sites seen."""

import dataclasses
import math
from typing import Annotated, Any

OWN_MALLOC, NO_MEMORY, LOCKED, FORKED, SITES_LOST = 1, 2, 4, 8, 16
"""Bits of an entry's flags."""

HUGE_GLIBC, HUGE_TUNABLE = "glibc, huge pages", "glibc.malloc.hugetlb=1"
"""The malloc arm that needs no library, and the word in GLIBC_TUNABLES that makes it."""


@dataclasses.dataclass(frozen=True)
class Command:
    """What the user wants tried. `{n}` in a word is replaced by the arm's number, 1 or 2."""

    words: tuple[str, ...]
    input: str = ""
    setup: str = ""
    """A shell command, run before each launch."""
    client: str = ""
    """A shell command that drives a server; the server is stopped when it ends."""
    stop_after_s: float = 0.0
    process: str = ""
    """The name of the processes whose time counts; empty: the whole tree's."""
    ignore_output: bool = False
    littered: bool = False
    adopted: tuple[str, ...] = ()
    """Variables, NAME=VALUE, with which the program uses a pool of its own: an arm of its own."""

    def numbered(self, number: int) -> list[str]:
        return [word.replace("{n}", str(number)) for word in self.words]


@dataclasses.dataclass(frozen=True)
class Arm:
    """The command with other libraries preloaded."""

    name: str
    kind: str
    """baseline, null, delay, malloc, pool, ceiling or adopted."""
    preload: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    owner: str = ""
    """The file that malloc must come from, or "" for the C library's."""


@dataclasses.dataclass(frozen=True)
class Process:
    """What one process said in the ledger."""

    pid: int
    parent: int
    name: str
    arm: str
    owner: str
    counts: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Launch:
    """What one arm took, once. Times are of the command and of all that it waited for."""

    arm: str
    status: int
    user_s: float
    system_s: float
    wall_s: float
    max_rss_bytes: int
    killed: bool
    output: str
    """A hash of what it printed."""
    processes: tuple[Process, ...]
    prefault_s: float
    process_s: float | None
    """Processor time of the processes that the user named."""
    client_status: int = 0

    @property
    def cpu_s(self) -> float:
        """What is compared: time spent before the program ran does not count."""
        whole = self.user_s + self.system_s if self.process_s is None else self.process_s
        return max(1e-6, whole - self.prefault_s)

    def total(self, name: str) -> int:
        """A count of the ledger over all processes that the arm's own library served."""
        return sum(process.counts[name] for process in self.processes if process.arm != "witness")


@dataclasses.dataclass(frozen=True)
class Site:
    """A call site's objects over all processes of the counted launch."""

    module: str
    offset: int
    symbol: str
    allocs: int
    frees: int
    reallocs: int
    bytes: int
    least: int
    most: int
    live_most: int
    live_bytes_most: int
    left: int
    """Objects that were never freed."""
    order: str
    temporary: float
    """Share of the frees that came before the thread's next 100 allocations."""
    emptied: int
    threads: int
    crossed: int
    freed_by: tuple[tuple[str, int], ...]
    dies_with: tuple[tuple[str, int], ...]
    share: float
    unfit: str
    """Why its objects cannot live in a pool; "" if they can."""
    together: bool
    """Whether its objects die together, so that a region would do."""

    @property
    def name(self) -> str:
        return f"{self.symbol or hex(self.offset)} ({self.module})"


@dataclasses.dataclass(frozen=True)
class Advice:
    """The sites that a pool could serve, and what it would have to hold."""

    sites: tuple[Site, ...]
    share: float
    capacity_bytes: int

    def routes(self) -> str:
        """The file that tells the preloaded library which sites to serve."""
        return "".join(f"{site.module} {site.offset} {max(1, site.least)} {max(1, site.most)}\n"
                       for site in self.sites)


@dataclasses.dataclass
class Pair:
    """An arm beside what it is compared with, and the launches so far."""

    arm: Arm
    against: Arm
    final: bool = False
    launches: list[tuple[Launch, Launch]] = dataclasses.field(default_factory=list)

    @property
    def logs(self) -> list[float]:
        """Log ratios of speed, above 0 where the arm is faster."""
        return [math.log(other.cpu_s / one.cpu_s) for one, other in self.launches]


@dataclasses.dataclass(frozen=True)
class Counted:
    """What the program does, without timing."""

    launch: Launch
    sites: list[Site]
    repeats: bool
    """Whether a second launch asked for the same sizes in the same order."""
    spread: float
    """How far apart the two launches' numbers of calls were, as a share."""

    @property
    def operations(self) -> int:
        return self.launch.total("served")


@dataclasses.dataclass(frozen=True)
class Trial:
    """Everything that was measured."""

    command: Command
    baseline: Launch
    counted: Counted
    advice: Advice
    pairs: list[Pair]
    notes: list[str]
    seed: int
    time_s: float


# --- trial.json -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Verdict:
    """An arm's speed beside its baseline's: of whole launches, side by side on one processor."""

    arm: str
    baseline: str
    kind: str
    """null, delay, malloc, pool, ceiling, adopted, or final: the best pool beside the best malloc,
    on launches that chose neither."""
    ratio: float | None
    """How many times as fast as the baseline, the median over launches; null: too few for one."""
    low: float | None
    """Lower end of the 99 % interval; null: there is none yet."""
    high: float | None
    n: int
    """Launches."""
    verdict: str
    """faster, slower, equal, small or inconclusive, as everywhere."""


@dataclasses.dataclass(frozen=True)
class Samples:
    """An arm's launches, each beside one of its baseline."""

    arm: str
    baseline: str
    final: bool
    proof: dict[str, int]
    """What the arm's library served in its last launch, what it left, and why."""
    launches: list[list[list[int]]]
    """Of the arm and of its baseline: processor time, the share of it in the system, and wall time
    in microseconds, and peak memory in KiB."""


@dataclasses.dataclass(frozen=True)
class Work:
    """What the program does, from launches that were not timed."""

    allocations: int
    bytes: int
    repeats: bool
    """Whether a second launch asked for the same sizes in the same order."""
    spread: float
    """How far apart the two launches' numbers of allocations were, as a share."""
    status: Annotated[int, ("minimum", -64)]
    """The command's exit status; below 0: the signal that ended it."""
    processes: int


@dataclasses.dataclass(frozen=True)
class Advised:
    """The call sites that the arm “pool at sites” serves."""

    sites: list[str]
    share: float
    """Of all allocations."""
    capacity_bytes: int


@dataclasses.dataclass(frozen=True)
class Document:
    """All that a trial says, and what that follows from."""

    version: str
    sentence: str
    answer: str
    """yes, no-malloc, no or unknown."""
    verdicts: list[Verdict]
    delta: float | None
    """How far apart equal programs may seem, as a logarithm, by the null pair; null: not known."""
    delay_seen: bool
    """Whether the added delay of 2 % was seen."""
    notes: list[str]
    command: Command
    seed: int
    time_s: float
    host: dict[str, Any]
    counted: Work
    sites: list[Site]
    """The busiest."""
    advice: Advised
    pairs: list[Samples]
    schema: int = 2
