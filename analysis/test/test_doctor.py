"""What the doctor says of good and bad machines."""

import argparse
import json

import pytest

from analysis.commands import doctor
from analysis.system import packages

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
    assert doctor.run(argparse.Namespace(json=False)) == code
    out = capsys.readouterr().out
    assert "valgrind" in out and ("unfit: gcc" in out) == (not installable)


def test_plain_text_without_rich(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "rich", None)
    doctor.show("places", [doctor.Row("disk", "1 GiB free", "unfit", "2 GiB are needed")])
    assert capsys.readouterr().out == "places\n  disk  1 GiB free  unfit  2 GiB are needed\n"


def test_json_has_a_row_for_each_thing(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "stolen_share", lambda: 0.0)
    assert doctor.run(argparse.Namespace(json=True)) in (0, 4)
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["schema", "poolproof", "fit", "tables"]
    assert list(told["tables"]) == ["machine", "places", "tools", "packages"]
    assert {"name", "value", "state", "cost"} == {*told["tables"]["tools"][0]}
