/* Under AddressSanitizer: what the user holds is open, and every other byte of the block is closed,
 * to the byte and after every call.
 */
#include "ledger.h"

#include <sanitizer/asan_interface.h>

static void assert_shadow(const struct ledger *ledger)
{
    static unsigned char open[1 << 16];
    const struct rig *rig = ledger->rig;
    assert_true(rig->capacity <= sizeof open);
    memset(open, 0, rig->capacity);
    for (size_t i = 0; i < ledger->count; i++)
        memset(open + (ledger->entries[i].ptr - rig->base), 1, ledger->entries[i].size);
    for (size_t i = 0; i < rig->capacity; i++)
        if (open[i] == __asan_address_is_poisoned(rig->base + i))
            fail_msg("byte %zu of the block is %s", i, open[i] ? "closed to its user" : "open");
}

static void follows_every_call(void **state)
{
    const struct kind *kind = *state;
    struct rig rig;
    struct ledger ledger;
    uint64_t random = random_seed(7);
    rig_open(&rig, kind, 6000);
    ledger_open(&ledger, &rig);
    assert_shadow(&ledger);
    for (int step = 0; step < 700; step++) {
        size_t dice = random_below(&random, 100);
        size_t size = 1 + random_below(&random, dice % 10 == 0 ? 1500 : 150);
        unsigned type = (unsigned)random_below(&random, 8);
        if (dice == 99)
            ledger_reset(&ledger);
        else if (dice == 98)
            assert_int_equal(pool_trim(&rig.pool, NULL), 0);
        else if (dice < 38 && ledger.count > 0)
            ledger_free(&ledger, random_below(&random, ledger.count));
        else if (dice < 55 && ledger.count > 0)
            ledger_realloc(&ledger, random_below(&random, ledger.count), size, type);
        else
            ledger_alloc(&ledger, size, type);
        assert_shadow(&ledger);
        ledger_assert_agrees(&ledger); /* questions open links, and must close them */
        assert_shadow(&ledger);
    }
    ledger_drain(&ledger, &random);
    assert_shadow(&ledger);
    ledger_close(&ledger);
    rig_close(&rig);
}

int main(void)
{
    static struct CMUnitTest tests[KINDS];
    for (size_t k = 0; k < KINDS; k++)
        tests[k] = (struct CMUnitTest){.name = kinds[k].name,
                                       .test_func = follows_every_call,
                                       .initial_state = (void *)&kinds[k]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
