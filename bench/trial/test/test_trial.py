"""The trial's command on programs that are hard to serve, and bugs planted in its library."""

import html
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

from analysis.building import meson
from analysis.measure import trial, trial_sites
from analysis.measure.trial_launch import Arm, Command, launch, preloaded
from analysis.report.document import PROSE
from analysis.runs.trial import HUGE_GLIBC
from analysis.system.exits import UserError
from analysis.system.files import ROOT
from analysis.system.process import outcome

pytestmark = pytest.mark.slow

SOURCES = ROOT / "bench" / "trial"
POOL = ("pool", ("pool.c", "heaps.c", "route.c", "ledger.c"))
COUNT = ("count", ("count.c", "ledger.c"))
BUMP = ("bump", ("bump.c", "segments.c", "route.c", "ledger.c"))


@pytest.fixture(scope="session", name="built")
def built_folder():
    folder = os.environ.get("POOLPROOF_BUILD") or meson.ensure_build("release")
    return pathlib.Path(folder).absolute() / "bench" / "trial"


@pytest.fixture(name="tools")
def built_tools(built):
    return built


def once(tools, library, *words, limit_s=60, **settings):
    """One launch of a command under one of the trial's libraries."""
    arm = Arm(library, "pool", (preloaded(tools, library),))
    cpu = max(os.sched_getaffinity(0))
    return launch(tools, Command(tuple(map(str, words)), **settings), [arm], cpu, limit_s)[0]


