/* What can be asked of a pool: pool_size_of, pool_owns, pool_walk, pool_check, pool_stats. */
#include "ledger.h"

static void size_of_is_what_is_known(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        rig_open(&rig, &kinds[k], 16384);
        for (size_t size = 1; size <= 5000; size += 1 + size / 9) {
            size_t usable = (size + 15) / 16 * 16;
            unsigned char *ptr = NULL;
            assert_int_equal(pool_alloc(&rig.pool, (void **)&ptr, size, POOL_I8), 0);
            assert_int_equal(pool_size_of(&rig.pool, ptr), size_as_known(size));
            for (size_t i = 1; i <= usable; i += i < 40 ? 1 : 16)
                assert_int_equal(pool_size_of(&rig.pool, ptr + i), 0);
            unsigned char *freed = ptr;
            assert_int_equal(pool_free((void **)&ptr, size, &rig.pool), 0);
            assert_int_equal(pool_size_of(&rig.pool, freed), 0);
        }
        assert_int_equal(pool_size_of(&rig.pool, NULL), 0);
        assert_int_equal(pool_size_of(&rig.pool, &rig), 0);
        assert_int_equal(pool_size_of(&rig.pool, rig.base - 16), 0);
        assert_int_equal(pool_size_of(&rig.pool, rig.base + rig.capacity), 0);
        assert_int_equal(pool_size_of(&rig.pool, (void *)(UINTPTR_MAX - 15)), 0);
        rig_close(&rig);
    }
}

/* A pool owns each byte of its block, and not one beside it. */
static void owns_its_block(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        rig_open(&rig, &kinds[k], 1040);
        for (size_t i = 0; i < rig.block; i++)
            assert_int_equal(pool_owns(&rig.pool, rig.base + i), 1);
        for (size_t i = 1; i < 4096; i++) {
            assert_int_equal(pool_owns(&rig.pool, rig.base - i), 0);
            assert_int_equal(pool_owns(&rig.pool, rig.base + rig.block + i - 1), 0);
        }
        assert_int_equal(pool_owns(&rig.pool, NULL), 0);
        assert_int_equal(pool_owns(&rig.pool, &rig), 0);
        assert_int_equal(pool_owns(&rig.pool, (void *)UINTPTR_MAX), 0);
        assert_int_equal(pool_owns(&rig.pool, (void *)1), 0);
        rig_close(&rig);
    }
}

/* Questions change nothing, whatever the state of the pool. */
static int count_extent(void *context, const struct pool_extent *extent)
{
    (void)extent;
    ++*(size_t *)context;
    return 0;
}

static void questions_change_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        struct ledger ledger;
        uint64_t random = k;
        rig_open(&rig, &kinds[k], 8192);
        ledger_open(&ledger, &rig);
        for (int i = 0; i < 200; i++) {
            if (ledger.count > 4 && random_below(&random, 2))
                ledger_free(&ledger, random_below(&random, ledger.count));
            else
                ledger_alloc(&ledger, 1 + random_below(&random, 300),
                             (unsigned)random_below(&random, 8));
            struct snapshot before;
            struct pool_stats stats;
            size_t extents = 0;
            const char *broken = NULL;
            snapshot_take(&before, &rig);
            enum pool_reason reason = pool_error(&rig.pool);
            assert_int_equal(pool_check(&rig.pool, &broken), 0);
            assert_int_equal(pool_check(&rig.pool, NULL), 0);
            assert_int_equal(pool_stats(&rig.pool, &stats), 0);
            assert_int_equal(pool_walk(&rig.pool, count_extent, &extents), 0);
            assert_true(extents >= ledger.count);
            pool_owns(&rig.pool, ledger.entries[0].ptr);
            pool_size_of(&rig.pool, ledger.entries[0].ptr);
            pool_required(i, 17, POOL_I8);
            assert_int_equal(pool_error(&rig.pool), reason);
            snapshot_assert_same(&before, &rig);
        }
        ledger_close(&ledger);
        rig_close(&rig);
    }
}

/* The visit that says stop is the last one, and what it says is the answer. */
struct stop {
    size_t seen, at;
    int answer;
};

static int visit_until(void *context, const struct pool_extent *extent)
{
    struct stop *stop = context;
    (void)extent;
    return ++stop->seen == stop->at ? stop->answer : 0;
}

static void walk_stops(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, &kinds[0], 4096);
    void *ptr = NULL;
    for (int i = 0; i < 10; i++)
        assert_int_equal(pool_alloc(&rig.pool, &ptr, 32, POOL_I8), 0);
    static const int answers[] = {1, -1, 7, -1000};
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        for (size_t at = 1; at <= 10; at++) {
            struct stop stop = {0, at, answers[i]};
            assert_int_equal(pool_walk(&rig.pool, visit_until, &stop), answers[i]);
            assert_int_equal(stop.seen, at);
        }
    rig_close(&rig);
}

