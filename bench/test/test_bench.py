"""The benchmark binary from outside: what it lists, what it measures, what it refuses."""

import json
import os
import pathlib
import resource
import shutil
import struct
import subprocess

import pytest

from analysis.building import meson
from analysis.measure import recorder

LIBRARIES = [pathlib.Path("/usr/lib/x86_64-linux-gnu"), pathlib.Path("/usr/lib64")]
TRACE = """\
poolproof trace 1
alloc 0 24 8
calloc 1 100000 16
realloc 0 5000 16
alloc 2 300 64
free 1
alloc 1 1 1
end
"""


@pytest.fixture(scope="session", name="folder")
def built_folder():
    folder = pathlib.Path(os.environ.get("POOLPROOF_BUILD") or meson.ensure_build("release"))
    if not (folder / "bench/poolproof-bench").exists():
        pytest.skip("libbenchmark-dev is missing")
    return folder


@pytest.fixture(name="bench")
def runner(folder):
    def run(*words, preload=""):
        return subprocess.run([folder / "bench/poolproof-bench", *map(str, words)],
                              capture_output=True, text=True, timeout=120, check=False,
                              env=os.environ | {"LD_PRELOAD": str(preload)})
    return run


@pytest.fixture(name="measure")
def measurer(bench):
    def run(*words, preload=""):
        answer = bench("--benchmark_format=json", "--benchmark_min_time=0.001", *words,
                       preload=preload)
        assert answer.returncode == 0, answer.stderr
        result = json.loads(answer.stdout)
        [sample] = result["benchmarks"]
        return result["context"], sample
    return run


@pytest.fixture(name="trace")
def small_trace(folder, tmp_path):
    """A trace of six operations, in its binary form."""
    text, binary = tmp_path / "small.txt", tmp_path / "small.trace"
    text.write_text(TRACE)
    subprocess.run([folder / "core/trace/poolproof-trace", "convert", text, binary], check=True)
    return binary


def test_list_names_every_arm_that_applies(bench, trace):
    listed = json.loads(bench("--list", f"--trace=small={trace}").stdout)
    arms = {entry["arm"]: entry for entry in listed["arms"]}
    workloads = {entry["workload"]: entry for entry in listed["workloads"]}
    assert {"pool", "pool-keep", "pool-small-pages", "pool-call", "pool-checked", "malloc",
            "calloc", "pmr-pool", "obstack", "freelist", "bump", "noop"} <= set(arms)
    absent = {entry["arm"]: entry["package"] for entry in listed["absent"]}
    for arm in ("boost-pool", "foonathan", "apr-pool", "talloc"):
        assert (arm in arms) != (absent.get(arm, "").startswith("lib"))
    assert arms["pool"]["promise"] == arms["calloc"]["promise"] == "zeroed"
    assert "bump" in workloads["pair/64"]["arms"]
    assert "bump" not in workloads["churn/64/1000"]["arms"]
    if "boost-pool" in arms:
        assert "boost-pool" in workloads["churn/64/1000"]["arms"]
        assert not any("boost-pool" in workloads[name]["arms"] for name in (
            "churn/mixed16-512/1000", "grow/append16-1024x64", "trace/small", "trace-cold/small"))
    assert {"trace/small", "trace-cold/small"} <= set(workloads)
    for workload in listed["workloads"]:
        assert workload["question"].endswith("?")
        assert set(workload["arms"]) <= set(arms)
        assert workload["workload"].startswith("trace") or (
            workload["source"] and workload["parameters"] and workload["operations"] > 0)


@pytest.mark.slow
def test_every_workload_runs_on_every_arm(bench):
    """One iteration each: no arm runs out of memory, none crashes."""
    answer = bench("--iterations=1", "--benchmark_format=json")
    assert answer.returncode == 0, answer.stderr
    listed = json.loads(bench("--list").stdout)
    expected = sum(len(workload["arms"]) for workload in listed["workloads"]
                   if workload["heap"] == "fresh" and "app/" not in workload["workload"])
    assert len(json.loads(answer.stdout)["benchmarks"]) == expected


@pytest.mark.slow
def test_every_arm_runs_on_a_littered_heap_where_its_litter_stays(bench):
    listed = json.loads(bench("--list").stdout)
    littered = {item["workload"]: item for item in listed["workloads"] if item["heap"] != "fresh"}
    assert not any(name.startswith("phase/") for name in littered)
    for name in ("random/64x1000/littered", "grow/append16-1024x64/littered"):
        answer = bench(f"--workload={name}", "--iterations=1", "--benchmark_format=json")
        assert answer.returncode == 0, answer.stderr
        assert len(json.loads(answer.stdout)["benchmarks"]) == len(littered[name]["arms"])
        assert "bump" not in littered[name]["arms"]


def test_litter_makes_a_heap_larger(measure):
    """Twenty thousand objects come and go before the first one that is timed."""
    words = ["--workload=pair/64", "--arm=pool-small-pages", "--iterations=1"]
    used = []
    for heap in ("fresh", "littered"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
        measure(*words, f"--heap={heap}")
        used.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt - before)
    assert used[1] > used[0] + 500


