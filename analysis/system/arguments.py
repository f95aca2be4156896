"""The words of a command line: a value, or one line that says what to write."""

import argparse
import difflib
import re
from typing import Callable, Iterable

from analysis.system.exits import UserError

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MULTIPLES = {"": 1, "k": 1_000, "m": 1_000_000}


def duration(text: str) -> float:
    """Seconds of a word such as 30s, 5m, 2h or 1d."""
    found = re.fullmatch(r"(0*[1-9][0-9]*)([smhd])", text)
    if not found:
        raise UserError(f"invalid duration '{text}': use 30s, 5m, 2h or 1d")
    if int(found[1]) * UNITS_S[found[2]] > 366 * 86400:
        raise UserError(f"invalid duration '{text}': more than a year")
    return float(int(found[1]) * UNITS_S[found[2]])


def amount(text: str) -> int:
    """A large number such as 5000, 2,000,000, 500k or 200m."""
    found = re.fullmatch(r"([0-9]{1,13})([kmKM]?)", text.replace(",", "").replace("_", ""))
    number = int(found[1]) * MULTIPLES[found[2].lower()] if found else 0
    if not 1 <= number <= 10**12:
        raise UserError(f"invalid number '{text}': use 5000 or 200m")
    return number


def whole(least: int, most: int) -> Callable[[str], int]:
    """The type of a whole number between these."""
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"invalid number '{text}': use {least} to {most}")
        return int(text)
    return read


count = whole(1, 1024)
seed = whole(1, (1 << 32) - 1)  # libFuzzer takes 0 for no seed


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "", most: int = 1) -> str:
    """A hint for a word that is not known: the nearest known ones, else `otherwise`, else all."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=most, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(f"'{name}'" for name in near) + "?"
    return otherwise or f"there are {', '.join(known)}"


def require(word: str, known: Iterable[str], what: str, otherwise: str = "") -> str:
    """The word, if it is known. UserError, with a hint, if there is no such thing."""
    known = list(known)
    if word not in known:
        raise UserError(f"there is no {what} '{word}'; {did_you_mean(word, known, otherwise)}")
    return word
