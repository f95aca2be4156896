"""The contracts of the arithmetic: none is left out, and what Frama-C prints is understood."""

from __future__ import annotations

import pathlib
import re

import pytest

from analysis.quality import frama_c
from analysis.system import process
from analysis.system.exits import UNFIT, UserError
from analysis.system.files import ROOT

ALL = """\
[rte:annot] annotating function span_to
[rte:annot] annotating function fit
[wp] [Qed] Goal typed_span_to_assigns : Valid (2ms)
[wp] [Z3 4.8.12] Goal typed_fit_ensures : Valid (Qed:7ms) (300ms) (444956)
[wp] Proved goals:   17 / 17
  Qed:            12  (0.56ms-13ms-245ms)
"""


def test_every_contract_is_among_those_that_are_proved() -> None:
    text = next(ROOT.glob("core/test/contracts.*")).read_text()
    declared = re.findall(r"\*/\n(?:static )?(?:inline )?\w[\w ]*? (\w+)\(", text)
    assert sorted(declared) == sorted([*frama_c.CLOSED, *frama_c.WRAPPING, "__builtin_clzll"])


def test_what_is_proved_is_no_complaint() -> None:
    assert frama_c.read(ALL, ["span_to", "fit"]) == []
    assert frama_c.read("[wp] Proved goals:   15 / 15\n", []) == []


@pytest.mark.parametrize("said, names, complaint", [
    (ALL.replace("17 / 17", "16 / 17").replace(
        "[wp] [Z3 4.8.12] Goal typed_fit_ensures : Valid (Qed:7ms) (300ms) (444956)",
        "[wp] [Failed] Goal typed_fit_ensures\n  Z3 4.8.12: Timeout (10s)"),
     ["fit"], "unproved: fit_ensures"),
    (ALL.replace("17 / 17", "16 / 17"), ["fit"], "unproved: 1 goals"),
    (ALL, ["fit", "bin_of"], "unproved: bin_of: Frama-C did not look at it"),
    ("[wp] Proved goals:    0 / 0\n", [], "unproved: all; Frama-C said: [wp] Proved"),
    ("[kernel] Frama-C aborted: invalid user input.\n", ["fit"],
     "unproved: all; Frama-C said: [kernel] Frama-C aborted"),
    ("", [], "unproved: all; Frama-C said: nothing"),
])
def test_what_is_not_is_one(said: str, names: list[str], complaint: str) -> None:
    complaints = frama_c.read(said, names)
    assert len(complaints) == 1 and complaints[0].startswith(complaint)


def test_without_frama_c_the_proofs_are_skipped(
        monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(process, "find_program", lambda *names: None)
    with pytest.raises(UserError, match="install frama-c-base") as refused:
        frama_c.unproved(tmp_path / "contracts")
    assert refused.value.exit_code == UNFIT
