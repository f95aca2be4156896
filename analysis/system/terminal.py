"""Words that a command does not know. Standard library alone."""

from __future__ import annotations

import difflib
from typing import Iterable

from analysis.system.exits import UserError


def require(word: str, known: Iterable[str], what: str, otherwise: str = "") -> str:
    """The word, if it is known. UserError, if there is no such thing, with the nearest, else
    `otherwise`, else all."""
    known = list(known)
    if word in known:
        return word
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else otherwise or f"there are {', '.join(known)}"
    raise UserError(f"there is no {what} '{word}'; {hint}")