def cli(*words):
    command = "import sys; sys.path.insert(0, sys.argv.pop(1)); from analysis.__main__ import main;"
    return subprocess.run([sys.executable, "-c", command + "sys.exit(main())", str(ROOT), "trial",
                           *map(str, words)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("program, said", [
    ("static", "statically linked"), ("setuid", "setuid"), ("own", "defines malloc itself"),
    ("forever", "did not end"), ("missing", "no such program"),
])
def test_what_cannot_be_tried_is_refused_in_one_line(built, tmp_path, program, said):
    subject = tmp_path / "subject"
    shutil.copy(built / "test" / ("trial-static" if program == "static" else
                                  "trial-own" if program == "own" else "trial-subject"), subject)
    if program == "setuid":
        subject.chmod(0o4755)
    if program == "missing":
        subject.unlink()
    answer = cli("--time", "20s", "-o", tmp_path / "out", "--", subject, program)
    assert answer.returncode in (2, 4) and said in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1 and not answer.stdout


def test_a_program_that_dies_by_a_signal_has_said_what_it_did(built, tools):
    done = once(tools, "pool", built / "test" / "trial-subject", "crash")
    assert done.status == -11
    assert done.total("served") >= 8192  # a heap says so once in 4,096 allocations


def test_a_program_at_a_fixed_address_has_no_malloc_of_its_own(built, tools):
    """Its malloc seems to be in itself, where a jump to the library's is."""
    done = once(tools, "pool", built / "test" / "trial-fixed", "nothing")
    assert done.status == 0 and done.total("served") > 0 and done.total("flags") == 0
    assert {one.owner for one in done.processes if one.arm == "witness"} == {
        "libpoolproof-trial-pool.so"}


def test_forks_and_execs_are_entries_of_their_own(built, tools):
    done = once(tools, "pool", built / "test" / "trial-subject", "forks")
    assert done.status == 0 and sum(one.arm == "pool" for one in done.processes) == 51
    done = once(tools, "pool", built / "test" / "trial-subject", "executes")
    assert done.status == 0 and [one.arm for one in done.processes].count("pool") == 2


def test_a_limit_of_address_space_is_respected(built, tools):
    line = f"ulimit -v 400000; exec {built / 'test' / 'trial-subject'} family"
    done = once(tools, "pool", "/bin/sh", "-c", line)
    assert done.status == 0 and done.total("served") > 0
    reserved = [one.counts["reserved"] for one in done.processes if one.name == "trial-subject"]
    assert 0 < max(reserved) <= 400000 * 1024 / 4
    line = f"ulimit -v 5000; exec {built / 'test' / 'trial-subject'} nothing"
    assert once(tools, "pool", "/bin/sh", "-c", line).status in (0, 127)


def test_remote_frees_and_refused_ones_are_counted(built, tools):
    done = once(tools, "pool", built / "test" / "trial-subject", "threads")
    assert done.total("remote") > 1000 and done.total("refused") == 0
    done = once(tools, "pool", built / "test" / "trial-subject", "wrong")
    assert done.total("refused") == 4


def test_what_was_left_is_said_with_its_reason(built, tools):
    done = once(tools, "pool", built / "test" / "trial-subject", "family")
    assert done.total("aligned") > 0 and done.total("left") >= done.total("aligned")


def test_a_launch_that_does_not_end_is_killed(built, tools):
    assert once(tools, "pool", built / "test" / "trial-subject", "forever", limit_s=0.5).killed


def test_a_server_is_stopped(built, tools):
    done = once(tools, "pool", built / "test" / "trial-subject", "forever", stop_after_s=0.3)
    assert done.status == -15 and not done.killed
    done = once(tools, "pool", built / "test" / "trial-subject", "forever", client="sleep 0.2")
    assert done.status == -15 and done.client_status == 0


def test_a_real_server_is_tried_with_its_client(built, tmp_path):
    """Debian's is linked with jemalloc, which then is the baseline."""
    answer = cli("--time", "60s", "--arm", "pool", "--ignore-output", "--client",
                 "until redis-cli -p 700{n} ping; do sleep 0.1; done;"
                 "redis-benchmark -p 700{n} -q -n 1000 -t set,get", "-o", tmp_path / "out",
                 "--", "redis-server", "--port", "700{n}", "--save", "")
    assert answer.returncode in (0, 3), answer.stderr
    told = json.loads((tmp_path / "out" / "trial.json").read_text())
    assert answer.stdout.startswith(told["sentence"]) and told["counted"]["allocations"] > 2000
    baselines = {row["baseline"] for row in told["verdicts"] if row["kind"] == "pool"}
    assert baselines == {"jemalloc, linked"}
    pool = next(pair for pair in told["pairs"] if pair["arm"] == "pool")
    assert pool["proof"]["served"] > 2000 and pool["proof"]["refused"] == 0


def test_what_was_started_ends_with_the_trial(built, tmp_path):
    program = shutil.copy(built / "test" / "trial-subject", tmp_path / "endless")
    starter = subprocess.Popen([built / "poolproof-side-by-side", "0", "60", "0", "",
                                tmp_path / "0", "", "0", "2", program, "forever"])
    running = ["pgrep", "-f", str(program)]
    while len(subprocess.run(running, stdout=subprocess.PIPE, check=False).stdout.split()) < 2:
        time.sleep(0.05)
    starter.kill()
    starter.wait()
    until = time.monotonic() + 20
    while subprocess.run(running, stdout=subprocess.DEVNULL, check=False).returncode == 0:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_named_processes_alone_count(built, tools):
    line = (f"{built / 'test' / 'trial-subject'} threads;"
            " i=0; while [ $i -lt 99999 ]; do i=$((i+1)); done")
    done = once(tools, "pool", "/bin/sh", "-c", line, process="trial-subject")
    assert 0 < done.cpu_s < done.user_s + done.system_s


def count(tools, folder, *words):
    arm = Arm("count", "count", (preloaded(tools, "count"),),
              (("POOLPROOF_TRIAL_FOLDER", str(folder)),))
    cpu = max(os.sched_getaffinity(0))
    done = launch(tools, Command(tuple(map(str, words))), [arm], cpu, 120)[0]
    return done, trial_sites.read_sites(folder)


def test_sites_say_who_frees_whose_objects(built, tools, tmp_path):
    done, sites = count(tools, tmp_path, built / "test" / "trial-subject", "threads")
    assert sum(site.allocs + site.reallocs for site in sites) > 0.9 * done.total("served")
    crossed = max(sites, key=lambda site: site.crossed)
    assert crossed.crossed > 1000 and crossed.freed_by and "another thread" in crossed.unfit
    assert crossed not in trial_sites.advise(sites).sites


def test_advice_is_served_and_fits(built, tools, tmp_path):
    _, sites = count(tools, tmp_path, "lua5.4", "-e", "t = {} for i = 1, 20000 do t[i] = {i} end")
    advice = trial_sites.advise(sites)
    assert advice.share > 0.9
    path = tmp_path / "routes"
    path.write_text(advice.routes())
    arm = Arm("pool", "pool", (preloaded(tools, "pool"),), (
        ("POOLPROOF_TRIAL_SITES", str(path)),
        ("POOLPROOF_TRIAL_CAPACITY", str(advice.capacity_bytes))))
    command = Command(("lua5.4", "-e", "t = {} for i = 1, 20000 do t[i] = {i} end"))
    done = launch(tools, command, [arm], max(os.sched_getaffinity(0)), 60)[0]
    assert done.total("unfit") == 0 and done.total("served") > 20000 and done.total("left") > 0


def test_named_sites_alone_are_served(built, tools, tmp_path):
    _, sites = count(tools, tmp_path, "lua5.4", "-e", "t = {} for i = 1, 20000 do t[i] = {i} end")
    least = sites[-1]
    assert least.unfit and trial_sites.named(sites, [])[0] == sites[0]
    assert [site.name for site in trial_sites.advise(
        trial_sites.named(sites, [least.name])).sites] == [least.name]
    with pytest.raises(UserError, match="no call site nobody; the busiest are"):
        trial_sites.named(sites, ["nobody"])


def test_the_lines_of_c_compile(tools, tmp_path):
    _, sites = count(tools, tmp_path, "lua5.4", "-e", "t = {} for i = 1, 9000 do t[i] = {i} end")
    advice = trial_sites.advise(sites)
    lines = PROSE["code"].format(advice.capacity_bytes, advice.sites[0].symbol)
    assert len(lines.splitlines()) == 5 and advice.sites[0].symbol in lines
    source = tmp_path / "advice.c"
    source.write_text('#include "mem_pool.h"\nvoid *object; size_t size = 40;\n'
                      f"int main(void)\n{{\n{lines}\n}}\n")
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Werror", f"-I{ROOT / 'core'}", "-c", str(source),
                    "-o", str(tmp_path / "advice.o")], check=True)


