#!/usr/bin/python3
"""Stands in for the benchmark binary: same command line, same JSON, made-up times, real proof of
malloc.

Settings come from the file fake_bench.json beside this script, since a sample's
environment is scrubbed: {"crash": [[workload, arm]…], "liar": true, "seconds": 0.0, "cut": true,
"workloads": {name: ns}, "stuck": [[workload, arm]…]: after the third turn}.
"""

import json
import os
import pathlib
import random
import re
import struct
import sys
import time

WORKLOADS = {"pair/64": 2.0, "churn/mixed16-512/1000": 6.0}
ARMS = {"pool": 0.6, "pool-keep": 0.5, "malloc": 1.0, "calloc": 1.2, "noop": 0.1}


def settings():
    path = pathlib.Path(sys.argv[0]).resolve().parent / "fake_bench.json"
    return json.loads(path.read_text()) if path.exists() else {}


def owner():
    """The mapped file that holds malloc: a preloaded allocator before the C library."""
    files = re.findall(r"(/\S+\.so\S*)", pathlib.Path("/proc/self/maps").read_text())
    allocators = [file for file in files if re.search(r"jemalloc|mimalloc|tcmalloc", file)]
    return (allocators or [file for file in files if "/libc.so" in file])[0]


def probe(kind):
    """What a probe would have found."""
    percentiles = dict(p50=20.0, p90=30.0, p99=40.0, p99_9=50.0, p99_99=60.0, max=9000.0)
    kinds = {name: {"count": 1000, "ns": percentiles} for name in ("alloc", "free", "empty")}
    return {
        "memory": {
            "operations": 1000, "peak_live_bytes": 500_000, "base_rss_bytes": 4_000_000,
            "peak_rss_bytes": 4_600_000, "end_rss_bytes": 4_500_000,
            "drained_rss_bytes": 4_100_000, "minor_faults": 9, "major_faults": 0,
            "done": list(range(0, 1001, 10)), "live_bytes": [5000 * i for i in range(101)],
            "rss_bytes": [4_000_000 + 6000 * i for i in range(101)]
        }, "latency": {"iterations": 1, "clock": "rdtscp", "clock_step_ns": 0.5, "kinds": kinds}
    }[kind]


def take_turns(flags, time_ns, stuck):
    """Tells made-up times when it is released."""
    count, go, told = map(int, flags["turns"].split(","))
    os.write(told, struct.pack("=QQ", 0, 0))
    for turn in range(count):
        if not os.read(go, 1) or (stuck and turn == 3):
            time.sleep(60 if stuck else 0)
            sys.exit(4)
        took = int(time_ns * int(flags["batch"]) * random.uniform(1, 1.02)) + 1
        os.write(told, struct.pack("=QQ", took + 50, took))


def main():
    flags = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[1:])
    chosen = settings()
    times = chosen.get("workloads", WORKLOADS)
    names = list(times)
    if "trace" in flags:
        name = flags["trace"].partition("=")[0]
        names += [f"trace/{name}", f"trace-cold/{name}"]
    if "list" in flags:
        print(
            json.dumps({
                "google_benchmark": "1.7.1", "workloads": [{
                    "workload": name, "question": "What?", "arms": list(ARMS), "operations": 2,
                    "probes": not name.startswith("trace-cold/")
                } for name in names]
            }))
        return 0
    workload, arm = flags["workload"], flags["arm"]
    if workload not in names or arm not in ARMS:
        print(f"no workload '{workload}' or arm '{arm}'", file=sys.stderr)
        return 2
    if chosen.get("cut") and "trace" in flags:
        print(f"poolproof-bench: {flags['trace'].partition('=')[2]}: cut", file=sys.stderr)
        return 2
    time.sleep(chosen.get("seconds", 0))
    if [workload, arm] in chosen.get("crash", []):
        print("out of memory", file=sys.stderr)
        return 4
    context = {
        "malloc_owner": "/usr/lib/libliar.so" if chosen.get("liar") else owner(),
        "compiler": "gcc 12.2.0", "compiler_flags": "-O3", "google_benchmark": "1.7.1"
    }
    for kind in ("memory", "latency"):
        if kind in flags:
            print(json.dumps({"context": context, kind: probe(kind)}))
            return 0
    time_ns = 2 * times.get(workload, 9.0) * ARMS[arm] * (1 + float(flags.get("delay", 0)) / 100)
    if "turns" in flags:
        take_turns(flags, time_ns, [workload, arm] in chosen.get("stuck", []))
    entries = [{
        "name": f"{workload}/{arm}", "run_type": "iteration", "iterations": 1000,
        "repetition_index": 0, "real_time": time_ns, "cpu_time": time_ns, "time_unit": "ns",
        "operations": 2.0, "peak_live_bytes": 4096.0
    }]
    print(json.dumps({"context": context, "benchmarks": entries}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
