/* A pool of the capacity that pool_required names holds so many chunks at any time, whatever the
 * order in which such chunks come and go and wherever in a page its memory starts. */
#include "input.h"

enum { MOST_SIZE = 4096 };

/* The input's slots, as many as `count`, fill and empty as often as it names them; each chunk is
 * like the first operation's. */
static void come_and_go(const struct input *input, struct m_pool *pool, size_t count, size_t size)
{
    void *slots[TRACE_DECODE_SLOTS] = {0};
    const enum pool_type type = (enum pool_type)input->trace.ops[0].align;
    for (size_t i = 0; i < input->trace.count; i++) {
        void **const slot = &slots[(input->trace.ops[i].slot + input->trace.ops[i].kind) % count];
        if (*slot ? pool_free(slot, size, pool) : pool_alloc(pool, slot, size, type))
            target_complain(input, "model", pool_strerror(pool_error(pool)));
    }
}

/* Of more chunks than any pool holds: no answer is less than their bytes, and none is beyond the
 * largest capacity. */
static void ask_for_many(const struct input *input)
{
    const struct trace_op *const like = &input->trace.ops[0];
    const size_t size = (size_t)like->size + 1;
    for (size_t shift = 0; shift < sizeof size * 8; shift += 4) {
        const size_t count = ((size_t)like->slot + 1) << shift;
        const size_t bytes = pool_required(count, size, (enum pool_type)like->align);
        if (bytes > POOL_MAX_CAPACITY || (bytes > 0 && bytes / size < count))
            target_complain(input, "model", "pool_required names less than the chunks take");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input;
    struct backing backing;
    struct pool_config config;
    struct m_pool pool = {0};
    if (input_decode(bytes, size, &input) == 0 && input.trace.count > 0) {
        const struct trace_op *const like = &input.trace.ops[0];
        ask_for_many(&input);
        const size_t count = 1 + like->slot, each = 1 + like->size % MOST_SIZE;
        input.source = INPUT_MAP;
        input.bytes = pool_required(count, each, (enum pool_type)like->align);
        if (backing_open(&input, &backing, &config) == 0) {
            if (pool_init_with(&pool, &config) == 0)
                come_and_go(&input, &pool, count, each);
            pool_destroy(&pool);
            backing_close(&backing);
        }
    }
    input_free(&input);
    return 0;
}
