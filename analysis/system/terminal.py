"""Words that a command does not know. Standard library alone."""

from __future__ import annotations

import difflib
from typing import Iterable

from analysis.system.exits import UserError


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
