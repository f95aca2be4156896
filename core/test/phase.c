/* What a pool does when a phase of its program ends: what was freed in any order is given out again
 * in the order of addresses. */
#include "rig.h"

enum { CHUNKS = 4000, SIZE = 112, HELD = 40, LONG = 1100, LOOKS = 400 };

struct phase {
    struct rig rig;
    void *chunks[CHUNKS], *held[HELD];
};

/* Fills what is touched with small chunks, and lets the pool see that by a few long ones. */
static void begin(struct phase *phase, const struct kind *kind)
{
    rig_open(&phase->rig, kind, (size_t)1 << 20);
    for (size_t i = 0; i < CHUNKS; i++)
        assert_int_equal(pool_alloc(&phase->rig.pool, &phase->chunks[i], SIZE, POOL_USER), 0);
    for (size_t i = 0; i < HELD; i++)
        assert_int_equal(pool_alloc(&phase->rig.pool, &phase->held[i], LONG, POOL_USER), 0);
}

/* Frees so many of the small chunks in a random order. */
static void drop(struct phase *phase, size_t count)
{
    uint64_t random = 7;
    for (size_t i = CHUNKS; i > 1; i--) {
        size_t j = random_below(&random, i);
        void *chunk = phase->chunks[j];
        phase->chunks[j] = phase->chunks[i - 1];
        phase->chunks[i - 1] = chunk;
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pool_free(&phase->chunks[i], SIZE, &phase->rig.pool), 0);
}

/* A phase that frees so many, after which what is allocated and freed comes the long way and so
 * lets the pool look at its tags. */
static void play(struct phase *phase, const struct kind *kind, size_t count)
{
    begin(phase, kind);
    drop(phase, count);
    for (int i = 0; i < LOOKS; i++) {
        void *chunk = NULL;
        assert_int_equal(pool_alloc(&phase->rig.pool, &chunk, LONG, POOL_USER), 0);
        assert_int_equal(pool_free(&chunk, LONG, &phase->rig.pool), 0);
    }
    rig_assert_sound(&phase->rig);
}

static size_t cached(const struct phase *phase)
{
    struct pool_stats stats;
    assert_int_equal(pool_stats(&phase->rig.pool, &stats), 0);
    return stats.cached_chunks;
}

static void ends_in_order(void **state)
{
    (void)state;
    if (is_left_out("nothing is cached"))
        return;
    for (size_t k = 0; k < KINDS; k++) {
        static struct phase phase;
        play(&phase, &kinds[k], CHUNKS);
        assert_true(cached(&phase) <= 1); /* the last of those that looked */
        if (kinds[k].flags & POOL_STRICT) {
            rig_close(&phase.rig);
            continue;
        }
        for (size_t i = 0; i < CHUNKS; i++) {
            assert_int_equal(pool_alloc(&phase.rig.pool, &phase.chunks[i], SIZE, POOL_USER), 0);
            if (i > 0)
                assert_ptr_equal(phase.chunks[i], (unsigned char *)phase.chunks[i - 1] + SIZE);
        }
        rig_assert_sound(&phase.rig);
        rig_close(&phase.rig);
    }
}

static void goes_on_while_half_is_held(void **state)
{
    (void)state;
    if (is_left_out("nothing is cached"))
        return;
    for (size_t k = 0; k < KINDS; k++) {
        static struct phase phase;
        play(&phase, &kinds[k], CHUNKS / 2);
        if (!(kinds[k].flags & POOL_STRICT))
            assert_true(cached(&phase) >= CHUNKS / 2);
        rig_close(&phase.rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_in_order),
        cmocka_unit_test(goes_on_while_half_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
