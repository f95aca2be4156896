"""Why nothing can be preloaded into a program: what its file says of it."""

import os
import re
import shutil
import stat
import sys

from analysis.system.exits import UserError
from analysis.system.process import answer

OUT_OF_SIGHT = "the recorder was not loaded into it"
"""Said of a program whose file tells no reason."""


def find_command(word: str) -> str:
    """The path of the program that a command line starts with; UserError if it cannot be run."""
    path = shutil.which(word)
    if path:
        return path
    if "/" not in word:
        raise UserError(f"no command {word!r} on PATH")
    if os.path.isdir(word):
        raise UserError(f"{word} is a folder, not a program")
    if os.path.exists(word):
        raise UserError(f"{word} is not executable")
    raise UserError(f"no such program: {word}")


def reason(program: str) -> str | None:
    """Why a library cannot be preloaded into this program, as the end of a sentence; or None."""
    path = shutil.which(program) or program
    try:
        if os.stat(path).st_mode & (stat.S_ISUID | stat.S_ISGID):
            return "is setuid or setgid, and the system preloads nothing into such programs"
        if "security.capability" in os.listxattr(path):
            return "has file capabilities, and the system preloads nothing into such programs"
        with open(path, "rb") as stream:
            start = stream.read(256)
            if start[:2] == b"#!":
                interpreter = os.fsdecode(start[2:].split(b"\n")[0].strip().split(b" ")[0])
                why = reason(interpreter) if interpreter != program else None
                return f"is a script of {interpreter}, which {why}" if why else None
            return _elf_reason(path) if start[:4] == b"\x7fELF" else None
    except OSError:
        return None


def _elf_reason(program: str) -> str | None:
    said = answer(["readelf", "-hldW", program], env=os.environ | {"LC_ALL": "C"}).stdout
    if f"ELF{64 if sys.maxsize > 2**32 else 32}\n" not in said:
        return "is a program of another word size than the library to preload"
    loader = re.search(r"program interpreter: (.+)\]", said)
    if not loader:
        return "is statically linked, so nothing can be preloaded"
    if not os.path.basename(loader[1]).startswith(("ld-linux", "ld64.so", "ld.so")):
        return f"is loaded by {loader[1]}, and what would be preloaded is for programs of glibc"
    if re.search(r"\(NEEDED\) .*\[lib[a-z]+san\.so\.", said):
        return "is built with a sanitizer, which refuses a preloaded library"
    return None
