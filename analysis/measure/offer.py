"""What this machine can measure, on a terminal."""

from __future__ import annotations

from rich.console import Console

from analysis.measure.catalogue import Offer


def print_offer(offered: Offer, console: Console) -> None:
    """Arms and workloads, a line each."""
    littered = [item.workload for item in offered.workloads if item.heap == "littered"]
    shown = [item for item in offered.workloads if item.workload not in littered]
    arms = {arm.name: ". ".join(filter(None, (arm.about, arm.limits))) for arm in offered.arms}
    lists = {"Arms": arms,
             "Workloads": {item.workload: item.question for item in shown},
             "Absent": {name: f"install {package}" for name, package in offered.absent.items()}}
    width = max(len(name) for names in lists.values() for name in names)
    for title, names in lists.items():
        if names:
            console.print(title, style="bold")
        for name, text in names.items():
            console.print(f"  {name:<{width}}  {text}", soft_wrap=True, markup=False,
                          highlight=False)
    if littered:
        console.print(f"On a littered heap too, as NAME/littered: {len(littered)} of these. With"
                      " --threads N, micro workloads as NAME/N-threads.", soft_wrap=True,
                      highlight=False)
