/* A pool as a std::pmr::memory_resource, for containers of C++17 and later.
 *
 *     struct m_pool pool = {};
 *     pool_init(&pool);
 *     pool_resource resource(pool);
 *     std::pmr::vector<int> numbers(&resource);
 *
 * Containers initialise what they ask for, so a pool made with POOL_KEEP_CONTENTS loses nothing and
 * is faster. Define POOL_NO_SHORT_TYPES to keep out the short names of mem_pool.h, such as i8.
 */
#ifndef MEM_POOL_HPP
#define MEM_POOL_HPP

#include <cstddef>
#include <cstdlib>
#include <memory_resource>
#include <new>

#include "mem_pool.h"

/* Takes memory from a pool that it borrows: the pool outlives it and every container on it, and may
 * be used directly beside it. Belongs to the same one thread at a time as the pool. */
class pool_resource final : public std::pmr::memory_resource
{
  public:
    explicit pool_resource(struct m_pool &pool) noexcept : pool_(&pool)
    {
    }

    struct m_pool *pool() const noexcept
    {
        return pool_;
    }

  private:
    /* allocate(bytes, alignment): throws std::bad_alloc if and only if pool_alloc refuses, or
     * aborts where exceptions are off; pool_error says why. 0 bytes are a chunk like any other. An
     * alignment beyond a page is refused with POOL_BAD_ALIGNMENT. */
    void *do_allocate(std::size_t bytes, std::size_t alignment) override
    {
        void *chunk = nullptr;
        if (pool_alloc(pool_, &chunk, size_for(bytes), type_for(alignment)) != 0)
#if defined(__cpp_exceptions)
            throw std::bad_alloc();
#else
            std::abort();
#endif
        return chunk;
    }

    /* deallocate(chunk, bytes, alignment): never throws. What pool_free refuses changes nothing;
     * the pool's on_error is told of it. */
    void do_deallocate(void *chunk, std::size_t bytes, std::size_t) override
    {
        (void)pool_free(&chunk, size_for(bytes), pool_);
    }

    /* Equal is who takes from the same pool: either can free what the other gave. Where types are
     * not known at run time, only itself. */
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
    {
#if defined(__cpp_rtti)
        const auto *resource = dynamic_cast<const pool_resource *>(&other);
        return resource && resource->pool_ == pool_;
#else
        return this == &other;
#endif
    }

    static std::size_t size_for(std::size_t bytes) noexcept
    {
        return bytes + !bytes;
    }

    static enum pool_type type_for(std::size_t alignment) noexcept
    {
        return alignment <= POOL_GRANULE ? POOL_USER : POOL_ALIGN(alignment);
    }

    struct m_pool *pool_;
};

#endif
