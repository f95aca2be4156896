/* pool_alloc and pool_free: zeroes, alignment, distinct chunks, the whole capacity, the wipe. */
#include "ledger.h"

static void zeroed_whatever_was_there(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        if (kinds[k].flags & POOL_KEEP_CONTENTS)
            continue;
        struct rig rig;
        rig_open(&rig, &kinds[k], 8192);
        for (size_t size = 1; size <= 2100; size += size < 300 ? 1 : 37) {
            void *ptr = NULL;
            assert_int_equal(pool_alloc(&rig.pool, &ptr, size, POOL_I8), 0);
            assert_filled(ptr, size, 0);
            memset(ptr, 0xff, size);
            assert_int_equal(pool_free(&ptr, size, &rig.pool), 0);
            assert_null(ptr);
        }
        rig_assert_sound(&rig);
        rig_close(&rig);
    }
}

/* Pages that go back to the system are zero by themselves; what is left of a giant at either end is
 * not. */
static void giants_are_zeroed_to_the_byte(void **state)
{
    (void)state;
    static const size_t sizes[] = {((size_t)16 << 20) + 48, ((size_t)17 << 20) - 16};
    for (size_t k = 0; k < KINDS; k++) {
        if (kinds[k].flags & POOL_KEEP_CONTENTS || kinds[k].source == FROM_HUGE_PAGES)
            continue;
        struct rig rig;
        rig_open(&rig, &kinds[k], (size_t)24 << 20);
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            size_t size = sizes[i], fringe = 3 * 4096;
            void *hem = NULL;
            unsigned char *giant = NULL;
            assert_int_equal(pool_alloc(&rig.pool, &hem, 48, POOL_I8), 0);
            assert_int_equal(pool_alloc(&rig.pool, (void **)&giant, size, POOL_I8), 0);
            memset(giant, 0xff, fringe);
            memset(giant + size - fringe, 0xff, fringe);
            giant[size / 2] = 0xff;
            memset(hem, 0xff, 48);
            if (i == 0)
                assert_int_equal(pool_free((void **)&giant, size, &rig.pool), 0);
            else
                assert_int_equal(pool_reset(&rig.pool), 0);
            assert_int_equal(pool_alloc(&rig.pool, (void **)&giant, size, POOL_I8), 0);
            assert_filled(giant, fringe, 0);
            assert_filled(giant + size - fringe, fringe, 0);
            assert_int_equal(giant[size / 2], 0);
            assert_int_equal(pool_free((void **)&giant, size, &rig.pool), 0);
        }
        rig_assert_sound(&rig);
        rig_close(&rig);
    }
}

/* A size of as many granules may free a chunk; the bytes that it leaves out must not come back. */
static void zeroed_after_a_smaller_free(void **state)
{
    (void)state;
    if (is_left_out("a smaller size is refused"))
        return;
    for (size_t granules = 1; granules <= 200; granules += granules < 70 ? 1 : 13) {
        struct rig rig;
        size_t size = granules * POOL_GRANULE;
        rig_open(&rig, &kinds[1], size);
        void *ptr = NULL;
        assert_int_equal(pool_alloc(&rig.pool, &ptr, size, POOL_I8), 0);
        memset(ptr, 0xff, size);
        assert_int_equal(pool_free(&ptr, size - (POOL_GRANULE - 1), &rig.pool), 0);
        assert_int_equal(pool_alloc(&rig.pool, &ptr, size, POOL_I8), 0);
        assert_filled(ptr, size, 0);
        rig_close(&rig);
    }
}

static void aligned_for_each_type(void **state)
{
    (void)state;
    static const unsigned types[] = {
        POOL_I8,
        POOL_I16,
        POOL_I32,
        POOL_I64,
        POOL_F32,
        POOL_F64,
        POOL_STR,
        POOL_USER,
        POOL_PAGE,
        i8,
        i16,
        i32,
        i64,
        f32,
        f64,
        POOL_ALIGN(1),
        POOL_ALIGN(2),
        POOL_ALIGN(4),
        POOL_ALIGN(8),
        POOL_ALIGN(16),
        POOL_ALIGN(32),
        POOL_ALIGN(64),
        POOL_ALIGN(128),
        POOL_ALIGN(256),
        POOL_ALIGN(512),
        POOL_ALIGN(1024),
        POOL_ALIGN(2048),
        POOL_ALIGN(4096),
    };
    static const size_t sizes[] = {1, 16, 17, 100, 1024, 4096, 5000};
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        struct ledger ledger;
        uint64_t random = k;
        rig_open_shifted(&rig, &kinds[k], (size_t)1 << 19, 48);
        ledger_open(&ledger, &rig);
        for (size_t i = 0; i < COUNT_OF(types); i++)
            for (size_t j = 0; j < COUNT_OF(sizes); j++) {
                assert_int_equal(ledger_alloc(&ledger, 1 + j, POOL_I8), 0); /* out of step */
                assert_int_equal(ledger_alloc(&ledger, sizes[j], types[i]), 0);
                if ((i + j) % 3 == 0)
                    ledger_free(&ledger, random_below(&random, ledger.count));
            }
        ledger_assert_agrees(&ledger);
        ledger_drain(&ledger, &random);
        ledger_close(&ledger);
        rig_close(&rig);
    }
}

