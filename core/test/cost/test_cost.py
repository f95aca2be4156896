"""What calls cost in instructions, counted by callgrind, against golden figures.

golden.json holds, for one compiler, the fast paths (instructions a call, the loop around it
included) and the largest count of any single operation that a search over seeds has found, with its
seed. A rise fails. After a change that is worth it, renew the figures, which searches again:

    /usr/bin/python3 core/test/cost/test_cost.py
"""

import json
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

import pytest

pytestmark = pytest.mark.slow

HERE = pathlib.Path(__file__).resolve().parent
CORE = HERE.parents[1]
GOLDEN = HERE / "golden.json"
RENEW = "if the rise is worth it, run: /usr/bin/python3 core/test/cost/test_cost.py"
COMPILER = "gcc 12 x86_64"
SEEDS = range(1, 41)
CHUNKS = 1000
"""In one letter of `cost fast`."""

EACH_RUN = 72
"""A look at one free run of 64 granules, and at the chunk before it, in a map."""

INLINED = {"inlined": [], "called": ["-DPOOL_NO_INLINE"]}
TOLERANCE = {"strict": 1.0, "plain": 1.02}
"""What a tag scan costs beyond its own loop is the C library's, and differs between processors."""


def why_not() -> str | None:
    """Why this machine cannot count, or None."""
    for program in ("gcc", "valgrind"):
        if not shutil.which(program):
            return f"{program} is missing"
    version = subprocess.run(["gcc", "-dumpversion"], capture_output=True, text=True, check=True)
    here = f"gcc {version.stdout.split('.')[0].strip()} {platform.machine()}"
    return None if here == COMPILER else f"the golden figures are those of {COMPILER}, not {here}"


def compile_cost(folder: pathlib.Path, name: str) -> pathlib.Path:
    """The program, built as a release is."""
    program = folder / name
    words = ["gcc", "-std=c11", "-O3", *INLINED[name], f"-I{CORE}", HERE / "cost.c",
             CORE / "mem_pool.c", "-o", program]
    subprocess.run([str(word) for word in words], check=True)
    return program


def count(program: pathlib.Path, *words: str) -> list[tuple[str, int]]:
    """Runs it under callgrind. Returns (name, instructions) of each part that was written down."""
    out = program.parent / f"{program.name}.callgrind"
    subprocess.run(["valgrind", "--tool=callgrind", "--combine-dumps=yes",
                    f"--callgrind-out-file={out}", str(program), *words],
                   check=True, capture_output=True, timeout=120)
    text = out.read_text()
    return [(name, int(total)) for name, total in
            re.findall(r"^desc: Trigger: (.*)\n(?:(?!desc: Trigger).*\n)*?totals: (\d+)", text,
                       re.MULTILINE)]


def count_fast(program: pathlib.Path, contents: str) -> dict[str, float]:
    """Instructions of one pool_alloc from the cache and of one pool_free, with the loop's own."""
    total = {letters: sum(n for _, n in count(program, "fast", contents, letters))
             for letters in ("AF", "AFA", "AFAF")}
    return {"alloc": (total["AFA"] - total["AF"]) / CHUNKS,
            "free": (total["AFAF"] - total["AFA"]) / CHUNKS}


def count_worst(program: pathlib.Path, flags: str, seed: int) -> dict[str, int]:
    """The largest count of one operation of each kind in the pool of a seed."""
    worst = {"alloc": 0, "free": 0, "realloc": 0}
    for name, instructions in count(program, "worst", flags, str(seed)):
        call = name.removeprefix("Client Request: ")
        if call in worst:
            worst[call] = max(worst[call], instructions)
    return worst


def count_among(program: pathlib.Path, flags: str, runs: int) -> list[int]:
    """Instructions of allocs that fit into none of so many free runs."""
    return [instructions for name, instructions in count(program, "among", flags, str(runs))
            if name.endswith("alloc")]


def search(program: pathlib.Path, flags: str, seeds: range) -> dict[str, dict[str, int]]:
    """The largest count of each kind over many seeds, and the seed that reaches it."""
    found: dict[str, dict[str, int]] = {}
    for seed in seeds:
        for call, instructions in count_worst(program, flags, seed).items():
            if instructions > found.get(call, {"instructions": -1})["instructions"]:
                found[call] = {"instructions": instructions, "seed": seed}
    return found


def renew() -> None:
    """Measures and searches everything, and replaces the golden figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        fast = {f"{how}, {contents}": count_fast(compile_cost(folder, how), contents)
                for how in INLINED for contents in ("keep", "wipe")}
        program = compile_cost(folder, "inlined")
        worst = {flags: search(program, flags, SEEDS) for flags in TOLERANCE}
    golden = {"compiler": COMPILER, "fast": fast, "worst": worst}
    GOLDEN.write_text(json.dumps(golden, indent=2) + "\n")


def read_golden() -> dict:
    return json.loads(GOLDEN.read_text())


@pytest.fixture(name="build", scope="module")
def fixture_build(tmp_path_factory):
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("cost")
    return {how: compile_cost(folder, how) for how in INLINED}


@pytest.mark.parametrize("contents", ["keep", "wipe"])
@pytest.mark.parametrize("how", INLINED)
def test_the_fast_paths_do_not_rise(build, how, contents):
    golden = read_golden()["fast"][f"{how}, {contents}"]
    for call, instructions in count_fast(build[how], contents).items():
        assert 5 < instructions <= golden[call] + 0.1, f"pool_{call}, {how}, {contents}; {RENEW}"


@pytest.mark.parametrize("call", ["alloc", "free", "realloc"])
@pytest.mark.parametrize("flags", TOLERANCE)
def test_no_single_operation_rises(build, flags, call):
    golden = read_golden()["worst"][flags][call]
    most = count_worst(build["inlined"], flags, golden["seed"])[call]
    limit = golden["instructions"] * TOLERANCE[flags]
    assert 20 < most <= limit, f"pool_{call}, {flags}, seed {golden['seed']}; {RENEW}"


def test_more_runs_that_do_not_fit_cost_no_more(build):
    few, many = (statistics.median(count_among(build["inlined"], "plain", runs))
                 for runs in (50, 400))
    assert 20 < many <= few * 1.1


def test_a_strict_pool_looks_at_each_free_run_once(build):
    """What mem_pool.h promises: a bound that the capacity alone sets, for it bounds the runs."""
    few, many = (max(count_among(build["inlined"], "strict", runs)) for runs in (50, 400))
    assert 20 < few < many <= few + (400 - 50) * EACH_RUN


@pytest.mark.parametrize("flags", TOLERANCE)
def test_other_seeds_find_nothing_larger(build, flags):
    golden = read_golden()["worst"][flags]
    for call, found in search(build["inlined"], flags, range(1, 4)).items():
        limit = golden[call]["instructions"] * TOLERANCE[flags]
        assert found["instructions"] <= limit, f"pool_{call}, {flags}, seed {found['seed']}"


def test_design_states_the_largest_counts():
    text = (CORE / "DESIGN.md").read_text()
    for flags, calls in read_golden()["worst"].items():
        for call, found in calls.items():
            assert f"{found['instructions']:,}" in text, f"DESIGN.md: pool_{call}, {flags}"


if __name__ == "__main__":
    if (problem := why_not()) is not None:
        sys.exit(f"error: {problem}")
    renew()
