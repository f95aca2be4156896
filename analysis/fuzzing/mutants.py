"""First-order mutants of the core: one small change each, made from clang's syntax tree.

The operators are those of the field (Offutt et al., "An experimental determination of sufficient
mutant operators", TOSEM 1996; statement deletion: Untch, ACM-SE 2009): each comparison and logical,
arithmetic or shift operator exchanged, each condition negated, each integer one more and one less,
each statement and each update of a field dropped. A mutant whose object code is that of the
original is no mutant (trivial compiler equivalence: Papadakis et al., ICSE 2015).
"""

import dataclasses
import pathlib
import re
from typing import Iterator

from clang import cindex

from analysis.system.arguments import require
from analysis.system.exits import UNFIT, UserError
from analysis.system.files import ROOT

EQUIVALENT = ROOT / "core" / "test" / "equivalent_mutants.txt"
"""Mutants that no test can tell from the original, a line each: name, a tab, the reason."""

EXCHANGED = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&",
    "+": "-", "-": "+", "*": "+", "/": "*", "%": "+", "<<": ">>", ">>": "<<", "&": "|", "|": "&",
    "^": "|", "+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=", "<<=": ">>=", ">>=": "<<=",
}
UPDATES = re.compile(r"^[^=]*(?<![=!<>])=(?!=)|\+\+|--|\(", re.DOTALL)
"""A statement that does something: an assignment, a step, a call."""
CONDITIONED = ("IF_STMT", "WHILE_STMT", "CONDITIONAL_OPERATOR")
BODIED = ("IF_STMT", "WHILE_STMT", "FOR_STMT")


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    file: str
    """From the top of the tree."""
    function: str
    line: int
    start: int
    """Bytes of the file from `start` to `end` are replaced by `text`."""
    end: int
    before: str
    text: str
    context: str
    """The source line that it changes, without indentation."""

    @property
    def name(self) -> str:
        """What it is, the same wherever its function moves: function, line of code, change."""
        text = " ".join(self.text.split())
        return f"{self.function}: {self.context}: {self.before} => {text}"

    def applied(self, source: bytes) -> bytes:
        """The file with the change in it."""
        return source[:self.start] + self.text.encode() + source[self.end:]


def of_unit(path: pathlib.Path, arguments: list[str], root: pathlib.Path = ROOT) -> list[Mutant]:
    """Every mutant of a C file and what it includes from its folder. UserError if clang fails."""
    try:
        unit = cindex.Index.create().parse(str(path), args=arguments)
    except cindex.LibclangError as error:
        raise UserError(f"libclang cannot be loaded: {error}; install python3-clang-19",
                        UNFIT) from None
    except cindex.TranslationUnitLoadError:
        raise UserError(f"{path}: clang cannot read it") from None
    wrong = [text.spelling for text in unit.diagnostics if text.severity >= 3]
    if wrong:
        raise UserError(f"{path}: clang says {wrong[0]}")
    readers: dict[str, _Reader] = {}
    found: set[Mutant] = set()
    for cursor in unit.cursor.get_children():
        file = cursor.location.file
        if cursor.kind.name == "FUNCTION_DECL" and cursor.is_definition() and file and \
                pathlib.Path(file.name).resolve().parent == path.resolve().parent:
            reader = readers.setdefault(file.name, _Reader(file.name, root))
            found.update(reader.function(cursor))
    return sorted(found, key=lambda mutant: (mutant.file, mutant.start, mutant.end, mutant.text))


