"""How the project's documents read: spelling, length of sentences, the field's words.

Spelling is hunspell's (British English), with the project's own words in words.txt; what has a
digit in it is a name.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
from typing import Iterable, Iterator

from analysis.test.rules import rules
from analysis.test.rules.rules import File
from analysis.system.exits import UNFIT, UserError
from analysis.system.process import find_program

LONGEST_SENTENCE = 35
"""Words."""

WORDS = pathlib.Path(rules.__file__).with_name("words.txt")

PRIVATE = {
    r"short way": "fast path", r"long way": "slow path", r"strewn": "scattered",
    r"shelv(e|es|ed|ing)": "quarantine", r"let(s|ting)? go": "evict",
    r"g(i|a)v(e|es|ing|en) back": "purge", r"behind": "after, or following",
    r"merg(e|es|ed|ing) everything": "coalesce", r"rivals?": "allocator",
    r"contestants?": "allocator, or arm", r"untold": "untagged", r"pieces?": "block, or part",
    r"peers?": "allocator",
}
"""Words that the field does not use → what it says. Each is a pattern of a whole word."""

FORBIDDEN = re.compile(r"\b(" + "|".join(PRIVATE) + r")\b", re.IGNORECASE)
NAMES_THE_FORBIDDEN = ("CHANGELOG.md", "analysis/test/prose.py", "analysis/test/test_prose.py")


def prose_of(text: str) -> str:
    """A Markdown document without its code, its links' targets and its addresses. Lines stay."""
    text = re.sub(r"^\s*```.*?^\s*```", lambda found: "\n" * found[0].count("\n"), text,
                  flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`\n]*`", "code", text)
    return re.sub(r"\]\([^)\s]*\)|https?://\S+|<[^>\n]*>", "", text)


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """(line, sentence) of a document. Headings, items and cells of tables end one."""
    line = 1
    for block in re.split(r"(\n\s*\n|\n(?=\s*(?:[-*#|]|\d+\. )))", prose_of(text)):
        for cell in block.split("|") if block.lstrip().startswith("|") else [block]:
            for sentence in re.split(r"(?<=[.;:!?])\s+", cell):
                if sentence.strip():
                    yield line, " ".join(sentence.split())
        line += block.count("\n")


def documents(files: Iterable[File]) -> list[File]:
    """The Markdown files that people write; what a run wrote is not among them."""
    return [file for file in files
            if file.suffix == ".md" and not file.path.startswith("results/")
            or file.path == "results/README.md"]


def long_sentences(files: Iterable[File]) -> list[str]:
    """Complaints about sentences of more than LONGEST_SENTENCE words."""
    return [f"{file.path}:{line}: a sentence of {len(sentence.split())} words; at most"
            f" {LONGEST_SENTENCE}: {sentence[:60]}…"
            for file in documents(files)
            for line, sentence in sentences(file.data.decode("utf-8", "replace"))
            if len(sentence.split()) > LONGEST_SENTENCE]


def private_words(files: Iterable[File]) -> list[str]:
    """Complaints about words that the field does not use, in documents and in what runs."""
    complaints = []
    files = list(files)
    runs = [file for file in files if file.is_text and file.suffix != ".md"
            and file.path.startswith(("core/", "bench/", "fuzz/", "analysis/"))]
    for file in documents(files) + runs:
        if file.path in NAMES_THE_FORBIDDEN:
            continue
        for number, line in enumerate(file.lines(), start=1):
            for found in FORBIDDEN.finditer(line):
                better = next(word for pattern, word in PRIVATE.items()
                              if re.fullmatch(pattern, found[0], re.IGNORECASE))
                complaints.append(f"{file.path}:{number}: '{found[0]}': the field says {better}")
    return complaints


def misspelled(files: Iterable[File]) -> list[str]:
    """Complaints about words that neither hunspell nor words.txt knows. UserError without
    hunspell."""
    hunspell = find_program("hunspell")
    if hunspell is None:
        raise UserError("hunspell is missing; install hunspell hunspell-en-gb", UNFIT)
    complaints = []
    for file in documents(files):
        text = re.sub(r"['’]s\b", "", prose_of(file.data.decode("utf-8", "replace")))
        done = subprocess.run([hunspell, "-d", "en_GB", "-i", "utf-8", "-p", str(WORDS), "-l"],
                              input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UserError(f"hunspell: {done.stderr.strip()}; install hunspell-en-gb", UNFIT)
        for word in dict.fromkeys(re.findall(r"^[^\d\n]+$", done.stdout, re.MULTILINE)):
            line = next((number for number, one in enumerate(text.split("\n"), start=1)
                         if word in one), 1)
            complaints.append(f"{file.path}:{line}: unknown word '{word}': mend it, or add it to"
                              " analysis/test/rules/words.txt")
    return complaints
