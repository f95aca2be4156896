/* A user who writes where nothing is his: over free memory, and past the end of live chunks and of
 * the block. All that the pool knows is elsewhere. So the ordinary build goes on as a twin that
 * nobody writes to: the same answers, the same places, the same extents; only what it gives out may
 * hold what was written. The checked build may refuse, as checked.c knows, and neither build gives
 * out a chunk that overlaps another or leaves the block, nor writes outside of it; and a reset
 * makes the pool whole again.
 */
#include "rig.h"

enum { MOST = 512, CAPACITY = 65536, MOST_GRANULES = 2 * CAPACITY / POOL_GRANULE };

enum harm { FREE_MEMORY = 1, PAST_THE_END = 2 };

struct chunk {
    unsigned char *ptr;
    size_t size;
    unsigned char fill;
};

struct victim {
    struct rig rig, twin; /* the twin only in the ordinary build */
    struct chunk live[MOST];
    size_t lives;
    uint64_t random;
};

/* Bytes that a chunk covers. */
static size_t usable(size_t size)
{
    return chunk_granules(size) * POOL_GRANULE;
}

/* Whether the pool may answer that it has seen the damage. */
static int is_due(enum pool_reason reason)
{
    return REDZONE && (reason == POOL_CORRUPTED || reason == POOL_OVERRUN);
}

/* --- Harm ------------------------------------------------------------------------------------- */

/* A word that could be mistaken for a link, an index, tags or bits. */
static uint64_t bad_word(struct victim *victim)
{
    uint64_t *random = &victim->random;
    uintptr_t base = (uintptr_t)victim->rig.base;
    switch (random_below(random, 8)) {
    case 0:
        return base + random_below(random, CAPACITY);
    case 1:
        return base + random_below(random, CAPACITY / 16 + 16) * 16 - 128;
    case 2:
        return victim->lives ? (uintptr_t)victim->live[random_below(random, victim->lives)].ptr : 0;
    case 3:
        return (uintptr_t)&victim->rig.pool;
    case 4:
        return random_below(random, CAPACITY / 16);
    case 5:
        return UINT64_C(0x0101010101010101) * (random_next(random) & 0xff);
    case 6:
        return UINT64_MAX - random_below(random, 40);
    default:
        return random_next(random);
    }
}

/* Writes to as much of [at, at + size) as is the pool's memory. */
static void scribble(struct victim *victim, unsigned char *at, size_t size)
{
    const struct rig *rig = &victim->rig;
    unsigned char *end = rig->own ? rig->own + rig->own_size : rig->base + rig->block;
    if (at >= end)
        return;
    if (size > (size_t)(end - at))
        size = (size_t)(end - at);
    for (size_t done = 0; done < size;) {
        uint64_t word = bad_word(victim);
        size_t part = size - done < sizeof word ? size - done : sizeof word;
        raw_write(at + done, &word, part);
        done += part;
    }
}

/* Whether any of that memory belongs to a chunk. */
static int touches(const struct chunk *chunk, const unsigned char *at, size_t size)
{
    return at < chunk->ptr + usable(chunk->size) && chunk->ptr < at + size;
}

static int scribble_extent(void *context, const struct pool_extent *extent)
{
    struct victim *victim = context;
    if (extent->kind != POOL_LIVE && random_below(&victim->random, 4))
        scribble(victim, extent->start, random_below(&victim->random, 3) ? extent->size : 16);
    return 0;
}

/* Some bytes past the end of a live chunk, unless they are another live one's. */
static void scribble_past_end(struct victim *victim)
{
    if (victim->lives == 0)
        return;
    const struct chunk *chunk = &victim->live[random_below(&victim->random, victim->lives)];
    unsigned char *at = chunk->ptr + chunk->size;
    size_t size = 1 + random_below(&victim->random, 48);
    for (size_t i = 0; i < victim->lives; i++)
        if (&victim->live[i] != chunk && touches(&victim->live[i], at, size))
            return;
    scribble(victim, at, size);
}

/* --- Calls, and what becomes of them ---------------------------------------------------------- */

/* Where the twin has the chunk that is here. */
static void *twin_of(const struct victim *victim, const unsigned char *ptr)
{
    return victim->twin.base + (ptr - victim->rig.base);
}

static void assert_no_harm(const struct victim *victim, const unsigned char *ptr, size_t size,
                           unsigned type)
{
    const struct rig *rig = &victim->rig;
    assert_true(ptr >= rig->base);
    assert_true(ptr + usable(size) <= rig->base + rig->block);
    assert_aligned(ptr, type);
    for (size_t i = 0; i < victim->lives; i++)
        if (touches(&victim->live[i], ptr, usable(size)))
            fail_msg("a chunk of %zu bytes was handed out over a live one", size);
}

/* The twin's call has answered the same, and its chunk is at the same place of its block. */
static void assert_same(const struct victim *victim, int result, int twins, const void *ptr,
                        const void *twins_ptr)
{
    assert_int_equal(result, twins);
    if (result == 0)
        assert_ptr_equal(twin_of(victim, ptr), twins_ptr);
    else
        assert_int_equal(pool_error(&victim->rig.pool), pool_error(&victim->twin.pool));
}

