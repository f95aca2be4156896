/* pool_realloc: in place where neighbours allow, else moved; contents kept, the rest zero. */
#include "ledger.h"

/* A pool whose granules are all held, so that only what a test frees is free. */
struct packed {
    struct rig rig;
    unsigned char *at[64]; /* chunks of four granules in address order */
};

static const size_t UNIT = 4 * POOL_GRANULE;
static const size_t STRIDE = (4 + REDZONE) * POOL_GRANULE;

static int by_address(const void *one, const void *other)
{
    const unsigned char *a = *(unsigned char *const *)one, *b = *(unsigned char *const *)other;
    return (a > b) - (a < b);
}

static void packed_open(struct packed *packed, const struct kind *kind)
{
    rig_open(&packed->rig, kind, room_for(COUNT_OF(packed->at), UNIT));
    for (size_t i = 0; i < COUNT_OF(packed->at); i++) {
        packed->at[i] = NULL;
        assert_int_equal(pool_alloc(&packed->rig.pool, (void **)&packed->at[i], UNIT, POOL_I8), 0);
        memset(packed->at[i], (int)i + 1, UNIT);
    }
    void *ptr = NULL; /* a caller's buffer may have had room for more */
    while (pool_alloc(&packed->rig.pool, &ptr, 1, POOL_I8) == 0)
        ;
    packed->rig.told.count = 0;
    qsort(packed->at, COUNT_OF(packed->at), sizeof packed->at[0], by_address);
    for (size_t i = 0; i + 1 < COUNT_OF(packed->at); i++)
        assert_true(packed->at[i] + UNIT <= packed->at[i + 1]);
}

static void give(struct packed *packed, size_t i)
{
    void *ptr = packed->at[i];
    assert_int_equal(pool_free(&ptr, UNIT, &packed->rig.pool), 0);
}

static void grows_into_what_follows(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct packed packed;
        struct m_pool *pool = &packed.rig.pool;
        packed_open(&packed, &kinds[k]);
        size_t brim = room_for(3, UNIT);
        assert_ptr_equal(packed.at[11], packed.at[10] + STRIDE);
        assert_ptr_equal(packed.at[12], packed.at[11] + STRIDE);
        void *ptr = packed.at[10];
        unsigned char fill = packed.at[10][0];
        give(&packed, 11);
        give(&packed, 12);

        /* Nothing else is free: it can only grow where it is, by half, to the brim, not beyond */
        assert_int_equal(pool_realloc(pool, &ptr, UNIT, UNIT + 100, POOL_I8), 0);
        assert_ptr_equal(ptr, packed.at[10]);
        assert_filled(ptr, UNIT, fill);
        if (!(kinds[k].flags & POOL_KEEP_CONTENTS))
            assert_filled((char *)ptr + UNIT, 100, 0);
        rig_assert_sound(&packed.rig);
        assert_int_equal(pool_realloc(pool, &ptr, UNIT + 100, brim, POOL_I8), 0);
        assert_ptr_equal(ptr, packed.at[10]);
        if (!(kinds[k].flags & POOL_KEEP_CONTENTS))
            assert_filled((char *)ptr + UNIT, brim - UNIT, 0);
        rig_assert_sound(&packed.rig);
        assert_int_equal(pool_size_of(pool, ptr), brim);
        assert_int_equal(pool_size_of(pool, packed.at[11]), 0);
        assert_int_equal(pool_realloc(pool, &ptr, brim, brim + 1, POOL_I8), -1);
        assert_int_equal(pool_error(pool), POOL_OUT_OF_MEMORY);
        assert_ptr_equal(ptr, packed.at[10]);
        assert_filled(ptr, UNIT, fill);

        /* What was 11 is inside of it now */
        void *inside = packed.at[11];
        assert_int_equal(pool_free(&inside, UNIT, pool), -1);
        assert_int_equal(pool_error(pool), POOL_INTERIOR);
        assert_int_equal(pool_free(&ptr, brim, pool), 0);
        rig_assert_sound(&packed.rig);
        rig_close(&packed.rig);
    }
}

/* In place too where there is room elsewhere, into fresh memory: a chunk of a size that has no
 * pages, or in a pool without any. One of a page moves once it outgrows its size class. */
