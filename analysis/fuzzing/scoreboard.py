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

from analysis.fuzzing.planted import Bug
from analysis.runs.schema import encoded
from analysis.system.files import version, whole_file
from analysis.system.templates import fill

SCHEMA = 1
SHARE_DUE = 0.95
"""Of the bugs that are reached, so many must be found on the median seed."""

AT_ONCE = 10_000
"""A call that does nothing must be found within so many executions."""

PHASES = ("reached", "wrong", "found")


@dataclasses.dataclass(frozen=True)
class Trial:
    """One process on a planted bug. Executions count from 1; None is never."""

    seed: int
    """0: the repository's inputs alone."""
    executions: int
    reached: int | None
    wrong: int | None
    found: int | None
    oracle: str | None


@dataclasses.dataclass(frozen=True)
class Score:
    """All trials of one bug: with the repository's inputs, and from nothing with each seed."""

    bug: Bug
    kept: Trial
    trials: list[Trial]

    def median(self, phase: str) -> float | None:
        """Executions on the median seed; None if that one never got there."""
        values = [getattr(trial, phase) for trial in self.trials]
        middle = statistics.median_high([math.inf if v is None else v for v in values])
        return None if math.isinf(middle) else middle

    @property
    def verdict(self) -> str:
        """"found", or how far it got: "unseen", "harmless" or "unreached"."""
        if self.median("found") is not None:
            return "found"
        trials = self.trials
        if any(trial.wrong for trial in trials):
            return "unseen"
        return "harmless" if any(trial.reached for trial in trials) else "unreached"

    @property
    def oracles(self) -> dict[str, int]:
        """Oracle → in how many trials it was the one that saw the bug."""
        seen = collections.Counter(trial.oracle for trial in self.trials if trial.oracle)
        return dict(seen.most_common())

    @property
    def behaves(self) -> bool:
        """Of a control: whether it did what it is there for."""
        if self.bug.kind == "hollow":
            return all(trial.found and trial.found <= AT_ONCE for trial in self.trials)
        found = [trial for trial in (self.kept, *self.trials) if trial.found]
        return not found and self.kept.executions > 0


def line(score: Score) -> str:
    """One bug in one line."""
    median = score.median("found")
    after = f" after {median:,.0f} executions" if median is not None else ""
    seen = f" by {', '.join(score.oracles)}" if score.oracles else ""
    control = "" if score.bug.kind == "bug" else \
        ", as it must be" if score.behaves else ", which it must not be"
    word = "not found" if score.bug.kind == "equivalent" and not score.oracles else score.verdict
    return f"{score.bug.name}: {word}{after}{seen}{control}"


def board(scores: Sequence[Score], broken: list[str], executions: int, seeds: int,
          seconds: float, compiler: str) -> dict[str, Any]:
    """The scoreboard for machines; results/schema/bugs.schema.json describes it. `broken` names the
    patches that could not be planted."""
    bugs = [score for score in scores if score.bug.kind == "bug"]
    controls = [score for score in scores if score.bug.kind != "bug"]
    reached = [score for score in bugs if score.verdict != "unreached"]
    found = [score for score in bugs if score.verdict == "found"]
    share = len(found) / len(reached) if reached else None
    behave = all(score.behaves for score in controls)
    return {
        "schema": SCHEMA,
        "version": version(),
        "compiler": f"clang {compiler}",
        "machine": platform.machine(),
        "executions": executions,
        "seeds": list(range(1, seeds + 1)),
        "seconds": round(seconds, 1),
        "executions_done": sum(trial.executions for score in scores for trial in score.trials),
        "bugs": len(bugs),
        "reached": len(reached),
        "found": len(found),
        "found_share_of_reached": share,
        "controls_behave": behave,
        "broken": broken,
        "holds": behave and not broken and (share is None or share >= SHARE_DUE),
        "scores": [_entry(score) for score in scores],
    }


def _entry(score: Score) -> dict[str, Any]:
    bug = score.bug
    return {
        "name": bug.name, "what": bug.sentence, "class": bug.family, "breaks": bug.breaks,
        "target": bug.target, "sanitizer": bug.sanitizer, "oracle_due": bug.oracle,
        "kind": bug.kind, "verdict": score.verdict,
        "behaves": score.behaves if bug.kind != "bug" else None,
        "survives_because": bug.survives or None,
        "kept_inputs_find_it": score.kept.found is not None,
        **{f"median_{phase}": score.median(phase) for phase in PHASES},
        "oracles": score.oracles,
        "trials": [dataclasses.asdict(trial) for trial in score.trials],
    }


def verdict(made: dict[str, Any]) -> str:
    """The scoreboard in one sentence."""
    share = made["found_share_of_reached"]
    rate = f" ({100 * share:.1f} %)" if share is not None else ""
    controls = "the controls behave" if made["controls_behave"] else "a control does not behave"
    lost = f"; could not be planted: {', '.join(made['broken'])}" if made["broken"] else ""
    return (f"{made['found']} of {made['reached']} reached bugs found{rate}, of {made['bugs']} "
            f"planted{lost}; {controls}; {made['executions_done']:,} executions in "
            f"{made['seconds']:.0f} s")


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

    trials = [trial for score in scores if score.bug.kind == "bug" for trial in score.trials]
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


def write(made: dict[str, Any], scores: Sequence[Score], folder: pathlib.Path) -> None:
    """scoreboard.json, scoreboard.md and survival.svg, each whole or not at all."""
    curves = {phase: curve(scores, phase) for phase in PHASES} if made["bugs"] else {}
    steps = [10 ** power for power in range(1, 10) if 10 ** power < made["executions"]]
    rows = [(step, *(100 * curves[phase].at(step) for phase in PHASES))
            for step in (*steps, made["executions"])] if curves else []
    page = fill(pathlib.Path(__file__).with_name("bugs.md.j2"), board=made, verdict=verdict(made),
                rows=rows)
    files = {"scoreboard.json": encoded(made), "scoreboard.md": page}
    if curves:
        files["survival.svg"] = draw(curves, made["executions"])
    for name, text in files.items():
        with whole_file(folder / name) as stream:
            stream.write(text)
