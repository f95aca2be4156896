"""Says what this machine has, what it lacks, and what that costs. Changes nothing.

Ends with 0 where the pool can be built, tested and measured, with 4 where something essential is
missing and cannot be installed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import time

from analysis.building import meson
from analysis.runs import interference
from analysis.system import host, packages
from analysis.system.exits import PASS, UNFIT
from analysis.system.files import ROOT, version
from analysis.system.process import find_program

GIB = 1 << 30
ROOM_NEEDED_BYTES = 2 * GIB
"""What the builds, a corpus and some runs take."""

STEAL_WATCHED_S = 0.5

ESSENTIAL = {"gcc", "g++", "libc6-dev", "meson", "ninja-build", "pkg-config", "zlib1g-dev"}
"""Without these packages there is nothing to test or to measure."""

TOOLS = (
    ("gcc", ("gcc-12", "gcc")),
    ("clang", ("clang-19", "clang")),
    ("meson", ("meson",)),
    ("ninja", ("ninja",)),
    ("valgrind", ("valgrind",)),
    ("clang-format", ("clang-format-19",)),
    ("clang-tidy", ("clang-tidy-19", "clang-tidy")),
    ("cppcheck", ("cppcheck",)),
    ("sqlite3", ("sqlite3",)),
)
"""Tool → the programs that serve as it, the first one found is taken."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A fact, whether it is as it should be ("ok", "note" or "unfit"), and what follows from it."""

    name: str
    value: str
    state: str = "ok"
    cost: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./poolproof doctor."""
    parser.add_argument("--json", action="store_true",
                        help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Looks, measures the machine's noise, tells, and returns the exit code."""
    tables = {
        "machine": machine_rows(host.facts(), stolen_share()),
        "places": [place_row(name, ROOT / name) for name in ("build", "results/runs")]
        + [room_row(shutil.disk_usage(ROOT).free)],
        "tools": tool_rows(),
        "packages": package_rows(),
    }
    if not arguments.json:
        for title, rows in tables.items():
            show(title, rows)
    unfit = [row for rows in tables.values() for row in rows if row.state == "unfit"]
    if arguments.json:
        print_json(tables, not unfit)
        return UNFIT if unfit else PASS
    notes = sum(row.state == "note" for rows in tables.values() for row in rows)
    if unfit:
        print(f"unfit: {', '.join(row.name for row in unfit)}")
        return UNFIT
    print(f"fit{f', with {notes} notes' if notes > 1 else ', with 1 note' if notes else ''}")
    return PASS


def print_json(tables: dict[str, list[Row]], fit: bool) -> None:
    """The tables for machines: for each title its rows."""
    value = {
        "schema": 1, "poolproof": version(), "fit": fit,
        "tables": {
            title: [dataclasses.asdict(row) for row in rows] for title, rows in tables.items()
        }
    }
    print(json.dumps(value, indent=1, ensure_ascii=False))


def machine_rows(facts: dict, stolen: float) -> list[Row]:
    """What matters of host.facts() and of the share of time that the hypervisor took."""
    rows = [
        Row("system", f"{facts['system']}, {facts['kernel']}, {facts['c_library']}"),
        Row("processor", f"{facts['processor']}, {facts['architecture']}"),
        Row("processors", str(facts["processors"]), "ok" if facts["processors"] > 1 else "note",
            "" if facts["processors"] > 1 else "one core: what measures disturbs what is measured"),
        Row("memory", f"{facts['memory_bytes'] / GIB:.1f} GiB",
            "ok" if facts["memory_bytes"] >= 2 * GIB else "note",
            "" if facts["memory_bytes"] >= 2 * GIB else "large workloads may not fit"),
    ]
    virtual = facts["virtual_machine"]
    rows.append(Row("virtual machine", "yes" if virtual else "no", "note" if virtual else "ok",
                    "other guests' noise widens the intervals" if virtual else ""))
    rows.append(Row("time stolen", f"{stolen:.1%}", "note" if stolen > 0.02 else "ok",
                    "somebody else uses this machine: intervals widen" if stolen > 0.02 else ""))
    governor = facts["frequency_governor"]
    calm = governor in (None, "performance")
    rows.append(Row("frequency governor", governor or "not visible", "ok" if calm else "note",
                    "" if calm else "the clock changes under the load: set it to performance"))
    pages = facts["huge_pages"] or "not visible"
    rows.append(Row("huge pages", pages, "note" if pages == "never" else "ok",
                    "POOL_HUGE_PAGES has no effect" if pages == "never" else ""))
    random = facts["address_randomisation"]
    rows.append(Row("address randomisation", {"0": "off", "1": "partly", "2": "on"}.get(
        random or "", "not visible"), "note" if random == "0" else "ok",
        "layouts are not varied; bias may pass for a result" if random == "0" else ""))
    rows.append(counter_row(pathlib.Path("/sys/bus/event_source/devices/cpu").exists(),
                            _read("/proc/sys/kernel/perf_event_paranoid")))
    return rows