/* The names stand for the alignments that the header says they do. */
static void types_are_exponents(void **state)
{
    (void)state;
    assert_true((size_t)1 << POOL_I8 >= _Alignof(int8_t));
    assert_true((size_t)1 << POOL_I16 >= _Alignof(int16_t));
    assert_true((size_t)1 << POOL_I32 >= _Alignof(int32_t));
    assert_true((size_t)1 << POOL_I64 >= _Alignof(int64_t));
    assert_true((size_t)1 << POOL_F32 >= _Alignof(float));
    assert_true((size_t)1 << POOL_F64 >= _Alignof(double));
    assert_true((size_t)1 << POOL_USER >= _Alignof(max_align_t));
    for (size_t n = 1, exponent = 0; n <= 4096; n *= 2, exponent++)
        assert_int_equal(POOL_ALIGN(n), exponent);
    for (size_t n = 0; n <= 9000; n++)
        if (n > 4096 || n == 0 || (n & (n - 1)) != 0)
            assert_true(POOL_ALIGN(n) > POOL_PAGE);
}

/* Any capacity can be used up to the last byte: as one chunk, and as single granules, which are all
 * different, in any order of frees, over and over. */
static void whole_capacity(void **state)
{
    (void)state;
    static const size_t capacities[] = {16, 32, 1024, 1040, 4096, 16384};
    for (size_t k = 0; k < KINDS; k++)
        for (size_t c = 0; c < COUNT_OF(capacities); c++) {
            struct rig rig;
            struct ledger ledger;
            uint64_t random = c;
            rig_open(&rig, &kinds[k], capacities[c]);
            ledger_open(&ledger, &rig);
            for (int round = 0; round < 3; round++) {
                assert_int_equal(ledger_alloc(&ledger, rig.capacity, POOL_I8), 0);
                assert_int_equal(ledger_alloc(&ledger, 1, POOL_I8), -1);
                ledger_free(&ledger, 0);
                while (ledger.count < ledger.granules / chunk_granules(16))
                    assert_int_equal(ledger_alloc(&ledger, 1 + ledger.count % 16, POOL_USER), 0);
                assert_int_equal(ledger_alloc(&ledger, 1, POOL_I8), -1);
                ledger_assert_agrees(&ledger);
                ledger_drain(&ledger, &random);
            }
            ledger_close(&ledger);
            rig_close(&rig);
        }
}

/* The seed's pool is 1,024 bytes: one chunk, or 64 of 16 bytes; half as many with redzones. */
static void default_capacity(void **state)
{
    (void)state;
    struct m_pool pool = {0};
    enum { FIT = REDZONE ? 32 : 64 };
    void *chunks[FIT] = {NULL};
    void *more = NULL;
    assert_int_equal(pool_init(&pool), 0);
    for (size_t i = 0; i < FIT; i++)
        assert_int_equal(pool_alloc(&pool, &chunks[i], 16, POOL_USER), 0);
    assert_int_equal(pool_alloc(&pool, &more, 1, i8), -1);
    assert_int_equal(pool_error(&pool), POOL_OUT_OF_MEMORY);
    assert_null(more);
    for (size_t i = 0; i < FIT; i++)
        memset(chunks[i], (int)i + 1, 16);
    for (size_t i = 0; i < FIT; i++)
        assert_filled(chunks[i], 16, (unsigned char)(i + 1));
    for (size_t i = 0; i < FIT; i += 2)
        assert_int_equal(pool_free(&chunks[i], 16, &pool), 0);
    assert_int_equal(pool_alloc(&pool, &more, 17, i8), -1); /* no two free granules are adjacent */
    assert_int_equal(pool_error(&pool), POOL_OUT_OF_MEMORY);
    for (size_t i = 1; i < FIT; i += 2)
        assert_int_equal(pool_free(&chunks[i], 16, &pool), 0);
    assert_int_equal(pool_alloc(&pool, &more, 1024, f64), 0);
    pool_destroy(&pool);
}

