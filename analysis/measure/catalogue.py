"""What a run can choose from, and what it chooses: arms, workloads, allocators that the user names.

Names may be patterns, as a shell's. What is not there is refused with the nearest names.
"""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import os
import pathlib
import re
from typing import Any, Collection, Iterable, Sequence

from analysis.measure import binary as binaries, runner
from analysis.measure.words import Malloc
from analysis.runs import plan
from analysis.runs.plan import Arm, Trace
from analysis.system import host
from analysis.system.exits import UNFIT, UserError

Library = tuple[str, str]
"""Path and SHA-256."""

OWNER_PATIENCE_S = 30.0


@dataclasses.dataclass(frozen=True)
class Offer:
    """Everything that this machine can measure."""

    workloads: list[dict[str, Any]]
    """As the benchmark binary lists them."""
    arms: list[Arm]
    absent: list[dict[str, str]]
    """arm, package."""
    unbuilt: dict[str, str] = dataclasses.field(default_factory=dict)
    """Workload → the package that it lacks."""
    chosen: bool = False
    """Whether this is what a run would have of it."""


# --- Allocators in shared libraries --------------------------------------------------------------


def rivals() -> tuple[dict[str, Library], list[dict[str, str]]]:
    """(name → library of each rival, those that this machine lacks)."""
    folders = plan.library_folders()
    found: dict[str, Library] = {}
    absent: list[dict[str, str]] = []
    for rival in plan.RIVALS:
        path = plan.find_library(rival.files, folders)
        if path is None:
            absent.append({"arm": rival.name, "package": rival.package})
        else:
            found[rival.name] = (str(path), host.sha256(path))
    return found, absent


def given_mallocs(binary: pathlib.Path, mallocs: Sequence[Malloc],
                  taken: Collection[str]) -> dict[str, Library]:
    """Name → library of the allocators that the user named, each tried in a process. UserError if
    one cannot be measured, or its name is taken."""
    found: dict[str, Library] = {}
    for malloc in mallocs:
        if {malloc.name, f"{malloc.name}-calloc"} & {*taken, *found}:
            raise UserError(f"--malloc {malloc.name}: an arm is called that already; choose"
                            " another name")
        path = malloc.file.resolve()
        try:
            digest = host.sha256(path)
        except OSError as error:
            raise UserError(f"--malloc {malloc.name}: {malloc.file}: {error.strerror}") from None
        problem = _problem_with(binary, path)
        if problem:
            raise UserError(f"--malloc {malloc.name}: {malloc.file} {problem}")
        found[malloc.name] = (str(path), digest)
    return found


def _problem_with(binary: pathlib.Path, library: pathlib.Path) -> str:
    """Why a library's malloc cannot be measured, to go on from its name; "" if it can."""
    if re.search(r"[\s:]", str(library)):
        return "has a space or a colon in its path, which LD_PRELOAD cannot name; move it"
    ended = runner.run_process([str(binary), "--owner"],
                                  runner.child_environment(str(library), 0), OWNER_PATIENCE_S)
    said = ended.complaint.removeprefix("poolproof-bench: ")
    if ended.timed_out:
        return f"lets a process hang that has it preloaded: ended after {OWNER_PATIENCE_S:.0f} s"
    if ended.exit_code < 0:
        return f"lets a process crash that has it preloaded: signal {-ended.exit_code}"
    *others, owner = ended.output.decode(errors="replace").strip().split("\n")
    if others:
        return f"writes to standard output, where results go: {others[0][:60]}"
    if ended.exit_code == 0 and owner and os.path.realpath(owner) == str(library):
        return ""
    reason = re.search(r"cannot be preloaded \(([^)]*)\)", said)
    if reason:
        return f"is no shared library for this machine: {reason[1]}"
    if ended.exit_code != 0:
        return f"is no whole allocator: {said or f'exit code {ended.exit_code}'}"
    return f"has no malloc: with it preloaded, malloc is still that of {owner}"


