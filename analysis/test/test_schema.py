"""The schemas are those of the dataclasses, and everything that the repository publishes fits."""

import gzip
import json
import math

import pytest

from analysis.runs import schema
from analysis.system.files import ROOT

RESULTS = ROOT / "results"
PUBLISHED = {
    "run": ["reference/run.json"], "verdicts": ["reference/verdicts.json"],
    "launch": ["reference/launches.jsonl.gz"], "probe": ["reference/probes.jsonl.gz"],
    "bugs": ["bugs/scoreboard.json"],
    "campaign": ["fuzz/*.json"], "trial": ["trial/*.json.gz"],
}


def test_the_committed_schemas_are_those_of_the_dataclasses() -> None:
    made = {f"{name}.schema.json": schema.encoded(schema.made(name), 400) for name in schema.MADE}
    assert {path.name: path.read_text() for path in schema.SCHEMA_FOLDER.iterdir()} == made, \
        "write them again: python3 -m analysis.runs.schema"


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_published_fits_and_is_written_compactly(name: str) -> None:
    for path in [path for pattern in PUBLISHED[name] for path in RESULTS.glob(pattern)]:
        data = path.read_bytes() if path.suffix == ".json" else gzip.decompress(path.read_bytes())
        lines = data.splitlines() if ".jsonl" in path.suffixes else [data]
        assert lines and [schema.complaint(name, schema.decoded(line)) for line in lines] == [
            None] * len(lines)
        if path.suffix == ".json":
            width = schema.NARROW if name == "campaign" else schema.WIDTH
            assert path.read_text() == schema.encoded(json.loads(path.read_text()), width)


@pytest.mark.parametrize("value, said", [
    ({"schema": 2}, "has schema 2, and this Poolproof reads schema 3"), ([], "must be object"),
    ({}, "must contain"), ({"schema": 3, "a\nb": 1}, "must contain"),
])
def test_a_complaint_is_one_line_that_says_what_is_wrong(value: object, said: str) -> None:
    complaint = schema.complaint("refusal", value)
    assert complaint is not None and said in complaint and "\n" not in complaint


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "9" * 9999, "{", "\xff", "[" * 9999])
def test_what_python_alone_takes_for_json_is_refused(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        schema.decoded(text)


@pytest.mark.parametrize("width, text", [
    (40, '{"a": [1, {"b": null}], "c": []}\n'),
    (25, '{\n "a": [1, {"b": null}],\n "c": []\n}\n'),
    (9, '{\n "a": [\n  1,\n  {\n   "b": null\n  }\n ],\n "c": []\n}\n'),
])
def test_what_fits_into_a_line_is_one(width: int, text: str) -> None:
    assert schema.encoded({"a": [1, {"b": None}], "c": []}, width) == text
    with pytest.raises(ValueError):
        schema.encoded([math.nan], width)
