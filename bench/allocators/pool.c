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
    .abilities = ALLOCATOR_REUSES | ALLOCATOR_ALLOCATES | ALLOCATOR_BOUNDED,
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

static const struct allocator allocator_pool_keep = {
    .name = "pool-keep",
    .about = "the pool, keeping contents",
    .promise = "unspecified",
    .abilities = ALLOCATOR_REUSES | ALLOCATOR_ALLOCATES | ALLOCATOR_BOUNDED,
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

static const struct allocator allocator_pool_huge = {
    .name = "pool-huge",
    .about = "the pool, keeping contents, on huge pages",
    .promise = "unspecified",
    .limits = "Pages are huge where the system has them at hand.",
    .abilities = ALLOCATOR_REUSES | ALLOCATOR_ALLOCATES | ALLOCATOR_BOUNDED,
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

ARM(pool)
ARM(pool_keep)
ARM(pool_huge)
