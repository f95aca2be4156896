/* The pool in its checked build, from the second copy of its source that core/trace has: what it
 * costs to know sizes to the byte, to look for stray writes, and to delay reuse.
 */
#define POOL_NO_INLINE
#include "twin.h"

#include "pool_arm.h"

static int open_checked(void **heap, const struct allocator_needs *needs)
{
    return pool_arm_open(heap, needs, POOL_HUGE_PAGES);
}

static const struct allocator allocator_pool_checked = {
    .name = "pool-checked",
    .about = "the pool's checked build, zeroing and wiping",
    .promise = "zeroed",
    .limits = "A granule after each object is the pool's, and what is freed waits.",
    .open = open_checked,
    POOL_ARM_CALLS(pool_arm_alloc),
};

ARM(pool_checked)