# --- What there is -------------------------------------------------------------------------------


def offer(binary: pathlib.Path, traces: Sequence[Trace], mallocs: Sequence[Malloc] = (),
          threads: Sequence[int] = ()) -> Offer:
    """Asks the benchmark binary and looks for libraries. UserError if a named one is no good."""
    listed: dict[str, dict[str, Any]] = {}
    for count in threads or [1]:
        for item in binaries.list_workloads(binary, traces, count):
            listed.setdefault(item["workload"], item)
    told, absent = binaries.list_arms(binary)
    libraries, lacking = rivals()
    offered = dict.fromkeys(arm for item in listed.values() for arm in item["arms"])
    taken = [arm.name for arm in plan.arms_for(offered, libraries)]
    libraries |= given_mallocs(binary, mallocs, taken)
    arms = [dataclasses.replace(arm, **told.get(arm.benchmark_arm, {}))
            for arm in plan.arms_for(offered, libraries)]
    return Offer(list(listed.values()), arms, lacking + absent, binaries.absent_workloads(binary))


# --- What is chosen ------------------------------------------------------------------------------


def matching(kind: str, wanted: Iterable[str], known: Sequence[str]) -> set[str]:
    """The known names that are wanted, by name or by pattern. UserError naming the nearest ones if
    there is none for a wanted one."""
    found: set[str] = set()
    for name in wanted:
        hits = [name] if name in known else fnmatch.filter(known, name)
        if not hits:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else \
                "./poolproof bench --list shows them"
            raise UserError(f"no {kind} is called {name}; {hint}")
        found.update(hits)
    return found


def require_built(offered: Offer, wanted: Iterable[str]) -> None:
    """UserError if a wanted workload was not built."""
    for name in wanted:
        if name in offered.unbuilt:
            raise UserError(f"{name} was not built; install {offered.unbuilt[name]}",
                            UNFIT)


def choose_workloads(listed: Sequence[dict[str, Any]], wanted: Sequence[str], quick: bool,
                     threads: Sequence[int] = (), full: bool = True) -> list[dict[str, Any]]:
    """The wanted workloads; or else all on a fresh heap and those of plan.LITTERED, unless the run
    is full without those of plan.FULL, or for a quick run those of plan.QUICK and every trace.
    With threads, their variants with so many."""
    if threads:
        return _choose_threads(listed, wanted, quick, threads)
    if wanted:
        names = matching("workload", wanted, [item["workload"] for item in listed])
        return [item for item in listed if item["workload"] in names]
    listed = [item for item in listed if item["threads"] == 1]
    if quick:
        return [item for item in listed
                if item["workload"] in plan.QUICK or plan.is_trace(item["workload"])]
    return [item for item in listed
            if (item["heap"] == "fresh" or item["workload"] in plan.LITTERED)
            and (full or not plan.of_full_runs(item["workload"]))]


def _choose_threads(listed: Sequence[dict[str, Any]], wanted: Sequence[str], quick: bool,
                    threads: Sequence[int]) -> list[dict[str, Any]]:
    for name in wanted:
        if plan.is_trace(name) or plan.is_app(name):
            raise UserError(f"{name} has no variant with threads: a recorded program is played by"
                            " one thread, in the order in which it happened")
    of = {item["workload"]: item["workload"].rpartition("/")[0] for item in listed
          if item["threads"] in threads}
    bases = list(dict.fromkeys(of.values()))
    names = set(plan.QUICK) if quick and not wanted else set(bases)
    if wanted:
        names = matching("workload", wanted, [*bases, *of])
    return [item for item in listed
            if item["workload"] in of and {item["workload"], of[item["workload"]]} & names]


