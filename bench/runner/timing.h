/* What all runs share: a heap to run on, and the clock around the iterations. */
#ifndef POOLPROOF_TIMING_H
#define POOLPROOF_TIMING_H

#include "allocator.h"
#include "options.h"

#include <benchmark/benchmark.h>
#include <cstdint>

/* A new heap. Ends the process if the allocator gets no memory. */
void *open_heap(const struct allocator *allocator, struct allocator_needs needs);

long page_faults();

/* The most that this process ever had resident: getrusage and wait4 would also know the peak of the
 * process that started it. */
double peak_resident_bytes();

int64_t now_ns();

/* Calls work once for so many iterations, and with a delay waits so long afterwards that they take
 * that much longer. */
template <typename Work> void iterate(benchmark::State &state, Work work, long iterations = 1)
{
    long faults = page_faults();
    if (options.delay_percent <= 0) {
        while (state.KeepRunningBatch(iterations))
            work();
    } else {
        while (state.KeepRunningBatch(iterations)) {
            int64_t start = now_ns();
            work();
            int64_t wait = (int64_t)((double)(now_ns() - start) * options.delay_percent / 100);
            for (int64_t end = now_ns() + wait; now_ns() < end;)
                ;
        }
    }
    state.counters["page_faults"] =
        benchmark::Counter((double)(page_faults() - faults), benchmark::Counter::kAvgIterations);
    state.counters["max_rss_bytes"] = peak_resident_bytes();
}

#endif
