"""What a run can choose from: names, patterns, and allocators that nobody has seen before."""

import fnmatch
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from analysis.building import meson
from analysis.measure import catalogue
from analysis.runs import plan
from analysis.system.exits import USAGE, UserError
from analysis.test.test_bench import fake, poolproof

__all__ = ["fake", "poolproof"]

WHOLE = """
#include <errno.h>
#include <stddef.h>
#include <string.h>
struct object { struct object *next; size_t doubling; };
static char space[1 << 28];
static size_t used;
static struct object *lists[64];
void *malloc(size_t size) {
    size_t doubling = 5;
    while (((size_t)1 << doubling) < size + 16) doubling++;
    struct object *object = lists[doubling];
    if (object) {
        lists[doubling] = object->next;
    } else {
        if (((size_t)1 << doubling) > sizeof space - used) return NULL;
        object = (struct object *)(space + used);
        object->doubling = doubling;
        used += (size_t)1 << doubling;
    }
    return object + 1;
}
void free(void *ptr) {
    struct object *object = (struct object *)ptr - 1;
    if (!ptr) return;
    object->next = lists[object->doubling];
    lists[object->doubling] = object;
}
void *calloc(size_t count, size_t size) {
    void *ptr = malloc(count * size);
    return ptr ? memset(ptr, 0, count * size) : NULL;
}
void *realloc(void *ptr, size_t size) {
    void *moved = malloc(size);
    size_t old = ptr ? ((size_t)1 << ((struct object *)ptr - 1)->doubling) - 16 : 0;
    if (moved && ptr) memcpy(moved, ptr, old < size ? old : size);
    if (moved) free(ptr);
    return moved;
}
int posix_memalign(void **ptr, size_t align, size_t size) {
    *ptr = malloc(size);
    return *ptr && align <= 16 ? 0 : ENOMEM;
}
"""
HALF = "#include <stddef.h>\nextern void *__libc_malloc(size_t);\n" \
       "void *malloc(size_t n) { return __libc_malloc(n); }"
CRASHING = "#include <stddef.h>\n" \
           "void *malloc(size_t n) { *(volatile char *)0 = (char)n; return 0; }"
GREETING = "#include <stdio.h>\n" \
           "__attribute__((constructor)) static void hello(void) { puts(\"hello\"); }"
HANGING = "#include <stddef.h>\nvoid *malloc(size_t n) { for (;;) n++; }"


@pytest.fixture(scope="session", name="binary")
def real_binary():
    folder = pathlib.Path(os.environ.get("POOLPROOF_BUILD") or meson.ensure_build("release"))
    if not (folder / "bench/poolproof-bench").exists():
        pytest.skip("libbenchmark-dev is missing")
    return folder / "bench/poolproof-bench"


@pytest.fixture(name="library")
def compiler(tmp_path):
    def compiled(source):
        (tmp_path / "given.c").write_text(source)
        subprocess.run([meson.compilers("gcc")[0], "-w", "-O1", "-fno-builtin", "-shared", "-fPIC",
                        tmp_path / "given.c", "-o", tmp_path / "libown.so"], check=True)
        return tmp_path / "libown.so"
    return compiled


def refusal(binary, file, name="own", taken=()):
    with pytest.raises(UserError) as told:
        catalogue.given_mallocs(binary, [catalogue.Malloc(name, file)], taken)
    assert told.value.exit_code == USAGE and "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("source, said", [
    (HALF, "is not a complete allocator: malloc comes from"),
    (CRASHING, "crash"),
    ("int nothing;", "has no malloc"),
    (GREETING, "writes to standard output, where results go: hello"),
])
def test_a_library_that_is_no_allocator_is_refused(binary, library, source, said):
    assert said in refusal(binary, library(source))


def test_a_library_that_hangs_is_ended(binary, library, monkeypatch):
    monkeypatch.setattr(catalogue, "OWNER_PATIENCE_S", 0.5)
    assert "hang" in refusal(binary, library(HANGING))


def test_files_that_are_no_libraries_are_refused(binary, tmp_path):
    text, spaced = tmp_path / "text.so", tmp_path / "a b.so"
    text.write_text("no library")
    spaced.write_text("")
    assert "is not a shared library for this machine" in refusal(binary, text)
    assert "space" in refusal(binary, spaced)
    assert "No such file" in refusal(binary, tmp_path / "absent.so")
    assert "Is a directory" in refusal(binary, tmp_path)
    assert "an arm has this name" in refusal(binary, text, "glibc", ["glibc"])
    assert "an arm has this name" in refusal(binary, text, "glibc-calloc", ["glibc-calloc"])


LISTED = [
    plan.Workload(name, "?", [], heap="littered" if name.endswith("littered") else "fresh",
                  threads=4 if name.endswith("4-threads") else 1)
    for name in ("pair/64", "pair/16", "phase/1", "pair/64/littered", "pair/16/littered",
                 "pair/64/4-threads", "pair/16/4-threads", "trace/lua", "trace-cold/lua")
]


def chosen(*wanted, **more):
    more.setdefault("quick", False)
    return [item.workload for item in catalogue.choose_workloads(LISTED, wanted, **more)]


def test_workloads_are_chosen_by_name_and_by_pattern():
    assert chosen("pair/16") == ["pair/16"]
    assert chosen("pair/??", "trace/*") == ["pair/64", "pair/16", "trace/lua"]
    assert chosen("*/littered") == ["pair/64/littered", "pair/16/littered"]
    assert chosen("pair/64/4-threads") == ["pair/64/4-threads"]


