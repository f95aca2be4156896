"""Whatever stands in a run folder, it is read or refused in one line."""

import functools
import gzip
import json
import pathlib
import tempfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as make

from analysis.runs import records
from analysis.system.exits import UserError
from analysis.test import synthetic

ODD = make.one_of(make.none(), make.booleans(), make.integers(), make.floats(),
                  make.text(max_size=20), make.just("../.."), make.just([]), make.just({}))


@functools.cache
def originals() -> dict[str, list[bytes]]:
    """The lines of every file of a small run."""
    with tempfile.TemporaryDirectory() as folder:
        record = synthetic.make_record({"pair/64": synthetic.EXAMPLE["pair/64"]}, 2,
                                       synthetic.normal(0.01))
        synthetic.write(synthetic.with_parts(record), pathlib.Path(folder))
        return {path.name: gzip.decompress(path.read_bytes()).splitlines() if path.suffix == ".gz"
                else [path.read_bytes()] for path in sorted(pathlib.Path(folder).iterdir())}


def places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value inside of a JSON value."""
    inside = list(value.items() if isinstance(value, dict) else
                  enumerate(value) if isinstance(value, list) else ())
    return [(value, key) for key, _ in inside] + [at for _, part in inside for at in places(part)]


@make.composite
def damaged(draw: make.DrawFn) -> dict[str, bytes]:
    """A run of which one line has one value replaced or removed, or other bytes."""
    name = draw(make.sampled_from(sorted(originals())))
    lines = list(originals()[name])
    at = draw(make.integers(0, min(len(lines), 40) - 1))
    if draw(make.booleans()):
        value = json.loads(lines[at])
        container, key = draw(make.sampled_from(places(value)))
        container[key] = draw(ODD)
        if draw(make.booleans()):
            del container[key]
        lines[at] = json.dumps(value).encode()
    else:
        start = draw(make.integers(0, len(lines[at])))
        lines[at] = lines[at][:start] + draw(make.binary(max_size=40)) + lines[at][start + 1:]
    return {file: b"".join(gzip.compress(line + b"\n", 1) for line in kept)
            if file.endswith(".gz") else kept[0]
            for file, kept in (originals() | {name: lines}).items()}


@settings(max_examples=200, derandomize=True, deadline=None)
@given(damaged())
def test_damage_is_read_or_refused_in_one_line(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (pathlib.Path(folder) / name).write_bytes(content)
        try:
            records.read(pathlib.Path(folder))
        except UserError as error:
            assert str(error).strip() and "\n" not in str(error)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 9000])
def test_what_is_no_run_is_refused(content: bytes, tmp_path: pathlib.Path) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(UserError):
        records.read(tmp_path)
