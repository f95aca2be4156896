"""A trial of a whole program: the command, its arms, their launches, and the call sites seen."""

from __future__ import annotations

import dataclasses
import math

OWN_MALLOC, NO_MEMORY, LOCKED, FORKED, SITES_LOST = 1, 2, 4, 8, 16
"""Bits of an entry's flags."""


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

    def numbered(self, number: int) -> list[str]:
        return [word.replace("{n}", str(number)) for word in self.words]


@dataclasses.dataclass(frozen=True)
class Arm:
    """The command with other libraries preloaded."""

    name: str
    kind: str
    """baseline, null, delay, malloc, pool or ceiling."""
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
