/* The arm `bump`, and with sites named `region at sites`: memory is used again once all that lies
 * together is dead. */
#define _GNU_SOURCE
#define ARM_NAME "bump"
#include "route.h"
#include "segments.h"

static inline void arm_start(void)
{
    route_start();
    segments_start();
}

static inline void *arm_alloc(size_t size, size_t align, const void *site)
{
    return route_takes(site, size) ? segments_alloc(size, align) : NULL;
}

static inline void *arm_owner(const void *ptr)
{
    return segment_of(ptr);
}

static inline void arm_free(void *owner, void *ptr, const void *site)
{
    (void)ptr, (void)site;
    segment_free(owner);
}

static inline size_t arm_usable(void *owner, const void *ptr)
{
    (void)owner;
    return segment_size_of(ptr);
}

static inline void *arm_realloc(void *owner, void *ptr, size_t size, const void *site)
{
    (void)owner, (void)ptr, (void)size, (void)site;
    return NULL;
}

static inline void arm_fork_child(void)
{
    route_fork_child();
    segments_mine.folded = segments_mine.served;
    segments_mine.folded_bytes = segments_mine.bytes;
}

static inline void arm_end(void)
{
    segments_fold(&segments_mine);
}

#include "family.h"
