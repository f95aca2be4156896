/* What only the checked build refuses: sizes wrong by a byte, writes past the end of a chunk and
 * into freed ones; and the quarantine that lets the latter be seen.
 */
#include "rig.h"

#define CAPACITY ((size_t)8 * 1024)
#define LINE ((size_t)64 * POOL_GRANULE) /* by which a pool makes memory ready */
#define LONG ((size_t)1200)              /* more than a line */

static const size_t sizes[] = {1, 15, 16, 17, 100, 1008, 1009, LONG};

static unsigned char *take(struct rig *rig, size_t size, unsigned type)
{
    void *ptr = NULL;
    assert_int_equal(pool_alloc(&rig->pool, &ptr, size, (enum pool_type)type), 0);
    memset(ptr, 0x3c, size);
    return ptr;
}

static void give(struct rig *rig, unsigned char *chunk, size_t size)
{
    void *ptr = chunk;
    assert_int_equal(pool_free(&ptr, size, &rig->pool), 0);
}

/* Changes one byte that is nobody's; a second time, changes it back. */
static void flip(unsigned char *at)
{
    unsigned char byte;
    raw_read(&byte, at, 1);
    byte ^= 0x41;
    raw_write(at, &byte, 1);
}

static void assert_broken(const struct rig *rig, const char *invariant)
{
    const char *broken = "nothing";
    assert_int_equal(pool_check(&rig->pool, &broken), -1);
    if (strncmp(broken, invariant, strlen(invariant)) != 0)
        fail_msg("pool_check says \"%s\" and should name %s", broken, invariant);
}

/* What was refused, and that nothing else has changed. */
static void assert_refused(struct rig *rig, struct snapshot *before, int result,
                           enum pool_reason reason, const void *ptr)
{
    assert_int_equal(result, -1);
    if (pool_error(&rig->pool) != reason)
        fail_msg("refused as \"%s\" and not as \"%s\"", pool_strerror(pool_error(&rig->pool)),
                 pool_strerror(reason));
    snapshot_assert_same(before, rig);
    assert_int_equal(rig->told.count, 1);
    assert_int_equal(rig->told.reason, reason);
    assert_ptr_equal(rig->told.ptr, ptr);
    rig->told.count = 0;
}

/* pool_free and three pool_realloc of a chunk, each refused for the same reason; pool_free_unsized
 * too, where the reason is not the size. */
static void assert_kept(struct rig *rig, unsigned char *chunk, size_t size, enum pool_reason reason)
{
    const size_t new_sizes[] = {0, 1, size, size + 40}; /* the first means pool_free */
    for (size_t i = 0; i < COUNT_OF(new_sizes); i++) {
        struct snapshot before;
        void *ptr = chunk;
        snapshot_take(&before, rig);
        int result = i == 0 ? pool_free(&ptr, size, &rig->pool)
                            : pool_realloc(&rig->pool, &ptr, size, new_sizes[i], POOL_I8);
        assert_refused(rig, &before, result, reason, chunk);
        assert_ptr_equal(ptr, chunk);
    }
    if (reason != POOL_WRONG_SIZE) {
        struct snapshot before;
        void *ptr = chunk;
        snapshot_take(&before, rig);
        assert_refused(rig, &before, pool_free_unsized(&ptr, &rig->pool), reason, chunk);
        assert_ptr_equal(ptr, chunk);
    }
}

static void wrong_by_a_byte(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++)
        for (size_t s = 0; s < COUNT_OF(sizes); s++) {
            struct rig rig;
            rig_open(&rig, &kinds[k], CAPACITY);
            unsigned char *chunk = take(&rig, sizes[s], POOL_I8);
            take(&rig, 16, POOL_I8);
            for (size_t off = 1; off < 16; off += 1 + off / 2) {
                assert_kept(&rig, chunk, sizes[s] + off, POOL_WRONG_SIZE);
                if (sizes[s] > off)
                    assert_kept(&rig, chunk, sizes[s] - off, POOL_WRONG_SIZE);
            }
            assert_int_equal(pool_size_of(&rig.pool, chunk), sizes[s]);
            give(&rig, chunk, sizes[s]);
            rig_assert_sound(&rig);
            rig_close(&rig);
        }
}

/* Each byte from a chunk's last one to the next chunk: the slack of its last granule, and a granule
 * after that. */
