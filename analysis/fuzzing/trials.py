"""Trials of planted bugs: each bug built into its target, and the target fuzzed from nothing."""

import dataclasses
import functools
import hashlib
import pathlib
import shutil
import struct
import subprocess
import tempfile
from typing import Sequence

from analysis.building import meson
from analysis.fuzzing import findings, libfuzzer, planted, scoreboard
from analysis.fuzzing.jobs import Crew, Memory
from analysis.fuzzing.planted import Patch
from analysis.fuzzing.session import folders_of
from analysis.runs.attacks import Score, Trial
from analysis.system.arguments import require
from analysis.system.exits import UserError
from analysis.system.process import outcome

WORK = meson.BUILD_ROOT / "bugs"

QUICK = ("bin-left-marked", "free-twice-of-units", "leak-on-destroy", "popped-twice",
         "pointer-clobbered", "realloc-tail-dirty", "required-one-less", "rounded-size-opened",
         "shift-by-width", "control-hollow-free", "control-wipe-edge")
"""What --quick plants: one bug for each oracle, and the controls."""

HANG_S = 10
"""A single execution that takes longer is a finding."""

LEAST_PER_SECOND = 200
"""A trial that is slower than this on the whole is given up."""


def choose(wanted: list[str], quick: bool, known: list[Patch]) -> list[Patch]:
    """The bugs that are meant, with the clean pool for each of their targets; UserError for an
    unknown one."""
    names = {bug.name: bug for bug in known}
    for name in wanted:
        require(name, names, "planted bug", "see ./poolproof bugs --list")
    chosen = wanted or ([name for name in QUICK if name in names] if quick else list(names))
    bugs = [names[name] for name in dict.fromkeys(chosen)]
    places = sorted({(bug.target, bug.sanitizer) for bug in bugs})
    return bugs + [planted.clean(target, sanitizer) for target, sanitizer in places]


def read_marks(path: pathlib.Path) -> tuple[int, int | None, int | None]:
    """(executions, the first that reached the bug, the first that went wrong by it)."""
    try:
        executions, reached, wrong = struct.unpack("<QQQ", path.read_bytes())
    except (OSError, struct.error):
        return 0, None, None
    return executions, reached or None, wrong or None


def oracle_of(said: str) -> str:
    """Which oracle ended a process, by what it printed."""
    report = findings.read_report(said)
    if report is not None:
        return report.oracle
    for words, oracle in (("libFuzzer: timeout", "time"), ("out-of-memory", "memory")):
        if words in said:
            return oracle
    return "crash"


@functools.lru_cache(maxsize=None)
def steady() -> tuple[str, ...]:
    """What runs a program at the same addresses every time, where the system allows that."""
    words = ("setarch", "-R")
    return words if shutil.which(words[0]) and outcome([*words, "true"])[0] == 0 else ()


def attempt(crew: Crew, program: pathlib.Path, seed: int, executions: int,
            inputs: list[str]) -> Trial:
    """Runs a target from nothing for so many executions, or with seed 0 on these inputs alone."""
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        scratch = pathlib.Path(folder)
        longest = libfuzzer.SHORT_INPUT_BYTES if seed else libfuzzer.MOST_INPUT_BYTES
        # Where the heap starts depends on the length of what a process is told, so that is alike
        # wherever the tree stands; and addresses are not to be random.
        command = [*steady(), f"../{program.name}", f"-seed={seed or 1}", "-artifact_prefix=./",
                   f"-max_len={longest}", f"-timeout={HANG_S}", "-rss_limit_mb=1024",
                   "-verbosity=0", *([f"-runs={executions}"] if seed else inputs)]
        surroundings = findings.surroundings()
        surroundings["ASAN_OPTIONS"] += ":symbolize=0"
        surroundings["POOLPROOF_MARKS"] = str(scratch / "marks")
        with (scratch / "said").open("w+b") as said:
            code = crew.run(command, 60 + executions / LEAST_PER_SECOND, cwd=scratch,
                            env=surroundings, stderr=said, stdout=subprocess.DEVNULL)
            said.seek(0)
            text = said.read(1 << 20).decode(errors="replace")
        done, reached, wrong = read_marks(scratch / "marks")
    found = None if code == 0 else done
    return Trial(seed, done, reached, wrong, found, None if code == 0 else oracle_of(text))


@dataclasses.dataclass
class Trials:
    """Every trial of a run, and the file that remembers those that are over."""

    crew: Crew
    folders: dict[str, pathlib.Path]
    """Sanitizer → the build of the targets."""
    executions: int
    seeds: int
    memory: Memory = dataclasses.field(default_factory=lambda: Memory(WORK / "trials.jsonl"))

    def score(self, bug: Patch) -> Score | UserError:
        """Plants one bug and looks for it with every seed; what went wrong if it could not be."""
        work = WORK / bug.name
        work.mkdir(parents=True, exist_ok=True)
        try:
            program = planted.build_target(bug, self.folders[bug.sanitizer], work)
            inputs = [str(file) for place in folders_of(bug.target)
                      for file in sorted(place.iterdir()) if file.name != "README.md"]
            seeds = 1 if bug.kind == "equivalent" else self.seeds  # one that lasts says enough
            kept, *rest = [self.trial(program, seed, inputs) for seed in range(seeds + 1)]
            return scoreboard.scored(bug, kept, rest)
        except UserError as error:
            return error
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def trial(self, program: pathlib.Path, seed: int, inputs: list[str]) -> Trial:
        """One trial, as it is remembered if it was made before."""
        executions = self.executions if seed else 0
        needed = [program, *([] if seed else map(pathlib.Path, inputs))]
        digest = hashlib.sha256(b"".join(file.read_bytes() for file in needed)).hexdigest()[:16]
        key = f"{digest} {seed} {executions}"
        if key not in self.memory.known:
            self.memory.keep(key, dataclasses.asdict(
                attempt(self.crew, program, seed, executions, inputs)))
        return Trial(**self.memory.known[key])


def run_all(trials: Trials, bugs: Sequence[Patch]) -> tuple[list[Score], list[str]]:
    """(every bug's score in their order, the names of those that could not be planted). Says each
    when it is known; interrupted, it keeps the trials that are over."""
    results: dict[str, Score | UserError] = {}

    def tell(bug: Patch, result: Score | UserError) -> None:
        results[bug.name] = result
        said = scoreboard.line(result) if isinstance(result, Score) else result
        print(f"[{len(results)}/{len(bugs)}] {said}", flush=True)

    trials.crew.each(trials.score, bugs, tell)
    scores = [result for bug in bugs if isinstance(result := results[bug.name], Score)]
    return scores, sorted(set(results) - {score.name for score in scores})
