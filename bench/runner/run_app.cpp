/* A real program. */
#include "runs.h"
#include "settings.h"
#include "timing.h"

#include <string>

void run_app(benchmark::State &state, const struct app *app, const struct arm *arm)
{
    const std::string script = app->script ? std::string(SCRIPTS "/") + app->script : "";
    uint64_t checksum = 0;
    iterate(
        state,
        [&] {
            char message[300];
            void *heap = open_heap(arm->allocator, app->needs);
            if (app->run(arm, heap, script.c_str(), &checksum, message, sizeof message) != 0)
                fail(4, "app/" + std::string(app->name) + " with " + arm->allocator->name + ": " +
                            message);
            arm->allocator->close(heap);
        },
        true);
    state.counters["operations"] = 1;
    state.counters["checksum"] = (double)(checksum >> 11); /* what a double holds */
}
