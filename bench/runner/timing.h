/* What all runs share: a heap to run on, and the clock around the iterations. */
#ifndef POOLPROOF_TIMING_H
#define POOLPROOF_TIMING_H

#include "allocator.h"
#include "options.h"

#include <algorithm>
#include <benchmark/benchmark.h>

/* A new heap. Ends the process if the allocator gets no memory. */
void *open_heap(const struct allocator *allocator, struct allocator_needs needs);

long page_faults();

/* The most that this process ever had resident: getrusage and wait4 would also know the peak of the
 * process that started it. */
double peak_resident_bytes();

/* Works for so much longer that the turn takes the delay's share more; returns what it took. */
struct turn delayed(struct turn start, struct turn end);

/* A turn for each iteration of Google Benchmark, each of so many calls of work, with as many before
 * that warm the caches, unless it is done once; returns how many calls there were. */
template <typename Work>
double take_turns(benchmark::State &state, Work work, bool once, long calls)
{
    long done = 0;
    const auto batch = [&] {
        for (long i = 0; i < calls; i++)
            work();
        done += calls;
    };
    bool there = turns_tell(&options.turns, {}) == 0;
    while (state.KeepRunning()) {
        there = there && turns_await(&options.turns) == 0;
        if (!there)
            fail(4, "nobody gives this process its turn");
        if (!once)
            batch();
        const struct turn start = turn_now();
        batch();
        const struct turn took = delayed(start, turn_now());
        state.SetIterationTime((double)took.cpu_ns / 1e9);
        there = turns_tell(&options.turns, took) == 0;
    }
    return (double)done;
}

/* Calls work, which does so many iterations, as often as it takes; returns how many iterations that
 * were. */
template <typename Work>
double iterate(benchmark::State &state, Work work, bool once = false, long iterations = 1)
{
    const long faults = page_faults();
    double done;
    if (options.turns.count > 0) {
        done = (double)iterations *
               take_turns(state, work, once, std::max(1L, options.batch / iterations));
    } else {
        while (state.KeepRunningBatch(iterations))
            work();
        done = (double)state.iterations();
    }
    state.counters["page_faults"] = (double)(page_faults() - faults) / done;
    state.counters["max_rss_bytes"] = peak_resident_bytes();
    return done;
}

#endif
