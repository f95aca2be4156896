"""A comparison of two runs as text, JSON, CSV, Markdown and JUnit."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from typing import Callable, Sequence

from rich.console import Console
from rich.text import Text

from analysis.report import grid
from analysis.report.grid import Cell, Column, Grid, Row
from analysis.stats import inference
from analysis.stats.comparison import Change, Comparison, Count
from analysis.system import units
from analysis.system.files import version

OUTCOMES = {
    "pass": "pass: no arm became slower",
    "regression": "regression",
    "inconclusive": "inconclusive: a regression is neither proved nor excluded",
    "unfit": "unfit: these runs can say nothing"
}


Shown = Sequence[Change | Count]

NUMBERS = [Column("workload"), Column("arm"), Column("base", True), Column("new", True),
           Column("ratio", True)]


def change_row(change: Change) -> Row:
    """One line of the table of times."""
    seen = change.interval
    interval = (f"{units.ratio(math.exp(seen.low))} to {units.ratio(math.exp(seen.high))}"
                if math.isfinite(seen.low) else "no interval")
    return Row(grid.cells(
        change.workload, _arm(change), units.time(change.base_time_ns),
        units.time(change.new_time_ns), f"{units.ratio(change.ratio)}×", interval,
        units.percent(change.limit), Cell(change.verdict, verdict=change.verdict)))


def count_row(count: Count) -> Row:
    """One line of the table of instructions."""
    base, new = (f"{statistics.median(counted):.1f}" for counted in (count.base, count.new))
    return Row(grid.cells(count.workload, _arm(count), base, new, f"{units.ratio(count.ratio)}×",
                          Cell(count.verdict, verdict=count.verdict)))


def _arm(item: Change | Count) -> str:
    return item.arm + {"control": " (unchanged)", "other": " (no claim)"}.get(item.kind, "")


def tables(shown: Shown) -> list[Grid]:
    """Of time and of instructions, whichever there is."""
    times = [change_row(item) for item in shown if isinstance(item, Change)]
    counts = [count_row(item) for item in shown if isinstance(item, Count)]
    found = [Grid("times", "", [*NUMBERS, Column("95 % interval", True), Column("δ", True),
                                Column("verdict")], times),
             Grid("counts", "", [*NUMBERS, Column("instructions an operation")], counts)]
    return [table for table in found if table.rows]


def sentences(comparison: Comparison) -> list[str]:
    """What a reader must know beside the tables."""
    base, new = comparison.base.plan, comparison.new.plan
    said = []
    gate = new.base is not None
    if gate and new.base["sha256"] == new.benchmark["sha256"]:
        said.append("Both builds are the same binary: what separates them is noise.")
    if not gate:
        said.append("The two were not measured in turns: a machine that changed in between may"
                    " pass for a change of the pool. gate --base runs two builds now.")
        if base.benchmark["sha256"] == new.benchmark["sha256"]:
            said.append("Both runs measured the same binary: what separates them is noise.")
    for what, base_has, new_has in (
            ("measured time", comparison.base.launches, comparison.new.launches),
            ("counted instructions", comparison.base.work, comparison.new.work)):
        if bool(base_has) != bool(new_has):
            said.append(f"Only the {'base' if base_has else 'new run'} {what}.")
    said += [f"The runs differ in {item}." for item in comparison.unlike]
    said += [f"{item[0].upper()}{item[1:]}." for item in comparison.left_out]
    said += [f"{item.workload} with {item.arm} died in the new run: {item.refused}."
             for item in comparison.crashed]
    said += [f"{item[0].upper()}{item[1:]}." for item in comparison.unfit]
    said += [f"{change.workload} with {change.arm}: {change.doubt}."
             for change in comparison.changes if change.doubt]
    unsettled = [change for change in comparison.claims if change.outcome == "inconclusive"]
    if unsettled:
        smallest = max(inference.smallest_provable(item.interval, item.limit) for item in unsettled)
        could = (f"could have proved {units.percent(smallest)}" if math.isfinite(smallest)
                 else "could have proved nothing: they have too few launches")
        said.append(f"Of {units.count(len(comparison.claims), 'claim')}, {len(unsettled)} remain"
                    f" open; the runs {could} on each of them. More launches see more.")
    return said


def headline(comparison: Comparison) -> str:
    """The outcome in a line."""
    slower = [f"{change.workload} with {change.arm} ({units.ratio(change.ratio)}×)"
              for change in comparison.claims if change.outcome == "regression"]
    slower += [f"{item.workload} with {item.arm} ({units.ratio(1 / item.ratio)}× the"
               " instructions)" for item in comparison.counted_claims
               if item.outcome == "regression"]
    slower += [f"{item.workload} with {item.arm} (died)" for item in comparison.crashed]
    if comparison.outcome == "regression":
        return f"regression: {', '.join(slower)}"
    return OUTCOMES[comparison.outcome]


def text(comparison: Comparison, shown: Shown) -> str:
    """Tables for a terminal or a log, the outcome below them."""
    stream = io.StringIO()
    console = Console(file=stream, width=160, color_system=None)
    for table in tables(shown):
        console.print(grid.terminal(table))
    for sentence in [*sentences(comparison), headline(comparison)]:
        console.print(Text(sentence), soft_wrap=True)
    return "\n".join(line.rstrip() for line in stream.getvalue().strip("\n").split("\n")) + "\n"


def markdown(comparison: Comparison, shown: Shown) -> str:
    """The same for a pull request."""
    parts = [f"**{grid.escaped(headline(comparison))}**\n",
             *(f"{grid.escaped(sentence)}\n" for sentence in sentences(comparison)),
             *map(grid.markdown, tables(shown)),
             "A ratio above 1 means that the new pool is faster, or runs fewer instructions.\n"]
    return "\n".join(parts)


def as_json(comparison: Comparison, shown: Shown) -> str:
    """Everything, whatever is shown."""
    del shown
    return json.dumps(comparison.to_json(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def as_csv(comparison: Comparison, shown: Shown) -> str:
    """A line each, with the columns of the JSON; empty where only the other kind has one."""
    del comparison
    rows = [item.to_json() for item in shown]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(dict.fromkeys(key for row in rows for key in row)),
                            lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def junit(comparison: Comparison, shown: Shown) -> str:
    """A test case for each claim: a regression fails, what stays open is skipped and says so."""
    import junit_xml  # here, so that nothing else is lost where it is missing

    del shown
    cases = []
    for item in [*comparison.claims, *comparison.counted_claims]:
        counted = isinstance(item, Count)
        case = junit_xml.TestCase(item.arm, classname=f"{item.workload}, instructions" if counted
                                  else item.workload)
        row = count_row(item) if counted else change_row(item)
        said = " ".join(f"{cell.sign} {cell.text}".strip() for cell in row.cells[2:])
        said += "" if counted or not item.doubt else f" {item.doubt}"
        if comparison.outcome == "unfit":
            case.add_error_info(f"unfit: {'; '.join(comparison.unfit)}", said)
        elif item.outcome == "regression":
            case.add_failure_info(f"{'more' if counted else 'slower'}: {said}", said)
        elif item.outcome == "inconclusive":
            case.add_skipped_info(f"inconclusive: {said}")
        else:
            case.stdout = said
        cases.append(case)
    for item in comparison.crashed:
        case = junit_xml.TestCase(item.arm, classname=item.workload)
        case.add_failure_info(f"died: {item.refused}")
        cases.append(case)
    for phrase in comparison.left_out:
        case = junit_xml.TestCase(phrase, classname="left out")
        case.add_skipped_info(phrase)
        cases.append(case)
    suite = junit_xml.TestSuite("poolproof gate", cases, properties={
        "outcome": comparison.outcome, "base": str(comparison.base.folder),
        "new": str(comparison.new.folder), "poolproof": version()
    })
    return junit_xml.to_xml_report_string([suite])


FORMATS: dict[str, Callable[[Comparison, Shown], str]] = {
    "text": text, "json": as_json, "csv": as_csv, "markdown": markdown, "junit": junit
}
"""Name → the function that writes a comparison so. The second argument is what is shown."""
