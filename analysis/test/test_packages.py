"""Packages are installed after saying why, named where they cannot be, never asked for twice."""

import os
import stat

import pytest

from analysis import __main__
from analysis.system import packages

DPKG = """#!/bin/sh
for name; do case $name in
    -*) ;;
    *) [ -e "$HERE/$name" ] && printf 'ii \\t%s\\t1.0\\n' "$name" ;;
esac; done
exit 0
"""
APT = """#!/bin/sh
printf '%s\\n' "$*" >> "$HERE/calls"
case "$*" in *update*) exit 0 ;; esac
[ -e "$HERE/broken" ] && { echo 'E: the disk is full'; exit 100; }
status=0
for name; do case $name in
    meson|valgrind) echo "E: Unable to locate package $name"; status=100 ;;
esac; done
[ $status -ne 0 ] && exit $status
install=
for name; do
    [ -n "$install" ] && : > "$HERE/$name"
    [ "$name" = install ] && install=yes
done
exit 0
"""
CACHE = """#!/bin/sh
shift
for name; do
    case $name in meson) continue ;; valgrind) there='(none)' ;; *) there=1.0 ;; esac
    printf '%s:\\n  Installed: (none)\\n  Candidate: %s\\n' "$name" "$there"
done
"""


@pytest.fixture
def debian(tmp_path, monkeypatch):
    """A machine on which nothing is installed, and whose sources lack meson and valgrind."""
    programs = {"dpkg-query": DPKG, "apt-get": APT, "apt-cache": CACHE}
    for name, text in programs.items():
        (tmp_path / name).write_text(text.replace("$HERE", str(tmp_path)))
        (tmp_path / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("POOLPROOF_INSTALL", raising=False)
    return tmp_path


def calls(folder):
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_installs_what_is_missing_and_only_once(debian, capsys):
    packages.ensure("report")
    said = capsys.readouterr().err
    assert "installing" in said and "python3-scipy" in said and "for reports" in said
    assert any("--no-install-recommends" in call and "python3-scipy" in call
               for call in calls(debian))
    before = calls(debian)
    packages.ensure("report")
    assert calls(debian) == before and capsys.readouterr().err == ""


def test_leaves_waiting_for_a_lock_to_apt(debian):
    packages.ensure("report")
    assert all("DPkg::Lock::Timeout=600" in call for call in calls(debian))


def test_a_failure_is_one_line_with_apts_reason(debian, capsys):
    (debian / "broken").touch()
    packages.ensure("report")
    said = capsys.readouterr().err
    assert "apt-get install failed: E: the disk is full\n" in said and "going on without" in said


def test_goes_on_without_what_the_sources_lack(debian, capsys):
    packages.ensure("test")
    said = capsys.readouterr().err
    assert said.index("going on without") < said.rindex("meson") < said.rindex("valgrind")
    assert (debian / "gcc").exists() and not (debian / "valgrind").exists()


@pytest.mark.parametrize("why", ["told", "nobody"])
def test_names_what_it_may_not_install(debian, capsys, monkeypatch, why):
    if why == "told":
        monkeypatch.setenv("POOLPROOF_INSTALL", "no")
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        (debian / "sudo").write_text("#!/bin/sh\nexit 1\n")
        (debian / "sudo").chmod(stat.S_IRWXU)
    packages.ensure("report")
    said = capsys.readouterr().err
    assert "apt-get install python3-numpy python3-scipy" in said and not calls(debian)


def test_every_package_serves_a_command():
    names = [package.name for package in packages.PACKAGES]
    assert len(names) == len(set(names))
    for package in packages.PACKAGES:
        assert package.commands and package.commands <= {*__main__.COMMANDS, "programs"}
        assert package.purpose
