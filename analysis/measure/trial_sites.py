"""Call sites, as the counting arm saw them: which of them could live in a pool, and why not."""

import collections
import operator
import dataclasses
import pathlib
import struct
from typing import Sequence

from analysis.runs.trial import Advice, Site
from analysis.system.exits import USAGE, UserError
from analysis.system.process import answer

SITE = struct.Struct("<QQ64s96s18Q" + "IIQ" * 8)
"""A site, as the counting library lays it out."""

NUMBERS = ("allocs", "frees", "reallocs", "bytes", "least", "most", "live", "live_most",
           "live_bytes", "live_bytes_most", "youngest", "oldest", "only", "sweep", "temporary",
           "emptied")
JOINED = {"least": min, "most": max, "live_most": max, "live_bytes_most": max, "threads": max}
"""How the numbers of two processes become one; the others are added."""
LARGEST = 4096
"""Larger chunks are rarely worth a pool: their contents cost more than their allocation."""
WORTH = 0.02
"""Share of all allocations below which a site is not worth a line of code."""
MOST_SITES = 24
MARGIN = 1.5
"""Capacity over the largest live size that was seen."""


def read_sites(folder: pathlib.Path) -> list[Site]:
    """All sites of a counted launch, the busiest first; processes of one image are added up."""
    merged: dict[tuple[str, int], dict] = {}
    for path in sorted(folder.glob("sites.*")):
        _merge(path.read_bytes(), merged)
    total = sum(entry["allocs"] for entry in merged.values())
    names = _symbols(merged)
    sites = [_site(key, entry, names, total) for key, entry in merged.items() if entry["allocs"]]
    return sorted(sites, key=lambda site: -site.allocs)


def _text(data: bytes) -> str:
    return data.split(b"\0")[0].decode("utf-8", "replace").replace(" ", "_")


def _merge(data: bytes, merged: dict[tuple[str, int], dict]) -> None:
    rows = list(SITE.iter_unpack(data[:len(data) // SITE.size * SITE.size]))
    keys = [(_text(row[2]), row[1]) for row in rows]
    for row, key in zip(rows, keys):
        if not row[0]:
            continue
        entry = merged.setdefault(key, {"symbol": _text(row[3]), "freed_by": collections.Counter(),
                                        "dies_with": collections.Counter()})
        partners = row[22:]
        for name, number in (*zip(NUMBERS, row[4:20]), ("threads", row[20].bit_count()),
                             ("crossed", row[21])):
            entry[name] = JOINED.get(name, operator.add)(entry[name], number) \
                if name in entry else number
        for i in range(0, 24, 3):
            if partners[i]:
                kind = "freed_by" if i < 12 else "dies_with"
                entry[kind][keys[partners[i] - 1]] += partners[i + 2]


def _symbols(merged: dict[tuple[str, int], dict]) -> dict[tuple[str, int], str]:
    """Names of sites, those of C++ in full where c++filt is there."""
    keys = list(merged)
    raw = [merged[key]["symbol"] for key in keys]
    try:
        named = answer(["c++filt"], input="\n".join(raw)).stdout.split("\n")
        raw = named if len(named) >= len(raw) else raw
    except OSError:
        pass
    return {key: (name[:60] if name else hex(key[1])) for key, name in zip(keys, raw)}


def _order(entry: dict) -> str:
    """How a site's objects die, in a word."""
    frees = entry["frees"]
    if not frees:
        return "never"
    several = frees - entry["only"]
    if several < frees / 10:
        return "one at a time"
    if entry["youngest"] > 0.8 * several:
        return "in reverse"
    if entry["oldest"] > 0.8 * several:
        return "in order"
    return "at once" if entry["sweep"] > 0.9 * frees else "in no order"


def _site(key: tuple[str, int], entry: dict, names: dict, total: int) -> Site:
    share = entry["allocs"] / total if total else 0.0
    sweep = entry["sweep"] / entry["frees"] if entry["frees"] else 1.0
    together = not entry["crossed"] and (sweep > 0.8 or entry["frees"] < entry["allocs"] / 100)
    partners = {kind: tuple((names.get(other, "?"), count)
                            for other, count in entry[kind].most_common(4))
                for kind in ("freed_by", "dies_with")}
    return Site(
        key[0], key[1], names[key], entry["allocs"], entry["frees"], entry["reallocs"],
        entry["bytes"], entry["least"], entry["most"], entry["live_most"],
        entry["live_bytes_most"], entry["live"], _order(entry),
        entry["temporary"] / entry["frees"] if entry["frees"] else 0.0, entry["emptied"],
        entry["threads"], entry["crossed"], partners["freed_by"], partners["dies_with"], share,
        _unfit(entry, share, partners["freed_by"]), together)


def _unfit(entry: dict, share: float, freed_by: tuple[tuple[str, int], ...]) -> str:
    if share < WORTH:
        return "too few allocations"
    if entry["crossed"]:
        names = ", ".join(name for name, _ in freed_by[:2])
        return f"{entry['crossed']:,} of its objects are freed by another thread, at {names}"
    if entry["bytes"] / entry["allocs"] > LARGEST:
        return "its objects are large"
    if entry["reallocs"] > entry["allocs"]:
        return "its objects are resized more often than made"
    return ""


def named(sites: list[Site], wanted: Sequence[str]) -> list[Site]:
    """Those that the user names, fit or not; all if none is named."""
    unknown = [name for name in wanted if not any(name in (site.symbol, site.name)
                                                  for site in sites)]
    if unknown:
        known = ", ".join(site.symbol for site in sites[:5])
        raise UserError(f"--sites: no call site {unknown[0]}; the busiest are {known}", USAGE)
    return [dataclasses.replace(site, unfit="") for site in sites
            if site.symbol in wanted or site.name in wanted] or sites


def advise(sites: list[Site], together: bool = False) -> Advice:
    """The candidates in one pool; or only those whose objects die together."""
    chosen = tuple(site for site in sites
                   if not site.unfit and (site.together or not together))[:MOST_SITES]
    needed = sum(site.live_bytes_most for site in chosen)
    capacity = max(65536, int(needed * MARGIN) + 4095 & ~4095)
    return Advice(chosen, sum(site.share for site in chosen), capacity)
