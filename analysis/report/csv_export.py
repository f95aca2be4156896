"""The numbers behind a report as CSV files, which lie beside it."""

from __future__ import annotations

import pandas

from analysis.runs.records import PERCENTILES
from analysis.stats.secondary_metrics import Parts
from analysis.stats.verdicts import Analysis


def tables(analysis: Analysis, measured: Parts) -> dict[str, str]:
    """File name → its text; only those that have rows, but always the launches."""
    frames = {"launches.csv": analysis.frame, "claims.csv": pandas.DataFrame(analysis.to_json()),
              "arms.csv": arms(analysis, measured), "latency.csv": latency(measured),
              "memory.csv": memory(measured)}
    return {name: frame.to_csv(index=False) for name, frame in frames.items()
            if name == "launches.csv" or not frame.empty}


def arms(analysis: Analysis, measured: Parts) -> pandas.DataFrame:
    """Every arm of every workload: time, work and memory."""
    rows = []
    for result in analysis.results:
        for arm in result.arms:
            place = result.workload.workload, arm.arm.name
            held = measured.memory.get(place)
            rows.append({
                "workload": place[0], "arm": place[1], "role": arm.arm.role,
                "promise": arm.arm.promise, "launches": len(arm.times_ns), "time_ns": arm.time_ns,
                "low_ns": arm.low_ns, "high_ns": arm.high_ns,
                "bias": arm.bias and arm.bias.median,
                "instructions_per_operation": measured.work.get(place),
                "peak_bytes": held and held.peak_bytes, "live_bytes": held and held.live_bytes,
                "end_bytes": held and held.end_bytes, "drained_bytes": held and held.drained_bytes,
                "faults": held and held.faults,
            })
    return pandas.DataFrame(rows)


def latency(measured: Parts) -> pandas.DataFrame:
    """Times of single operations, and of the clock alone."""
    return pandas.DataFrame([
        {"workload": workload, "arm": arm, "operation": kind, "count": tail.count}
        | {f"{name}_ns": tail.latency_ns[name] for name in PERCENTILES}
        | {f"clock_{name}_ns": tail.clock_ns[name] for name in PERCENTILES}
        for (workload, arm, kind), tail in measured.latency.items()])


def memory(measured: Parts) -> pandas.DataFrame:
    """The curves of the memory charts."""
    return pandas.DataFrame([
        {"workload": workload, "arm": arm, "progress": place, "live_bytes": live,
         "grown_bytes": held.curve.grown(rss)}
        for (workload, arm), held in measured.memory.items() if held.curve is not None
        for place, live, rss in zip(held.curve.progress, held.curve.live_bytes,
                                    held.curve.rss_bytes)])
