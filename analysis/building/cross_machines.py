"""Other machines than this one: their compilers, libraries and emulators.

The libraries that Poolproof needs of them (cmocka, zlib) are unpacked from Debian's packages to
build/machines/NAME, with lists and caches of their own: nothing on the system changes, and nobody
needs to be root. For Windows, where Debian has no such packages, cmocka is compiled from Debian's
source. Standard library alone.
"""

import dataclasses
import os
import pathlib
import shutil

from analysis.system.exits import UNFIT, UserError
from analysis.system.process import outcome, require_program, say

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
FETCH_FOR_WINDOWS = """
mkdir -p lists/partial sources source root/usr/include/$1 root/usr/lib/$1/pkgconfig
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    [ ! -f "$list" ] || sed 's/^Types:.*/Types: deb-src/; s/^deb /deb-src /' "$list" \
        >"sources/${list##*/}"
done
apt="apt-get -q -o Dir::State::lists=$PWD/lists -o Dir::Cache=$PWD -o Dir::Etc::sourcelist=/dev/null
    -o Dir::Etc::sourceparts=$PWD/sources -o APT::Sandbox::User= -o Acquire::Retries=3
    -o Acquire::Languages=none"
$apt update || true
$apt source --download-only cmocka
tar -xf cmocka_*.orig.tar.?z -C source --strip-components=1
cp source/include/*.h root/usr/include/$1
$1-gcc-posix -O2 -D__USE_MINGW_ANSI_STDIO=1 -Isource/include -c source/src/cmocka.c -o cmocka.o
$1-ar rcs root/usr/lib/$1/libcmocka.a cmocka.o
cat >root/usr/lib/$1/pkgconfig/cmocka.pc <<END
Name: cmocka
Description: compiled from the source of Debian's package
Version: $(sed -n 's/^Version: //p' cmocka_*.dsc)
Libs: -L/usr/lib/$1 -lcmocka
END
"""
"""Compiles cmocka for the triplet of Windows to the folder `root` of this one."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """A kind of machine, and how its programs are made and run here."""

    debian: str
    """Debian's name of its architecture; "" for Windows."""
    triplet: str
    family: str
    packages: str
    """The Debian packages that compile for it and run its programs."""
    tools: tuple[str, str, str]
    """The commands that compile C and C++, and the archiver."""
    emulator: str = ""
    """The program that runs its programs here; empty where none is needed."""
    endian: str = "little"

    @property
    def is_windows(self) -> bool:
        return not self.debian

    def wrapper(self, libraries: pathlib.Path) -> list[str]:
        """What stands before a program for this machine, so that it runs here."""
        if self.is_windows:
            return ["env", f"WINEPREFIX={libraries / 'wine'}", "WINEDEBUG=-all", self.emulator]
        found = libraries / "usr" / "lib" / self.triplet
        return [self.emulator, "-L", f"/usr/{self.triplet}", "-E",
                f"LD_LIBRARY_PATH={found}"] if self.emulator else []

    def arguments(self, libraries: pathlib.Path) -> tuple[list[str], list[str]]:
        """What else compilers and the linker are told."""
        headers = ["-idirafter", str(libraries / "usr" / "include" / self.triplet)]
        if self.is_windows:  # whose printf knows no %zu, and whose libraries are not here
            return [*headers, "-D__USE_MINGW_ANSI_STDIO=1", "-Wno-format"], ["-static"]
        return headers, [f"-Wl,-rpath,{libraries / 'usr' / 'lib' / self.triplet}"]


def _emulated(debian: str, family: str, endian: str) -> Machine:
    triplet = f"{family}-linux-gnu"
    return Machine(debian, triplet, family, f"g++-12-{triplet} qemu-user",
                   (f"{triplet}-gcc-12", f"{triplet}-g++-12", f"{triplet}-ar"), f"qemu-{family}",
                   endian)


MINGW = "x86_64-w64-mingw32"
MACHINES = {
    "i686": Machine("i386", "i386-linux-gnu", "x86", "g++-12-multilib",
                    ("gcc-12 -m32", "g++-12 -m32", "ar")),
    "s390x": _emulated("s390x", "s390x", "big"),
    "aarch64": _emulated("arm64", "aarch64", "little"),
    "windows": Machine("", MINGW, "x86_64", "g++-mingw-w64-x86-64 wine wine64",
                       (f"{MINGW}-gcc-posix", f"{MINGW}-g++-posix", f"{MINGW}-ar"), "wine"),
}


def describe(name: str, root: pathlib.Path) -> str:
    """Meson's description of a machine whose libraries are in `root`, fetched there if need be.
    UserError that names what is missing."""
    machine, libraries = MACHINES[name], root / name
    c, cxx, archiver = map(str.split, machine.tools)
    wrapper = machine.wrapper(libraries)
    for tool in filter(None, (c[0], cxx[0], machine.emulator)):
        require_program(tool, machine.packages)
    if not libraries.exists():
        _fetch(name, libraries)
    compiled, linked = machine.arguments(libraries)
    found = libraries / "usr" / "lib" / machine.triplet
    return f"""\
[binaries]
c = {c}
cpp = {cxx}
ar = {archiver}
pkgconfig = 'pkg-config'
{f"exe_wrapper = {wrapper}" if wrapper else ""}
[properties]
pkg_config_libdir = '{found / "pkgconfig"}'
sys_root = '{libraries}'
emulated = {"true" if wrapper else "false"}
[built-in options]
c_args = {compiled}
cpp_args = {compiled}
c_link_args = {linked}
cpp_link_args = {linked}
[host_machine]
system = '{'windows' if machine.is_windows else 'linux'}'
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
    machine = MACHINES[name]
    script = ([FETCH_FOR_WINDOWS, "sh", machine.triplet] if machine.is_windows
              else [FETCH, "sh", machine.debian])
    code, said = outcome(["sh", "-e", "-c", *script], folder=state, limit_s=LIMIT_S)
    if code != 0:
        last = (said.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"no libraries for {name}: {last}", UNFIT)
    (state / "root").rename(libraries)
    shutil.rmtree(state)
