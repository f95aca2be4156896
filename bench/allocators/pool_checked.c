/* The pool in its checked build, from the second copy of its source that core/trace has: what it
 * costs to know sizes to the byte, to look for stray writes, and to delay reuse.
 */
#define POOL_NO_INLINE
#include "twin.h"

#include "pool_arm.h"

static int open_checked(void **heap, const struct allocator_needs *needs)
{
    return pool_arm_open(heap, needs, 0);
}

static const struct allocator allocator_pool_checked = {
    .name = "pool-checked",
    .about = "the pool's checked build, zeroing and wiping",
    .promise = "zeroed",
    .limits = "A granule after each object is the pool's, and what is freed waits.",
    .abilities = ALLOCATOR_REUSES | ALLOCATOR_ALLOCATES | ALLOCATOR_BOUNDED,
    .open = open_checked,
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

ARM(pool_checked)
