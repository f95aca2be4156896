"""What kind of program a trial is asked about, and whether a preloaded malloc can serve it."""

from __future__ import annotations

import os
import pathlib
import shutil
import struct

from analysis.runs.trial import OWN_MALLOC, Launch
from analysis.system.exits import UNFIT, USAGE, UserError

PT_INTERP = 3
CAPABILITIES = "security.capability"


def find(word: str) -> pathlib.Path:
    """The file that a command's first word runs. UserError if there is none."""
    found = shutil.which(word)
    if found is None:
        raise UserError(f"no program to run: {word}", USAGE)
    return pathlib.Path(found)


def refuse_unfit(path: pathlib.Path) -> None:
    """UserError, in one line, for a program that would run without what is preloaded."""
    mode = path.stat().st_mode
    if mode & 0o6000 and os.geteuid() != path.stat().st_uid:
        raise UserError(f"{path} is setuid: the loader ignores preloaded libraries, so a trial "
                        "would measure nothing", UNFIT)
    if mode & 0o6000 or CAPABILITIES in _attributes(path):
        raise UserError(f"{path} runs with privileges of its own (setuid, setgid or capabilities): "
                        "the loader ignores preloaded libraries; try a copy without them", UNFIT)
    with path.open("rb") as stream:
        head = stream.read(64)
        if head[:4] != b"\x7fELF":
            return  # a script: its interpreter is asked when it runs
        if head[4] != struct.calcsize("P") // 4:
            raise UserError(f"{path} is of another word size than the preloaded libraries", UNFIT)
        offset, = struct.unpack_from("<Q", head, 32)
        size, number = struct.unpack_from("<HH", head, 54)
        stream.seek(offset)
        table = stream.read(size * number)
    kinds = [struct.unpack_from("<I", table, i * size)[0] for i in range(number)]
    if PT_INTERP not in kinds:
        raise UserError(f"{path} is statically linked: no library can be preloaded into it, so a "
                        "trial would measure nothing; link it dynamically", UNFIT)


def _attributes(path: pathlib.Path) -> list[str]:
    try:
        return os.listxattr(path)
    except OSError:
        return []


def refuse_unserved(baseline: Launch, counted: Launch) -> None:
    """UserError for a command whose processes nothing was served to, by the ledgers' own word."""
    own = sorted({process.name for process in counted.processes
                  if process.counts["flags"] & OWN_MALLOC})
    if own:
        raise UserError(f"{', '.join(own)} defines malloc itself: its own allocator serves it, "
                        "so a trial of another would measure nothing", UNFIT)
    if not baseline.processes:
        raise UserError("no process of the command loaded the trial's library (static, setuid, or "
                        "an environment that is not handed on): nothing can be measured", UNFIT)
    if not counted.total("served"):
        raise UserError("the command does not call malloc: nothing can be measured", UNFIT)


def own_memory(counted: Launch) -> str:
    """A note if the program takes much memory past malloc; "" if it does not."""
    mapped, asked = counted.total("mapped_bytes"), counted.total("served_bytes")
    if mapped < 1 << 20 or mapped * 4 < asked:
        return ""
    return (
    f"the program maps {mapped / 2**20:.0f} MiB by itself, past malloc: it seems to have an "
    "allocator of its own, which this trial does not replace")
