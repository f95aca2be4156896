/* vast GIBIBYTES: pools of more bytes than the machine has, most of which are never touched. */
#define _DEFAULT_SOURCE 1 /* MAP_NORESERVE */
#include "rig.h"

#include <sys/mman.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__)
#define SHADOWED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHADOWED 1
#endif
#endif
#ifndef SHADOWED
#define SHADOWED 0 /* whether AddressSanitizer keeps an eighth of it in memory that counts */
#endif

/* What a pool may make resident for the few pages that a test touches, and a record of 40 bytes for
 * each 64 granules that it has given out. */
#define RESIDENT_MOST (((size_t)64 << 20) + capacity / 25)

#define POOL_PAGE_BYTES ((size_t)1 << POOL_PAGE)

static const size_t NEAR = 1024, FAR = 4096; /* bytes of the chunks at either end */

static size_t capacity; /* as the command line says */

/* Resident bytes of this process at their highest. */
static size_t peak_resident(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

static void vast_open(struct m_pool *pool, size_t bytes, unsigned flags)
{
    const struct pool_config config = {.capacity = bytes, .flags = POOL_LAZY | flags};
    memset(pool, 0, sizeof *pool);
    assert_int_equal(pool_init_with(pool, &config), 0);
}

/* Little has become resident, and the pool is destroyed. */
static void vast_close(struct m_pool *pool, size_t resident_before)
{
    size_t more = peak_resident() - resident_before;
    pool_destroy(pool);
    if (!SHADOWED && more > RESIDENT_MOST)
        fail_msg("%zu bytes became resident for some thousand touched", more);
}

/* Zero at either end and in between, wherever it was written to before. */
static void touch(unsigned char *all)
{
    for (size_t i = 0; i <= 4; i++) {
        size_t at = capacity / 4 * i - (i == 4);
        assert_int_equal(all[at], 0);
        all[at] = 0xff;
    }
}

static void as_one_chunk(void **state)
{
    (void)state;
    struct m_pool pool;
    unsigned char *all = NULL;
    void *more = NULL;
    size_t before = peak_resident();
    vast_open(&pool, capacity, 0);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(pool_alloc(&pool, (void **)&all, capacity + 1, POOL_I8), -1);
        assert_int_equal(pool_error(&pool), POOL_TOO_LARGE);
        assert_int_equal(pool_alloc(&pool, (void **)&all, capacity, POOL_I8), 0);
        assert_int_equal(pool_alloc(&pool, &more, 1, POOL_I8), -1);
        assert_int_equal(pool_error(&pool), POOL_OUT_OF_MEMORY);
        assert_int_equal(pool_size_of(&pool, all), capacity);
        touch(all);
        assert_int_equal(pool_free((void **)&all, capacity, &pool), 0);
    }
    vast_close(&pool, before);
}

/* A run of n granules between two live ones is found again, by its own length and by a lesser one.
 * */
static void find_run(size_t n, unsigned flags)
{
    struct m_pool pool;
    unsigned char *low = NULL, *run = NULL, *high = NULL;
    size_t granules = 2 * chunk_granules(POOL_GRANULE) + chunk_granules(n * POOL_GRANULE);
    vast_open(&pool, usable_bytes(granules), flags);
    assert_int_equal(pool_alloc(&pool, (void **)&low, POOL_GRANULE, POOL_I8), 0);
    assert_int_equal(pool_alloc(&pool, (void **)&run, n * POOL_GRANULE, POOL_I8), 0);
    assert_int_equal(pool_alloc(&pool, (void **)&high, POOL_GRANULE, POOL_I8), 0);
    for (size_t less = 0; less < 2; less++) {
        unsigned char *there = run;
        assert_int_equal(pool_free((void **)&run, n * POOL_GRANULE, &pool), 0);
        if (pool_alloc(&pool, (void **)&run, (n - less) * POOL_GRANULE, POOL_I8) != 0)
            fail_msg("a run of %zu granules was not found for %zu", n, n - less);
        assert_ptr_equal(run, there);
    }
    pool_destroy(&pool);
}

