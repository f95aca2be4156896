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
    "gcc -O2": ["gcc", "-O2", "-c", "-o", "/dev/null", "-Icore", "core/mem_pool.c"],
    "perl": ["perl", "-e", PERL],
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


def recorded(command, output, tools=None):
    return recorder.record(command, output, tools=tools, quiet=True, folder=ROOT)


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


def main(count):
    os.environ["PYTHONMALLOC"] = "malloc"
    print("| program | alone | events | with the recorder | an event | and the converter |\n"
          "| --- | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for name, command in COMMANDS.items():
            output = pathlib.Path(folder) / "x.trace"
            pairs = [(bare_s(command), recorded(command, output)) for _ in range(count)]
            print(row(name, pairs), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
