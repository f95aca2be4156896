"""The table of commands: a module each, which knows its arguments and its exit codes.

Nobody imports one, not even another command; what two of them need is in a package below.
"""

COMMANDS = {
    "test": "build with two compilers and run every test",
    "check": "run the tests under every compiler, sanitizer and tool",
    "trial": "try a pool in a program of yours: does it pay off?",
    "bench": "measure the pool beside the mallocs and report",
    "report": "make the report of a run again",
    "compare": "compare two runs",
    "gate": "fail where the pool became slower",
    "record": "record the allocations of a program as a trace",
    "replay": "play a trace and verify every byte",
    "fuzz": "attack the pool with generated traces",
    "bugs": "plant bugs in copies of the pool; does the fuzzer find them?",
    "mutants": "change the core in small ways; do the tests notice?",
    "reproduce": "run one input that the fuzzer kept",
    "doctor": "show what this machine has and what it lacks",
}
"""Command → what it does. Its module here has add_arguments and run; imported when chosen."""
