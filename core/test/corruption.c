/* pool_check names each invariant that is broken, whoever broke it: here a test writes to the
 * struct and its tags, which no user may. */
#include "rig.h"

struct broken {
    const char *name;
    void (*damage)(struct m_pool *pool);
    const char *invariant;
};

static void top_beyond_mark(struct m_pool *pool)
{
    pool->top = pool->mark + 1;
}

static void mark_beyond_block(struct m_pool *pool)
{
    pool->mark = pool->granules + 1;
}

static void bump_beyond_end(struct m_pool *pool)
{
    pool->bump = pool->bump_end + POOL_GRANULE;
}

static void end_beyond_mark(struct m_pool *pool)
{
    pool->bump_end = pool->base + (pool->mark + 1) * POOL_GRANULE;
}

static void end_before_mark(struct m_pool *pool)
{
    pool->top = 0;
    pool->bump = pool->bump_end = pool->base;
}

static void mark_beyond_peak(struct m_pool *pool)
{
    pool->peak = pool->mark - 1;
}

static void map_of_empty_bin(struct m_pool *pool)
{
    for (size_t b = 0; b < POOL_BINS; b++)
        if (!pool->bins[b])
            pool->bin_map[b / 64] |= UINT64_C(1) << b % 64;
}

static void list_lost(struct m_pool *pool)
{
    memset(pool->cache, 0, sizeof pool->cache);
}

static const struct broken breaks[] = {
    {"top beyond mark", top_beyond_mark, "I8"},
    {"mark beyond the block", mark_beyond_block, "I8"},
    {"bump beyond its end", bump_beyond_end, "I8"},
    {"bump run beyond mark", end_beyond_mark, "I8"},
    {"bump run before mark", end_before_mark, "I8"},
    {"mark beyond peak", mark_beyond_peak, "I8"},
    {"the map of an empty bin", map_of_empty_bin, "I7"},
    {"a cache list lost", list_lost, "I6"},
};

static void each_is_named(void **state)
{
    (void)state;
    struct rig rig;
    void *chunks[8] = {0};
    rig_open(&rig, &kinds[0], 8192);
    for (size_t i = 0; i < COUNT_OF(chunks); i++)
        assert_int_equal(pool_alloc(&rig.pool, &chunks[i], 100, POOL_I8), 0);
    assert_int_equal(pool_free(&chunks[2], 100, &rig.pool), 0);
    rig_assert_sound(&rig);
    for (size_t i = 0; i < COUNT_OF(breaks); i++) {
        const struct m_pool whole = rig.pool;
        const char *said = NULL;
        breaks[i].damage(&rig.pool);
        assert_int_equal(pool_check(&rig.pool, &said), -1);
        if (strncmp(said, breaks[i].invariant, 2) != 0)
            fail_msg("%s: %s", breaks[i].name, said);
        rig.pool = whole;
        rig_assert_sound(&rig);
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_is_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
