"""What a run showed beside time."""

from __future__ import annotations

import collections
import statistics

from analysis.runs.records import Record

Medians = dict[str, dict[str, float]]
"""Arm → name of a figure → its median over the processes that did alike."""


def medians(record: Record, workload: str, part: str) -> Medians:
    """The figures of a part on a workload; an arm that has none is not there."""
    found: dict[str, dict[str, list[float]]] = collections.defaultdict(
        lambda: collections.defaultdict(list))
    for line in record.probes:
        if (line.workload, line.part) == (workload, part):
            for name, value in line.figures.items():
                found[line.arm][name].append(value)
    return {arm: {name: statistics.median(values) for name, values in figures.items()}
            for arm, figures in found.items()}
