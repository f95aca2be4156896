"""Short real runs: did they claim a difference where there is none, and find the known delay?

`python3 -m analysis.test.series measure` makes them, twenty for each delay, within hours on a busy
machine, and goes on where it stopped; without a word it prints the table of those that are
published.
"""

from __future__ import annotations

import gzip
import json
import pathlib
import subprocess
import sys

from analysis.system.files import ROOT, write_whole
from analysis.test.proof import table

PUBLISHED = ROOT / "results/series/controls.jsonl.gz"
RUNS = ROOT / "results/runs/series"
WORKLOADS = ("lifo/64x1000", "random/64x1000", "churn/mixed16-512/1000")
DELAYS = (3, 5, 10)
"""Percent of an operation's time."""
COUNT = 20
CLAIMS = ("faster", "slower")
FIELDS = ("workload", "arm", "ratio", "low", "high", "n", "delta", "verdict")


def measure() -> None:
    """Makes the runs that are missing, and publishes what each said of its two controls."""
    for number in range(1, COUNT + 1):
        for delay in DELAYS:
            folder = RUNS / f"{delay}-{number}"
            if not (folder / "verdicts.json").exists():
                subprocess.run([ROOT / "poolproof", "bench", "--workload", *WORKLOADS, "--arm",
                                "pool-keep", "pool-keep-delayed", "--delay", str(delay),
                                "--launches", "12", "--seed", str(1000 * delay + number),
                                "-o", folder], check=True)
    publish(RUNS)


def publish(runs: pathlib.Path) -> None:
    """Writes a line for each control of each run in a folder named DELAY-NUMBER."""
    lines = []
    for delay in DELAYS:
        for number in range(1, COUNT + 1):
            said = json.loads((runs / f"{delay}-{number}/verdicts.json").read_text())
            lines += [json.dumps({"delay_percent": delay, "run": number,
                                  **{field: item[field] for field in FIELDS}})
                      for item in said if item["kind"] == "control"]
    write_whole(PUBLISHED, gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))


def figures() -> str:
    """The table, as the README has it: runs of twenty that found the delay, and false claims."""
    items = [json.loads(line) for line in gzip.decompress(PUBLISHED.read_bytes()).splitlines()]
    rows = []
    for delay in DELAYS:
        known = [item for item in items if item["delay_percent"] == delay]
        nulls = {item["run"] for item in known
                 if item["arm"] == "null" and item["verdict"] in CLAIMS}
        found = [sum(item["verdict"] == "slower" for item in known
                     if item["arm"] != "null" and item["workload"] == name) for name in WORKLOADS]
        rows.append([f"{delay} %", *(f"{hits} of {COUNT}" for hits in found),
                     f"{len(nulls)} of {COUNT}"])
    return table(("delay", *(f"`{name}`" for name in WORKLOADS), "runs with a false claim"), rows)


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        measure()
    print(figures(), end="")