static void runs_of_every_length(void **state)
{
    (void)state;
    size_t most = SHADOWED ? (size_t)1 << 28 : (size_t)1 << 30;
    for (unsigned shift = 0; ((size_t)8 << shift) * POOL_GRANULE <= most; shift++)
        for (size_t quarter = 4; quarter < 8; quarter++) {
            size_t n = quarter << shift;
            find_run(n, 0);
            find_run(n, POOL_STRICT | POOL_KEEP_CONTENTS);
            find_run(n - 1, POOL_KEEP_CONTENTS);
        }
}

static void after_a_reset(void **state)
{
    (void)state;
    struct m_pool pool;
    unsigned char *all = NULL;
    size_t small = capacity < (size_t)1 << 32 ? capacity : (size_t)1 << 32;
    vast_open(&pool, capacity, 0);
    assert_int_equal(pool_alloc(&pool, (void **)&all, small, POOL_I8), 0);
    all[0] = all[small - 1] = 0xff;
    assert_int_equal(pool_reset(&pool), 0);
    assert_int_equal(pool_alloc(&pool, (void **)&all, small, POOL_I8), 0);
    assert_int_equal(all[0], 0);
    assert_int_equal(all[small - 1], 0);
    pool_destroy(
        &pool); /* a reset may touch a tag for each granule: no bound on what is resident */
}

/* A chunk at each end and a giant between them. */
static void at_both_ends(unsigned flags, size_t bytes)
{
    struct m_pool pool;
    struct pool_stats stats;
    unsigned char *near = NULL, *giant = NULL, *far = NULL, *more = NULL;
    size_t before = peak_resident(), redzones = (size_t)2 * REDZONE * POOL_GRANULE;
    size_t middle = bytes - NEAR - FAR - redzones;
    vast_open(&pool, bytes, flags);
    assert_int_equal(pool_alloc(&pool, (void **)&near, NEAR - 12, POOL_I8), 0);
    assert_int_equal(pool_alloc(&pool, (void **)&giant, middle, POOL_I8), 0);
    assert_int_equal(pool_alloc(&pool, (void **)&far, FAR, POOL_I8), 0);
    assert_int_equal(pool_alloc(&pool, (void **)&more, 1, POOL_I8), -1);
    assert_int_equal(pool_error(&pool), POOL_OUT_OF_MEMORY);
    if (!REDZONE || !(flags & POOL_KEEP_CONTENTS)) { /* whose contents are then made to show */
        assert_filled(near, NEAR - 12, 0);
        assert_filled(far, FAR, 0);
    }
    memset(near, 0x11, NEAR - 12);
    memset(far, 0x22, FAR);
    giant[0] = giant[middle / 2] = giant[middle - 1] = 0x33;
    assert_int_equal(pool_stats(&pool, &stats), 0);
    assert_int_equal(stats.live_bytes, bytes - redzones);
    assert_int_equal(stats.live_chunks, 3);
    assert_int_equal(stats.largest_free, 0);
    assert_int_equal(pool_size_of(&pool, giant), middle);

    for (size_t offset = 16; offset < (size_t)1 << 24; offset *= 2) {
        void *inside = giant + offset;
        assert_int_equal(pool_free(&inside, middle - offset, &pool), -1);
        assert_int_equal(pool_error(&pool), POOL_INTERIOR);
    }
    void *wrong = giant;
    for (size_t less = 16; less < middle; less *= 16) {
        assert_int_equal(pool_free(&wrong, middle - less, &pool), -1);
        assert_int_equal(pool_error(&pool), POOL_WRONG_SIZE);
        assert_int_equal(pool_free(&wrong, middle + less, &pool), -1);
        assert_int_equal(pool_error(&pool), POOL_WRONG_SIZE);
    }
    assert_int_equal(pool_free((void **)&near, NEAR - 12, &pool), 0);
    assert_int_equal(pool_free((void **)&far, FAR, &pool), 0);
    assert_int_equal(pool_alloc(&pool, (void **)&far, FAR, POOL_I8), 0);
    if (!(flags & POOL_KEEP_CONTENTS))
        assert_filled(far, FAR, 0);
    assert_int_equal(giant[middle - 1], 0x33);
    vast_close(&pool, before);
}

