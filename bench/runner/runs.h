/* One benchmark of a workload on an arm, by kind of workload. Each times its iterations (timing.h)
 * and sets the counters of its sample. */
#ifndef POOLPROOF_RUNS_H
#define POOLPROOF_RUNS_H

#include "catalogue.h"

#include <benchmark/benchmark.h>

void run_micro(benchmark::State &state, const Workload &workload, const struct arm *arm);

/* Every thread does all iterations on its own, all at the same time: an iteration is a batch of
 * each of them. A delay follows at the end. Owners have one heap and hand objects over, others have
 * a heap each. */
void run_threads(benchmark::State &state, const Workload &workload, const struct arm *arm);

void run_trace(benchmark::State &state, const Workload &workload, const struct arm *arm);

/* The whole program, from opening the heap to closing it, is one operation. */
void run_app(benchmark::State &state, const struct app *app, const struct arm *arm);

/* Reads the file of a trace, if that is still to do. */
void load(Trace &trace);

/* Does what a probe asks with the workload and arm of the options. Returns the exit status. */
int run_probe(const std::vector<Workload> &workloads);

#endif
