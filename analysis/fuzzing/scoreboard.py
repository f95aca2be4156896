"""What the trials of planted bugs say: verdicts, medians, survival, and the files of a scoreboard.

A trial ends at its finding or, censored, at the end of its budget; survival is estimated by Kaplan
and Meier (Nonparametric estimation from incomplete observations, JASA 1958).
"""

from __future__ import annotations

import collections
import dataclasses
import math
import pathlib
import platform
import statistics
from typing import Any, Sequence

from analysis.runs.attacks import Bug, Score, Scoreboard, Trial
from analysis.runs.schema import encoded
from analysis.system.files import version, whole_file
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


@dataclasses.dataclass(frozen=True)
class Curve:
    """Kaplan and Meier's estimate: the share that is left after so many executions, with the
    limits of its pointwise interval of 95 %."""

    executions: list[float]
    left: list[float]
    low: list[float]
    high: list[float]

    def at(self, executions: float) -> float:
        """The share that is left after so many."""
        before = [left for when, left in zip(self.executions, self.left) if when <= executions]
        return before[-1] if before else 1.0


def curve(scores: Sequence[Score], phase: str) -> Curve:
    """Survival of the planted bugs until a phase, over all bugs and seeds."""
    from statsmodels.duration.survfunc import SurvfuncRight  # a second to load, needed at the end

    trials = [trial for score in scores if score.kind == "bug" for trial in score.trials]
    ends = [getattr(trial, phase) for trial in trials]
    times = [end if end is not None else max(trial.executions, 1)
             for end, trial in zip(ends, trials)]
    estimate = SurvfuncRight(times, [int(end is not None) for end in ends])
    spread = [0.0 if math.isnan(error) else 1.96 * error for error in estimate.surv_prob_se]
    left = [float(share) for share in estimate.surv_prob]
    return Curve([float(when) for when in estimate.surv_times], left,
                 [max(0.0, share - wide) for share, wide in zip(left, spread)],
                 [min(1.0, share + wide) for share, wide in zip(left, spread)])


def draw(curves: dict[str, Curve], executions: int) -> str:
    """The curves as an SVG file."""
    from matplotlib.ticker import MaxNLocator  # here, so that commands start without it

    from analysis.system import drawing

    figure, axes = drawing.canvas(270, left=44, right=30, width=520)
    axes.set_xscale("log")
    axes.set_xlim(1, executions)
    axes.set_ylim(0, 1.02)
    names = {"reached": ("not reached yet", drawing.RIVAL), "wrong": ("not wrong yet",
             drawing.SLOWER), "found": ("not found yet", drawing.POOL)}
    for at, (phase, made) in enumerate(curves.items()):
        label, colour = names[phase]
        when = [1.0, *made.executions, float(executions)]
        axes.step(when, [1.0, *made.left, made.left[-1] if made.left else 1.0], where="post",
                  color=colour, clip_on=False)
        if phase == "found" and made.left:
            low, high = ([share for share in (1.0, *ends, ends[-1]) for _ in range(2)][:-1]
                         for ends in (made.low, made.high))
            along = [moment for moment in when for _ in range(2)][1:]
            axes.fill(along + along[::-1], low + high[::-1], color=colour, alpha=0.15,
                      linewidth=0, clip_on=False)
        axes.text(0.99, 0.97 - 0.08 * at, label, ha="right", va="top", color=colour,
                  transform=axes.transAxes)
    drawing.across(axes, [10.0**power for power in range(12)], lambda value: f"{value:,.0f}",
                   "executions from nothing")
    drawing.up(axes, MaxNLocator(5), lambda value: f"{value:g}")
    drawing.headed(axes, "share of bugs and seeds")
    return drawing.alone(drawing.svg(
        figure, "survival", "Survival of planted bugs", "The share of bugs and seeds not yet"
        " reached, gone wrong and found, against executions"))


def write(made: Scoreboard, folder: pathlib.Path) -> None:
    """scoreboard.json, scoreboard.md and survival.svg, each whole or not at all."""
    curves = {phase: curve(made.scores, phase) for phase in PHASES} if made.bugs else {}
    steps = [10 ** power for power in range(1, 10) if 10 ** power < made.executions]
    rows = [(step, *(100 * curves[phase].at(step) for phase in PHASES))
            for step in (*steps, made.executions)] if curves else []
    said: dict[str, Any] = dataclasses.asdict(  # class_ is written class
        made, dict_factory=lambda items: {name.rstrip("_"): value for name, value in items})
    page = fill(pathlib.Path(__file__).with_name("bugs.md.j2"), board=said, verdict=verdict(made),
                rows=rows)
    files = {"scoreboard.json": encoded(said), "scoreboard.md": page}
    if curves:
        files["survival.svg"] = draw(curves, made.executions)
    for name, text in files.items():
        with whole_file(folder / name) as stream:
            stream.write(text)
