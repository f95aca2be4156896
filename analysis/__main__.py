"""The table of commands, and the way from a command line to one of them."""

import argparse
import errno
import importlib
import os
import signal
import sys
from typing import NoReturn

from analysis.commands import COMMANDS
from analysis.system import packages
from analysis.system.arguments import require
from analysis.system.exits import FINDING, INCONCLUSIVE, PASS, UNFIT, USAGE, UserError
from analysis.system.files import ROOT, version


MEANINGS = {
    PASS: "pass", FINDING: "a failed test, a regression or a finding",
    USAGE: "wrong usage or bad input", INCONCLUSIVE: "inconclusive",
    UNFIT: "an unfit machine, or a run that can say nothing"
}
"""What every command ends with."""

BAD_NAME = (errno.ENAMETOOLONG, errno.ELOOP)
"""What is wrong with a name alone."""


def usage() -> str:
    """The text of --help."""
    rows = "\n".join(f"  {name:<18}{what}" for name, what in COMMANDS.items())
    exits = "\n".join(f"  {code}  {what}" for code, what in MEANINGS.items())
    return (
        "usage: ./poolproof COMMAND [ARGUMENT…]\n\n"
        f"{rows}\n\n"
        "Run ./poolproof COMMAND --help for more; --version prints the version.\n"
        "A command installs the Debian packages that it lacks, after naming them;\n"
        "POOLPROOF_INSTALL=no forbids that.\n"
        f"Exit codes:\n{exits}"
    )


class Parser(argparse.ArgumentParser):
    """A command's parser: what is wrong with its arguments is one line, as every error is."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (./{self.prog} --help)")


def run(words: list[str]) -> int:
    """Runs a command line (without the program's name) and returns the exit code."""
    if not words:
        print(usage(), file=sys.stderr)
        return USAGE
    command, *rest = words
    if command in ("-h", "--help", "help"):
        print(usage())
        return PASS
    if command == "--version":
        print(f"poolproof {version()}")
        return PASS
    require(command, COMMANDS, "command")
    # Its module needs the standard library alone.
    module = importlib.import_module(f"analysis.commands.{command.replace('-', '_')}")
    parser = Parser(prog=f"poolproof {command}", description=module.__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add_arguments(parser)
    arguments = parser.parse_args(rest)
    packages.ensure(command)
    return int(module.run(arguments))


def explain(error: BaseException) -> tuple[str, int]:
    """(one line, exit code) for an error that a user or a machine can cause; raises any other."""
    if isinstance(error, UserError):
        return str(error), error.exit_code
    if isinstance(error, ModuleNotFoundError) and error.name and "analysis" not in error.name:
        package = error.name.partition(".")[0].lower().replace("_", "-")
        return f"the Python module {error.name} is missing; install python3-{package}", UNFIT
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return f"{error.strerror}: {error.filename or 'while writing'}", UNFIT
    if isinstance(error, PermissionError) and str(error.filename).startswith(f"{ROOT}/build/"):
        return (f"{error.strerror}: {error.filename}; builds stand in this folder, so use a copy of"
                " it that is yours", UNFIT)
    bad_path = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
    if isinstance(error, bad_path) or isinstance(error, OSError) and error.errno in BAD_NAME:
        return f"{error.strerror}: {error.filename or 'the current folder'}", USAGE
    raise error


def main() -> int:
    """Runs the process's command line; errors become one line on stderr."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # the launcher's
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Some runners start jobs with these blocked; they must end a run, and all that it started.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        print("poolproof: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # sorted out below; what is nobody's fault but ours is raised again
        message, code = explain(error)
        print(f"poolproof: {message}", file=sys.stderr)
        return code


if __name__ == "__main__":
    sys.exit(main())
