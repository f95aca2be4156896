"""Prints completion of this command line for a shell, made from what each command takes.

For bash: eval "$(./poolproof completion bash)". For zsh, into a file of your fpath:
./poolproof completion zsh > _poolproof.
"""

from __future__ import annotations

import argparse
import pathlib

from analysis.environment import PASS

FOLDERS = ("DIR", "BASE", "NEW")
"""What stands for a folder in a command's help."""


FLAWS = (
    ('local current_action_choices_var="${current_action}_choices"',
     'local current_action_choices_var="${current_action}_choices[@]"'),
    ('compgen -W "${current_action_choices}"',
     'compgen -W "${current_action_choices// /$IFS}"'),
)
"""shtab before 1.5.6 offers the first of several choices alone in bash; newer ones have no such
lines."""


def whole_parser() -> argparse.ArgumentParser:
    """One parser with every command in it; a command alone is parsed by its own."""
    from analysis import __main__ as commands  # it is still being read when this one is

    parser = argparse.ArgumentParser(prog="poolproof", description=commands.PURPOSE)
    parser.add_argument("--version", action="store_true", help="print the version")
    below = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for name, (_, what) in commands.COMMANDS.items():
        module = commands.load(name)
        command = below.add_parser(name, help=what, description=module.__doc__,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(command)
    return parser


def command_parsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Command → its parser."""
    action = next(item for item in parser._actions if item.dest == "command")
    return dict(action.choices or {})


def script(shell: str) -> str:
    """The completion for bash or zsh."""
    import shtab

    parser = whole_parser()
    for command in command_parsers(parser).values():
        for action in command._actions:
            if action.type is pathlib.Path or action.metavar == "FILE":
                folder = action.metavar in FOLDERS
                action.complete = shtab.DIRECTORY if folder else shtab.FILE
    text = shtab.complete(parser, shell=shell)
    for flaw, mended in FLAWS:
        text = text.replace(flaw, mended)
    return text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./poolproof completion."""
    parser.add_argument("shell", choices=["bash", "zsh"], help="the shell to print it for")


def run(args: argparse.Namespace) -> int:
    """Prints the script."""
    print(script(args.shell))
    return PASS
