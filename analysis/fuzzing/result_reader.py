"""The fuzz target `result_reader`: whatever a run folder holds, it is read or refused in one line.

It speaks libFuzzer's words (its options, its lines of progress, its names for what fails), so that
the same command drives it. An input is a line with a file's name in a run folder, then the file's
bytes; the other files are those of the reference run. Changes are made to JSON values and to bytes;
what is kept is what is refused, or taken, in a way not seen before.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import pathlib
import random
import re
import sys
import tempfile
import time
import traceback
from typing import Any

from analysis.runs import records
from analysis.system.exits import UserError
from analysis.system.files import ROOT, whole_file

TARGET = "result_reader"
REFERENCE = ROOT / "results" / "reference"
FILES = ("run.json", "samples.jsonl")
LINES = 3
"""Of the reference run's samples: more would only be slower."""

ODD: tuple[Any, ...] = (None, True, -1, 0, 0.5, 1e308, float("nan"), float("-inf"), 1 << 70, "",
                        "x" * 300, "\0\n", "../..", [], {}, [[]], {"a": 1})
PULSE_S = 1.0


def install(folder: pathlib.Path) -> None:
    """Puts the target beside the compiled ones, as two small programs."""
    for name, words in ((TARGET, ""), (f"{TARGET}-replay", "'--replay', ")):
        program = folder / "fuzz" / name
        text = (f"#!{sys.executable} -I\nimport sys\n"
                f"sys.path.insert(0, {str(ROOT)!r})\n"
                "from analysis import readers\n"
                f"sys.exit(readers.main([{words}*sys.argv[1:]]))\n")
        if not program.exists() or program.read_text() != text:
            with whole_file(program) as stream:
                stream.write(text)
            program.chmod(0o755)


def originals() -> dict[str, bytes]:
    """The files of the reference run, the samples cut to a few lines."""
    with lzma.open(REFERENCE / "samples.jsonl.xz") as stream:
        lines = b"".join(stream.readline() for _ in range(LINES))
    return {"run.json": (REFERENCE / "run.json").read_bytes(), "samples.jsonl": lines}


def judge(data: bytes, folder: pathlib.Path, files: dict[str, bytes]) -> tuple[str, str | None]:
    """(what became of an input, without its figures; what is wrong with that or None)."""
    name, _, content = data.partition(b"\n")
    chosen = name.decode(errors="replace") if name.decode(errors="replace") in FILES else FILES[0]
    for file, original in files.items():
        (folder / file).write_bytes(content if file == chosen else original)
    try:
        record = records.read(folder)
    except UserError as error:
        said = str(error)
        shape = re.sub(r"'[^']*'|\"[^\"]*\"|[\d.e+-]+", "#", said.replace(str(folder), ""))
        if "\n" in said or not said.strip():
            return shape, f"the refusal is not one line: {said[:100]!r}"
        return shape[:200], None
    except Exception as error:  # whatever it is, a reader may not end so
        last = traceback.extract_tb(error.__traceback__)[-1]
        return "", f"{type(error).__name__} in {last.name}: {str(error)[:150]}"
    return f"read {len(record.samples)} samples, {len(record.refusals)} refusals", None


# --- Changes --------------------------------------------------------------------------------------


def places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value inside of a JSON value."""
    found: list[tuple[Any, Any]] = []
    inside = value.items() if isinstance(value, dict) else \
        enumerate(value) if isinstance(value, list) else ()
    for key, part in inside:
        found.append((value, key))
        found += places(part)
    return found


def change_json(text: bytes, chance: random.Random) -> bytes:
    """One value of one line replaced, taken out or doubled; the text itself if it is no JSON."""
    lines = text.split(b"\n") if text.count(b"\n") < 20 else [text]
    at = chance.randrange(len(lines))
    try:
        value = json.loads(lines[at])
        container, key = chance.choice(places(value))
    except (ValueError, IndexError, RecursionError):
        return change_bytes(text, chance)
    way = chance.randrange(4)
    if way == 0:
        del container[key]
    elif way == 1 and isinstance(container, list):
        container.insert(key, container[key])
    elif way == 1:
        container[f"{key}x"] = container[key]
    else:
        container[key] = chance.choice(ODD)
    lines[at] = json.dumps(value).encode()
    return b"\n".join(lines)


def change_bytes(text: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, put in or cut out."""
    at = chance.randrange(len(text) + 1)
    length = 1 << chance.randrange(6)
    put = chance.choice((b"", chance.randbytes(length), b"{", b"[" * length, b'"', b"\n", b"9" * 40,
                         b"\xff\xfe", b"-", text[:length]))
    return text[:at] + put + text[at + chance.choice((0, 1, length)):]


