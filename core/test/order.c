/* What a pool does where chunks that lie side by side were freed in any order: it merges them, and
 * gives them out in the order of addresses. */
#include "rig.h"

enum { MOST = 4000, SIZE = 112, LONG = 1100, MANY = 400, FEW = 20 };

struct heap {
    struct rig rig;
    void *chunks[MOST];
};

/* Allocates and frees a chunk that comes the long way, so that the pool looks at its tags. */
static void look(struct heap *heap)
{
    void *chunk = NULL;
    assert_int_equal(pool_alloc(&heap->rig.pool, &chunk, LONG, POOL_USER), 0);
    assert_int_equal(pool_free(&chunk, LONG, &heap->rig.pool), 0);
}

/* Allocates so many chunks of a size, frees some of them in a random order, and has the pool look
 * so often, after everything was merged by a trim. */
static void play(struct heap *heap, const struct kind *kind, size_t count, size_t size,
                 size_t freed, int looks)
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
    for (int i = 0; i < looks; i++)
        look(heap);
    rig_assert_sound(&heap->rig);
}

static size_t cached(const struct heap *heap)
{
    struct pool_stats stats;
    assert_int_equal(pool_stats(&heap->rig.pool, &stats), 0);
    return stats.cached_chunks;
}

/* Plays in every kind of pool, where all that is freed shall be merged or stay cached. */
static void expect(size_t count, size_t size, size_t freed, int looks, int merged)
{
    if (is_left_out("nothing is cached"))
        return;
    for (size_t k = 0; k < KINDS; k++) {
        static struct heap heap;
        play(&heap, &kinds[k], count, size, freed, looks);
        if (merged || kinds[k].flags & POOL_STRICT)
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

static void merges_what_lies_among_live_chunks(void **state)
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

static void leaves_what_was_merged_lately(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_out_in_order),
        cmocka_unit_test(merges_what_lies_among_live_chunks),
        cmocka_unit_test(leaves_what_lies_alone),
        cmocka_unit_test(leaves_long_chunks),
        cmocka_unit_test(leaves_what_is_at_hand),
        cmocka_unit_test(leaves_what_was_merged_lately),
        cmocka_unit_test(looks_as_far_as_the_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
