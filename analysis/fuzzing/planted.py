"""The planted bugs: what a patch says of itself, and a fuzz target built with its bug.

A patch is applied to a copy of the folders that it changes. Only the objects that stand on these
are compiled anew, by the commands of the fuzz build, and linked with the build's other objects.
"""

import dataclasses
import json
import pathlib
import re
import shlex
import shutil
from typing import Any

from analysis.runs.attacks import Bug
from analysis.system.exits import FINDING, UserError
from analysis.system.files import ROOT
from analysis.system.process import answer, clean_environment, outcome

FOLDER = ROOT / "fuzz" / "bugs"
KINDS = ("bug", "equivalent", "hollow")
"""A bug is to be found; of the controls an equivalent change is not, a hollow call at once."""

HEAD = re.compile(r"(Class|Breaks|Target|Oracle|Kind|Sanitizer|Survives): (.+)")
SANITIZERS = ("address", "undefined")


@dataclasses.dataclass(frozen=True)
class Patch(Bug):
    """A bug that can be planted."""

    files: tuple[str, ...] = ()
    """What it changes, from the top of the tree."""
    path: pathlib.Path | None = None


def clean(target: str, sanitizer: Any) -> Patch:
    """No bug at all, which nothing may find."""
    name = f"control-clean-{target}" + ("" if sanitizer == "address" else f"-{sanitizer}")
    return Patch(name, "Control: the pool as it is.", "control", "nothing", target, sanitizer,
                 "none", "equivalent", None)


def read(path: pathlib.Path) -> Patch:
    """One patch; UserError if it does not say what it must."""
    text = path.read_text(encoding="utf-8")
    head, _, body = text.partition("\n--- ")
    said = dict(found.groups() for line in head.splitlines()
                if (found := HEAD.fullmatch(line.strip())))
    lacking = [word for word in ("Class", "Breaks", "Target", "Oracle") if word not in said]
    files = tuple(dict.fromkeys(re.findall(r"^\+\+\+ b/(\S+)", body, re.MULTILINE)))
    kind, sanitizer = said.get("Kind", "bug"), said.get("Sanitizer", SANITIZERS[0])
    if lacking or not files or kind not in KINDS or sanitizer not in SANITIZERS:
        what = f"no line '{lacking[0]}:'" if lacking else "no change" if not files else \
            f"the kind '{kind}' and the sanitizer '{sanitizer}'; there are {', '.join(KINDS)} " \
            f"and {', '.join(SANITIZERS)}"
        raise UserError(f"{path}: the patch has {what}")
    return Patch(path.stem, head.splitlines()[0], said["Class"], said["Breaks"], said["Target"],
                 sanitizer, said["Oracle"], kind, said.get("Survives"), files, path)


def read_all(folder: pathlib.Path = FOLDER) -> list[Patch]:
    """Every patch of the folders of classes, by name."""
    return [read(path) for path in sorted(folder.rglob("*.patch"), key=lambda path: path.name)]


def read_named(name: str) -> Patch:
    """The patch of this name, whatever its class."""
    return next(bug for bug in read_all() if bug.name == name)


def copy_with(bug: Patch, tree: pathlib.Path, root: pathlib.Path = ROOT) -> None:
    """The folders of what the bug changes, copied to `tree`, with the bug in them. UserError if the
    patch no longer applies."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for folder in {pathlib.PurePosixPath(file).parent for file in bug.files}:
        (tree / folder).mkdir(parents=True, exist_ok=True)
        for file in (root / folder).iterdir():
            if file.is_file():
                shutil.copy(file, tree / folder / file.name)
    if bug.path is None:
        return
    code, said = outcome(["patch", "--force", "--silent", "--fuzz=1", "-p1", "-d", tree, "-i",
                          bug.path])
    if code != 0:
        raise UserError(f"{bug.path}: the patch no longer applies: {' '.join(said.split())}",
                        FINDING)


# --- Building -------------------------------------------------------------------------------------


def _ninja(build: pathlib.Path, *words: str) -> list[str]:
    told = answer(["ninja", "-C", str(build), "-t", *words])
    told.check_returncode()
    return [line for line in told.stdout.splitlines() if not line.startswith("ninja: Entering")]


def _dependents(build: pathlib.Path, files: tuple[str, ...],
                root: pathlib.Path) -> dict[str, pathlib.Path]:
    """Object → its source, for every object that stands on one of the files."""
    commands = json.loads((build / "compile_commands.json").read_text())
    sources = {entry["output"]: (build / entry["file"]).resolve() for entry in commands}
    wanted = {(root / file).resolve() for file in files}
    found: dict[str, pathlib.Path] = {}
    current = ""
    for line in _ninja(build, "deps"):
        if line and not line.startswith(" "):
            current = line.partition(":")[0]
        elif line.strip() and (build / line.strip()).resolve() in wanted and current in sources:
            found[current] = sources[current]
    return found


def _run(command: list[str], build: pathlib.Path, what: str) -> None:
    code, said = outcome(command, clean_environment(), build)
    if code != 0:
        wrong = [line for line in said.splitlines() if "error" in line] or ["no reason"]
        raise UserError(f"{what} does not compile: {wrong[0]}", FINDING)


def build_target(bug: Patch, build: pathlib.Path, work: pathlib.Path,
                 root: pathlib.Path = ROOT, program: str = "") -> pathlib.Path:
    """The bug's target with the bug in it, in a folder of its own; or another `program` of the
    build's folder fuzz/, without marks. UserError if the patch does not apply or compile."""
    tree = work / "tree"
    copy_with(bug, tree, root)
    commands = {entry["output"]: entry["command"]
                for entry in json.loads((build / "compile_commands.json").read_text())}
    goal = f"fuzz/{program or bug.target}"
    needed = set(_ninja(build, "inputs", goal))
    folders = sorted({str(pathlib.PurePosixPath(file).parent) for file in bug.files})
    marks = ["-DBUG(condition)=((condition) != 0)"] if program else \
        [word for header in sorted(FOLDER.glob("*.h")) for word in ("-include", str(header))]
    compiled: dict[str, str] = {}
    for output, source in _dependents(build, bug.files, root).items():
        if output not in needed:
            continue
        own = source.relative_to(root.resolve())
        words = shlex.split(commands[output])
        at = words.index("-o")
        place = str(work / f"{len(compiled)}.o")
        words[at + 1] = place
        words[words.index("-c") + 1] = str(tree / own if str(own.parent) in folders else source)
        words[1:1] = [*(f"-I{tree / folder}" for folder in folders), *marks]
        words = [word for word in words if word not in ("-Werror", "-MD", "-fcolor-diagnostics")]
        for flag in ("-MQ", "-MF"):
            if flag in words:
                del words[words.index(flag):words.index(flag) + 2]
        _run(words, build, bug.name)
        compiled[output] = place
    link = shlex.split(_ninja(build, "commands", goal)[-1])
    made = work / pathlib.PurePath(goal).name
    link[link.index("-o") + 1] = str(made)
    first = [place for output, place in compiled.items() if output not in link]
    link = [compiled.get(word, word) for word in link]
    wrapped = [] if program else ["-Wl,--wrap=LLVMFuzzerTestOneInput", "-Wl,--whole-archive",
                                  "fuzz/libfuzz_marks.a", "-Wl,--no-whole-archive"]
    link[1:1] = [*first, *wrapped]
    _run(link, build, bug.name)
    return made
