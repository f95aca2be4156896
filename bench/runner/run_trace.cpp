/* A recorded trace, warm or cold. */
#include "runs.h"
#include "timing.h"

#include <vector>

void load(Trace &trace)
{
    char message[400];
    if (!trace.replay.memory &&
        replay_load(trace.file.c_str(), &trace.replay, message, sizeof message))
        fail(2, message);
    if (trace.replay.drain == 0)
        fail(2, trace.file + ": holds no operation that can be played");
}

void run_trace(benchmark::State &state, const Workload &workload, const struct arm *arm)
{
    const struct allocator *allocator = arm->allocator;
    load(*workload.trace);
    const struct replay &replay = workload.trace->replay;
    const struct allocator_needs needs = {replay.peak_bytes + 16 * (size_t)replay.peak_objects,
                                          replay.peak_objects, replay.largest};
    std::vector<void *> slots(replay.slots, nullptr);
    const size_t length = workload.cold ? replay.drain : replay.count;
    const bool resets = !(allocator->abilities & ALLOCATOR_REUSES);
    void *heap = nullptr;
    auto play = [&](size_t slice, size_t slices) {
        if (arm->play(&replay, length * slice / slices, length * (slice + 1) / slices, slots.data(),
                      heap) != 0)
            shape_out_of_memory(allocator);
        if (slice + 1 == slices && resets && !workload.cold)
            allocator->reset(heap);
    };
    if (!workload.cold) {
        heap = open_heap(allocator, needs);
        play(0, 1); /* what is timed is a heap in use, not a new one */
    }
    size_t slice = 0;
    const auto play_next = [&] {
        if (!heap)
            heap = open_heap(allocator, needs);
        play(slice, options.slices);
        slice = (slice + 1) % options.slices;
    };
    iterate(state, play_next, workload.cold);
    if (!workload.cold) {
        while (slice != 0)
            play_next();
        allocator->close(heap);
    }
    state.counters["operations"] = (double)length / (double)options.slices;
    state.counters["peak_live_bytes"] = (double)replay.peak_bytes;
}
