/* What the arms of the pool share.
 *
 * All are lazy pools with far more address space than the workload needs, so that neither their
 * capacity nor its exhaustion plays a part, unless it is what the workload asks about. All but one
 * ask for huge pages, as today's mallocs do. The chunks of a user who knows nothing of their type
 * are aligned for any (POOL_USER).
 */
#ifndef POOLPROOF_POOL_ARM_H
#define POOLPROOF_POOL_ARM_H

#include "arm.h"
#include "mem_pool.h"

#include <stdlib.h>
#include <string.h>

static inline int pool_arm_open(void **heap, const struct allocator_needs *needs, unsigned flags)
{
    struct pool_config config = {.flags = POOL_LAZY | flags};
    struct m_pool *pool = calloc(1, sizeof *pool);
    const size_t least = (size_t)1 << 30;
    if (!pool)
        return -1;
    config.capacity = needs->live_bytes < least / 8 ? least : needs->live_bytes * 8;
    if (config.capacity > POOL_MAX_CAPACITY)
        config.capacity = POOL_MAX_CAPACITY;
    if (needs->capacity != 0)
        config.capacity = needs->capacity;
    if (pool_init_with(pool, &config) != 0) {
        free(pool);
        return -1;
    }
    *heap = pool;
    return 0;
}

static inline void pool_arm_close(void *heap)
{
    pool_destroy(heap);
    free(heap);
}

static inline void *pool_arm_alloc(void *heap, size_t size)
{
    void *ptr;
    return pool_alloc(heap, &ptr, size, POOL_USER) == 0 ? ptr : NULL;
}

static inline void *pool_arm_alloc_aligned(void *heap, size_t size, size_t align)
{
    void *ptr;
    return pool_alloc(heap, &ptr, size, POOL_ALIGN(align)) == 0 ? ptr : NULL;
}

static inline void *pool_arm_alloc_and_clear(void *heap, size_t size)
{
    void *ptr = pool_arm_alloc(heap, size);
    return ptr ? memset(ptr, 0, size) : NULL;
}

static inline void *pool_arm_resize(void *heap, void *ptr, size_t old_size, size_t new_size)
{
    return pool_realloc(heap, &ptr, old_size, new_size, POOL_USER) == 0 ? ptr : NULL;
}

static inline void pool_arm_release(void *heap, void *ptr, size_t size)
{
    (void)pool_free(&ptr, size, heap);
}

static inline void pool_arm_release_aligned(void *heap, void *ptr, size_t size, size_t align)
{
    (void)align;
    pool_arm_release(heap, ptr, size);
}

static inline void pool_arm_reset(void *heap)
{
    (void)pool_reset(heap);
}

static inline size_t pool_arm_size_of(const void *heap, const void *ptr)
{
    return pool_size_of(heap, ptr);
}

/* What the tables of all have; `zeroed` is the call for an object of zeroes. */
#define POOL_ARM_CALLS(zeroed)                                                                     \
    .abilities = ALLOCATOR_REUSES | ALLOCATOR_ALLOCATES | ALLOCATOR_BOUNDED,                       \
    .close = pool_arm_close, .alloc = pool_arm_alloc, .alloc_aligned = pool_arm_alloc_aligned,     \
    .alloc_zeroed = zeroed, .realloc = pool_arm_resize, .free = pool_arm_release,                  \
    .free_aligned = pool_arm_release_aligned, .reset = pool_arm_reset, .size_of = pool_arm_size_of

#endif
