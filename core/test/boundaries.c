/* Capacities at the edges: one granule, around a page, and more bytes than the machine has. */
#include "ledger.h"

#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__)
#define SHADOWED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHADOWED 1
#endif
#endif
#ifndef SHADOWED
#define SHADOWED 0
#endif

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
                for (size_t i = 0; i < rig.capacity / size; i++)
                    assert_int_equal(ledger_alloc(&ledger, size, POOL_I8), 0);
                assert_int_equal(ledger_alloc(&ledger, size, POOL_I8), -1);
                if (size % 48 == 0)
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

/* Resident bytes of this process at their highest. */
static size_t peak_resident(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

/* A chunk at each end of a block that is mostly address space, with a giant between them. What
 * looks at every granule is left to those who are not too large for it.
 */
static void use_both_ends(size_t capacity, unsigned flags, int every_granule)
{
    struct m_pool pool = {0};
    const struct pool_config config = {.capacity = capacity, .flags = POOL_LAZY | flags};
    size_t before = peak_resident();
    if (pool_init_with(&pool, &config) != 0) {
        assert_int_equal(pool_error(&pool), POOL_NO_BACKING);
        skip_because("the machine refuses so much address space");
    }
    unsigned char *low = NULL, *giant = NULL, *high = NULL, *more = NULL;
    assert_int_equal(pool_alloc(&pool, (void **)&more, capacity, POOL_I8), 0);
    assert_int_equal(pool_alloc(&pool, (void **)&low, 1, POOL_I8), -1);
    assert_int_equal(pool_error(&pool), POOL_OUT_OF_MEMORY);
    more[0] = more[capacity - 1] = 1;
    assert_int_equal(pool_size_of(&pool, more), capacity);
    pool_destroy(&pool);

    assert_int_equal(pool_init_with(&pool, &config), 0);
    assert_int_equal(pool_alloc(&pool, (void **)&low, 100, POOL_I8), 0);
    assert_int_equal(pool_alloc(&pool, (void **)&giant, capacity - 112 - 4096, POOL_I8), 0);
    assert_int_equal(pool_alloc(&pool, (void **)&high, 4096, POOL_I8), 0);
    assert_int_equal(pool_alloc(&pool, (void **)&more, 1, POOL_I8), -1);
    assert_int_equal(pool_error(&pool), POOL_OUT_OF_MEMORY);
    assert_filled(low, 100, 0);
    assert_filled(high, 4096, 0);
    memset(low, 0x11, 100);
    memset(high, 0x22, 4096);
    giant[0] = giant[capacity / 2] = giant[capacity - 112 - 4096 - 1] = 0x33;
    struct pool_stats stats;
    assert_int_equal(pool_stats(&pool, &stats), 0);
    assert_int_equal(stats.live_bytes, capacity);
    assert_int_equal(stats.largest_free, 0);
    assert_int_equal(pool_size_of(&pool, giant), capacity - 112 - 4096);

    /* Deep inside it, and just beside it */
    size_t deepest = every_granule ? capacity - 112 - 4096 : 1 << 20;
    for (size_t offset = 16; offset < deepest; offset = offset * 3 + 16) {
        void *inside = giant + offset / 16 * 16;
        assert_int_equal(pool_free(&inside, 16, &pool), -1);
        assert_int_equal(pool_error(&pool), POOL_INTERIOR);
    }
    void *short_of = giant;
    assert_int_equal(pool_free(&short_of, capacity - 112 - 4096 - 16, &pool), -1);
    assert_int_equal(pool_error(&pool), POOL_WRONG_SIZE);
    assert_int_equal(pool_free((void **)&low, 100, &pool), 0);
    assert_int_equal(pool_free((void **)&high, 4096, &pool), 0);
    assert_int_equal(pool_alloc(&pool, (void **)&high, 4096, POOL_I8), 0);
    if (!(flags & POOL_KEEP_CONTENTS))
        assert_filled(high, 4096, 0);
    if (every_granule)
        assert_int_equal(pool_check(&pool, NULL), 0);
    size_t used = peak_resident() - before;
    pool_destroy(&pool);
    if (!SHADOWED && used > (size_t)64 << 20)
        fail_msg("%zu bytes became resident for some thousand touched", used);
}

static void four_gibibytes(void **state)
{
    (void)state;
    use_both_ends((size_t)1 << 32, 0, 1);
    use_both_ends(((size_t)1 << 32) + 16, POOL_STRICT, 0);
    use_both_ends(((size_t)1 << 32) - 16, POOL_KEEP_CONTENTS, 0);
}

static void sixty_four_gibibytes(void **state)
{
    (void)state;
    if (SHADOWED)
        skip_because("AddressSanitizer would keep 8 GiB of shadow for it");
    use_both_ends((size_t)1 << 36, 0, 0);
}

/* Chunks spread over many gibibytes: addresses whose low 32 bits are equal are still apart. */
static void far_apart(void **state)
{
    (void)state;
    if (SHADOWED)
        skip_because("AddressSanitizer would keep 3 GiB of shadow for it");
    struct m_pool pool = {0};
    const size_t step = (size_t)1 << 32;
    const struct pool_config config = {.capacity = 6 * step, .flags = POOL_LAZY | POOL_STRICT};
    if (pool_init_with(&pool, &config) != 0)
        skip_because("the machine refuses so much address space");
    unsigned char *chunks[6] = {NULL};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(pool_alloc(&pool, (void **)&chunks[i], step, POOL_I8), 0);
        chunks[i][0] = (unsigned char)(i + 1);
        chunks[i][step - 1] = (unsigned char)(i + 1);
    }
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(chunks[i][0], i + 1);
        assert_int_equal(chunks[i][step - 1], i + 1);
        void *ptr = chunks[i];
        assert_int_equal(pool_free(&ptr, 16, &pool), -1);
        assert_int_equal(pool_error(&pool), POOL_WRONG_SIZE);
        ptr = chunks[i] + 4096;
        assert_int_equal(pool_free(&ptr, step - 4096, &pool), -1);
        assert_int_equal(pool_error(&pool), POOL_INTERIOR);
    }
    pool_destroy(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_capacities),
        cmocka_unit_test(four_gibibytes),
        cmocka_unit_test(sixty_four_gibibytes),
        cmocka_unit_test(far_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
