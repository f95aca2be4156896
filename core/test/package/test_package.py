"""The library as its users meet it: installed, as a subproject, or as copied files.

Each route builds example programs unchanged, one in C and one in C++, and expects what they print,
and silence from the tools that watch memory.
"""

import ctypes
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.slow

TOP = pathlib.Path(__file__).resolve().parents[3]
CORE = TOP / "core"
SANITIZED = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@dataclasses.dataclass(frozen=True)
class Language:
    """One that the library is used from: an example program, and what compiles it."""

    name: str
    example: str
    compilers: tuple[str, str]
    options: tuple[str, ...]

    @property
    def source(self) -> pathlib.Path:
        return CORE / "example" / self.example

    @property
    def expected(self) -> str:
        return (CORE / "example/expected" / self.source.stem).with_suffix(".txt").read_text()

    def __str__(self) -> str:
        return self.name


def proven(family: str) -> str:
    return f"{family}-19" if shutil.which(f"{family}-19") else family


WARNINGS = ("-Wall", "-Wextra", "-Werror")
C = Language("c", "main.c", ("gcc", proven("clang")), ("-std=c11", *WARNINGS))
CPP = Language("cpp", "containers.cpp", ("g++", proven("clang++")), ("-std=c++17", *WARNINGS))
USERS = [(language, compiler) for language in (C, CPP) for compiler in language.compilers]
USER_NAMES = [compiler for _, compiler in USERS]


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is missing")


def run(*command, **settings):
    """Runs a command that must succeed; returns (stdout, stderr)."""
    answer = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                            check=False, timeout=300, **settings)
    assert answer.returncode == 0, f"{command}\n{answer.stdout}\n{answer.stderr}"
    return answer.stdout, answer.stderr


def assert_says_its_lines(language, *command, **settings):
    assert run(*command, **settings) == (language.expected, "")


@dataclasses.dataclass(frozen=True)
class Installed:
    """A prefix with the library installed in it."""

    prefix: pathlib.Path

    @property
    def libraries(self) -> pathlib.Path:
        return self.prefix / "lib"

    def words(self, *options: str) -> list[str]:
        """What pkg-config answers."""
        search = os.environ | {"PKG_CONFIG_PATH": str(self.libraries / "pkgconfig")}
        return run("pkg-config", *options, "mem_pool", env=search)[0].split()

    def build(self, language, compiler, program, *options, source=None):
        run(compiler, *language.options, *options, source or language.source, "-o", program,
            *self.words("--cflags", "--libs"), f"-Wl,-rpath,{self.libraries}")


def install(folder, *options):
    prefix, built = folder / "usr", folder / "build"
    run("meson", "setup", "--prefix", prefix, "--libdir", "lib", "-Dbenchmarks=disabled",
        *options, built, TOP)
    run("meson", "compile", "-C", built, "mem_pool:shared_library", "mem_pool:static_library")
    run("meson", "install", "-C", built, "--no-rebuild", "--tags", "devel,runtime")
    return Installed(prefix)


@pytest.fixture(scope="module", name="installed")
def fixture_installed(tmp_path_factory):
    need("meson", "ninja", "gcc", "g++", "pkg-config")
    return install(tmp_path_factory.mktemp("install"))


@pytest.mark.parametrize("language, compiler", USERS, ids=USER_NAMES)
def test_installed_by_pkg_config(installed, language, compiler, tmp_path):
    need(compiler)
    installed.build(language, compiler, tmp_path / "program")
    assert_says_its_lines(language, tmp_path / "program")


@pytest.mark.parametrize("language, compiler", USERS, ids=USER_NAMES)
def test_installed_under_sanitizers(installed, language, compiler, tmp_path):
    need(compiler)
    installed.build(language, compiler, tmp_path / "program", *SANITIZED)
    assert_says_its_lines(language, tmp_path / "program")


@pytest.mark.parametrize("language, compiler", USERS, ids=USER_NAMES)
def test_installed_and_linked_in(installed, language, compiler, tmp_path):
    need(compiler)
    run(compiler, *language.options, *installed.words("--cflags"), language.source,
        installed.libraries / "libmem_pool.a", "-o", tmp_path / "program")
    assert_says_its_lines(language, tmp_path / "program")


def test_installed_under_valgrind(installed, tmp_path):
    need("valgrind")
    installed.build(C, "gcc", tmp_path / "program", "-g")
    leaks = ["--leak-check=full", "--show-leak-kinds=all", "--errors-for-leak-kinds=all"]
    assert_says_its_lines(C, "valgrind", "--quiet", "--error-exitcode=9", *leaks,
                          tmp_path / "program")


