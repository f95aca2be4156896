"""What a run can choose from, and what it chooses: arms, workloads, allocators that the user names.

Names may be patterns, as a shell's. What is not there is refused with the nearest names.
"""

import argparse
import dataclasses
import fnmatch
import json
import os
import pathlib
import re
from typing import Any, Collection, Iterable, Sequence

from rich.console import Console

from analysis.measure import runner, side_by_side
from analysis.measure.words import Malloc
from analysis.runs import plan
from analysis.runs.plan import Arm, Trace, Workload
from analysis.system import host
from analysis.system.arguments import did_you_mean
from analysis.system.exits import UNFIT, USAGE, UserError
from analysis.system.process import answer, last_line

Library = tuple[str, str]
"""Path and SHA-256."""

OWNER_PATIENCE_S = 30.0


@dataclasses.dataclass(frozen=True)
class Offer:
    """Everything that this machine can measure."""

    workloads: list[Workload]
    arms: list[Arm]
    absent: dict[str, str]
    """Arm or workload that this machine lacks → the package that has it."""


# --- Allocators in shared libraries --------------------------------------------------------------


def installed_mallocs() -> tuple[dict[str, Library], dict[str, str]]:
    """(name → library of each malloc, name → package of those that this machine lacks)."""
    paths = plan.libraries()
    return ({malloc.name: (str(path), host.sha256(path)) for malloc, path in paths.items() if path},
            {malloc.name: malloc.package for malloc, path in paths.items() if not path})


