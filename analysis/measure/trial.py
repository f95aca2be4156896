"""A trial: would a pool pay off in this program? Arms, launches, and when there are enough."""

import dataclasses
import os
import pathlib
import random
import tempfile
import time
from typing import Sequence

from analysis.measure import lanes, trial_sites, unseen
from analysis.measure.trial_launch import launch, preloaded
from analysis.runs.trial import (HUGE_GLIBC, HUGE_TUNABLE, OWN_MALLOC, Advice, Arm, Command,
                                 Counted, Launch, Pair, Trial)
from analysis.stats.trial_verdict import FEWEST, interval
from analysis.system.exits import UNFIT, USAGE, UserError
from analysis.system.process import say

PLAIN = "libc.so.6"
"""Whose malloc serves most programs."""
DELAY = 0.02
"""What the delay arm adds to the program."""
ENOUGH = 0.01
"""Half an interval's width, in logs, at which an arm needs no more launches."""
MOST_AT_ONCE = 2
"""Pairs that run at a time, each on a processor of its own."""
OPTIONAL = (HUGE_GLIBC, "jemalloc", "mimalloc", "tcmalloc", "pool", "pool at sites",
            "region at sites", "prefaulted", "bump", "calls")
"""What --arm chooses among; the controls are always there."""


def run_trial(tools: pathlib.Path, command: Command, mallocs: dict[str, str], chosen: set[str],
              time_s: float, seed: int, wanted: Sequence[str] = ()) -> Trial:
    """The whole trial. UserError, in one line, where no figure can be had."""
    began, randomness = time.monotonic(), random.Random(seed)
    path = unseen.find_command(command.words[0])
    if why := unseen.reason(path):
        raise UserError(f"{path} {why}: a trial would measure nothing", UNFIT)
    cpus = sorted(os.sched_getaffinity(0))
    baseline = _first(tools, command, cpus[-1], time_s)
    plain = _plain(baseline)
    baseline = dataclasses.replace(baseline, arm=plain.name)
    limit_s = max(20.0, 20 * baseline.wall_s)
    with tempfile.TemporaryDirectory(prefix="poolproof-sites-") as folder:
        counted = _count(tools, command, baseline, pathlib.Path(folder), cpus[-1], limit_s)
        sites = trial_sites.named(counted.sites, wanted)
        advice, region = (trial_sites.advise(sites, together) for together in (False, True))
        pairs, notes = _pairs(tools, pathlib.Path(folder), plain, baseline, counted, advice,
                              region, mallocs, chosen, command.adopted)
        if note := own_memory(counted.launch):
            notes.append(note)
        end = began + time_s
        each = _Launcher(tools, command, baseline, cpus, limit_s, randomness)
        _fill(pairs, each, began + 0.75 * (end - began))
        if final := _final(pairs, plain):
            pairs.append(final)
            _fill([final], each, end - (end - time.monotonic()) / 2)
        _fill(pairs, each, end)
        notes += each.notes
    return Trial(command, baseline, counted, advice, pairs, notes, seed, time.monotonic() - began)


def _first(tools: pathlib.Path, command: Command, cpu: int, time_s: float) -> Launch:
    """The command as it is. It must end, and not by a signal that nobody sent on purpose."""
    limit_s = time_s / 4
    first = launch(tools, command, [Arm("as it is", "baseline")], cpu, limit_s)[0]
    if first.killed:
        raise UserError(f"the command did not end within {limit_s:.0f} s, a quarter of --time; give"
                        " it less to do, or a server --stop-after 2s or --client COMMAND", USAGE)
    if first.status == 127:
        raise UserError(f"the command cannot be run: {command.words[0]}", USAGE)
    if first.client_status != 0:
        raise UserError(f"--client ended with status {first.client_status}", USAGE)
    return first


def _plain(first: Launch) -> Arm:
    """The baseline: the malloc that the program runs on, by its own word. That may be a library
    that it is linked with."""
    linked = sorted(_owners(first) - {PLAIN})
    name = linked[0].removeprefix("lib").split(".")[0] if linked else "glibc"
    return Arm(f"{name}, linked" if linked else name, "baseline", owner=linked[0] if linked else "")


