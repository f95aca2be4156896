/* The pool, as its user would call it: wiping, with its promise of zeroes; keeping contents, with
 * that of malloc; and the latter on huge pages.
 */
#include "pool_arm.h"

static int open_wiping(void **arm, const struct peer_needs *needs)
{
    return pool_arm_open(arm, needs, 0);
}

static int open_keeping(void **arm, const struct peer_needs *needs)
{
    return pool_arm_open(arm, needs, POOL_KEEP_CONTENTS);
}

static int open_huge(void **arm, const struct peer_needs *needs)
{
    return pool_arm_open(arm, needs, POOL_KEEP_CONTENTS | POOL_HUGE_PAGES);
}

static const struct peer peer_pool = {
    .name = "pool",
    .about = "the pool, zeroing and wiping",
    .promise = "zeroed",
    .abilities = PEER_REUSES | PEER_ALLOCATES | PEER_BOUNDED,
    .open = open_wiping,
    .close = pool_arm_close,
    .alloc = pool_arm_alloc,
    .alloc_aligned = pool_arm_alloc_aligned,
    .alloc_zeroed = pool_arm_alloc,
    .realloc = pool_arm_resize,
    .free = pool_arm_release,
    .free_aligned = pool_arm_release_aligned,
    .reset = pool_arm_reset,
    .size_of = pool_arm_size_of,
};

static const struct peer peer_pool_keep = {
    .name = "pool-keep",
    .about = "the pool, keeping contents",
    .promise = "unspecified",
    .abilities = PEER_REUSES | PEER_ALLOCATES | PEER_BOUNDED,
    .open = open_keeping,
    .close = pool_arm_close,
    .alloc = pool_arm_alloc,
    .alloc_aligned = pool_arm_alloc_aligned,
    .alloc_zeroed = pool_arm_alloc_and_clear,
    .realloc = pool_arm_resize,
    .free = pool_arm_release,
    .free_aligned = pool_arm_release_aligned,
    .reset = pool_arm_reset,
    .size_of = pool_arm_size_of,
};

static const struct peer peer_pool_huge = {
    .name = "pool-huge",
    .about = "the pool, keeping contents, on huge pages",
    .promise = "unspecified",
    .limits = "Pages are huge where the system has them at hand.",
    .abilities = PEER_REUSES | PEER_ALLOCATES | PEER_BOUNDED,
    .open = open_huge,
    .close = pool_arm_close,
    .alloc = pool_arm_alloc,
    .alloc_aligned = pool_arm_alloc_aligned,
    .alloc_zeroed = pool_arm_alloc_and_clear,
    .realloc = pool_arm_resize,
    .free = pool_arm_release,
    .free_aligned = pool_arm_release_aligned,
    .reset = pool_arm_reset,
    .size_of = pool_arm_size_of,
};

LOOPS(pool)
LOOPS(pool_keep)
LOOPS(pool_huge)