def test_without_names_littered_heaps_are_few_and_threads_none(monkeypatch):
    monkeypatch.setattr(plan, "QUICK", ("pair/64",))
    assert chosen() == ["pair/64", "pair/16", "phase/1", "pair/64/littered", "trace/lua",
                        "trace-cold/lua"]
    assert chosen(quick=True) == ["pair/64", "trace/lua", "trace-cold/lua"]


def test_a_full_run_alone_measures_every_size(binary):
    offered = catalogue.offer(binary, []).workloads
    names = [[item.workload
              for item in catalogue.choose_workloads(offered, [], quick, full=full)]
             for quick, full in ((True, False), (False, False), (False, True))]
    quick, default, full = map(set, names)
    assert quick < default < full
    assert full - default == {name for name in full if plan.of_full_runs(name)}
    assert {"larson/8-1000/5000", "fleet/8-32768/10000", "app/lua"} <= default
    assert all(any(fnmatch.fnmatchcase(name, pattern) for name in full) for pattern in plan.FULL)
    assert "pair/32" in [item.workload for item in
                         catalogue.choose_workloads(offered, ["pair/32"], False, full=False)]


def test_threads_are_variants_of_what_is_named(monkeypatch):
    monkeypatch.setattr(plan, "QUICK", ("pair/64",))
    assert chosen(threads=[4]) == ["pair/64/4-threads", "pair/16/4-threads"]
    assert chosen(threads=[4], quick=True) == ["pair/64/4-threads"]
    assert chosen("pair/16", threads=[4]) == ["pair/16/4-threads"]
    with pytest.raises(UserError, match="no workload is called trace/lua"):
        chosen("trace/lua", threads=[4])
    with pytest.raises(UserError, match="did you mean 'pair/16"):
        chosen("pair/17", threads=[4])


@pytest.mark.parametrize("wanted, near", [("pair/65", "pair/64"), ("par/*", "pair"),
                                          ("trace/lau", "trace/lua")])
def test_a_mistyped_workload_is_refused_with_the_nearest(wanted, near):
    with pytest.raises(UserError, match=f"no workload is called .*{near}") as told:
        chosen(wanted)
    assert told.value.exit_code == USAGE


def test_arms_are_chosen_by_pattern_and_a_quick_run_has_the_pool_beside_mallocs():
    arms = plan.arms_for(["pool", "pool-keep", "malloc", "calloc", "talloc", "noop"], {
        name: (f"/{name}.so", "0" * 64) for name in ("own", "jemalloc", "scudo")})
    quick = catalogue.choose_arms(arms, [], quick=True, always=["own"])
    assert {arm.name for arm in quick} == {"pool-keep", "pool-keep-delayed", "glibc", "null",
                                           "jemalloc", "own"}
    assert {pair.kind for pair in plan.pairs_of(quick)} == {"claim", "null", "delay"}
    picked = {arm.name for arm in catalogue.choose_arms(arms, ["pool*"], always=["own"])}
    assert picked == {"pool", "pool-keep", "pool-keep-delayed", "own", "own-calloc", "glibc",
                      "null"}
    with pytest.raises(UserError, match="did you mean 'talloc"):
        catalogue.choose_arms(arms, ["taloc"])


def test_what_nobody_left_out_by_name_is_told(poolproof, tmp_path):
    """A quick run's arms are few; what an arm's or a workload's name leaves out is not told."""
    for words, told in (((), True), (("--arm", "pool"), False)):
        said = poolproof("bench", "--quick", *words, "--launches", "1", "-o",
                         str(tmp_path / f"run{told}")).stdout
        assert ("calloc, noop; name them with --arm, or run longer." in " ".join(
            said.split())) == told


def test_an_arm_far_slower_than_others_is_measured_where_it_is_named():
    arms = plan.arms_for(["pool", "pool-checked", "malloc"], {})
    assert "pool-checked" not in {arm.name for arm in catalogue.choose_arms(arms, [])}
    assert "pool-checked" in {arm.name for arm in catalogue.choose_arms(arms, ["pool-c*"])}


def test_an_arm_that_does_not_apply_is_refused_with_the_reason(binary):
    offered = catalogue.offer(binary, [])
    mixed = catalogue.choose_workloads(offered.workloads, ["churn/mixed16-512/1000"], False)
    assert "bump" not in {arm.name for arm in catalogue.applying(offered, mixed, ["pool"])}
    with pytest.raises(UserError, match="bump applies to none of these workloads. It frees all"):
        catalogue.applying(offered, mixed, ["bump"])


@pytest.mark.parametrize("words, said", [
    (["--malloc", "own"], "NAME=FILE"), (["--threads", "1"], "use 2 to"),
    (["--threads", "x"], "use 2 to"), (["--malloc", "own=/no/such.so"], "No such file"),
])
def test_bad_choices_are_one_line_and_exit_2(poolproof, words, said):
    done = poolproof("bench", *words)
    assert done.returncode == USAGE and said in done.stderr


def test_a_library_is_looked_for_in_clangs_folders():
    if not shutil.which("clang-19"):
        pytest.skip("clang-19 is missing")
    assert any("llvm-19" in str(folder) for folder in plan.library_folders())
    assert json.dumps([str(folder) for folder in plan.library_folders()])