def test_a_whole_trial_answers_and_keeps_its_samples(built, tools, tmp_path):
    answer = cli("--time", "30s", "--arm", "pool", "--arm", HUGE_GLIBC, "--adopted", "CACHE=1",
                 "-o", tmp_path / "out", "--", "lua5.4", "-e",
                 "t = {} for i = 1, 30000 do t[i] = {i} end")
    assert answer.returncode in (0, 3), answer.stderr
    assert {"adopted", HUGE_GLIBC, "pool"} <= {pair["arm"] for pair in json.loads(
        (tmp_path / "out" / "trial.json").read_text())["pairs"]}
    told = json.loads((tmp_path / "out" / "trial.json").read_text())
    assert answer.stdout.startswith(told["sentence"])
    assert (tmp_path / "out" / "trial.md").read_text().splitlines()[2] == told["sentence"]
    assert told["sentence"] in html.unescape((tmp_path / "out" / "report.html").read_text())
    assert {row["arm"] for row in told["verdicts"]} >= {"glibc again", "glibc delayed", "pool"}


def test_a_malloc_that_is_none_is_told(tmp_path):
    library = tmp_path / "text.so"
    library.write_text("text")
    answer = cli("--malloc", f"x={library}", "--", "true")
    assert answer.returncode == 2 and "is not a shared library" in answer.stderr


def test_other_work_gives_no_figure(tmp_path, tools):
    script = tmp_path / "work.sh"
    script.write_text('case $LD_PRELOAD in *trial-pool*) echo pool;; *) echo other;; esac\n')
    with pytest.raises(UserError, match="output of the arm “pool” differs"):
        trial.run_trial(tools, Command(("/bin/sh", str(script))), {}, {"pool"}, 20, 1)


