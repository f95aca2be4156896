"""What a fuzz target found: read from what it printed, named, kept, and made small.

A finding is known by its oracle, the kind of operation and the message without its figures; two
inputs that agree in these are one finding. Each is a folder build/findings/TARGET/NAME of
    input         the bytes that fail
    trace.txt     the same for people: the settings and the operations
    log.txt       everything that the failing process printed
    found         what was found first, if the input has been made smaller
    finding.json  target, oracle, operation, message, and what finding it took
"""

import dataclasses
import glob
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import zlib

from analysis.building import meson
from analysis.system.exits import UserError
from analysis.system.process import TIMED_OUT, outcome, sanitizer_environment

TRACE_START = "poolproof trace"
"""How the text of a trace begins."""

KEPT = meson.BUILD_ROOT / "findings"
PATIENCE_S = 60
"""How long a single input may run before it counts as a hang."""

MINIMISE_S = 180
"""How long making one input small may take."""


@dataclasses.dataclass(frozen=True)
class Report:
    """What a failing process said."""

    oracle: str
    operation: str
    message: str
    index: int | None = None

    def name(self) -> str:
        """A name that stays the same for the same finding, usable as a folder's."""
        kind = self.operation.partition(" ")[0]
        place = re.sub(r"\d+|0x[0-9a-f]+", "#", self.message)
        mark = zlib.crc32(f"{self.oracle}|{kind}|{place}".encode())
        words = re.sub(r"[^a-z]+", "-", f"{self.oracle}-{kind}".lower()).strip("-")
        return f"{words}-{mark:08x}"


def read_report(printed: str) -> Report | None:
    """The finding in what a target printed, or None: an oracle's line of JSON, the text of a failed
    assertion, or a sanitizer's line of summary."""
    for line in printed.splitlines():
        if line.startswith('{"oracle": '):
            try:
                said = json.loads(line)
                return Report(said["oracle"], said["operation"], said["message"], said["index"])
            except (ValueError, KeyError, TypeError):
                continue
    if assertion := re.search(r"Assertion (`.*failed\.)$", printed, re.M):
        return Report("assertion", "", assertion[1])
    if summary := re.search(r"^SUMMARY: (?!.*libFuzzer)(.*?): (\S*) ?(.*)$", printed, re.M):
        tool, kind, place = summary.groups()
        where = (place.partition(" in ")[2] or place.rpartition("/")[2]).strip()
        return Report(tool.removesuffix("Sanitizer").lower(), kind, f"{kind} in {where}")
    return None


def surroundings() -> dict[str, str]:
    """The environment of a target: sanitizers stop at the first report and name functions. A small
    quarantine and short stacks keep a target's own memory in the cache."""
    return sanitizer_environment(
        ASAN="abort_on_error=0:quarantine_size_mb=1:malloc_context_size=4"
             ":detect_stack_use_after_return=0",
        UBSAN="abort_on_error=0", MSAN="abort_on_error=0")


def targets(folder: pathlib.Path) -> list[str]:
    """The targets that a build folder holds, in order of their names."""
    programs = (folder / "fuzz").glob("*-replay")
    return sorted(program.name.removesuffix("-replay") for program in programs)


def run_once(folder: pathlib.Path, target: str | None, file: pathlib.Path) -> tuple[bool, str]:
    """(whether the input fails, all that was printed) for one run of a target on a file; without a
    target the file is the text of a trace, run with every oracle."""
    program = folder / "fuzz" / ("fuzz-translate" if target is None else f"{target}-replay")
    command = [program, file] if target else [program, "run", file]
    code, said = outcome(command, surroundings(), limit_s=PATIENCE_S)
    hang = f"SUMMARY: Time: hang after {PATIENCE_S} s\n" if code == TIMED_OUT else ""
    return code != 0, said + hang


def minimise(folder: pathlib.Path, target: str, file: pathlib.Path) -> bytes | None:
    """A smaller input that fails alike; None if there are no operations or it takes too long."""
    program = folder / "fuzz" / f"{target}-minimise"
    if not program.exists():
        return None
    done = _run(["timeout", str(MINIMISE_S), program, file])
    return done.stdout if done.returncode == 0 and done.stdout else None


def _run(command: list[str | pathlib.Path]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, env=surroundings(), stdin=subprocess.DEVNULL,
                          capture_output=True, check=False)


def text_of(folder: pathlib.Path, target: str, file: pathlib.Path, printed: str = "") -> str | None:
    """The readable form of an input: what the target printed that it ran, which may be more than
    the bytes say, or what the bytes decode to. None if they are no trace."""
    _, start, shown = printed.partition(f"{TRACE_START} 1\n")
    if start:
        body, end, rest = shown.partition("\nend ")
        return f"{start}{body}{end}{rest.partition(chr(10))[0]}\n" if end else None
    if not (folder / "fuzz" / f"{target}-minimise").exists():
        return None
    return translate(folder, "text", file).decode()


def translate(folder: pathlib.Path, form: str, file: pathlib.Path) -> bytes:
    """An input as "text", "bytes" or "c". UserError if the file is no input in text or bytes."""
    return _translate(folder, file, form, file,
                      *([folder / "fuzz" / "program-frame"] if form == "c" else []))


def slices(folder: pathlib.Path, trace: pathlib.Path, most: int,
           place: pathlib.Path) -> list[pathlib.Path]:
    """Writes parts of a trace of any length as inputs into a folder, at most so many."""
    name = f"trace-{trace.name}"
    _translate(folder, trace, "slices", trace, str(most), place / name)
    return sorted(place.glob(f"{glob.escape(name)}-*"))


def _translate(folder: pathlib.Path, file: pathlib.Path, *words: str | pathlib.Path) -> bytes:
    program = folder / "fuzz" / "fuzz-translate"
    done = _run([program, *words])
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(lines[0] if lines else f"{file}: cannot be translated")
    return done.stdout


def keep(folder: pathlib.Path, target: str, artifact: pathlib.Path, log: str,
         facts: dict[str, object]) -> tuple[pathlib.Path, bool]:
    """Keeps a failing input; returns (its folder, whether it is new).

    The artifact is run again first: what does not fail a second time is kept as "flaky" with the
    first log. A new finding is made small. Everything appears at once, by a rename.
    """
    failed, printed = run_once(folder, target, artifact)
    report = read_report(printed) if failed else None
    if report is None:
        report = read_report(log) or Report("crash", "", artifact.name.partition("-")[0])
        if not failed:
            report = dataclasses.replace(report, oracle=f"flaky-{report.oracle}")
            printed = log
    place = KEPT / target / report.name()
    if place.exists():
        return place, False
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".draft-") as scratch:
        draft = pathlib.Path(scratch) / place.name
        draft.mkdir()
        shutil.copyfile(artifact, draft / "input")
        smaller = minimise(folder, target, artifact) if failed else None
        if smaller is not None:
            shutil.copyfile(artifact, draft / "found")
            (draft / "input").write_bytes(smaller)
            failed, printed = run_once(folder, target, draft / "input")
        text = text_of(folder, target, draft / "input", printed)
        if text is not None:
            (draft / "trace.txt").write_text(text, encoding="utf-8")
        (draft / "log.txt").write_text(printed, encoding="utf-8")
        about = {"target": target, **dataclasses.asdict(read_report(printed) or report), **facts}
        (draft / "finding.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        draft.replace(place)
    return place, True
