"""core/MISUSE.md states what the builds that `test --all` makes do with each misuse."""

from __future__ import annotations

import pytest

from analysis.building import meson
from analysis.quality import misuse
from analysis.system.exits import UserError
from analysis.system.process import sanitizer_environment

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("configuration", ["release", "sanitize", "gcc-release-checked"])
def test_document_states_what_happens(configuration: str) -> None:
    try:
        folder = meson.ensure_build(configuration)
    except UserError as error:
        pytest.skip(str(error))
    found = misuse.outcomes(configuration, folder / "core" / "test" / "misuse",
                            sanitizer_environment(), [])
    assert misuse.differences(configuration, found, misuse.DOCUMENT.read_text()) == []


def test_a_changed_outcome_is_a_difference() -> None:
    text = misuse.DOCUMENT.read_text()
    found = misuse.documented(text)["release"] | {"free-twice": "unnoticed"}
    assert misuse.differences("release", found, text) == [
        "free-twice: unnoticed, but the document says refused: the memory at this pointer is free "
        "already"]


def test_a_misuse_that_went_is_a_difference() -> None:
    text = misuse.DOCUMENT.read_text()
    found = misuse.documented(text)["release"]
    del found["free-twice"]
    assert len(misuse.differences("release", found, text)) == 1


@pytest.mark.parametrize("said, code, outcome", [
    ("outcome: unnoticed\n", 0, "unnoticed"),
    ("outcome: unnoticed\n", 1, "unnoticed, then exit code 1"),
    ("", -11, "ended by SIGSEGV"),
    ("==7==ERROR: AddressSanitizer: use-after-poison on address\n", 1,
     "AddressSanitizer: use-after-poison"),
    ("note: ==7==ERROR: AddressSanitizer: use-after-poison\noutcome: unnoticed\n", 0, "unnoticed"),
    ("==7== Invalid write of size 1\noutcome: unnoticed\n", 0, "Valgrind: Invalid write"),
])
def test_only_a_tools_own_line_counts(said: str, code: int, outcome: str) -> None:
    assert misuse.read(said, code) == outcome
