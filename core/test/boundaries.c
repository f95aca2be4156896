/* Capacities at the edges: from one granule to just beyond a page. */
#include "ledger.h"

static void small_capacities(void **state)
{
    (void)state;
    static const size_t capacities[] = {1,    16,   17,   31,   32,   33,   1008, 1023,
                                        1024, 1025, 1040, 4080, 4095, 4096, 4097, 4112};
    for (size_t k = 0; k < KINDS; k++)
        for (size_t c = 0; c < COUNT_OF(capacities); c++) {
            struct rig rig;
            struct ledger ledger;
            uint64_t random = c;
            rig_open(&rig, &kinds[k], capacities[c]);
            ledger_open(&ledger, &rig);
            assert_int_equal(ledger_alloc(&ledger, rig.capacity + 1, POOL_I8), -1);
            assert_int_equal(ledger_alloc(&ledger, rig.capacity, POOL_I8), 0);
            ledger_assert_agrees(&ledger);
            ledger_free(&ledger, 0);
            /* By every size that divides it: full to the last granule each time */
            for (size_t size = 16; size <= rig.capacity; size += 16) {
                for (size_t i = 0; i < ledger.granules / chunk_granules(size); i++)
                    assert_int_equal(ledger_alloc(&ledger, size, POOL_I8), 0);
                assert_int_equal(ledger_alloc(&ledger, size, POOL_I8), -1);
                if (REDZONE || size % 48 == 0) /* what waits would part what is free */
                    ledger_reset(&ledger);
                else
                    while (ledger.count > 0)
                        ledger_free(&ledger, random_below(&random, ledger.count));
            }
            ledger_drain(&ledger, &random);
            ledger_close(&ledger);
            rig_close(&rig);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_capacities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
