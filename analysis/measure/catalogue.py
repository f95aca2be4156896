"""What a run can choose from, and what it chooses: arms, workloads, allocators that the user names.

Names may be patterns, as a shell's. What is not there is refused with the nearest names.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import fnmatch
import os
import pathlib
import re
from typing import Any, Collection, Iterable, Sequence

from rich.console import Console

from analysis.measure import runner
from analysis.report import narrative
from analysis.runs import plan
from analysis.system import host
from analysis.runs.plan import Arm, Trace
from analysis.system.exits import UNFIT, UserError

Library = tuple[str, str]
"""Path and SHA-256."""

OWNER_PATIENCE_S = 30.0
MOST_THREADS = 1024


@dataclasses.dataclass(frozen=True)
class Malloc:
    """An allocator that the user wants measured: --malloc NAME=FILE."""

    name: str
    file: pathlib.Path


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that choose."""
    parser.add_argument("--workload", nargs="+", action="extend", default=[], metavar="W",
                        help="these workloads alone; patterns such as 'churn/*' will do")
    parser.add_argument("--arm", nargs="+", action="extend", default=[], metavar="A",
                        help="these arms, beside the baseline and its null arm; patterns too")
    parser.add_argument("--trace", nargs="+", action="extend", default=[], metavar="FILE",
                        help="play these recorded traces as well")
    parser.add_argument("--malloc", nargs="+", action="extend", default=[], type=malloc_word,
                        metavar="NAME=FILE", help="measure the malloc of this shared library too")
    parser.add_argument("--threads", nargs="+", action="extend", default=[], type=_threads,
                        metavar="N", help="micro workloads with so many threads, each with an arm"
                        " of its own or with a malloc for all")


def malloc_word(text: str) -> Malloc:
    """What --malloc NAME=FILE says. ArgumentTypeError if it says something else."""
    name, equals, file = text.partition("=")
    if not equals or not file or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", name):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=FILE, a name of letters, digits and ._+- and a shared library")
    return Malloc(name, pathlib.Path(file))


def _threads(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text) or not 2 <= int(text) <= MOST_THREADS:
        raise argparse.ArgumentTypeError(
            f"from 2 to {MOST_THREADS} threads are possible, not {text!r}")
    return int(text)


def words(args: argparse.Namespace) -> list[str]:
    """The chosen, as a command line."""
    named = [f"{malloc.name}={malloc.file.resolve()}" for malloc in args.malloc]
    found = []
    for flag, values in (("--workload", args.workload), ("--arm", args.arm),
                         ("--trace", args.trace), ("--malloc", named),
                         ("--threads", list(map(str, args.threads)))):
        found += [flag, *values] if values else []
    return found


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
    outcome = runner.run_process([str(binary), "--owner"],
                                  runner.child_environment(str(library), 0), OWNER_PATIENCE_S)
    said = outcome.complaint.removeprefix("poolproof-bench: ")
    if outcome.timed_out:
        return f"lets a process hang that has it preloaded: ended after {OWNER_PATIENCE_S:.0f} s"
    if outcome.exit_code < 0:
        return f"lets a process crash that has it preloaded: signal {-outcome.exit_code}"
    owner = outcome.output.decode(errors="replace").strip()
    if outcome.exit_code == 0 and owner and os.path.realpath(owner) == str(library):
        return ""
    reason = re.search(r"cannot be preloaded \(([^)]*)\)", said)
    if reason:
        return f"is no shared library for this machine: {reason[1]}"
    if outcome.exit_code != 0:
        return f"is no whole allocator: {said or f'exit code {outcome.exit_code}'}"
    return f"has no malloc: with it preloaded, malloc is still that of {owner}"


# --- What there is -------------------------------------------------------------------------------


def offer(binary: pathlib.Path, traces: Sequence[Trace], mallocs: Sequence[Malloc] = (),
          threads: Sequence[int] = ()) -> Offer:
    """Asks the benchmark binary and looks for libraries. UserError if a named one is no good."""
    listed: dict[str, dict[str, Any]] = {}
    for count in threads or [1]:
        for item in plan.list_workloads(binary, traces, count):
            listed.setdefault(item["workload"], item)
    told, absent = plan.list_arms(binary)
    libraries, lacking = rivals()
    offered = dict.fromkeys(arm for item in listed.values() for arm in item["arms"])
    taken = [arm.name for arm in plan.arms_for(offered, libraries)]
    libraries |= given_mallocs(binary, mallocs, taken)
    arms = [dataclasses.replace(arm, **told.get(arm.benchmark_arm, {}))
            for arm in plan.arms_for(offered, libraries)]
    return Offer(list(listed.values()), arms, lacking + absent, plan.absent_workloads(binary))


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
        line(arm.name, narrative.describe(arm) + (f". {arm.limits}" if arm.limits else ""))
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