static void prefers_its_place(void **state)
{
    (void)state;
    static const struct {
        size_t capacity, size;
        int in_page;
    } cases[] = {{1 << 13, 100, 0}, {1 << 17, 64 * 16, 0}, {1 << 17, 100, 1}};
    for (size_t k = 0; k < KINDS; k++)
        for (size_t c = 0; c < COUNT_OF(cases); c++) {
            struct rig rig;
            const size_t size = cases[c].size;
            rig_open(&rig, &kinds[k], cases[c].capacity);
            void *ptr = NULL;
            assert_int_equal(pool_alloc(&rig.pool, &ptr, size, POOL_I8), 0);
            unsigned char *first = ptr;
            memset(first, 0x21, size);
            assert_int_equal(pool_realloc(&rig.pool, &ptr, size, 5000, POOL_I8), 0);
            if (!cases[c].in_page || REDZONE || kinds[k].flags & POOL_STRICT)
                assert_ptr_equal(ptr, first);
            assert_filled(ptr, size, 0x21);
            rig_assert_sound(&rig);
            rig_close(&rig);
        }
}

/* In place too where what follows is a large chunk that was freed. */
static void prefers_its_place_to_what_was_freed(void **state)
{
    (void)state;
    if (is_left_out("what was freed waits"))
        return;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        void *large = NULL, *hem = NULL;
        rig_open(&rig, &kinds[k], 1 << 17);
        void *ptr = NULL;
        assert_int_equal(pool_alloc(&rig.pool, &ptr, 5120, POOL_I8), 0);
        unsigned char *first = ptr;
        memset(first, 0x21, 100);
        assert_int_equal(pool_alloc(&rig.pool, &large, 8192, POOL_I8), 0);
        assert_int_equal(pool_alloc(&rig.pool, &hem, 16, POOL_I8), 0);
        assert_ptr_equal(large, first + 5120);
        assert_int_equal(pool_free(&large, 8192, &rig.pool), 0);
        assert_int_equal(pool_realloc(&rig.pool, &ptr, 5120, 10000, POOL_I8), 0);
        assert_ptr_equal(ptr, first);
        assert_filled(first, 100, 0x21);
        if (!(kinds[k].flags & POOL_KEEP_CONTENTS))
            assert_filled(first + 100, 9900, 0);
        assert_int_equal(pool_realloc(&rig.pool, &ptr, 10000, 13312, POOL_I8), 0);
        assert_ptr_equal(ptr, first);
        rig_assert_sound(&rig);
        rig_close(&rig);
    }
}

static void shrinks_where_it_is(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct packed packed;
        struct m_pool *pool = &packed.rig.pool;
        packed_open(&packed, &kinds[k]);
        void *ptr = packed.at[20];
        unsigned char fill = packed.at[20][0];
        assert_int_equal(pool_realloc(pool, &ptr, UNIT, POOL_GRANULE + 1, POOL_I8), 0);
        assert_ptr_equal(ptr, packed.at[20]);
        assert_int_equal(pool_size_of(pool, ptr), size_as_known(POOL_GRANULE + 1));
        assert_filled(ptr, POOL_GRANULE + 1, fill);
        rig_assert_sound(&packed.rig);

        /* The tail is free, zeroed, and all that is free */
        void *tail = NULL;
        assert_int_equal(pool_alloc(pool, &tail, 3 * POOL_GRANULE, POOL_I8), -1);
        size_t rest = usable_bytes(2);
        assert_int_equal(pool_alloc(pool, &tail, rest, POOL_I8), 0);
        assert_ptr_equal(tail, packed.at[20] + STRIDE - 2 * POOL_GRANULE);
        if (!(kinds[k].flags & POOL_KEEP_CONTENTS))
            assert_filled(tail, rest, 0);
        assert_int_equal(pool_free(&ptr, UNIT, pool), -1);
        assert_int_equal(pool_error(pool), POOL_WRONG_SIZE);
        assert_int_equal(pool_free(&ptr, POOL_GRANULE + 1, pool), 0);
        rig_assert_sound(&packed.rig);
        rig_close(&packed.rig);
    }
}

