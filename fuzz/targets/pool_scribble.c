/* Whoever writes into freed memory gets refusals or bytes that are not zero, never a wild
 * pointer: live chunks stay in the block, apart and as they were, and a reset makes all good
 * again. */
#include "scribble.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input;
    struct backing backing;
    struct pool_config config;
    struct scribble scribble = {.input = &input};
    if (input_decode(bytes, size, &input) == 0 && backing_open(&input, &backing, &config) == 0) {
        if (pool_init_with(&scribble.pool, &config) == 0) {
            for (size_t i = 0; i < input.trace.count; i++)
                scribble_step(&scribble, &input.trace.ops[i]);
            scribble_end(&scribble);
        }
        backing_close(&backing);
    }
    input_free(&input);
    return 0;
}
