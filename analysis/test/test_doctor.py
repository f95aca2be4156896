"""What the doctor says of good and bad machines."""

import argparse
import json
import math
import random
import time

import pytest

from analysis.commands import doctor
from analysis.measure import forecast
from analysis.runs import plan, records
from analysis.system import packages
from analysis.measure.forecast import Forecast, Noise
from analysis.runs.plan import Arm, Workload
from analysis.runs.records import Refusal
from analysis.system.exits import UserError

GOOD = {
    "system": "Debian", "kernel": "Linux 6", "c_library": "glibc 2.36", "processor": "x",
    "architecture": "x86_64", "processors": 4, "memory_bytes": 8 << 30, "virtual_machine": False,
    "frequency_governor": "performance", "huge_pages": "madvise", "address_randomisation": "2",
}


def states(rows):
    return {row.name: row.state for row in rows if row.state != "ok"}


def test_a_good_machine_has_no_notes():
    assert states(doctor.machine_rows(GOOD, stolen=0.0)) == {}


@pytest.mark.parametrize("change, stolen, row", [
    ({"processors": 1}, 0.0, "processors"),
    ({"memory_bytes": 1 << 30}, 0.0, "memory"),
    ({"virtual_machine": True}, 0.0, "virtual machine"),
    ({"frequency_governor": "powersave"}, 0.0, "frequency governor"),
    ({"huge_pages": "never"}, 0.0, "huge pages"),
    ({"address_randomisation": "0"}, 0.0, "address randomisation"),
    ({}, 0.1, "time stolen"),
])
def test_each_weakness_is_noted_with_its_cost(change, stolen, row):
    rows = doctor.machine_rows({**GOOD, **change}, stolen)
    assert states(rows) == {row: "note"}
    assert all(one.cost for one in rows if one.state == "note")


def test_places(tmp_path):
    assert doctor.place_row("build", tmp_path / "not/yet").state == "ok"
    (tmp_path / "file").touch()
    assert doctor.place_row("build", tmp_path / "file").state == "unfit"
    assert doctor.room_row(1 << 20).state == "unfit"


@pytest.mark.parametrize("installable, code", [(True, 0), (False, 4)])
def test_unfit_only_where_something_essential_cannot_be_had(monkeypatch, capsys, installable, code):
    lacking = [package for package in packages.PACKAGES if package.name in ("gcc", "valgrind")]
    monkeypatch.setattr(packages, "missing", lambda wanted: lacking)
    monkeypatch.setattr(packages, "can_install", lambda: installable)
    monkeypatch.setattr(doctor, "stolen_share", lambda: 0.0)
    assert doctor.run(argparse.Namespace(json=False, no_forecast=True)) == code
    out = capsys.readouterr().out
    assert "valgrind" in out and ("unfit: gcc" in out) == (not installable)


def test_plain_text_without_rich(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "rich", None)
    doctor.show("places", [doctor.Row("disk", "1 GiB free", "unfit", "2 GiB are needed")])
    assert capsys.readouterr().out == "places\n  disk  1 GiB free  unfit  2 GiB are needed\n"


# --- What a run could prove ----------------------------------------------------------------------

ARMS = [Arm(plan.BASELINE, "malloc", "rival", "malloc"), Arm(plan.NULL, "malloc", "null", "")]
WORKLOAD = Workload("pair/64", "", [arm.name for arm in ARMS])


class Told:
    """As much of a sample as a forecast looks at."""

    def __init__(self, cpu_time_ns, busy=1.0):
        self.cpu_time_ns, self.wall_s, self.user_s, self.system_s = cpu_time_ns, 1.0, busy, 0.0


def null_run(draw, busy=1.0, deadline=math.inf):
    return forecast.measured([WORKLOAD], ARMS, deadline, lambda *_: Told(draw(), busy),
                             time.monotonic())


def test_a_silent_machine_proves_a_little_more_than_three_percent():
    seen = null_run(lambda: 5.0)
    assert [noise.rounds for noise in seen.noises] == [forecast.ROUNDS]
    assert seen.of_mode("default") == pytest.approx(math.log(1.03))


def test_a_forecast_by_hand():
    seen = Forecast([Noise("a", 16, 0.04), Noise("b", 16, 0.08), Noise("c", 16, 0.02)], 9.0, 1.0)
    assert seen.smallest(seen.noises[0], 16) == pytest.approx(0.12)
    assert seen.smallest(seen.noises[0], 64) == pytest.approx(0.06)
    assert seen.smallest(Noise("d", 16, 0.001), 16) == pytest.approx(math.log(1.03) + 0.001)
    rounds = plan.MODES["full"].rounds
    assert seen.of_mode("full") == pytest.approx(3 * 0.04 * math.sqrt(16 / rounds))
    assert seen.of_mode("quick") > seen.of_mode("default") > seen.of_mode("full")


def test_a_forecast_comes_true():
    """The null runs of a real run, with the same noise, prove what was foretold within a half."""
    from analysis.test import synthetic
    from analysis.stats import verdicts

    noise = random.Random(4)
    foretold = [null_run(lambda: math.exp(noise.gauss(0, 0.03))).of_mode("default")
                for _ in range(20)]
    truth = {"w": synthetic.Truth("?", {"pool-keep": 5.0} | synthetic.rivals(5, 5, 5, 5))}
    came = [
        verdicts.analyse(synthetic.make_record(truth, plan.MODES["default"].rounds,
                                               synthetic.normal(0.03),
                                               seed)).results[0].smallest_provable()
        for seed in range(20)
    ]
    assert sum(foretold) / sum(came) == pytest.approx(1, abs=0.35)


def test_a_null_run_is_bounded():
    with pytest.raises(UserError, match="too slow"):
        null_run(lambda: 5.0, deadline=0)


def test_a_process_that_proves_something_else_ends_the_null_run():
    refusal = Refusal("pair/64", "null", 0, 0, "malloc belongs to another", False)
    with pytest.raises(UserError, match="belongs to another"):
        forecast.measured([WORKLOAD], ARMS, math.inf, lambda *_: refusal, 0)


def test_noise_is_noted_before_it_is_measured_in():
    rows = doctor.forecast_rows(Forecast([Noise("pair/64", 16, 0.2)], 9.0, 0.5), "")
    assert states(rows) == {name: "note" for name in (
        "quick run", "default run", "full run", "the processor was ours")}
    calm = doctor.forecast_rows(Forecast([Noise("pair/64", 16, 0.001)], 9.0, 0.99), "")
    assert states(calm) == {} and calm[0].value == "differences of 3%"


def test_json_fits_its_schema(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "stolen_share", lambda: 0.0)
    for answer in ((Forecast([Noise("pair/64", 16, 0.01)], 9.0, 1.0), ""), (None, "not built")):
        monkeypatch.setattr(doctor, "foresee", lambda answer=answer: answer)
        assert doctor.run(argparse.Namespace(json=True, no_forecast=False)) in (0, 4)
        value = json.loads(capsys.readouterr().out)
        assert records.complaint("doctor", value) is None
        assert (value["forecast"] is None) == bool(value["no_forecast"])


def test_without_the_benchmarks_nothing_is_built(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.meson, "BUILD_ROOT", tmp_path)
    assert doctor.foresee() == (
        None, "the benchmarks are not built: ./poolproof bench --list builds them")
