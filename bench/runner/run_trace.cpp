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
    void *heap = nullptr;
    auto play = [&](size_t to) {
        if (arm->play(&replay, 0, to, slots.data(), heap) != 0)
            shape_out_of_memory(allocator);
    };
    if (workload.cold) {
        iterate(
            state,
            [&] {
                heap = open_heap(allocator, needs);
                play(replay.drain);
            },
            true);
        state.counters["operations"] = (double)replay.drain;
    } else {
        const bool resets = !(allocator->abilities & ALLOCATOR_REUSES);
        const auto play_all = [&] {
            play(replay.count);
            if (resets)
                allocator->reset(heap);
        };
        heap = open_heap(allocator, needs);
        play_all(); /* what is timed is a heap in use, not a new one */
        iterate(state, play_all);
        state.counters["operations"] = (double)replay.count;
        allocator->close(heap);
    }
    state.counters["peak_live_bytes"] = (double)replay.peak_bytes;
}
