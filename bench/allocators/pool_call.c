/* The pool keeping contents once more, with each call going into the library: beside pool-keep it
 * shows what the inline path in mem_pool.h is worth.
 */
#define POOL_NO_INLINE
#include "pool_arm.h"

static int open_keeping(void **heap, const struct allocator_needs *needs)
{
    return pool_arm_open(heap, needs, POOL_KEEP_CONTENTS);
}

static const struct allocator allocator_pool_call = {
    .name = "pool-call",
    .about = "the pool, keeping contents, without its inline path",
    .promise = "unspecified",
    .limits = "No call is inlined: what the pool costs through a pointer or from another language.",
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

ARM(pool_call)