def test_threads_have_an_arm_each(measure, bench):
    listed = json.loads(bench("--list", "--threads=3").stdout)
    names = [item["workload"] for item in listed["workloads"] if item["threads"] == 3]
    assert "churn/64/1000/3-threads" in names
    for arm in ("pool", "malloc", "freelist", "noop"):
        _, sample = measure("--workload=random/64x1000/3-threads", f"--arm={arm}",
                            "--iterations=20")
        assert sample["operations"] == 3 * 2000 and sample["iterations"] == 20


@pytest.mark.parametrize("workload, least", [("fill/64", 1), ("fill/mixed16-512", 0.95),
                                             ("refill/mixed16-512", 0.85)])
def test_arms_with_a_capacity_say_how_much_of_it_is_usable(measure, workload, least):
    """Sizes of 64 bytes fit in without any loss; others are rounded up to 16 bytes."""
    words = [f"--workload={workload}", "--iterations=3"]
    for arm in ("pool", "pool-keep", "freelist"):
        _, sample = measure(*words, f"--arm={arm}")
        assert least <= sample["usable_share"] <= 1
        assert sample["usable_share"] < 1 or workload == "fill/64"
    _, bump = measure(*words, "--arm=bump")  # what it has given out is never given out again
    assert (bump["usable_share"] < 0.6) == workload.startswith("refill")
    _, unbounded = measure(*words, "--arm=malloc")
    assert "usable_share" not in unbounded
    assert unbounded["operations"] >= sample["operations"]


@pytest.mark.parametrize("workload", ["xmalloc-test/64", "xmalloc-test/mixed16-512",
                                      "cache-scratch/8"])
def test_objects_that_change_hands_are_for_mallocs_alone(bench, measure, workload):
    listed = json.loads(bench("--list").stdout)
    [item] = [item for item in listed["workloads"] if item["workload"] == workload]
    assert item["arms"] == ["malloc", "calloc"] and not item["probes"]
    assert set(item["excluded"]) == {entry["arm"] for entry in listed["arms"]} - {*item["arms"]}
    assert "belongs to one thread at a time" in item["excluded"]["pool-keep"]
    for arm in item["arms"]:
        _, sample = measure(f"--workload={workload}", f"--arm={arm}", "--iterations=20")
        assert sample["operations"] == item["operations"] and sample["iterations"] == 20
    answer = bench(f"--workload={workload}", "--arm=pool")
    assert answer.returncode == 2 and "does not apply" in answer.stderr
    many = json.loads(bench("--list", "--threads=2").stdout)["workloads"]
    assert not any(entry["workload"].startswith(f"{workload}/") for entry in many)


def test_a_run_proves_what_it_measured(measure):
    context, sample = measure("--workload=pair/64", "--arm=malloc", "--iterations=7")
    assert sample["iterations"] == 7 and sample["operations"] == 2000
    assert sample["name"].startswith("pair/64/malloc")
    assert "libc" in pathlib.Path(context["malloc_owner"]).name
    assert context["schema"] == "1" and context["compiler"] and context["compiler_flags"]


@pytest.mark.parametrize("name", ["libjemalloc.so.2", "libmimalloc.so.2.0",
                                  "libtcmalloc_minimal.so.4"])
def test_a_preloaded_library_is_named_as_the_owner(measure, name):
    found = [folder / name for folder in LIBRARIES if (folder / name).exists()]
    if not found:
        pytest.skip(f"{name} is missing")
    context, _ = measure("--workload=pair/64", "--arm=malloc", preload=found[0])
    assert context["malloc_owner"] == str(found[0].resolve())


@pytest.mark.parametrize("arm", ["pool", "pool-keep", "malloc", "calloc", "freelist", "bump"])
def test_a_trace_is_played_warm_and_cold(measure, trace, arm):
    _, sample = measure(f"--trace=small={trace}", "--workload=trace/small", f"--arm={arm}")
    assert sample["operations"] == 6 + 3  # what is live at the end is freed
    assert sample["peak_live_bytes"] == 105300
    assert 1_000_000 < sample["max_rss_bytes"] < 40_000_000
    _, sample = measure(f"--trace=small={trace}", "--workload=trace-cold/small", f"--arm={arm}")
    assert sample["operations"] == 6 and sample["iterations"] == 1
    assert sample["page_faults"] >= 1


@pytest.mark.parametrize("workload", ["trace", "trace-cold"])
@pytest.mark.parametrize("arm", ["pool-small-pages", "malloc"])
def test_the_player_touches_little_of_what_is_reserved(measure, tmp_path, arm, workload):
    """A GiB in sixteen objects; malloc resizes one too, where the pool has to copy."""
    trace = tmp_path / "reserves.txt"
    trace.write_text("poolproof trace 1\n" + "".join(
        [f"alloc {slot} {64 << 20} 16\n" for slot in range(16)]
        + [f"realloc 0 {128 << 20} 16\n"] * (arm == "malloc")
        + [f"free {slot}\n" for slot in range(16)]) + "end\n")
    _, sample = measure(f"--trace=x={trace}", f"--workload={workload}/x", f"--arm={arm}")
    assert sample["peak_live_bytes"] >= 1 << 30
    assert sample["max_rss_bytes"] < 40_000_000


