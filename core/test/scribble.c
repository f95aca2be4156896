/* A user who writes where nothing is his: over freed chunks and past the end of live ones. The
 * ordinary build does not promise to notice; of what the checked build does, checked.c knows. Both
 * promise that no write turns into a wild pointer:
 * no crash, no endless loop, no chunk that overlaps another or leaves the block, no write outside
 * of the block; and that a reset makes the pool whole again.
 */
#include "rig.h"

#define MOST 512

#if defined(__SANITIZE_ADDRESS__) || defined(POOL_VALGRIND)
#define WATCHED 1
#elif defined(__has_feature)
#define WATCHED (__has_feature(address_sanitizer) || __has_feature(memory_sanitizer))
#else
#define WATCHED 0
#endif

struct chunk {
    unsigned char *ptr;
    size_t size;
    unsigned char fill;
};

struct victim {
    struct rig rig;
    struct chunk live[MOST], freed[MOST];
    size_t lives, freeds;
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
    return reason == POOL_CORRUPTED || (REDZONE && reason == POOL_OVERRUN);
}

/* A word that could be mistaken for a link: an address in the block, or of something else, or
 * noise. */
static uintptr_t bad_word(struct victim *victim)
{
    uint64_t *random = &victim->random;
    uintptr_t base = (uintptr_t)victim->rig.base;
    size_t capacity = victim->rig.capacity;
    switch (random_below(random, 10)) {
    case 0:
        return base + random_below(random, capacity / 16) * 16;
    case 1:
        return base + random_below(random, capacity);
    case 2:
        return victim->lives ? (uintptr_t)victim->live[random_below(random, victim->lives)].ptr : 0;
    case 3:
        return victim->freeds ? (uintptr_t)victim->freed[random_below(random, victim->freeds)].ptr
                              : 0;
    case 4:
        return base - 16 * (1 + random_below(random, 8));
    case 5:
        return base + capacity + 16 * random_below(random, 8);
    case 6:
        return (uintptr_t)&victim->rig.pool;
    case 7:
        return 0;
    case 8:
        return UINTPTR_MAX - random_below(random, 40);
    default:
        return (uintptr_t)random_next(random);
    }
}

static void scribble(struct victim *victim, unsigned char *at, size_t size)
{
    unsigned char *end = victim->rig.base + victim->rig.block;
    if (at >= end)
        return;
    if (size > (size_t)(end - at))
        size = (size_t)(end - at);
    for (size_t done = 0; done < size;) {
        uintptr_t word = bad_word(victim);
        size_t part = size - done < sizeof word ? size - done : sizeof word;
        raw_write(at + done, &word, part);
        done += part;
    }
}

/* Whether memory that was written to belonged to a live chunk, whose contents are then not looked
 * at. */
