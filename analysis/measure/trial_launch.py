"""One launch of a trial: a command, once for each of its arms, side by side on one processor.

Each arm is the same command with other libraries preloaded. A ledger, a file that these write as
plain memory, says afterwards what they served, in every process of the command.
"""

import hashlib
import json
import os
import pathlib
import struct
import tempfile

from analysis.runs.trial import Arm, Command, Launch, Process
from analysis.system.exits import UNFIT, UserError
from analysis.system.process import answer, last_line

ENTRY = struct.Struct("<ii40s16s48s19Q")
"""An entry of the ledger, as the preloaded libraries lay it out."""
HEADER = struct.Struct("<4Q")
MAGIC = 0x3172656764654C50
ENTRIES = 4096
COUNTS = (
    "flags", "served", "served_bytes", "left", "left_bytes", "early", "unfit", "aligned", "foreign",
    "remote", "refused", "owners", "adopted", "reserved", "prefault_ns", "hash", "mapped",
    "mapped_bytes", "time_ns",
)


PADDING = "POOLPROOF_TRIAL_PADDING"
"""A variable that makes every arm's environment equally long: its length moves the stack."""


def preloaded(tools: pathlib.Path, name: str) -> str:
    """One of the trial's own libraries, in the folder where they were built."""
    return str(tools / f"libpoolproof-trial-{name}.so")


def new_ledger(path: pathlib.Path) -> None:
    """An empty ledger."""
    with path.open("wb") as stream:
        stream.write(HEADER.pack(MAGIC, ENTRIES, ENTRY.size, 0))
        stream.truncate(HEADER.size + ENTRIES * ENTRY.size)


def read_ledger(path: pathlib.Path) -> tuple[Process, ...]:
    """The entries that processes took."""
    data = path.read_bytes()
    used = min(HEADER.unpack_from(data)[3], ENTRIES)
    found = []
    for i in range(used):
        pid, parent, name, arm, owner, *counts = ENTRY.unpack_from(data,
                                                                   HEADER.size + i * ENTRY.size)
        texts = [text.split(b"\0")[0].decode("utf-8", "replace") for text in (name, arm, owner)]
        found.append(Process(pid, parent, *texts, dict(zip(COUNTS, counts))))
    return tuple(found)


def _digest(prefix: str) -> str:
    digest = hashlib.sha256()
    for suffix in (".out", ".err"):
        with open(prefix + suffix, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def _environment(tools: pathlib.Path, command: Command, arm: Arm, ledger: str) -> dict[str, str]:
    preload = [preloaded(tools, "litter")] if command.littered else []
    preload += [preloaded(tools, "witness"), *arm.preload]
    timed = {"POOLPROOF_TRIAL_TIMED": "1"} if command.process else {}
    return {"LD_PRELOAD": ":".join(preload), "POOLPROOF_TRIAL_LEDGER": ledger, **timed,
            **dict(arm.variables)}


def launch(tools: pathlib.Path, command: Command, arms: list[Arm], cpu: int, limit_s: float
           ) -> list[Launch]:
    """Runs the arms side by side. UserError if they cannot be started."""
    with tempfile.TemporaryDirectory(prefix="poolproof-trial-") as folder:
        sets = [_environment(tools, command, arm, f"{folder}/ledger.{i}")
                for i, arm in enumerate(arms)]
        lengths = [sum(len(key + value) + 2 for key, value in one.items()) for one in sets]
        words = [tools / "poolproof-side-by-side", str(cpu), f"{limit_s:.3f}",
                 f"{command.stop_after_s:.3f}", command.input]
        for i, one in enumerate(sets):
            new_ledger(pathlib.Path(f"{folder}/ledger.{i}"))
            variables = {**one, PADDING: "x" * (max(lengths) - lengths[i])}
            run = command.numbered(i + 1)
            client = command.client.replace("{n}", str(i + 1))
            words += [f"{folder}/{i}", client, str(len(variables)), str(len(run)),
                      *(f"{key}={value}" for key, value in variables.items()), *run]
            if command.setup:
                _set_up(command.setup.replace("{n}", str(i + 1)))
        done = answer(words, env={key: value for key, value in os.environ.items()
                                  if key != "LD_PRELOAD"})
        if done.returncode != 0:
            raise UserError(f"the command cannot be started: {done.stderr.strip()}", UNFIT)
        told = [json.loads(line) for line in done.stdout.splitlines()]
        return [_launch(command, arm, one, f"{folder}/{i}", pathlib.Path(f"{folder}/ledger.{i}"))
                for i, (arm, one) in enumerate(zip(arms, told))]


def _set_up(line: str) -> None:
    done = answer(["/bin/sh", "-c", f"exec >/dev/null\n{line}"])
    if done.returncode != 0:
        raise UserError(f"--setup ended with status {done.returncode}: {last_line(done.stderr)}")


def _launch(command: Command, arm: Arm, told: dict, prefix: str, ledger: pathlib.Path) -> Launch:
    processes = read_ledger(ledger)
    named = [process.counts["time_ns"] for process in processes
             if process.arm == "witness" and process.name == command.process]
    return Launch(
        arm.name, told["status"], told["user_s"], told["system_s"], told["wall_s"],
        told["max_rss_bytes"], told["killed"], _digest(prefix), processes,
        sum(process.counts["prefault_ns"] for process in processes) / 1e9,
        sum(named) / 1e9 if command.process else None, told["client_status"])
