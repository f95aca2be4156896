"""Programs that run on an arm's memory: their results are those that they have on malloc."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

from analysis.building import meson
from analysis.measure import recorded_programs, recorder

APPS = ("lua", "sqlite", "containers")


@pytest.fixture(scope="session", name="folder")
def built_folder():
    folder = pathlib.Path(os.environ.get("POOLPROOF_BUILD") or meson.ensure_build("release"))
    if not (folder / "bench/poolproof-bench").exists():
        pytest.skip("libbenchmark-dev is missing")
    return folder


@pytest.fixture(scope="session", name="listed")
def binary_list(folder):
    answer = subprocess.run([folder / "bench/poolproof-bench", "--list"], stdout=subprocess.PIPE,
                            check=True)
    return json.loads(answer.stdout)


@pytest.fixture(name="play")
def player(folder, listed):
    """Runs an app on an arm: its sample."""
    absent = {item["workload"]: item["package"] for item in listed["absent_workloads"]}

    def run(app, arm, preload=""):
        if f"app/{app}" in absent:
            pytest.skip(f"{absent[f'app/{app}']} is missing")
        answer = subprocess.run(
            [folder / "bench/poolproof-bench", f"--workload=app/{app}", f"--arm={arm}",
             "--benchmark_format=json"], capture_output=True, text=True, timeout=120, check=False,
            env=os.environ | {"LD_PRELOAD": str(preload)})
        assert answer.returncode == 0, answer.stderr
        [sample] = json.loads(answer.stdout)["benchmarks"]
        return sample
    return run


def arms_of(listed, app):
    return [arm for item in listed["workloads"] if item["workload"] == f"app/{app}"
            for arm in item["arms"]]


@pytest.mark.parametrize("app", APPS)
def test_results_are_those_on_malloc(play, listed, app):
    expected = play(app, "malloc")["checksum"]
    arms = arms_of(listed, app)
    assert {"pool", "pool-keep", "malloc", "calloc"} <= set(arms)
    assert not {"noop", "bump", "boost-pool"} & set(arms)
    assert {arm: play(app, arm)["checksum"] for arm in arms} == dict.fromkeys(arms, expected)


def test_results_are_those_on_a_preloaded_malloc(play):
    library = next(iter(pathlib.Path("/usr/lib").glob("*/libjemalloc.so.2")), None)
    if not library:
        pytest.skip("libjemalloc2 is missing")
    for app in APPS:
        assert play(app, "malloc", library)["checksum"] == play(app, "malloc")["checksum"]


def test_programs_differ_and_are_run_once(play):
    samples = [play(app, "pool") for app in APPS]
    assert len({sample["checksum"] for sample in samples}) == len(APPS)
    assert all((sample["iterations"], sample["operations"]) == (1, 1) for sample in samples)


def test_lua_says_on_the_pool_what_it_says_alone(play):
    if not shutil.which("lua5.4"):
        pytest.skip("lua5.4 is missing")
    script = recorded_programs.PROGRAMS.parent / "lua.lua"
    said = subprocess.run(["lua5.4", script], stdout=subprocess.PIPE, check=True).stdout
    checksum = 14695981039346656037
    for byte in said.replace(b"\t", b"\0").replace(b"\n", b"\0"):
        checksum = (checksum ^ byte) * 1099511628211 % 2**64
    assert int(play("lua", "pool")["checksum"]) == checksum >> 11


@pytest.mark.parametrize("app", APPS)
def test_a_program_on_the_pool_hardly_calls_malloc(folder, play, tmp_path, app):
    play(app, "pool")  # skips if it is absent
    tools = recorder.Tools(folder / "bench/record/libpoolproof-record.so",
                         folder / "bench/record/poolproof-convert")
    calls = {}
    for arm in ("pool-keep", "malloc"):
        command = [str(folder / "bench/poolproof-bench"), f"--workload=app/{app}", f"--arm={arm}"]
        taken = recorder.record(command, tmp_path / f"{arm}.trace", tools=tools, quiet=True)
        calls[arm] = taken.images[0]["operations"]
    assert calls["pool-keep"] < calls["malloc"] / 10


def test_a_lost_script_is_told(folder, tmp_path):
    binary = (folder / "bench/poolproof-bench").read_bytes()
    scripts = str(recorded_programs.PROGRAMS.parent).encode()
    if scripts not in binary:
        pytest.skip("this build takes its scripts from another tree")
    moved = tmp_path / "poolproof-bench"
    moved.write_bytes(binary.replace(scripts, scripts[:-1] + b"_"))
    moved.chmod(0o755)
    for app in APPS[:2]:
        answer = subprocess.run([moved, f"--workload=app/{app}", "--arm=pool"],
                                capture_output=True, text=True, check=False)
        assert answer.returncode == 4
        assert answer.stderr.splitlines()[-1].startswith(f"poolproof-bench: app/{app} with pool: ")