static void overrun(void **state)
{
    (void)state;
    static const unsigned types[] = {POOL_I8, 6, POOL_PAGE};
    for (size_t k = 0; k < KINDS; k++)
        for (size_t s = 0; s < COUNT_OF(sizes); s++)
            for (size_t t = 0; t < COUNT_OF(types); t++) {
                if (t > 0 && kinds[k].source != FROM_MAP)
                    continue; /* alignment does not differ by source */
                struct rig rig;
                rig_open(&rig, &kinds[k], CAPACITY);
                take(&rig, 16, POOL_I8);
                unsigned char *chunk = take(&rig, sizes[s], types[t]);
                unsigned char *next = take(&rig, 16, POOL_I8);
                size_t end = chunk_granules(sizes[s]) * POOL_GRANULE;
                assert_true(next < chunk || next >= chunk + end);
                for (size_t at = sizes[s]; at < end; at++) {
                    flip(chunk + at);
                    assert_broken(&rig, "I10");
                    void *ptr = chunk;
                    assert_int_equal(pool_free(&ptr, sizes[s], &rig.pool), -1);
                    assert_int_equal(pool_error(&rig.pool), POOL_OVERRUN);
                    rig.told.count = 0;
                    if (at == sizes[s] || at + 1 == end) {
                        assert_kept(&rig, chunk, sizes[s], POOL_OVERRUN);
                        assert_kept(&rig, chunk, sizes[s] + 16, POOL_WRONG_SIZE);
                    }
                    give(&rig, next, 16); /* its neighbour is none the worse */
                    next = take(&rig, 16, POOL_I8);
                    flip(chunk + at);
                    rig_assert_sound(&rig);
                }
                give(&rig, chunk, sizes[s]);
                rig_close(&rig);
            }
}

/* The usual one: a string's end, one byte too far. */
static void overrun_by_a_zero(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 64; size++) {
        struct rig rig;
        rig_open(&rig, &kinds[0], CAPACITY);
        unsigned char *chunk = take(&rig, size, POOL_STR), zero = 0;
        raw_write(chunk + size, &zero, 1);
        assert_broken(&rig, "I10");
        assert_kept(&rig, chunk, size, POOL_OVERRUN);
        rig_close(&rig);
    }
}

/* A write before a chunk is one after the chunk in front of it. */
static void underrun(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++)
        for (size_t back = 1; back <= POOL_GRANULE; back++) {
            struct rig rig;
            rig_open(&rig, &kinds[k], CAPACITY);
            unsigned char *first = take(&rig, 100, POOL_I8), *second = take(&rig, 100, POOL_I8);
            assert_ptr_equal(second, first + chunk_granules(100) * POOL_GRANULE);
            flip(second - back);
            assert_broken(&rig, "I10");
            give(&rig, second, 100);
            assert_kept(&rig, first, 100, POOL_OVERRUN);
            rig_close(&rig);
        }
}

/* After each realloc, in place or not, the size and the canary are those of the new size. */
static void realloc_seals(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        uint64_t random = k;
        rig_open(&rig, &kinds[k], CAPACITY);
        size_t size = 40;
        unsigned char *chunk = take(&rig, size, POOL_I8);
        for (int i = 0; i < 120; i++) {
            size_t next = 1 + random_below(&random, i % 8 ? 64 : 1500);
            void *ptr = chunk;
            if (i % 16 == 0)
                take(&rig, 16, POOL_I8); /* in the way */
            assert_int_equal(pool_realloc(&rig.pool, &ptr, size, next, POOL_I8), 0);
            chunk = ptr;
            assert_filled(chunk, size < next ? size : next, 0x3c);
            memset(chunk, 0x3c, next);
            assert_kept(&rig, chunk, next + 1, POOL_WRONG_SIZE);
            size = next;
            assert_int_equal(pool_size_of(&rig.pool, chunk), size);
            rig_assert_sound(&rig);
            size_t end = chunk_granules(size) * POOL_GRANULE;
            unsigned char *at = chunk + size + random_below(&random, end - size);
            flip(at);
            assert_broken(&rig, "I10");
            assert_kept(&rig, chunk, size, POOL_OVERRUN);
            flip(at);
        }
        rig_close(&rig);
    }
}

/* Allocates until that is refused, and asserts that no chunk covers the byte and that the refusal
 * is the due one. It leaves what is live as it was, but may have put in order what is free. */