/* Within one granule too: bytes given up by shrinking are zero when they are had again. */
static void given_up_bytes_return_as_zeroes(void **state)
{
    (void)state;
    static const size_t wholes[] = {16, 32, 48, 1024, 1040, 4000};
    for (size_t k = 0; k < KINDS; k++)
        for (size_t w = 0; w < COUNT_OF(wholes); w++)
            for (size_t less = 1; less < 40 && less < wholes[w]; less++) {
                if (kinds[k].flags & POOL_KEEP_CONTENTS)
                    continue;
                struct rig rig;
                rig_open(&rig, &kinds[k], 16384);
                void *ptr = NULL;
                size_t whole = wholes[w], part = whole - less;
                assert_int_equal(pool_alloc(&rig.pool, &ptr, whole, POOL_I8), 0);
                memset(ptr, 0xff, whole);
                assert_int_equal(pool_realloc(&rig.pool, &ptr, whole, part, POOL_I8), 0);
                assert_filled(ptr, part, 0xff);
                assert_int_equal(pool_realloc(&rig.pool, &ptr, part, whole, POOL_I8), 0);
                assert_filled(ptr, part, 0xff);
                assert_filled((char *)ptr + part, less, 0);
                rig_close(&rig);
            }
}

static void moves_when_it_must(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct packed packed;
        struct m_pool *pool = &packed.rig.pool;
        packed_open(&packed, &kinds[k]);
        give(&packed, 30);
        give(&packed, 31);
        void *ptr = packed.at[10];
        unsigned char fill = packed.at[10][0];
        unsigned char neighbour = packed.at[11][0];
        assert_int_equal(pool_realloc(pool, &ptr, UNIT, 2 * UNIT, POOL_I8), 0);
        assert_ptr_equal(ptr, packed.at[30]);
        assert_filled(ptr, UNIT, fill);
        if (!(kinds[k].flags & POOL_KEEP_CONTENTS))
            assert_filled((char *)ptr + UNIT, UNIT, 0);
        assert_filled(packed.at[11], UNIT, neighbour);
        rig_assert_sound(&packed.rig);

        /* The old place is free, wiped, and refused as any freed chunk */
        void *old = packed.at[10];
        assert_int_equal(pool_free(&old, UNIT, pool), -1);
        assert_int_equal(pool_error(pool), POOL_ALREADY_FREE);
        void *again = NULL;
        assert_int_equal(pool_alloc(pool, &again, UNIT, POOL_I8), 0);
        assert_ptr_equal(again, packed.at[10]);
        if (!(kinds[k].flags & POOL_KEEP_CONTENTS))
            assert_filled(again, UNIT, 0);
        rig_close(&packed.rig);
    }
}

/* A chunk that is not aligned enough for its new type moves, even to shrink. */
static void moves_for_alignment(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++)
        for (unsigned type = 5; type <= POOL_PAGE; type++) {
            struct rig rig;
            struct ledger ledger;
            uint64_t random = type;
            rig_open_shifted(&rig, &kinds[k], 1 << 15, 16);
            ledger_open(&ledger, &rig);
            for (size_t i = 0; i < 6; i++)
                assert_int_equal(ledger_alloc(&ledger, 100 + i * 16, POOL_I8), 0);
            for (size_t i = 0; i < 6; i++)
                assert_int_equal(ledger_realloc(&ledger, i, 20 + i * 40, type), 0);
            ledger_assert_agrees(&ledger);
            ledger_drain(&ledger, &random);
            ledger_close(&ledger);
            rig_close(&rig);
        }
}

static void of_null_allocates(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        rig_open(&rig, &kinds[k], 1024);
        void *ptr = NULL;
        assert_int_equal(pool_realloc(&rig.pool, &ptr, 0, 100, POOL_I64), 0);
        assert_non_null(ptr);
        if (!(kinds[k].flags & POOL_KEEP_CONTENTS))
            assert_filled(ptr, 100, 0);
        assert_int_equal(pool_size_of(&rig.pool, ptr), size_as_known(100));
        assert_int_equal(pool_free(&ptr, 100, &rig.pool), 0);
        rig_assert_sound(&rig);
        rig_close(&rig);
    }
}

/* A size without a chunk is a mistake, not a wish. */
static void of_null_with_a_size(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        struct snapshot before;
        void *ptr = NULL;
        rig_open(&rig, &kinds[k], 1024);
        snapshot_take(&before, &rig);
        assert_int_equal(pool_realloc(&rig.pool, &ptr, 16, 100, POOL_I64), -1);
        assert_int_equal(pool_error(&rig.pool), POOL_NULL_ARGUMENT);
        assert_int_equal(rig.told.count, 1);
        assert_null(ptr);
        snapshot_assert_same(&before, &rig);
        rig_close(&rig);
    }
}