def change(data: bytes, chance: random.Random) -> bytes:
    """One input made of another."""
    name, _, content = data.partition(b"\n")
    way = change_json if chance.random() < 0.7 else change_bytes
    for _ in range(1 + chance.randrange(3)):
        content = way(content, chance)
    return name + b"\n" + content


# --- The program ----------------------------------------------------------------------------------


def complain(message: str) -> None:
    """Says what was found as every target does."""
    print(json.dumps({"oracle": "reader", "operation": "", "message": message, "index": 0}),
          file=sys.stderr, flush=True)


def replay(paths: list[str]) -> int:
    """Runs inputs as they are; 1 if one fails."""
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for path in paths:
            wrong = judge(pathlib.Path(path).read_bytes(), pathlib.Path(scratch), originals())[1]
            if wrong:
                complain(wrong)
                failed = 1
    return failed


def main(words: list[str]) -> int:
    """Runs like a libFuzzer program: OPTIONS and folders of inputs, the first of which is added
    to."""
    if words[:1] == ["--replay"]:
        return replay(words[1:])
    options = dict(word[1:].split("=", 1) for word in words if word.startswith("-"))
    folders = [pathlib.Path(word) for word in words if not word.startswith("-")]
    chance = random.Random(int(options.get("seed", "1")))
    most = int(options.get("runs", "0")) or sys.maxsize
    end = time.monotonic() + float(options.get("max_total_time", "1e9"))
    files = originals()
    corpus = [name.encode() + b"\n" + content for name, content in files.items()]
    corpus += [file.read_bytes() for folder in folders for file in sorted(folder.iterdir())
               if file.is_file() and file.name != "README.md"]
    return hunt(chance, corpus, files, most, end, folders[:1], options.get("artifact_prefix", ""))


def hunt(chance: random.Random, corpus: list[bytes], files: dict[str, bytes], most: int, end: float,
         kept: list[pathlib.Path], prefix: str) -> int:
    """Changes inputs until a limit is reached, 0, or one fails, 77."""
    shapes: set[str] = set()
    done, told = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        while done < most and time.monotonic() < end:
            data = corpus[done] if done < len(corpus) else change(chance.choice(corpus), chance)
            first = done < len(corpus)
            shape, wrong = judge(data, pathlib.Path(scratch), files)
            done += 1
            mark = hashlib.sha1(data).hexdigest()
            if wrong:
                pathlib.Path(f"{prefix}crash-{mark}").write_bytes(data)
                complain(wrong)
                print(f"stat::number_of_executed_units: {done}", file=sys.stderr, flush=True)
                return 77
            if shape not in shapes:
                shapes.add(shape)
                if not first:
                    corpus.append(data)
                    for folder in kept:
                        (folder / mark).write_bytes(data)
            if time.monotonic() - told > PULSE_S:
                told = time.monotonic()
                print(f"#{done}\tpulse  cov: 0 ft: {len(shapes)} corp: {len(corpus)}/0b exec/s: 0",
                      file=sys.stderr, flush=True)
    print(f"#{done}\tDONE  cov: 0 ft: {len(shapes)} corp: {len(corpus)}/0b exec/s: 0\n"
          f"stat::number_of_executed_units: {done}", file=sys.stderr, flush=True)
    return 0