def given_mallocs(binary: pathlib.Path, mallocs: Sequence[Malloc],
                  taken: Collection[str]) -> dict[str, Library]:
    """Name → library of the named allocators, each tried. UserError if one is unfit or taken."""
    found: dict[str, Library] = {}
    for malloc in mallocs:
        if {malloc.name, f"{malloc.name}-calloc"} & {*taken, *found}:
            raise UserError(f"--malloc {malloc.name}: an arm has this name; choose"
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
    ended = side_by_side.run([str(binary), "--owner"], runner.child_environment(str(library), 0),
                             OWNER_PATIENCE_S)
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
        return f"is not a shared library for this machine: {reason[1]}"
    if ended.exit_code != 0:
        return f"is not a complete allocator: {said or f'exit code {ended.exit_code}'}"
    return f"has no malloc: with it preloaded, malloc is still that of {owner}"


# --- What there is -------------------------------------------------------------------------------


def ask(binary: pathlib.Path, traces: Sequence[Trace] = (), threads: int = 1) -> dict[str, Any]:
    """What the benchmark binary lists: "workloads"; "arms" with about and limits; "absent", what it
    was built without → package. UserError if it fails."""
    flags = [f"--trace={trace.name}={trace.file}" for trace in traces]
    told = answer([str(binary), *flags, f"--threads={threads}", "--list"], timeout=120)
    if told.returncode != 0:
        raise UserError(last_line(told.stderr, f"exit code {told.returncode}"),
                        USAGE if told.returncode == USAGE else UNFIT)
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


def offer(binary: pathlib.Path, traces: Sequence[Trace], mallocs: Sequence[Malloc] = (),
          threads: Sequence[int] = ()) -> Offer:
    """Asks the benchmark binary and looks for libraries. UserError if a named one is no good."""
    listed: dict[str, Workload] = {}
    for count in threads or [1]:
        told = ask(binary, traces, count)
        for item in told["workloads"]:
            listed.setdefault(item.workload, item)
    libraries, lacking = installed_mallocs()
    offered = dict.fromkeys(arm for item in listed.values() for arm in item.arms)
    taken = [arm.name for arm in plan.arms_for(offered, libraries)]
    libraries |= given_mallocs(binary, mallocs, taken)
    arms = [dataclasses.replace(arm, **told["arms"].get(arm.benchmark_arm, {})
                                | ({"about": arm.about} if arm.about else {}))
            for arm in plan.arms_for(offered, libraries)]
    return Offer(list(listed.values()), arms, lacking | told["absent"])


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


# --- What is chosen ------------------------------------------------------------------------------


def matching(kind: str, wanted: Iterable[str], known: Sequence[str]) -> set[str]:
    """The known names that match a wanted name or pattern. UserError if one matches nothing."""
    found: set[str] = set()
    for name in wanted:
        hits = [name] if name in known else fnmatch.filter(known, name)
        if not hits:
            raise UserError(f"no {kind} is called {name}; "
                            + did_you_mean(name, known, "./poolproof bench --list shows them", 3))
        found.update(hits)
    return found


def choose(args: argparse.Namespace, offered: Offer) -> tuple[
        list[Workload], list[Arm], list[Arm]]:
    """A run's workloads, the arms that apply, and those it has. UserError for a wrong name."""
    for name in args.workload:
        if name in offered.absent:
            raise UserError(f"{name} was not built; install {offered.absent[name]}", UNFIT)
    listed = choose_workloads(offered.workloads, args.workload, args.quick, args.threads, args.full)
    usable = applying(offered, listed, args.arm)
    return listed, usable, choose_arms(usable, args.arm, args.quick,
                                       [malloc.name for malloc in args.malloc])


def choose_workloads(listed: Sequence[Workload], wanted: Sequence[str], quick: bool,
                     threads: Sequence[int] = (), full: bool = True) -> list[Workload]:
    """The wanted workloads; or else all on a fresh heap and those of plan.LITTERED, unless the run
    is full without those of plan.FULL, or for a quick run those of plan.QUICK and every trace.
    With threads, their variants with so many."""
    if threads:
        listed = [item for item in listed if item.threads in threads]
        wanted = [name if name.endswith("-threads") else f"{name}/*-threads"
                  for name in wanted or (plan.QUICK if quick else ["*"])]
    if wanted:
        names = matching("workload", wanted, [item.workload for item in listed])
        return [item for item in listed if item.workload in names]
    listed = [item for item in listed if item.threads == 1]
    if quick:
        return [item for item in listed
                if item.workload in plan.QUICK or plan.is_trace(item.workload)]
    return [item for item in listed
            if (item.heap == "fresh" or item.workload in plan.LITTERED)
            and (full or not plan.of_full_runs(item.workload))]


def applying(offered: Offer, listed: Sequence[Workload], wanted: Sequence[str]) -> list[Arm]:
    """The arms that these workloads apply to. UserError if one that is named is not among them."""
    names = {arm for item in listed for arm in item.arms}
    for arm in offered.arms:
        if arm.name in wanted and arm.benchmark_arm not in names:
            reason = next((item.excluded[arm.benchmark_arm] for item in listed
                           if arm.benchmark_arm in item.excluded), arm.limits)
            raise UserError(f"{arm.name} applies to none of these workloads"
                            + (f". {reason}" if reason else ""))
    return [arm for arm in offered.arms if arm.benchmark_arm in names]


def choose_arms(arms: Sequence[Arm], wanted: Sequence[str], quick: bool = False,
                always: Collection[str] = ()) -> list[Arm]:
    """The wanted arms and those of `always`, the baseline and its null arm among them; if none is
    named all but plan.ON_REQUEST, and of a quick run plan.QUICK_ARMS."""
    if not wanted and quick:
        return [arm for arm in arms if arm.name in {*plan.QUICK_ARMS, *always}]
    if not wanted:
        return [arm for arm in arms if arm.name not in plan.ON_REQUEST]
    names = matching("arm", wanted, [arm.name for arm in arms])
    if any(arm.promise == "calloc" for arm in arms if arm.name in names):
        always = [*always, *(f"{name}-calloc" for name in always)]
    return [arm for arm in arms if arm.name in {*names, *always, plan.BASELINE, plan.NULL}]


def left_out(args: argparse.Namespace, offered: Offer, listed: Sequence[Workload],
             usable: Sequence[Arm], arms: Sequence[Arm]) -> list[str]:
    """What a run has not although nobody chose anything else, as sentences."""
    said = [f"{name} is absent: install {package}." for name, package in offered.absent.items()
            if not args.workload or "/" not in name]
    names = [arm.name for arm in usable if arm not in arms]
    if names and not args.arm:
        said.append(f"Left out: {', '.join(names)}; name them with --arm"
                    + (", or run longer." if args.quick else "."))
    missing = [item.workload for item in offered.workloads
               if item.threads == 1 and item.heap == "fresh" and item not in listed]
    if missing and not (args.workload or args.quick or args.threads):
        said.append(f"Left out: {', '.join(missing)}; a full run measures them.")
    return said


def plays(wanted: Sequence[str], trace: str) -> bool:
    """Whether a trace is among the wanted workloads, by name or by pattern."""
    return any(fnmatch.fnmatchcase(f"{kind}/{trace}", name) for name in wanted
               for kind in ("trace", "trace-cold"))
