"""The figures that documents quote from results/, between `<!-- figures: begin -->` and its end.

    python3 -m analysis.report.figures

makes the report of results/reference again, photographs it, and writes its figures, those of
results/trial and the pool's length into README.md. A test holds these equal to the results.
"""

import json
import pathlib
import re
import shlex
import statistics
import subprocess
from typing import Any

from analysis.report import document, trials
from analysis.report.document import Column, Grid, Row, cells
from analysis.report.narrative import arm_label, listed
from analysis.runs.trial import Document
from analysis.system import units
from analysis.system.files import ROOT, write_whole

README = ROOT / "README.md"
REFERENCE, TRIALS = ROOT / "results" / "reference", ROOT / "results" / "trial"
SHOWN_TRIAL = "lua"
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
    titles = ("", *OUTCOMES, "pool's speed beside the fastest: least / median / most")
    return document.table(Grid("", "", list(map(Column, titles)),
                               [Row(cells(*row)) for row in rows]))


def run_sentence(run: dict[str, Any], verdicts: list[dict[str, Any]]) -> str:
    """Of which pool, beside which mallocs, and when."""
    mallocs = dict.fromkeys(arm_label(claim["baseline"]) for claim in verdicts
                            if claim["kind"] == "claim" and claim["arm"] == "pool-keep")
    return (f"[This run](results/reference/README.md) of {run['started'][:10]} measured the pool of"
            f" commit {run['environment']['source']},\nbeside {listed(list(mallocs))}:\n")


def trial_sentence(found: dict[str, Document]) -> str:
    """What became of the programs that were tried whole, on a clean heap."""
    answers = {"yes": "a pool pays off in", "no-malloc": "a malloc is enough in",
               "no": "nothing pays off in", "unknown": "cannot tell for"}
    said = [f"{words} {listed(names)}" for answer, words in answers.items()
            if (names := [f"`{name}`" for name, one in found.items()
                           if one.answer == answer and not name.endswith(("-littered", "-audit"))])]
    return f"[Whole programs](results/trial/README.md), tried as above: {'; '.join(said)}.\n"


def trial_output(trial: Document) -> str:
    """The first lines that the terminal shows of a trial."""
    shown = Grid("", "Speed of the whole program with each arm", [
        Column("arm"), Column("beside"), Column("speed", True), Column("99 % interval", True),
        Column("verdict"), Column("launches", True)], [
            Row(cells(one.arm, one.baseline, f"{one.ratio:.3f}", f"{one.low:.3f} to {one.high:.3f}",
                      one.verdict, str(one.n)))
            for one in trial.verdicts if one.low and one.high][:ARMS_SHOWN])
    return (f"```\n$ ./poolproof trial -- {shlex.join(trial.command.words)}\n"
            f"{document.text([trial.sentence, shown], 120).rstrip()}\n …\n```\n")


def blocks() -> list[str]:
    """The text of README.md's blocks, in their order."""
    run, verdicts = (json.loads((REFERENCE / name).read_text(encoding="utf-8"))
                     for name in ("run.json", "verdicts.json"))
    tried = trials.published(TRIALS)
    return [trial_output(tried[SHOWN_TRIAL]),
            "\n".join((run_sentence(run, verdicts), reference_table(verdicts),
                       trial_sentence(tried)))]


def renewed(old: str) -> str:
    """README.md with these texts in its blocks."""
    texts = iter(blocks())
    new = BLOCK.sub(lambda found: found[1] + next(texts) + found[2], old)
    if next(texts, None) is not None:
        raise AssertionError("README.md lacks a place for a figure")
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
    write_whole(README, renewed(README.read_text(encoding="utf-8")))
