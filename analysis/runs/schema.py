"""The JSON Schemas of a run's files, made from the dataclasses that they hold, and the check of
values against any schema in results/schema/.

`python3 -m analysis.runs.schema` writes those that are made; a test keeps them equal.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from typing import Any, Callable

import jsonschema

from analysis.runs.plan import Plan, SCHEMA
from analysis.runs.samples import Latency, Launch, Memory, Refusal, Work
from analysis.system.files import ROOT

SCHEMA_FOLDER = ROOT / "results" / "schema"
MADE = {
    "run": (Plan, "run.json: what a run was going to do, fixed before its first launch"),
    "launch": (Launch, "A line of launches.jsonl.gz: two arms that took turns, the sample"),
    "work": (Work, "A line of work.jsonl.gz: the instructions of one arm on one workload"),
    "memory": (Memory, "A line of memory.jsonl.gz: what one process held while it did a workload"),
    "latency": (Latency, "A line of latency.jsonl.gz: single operations of one kind, of a process"),
}
"""Schema → what a line or a file is; a line may be a refusal instead."""
LARGEST = 1e18
"""No amount is larger, so that no ratio of two is beyond all numbers."""
LONGEST_INTEGER = 20
"""Digits: no count in a run is longer, and tables hold 64 bits."""


def made(name: str) -> dict[str, Any]:
    """A schema of MADE."""
    kind, title = MADE[name]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    if kind is Plan:
        return head | _object(kind)
    return head | {"type": "object", "if": {"required": ["refused"]}, "then": _object(Refusal),
                   "else": _object(kind)}


def _object(kind: type) -> dict[str, Any]:
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
    return {
        "type": "object", "additionalProperties": False,
        "required": [field.name for field in fields if field.name == "schema" or (
            field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING)],
        "properties": {field.name: _value(hints[field.name], field.name) for field in fields}
    }


def _value(kind: Any, name: str) -> dict[str, Any]:
    """The schema of a field: of its type, and of its name where that says more."""
    origin, of = typing.get_origin(kind), typing.get_args(kind)
    if name == "schema":
        return {"const": SCHEMA}
    if origin is typing.Literal:
        return {"enum": list(of)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_value(item, name) for item in of]}
    if kind is type(None):
        return {"type": "null"}
    if origin is list:
        return {"type": "array", "items": _value(of[0], name)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _value(of[1], "")}
    if dataclasses.is_dataclass(kind):
        return _object(kind)
    if kind is str:
        long = {"minLength": 1} if name in ("workload", "arm", "refused", "malloc_owner") else {}
        return {"type": "string"} | (
            {"pattern": "^[0-9a-f]{64}$"} if name.endswith("sha256") else long)
    if kind in (int, float):
        return {"type": "integer" if kind is int else "number", "minimum": 0, "maximum": LARGEST}
    return {"type": "boolean"} if kind is bool else {}


@functools.lru_cache(maxsize=None)
def validator(name: str) -> jsonschema.protocols.Validator:
    """The validator of results/schema/NAME.schema.json."""
    text = (SCHEMA_FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


@functools.lru_cache(maxsize=None)
def _quick_check(name: str) -> Callable[[Any], Any] | None:
    """A schema compiled to code, tens of times faster than its validator; None without
    fastjsonschema. It knows an older draft, so it must read `$defs` and constants alike: only what
    it accepts is believed, and what it refuses is put before the validator."""
    try:
        import fastjsonschema
    except ImportError:
        return None
    text = (SCHEMA_FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    return fastjsonschema.compile(json.loads(text))


def _passes_at_once(name: str, value: Any) -> bool:
    check = _quick_check(name)
    try:
        return check is not None and check(value) is value
    except ValueError:  # fastjsonschema's own exception is one
        return False


def complaint(name: str, value: Any) -> str | None:
    """What results/schema/NAME.schema.json has against a value, as part of a sentence; None if
    nothing."""
    if name in MADE and isinstance(value, dict) and value.get("schema", SCHEMA) != SCHEMA:
        return f"has schema {value['schema']!r}, and this Poolproof reads schema {SCHEMA}"
    if _passes_at_once(name, value):
        return None
    error = jsonschema.exceptions.best_match(validator(name).iter_errors(value))
    if error is None:
        return None
    place = ".".join(str(part) for part in error.absolute_path)
    message = error.message if len(error.message) <= 160 else error.message[:157] + "…"
    return f"is not as it should be{f' at {place}' if place else ''}: {message}"


def decoded(text: str | bytes) -> Any:
    """JSON without what Python alone takes for JSON: NaN, infinities, numbers too large to be one.

    ValueError or RecursionError if it is none.
    """
    def refuse(word: str) -> float:
        raise ValueError(f"{word} is no number")

    def real(word: str) -> float:
        return float(word) if math.isfinite(float(word)) else refuse(word)

    def whole(word: str) -> int:
        return int(word) if len(word) <= LONGEST_INTEGER else refuse(word)

    return json.loads(text, parse_constant=refuse, parse_float=real, parse_int=whole)


def write() -> None:
    """Writes what is made to results/schema/."""
    for name in MADE:
        text = json.dumps(made(name), indent=1, ensure_ascii=False) + "\n"
        (SCHEMA_FOLDER / f"{name}.schema.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