static void take_one(struct victim *victim)
{
    struct chunk chunk = {.size = 1 + random_below(&victim->random, 300),
                          .fill = (unsigned char)random_next(&victim->random)};
    unsigned type = (unsigned)random_below(&victim->random, 7);
    if (random_below(&victim->random, 12) == 0)
        chunk.size *= 20;
    if (victim->lives == MOST)
        return;
    int result =
        pool_alloc(&victim->rig.pool, (void **)&chunk.ptr, chunk.size, (enum pool_type)type);
    if (!REDZONE) {
        unsigned char *twins = NULL;
        int same =
            pool_alloc(&victim->twin.pool, (void **)&twins, chunk.size, (enum pool_type)type);
        assert_same(victim, result, same, chunk.ptr, twins);
        if (same == 0 && !(victim->twin.config.flags & POOL_KEEP_CONTENTS))
            assert_filled(twins, chunk.size, 0);
    }
    if (result != 0) {
        enum pool_reason reason = pool_error(&victim->rig.pool);
        assert_true(reason == POOL_OUT_OF_MEMORY || is_due(reason));
        assert_null(chunk.ptr);
        return;
    }
    assert_no_harm(victim, chunk.ptr, chunk.size, type);
    memset(chunk.ptr, chunk.fill, chunk.size);
    victim->live[victim->lives++] = chunk;
}

static void free_one(struct victim *victim)
{
    if (victim->lives == 0)
        return;
    size_t i = random_below(&victim->random, victim->lives);
    struct chunk chunk = victim->live[i];
    assert_filled(chunk.ptr, chunk.size, chunk.fill); /* nobody has written into it */
    void *ptr = chunk.ptr;
    if (pool_free(&ptr, chunk.size, &victim->rig.pool) != 0) {
        assert_true(is_due(pool_error(&victim->rig.pool)));
        assert_ptr_equal(ptr, chunk.ptr);
        return;
    }
    if (!REDZONE) {
        ptr = twin_of(victim, chunk.ptr);
        assert_int_equal(pool_free(&ptr, chunk.size, &victim->twin.pool), 0);
    }
    victim->live[i] = victim->live[--victim->lives];
}

static void grow_one(struct victim *victim)
{
    if (victim->lives == 0)
        return;
    size_t i = random_below(&victim->random, victim->lives);
    struct chunk chunk = victim->live[i];
    size_t size = 1 + random_below(&victim->random, 600);
    void *ptr = chunk.ptr;
    int result = pool_realloc(&victim->rig.pool, &ptr, chunk.size, size, POOL_I8);
    if (!REDZONE) {
        void *twins = twin_of(victim, chunk.ptr);
        int same = pool_realloc(&victim->twin.pool, &twins, chunk.size, size, POOL_I8);
        assert_same(victim, result, same, ptr, twins);
    }
    if (result != 0) {
        enum pool_reason reason = pool_error(&victim->rig.pool);
        assert_true(reason == POOL_OUT_OF_MEMORY || is_due(reason));
        assert_ptr_equal(ptr, chunk.ptr);
        return;
    }
    victim->live[i] = victim->live[--victim->lives];
    assert_no_harm(victim, ptr, size, POOL_I8);
    assert_filled(ptr, size < chunk.size ? size : chunk.size, chunk.fill);
    memset(ptr, chunk.fill, size);
    victim->live[victim->lives++] = (struct chunk){ptr, size, chunk.fill};
}

/* What a walk saw: the kind of each granule, and where extents start. */
struct map {
    const unsigned char *base;
    unsigned char granules[MOST_GRANULES];
};

static int draw(void *context, const struct pool_extent *extent)
{
    struct map *map = context;
    size_t g = (size_t)((unsigned char *)extent->start - map->base) / POOL_GRANULE;
    memset(map->granules + g, extent->kind, extent->size / POOL_GRANULE);
    map->granules[g] |= 0x80;
    return 0;
}

/* The questions end, whatever was written, and in the ordinary build find the twin's extents. */
static void ask(struct victim *victim)
{
    const char *broken;
    struct pool_stats stats;
    pool_check(&victim->rig.pool, &broken);
    assert_int_equal(pool_stats(&victim->rig.pool, &stats), 0);
    if (!REDZONE) {
        struct map one = {.base = victim->rig.base}, other = {.base = victim->twin.base};
        rig_assert_sound(&victim->rig);
        assert_int_equal(pool_walk(&victim->rig.pool, draw, &one), 0);
        assert_int_equal(pool_walk(&victim->twin.pool, draw, &other), 0);
        assert_memory_equal(one.granules, other.granules, sizeof one.granules);
    }
}

