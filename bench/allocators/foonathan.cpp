/* foonathan/memory: a collection of pools for mixed sizes, and its pool of one size. */
#include "align.h"
#include "arm.h"

#include <foonathan_memory/foonathan/memory/memory_pool.hpp>
#include <foonathan_memory/foonathan/memory/memory_pool_collection.hpp>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

using foonathan::memory::memory_pool;
using foonathan::memory::memory_pool_collection;
using foonathan::memory::node_pool;

enum { LEAST = 16, LARGEST = 4096, BLOCK_BYTES = 1 << 20 };

/* By powers of two; the other kind of collection has nodes of every size, not aligned to 16. */
using Collection = memory_pool_collection<node_pool, foonathan::memory::log2_buckets>;
using Pool = memory_pool<node_pool>;

static int open_collection(void **heap, const struct allocator_needs *)
{
    try {
        *heap = new Collection(LARGEST, BLOCK_BYTES);
        return 0;
    } catch (const std::exception &) {
        return -1;
    }
}

static void close_collection(void *heap)
{
    delete static_cast<Collection *>(heap);
}

/* Smaller nodes are aligned to no more than their size. */
static size_t node_size(size_t size)
{
    return size < LEAST ? (size_t)LEAST : size;
}

static void *alloc(void *heap, size_t size)
{
    if (size > LARGEST)
        return std::malloc(size);
    try {
        return static_cast<Collection *>(heap)->allocate_node(node_size(size));
    } catch (const std::exception &) {
        return nullptr;
    }
}

static void *alloc_aligned(void *heap, size_t size, size_t align)
{
    void *base = alloc(heap, size + align);
    return base ? align_within(base, align) : nullptr;
}

static void *alloc_zeroed(void *heap, size_t size)
{
    void *ptr = alloc(heap, size);
    return ptr ? std::memset(ptr, 0, size) : nullptr;
}

static void release(void *heap, void *ptr, size_t size)
{
    if (size > LARGEST)
        std::free(ptr);
    else
        static_cast<Collection *>(heap)->deallocate_node(ptr, node_size(size));
}

static void release_aligned(void *heap, void *ptr, size_t size, size_t align)
{
    release(heap, align_base(ptr), size + align);
}

static void *resize(void *heap, void *ptr, size_t old_size, size_t new_size)
{
    if (old_size > LARGEST && new_size > LARGEST)
        return std::realloc(ptr, new_size);
    void *moved = alloc(heap, new_size);
    if (!moved)
        return nullptr;
    std::memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
    release(heap, ptr, old_size);
    return moved;
}

static int open_pool(void **heap, const struct allocator_needs *needs)
{
    try {
        *heap = new Pool((needs->largest + 15) / 16 * 16, BLOCK_BYTES);
        return 0;
    } catch (const std::exception &) {
        return -1;
    }
}

static void close_pool(void *heap)
{
    delete static_cast<Pool *>(heap);
}

static void *pool_alloc(void *heap, size_t)
{
    try {
        return static_cast<Pool *>(heap)->allocate_node();
    } catch (const std::exception &) {
        return nullptr;
    }
}

static void pool_release(void *heap, void *ptr, size_t)
{
    static_cast<Pool *>(heap)->deallocate_node(ptr);
}

static const struct allocator allocator_foonathan = {
    .name = "foonathan",
    .about = "foonathan/memory, pools for mixed sizes",
    .promise = "unspecified",
    .limits = "Objects above 4,096 bytes come from malloc: its pools are for small ones.",
    .abilities = ALLOCATOR_REUSES | ALLOCATOR_ALLOCATES,
    .open = open_collection,
    .close = close_collection,
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .alloc_zeroed = alloc_zeroed,
    .realloc = resize,
    .free = release,
    .free_aligned = release_aligned,
};

static const struct allocator allocator_foonathan_pool = {
    .name = "foonathan-pool",
    .about = "foonathan/memory, a pool of one size",
    .promise = "unspecified",
    .limits = "It has objects of one size only, so workloads of mixed sizes do not apply.",
    .abilities = ALLOCATOR_REUSES | ALLOCATOR_ALLOCATES | ALLOCATOR_ONE_SIZE,
    .open = open_pool,
    .close = close_pool,
    .alloc = pool_alloc,
    .free = pool_release,
};

ARM(foonathan)
ARM(foonathan_pool)
