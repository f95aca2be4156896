/* Boost.Pool: unchecked free lists of one size. */
#include "arm.h"

#include <boost/pool/pool.hpp>

#include <new>

using Pool = boost::pool<boost::default_user_allocator_malloc_free>;

static int open_boost(void **heap, const struct allocator_needs *needs)
{
    *heap = new (std::nothrow) Pool((needs->largest + 15) / 16 * 16);
    return *heap ? 0 : -1;
}

static void close_boost(void *heap)
{
    delete static_cast<Pool *>(heap);
}

static void *alloc(void *heap, size_t)
{
    return static_cast<Pool *>(heap)->malloc();
}

static void release(void *heap, void *ptr, size_t)
{
    static_cast<Pool *>(heap)->free(ptr);
}

static const struct allocator allocator_boost_pool = {
    .name = "boost-pool",
    .about = "Boost.Pool, free lists of one size",
    .promise = "unspecified",
    .limits = "It has objects of one size only, so workloads of mixed sizes do not apply.",
    .abilities = ALLOCATOR_REUSES | ALLOCATOR_ALLOCATES | ALLOCATOR_ONE_SIZE,
    .open = open_boost,
    .close = close_boost,
    .alloc = alloc,
    .free = release,
};

ARM(boost_pool)
