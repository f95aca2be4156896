/* The adaptor by itself, as a program without exceptions or run-time types includes it. */
#include "mem_pool.hpp"

bool use_the_adaptor(struct m_pool &pool);

bool use_the_adaptor(struct m_pool &pool)
{
    pool_resource one(pool), other(pool);
    void *chunk = one.allocate(24, 32);
    one.deallocate(chunk, 24, 32);
    return one.is_equal(other);
}
