/* The pool, twice: wiping, with its promise of zeroes, and keeping contents, with that of malloc.
 *
 * Both are lazy pools with far more address space than the workload needs, so that neither their
 * capacity nor its exhaustion plays a part. The chunks of a user who knows nothing of their type
 * are aligned for any (POOL_USER).
 */
#include "loops.h"
#include "mem_pool.h"

#include <stdlib.h>
#include <string.h>

static int open_with(void **arm, const struct peer_needs *needs, unsigned flags)
{
    struct pool_config config = {.flags = POOL_LAZY | flags};
    struct m_pool *pool = calloc(1, sizeof *pool);
    const size_t least = (size_t)1 << 30;
    if (!pool)
        return -1;
    config.capacity = needs->live_bytes < least / 8 ? least : needs->live_bytes * 8;
    if (config.capacity > POOL_MAX_CAPACITY)
        config.capacity = POOL_MAX_CAPACITY;
    if (pool_init_with(pool, &config) != 0) {
        free(pool);
        return -1;
    }
    *arm = pool;
    return 0;
}

static int open_wiping(void **arm, const struct peer_needs *needs)
{
    return open_with(arm, needs, 0);
}

static int open_keeping(void **arm, const struct peer_needs *needs)
{
    return open_with(arm, needs, POOL_KEEP_CONTENTS);
}

static void close_pool(void *arm)
{
    pool_destroy(arm);
    free(arm);
}

static void *alloc(void *arm, size_t size)
{
    void *ptr;
    return pool_alloc(arm, &ptr, size, POOL_USER) == 0 ? ptr : NULL;
}

static void *alloc_aligned(void *arm, size_t size, size_t align)
{
    void *ptr;
    return pool_alloc(arm, &ptr, size, POOL_ALIGN(align)) == 0 ? ptr : NULL;
}

static void *alloc_and_clear(void *arm, size_t size)
{
    void *ptr = alloc(arm, size);
    return ptr ? memset(ptr, 0, size) : NULL;
}

static void *resize(void *arm, void *ptr, size_t old_size, size_t new_size)
{
    return pool_realloc(arm, &ptr, old_size, new_size, POOL_USER) == 0 ? ptr : NULL;
}

static void release(void *arm, void *ptr, size_t size)
{
    (void)pool_free(&ptr, size, arm);
}

static void reset(void *arm)
{
    (void)pool_reset(arm);
}

static const struct peer peer_pool = {
    .name = "pool",
    .promise = "zeroed",
    .abilities = PEER_REUSES | PEER_ALLOCATES,
    .open = open_wiping,
    .close = close_pool,
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .alloc_zeroed = alloc,
    .realloc = resize,
    .free = release,
    .reset = reset,
};

static const struct peer peer_pool_keep = {
    .name = "pool-keep",
    .promise = "unspecified",
    .abilities = PEER_REUSES | PEER_ALLOCATES,
    .open = open_keeping,
    .close = close_pool,
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .alloc_zeroed = alloc_and_clear,
    .realloc = resize,
    .free = release,
    .reset = reset,
};

LOOPS(pool)
LOOPS(pool_keep)
