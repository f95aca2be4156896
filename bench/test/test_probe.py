"""The probes of the benchmark binary: instructions, memory, single operations."""

import json
import mmap
import os
import pathlib
import shutil
import subprocess
import types

import pytest

from analysis.building import meson
from analysis.measure import probes
from analysis.runs import plan
from analysis.system import host

pytestmark = pytest.mark.slow

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
PERCENTILES = ["p50", "p90", "p99", "p99_9", "p99_99", "max"]


@pytest.fixture(scope="session", name="folder")
def built_folder():
    folder = pathlib.Path(os.environ.get("POOLPROOF_BUILD") or meson.ensure_build("release"))
    if not (folder / "bench/poolproof-bench").exists():
        pytest.skip("libbenchmark-dev is missing")
    return folder


@pytest.fixture(name="bench")
def bench_runner(folder):
    def run(*words):
        return subprocess.run([folder / "bench/poolproof-bench", *map(str, words)],
                              capture_output=True, text=True, timeout=120, check=False)
    return run


@pytest.fixture(name="trace")
def small_trace(folder, tmp_path):
    text, binary = tmp_path / "small.txt", tmp_path / "small.trace"
    text.write_text(TRACE)
    subprocess.run([folder / "core/trace/poolproof-trace", "convert", text, binary], check=True)
    return f"--trace=small={binary}"


@pytest.fixture(name="probe")
def prober(bench):
    def run(kind, *words):
        answer = bench(f"--{kind}", *words)
        assert answer.returncode == 0, answer.stderr
        result = json.loads(answer.stdout)
        assert pathlib.Path(result["context"]["malloc_owner"]).name.startswith("libc")
        assert result["context"]["compiler"] and result["context"]["google_benchmark"]
        return result[kind]
    return run


def one_scale_of_each(bench):
    """The first scale of every shape, with its arms."""
    chosen = {}
    for item in json.loads(bench("--list").stdout)["workloads"]:
        if item["probes"]:
            chosen.setdefault(item["workload"].partition("/")[0], item)
    return list(chosen.values())


def test_every_shape_is_probed_on_every_arm(bench, probe):
    for item in one_scale_of_each(bench):
        for arm in item["arms"]:
            words = [f"--workload={item['workload']}", f"--arm={arm}"]
            work = probe("work", "--iterations=2", *words)
            # A capacity is filled by about as many as fit in without any loss.
            assert work["iterations"] == 2 and (
                0.5 * item["operations"] < work["operations"] < 1.1 * item["operations"]
                if item["capacity"] else work["operations"] == item["operations"])
            memory = probe("memory", *words)
            assert 0 < memory["operations"] and 0 < memory["peak_live_bytes"]
            latency = probe("latency", "--iterations=1", *words)
            assert latency["kinds"]["empty"]["count"] == 2000


@pytest.mark.parametrize("arm", ["pool-small-pages", "malloc", "calloc", "bump"])
def test_memory_is_told_from_start_to_drain(probe, trace, arm):
    told = probe("memory", trace, "--workload=trace/small", f"--arm={arm}")
    assert told["operations"] == 6 and told["peak_live_bytes"] == 105300
    assert told["done"] == sorted(told["done"])
    assert (told["done"][0], told["done"][-1]) == (0, 6)
    assert len(told["done"]) == len(told["live_bytes"]) == len(told["rss_bytes"])
    assert max(told["live_bytes"]) == 105300 and told["live_bytes"][-1] == 5301
    assert told["rss_bytes"][0] == told["base_rss_bytes"]
    assert told["rss_bytes"][-1] == told["end_rss_bytes"]
    assert max(told["rss_bytes"]) <= told["peak_rss_bytes"]
    assert 105300 <= told["peak_rss_bytes"] - told["base_rss_bytes"] < 4_000_000
    assert told["minor_faults"] >= 105300 // 4096  # every page of every object is written to


def populates_files():
    """Whether the kernel makes files resident when asked, as Linux does from 5.14 on."""
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        try:
            page.madvise(22)  # MADV_POPULATE_READ
        except OSError:
            return False
    return True


