"""A comparison of two runs as text, JSON, CSV, Markdown and JUnit."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Callable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis import environment, inference, samples, wording
from analysis.comparison import Change, Comparison

COLUMNS = ("workload", "arm", "base", "new", "ratio", "95 % interval", "δ", "verdict")
NUMBERS = ("base", "new", "ratio", "95 % interval", "δ")

OUTCOMES = {
    "pass": "pass: no arm became slower",
    "regression": "regression",
    "inconclusive": "inconclusive: a regression is neither proved nor excluded",
    "unfit": "unfit: these runs can say nothing"
}


def cells(change: Change) -> list[str]:
    """One line of a table, in the order of COLUMNS."""
    seen = change.interval
    interval = (f"{wording.ratio(math.exp(seen.low))} to {wording.ratio(math.exp(seen.high))}"
                if math.isfinite(seen.low) else "no interval")
    aside = {"control": " (unchanged)", "other": " (no claim)"}.get(change.kind, "")
    return [change.workload, f"{change.arm}{aside}", wording.time(change.base_time_ns),
            wording.time(change.new_time_ns), f"{wording.ratio(change.ratio)}×", interval,
            wording.percent(change.limit),
            f"{wording.SIGNS[change.verdict]} {change.verdict}"]


def sentences(comparison: Comparison) -> list[str]:
    """What a reader must know beside the table."""
    base, new = comparison.base.plan, comparison.new.plan
    said = []
    if comparison.base.samples == comparison.new.samples:
        said.append("Both folders hold one and the same run.")
    if base.benchmark["sha256"] == new.benchmark["sha256"]:
        said.append("Both runs measured the same binary: what separates them is noise.")
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
        could = (f"could have proved {wording.percent(smallest)}" if math.isfinite(smallest)
                 else "could have proved nothing: they have too few rounds")
        said.append(f"Of {wording.count(len(comparison.claims), 'claim')}, {len(unsettled)} remain"
                    f" open; the runs {could} on each of them. More rounds see more.")
    return said


def headline(comparison: Comparison) -> str:
    """The outcome in a line."""
    slower = [f"{change.workload} with {change.arm} ({wording.ratio(change.ratio)}×)"
              for change in comparison.claims if change.outcome == "regression"]
    slower += [f"{item.workload} with {item.arm} (died)" for item in comparison.crashed]
    if comparison.outcome == "regression":
        return f"regression: {', '.join(slower)}"
    return OUTCOMES[comparison.outcome]


def text(comparison: Comparison, changes: Sequence[Change]) -> str:
    """A table for a terminal or a log, the outcome below it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in COLUMNS:
        table.add_column(title, justify="right" if title in NUMBERS else "left", no_wrap=True)
    for change in changes:
        table.add_row(*map(Text, cells(change)))
    stream = io.StringIO()
    console = Console(file=stream, width=160, color_system=None)
    console.print(table)
    for sentence in sentences(comparison):
        console.print(Text(sentence), soft_wrap=True)
    console.print(Text(headline(comparison)), soft_wrap=True)
    return "\n".join(line.rstrip() for line in stream.getvalue().strip("\n").split("\n")) + "\n"


def markdown(comparison: Comparison, changes: Sequence[Change]) -> str:
    """The same for a pull request."""
    lines = [f"**{_escaped(headline(comparison))}**", ""]
    lines += [f"{_escaped(sentence)}\n" for sentence in sentences(comparison)]
    lines += [f"| {' | '.join(COLUMNS)} |",
              f"| {' | '.join('---:' if title in NUMBERS else '---' for title in COLUMNS)} |"]
    lines += [f"| {' | '.join(map(_escaped, cells(change)))} |" for change in changes]
    lines += ["", "A ratio above 1 means that the new run is faster, relative to glibc in the same"
              " round."]
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    """Nothing in a name may start a column, a tag or an emphasis."""
    for sign in "\\`*_<>|[]":
        value = value.replace(sign, f"\\{sign}")
    return " ".join(value.split())


def as_json(comparison: Comparison, changes: Sequence[Change]) -> str:
    """Every change, whichever are shown; checked against its schema before it leaves."""
    del changes
    value = comparison.to_json()
    wrong = samples.complaint("comparison", value)
    if wrong:
        raise AssertionError(f"the comparison {wrong}")
    return json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def as_csv(comparison: Comparison, changes: Sequence[Change]) -> str:
    """A line a change, with the columns of the JSON."""
    del comparison
    rows = [change.to_json() for change in changes]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def junit(comparison: Comparison, changes: Sequence[Change]) -> str:
    """A test case for each claim: a regression fails, what stays open is skipped and says so."""
    import junit_xml  # here, so that nothing else is lost where it is missing

    del changes
    cases = []
    for change in comparison.claims:
        case = junit_xml.TestCase(change.arm, classname=change.workload)
        said = " ".join([*cells(change)[2:], change.doubt]).strip()
        if comparison.outcome == "unfit":
            case.add_error_info(f"unfit: {'; '.join(comparison.unfit)}", said)
        elif change.outcome == "regression":
            case.add_failure_info(f"slower: {said}", said)
        elif change.outcome == "inconclusive":
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
        "new": str(comparison.new.folder), "poolproof": environment.version()
    })
    return junit_xml.to_xml_report_string([suite])


FORMATS: dict[str, Callable[[Comparison, Sequence[Change]], str]] = {
    "text": text, "json": as_json, "csv": as_csv, "markdown": markdown, "junit": junit
}
"""Name → the function that writes a comparison so. The second argument is what is shown."""