def _owners(launch_: Launch) -> set[str]:
    return {process.owner for process in launch_.processes if process.arm == "witness"}


def _count(tools: pathlib.Path, command: Command, baseline: Launch, folder: pathlib.Path, cpu: int,
           limit_s: float) -> Counted:
    """Two launches under the counting library; both must do the same for a proof of equal work."""
    launches = []
    for i in range(2):
        part = folder / str(i)
        part.mkdir()
        arm = Arm("count", "count", (preloaded(tools, "count"),),
                  (("POOLPROOF_TRIAL_FOLDER", str(part)),))
        launches.append(launch(tools, command, [arm], cpu, 10 * limit_s)[0])
    first, second = launches
    refuse_unserved(baseline, first)
    calls = [one.total("served") for one in launches]
    return Counted(first, trial_sites.read_sites(folder / "0"),
                   first.total("hash") == second.total("hash"),
                   abs(calls[0] - calls[1]) / max(calls))


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
    return (f"the program maps {mapped / 2**20:.0f} MiB by itself, past malloc: it seems to have an"
            " allocator of its own, which this trial does not replace")


def _pairs(tools: pathlib.Path, folder: pathlib.Path, plain: Arm, baseline: Launch,
           counted: Counted, advice: Advice, region: Advice, mallocs: dict[str, str],
           chosen: set[str], adopted: tuple[str, ...]) -> tuple[list[Pair], list[str]]:
    """The pairs to measure, and a note for each arm that is left out."""
    notes = []
    picosecond = baseline.cpu_s * DELAY / max(1, counted.operations) * 1e12

    def calls(name: str, number: int, delay_ps: float = 0.0) -> Arm:
        return Arm(name, "ceiling" if number > 1 else "delay", (preloaded(tools, "calls"),),
                   (("POOLPROOF_TRIAL_CALLS", str(number)),
                    ("POOLPROOF_TRIAL_DELAY", str(round(delay_ps)))),
                   "libpoolproof-trial-calls.so")

    once = calls("glibc, each call once", 1)
    pairs = [Pair(dataclasses.replace(plain, name=f"{plain.name} again", kind="null"), plain),
             Pair(calls("glibc delayed", 1, picosecond), once)]
    if HUGE_GLIBC in chosen and plain.name == "glibc":
        tunables = filter(None, (os.environ.get("GLIBC_TUNABLES"), HUGE_TUNABLE))
        pairs.append(Pair(Arm(HUGE_GLIBC, "malloc", (), (("GLIBC_TUNABLES", ":".join(tunables)),)),
                          plain))
    pairs += [Pair(Arm(name, "malloc", (path,), (), pathlib.Path(path).name), plain)
              for name, path in mallocs.items()]
    if adopted:
        own_pool = dataclasses.replace(plain, name="adopted", kind="adopted", variables=tuple(
            one.partition("=")[::2] for one in adopted))
        pairs.append(Pair(own_pool, plain))

    def own(name: str, kind: str, library: str, **variables: object) -> None:
        if name in chosen:
            named = tuple((f"POOLPROOF_TRIAL_{key.upper()}", str(value))
                          for key, value in variables.items())
            pairs.append(Pair(Arm(name, kind, (preloaded(tools, library),), named,
                                  f"libpoolproof-trial-{library}.so"), plain))

    own("pool", "pool", "pool")
    for name, library, what in (("pool at sites", "pool", advice),
                                ("region at sites", "bump", region)):
        if not what.sites:
            if name in chosen:
                notes.append(f"no call site is fit for the arm “{name}”: it is left out")
            continue
        path = folder / f"{library}.sites"
        path.write_text(what.routes())
        own(name, "pool", library, sites=path, capacity=what.capacity_bytes)
    peak = int(baseline.max_rss_bytes * 1.25)
    own("prefaulted", "ceiling", "pool", prefault=peak)
    own("bump", "ceiling", "bump")
    if "calls" in chosen:
        pairs += [Pair(calls("calls twice", 2), once), Pair(calls("calls three times", 3), once)]
    return pairs, notes


