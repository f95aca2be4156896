"""Reading run folders: whole, cut short, edited, mixed, empty."""

import dataclasses
import json
import lzma
import pathlib
import shutil

import pytest

from analysis.report import csv_export
from analysis.runs import records
from analysis.stats import verdicts
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


def test_what_is_written_is_read(run):
    record = records.read(run)
    assert record.samples == synthetic.make_record(TRUTH, 6, synthetic.normal(0.01)).samples
    assert record.plan == synthetic.make_plan(TRUTH, 6)


def test_a_half_line_at_the_end_is_left_out(run):
    whole = records.read(run).samples
    text = (run / "samples.jsonl").read_bytes()
    for cut in (1, 10, 300):
        (run / "samples.jsonl").write_bytes(text[:-cut])
        assert records.read(run).samples == whole[:-1]


def test_a_run_that_was_put_away_is_read_too(run):
    whole = records.read(run).samples
    packed = lzma.compress((run / "samples.jsonl").read_bytes())
    (run / "samples.jsonl").unlink()
    (run / "samples.jsonl.xz").write_bytes(packed)
    assert records.read(run).samples == whole
    (run / "samples.jsonl.xz").write_bytes(packed[:-20])
    with pytest.raises(UserError, match="samples.jsonl.xz is damaged"):
        records.read(run)


def test_a_refusal_is_a_line_too(run):
    refusal = records.Refusal("w", "jemalloc", 5, 1, "malloc belongs to another", False)
    appender = records.Appender(run / "samples.jsonl")
    appender.append(refusal)
    appender.close()
    assert records.read(run).refusals == [refusal]


@pytest.mark.parametrize(
    "change, complaint",
    [(lambda line: line[:len(line) // 2], "line 3 is damaged"),
     (lambda line: line.replace('"time_ns": ', '"time_ns": -'),
      "line 3 is not as it should be at time_ns"),
     (lambda line: line.replace('"schema": 1', '"schema": 2'), "has schema 2"),
     (lambda line: line.replace('"arm"', '"arms"'), "line 3 is not as it should be"),
     (lambda line: json.dumps(json.loads(line) | {"extra": 1}), "line 3 is not as it should be"),
     (lambda line: json.dumps(json.loads(line) | {"workload": "other"}), "does not plan"),
     (lambda line: json.dumps(json.loads(line) | {"workload": "a\n\0b"}), r"a\\n\\x00b with"),
     (lambda line: json.dumps(json.loads(line) | {"round": 99}), "does not plan"),
     (lambda line: json.dumps(json.loads(line) | {"benchmark_sha256": "0" * 64}), "mixes samples"),
     (lambda line: "[]", "line 3 is not as it should be"), (lambda line: "\udcff", "line 3"), ])
def test_an_edited_line_is_named(run, change, complaint):
    all_lines = lines(run)
    all_lines[2] = change(all_lines[2])
    (run / "samples.jsonl").write_bytes("".join(
        line + "\n" for line in all_lines).encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=complaint):
        records.read(run)


def test_a_doubled_line_is_named(run):
    rewrite(run, lines(run) + lines(run)[:1])
    with pytest.raises(UserError, match="is there twice"):
        records.read(run)


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


def test_a_plan_without_samples_reads_as_empty(run):
    (run / "samples.jsonl").unlink()
    assert records.read(run).samples == []


def test_the_schema_describes_every_field(run):
    """A field that the code knows and the schema does not, or the other way round, is an error."""
    schema = records.validator("sample").schema
    assert set(schema["$defs"]["sample"]["properties"]) == {
        field.name
        for field in dataclasses.fields(records.Sample)
    }
    assert set(schema["$defs"]["refusal"]["properties"]) == {
        field.name
        for field in dataclasses.fields(records.Refusal)
    }
    plan = records.read(run).plan
    assert set(records.validator("run").schema["properties"]) == set(plan.to_json())
    entry = verdicts.analyse(records.read(run)).to_json()[0]
    assert set(records.validator("verdicts").schema["items"]["properties"]) == set(entry)


    for part, kind in records.PART_LINES.items():
        described = records.validator(part).schema["$defs"][part]["properties"]
        assert set(described) == {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("name", ["run", "sample", "verdicts", *records.PART_LINES])
def test_the_schemas_are_valid(name):
    type(records.validator(name)).check_schema(records.validator(name).schema)


def test_csv_has_every_sample(run):
    record = records.read(run)
    rows = csv_export.samples(verdicts.analyse(record)).to_csv(index=False).splitlines()
    assert len(rows) == len(record.samples) + 1
    assert {"workload", "arm", "round", "time_ns", "used", "counter:peak_live_bytes"} <= set(
        rows[0].split(","))


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


def test_every_part_is_read(parts):
    record = records.read(parts)
    assert (len(record.work), len(record.memory), len(record.latency)) == (24, 36, 72)
    assert sorted(record.part_refusals) == ["latency", "work"]
    memory = next(line for line in record.memory if line.workload == "trace/sqlite")
    assert memory.peak_ratio == (memory.peak_rss_bytes - memory.base_rss_bytes) / (3 << 20)


def test_a_run_without_parts_has_none(run):
    record = records.read(run)
    assert (record.work, record.memory, record.latency, record.part_refusals) == ([], [], [], {})


def test_a_part_is_read_up_to_its_last_whole_line(parts):
    whole = records.read(parts).memory
    text = (parts / "memory.jsonl").read_bytes()
    (parts / "memory.jsonl").write_bytes(text[:-7])
    assert records.read(parts).memory == whole[:-1]


@pytest.mark.parametrize("part, change, complaint", [
    ("work", {"instructions_per_operation": 7}, "work.jsonl, line 2 contradicts itself"),
    ("work", {"long_iterations": 10}, "the longer process is not longer"),
    ("work", {"short_instructions": 0}, "not as it should be at short_instructions"),
    ("work", {"benchmark_sha256": "0" * 64}, "mixes samples of different benchmark binaries"),
    ("work", {"arm": "nobody"}, "which run.json does not plan"),
    ("work", {"schema": 2}, "has schema 2"),
    ("memory", {"progress": [0, 0.5]}, "differ in length"),
    ("memory", {"progress": [0.9, 0, 0, 0, 0, 0, 0, 0, 1]}, "progress goes back"),
    ("memory", {"rss_bytes": [-1, 2]}, "not as it should be at rss_bytes.0"),
    ("latency", {"clock_ns": {"p50": 1}}, "not as it should be at clock_ns"),
    ("latency", {"latency_ns": dict.fromkeys(records.PERCENTILES, 9) | {"max": 1}},
     "a higher percentile of latency_ns is smaller"),
    ("latency", {"operation": "alloc"}, "is there twice"),
    ("latency", {"operation": "swap"}, "not as it should be at operation"),
    ("latency", {"extra": 1}, "not as it should be"), ])
def test_an_edited_line_of_a_part_is_named(parts, part, change, complaint):
    path = parts / f"{part}.jsonl"
    changed = path.read_text().splitlines()
    changed[1] = json.dumps(json.loads(changed[1]) | change)
    path.write_text("".join(line + "\n" for line in changed))
    with pytest.raises(UserError, match=complaint):
        records.read(parts)
