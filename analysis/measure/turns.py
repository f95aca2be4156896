"""The conductor: holds the processes of a launch between batches and gives each its turn.

A process says on a pipe that it is set up, sleeps until a byte comes on another, and tells what the
turn took (the protocol is in bench/runner). Nobody waits busily. Processes that work once run on
together instead, and the scheduler alternates them.
"""

import dataclasses
import os
import random
import struct
from typing import Callable, Sequence

from analysis.measure.side_by_side import Ended, Running, await_all
from analysis.runs.plan import Workload

_TOLD = struct.Struct("=QQ")

Turn = tuple[int, int]
"""Nanoseconds of the wall clock and of the processor."""
Maker = Callable[[str], tuple[list[str], dict[str, str]]]
"""Makes a command and its variables from the word that has its process held."""


@dataclasses.dataclass
class Told:
    """What one process told, and how it ended."""

    turns: list[Turn]
    """In turns first, then alone."""
    ended: Ended
    stuck: str = ""
    """Where it stopped answering; "" if it did not."""


class _Held:
    """A process that is held, and its two pipes."""
    def __init__(self, make: Maker, turns: int, processor: int | None) -> None:
        their_go, self._go = os.pipe()
        self.told, their_told = os.pipe()
        self.turns: list[Turn] = []
        self.stuck = ""
        try:
            command, variables = make(f"--turns={turns},{their_go},{their_told}")
            self.running = Running(command, variables, processor, (their_go, their_told))
        except BaseException:
            self.close()
            raise
        finally:
            os.close(their_go)
            os.close(their_told)

    def go(self) -> bool:
        """Gives it a turn. Whether it is there to take it."""
        try:
            return os.write(self._go, b"g") == 1
        except BrokenPipeError:
            return False

    def hear(self, late: bool, where: str) -> bool:
        """Takes what it told. Whether that is a turn."""
        answer = b"" if late else os.read(self.told, _TOLD.size)
        if len(answer) < _TOLD.size:
            self.stuck = f"did not answer {where}" if late else f"ended {where}"
            return False
        self.turns.append(_TOLD.unpack(answer))
        return True

    def close(self) -> None:
        os.close(self._go)
        os.close(self.told)


def take_turns(makers: Sequence[Maker], workload: Workload, processor: int | None,
               order: random.Random, limit_s: float) -> tuple[list[Told], str]:
    """One launch: (what each process told, for each cycle the letter of the one that was first). A
    process that ends, or does not answer within limit_s, ends the launch; its `stuck` says so."""
    held: list[_Held] = []
    firsts = ""
    try:
        for make in makers:
            held.append(_Held(make, workload.cycles + workload.alone, processor))
        fine = _hear(held, limit_s, "while it set itself up")
        for item in held:
            item.turns.clear()
        for cycle in range(workload.cycles if fine else 0):
            places = order.sample(range(len(held)), len(held))
            firsts += "ab"[places[0]]
            groups = [places] if workload.form == "side by side" else [[place] for place in places]
            fine = all(_turn([held[i] for i in group], limit_s, cycle) for group in groups)
            if not fine:
                break
        for place in order.sample(range(len(held)), len(held)) if fine else ():
            for cycle in range(workload.alone):
                fine = fine and _turn([held[place]], limit_s, workload.cycles + cycle)
        for item in held:
            item.close()
        late = await_all([item.running.ended_fd for item in held], limit_s if fine else 0.5)
        told = []
        for item in held:
            if item.running.ended_fd in late:
                item.running.kill()
                if fine:
                    item.stuck = "did not end after its last turn"
            told.append(Told(item.turns, item.running.wait(), item.stuck))
        return told, firsts
    except BaseException:
        for item in held:
            if item.running.process.returncode is None:
                item.running.kill()
                item.running.wait()
        raise


def _turn(group: Sequence[_Held], limit_s: float, cycle: int) -> bool:
    if not all([item.go() for item in group]):
        limit_s = 0.0
    return _hear(group, limit_s, f"in turn {cycle + 1}")


def _hear(group: Sequence[_Held], limit_s: float, where: str) -> bool:
    late = await_all([item.told for item in group], limit_s)
    return all([item.hear(item.told in late, where) for item in group])
