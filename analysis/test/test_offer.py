"""What a run can choose from: names, patterns, and allocators that nobody has seen before."""

import argparse
import fnmatch
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from analysis.building import meson
from analysis.commands import bench
from analysis.measure import catalogue
from analysis.runs import plan, records
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


def test_a_malloc_never_seen_before_goes_through_to_the_report(binary, library, poolproof, tmp_path,
                                                               monkeypatch):
    monkeypatch.setattr(bench, "benchmark_binary", lambda: binary)
    own, run = library(WHOLE), tmp_path / "run"
    done = poolproof("bench", "--workload", "pair/64", "--arm", "pool-keep", "--malloc",
                     f"own={own}", "--rounds", "1", "-o", str(run))
    assert done.returncode == 0, done.stderr
    sample = next(s for s in records.read(run).samples if s.arm == "own")
    assert sample.malloc_owner == str(own)
    assert "malloc of own" in (run / "report.html").read_text() or "own" in done.stdout
    known = records.read_plan(run)
    assert known.arm("own").sha256 == sample.malloc_sha256
    assert f"own={own}" in known.command
    assert "own-calloc" not in known.arms_by_name()  # pool-keep makes no promise of zeroes


@pytest.mark.parametrize("source, said", [
    (HALF, "is no whole allocator: malloc comes from"),
    (CRASHING, "crash"),
    ("int nothing;", "has no malloc"),
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
    assert "is no shared library for this machine" in refusal(binary, text)
    assert "space" in refusal(binary, spaced)
    assert "No such file" in refusal(binary, tmp_path / "absent.so")
    assert "Is a directory" in refusal(binary, tmp_path)
    assert "called that already" in refusal(binary, text, "glibc", ["glibc"])
    assert "called that already" in refusal(binary, text, "glibc-calloc", ["glibc-calloc"])


@pytest.mark.parametrize("text", ["", "=x.so", "own=", "own", "a b=x.so", "-x=y.so", "a/b=c.so"])
def test_a_malloc_needs_a_name_and_a_file(text):
    with pytest.raises(argparse.ArgumentTypeError, match="NAME=FILE"):
        catalogue.malloc_word(text)
    assert catalogue.malloc_word("own=a=b.so") == catalogue.Malloc("own", pathlib.Path("a=b.so"))


LISTED = [
    {"workload": name, "heap": "littered" if name.endswith("littered") else "fresh",
     "threads": 4 if name.endswith("4-threads") else 1}
    for name in ("pair/64", "pair/16", "phase/1", "pair/64/littered", "pair/16/littered",
                 "pair/64/4-threads", "pair/16/4-threads", "trace/lua", "trace-cold/lua")
]


def chosen(*wanted, **more):
    more.setdefault("quick", False)
    return [item["workload"] for item in catalogue.choose_workloads(LISTED, wanted, **more)]


def test_workloads_are_chosen_by_name_and_by_pattern():
    assert chosen("pair/16") == ["pair/16"]
    assert chosen("pair/??", "trace/*") == ["pair/64", "pair/16", "trace/lua"]
    assert chosen("*/littered") == ["pair/64/littered", "pair/16/littered"]
    assert chosen("pair/64/4-threads") == ["pair/64/4-threads"]


def test_without_names_littered_heaps_are_few_and_threads_none():
    assert chosen() == ["pair/64", "pair/16", "phase/1", "pair/64/littered", "trace/lua",
                        "trace-cold/lua"]
    assert chosen(quick=True) == ["pair/64", "trace/lua", "trace-cold/lua"]


def test_a_full_run_alone_measures_every_size(binary):
    offered = catalogue.offer(binary, []).workloads
    names = [[item["workload"]
              for item in catalogue.choose_workloads(offered, [], quick, full=full)]
             for quick, full in ((True, False), (False, False), (False, True))]
    quick, default, full = map(set, names)
    assert quick < default < full
    assert full - default == {name for name in full if plan.of_full_runs(name)}
    assert {"larson/8-1000/5000", "fleet/8-32768/10000", "app/lua"} <= default
    assert all(any(fnmatch.fnmatchcase(name, pattern) for name in full) for pattern in plan.FULL)
    assert "pair/32" in [item["workload"] for item in
                         catalogue.choose_workloads(offered, ["pair/32"], False, full=False)]


def test_threads_are_variants_of_what_is_named():
    assert chosen(threads=[4]) == ["pair/64/4-threads", "pair/16/4-threads"]
    assert chosen(threads=[4], quick=True) == ["pair/64/4-threads"]
    assert chosen("pair/16", threads=[4]) == ["pair/16/4-threads"]
    with pytest.raises(UserError, match="recorded program"):
        chosen("trace/lua", threads=[4])
    with pytest.raises(UserError, match="did you mean pair/16"):
        chosen("pair/17", threads=[4])


@pytest.mark.parametrize("wanted, near", [("pair/65", "pair/64"), ("par/*", "pair"),
                                          ("trace/lau", "trace/lua")])
def test_a_mistyped_workload_is_refused_with_the_nearest(wanted, near):
    with pytest.raises(UserError, match=f"no workload is called .*{near}") as told:
        chosen(wanted)
    assert told.value.exit_code == USAGE


def test_arms_are_chosen_by_pattern_and_a_quick_run_leaves_pools_out():
    arms = plan.arms_for(["pool", "pool-keep", "malloc", "calloc", "talloc", "noop"], {
        "own": ("/own.so", "0" * 64)})
    names = {arm.name for arm in arms}
    quick = catalogue.choose_arms(arms, [], quick=True)
    assert {arm.name for arm in quick} == names - {"talloc"}
    [told] = catalogue.left_out(arms, quick, [])
    assert told["what"] == "talloc" and "--arm" in told["why"]
    picked = {arm.name for arm in catalogue.choose_arms(arms, ["pool*"], always=["own"])}
    assert picked == {"pool", "pool-keep", "pool-keep-delayed", "own", "own-calloc", "glibc",
                      "null"}
    with pytest.raises(UserError, match="did you mean talloc"):
        catalogue.choose_arms(arms, ["taloc"])


def test_an_arm_far_slower_than_others_is_measured_where_it_is_named():
    arms = plan.arms_for(["pool", "pool-checked", "malloc"], {})
    whole = catalogue.choose_arms(arms, [])
    assert "pool-checked" not in {arm.name for arm in whole}
    [told] = catalogue.left_out(arms, whole, [])
    assert told["what"] == "pool-checked" and "--arm" in told["why"]
    assert "pool-checked" in {arm.name for arm in catalogue.choose_arms(arms, ["pool-c*"])}


def test_an_arm_that_does_not_apply_is_refused_with_the_reason(binary):
    offered = catalogue.offer(binary, [])
    mixed = catalogue.choose_workloads(offered.workloads, ["churn/mixed16-512/1000"], False)
    assert "bump" not in {arm.name for arm in catalogue.applying(offered, mixed, ["pool"])}
    with pytest.raises(UserError, match="bump applies to none of these workloads. It frees all"):
        catalogue.applying(offered, mixed, ["bump"])


def test_an_arm_that_cannot_do_a_workload_alone_is_named_with_the_reason(binary, poolproof,
                                                                       tmp_path, monkeypatch):
    offered = catalogue.offer(binary, [])
    handed = catalogue.choose_workloads(offered.workloads, ["xmalloc-test/64"], False)
    with pytest.raises(UserError, match="pool-keep applies to none of these workloads. One thread"):
        catalogue.applying(offered, handed, ["pool-keep"])
    monkeypatch.setattr(bench, "benchmark_binary", lambda: binary)
    monkeypatch.setattr(bench, "program_traces", lambda *_: ([], []))
    run = tmp_path / "run"
    done = poolproof("bench", "--workload", "xmalloc-test/64", "pair/64", "--arm", "pool-keep",
                     "--rounds", "1", "-o", str(run))
    assert done.returncode == 0, done.stderr
    said = [item for item in records.read_plan(run).left_out if "belongs to one" in item["why"]]
    assert [item["what"] for item in said] == ["pool-keep, on xmalloc-test/64"]
    arms = {sample.arm for sample in records.read(run).samples
            if sample.workload == "xmalloc-test/64"}
    assert arms == {"glibc", "null"}
    assert "such an arm belongs to one thread at a time" in (run / "report.html").read_text()


def test_every_arm_of_the_binary_says_what_it_is(binary):
    told, absent = plan.list_arms(binary)
    offered = catalogue.offer(binary, [])
    assert set(told) >= {"pool", "pool-call", "pmr-pool", "obstack", "noop"}
    assert all(entry["about"] for entry in told.values())
    assert all(entry["package"].startswith("lib") for entry in absent)
    assert all(arm.about for arm in offered.arms)


def test_the_list_has_a_line_for_everything(binary, poolproof, monkeypatch):
    monkeypatch.setattr(bench, "benchmark_binary", lambda: binary)
    absent = [{"arm": "ghost", "package": "libghost"}]
    monkeypatch.setattr(plan, "list_arms", lambda _: ({}, absent))
    done = poolproof("bench", "--list")
    assert done.returncode == 0, done.stderr
    names = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert {"pool", "glibc", "null", "noop", "pair/64", "trace/lua", "ghost"} <= set(names)
    assert len(names) == len(set(names))
    assert "absent: install libghost" in done.stdout
    assert "cache-scratch/8: not applicable. One thread frees" in done.stdout


@pytest.mark.parametrize("words, due, absent", [
    (["--workload", "churn/*", "trace/lua", "--arm", "jemalloc"],
     {"jemalloc", "glibc", "null", "churn/16/1000", "churn/mixed16-512/1000/littered",
      "trace/lua"}, {"pool", "pair/64", "trace-cold/lua", "trace/jq"}),
    (["--quick"], {"pool", "pair/64", "trace/sqlite"}, {"pair/16", "trace/lua", "obstack"}),
    (["--threads", "4", "--workload", "pair/64"], {"pool", "pair/64/4-threads"}, {"pair/64"}),
])
def test_the_list_shows_what_other_words_choose(binary, poolproof, monkeypatch, words, due, absent):
    monkeypatch.setattr(bench, "benchmark_binary", lambda: binary)
    done = poolproof("bench", "--list", *words)
    assert done.returncode == 0, done.stderr
    names = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert due <= names and not absent & names
    assert "on a littered heap, as NAME" not in done.stdout


def test_the_list_of_nothing_is_one_line(binary, poolproof, monkeypatch):
    monkeypatch.setattr(bench, "benchmark_binary", lambda: binary)
    done = poolproof("bench", "--list", "--workload", "nosuch")
    assert done.returncode == USAGE
    assert done.stderr == "poolproof: no workload is called nosuch; ./poolproof bench --list " \
                          "shows them\n"


def test_a_trace_that_is_not_played_or_takes_a_name_is_told_of(tmp_path):
    given = [plan.Trace(name, str(tmp_path / name), "", "") for name in ("mine", "sqlite")]
    args = argparse.Namespace(workload=["trace/sqlite"])
    said = bench._of_given(args, given, ["sqlite"])
    assert said == [f"{tmp_path}/mine is not played; add trace/mine to --workload.",
                    f"trace/sqlite is {tmp_path}/sqlite, not the recorded program of that name."]
    assert bench._of_given(argparse.Namespace(workload=[]), given[:1], ["sqlite"]) == []


def test_threads_go_through_to_the_report(binary, poolproof, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "benchmark_binary", lambda: binary)
    run = tmp_path / "run"
    done = poolproof("bench", "--workload", "pair/64", "--threads", "2", "--arm", "pool-keep",
                     "--rounds", "1", "-o", str(run))
    assert done.returncode == 0, done.stderr
    [workload] = records.read_plan(run).workloads
    assert workload.workload == "pair/64/2-threads"
    assert {sample.operations for sample in records.read(run).samples} == {4000}


@pytest.mark.parametrize("words, said", [
    (["--malloc", "own"], "NAME=FILE"), (["--threads", "1"], "from 2 to"),
    (["--threads", "x"], "from 2 to"), (["--malloc", "own=/no/such.so"], "No such file"),
])
def test_bad_choices_are_one_line_and_exit_2(poolproof, words, said):
    done = poolproof("bench", *words)
    assert done.returncode == USAGE and said in done.stderr


def test_a_library_is_looked_for_in_clangs_folders():
    if not shutil.which("clang-19"):
        pytest.skip("clang-19 is missing")
    assert any("llvm-19" in str(folder) for folder in plan.library_folders())
    assert json.dumps([str(folder) for folder in plan.library_folders()])
