/* A pool of the Apache Portable Runtime: objects one behind the other in blocks, freed together. */
#include "align.h"
#include "loops.h"

#include <apr_general.h>
#include <apr_pools.h>

static int open_apr(void **arm, const struct peer_needs *needs)
{
    apr_pool_t *pool;
    (void)needs;
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return -1;
    *arm = pool;
    return 0;
}

static void close_apr(void *arm)
{
    apr_pool_destroy((apr_pool_t *)arm);
    apr_terminate();
}

static void *alloc(void *arm, size_t size)
{
    return apr_palloc((apr_pool_t *)arm, size);
}

static void *alloc_aligned(void *arm, size_t size, size_t align)
{
    void *base = alloc(arm, size + align);
    return base ? align_within(base, align) : NULL;
}

static void *alloc_zeroed(void *arm, size_t size)
{
    void *ptr = alloc(arm, size);
    return ptr ? memset(ptr, 0, size) : NULL;
}

static void *resize(void *arm, void *ptr, size_t old_size, size_t new_size)
{
    if (new_size <= old_size)
        return ptr;
    void *moved = alloc(arm, new_size);
    return moved ? memcpy(moved, ptr, old_size) : NULL;
}

static void release(void *arm, void *ptr, size_t size)
{
    (void)arm;
    (void)ptr;
    (void)size;
}

static void release_aligned(void *arm, void *ptr, size_t size, size_t align)
{
    (void)align;
    release(arm, ptr, size);
}

static void reset(void *arm)
{
    apr_pool_clear((apr_pool_t *)arm);
}

static const struct peer peer_apr_pool = {
    .name = "apr-pool",
    .about = "a pool of the Apache Portable Runtime, an arena",
    .promise = "unspecified",
    .limits = "It frees all at once or not at all, so only workloads that end empty apply; objects "
              "are aligned "
              "to 8 bytes.",
    .abilities = PEER_ALLOCATES | PEER_LOOSE,
    .open = open_apr,
    .close = close_apr,
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .alloc_zeroed = alloc_zeroed,
    .realloc = resize,
    .free = release,
    .free_aligned = release_aligned,
    .reset = reset,
};

LOOPS(apr_pool)
