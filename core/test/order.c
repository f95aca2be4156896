/* When a pool coalesces. Chunks that lie side by side were freed in any order: it does, and gives
 * them out in the order of addresses. Sizes come in no order: it soon waits longer for it, but not
 * for good. */
#include "rig.h"

enum { MOST = 4000, SIZE = 112, LONG = 1100, MANY = 400, FEW = 20 };

struct heap {
    struct rig rig;
    void *chunks[MOST];
    size_t sizes[MOST];
};

/* Allocates and frees a chunk that takes the slow path, so that the pool samples its tags. */
static void look(struct heap *heap)
{
    void *chunk = NULL;
    assert_int_equal(pool_alloc(&heap->rig.pool, &chunk, LONG, POOL_USER), 0);
    assert_int_equal(pool_free(&chunk, LONG, &heap->rig.pool), 0);
}

/* Allocates so many chunks of a size, frees some of them in a random order, and has the pool look
 * so often, after everything was coalesced by a trim. */
static void play(struct heap *heap, const struct kind *kind, size_t count, size_t size,
                 size_t freed, int samples)
{
    uint64_t random = 7;
    rig_open(&heap->rig, kind, (size_t)1 << 20);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pool_alloc(&heap->rig.pool, &heap->chunks[i], size, POOL_USER), 0);
    for (size_t i = count; i > 1; i--) {
        size_t j = random_below(&random, i);
        void *chunk = heap->chunks[j];
        heap->chunks[j] = heap->chunks[i - 1];
        heap->chunks[i - 1] = chunk;
    }
    assert_int_equal(pool_trim(&heap->rig.pool, NULL), 0);
    look(heap); /* takes fresh memory before anything is cached, so that no other does */
    for (size_t i = 0; i < freed; i++)
        assert_int_equal(pool_free(&heap->chunks[i], size, &heap->rig.pool), 0);
    for (int i = 0; i < samples; i++)
        look(heap);
    rig_assert_sound(&heap->rig);
}

static size_t cached(const struct heap *heap)
{
    struct pool_stats stats;
    assert_int_equal(pool_stats(&heap->rig.pool, &stats), 0);
    return stats.cached_chunks;
}

/* Plays in every kind of pool, where all that is freed shall be coalesced or stay cached. */
static void expect(size_t count, size_t size, size_t freed, int samples, int coalesced)
{
    if (is_left_out("nothing is cached"))
        return;
    for (size_t k = 0; k < KINDS; k++) {
        static struct heap heap;
        play(&heap, &kinds[k], count, size, freed, samples);
        if (coalesced || kinds[k].flags & POOL_STRICT)
            assert_true(cached(&heap) <= 1); /* the last of those that looked */
        else
            assert_true(cached(&heap) >= freed);
        rig_close(&heap.rig);
    }
}

static void gives_out_in_order(void **state)
{
    (void)state;
    if (is_left_out("nothing is cached"))
        return;
    for (size_t k = 0; k < KINDS; k++) {
        static struct heap heap;
        if (kinds[k].flags & POOL_STRICT)
            continue;
        play(&heap, &kinds[k], MOST, SIZE, MOST, MANY);
        for (size_t i = 0; i < MOST; i++) {
            assert_int_equal(pool_alloc(&heap.rig.pool, &heap.chunks[i], SIZE, POOL_USER), 0);
            if (i > 0)
                assert_ptr_equal(heap.chunks[i], (unsigned char *)heap.chunks[i - 1] + SIZE);
        }
        rig_assert_sound(&heap.rig);
        rig_close(&heap.rig);
    }
}

static void coalesces_what_lies_among_live_chunks(void **state)
{
    (void)state;
    expect(MOST, SIZE, MOST / 5 * 4, MANY, 1);
}

static void leaves_what_lies_alone(void **state)
{
    (void)state;
    expect(MOST, SIZE, MOST / 2, MANY, 0);
}

static void leaves_long_chunks(void **state)
{
    (void)state;
    expect(400, LONG, 400, MANY, 0);
}

static void leaves_what_is_at_hand(void **state)
{
    (void)state;
    expect(20, SIZE, 20, MANY, 0);
}

static void leaves_what_was_coalesced_lately(void **state)
{
    (void)state;
    expect(MOST, SIZE, MOST, FEW, 0);
}

