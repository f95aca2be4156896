/* pool_trim: whole free pages go back to the system, and nothing else changes. */
#include "ledger.h"

static void gives_pages_back(void **state)
{
    (void)state;
    size_t page = (size_t)1 << POOL_PAGE; /* no system has smaller ones */
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        struct ledger ledger;
        uint64_t random = k;
        int lazy = kinds[k].source == FROM_SYSTEM || kinds[k].source == FROM_HUGE_PAGES;
        rig_open(&rig, &kinds[k], (size_t)1 << 20);
        ledger_open(&ledger, &rig);
        for (int round = 0; round < 4; round++) {
            for (int i = 0; i < 120; i++)
                ledger_alloc(&ledger, 1 + random_below(&random, 9000), POOL_I8);
            ledger_assert_agrees(&ledger);
            while (ledger.count > 30)
                ledger_free(&ledger, random_below(&random, ledger.count));
            size_t released = 1;
            assert_int_equal(pool_trim(&rig.pool, &released), 0);
            assert_int_equal(released % page, 0);
            assert_true(released <= rig.capacity);
            if (!lazy || !SYSTEM_PURGES)
                assert_int_equal(released, 0);
            else if (round == 0)
                assert_true(released > 0); /* most of it is free, in runs of many pages */
            ledger_assert_agrees(&ledger);
            ledger_assert_contents(&ledger);
        }
        assert_int_equal(pool_trim(&rig.pool, NULL), 0);
        ledger_drain(&ledger, &random); /* with zeroes everywhere, unless they are not promised */
        ledger_reset(&ledger);
        assert_int_equal(pool_trim(&rig.pool, NULL), 0);
        ledger_drain(&ledger, &random);
        assert_int_equal(rig.told.count, 0);
        ledger_close(&ledger);
        rig_close(&rig);
    }
}

/* Freed chunks are refused after the trim as before it. */
static void forgets_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        unsigned char *chunks[32];
        rig_open(&rig, &kinds[k], (size_t)1 << 19);
        for (size_t i = 0; i < COUNT_OF(chunks); i++)
            assert_int_equal(pool_alloc(&rig.pool, (void **)&chunks[i], 8192, POOL_I8), 0);
        for (size_t i = 0; i < COUNT_OF(chunks); i += 2) {
            void *ptr = chunks[i];
            assert_int_equal(pool_free(&ptr, 8192, &rig.pool), 0);
        }
        assert_int_equal(pool_trim(&rig.pool, NULL), 0);
        rig_assert_sound(&rig);
        for (size_t i = 0; i < COUNT_OF(chunks); i += 2) {
            void *ptr = chunks[i];
            assert_int_equal(pool_free(&ptr, 8192, &rig.pool), -1);
            assert_int_equal(pool_error(&rig.pool), POOL_ALREADY_FREE);
        }
        for (size_t i = 1; i < COUNT_OF(chunks); i += 2)
            assert_int_equal(pool_free((void **)&chunks[i], 8192, &rig.pool), 0);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_pages_back),
        cmocka_unit_test(forgets_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
