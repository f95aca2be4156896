"""The instruments of `check`: a build or a tool each, and the mistakes that prove it.

An instrument's control is a mistake made on purpose that it must object to, told by a line of its
report: an instrument that lets it pass has proved nothing.
"""

import dataclasses

SUITES = {"core": "core", "trace": "trace", "corpora": "fuzz"}
"""Cell → the suite of Meson's that it runs."""

PLANTED = "wipe-large-short"
"""The planted bug of the ordinary builds' control: any build of the pool must show it."""


@dataclasses.dataclass(frozen=True)
class Control:
    """A mistake on purpose: what makes it, with which word, and the line that must tell of it."""

    maker: str
    word: str
    line: str


@dataclasses.dataclass(frozen=True)
class Instrument:
    """A build or a tool, and what it is asked for."""

    title: str
    configuration: str
    controls: tuple[Control, ...]
    quick: bool = False
    tool: str = ""
    """What looks on besides the build: "valgrind", "clang-tidy", "frama-c" …, or nothing."""
    cells: tuple[str, ...] = ("control", *SUITES, "misuse")
    """What it is asked for, besides a build."""


def _misused(name: str, line: str) -> Control:
    return Control("misuse", name, line)


BUG = Control("planted", PLANTED, r"^finding: the contents oracle at operation ")
FOUND_DIRTY = Control("planted", PLANTED, r"^finding: the invariants oracle at operation ")
"""The same, of which pool_check tells where it looks at what is free."""
POISON = _misused("write-freed", r"^==\d+==ERROR: AddressSanitizer: use-after-poison ")
LEAK = _misused("forget-pool", r"^==\d+==ERROR: LeakSanitizer: detected memory leaks$")
UNDEFINED = _misused("use-overaligned", r"^\S+:\d+:\d+: runtime error: .*misaligned address 0x")
OVERRUN = _misused("write-past-size", r"^outcome: pool_check: I10: ")
UNSET = _misused("read-unwritten", r"^==\d+==WARNING: MemorySanitizer: use-of-uninitialized-value$")
RACE = _misused("two-threads", r"^WARNING: ThreadSanitizer: data race \(pid=\d+\)$")
INVALID = _misused("write-freed", r"^==\d+== Invalid write of size 1$")
JUMP = _misused("read-unwritten",
                r"^==\d+== (Conditional jump or move depends on|Use of) uninitialised value")
SHOWN = {word: Control("other-machine", word, rf"^mistake: {word}$")
         for word in ("word-size", "byte-order", "char-sign", "long-size")}
LOST = _misused("forget-pool", r"^==\d+== .* are definitely lost in loss record ")


def _unproved(function: str, bug: str) -> Control:
    return Control("contract", f"{function} {bug}", rf"^unproved: {function}_")


INSTRUMENTS = (
    Instrument("gcc release", "release", (BUG,), quick=True),
    Instrument("gcc debug", "gcc-debug", (BUG,), quick=True),
    Instrument("clang release", "clang-release", (BUG,), quick=True),
    Instrument("clang debug", "clang-debug", (BUG,)),
    Instrument("gcc release, checked", "gcc-release-checked", (FOUND_DIRTY, OVERRUN), quick=True),
    Instrument("gcc debug, checked", "gcc-debug-checked", (FOUND_DIRTY, OVERRUN)),
    Instrument("clang release, checked", "clang-release-checked", (FOUND_DIRTY, OVERRUN)),
    Instrument("clang debug, checked", "clang-debug-checked", (FOUND_DIRTY, OVERRUN)),
    Instrument("clang ASan, LSan, UBSan", "sanitize", (POISON, LEAK, UNDEFINED), quick=True),
    Instrument("gcc ASan, LSan, UBSan", "gcc-sanitize", (POISON, LEAK, UNDEFINED)),
    Instrument("MSan", "memory", (UNSET,), quick=True),
    Instrument("TSan", "thread", (RACE,), quick=True),
    Instrument("Valgrind memcheck", "valgrind", (INVALID, JUMP, LOST), tool="valgrind"),
    Instrument("32-bit x86", "i686", (BUG, SHOWN["word-size"]), quick=True),
    Instrument("big-endian s390x", "s390x", (BUG, SHOWN["byte-order"])),
    Instrument("aarch64", "aarch64", (BUG, SHOWN["char-sign"])),
    Instrument("64-bit Windows", "windows", (SHOWN["long-size"],),
               cells=("control", "core", "misuse")),
    Instrument("clang-tidy", "release",
               (Control("mistakes", "", r"^\S+:\d+:\d+: (warning|error): "
                        r".*\[clang-analyzer-unix.Malloc"),),
               quick=True, tool="clang-tidy", cells=("control", "read")),
    Instrument("cppcheck", "release",
               (Control("mistakes", "", r"^\S+:\d+: error: .*out of bounds"
                        r".*\[arrayIndexOutOfBounds\]$"),),
               quick=True, tool="cppcheck", cells=("control", "read")),
    Instrument("Frama-C, Z3, CVC4", "release",
               (_unproved("granules_for", "granules-rounded-down"),),
               tool="frama-c", cells=("control", "read")),
    Instrument("recorder on real programs", "release",
               (Control("recorder", "opens-the-ring-again", r"^E +AssertionError: assert "),),
               tool="programs", cells=("control", "programs")),
)


def name_of(instrument: Instrument) -> str:
    """The word by which a command line chooses an instrument."""
    return instrument.tool or instrument.configuration