PLANTED = {
    "a second remote free is not refused": (
        POOL, "heaps.c", "!atomic_compare_exchange_strong_explicit",
        "0 && !atomic_compare_exchange_strong_explicit", "stress"),
    "the owner does not look at the list": (
        POOL, "heaps.h", "heap_drain(heap);\n    (void)pool_free", ";\n    (void)pool_free",
        "stress"),
    "calloc does not clear": (POOL, "family.h", "memset(chunk, 0, bytes)", "chunk", "dirty"),
    "alignment is forgotten": (POOL, "pool.c", "align <= POOL_GRANULE", "align <= 4096", "family"),
    "another owner's chunk is resized in place": (POOL, "pool.c", "heap != heap_mine || !old",
                                                  "!old", "threads"),
    "foreign pointers are taken for the pool's": (
        POOL, "heaps.h", "return offset < heaps.total ?", "return 1 ?", "foreign"),
    "reallocarray overflows": (
        POOL, "family.h",
        "    if (__builtin_mul_overflow(count, size, &bytes)) {\n        errno = ENOMEM;\n"
        "        return NULL;\n    }\n    return resize",
                               "    bytes = count * size;\n    return resize", "family"),
    "the program's own malloc is not seen": (POOL, "family.h", "stage = ASIDE;", ";", "own"),
    "operator new returns no memory": (
        POOL, "operators.h", "chunk ? chunk : new_short(size, align)", "chunk", "operators"),
    "the lock is not freed in a child": (
        COUNT, "count.c", "    atomic_flag_clear(&lock);\n    if (!table)",
                                         "    if (!table)", "forks"),
    "the C library starts late": (
        BUMP, "family.h", "__libc_free(__libc_malloc(1));\n    ledger_open(ARM_NAME);\n"
        "    glibc_start();", "ledger_open(ARM_NAME);", "filtered"),
}


CORE = tuple(path for path in sorted((ROOT / "core").glob("*.c")) if path.name != "pool_report.c")


def compiled(folder, output, *words):
    """A program or library of a copy of the sources in a folder."""
    subprocess.run([*map(str, words), "-std=c11", "-O1", "-w", "-pthread", f"-I{ROOT / 'core'}",
                    f"-I{folder}", "-ldl", "-o", str(output)], check=True, cwd=folder)


def build_stress(folder, *compiler):
    compiled(folder, folder / "stress", *compiler, SOURCES / "test" / "stress.c", "heaps.c",
             "ledger.c", *CORE)


@pytest.mark.parametrize("sanitizer, order, well", [
    ("thread", "release", True), ("address", "release", True), ("thread", "relaxed", False)])
def test_ten_million_operations_of_four_threads_against_a_model(tmp_path, sanitizer, order, well):
    """Double frees by another thread and the owner among them; ThreadSanitizer sees it if a chunk
    is handed over without an order."""
    for path in SOURCES.glob("*.[ch]"):
        shutil.copy(path, tmp_path)
    heaps = (tmp_path / "heaps.c").read_text()
    assert heaps.count("own, memory_order_release") == 1
    (tmp_path / "heaps.c").write_text(
        heaps.replace("own, memory_order_release", f"own, memory_order_{order}"))
    build_stress(tmp_path, "clang-19", "-g", f"-fsanitize={sanitizer}")
    status, _ = outcome([tmp_path / "stress", "10000000" if well else "100000"], limit_s=900)
    assert (status == 0) == well


def status_of(folder, built, library, mode):
    """The status of a subject under a library built in a folder; not 0 if it does not end, as when
    a child of it does not, which is ended too."""
    if mode == "stress":
        command = [folder / "stress", "100000"]
    else:
        program = {"own": "trial-own", "operators": "trial-subject-cpp"}.get(mode, "trial-subject")
        command = ["env", f"LD_PRELOAD={library}", built / "test" / program, mode]
    return outcome(command, limit_s=40)[0]


@pytest.mark.parametrize("bug", ["", *PLANTED])
def test_a_planted_bug_is_seen(built, tmp_path, bug):
    """Without one, the same build passes."""
    for path in SOURCES.glob("*.[ch]"):
        shutil.copy(path, tmp_path)
    (name, files), file, good, bad, mode = PLANTED[bug or "calloc does not clear"]
    if bug:
        text = (tmp_path / file).read_text()
        assert text.count(good) >= 1, "the planted bug no longer applies"
        (tmp_path / file).write_text(text.replace(good, bad))
    library = tmp_path / "library.so"
    if mode == "stress":
        build_stress(tmp_path, "gcc")
    else:
        compiled(tmp_path, library, "gcc", "-fPIC", "-shared", "-fno-builtin", "-fexceptions",
                 "-fvisibility=hidden", "-DHEAPS_STATIC_TLS", *files, *(
                     CORE if name == "pool" else ()))
    status = status_of(tmp_path, built, library, mode)
    assert status != 0 if bug else status == 0