/* The longest free run that pool_stats tells of can be had, and a byte more cannot. */
static void largest_free_can_be_had(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        struct ledger ledger;
        uint64_t random = k + 100;
        rig_open(&rig, &kinds[k], 1 << 17);
        ledger_open(&ledger, &rig);
        for (int round = 0; round < 60; round++) {
            for (int i = 0; i < 20; i++)
                if (ledger.count > 0 && random_below(&random, 100) < 45)
                    ledger_free(&ledger, random_below(&random, ledger.count));
                else
                    ledger_alloc(&ledger, 1 + random_below(&random, 1500), POOL_I8);
            struct pool_stats stats;
            assert_int_equal(pool_stats(&rig.pool, &stats), 0);
            if (stats.largest_free == 0)
                continue;
            assert_int_equal(ledger_alloc(&ledger, stats.largest_free + 1, POOL_I8), -1);
            assert_int_equal(ledger_alloc(&ledger, stats.largest_free, POOL_I8), 0);
            ledger_assert_agrees(&ledger);
            ledger_free(&ledger, ledger.count - 1);
            ledger_assert_agrees(&ledger);
        }
        ledger_close(&ledger);
        rig_close(&rig);
    }
}

/* High water rises with what is given out, never falls with a free, and falls with a reset. */
static void high_water(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        rig_open(&rig, &kinds[k], 8192);
        size_t last = 0;
        void *chunks[20] = {0};
        for (size_t i = 0; i < COUNT_OF(chunks); i++) {
            struct pool_stats stats;
            assert_int_equal(pool_alloc(&rig.pool, &chunks[i], 100, POOL_I8), 0);
            assert_int_equal(pool_stats(&rig.pool, &stats), 0);
            size_t end = (size_t)((unsigned char *)chunks[i] - rig.base) + 112;
            last = end > last ? end : last;
            assert_int_equal(stats.high_water, last);
        }
        for (size_t i = 0; i < COUNT_OF(chunks); i++) {
            struct pool_stats stats;
            assert_int_equal(pool_free(&chunks[i], 100, &rig.pool), 0);
            assert_int_equal(pool_stats(&rig.pool, &stats), 0);
            assert_int_equal(stats.high_water, last);
        }
        struct pool_stats stats;
        assert_int_equal(pool_reset(&rig.pool), 0);
        assert_int_equal(pool_stats(&rig.pool, &stats), 0);
        assert_int_equal(stats.high_water, 0);
        rig_close(&rig);
    }
}

/* A pool that frees as much as it takes does not creep into fresh memory. */
static void churn_does_not_creep(void **state)
{
    (void)state;
    if (is_left_out("fresh memory comes before what waits"))
        return;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        struct ledger ledger;
        struct pool_stats stats;
        rig_open(&rig, &kinds[k], (size_t)1 << 18);
        ledger_open(&ledger, &rig);
        for (int i = 0; i < 512; i++)
            assert_int_equal(ledger_alloc(&ledger, 48, POOL_I8), 0);
        assert_int_equal(pool_stats(&rig.pool, &stats), 0);
        size_t before = stats.high_water;
        uint64_t random = k;
        for (int i = 0; i < 5000; i++) {
            ledger_free(&ledger, random_below(&random, ledger.count));
            assert_int_equal(ledger_alloc(&ledger, 48, POOL_I8), 0);
        }
        assert_int_equal(pool_stats(&rig.pool, &stats), 0);
        assert_true(stats.high_water <= before + 48);
        ledger_close(&ledger);
        rig_close(&rig);
    }
}

/* Bookkeeping costs about what DESIGN.md promises: less than an eighth of the block, a third where
 * it is checked, and the struct. */
static void overhead_is_small(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++)
        for (size_t capacity = 1024; capacity <= (size_t)1 << 24; capacity *= 8) {
            struct rig rig;
            struct pool_stats stats;
            rig_open(&rig, &kinds[k], capacity);
            assert_int_equal(pool_stats(&rig.pool, &stats), 0);
            assert_true(stats.overhead >= sizeof(struct m_pool));
            assert_true(stats.overhead <=
                        sizeof(struct m_pool) + rig.capacity / (REDZONE ? 3 : 8) + 4096);
            rig_close(&rig);
        }
}

/* pool_check sees what has been broken from outside, in a pool with pages and in one without:
 * corruption.c breaks each invariant by itself. */
static void check_is_not_blind(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++)
        for (size_t capacity = 4096; capacity <= 65536; capacity *= 16) {
            struct rig rig;
            void *ptr = NULL;
            const char *broken = NULL;
            rig_open(&rig, &kinds[k], capacity);
            for (int i = 0; i < 12; i++)
                assert_int_equal(pool_alloc(&rig.pool, &ptr, 64, POOL_I8), 0);
            unsigned char *of_chunk =
                rig.pool.is_tight ? (unsigned char *)rig.pool.used + 1 : rig.pool.tags + 9;
            *of_chunk ^= 2;
            assert_int_equal(pool_check(&rig.pool, &broken), -1);
            assert_non_null(broken);
            assert_int_equal(pool_check(&rig.pool, NULL), -1);
            *of_chunk ^= 2;
            rig_assert_sound(&rig);
            rig.pool.frontier++;
            assert_int_equal(pool_check(&rig.pool, &broken), -1);
            rig.pool.frontier--;
            rig_assert_sound(&rig);
            rig_close(&rig);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_of_is_what_is_known), cmocka_unit_test(owns_its_block),
        cmocka_unit_test(questions_change_nothing), cmocka_unit_test(walk_stops),
        cmocka_unit_test(largest_free_can_be_had),  cmocka_unit_test(high_water),
        cmocka_unit_test(churn_does_not_creep),     cmocka_unit_test(overhead_is_small),
        cmocka_unit_test(check_is_not_blind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