def test_installs_what_a_user_needs_and_nothing_else(installed):
    names = {path.relative_to(installed.prefix).as_posix()
             for path in installed.prefix.rglob("*")
             if not path.is_dir() and not path.is_symlink()}
    version = re.search(r'#define POOL_VERSION "(.*)"', (CORE / "mem_pool.h").read_text())[1]
    assert names == {
        "include/mem_pool.h", "include/mem_pool.hpp", "lib/libmem_pool.a",
        f"lib/libmem_pool.so.{version}", "lib/pkgconfig/mem_pool.pc",
        "lib/cmake/mem_pool/mem_poolConfig.cmake",
        "lib/cmake/mem_pool/mem_poolConfigVersion.cmake",
    }


# --- From another language ------------------------------------------------------------------------


def test_every_call_is_a_symbol(installed):
    """A user without a C compiler finds by name, with dlsym, also what the header inlines."""
    library = ctypes.CDLL(str(next(installed.libraries.glob("libmem_pool.so"))))
    header = re.sub(r"/\*.*?\*/", "", (CORE / "mem_pool.h").read_text(), flags=re.S)
    calls = set(re.findall(r"^[a-zA-Z].*?\b(pool_[a-z_]+)\(", header, flags=re.M))
    assert {"pool_alloc", "pool_free", "pool_realloc", "pool_init", "pool_strerror"} < calls
    assert [call for call in sorted(calls) if not hasattr(library, call)] == []


def test_used_through_its_symbols_alone(installed):
    library = ctypes.CDLL(str(next(installed.libraries.glob("libmem_pool.so"))))
    pool = (ctypes.c_uint64 * 8192)()  # more than struct m_pool needs
    chunk = ctypes.c_void_p()
    size = ctypes.c_size_t(100)
    assert library.pool_init(pool) == 0
    assert library.pool_alloc(pool, ctypes.byref(chunk), size, 4) == 0
    first = chunk.value
    assert first and ctypes.string_at(first, 100) == bytes(100)
    assert library.pool_free(ctypes.byref(chunk), size, pool) == 0 and chunk.value is None
    chunk.value = first
    assert library.pool_free(ctypes.byref(chunk), size, pool) == -1 and chunk.value == first
    assert library.pool_error(pool) == 7  # POOL_ALREADY_FREE
    library.pool_destroy(pool)


# --- CMake ----------------------------------------------------------------------------------------

CMAKE = """cmake_minimum_required(VERSION 3.16)
project(user LANGUAGES C CXX)
set(CMAKE_CXX_STANDARD 17)
find_package(mem_pool {version} {words})
add_executable(shared-c main.c)
target_link_libraries(shared-c PRIVATE mem_pool::mem_pool)
add_executable(static-c main.c)
target_link_libraries(static-c PRIVATE mem_pool::mem_pool_static)
add_executable(shared-cpp containers.cpp)
target_link_libraries(shared-cpp PRIVATE mem_pool::mem_pool)
add_executable(static-cpp containers.cpp)
target_link_libraries(static-cpp PRIVATE mem_pool::mem_pool_static)
"""


def write_cmake_user(folder, version="", words="REQUIRED"):
    for language in (C, CPP):
        shutil.copy(language.source, folder)
    (folder / "CMakeLists.txt").write_text(CMAKE.format(version=version, words=words))


def configure_cmake(installed, folder):
    return subprocess.run(["cmake", "-S", folder, "-B", folder / "build", "-G", "Ninja",
                           f"-DCMAKE_PREFIX_PATH={installed.prefix}"],
                          capture_output=True, text=True, check=False, timeout=300)


def test_installed_by_cmake_and_moved(installed, tmp_path):
    need("cmake", "ninja")
    moved = Installed(tmp_path / "elsewhere")
    shutil.copytree(installed.prefix, moved.prefix, symlinks=True)
    write_cmake_user(tmp_path, "0.1")
    answer = configure_cmake(moved, tmp_path)
    assert answer.returncode == 0, answer.stderr
    run("cmake", "--build", tmp_path / "build")
    for language in (C, CPP):
        for kind in ("shared", "static"):
            assert_says_its_lines(language, tmp_path / f"build/{kind}-{language}")
    linked, _ = run("ldd", tmp_path / "build/shared-c")
    assert str(moved.prefix) in linked
    assert "mem_pool" not in run("ldd", tmp_path / "build/static-c")[0]


@pytest.mark.parametrize("version, fits", [
    ("", True), ("0.1", True), ("0.1.0", True), ("0.1.0 EXACT", True),
    ("0.0.9", False), ("0.1.1", False), ("0.2", False), ("1", False),
])
def test_cmake_knows_which_versions_fit(installed, version, fits, tmp_path):
    need("cmake", "ninja")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(user LANGUAGES NONE)\n"
        f"find_package(mem_pool {version} REQUIRED)\n")
    answer = configure_cmake(installed, tmp_path)
    assert (answer.returncode == 0) == fits, answer.stderr


def test_cmake_says_what_is_missing(installed, tmp_path):
    need("cmake", "ninja")
    bare = Installed(tmp_path / "bare")
    shutil.copytree(installed.prefix, bare.prefix, ignore=shutil.ignore_patterns("libmem_pool.*"))
    write_cmake_user(tmp_path)
    answer = configure_cmake(bare, tmp_path)
    assert answer.returncode != 0 and "no library of mem_pool is in" in answer.stderr


