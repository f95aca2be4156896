"""A gate: builds the pool as it was, and plans a run that has both builds in turns."""

import argparse
import dataclasses
import pathlib
import shutil
import subprocess
from typing import Any

from rich.console import Console

from analysis.building import meson
from analysis.measure import catalogue, planning, session
from analysis.measure.words import Malloc
from analysis.runs import plan, records
from analysis.runs.plan import Arm, Pair, Trace
from analysis.system import host
from analysis.system.exits import UserError
from analysis.system.files import ROOT, git

BASES = meson.BUILD_ROOT / "gate"
BASE = "base-"
"""Before the name of an arm as it was."""
NULL_POOL = "pool-keep"
COUNTING_S = 3600.0
"""Counts come from every process that is planned."""


def is_library(text: str) -> bool:
    """Whether a word names a shared library rather than a build."""
    return ".so" in pathlib.Path(text).name and pathlib.Path(text).is_file()


def base_binary(base: str) -> pathlib.Path:
    """The benchmark binary of a build, a source folder or a revision. UserError if it is none."""
    folder = pathlib.Path(base)
    built = folder / "bench" / "poolproof-bench"
    if built.is_file():
        return built.resolve()
    if (folder / "meson.build").is_file():
        return _built(folder.resolve(), host.sha256(folder / "meson.build")[:12])
    if folder.is_dir():
        raise UserError(f"{base}: neither a build folder nor the project's sources")
    commit = (git("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}") or "").strip()
    if not commit:
        raise UserError(f"--base {base}: no revision, folder or library of that name")
    source = BASES / commit[:12] / "source"
    if not (source / "meson.build").is_file():
        shutil.rmtree(source, ignore_errors=True)
        source.mkdir(parents=True)
        subprocess.run(["sh", "-c", 'git -C "$1" archive "$2" | tar -x -C "$3"', "sh", ROOT, commit,
                        source], check=True)
    return _built(source, commit[:12])


def _built(source: pathlib.Path, name: str) -> pathlib.Path:
    folder = BASES / name / "build"
    folder.parent.mkdir(parents=True, exist_ok=True)
    return meson.build_elsewhere(source, folder, "release",
                                 ["bench/poolproof-bench"]) / "bench" / "poolproof-bench"


def begin(args: argparse.Namespace, console: Console) -> pathlib.Path:
    """Plans the run, and returns its folder."""
    binary = session.benchmark_binary()
    libraries = is_library(args.base)
    if libraries != bool(args.new and is_library(args.new)) and (libraries or args.new):
        raise UserError("--base and --new are both builds or both libraries")
    old = binary if libraries else base_binary(args.base)
    new = base_binary(args.new) if args.new and not libraries else binary
    folder = session.new_folder(args.output)
    records.write_plan(folder, _plan(args, new, old, planning.traces_of(args), console))
    return folder


def _plan(args: argparse.Namespace, new: pathlib.Path, old: pathlib.Path, traces: list[Trace],
          console: Console) -> plan.Plan:
    given = [Malloc("new", pathlib.Path(args.new)),
             Malloc("base", pathlib.Path(args.base))] if is_library(args.base) else []
    offered = catalogue.offer(new, traces, given)
    if not given and new != old:
        catalogue.offer(old, traces)
    listed = catalogue.choose_workloads(offered.workloads, args.workload, True)
    arms, pairs = _arms(offered.arms, bool(given))
    notes: list[str] = []
    budgets_s = {"time": plan.MODES["quick"].budgets_s["time"]}
    if not args.no_work:
        budgets_s["work"] = COUNTING_S
        arms = planning.countable(new, arms, budgets_s, notes)
    workloads = [dataclasses.replace(item, pairs=[
        pair for pair in pairs if {pair.arm, pair.baseline} <= set(item.arms)])
        for item in planning.calibrated(new, traces, listed, arms, console)]
    more: dict[str, Any] = {} if given else {
        "base": {"path": str(old), "sha256": host.sha256(old), "name": args.base}}
    return planning.finished(args, new, arms, workloads, traces, notes, budgets_s, **more)


def _arms(known: list[Arm], libraries: bool) -> tuple[list[Arm], list[Pair]]:
    """Both sides of what is compared, and the base twice."""
    if libraries:
        new, base = (next(arm for arm in known if arm.name == name) for name in ("new", "base"))
        news = [dataclasses.replace(new, role="pool")]
        bases = [base]
        null = dataclasses.replace(base, name=plan.NULL, role="null", promise="")
    else:
        news = [arm for arm in known if arm.role == "pool"]
        bases = [dataclasses.replace(arm, name=BASE + arm.name, build="base") for arm in news]
        null = dataclasses.replace(next(arm for arm in bases if arm.name == BASE + NULL_POOL),
                                   name=plan.NULL, role="null", promise="")
    pairs = [Pair(new.name, base.name, "claim") for new, base in zip(news, bases)]
    pairs.append(Pair(plan.NULL, bases[-1].name, "null"))
    return [*news, *bases, null], pairs