/* Adjacent free chunks of any sizes make one: whatever three are freed, and in whatever order. */
static void neighbours_coalesce(void **state)
{
    (void)state;
    static const size_t sizes[] = {16, 48, 1008, 1024, 1040, 5000};
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (size_t k = 0; k < KINDS; k++)
        for (size_t o = 0; o < COUNT_OF(orders); o++)
            for (size_t a = 0; a < COUNT_OF(sizes); a++)
                for (size_t b = 0; b < COUNT_OF(sizes); b++) {
                    struct rig rig;
                    struct ledger ledger;
                    const size_t three[3] = {sizes[a], sizes[b], sizes[(a + b) % COUNT_OF(sizes)]};
                    rig_open(&rig, &kinds[k], 16 + 3 * 5024 + 16);
                    ledger_open(&ledger, &rig);
                    size_t at[3];
                    void *chunks[3];
                    ledger_alloc(&ledger, 16, POOL_I8);
                    for (size_t i = 0; i < 3; i++) {
                        assert_int_equal(ledger_alloc(&ledger, three[i], POOL_I8), 0);
                        chunks[i] = ledger.entries[ledger.count - 1].ptr;
                    }
                    while (usable_bytes(ledger_longest(&ledger)) > 0 &&
                           ledger_alloc(&ledger, usable_bytes(ledger_longest(&ledger)), POOL_I8) ==
                               0)
                        ;
                    for (size_t i = 0; i < 3; i++) {
                        for (at[i] = 0; ledger.entries[at[i]].ptr != chunks[orders[o][i]];)
                            at[i]++;
                        ledger_free(&ledger, at[i]);
                    }
                    ledger_assert_agrees(&ledger);
                    assert_int_equal(
                        ledger_alloc(&ledger, usable_bytes(ledger_longest(&ledger)), POOL_I8), 0);
                    assert_int_equal(ledger_alloc(&ledger, 16, POOL_I8), -1);
                    ledger_close(&ledger);
                    rig_close(&rig);
                }
}

/* Plays one fixed history, with every chunk filled with `fill`, and leaves it freed to the last. */
static void play(struct m_pool *pool, unsigned char fill)
{
    static const size_t sizes[] = {1,   15,  16,   17,   20,   31,   64,
                                   100, 255, 1000, 1008, 1024, 1025, 3000};
    void *chunks[COUNT_OF(sizes)] = {NULL};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            assert_int_equal(pool_alloc(pool, &chunks[i], sizes[i], POOL_I8), 0);
            memset(chunks[i], fill, sizes[i]);
        }
        size_t half = sizes[5] / 2;
        assert_int_equal(pool_realloc(pool, &chunks[5], sizes[5], half, POOL_I8), 0);
        assert_int_equal(pool_realloc(pool, &chunks[9], sizes[9], 100, POOL_I8), 0);
        assert_int_equal(pool_realloc(pool, &chunks[6], sizes[6], 2000, POOL_I8), 0);
        memset(chunks[6], fill, 2000);
        assert_int_equal(pool_free(&chunks[5], half, pool), 0);
        assert_int_equal(pool_free(&chunks[9], 100, pool), 0);
        assert_int_equal(pool_free(&chunks[6], 2000, pool), 0);
        for (size_t i = 0; i < COUNT_OF(sizes); i += 2)
            assert_int_equal(pool_free(&chunks[i], sizes[i], pool), 0);
        for (size_t i = 1; i < COUNT_OF(sizes); i += 2)
            assert_int_equal(pool_free(&chunks[i], sizes[i], pool), 0);
    }
}

/* After the frees, memory does not depend on what the user wrote: two histories that differ in
 * nothing else leave the same bytes. */
static void free_wipes(void **state)
{
    (void)state;
    for (int reset = 0; reset < 2; reset++)
        for (unsigned strict = 0; strict < 2; strict++) {
            static _Alignas(4096) unsigned char buffer[20000], first[20000];
            const struct pool_config config = {
                .buffer = buffer,
                .buffer_size = sizeof buffer,
                .flags = strict ? POOL_STRICT : 0,
            };
            static const unsigned char fills[] = {0x01, 0xfe};
            for (size_t pass = 0; pass < 2; pass++) {
                struct m_pool pool = {0};
                memset(buffer, 0, sizeof buffer);
                assert_int_equal(pool_init_with(&pool, &config), 0);
                play(&pool, fills[pass]);
                if (reset) { /* what is live is wiped as well */
                    void *live = NULL;
                    assert_int_equal(pool_alloc(&pool, &live, 3333, POOL_I8), 0);
                    memset(live, fills[pass], 3333);
                    assert_int_equal(pool_reset(&pool), 0);
                }
                if (pass == 0)
                    raw_read(first, buffer, sizeof buffer);
                else {
                    static unsigned char second[sizeof buffer];
                    raw_read(second, buffer, sizeof buffer);
                    assert_memory_equal(first, second, sizeof first);
                }
                pool_destroy(&pool);
            }
        }
}

