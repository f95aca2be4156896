"""The library as its users meet it: installed, as a subproject, or as copied files.

Each route builds the example program unchanged and expects its six lines, and silence from the
tools that watch memory.
"""

import os
import pathlib
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[3]
EXAMPLE = TOP / "core/example/main.c"
SIX_LINES = [f"int at index {i} in the array is: {i}" for i in range(5)] + [
    "we allocated a string of 5 bytes: ciao"
]
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
SANITIZED = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
CLANG = "clang-19" if shutil.which("clang-19") else "clang"
COMPILERS = ["gcc", CLANG]


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


def assert_six_lines_and_silence(*command, **settings):
    out, err = run(*command, **settings)
    assert out.splitlines() == SIX_LINES
    assert err == ""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A prefix with the library installed, and the words that pkg-config gives for it."""
    need("meson", "ninja", "gcc", "pkg-config")
    folder = tmp_path_factory.mktemp("install")
    prefix, built = folder / "usr", folder / "build"
    options = ["--prefix", prefix, "--libdir", "lib", "-Dbenchmarks=disabled"]
    run("meson", "setup", *options, built, TOP)
    run("meson", "compile", "-C", built, "mem_pool:shared_library", "mem_pool:static_library")
    run("meson", "install", "-C", built, "--no-rebuild", "--tags", "devel,runtime")
    search = os.environ | {"PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
    words, _ = run("pkg-config", "--cflags", "--libs", "mem_pool", env=search)
    return prefix, words.split()


def build_against(installed, compiler, program, *options):
    prefix, words = installed
    run(compiler, *STRICT, *options, EXAMPLE, "-o", program, *words, f"-Wl,-rpath,{prefix}/lib")


@pytest.mark.parametrize("compiler", COMPILERS)
def test_installed_by_pkg_config(installed, compiler, tmp_path):
    need(compiler)
    build_against(installed, compiler, tmp_path / "program")
    assert_six_lines_and_silence(tmp_path / "program")


@pytest.mark.parametrize("compiler", COMPILERS)
def test_installed_under_sanitizers(installed, compiler, tmp_path):
    need(compiler)
    build_against(installed, compiler, tmp_path / "program", *SANITIZED)
    assert_six_lines_and_silence(tmp_path / "program")


def test_installed_under_valgrind(installed, tmp_path):
    need("valgrind")
    build_against(installed, "gcc", tmp_path / "program", "-g")
    leaks = ["--leak-check=full", "--show-leak-kinds=all", "--errors-for-leak-kinds=all"]
    assert_six_lines_and_silence("valgrind", "--quiet", "--error-exitcode=9", *leaks,
                                 tmp_path / "program")


def test_installs_what_a_user_needs_and_nothing_else(installed):
    prefix, _ = installed
    names = {path.relative_to(prefix).as_posix() for path in prefix.rglob("*")
             if not path.is_dir() and not path.is_symlink()}
    version = next(line.split('"')[1] for line in (TOP / "core/mem_pool.h").read_text().splitlines()
                   if line.startswith("#define POOL_VERSION"))
    assert f"lib/libmem_pool.so.{version}" in names
    assert {"include/mem_pool.h", "lib/pkgconfig/mem_pool.pc"} < names
    assert not [name for name in names if "trace" in name or "test" in name]


@pytest.mark.parametrize("compiler", COMPILERS)
def test_copied_files_under_sanitizers(compiler, tmp_path):
    need(compiler)
    for name in ("mem_pool.c", "mem_pool.h", "pool_hooks.h"):
        shutil.copy(TOP / "core" / name, tmp_path)
    shutil.copy(EXAMPLE, tmp_path)
    run(compiler, *STRICT, *SANITIZED, "main.c", "mem_pool.c", "-o", "program", cwd=tmp_path)
    assert_six_lines_and_silence(tmp_path / "program")


def test_as_a_subproject(tmp_path):
    need("meson", "ninja", "gcc")
    (tmp_path / "subprojects").mkdir()
    (tmp_path / "subprojects/poolproof").symlink_to(TOP)
    shutil.copy(EXAMPLE, tmp_path)
    (tmp_path / "meson.build").write_text(
        "project('user', 'c')\n"
        "pool_dep = subproject('poolproof').get_variable('pool_dep')\n"
        "executable('program', 'main.c', dependencies: pool_dep)\n")
    run("meson", "setup", "build", cwd=tmp_path)
    run("meson", "compile", "-C", "build", cwd=tmp_path)
    assert_six_lines_and_silence(tmp_path / "build/program")


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_readme_example(installed, compiler, tmp_path):
    need(compiler)
    text = (TOP / "README.md").read_text()
    example = tmp_path / "readme.c"
    example.write_text(text.split("```c\n")[1].split("```")[0])
    prefix, words = installed
    program = tmp_path / "program"
    run(compiler, *STRICT, *SANITIZED, example, "-o", program, *words, f"-Wl,-rpath,{prefix}/lib")
    out, err = run(program)
    assert out.startswith("refused: ") and len(out.splitlines()) == 1 and err == ""