class _Reader:
    """The source of one file beside its syntax tree."""

    def __init__(self, name: str, root: pathlib.Path) -> None:
        path = pathlib.Path(name)
        self.path = name
        self.file = str(path.resolve().relative_to(root.resolve()))
        self.source = path.read_bytes()
        self.lines = self.source.decode().splitlines()
        self.name = ""

    def function(self, cursor: cindex.Cursor) -> Iterator[Mutant]:
        """The mutants of one function."""
        self.name = cursor.spelling
        for below in cursor.walk_preorder():
            file = below.location.file
            if file is None or file.name != self.path:
                continue
            kind, children = below.kind.name, list(below.get_children())
            if kind in ("BINARY_OPERATOR", "COMPOUND_ASSIGNMENT_OPERATOR") and len(children) == 2:
                yield from self._operator(*children)
            elif kind == "INTEGER_LITERAL":
                yield from self._integer(below)
            if kind in CONDITIONED and children:
                yield from self._negation(children[0])
            if kind == "COMPOUND_STMT":
                yield from self._dropped(children)
            elif kind in BODIED:
                yield from self._dropped(children[1:])

    def _text(self, start: int, end: int) -> str:
        return self.source[start:end].decode(errors="replace")

    def _mutant(self, start: int, end: int, text: str) -> Mutant:
        line = self.source.count(b"\n", 0, start) + 1
        return Mutant(self.file, self.name, line, start, end,
                      " ".join(self._text(start, end).split()), text,
                      " ".join(self.lines[line - 1].split()))

    def _operator(self, left: cindex.Cursor, right: cindex.Cursor) -> Iterator[Mutant]:
        start, end = left.extent.end.offset, right.extent.start.offset
        # Parentheses belong to the operands; what a macro wrote has no operator here.
        found = re.fullmatch(r"\s*([-+*/%<>=!&|^]+)\s*", self._text(start, end))
        if found and found[1] in EXCHANGED:
            yield self._mutant(start + found.start(1), start + found.end(1), EXCHANGED[found[1]])

    def _integer(self, cursor: cindex.Cursor) -> Iterator[Mutant]:
        start, end = cursor.extent.start.offset, cursor.extent.end.offset
        found = re.fullmatch(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)", self._text(start, end))
        if found:
            value = int(found[1], 0)
            for other in (value + 1, value - 1):
                if other >= 0:
                    yield self._mutant(start, end, f"{other}{found[2]}")

    def _negation(self, condition: cindex.Cursor) -> Iterator[Mutant]:
        start, end = condition.extent.start.offset, condition.extent.end.offset
        text = self._text(start, end)
        if text and text.count("(") == text.count(")") and ";" not in text:
            yield self._mutant(start, end, f"!({text})")

    def _dropped(self, statements: list[cindex.Cursor]) -> Iterator[Mutant]:
        for statement in statements:
            start, end = statement.extent.start.offset, statement.extent.end.offset
            text = self._text(start, end)
            is_update = statement.kind.name in ("BINARY_OPERATOR", "COMPOUND_ASSIGNMENT_OPERATOR",
                                                "UNARY_OPERATOR", "CALL_EXPR")
            if is_update and UPDATES.search(text) and self.source[end:end + 1] == b";":
                yield self._mutant(start, end, "(void)0")


def chosen(functions: list[str], sample: int | None, headers: str) -> list[Mutant]:
    """The wanted mutants; `headers` has clang's own. UserError for an unknown function."""
    every = list(dict.fromkeys(
        mutant for path in sorted((ROOT / "core").glob("*.c"))
        for mutant in of_unit(path, ["-std=c11", f"-I{path.parent}", f"-I{headers}"])))
    known = dict.fromkeys(mutant.function for mutant in every)
    for name in functions:
        require(name, known, "function of core/", "./poolproof mutants --list names them")
    found = [mutant for mutant in every if not functions or mutant.function in functions]
    if sample and sample < len(found):
        found = [found[i * len(found) // sample] for i in range(sample)]
    return found


def read_equivalent(path: pathlib.Path = EQUIVALENT) -> dict[str, str]:
    """Name of an equivalent mutant → the reason. UserError if a line has none."""
    found = {}
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            name, tab, reason = line.partition("\t")
            if not tab or not reason.strip():
                raise UserError(f"{path.name}, line {number}: a mutant without a tab and the"
                                " reason why it is equivalent")
            found[name] = reason.strip()
    return found