def test_memory_is_the_arms_alone(folder, probe, tmp_path):
    """An arm that gives out one place again and again holds no more with 300,000 objects, though
    the workload keeps 2.4 MB of pointers to them, and program text is read in meanwhile."""
    text, binary = tmp_path / "many.txt", tmp_path / "many.trace"
    text.write_text("poolproof trace 1\n" +
                    "".join(f"alloc {slot} 16 16\n" for slot in range(300_000)) + "end\n")
    subprocess.run([folder / "core/trace/poolproof-trace", "convert", text, binary], check=True)
    most = 50_000 if populates_files() else 300_000
    for words in ([f"--trace=many={binary}", "--workload=trace/many"], ["--workload=fill/64"],
                  ["--workload=pair/64"]):
        told = probe("memory", *words, "--arm=noop")
        assert told["peak_rss_bytes"] - told["base_rss_bytes"] < most


def test_a_peak_is_not_that_of_the_process_that_started_it(bench):
    ours = bytearray(300_000_000)  # resident here when the other starts
    ours[::4096] = b"x" * len(ours[::4096])
    answer = bench("--workload=pair/64", "--arm=malloc", "--iterations=9",
                   "--benchmark_format=json")
    [sample] = json.loads(answer.stdout)["benchmarks"]
    assert 1_000_000 < sample["max_rss_bytes"] < 30_000_000


def test_no_operation_is_missed(probe):
    """Of 4096 frees and allocs of a batch; and what is live is what the workload says."""
    words = ["--workload=churn/64/1000", "--arm=malloc"]
    kinds = probe("latency", "--iterations=3", *words)["kinds"]
    assert kinds["alloc"]["count"] == kinds["free"]["count"] == 3 * 4096
    assert probe("memory", *words)["peak_live_bytes"] == 64 * 1000


def test_percentiles_rise_and_the_clock_is_told_beside_them(probe):
    told = probe("latency", "--iterations=30", "--workload=random/64x1000", "--arm=malloc")
    assert told["clock"] in ("rdtscp", "clock_gettime") and 0 < told["clock_step_ns"] < 1000
    for kind in ("alloc", "free", "empty"):
        values = [told["kinds"][kind]["ns"][name] for name in PERCENTILES]
        assert values == sorted(values) and 0 <= values[0] < 10_000 and values[-1] > 0
    assert told["kinds"]["alloc"]["ns"]["p50"] >= told["kinds"]["empty"]["ns"]["p50"]


def test_a_growing_array_is_resized_and_timed(probe):
    kinds = probe("latency", "--workload=grow/append16-1024x64", "--arm=malloc")["kinds"]
    assert kinds["realloc"]["count"] == 64 * 63


@pytest.mark.parametrize("words, message", [
    (["--memory"], "--memory needs a --workload and an --arm"),
    (["--work", "--workload=pair/64"], "--work needs a --workload and an --arm"),
    (["--latency", "--workload=churn/64/1000", "--arm=bump"], "an --arm that applies"),
    (["--memory", "--trace=x=/no/such/file", "--workload=trace/x", "--arm=pool"], "/no/such/file"),
    (["--work", "--trace=x=/no/such/file", "--workload=trace-cold/x", "--arm=pool"],
     "does not apply to trace-cold/x"),
])
def test_bad_arguments_are_one_line_and_exit_2(bench, words, message):
    answer = bench(*words)
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1 and message in answer.stderr


@pytest.mark.parametrize("library", ["", "libjemalloc.so.2", "libmimalloc.so.2.0",
                                     "libtcmalloc_minimal.so.4"])
@pytest.mark.parametrize("arm", ["pool", "calloc"])
def test_instructions_agree_to_the_last(folder, tmp_path, library, arm):
    """Counted twice as ./poolproof gate counts; and longer is more by as much."""
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is missing")
    found = [place / library for place in LIBRARIES if library and (place / library).exists()]
    if library and not found:
        pytest.skip(f"{library} is missing")
    binary = folder / "bench/poolproof-bench"
    run = types.SimpleNamespace(benchmark={"path": str(binary),
                                           "sha256": host.sha256(binary)}, base=None, traces=[])
    workload = plan.Workload("churn/mixed16-512/1000", "?", [arm])
    task = (0, workload, plan.Arm(arm, arm, "other", "", str(found[0]) if found else None), "work")
    first, again = (probes.probe(run, task) for _ in range(2))
    assert first.figures == again.figures
    assert first.figures["short_instructions"] > 8192 * 8 and first.figures["instructions"] > 8
    assert pathlib.Path(first.malloc_owner).name.startswith(library or "libc.so")
