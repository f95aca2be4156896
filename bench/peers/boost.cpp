/* Boost.Pool: unchecked free lists of one size. */
#include "loops.h"

#include <boost/pool/pool.hpp>

#include <new>

using Pool = boost::pool<boost::default_user_allocator_malloc_free>;

static int open_boost(void **arm, const struct peer_needs *needs)
{
    *arm = new (std::nothrow) Pool((needs->largest + 15) / 16 * 16);
    return *arm ? 0 : -1;
}

static void close_boost(void *arm)
{
    delete static_cast<Pool *>(arm);
}

static void *alloc(void *arm, size_t)
{
    return static_cast<Pool *>(arm)->malloc();
}

static void release(void *arm, void *ptr, size_t)
{
    static_cast<Pool *>(arm)->free(ptr);
}

static const struct peer peer_boost_pool = {
    .name = "boost-pool",
    .about = "Boost.Pool, free lists of one size",
    .promise = "unspecified",
    .limits = "It has objects of one size only, so workloads of mixed sizes do not apply.",
    .abilities = PEER_REUSES | PEER_ALLOCATES | PEER_ONE_SIZE,
    .open = open_boost,
    .close = close_boost,
    .alloc = alloc,
    .free = release,
};

LOOPS(boost_pool)
