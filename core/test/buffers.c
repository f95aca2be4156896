/* The caller's own memory: static, misaligned, of every size, and never a byte written beside it.
 * */
#include "ledger.h"

/* Uses a pool to the last granule of its capacity. */
static void use_whole(struct rig *rig)
{
    struct ledger ledger;
    uint64_t random = rig->capacity;
    ledger_open(&ledger, rig);
    assert_int_equal(ledger_alloc(&ledger, rig->capacity, POOL_I8), 0);
    ledger_free(&ledger, 0);
    while (ledger.count < ledger.granules / chunk_granules(16))
        assert_int_equal(ledger_alloc(&ledger, 16, POOL_I8), 0);
    assert_int_equal(ledger_alloc(&ledger, 1, POOL_I8), -1);
    ledger_drain(&ledger, &random);
    ledger_close(&ledger);
    rig_assert_guards(rig);
}

static void every_size_at_every_offset(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 16; shift++) {
        size_t last = 0;
        for (size_t size = 0; size <= 2048; size += size < 300 || shift == 0 ? 1 : 13) {
            struct rig rig;
            unsigned flags = size % 3 == 0 ? POOL_STRICT : 0;
            if (rig_open_buffer(&rig, flags, size, shift) != 0) {
                assert_int_equal(pool_error(&rig.pool), POOL_BUFFER_TOO_SMALL);
                assert_int_equal(rig.told.count, 1);
                assert_int_equal(rig.told.reason, POOL_BUFFER_TOO_SMALL);
                assert_int_equal(last, 0); /* no smaller buffer was enough */
                assert_filled(rig.own, size, 0x5c);
                assert_true(size < (REDZONE ? 160 : 96));
            } else {
                assert_true(rig.capacity >= POOL_GRANULE);
                assert_true(rig.capacity >= last);
                assert_true(rig.base >= rig.own);
                assert_true(rig.base + rig.capacity <= rig.own + size);
                last = rig.capacity;
                use_whole(&rig);
            }
            rig_close(&rig);
        }
        assert_true(last >= 2048 - 2048 / (REDZONE ? 3 : 8) - 64);
    }
}

/* A static array, as a device without an allocator has it. */
static void in_a_static_array(void **state)
{
    (void)state;
    static struct {
        unsigned char before[64], array[3000], after[64];
    } all;
    for (size_t shift = 0; shift < 16; shift++) {
        memset(&all, 0xe7, sizeof all);
        struct m_pool pool = {0};
        const struct pool_config config = {.buffer = all.array + shift,
                                           .buffer_size = sizeof all.array - shift};
        assert_int_equal(pool_init_with(&pool, &config), 0);
        struct pool_stats stats;
        assert_int_equal(pool_stats(&pool, &stats), 0);
        void *whole = NULL;
        assert_int_equal(pool_alloc(&pool, &whole, stats.capacity, POOL_USER), 0);
        assert_aligned(whole, POOL_USER);
        assert_filled(whole, stats.capacity, 0); /* whatever the array held */
        memset(whole, 0xff, stats.capacity);
        assert_int_equal(pool_free(&whole, stats.capacity, &pool), 0);
        pool_destroy(&pool);
        assert_filled(all.before, sizeof all.before, 0xe7);
        assert_filled(all.after, sizeof all.after, 0xe7);
        assert_filled(all.array, shift, 0xe7);
    }
}

/* Random use in misaligned buffers, watched by the guards. */
static void misaligned_in_use(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 32; shift++)
        for (unsigned flags = 0; flags < 4; flags++) {
            struct rig rig;
            struct ledger ledger;
            uint64_t random = shift;
            unsigned both = (flags & 1 ? POOL_STRICT : 0) | (flags & 2 ? POOL_KEEP_CONTENTS : 0);
            assert_int_equal(rig_open_buffer(&rig, both, 6000 + 7 * shift, shift), 0);
            ledger_open(&ledger, &rig);
            for (int i = 0; i < 150; i++) {
                if (ledger.count > 0 && random_below(&random, 5) < 2)
                    ledger_free(&ledger, random_below(&random, ledger.count));
                else
                    ledger_alloc(&ledger, 1 + random_below(&random, 400),
                                 (unsigned)random_below(&random, 8));
                rig_assert_guards(&rig);
            }
            ledger_drain(&ledger, &random);
            ledger_close(&ledger);
            rig_close(&rig);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_at_every_offset),
        cmocka_unit_test(in_a_static_array),
        cmocka_unit_test(misaligned_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
