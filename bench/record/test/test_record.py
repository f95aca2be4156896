"""The recorder on programs whose allocations are known, and on real ones."""

import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

from analysis.building import meson
from analysis.measure import recorded_programs, recorder
from analysis.system.exits import UserError

pytestmark = pytest.mark.slow

MANY = 100_000


@pytest.fixture(scope="session", name="built")
def built_folder():
    return pathlib.Path(os.environ.get("POOLPROOF_BUILD") or meson.ensure_build("release"))


@pytest.fixture(scope="session", name="tools")
def built_tools(built):
    folder = built / "bench/record"
    return recorder.Tools(folder / "libpoolproof-record.so", folder / "poolproof-convert")


@pytest.fixture(name="subject")
def subject_runner(built, tools, tmp_path):
    """Records the subject doing something; gives (recording, lines of the trace)."""
    def run(*what, program="record-subject", **settings):
        output = tmp_path / "subject.txt"
        command = [str(built / "bench/record/test" / program), *what]
        recording = recorder.record(command, output, tools=tools, form="text", **settings)
        assert not [path for path in tmp_path.iterdir() if path not in recording.traces]
        return recording, recording.traces[0].read_text().splitlines()
    return run


def operations(lines):
    """(kind, size, align) of each allocation and resize, sites and threads left out."""
    kinds = ("alloc", "calloc", "realloc")
    words = [line.split() for line in lines if line.split(" ")[0] in kinds]
    return [(word[0], int(word[2]), int(word[3])) for word in words]


def verify(built, trace):
    """Plays the trace with every promise verified."""
    for arguments in (["--lazy"], ["--on", "malloc"]):
        subprocess.run([built / "core/trace/poolproof-trace", "run", *arguments, trace], check=True)


def cli(*words, **settings):
    """./poolproof record, without the launcher's shell."""
    top = pathlib.Path(recorder.__file__).parents[2]
    return subprocess.run([sys.executable, "-m", "analysis", "record", *map(str, words)],
                          capture_output=True, text=True, timeout=120, check=False,
                          env=os.environ | {"PYTHONPATH": str(top), "POOLPROOF_INSTALL": "no"},
                          **settings)


def test_every_function_is_seen_with_size_and_alignment(subject):
    recording, lines = subject("families")
    assert recording.status == 0
    seen = operations(lines)
    expected = [
        ("alloc", 1001, 16), ("calloc", 2002, 16), ("alloc", 1003, 16), ("realloc", 200003, 16),
        ("realloc", 103, 16), ("realloc", 5025, 16), ("alloc", 1088, 64), ("alloc", 1006, 128),
        ("alloc", 1007, 256), ("alloc", 1008, 4096), ("alloc", 4096, 4096), ("alloc", 1011, 16),
        ("alloc", 1, 1), ("alloc", 1012, 16), ("alloc", 6, 4),
    ]
    start = seen.index(expected[0])
    assert seen[start:start + len(expected)] == expected
    [image] = recording.images
    assert image["empty"] == 1 and image["unknown_frees"] == image["missed_frees"] == 0


@pytest.mark.parametrize("hesitant", [False, True])
def test_threads_hand_objects_over_in_the_right_order(built, subject, monkeypatch, hesitant):
    if hesitant:
        monkeypatch.setenv("LD_PRELOAD", str(built / "bench/record/test/libhesitant.so"))
    recording, _ = subject("threads")
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    [image] = recording.images
    assert image["threads"] == 5
    assert image["missed_frees"] == image["unknown_frees"] == recording.unfinished == 0
    assert image["alloc"] >= 4 * 20_000 and image["realloc"] > 0
    assert image["end_live_objects"] < 20
    verify(built, recording.traces[0])


def test_forked_child_has_a_trace_of_its_own(subject):
    recording, _ = subject("forks", everything=True)
    parent, child = recording.images
    texts = [operations(trace.read_text().splitlines()) for trace in recording.traces]
    assert child["parent"] == parent["pid"] and child["unknown_frees"] == 1
    assert ("alloc", 2001, 16) in texts[0] and ("alloc", 2003, 16) in texts[0]
    assert texts[1] == [("alloc", 2002, 16)]


def test_what_the_process_became_is_what_is_wanted(subject):
    recording, lines = subject("executes")
    first, second = recording.images
    assert (first["pid"], first["image"], second["image"]) == (second["pid"], 0, 1)
    assert ("alloc", 1001, 16) in operations(lines)
    assert ("alloc", 3001, 16) not in operations(lines)


