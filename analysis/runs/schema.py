"""The JSON of result files: read strictly, written compactly, and checked against its schema.

The schemas in results/schema/ are made from the dataclasses that the files hold.
`python3 -m analysis.runs.schema` writes them; a test keeps them equal.
"""

import ast
import dataclasses
import functools
import inspect
import json
import types
import typing
from typing import Any, Callable

from analysis.runs.attacks import Campaign, Scoreboard
from analysis.runs.plan import Plan, SCHEMA
from analysis.runs.samples import Launch, Probe, Refusal
from analysis.runs.trial import Document
from analysis.runs.verdict import Verdict
from analysis.system.files import ROOT

SCHEMA_FOLDER = ROOT / "results" / "schema"
MADE: dict[str, tuple[Any, str]] = {
    "run": (Plan, "run.json: what a run was going to do, fixed before its first launch"),
    "launch": (Launch, "A line of launches.jsonl.gz: two arms that took turns, the sample"),
    "probe": (Probe, "A line of probes.jsonl.gz: what a process showed beside time"),
    "refusal": (Refusal, "A line, in any of these files, of a process that does not count"),
    "verdicts": (list[Verdict], "verdicts.json: what a run claims, one entry a comparison"),
    "bugs": (Scoreboard, "scoreboard.json: which planted bugs the fuzzer reached and found"),
    "campaign": (Campaign, "How many executions a fuzzing campaign did of each target"),
    "trial": (Document, "trial.json: whether a pool pays off in a program, and the launches"),
}
"""Schema → what a file or a line is."""
NARROW = 200
"""Of lines that people read too."""
LARGEST = 1e18
"""No amount is larger, so that no ratio of two is beyond all numbers."""
WIDTH = 2400
"""Of a line of compact JSON: a verdict or a planted bug is one, and a few launches of a trial."""


def made(name: str) -> dict[str, Any]:
    """A schema of MADE."""
    kind, title = MADE[name]
    parts: dict[str, Any] = {}
    whole = _value(kind, parts)
    whole = parts.pop(kind.__name__) if "$ref" in whole else whole
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": title}
    return head | whole | ({"definitions": parts} if parts else {})


def _object(kind: type, parts: dict[str, Any]) -> dict[str, Any]:
    """The schema of a dataclass; `parts` takes those of the dataclasses in it."""
    hints, about = typing.get_type_hints(kind, include_extras=True), _about(kind)
    properties, required = {}, []
    for field in dataclasses.fields(kind):
        name = field.name.rstrip("_")  # class_ is written class
        must = field.default is field.default_factory is dataclasses.MISSING
        properties[name] = _value(hints[field.name], parts)
        if name == "schema":
            properties[name] = {"const": SCHEMA if must else field.default}
        if name in about:
            properties[name] = properties[name] | {"description": about[name]}
        required += [name] if must or name == "schema" else []
    return {"type": "object", "additionalProperties": False, "required": required,
            "properties": properties}


def _about(kind: type) -> dict[str, str]:
    """Field → the text below it in the source."""
    found = {}
    for base in filter(dataclasses.is_dataclass, reversed(kind.__mro__)):
        body = ast.parse(inspect.getsource(base)).body[0].body  # type: ignore[attr-defined]
        for one, following in zip(body, body[1:]):
            if isinstance(one, ast.AnnAssign) and isinstance(following, ast.Expr):
                found[one.target.id] = " ".join(ast.literal_eval(following.value).split())
    return found


def _value(kind: Any, parts: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value of this type."""
    origin, of = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _value(of[0], parts) | dict(of[1:])
    if origin is typing.Literal:
        return {"enum": list(of)}
    if origin in (typing.Union, types.UnionType):
        value = _value(of[0], parts)  # and None
        return value | {"type": [value["type"], "null"]}
    if origin is list or of[1:] == (...,):
        return {"type": "array", "items": _value(of[0], parts)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _value(of[1], parts)}
    if dataclasses.is_dataclass(kind):
        if kind.__name__ not in parts:
            parts[kind.__name__] = {}  # its place, before those of its fields
            parts[kind.__name__] = _object(kind, parts)
        return {"$ref": f"#/definitions/{kind.__name__}"}
    if kind in (int, float):
        return {"type": "integer" if kind is int else "number", "minimum": 0, "maximum": LARGEST}
    return {str: {"type": "string"}, bool: {"type": "boolean"}}.get(kind, {})


@functools.lru_cache(maxsize=None)
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def built(kind: Any, value: Any) -> Any:
    """What a dataclass holds, from JSON that fits its schema."""
    if dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: built(hints[name], item) for name, item in value.items()})
    of = typing.get_args(kind)
    if typing.get_origin(kind) is list and dataclasses.is_dataclass(of[0]):
        return [built(of[0], item) for item in value]
    return value


# --- Files ---------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=None)
def _check(name: str) -> tuple[Any, Callable[[Any], Any]]:
    """(the number that a file's `schema` must be, or None; the check of all else)."""
    import fastjsonschema  # only files that are read are checked

    text = (SCHEMA_FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    number = schema.get("properties", {}).get("schema", {}).get("const")
    return number, fastjsonschema.compile(schema)


def complaint(name: str, value: Any) -> str | None:
    """What results/schema/NAME.schema.json has against a value; None if nothing."""
    number, check = _check(name)
    if number is not None and isinstance(value, dict) and value.get("schema", number) != number:
        return f"has schema {value['schema']!r}, and this Poolproof reads schema {number}"
    try:
        check(value)
        return None
    except ValueError as error:  # as fastjsonschema's own is
        said = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in str(error))
    said = said.removeprefix("data").removeprefix(".").strip()
    return f"is not as it should be: {said if len(said) <= 160 else said[:157] + '…'}"


def decoded(text: str | bytes) -> Any:
    """JSON without Python's NaN and infinities. ValueError or RecursionError if it is none."""
    def refuse(word: str) -> float:
        raise ValueError(f"{word} is not a number")

    return json.loads(text, parse_constant=refuse)


def encoded(value: Any, width: int = WIDTH) -> str:
    """JSON for a file: what fits into a line is one. ValueError if a number is none of JSON's."""
    return _lines(value, width, 0) + "\n"


def _lines(value: Any, width: int, depth: int) -> str:
    line = json.dumps(value, allow_nan=False)
    if len(line) <= width or not isinstance(value, (dict, list, tuple)) or not value:
        return line
    space = "\n" + " " * (depth + 1)
    items = [f"{json.dumps(key)}: " for key in value] if isinstance(
        value, dict) else [""] * len(value)
    inside = value.values() if isinstance(value, dict) else value
    items = [key + _lines(item, width, depth + 1) for key, item in zip(items, inside)]
    opened, closed = "{}" if isinstance(value, dict) else "[]"
    return f"{opened}{space}{(',' + space).join(items)}{space[:-1]}{closed}"


def write() -> None:
    """Writes what is made to results/schema/."""
    for name in MADE:
        (SCHEMA_FOLDER / f"{name}.schema.json").write_text(encoded(made(name), 400),
                                                           encoding="utf-8")


if __name__ == "__main__":
    write()
