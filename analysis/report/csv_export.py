"""The numbers behind a report's charts as CSV files, in one archive that the page carries."""

from __future__ import annotations

import base64
import dataclasses
import io
import zipfile
from typing import Any, Callable

import pandas

from analysis.runs.records import PERCENTILES
from analysis.stats.secondary_metrics import Parts
from analysis.stats.verdicts import Analysis

LARGEST_BYTES = 130_000
"""Of the archive: a report is one file below a megabyte. What does not fit lies beside it."""


@dataclasses.dataclass(frozen=True)
class Archive:
    """A zip archive as a data: address, what is in it, and what was too large for it."""

    address: str
    names: list[str]
    left_out: list[str]


def archive(analysis: Analysis, measured: Parts) -> Archive:
    """The tables in the order in which they are wanted, as many as fit."""
    names: list[str] = []
    left_out: list[str] = []
    packed = b""
    texts: dict[str, str] = {}
    for name, make in TABLES.items():
        frame = make(analysis, measured)
        if frame.empty:
            continue
        tried = texts | {f"{name}.csv": frame.to_csv(index=False, float_format="%.6g")}
        trial = _zip(tried)
        if len(trial) <= LARGEST_BYTES:
            texts, packed = tried, trial
            names.append(f"{name}.csv")
        else:
            left_out.append(f"{name}.csv")
    return Archive("data:application/zip;base64," + base64.b64encode(packed or _zip({})).decode(),
                   names, left_out)


def _zip(texts: dict[str, str]) -> bytes:
    """The same bytes for the same texts."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
        for name, text in texts.items():
            made.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def claims(analysis: Analysis, _: Parts) -> pandas.DataFrame:
    """Every comparison, as in verdicts.json."""
    return pandas.DataFrame(analysis.to_json())


def arms(analysis: Analysis, measured: Parts) -> pandas.DataFrame:
    """Every arm of every workload: time, work and memory."""
    rows = []
    for result in analysis.results:
        for arm in result.arms:
            place = result.workload.workload, arm.arm.name
            held = measured.memory.get(place)
            rows.append({
                "workload": place[0], "arm": place[1], "role": arm.arm.role,
                "promise": arm.arm.promise, "rounds": len(arm.times_ns), "time_ns": arm.time_ns,
                "low_ns": arm.low_ns, "high_ns": arm.high_ns,
                "instructions_per_operation": measured.work.get(place),
                "peak_bytes": held and held.peak_bytes, "live_bytes": held and held.live_bytes,
                "end_bytes": held and held.end_bytes, "drained_bytes": held and held.drained_bytes,
                "faults": held and held.faults,
            })
    return pandas.DataFrame(rows)


def rounds(analysis: Analysis, _: Parts) -> pandas.DataFrame:
    """Every round that the verdicts rest on: the dots of the charts."""
    used = analysis.frame[analysis.frame["used"]] if not analysis.frame.empty else analysis.frame
    return used[["workload", "arm", "round", "cpu_time_ns"]].sort_values(
        ["workload", "arm", "round"])


def latency(_: Analysis, measured: Parts) -> pandas.DataFrame:
    """Times of single operations, and of the clock alone."""
    return pandas.DataFrame([
        {"workload": workload, "arm": arm, "operation": kind, "count": tail.count}
        | {f"{name}_ns": tail.latency_ns[name] for name in PERCENTILES}
        | {f"clock_{name}_ns": tail.clock_ns[name] for name in PERCENTILES}
        for (workload, arm, kind), tail in measured.latency.items()])


def memory_over_time(_: Analysis, measured: Parts) -> pandas.DataFrame:
    """The curves of the memory charts."""
    return pandas.DataFrame([
        {"workload": workload, "arm": arm, "progress": place, "live_bytes": live,
         "grown_bytes": held.curve.grown(rss)}
        for (workload, arm), held in measured.memory.items() if held.curve is not None
        for place, live, rss in zip(held.curve.progress, held.curve.live_bytes,
                                    held.curve.rss_bytes)])


def ledger(analysis: Analysis, _: Parts) -> pandas.DataFrame:
    """What the machine did during each sample."""
    return analysis.frame[[
        "started_unix_s", "workload", "arm", "round", "attempt", "wall_s", "steal_s",
        "pressure_s", "involuntary_switches", "spin_before_ns", "spin_after_ns"]]


TABLES: dict[str, Callable[[Analysis, Parts], Any]] = {
    "claims": claims, "arms": arms, "latency": latency, "memory_over_time": memory_over_time,
    "rounds": rounds, "ledger": ledger,
}
