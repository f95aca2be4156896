"""Numbers with their units, as reports and terminals print them."""

import math

NARROW = "\u00a0"
"""Between a number and its unit: a space that does not break."""


def ratio(value: float) -> str:
    """A ratio with as many digits as can matter: 0.051, 2.41, 12.3, 140."""
    if not math.isfinite(value):
        return "∞"
    if value <= 0:
        return "0"
    if value < 0.1:
        return f"{value:#.2g}"
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"


def time(time_ns: float) -> str:
    """A time of an operation with three digits and its unit."""
    for unit, size in (("ns", 1.0), ("µs", 1e3), ("ms", 1e6)):
        if time_ns < 1000 * size:
            return f"{amount(time_ns / size)}{NARROW}{unit}"
    return f"{amount(time_ns / 1e9)}{NARROW}s"


def size(size_bytes: float) -> str:
    """A number of bytes with three digits and a binary unit."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{amount(value) if unit != 'B' else int(value)}{NARROW}{unit}"
        value /= 1024
    return f"{amount(value)}{NARROW}GiB"


def amount(value: float) -> str:
    """A plain number with three digits."""
    if value <= 0:
        return "0"
    return (f"{value:.{max(0, 2 - int(math.floor(math.log10(value))))}f}"
            if value < 1000 else f"{value:,.0f}")


def duration(seconds: float) -> str:
    """A span of time, to the second below two minutes and to the minute below two hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def percent(difference: float) -> str:
    """A logarithm as a percentage of difference; "any" stands for infinity elsewhere."""
    if not math.isfinite(difference):
        return "none"
    share = math.expm1(difference) * 100
    return f"{share:.1f}{NARROW}%" if share < 10 else f"{share:.0f}{NARROW}%"


def share(value: float, digits: int = 0) -> str:
    """A part of one as a percentage."""
    return f"{100 * value:.{digits}f}{NARROW}%"


def signed_percent(difference: float) -> str:
    """A logarithm as a percentage with its sign."""
    share = math.expm1(difference) * 100
    return f"{share:+.1f}{NARROW}%".replace("-", "−")


def count(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun: "1 round", "8 rounds", "2 processes"."""
    plural = plural or (noun + "es" if noun.endswith(("s", "x", "ch", "sh")) else noun + "s")
    return f"{number:,} {noun if number == 1 else plural}"
