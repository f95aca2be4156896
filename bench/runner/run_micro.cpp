/* A micro workload by one thread. */
#include "player.h"
#include "runs.h"

void run_micro(benchmark::State &state, const Workload &workload, const struct arm *arm)
{
    const struct shape *shape = workload.shape;
    Player player(workload, arm);
    const size_t done = player.work().done, reached = player.work().reached_bytes;
    const double batches = iterate(state, [&] { player.batch(); });
    state.counters["operations"] = shape->capacity ? (double)(player.work().done - done) / batches
                                                   : (double)shape->operations(workload.scale);
    state.counters["peak_live_bytes"] = (double)shape_needs(shape, workload.scale).live_bytes;
    if (shape->capacity && (arm->allocator->abilities & ALLOCATOR_BOUNDED))
        state.counters["usable_share"] =
            (double)(player.work().reached_bytes - reached) / batches / (double)shape->capacity;
}
