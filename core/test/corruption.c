/* pool_check names each invariant that is broken: here a test writes to the struct and to the
 * bookkeeping before the block, which no user may. */
#include "rig.h"

/* The pool that is damaged has, if it is roomy: a page full of chunks of SMALL, of which three are
 * free; a second, with chunks left that were never given out; chunks of LONG and of MIDDLE, each
 * second one free, and one of MIDDLE kept. */
enum {
    PAGE = POOL_PAGE_GRANULES,
    SMALL = 7,
    SMALLS = PAGE / SMALL + 4,
    LONG = 200,
    MIDDLE = 70,
    LONGEST = 1500,
    EACH = 8
};
enum { UNIT = 16, CHUNK = 0xf0, LAST = 0xf2 };

struct broken {
    const char *name;
    void (*damage)(struct m_pool *pool);
    const char *invariant;
};

/* --- The struct ------------------------------------------------------------------------------- */

static void high_water_beyond_clean(struct m_pool *pool)
{
    pool->high_water = pool->clean + 1;
}

static void frontier_beyond_block(struct m_pool *pool)
{
    pool->frontier = pool->granules + 1;
}

static void frontier_inside_unit(struct m_pool *pool)
{
    pool->frontier = 3;
}

static void frontier_beyond_clean(struct m_pool *pool)
{
    pool->clean = pool->frontier - 1;
}

static void fast_beyond_clean(struct m_pool *pool)
{
    pool->fast_limit = pool->granules;
}

static void lowest_too_high(struct m_pool *pool)
{
    pool->lowest[0] = (uint32_t)pool->granules;
}

static void map_of_empty_bin(struct m_pool *pool)
{
    pool->bin_map[1] = ~UINT64_C(0);
}

static void map_without_bin(struct m_pool *pool)
{
    pool->bin_map[0] = 0;
}

static void pages_miscounted(struct m_pool *pool)
{
    pool->page_count++;
}

static void page_lost(struct m_pool *pool)
{
    pool->listed[pool->classes[SMALL].listed - 1] = 0;
}

static void page_never_looked_at(struct m_pool *pool)
{
    pool->classes[SMALL].next = 0;
}

static void live_chunk_stacked(struct m_pool *pool)
{
    pool->classes[SMALL].ready[0] = 0;
}

static void stacked_twice(struct m_pool *pool)
{
    pool->classes[SMALL].ready[1] = pool->classes[SMALL].ready[0];
}

static void stacked_by_another_class(struct m_pool *pool)
{
    pool->classes[SMALL + 1].ready[0] = pool->classes[SMALL].ready[0];
    pool->classes[SMALL + 1].count = 1;
}

static void stack_overfull(struct m_pool *pool)
{
    pool->classes[SMALL].room = pool->classes[SMALL].count - 1;
}

static void grown_beyond_its_class(struct m_pool *pool)
{
    pool->tags[0] = POOL_TAG_GROWN;
    pool->tags[1] = SMALL;
}

static void grown_to_nothing(struct m_pool *pool)
{
    pool->tags[0] = POOL_TAG_GROWN;
}

/* --- The map ---------------------------------------------------------------------------------- */

static void used_by_nobody(struct m_pool *pool)
{
    size_t g = 0;
    while (pool->used[g / 64] >> g % 64 & 1)
        g++;
    pool->used[g / 64] |= UINT64_C(1) << g % 64;
    pool->begin[g / 64] &= ~(UINT64_C(1) << g % 64);
    pool->used[0] &= ~UINT64_C(2); /* what follows has no start any more */
}

static void start_in_free_run(struct m_pool *pool)
{
    size_t g = 0;
    while (pool->used[g / 64] >> g % 64 & 1)
        g++;
    pool->begin[g / 64] |= UINT64_C(1) << g % 64;
}

/* --- Units ------------------------------------------------------------------------------------ */

/* As mem_pool.c has it. */
struct extent {
    uint8_t kind, spare;
    uint32_t units, next, prev;
};

/* The first free extent of the bin that b is the first not empty one of. */
static struct extent *filed(struct m_pool *pool)
{
    unsigned b = 0;
    while (!pool->bins[b])
        b++;
    return (struct extent *)(void *)pool->tags + (pool->bins[b] - 1);
}

static struct extent *extent_of_chunk(struct m_pool *pool)
{
    struct extent *extent = (struct extent *)(void *)pool->tags + 2 * PAGE / UNIT;
    while (extent->kind != CHUNK)
        extent += extent->units;
    return extent;
}

static void extent_of_no_kind(struct m_pool *pool)
{
    extent_of_chunk(pool)->kind = 0;
}

static void extent_of_no_units(struct m_pool *pool)
{
    extent_of_chunk(pool)->units = 0;
}

static void extent_beyond_frontier(struct m_pool *pool)
{
    extent_of_chunk(pool)->units = (uint32_t)(pool->frontier / UNIT);
}

