/* The resources of the C++ library, for one thread: its pools of mixed sizes, and its arena. The
 * arena has address space that was reserved beforehand, so that it need not ask for more.
 */
#include "arm.h"
#include "space.h"

#include <bit>
#include <cstring>
#include <memory_resource>
#include <new>

enum { ALIGNMENT = 16 };

using Pools = std::pmr::unsynchronized_pool_resource;

struct Arena {
    size_t size = 0;
    void *const space = space_reserve(&size);
    std::pmr::monotonic_buffer_resource resource{space, size};
};

static void *alloc_from(std::pmr::memory_resource &resource, size_t size, size_t align)
{
    try {
        return resource.allocate(size, align);
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

/* libstdc++ 12 has blocks of 24 bytes, and gives them out for 24 bytes at any alignment. */
static size_t rounded(size_t size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static int open_pools(void **heap, const struct allocator_needs *)
{
    *heap = new (std::nothrow) Pools;
    return *heap ? 0 : -1;
}

static void close_pools(void *heap)
{
    delete static_cast<Pools *>(heap);
}

static void *pools_alloc(void *heap, size_t size)
{
    return alloc_from(*static_cast<Pools *>(heap), rounded(size), ALIGNMENT);
}

static void *pools_alloc_aligned(void *heap, size_t size, size_t align)
{
    return alloc_from(*static_cast<Pools *>(heap), std::bit_ceil(size > align ? size : align),
                      align);
}

static void *pools_alloc_zeroed(void *heap, size_t size)
{
    void *ptr = pools_alloc(heap, size);
    return ptr ? std::memset(ptr, 0, size) : nullptr;
}

static void pools_release(void *heap, void *ptr, size_t size)
{
    static_cast<Pools *>(heap)->deallocate(ptr, rounded(size), ALIGNMENT);
}

static void pools_release_aligned(void *heap, void *ptr, size_t size, size_t align)
{
    const size_t given = std::bit_ceil(size > align ? size : align);
    static_cast<Pools *>(heap)->deallocate(ptr, given, align);
}

static void *pools_resize(void *heap, void *ptr, size_t old_size, size_t new_size)
{
    void *moved = pools_alloc(heap, new_size);
    if (!moved)
        return nullptr;
    std::memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
    pools_release(heap, ptr, old_size);
    return moved;
}

static void pools_reset(void *heap)
{
    static_cast<Pools *>(heap)->release();
}

static int open_arena(void **heap, const struct allocator_needs *)
{
    Arena *arena = new (std::nothrow) Arena;
    *heap = arena;
    return arena && arena->space ? 0 : -1;
}

static void close_arena(void *heap)
{
    Arena *arena = static_cast<Arena *>(heap);
    munmap(arena->space, arena->size);
    delete arena;
}

static void *arena_alloc_aligned(void *heap, size_t size, size_t align)
{
    return alloc_from(static_cast<Arena *>(heap)->resource, size, align);
}

static void *arena_alloc(void *heap, size_t size)
{
    return arena_alloc_aligned(heap, size, ALIGNMENT);
}

static void *arena_alloc_zeroed(void *heap, size_t size)
{
    void *ptr = arena_alloc(heap, size);
    return ptr ? std::memset(ptr, 0, size) : nullptr;
}

static void *arena_resize(void *heap, void *ptr, size_t old_size, size_t new_size)
{
    if (new_size <= old_size)
        return ptr;
    void *moved = arena_alloc(heap, new_size);
    return moved ? std::memcpy(moved, ptr, old_size) : nullptr;
}

static void arena_release(void *, void *, size_t)
{
}

static void arena_release_aligned(void *, void *, size_t, size_t)
{
}

static void arena_reset(void *heap)
{
    static_cast<Arena *>(heap)->resource.release();
}

static const struct allocator allocator_pmr_pool = {
    .name = "pmr-pool",
    .about = "std::pmr, pools for mixed sizes",
    .promise = "unspecified",
    .limits = "Objects above some KiB come from malloc.",
    .abilities = ALLOCATOR_REUSES | ALLOCATOR_ALLOCATES,
    .open = open_pools,
    .close = close_pools,
    .alloc = pools_alloc,
    .alloc_aligned = pools_alloc_aligned,
    .alloc_zeroed = pools_alloc_zeroed,
    .realloc = pools_resize,
    .free = pools_release,
    .free_aligned = pools_release_aligned,
    .reset = pools_reset,
};

static const struct allocator allocator_pmr_monotonic = {
    .name = "pmr-monotonic",
    .about = "std::pmr, an arena",
    .promise = "unspecified",
    .limits = "It frees all at once or not at all, so only workloads that end empty apply.",
    .abilities = ALLOCATOR_ALLOCATES,
    .open = open_arena,
    .close = close_arena,
    .alloc = arena_alloc,
    .alloc_aligned = arena_alloc_aligned,
    .alloc_zeroed = arena_alloc_zeroed,
    .realloc = arena_resize,
    .free = arena_release,
    .free_aligned = arena_release_aligned,
    .reset = arena_reset,
};

ARM(pmr_pool)
ARM(pmr_monotonic)