static void assert_withheld(struct rig *rig, const unsigned char *byte, size_t size)
{
    for (;;) {
        struct pool_stats before, following;
        void *ptr = NULL;
        assert_int_equal(pool_stats(&rig->pool, &before), 0);
        if (pool_alloc(&rig->pool, &ptr, size, POOL_I8) != 0) {
            assert_null(ptr);
            assert_int_equal(pool_error(&rig->pool), POOL_CORRUPTED);
            assert_int_equal(pool_stats(&rig->pool, &following), 0);
            assert_int_equal(following.live_chunks, before.live_chunks);
            assert_int_equal(following.free_bytes, before.free_bytes);
            rig->told.count = 0;
            return;
        }
        unsigned char *chunk = ptr;
        assert_true(byte < chunk || byte >= chunk + chunk_granules(size) * POOL_GRANULE);
    }
}

/* What makes the memory at a freed chunk one that waits, or one that no longer does. */
static void age(struct rig *rig)
{
    for (size_t freed = 0; freed < rig->block; freed += chunk_granules(100) * POOL_GRANULE)
        give(rig, take(rig, 100, POOL_I8), 100);
}

/* A byte of a freed chunk: as it waits, and later. It is found by a check, or when the memory would
 * be given again; until then everything else goes on; and a reset makes it good. */
static void write_after_free(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++)
        for (size_t s = 0; s < COUNT_OF(sizes); s++)
            for (int aged = 0; aged < 2; aged++)
                for (size_t at = 0; at < sizes[s]; at += 1 + at / 2) {
                    struct rig rig;
                    rig_open(&rig, &kinds[k], CAPACITY);
                    unsigned char *hem = take(&rig, 16, POOL_I8);
                    unsigned char *chunk = take(&rig, sizes[s], POOL_I8);
                    unsigned char *live = take(&rig, 16, POOL_I8);
                    give(&rig, chunk, sizes[s]);
                    if (aged)
                        age(&rig);
                    flip(chunk + at);
                    assert_broken(&rig, "I9");
                    give(&rig, live, 16);
                    assert_withheld(&rig, chunk + at, sizes[s]);
                    give(&rig, hem, 16);
                    assert_int_equal(pool_reset(&rig.pool), 0);
                    rig_assert_sound(&rig);
                    take(&rig, rig.capacity, POOL_I8);
                    rig_close(&rig);
                }
}

/* Memory that was never given out is watched as well, where the pool has made it ready. */
static void write_to_fresh(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        rig_open(&rig, &kinds[k], CAPACITY);
        unsigned char *chunk = take(&rig, 32, POOL_I8);
        flip(chunk + chunk_granules(32) * POOL_GRANULE + 5);
        assert_broken(&rig, "I9");
        struct snapshot before;
        void *ptr = NULL;
        snapshot_take(&before, &rig);
        int result = pool_alloc(&rig.pool, &ptr, 32, POOL_I8);
        assert_refused(&rig, &before, result, POOL_CORRUPTED, NULL);
        assert_int_equal(pool_reset(&rig.pool), 0);
        take(&rig, rig.capacity, POOL_I8);
        rig_close(&rig);
    }
}

/* A chunk does not grow over memory that was written to. */
static void does_not_grow_over_a_write(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        rig_open(&rig, &kinds[k], CAPACITY);
        unsigned char *chunk = take(&rig, 32, POOL_I8);
        unsigned char *at = chunk + chunk_granules(32) * POOL_GRANULE + 5;
        flip(at);
        void *ptr = chunk;
        assert_int_equal(pool_realloc(&rig.pool, &ptr, 32, 100, POOL_I8), -1);
        assert_int_equal(pool_error(&rig.pool), POOL_CORRUPTED);
        assert_ptr_equal(ptr, chunk);
        assert_filled(ptr, 32, 0x3c);
        flip(at);
        assert_int_equal(pool_realloc(&rig.pool, &ptr, 32, 100, POOL_I8), 0);
        assert_ptr_equal(ptr, chunk);
        rig_close(&rig);
    }
}

/* Nor over what was never made ready; where the source is not the system, that is wiped first. */
static void does_not_grow_over_a_write_to_fresh(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        rig_open(&rig, &kinds[k], CAPACITY);
        unsigned char *chunk = take(&rig, LONG, POOL_I8);
        flip(chunk + 2 * LINE + 100);
        void *ptr = chunk;
        int result = pool_realloc(&rig.pool, &ptr, LONG, 2 * LONG, POOL_I8);
        assert_filled(ptr, LONG, 0x3c);
        if (rig.config.flags & POOL_LAZY) {
            assert_int_equal(result, -1);
            assert_int_equal(pool_error(&rig.pool), POOL_CORRUPTED);
            assert_ptr_equal(ptr, chunk);
        } else {
            assert_int_equal(result, 0);
            if (!(rig.config.flags & POOL_KEEP_CONTENTS))
                assert_filled((unsigned char *)ptr + LONG, LONG, 0);
        }
        rig_close(&rig);
    }
}

