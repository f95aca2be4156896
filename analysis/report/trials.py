"""The published trials as one page: `python3 -m analysis.report.trials FOLDER` writes README.md.

NAME.json.gz is a trial on a clean heap, NAME-littered.json.gz on a used one, and NAME-audit.json.gz
one with mallocs that the first did not know.
"""

import gzip
import math
import pathlib
import sys

from analysis.report import document
from analysis.runs import schema
from analysis.runs.trial import Document, Verdict
from analysis.stats.trial_verdict import NO
from analysis.system import units
from analysis.system.exits import UserError
from analysis.system.files import write_whole
from analysis.system.templates import fill

WIDEST = 0.015
"""Half an interval, as a share, that a trial should not exceed."""
TEMPLATE = document.TEMPLATES / "trials.md.j2"


def read(path: pathlib.Path) -> Document:
    """A trial. UserError if its file does not fit the schema."""
    value = schema.decoded(gzip.decompress(path.read_bytes()))
    if complaint := schema.complaint("trial", value):
        raise UserError(f"{path} {complaint}")
    told: Document = schema.built(Document, value)
    return told


def measured(trial: Document) -> list[Verdict]:
    """All that was launched: what costs nothing is extrapolated."""
    return [one for one in trial.verdicts if one.arm != "calls that cost nothing"]


def widest(trial: Document) -> float:
    """Half of its widest interval, as a share; infinite while one has no end."""
    return max(math.log(one.high / one.low) / 2 if one.low and one.high else math.inf
               for one in measured(trial))


def of_kind(trial: Document, *kinds: str) -> list[Verdict]:
    """The verdicts of these kinds that have an interval."""
    return [one for one in trial.verdicts if one.kind in kinds and one.low and one.high]


def span(one: Verdict | None) -> str:
    """A ratio with its interval."""
    if one is None or not (one.ratio and one.low and one.high):
        return "–"
    return f"{one.ratio:.3f} ({one.low:.3f} to {one.high:.3f})"


def best(trial: Document, kind: str, *arms: str) -> Verdict | None:
    """The fastest of a kind, or of these arms of it."""
    found = [one for one in of_kind(trial, kind) if one.arm in arms or not arms]
    return max(found, key=lambda one: one.ratio or 0.0, default=None)


def most(trial: Document, *kinds: str) -> float:
    """The largest ratio to the baseline that an arm of these kinds may have."""
    plain = next(one.baseline for one in trial.verdicts if one.kind == "null")
    return max((one.high or math.inf for one in of_kind(trial, *kinds)
                if one.baseline == plain or one.kind != "final"), default=math.inf)


def known_answers(trials: dict[str, Document]) -> list[tuple[str, Verdict, float, float, str]]:
    """Of programs with a pool of their own: the name, what it gains, the least and the most that
    the trial says can be had, and where the gain lies."""
    rows = []
    for name, trial in trials.items():
        for own in of_kind(trial, "adopted"):
            pool = best(trial, "pool", "pool")
            ceiling, least = most(trial, "malloc", "pool", "ceiling"), (pool and pool.low) or 0.0
            low, ratio, high = own.low or 0.0, own.ratio or 0.0, own.high or math.inf
            said = ("inside" if least <= ratio <= ceiling else "above" if low > ceiling else
                    "below" if high < least else "inside, by its interval")
            rows.append((name, own, least, ceiling, said))
    return rows


def audited(found: dict[str, Document]) -> list[tuple[str, Verdict, str, Verdict | None]]:
    """Of each program with mallocs that were tried afterwards: its name; such a malloc; whether a
    no of the trial holds; and the pool beside that malloc, if it is the best of them."""
    rows = []
    for name in (key.removesuffix("-audit") for key in found if key.endswith("-audit")):
        trial, later = found[name], found[f"{name}-audit"]
        limit = most(trial, "malloc", "pool", "final")
        for one in of_kind(later, "malloc"):
            said = ("" if trial.answer != NO else
                    f"{'holds' if (one.low or 0.0) <= limit else 'does not hold'}: {limit:.3f}")
            rows.append((name, one, said, next((final for final in of_kind(later, "final")
                                                if final.baseline == one.arm), None)))
    return rows


def page(found: dict[str, Document]) -> str:
    """README.md, of name → trial."""
    trials = {name: trial for name, trial in found.items() if not name.endswith("-audit")}
    nulls = [one for trial in trials.values() for one in of_kind(trial, "null")]
    return fill(
        TEMPLATE, {"best": best, "plain": document.escaped, "span": span, "widest": widest,
                   "percent": lambda value: units.share(value, 1)},
        trials=trials, known=known_answers(trials), audited=audited(found), limit=WIDEST,
        narrow=sum(widest(trial) <= WIDEST for trial in trials.values()),
        even=sum((one.low or 0) <= 1 <= (one.high or 9) for one in nulls),
        loads=[float(trial.host.get("load_at_start") or 0.0) for trial in trials.values()])


def published(folder: pathlib.Path) -> dict[str, Document]:
    """A folder's trials, by name. UserError if there is none."""
    names = sorted(path.name.removesuffix(".json.gz") for path in folder.glob("*.json.gz"))
    if not names:
        raise UserError(f"{folder}: no trial there (NAME.json.gz)")
    return {name: read(folder / f"{name}.json.gz") for name in names}


if __name__ == "__main__":
    given = pathlib.Path(sys.argv[1])
    write_whole(given / "README.md", page(published(given)))
