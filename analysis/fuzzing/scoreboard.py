"""What the trials of planted bugs say: verdicts, medians, survival, and a scoreboard's files.

All trials have the same budget, so the share of those that are still going is Kaplan and Meier's
estimate of survival.
"""

import bisect
import collections
import dataclasses
import math
import pathlib
import platform
import statistics
from typing import Any, Sequence

from analysis.runs.attacks import Bug, Score, Scoreboard, Trial
from analysis.runs.schema import encoded
from analysis.system.files import version, write_whole
from analysis.system.templates import fill

SHARE_DUE = 0.95
"""Of the bugs that are reached, so many must be found on the median seed."""

AT_ONCE = 10_000
"""A call that does nothing must be found within so many executions."""

PHASES = ("reached", "wrong", "found")


def scored(bug: Bug, kept: Trial, trials: list[Trial]) -> Score:
    """What became of a bug: with the repository's inputs, and from nothing with each seed."""
    medians = {}
    for phase in PHASES:
        values = [getattr(trial, phase) for trial in trials]
        middle = statistics.median_high([math.inf if v is None else v for v in values])
        medians[f"median_{phase}"] = None if math.isinf(middle) else middle
    verdict = "found" if medians["median_found"] is not None else \
        "unseen" if any(trial.wrong for trial in trials) else \
        "harmless" if any(trial.reached for trial in trials) else "unreached"
    silent = kept.executions > 0 and not any(trial.found for trial in (kept, *trials))
    at_once = all(trial.found and trial.found <= AT_ONCE for trial in trials)
    seen = collections.Counter(trial.oracle for trial in trials if trial.oracle)
    return Score(
        **{field.name: getattr(bug, field.name) for field in dataclasses.fields(Bug)},
        verdict=verdict, behaves={"equivalent": silent, "hollow": at_once}.get(bug.kind),
        kept_inputs_find_it=kept.found is not None, **medians,
        oracles=dict(seen.most_common()), trials=trials)


def line(score: Score) -> str:
    """One bug in one line."""
    median = score.median_found
    after = f" after {median:,.0f} executions" if median is not None else ""
    seen = f" by {', '.join(score.oracles)}" if score.oracles else ""
    control = {None: "", True: ", as it must be", False: ", which it must not be"}[score.behaves]
    word = "not found" if score.kind == "equivalent" and not score.oracles else score.verdict
    return f"{score.name}: {word}{after}{seen}{control}"


def board(scores: list[Score], broken: list[str], executions: int, seeds: int, seconds: float,
          compiler: str) -> Scoreboard:
    """The scoreboard. `broken` names the patches that could not be planted."""
    bugs = [score.verdict for score in scores if score.kind == "bug"]
    reached, found = len(bugs) - bugs.count("unreached"), bugs.count("found")
    share = found / reached if reached else None
    behave = all(score.behaves is not False for score in scores)
    return Scoreboard(
        version=version(), compiler=f"clang {compiler}", machine=platform.machine(),
        executions=executions, seeds=list(range(1, seeds + 1)), seconds=round(seconds, 1),
        executions_done=sum(trial.executions for score in scores for trial in score.trials),
        bugs=len(bugs), reached=reached, found=found, found_share_of_reached=share,
        controls_behave=behave, broken=broken,
        holds=behave and not broken and (share is None or share >= SHARE_DUE), scores=scores)


def verdict(made: Scoreboard) -> str:
    """The scoreboard in one sentence."""
    share = made.found_share_of_reached
    rate = f" ({100 * share:.1f} %)" if share is not None else ""
    controls = "the controls behave" if made.controls_behave else "a control does not behave"
    lost = f"; could not be planted: {', '.join(made.broken)}" if made.broken else ""
    return (f"{made.found} of {made.reached} reached bugs found{rate}, of {made.bugs} "
            f"planted{lost}; {controls}; {made.executions_done:,} executions in "
            f"{made.seconds:.0f} s")


def ends(scores: Sequence[Score], phase: str) -> list[float]:
    """When each trial of a planted bug came to a phase, in order; infinity for never."""
    trials = [trial for score in scores if score.kind == "bug" for trial in score.trials]
    found = [getattr(trial, phase) for trial in trials]
    return sorted(math.inf if end is None else end for end in found)


def left(when: list[float], executions: float) -> float:
    """The share that is left after so many executions."""
    return 1 - bisect.bisect_right(when, executions) / len(when)


def draw(scores: Sequence[Score], executions: int) -> str:
    """Survival until each phase as an SVG file."""
    from analysis.system import drawing  # here, so that commands start without Matplotlib

    figure, axes = drawing.canvas(270, left=44, right=30, width=520,
                                  title="share of bugs and seeds", label="executions from nothing")
    axes.set_xscale("log")
    axes.set_xlim(1, executions)
    axes.set_ylim(0, 1.02)
    colours = {"reached": drawing.MALLOC, "wrong": drawing.SLOWER, "found": drawing.POOL}
    for at, (phase, colour) in enumerate(colours.items()):
        when = ends(scores, phase)
        along = [1.0, *(end for end in when if end < executions), float(executions)]
        axes.step(along, [left(when, end) for end in along], where="post", color=colour,
                  clip_on=False)
        axes.text(0.99, 0.97 - 0.08 * at, f"not {phase} yet", ha="right", va="top", color=colour,
                  transform=axes.transAxes)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xticks([], minor=True)
    return drawing.alone(drawing.svg(
        figure, "survival", "Survival of planted bugs", "The share of bugs and seeds not yet"
        " reached, gone wrong and found, against executions"))


def write(made: Scoreboard, folder: pathlib.Path) -> None:
    """scoreboard.json, scoreboard.md and survival.svg, each whole or not at all."""
    steps = [10 ** power for power in range(1, 10) if 10 ** power < made.executions]
    rows = [(step, *(100 * left(ends(made.scores, phase), step) for phase in PHASES))
            for step in (*steps, made.executions)] if made.bugs else []
    said: dict[str, Any] = dataclasses.asdict(  # class_ is written class
        made, dict_factory=lambda items: {name.rstrip("_"): value for name, value in items})
    page = fill(pathlib.Path(__file__).with_name("bugs.md.j2"), board=said, verdict=verdict(made),
                rows=rows)
    files = {"scoreboard.json": encoded(said), "scoreboard.md": page}
    if made.bugs:
        files["survival.svg"] = draw(made.scores, made.executions)
    for name, text in files.items():
        write_whole(folder / name, text)
