"""The pool on machines without a C library: mem_pool.c and mem_pool.h alone, run by an emulator.

golden.json holds, for each machine, the bytes of code at -Os and of struct m_pool, and the largest
count of instructions of any single operation in a strict pool of 64 KiB, without the bytes that a
resize moves. A rise fails. After a change that is worth it, this prints and renews the figures:

    /usr/bin/python3 core/test/embedded/test_embedded.py
"""

import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

pytestmark = pytest.mark.slow

HERE = pathlib.Path(__file__).resolve().parent
CORE = HERE.parents[1]
GOLDEN = HERE / "golden.json"
RENEW = "if the rise is worth it, run: /usr/bin/python3 core/test/embedded/test_embedded.py"
COMPILER_MAJOR = "12"
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{CORE}", f"-I{CORE}/test/cost"]
FIGURES = {"code": "bytes of code", "struct": "bytes of struct m_pool", "alloc": "pool_alloc",
           "free": "pool_free", "realloc": "pool_realloc"}


@dataclasses.dataclass(frozen=True)
class Machine:
    """How to compile for it, where its memory begins, and how to run it."""

    source: str
    prefix: str
    flags: list[str]
    memory: str
    emulator: list[str]
    package: str


MACHINES = {
    "Cortex-M4": Machine("cortex_m4.c", "arm-none-eabi-", ["-mcpu=cortex-m4", "-mthumb"], "0",
                         ["qemu-system-arm", "-M", "mps2-an386", "-icount", "shift=10"],
                         "gcc-arm-none-eabi qemu-system-arm"),
    "RV32IMAC": Machine("rv32imac.c", "riscv64-unknown-elf-", ["-march=rv32imac", "-mabi=ilp32"],
                        "0x80000000", ["qemu-system-riscv32", "-M", "virt", "-bios", "none",
                                       "-icount", "shift=0"],
                        "gcc-riscv64-unknown-elf qemu-system-misc"),
}


def why_not(machine: Machine) -> str | None:
    """Why nothing can be built for a machine or run here, or None."""
    for program in (f"{machine.prefix}gcc", machine.emulator[0]):
        if not shutil.which(program):
            return f"{program} is missing; install {machine.package}"
    return None


def major(machine: Machine) -> str:
    return said([f"{machine.prefix}gcc", "-dumpversion"]).split(".")[0]


def said(command: list) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def compile_pool(machine: Machine, folder: pathlib.Path) -> pathlib.Path:
    """The pool's object. The two files lie alone in the folder."""
    for name in ("mem_pool.c", "mem_pool.h"):
        shutil.copy(CORE / name, folder)
    said([f"{machine.prefix}gcc", *machine.flags, *STRICT[:4], "-ffreestanding", "-Os", "-c",
          folder / "mem_pool.c", "-o", folder / "mem_pool.o"])
    return folder / "mem_pool.o"


def run_program(machine: Machine, folder: pathlib.Path) -> dict[str, int]:
    """Links the test program with the pool and nothing else, and runs it."""
    program = folder / "program.elf"
    said([f"{machine.prefix}gcc", *machine.flags, *STRICT, "-ffreestanding", "-O2",
          "-fno-tree-loop-distribute-patterns", HERE / "program.c", HERE / machine.source,
          folder / "mem_pool.o", "-nostdlib", "-static", "-lgcc", f"-Wl,-T,{HERE / 'memory.ld'}",
          f"-Wl,--defsym=memory={machine.memory}", "-Wl,--no-warn-rwx-segments", "-o", program])
    return json.loads(said([
        *machine.emulator, "-display", "none", "-serial", "none", "-monitor", "none",
        "-semihosting-config", "enable=on,target=native", "-kernel", program]))


def measure(machine: Machine, folder: pathlib.Path) -> dict[str, int]:
    """All figures of a machine, and what the program found."""
    sizes = said([f"{machine.prefix}size", compile_pool(machine, folder)]).splitlines()[1].split()
    assert sizes[1:3] == ["0", "0"], "the pool has variables of its own"
    return {"code": int(sizes[0]), **run_program(machine, folder)}


def renew() -> None:
    """Measures everything, prints it and replaces the golden figures."""
    golden = {}
    for name, machine in MACHINES.items():
        with tempfile.TemporaryDirectory() as folder:
            found = measure(machine, pathlib.Path(folder))
        golden[name] = {figure: found[figure] for figure in FIGURES}
        print(name, *(f"{what} {found[figure]:,}" for figure, what in FIGURES.items()), sep=", ")
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")


@pytest.fixture(name="measured", scope="module", params=MACHINES)
def fixture_measured(request, tmp_path_factory):
    """(name, figures) of a machine."""
    machine = MACHINES[request.param]
    if reason := why_not(machine):
        pytest.skip(reason)
    return request.param, measure(machine, tmp_path_factory.mktemp("embedded"))


def test_the_program_passes_with_the_contents_that_it_has_here(measured, tmp_path):
    said(["gcc", *STRICT, "-O2", HERE / "program.c", CORE / "mem_pool.c", "-o", tmp_path / "here"])
    here = json.loads(said([tmp_path / "here"]))
    assert measured[1]["sum"] == here["sum"] > 0
    assert measured[1]["chunks"] >= 48  # of 64 bytes in a buffer of 4 KiB


def test_no_figure_rises(measured):
    name, found = measured
    if major(MACHINES[name]) != COMPILER_MAJOR:
        pytest.skip(f"the golden figures are those of gcc {COMPILER_MAJOR}")
    golden = json.loads(GOLDEN.read_text())[name]
    for figure, what in FIGURES.items():
        assert 20 < found[figure] <= golden[figure], f"{name}, {what}; {RENEW}"


def test_design_states_the_figures():
    text = (CORE / "DESIGN.md").read_text()
    for name, figures in json.loads(GOLDEN.read_text()).items():
        stated = " | ".join([name, *(f"{figures[figure]:,}" for figure in FIGURES)])
        assert f"| {stated} |" in text, f"DESIGN.md: {stated}"


if __name__ == "__main__":
    for problem in filter(None, map(why_not, MACHINES.values())):
        sys.exit(f"error: {problem}")
    renew()
