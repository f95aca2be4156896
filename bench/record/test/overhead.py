"""What the recorder costs real programs: processor time with it and without, in pairs by turns.

    PYTHONPATH=. /usr/bin/python3 bench/record/test/overhead.py [PAIRS]

Prints medians of the pairs' ratios, and between which values the middle half of them lies.
"""

import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

from analysis.measure import recorded_programs, recorder
from analysis.system.files import ROOT

PROGRAMS = {"sqlite": {}, "cc1": {}, "perl": {}, "python": {"PYTHONMALLOC": "malloc"}}


def cpu_s(used):
    return used.ru_utime + used.ru_stime


def bare_s(program, variables):
    """The processor time of the program and of what it starts."""
    before = cpu_s(resource.getrusage(resource.RUSAGE_CHILDREN))
    subprocess.run(program.command, env=os.environ | variables, cwd=ROOT, check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return cpu_s(resource.getrusage(resource.RUSAGE_CHILDREN)) - before


def pair(program, variables, output):
    """(time without in seconds, what was recorded)"""
    alone_s = bare_s(program, variables)
    return alone_s, recorder.record(program.command, output, variables=variables, quiet=True,
                                    process=program.process, folder=ROOT)


def row(name, pairs):
    """A program's line of the table."""
    def ratio(of):
        values = sorted(of(taken) / alone_s for alone_s, taken in pairs)
        quarter = len(values) // 4
        return (f"{statistics.median(values):.2f} ({values[quarter]:.2f} to"
                f" {values[-1 - quarter]:.2f})")
    alone_s = statistics.median(alone_s for alone_s, _ in pairs)
    events = sum(image["events"] for image in pairs[0][1].images)
    with_it_s = statistics.median(cpu_s(taken.used) for _, taken in pairs)
    return (f"| {name} | {alone_s:.2f} s | {events / 1e6:.2f} M | {ratio(lambda t: cpu_s(t.used))}"
            f" | {(with_it_s - alone_s) / events * 1e9:.0f} ns |"
            f" {ratio(lambda t: cpu_s(t.used) + cpu_s(t.converter_used))} |")


def main(count):
    print("| program | alone | events | program with the recorder | an event | both processes |\n"
          "| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, variables in PROGRAMS.items():
        program = recorded_programs.find_program(name)
        variables = program.environment | variables
        with tempfile.TemporaryDirectory() as folder:
            output = pathlib.Path(folder) / "x.trace"
            pair(program, variables, output)
            pairs = [pair(program, variables, output) for _ in range(count)]
        print(row(program.command[0].rpartition("/")[2], pairs), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