/* It moves, where it can, if the write was to a run after it. */
static void moves_from_a_write(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        rig_open(&rig, &kinds[k], CAPACITY);
        unsigned char *chunk = take(&rig, 32, POOL_I8), *following = take(&rig, 80, POOL_I8);
        take(&rig, 16, POOL_I8);
        give(&rig, following, 80);
        age(&rig);
        flip(following + POOL_GRANULE + 5);
        void *ptr = chunk;
        assert_int_equal(pool_realloc(&rig.pool, &ptr, 32, 100, POOL_I8), 0);
        assert_ptr_not_equal(ptr, chunk);
        assert_filled(ptr, 32, 0x3c);
        flip(following + POOL_GRANULE + 5);
        rig_assert_sound(&rig);
        rig_close(&rig);
    }
}

/* Where no other place would do, what waits after a chunk makes way for it; unless it was written
 * to, and then nothing is out of memory. */
static void grows_over_what_waits(void **state)
{
    (void)state;
    const size_t size = room_for(3, 1200);
    for (int written = 0; written < 2; written++) {
        struct rig rig;
        rig_open(&rig, &kinds[0], size);
        unsigned char *chunk = take(&rig, 1200, POOL_I8), *second = take(&rig, 1200, POOL_I8);
        unsigned char *third = take(&rig, 1200, POOL_I8);
        give(&rig, second, 1200);
        give(&rig, third, 1200);
        if (written)
            flip(second + 5);
        void *ptr = chunk;
        int result = pool_realloc(&rig.pool, &ptr, 1200, size, POOL_I8);
        assert_int_equal(result, -written);
        assert_ptr_equal(ptr, chunk);
        assert_filled(ptr, 1200, 0x3c);
        if (written)
            assert_int_equal(pool_error(&rig.pool), POOL_CORRUPTED);
        else
            assert_filled(chunk + 1200, size - 1200, 0);
        rig_close(&rig);
    }
}

/* The place of a freed chunk is not given again before a quarter of the block has been freed after
 * it, while there is memory elsewhere. */
static void reuse_is_delayed(void **state)
{
    (void)state;
    static const size_t waits[] = {1, 100, LONG};
    for (size_t k = 0; k < KINDS; k++)
        for (size_t s = 0; s < COUNT_OF(waits); s++) {
            struct rig rig;
            struct pool_stats stats;
            size_t size = waits[s], bytes = chunk_granules(size) * POOL_GRANULE, freed = 0;
            rig_open(&rig, &kinds[k], CAPACITY);
            unsigned char *first = take(&rig, size, POOL_I8);
            give(&rig, first, size);
            assert_int_equal(pool_stats(&rig.pool, &stats), 0);
            assert_int_equal(stats.cached_chunks, 1);
            assert_int_equal(pool_size_of(&rig.pool, first), 0);
            unsigned char *chunk;
            while ((chunk = take(&rig, size, POOL_I8)) != first) {
                give(&rig, chunk, size);
                freed += bytes;
                assert_true(freed < 4 * rig.block); /* nor is it lost */
                rig_assert_sound(&rig);
            }
            assert_true(freed + bytes > rig.block / 4);
            rig_close(&rig);
        }
}

static void freed_twice_while_it_waits(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        rig_open(&rig, &kinds[k], CAPACITY);
        unsigned char *chunk = take(&rig, 100, POOL_I8);
        give(&rig, chunk, 100);
        assert_kept(&rig, chunk, 100, POOL_ALREADY_FREE);
        assert_kept(&rig, chunk + 16, 16, POOL_ALREADY_FREE);
        rig_close(&rig);
    }
}