def test_spawned_programs_do_not_mix(subject):
    recording, lines = subject("spawns")
    assert len(recording.images) == 2
    assert recording.images[1]["events"] >= 2 * MANY
    assert ("alloc", 4001, 16) in operations(lines) and len(lines) < 1000


@pytest.mark.parametrize("what, status", [
    ("killed", -signal.SIGKILL), ("crashes", -signal.SIGSEGV)])
def test_a_signal_loses_nothing(subject, what, status):
    recording, _ = subject(what)
    assert recording.status == status
    assert MANY <= recording.images[0]["alloc"] < MANY + 20


def test_a_program_that_closes_every_descriptor(subject):
    recording, _ = subject("closes")
    assert recording.status == 0 and recording.images[0]["alloc"] >= MANY


def test_cpp_new_comes_through_malloc(built, subject):
    recording, lines = subject(program="record-subject-cpp")
    assert ("alloc", 4008, 16) in operations(lines) and ("alloc", 384, 128) in operations(lines)
    verify(built, recording.traces[0])


def test_cpp_sites_are_those_of_the_program(subject):
    _, lines = subject(program="record-subject-cpp")
    sites = [line for line in lines if line.startswith("site ")]
    place = [line.split()[-1] for line in lines if " 4008 16 " in line]
    assert sites[int(place[0]) - 1].startswith("site record-subject-cpp+")
    assert not any("_Znwm" in site for site in sites)


def compiled(folder, source, *flags):
    """A small program of a test's own."""
    suffix, compiler = (".cpp", "g++") if "operator" in source else (".c", "gcc")
    (folder / f"own{suffix}").write_text(source)
    subprocess.run([compiler, "-O1", "-fno-builtin", folder / f"own{suffix}", "-o", folder / "own",
                    *flags], check=True)
    return str(folder / "own")


REPLACED = """
#include <cstdlib>
#include <new>
static char room[1 << 16];
static size_t used, out;
void *operator new(size_t size) { out++; return room + (used += (size + 15) / 16 * 16) - size; }
void operator delete(void *) noexcept { out--; }
int main()
{
    void *volatile kept;
    int *one = new int(1), *many = new int[77];
    kept = one;
    kept = many;
    delete one; /* sized, so it comes from the C++ library, which calls the one above */
    ::operator delete(many, sizeof(int) * 77);
    free(malloc(4321));
    return out == 0 ? 0 : 1;
}
"""


def test_a_program_that_replaces_operator_new_keeps_its_own(tools, tmp_path):
    program = compiled(tmp_path, REPLACED)
    recording = recorder.record([program], tmp_path / "x.txt", tools=tools, form="text")
    assert recording.status == 0
    seen = operations((tmp_path / "x.txt").read_text().splitlines())
    assert ("alloc", 4321, 16) in seen and not [size for _, size, _ in seen if size in (4, 308)]


def test_operator_new_of_a_linked_allocator_is_seen(tools, tmp_path):
    library = next(iter(pathlib.Path("/usr/lib").glob("*/libjemalloc.so.2")), None)
    if not library:
        pytest.skip("libjemalloc2 is missing")
    program = compiled(tmp_path, """
        #include <new>
        int main() { for (int i = 0; i < 5; i++) ::operator delete(::operator new(3210)); }
    """, library)
    recording = recorder.record([program], tmp_path / "x.txt", tools=tools, form="text")
    assert recording.status == 0
    seen = operations((tmp_path / "x.txt").read_text().splitlines())
    assert seen.count(("alloc", 3210, 16)) == 5
    assert recording.images[0]["unknown_frees"] == 0


def test_lacking_memory_for_new_is_told_the_program(tools, tmp_path):
    program = compiled(tmp_path, """
        #include <new>
        int main()
        {
            volatile std::size_t size = -1ul / 4;
            try { ::operator new(size); return 1; } catch (const std::bad_alloc &) { }
            return ::operator new(size, std::nothrow) ? 1 : 0;
        }
    """)
    recording = recorder.record([program], tmp_path / "x.trace", tools=tools)
    assert recording.status == 0