class _Launcher:
    """Launches a pair, checks that both did the same work, and keeps both results."""

    def __init__(self, tools: pathlib.Path, command: Command, baseline: Launch, cpus: list[int],
                 limit_s: float, randomness: random.Random) -> None:
        self.tools, self.command, self.baseline = tools, command, baseline
        self.limit_s, self.randomness = limit_s, randomness
        self.cpus = cpus[:1] if command.client else cpus[-MOST_AT_ONCE:]
        self.notes: list[str] = []
        self.longest_s = 0.0

    def launch(self, pair: Pair, cpu: int) -> tuple[Launch, Launch]:
        arms = [pair.arm, pair.against]
        turned = self.randomness.random() < 0.5
        began = time.monotonic()
        done = launch(self.tools, self.command, arms[::-1] if turned else arms, cpu,
                      self.limit_s)
        self.longest_s = max(self.longest_s, time.monotonic() - began)
        one, other = done[::-1] if turned else done
        for arm, result in ((pair.arm, one), (pair.against, other)):
            self._check(arm, result)
        return one, other

    def _check(self, arm: Arm, result: Launch) -> None:
        """UserError if the arm did other work than the baseline, or another malloc served it."""
        if result.killed:
            raise UserError(f"the arm “{arm.name}” did not end within {self.limit_s:.0f} s, where "
                            f"glibc took {self.baseline.wall_s:.1f} s", UNFIT)
        if result.status != self.baseline.status:
            raise UserError(f"the arm “{arm.name}” ended with status {result.status}, glibc with "
                            f"{self.baseline.status}: no figure", UNFIT)
        if result.output != self.baseline.output and not self.command.ignore_output:
            raise UserError(f"the output of the arm “{arm.name}” differs from glibc's; give "
                            "--ignore-output if it differs from run to run", UNFIT)
        owners = _owners(result)
        wanted = {arm.owner} if arm.preload else _owners(self.baseline)
        if owners - wanted:
            raise UserError(f"in the arm “{arm.name}” malloc came from {', '.join(sorted(owners))}"
                            f", not from {', '.join(sorted(wanted))} alone: no figure", UNFIT)
        if refused := result.total("refused"):
            note = (f"in the arm “{arm.name}” {refused:,} frees were refused: the program frees "
                    "what is not live")
            if note not in self.notes:
                self.notes.append(note)


def _next(pairs: list[Pair], busy: list[Pair]) -> Pair | None:
    """The pair to launch next: the one with the fewest launches until each has enough, then the one
    with the widest interval; None when all are narrow. Which arm leads plays no part."""
    def begun(pair: Pair) -> int:
        return len(pair.launches) + busy.count(pair)

    wanting = [pair for pair in pairs if begun(pair) < FEWEST]
    if wanting:
        return min(wanting, key=begun)
    wide = [pair for pair in pairs if pair not in busy and interval(pair.logs).half_width > ENOUGH]
    return max(wide, key=lambda pair: interval(pair.logs).half_width, default=None)


def _fill(pairs: list[Pair], each: _Launcher, until: float) -> None:
    """Launches pairs, one on each processor, until there are enough or the time is up."""
    busy: list[Pair] = []

    def choose(_: int) -> Pair | None:
        pair = _next(pairs, busy) if time.monotonic() + each.longest_s < until else None
        busy.extend([pair] if pair else [])
        return pair

    def take(pair: Pair, launches: tuple[Launch, Launch]) -> None:
        busy.remove(pair)
        pair.launches.append(launches)

    lanes.work(each.cpus, choose, each.launch, take)


def _best(pairs: list[Pair], kind: str) -> Pair | None:
    """The pair of this kind with the largest gain over glibc."""
    measured = [pair for pair in pairs if pair.arm.kind == kind and pair.launches]
    return max(measured, key=lambda pair: interval(pair.logs).median, default=None)


def _final(pairs: list[Pair], plain: Arm) -> Pair | None:
    """The best pool beside the best malloc, the baseline's where none gains, on launches that
    chose neither."""
    pool, malloc = _best(pairs, "pool"), _best(pairs, "malloc")
    if pool is None:
        return None
    against = malloc.arm if malloc and interval(malloc.logs).median > 0 else plain
    say(f"{pool.arm.name} beside {against.name}, on fresh launches")
    return Pair(pool.arm, against, final=True)