static void between_two_small_ones(void **state)
{
    (void)state;
    at_both_ends(0, capacity);
    at_both_ends(POOL_STRICT, capacity - 16);
    at_both_ends(POOL_KEEP_CONTENTS, capacity - 4096);
}

/* What a refusal and coalescing have to know of a giant stands at its ends: its other tags are made
 * unreadable. */
static void beside_a_giant(void **state)
{
    (void)state;
    struct m_pool pool;
    void *near = NULL, *giant = NULL, *far = NULL, *more = NULL;
    size_t before = peak_resident(), redzones = (size_t)2 * REDZONE * POOL_GRANULE;
    size_t middle = capacity - NEAR - FAR - redzones;
    vast_open(&pool, capacity, 0);
    assert_int_equal(pool_alloc(&pool, &near, NEAR, POOL_I8), 0);
    assert_int_equal(pool_alloc(&pool, &giant, middle, POOL_I8), 0);
    assert_int_equal(pool_alloc(&pool, &far, FAR, POOL_I8), 0);

    unsigned char *inner = pool.tags + pool_granule(&pool, giant) + POOL_PAGE_BYTES;
    inner -= (uintptr_t)inner % POOL_PAGE_BYTES;
    size_t bytes = middle / POOL_GRANULE / POOL_PAGE_BYTES * POOL_PAGE_BYTES - 2 * POOL_PAGE_BYTES;
    assert_int_equal(mprotect(inner, bytes, PROT_NONE), 0);
    assert_int_equal(pool_alloc(&pool, &more, 1, POOL_I8), -1);
    assert_int_equal(pool_error(&pool), POOL_OUT_OF_MEMORY);
    assert_int_equal(pool_trim(&pool, NULL), 0);
    assert_int_equal(pool_free(&near, NEAR, &pool), 0);
    assert_int_equal(pool_free(&far, FAR, &pool), 0);
    assert_int_equal(pool_alloc(&pool, &more, FAR + 1, POOL_I8), -1);
    assert_int_equal(pool_error(&pool), POOL_OUT_OF_MEMORY);
    assert_int_equal(pool_trim(&pool, NULL), 0);
    assert_int_equal(mprotect(inner, bytes, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(pool_alloc(&pool, &far, FAR, POOL_I8), 0);
    vast_close(&pool, before);
}

/* Small chunks in the last granules that there are, which could be a page. */
static void small_ones_at_the_end(void **state)
{
    (void)state;
    enum { ROOM = 1 << 15, SIZE = 64 };
    static void *chunks[ROOM / SIZE];
    struct m_pool pool;
    void *giant = NULL, *more = NULL;
    vast_open(&pool, capacity, 0);
    assert_int_equal(pool_alloc(&pool, &giant, capacity - ROOM - REDZONE * POOL_GRANULE, POOL_I8),
                     0);
    const size_t count = ROOM / (SIZE + REDZONE * POOL_GRANULE);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < count; i++)
            assert_int_equal(pool_alloc(&pool, &chunks[i], SIZE, POOL_I8), 0);
        assert_int_equal(pool_alloc(&pool, &more, SIZE, POOL_I8), -1);
        assert_int_equal(pool_error(&pool), POOL_OUT_OF_MEMORY);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(pool_free(&chunks[i], SIZE, &pool), 0);
    }
    pool_destroy(&pool);
}

