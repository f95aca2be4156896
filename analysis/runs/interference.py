"""What the machine did while processes ran: it explains a result, and never decides one."""

import os
import pathlib

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def steal_s(stat: pathlib.Path = pathlib.Path("/proc/stat")) -> float:
    """Seconds since boot that the hypervisor took from all processors; 0 if not counted."""
    try:
        fields = stat.read_text().split("\n", 1)[0].split()
        return int(fields[8]) / _TICKS_A_SECOND
    except (OSError, IndexError, ValueError):
        return 0.0


def pressure_s(file: pathlib.Path = pathlib.Path("/proc/pressure/cpu")) -> float | None:
    """Seconds since boot during which a process waited for a processor; None if not counted."""
    try:
        some = next(line for line in file.read_text().splitlines() if line.startswith("some"))
        return int(some.rpartition("total=")[2]) / 1e6
    except (OSError, StopIteration, ValueError):
        return None
