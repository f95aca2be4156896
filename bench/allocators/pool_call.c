/* The pool keeping contents once more, with each call going into the library: beside pool-keep it
 * shows what the inline path in mem_pool.h is worth.
 */
#define POOL_NO_INLINE
#include "pool_arm.h"

static int open_keeping(void **heap, const struct allocator_needs *needs)
{
    return pool_arm_open(heap, needs, POOL_KEEP_CONTENTS | POOL_HUGE_PAGES);
}

static const struct allocator allocator_pool_call = {
    .name = "pool-call",
    .about = "the pool, keeping contents, without its inline path",
    .promise = "unspecified",
    .limits = "No call is inlined: what the pool costs through a pointer or from another language.",
    .open = open_keeping,
    POOL_ARM_CALLS(pool_arm_alloc_and_clear),
};

ARM(pool_call)
