"""Whatever is done to a run's files, each command that reads them answers with a result or a line.

Truncated, edited by hand, mixed, empty: exit 2 or 4 and one line that names the file, or, where the
damage changed nothing that can be told, a result. Never a traceback.
"""

import json
import pathlib
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis import __main__
from analysis.test import synthetic
from analysis.test.synthetic import Truth

TRUTH = {"w": Truth("?", {"pool-keep": 1.0} | synthetic.rivals(2, 3, 4, 5))}

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([10**30, -1e308, 1e308, 5e-324]),
    st.sampled_from([float("nan"), float("inf"), float("-inf")]), st.text(max_size=3),
    st.sampled_from(["w", "pool-keep", "glibc", "null", "x" * 400, "../..", "\x1b[2J", "\ud800"]),
    st.lists(st.integers(-1, 1), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(0, 1), max_size=2))

FILES = ("run.json", "samples.jsonl")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A run as it should be, and another of the same build."""
    folder = tmp_path_factory.mktemp("sound")
    for seed, name in enumerate(("one", "two")):
        synthetic.write(synthetic.make_record(TRUTH, 6, synthetic.normal(0.01), seed + 1),
                        folder / name)
    return folder


@pytest.fixture
def poolproof(monkeypatch, capsys):
    monkeypatch.setenv("POOLPROOF_INSTALL", "no")
    monkeypatch.setattr("gc.collect", lambda *_: 0)  # statsmodels spends its time there

    def run(*words):
        monkeypatch.setattr("sys.argv", ["poolproof", *map(str, words)])
        code = __main__.main()
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def check(answer):
    """A result on standard output, or one line on standard error and nothing else."""
    code, out, err = answer
    if err:
        assert code in (2, 4) and out == "", answer
        assert err.startswith("poolproof: ") and err.count("\n") == 1, err
    else:
        assert code in (0, 1, 3, 4) and out, answer


def paths_into(value, path=()):
    """Every place in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(
        value, list) else ()
    for key, inner in items:
        yield from paths_into(inner, (*path, key))


def with_value(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = with_value(value[path[0]], path[1:], new)
    return copy


def without(value, path):
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = without(value[path[0]], path[1:])
    return copy


@st.composite
def damage(draw):
    """A function that does one thing to a run folder."""
    kind = draw(st.sampled_from(["cut", "flip", "empty", "noise", "gone", "edit", "drop", "lines",
                                 "mix"]))
    file = draw(st.sampled_from(FILES))
    at = draw(st.integers(0, 10**6))
    value = draw(VALUES)
    noise = draw(st.binary(max_size=60))
    spread = draw(st.booleans())

    def edited(text, change):
        json_value = json.loads(text)
        places = [path for path in paths_into(json_value) if path]
        return json.dumps(change(json_value, places[at % len(places)]))

    def apply(folder: pathlib.Path):
        path = folder / file
        data = path.read_bytes()
        if kind == "cut":
            path.write_bytes(data[:at % len(data)])
        elif kind == "flip":
            place = at % len(data)
            path.write_bytes(data[:place] + bytes([data[place] ^ (1 + at % 255)])
                             + data[place + 1:])
        elif kind == "empty":
            path.write_bytes(b"")
        elif kind == "noise":
            path.write_bytes(noise)
        elif kind == "gone":
            path.unlink()
        elif kind in ("edit", "drop"):
            def change(whole, place):
                return (with_value(whole, place, value) if kind == "edit"
                        else without(whole, place))

            texts = [data.decode()] if file == "run.json" else data.decode().splitlines()
            chosen = range(len(texts)) if spread else [at % len(texts)]
            texts = [edited(text, change) if number in chosen else text
                     for number, text in enumerate(texts)]
            path.write_text("\n".join(texts) + "\n")
        elif kind == "lines":
            texts = data.decode().splitlines()
            place = at % len(texts)
            texts = texts[:place] + (texts[place:place + 1] * 2 if spread else []) + texts[
                place + 1:]
            path.write_text("\n".join(texts) + "\n")
        else:
            other = (folder.parent / "two" / file).read_bytes()
            path.write_bytes(data + other if spread else other)

    return apply


def broken_copy(sound, done):
    shutil.rmtree(sound / "broken", ignore_errors=True)
    shutil.copytree(sound / "one", sound / "broken")
    for apply in done:
        apply(sound / "broken")
    return sound / "broken"


QUIETLY = settings(deadline=None, suppress_health_check=[
    HealthCheck.function_scoped_fixture, HealthCheck.too_slow], derandomize=True)


@settings(QUIETLY, max_examples=150)
@given(done=st.lists(damage(), min_size=1, max_size=2))
def test_gate_answers_whatever_was_done_to_a_run(sound, poolproof, done):
    try:
        broken = broken_copy(sound, done)
    except (ValueError, OSError, IndexError, ZeroDivisionError):
        return  # the second damage found nothing left that it could be done to
    check(poolproof("gate", broken, sound / "two"))
    check(poolproof("compare", sound / "two", broken, "--allow", "all", "--format", "json"))