static void chunk_with_a_unit_to_spare(struct m_pool *pool)
{
    extent_of_chunk(pool)->spare = UNIT;
}

static void chunk_inside_chunk(struct m_pool *pool)
{
    extent_of_chunk(pool)[1].kind = CHUNK;
}

static void free_extent_without_last(struct m_pool *pool)
{
    struct extent *own = filed(pool);
    own[own->units - 1].kind = 0;
}

static void last_of_another_length(struct m_pool *pool)
{
    struct extent *own = filed(pool);
    own[own->units - 1].units++;
}

static void two_free_in_a_row(struct m_pool *pool)
{
    struct extent *own = filed(pool);
    struct extent *chunk = own + own->units;
    chunk->kind = own->kind;
    chunk[chunk->units - 1].kind = LAST;
    chunk[chunk->units - 1].units = chunk->units;
}

static void free_at_the_frontier(struct m_pool *pool)
{
    struct extent *own = filed(pool);
    pool->frontier = (size_t)(own - (struct extent *)(void *)pool->tags + own->units) * UNIT;
}

static void filed_in_another_bin(struct m_pool *pool)
{
    unsigned b = 0;
    while (!pool->bins[b])
        b++;
    pool->bins[1] = pool->bins[b];
    pool->bins[b] = 0;
    pool->bin_map[0] ^= UINT64_C(1) << b | UINT64_C(2);
}

static void without_previous(struct m_pool *pool)
{
    ((struct extent *)(void *)pool->tags + (filed(pool)->next - 1))->prev = 0;
}

static void filed_in_a_ring(struct m_pool *pool)
{
    struct extent *own = filed(pool);
    own->next = own->prev = (uint32_t)(own - (struct extent *)(void *)pool->tags) + 1;
}

static void bins_lost(struct m_pool *pool)
{
    memset(pool->bins, 0, 112 * sizeof *pool->bins);
    pool->bin_map[0] = pool->bin_map[1] = 0;
}

static void kept_lost(struct m_pool *pool)
{
    memset(pool->kept, 0, 32 * sizeof *pool->kept);
}

static void kept_miscounted(struct m_pool *pool)
{
    pool->kept_count = 0;
}

static void kept_by_another_length(struct m_pool *pool)
{
    unsigned b = 0;
    while (!pool->kept[b])
        b++;
    pool->kept[1] = pool->kept[b];
    pool->kept[b] = 0;
}

/* --- Pages ------------------------------------------------------------------------------------ */

static void page_of_another_class(struct m_pool *pool)
{
    pool->pages[0].n++;
}

static void page_of_no_class(struct m_pool *pool)
{
    pool->pages[0].n = POOL_CLASSES;
}

static void page_beyond_frontier(struct m_pool *pool)
{
    pool->frontier = PAGE + UNIT;
}

static void listed_without_page(struct m_pool *pool)
{
    pool->listed[2] = SMALL;
}

static void tag_inside_chunk(struct m_pool *pool)
{
    pool->tags[1] = POOL_TAG_LIVE;
}

static void tag_erased(struct m_pool *pool)
{
    pool->tags[SMALL] = 0;
}

static void tag_after_last_chunk(struct m_pool *pool)
{
    pool->tags[PAGE - 1] = POOL_TAG_FREE;
}

static void page_in_another_list(struct m_pool *pool)
{
    pool->classes[SMALL + 1].listed = pool->classes[SMALL].listed;
    pool->classes[SMALL].listed = 0;
}

static void page_not_in_its_ring(struct m_pool *pool)
{
    pool->classes[SMALL].listed = 0;
}

static void ring_that_does_not_close(struct m_pool *pool)
{
    pool->pages[pool->classes[SMALL].listed - 1].prev++;
}

static const struct broken breaks_any[] = {
    {"the high-water mark beyond what is clean", high_water_beyond_clean, "I8"},
    {"the frontier beyond the block", frontier_beyond_block, "I8"},
    {"the frontier inside of a unit or chunk", frontier_inside_unit, "I8"},
    {"the frontier beyond what is clean", frontier_beyond_clean, "I8"},
    {"the fast path beyond what is clean", fast_beyond_clean, "I8"},
};

static const struct broken breaks_tight[] = {
    {"granules used by nobody", used_by_nobody, "I1"},
    {"a start in a free run", start_in_free_run, "I1"},
    {"a free run before the lowest", lowest_too_high, "I7"},
};