/* The block's last chunks are cached, and a row of them ends where the tags do. */
static void looks_as_far_as_the_block(void **state)
{
    (void)state;
    if (is_left_out("nothing is cached"))
        return;
    for (size_t k = 0; k < KINDS; k++) {
        static struct heap heap;
        struct pool_stats stats;
        void *hold = NULL, *rest = NULL;
        rig_open(&heap.rig, &kinds[k], (size_t)20 * 1024);
        struct m_pool *pool = &heap.rig.pool;
        assert_int_equal(pool_alloc(pool, &hold, LONG, POOL_USER), 0);
        assert_int_equal(pool_stats(pool, &stats), 0);
        assert_int_equal(pool_alloc(pool, &rest, stats.largest_free - 3 * 16, POOL_USER), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(pool_alloc(pool, &heap.chunks[i], 1, POOL_USER), 0);
        assert_int_equal(pool_free(&hold, LONG, pool), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(pool_free(&heap.chunks[i], 1, pool), 0);
        for (int i = 0; i < 3 * MANY; i++)
            look(&heap);
        rig_assert_sound(&heap.rig);
        rig_close(&heap.rig);
    }
}

static void take_any(struct heap *heap, size_t i, uint64_t *random)
{
    heap->sizes[i] = 16 + random_below(random, 497);
    assert_int_equal(pool_alloc(&heap->rig.pool, &heap->chunks[i], heap->sizes[i], POOL_USER), 0);
}

static void give(struct heap *heap, size_t i)
{
    assert_int_equal(pool_free(&heap->chunks[i], heap->sizes[i], &heap->rig.pool), 0);
}

enum { COUNT = 2000, MORE = 1500 };

/* Random ones of COUNT chunks make room for others of any size, 100 times each. Returns how often
 * the pool coalesced. */
static int replace(struct heap *heap, const struct kind *kind)
{
    uint64_t random = 7;
    size_t before = 0;
    int coalesced = 0;
    rig_open(&heap->rig, kind, (size_t)2 << 20);
    for (size_t i = 0; i < COUNT; i++)
        take_any(heap, i, &random);
    for (size_t step = 0; step < (size_t)100 * COUNT; step++) {
        size_t i = random_below(&random, COUNT);
        give(heap, i);
        take_any(heap, i, &random);
        if (step % 64 == 0) {
            size_t now = cached(heap);
            coalesced += now < before / 2;
            before = now;
        }
    }
    return coalesced;
}

/* Frees every third chunk from the first one on, and allocates so many small ones that three
 * quarters of their bytes are used again. */
static void use_again(struct heap *heap, size_t first, size_t count)
{
    size_t freed = 0;
    for (size_t i = first; i < count; i += 3) {
        freed += heap->sizes[i];
        give(heap, i);
    }
    for (size_t bytes = 0; bytes < freed / 4 * 3; bytes += 16) {
        void *chunk = NULL;
        assert_int_equal(pool_alloc(&heap->rig.pool, &chunk, 16, POOL_USER), 0);
    }
}

static size_t high_water(const struct heap *heap)
{
    struct pool_stats stats;
    assert_int_equal(pool_stats(&heap->rig.pool, &stats), 0);
    return stats.high_water;
}

/* What a pool takes of fresh memory at a time, a long chunk's bytes not counted. */
enum { STEP = 16 * 1024 };

/* Each size needs a stock of its own, and the heap grows until it has them: by 43 % here, in
 * which the question whether to coalesce would come up 23 times. */
static void coalesces_seldom_where_sizes_come_in_no_order(void **state)
{
    (void)state;
    if (is_left_out("nothing is cached"))
        return;
    for (size_t k = 0; k < KINDS; k++) {
        static struct heap heap;
        int coalesced = replace(&heap, &kinds[k]);
        if (!(kinds[k].flags & POOL_STRICT))
            assert_in_range(coalesced, 2, 5);
        rig_assert_sound(&heap.rig);
        rig_close(&heap.rig);
    }
}

/* What that program frees at its end serves another size once the heap has grown by an eighth. */
static void waits_for_no_more_than_an_eighth(void **state)
{
    (void)state;
    if (is_left_out("nothing is cached"))
        return;
    for (size_t k = 0; k < KINDS; k++) {
        static struct heap heap;
        (void)replace(&heap, &kinds[k]);
        size_t before = high_water(&heap);
        use_again(&heap, 0, COUNT);
        use_again(&heap, 1, COUNT);
        assert_in_range(high_water(&heap), before, before / 8 * 9 + STEP);
        rig_close(&heap.rig);
    }
}

/* If it uses up first what was cached, it is asked again at each 64th. */
static void waits_no_longer_once_nothing_was_cached(void **state)
{
    (void)state;
    if (is_left_out("nothing is cached"))
        return;
    for (size_t k = 0; k < KINDS; k++) {
        static struct heap heap;
        uint64_t random = 8;
        (void)replace(&heap, &kinds[k]);
        for (size_t i = COUNT; i < COUNT + MORE; i++)
            take_any(&heap, i, &random);
        size_t before = high_water(&heap);
        use_again(&heap, 0, COUNT + MORE);
        use_again(&heap, 1, COUNT + MORE);
        assert_in_range(high_water(&heap), before, before / 64 * 66 + 2 * STEP);
        rig_close(&heap.rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_out_in_order),
        cmocka_unit_test(coalesces_what_lies_among_live_chunks),
        cmocka_unit_test(leaves_what_lies_alone),
        cmocka_unit_test(leaves_long_chunks),
        cmocka_unit_test(leaves_what_is_at_hand),
        cmocka_unit_test(leaves_what_was_coalesced_lately),
        cmocka_unit_test(looks_as_far_as_the_block),
        cmocka_unit_test(coalesces_seldom_where_sizes_come_in_no_order),
        cmocka_unit_test(waits_for_no_more_than_an_eighth),
        cmocka_unit_test(waits_no_longer_once_nothing_was_cached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
