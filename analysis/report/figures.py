"""The figures that documents quote from results/, between `<!-- figures: begin -->` and its end.

    python3 -m analysis.report.figures

makes the report of results/reference again, photographs it, and writes its figures, those of
results/trial and the pool's length into the documents. A test holds these equal to the results.
"""

from __future__ import annotations

import json
import math
import pathlib
import re
import statistics
import subprocess
from typing import Any, Iterable

from analysis.report import document
from analysis.report.document import Column, Grid, Row, cells
from analysis.report.narrative import arm_label, listed
from analysis.system import units
from analysis.system.files import ROOT, whole_file

REFERENCE, TRIALS = ROOT / "results" / "reference", ROOT / "results" / "trial"
SHOWN_TRIAL = "cppcheck"
"""README.md shows this trial's output."""

BLOCK = re.compile(r"(<!-- figures: begin -->\n).*?(<!-- figures: end -->)", re.DOTALL)
POOL_LINES = re.compile(r"(\| \*\*Poolproof\*\* \|.*\| )[\d,]+( \| MIT \|)")

KINDS = {"loops": r"(?!trace|app/).*", "recorded programs": r"trace/.*",
         "recorded programs, first run": r"trace-cold/.*", "applications": r"app/.*"}
"""Kind of workload, as a reader knows it → its names."""

ARMS_SHOWN = 6

OUTCOMES = ("faster than all", "equal to the fastest", "slower than the fastest", "undecided")


def outcome(claims: list[dict[str, Any]]) -> str:
    """One of OUTCOMES: the pool beside all mallocs on one workload."""
    fastest = min(claims, key=lambda claim: claim["ratio"])["verdict"]
    if all(claim["verdict"] == "faster" for claim in claims):
        return OUTCOMES[0]
    return {"equal": OUTCOMES[1], "slower": OUTCOMES[2]}.get(fastest, OUTCOMES[3])


def reference_table(verdicts: list[dict[str, Any]]) -> str:
    """The pool that keeps contents beside the fastest malloc: a row a kind of workload."""
    rows = []
    for kind, pattern in KINDS.items():
        workloads: dict[str, list[dict[str, Any]]] = {}
        for claim in verdicts:
            if (claim["kind"] == "claim" and claim["arm"] == "pool-keep"
                    and re.fullmatch(pattern, claim["workload"])):
                workloads.setdefault(claim["workload"], []).append(claim)
        if workloads:
            seen = [outcome(claims) for claims in workloads.values()]
            speeds = sorted(min(claim["ratio"] for claim in claims)
                            for claims in workloads.values())
            rows.append([kind, *map(str, map(seen.count, OUTCOMES)), " / ".join(map(units.ratio, (
                speeds if len(speeds) < 3 else
                (speeds[0], statistics.median(speeds), speeds[-1]))))])
    return table(("", *OUTCOMES, "pool's speed beside the fastest: least / median / most"), rows)


def run_sentence(run: dict[str, Any], verdicts: list[dict[str, Any]]) -> str:
    """Of which pool, beside which mallocs, and when."""
    mallocs = dict.fromkeys(arm_label(claim["baseline"]) for claim in verdicts
                            if claim["kind"] == "claim" and claim["arm"] == "pool-keep")
    return (f"[This run](results/reference/README.md) of {run['started'][:10]} measured the pool of"
            f" commit {run['environment']['source']},\nbeside {listed(list(mallocs))}:\n")


def trial_sentence(trials: dict[str, dict[str, Any]]) -> str:
    """What became of the programs that were tried whole."""
    answers = {"yes": "a pool pays off in", "malloc": "a malloc is enough in",
               "no": "nothing pays off in", "unknown": "cannot tell for"}
    said = [f"{words} {listed(names)}" for answer, words in answers.items()
            if (names := [f"`{name}`" for name, one in trials.items()
                           if one["answer"] == answer])]
    return f"[Whole programs](results/trial/README.md), tried as above: {'; '.join(said)}.\n"


def trial_table(trials: dict[str, dict[str, Any]]) -> str:
    """Each trial's sentence and noise."""
    return table(("program", "answer", "δ"), (
        (name, one["sentence"], units.percent(one["delta"] or math.inf).replace(units.NARROW, " "))
        for name, one in trials.items()))


def trial_output(told: str) -> str:
    """The first lines that the terminal shows of a trial, from its trial.md."""
    title, _, sentence, *lines = told.partition("\n## ")[0].splitlines()
    grid = [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in line.strip("|").split("|")]
            for line in lines if line.startswith("|")]
    columns = [Column(title, title not in ("arm", "beside", "verdict")) for title in grid[0]]
    shown = Grid("", "Speed of the whole program with each arm", columns,
                 [Row(cells(*row)) for row in grid[2:2 + ARMS_SHOWN]])
    return (f"```\n$ ./poolproof trial -- {title.removeprefix('# ')}\n"
            f"{document.text([sentence, shown], 120).rstrip()}\n …\n```\n")


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    return document.table(Grid("", "", list(map(Column, columns)),
                               [Row(cells(*row)) for row in rows]))


def blocks() -> dict[pathlib.Path, list[str]]:
    """Document → the text of its blocks, in their order."""
    run, verdicts = (json.loads((REFERENCE / name).read_text(encoding="utf-8"))
                     for name in ("run.json", "verdicts.json"))
    trials = {path.parent.name: json.loads(path.read_text(encoding="utf-8"))
              for path in sorted(TRIALS.glob("*/trial.json"))}
    return {
        ROOT / "README.md": [
            trial_output((TRIALS / SHOWN_TRIAL / "trial.md").read_text(encoding="utf-8")),
            "\n".join((run_sentence(run, verdicts), reference_table(verdicts),
                       trial_sentence(trials)))],
        TRIALS / "README.md": [trial_table(trials)],
    }


def renewed(path: pathlib.Path, texts: Iterable[str]) -> str:
    """The document with these texts in its blocks."""
    texts = iter(texts)
    old = path.read_text(encoding="utf-8")
    new = BLOCK.sub(lambda found: found[1] + next(texts) + found[2], old)
    if next(texts, None) is not None:
        raise AssertionError(f"{path}: lacks a place for a figure")
    lines = sum(file.read_bytes().count(b"\n") for file in (ROOT / "core").glob("*.[ch]"))
    return POOL_LINES.sub(rf"\g<1>{lines:,}\g<2>", new)


def photograph(page: pathlib.Path, picture: pathlib.Path) -> None:
    """The first screen of a report, as Chromium shows it."""
    subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                    "--window-size=1100,800", f"--screenshot={picture}", page.as_uri()],
                   check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    from analysis.report import render
    render.report(REFERENCE, render.output_console())
    photograph(REFERENCE / "report.html", REFERENCE / "report.png")
    for name, text in blocks().items():
        content = renewed(name, text)
        with whole_file(name) as stream:
            stream.write(content)