static void to_the_same_size(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        rig_open(&rig, &kinds[k], 4096);
        for (size_t size = 1; size < 2000; size += 111) {
            void *ptr = NULL;
            assert_int_equal(pool_alloc(&rig.pool, &ptr, size, POOL_I8), 0);
            void *place = ptr;
            memset(ptr, 0x42, size);
            assert_int_equal(pool_realloc(&rig.pool, &ptr, size, size, POOL_I8), 0);
            assert_ptr_equal(ptr, place);
            assert_filled(ptr, size, 0x42);
            assert_int_equal(pool_free(&ptr, size, &rig.pool), 0);
        }
        rig_close(&rig);
    }
}

/* From one byte to the whole pool and back, alone in it. */
static void grows_to_the_whole_pool(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        struct ledger ledger;
        rig_open(&rig, &kinds[k], 20000);
        ledger_open(&ledger, &rig);
        assert_int_equal(ledger_alloc(&ledger, 1, POOL_I8), 0);
        for (size_t size = 1; size < rig.capacity; size += 1 + size / 3)
            if (ledger_realloc(&ledger, 0, size, POOL_I8) == 0)
                ledger_assert_agrees(&ledger);
        uint64_t random = 1;
        while (ledger.entries[0].size > 1) {
            size_t size = 1 + random_below(&random, ledger.entries[0].size);
            assert_int_equal(ledger_realloc(&ledger, 0, size - (size > 1), POOL_I8), 0);
            ledger_assert_agrees(&ledger);
        }
        ledger_drain(&ledger, &random);
        ledger_close(&ledger);
        rig_close(&rig);
    }
}

/* A chunk that becomes longer by a little gets room to, which is neither its user's nor anybody's:
 * its size, its zeroes and what is refused are those of a chunk without. */
static void grows_by_little_and_little(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        unsigned moves = 0;
        const int wipes = !(kinds[k].flags & POOL_KEEP_CONTENTS);
        rig_open(&rig, &kinds[k], 1 << 18);
        void *ptr = NULL, *other = NULL;
        assert_int_equal(pool_alloc(&rig.pool, &ptr, 64, POOL_I8), 0);
        memset(ptr, 0x33, 64);
        assert_int_equal(pool_alloc(&rig.pool, &other, 1024, POOL_I8), 0); /* so that it moves */
        for (size_t size = 64; size < 2000; size += 16) {
            void *before = ptr, *wrong;
            assert_int_equal(pool_realloc(&rig.pool, &ptr, size, size + 16, POOL_I8), 0);
            assert_filled(ptr, size, 0x33);
            if (wipes)
                assert_filled((char *)ptr + size, 16, 0);
            memset(ptr, 0x33, size + 16);
            moves += before != ptr;
            assert_int_equal(pool_size_of(&rig.pool, ptr), size + 16);
            for (size_t less = 0; less <= 32; less += 32) {
                wrong = ptr;
                assert_int_equal(pool_free(&wrong, size + less, &rig.pool), -1);
                assert_int_equal(pool_error(&rig.pool), POOL_WRONG_SIZE);
                assert_int_equal(pool_realloc(&rig.pool, &wrong, size + less, 16, POOL_I8), -1);
                assert_int_equal(pool_error(&rig.pool), POOL_WRONG_SIZE);
            }
            wrong = (char *)ptr + POOL_GRANULE;
            assert_int_equal(pool_free(&wrong, 16, &rig.pool), -1);
            assert_int_equal(pool_error(&rig.pool), POOL_INTERIOR);
            wrong = (char *)ptr + size + 16; /* its room, or what is free after it */
            if (size + 16 < 1024 && !REDZONE && !(kinds[k].flags & POOL_STRICT)) {
                assert_int_equal(pool_free_unsized(&wrong, &rig.pool), -1);
                assert_int_not_equal(pool_error(&rig.pool), POOL_INTERIOR);
            }
            rig_assert_sound(&rig);
        }
        if (rig.pool.fast_classes != 0)    /* it has pages that no tool watches */
            assert_in_range(moves, 1, 24); /* of 121 */

        /* And back, with what is given up zero when it is had again */
        for (size_t size = 2000; size > 16; size -= 16) {
            assert_int_equal(pool_realloc(&rig.pool, &ptr, size, size - 16, POOL_I8), 0);
            assert_int_equal(pool_size_of(&rig.pool, ptr), size - 16);
            assert_filled(ptr, size - 16, 0x33);
            if (wipes && size > 32) {
                assert_int_equal(pool_realloc(&rig.pool, &ptr, size - 16, size, POOL_I8), 0);
                assert_filled((char *)ptr + size - 16, 16, 0);
                assert_int_equal(pool_realloc(&rig.pool, &ptr, size, size - 16, POOL_I8), 0);
            }
            rig_assert_sound(&rig);
        }
        void *stale = ptr;
        assert_int_equal(pool_free(&ptr, 16, &rig.pool), 0);
        assert_int_equal(pool_free(&stale, 16, &rig.pool), -1);
        assert_int_equal(pool_error(&rig.pool), POOL_ALREADY_FREE);
        rig_assert_sound(&rig);
        rig_close(&rig);
    }
}

