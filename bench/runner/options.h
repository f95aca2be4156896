/* The command line of poolproof-bench: our own words, beside Google Benchmark's. */
#ifndef POOLPROOF_OPTIONS_H
#define POOLPROOF_OPTIONS_H

#include "catalogue.h"

extern "C" {
#include "turns.h"
}

struct Options {
    bool list = false, owner = false;
    std::string workload, arm;
    long iterations = 0;
    struct turns turns{};
    long batch = 1; /* iterations */
    size_t slices = 1;
    double delay_percent = 0;
    bool littered = false;
    unsigned threads = 1;
    std::string probe; /* what to find out instead of times: "work", "memory" or "latency" */
    std::vector<Trace> traces;
};

extern Options options;

/* Ends the process with one line on the standard error. */
[[noreturn]] void fail(int status, const std::string &message);

/* Takes our own words out of the command line and leaves the others to Google Benchmark. */
void read_arguments(int *argc, char **argv);

#endif