static const struct broken breaks_roomy[] = {
    {"the map of an empty bin", map_of_empty_bin, "I7"},
    {"a bin that the map does not know", map_without_bin, "I7"},
    {"pages miscounted", pages_miscounted, "I2"},
    {"a page with free chunks lost", page_lost, "I4"},
    {"a current page not looked at", page_never_looked_at, "I4"},
    {"a live chunk in a stack", live_chunk_stacked, "I4"},
    {"a chunk in a stack twice", stacked_twice, "I4"},
    {"a chunk in another class's stack", stacked_by_another_class, "I4"},
    {"more in a stack than its room", stack_overfull, "I4"},
    {"a chunk with room to grow, beyond its class", grown_beyond_its_class, "I3"},
    {"a chunk with room to grow, of no length", grown_to_nothing, "I3"},
    {"an extent of no kind", extent_of_no_kind, "I1"},
    {"an extent of no units", extent_of_no_units, "I1"},
    {"an extent beyond the frontier", extent_beyond_frontier, "I1"},
    {"a chunk with a unit to spare", chunk_with_a_unit_to_spare, "I1"},
    {"a chunk inside of a chunk", chunk_inside_chunk, "I5"},
    {"a free extent without its last unit", free_extent_without_last, "I5"},
    {"a free extent with two lengths", last_of_another_length, "I5"},
    {"two free extents in a row", two_free_in_a_row, "I6"},
    {"a free extent at the frontier", free_at_the_frontier, "I6"},
    {"a free extent in another bin", filed_in_another_bin, "I7"},
    {"a free extent without the one before it", without_previous, "I7"},
    {"free extents in a ring", filed_in_a_ring, "I7"},
    {"free extents lost", bins_lost, "I7"},
    {"kept extents lost", kept_lost, "I7"},
    {"kept extents miscounted", kept_miscounted, "I7"},
    {"an extent kept by another length", kept_by_another_length, "I7"},
    {"a page of another class", page_of_another_class, "I2"},
    {"a page of no class", page_of_no_class, "I2"},
    {"a page beyond the frontier", page_beyond_frontier, "I2"},
    {"something listed that is no page", listed_without_page, "I2"},
    {"a tag inside of a chunk", tag_inside_chunk, "I3"},
    {"a chunk without a tag", tag_erased, "I3"},
    {"a tag after the last chunk", tag_after_last_chunk, "I3"},
    {"a page in another class's ring", page_in_another_list, "I4"},
    {"a listed page in no ring", page_not_in_its_ring, "I7"},
    {"a ring that does not close", ring_that_does_not_close, "I4"},
};

/* Takes chunks of n granules. */
static void take(struct rig *rig, void **chunks, size_t count, size_t n)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pool_alloc(&rig->pool, &chunks[i], usable_bytes(n), POOL_I8), 0);
}

static void fill(struct rig *rig, unsigned flags)
{
    static void *smalls[SMALLS], *longs[EACH], *middles[EACH], *longest;
    const struct kind kind = {"from a map", FROM_MAP, flags};
    rig_open(rig, &kind, (size_t)256 * 1024);
    take(rig, smalls, SMALLS, SMALL);
    take(rig, longs, EACH, LONG);
    take(rig, middles, EACH, MIDDLE);
    for (size_t i = 1; i < 6; i += 2)
        assert_int_equal(pool_free(&smalls[i], usable_bytes(SMALL), &rig->pool), 0);
    for (size_t i = 1; i < EACH; i += 2) {
        assert_int_equal(pool_free(&longs[i], usable_bytes(LONG), &rig->pool), 0);
        assert_int_equal(pool_free(&middles[i], usable_bytes(MIDDLE), &rig->pool), 0);
    }
    take(rig, &longest, 1, LONGEST); /* for which what was kept is made free */
    assert_int_equal(pool_free(&middles[0], usable_bytes(MIDDLE), &rig->pool), 0);
    rig_assert_sound(rig);
}

static void assert_named(unsigned flags, const struct broken *breaks, size_t count)
{
    struct rig rig;
    fill(&rig, flags);
    const struct m_pool whole = rig.pool;
    unsigned char *memory = malloc(whole.memory_size);
    assert_non_null(memory);
    raw_read(memory, whole.memory, whole.memory_size);
    for (size_t i = 0; i < count; i++) {
        const char *said = NULL;
        breaks[i].damage(&rig.pool);
        if (pool_check(&rig.pool, &said) == 0)
            fail_msg("%s: unnoticed", breaks[i].name);
        if (strncmp(said, breaks[i].invariant, strlen(breaks[i].invariant)) != 0)
            fail_msg("%s: %s", breaks[i].name, said);
        rig.pool = whole;
        raw_write(whole.memory, memory, whole.memory_size);
        rig_assert_sound(&rig);
    }
    free(memory);
    rig_close(&rig);
}

static void each_is_named(void **state)
{
    (void)state;
    assert_named(0, breaks_any, COUNT_OF(breaks_any));
    assert_named(POOL_STRICT, breaks_any, COUNT_OF(breaks_any));
    assert_named(POOL_STRICT, breaks_tight, COUNT_OF(breaks_tight));
    if (!REDZONE) /* the checked build has neither pages nor units */
        assert_named(0, breaks_roomy, COUNT_OF(breaks_roomy));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_is_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