/* Each size by itself, freed alone, in the middle of live ones. */
static void free_wipes_each_size(void **state)
{
    (void)state;
    static unsigned char first[8192];
    for (size_t size = 1; size <= 1300; size++) {
        for (size_t pass = 0; pass < 2; pass++) {
            struct rig rig;
            void *before = NULL, *ptr = NULL, *after = NULL;
            assert_int_equal(rig_open_buffer(&rig, 0, 4096, 0), 0);
            assert_int_equal(pool_alloc(&rig.pool, &before, 16, POOL_I8), 0);
            assert_int_equal(pool_alloc(&rig.pool, &ptr, size, POOL_I8), 0);
            assert_int_equal(pool_alloc(&rig.pool, &after, 16, POOL_I8), 0);
            memset(ptr, pass ? 0xff : 0x01, size);
            size_t at = (size_t)((unsigned char *)ptr - rig.base);
            assert_int_equal(pool_free(&ptr, size, &rig.pool), 0);
            unsigned char now[2048];
            raw_read(now, rig.base + at, size);
            /* A link is an address, and the two pools may lie apart: compare it from the second
             * granule */
            size_t link = size < POOL_GRANULE ? size : POOL_GRANULE;
            if (pass == 0)
                memcpy(first, now, size);
            else if (size > link)
                assert_memory_equal(first + link, now + link, size - link);
            for (size_t i = 0; i + 1 < size; i++)
                if (now[i] == (pass ? 0xff : 0x01) && now[i + 1] == now[i] && i >= link)
                    fail_msg("byte %zu of %zu is still the user's", i, size);
            rig_close(&rig);
        }
    }
}

/* With POOL_KEEP_CONTENTS nothing beyond the links is written: a chunk that comes back is as it
 * went. */
static void keep_contents_keeps(void **state)
{
    (void)state;
    if (is_left_out("freed memory is zeroed, to see what is written to it"))
        return;
    for (size_t k = 0; k < KINDS; k++) {
        if (!(kinds[k].flags & POOL_KEEP_CONTENTS))
            continue;
        struct rig rig;
        rig_open(&rig, &kinds[k], 1 << 16);
        void *ptr = NULL;
        assert_int_equal(pool_alloc(&rig.pool, &ptr, 640, POOL_I8), 0);
        memset(ptr, 0x77, 640);
        unsigned char *place = ptr;
        assert_int_equal(pool_free(&ptr, 640, &rig.pool), 0);
        unsigned char now[640];
        raw_read(now, place, sizeof now);
        size_t kept = 0;
        for (size_t i = 0; i < sizeof now; i++)
            kept += now[i] == 0x77;
        assert_true(kept >= sizeof now - 2 * POOL_GRANULE);
        rig_close(&rig);
    }
}

/* NULL is freed without effect, as free(NULL). */
static void free_of_null(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        struct snapshot snapshot;
        rig_open(&rig, &kinds[k], 1024);
        void *ptr = NULL;
        snapshot_take(&snapshot, &rig);
        assert_int_equal(pool_free(&ptr, 16, &rig.pool), 0);
        assert_int_equal(pool_free(&ptr, 0, &rig.pool), 0);
        assert_int_equal(pool_free(&ptr, SIZE_MAX, &rig.pool), 0);
        snapshot_assert_same(&snapshot, &rig);
        assert_null(ptr);
        assert_int_equal(rig.told.count, 0);
        assert_int_equal(pool_error(&rig.pool), POOL_OK);
        rig_close(&rig);
    }
}

/* A success does not disturb the reason of the failure before it. */
static void error_stays(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, &kinds[0], 1024);
    void *ptr = NULL;
    assert_int_equal(pool_alloc(&rig.pool, &ptr, 0, POOL_I8), -1);
    assert_int_equal(pool_error(&rig.pool), POOL_ZERO_SIZE);
    assert_int_equal(pool_alloc(&rig.pool, &ptr, 32, POOL_I8), 0);
    assert_int_equal(pool_error(&rig.pool), POOL_ZERO_SIZE);
    assert_int_equal(pool_free(&ptr, 64, &rig.pool), -1);
    assert_int_equal(pool_error(&rig.pool), POOL_WRONG_SIZE);
    assert_int_equal(pool_free(&ptr, 32, &rig.pool), 0);
    assert_int_equal(pool_error(&rig.pool), POOL_WRONG_SIZE);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_whatever_was_there),
        cmocka_unit_test(zeroed_after_a_smaller_free),
        cmocka_unit_test(giants_are_zeroed_to_the_byte),
        cmocka_unit_test(aligned_for_each_type),
        cmocka_unit_test(types_are_exponents),
        cmocka_unit_test(whole_capacity),
        cmocka_unit_test(default_capacity),
        cmocka_unit_test(neighbours_coalesce),
        cmocka_unit_test(free_wipes),
        cmocka_unit_test(free_wipes_each_size),
        cmocka_unit_test(keep_contents_keeps),
        cmocka_unit_test(free_of_null),
        cmocka_unit_test(error_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
