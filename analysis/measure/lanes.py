"""Runs tasks, one on each lane at a time: a lane is a processor, or a place beside others."""

import concurrent.futures
import time
from typing import Any, Callable, Sequence, TypeVar

from analysis.measure import side_by_side
from analysis.runs.samples import Line, Refusal

Lane = TypeVar("Lane")
Task = TypeVar("Task")


def work(lanes: Sequence[Lane], choose: Callable[[Lane], Task | None],
         run: Callable[[Task, Lane], Any], take: Callable[[Task, Any], None]) -> None:
    """Until `choose` has no task for a free lane and none is under way. `run` works in threads;
    `choose` and `take`, told of each result, do not. An exception first ends all that runs."""
    busy: dict[concurrent.futures.Future, tuple[Task, Lane]] = {}
    free = list(lanes)
    with concurrent.futures.ThreadPoolExecutor(len(free)) as threads:
        try:
            while True:
                for lane in list(free):
                    if (task := choose(lane)) is not None:
                        free.remove(lane)
                        busy[threads.submit(run, task, lane)] = (task, lane)
                if not busy:
                    return
                done, _ = concurrent.futures.wait(
                    busy, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    task, lane = busy.pop(future)
                    free.append(lane)
                    take(task, future.result())
        except BaseException:
            while not all(future.done() for future in busy):
                side_by_side.end_all()
                time.sleep(0.01)
            raise


Place = tuple[str, str]
"""(workload, arm)."""


def collect(lanes: Sequence[Lane], waiting: Callable[[Lane], list[Task]],
            places: Callable[[Task], set[Place]], run: Callable[[Task, Lane], Sequence[Line]],
            end: float, keep: Callable[[Line], None]) -> None:
    """Runs tasks from the ends of the lists that wait for the lanes, until none is there or the
    clock says `end`; `keep` is told of each line. A refused arm leaves its workload."""
    gone: set[Place] = set()

    def choose(lane: Lane) -> Task | None:
        tasks = waiting(lane)
        while tasks and time.monotonic() < end:
            task = tasks.pop()
            if not places(task) & gone:
                return task
        return None

    def take(_: Task, lines: Sequence[Line]) -> None:
        for line in lines:
            if isinstance(line, Refusal):
                if (line.workload, line.arm) in gone:
                    continue
                gone.add((line.workload, line.arm))
            keep(line)

    work(lanes, choose, run, take)
