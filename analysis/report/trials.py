"""The published trials as one page: `python3 -m analysis.report.trials FOLDER` writes README.md.

NAME.json.gz is a trial on a clean heap, NAME-littered.json.gz on a used one, and NAME-audit.json.gz
one with mallocs that the first did not know.
"""

import gzip
import math
import pathlib
import sys

from analysis.report.document import Column, Grid, Row, cells, table
from analysis.runs import schema
from analysis.runs.trial import Document, Verdict
from analysis.system import units
from analysis.system.exits import UserError
from analysis.system.files import write_whole

WIDEST = 0.015
"""Half an interval, as a share, that a trial should not exceed."""
HEAD = """\
# Trials of real programs

`programs.sh` makes the inputs, tries each program of Debian 12 on a clean and on a littered heap,
and writes this page. `AUDIT='--malloc NAME=FILE.so'` adds mallocs that are tried after a no.
`NAME.json.gz` has every launch's times ([schema](../schema/trial.schema.json)). A ratio is how many
times as fast the whole program is, with its 99 % interval.
"""


def read(path: pathlib.Path) -> Document:
    """A trial. UserError if its file does not fit the schema."""
    value = schema.decoded(gzip.decompress(path.read_bytes()))
    if complaint := schema.complaint("trial", value):
        raise UserError(f"{path} {complaint}")
    told: Document = schema.built(Document, value)
    return told


def half_width(one: Verdict) -> float:
    """Half of an interval, as a share; infinite while it has no end."""
    return math.log(one.high / one.low) / 2 if one.low and one.high else math.inf


def measured(trial: Document) -> list[Verdict]:
    """All that was launched: what costs nothing is extrapolated."""
    return [one for one in trial.verdicts if one.arm != "calls that cost nothing"]


def of_kind(trial: Document, *kinds: str) -> list[Verdict]:
    """The verdicts of these kinds that have an interval."""
    return [one for one in trial.verdicts if one.kind in kinds and one.low and one.high]


def span(one: Verdict | None) -> str:
    """A ratio with its interval."""
    if one is None or not (one.ratio and one.low and one.high):
        return "–"
    return f"{one.ratio:.3f} ({one.low:.3f} to {one.high:.3f})"


def best(found: list[Verdict]) -> Verdict | None:
    """The fastest."""
    return max(found, key=lambda one: one.ratio or 0.0, default=None)


def most(trial: Document, *kinds: str) -> float:
    """The largest ratio to the baseline that an arm of these kinds may have."""
    plain = next(one.baseline for one in trial.verdicts if one.kind == "null")
    return max((one.high or math.inf for one in of_kind(trial, *kinds)
                if one.baseline == plain or one.kind != "final"), default=math.inf)


def trials_grid(trials: dict[str, Document]) -> Grid:
    """A row a trial."""
    rows = []
    for name, trial in trials.items():
        null, delay = (next(iter(of_kind(trial, kind)), None) for kind in ("null", "delay"))
        widest = max(map(half_width, measured(trial)))
        rows.append(Row(cells(
            name.removesuffix("-littered"), "littered" if trial.command.littered else "clean",
            trial.sentence, *(span(best(of_kind(trial, kind))) for kind in ("malloc", "pool")),
            f"± {units.share(widest, 1)}" if widest < math.inf else "–", span(null), span(delay),
            f"{trial.time_s:.0f} s")))
    return Grid("trials", "", [
        Column("program"), Column("heap"), Column("sentence"), Column("best malloc"),
        Column("best pool"), Column("widest", True), Column("glibc again"),
        Column("delayed by 2 %"), Column("took", True)], rows)


def known_grid(trials: dict[str, Document]) -> Grid:
    """Programs with a pool of their own: what it gains, and what the trial says can be had."""
    rows = []
    for name, trial in trials.items():
        for own in of_kind(trial, "adopted"):
            pool = best([one for one in of_kind(trial, "pool") if one.arm == "pool"])
            ceiling, least = most(trial, "malloc", "pool", "ceiling"), (pool and pool.low) or 0.0
            low, ratio, high = own.low or 0.0, own.ratio or 0.0, own.high or math.inf
            said = ("inside" if least <= ratio <= ceiling else "above" if low > ceiling else
                    "below" if high < least else "inside, by its interval")
            rows.append(Row(cells(name, " ".join(trial.command.adopted), span(own),
                                  f"{least:.3f}", f"{ceiling:.3f}", said)))
    return Grid("known", "", [
        Column("program"), Column("its own pool"), Column("gains"), Column("the trial: at least"),
        Column("at most"), Column("the gain lies")], rows)


def audit_grid(trials: dict[str, Document], audits: dict[str, Document]) -> Grid:
    """Programs with a no, and mallocs that were tried afterwards."""
    rows = []
    for name, later in audits.items():
        limit = most(trials[name], "malloc", "pool", "final")
        for one in of_kind(later, "malloc"):
            rows.append(Row(cells(name, f"{limit:.3f}", one.arm, span(one),
                                  "no" if (one.low or 0.0) > limit else "yes")))
    return Grid("audit", "", [
        Column("program"), Column("at most"), Column("tried afterwards"), Column("speed"),
        Column("holds")], rows)


def facts(trials: dict[str, Document]) -> list[str]:
    """How many trials are as good as they should be."""
    all_of = list(trials.values())
    narrow = sum(max(map(half_width, measured(trial))) <= WIDEST for trial in all_of)
    even = sum(all((one.low or 0) <= 1 <= (one.high or 9) for one in of_kind(trial, "null"))
               for trial in all_of)
    first = all_of[0]
    return [
        f"{narrow} of {len(all_of)} trials have every interval within ± {units.share(WIDEST, 1)}.",
        f"The delay of 2 % was seen in {sum(trial.delay_seen for trial in all_of)}.",
        f"The interval of glibc beside itself contains 1 in {even}.",
        f"Measured on {first.host.get('processors')} processors ({first.host.get('processor')}), "
        f"load {min(_load(trial) for trial in all_of):.1f} to "
        f"{max(_load(trial) for trial in all_of):.1f}, by Poolproof {first.version}.",
    ]


def _load(trial: Document) -> float:
    return float(trial.host.get("load_at_start") or 0.0)


def page(found: dict[str, Document]) -> str:
    """README.md, of name → trial."""
    audits = {name.removesuffix("-audit"): trial for name, trial in found.items()
              if name.endswith("-audit")}
    trials = {name: trial for name, trial in found.items() if not name.endswith("-audit")}
    known = known_grid(trials)
    parts = [HEAD, "\n".join(f"- {line}" for line in facts(trials)), table(trials_grid(trials))]
    if known.rows:
        parts += ["## Known answers", "The same program with a pool of its own and without. What "
                  "that gains should lie between the lower limit of the arm “pool” and the highest "
                  "limit of all arms.", table(known)]
    if audits:
        parts += ["## Was the no right?", "No malloc tried afterwards should win more than the "
                  "trial’s limit.", table(audit_grid(trials, audits))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def published(folder: pathlib.Path) -> dict[str, Document]:
    """A folder's trials, by name. UserError if there is none."""
    names = sorted(path.name.removesuffix(".json.gz") for path in folder.glob("*.json.gz"))
    if not names:
        raise UserError(f"{folder}: no trial there (NAME.json.gz)")
    return {name: read(folder / f"{name}.json.gz") for name in names}


if __name__ == "__main__":
    given = pathlib.Path(sys.argv[1])
    write_whole(given / "README.md", page(published(given)))
