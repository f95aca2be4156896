"""Record the heap operations of a program as a trace.

A preloaded library notes sizes, alignments, threads and call sites, never contents, and adds some
tens of nanoseconds to each allocation. It records the programs that the command starts as well; the
trace is that of the command's own process unless --process or --all says otherwise.

    ./poolproof record -o shop.trace -- sqlite3 :memory: '.read shop.sql'
    ./poolproof record -o cc1.trace --process cc1 -- make
"""

import argparse
import sys

from analysis.system.exits import UserError
from analysis.system.files import named_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", type=named_path,
                        help="write the trace to FILE, whole or not at all")
    parser.add_argument("--text", action="store_true",
                        help="write the text form; FILE.gz compresses the binary form")
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument("--process", metavar="NAME",
                       help="keep the process of this program, if the command starts others")
    whose.add_argument("--all", action="store_true",
                       help="write a trace for each process, named FILE.PID-IMAGE.SUFFIX")
    parser.add_argument("program", metavar="COMMAND", nargs=argparse.REMAINDER,
                        help="the program to record and its arguments, after --")


def run(args: argparse.Namespace) -> int:
    """Records and prints the summary on stderr: stdout is the command's own."""
    from analysis.measure import recorder, unseen
    from analysis.measure.recording import describe
    command = args.program[1:] if args.program[:1] == ["--"] else args.program
    if not args.output:
        raise UserError("no file for the trace: ./poolproof record -o FILE --"
                        " COMMAND …")
    if not command:
        raise UserError("no command to record: ./poolproof record -o FILE -- COMMAND …")
    if args.text and args.output.suffix == ".gz":
        raise UserError("the text form is not compressed; leave out --text or the suffix .gz")
    form = "text" if args.text else "gzip" if args.output.suffix == ".gz" else "binary"
    unseen.find_command(command[0])
    recording = recorder.record(command, args.output, process=args.process, everything=args.all,
                                form=form)
    print(describe(recording), file=sys.stderr)
    return recording.exit_code
