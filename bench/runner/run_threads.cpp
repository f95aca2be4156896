/* A micro workload by several threads. */
#include "channel.h"
#include "player.h"
#include "runs.h"

#include <barrier>
#include <thread>
#include <vector>

void run_threads(benchmark::State &state, const Workload &workload, const struct arm *arm)
{
    const struct shape *shape = workload.shape;
    const unsigned count = shape->owners ? shape->owners : workload.threads;
    const bool held = options.turns.count > 0;
    const long iterations = held ? options.batch : (long)state.max_iterations;
    const long meetings = held ? 2 * (long)state.max_iterations : 1;
    Shared shared{};
    if (shape->owners) {
        if (channels_open(&shared.channels, shape, workload.scale->live / CHANNEL_PLACES) != 0)
            fail(4, "no memory for the workload's arrays");
        shared.heap = open_heap(arm->allocator, shape_needs(shape, workload.scale));
    }
    std::barrier meet((std::ptrdiff_t)count + 1);
    std::vector<std::thread> threads;
    threads.reserve(count);
    for (unsigned i = 0; i < count; i++)
        threads.emplace_back([&, i] {
            Player player(workload, arm, shape->owners ? &shared : nullptr, i);
            meet.arrive_and_wait(); /* all are ready */
            for (long met = 0; met < meetings; met++) {
                meet.arrive_and_wait(); /* the clock runs … */
                for (long done = 0; done < iterations; done++)
                    player.batch();
                meet.arrive_and_wait(); /* … until the last is done */
            }
        });
    const auto all = [&] {
        meet.arrive_and_wait();
        meet.arrive_and_wait();
    };
    meet.arrive_and_wait();
    iterate(state, all, false, iterations);
    for (std::thread &thread : threads)
        thread.join();
    if (shape->owners) {
        arm->allocator->close(shared.heap);
        channels_close(shared.channels, shape);
    }
    state.counters["operations"] =
        (double)(shape->operations(workload.scale) * (shape->owners ? 1 : count));
}