# --- As sources -----------------------------------------------------------------------------------


@pytest.mark.parametrize("language, compiler", USERS, ids=USER_NAMES)
@pytest.mark.parametrize("sanitizers", [[], SANITIZED], ids=["plain", "sanitized"])
@pytest.mark.parametrize("files", [["mem_pool.c", "mem_pool.h"],
                                   ["mem_pool.c", "mem_pool.h", "pool_checked.h", "pool_hooks.h",
                                    "pool_questions.h", "pool_system.h"]],
                         ids=["two-files", "all-files"])
def test_copied_files(language, compiler, sanitizers, files, tmp_path):
    need(compiler)
    c_compiler = C.compilers[CPP.compilers.index(compiler)] if language is CPP else compiler
    for name in [*files, *(["mem_pool.hpp"] if language is CPP else [])]:
        shutil.copy(CORE / name, tmp_path)
    shutil.copy(language.source, tmp_path)
    run(c_compiler, *C.options, *sanitizers, "-O2", "-c", "mem_pool.c", cwd=tmp_path)
    run(compiler, *language.options, *sanitizers, language.example, "mem_pool.o", "-o", "program",
        cwd=tmp_path)
    assert_says_its_lines(language, tmp_path / "program")


REPORT = """#include <stdio.h>
#include "mem_pool.h"
#include "pool_report.h"

int main(int count, char **words)
{
    struct m_pool pool = {0};
    char *chunk = NULL, text[1024];
    (void)words;
    if (pool_init(&pool) || pool_alloc(&pool, (void **)&chunk, 20, POOL_I8) ||
        pool_report_watch(&pool))
        return 1;
    pool_describe(&pool, chunk, text, sizeof text);
    fputs(text, stdout);
    if (count > 1)
        ((volatile char *)chunk)[20] = 1;
    pool_report_forget(&pool);
    pool_destroy(&pool);
    return 0;
}
"""


@pytest.mark.parametrize("compiler", C.compilers)
def test_copied_report(compiler, tmp_path):
    need(compiler)
    for name in ("mem_pool.c", "mem_pool.h", "pool_hooks.h", "pool_questions.h",
                 "pool_report.c", "pool_report.h"):
        shutil.copy(CORE / name, tmp_path)
    (tmp_path / "report.c").write_text(REPORT)
    run(compiler, *C.options, "-fsanitize=address", "report.c", "mem_pool.c", "pool_report.c",
        "-o", "program", cwd=tmp_path)
    out, err = run(tmp_path / "program")
    assert " is at the start of a live chunk of 20 bytes [" in out and err == ""
    answer = subprocess.run([tmp_path / "program", "err"], capture_output=True, text=True,
                            check=False, timeout=60)
    assert answer.returncode != 0
    assert re.search(r"^==\d+==ERROR: AddressSanitizer: use-after-poison .*"
                     r"^0x\w+ is 0 bytes after a live chunk of 20 bytes \[", answer.stderr,
                     re.M | re.S)


def test_as_a_subproject(tmp_path):
    need("meson", "ninja", "gcc", "g++")
    (tmp_path / "subprojects").mkdir()
    (tmp_path / "subprojects/poolproof").symlink_to(TOP)
    for language in (C, CPP):
        shutil.copy(language.source, tmp_path)
    (tmp_path / "report.c").write_text(REPORT)
    (tmp_path / "meson.build").write_text(
        "project('user', 'c', 'cpp', default_options: 'cpp_std=c++17')\n"
        "poolproof = subproject('poolproof')\n"
        "pool_dep = poolproof.get_variable('pool_dep')\n"
        "report_dep = poolproof.get_variable('pool_report_dep')\n"
        "executable('program-report', 'report.c', dependencies: report_dep)\n"
        "executable('program-c', 'main.c', dependencies: pool_dep)\n"
        "executable('program-cpp', 'containers.cpp', dependencies: pool_dep)\n")
    run("meson", "setup", "build", cwd=tmp_path)
    run("meson", "compile", "-C", "build", cwd=tmp_path)
    for language in (C, CPP):
        assert_says_its_lines(language, tmp_path / f"build/program-{language}")
    out, _ = run(tmp_path / "build/program-report")
    assert " is at the start of a live chunk of 32 bytes [" in out


@pytest.mark.parametrize("compiler", C.compilers)
def test_the_readme_example(installed, compiler, tmp_path):
    need(compiler)
    text = (TOP / "README.md").read_text()
    example = tmp_path / "readme.c"
    example.write_text(text.split("```c\n")[1].split("```")[0])
    installed.build(C, compiler, tmp_path / "program", *SANITIZED, source=example)
    out, err = run(tmp_path / "program")
    assert out.startswith("refused: ") and len(out.splitlines()) == 1 and err == ""