def applying(offered: Offer, listed: Sequence[dict[str, Any]], wanted: Sequence[str]) -> list[Arm]:
    """The arms that these workloads apply to. UserError if one that is named is not among them."""
    names = {arm for item in listed for arm in item["arms"]}
    for arm in offered.arms:
        if arm.name in wanted and arm.benchmark_arm not in names:
            reason = next((item["excluded"][arm.benchmark_arm] for item in listed
                           if arm.benchmark_arm in item["excluded"]), arm.limits)
            raise UserError(f"{arm.name} applies to none of these workloads"
                            + (f". {reason}" if reason else ""))
    return [arm for arm in offered.arms if arm.benchmark_arm in names]


def choose_arms(arms: Sequence[Arm], wanted: Sequence[str], quick: bool = False,
                always: Collection[str] = ()) -> list[Arm]:
    """The wanted arms and those of `always`, the baseline and its null arm among them; if none is
    named all but plan.ON_REQUEST, and of a quick run those that the pool is held against."""
    if not wanted:
        return [arm for arm in arms
                if arm.name not in plan.ON_REQUEST and (not quick or arm.role != "other")]
    names = matching("arm", wanted, [arm.name for arm in arms])
    if any(arm.promise == "calloc" for arm in arms if arm.name in names):
        always = [*always, *(f"{name}-calloc" for name in always)]
    return [arm for arm in arms if arm.name in {*names, *always, plan.BASELINE, plan.NULL}]


def left_out(arms: Sequence[Arm], chosen: Sequence[Arm], wanted: Sequence[str]) -> list[
        dict[str, str]]:
    """Arms that a run has not although nobody chose others: what, why."""
    if wanted:
        return []
    names = [arm.name for arm in arms if arm not in chosen]
    slow = [name for name in names if name in plan.ON_REQUEST]
    others = [name for name in names if name not in slow]
    reasons = {"a quick run compares the pool with mallocs; name them with --arm, or run longer":
               others, "it takes tens of times as long as the others; name it with --arm": slow}
    return [{"what": ", ".join(what), "why": why} for why, what in reasons.items() if what]


def exclusions(listed: Sequence[dict[str, Any]],
               arms: Sequence[Arm]) -> list[tuple[str, str]]:
    """(which arms on which workloads, why not as a sentence) where the limits of an arm do not say
    so."""
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for item in listed:
        for arm in arms:
            reason = item["excluded"].get(arm.benchmark_arm)
            if reason:
                names, workloads = found.setdefault(reason, ({}, {}))
                names[arm.name] = workloads[item["workload"]] = None
    return [(f"{', '.join(names)}, on {', '.join(workloads)}", reason)
            for reason, (names, workloads) in found.items()]


def excluded(listed: Sequence[dict[str, Any]], arms: Sequence[Arm], wanted: Sequence[str],
             quick: bool) -> list[dict[str, str]]:
    """The exclusions among the arms that a run would have: what, why."""
    names = {arm.name for arm in choose_arms(arms, wanted, quick)}
    return [{"what": what, "why": reason[0].lower() + reason[1:].removesuffix(".")}
            for what, reason in exclusions(listed, [arm for arm in arms if arm.name in names])]


def sizes_left_out(listed: Sequence[dict[str, Any]], chosen: Sequence[dict[str, Any]],
                   wanted: Sequence[str], quick: bool) -> list[dict[str, str]]:
    """Workloads of a full run that this one has not: what, why. Those of a quick run are few by
    its name."""
    names = {item["workload"] for item in chosen}
    missing = [item["workload"] for item in listed
               if (item["heap"] == "fresh" or item["workload"] in plan.LITTERED)
               and item["threads"] == 1 and item["workload"] not in names]
    if wanted or quick or not missing:
        return []
    return [{"what": ", ".join(missing), "why": "a full run measures them; or name them with"
             " --workload"}]


def plays(wanted: Sequence[str], trace: str) -> bool:
    """Whether a trace is among the wanted workloads, by name or by pattern."""
    return any(fnmatch.fnmatchcase(f"{kind}/{trace}", name) for name in wanted
               for kind in ("trace", "trace-cold"))
