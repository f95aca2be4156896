"""Prints the man page, made from what each command takes.

To read it: ./poolproof manual | man -l -
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
from typing import Any

import jinja2

from analysis import completion, environment

TEMPLATES = environment.ROOT / "analysis" / "templates"

LINE_SIGNS = re.compile(r"^([.'])", re.MULTILINE)


def roff(text: str) -> str:
    """Text as roff takes it: its signs escaped, and no line a request by accident."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    return LINE_SIGNS.sub(r"\\&\1", text)


def paragraphs(text: str | None) -> list[str]:
    """The paragraphs of a module's text, each in a line."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", (text or "").strip())]


def entry(formatter: argparse.HelpFormatter, action: argparse.Action) -> dict[str, str]:
    """An option or argument as the page lists it."""
    return {
        "invocation": formatter._format_action_invocation(action),
        "help": formatter._expand_help(action) if action.help else ""
    }


def described(name: str, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """One command as the page describes it."""
    formatter = argparse.HelpFormatter(parser.prog)
    usage = " ".join(parser.format_usage().split()).removeprefix("usage: ")
    return {
        "name": name, "usage": usage.replace(f"poolproof {name}", "", 1).strip(),
        "paragraphs": paragraphs(parser.description),
        "entries": [entry(formatter, action) for action in parser._actions
                    if "--help" not in action.option_strings
                    and action.help != argparse.SUPPRESS]
    }


def page(day: datetime.date) -> str:
    """The whole page."""
    from analysis import __main__ as commands  # it is still being read when this one is

    parsers = completion.command_parsers(completion.whole_parser())
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=False,
                                   trim_blocks=True, lstrip_blocks=True,
                                   undefined=jinja2.StrictUndefined)
    templates.filters["roff"] = roff
    return templates.get_template("manual.1.j2").render(
        version=environment.version(), day=day.isoformat(), purpose=commands.PURPOSE,
        summaries={name: what for name, (_, what) in commands.COMMANDS.items()},
        exits=commands.EXITS,
        commands=[described(name, parser) for name, parser in parsers.items()]) + "\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./poolproof manual: none."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Prints the page, dated today or by SOURCE_DATE_EPOCH."""
    del args
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    day = (datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc).date()
           if epoch.isdigit() else datetime.date.today())
    print(page(day), end="")
    return environment.PASS
