"""What each command needs from Debian, and how it gets there.

packages.toml is the table. `ensure` installs what the chosen command lacks, after saying what and
for what, and goes on without what cannot be had: the code that needs it says so. Standard library
alone.
"""

import dataclasses
import importlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
from typing import Iterable

from analysis.system.process import answer, last_line, say


@dataclasses.dataclass(frozen=True)
class Package:
    """A Debian package, what is lost without it, and the commands that need it."""

    name: str
    purpose: str
    commands: frozenset[str]


ESSENTIAL = "every build"
"""The purpose of packages without which there is nothing to test or to measure."""

PACKAGES = tuple(
    Package(name, purpose, frozenset(commands.split()))
    for purpose, (commands, names) in tomllib.loads(
        pathlib.Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")).items()
    for name in names.split())


def installed(names: list[str]) -> dict[str, str]:
    """Which of these packages are installed: name → version. Empty where there is no dpkg."""
    if not names or not shutil.which("dpkg-query"):
        return {}
    told = answer(["dpkg-query", "-W", "-f=${db:Status-Abbrev}\t${Package}\t${Version}\n", *names])
    rows = (line.split("\t") for line in told.stdout.splitlines())
    return {name: version for status, name, version in rows if status.startswith("ii")}


def missing(wanted: Iterable[Package]) -> list[Package]:
    """Which of these packages are missing. None where there is no dpkg to ask."""
    if not shutil.which("dpkg-query"):
        return []
    wanted = list(wanted)
    there = installed([package.name for package in wanted])
    return [package for package in wanted if package.name not in there]


def root_prefix() -> list[str] | None:
    """What to put before apt-get so that root runs it; None if it may not be run."""
    if os.environ.get("POOLPROOF_INSTALL") == "no" or not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        return []
    asks = sys.stdin is not None and sys.stdin.isatty()
    return ["sudo", *([] if asks else ["-n"])] if shutil.which("sudo") else None


def ensure(command: str) -> None:
    """Installs what the command lacks, or names it and goes on. Milliseconds when all is there."""
    lacking = missing(package for package in PACKAGES if command in package.commands)
    prefix = root_prefix()
    if lacking and prefix is not None:
        say(f"'{command}' needs more; installing")
        _list(lacking)
        _install(prefix, [package.name for package in lacking])
        importlib.invalidate_caches()
        lacking = missing(lacking)
    if lacking:
        say("going on without")
        _list(lacking)
        say(f"to install them: apt-get install {' '.join(package.name for package in lacking)}")


def _list(packages: list[Package]) -> None:
    for package in packages:
        print(f"  {package.name:<25}for {package.purpose}", file=sys.stderr, flush=True)


def _install(prefix: list[str], names: list[str]) -> None:
    """Installs as many of the packages as the machine's sources have."""
    _apt(prefix, "update")
    policy = answer(["apt-cache", "policy", *names], env=os.environ | {"LC_ALL": "C"}).stdout
    known = re.findall(r"^(\S+):\n.*\n  Candidate: (?!\(none\))", policy, re.MULTILINE)
    if known:
        _apt(prefix, "install", *known)


def _apt(prefix: list[str], *words: str) -> bool:
    """Runs apt-get, which waits for another's lock; True on success. A failure shows its end."""
    told = subprocess.run(
        [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "apt-get", "-q", "-y",
         "--no-install-recommends", "-o", "DPkg::Lock::Timeout=600", "-o", "Dpkg::Use-Pty=0",
         "-o", "Acquire::Retries=3", *words],
        stdin=None if prefix == ["sudo"] else subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
    )
    if told.returncode != 0:
        say(f"apt-get {words[0]} failed: {last_line(told.stdout)}")
    return told.returncode == 0
