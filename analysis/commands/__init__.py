"""The table of commands: a module each, which knows its arguments and its exit codes.

Nobody imports one, not even another command; what two of them need is in a package below.
"""

COMMANDS = {
    "test": "build with two compilers and run every test",
    "check": "run the tests under every compiler, sanitizer and tool",
    "trial": "say whether a pool pays off in a program of yours",
    "bench": "measure the pool against the mallocs and report",
    "report": "make the report of a run again",
    "compare": "say what changed between two runs",
    "gate": "fail where the pool became slower between two runs",
    "record": "record the allocations of a program as a trace",
    "replay": "play a trace, its contents verified",
    "fuzz": "attack the pool with generated traces",
    "bugs": "plant bugs in copies of the pool and see who finds them",
    "mutants": "change the core in small ways and see which tests notice",
    "reproduce": "run one input that the fuzzer kept",
    "doctor": "say what this machine has and what it lacks",
}
"""Command → what it does. Its module here has its name, add_arguments and run, and is imported only
when it is the chosen one."""
