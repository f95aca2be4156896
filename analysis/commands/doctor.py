"""Show what this machine has, what it lacks, and what that costs. Change nothing.

Exit codes: 0 if the pool can be built, tested and measured; 4 if something essential is missing and
cannot be installed.
"""

import argparse
import dataclasses
import os
import pathlib
import shutil
import time

from analysis.building import meson
from analysis.system import host, packages
from analysis.system.exits import PASS, UNFIT, UserError
from analysis.system.files import ROOT

GIB = 1 << 30
ROOM_NEEDED_BYTES = 2 * GIB
"""What the builds, a corpus and some runs take."""

STEAL_WATCHED_S = 0.5


@dataclasses.dataclass(frozen=True)
class Row:
    """A fact; what follows from it, where it is not as it should be; whether nothing works so."""

    name: str
    value: str
    cost: str = ""
    unfit: bool = False

    @property
    def state(self) -> str:
        return "unfit" if self.unfit else "note" if self.cost else "ok"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(arguments: argparse.Namespace) -> int:
    """Looks, measures the machine's noise, tells, and returns the exit code."""
    rows = [*machine_rows(host.facts(), stolen_share()),
            place_row("build", ROOT / "build"), place_row("results", ROOT / "results" / "runs"),
            room_row(shutil.disk_usage(ROOT).free), *compiler_rows(), *package_rows()]
    for row in rows:
        print(f"{row.name:<22} {row.state:<5} {': '.join(filter(None, (row.value, row.cost)))}")
    unfit = [row.name for row in rows if row.unfit]
    print(f"unfit: {', '.join(unfit)}" if unfit else
          f"fit, notes: {sum(row.state == 'note' for row in rows)}")
    return UNFIT if unfit else PASS


def machine_rows(facts: dict, stolen: float) -> list[Row]:
    """What matters of host.facts() and of the share of time that the hypervisor took."""
    governor, pages = facts["frequency_governor"], facts["huge_pages"]
    random, touch = facts["address_randomisation"], facts["first_touch_us_per_4_kib"]
    huge = facts["first_touch_us_per_4_kib_in_huge_pages"]
    judged = [  # name, value, cost, whether it is to be paid
        ("system", f"{facts['system']}, {facts['kernel']}, {facts['c_library']}", "", False),
        ("processor", f"{facts['processor']}, {facts['architecture']}", "", False),
        ("processors", f"{facts['processors']}",
         "one core: what measures disturbs what is measured", facts["processors"] < 2),
        ("memory", f"{facts['memory_bytes'] / GIB:.1f} GiB", "large workloads may not fit",
         facts["memory_bytes"] < 2 * GIB),
        ("virtual machine", "yes" if facts["virtual_machine"] else "no",
         "other guests' noise widens the intervals", facts["virtual_machine"]),
        ("time stolen", f"{stolen:.1%}", "somebody else uses this machine: intervals widen",
         stolen > 0.02),
        ("frequency governor", governor or "not visible",
         "the clock changes under the load: set it to performance",
         governor not in (None, "performance")),
        ("first touch of 4 KiB", f"{touch:.1f} µs; {huge:.1f} µs in huge pages",
         "page faults can be most of a short program's time: try huge pages", touch > 10 * huge),
        ("huge pages", pages or "not visible", "POOL_HUGE_PAGES has no effect", pages == "never"),
        ("address randomisation", random or "not visible",
         "layouts are not varied; bias may pass for a result", random == "0"),
    ]
    return [Row(name, value, cost if bad else "") for name, value, cost, bad in judged]


def stolen_share(seconds: float = STEAL_WATCHED_S) -> float:
    """The share of all processors' time that the hypervisor took during some seconds."""
    before = host.steal_s()
    time.sleep(seconds)
    return (host.steal_s() - before) / (seconds * (os.cpu_count() or 1))


def place_row(name: str, folder: pathlib.Path) -> Row:
    """Whether a folder, or where it will be made, can be written to."""
    there = folder
    while not there.exists():
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Row(name, "can be written")
    return Row(name, "cannot be written", f"no access to {there}", unfit=True)


def room_row(free_bytes: int) -> Row:
    enough = free_bytes >= ROOM_NEEDED_BYTES
    return Row("disk", f"{free_bytes / GIB:.1f} GiB free",
               "" if enough else f"{ROOM_NEEDED_BYTES / GIB:.0f} GiB are needed", not enough)


def compiler_rows() -> list[Row]:
    """The versions of the compilers, and whether the code is kept free of their warnings."""
    rows = []
    for family, proven in meson.PROVEN_COMPILERS.items():
        try:
            path, _ = meson.compilers(family)
        except UserError as error:
            rows.append(Row(family, "missing", str(error)))
            continue
        version = meson.compiler_version(path)
        rows.append(Row(family, f"{version} ({path})", "" if version.startswith(f"{proven}.") else
                        f"not {proven}: its warnings are printed, not errors"))
    return rows


def package_rows() -> list[Row]:
    """The packages that are missing, and what that costs; one row if none is."""
    there = packages.root_prefix() is not None
    return [Row(package.name, "installed when needed" if there else "missing",
                f"for {package.purpose} ({', '.join(sorted(package.commands))})",
                package.purpose == packages.ESSENTIAL and not there)
            for package in packages.missing(packages.PACKAGES)
            ] or [Row("packages", f"all {len(packages.PACKAGES)} are there")]
