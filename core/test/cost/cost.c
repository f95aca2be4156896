/* Calls for callgrind to count: the fast paths one after another, or single operations in a pool
 * that a seed has made as awkward as it can.
 *
 *     cost fast keep|wipe LETTERS      A: allocate 1,000 chunks; F: free them
 *     cost worst strict|plain SEED     4,000 operations, each counted by itself
 *     cost among strict|plain COUNT    chunks that fit into none of so many runs, counted likewise
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/callgrind.h>

#include "mem_pool.h"

#define COUNT 1000
#define SIZE 48
#define LONG_ONES 50
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

#include "awkward.h"

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
    size_t number = strtoull(argv[3], NULL, 10);
    int code = fast    ? run_fast(argv[3])
               : worst ? awkward(&pool, number) && fail("a free was refused")
                       : run_among(number);
    pool_destroy(&pool);
    return code;
}
