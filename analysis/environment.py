"""What every command stands on: the repository's place, errors for the user, whole files.

Standard library alone: these are needed before anything is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import fcntl
import os
import pathlib
import re
import shutil
import sys
import tempfile
from typing import Iterator

ROOT = pathlib.Path(__file__).resolve().parent.parent
"""The top of the repository."""

PASS = 0
FINDING = 1
USAGE = 2
INCONCLUSIVE = 3
UNFIT = 4


class UserError(Exception):
    """Something that the user can mend. Printed as one line; the command ends with `exit_code`."""

    def __init__(self, message: str, exit_code: int = USAGE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def version() -> str:
    """Poolproof's version, as meson.build states it."""
    found = re.search(r"^\s*version: '([^']+)'", (ROOT / "meson.build").read_text(), re.MULTILINE)
    return found.group(1) if found else "unknown"


def say(line: str) -> None:
    """One line about what a command is doing, on stderr, so that it never mixes with a result."""
    print(f"poolproof: {line}", file=sys.stderr, flush=True)


def find_program(*names: str) -> str | None:
    """The absolute path of the first of these programs that is on PATH, or None."""
    return next((path for path in map(shutil.which, names) if path), None)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) or 1


def nearest(path: pathlib.Path) -> str:
    """What stands where a path leads that has almost its name, as part of a sentence; "" if
    nothing."""
    try:
        names = os.listdir(path.parent)
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, sorted({*names} - {path.name}), n=2, cutoff=0.6)
    found = " or ".join(str(path.parent / name) for name in near)
    return f"; did you mean {found}?" if near else ""


def clean_environment() -> dict[str, str]:
    """The environment for compilers and tests, without what would silently change their outcome."""
    unwanted = re.compile(
        r"^(CC|CXX|CPP|LD|AR|CC_LD|CXX_LD|CFLAGS|CXXFLAGS|CPPFLAGS|LDFLAGS|DESTDIR|LD_PRELOAD"
        r"|MALLOC_.*|GLIBC_TUNABLES|(A|UB|M|L|T)SAN_OPTIONS)$"
    )
    kept = {name: value for name, value in os.environ.items() if not unwanted.match(name)}
    return kept | {"LC_ALL": "C.UTF-8"}


def named_path(text: str) -> pathlib.Path:
    """The path that an argument names. An empty one, as of a variable that is not set, names none.

    A type for argparse, which prints the error's text.
    """
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return pathlib.Path(text)


def output_file(path: pathlib.Path) -> pathlib.Path:
    """Where a new file called `path` goes: there, or where a link there leads. UserError if what
    stands there is no file, which a new one would take the place of: a folder, a device, a pipe."""
    place = path.resolve()
    way = [path.parent.resolve() / path.name]
    if path.is_symlink():
        way.append(way[0].parent / path.readlink())
    if place.is_dir():
        raise UserError(f"{path} is a folder; name a file")
    is_open = any(pathlib.Path("/proc") in step.parents for step in way)
    if path.exists() and (is_open or not place.is_file()):
        raise UserError(f"{path} is a device or a pipe; name a file")
    return place


def output_folder(path: pathlib.Path) -> None:
    """Makes the folder that results go to, if need be. UserError if it cannot be one."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"{path} is a file; name a folder") from None


@contextlib.contextmanager
def whole_file(path: pathlib.Path, mode: str = "w") -> Iterator:
    """A file open for writing that appears at `path` complete, or not at all.

    Written under a temporary name in the same folder, flushed to the disk, then renamed; on any
    error the temporary file is removed and what stood at `path` stays. A link is written through.
    mode is "w" or "wb". UserError if what stands there is no file.
    """
    place = output_file(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name[:100]}.")
    except OSError as error:
        error.filename = str(path)
        raise
    try:
        encoding = None if "b" in mode else "utf-8"
        with os.fdopen(handle, mode, encoding=encoding) as stream:
            yield stream
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            os.fsync(stream.fileno())
        os.replace(temporary, place)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def only_one(path: pathlib.Path, waiting: str) -> Iterator[None]:
    """Holds a lock on a file, made if need be, that ends with the process at the latest.

    `waiting` is said if another process holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(waiting)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