/* Nothing is out of memory that waits: one chunk, some, all. */
static void drains_before_out_of_memory(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        static unsigned char *chunks[CAPACITY / 32];
        size_t count = 0;
        void *ptr = NULL;
        rig_open(&rig, &kinds[k], CAPACITY);
        while (count < COUNT_OF(chunks) &&
               pool_alloc(&rig.pool, (void **)&chunks[count], 100, POOL_I8) == 0)
            count++;
        while (pool_alloc(&rig.pool, &ptr, 1, POOL_I8) == 0)
            ;
        assert_int_equal(pool_error(&rig.pool), POOL_OUT_OF_MEMORY);
        give(&rig, chunks[7], 100);
        assert_ptr_equal(take(&rig, 100, POOL_I8), chunks[7]);
        for (size_t i = 10; i < 13; i++)
            give(&rig, chunks[i], 100);
        assert_ptr_equal(take(&rig, room_for(3, 100), POOL_I8), chunks[10]);
        assert_int_equal(pool_alloc(&rig.pool, &ptr, 1, POOL_I8), -1);
        assert_int_equal(pool_error(&rig.pool), POOL_OUT_OF_MEMORY);
        rig_assert_sound(&rig);
        assert_int_equal(pool_reset(&rig.pool), 0);
        give(&rig, take(&rig, rig.capacity, POOL_I8), rig.capacity);
        give(&rig, take(&rig, rig.capacity, POOL_I8), rig.capacity);
        rig_close(&rig);
    }
}

/* A reset takes chunks that were overrun, and what waits, and starts afresh. */
static void reset_goes_on(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        struct pool_stats stats;
        rig_open(&rig, &kinds[k], CAPACITY);
        unsigned char *live = take(&rig, 40, POOL_I8), *freed = take(&rig, 40, POOL_I8);
        give(&rig, freed, 40);
        flip(live + 40);
        flip(freed + 8);
        assert_int_equal(pool_reset(&rig.pool), 0);
        rig_assert_sound(&rig);
        assert_int_equal(pool_stats(&rig.pool, &stats), 0);
        assert_int_equal(stats.cached_chunks, 0);
        assert_kept(&rig, live, 40, POOL_STALE);
        give(&rig, take(&rig, rig.capacity, POOL_I8), rig.capacity);
        rig_close(&rig);
    }
}

/* Where contents are promised to nobody, those of a freed chunk do not come back. */
static void old_contents_do_not_return(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct rig rig;
        rig_open(&rig, &kinds[k], CAPACITY);
        give(&rig, take(&rig, rig.capacity, POOL_I8), rig.capacity);
        void *ptr = NULL;
        assert_int_equal(pool_alloc(&rig.pool, &ptr, rig.capacity, POOL_I8), 0);
        const unsigned char *bytes = ptr;
        for (size_t i = 0; i < rig.capacity; i++)
            assert_int_equal(bytes[i] == 0, !(kinds[k].flags & POOL_KEEP_CONTENTS));
        for (size_t i = 0; i < rig.capacity; i++)
            assert_int_not_equal(bytes[i], 0x3c);
        rig_close(&rig);
    }
}

/* A giant is looked at where its ends are, for the rest may never have been touched. */
static void giants(void **state)
{
    (void)state;
    const struct kind lazy = {"lazy", FROM_SYSTEM, 0};
    const size_t size = (size_t)64 << 20;
    static const size_t spots[] = {16, ((size_t)8 << 20) - 1, ((size_t)56 << 20) + 16};
    for (size_t i = 0; i < COUNT_OF(spots); i++) {
        struct rig rig;
        void *ptr = NULL;
        rig_open(&rig, &lazy, size);
        assert_int_equal(pool_alloc(&rig.pool, &ptr, size, POOL_I8), 0);
        unsigned char *chunk = ptr;
        flip(chunk + size);
        assert_broken(&rig, "I10");
        flip(chunk + size);
        give(&rig, chunk, size);
        flip(chunk + spots[i]);
        assert_broken(&rig, "I9");
        assert_int_equal(pool_alloc(&rig.pool, &ptr, size, POOL_I8), -1);
        assert_int_equal(pool_error(&rig.pool), POOL_CORRUPTED);
        assert_int_equal(pool_reset(&rig.pool), 0);
        assert_int_equal(pool_alloc(&rig.pool, &ptr, size, POOL_I8), 0);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_by_a_byte),
        cmocka_unit_test(overrun),
        cmocka_unit_test(overrun_by_a_zero),
        cmocka_unit_test(underrun),
        cmocka_unit_test(realloc_seals),
        cmocka_unit_test(write_after_free),
        cmocka_unit_test(write_to_fresh),
        cmocka_unit_test(does_not_grow_over_a_write),
        cmocka_unit_test(does_not_grow_over_a_write_to_fresh),
        cmocka_unit_test(moves_from_a_write),
        cmocka_unit_test(grows_over_what_waits),
        cmocka_unit_test(reuse_is_delayed),
        cmocka_unit_test(freed_twice_while_it_waits),
        cmocka_unit_test(drains_before_out_of_memory),
        cmocka_unit_test(reset_goes_on),
        cmocka_unit_test(old_contents_do_not_return),
        cmocka_unit_test(giants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