def test_a_program_with_a_malloc_of_its_own_is_named_as_such(tools, tmp_path):
    program = compiled(tmp_path, """
        #include <stddef.h>
        static char room[1 << 20];
        static size_t used;
        void *malloc(size_t size) { return room + (used += (size + 15) / 16 * 16) - size; }
        void free(void *ptr) { (void)ptr; }
        int main(void) { void *volatile kept = malloc(100); return kept ? 0 : 1; }
    """)
    with pytest.raises(UserError, match="own has a malloc of its own linked in"):
        recorder.record([program], tmp_path / "x.trace", tools=tools)
    assert not (tmp_path / "x.trace").exists()


def test_sites_name_module_address_and_function(subject):
    _, lines = subject("families")
    assert any(re.fullmatch(r"site record-subject\+0x[0-9a-f]+ families", line) for line in lines)


def test_a_library_path_with_a_space(built, tools, tmp_path):
    folder = tmp_path / "a folder: with all"
    folder.mkdir()
    library = shutil.copy(tools.library, folder)
    moved = recorder.Tools(pathlib.Path(library), tools.convert)
    recording = recorder.record([str(built / "bench/record/test/record-subject"), "status"],
                              folder / "x.trace", tools=moved)
    assert recording.status == 7 and recording.traces[0].exists()


def test_a_program_whose_files_may_not_grow_is_recorded_whole(built, tools, tmp_path):
    subject = built / "bench/record/test/record-subject"
    command = ["sh", "-c", f"ulimit -f 1; exec '{subject}' many"]
    recording = recorder.record(command, tmp_path / "x.trace", tools=tools)
    assert recording.status == 0 and recording.converted[0]["alloc"] >= MANY


