"""Other machines than this one: cross/ has their cross files for Meson, and scripts.

The libraries that Poolproof needs of them (cmocka, zlib) are unpacked from Debian's packages to
build/machines/NAME, with lists and caches of their own: nothing on the system changes, and nobody
needs to be root. For Windows, where Debian has no such packages, cmocka is compiled from Debian's
source. Standard library alone.
"""

import os
import pathlib
import shutil

from analysis.system.exits import UNFIT, UserError
from analysis.system.process import last_line, outcome, require_program, say

CROSS = pathlib.Path(__file__).with_name("cross")
LIMIT_S = 300


MACHINES = {
    "i686": ("gcc-12 g++-12", "g++-12-multilib"),
    "s390x": ("s390x-linux-gnu-gcc-12 s390x-linux-gnu-g++-12 qemu-s390x",
              "g++-12-s390x-linux-gnu qemu-user"),
    "aarch64": ("aarch64-linux-gnu-gcc-12 aarch64-linux-gnu-g++-12 qemu-aarch64",
                "g++-12-aarch64-linux-gnu qemu-user"),
    "windows": ("x86_64-w64-mingw32-gcc-posix x86_64-w64-mingw32-g++-posix wine",
                "g++-mingw-w64-x86-64 wine wine64"),
}
"""Machine → the programs that build for it and run what is built, and the packages that have them.
"""


def wrapper(name: str, root: pathlib.Path) -> list[str]:
    """What stands before a program for a machine, so that it runs here; nothing if it just does."""
    emulated = "exe_wrapper" in (CROSS / f"{name}.ini").read_text(encoding="utf-8")
    return [str(CROSS / "run.sh"), name, str(root / name)] if emulated else []


def describe(name: str, root: pathlib.Path) -> str:
    """Meson's description of a machine whose libraries are in `root`, fetched there if need be.
    UserError that names what is missing."""
    (programs, packages), libraries = MACHINES[name], root / name
    for program in programs.split():
        require_program(program, packages)
    if not libraries.exists():
        _fetch(name, libraries)
    constants = f"[constants]\ncross = '{CROSS}'\nlibraries = '{libraries}'\n"
    return constants + (CROSS / f"{name}.ini").read_text(encoding="utf-8")


def _fetch(name: str, libraries: pathlib.Path) -> None:
    if os.environ.get("POOLPROOF_INSTALL") == "no":
        raise UserError(f"the libraries for {name} are not fetched, because POOLPROOF_INSTALL=no",
                        UNFIT)
    state = libraries.with_name(f".{name}.apt")
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    say(f"fetching libraries for {name} to build/machines")
    code, said = outcome([CROSS / "fetch.sh", name], folder=state, limit_s=LIMIT_S)
    if code != 0:
        raise UserError(f"no libraries for {name}: {last_line(said)}", UNFIT)
    (state / "root").rename(libraries)
    shutil.rmtree(state)
