"""What a recording found, and how it is told."""

import collections
import dataclasses
import pathlib
import resource
import shlex

from analysis.measure import unseen
from analysis.system.exits import INCONCLUSIVE, PASS
from analysis.system.units import count, size

KINDS = ("alloc", "calloc", "realloc", "free")

AT_MOST = 8
"""So many other programs are named."""

ODDITIES = {
    "unknown_frees": ("free", "of memory from before the recording left out"),
    "missed_frees": ("free", "seen too late and put where the address was given out again"),
    "over_aligned": ("allocation", "aligned to more than a page noted as a page"),
    "empty": ("allocation", "of size 0 noted as 1"),
}
"""What a trace cannot express, by its count in an image."""


@dataclasses.dataclass(frozen=True)
class Recording:
    """What was recorded.

    images: one entry for each program image that ran, as poolproof-convert describes it; those that
    became a trace have "operations", "peak_live_bytes", "sizes" and more.
    unseen: the programs that were executed and in which no recorder answered: their process id,
    path, and whether the recorder's variables were "cleared" from their environment.
    status: the command's exit status; -N if signal N ended it. unfinished: events that their
    threads never finished. stopped: why the recording ended before the programs, or None.
    used, converter_used: the resources of the command, with what it waited for, and of the
    converter. everything: a trace of each process was asked for.
    """

    traces: list[pathlib.Path]
    images: list[dict]
    unseen: list[dict]
    status: int
    unfinished: int
    stopped: str | None
    used: resource.struct_rusage
    converter_used: resource.struct_rusage
    everything: bool

    @property
    def converted(self) -> list[dict]:
        """The images that became a trace, in the order of `traces`."""
        return [image for image in self.images if "operations" in image]

    @property
    def exit_code(self) -> int:
        """INCONCLUSIVE where all processes were asked for and some could not be recorded."""
        return INCONCLUSIVE if self.everything and self.unseen else PASS


def why_unseen(one: dict) -> str:
    """Why no recorder answered in a program, as the end of a sentence."""
    if one["cleared"]:
        return "was started without LD_PRELOAD in its environment"
    return unseen.reason(one["program"]) or f"is not seen: {unseen.OUT_OF_SIGHT}"


def why_nothing(program: str, recording: Recording, pid: int, process: str | None) -> str | None:
    """One sentence on why what was asked for has no trace; None if it has one."""
    wanted = [one for one in recording.unseen if recording.everything or
              (pathlib.PurePath(one["program"]).name == process if process else one["pid"] == pid)]
    if wanted and not (recording.converted and (process or recording.everything)):
        one = wanted[-1]
        return f"nothing was recorded of {program}: {one['program']} {why_unseen(one)}"
    for image in recording.images:
        if image["own_malloc"] and (image["pid"] == pid or image in recording.converted):
            return (f"{image['program']} has a malloc of its own linked in, whose calls cannot be"
                    " seen from outside; no trace written")
    if recording.converted:
        return None
    ran = ", ".join(sorted({image["program"] for image in recording.images}))
    if process and ran:
        return f"no process of {process} was recorded; there were {ran} (--process NAME)"
    if recording.stopped:
        return f"nothing was recorded: {recording.stopped}"
    others = f"; it started {ran}, try --process NAME" if ran else ""
    ended = (f"it was ended by signal {-recording.status}" if recording.status < 0
             else f"exit status {recording.status}")
    return f"nothing was recorded of {program} ({ended}){others}"


def describe(recording: Recording) -> str:
    """What was recorded, as a few lines of text."""
    lines = []
    for image, trace in zip(recording.converted, recording.traces):
        lines += describe_trace(image, trace)
    if recording.unfinished:
        lines.append(f"{count(recording.unfinished, 'event')} left out: a thread never finished"
                     f" {'it' if recording.unfinished == 1 else 'them'}")
    if recording.stopped:
        lines.append(f"the recording stopped before the end: {recording.stopped}")
    lines += [f"{image['program']} (process {image['pid']}) ran on; its trace ends where the"
              " recording did" for image in recording.images if image["running"]]
    others = [f"{image['program']} ({image['events']:,})" for image in recording.images
              if image not in recording.converted]
    if others:
        lines.append(f"not in the trace, other processes and their events: {some(others, ', ')}")
    missing = collections.Counter(f"{one['program']} {why_unseen(one)}" for one in recording.unseen)
    if missing:
        lines.append("not recorded: " + some([
            what + (f" ({times} times)" if times > 1 else "") for what, times in missing.items()],
            "; "))
    lines.append(f"the command ended by signal {-recording.status}" if recording.status < 0
                 else f"the command's exit status: {recording.status}")
    return "\n".join(lines)


def describe_trace(image: dict, trace: pathlib.Path) -> list[str]:
    """One trace, a line for each side of it."""
    sizes = image["sizes"]
    return [
        f"{image['program']}: {count(image['operations'], 'operation')} ("
        + ", ".join(f"{image[kind]:,} {kind}" for kind in KINDS) + ")",
        f"  {count(image['threads'], 'thread')}, {count(image['call_sites'], 'call site')}, "
        f"peak live {size(image['peak_live_bytes'])} in "
        f"{count(image['peak_live_objects'], 'object')}",
        f"  sizes: half up to {size(sizes['p50'])}, 90 % up to {size(sizes['p90'])}, "
        f"99 % up to {size(sizes['p99'])}, largest {size(sizes['max'])}",
        *(f"  {count(image[key], noun)} {what}" for key, (noun, what) in ODDITIES.items()
          if image[key]),
        f"  in {trace}, {size(trace.stat().st_size)}; "
        f"play it: ./poolproof replay {shlex.quote(str(trace))}",
    ]


def some(things: list[str], between: str) -> str:
    """The first of them, and how many there are more."""
    more = f" and {len(things) - AT_MOST} more" if len(things) > AT_MOST else ""
    return between.join(things[:AT_MOST]) + more
