"""The command in odd surroundings: one line each, and no traceback."""

import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

from analysis.building import meson
from analysis.measure import recorder
from analysis.system.exits import UNFIT, UserError
from analysis.system.files import ROOT

pytestmark = pytest.mark.slow

LAUNCHER = ROOT / "poolproof"


@pytest.fixture(scope="session", autouse=True)
def built_before():
    if os.environ.get("POOLPROOF_BUILD"):
        pytest.skip("the command line builds for itself")
    return meson.ensure_build("release")


def launch(*words, folder, **variables):
    return subprocess.run([LAUNCHER, "record", *words], capture_output=True, timeout=120,
                          check=False, cwd=folder,
                          env=os.environ | {"POOLPROOF_INSTALL": "no"} | variables)


def expect_line(answer, status, said):
    told = answer.stderr.decode(errors="replace")
    assert answer.returncode == status and said in told, told
    assert len(told.splitlines()) == 1 and answer.stdout == b""


@pytest.mark.parametrize("name, status, said", [
    (b"a" * 256, 2, "File name too long"),
    (b"/dev/full", 2, "is a device or a pipe"),
    (b"/no/such/folder/x.trace", 2, "cannot write to /no/such/folder: No such file"),
    (b"x" * 256 + b"/x.trace", 2, "File name too long"),
])
def test_an_output_that_cannot_be(tmp_path, name, status, said):
    expect_line(launch("-o", name, "--", "true", folder=tmp_path), status, said)
    assert not list(tmp_path.iterdir())


def test_a_name_that_has_no_room_for_a_label(tmp_path):
    answer = launch("--all", "-o", "a" * 250, "--", "echo", "ran", folder=tmp_path)
    expect_line(answer, 2, "a trace's name has at most 235 bytes here")


@pytest.mark.parametrize("name", [b"\xff\xfe.trace", b"a" * 249 + b".trace", b"-\n.trace"])
def test_a_name_that_is_only_odd(tmp_path, name):
    answer = launch("-o", b"./" + name, "--", "echo", "ran", folder=tmp_path)
    assert answer.returncode == 0 and answer.stdout == b"ran\n"
    assert os.listdir(os.fsencode(tmp_path)) == [name]


def test_a_folder_that_is_gone(tmp_path):
    script = f"mkdir gone; cd gone; rmdir ../gone; exec {LAUNCHER} record -o x.trace -- true"
    answer = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, check=False)
    told = [line for line in answer.stderr.decode().splitlines() if "getcwd() failed" not in line]
    assert answer.returncode == 2 and len(told) == 1
    assert told[0].startswith("poolproof: No such file or directory")


def test_an_empty_path(tmp_path):
    """What a build needs is told as missing before, a line each."""
    for command, status, said in (("true", 2, "no command 'true' on PATH"),
                                  ("/bin/true", UNFIT, "meson is missing; install meson")):
        answer = launch("-o", "x.trace", "--", command, folder=tmp_path, PATH="")
        assert answer.returncode == status and b"Traceback" not in answer.stderr
        assert answer.stderr.decode().splitlines()[-1] == f"poolproof: {said}"


def test_a_full_standard_output_is_the_programs_affair(tmp_path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([LAUNCHER, "record", "-o", "x.trace", "--", "echo", "lost"],
                              stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, text=True,
                              check=False)
    assert done.returncode == 0 and "the command's exit status: 1" in done.stderr
    assert "Traceback" not in done.stderr and (tmp_path / "x.trace").exists()


@pytest.mark.parametrize("after_ms", [0, 3, 8, 12, 16, 20, 30, 50])
def test_an_early_interrupt(tmp_path, after_ms):
    with subprocess.Popen([LAUNCHER, "record", "-o", "x.trace", "--", "sleep", "20"], cwd=tmp_path,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          start_new_session=True) as process:
        time.sleep(after_ms / 1000)
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert "Traceback" not in told and "Fatal" not in told
    if process.returncode != 0:
        assert process.returncode in (-signal.SIGINT, 2, 130) and len(told.splitlines()) <= 1


def test_tools_on_a_mount_that_runs_nothing(built_before, tmp_path):
    place = tmp_path / "noexec"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec,size=4m", "tmpfs", place],
                      capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a file system")
    try:
        folder = built_before / "bench/record"
        tools = recorder.Tools(*(pathlib.Path(shutil.copy(folder / name, place)) for name in
                                 ("libpoolproof-record.so", "poolproof-convert")))
        with pytest.raises(UserError, match="poolproof-convert: Permission denied") as told:
            recorder.record(["true"], tmp_path / "x.trace", tools=tools)
        assert told.value.exit_code == UNFIT
    finally:
        subprocess.run(["umount", place], check=True)