/* Where memory is short, room to grow is given out: the last granule can be had. */
static void room_is_no_loss(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++)
        for (size_t size = 64; size <= 1616; size += 388) {
            struct rig rig;
            struct pool_stats stats;
            size_t live = 0;
            rig_open(&rig, &kinds[k], 1 << 17);
            for (;; live += (size + 16 + 15) / 16 * 16) {
                void *ptr = NULL;
                if (pool_alloc(&rig.pool, &ptr, size, POOL_I8) != 0)
                    break;
                if (pool_realloc(&rig.pool, &ptr, size, size + 16, POOL_I8) != 0) {
                    live += (size + 15) / 16 * 16;
                    break;
                }
            }
            rig.told.count = 0;
            for (void *ptr = NULL; pool_alloc(&rig.pool, &ptr, 16, POOL_I8) == 0; live += 16)
                ;
            rig.told.count = 0;
            assert_int_equal(pool_stats(&rig.pool, &stats), 0);
            assert_int_equal(stats.live_bytes, live);
            if (!REDZONE)
                assert_int_equal(stats.free_bytes, 0);
            rig_assert_sound(&rig);
            rig_close(&rig);
        }
}

/* Room to grow is below the high-water mark: whoever has it later is counted. */
static void room_is_below_high_water(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        struct ledger ledger;
        uint64_t random = k;
        rig_open(&rig, &kinds[k], (size_t)1 << 20);
        ledger_open(&ledger, &rig);
        assert_int_equal(ledger_alloc(&ledger, 16, POOL_I8), 0);
        for (int i = 0; i < 101; i++) /* two pages but for a chunk */
            assert_int_equal(ledger_alloc(&ledger, 320, POOL_I8), 0);
        assert_int_equal(ledger_realloc(&ledger, 0, 272, POOL_I8), 0); /* which this one gets */
        for (int i = 1; i <= 40; i++) /* more than are remembered: the first page is listed */
            ledger_free(&ledger, (size_t)i);
        for (int i = 0; i < 33; i++)
            assert_int_equal(ledger_alloc(&ledger, 320, POOL_I8), 0);
        ledger_free(&ledger, 0);
        assert_int_equal(ledger_alloc(&ledger, 320, POOL_I8), 0);
        ledger_assert_agrees(&ledger);
        ledger_drain(&ledger, &random);
        ledger_close(&ledger);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_into_what_follows),
        cmocka_unit_test(prefers_its_place),
        cmocka_unit_test(prefers_its_place_to_what_was_freed),
        cmocka_unit_test(shrinks_where_it_is),
        cmocka_unit_test(given_up_bytes_return_as_zeroes),
        cmocka_unit_test(moves_when_it_must),
        cmocka_unit_test(moves_for_alignment),
        cmocka_unit_test(of_null_allocates),
        cmocka_unit_test(of_null_with_a_size),
        cmocka_unit_test(to_the_same_size),
        cmocka_unit_test(grows_to_the_whole_pool),
        cmocka_unit_test(grows_by_little_and_little),
        cmocka_unit_test(room_is_no_loss),
        cmocka_unit_test(room_is_below_high_water),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
