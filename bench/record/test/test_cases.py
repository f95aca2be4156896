"""Programs that a recorder has harmed, with the recorder and without: the same outcome and output,
bounded memory and time, and every event in the trace."""

import dataclasses
import os
import pathlib
import subprocess
import time

import pytest

from analysis.building import meson
from analysis.measure import recorder

RING_BYTES = 6 << 20
SLACK_BYTES = 4 << 20
TIMES, SLACK_S = 40, 8
"""What kind 1 costs is thousandfold; the machine may be busy."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A program of cases.c and the operations that its own process must have, at least."""

    name: str
    arguments: tuple[str, ...] = ()
    least: int = 400_000
    everything: bool = False
    root: bool = False


CASES = [
    Case("cancel"),
    Case("small-stack", least=80_000),
    Case("address-space", least=2_000_000),
    Case("filtered"),
    Case("drops", ("/",), everything=True, root=True),
    Case("threads", ("70000",), least=140_000),
    Case("leaves", everything=True),
]


def run_bare(command):
    """(status, output, peak resident bytes, seconds)"""
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, output, usage.ru_maxrss * 1024, time.monotonic() - start


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_is_as_without_the_recorder(case, tmp_path, monkeypatch, capfd):
    if case.root and os.geteuid() != 0:
        pytest.skip("only root can give up rights")
    built = pathlib.Path(os.environ.get("POOLPROOF_BUILD") or meson.ensure_build("release"))
    folder = built / "bench/record"
    tools = recorder.Tools(folder / "libpoolproof-record.so", folder / "poolproof-convert")
    command = [str(folder / "test/record-cases"), case.name, *case.arguments]
    status, output, memory, seconds = run_bare(command)
    peaks = []
    popen = subprocess.Popen

    class Measured(popen):
        """Keeps the peak resident memory of the command."""

        def wait(self, timeout=None):
            if self.args != command:
                return super().wait(timeout)
            _, ended, usage = os.wait4(self.pid, 0)
            peaks.append(usage.ru_maxrss * 1024)
            self.returncode = os.waitstatus_to_exitcode(ended)
            return self.returncode

    monkeypatch.setattr(subprocess, "Popen", Measured)
    start = time.monotonic()
    recording = recorder.record(command, tmp_path / "x.trace", tools=tools,
                                everything=case.everything)
    assert status == recording.status == 0
    assert capfd.readouterr().out.encode() == output
    assert time.monotonic() - start < TIMES * seconds + SLACK_S
    assert peaks[0] < memory + RING_BYTES + SLACK_BYTES
    assert max(image["operations"] for image in recording.converted) >= case.least
    assert recording.unfinished == 0 and recording.stopped is None
    assert sum(image["missed_frees"] for image in recording.converted) == 0
    if case.name == "threads":
        [image] = recording.images
        assert image["threads"] == 70_001
    for trace in recording.traces:
        subprocess.run([built / "core/trace/poolproof-trace", "run", "--on", "malloc", trace],
                       check=True)
