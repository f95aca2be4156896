"""What is shown of a fuzzing session: a live table, lines for a log, and its end."""

from __future__ import annotations

import pathlib
import time
from typing import Any

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from analysis.fuzzing.session import Session
from analysis.system import units
from analysis.system.files import relative

PLAIN_EVERY_S = 5.0


def show_left(session: Session) -> str:
    """What there is still to do."""
    if session.count:
        left = session.count.goal - session.count.executions
        return f"{left:,} of {session.count.goal:,} executions left" if left > 0 else "finishing"
    left_s = session.left_s()
    return f"{units.duration(left_s)} left" if left_s > 0 else "finishing"


def table(session: Session, now: float) -> Table:
    """The state of every target."""
    rows = Table(box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0),
                 title=f"fuzzing with seed {session.seed}, {show_left(session)}")
    rows.add_column("target", no_wrap=True, min_width=max(map(len, session.progress)))
    for column in ("executions", "a second", "edges", "features", "corpus", "findings"):
        rows.add_column(column, justify="right", no_wrap=True)
    with session.lock:
        for progress in session.progress.values():
            found = len(progress.findings)
            rows.add_row(Text(progress.target, style="bold" if progress.since else ""),
                         f"{progress.executions:,}", f"{progress.per_second(now):,.0f}",
                         f"{progress.edges:,}", f"{progress.features:,}", f"{progress.corpus:,}",
                         Text(str(found), style="bold red" if found else "dim"))
    return rows


def plain_lines(session: Session, now: float) -> list[str]:
    """One line for each target that is running, for a log."""
    with session.lock:
        return [f"{progress.target}: {progress.executions:,} executions, "
                f"{progress.per_second(now):,.0f} a second, {progress.edges:,} edges, "
                f"{progress.features:,} features, corpus {progress.corpus:,}, "
                f"{units.count(len(progress.findings), 'finding')}, {show_left(session)}"
                for progress in session.progress.values() if progress.since]


def watch(session: Session, console: Console) -> None:
    """Shows the session until it is over."""
    if console.is_terminal:
        with Live(table(session, time.monotonic()), console=console, refresh_per_second=4) as live:
            while session.is_busy():
                time.sleep(0.25)
                live.update(table(session, time.monotonic()))
        return
    shown = time.monotonic()
    while session.is_busy():
        time.sleep(0.1)
        if time.monotonic() - shown >= PLAIN_EVERY_S:
            shown = time.monotonic()
            for line in plain_lines(session, shown):
                print(line, flush=True)


def summary(session: Session, interrupted: bool) -> dict[str, Any]:
    """The session for machines; every duration in seconds."""
    now = time.monotonic()
    with session.lock:
        every = list(session.progress.values())
        return {
            "schema": "1",
            "seed": session.seed,
            "sanitizer": session.sanitizer,
            "campaign": str(session.count.path) if session.count else None,
            "seconds": round(now - session.start, 1),
            "interrupted": interrupted,
            "executions": sum(progress.executions for progress in every),
            "findings": sum(len(progress.findings) for progress in every),
            "targets": [
                {"target": progress.target, "executions": progress.executions,
                 "executions_per_second": round(progress.per_second(now), 1),
                 "edges": progress.edges, "features": progress.features,
                 "corpus": progress.corpus, "findings": progress.findings,
                 "repeated": progress.repeated, "troubles": progress.troubles}
                for progress in every
            ],
        }


def print_summary(session: Session, facts: dict[str, Any], console: Console,
                  place: pathlib.Path) -> None:
    """The end of a session: what was done, what was found, and how to see each finding again."""
    if not console.is_terminal:
        console.print(table(session, time.monotonic()))
    for progress in facts["targets"]:
        for trouble in progress["troubles"]:
            print(f"trouble: {trouble}")
        if progress["repeated"]:
            print(f"{progress['target']} failed {units.count(progress['repeated'], 'time')} more"
                  " with what is below")
        for finding in progress["findings"]:
            known = "" if finding["new"] else ", known from an earlier run"
            where = f" at {finding['operation']}" if finding["operation"] else ""
            print(f"\nfinding in {progress['target']} after {finding['executions']:,} executions"
                  f"{known}: the {finding['oracle']} oracle{where}")
            print(f"  {finding['message']}")
            print(f"  ./poolproof reproduce {relative(pathlib.Path(finding['place']) / 'input')}")
    ending = "interrupted after" if facts["interrupted"] else "in"
    print(f"\n{facts['executions']:,} executions {ending} {facts['seconds']:.0f} s, "
          f"{units.count(facts['findings'], 'finding')} (seed {facts['seed']}; {relative(place)})")
    if session.count:
        print(f"campaign: {session.count.executions:,} of {session.count.goal:,} executions done "
              f"({relative(session.count.path)})")
