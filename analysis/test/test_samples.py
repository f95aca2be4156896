"""Reading run folders: whole, cut short, edited, mixed, empty."""

import pathlib
import shutil

import pytest

from analysis.runs import records
from analysis.test import synthetic
from analysis.system.exits import UserError
from analysis.test.synthetic import Truth

TRUTH = {"w": Truth("?", {"pool-keep": 1.0} | synthetic.rivals(2, 3, 4, 5))}


@pytest.fixture
def run(tmp_path):
    synthetic.write(synthetic.make_record(TRUTH, 6, synthetic.normal(0.01)), tmp_path)
    return tmp_path


def lines(run):
    return (run / "samples.jsonl").read_text().splitlines()


def rewrite(run, new):
    (run / "samples.jsonl").write_text("".join(line + "\n" for line in new))


@pytest.mark.parametrize("text, complaint", [("", "is damaged"), ("{", "is damaged"),
                                             ("{}", "is not as it should be"),
                                             ("[]", "is not as it should"),
                                             ('{"schema": 99}', "has schema 99"), ])
def test_a_damaged_plan_is_named(run, text, complaint):
    (run / "run.json").write_text(text)
    with pytest.raises(UserError, match=complaint):
        records.read(run)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        records.read(tmp_path / "absent")
    with pytest.raises(UserError, match="not a run folder"):
        records.read(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: is no folder$"):
        records.read(tmp_path / "file")


# --- What a run measured beside time -------------------------------------------------------------

PARTS = pathlib.Path(__file__).resolve().parent / "parts"
"""Made-up lines of work.jsonl, memory.jsonl and latency.jsonl that fit into synthetic.EXAMPLE."""


@pytest.fixture
def parts(tmp_path):
    """A run with every part, as a real one leaves it."""
    synthetic.write(synthetic.make_record(synthetic.EXAMPLE, 2, synthetic.normal(0.01)), tmp_path)
    for part in records.PART_LINES:
        shutil.copy(PARTS / f"{part}.jsonl", tmp_path)
    return tmp_path


def test_a_run_without_parts_has_none(run):
    record = records.read(run)
    assert (record.work, record.memory, record.latency, record.part_refusals) == ([], [], [], {})


def test_a_part_is_read_up_to_its_last_whole_line(parts):
    whole = records.read(parts).memory
    text = (parts / "memory.jsonl").read_bytes()
    (parts / "memory.jsonl").write_bytes(text[:-7])
    assert records.read(parts).memory == whole[:-1]