def counter_row(there: bool, paranoia: str | None) -> Row:
    """Whether a user may read the processor's counters. Nothing is lost without them."""
    if not there or paranoia is None:
        return Row("performance counters", "this machine shows none")
    level = int(paranoia) if re.fullmatch(r"-?\d+", paranoia) else 3
    allowed = level <= 2 or os.geteuid() == 0
    return Row("performance counters", "allowed" if allowed else f"closed (level {level})")


def stolen_share(seconds: float = STEAL_WATCHED_S) -> float:
    """The share of all processors' time that the hypervisor took during some seconds."""
    before = interference.steal_s()
    time.sleep(seconds)
    return (interference.steal_s() - before) / (seconds * (os.cpu_count() or 1))


def place_row(name: str, folder: pathlib.Path) -> Row:
    """Whether a folder, or where it will be made, can be written to."""
    there = folder
    while not there.exists():
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Row(name, "can be written")
    return Row(name, "cannot be written", "unfit", f"no access to {there}")


def room_row(free_bytes: int) -> Row:
    enough = free_bytes >= ROOM_NEEDED_BYTES
    return Row("disk", f"{free_bytes / GIB:.1f} GiB free", "ok" if enough else "unfit",
               "" if enough else f"{ROOM_NEEDED_BYTES / GIB:.0f} GiB are needed")


def tool_rows() -> list[Row]:
    """The versions of the tools; what a missing one costs stands with its package."""
    rows = [Row("python", f"{platform.python_version()} ({sys.executable})")]
    for name, programs in TOOLS:
        path = find_program(*programs)
        if not path:
            rows.append(Row(name, "missing", "note", "see the packages below"))
            continue
        version, cost = version_of(path), ""
        if name in meson.PROVEN_COMPILERS:
            proven = meson.PROVEN_COMPILERS[name]
            if version.partition(".")[0] != proven:
                cost = f"not {proven}: its warnings are printed, not errors"
        rows.append(Row(name, f"{version} ({path})", "note" if cost else "ok", cost))
    return rows


def version_of(path: str) -> str:
    """The first thing that looks like a version in what a program answers to --version."""
    try:
        answer = subprocess.run([path, "--version"], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "does not run"
    found = re.search(r"\d+\.\d+(\.\d+)?", answer.stdout)
    return found.group(0) if found else "of unknown version"


def package_rows() -> list[Row]:
    """The packages that are missing, and what that costs; one row if none is."""
    absent = packages.missing(packages.PACKAGES)
    can_install = packages.can_install()
    rows = []
    for package in absent:
        cost = f"{package.loss} ({', '.join(sorted(package.commands))})"
        if can_install:
            rows.append(Row(package.name, "installed when needed", "note", f"until then: {cost}"))
        else:
            state = "unfit" if package.name in ESSENTIAL else "note"
            rows.append(Row(package.name, "missing", state, f"lost: {cost}"))
    if not rows:
        rows.append(Row("all", f"{len(packages.PACKAGES)} there"))
    return rows


def show(title: str, rows: list[Row]) -> None:
    """Prints one table: by rich if it is there, in plain columns if not."""
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ModuleNotFoundError:
        widths = [max(len(getattr(row, name)) for row in rows) for name in ("name", "value")]
        print(title)
        for row in rows:
            words = (f"{row.name:<{widths[0]}}", f"{row.value:<{widths[1]}}", f"{row.state:<5}")
            print("  ".join(("", *words, row.cost)).rstrip())
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_header=False,
                  pad_edge=False)
    colours = {"ok": "green", "note": "yellow", "unfit": "red"}
    for row in rows:
        state = Text(row.state, style=colours[row.state])
        table.add_row(Text(row.name), Text(row.value), state, Text(row.cost))
    Console(width=None if sys.stdout.isatty() else 100).print(table)


def _read(path: str) -> str | None:
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return None
