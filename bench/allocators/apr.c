/* A pool of the Apache Portable Runtime: objects one after the other in blocks, freed together. */
#include "align.h"
#include "arena.h"
#include "arm.h"

#include <apr_general.h>
#include <apr_pools.h>

static int open_apr(void **heap, const struct allocator_needs *needs)
{
    apr_pool_t *pool;
    (void)needs;
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return -1;
    *heap = pool;
    return 0;
}

static void close_apr(void *heap)
{
    apr_pool_destroy((apr_pool_t *)heap);
    apr_terminate();
}

static void *alloc(void *heap, size_t size)
{
    return apr_palloc((apr_pool_t *)heap, size);
}

static void *alloc_aligned(void *heap, size_t size, size_t align)
{
    void *base = alloc(heap, size + align);
    return base ? align_within(base, align) : NULL;
}

static void reset(void *heap)
{
    apr_pool_clear((apr_pool_t *)heap);
}

static const struct allocator allocator_apr_pool = {
    .name = "apr-pool",
    .about = "a pool of the Apache Portable Runtime, an arena",
    .promise = "unspecified",
    .limits = "It frees all at once or not at all, so only workloads that end empty apply; objects "
              "are aligned "
              "to 8 bytes.",
    .abilities = ALLOCATOR_ALLOCATES | ALLOCATOR_LOOSE,
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

ARM(apr_pool)