/* After the reset the whole of it can be had: as one chunk, and as granules, which are zero. */
static void assert_whole_again(struct victim *victim, size_t zeroed)
{
    struct rig *rig = &victim->rig;
    assert_int_equal(pool_reset(&rig->pool), 0);
    rig_assert_sound(rig);
    struct pool_stats stats;
    assert_int_equal(pool_stats(&rig->pool, &stats), 0);
    assert_int_equal(stats.largest_free, rig->capacity);
    unsigned char *whole = NULL;
    assert_int_equal(pool_alloc(&rig->pool, (void **)&whole, rig->capacity, POOL_I8), 0);
    if (!(rig->config.flags & POOL_KEEP_CONTENTS))
        assert_filled(whole, zeroed, 0);
    memset(whole, 0xcc, rig->capacity);
    assert_int_equal(pool_free((void **)&whole, rig->capacity, &rig->pool), 0);
    for (size_t i = 0; i < rig->block / usable(16); i++) {
        void *ptr = NULL;
        assert_int_equal(pool_alloc(&rig->pool, &ptr, 16, POOL_I8), 0);
        if (!(rig->config.flags & POOL_KEEP_CONTENTS))
            assert_filled(ptr, 16, 0);
        memset(ptr, 0xcc, 16);
    }
    rig_assert_sound(rig);
    assert_int_equal(pool_reset(&rig->pool), 0);
    if (!REDZONE)
        assert_int_equal(pool_reset(&victim->twin.pool), 0);
    victim->lives = 0;
}

static struct victim victim;

static void wander(const struct kind *kind, uint64_t seed, int steps, int harm)
{
    memset(&victim, 0, sizeof victim);
    victim.random = seed;
    rig_open(&victim.rig, kind, CAPACITY);
    if (!REDZONE)
        rig_open(&victim.twin, kind, CAPACITY);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < steps; i++) {
            size_t dice = random_below(&victim.random, 100);
            if (dice < 42)
                take_one(&victim);
            else if (dice < 75)
                free_one(&victim);
            else if (dice < 85)
                grow_one(&victim);
            else if (harm & FREE_MEMORY && dice < 88)
                assert_int_equal(pool_walk(&victim.rig.pool, scribble_extent, &victim), 0);
            else if (harm & PAST_THE_END && dice < 97)
                scribble_past_end(&victim);
            else if (dice < 99)
                ask(&victim);
            else {
                assert_int_equal(pool_trim(&victim.rig.pool, NULL), 0);
                assert_int_equal(REDZONE ? 0 : pool_trim(&victim.twin.pool, NULL), 0);
            }
            rig_assert_guards(&victim.rig);
        }
        ask(&victim);
        struct pool_stats stats;
        assert_int_equal(pool_stats(&victim.rig.pool, &stats), 0);
        /* The ordinary build wipes what was live, the checked one all but canaries' places. */
        assert_whole_again(&victim, REDZONE && harm == FREE_MEMORY ? stats.high_water : 0);
    }
    rig_close(&victim.rig);
    if (!REDZONE)
        rig_close(&victim.twin);
}

/* What is scribbled on, in which kind of pool. */
struct outing {
    const struct kind *kind;
    int harm;
    char name[80];
};

static void go_wandering(void **state)
{
    const struct outing *outing = *state;
    uint64_t seed = random_seed(1);
    for (uint64_t i = 0; i < 12; i++)
        wander(outing->kind, seed + 1000 * i, 400, outing->harm);
}

/* Past the last chunk and the block there is nothing that the pool would read. */
static void past_the_block(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++)
        for (size_t capacity = 1024; capacity <= CAPACITY; capacity *= 2)
            for (size_t shift = 0; shift < 128; shift += POOL_GRANULE) {
                struct rig rig;
                void *first = NULL, *last = NULL;
                if (kinds[k].source != FROM_BUFFER && kinds[k].source != FROM_MAP)
                    continue;
                rig_open_shifted(&rig, &kinds[k], capacity, shift);
                const size_t rest = usable_bytes(rig.block / POOL_GRANULE - chunk_granules(16));
                assert_int_equal(pool_alloc(&rig.pool, &first, 16, POOL_I8), 0);
                assert_int_equal(pool_alloc(&rig.pool, &last, rest, POOL_I8), 0);
                for (unsigned char *at = rig.base + rig.block; at < rig.own + rig.own_size; at++)
                    raw_write(at, "\xff", 1);
                rig_assert_sound(&rig);
                assert_int_equal(pool_free(&first, 16, &rig.pool), 0);
                assert_int_equal(pool_free(&last, rest, &rig.pool), 0);
                rig_assert_sound(&rig);
                rig_close(&rig);
            }
}

int main(void)
{
    static const char *const harms[] = {"over free memory", "past the end", "both"};
    static struct outing outings[COUNT_OF(harms) * KINDS];
    static struct CMUnitTest tests[COUNT_OF(outings) + 1] = {cmocka_unit_test(past_the_block)};
    for (size_t i = 0; i < COUNT_OF(outings); i++) {
        struct outing *outing = &outings[i];
        outing->kind = &kinds[i % KINDS];
        outing->harm = 1 + (int)(i / KINDS);
        snprintf(outing->name, sizeof outing->name, "%s (%s)", harms[i / KINDS],
                 outing->kind->name);
        tests[i + 1] = (struct CMUnitTest){
            .name = outing->name, .test_func = go_wandering, .initial_state = outing};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
