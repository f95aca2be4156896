"""A comparison of two builds or runs as text and as Markdown."""

import math
import statistics
from typing import Callable

from analysis.report import document, narrative
from analysis.report.document import Cell, Column, Grid, Row, cells
from analysis.stats import inference
from analysis.stats.comparison import Comparison, Count
from analysis.system import units

OUTCOMES = {
    "pass": "pass: no arm became slower",
    "regression": "regression",
    "inconclusive": "inconclusive: a regression is neither proved nor excluded",
    "unfit": "unfit: these runs can say nothing"
}


_NUMBERS = [Column("workload"), Column("arm"), Column("base", True), Column("new", True),
            Column("ratio", True)]


def tables(comparison: Comparison) -> list[Grid]:
    """Of time and of instructions, whichever there is."""
    times = [Row(cells(
        change.workload, change.arm + " (unchanged)" * (change.kind == "control"),
        units.time(change.baseline_time_ns), units.time(change.time_ns),
        f"{units.ratio(change.ratio)}×", narrative.interval(change), units.percent(change.limit),
        Cell(change.verdict, verdict=change.verdict))) for change in comparison.changes]
    counts = [Row(cells(
        count.workload, count.arm, f"{statistics.median(count.base):.1f}",
        f"{statistics.median(count.new):.1f}", f"{units.ratio(count.ratio)}×",
        Cell(count.verdict, verdict=count.verdict))) for count in comparison.counts]
    found = [Grid("times", "", [*_NUMBERS, Column("95 % interval", True), Column("δ", True),
                                Column("verdict")], times),
             Grid("counts", "", [*_NUMBERS, Column("instructions an operation")], counts)]
    return [table for table in found if table.rows]


def sentences(comparison: Comparison) -> list[str]:
    """What a reader must know beside the tables."""
    said = [*comparison.mind,
            *(f"{item[0].upper()}{item[1:]}." for item in comparison.left_out + comparison.unfit)]
    said += [f"{item.workload} with {item.arm} died: {item.refused}."
             for item in comparison.crashed]
    said += [f"{change.workload} with {change.arm}: {change.doubt}."
             for change in comparison.changes if change.doubt]
    claims = [change for change in comparison.changes if change.kind == "claim"]
    unsettled = [change for change in claims if change.outcome == "inconclusive"]
    if unsettled:
        smallest = max(inference.smallest_provable(item.interval, item.limit) for item in unsettled)
        could = (f"could have proved {units.percent(smallest)}" if math.isfinite(smallest)
                 else "could have proved nothing: they have too few launches")
        said.append(f"Of {units.count(len(claims), 'claim')}, {len(unsettled)} remain"
                    f" open; the runs {could} on each of them. More launches see more.")
    return said


def headline(comparison: Comparison) -> str:
    """The outcome in a line."""
    slower = [f"{item.workload} with {item.arm} " + (
        f"({units.ratio(1 / item.ratio)}× the instructions)" if isinstance(item, Count)
        else f"({units.ratio(item.ratio)}×)")
        for item in comparison.claims if item.outcome == "regression"]
    slower += [f"{item.workload} with {item.arm} (died)" for item in comparison.crashed]
    if comparison.outcome == "regression":
        return f"regression: {', '.join(slower)}"
    return OUTCOMES[comparison.outcome]


def text(comparison: Comparison) -> str:
    """Tables for a terminal or a log, the outcome below them."""
    return document.text([*tables(comparison), *sentences(comparison), headline(comparison)], 160)


def markdown(comparison: Comparison) -> str:
    """The same for a pull request."""
    parts = [f"**{document.escaped(headline(comparison))}**\n",
             *(f"{document.escaped(sentence)}\n" for sentence in sentences(comparison)),
             *map(document.table, tables(comparison)),
             "A ratio above 1 means that the new pool is faster, or runs fewer instructions.\n"]
    return "\n".join(parts)


FORMATS: dict[str, Callable[[Comparison], str]] = {"text": text, "markdown": markdown}
"""Name → the function that writes a comparison so."""
