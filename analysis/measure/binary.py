"""What a benchmark binary offers: its arms and workloads, as it lists them."""

from __future__ import annotations

import json
import pathlib
from typing import Any, Sequence

from analysis.runs.plan import Trace, Workload
from analysis.system.exits import UNFIT, USAGE, UserError
from analysis.system.process import answer


def ask(binary: pathlib.Path, traces: Sequence[Trace] = (), threads: int = 1) -> dict[str, Any]:
    """What the benchmark binary lists: "workloads"; "arms" with about and limits; "absent", what it
    was built without → package. UserError if it fails."""
    flags = [f"--trace={trace.name}={trace.file}" for trace in traces]
    told = answer([str(binary), *flags, f"--threads={threads}", "--list"], timeout=120)
    if told.returncode != 0:
        said = told.stderr.strip().splitlines() or [f"exit code {told.returncode}"]
        raise UserError(said[-1], USAGE if told.returncode == USAGE else UNFIT)
    try:
        listed = json.loads(told.stdout)
        return {
            "workloads": [Workload(
                item["workload"], item["question"], list(item["arms"]),
                item.get("parameters") or "", item.get("source") or "",
                item.get("heap", "fresh"), int(item.get("threads", 1)),
                harness=item.get("harness") or "", probed=item.get("probes", False) is True,
                capacity_bytes=int(item.get("capacity", 0)), excluded=item.get("excluded", {}))
                for item in listed["workloads"]],
            "arms": {item["arm"]: {key: item.get(key) or "" for key in ("about", "limits")}
                     for item in listed.get("arms", [])},
            "absent": {item.get("arm") or item["workload"]: item["package"] for item in (
                *listed.get("absent", []), *listed.get("absent_workloads", []))}
        }
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{binary} --list printed something else than its list: {error!r}",
                        UNFIT) from None
