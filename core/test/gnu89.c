/* A program in gnu89 words, where a plain inline function is everybody's: nothing is defined
 * twice. */
#include "mem_pool.h"

int use_elsewhere(struct m_pool *pool);

int main(void)
{
    static struct m_pool pool;
    int failures = pool_init(&pool);
    failures += use_elsewhere(&pool) + use_elsewhere(&pool);
    pool_destroy(&pool);
    return failures != 0;
}
