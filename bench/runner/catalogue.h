/* What poolproof-bench can run: its workloads, and which arms apply to each. */
#ifndef POOLPROOF_CATALOGUE_H
#define POOLPROOF_CATALOGUE_H

#include "app.h"
#include "arm.h"

#include <string>
#include <vector>

struct Trace {
    std::string name, file;
    struct replay replay; /* loaded by the first run */
};

/* A workload is a scale of a shape, or a trace, warm or cold, or an app, which is cold. */
struct Workload {
    std::string name;
    size_t index; /* of the shape */
    const struct shape *shape;
    const struct scale *scale;
    Trace *trace;
    bool cold;
    bool littered;
    unsigned threads;
    const struct app *app;
};

/* Micro workloads three times over: as they are, on a littered heap, with as many threads as were
 * asked for. A recorded program has its own past, and its threads' order. */
std::vector<Workload> all_workloads();

/* Whether an arm can do a workload: one that cannot reuse what is freed must be able to start over,
 * and one with a single size can do nothing else. */
bool applies(const Workload &workload, const struct allocator *allocator);

/* Whether several threads do a workload. */
bool has_threads(const Workload &workload);

/* Whether the probes can do a workload: what runs once has no slope and no percentiles, and its
 * memory is that of the warm trace. */
bool has_probes(const Workload &workload);

/* Prints all of it as JSON. */
void print_list(const std::vector<Workload> &workloads);

/* A text as JSON has it. */
std::string quoted(const std::string &text);

#endif
