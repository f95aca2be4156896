"""What this machine can measure, on a terminal."""

from __future__ import annotations

from typing import Sequence

from rich.console import Console

from analysis.measure.catalogue import Offer, exclusions
from analysis.runs import plan
from analysis.runs.plan import Trace


def print_offer(offered: Offer, traces: Sequence[Trace], console: Console) -> None:
    """Arms, workloads and traces, a line each."""
    played = [item for item in offered.workloads if plan.is_trace(item["workload"])]
    apps = [item for item in offered.workloads if plan.is_app(item["workload"])]
    micro = [item for item in offered.workloads if item not in played and item not in apps]
    littered = {item["workload"].removesuffix("/littered") for item in micro
                if item["heap"] == "littered"}
    shown = [item for item in micro if item["heap"] == "fresh" or offered.chosen]
    width = max(len(name) for name in [*(item["workload"] for item in shown),
                                       *(arm.name for arm in offered.arms)])
    programs = {trace.name: trace.origin for trace in traces}

    def line(name: str, text: str) -> None:
        console.print(f"  {name:<{width}}  {text}", soft_wrap=True, markup=False, highlight=False)

    def note(text: str) -> None:
        console.print(f"  {text}", soft_wrap=True, markup=False, highlight=False)

    console.print("Arms", style="bold")
    for arm in offered.arms:
        line(arm.name, plan.describe(arm) + (f". {arm.limits}" if arm.limits else ""))
    for item in offered.absent:
        line(item["arm"], f"absent: install {item['package']}")
    if shown:
        console.print("\nMicro workloads", style="bold")
    for item in shown:
        line(item["workload"], item["question"])
    if not offered.chosen:
        alone = sorted({item["workload"].partition("/")[0] for item in shown
                        if item["workload"] not in littered})
        shared = sorted({item["workload"].partition("/")[0] for item in offered.workloads
                         if item["excluded"]})
        note("Each" + (f" but {', '.join(alone)}" if alone else "") +
             " also on a littered heap, as NAME/littered; with --threads N as NAME/N-threads" +
             (f", but {', '.join(shared)}" if shared else "") + ".")
    reasons: dict[str, dict[str, None]] = {}
    for item in shown:
        if item["harness"]:
            reasons.setdefault(item["harness"], {})[item["workload"].partition("/")[0]] = None
    for reason, shapes in reasons.items():
        note(f"{', '.join(shapes)}: the harness may take more than a fifth of the fastest arm's"
             f" time. {reason}")
    for what, reason in exclusions(offered.workloads, offered.arms):
        note(f"{what}: not applicable. {reason}")
    if played:
        console.print("\nRecorded programs", style="bold")
    for item in played:
        kind, _, name = item["workload"].partition("/")
        what = f" ({programs[name]})" if kind == "trace" and programs.get(name) else ""
        line(item["workload"], f"{item['question']}{what}")
    if apps or offered.unbuilt:
        console.print("\nPrograms on an arm", style="bold")
    for item in apps:
        line(item["workload"], item["question"])
    for name, package in offered.unbuilt.items():
        line(name, f"absent: install {package}")