def test_a_full_disk_ends_the_recording_alone(built, tools, tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", tmp_path],
                             capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("only root can mount a small disk")
    try:
        subject = built / "bench/record/test/record-subject"
        with pytest.raises(UserError, match="No space left on device"):
            recorder.record([str(subject), "many"], tmp_path / "x.trace", tools=tools)
        assert not list(tmp_path.iterdir())
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize("command, message", [
    (["no-such-program-at-all"], "no command 'no-such-program-at-all' on PATH"),
    (["/no/such/program"], "no such program: /no/such/program"),
    (["/etc/passwd"], "/etc/passwd is not executable"),
    (["/etc"], "/etc is a folder, not a program"),
])
def test_a_command_that_cannot_run(tools, tmp_path, command, message):
    with pytest.raises(UserError, match=message):
        recorder.record(command, tmp_path / "x.trace", tools=tools)
    assert not list(tmp_path.iterdir())


def test_a_static_program_is_named_as_such(tools, tmp_path):
    source = tmp_path / "static.c"
    source.write_text("int main(void) { return 0; }\n")
    made = subprocess.run(["gcc", "-static", source, "-o", tmp_path / "static"],
                          capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("no static C library here")
    with pytest.raises(UserError, match="statically linked"):
        recorder.record([str(tmp_path / "static")], tmp_path / "x.trace", tools=tools)
    assert not (tmp_path / "x.trace").exists()


@pytest.mark.parametrize("output", ["/proc/x.trace", "/no/such/folder/x.trace", "/"])
def test_a_place_that_cannot_be_written(tools, output):
    with pytest.raises(UserError, match="cannot write to|is a folder"):
        recorder.record(["true"], pathlib.Path(output), tools=tools)


def test_what_was_there_stays_if_nothing_comes(tools, tmp_path):
    output = tmp_path / "x.trace"
    output.write_text("precious")
    with pytest.raises(UserError, match="no process of cc1plus"):
        recorder.record(["true"], output, tools=tools, process="cc1plus")
    assert output.read_text() == "precious"


def test_interrupt_keeps_what_was_recorded(built, tmp_path):
    if os.environ.get("POOLPROOF_BUILD"):
        pytest.skip("the command line builds for itself")
    output = tmp_path / "x.trace"
    subject = built / "bench/record/test/record-subject"
    top = pathlib.Path(recorder.__file__).parents[2]
    command = [sys.executable, "-m", "analysis", "record", "-o", output, "--", subject, "waits"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          start_new_session=True,
                          env=os.environ | {"PYTHONPATH": str(top)}) as process:
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0 and "ended by signal 2" in told
    assert output.exists() and list(tmp_path.iterdir()) == [output]


def test_command_line_errors_are_one_line(tmp_path):
    for words, message in [
        (["-o", tmp_path / "x.trace"], "no command to record"),
        (["-o", tmp_path / "x.gz", "--text", "--", "true"], "text form is not compressed"),
        (["-o", tmp_path / "x.trace", "--", "no-such-program"], "no command"),
    ]:
        answer = cli(*words)
        assert answer.returncode == 2
        assert message in answer.stderr and len(answer.stderr.splitlines()) == 1


REAL = {
    "sqlite3": ["sqlite3", ":memory:", "create table t(a); insert into t values (1)"],
    "python3": ["/usr/bin/python3", "-c", "print(sorted({str(i) for i in range(1000)})[:3])"],
    "perl": ["perl", "-e", "my %h = map { $_ => 1 } 1 .. 1000; print scalar keys %h"],
    "gcc": ["gcc", "-x", "c", "-c", "-o", "{folder}/x.o", "-"],
}


@pytest.mark.parametrize("name", REAL)
def test_real_programs_play_with_contents_verified(built, tools, tmp_path, name):
    if not shutil.which(name):
        pytest.skip(f"{name} is missing")
    command = [word.replace("{folder}", str(tmp_path)) for word in REAL[name]]
    recording = recorder.record(command, tmp_path / "x.trace", tools=tools, quiet=True)
    assert recording.status == 0 and recording.converted[0]["operations"] > 100
    verify(built, recording.traces[0])


PROGRAMS = {program.name: program for program in recorded_programs.programs()}


def test_every_program_of_the_table_has_its_script_and_its_trace():
    top = recorded_programs.PROGRAMS.parents[2]
    for program in PROGRAMS.values():
        named = re.findall(r"\b(?:bench|core)/[\w./]+", " ".join(program.command))
        assert [path for path in named if (top / path).is_file()]
    kept = {path.name for path in recorded_programs.PROGRAMS.parent.glob("*.trace*")}
    assert kept == {program.trace.name for program in PROGRAMS.values()}
    assert sum(program.trace.stat().st_size for program in PROGRAMS.values()) < 8_000_000


def facts_of(lines):
    """What a trace in its text form says of itself, counted anew."""
    sizes, threads, live, peak_bytes, peak_objects, operations = {}, {0}, 0, 0, 0, 0
    origin, sites = "", 0
    for line in lines:
        word, _, rest = line.partition(" ")
        if word in ("alloc", "calloc", "realloc", "free"):
            fields = rest.split()
            operations += 1
            live -= sizes.pop(fields[0], 0)
            if word != "free":
                sizes[fields[0]] = int(fields[1])
                live += int(fields[1])
            if "thread" in fields:
                threads.add(int(fields[fields.index("thread") + 1]))
            peak_bytes, peak_objects = max(peak_bytes, live), max(peak_objects, len(sizes))
        elif word == "origin":
            origin = rest
        sites += word == "site"
    return {"command": origin, "threads": len(threads), "call_sites": sites,
            "operations": operations, "peak_live_bytes": peak_bytes,
            "peak_live_objects": peak_objects}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_kept_trace_is_what_the_table_says_and_plays_verified(built, name):
    program = PROGRAMS[name]
    assert hashlib.sha256(program.trace.read_bytes()).hexdigest() == program.kept["sha256"]
    printed = subprocess.run([built / "core/trace/poolproof-trace", "print", program.trace],
                             stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    said = program.kept
    said = {key: said[key] for key in facts_of([])}
    assert facts_of(printed) == said
    verify(built, program.trace)


def test_the_server_frees_on_one_thread_what_another_allocated(built):
    trace = PROGRAMS["redis"].trace
    printed = subprocess.run([built / "core/trace/poolproof-trace", "print", trace],
                             stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    owner, handed_over = {}, 0
    for line in printed:
        fields = line.split()
        if fields[0] in ("alloc", "calloc", "realloc", "free"):
            thread = fields[fields.index("thread") + 1] if "thread" in fields else "0"
            handed_over += fields[0] == "free" and owner[fields[1]] != thread
            owner[fields[1]] = thread
    assert handed_over > 0


def test_an_empty_argument_does_not_end_the_command(tools, tmp_path):
    recording = recorder.record(["sh", "-c", "true", "", "a b", "end"], tmp_path / "x.trace",
                              tools=tools)
    assert recording.images[0]["command"] == "sh -c true '' 'a b' end"