def turns_of(folder, *words, turns=9):
    """Nanoseconds of processor time that each turn told; every turn is given beforehand."""
    (go, give), (hear, told) = os.pipe(), os.pipe()
    os.write(give, b"g" * turns)
    answer = subprocess.run(
        [folder / "bench/poolproof-bench", "--benchmark_format=json", *words,
         f"--turns={turns},{go},{told}"], pass_fds=(go, told), capture_output=True, text=True,
        timeout=120, check=False)
    for end in (go, give, told):
        os.close(end)
    with os.fdopen(hear, "rb") as stream:
        found = [cpu_ns for _, cpu_ns in struct.iter_unpack("=QQ", stream.read())]
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)["context"], found[1:]  # the first says that it is set up


def test_known_delay_takes_longer(folder):
    words = ["--workload=lifo/256x1000", "--arm=calloc", "--iterations=300"]
    _, plain = turns_of(folder, *words)
    context, slower = turns_of(folder, *words, "--delay=200")
    assert float(context["delay_percent"]) == 200
    assert len(plain) == len(slower) == 9
    # The least disturbed turn of each: a neighbour can only add time.
    assert min(slower) > 1.5 * min(plain)


@pytest.mark.parametrize("workload, turns", [("trace-cold/small", 3), ("trace/small", 6)])
def test_a_trace_is_played_by_slices(folder, trace, workload, turns):
    _, found = turns_of(folder, f"--trace=small={trace}", f"--workload={workload}", "--arm=malloc",
                        "--slices=3", turns=turns)
    assert len(found) == turns and min(found) > 0


def test_a_delay_needs_turns(bench):
    answer = bench("--workload=pair/64", "--arm=pool", "--delay=5")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == "poolproof-bench: --delay needs --turns\n"


@pytest.mark.parametrize("words, message", [
    (["--workload=pair/65", "--arm=pool"], "no workload 'pair/65'"),
    (["--workload=pair/64", "--arm=pol"], "no arm 'pol'"),
    (["--workload=churn/64/1000", "--arm=bump"], "does not apply"),
    (["--trace=small"], "NAME=FILE"),
    (["--iterations=none"], "--iterations needs a number"),
    (["--heap=dirty", "--workload=pair/64"], "fresh or littered"),
    (["--heap=littered"], "needs a --workload"),
    (["--threads=0"], "--threads needs a number"),
    (["--workload=pair/64/100000-threads", "--arm=pool"], "no workload"),
    (["--workload=phase/64x1000", "--heap=littered", "--arm=pool"], "no workload"),
    (["--trace=x=/no/such/file", "--workload=trace/x", "--arm=pool"], "/no/such/file"),
])
def test_bad_arguments_are_one_line_and_exit_2(bench, words, message):
    answer = bench(*words)
    told = [line for line in answer.stderr.splitlines() if line.startswith("poolproof-bench: ")]
    assert answer.returncode == 2
    assert len(told) == 1 and message in told[0]


def test_a_cold_trace_wants_a_process_of_its_own(bench, trace):
    answer = bench(f"--trace=x={trace}", "--workload=trace-cold/x")
    assert answer.returncode == 2 and "process of its own" in answer.stderr


@pytest.mark.parametrize("damage", [
    lambda data: data[:-5], lambda data: data[:40] + b"?" + data[41:]])
def test_a_damaged_trace_is_refused(bench, trace, damage):
    trace.write_bytes(damage(trace.read_bytes()))
    answer = bench(f"--trace=x={trace}", "--workload=trace/x", "--arm=pool")
    assert answer.returncode == 2 and str(trace) in answer.stderr


def test_plain_meson_knows_some_benchmarks(folder):
    if not shutil.which("meson"):
        pytest.skip("meson is missing")
    answer = subprocess.run(["meson", "test", "--benchmark", "--list", "-C", folder],
                            capture_output=True, text=True, check=True)
    assert "pair/64/pool" in answer.stdout


def test_fleet_like_sizes_are_as_stated(folder, tmp_path):
    """Half up to 64 bytes, nine in ten up to 1 KiB: counted from outside."""
    tools = recorder.Tools(folder / "bench/record/libpoolproof-record.so",
                         folder / "bench/record/poolproof-convert")
    command = [str(folder / "bench/poolproof-bench"), "--workload=fleet/8-32768/10000",
               "--arm=malloc", "--iterations=1"]
    taken = recorder.record(command, tmp_path / "fleet.trace", tools=tools, quiet=True)
    sizes = taken.images[0]["sizes"]
    assert 32 < sizes["p50"] <= 64 and 512 < sizes["p90"] <= 1024 and sizes["p99"] > 8192
    assert taken.images[0]["end_live_objects"] < 1000
