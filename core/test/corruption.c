/* pool_check names each invariant that is broken, whoever broke it: here a test writes to the
 * struct and its tags, which no user may, and to the links of free memory. */
#include "rig.h"

/* The pool that is damaged: chunks of GRANULES granules, one after the other, those of odd numbers
 * below CACHED filed as runs, in the order of their addresses, and that of number CACHED cached. */
#define GRANULES 7
#define CHUNKS 12
#define CACHED 8

struct broken {
    const char *name;
    void (*damage)(struct m_pool *pool);
    const char *invariant;
    int ordinary; /* not in the checked build, which caches nothing */
};

static void high_water_beyond_frontier(struct m_pool *pool)
{
    pool->high_water = pool->frontier + 1;
}

static void frontier_beyond_block(struct m_pool *pool)
{
    pool->frontier = pool->granules + 1;
}

static void bump_beyond_end(struct m_pool *pool)
{
    pool->bump = pool->bump_end + POOL_GRANULE;
}

static void end_beyond_frontier(struct m_pool *pool)
{
    pool->bump_end = pool->base + (pool->frontier + 1) * POOL_GRANULE;
}

static void end_before_frontier(struct m_pool *pool)
{
    pool->high_water = 0;
    pool->bump = pool->bump_end = pool->base;
}

static void frontier_beyond_touched(struct m_pool *pool)
{
    pool->touched = pool->frontier - 1;
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

static void shared_miscounted(struct m_pool *pool)
{
    pool->shared++;
}

static unsigned char *tag_of(struct m_pool *pool, size_t chunk)
{
    return &pool->tags[chunk * GRANULES];
}

static void extent_beyond_block(struct m_pool *pool)
{
    *tag_of(pool, 0) = POOL_TAG_LIVE; /* of so many granules as the length table says */
    pool->lengths[0] = UINT32_MAX;
}

static void tag_inside_chunk(struct m_pool *pool)
{
    tag_of(pool, 0)[1] = POOL_TAG_LIVE | 1;
}

static void tag_in_bump_run(struct m_pool *pool)
{
    pool->tags[pool->frontier - 1] = POOL_TAG_LIVE | 1;
}

static void end_of_run(struct m_pool *pool)
{
    tag_of(pool, 1)[GRANULES - 1] = GRANULES - 1;
}

static void bin_of_live_chunk(struct m_pool *pool)
{
    pool->bins[1] = (struct pool_run *)(void *)pool->base;
    pool->bin_map[0] |= 1 << 1;
}

static void run_in_another_bin(struct m_pool *pool)
{
    size_t b = 2;
    while (!pool->bins[b])
        b++;
    pool->bins[1] = pool->bins[b];
    pool->bin_map[0] |= 1 << 1;
}

/* Writes a run's next or previous. */
static void set_link(struct m_pool *pool, size_t chunk, int previous, size_t to)
{
    unsigned char *run = pool->base + chunk * GRANULES * POOL_GRANULE;
    void *link = to ? pool->base + to * GRANULES * POOL_GRANULE : NULL;
    raw_write(run + (previous ? sizeof link : 0), &link, sizeof link);
}

static void run_without_previous(struct m_pool *pool)
{
    set_link(pool, 3, 1, 0);
}

static void runs_in_a_ring(struct m_pool *pool)
{
    set_link(pool, 5, 0, 0);
    set_link(pool, 7, 0, 7);
    set_link(pool, 7, 1, 7);
}

#if REDZONE
static void slack_of_nothing(struct m_pool *pool)
{
    pool->tags[pool->granules] = POOL_GRANULE; /* the first chunk's, after the tags */
}
#endif

static const struct broken breaks[] = {
    {"the high-water mark beyond the frontier", high_water_beyond_frontier, "I8", 0},
    {"the frontier beyond the block", frontier_beyond_block, "I8", 0},
    {"bump beyond its end", bump_beyond_end, "I8", 0},
    {"bump run beyond the frontier", end_beyond_frontier, "I8", 0},
    {"bump run before the frontier", end_before_frontier, "I8", 0},
    {"the frontier beyond what was touched", frontier_beyond_touched, "I8", 0},
    {"the map of an empty bin", map_of_empty_bin, "I7", 0},
    {"a cache list lost", list_lost, "I6", 1},
    {"shared granules miscounted", shared_miscounted, "I6", 0},
    {"an extent beyond the block", extent_beyond_block, "I1", 1},
    {"a tag inside a chunk", tag_inside_chunk, "I2", 1},
    {"a tag in the bump run", tag_in_bump_run, "I2", 1},
    {"the end of a run", end_of_run, "I3", 1},
    {"a live chunk in a bin", bin_of_live_chunk, "I4", 1},
    {"a run in another bin too", run_in_another_bin, "I4", 1},
    {"a run without a previous one", run_without_previous, "I4", 1},
    {"runs in a ring", runs_in_a_ring, "I4", 1},
#if REDZONE
    {"more slack than a granule has", slack_of_nothing, "I10", 0},
#endif
};

static void each_is_named(void **state)
{
    (void)state;
    struct rig rig;
    const size_t size = GRANULES * POOL_GRANULE;
    void *chunks[CHUNKS] = {0}, *longer = NULL;
    rig_open(&rig, &kinds[0], 8192);
    for (size_t i = 0; i < CHUNKS; i++)
        assert_int_equal(pool_alloc(&rig.pool, &chunks[i], size, POOL_I8), 0);
    for (size_t i = 1; i < CACHED; i += 2)
        assert_int_equal(pool_free(&chunks[i], size, &rig.pool), 0);
    assert_int_equal(pool_trim(&rig.pool, NULL), 0); /* files them */
    assert_int_equal(pool_alloc(&rig.pool, &longer, size + 1, POOL_I8), 0);
    assert_int_equal(pool_free(&chunks[CACHED], size, &rig.pool), 0);
    rig_assert_sound(&rig);

    const struct m_pool whole = rig.pool;
    unsigned char *memory = malloc(whole.memory_size);
    assert_non_null(memory);
    raw_read(memory, whole.memory, whole.memory_size);
    for (size_t i = 0; i < COUNT_OF(breaks); i++) {
        const char *said = NULL;
        if (breaks[i].ordinary && REDZONE)
            continue; /* what it breaks is not there */
        breaks[i].damage(&rig.pool);
        assert_int_equal(pool_check(&rig.pool, &said), -1);
        if (strncmp(said, breaks[i].invariant, strlen(breaks[i].invariant)) != 0)
            fail_msg("%s: %s", breaks[i].name, said);
        rig.pool = whole;
        raw_write(whole.memory, memory, whole.memory_size);
        rig_assert_sound(&rig);
    }
    free(memory);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_is_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
