"""What the recorder costs real programs: processor time with it and without, in pairs by turns.

    PYTHONPATH=. /usr/bin/python3 bench/record/test/overhead.py PAIRS
    PYTHONPATH=. /usr/bin/python3 bench/record/test/overhead.py instructions

The first prints medians of the pairs' ratios, and between which values the middle half of them
lies; the second the instructions of the program's own process under Callgrind, which repeat.
"""

import json
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile

from analysis.measure import recorder
from analysis.system.files import ROOT

SQL = """
CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
    SELECT i, printf('%d key %d', i * 7919 % 100003, i) AS k FROM n;
CREATE INDEX x ON t(k);
SELECT count(*), max(k) FROM t WHERE k LIKE '1%';
SELECT substr(k, 1, 3) AS p, count(*), group_concat(i) FROM t GROUP BY p;
"""
PERL = """
my (%h, $n);
for my $i (1 .. 200000) { push @{$h{$i % 5003}}, "item $i" }
for my $k (sort keys %h) { $n += length join ",", sort @{$h{$k}} }
print $n
"""
PYTHON = """
import json
d = [{"id": i, "name": f"item {i}", "tags": [str(i % k) for k in (3, 5, 7)]} for i in range(30000)]
s = json.dumps(d)
print(len(s), sum(x["id"] for x in json.loads(s)))
"""
COMMANDS = {
    "sqlite3": ["sqlite3", ":memory:", SQL],
    "cc1 -O2": [subprocess.run(["gcc", "-print-prog-name=cc1"], stdout=subprocess.PIPE, text=True,
                               check=True).stdout.strip(), "-quiet", "-imultiarch",
                f"{os.uname().machine}-linux-gnu", "-O2", "-Icore", "-o", "/dev/null",
                "core/mem_pool.c"],
    "perl": ["perl", "-e", PERL],
    "perl, four times as much": ["perl", "-e", PERL.replace("200000", "800000")],
    "python3, PYTHONMALLOC=malloc": ["/usr/bin/python3", "-c", PYTHON],
}


def cpu_s(used):
    return used.ru_utime + used.ru_stime


def bare_s(command):
    """The processor time of the program and of what it starts."""
    before = cpu_s(resource.getrusage(resource.RUSAGE_CHILDREN))
    subprocess.run(command, cwd=ROOT, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return cpu_s(resource.getrusage(resource.RUSAGE_CHILDREN)) - before


def recorded(command, output):
    return recorder.record(command, output, quiet=True, folder=ROOT)


def pair(command, output, number):
    """Alone and recorded, by turns in which order."""
    if number % 2 == 0:
        return bare_s(command), recorded(command, output)
    taken = recorded(command, output)
    return bare_s(command), taken


def row(name, pairs):
    """A program's line of the table."""
    def ratio(of):
        values = sorted(of(taken) / alone_s for alone_s, taken in pairs)
        quarter = len(values) // 4
        return (f"{statistics.median(values):.2f} ({values[quarter]:.2f} to"
                f" {values[-1 - quarter]:.2f})")
    alone_s = statistics.median(alone_s for alone_s, _ in pairs)
    events = sum(image["events"] for image in pairs[0][1].images)
    cost_s = statistics.median(cpu_s(taken.used) - alone_s for alone_s, taken in pairs)
    return (f"| {name} | {alone_s:.2f} s | {events / 1e6:.2f} M | {ratio(lambda t: cpu_s(t.used))}"
            f" | {cost_s / events * 1e9:.0f} ns |"
            f" {ratio(lambda t: cpu_s(t.used) + cpu_s(t.converter_used))} |")


def instructions(command, **variables):
    told = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command], cwd=ROOT,
        env=os.environ | variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        check=True).stderr
    return int(re.findall(r"Collected : (\d+)", told)[-1])


def counted_row(name, command, tools, output):
    """A program's line of the table of instructions. The ring is never full: what fills it is some
    fifty times as slow as the program."""
    alone = instructions(command)
    with subprocess.Popen([tools.convert, "--all", "-o", output], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as converter:
        ring = converter.stdout.readline().strip()
        with_it = instructions(command, LD_PRELOAD=str(tools.library),
                               **{recorder.RING_VARIABLE: ring})
        found = json.loads(converter.communicate("e")[0])
    events = sum(image["events"] for image in found["images"])
    return (f"| {name} | {alone / 1e6:,.0f} M | {events / 1e6:.2f} M | {with_it / alone:.2f} |"
            f" {(with_it - alone) / events:.0f} |")


def main(what):
    os.environ |= {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0", "PERL_HASH_SEED": "0"}
    counts = what == "instructions"
    print("| program | alone | events | with the recorder | an event |"
          + ("" if counts else " and the converter |"))
    print("| --- " + "| ---: " * (4 if counts else 5) + "|")
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "x.trace"
        for name, command in COMMANDS.items():
            if counts:
                print(counted_row(name, command, recorder.built_tools(), output), flush=True)
                continue
            pairs = [pair(command, output, number) for number in range(int(what))]
            print(row(name, pairs), flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "10")
