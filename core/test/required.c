/* pool_required: enough whatever the order of frees and wherever the block lies, and not a granule
 * more. */
#include "rig.h"

static const struct need {
    size_t count, size;
    unsigned type;
} needs[] = {
    {1, 1, POOL_I8},
    {1, 16, POOL_USER},
    {3, 17, POOL_I64},
    {64, 16, POOL_I8},
    {10, 100, POOL_I32},
    {7, 1008, POOL_I8},
    {5, 1024, POOL_I8},
    {4, 1100, POOL_I8},
    {3, 5000, POOL_I8},
    {1, 1, POOL_ALIGN(32)},
    {1, 33, POOL_ALIGN(32)},
    {2, 16, POOL_ALIGN(32)},
    {9, 16, POOL_ALIGN(32)},
    {9, 48, POOL_ALIGN(32)},
    {9, 40, POOL_ALIGN(64)},
    {6, 80, POOL_ALIGN(64)},
    {6, 64, POOL_ALIGN(64)},
    {6, 200, POOL_ALIGN(128)},
    {5, 16, POOL_ALIGN(256)},
    {5, 300, POOL_ALIGN(256)},
    {4, 1000, POOL_ALIGN(512)},
    {4, 1040, POOL_ALIGN(1024)},
    {3, 100, POOL_ALIGN(2048)},
    {1, 16, POOL_PAGE},
    {2, 4096, POOL_PAGE},
    {3, 4112, POOL_PAGE},
    {3, 16, POOL_PAGE},
    {30, 208, POOL_I8},
    {12, 352, POOL_ALIGN(32)},
    {15, 4096, POOL_ALIGN(32)},
    {16, 4096, POOL_ALIGN(32)}, /* from here on a pool that has pages and units */
    {70, 1000, POOL_ALIGN(64)},
    {17, 3968, POOL_ALIGN(128)},
    {17, 4000, POOL_ALIGN(256)},
    {17, 4000, POOL_ALIGN(512)},
    {9, 8000, POOL_ALIGN(32)},
    {16, 4096, POOL_PAGE},
    {60, 1110, POOL_I8},
    {9, 8000, POOL_USER},
    {600, 112, POOL_I8},
    {590, 112, POOL_I8},
    {584, 112, POOL_I8},
    {180, 400, POOL_USER},
    {2000, 48, POOL_I8},
};

/* Tries to hold `count` chunks at once, over and over, with random frees in between. */
static int fits(struct m_pool *pool, const struct need *need, uint64_t seed)
{
    static void *chunks[2000];
    size_t live = 0;
    int all = 1;
    for (int round = 0; round < 20 && all; round++) {
        while (live < need->count && all) {
            chunks[live] = NULL;
            all = pool_alloc(pool, &chunks[live], need->size, (enum pool_type)need->type) == 0;
            live += (size_t)all;
        }
        for (size_t frees = live == 0 ? 0 : random_below(&seed, live + 1); frees > 0; frees--) {
            size_t i = random_below(&seed, live);
            assert_int_equal(pool_free(&chunks[i], need->size, pool), 0);
            chunks[i] = chunks[--live];
        }
    }
    while (live > 0)
        assert_int_equal(pool_free(&chunks[--live], need->size, pool), 0);
    return all;
}

/* How often the chunks fit into pools of this capacity, over all places where a block can lie. */
static void try_everywhere(const struct need *need, unsigned flags, size_t capacity, size_t *fitted,
                           size_t *tried)
{
    const struct kind kind = {"map", FROM_MAP, flags};
    size_t align = (size_t)1 << (need->type < 4 ? 4 : need->type);
    size_t step = 16; /* all places, the worst one of them */
    *fitted = *tried = 0;
    for (size_t shift = 16; shift <= align; shift += step) {
        struct rig rig;
        rig_open_shifted(&rig, &kind, capacity, shift % align);
        *fitted += (size_t)fits(&rig.pool, need, shift);
        ++*tried;
        rig_close(&rig);
    }
}

static void is_enough_and_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(needs); i++)
        for (unsigned flags = 0; flags <= POOL_KEEP_CONTENTS; flags++) {
            const struct need *need = &needs[i];
            size_t fitted, tried;
            size_t required = pool_required(need->count, need->size, (enum pool_type)need->type);
            assert_int_equal(required % POOL_GRANULE, 0);
            assert_true(required >= need->count * need->size);
            try_everywhere(need, flags, required, &fitted, &tried);
            if (fitted != tried)
                fail_msg("%zu chunks of %zu bytes, type %u: %zu bytes are too few", need->count,
                         need->size, need->type, required);
            if (required == POOL_GRANULE)
                continue; /* no pool is smaller */
            try_everywhere(need, flags, required - POOL_GRANULE, &fitted, &tried);
            if (fitted == tried)
                fail_msg("%zu chunks of %zu bytes, type %u: less than %zu bytes would do",
                         need->count, need->size, need->type, required);
        }
}

