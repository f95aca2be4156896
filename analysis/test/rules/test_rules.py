"""The repository keeps its rules; each holds on a clean tree and trips on the smallest breach."""

import shutil
import subprocess

import pytest

from analysis.system.exits import UserError
from analysis.system.files import ROOT
from analysis.test.rules import rules
from analysis.test.rules.rules import File

CLEAN = {
    "README.md": "[a](core/mem_pool.h) [b](core) [c](https://example.org/x) ![d](poolproof)\n",
    "poolproof": "#!/bin/sh\n",
    "core/mem_pool.h": "#include <stddef.h>\n",
    "core/mem_pool.c": '#include "mem_pool.h"\n#include "pool_hooks.h"\n#include <sys/mman.h>\n',
    "core/pool_hooks.h": "#include <sanitizer/asan_interface.h>\n",
    "core/mem_pool.hpp": '#include <memory_resource>\n#include "mem_pool.h"\n',
    "core/pool_report.h": "#include <stddef.h>\n",
    "core/pool_report.c": '#include "pool_report.h"\n#include <stdio.h>\n#include <stdatomic.h>\n'
                          "#include <sanitizer/asan_interface.h>\n",
    "core/test/report.c": '#include "pool_report.h"\n',
    "core/trace/trace.h": "#include <stdio.h>\n",
    "core/test/life.c": '#include "mem_pool.h"\n#include "trace/trace.h"\n',
    "core/example/main.c": '#include <stdio.h>\n#include "mem_pool.h"\n',
    "bench/replay/player.c": '#include "trace.h"\n',
    "fuzz/harness/input.h": "int x;\n",
    "fuzz/targets/api.c": '#include "../input.h"\n',
    "analysis/runs/plan.py": "from analysis.system import exits\n",
    "analysis/system/exits.py": "PASS = 0\n",
    "analysis/stats/verdicts.py": "from analysis.runs import plan\n",
    "analysis/fuzzing/planted.py": "a = 1\n",
    "analysis/quality/tools.py": "from analysis.fuzzing import planted\n",
    "analysis/commands/__init__.py": "COMMANDS = {}\n",
    "analysis/commands/test.py": "from analysis.quality.tools import a\n",
    "analysis/commands/bench.py": "def run(): from analysis.stats import verdicts\n",
    "fuzz/corpus/1": " \n\t \0",
}

BREACHES = [
    ("rooms_keep_apart", "bench/replay/player.c", '#include "input.h"\n'),
    ("rooms_keep_apart", "fuzz/harness/input.h", '#include "../bench/replay/player.c"\n'),
    ("rooms_keep_apart", "core/mem_pool.c", '#include "trace/trace.h"\n'),
    ("rooms_keep_apart", "core/trace/trace.h", '#  include "life.c"\n'),
    ("rooms_keep_apart", "core/example/main.c", '#include "trace.h"\n'),
    ("library_is_freestanding", "core/mem_pool.c", "#include <stdio.h>\n"),
    ("library_is_freestanding", "core/mem_pool.h", "#include <valgrind/memcheck.h>\n"),
    ("library_is_freestanding", "core/mem_pool.hpp", "#include <vector>\n"),
    ("library_is_freestanding", "core/pool_report.c", "#include <stdlib.h>\n#include <time.h>\n"),
    ("headers_keep_their_users", "core/pool_report.c", '#include "pool_hooks.h"\n'),
    ("headers_keep_their_users", "core/mem_pool.c", '#include "pool_report.h"\n'),
    ("headers_keep_their_users", "core/mem_pool.hpp", '#include "../core/pool_report.h"\n'),
    ("headers_keep_their_users", "core/test/life.c", '#include "../pool_hooks.h"\n'),
    ("analysis_names_no_c_file", "analysis/runs/plan.py", 'SOURCE = "mem_pool.c"\n'),
    ("analysis_leans_downwards", "analysis/system/exits.py", "import analysis.runs.plan\n"),
    ("analysis_leans_downwards", "analysis/system/exits.py",
     "def f():\n    from analysis.stats import verdicts\n"),
    ("analysis_leans_downwards", "analysis/fuzzing/planted.py", "from ..quality import tools\n"),
    ("analysis_leans_downwards", "analysis/commands/test.py",
     "from analysis.commands import bench\n"),
    ("analysis_leans_downwards", "analysis/commands/test.py",
     "from analysis.commands.bench import run\n"),
    ("analysis_leans_downwards", "analysis/stray/x.py", "a = 1\n"),
    ("analysis_has_no_circle", "analysis/fuzzing/planted.py",
     "from analysis.quality import tools\n"),
    ("nothing_outside_the_house", "tools/x.py", ""),
    ("nothing_outside_the_house", "notes.txt", "a\n"),
    ("names_say_something", "bench/common/x.c", ""),
    ("names_say_something", "analysis/utils.py", ""),
    ("nothing_forbidden_is_said", "core/mem_pool.c", "/* TODO: reset */\n"),
    ("nothing_forbidden_is_said", "analysis/runs/plan.py", 'P = "/home/me/x"\n'),
    ("nothing_forbidden_is_said", "README.md", "see ../shared/x\n"),
    ("files_are_small", "bench/traces/big.gz", "x" * (1024 * 1024 + 1)),
    ("files_are_small", "bench/replay/player.c", "\n" * 401),
    ("files_are_small", "analysis/system/exits.py", "a = 1\n" * 401),
    ("lines_are_tidy", "core/mem_pool.h", "int x; \n"),
    ("lines_are_tidy", "core/mem_pool.h", "\tint x;\n"),
    ("lines_are_tidy", "core/mem_pool.h", "int x;\r\n"),
    ("lines_are_tidy", "core/mem_pool.h", "int x;"),
    ("lines_are_tidy", "core/mem_pool.h", "int x;\n\n"),
    ("links_lead_somewhere", "README.md", "see [the picture](core/picture.svg)\n"),
    ("links_lead_somewhere", "core/DESIGN.md", "[up](../core.h)\n"),
    ("lines_are_tidy", "analysis/runs/plan.py", "a = 1  # " + "x" * 92 + "\n"),
]


def tree(**changes: str) -> list[File]:
    return [File(path, text.encode()) for path, text in {**CLEAN, **changes}.items()]


@pytest.fixture(scope="module", name="repository")
def _repository() -> list[File]:
    try:
        return rules.read_tree(ROOT)
    except UserError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps_it(rule, repository):
    if complaints := list(rule(repository)):
        pytest.fail("\n".join(complaints), pytrace=False)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_holds_on_a_clean_tree(rule):
    assert list(rule(tree())) == []


@pytest.mark.parametrize("name, path, text", BREACHES)
def test_trips(name, path, text):
    complaints = list(getattr(rules, name)(tree(**{path: text})))
    assert complaints and all(complaint.startswith(path) for complaint in complaints)


def test_every_rule_has_a_breach():
    assert {name for name, _, _ in BREACHES} == {rule.__name__ for rule in rules.RULES}


def test_reads_what_git_tracks(tmp_path):
    if not shutil.which("git"):
        pytest.skip("git is missing")
    for name in ("README.md", "core/mem_pool.c", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x\n")
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "README.md", "core/mem_pool.c"], check=True)
    assert [file.path for file in rules.read_tree(tmp_path)] == ["README.md", "core/mem_pool.c"]


def test_without_git_it_says_so(tmp_path):
    with pytest.raises(UserError, match="git cannot list the files of"):
        rules.read_tree(tmp_path)
