/* The pool, as its user would call it: wiping, with its promise of zeroes; keeping contents, with
 * that of malloc; and the latter without huge pages.
 */
#include "pool_arm.h"

static int open_wiping(void **heap, const struct allocator_needs *needs)
{
    return pool_arm_open(heap, needs, POOL_HUGE_PAGES);
}

static int open_keeping(void **heap, const struct allocator_needs *needs)
{
    return pool_arm_open(heap, needs, POOL_KEEP_CONTENTS | POOL_HUGE_PAGES);
}

static int open_small_pages(void **heap, const struct allocator_needs *needs)
{
    return pool_arm_open(heap, needs, POOL_KEEP_CONTENTS);
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

static const struct allocator allocator_pool_small_pages = {
    .name = "pool-small-pages",
    .about = "the pool, keeping contents, without huge pages",
    .promise = "unspecified",
    .open = open_small_pages,
    POOL_ARM_CALLS(pool_arm_alloc_and_clear),
};

ARM(pool)
ARM(pool_keep)
ARM(pool_small_pages)
