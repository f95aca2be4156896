"""The table of commands: a module each, which knows its arguments and its exit codes.

Nobody imports one, not even another command; what two of them need is in a package below.
"""

COMMANDS = {
    "test": ("analysis.commands.test", "build with two compilers and run every test"),
    "check": ("analysis.commands.check", "run the tests under every compiler, sanitizer and tool"),
    "coverage": ("analysis.commands.coverage", "measure what of the pool the tests and corpora run"),
    "bench": ("analysis.commands.bench", "measure the pool against the mallocs and report"),
    "report": ("analysis.commands.report", "make the report of a run again"),
    "compare": ("analysis.commands.compare", "say what changed between two runs"),
    "gate": ("analysis.commands.gate", "fail where the pool became slower between two runs"),
    "record": ("analysis.commands.record", "record the allocations of a program as a trace"),
    "replay": ("analysis.commands.replay", "play a trace, its contents verified"),
    "fuzz": ("analysis.commands.fuzz", "attack the pool with generated traces"),
    "bugs": ("analysis.commands.bugs", "plant bugs in copies of the pool and see who finds them"),
    "mutants": ("analysis.commands.mutants", "change the core in small ways and see which tests notice"),
    "reproduce": ("analysis.commands.reproduce", "run one input that the fuzzer kept"),
    "prove-statistics": ("analysis.commands.prove_statistics", "try the statistics on runs with known truth"),
    "doctor": ("analysis.commands.doctor", "say what this machine has and what it lacks"),
}
"""Command → the module that runs it, and what it does. A module has add_arguments and run, and is
imported only when it is the chosen one."""
