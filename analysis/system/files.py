"""The repository's place, and files that appear whole or not at all. Standard library alone."""

import argparse
import contextlib
import fcntl
import os
import pathlib
import re
import tempfile
from typing import Iterator

from analysis.system.exits import UserError
from analysis.system.process import answer, say

ROOT = pathlib.Path(__file__).resolve().parents[2]
"""The top of the repository."""


def version() -> str:
    """Poolproof's version, as meson.build states it."""
    found = re.search(r"^\s*version: '([^']+)'", (ROOT / "meson.build").read_text(), re.MULTILINE)
    return found.group(1) if found else "unknown"


def git(*words: str, root: pathlib.Path = ROOT) -> str | None:
    """What git prints of the repository; None where there is neither, or it fails."""
    try:
        told = answer(["git", "-C", str(root), *words])
    except OSError:
        return None
    return told.stdout if told.returncode == 0 else None


def named_path(text: str) -> pathlib.Path:
    """The path that an argument names; an empty one, as of an unset variable, names none."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return pathlib.Path(text)


def output_file(path: pathlib.Path) -> pathlib.Path:
    """Where a new file called `path` goes: there, or where a link there leads. UserError if what
    stands there is no file, which a new one would take the place of: a folder, a device, a pipe."""
    place = path.resolve()
    if place.is_dir():
        raise UserError(f"{path} is a folder; name a file")
    if path.exists() and not place.is_file() or path.is_relative_to("/dev"):
        raise UserError(f"{path} is a device or a pipe; name a file")
    return place


def output_folder(path: pathlib.Path) -> None:
    """Makes the folder that results go to, if need be. UserError if it cannot be one."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"{path} is a file; name a folder") from None


def write_whole(path: pathlib.Path, content: str | bytes) -> None:
    """Writes a file that appears at `path` complete and on the disk, or not at all: then what stood
    there stays. A link is written through. UserError if what stands there is no file."""
    place = output_file(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name[:100]}.")
    except OSError as error:
        error.filename = str(path)
        raise
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
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
    """Holds a lock on a file, made if need be, that ends with the process at the latest; says
    `waiting` if another process holds it."""
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


def relative(path: pathlib.Path) -> str:
    """A path as the user would type it from where they are."""
    shorter = os.path.relpath(path)
    return shorter if len(shorter) < len(str(path)) else str(path)
