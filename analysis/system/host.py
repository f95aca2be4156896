"""Facts about the machine and the software that a result depends on."""

import hashlib
import importlib.metadata
import mmap
import os
import pathlib
import platform
import re
import time

from analysis.system.files import git, version

LIBRARIES = ("numpy", "scipy", "matplotlib")

UNWANTED = re.compile(
    r"^(MALLOC_.*|GLIBC_TUNABLES|LD_.*|MIMALLOC_.*|TCMALLOC_.*|JE_MALLOC_CONF|_RJEM_MALLOC_CONF"
    r"|SCUDO_OPTIONS|(A|UB|M|L|T)SAN_OPTIONS|BENCHMARK_.*)$")
"""Variables that change an allocator, the loader or Google Benchmark; no sample has them."""

SAME = ("processor", "processors", "memory_bytes", "kernel", "c_library", "architecture")
"""Facts that must be equal for two runs, or two halves of one, to be compared."""


def facts() -> dict[str, str | int | float | list | dict | None]:
    """What describes this machine, as a JSON object with plain values. Costs some ten
    milliseconds, most of them for the page faults that it counts."""
    flags = _read("/proc/cpuinfo", r"^flags\s*:\s*(.+)$") or ""
    return {
        "processor": _read("/proc/cpuinfo", r"^model name\s*:\s*(.+)$") or "unknown",
        "processors": os.cpu_count() or 0,
        "architecture": platform.machine(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "virtual_machine": "hypervisor" in flags.split(),
        "kernel": f"{platform.system()} {platform.release()}", "system": system_name(),
        "c_library": (os.confstr("CS_GNU_LIBC_VERSION") if hasattr(os, "confstr") else "") or "",
        "address_randomisation": _read("/proc/sys/kernel/randomize_va_space"),
        "huge_pages": _read("/sys/kernel/mm/transparent_hugepage/enabled", r"\[(\w+)\]"),
        "first_touch_us_per_4_kib": first_touch_us(huge=False),
        "first_touch_us_per_4_kib_in_huge_pages": first_touch_us(huge=True),
        "frequency_governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_at_start": os.getloadavg()[0], "source": source(), "poolproof": version(),
        "python": platform.python_version(),
        "libraries": {name: _version_of(name) for name in LIBRARIES},
        "variables_removed": sorted(name for name in os.environ if UNWANTED.match(name))
    }


def differences(then: dict, now: dict) -> list[str]:
    """Which of the facts SAME differ, each as "name: then → now"."""
    return [f"{name}: {then.get(name)} → {now.get(name)}" for name in SAME
            if then.get(name) != now.get(name)]


def sha256(path: pathlib.Path | str) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def system_name() -> str:
    """The distribution's name and version."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def first_touch_us(huge: bool) -> float:
    """Processor time for the first write to 4 KiB of the system's memory, the mean of 4 MiB; with
    huge pages, where the system has them."""
    size, page = 6 << 20, 4096
    with mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        if huge and hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        places = range(size - (4 << 20), size, page)
        begun = time.thread_time()
        for at in places:
            memory[at] = 1
        return round((time.thread_time() - begun) * 1e6 / len(places), 2)


def source() -> str:
    """The commit of the sources, with "+" if they are changed; "" outside a repository."""
    return (git("describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*") or "").strip()


def steal_s() -> float:
    """Seconds since boot that the hypervisor took from all processors; 0 if not counted. Like
    pressure_s it explains a result, and never decides one."""
    return int(_read("/proc/stat", r"^cpu +(?:\d+ ){7}(\d+)") or 0) / os.sysconf("SC_CLK_TCK")


def pressure_s() -> float | None:
    """Seconds since boot during which a process waited for a processor; None if not counted."""
    total_us = _read("/proc/pressure/cpu", r"^some .*total=(\d+)")
    return int(total_us) / 1e6 if total_us else None


def _read(path: str, pattern: str = r"(?s)(.*)") -> str | None:
    """What the kernel says in a file, or the pattern's group in it; None where it does not."""
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(pattern, text, re.MULTILINE)
    return found[1].strip() if found else None


def _version_of(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