/* A strict pool may refuse where another would not, but not where pool_required is certain. */
static void is_enough_for_a_strict_pool(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(needs); i++) {
        const struct need *need = &needs[i];
        size_t fitted, tried;
        size_t required = pool_required(need->count, need->size, (enum pool_type)need->type);
        try_everywhere(need, POOL_STRICT, required, &fitted, &tried);
        if (fitted != tried)
            fail_msg("%zu chunks of %zu bytes, type %u: %zu bytes are too few", need->count,
                     need->size, need->type, required);
    }
}

/* In a caller's buffer that starts anywhere, and of just the size that gives this capacity. */
static void is_enough_in_any_buffer(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(needs); i++) {
        const struct need *need = &needs[i];
        size_t required = pool_required(need->count, need->size, (enum pool_type)need->type);
        size_t align = (size_t)1 << (need->type < 4 ? 4 : need->type);
        for (size_t shift = 1; shift < align; shift = shift * 2 + 5) {
            struct rig rig;
            size_t size = required + required / (required < 65536 ? 70 : 13); /* too little */
            while (rig_open_buffer(&rig, 0, size, shift) != 0 || rig.capacity < required) {
                rig_close(&rig);
                size += 8;
                assert_true(size < required * 2 + 4096);
            }
            assert_int_equal(rig.capacity, required);
            assert_int_equal(fits(&rig.pool, need, shift), 1);
            rig_close(&rig);
        }
    }
}

static void of_nothing_possible(void **state)
{
    (void)state;
    assert_int_equal(pool_required(1, 0, POOL_I8), 0);
    assert_int_equal(pool_required(1, 16, (enum pool_type)(POOL_PAGE + 1)), 0);
    assert_int_equal(pool_required(1, 16, POOL_ALIGN(3)), 0);
    assert_int_equal(pool_required(1, SIZE_MAX, POOL_I8), 0);
    assert_int_equal(pool_required(1, SIZE_MAX - 14, POOL_I8), 0);
    assert_int_equal(pool_required(SIZE_MAX, SIZE_MAX, POOL_I8), 0);
    assert_int_equal(pool_required(SIZE_MAX, 1, POOL_PAGE), 0);
    assert_int_equal(pool_required(SIZE_MAX, 16, POOL_I8), 0);
    assert_int_equal(pool_required(SIZE_MAX / 16 + 1, 16, POOL_I8), 0);
    assert_int_equal(pool_required(SIZE_MAX / 16 + 2, 16, POOL_I8), 0);
    assert_int_equal(pool_required(SIZE_MAX / 32 + 2, 17, POOL_I8), 0);
    assert_int_equal(pool_required(SIZE_MAX / 2, 2, POOL_I8), 0);
    assert_int_equal(pool_required(SIZE_MAX / 2 + 2, 32, POOL_I8), 0);
    assert_int_equal(pool_required(1, POOL_MAX_CAPACITY, POOL_I8), POOL_MAX_CAPACITY);
    assert_int_equal(pool_required(1, POOL_MAX_CAPACITY + 1, POOL_I8), 0);
    size_t most = POOL_MAX_CAPACITY / 16 / chunk_granules(16); /* chunks of 16 bytes */
    assert_true(pool_required(most, 16, POOL_I8) > POOL_MAX_CAPACITY - 32);
    assert_int_equal(pool_required(most + 1, 16, POOL_I8), 0);
    assert_int_equal(pool_required(POOL_MAX_CAPACITY / 16, 17, POOL_I8), 0);
    assert_int_equal(pool_required(1, POOL_MAX_CAPACITY, POOL_ALIGN(256)), POOL_MAX_CAPACITY);
    assert_int_equal(pool_required(1, POOL_MAX_CAPACITY, POOL_ALIGN(512)), 0);
    assert_int_equal(pool_required(1, POOL_MAX_CAPACITY - 256, POOL_ALIGN(512)), POOL_MAX_CAPACITY);
    assert_int_equal(pool_required(1, POOL_MAX_CAPACITY - 240, POOL_ALIGN(512)), 0);
}

/* Up to the alignment of a granule it is the rounded sizes, with what lies between in the checked
 * build, and nothing else for so few that they need no pages. */
static void of_plain_chunks_is_their_sum(void **state)
{
    (void)state;
    for (unsigned type = 0; type <= POOL_USER; type++)
        for (size_t count = 1; count < 100; count += 7)
            for (size_t size = 1; size < 3000; size += 1 + size / 5)
                if (REDZONE || room_for(count, size) < 65536)
                    assert_int_equal(pool_required(count, size, (enum pool_type)type),
                                     room_for(count, size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_enough_and_exact),
        cmocka_unit_test(is_enough_for_a_strict_pool),
        cmocka_unit_test(is_enough_in_any_buffer),
        cmocka_unit_test(of_nothing_possible),
        cmocka_unit_test(of_plain_chunks_is_their_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
