"""Run one input that the fuzzer kept, under the sanitizers, and show what is wrong.

FILE is an input of bytes, the text of a trace, or the folder of a finding.
Exit codes: 1 if it still fails, 0 if it does not.

examples:
  ./poolproof reproduce build/findings/pool_api/model-alloc-1f2e3d4c/input
  ./poolproof reproduce fuzz/corpus/pool/merge-left --target pool_shadow
  ./poolproof reproduce trace.txt
  ./poolproof reproduce FILE --c fails.c
"""

import argparse
import json
import pathlib
import sys
import tempfile

from analysis.building import meson
from analysis.fuzzing import findings
from analysis.system.arguments import require
from analysis.system.exits import FINDING, PASS, UserError
from analysis.system.files import named_path, write_whole


ORACLES = ("model", "contents", "invariants", "shadow", "refusal", "exhaustion", "backing", "cost",
           "reader")
"""Those that say all that there is to say; what others printed is shown whole."""

RECORDED_START = b"\x93PPT\r\n\x1a\n"
"""What a trace in its binary form begins with."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=pathlib.Path, metavar="FILE",
                        help="an input, the text of a trace, or a finding's folder")
    parser.add_argument("--target", metavar="TARGET",
                        help="target of an input of bytes (default: the folder above FILE)")
    parser.add_argument("--sanitizer", choices=list(meson.FUZZERS), default=None,
                        help="use this sanitizer (default: that of the finding, or address)")
    parser.add_argument("--c", type=named_path, metavar="OUT.c",
                        help="write a C program that makes the same calls")


def run(args: argparse.Namespace) -> int:
    """Runs the input, does with it what was asked for, and tells."""
    path = args.file / "input" if args.file.is_dir() else args.file
    if path != args.file and not path.exists():
        raise UserError(f"{args.file} is not the folder of a finding: it has no file 'input'")
    with path.open("rb") as stream:
        start = stream.read(len(findings.TRACE_START))
    is_text = start == findings.TRACE_START.encode()
    names = [args.target] if args.target else path.absolute().parts
    if start.startswith(RECORDED_START) and not any(name.startswith("trace_") for name in names):
        raise UserError(f"{path} is a recorded trace, not an input that a fuzzer made; play it:"
                        f" ./poolproof replay {path}")
    folder = meson.ensure_build(meson.FUZZERS[args.sanitizer or found_under(path)])
    target = None  # a text runs as it stands
    if args.target or not is_text:
        known = choose(args.target, path, findings.targets(folder))
        target = None if is_text else known
    failed, printed = findings.run_once(folder, target, path)
    text = findings.text_of(folder, target, path, printed) if target else \
        findings.translate(folder, "text", path).decode()
    if args.c is not None:
        write_program(folder, text, args.c)
    return show(target or "the trace", path, failed, printed, text)


def choose(name: str | None, path: pathlib.Path, known: list[str]) -> str:
    """The target of this name, or whose name is nearest in the path; UserError if there is none."""
    if name is not None:
        return require(name, known, "fuzz target")
    found = next((part for part in reversed(path.absolute().parts) if part in known), None)
    if found is None:
        raise UserError(f"{path}: cannot tell the target; give --target {'|'.join(known)}")
    return found


def found_under(path: pathlib.Path) -> str:
    """The sanitizer that finding.json beside an input names; address if there is none."""
    try:
        name = json.loads((path.parent / "finding.json").read_text())["sanitizer"]
    except (OSError, ValueError, KeyError, TypeError):
        return "address"
    return name if name in meson.FUZZERS else "address"


def write_program(folder: pathlib.Path, text: str | None, out: pathlib.Path) -> None:
    """Writes the C program of a readable trace; UserError if the target's inputs are no traces."""
    if text is None:
        raise UserError("this target's inputs are not traces: there is no C program")
    with tempfile.TemporaryDirectory() as scratch:
        trace = pathlib.Path(scratch) / "trace.txt"
        trace.write_text(text)
        write_whole(out, findings.translate(folder, "c", trace).decode())


def show(target: str, path: pathlib.Path, failed: bool, printed: str, text: str | None) -> int:
    """Prints what happened; returns the exit code."""
    report = findings.read_report(printed) if failed else None
    if text is not None:
        print(text, end="")
    if not failed:
        print(f"{path}: {target} runs without a finding")
        return PASS
    if report is None or report.oracle not in ORACLES:
        print(printed, end="", file=sys.stderr)
    if report is None:
        print(f"{path}: {target} fails")
        return FINDING
    where = "" if report.index is None else f" at operation {report.index} ({report.operation})"
    print(f"{path}: {target} fails by the {report.oracle} oracle{where}\n  {report.message}")
    return FINDING