/* Chunks a quarter apart: addresses whose low 32 bits are equal are still told apart. */
static void in_quarters(void **state)
{
    (void)state;
    struct m_pool pool;
    unsigned char *quarters[4] = {NULL};
    size_t before = peak_resident(), quarter = capacity / 4 - (size_t)REDZONE * POOL_PAGE_BYTES;
    vast_open(&pool, capacity, POOL_STRICT);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pool_alloc(&pool, (void **)&quarters[i], quarter, POOL_PAGE), 0);
        quarters[i][0] = quarters[i][quarter - 1] = (unsigned char)(i + 1);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(quarters[i][0], i + 1);
        assert_int_equal(quarters[i][quarter - 1], i + 1);
        void *ptr = quarters[i];
        assert_int_equal(pool_free(&ptr, 16, &pool), -1);
        assert_int_equal(pool_error(&pool), POOL_WRONG_SIZE);
        ptr = quarters[i] + 4096;
        assert_int_equal(pool_free(&ptr, quarter - 4096, &pool), -1);
        assert_int_equal(pool_error(&pool), POOL_INTERIOR);
    }
    assert_int_equal(pool_free((void **)&quarters[1], quarter, &pool), 0);
    assert_int_equal(pool_free((void **)&quarters[2], quarter, &pool), 0);
    assert_int_equal(pool_alloc(&pool, (void **)&quarters[1], 2 * quarter, POOL_I8), 0);
    assert_int_equal(quarters[1][0], 0);
    assert_int_equal(quarters[1][2 * quarter - 1], 0);
    vast_close(&pool, before);
}

/* A caller's buffer that is longer than any pool gives the largest pool, and one that is not gives
 * less than it is. */
static void in_a_buffer(void **state)
{
    (void)state;
    struct pool_config config = {.buffer_size = SHADOWED ? capacity : 2 * capacity};
    struct m_pool pool = {0};
    struct pool_stats stats;
    void *ptr = NULL;
    config.buffer = mmap(NULL, config.buffer_size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (config.buffer == MAP_FAILED) {
        print_message("# the machine refuses %zu GiB of address space\n", config.buffer_size >> 30);
        skip();
    }
    assert_int_equal(pool_init_with(&pool, &config), 0);
    assert_int_equal(pool_stats(&pool, &stats), 0);
    if (config.buffer_size > POOL_MAX_CAPACITY)
        assert_int_equal(stats.capacity, POOL_MAX_CAPACITY);
    else
        assert_in_range(stats.capacity, config.buffer_size / (REDZONE ? 21 : 17) * 15,
                        config.buffer_size);
    assert_int_equal(pool_alloc(&pool, &ptr, 100, POOL_I8), 0);
    assert_int_equal(pool_check(&pool, NULL), 0);
    assert_int_equal(pool_free(&ptr, 100, &pool), 0);
    pool_destroy(&pool);
    assert_int_equal(munmap(config.buffer, config.buffer_size), 0);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_one_chunk),         cmocka_unit_test(between_two_small_ones),
        cmocka_unit_test(beside_a_giant),       cmocka_unit_test(in_quarters),
        cmocka_unit_test(runs_of_every_length), cmocka_unit_test(after_a_reset),
        cmocka_unit_test(in_a_buffer),          cmocka_unit_test(small_ones_at_the_end),
    };
    size_t gibibytes = count == 2 ? strtoul(arguments[1], NULL, 10) : 0;
    if (gibibytes == 0 || gibibytes > 64) {
        fprintf(stderr, "vast: say how many gibibytes, from 1 to 64\n");
        return 2;
    }
    capacity = gibibytes << 30;
    if (SHADOWED && gibibytes > 4) {
        printf("1..0 # SKIP AddressSanitizer would keep %zu GiB of shadow\n", gibibytes / 8);
        return 0;
    }
    struct m_pool pool = {0};
    const struct pool_config config = {.capacity = capacity, .flags = POOL_LAZY};
    if (pool_init_with(&pool, &config) == -1 && pool_error(&pool) == POOL_NO_BACKING) {
        printf("1..0 # SKIP the machine refuses %zu GiB of address space\n", gibibytes);
        return 0;
    }
    pool_destroy(&pool);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
