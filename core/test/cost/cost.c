/* Calls for callgrind to count: the fast paths one after another, or single operations in a pool
 * that a seed has made as awkward as it can.
 *
 *     cost fast keep|wipe LETTERS      A: allocate 1,000 chunks; F: free them
 *     cost worst strict|plain SEED     4,000 operations, each counted by itself
 *     cost among strict|plain COUNT    chunks that fit into none of so many runs, counted likewise
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/callgrind.h>

#include "mem_pool.h"

#define COUNT 1000
#define SIZE 48
#define STEPS 4000
#define LONG_ONES 50
#define SLOTS 600
#define CAPACITY ((size_t)1 << 20)

static void *chunks[COUNT];
static struct m_pool pool;

static int fail(const char *what)
{
    fprintf(stderr, "cost: %s: %s\n", what, pool_strerror(pool_error(&pool)));
    return 2;
}

static int run_fast(const char *letters)
{
    for (; *letters; letters++) {
        int bad = 0;
        if (*letters == 'A')
            for (size_t i = 0; i < COUNT; i++)
                bad |= pool_alloc(&pool, &chunks[i], SIZE, POOL_USER);
        else
            for (size_t i = COUNT; i-- > 0;)
                bad |= pool_free(&chunks[i], SIZE, &pool);
        if (bad)
            return fail("a call was refused");
    }
    return 0;
}

/* --- Single operations ------------------------------------------------------------------------ */

/* Callgrind writes down what one call took, under its name. */
#define COUNTED(name, call)                                                                        \
    do {                                                                                           \
        CALLGRIND_ZERO_STATS;                                                                      \
        result = (call);                                                                           \
        CALLGRIND_DUMP_STATS_AT(name);                                                             \
    } while (0)

static uint64_t state;

/* splitmix64 */
static size_t below(size_t bound)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (size_t)((z ^ z >> 31) % bound);
}

/* Sizes around the edges of bins and of the cache, and small ones between them to keep neighbours
 * apart. */
static size_t any_size(void)
{
    static const size_t edges[] = {1,  2,  3,  4,   5,   7,   8,   12,  16,  31,  32,  40,  63, 64,
                                   65, 80, 96, 112, 127, 128, 160, 192, 224, 255, 256, 320, 512};
    size_t n = below(4) ? edges[below(sizeof edges / sizeof edges[0])] : 1 + below(300);
    return n * POOL_GRANULE - below(POOL_GRANULE);
}

static int run_worst(void)
{
    static struct {
        void *ptr;
        size_t size;
    } slots[SLOTS];
    for (int step = 0; step < STEPS; step++) {
        size_t i = below(SLOTS), size = any_size();
        /* Phases that fill, thin out and then ask for what hardly any hole can align. */
        size_t phase = (size_t)step % 1000 / 250;
        unsigned type = phase == 3 || below(8) == 0 ? (unsigned)below(POOL_PAGE + 1) : POOL_USER;
        if (phase == 3 && below(2))
            type = POOL_PAGE;
        enum pool_type as = (enum pool_type)type;
        void **ptr = &slots[i].ptr;
        int result = 0;
        if (*ptr && (phase == 1 || below(3) == 0)) {
            COUNTED("free", pool_free(ptr, slots[i].size, &pool));
            if (result)
                return fail("a free was refused");
        } else if (*ptr) {
            COUNTED("realloc", pool_realloc(&pool, ptr, slots[i].size, size, as));
            if (result == 0)
                slots[i].size = size;
        } else {
            COUNTED("alloc", pool_alloc(&pool, ptr, size, as));
            if (result == 0)
                slots[i].size = size;
        }
    }
    return 0;
}

/* The runs are of 64 granules, in the bin that also has those of the 79 that are asked for. */
static int run_among(size_t count)
{
    int result = count > COUNT;
    for (size_t i = 0; i < count && !result; i++) {
        void *fence = NULL;
        result |= pool_alloc(&pool, &chunks[i], 64 * POOL_GRANULE, POOL_USER);
        result |= pool_alloc(&pool, &fence, 1, POOL_USER);
    }
    for (size_t i = 0; i < count && !result; i++)
        result |= pool_free(&chunks[i], 64 * POOL_GRANULE, &pool);
    for (size_t i = 0; i < LONG_ONES && !result; i++)
        COUNTED("alloc", pool_alloc(&pool, &chunks[i], 79 * POOL_GRANULE, POOL_USER));
    return result ? fail("among runs") : 0;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return fail("usage: cost fast keep|wipe LETTERS | cost worst|among strict|plain NUMBER");
    int fast = strcmp(argv[1], "fast") == 0, worst = strcmp(argv[1], "worst") == 0;
    struct pool_config config = {.capacity = CAPACITY};
    if (!fast || strcmp(argv[2], "keep") == 0)
        config.flags |= POOL_KEEP_CONTENTS; /* the wipe is as long as the chunk */
    if (strcmp(argv[2], "strict") == 0)
        config.flags |= POOL_STRICT;
    if (pool_init_with(&pool, &config) != 0)
        return fail("no pool");
    state = strtoull(argv[3], NULL, 10);
    int code = fast ? run_fast(argv[3]) : worst ? run_worst() : run_among((size_t)state);
    pool_destroy(&pool);
    return code;
}
