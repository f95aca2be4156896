"""What is concluded from a run, as verdicts.json holds it."""

import dataclasses
from typing import Literal

from analysis.runs.plan import Counting, Positive, Probability

Word = Literal["faster", "slower", "equal", "small", "inconclusive"]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """An entry of verdicts.json."""

    workload: str
    arm: str
    baseline: str
    ratio: Positive
    """Time of the baseline / time of the arm, median over launches: 1.25 is 1.25 times as fast."""
    low: float | None
    """Of the interval; null where too few launches admit none."""
    high: float | None
    n: Counting
    """Launches."""
    verdict: Word
    kind: Literal["claim", "control", "other"]
    """claim: the pool against a malloc; control: an arm whose difference is known."""
    promise: Literal["malloc", "calloc", ""]
    time_ns: Positive
    """Of one operation of the arm."""
    baseline_time_ns: Positive
    delta: float | None
    """Differences within it are noise, as a share; null if the run does not know its noise."""
    p: Probability
    p_holm: Probability
    smallest_provable: float | None
    """The smallest difference that this comparison could have proved, as a share."""
    doubt: str
    """The verdict that was taken back because the turns alone contradict it; empty if none was."""
