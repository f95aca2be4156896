"""What a benchmark binary offers: its arms and workloads, as it lists them."""

from __future__ import annotations

import json
import pathlib
import subprocess
from typing import Any, Sequence

from analysis.runs.plan import Trace
from analysis.system.exits import UNFIT, UserError


def list_workloads(binary: pathlib.Path, traces: Sequence[Trace],
                   threads: int = 1) -> list[dict[str, Any]]:
    """What the benchmark binary offers: objects with workload, question, arms. UserError if it
    fails."""
    flags = [f"--trace={trace.name}={trace.file}" for trace in traces]
    listed = _ask(binary, [*flags, f"--threads={threads}"])
    try:
        return [{
            "workload": item["workload"], "question": item["question"], "arms": list(item["arms"]),
            "parameters": item.get("parameters") or "", "source": item.get("source") or "",
            "heap": item.get("heap", "fresh"), "threads": int(item.get("threads", 1)),
            "harness": item.get("harness") or "", "probes": item.get("probes", False) is True,
            "capacity": int(item.get("capacity", 0)), "excluded": dict(item.get("excluded", {}))
        } for item in listed["workloads"]]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{binary} --list does not answer as it should: {error!r}",
                        UNFIT) from None


def absent_workloads(binary: pathlib.Path) -> dict[str, str]:
    """Workload that was not built → the package that it lacks. UserError as list_workloads."""
    return {item["workload"]: item["package"]
            for item in _ask(binary, []).get("absent_workloads", [])}


def list_arms(binary: pathlib.Path) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """(what the binary says of each of its arms: about and limits, arm that it was built without →
    package). UserError if it fails."""
    listed = _ask(binary, [])
    return ({item["arm"]: {"about": item.get("about") or "", "limits": item.get("limits") or ""}
             for item in listed.get("arms", [])},
            {item["arm"]: item["package"] for item in listed.get("absent", [])})


def _ask(binary: pathlib.Path, flags: Sequence[str]) -> dict[str, Any]:
    answer = subprocess.run([str(binary), *flags, "--list"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    if answer.returncode != 0:
        said = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        raise UserError(said[-1], 2 if answer.returncode == 2 else UNFIT)
    try:
        return dict(json.loads(answer.stdout))
    except (ValueError, TypeError) as error:
        raise UserError(f"{binary} --list does not answer as it should: {error!r}",
                        UNFIT) from None