static int touches(const struct chunk *chunk, const unsigned char *at, size_t size)
{
    return at < chunk->ptr + usable(chunk->size) && chunk->ptr < at + size;
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

static void take_one(struct victim *victim)
{
    struct chunk chunk = {.size = 1 + random_below(&victim->random, 300),
                          .fill = (unsigned char)random_next(&victim->random)};
    unsigned type = (unsigned)random_below(&victim->random, 7);
    if (random_below(&victim->random, 12) == 0)
        chunk.size *= 20;
    if (victim->lives == MOST)
        return;
    if (pool_alloc(&victim->rig.pool, (void **)&chunk.ptr, chunk.size, (enum pool_type)type) != 0) {
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
    victim->live[i] = victim->live[--victim->lives];
    if (victim->freeds < MOST)
        victim->freed[victim->freeds++] = chunk;
    else
        victim->freed[random_below(&victim->random, MOST)] = chunk;
}

static void grow_one(struct victim *victim)
{
    if (victim->lives == 0)
        return;
    size_t i = random_below(&victim->random, victim->lives);
    struct chunk chunk = victim->live[i];
    size_t size = 1 + random_below(&victim->random, 600);
    void *ptr = chunk.ptr;
    if (pool_realloc(&victim->rig.pool, &ptr, chunk.size, size, POOL_I8) != 0) {
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

/* Something that was freed, if no live chunk has come to lie there since; else NULL. */
static const struct chunk *some_freed(struct victim *victim)
{
    if (victim->freeds == 0)
        return NULL;
    const struct chunk *chunk = &victim->freed[random_below(&victim->random, victim->freeds)];
    for (size_t i = 0; i < victim->lives; i++)
        if (touches(&victim->live[i], chunk->ptr, usable(chunk->size)))
            return NULL;
    return chunk;
}

/* Links as the pool would write them, from one to another that may be in another list. */
static void tie(unsigned char *one, unsigned char *other)
{
    raw_write(one, &other, sizeof other);
    raw_write(other + sizeof one, &one, sizeof one);
}

static void scribble_freed(struct victim *victim)
{
    const struct chunk *chunk = some_freed(victim), *other = some_freed(victim);
    if (chunk && other && random_below(&victim->random, 2))
        tie(chunk->ptr, other->ptr);
    else if (chunk)
        scribble(victim, chunk->ptr,
                 random_below(&victim->random, 3) ? usable(chunk->size) : sizeof(void *));
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

/* After the reset the whole of it can be had: as one chunk of zeroes, and as granules. */
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
    victim->lives = victim->freeds = 0;
}

static struct victim victim;

static void wander(const struct kind *kind, uint64_t seed, int steps, int harm)
{
    memset(&victim, 0, sizeof victim);
    victim.random = seed;
    rig_open(&victim.rig, kind, 32768);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < steps; i++) {
            size_t dice = random_below(&victim.random, 100);
            if (dice < 42)
                take_one(&victim);
            else if (dice < 75)
                free_one(&victim);
            else if (dice < 85)
                grow_one(&victim);
            else if (harm & 1 && dice < 93)
                scribble_freed(&victim);
            else if (harm & 2 && dice < 99)
                scribble_past_end(&victim);
            else if (dice == 99) {
                const char *broken; /* may say what it likes, and must come back */
                struct pool_stats stats;
                pool_check(&victim.rig.pool, &broken);
                pool_stats(&victim.rig.pool, &stats);
                pool_trim(&victim.rig.pool, NULL);
            }
            rig_assert_guards(&victim.rig);
        }
        struct pool_stats stats;
        assert_int_equal(pool_stats(&victim.rig.pool, &stats), 0);
        assert_whole_again(&victim, harm & 2 ? 0 : stats.high_water);
    }
    rig_close(&victim.rig);
}

/* Freed chunks whose first words name each other, or themselves, in every way: lists without an
 * end. */
static void rings(void **state)
{
    (void)state;
    static const size_t sizes[] = {48, 70 * 16};
    for (size_t k = 0; k < KINDS; k++)
        for (size_t s = 0; s < COUNT_OF(sizes); s++)
            for (unsigned ring = 0; ring < 256; ring++) {
                if (kinds[k].source != FROM_BUFFER && kinds[k].source != FROM_SYSTEM)
                    continue; /* lists do not differ by source; what a trim purges does */
                struct rig rig;
                unsigned char *chunks[8];
                size_t size = sizes[s];
                rig_open(&rig, &kinds[k], room_for(8, size));
                for (size_t i = 0; i < COUNT_OF(chunks); i++) {
                    chunks[i] = NULL;
                    assert_int_equal(pool_alloc(&rig.pool, (void **)&chunks[i], size, POOL_I8), 0);
                    memset(chunks[i], 0x99, size);
                }
                struct pool_stats stats;
                assert_int_equal(pool_stats(&rig.pool, &stats), 0);
                unsigned char *rest = NULL; /* of a buffer that gives more */
                if (stats.largest_free > 0)
                    assert_int_equal(
                        pool_alloc(&rig.pool, (void **)&rest, stats.largest_free, POOL_I8), 0);
                for (size_t i = 1; i < 8; i += 2) {
                    void *ptr = chunks[i];
                    assert_int_equal(pool_free(&ptr, size, &rig.pool), 0);
                }
                /* Two bits for each of the first two words of two of them: to whom they point */
                for (unsigned i = 0; i < 4; i++) {
                    const uintptr_t aims[4] = {0, (uintptr_t)chunks[7], (uintptr_t)chunks[5],
                                               (uintptr_t)chunks[3]};
                    raw_write(chunks[7 - 2 * (i / 2)] + i % 2 * sizeof(void *),
                              &aims[ring >> 2 * i & 3], sizeof(void *));
                }
                static const size_t more[] = {16, 0, 144, 0, 0, 0, 80, 0, 0, 16};
                for (size_t i = 0; i < COUNT_OF(more); i++) {
                    unsigned char *ptr = NULL;
                    if (pool_alloc(&rig.pool, (void **)&ptr, size + more[i], POOL_I8) == 0) {
                        assert_true(ptr >= rig.base);
                        assert_true(ptr + size + more[i] <= rig.base + rig.capacity);
                        memset(ptr, 0x66, size + more[i]);
                    }
                    if (i == 5)
                        pool_trim(&rig.pool, NULL);
                }
                for (size_t i = 0; i < 8; i += 2)
                    assert_filled(chunks[i], size, 0x99);
                for (size_t i = 0; i < 8; i += 2)
                    pool_free((void **)&chunks[i], size, &rig.pool);
                assert_int_equal(pool_reset(&rig.pool), 0);
                rig_assert_sound(&rig);
                rig_close(&rig);
            }
}

/* Runs of different lengths that name each other: no list may come to lead into another. */
static void crossed_lists(void **state)
{
    (void)state;
    static const size_t sizes[] = {2, 5, 6, 7, 9, 70, 100};
    enum { FREED = COUNT_OF(sizes), ASKS = 6 };
    for (size_t k = 0; k < KINDS; k++)
        for (size_t from = 0; from < FREED; from++)
            for (size_t to = 0; to < FREED; to++) {
                struct rig rig;
                unsigned char *freed[FREED], *walls[FREED], *got[ASKS] = {NULL}, *rest = NULL;
                rig_open(&rig, &kinds[k], 4096);
                for (size_t i = 0; i < FREED; i++) {
                    freed[i] = walls[i] = NULL;
                    assert_int_equal(
                        pool_alloc(&rig.pool, (void **)&freed[i], sizes[i] * 16, POOL_I8), 0);
                    assert_int_equal(pool_alloc(&rig.pool, (void **)&walls[i], 16, POOL_I8), 0);
                    memset(walls[i], 0x99, 16);
                }
                struct pool_stats stats;
                assert_int_equal(pool_stats(&rig.pool, &stats), 0);
                if (stats.largest_free > 0)
                    pool_alloc(&rig.pool, (void **)&rest, stats.largest_free, POOL_I8);
                for (size_t i = 0; i < FREED; i++) {
                    void *ptr = freed[i];
                    assert_int_equal(pool_free(&ptr, sizes[i] * 16, &rig.pool), 0);
                }
                assert_int_equal(pool_trim(&rig.pool, NULL), 0);
                tie(freed[from], freed[to]);

                const size_t asks[ASKS] = {from, to, from, to, from, to};
                for (size_t i = 0; i < ASKS; i++) {
                    size_t size = sizes[asks[i]] * 16;
                    if (pool_alloc(&rig.pool, (void **)&got[i], size, POOL_I8) != 0)
                        continue;
                    assert_true(got[i] >= rig.base && got[i] + size <= rig.base + rig.capacity);
                    for (size_t j = 0; j < i; j++)
                        assert_false(got[j] && got[j] < got[i] + size &&
                                     got[i] < got[j] + sizes[asks[j]] * 16);
                    memset(got[i], 0x66, size);
                }
                for (size_t i = 0; i < ASKS; i++) {
                    if (got[i])
                        assert_filled(got[i], sizes[asks[i]] * 16, 0x66);
                    pool_free((void **)&got[i], sizes[asks[i]] * 16, &rig.pool);
                }
                for (size_t i = 0; i < FREED; i++)
                    assert_filled(walls[i], 16, 0x99);
                rig_assert_guards(&rig);
                assert_int_equal(pool_reset(&rig.pool), 0);
                rig_assert_sound(&rig);
                rig_close(&rig);
            }
}

/* Past the end of the block, where lengths and tags are: what a pool reads there leads nowhere
 * outside of the block, whatever else it may believe. */
static void past_the_block(void **state)
{
    (void)state;
    if (WATCHED) {
        print_message("# left out: what watches memory objects where chunks overlap\n");
        return;
    }
    static const unsigned char fills[] = {0x00, 0x01, 0x02, 0x3f, 0x40, 0x41, 0x7f,
                                          0x80, 0x81, 0xbf, 0xc0, 0xc1, 0xff, 0x5a};
    uint64_t random = random_seed(2);
    for (size_t k = 0; k < KINDS; k++)
        for (size_t run = 0; run < 20 * COUNT_OF(fills); run++) {
            struct rig rig;
            struct chunk chunks[64] = {{0}};
            unsigned char fill = fills[run % COUNT_OF(fills)];
            rig_open(&rig, &kinds[k], 16384);
            unsigned char *end = rig.base + rig.block;
            size_t most = (size_t)(rig.pool.tags + rig.block / 16 - end);
            for (size_t step = 0; step < 240; step++) {
                struct chunk *chunk = &chunks[random_below(&random, COUNT_OF(chunks))];
                size_t size = 1 + random_below(&random, step % 3 ? 400 : 2500);
                void *ptr = chunk->ptr;
                struct pool_stats stats;
                const char *broken;
                if (step == 120) {
                    size_t bytes = run % 2 ? most : random_below(&random, most);
                    for (size_t i = 0; i < bytes; i++) {
                        unsigned char value = run % 5 ? fill : (unsigned char)random_next(&random);
                        raw_write(end + i, &value, 1);
                    }
                }
                if (step % 40 == 39) {
                    pool_trim(&rig.pool, NULL);
                    pool_check(&rig.pool, &broken);
                    pool_stats(&rig.pool, &stats);
                }
                if (ptr && random_below(&random, 2)) {
                    if (pool_free(&ptr, chunk->size, &rig.pool) == 0)
                        chunk->ptr = NULL;
                } else if (pool_realloc(&rig.pool, &ptr, ptr ? chunk->size : 0, size, POOL_I8) ==
                           0) {
                    assert_true((unsigned char *)ptr >= rig.base &&
                                (unsigned char *)ptr + size <= end);
                    *chunk = (struct chunk){ptr, size, 0};
                }
            }
            rig_assert_guards(&rig);
            assert_int_equal(pool_reset(&rig.pool), 0);
            rig_close(&rig);
        }
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

/* Each word of each freed chunk, made to name each interesting place, one by one: of chunks as they
 * were freed, and of runs that they were coalesced into. */
static void aim(int coalesced)
{
    for (size_t k = 0; k < KINDS; k++)
        for (size_t size = 16; size <= 2048; size = size * 2 + 16)
            for (size_t word = 0; word < 4; word++)
                for (size_t aim = 0; aim < 10; aim++) {
                    struct rig rig;
                    unsigned char *chunks[12];
                    rig_open(&rig, &kinds[k], 12 * 4128);
                    for (size_t i = 0; i < COUNT_OF(chunks); i++) {
                        chunks[i] = NULL;
                        assert_int_equal(pool_alloc(&rig.pool, (void **)&chunks[i], size, POOL_I8),
                                         0);
                        memset(chunks[i], 0x99, size);
                    }
                    static const size_t freed[] = {2, 4, 5, 8, 9, 10};
                    for (size_t i = 0; i < COUNT_OF(freed); i++) {
                        void *ptr = chunks[freed[i]];
                        assert_int_equal(pool_free(&ptr, size, &rig.pool), 0);
                    }
                    if (coalesced)
                        assert_int_equal(pool_trim(&rig.pool, NULL), 0);
                    const uintptr_t aims[10] = {
                        (uintptr_t)chunks[3],
                        (uintptr_t)chunks[3] + 16,
                        (uintptr_t)chunks[4],
                        (uintptr_t)chunks[10],
                        (uintptr_t)rig.base - 16,
                        (uintptr_t)rig.base + rig.capacity,
                        (uintptr_t)chunks[8] + 8,
                        (uintptr_t)&rig.pool,
                        (uintptr_t)rig.base + rig.capacity - 16,
                        16,
                    };
                    for (size_t i = 0; i < COUNT_OF(freed); i++)
                        if (word * 8 + 8 <= size)
                            raw_write(chunks[freed[i]] + word * 8, &aims[aim], 8);

                    static const size_t asks[] = {1, 1, 1, 2, 1, 3, 1, 1, 1, 4, 1, 1, 1, 1, 1, 1};
                    unsigned char *got[COUNT_OF(asks)];
                    size_t gots = 0;
                    for (size_t i = 0; i < COUNT_OF(asks); i++) {
                        unsigned char *ptr = NULL;
                        size_t ask = asks[i] * size;
                        if (pool_alloc(&rig.pool, (void **)&ptr, ask, POOL_I8) != 0)
                            continue;
                        assert_true(ptr >= rig.base && ptr + ask <= rig.base + rig.capacity);
                        assert_aligned(ptr, POOL_I8);
                        memset(ptr, 0x66, ask);
                        got[gots++] = ptr;
                    }
                    /* What lived through it has been handed to nobody */
                    static const size_t live[] = {0, 1, 3, 6, 7, 11};
                    for (size_t i = 0; i < COUNT_OF(live); i++)
                        assert_filled(chunks[live[i]], size, 0x99);
                    for (size_t i = 0; i < gots; i++)
                        for (size_t j = 0; j < i; j++)
                            assert_ptr_not_equal(got[i], got[j]);
                    rig_assert_guards(&rig);
                    assert_int_equal(pool_reset(&rig.pool), 0);
                    void *whole = NULL;
                    assert_int_equal(pool_alloc(&rig.pool, &whole, rig.capacity, POOL_I8), 0);
                    rig_assert_sound(&rig);
                    rig_close(&rig);
                }
}

static void aimed_at_chunks(void **state)
{
    (void)state;
    aim(0);
}

static void aimed_at_runs(void **state)
{
    (void)state;
    aim(1);
}

/* A list of long cached chunks, which is emptied before fresh memory is touched, ends where a link
 * no longer names one of them. */
static void long_lists_end(void **state)
{
    (void)state;
    const size_t large = 6000 * 16, size = POOL_SMALL * 16, rest = 1000 * 16;
    for (int aim = 0; aim < 3; aim++) {
        struct rig rig;
        unsigned char *first = NULL, *chunks[2] = {NULL}, *walls[2] = {NULL}, *more = NULL;
        rig_open(&rig, &kinds[0], 8192 * 16);
        assert_int_equal(pool_alloc(&rig.pool, (void **)&first, large, POOL_I8), 0);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(pool_alloc(&rig.pool, (void **)&chunks[i], size, POOL_I8), 0);
            assert_int_equal(pool_alloc(&rig.pool, (void **)&walls[i], 16, POOL_I8), 0);
            memset(walls[i], 0x99, 16);
        }
        unsigned char *last = chunks[1];
        for (size_t i = 0; i < 2; i++)
            assert_int_equal(pool_free((void **)&chunks[i], size, &rig.pool), 0);
        struct pool_stats stats;
        assert_int_equal(pool_stats(&rig.pool, &stats), 0);
        assert_int_equal(stats.cached_chunks, 2); /* whose list begins with the last one */
        const uintptr_t aims[] = {(uintptr_t)walls[0], (uintptr_t)rig.base + rig.capacity,
                                  (uintptr_t)rig.base - 16};
        raw_write(last, &aims[aim], sizeof aims[aim]);

        assert_int_equal(pool_alloc(&rig.pool, (void **)&more, rest, POOL_I8), 0);
        assert_true(more >= walls[1] + 16 && more + rest <= rig.base + rig.capacity);
        for (size_t i = 0; i < 2; i++) {
            unsigned char *ptr = NULL; /* where the two were */
            assert_int_equal(pool_alloc(&rig.pool, (void **)&ptr, size, POOL_I8), 0);
            assert_true(ptr >= first + large && ptr + size <= rig.base + rig.capacity);
            assert_true(ptr + size <= more || ptr >= more + rest);
            assert_filled(ptr, size, 0);
            memset(ptr, 0x66, size);
        }
        for (size_t i = 0; i < 2; i++)
            assert_filled(walls[i], 16, 0x99);
        assert_int_equal(pool_reset(&rig.pool), 0);
        rig_assert_sound(&rig);
        rig_close(&rig);
    }
}

/* Where nothing is free, a list that begins with what the user wrote is told from an empty one. */
static void full_pool_tells(void **state)
{
    (void)state;
    if (is_left_out("a write to what waits is told by the first alloc"))
        return;
    for (int aim = 0; aim < 3; aim++) {
        struct rig rig;
        unsigned char *chunk = NULL, *other = NULL;
        rig_open(&rig, &kinds[0], 1024);
        assert_int_equal(pool_alloc(&rig.pool, (void **)&other, 1008, POOL_I8), 0);
        assert_int_equal(pool_alloc(&rig.pool, (void **)&chunk, 16, POOL_I8), 0);
        unsigned char *there = chunk;
        assert_int_equal(pool_free((void **)&chunk, 16, &rig.pool), 0);
        const uintptr_t aims[] = {0, (uintptr_t)other, 16};
        raw_write(there, &aims[aim], sizeof aims[aim]);

        assert_int_equal(pool_alloc(&rig.pool, (void **)&chunk, 16, POOL_I8), 0);
        assert_ptr_equal(chunk, there);
        assert_filled(chunk, 16, 0);
        chunk = NULL;
        assert_int_equal(pool_alloc(&rig.pool, (void **)&chunk, 16, POOL_I8), -1);
        assert_null(chunk);
        assert_int_equal(pool_error(&rig.pool), aim == 0 ? POOL_OUT_OF_MEMORY : POOL_CORRUPTED);
        assert_int_equal(rig.told.reason, pool_error(&rig.pool));
        assert_int_equal(pool_reset(&rig.pool), 0);
        rig_assert_sound(&rig);
        rig_close(&rig);
    }
}

/* The last run and the fresh memory after it would be enough, but what the user wrote to cannot be
 * joined to it. */
static void last_run_tells(void **state)
{
    (void)state;
    const size_t part = 100 * 16;
    struct rig rig;
    void *first = NULL, *last = NULL, *more = NULL;
    rig_open(&rig, &kinds[0], 3 * part);
    assert_int_equal(pool_alloc(&rig.pool, &first, part, POOL_I8), 0);
    assert_int_equal(pool_alloc(&rig.pool, &last, part, POOL_I8), 0);
    unsigned char *there = last;
    const uintptr_t aim = (uintptr_t)first;
    assert_int_equal(pool_free(&last, part, &rig.pool), 0);
    assert_int_equal(pool_trim(&rig.pool, NULL), 0);
    raw_write(there, &aim, sizeof aim);

    assert_int_equal(pool_alloc(&rig.pool, &more, part + part / 2, POOL_I8), -1);
    assert_null(more);
    assert_int_equal(pool_error(&rig.pool), POOL_CORRUPTED);
    assert_int_equal(pool_reset(&rig.pool), 0);
    assert_int_equal(pool_alloc(&rig.pool, &more, rig.capacity, POOL_I8), 0);
    rig_assert_sound(&rig);
    rig_close(&rig);
}

int main(void)
{
    static const char *const harms[] = {"over freed chunks", "past the end", "both"};
    static struct outing outings[COUNT_OF(harms) * KINDS];
    static struct CMUnitTest tests[COUNT_OF(outings) + 8] = {
        cmocka_unit_test(aimed_at_chunks), cmocka_unit_test(aimed_at_runs),
        cmocka_unit_test(rings),           cmocka_unit_test(long_lists_end),
        cmocka_unit_test(full_pool_tells), cmocka_unit_test(last_run_tells),
        cmocka_unit_test(crossed_lists),   cmocka_unit_test(past_the_block)};
    for (size_t i = 0; i < COUNT_OF(outings); i++) {
        struct outing *outing = &outings[i];
        outing->kind = &kinds[i % KINDS];
        outing->harm = 1 + (int)(i / KINDS);
        snprintf(outing->name, sizeof outing->name, "%s (%s)", harms[i / KINDS],
                 outing->kind->name);
        tests[i + COUNT_OF(tests) - COUNT_OF(outings)] = (struct CMUnitTest){
            .name = outing->name, .test_func = go_wandering, .initial_state = outing};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
