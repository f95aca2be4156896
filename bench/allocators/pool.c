/* The pool, as its user would call it: wiping, with its promise of zeroes; keeping contents, with
 * that of malloc; and the latter on huge pages.
 */
#include "pool_arm.h"

static int open_wiping(void **heap, const struct allocator_needs *needs)
{
    return pool_arm_open(heap, needs, 0);
}

static int open_keeping(void **heap, const struct allocator_needs *needs)
{
    return pool_arm_open(heap, needs, POOL_KEEP_CONTENTS);
}

static int open_huge(void **heap, const struct allocator_needs *needs)
{
    return pool_arm_open(heap, needs, POOL_KEEP_CONTENTS | POOL_HUGE_PAGES);
}

static const struct allocator allocator_pool = {
    .name = "pool",
    .about = "the pool, zeroing and wiping",
    .promise = "zeroed",
    .open = open_wiping,
    POOL_ARM_CALLS(pool_arm_alloc),
};

static const struct allocator allocator_pool_keep = {
    .name = "pool-keep",
    .about = "the pool, keeping contents",
    .promise = "unspecified",
    .open = open_keeping,
    POOL_ARM_CALLS(pool_arm_alloc_and_clear),
};

static const struct allocator allocator_pool_huge = {
    .name = "pool-huge",
    .about = "the pool, keeping contents, on huge pages",
    .promise = "unspecified",
    .limits = "Pages are huge where the system has them at hand.",
    .open = open_huge,
    POOL_ARM_CALLS(pool_arm_alloc_and_clear),
};

ARM(pool)
ARM(pool_keep)
ARM(pool_huge)
