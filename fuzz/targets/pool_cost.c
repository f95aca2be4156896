/* No call runs more of the pool's code than the cost that mem_pool.h states for it allows; the
 * engine hunts for the slowest trace and for the one that leaves free memory in the most
 * extents. */
#include "input.h"
#include "steps.h"

/* Blocks of instructions: what a call may take; what a look at each bin may add that is not empty;
 * and what one at every granule may where pages and units become a map, or the map is searched. */
enum { MOST = 1024, EACH_BIN = 192, EACH_GRANULE = 64, EACH_MAPPED = 4 };

static void judge(const struct input *input, const struct m_pool *pool, size_t since, size_t looks)
{
    struct pool_stats stats;
    char message[80];
    const size_t length = steps - since;
    if (pool_stats(pool, &stats) != 0)
        target_complain(input, "model", "pool_stats was refused");
    steps_tell(length, &stats);
    const size_t each = input->flags & POOL_STRICT ? EACH_MAPPED : EACH_GRANULE;
    const size_t most = MOST + looks + stats.capacity / POOL_GRANULE * each;
    snprintf(message, sizeof message, "a call took %zu steps; at most %zu are due", length, most);
    if (length > most)
        target_complain(input, "cost", message);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input;
    struct m_pool pool = {0};
    void *slots[TRACE_DECODE_SLOTS] = {0};
    size_t sizes[TRACE_DECODE_SLOTS] = {0};
    if (input_decode(bytes, size, &input) == 0) {
        const struct pool_config config = {.capacity = input.bytes, .flags = input.flags};
        const int made = pool_init_with(&pool, &config) == 0;
        for (size_t i = 0; made && i < input.trace.count; i++) {
            const struct trace_op *const op = &input.trace.ops[i];
            const enum pool_type type = (enum pool_type)op->align;
            void **const slot = &slots[op->slot];
            size_t *const held = &sizes[op->slot];
            const int bins =
                __builtin_popcountll(pool.bin_map[0]) + __builtin_popcountll(pool.bin_map[1]);
            const size_t looks = (size_t)bins * EACH_BIN;
            const size_t since = steps;
            if (op->kind == TRACE_FREE)
                (void)pool_free(slot, *held, &pool);
            else if (op->size > 0 &&
                     pool_realloc(&pool, slot, *slot ? *held : 0, op->size, type) == 0)
                *held = op->size;
            judge(&input, &pool, since, looks);
        }
        pool_destroy(&pool);
    }
    input_free(&input);
    return 0;
}
