"""Completion completes in real shells, and the man page is one that man accepts."""

import datetime
import os
import pty
import select
import shutil
import subprocess
import sys
import time

import pytest

from analysis import __main__, completion, manual

PATIENCE_S = 20


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """A folder with both scripts, and something to complete."""
    folder = tmp_path_factory.mktemp("completion")
    for shell, name in (("bash", "poolproof.bash"), ("zsh", "_poolproof")):
        (folder / name).write_text(completion.script(shell) + "\n")
    (folder / "runs" / "uniquerun").mkdir(parents=True)
    (folder / "unusual.trace").touch()
    return folder


class Terminal:
    """A shell on a terminal of its own, typed into and read from."""

    def __init__(self, command, folder):
        self.pid, self.stream = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            home = {"HOME": str(folder), "PS1": "> ", "TERM": "dumb", "PATH": os.environ["PATH"],
                    "ZDOTDIR": str(folder), "LC_ALL": "C.UTF-8"}
            os.execvpe(command[0], command, home)

    def type(self, text):
        os.write(self.stream, text.encode())

    def read_until(self, wanted):
        """What the shell showed up to and with `wanted`; all of it if that does not come."""
        shown, deadline = "", time.monotonic() + PATIENCE_S
        while wanted not in shown and time.monotonic() < deadline:
            if select.select([self.stream], [], [], 0.5)[0]:
                shown += os.read(self.stream, 4096).decode(errors="replace")
        return shown

    def close(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.stream)


@pytest.fixture(params=["bash", "zsh"])
def shell(request, scripts):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    words, setup = {
        "bash": (["bash", "--norc", "--noprofile", "-i"], "source ./poolproof.bash"),
        "zsh": (["zsh", "-f", "-i"],
                "fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D"),
    }[request.param]
    terminal = Terminal(words, scripts)
    terminal.type(f"{setup}; echo rea''dy\n")
    assert "ready" in terminal.read_until("ready")
    yield terminal
    terminal.close()


@pytest.mark.parametrize("typed, completed", [
    ("poolproof ga", "poolproof gate"),
    ("./poolproof prov", "./poolproof prove-statistics"),
    ("poolproof gate --form", "poolproof gate --format"),
    ("poolproof gate --format mar", "poolproof gate --format markdown"),
    ("poolproof report runs/uni", "poolproof report runs/uniquerun"),
    ("poolproof completion z", "poolproof completion zsh"),
])
def test_a_real_shell_completes(shell, typed, completed):
    shell.type(f"{typed}\t")
    assert completed in shell.read_until(completed)


@pytest.mark.parametrize("name, program", [("poolproof.bash", "bash"), ("_poolproof", "zsh")])
def test_the_scripts_are_sound(scripts, name, program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    subprocess.run([program, "-n", scripts / name], check=True)
    text = (scripts / name).read_text()
    assert [command for command in __main__.COMMANDS if command not in text] == []


def test_every_command_is_there_with_its_arguments():
    parsers = completion.command_parsers(completion.whole_parser())
    assert list(parsers) == list(__main__.COMMANDS)
    assert "--format" in parsers["gate"].format_help()


def test_the_manual_is_a_man_page(tmp_path):
    text = manual.page(datetime.date(2026, 1, 2))
    file = tmp_path / "poolproof.1"
    file.write_text(text)
    assert '.TH POOLPROOF 1 "2026-01-02"' in text
    if shutil.which("mandoc"):
        said = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", file], capture_output=True,
                              text=True, check=False)
        assert (said.returncode, said.stdout) == (0, "")
    if shutil.which("man"):
        said = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", file], text=True,
                              capture_output=True, check=False,
                              env=os.environ | {"LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
        assert (said.returncode, said.stderr) == (0, "")
        assert all(name.upper() in said.stdout for name in __main__.COMMANDS)


def test_the_manual_says_what_every_option_does():
    text = manual.page(datetime.date(2026, 1, 2))
    for name, parser in completion.command_parsers(completion.whole_parser()).items():
        for action in parser._actions:
            for option in action.option_strings:
                there = manual.roff(option) in text or action.dest == "help"
                assert there, f"{name} {option}"


def test_roff_signs_are_harmless():
    assert manual.roff(".SH x") == "\\&.SH x" and manual.roff("a\n'b") == "a\n\\&'b"
    assert manual.roff("a\\b-c~d^e") == "a\\eb\\-c\\(tid\\(hae"


def test_both_commands_print(monkeypatch, capsys):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    monkeypatch.setenv("POOLPROOF_INSTALL", "no")
    for words, start in ((["manual"], '.TH POOLPROOF 1 "1970-01-01"'),
                         (["completion", "bash"], "#"),
                         (["completion", "zsh"], "#compdef poolproof")):
        monkeypatch.setattr(sys, "argv", ["poolproof", *words])
        assert __main__.main() == 0
        assert capsys.readouterr().out.startswith(start)
