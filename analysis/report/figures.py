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
from analysis.system.templates import fill

README = ROOT / "README.md"
REFERENCE, TRIALS = ROOT / "results" / "reference", ROOT / "results" / "trial"
SHOWN_TRIAL = "lua"
"""README.md shows this trial's output."""

BLOCK = re.compile("<!-- figures: begin -->.*?<!-- figures: end -->", re.DOTALL)
POOL_LINES = re.compile(r"(\| \*\*Poolproof\*\* \|.*\| )[\d,]+( \| MIT \|)")

KINDS = {"loops": r"(?!trace|app/).*", "recorded programs": r"trace/.*",
         "recorded programs, first run": r"trace-cold/.*", "applications": r"app/.*"}
"""Kind of workload, as a reader knows it → its names."""

ARMS_SHOWN = ("glibc again", "glibc delayed", "glibc, huge pages", "mimalloc", "pool")
"""Of the trial that README.md shows."""

ANSWERS = {"yes": "a pool pays off in", "no-malloc": "a malloc is enough in",
           "no": "nothing pays off in", "unknown": "cannot tell for"}
OUTCOMES = ("faster than all", "equal to the fastest", "slower than the fastest", "undecided")


def outcome(claims: list[dict[str, Any]]) -> str:
    """One of OUTCOMES: the pool beside all mallocs on one workload."""
    fastest = min(claims, key=lambda claim: claim["ratio"])["verdict"]
    if all(claim["verdict"] == "faster" for claim in claims):
        return OUTCOMES[0]
    return {"equal": OUTCOMES[1], "slower": OUTCOMES[2]}.get(fastest, OUTCOMES[3])


def reference_rows(verdicts: list[dict[str, Any]]) -> list[tuple[str, list[int], list[float]]]:
    """The pool that keeps contents beside the fastest malloc: each kind of workload, how many of
    them have each of OUTCOMES, and the least, the median and the largest ratio."""
    rows = []
    for kind, pattern in KINDS.items():
        workloads: dict[str, list[dict[str, Any]]] = {}
        for claim in verdicts:
            if re.fullmatch(pattern, claim["workload"]):
                workloads.setdefault(claim["workload"], []).append(claim)
        if workloads:
            seen = [outcome(claims) for claims in workloads.values()]
            speeds = sorted(min(claim["ratio"] for claim in claims)
                            for claims in workloads.values())
            rows.append((kind, list(map(seen.count, OUTCOMES)), speeds if len(speeds) < 3 else
                         [speeds[0], statistics.median(speeds), speeds[-1]]))
    return rows


def trial_output(trial: Document) -> str:
    """The first lines that the terminal shows of a trial."""
    shown = Grid("", "Speed of the whole program with each arm", [
        Column("arm"), Column("beside"), Column("speed", True), Column("99 % interval", True),
        Column("verdict"), Column("launches", True)], [
            Row(cells(one.arm, one.baseline, f"{one.ratio:.3f}", f"{one.low:.3f} to {one.high:.3f}",
                      one.verdict, str(one.n)))
            for one in trial.verdicts if one.low and one.high and one.arm in ARMS_SHOWN])
    return document.text([trial.sentence, shown], 120).rstrip()


def blocks() -> str:
    """README.md's blocks, in their order."""
    run, verdicts = (json.loads((REFERENCE / name).read_text(encoding="utf-8"))
                     for name in ("run.json", "verdicts.json"))
    claims = [claim for claim in verdicts
              if claim["kind"] == "claim" and claim["arm"] == "pool-keep"]
    tried = trials.published(TRIALS)
    later = [(last.ratio, last.baseline) for *_, last in trials.audited(tried)
             if last and last.ratio]
    names = {answer: [f"`{name}`" for name, one in tried.items() if one.answer == answer
                      and not name.endswith(("-littered", "-audit"))] for answer in ANSWERS}
    return fill(document.TEMPLATES / "readme.md.j2", {"listed": listed, "ratio": units.ratio},
                run=run, rows=reference_rows(claims), outcomes=OUTCOMES,
                mallocs=list(dict.fromkeys(arm_label(claim["baseline"]) for claim in claims)),
                newest=listed(sorted({name for _, name in later})),
                beside=sorted(ratio for ratio, _ in later),
                answers=[f"{ANSWERS[answer]} {listed(some)}" for answer, some in names.items()
                         if some], output=trial_output(tried[SHOWN_TRIAL]),
                command=shlex.join(tried[SHOWN_TRIAL].command.words))


def renewed(old: str) -> str:
    """README.md with these blocks, and with the pool's length."""
    texts = BLOCK.findall(blocks())
    if len(BLOCK.findall(old)) != len(texts):
        raise AssertionError("README.md lacks a place for a figure")
    new = BLOCK.sub(lambda _: texts.pop(0), old)
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
