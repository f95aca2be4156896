"""Other machines than this one: their compilers, libraries and emulators.

The libraries that Poolproof needs of them (cmocka, zlib) are unpacked from Debian's packages to
build/machines/NAME, with lists and caches of their own: nothing on the system changes, and nobody
needs to be root. Standard library alone.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import platform
import shutil
import subprocess

from analysis.system.exits import UNFIT, UserError
from analysis.system.files import only_one, whole_file
from analysis.system.process import say

LIBRARIES = ("libcmocka0", "libcmocka-dev", "linux-libc-dev", "zlib1g", "zlib1g-dev")
LIMIT_S = 300


@dataclasses.dataclass(frozen=True)
class Machine:
    """A kind of machine: Debian's and GNU's name of it, how to compile for it, how to run it."""

    debian: str
    triplet: str
    family: str
    endian: str
    c: tuple[str, ...]
    cxx: tuple[str, ...]
    ar: str
    emulator: str | None
    packages: tuple[str, ...]


def _emulated(debian: str, triplet: str, family: str, endian: str) -> Machine:
    return Machine(debian, triplet, family, endian, (f"{triplet}-gcc-12",), (f"{triplet}-g++-12",),
                   f"{triplet}-ar", f"qemu-{family}",
                   (f"g++-12-{triplet.replace('_', '-')}", "qemu-user"))


MACHINES = {
    "i686": Machine("i386", "i386-linux-gnu", "x86", "little", ("gcc-12", "-m32"),
                    ("g++-12", "-m32"), "ar", None, ("g++-12-multilib",)),
    "s390x": _emulated("s390x", "s390x-linux-gnu", "s390x", "big"),
    "aarch64": _emulated("arm64", "aarch64-linux-gnu", "aarch64", "little"),
}


def cross_file(name: str, root: pathlib.Path) -> pathlib.Path:
    """Meson's description of a machine, written to `root` beside its libraries, fetched if need be.

    UserError that names what is missing, if programs cannot be compiled for it or run here.
    """
    machine = MACHINES[name]
    for tool in filter(None, (machine.c[0], machine.cxx[0], machine.emulator)):
        if not shutil.which(tool):
            raise UserError(
                f"{tool} is missing; install {' '.join(machine.packages)}", UNFIT)
    if machine.emulator is None and platform.machine() != "x86_64":
        raise UserError(f"this machine does not run programs for {name}",
                                    UNFIT)
    root.mkdir(parents=True, exist_ok=True)
    with only_one(root / f".{name}.lock", f"another command fetches {name}"):
        libraries = _libraries(name, machine, root)
        path = root / f"{name}.ini"
        with whole_file(path) as stream:
            stream.write(describe(machine, libraries))
    return path


def describe(machine: Machine, libraries: pathlib.Path) -> str:
    """The text of Meson's cross file."""
    found = libraries / "usr" / "lib" / machine.triplet
    headers = ["-idirafter", str(libraries / "usr" / "include" / machine.triplet)]
    lines = ["[binaries]", f"c = {list(machine.c)}", f"cpp = {list(machine.cxx)}",
             f"ar = '{machine.ar}'", "pkgconfig = 'pkg-config'"]
    if machine.emulator:
        lines.append(f"exe_wrapper = {_wrapper(machine, libraries)}")
    lines += ["[properties]", f"pkg_config_libdir = '{found / 'pkgconfig'}'",
              f"sys_root = '{libraries}'",
              f"emulated = {'true' if machine.emulator else 'false'}",
              "[built-in options]",
              f"c_args = {headers}", f"cpp_args = {headers}",
              f"c_link_args = ['-Wl,-rpath,{found}']", f"cpp_link_args = ['-Wl,-rpath,{found}']",
              "[host_machine]", "system = 'linux'", f"cpu_family = '{machine.family}'",
              f"cpu = '{machine.family}'", f"endian = '{machine.endian}'", ""]
    return "\n".join(lines)


def wrapper(name: str, root: pathlib.Path) -> list[str]:
    """What stands before a program for this machine, so that it runs here."""
    return _wrapper(MACHINES[name], root / name)


def _wrapper(machine: Machine, libraries: pathlib.Path) -> list[str]:
    if not machine.emulator:
        return []
    found = libraries / "usr" / "lib" / machine.triplet
    return [machine.emulator, "-L", f"/usr/{machine.triplet}", "-E", f"LD_LIBRARY_PATH={found}"]


def _libraries(name: str, machine: Machine, root: pathlib.Path) -> pathlib.Path:
    """The folder that holds the machine's libraries, as a system's root would."""
    there = root / name
    if there.exists():
        return there
    for tool in ("apt-get", "dpkg"):
        if not shutil.which(tool):
            raise UserError(f"no {tool} to fetch libraries for {name} with",
                                        UNFIT)
    if os.environ.get("POOLPROOF_INSTALL") == "no":
        raise UserError(
            f"the libraries for {name} are not fetched, because POOLPROOF_INSTALL=no",
            UNFIT)
    state = root / f".{name}.apt"
    shutil.rmtree(state, ignore_errors=True)
    for folder in ("lists/partial", "cache/archives/partial", "packages", "root"):
        (state / folder).mkdir(parents=True)
    (state / "status").touch()
    settings = {"APT::Architecture": machine.debian, "APT::Architectures": machine.debian,
                "Dir::State::lists": str(state / "lists"), "Dir::Cache": str(state / "cache"),
                "Dir::State::status": str(state / "status"), "APT::Sandbox::User": "",
                "Acquire::Retries": "3", "Acquire::Languages": "none"}
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    say(f"fetching libraries for {name} to build/machines")
    _run(["apt-get", "-q", *options, "update"], state, f"no package lists for {name}", True)
    _run(["apt-get", "-q", *options, "download", *LIBRARIES], state / "packages",
         f"the libraries for {name} cannot be fetched")
    for package in sorted((state / "packages").iterdir()):
        _run(["dpkg", "-x", str(package), str(state / "root")], state,
             f"{package.name} cannot be unpacked")
    (state / "root").rename(there)
    shutil.rmtree(state)
    return there


def _run(command: list[str], folder: pathlib.Path, wrong: str, may_fail: bool = False) -> None:
    try:
        answer = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=False,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                errors="replace", timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise UserError(f"{wrong}: no answer in {LIMIT_S} s",
                                    UNFIT) from None
    if answer.returncode != 0 and not may_fail:
        last = (answer.stdout.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"{wrong}: {last}", UNFIT)
