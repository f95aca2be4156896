"""The launcher runs from anywhere, refuses what it does not know, and says why in one line."""

import errno
import os
import pathlib
import re
import subprocess

import pytest

from analysis import __main__
from analysis.system.exits import UserError
from analysis.system.files import ROOT, output_file, version, write_whole

LAUNCHER = ROOT / "poolproof"


def launch(*words, program=LAUNCHER, **settings):
    return subprocess.run([program, *words], capture_output=True, text=True, check=False,
                          **settings)


def test_without_a_command_it_explains_itself():
    answer = launch()
    assert answer.returncode == 2 and answer.stdout == "" and "usage: ./poolproof" in answer.stderr


@pytest.mark.parametrize("word, hint", [
    ("tset", "did you mean 'test'?"),
    ("xyzzy", "there are test, check"),
])
def test_a_wrong_command_is_one_line_with_the_nearest(word, hint):
    answer = launch(word)
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1 and hint in answer.stderr


@pytest.mark.parametrize("words, said", [
    (["bench", "--launches", "x"], "argument --launches: invalid number 'x': use 1 to"),
    (["fuzz", "--time"], "argument --time: expected one argument"),
    (["bugs", "--nosuch"], "unrecognized arguments: --nosuch"),
    (["record", "--all", "--process", "a"], "not allowed with argument"),
])
def test_wrong_arguments_are_one_line_that_says_where_to_look(words, said):
    answer = launch(*words)
    assert answer.returncode == 2 and answer.stdout == ""
    assert answer.stderr.count("\n") == 1 and said in answer.stderr
    assert answer.stderr.endswith(f"(./poolproof {words[0]} --help)\n")


def test_help_and_version():
    answer = launch("--help")
    assert answer.returncode == 0
    assert all(name in answer.stdout for name in __main__.COMMANDS)
    assert launch("--version").stdout == f"poolproof {version()}\n"


def test_the_documents_name_commands_that_exist():
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "analysis" / "README.md"):
        named = set(re.findall(r"\./poolproof ([a-z][a-z-]*)", path.read_text()))
        assert named and named <= set(__main__.COMMANDS), path


@pytest.mark.parametrize("command", __main__.COMMANDS)
def test_help_needs_the_standard_library_alone(command):
    code = ("import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
            "runpy.run_module('analysis', run_name='__main__', alter_sys=True)")
    answer = subprocess.run(["/usr/bin/python3", "-I", "-S", "-c", code, ROOT, command, "--help"],
                            capture_output=True, text=True, check=False,
                            env={"PATH": "/usr/bin:/bin", "POOLPROOF_INSTALL": "no"})
    assert answer.returncode == 0 and answer.stderr == ""
    assert answer.stdout.startswith(f"usage: poolproof {command} ")


def test_runs_through_a_link_from_a_folder_that_shadows_its_modules(tmp_path):
    (tmp_path / "link").symlink_to(LAUNCHER)
    for name in ("analysis", "argparse"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    answer = launch("--version", program="./link", cwd=tmp_path)
    assert answer.stdout.startswith("poolproof ") and answer.stderr == ""


@pytest.mark.parametrize("error, code", [
    (UserError("no such arm"), 2),
    (UserError("no compiler", 4), 4),
    (FileNotFoundError(errno.ENOENT, "No such file", "x.trace"), 2),
    (OSError(errno.ENOSPC, "No space left", "run.json"), 4),
    (ModuleNotFoundError("No module named 'scipy'", name="scipy"), 4),
])
def test_errors_of_users_and_machines_have_a_line_and_a_code(error, code):
    message, given = __main__.explain(error)
    assert given == code and "\n" not in message


def test_a_tree_of_somebody_else_is_said_to_be_one():
    said, code = __main__.explain(PermissionError(errno.EACCES, "Permission denied",
                                                  str(ROOT / "build" / ".test.lock")))
    assert code == 4 and "use a copy of it that is yours" in said
    said, code = __main__.explain(PermissionError(errno.EACCES, "Permission denied", "x.trace"))
    assert (said, code) == ("Permission denied: x.trace", 2)


@pytest.mark.parametrize("error", [ValueError("x"), OSError(errno.EIO, "Input/output error")])
def test_other_errors_are_not_hidden(error):
    with pytest.raises(type(error)):
        __main__.explain(error)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("before")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half" * 10000 + "\ud800")
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    write_whole(path, "after")
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]


def test_a_file_is_written_through_a_link(tmp_path):
    (tmp_path / "link").symlink_to("there")
    for text in ("new", "newer"):
        write_whole(tmp_path / "link", text)
        assert (tmp_path / "there").read_text() == text and (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("name, said", [
    ("pipe", "pipe is a device or a pipe; name a file"),
    ("link", "link is a device or a pipe; name a file"),
    ("folder", "folder is a folder; name a file"),
])
def test_nothing_but_a_file_is_replaced(tmp_path, name, said):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=said):
        write_whole(tmp_path / name, "")
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "pipe").is_fifo()


def test_the_name_of_an_open_file_is_no_file(tmp_path):
    with open(tmp_path / "out", "w") as out:
        with pytest.raises(UserError, match="is a device or a pipe"):
            output_file(pathlib.Path(f"/dev/fd/{out.fileno()}"))


def test_what_cannot_be_written_is_named_as_it_was_given(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "no" / "x", "")
    assert caught.value.filename == str(tmp_path / "no" / "x")


@pytest.mark.parametrize("words", [
    ("report", "nothing", "-o", ""), ("gate", "a", "b", "-o", ""),
    ("record", "-o", "", "--", "true"), ("bench", "-o", ""), ("reproduce", "x", "--c", ""),
])
def test_an_empty_name_is_refused(words):
    answer = launch(*words)
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1
    assert f": the name is empty (./poolproof {words[0]} --help)\n" in answer.stderr


@pytest.mark.slow
def test_a_report_that_cannot_be_made_leaves_no_folder(tmp_path):
    answer = launch("report", tmp_path / "nothing", "-o", tmp_path / "new")
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_report_into_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("precious")
    answer = launch("report", ROOT / "results" / "reference", "-o", tmp_path / "file")
    assert answer.returncode == 2 and answer.stderr.endswith("file is a file; name a folder\n")
    assert answer.stderr.count("\n") == 1 and (tmp_path / "file").read_text() == "precious"
