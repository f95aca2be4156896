/* A pool in a caller's buffer of any size and alignment fits or is refused with
 * POOL_BUFFER_TOO_SMALL, stays inside the buffer, and gives all of its capacity as one chunk. */
#include "input.h"

/* Makes a pool in the buffer and takes the whole of it. */
static void take_all(const struct input *input, const struct pool_config *config)
{
    struct m_pool pool = {0};
    struct pool_stats stats;
    void *whole = NULL;
    if (pool_init_with(&pool, config) != 0)
        return; /* input_check says whether rightly */
    if (pool_stats(&pool, &stats) != 0 || stats.capacity > input->bytes)
        target_complain(input, "model", "the capacity is larger than the buffer");
    if (pool_alloc(&pool, &whole, stats.capacity, POOL_USER) != 0)
        target_complain(input, "model", "the capacity cannot be had as one chunk");
    if (!pool_owns(&pool, whole) || pool_size_of(&pool, whole) != stats.capacity)
        target_complain(input, "model", "the one chunk is not the whole block");
    pool_destroy(&pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input;
    struct backing backing;
    struct pool_config config;
    if (input_decode(bytes, size, &input) == 0) {
        input.source = INPUT_BUFFER;
        if (backing_open(&input, &backing, &config) == 0)
            take_all(&input, &config);
        const char *const complaint = backing_complaint(&backing);
        if (complaint)
            target_complain(&input, "backing", complaint);
        backing_close(&backing);
        input_check(&input, ORACLE_ALL);
    }
    input_free(&input);
    return 0;
}
