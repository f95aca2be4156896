"""What the doctor says of good and bad machines."""

import argparse

import pytest

from analysis.commands import doctor
from analysis.system import packages

GOOD = {
    "system": "Debian", "kernel": "Linux 6", "c_library": "glibc 2.36", "processor": "x",
    "architecture": "x86_64", "processors": 4, "memory_bytes": 8 << 30, "virtual_machine": False,
    "frequency_governor": "performance", "huge_pages": "madvise", "address_randomisation": "2",
    "first_touch_us_per_4_kib": 0.5, "first_touch_us_per_4_kib_in_huge_pages": 0.1,
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
    ({"first_touch_us_per_4_kib": 16.0}, 0.0, "first touch of 4 KiB"),
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


@pytest.mark.parametrize("prefix, code", [([], 0), (None, 4)])
def test_unfit_only_where_something_essential_cannot_be_had(monkeypatch, capsys, prefix, code):
    lacking = [package for package in packages.PACKAGES if package.name in ("gcc", "valgrind")]
    monkeypatch.setattr(packages, "missing", lambda wanted: lacking)
    monkeypatch.setattr(packages, "root_prefix", lambda: prefix)
    monkeypatch.setattr(doctor, "stolen_share", lambda: 0.0)
    assert doctor.run(argparse.Namespace()) == code
    out = capsys.readouterr().out
    assert "valgrind" in out and ("unfit: gcc\n" in out) == (prefix is None)
