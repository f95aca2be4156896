"""Other machines than this one: their compilers, libraries and emulators.

The libraries that Poolproof needs of them (cmocka, zlib) are unpacked from Debian's packages to
build/machines/NAME, with lists and caches of their own: nothing on the system changes, and nobody
needs to be root. Standard library alone.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess

from analysis.system.exits import UNFIT, UserError
from analysis.system.process import find_program, outcome, say

LIMIT_S = 300
FETCH = """
mkdir -p lists/partial cache/archives/partial && : > status
apt="apt-get -q -o APT::Architecture=$1 -o APT::Architectures=$1 -o Dir::State::lists=$PWD/lists
    -o Dir::Cache=$PWD/cache -o Dir::State::status=$PWD/status -o APT::Sandbox::User=
    -o Acquire::Retries=3 -o Acquire::Languages=none"
$apt update || true
$apt download libcmocka0 libcmocka-dev linux-libc-dev zlib1g zlib1g-dev
for package in *.deb; do dpkg -x "$package" root; done
"""
"""Fetches the libraries for one of Debian's architectures to the folder `root` of this one."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """A kind of machine: Debian's and GNU's name of it, how to compile for it, how to run it."""

    debian: str
    triplet: str
    family: str
    endian: str = "little"

    @property
    def tools(self) -> tuple[list[str], list[str], str]:
        """The commands that compile C and C++, and the archiver."""
        if self.family == "x86":
            return ["gcc-12", "-m32"], ["g++-12", "-m32"], "ar"
        return [f"{self.triplet}-gcc-12"], [f"{self.triplet}-g++-12"], f"{self.triplet}-ar"

    def wrapper(self, libraries: pathlib.Path) -> list[str]:
        """What stands before a program for this machine, so that it runs here."""
        if self.family == "x86":
            return []
        found = libraries / "usr" / "lib" / self.triplet
        return [f"qemu-{self.family}", "-L", f"/usr/{self.triplet}", "-E",
                f"LD_LIBRARY_PATH={found}"]


MACHINES = {
    "i686": Machine("i386", "i386-linux-gnu", "x86"),
    "s390x": Machine("s390x", "s390x-linux-gnu", "s390x", "big"),
    "aarch64": Machine("arm64", "aarch64-linux-gnu", "aarch64"),
}


def describe(name: str, root: pathlib.Path) -> str:
    """Meson's description of a machine whose libraries are in `root`, fetched there if need be.

    UserError that names what is missing, if programs cannot be compiled for it or run here.
    """
    machine, libraries = MACHINES[name], root / name
    c, cxx, archiver = machine.tools
    wrapper = machine.wrapper(libraries)
    for tool in (c[0], cxx[0], *wrapper[:1]):
        if not find_program(tool):
            package = f"g++-12-{machine.triplet}" if wrapper else "g++-12-multilib"
            raise UserError(f"{tool} is missing; install {package} qemu-user", UNFIT)
    if not libraries.exists():
        _fetch(name, libraries)
    headers = ["-idirafter", str(libraries / "usr" / "include" / machine.triplet)]
    found = libraries / "usr" / "lib" / machine.triplet
    link = [f"-Wl,-rpath,{found}"]
    return f"""\
[binaries]
c = {c}
cpp = {cxx}
ar = '{archiver}'
pkgconfig = 'pkg-config'
{f"exe_wrapper = {wrapper}" if wrapper else ""}
[properties]
pkg_config_libdir = '{found / "pkgconfig"}'
sys_root = '{libraries}'
emulated = {"true" if wrapper else "false"}
[built-in options]
c_args = {headers}
cpp_args = {headers}
c_link_args = {link}
cpp_link_args = {link}
[host_machine]
system = 'linux'
cpu_family = '{machine.family}'
cpu = '{machine.family}'
endian = '{machine.endian}'
"""


def _fetch(name: str, libraries: pathlib.Path) -> None:
    if os.environ.get("POOLPROOF_INSTALL") == "no":
        raise UserError(f"the libraries for {name} are not fetched, because POOLPROOF_INSTALL=no",
                        UNFIT)
    state = libraries.with_name(f".{name}.apt")
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    say(f"fetching libraries for {name} to build/machines")
    try:
        code, said = outcome(["sh", "-e", "-c", FETCH, "sh", MACHINES[name].debian],
                             folder=state, limit_s=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise UserError(f"no libraries for {name}: no answer in {LIMIT_S} s", UNFIT) from None
    if code != 0:
        last = (said.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"no libraries for {name}: {last}", UNFIT)
    (state / "root").rename(libraries)
    shutil.rmtree(state)
