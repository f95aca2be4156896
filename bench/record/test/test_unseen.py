"""Programs that cannot be recorded: they run as they do without, and are named with the reason."""

import errno
import os
import pathlib
import shutil
import struct
import subprocess

import pytest

from analysis.building import meson
from analysis.measure import recorder, recording, unseen
from analysis.system.exits import INCONCLUSIVE, PASS, USAGE, UserError

pytestmark = pytest.mark.slow

HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
ANOTHER_WIDTH = (
    struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0,
                0, 0)
    + struct.pack("<8I", 1, 0, 0x8048000, 0x8048000, 93, 93, 5, 0x1000)
    + bytes.fromhex("b801000000 31db cd80"))
"""A whole program for i386: it calls exit(0)."""

NOBODY = 65534

BUILT = {
    "static": (["gcc", "-static"], "statically linked"),
    "musl": (["musl-gcc"], "is loaded by /lib/ld-musl-"),
    "static musl": (["musl-gcc", "-static"], "statically linked"),
}


@pytest.fixture(scope="session", name="tools")
def built_tools():
    built = pathlib.Path(os.environ.get("POOLPROOF_BUILD") or meson.ensure_build("release"))
    folder = built / "bench/record"
    return recorder.Tools(folder / "libpoolproof-record.so", folder / "poolproof-convert")


def compiled(folder, compiler, source=HELLO):
    (folder / "hello.c").write_text(source)
    if not shutil.which(compiler[0]):
        pytest.skip(f"{compiler[0]} is missing")
    made = subprocess.run([*compiler, folder / "hello.c", "-o", folder / "hello"],
                          capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"{' '.join(compiler)} makes no program here")
    return folder / "hello"


def expect_named(program, said, tools, folder, capfd):
    """Asked for alone, by exec, and among others."""
    for command in ([program], ["sh", "-c", f"exec {program}"]):
        with pytest.raises(UserError, match=f"nothing was recorded of .*{program} .*{said}"):
            recorder.record(list(map(str, command)), folder / "x.trace", tools=tools)
        assert capfd.readouterr().out == "hello\n"
        assert not (folder / "x.trace").exists()
    for command in (["sh", "-c", f"{program}; true"], ["env", "-S", f"sh -c '{program} | cat'"]):
        found = recorder.record(command, folder / "y.trace", tools=tools, everything=True)
        assert found.status == 0 and found.exit_code == INCONCLUSIVE
        assert capfd.readouterr().out == "hello\n"
        assert f"not recorded: {program} " in recording.describe(found)
        assert said in recording.describe(found)


@pytest.mark.parametrize("kind", BUILT)
def test_a_program_that_takes_no_library(kind, tools, tmp_path, capfd):
    compiler, said = BUILT[kind]
    expect_named(compiled(tmp_path, compiler), said, tools, tmp_path, capfd)


def test_a_program_with_rights_of_its_own(tools, tmp_path, capfd):
    if os.geteuid() != 0:
        pytest.skip("only root can make a program of another user")
    program = compiled(tmp_path, ["gcc"])
    os.chown(program, NOBODY, NOBODY)
    program.chmod(0o4755)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    expect_named(program, "setuid or setgid", tools, tmp_path, capfd)


def test_a_program_with_file_capabilities(tmp_path):
    program = compiled(tmp_path, ["gcc"])
    assert unseen.reason(str(program)) is None
    if not shutil.which("setcap") or subprocess.run(["setcap", "cap_net_raw+ep", program],
                                                    check=False).returncode != 0:
        pytest.skip("setcap does not work here")
    assert "has file capabilities" in unseen.reason(str(program))


def test_a_program_with_a_sanitizer_is_named(tools, tmp_path):
    program = compiled(tmp_path, ["gcc", "-fsanitize=address"])
    with pytest.raises(UserError, match="is built with a sanitizer"):
        recorder.record([str(program)], tmp_path / "x.trace", tools=tools)


def test_a_program_of_another_word_size_is_named(tools, tmp_path):
    """Also by a kernel that does not run it, and then says so to who starts it."""
    program = tmp_path / "narrow"
    program.write_bytes(ANOTHER_WIDTH)
    program.chmod(0o755)
    try:
        runs = subprocess.run([program], check=False).returncode == 0
    except OSError as error:
        assert error.errno == errno.ENOEXEC
        runs = False
    with pytest.raises(UserError, match="is a program of another word size") as told:
        recorder.record([str(program)], tmp_path / "x.trace", tools=tools)
    assert told.value.exit_code == USAGE and "\n" not in str(told.value)
    assert runs or "Exec format error" in str(told.value)
    assert not (tmp_path / "x.trace").exists()
    found = recorder.record(["sh", "-c", f"{program}; true"], tmp_path / "y.trace", tools=tools,
                            everything=True, quiet=True)
    assert [one["program"] for one in found.unseen] == [str(program)] * runs
    assert found.exit_code == (INCONCLUSIVE if runs else PASS)


def test_a_script_of_a_program_that_cannot_be_seen(tmp_path):
    interpreter = compiled(tmp_path, ["gcc", "-static"])
    script = tmp_path / "script"
    script.write_text(f"#!{interpreter} -x\n")
    script.chmod(0o755)
    assert unseen.reason(str(script)) == (f"is a script of {interpreter}, which is statically"
                                          " linked, so nothing can be preloaded")
    script.write_text(f"#!{script}\n")
    assert unseen.reason(str(script)) is None


def test_a_program_without_the_recorders_variables(tools, tmp_path):
    with pytest.raises(UserError, match="true was started without LD_PRELOAD in its environment"):
        recorder.record(["env", "-i", "/bin/true"], tmp_path / "x.trace", tools=tools)


def test_an_execution_that_fails_is_nobodys(tools, tmp_path, capfd):
    command = ["perl", "-e", "exec('/no/such/program'); " * 3 + "print 'still here'"]
    found = recorder.record(command, tmp_path / "x.trace", tools=tools, everything=True)
    assert found.unseen == [] and capfd.readouterr().out == "still here"
    found = recorder.record(["make", "-s", "-f", "-", "-C", str(tmp_path), "--version"],
                            tmp_path / "y.trace", tools=tools, everything=True)
    assert found.unseen == [] and found.exit_code == 0
