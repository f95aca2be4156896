/* The arms `pool` and, where sites are named, `pool at sites`: chunks from the thread's own pool.
 * */
#define _GNU_SOURCE
#define ARM_NAME "pool"
#include "heaps.h"
#include "route.h"

#include <stdlib.h>

static size_t number(const char *variable)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : 0;
}

static inline void arm_start(void)
{
    route_start();
    heaps_start(number("POOLPROOF_TRIAL_CAPACITY"), number("POOLPROOF_TRIAL_PREFAULT"));
}

static inline void *arm_alloc(size_t size, size_t align, const void *site)
{
    if (!route_takes(site, size))
        return NULL;
    return heap_alloc(size, __builtin_expect(align <= POOL_GRANULE, 1)
                                ? POOL_USER
                                : (enum pool_type)__builtin_ctzl(align));
}

static inline void *arm_owner(const void *ptr)
{
    return heap_of(ptr);
}

static inline void arm_free(void *owner, void *ptr, const void *site)
{
    (void)site;
    heap_free(owner, ptr);
}

static inline size_t arm_usable(void *owner, const void *ptr)
{
    return heap_usable(owner, ptr);
}

/* Only the owner may resize in place, and only a chunk that stays the pool's. */
static inline void *arm_realloc(void *owner, void *ptr, size_t size, const void *site)
{
    struct heap *heap = owner;
    size_t old = heap_usable(heap, ptr);
    if (heap != heap_mine || !old || !route_takes(site, size))
        return NULL;
    if (pool_realloc(&heap->pool, &ptr, old, size, POOL_USER) != 0)
        return NULL;
    heap->bytes += size;
    heap->served++;
    return ptr;
}

static inline void arm_fork_child(void)
{
    route_fork_child();
    heaps_fork_child();
}

static inline void arm_end(void)
{
    if (heap_mine)
        heap_fold(heap_mine);
}

#include "family.h"
