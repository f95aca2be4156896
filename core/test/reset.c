/* pool_reset: everything freed at once, stale pointers refused, the block kept. */
#include "ledger.h"

static void frees_everything(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        struct ledger ledger;
        uint64_t random = k;
        rig_open(&rig, &kinds[k], 1 << 17);
        ledger_open(&ledger, &rig);
        for (int round = 0; round < 4; round++) {
            for (int i = 0; i < 400; i++)
                if (ledger.count > 0 && random_below(&random, 3) == 0)
                    ledger_free(&ledger, random_below(&random, ledger.count));
                else
                    ledger_alloc(&ledger, 1 + random_below(&random, 600),
                                 (unsigned)random_below(&random, 9));
            ledger_reset(&ledger);
            ledger_assert_agrees(&ledger);
            assert_int_equal(ledger_alloc(&ledger, rig.capacity, POOL_I8), 0);
            ledger_reset(&ledger);
        }
        ledger_drain(&ledger, &random);
        ledger_close(&ledger);
        rig_close(&rig);
    }
}

static void makes_pointers_stale(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        rig_open(&rig, &kinds[k], 1 << 17);
        unsigned char *chunks[40];
        for (size_t i = 0; i < COUNT_OF(chunks); i++)
            assert_int_equal(pool_alloc(&rig.pool, (void **)&chunks[i], 48, POOL_I8), 0);
        for (size_t i = 0; i < COUNT_OF(chunks); i += 3) {
            void *ptr = chunks[i];
            assert_int_equal(pool_free(&ptr, 48, &rig.pool), 0);
        }
        assert_int_equal(pool_reset(&rig.pool), 0);
        for (size_t i = 0; i < COUNT_OF(chunks); i++) {
            void *ptr = chunks[i];
            assert_int_equal(pool_size_of(&rig.pool, ptr), 0);
            assert_int_equal(pool_owns(&rig.pool, ptr), 1);
            assert_int_equal(pool_free(&ptr, 48, &rig.pool), -1);
            assert_int_equal(pool_error(&rig.pool), POOL_STALE);
            assert_int_equal(pool_realloc(&rig.pool, &ptr, 48, 16, POOL_I8), -1);
            assert_int_equal(pool_error(&rig.pool), POOL_STALE);
            assert_ptr_equal(ptr, chunks[i]);
        }
        rig_assert_sound(&rig);
        rig_close(&rig);
    }
}

static void of_an_empty_pool(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        struct ledger ledger;
        uint64_t random = k;
        rig_open(&rig, &kinds[k], 1000);
        ledger_open(&ledger, &rig);
        ledger_reset(&ledger);
        ledger_reset(&ledger);
        ledger_drain(&ledger, &random);
        ledger_reset(&ledger);
        ledger_assert_agrees(&ledger);
        assert_int_equal(rig.told.count, 0);
        ledger_close(&ledger);
        rig_close(&rig);
    }
}

/* The block stays what and where it is, round after round. */
static void keeps_the_block(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        struct pool_stats before, after;
        rig_open(&rig, &kinds[k], 1 << 16);
        assert_int_equal(pool_stats(&rig.pool, &before), 0);
        for (int round = 0; round < 3; round++) {
            void *ptr = NULL;
            for (int i = 0; i < 100; i++)
                assert_int_equal(pool_alloc(&rig.pool, &ptr, 333, POOL_I8), 0);
            assert_int_equal(pool_reset(&rig.pool), 0);
            assert_int_equal(pool_stats(&rig.pool, &after), 0);
            assert_int_equal(after.capacity, before.capacity);
            assert_int_equal(after.free_bytes, before.capacity);
            assert_int_equal(after.largest_free, before.capacity);
            assert_int_equal(after.live_chunks, 0);
            assert_int_equal(after.cached_chunks, 0);
            assert_int_equal(pool_owns(&rig.pool, rig.base), 1);
        }
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frees_everything),
        cmocka_unit_test(makes_pointers_stale),
        cmocka_unit_test(of_an_empty_pool),
        cmocka_unit_test(keeps_the_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
