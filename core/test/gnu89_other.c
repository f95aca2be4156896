/* The other file of gnu89.c. */
#include "mem_pool.h"

int use_elsewhere(struct m_pool *pool);

int use_elsewhere(struct m_pool *pool)
{
    int *number = NULL, failures = pool_alloc(pool, (void **)&number, sizeof *number, POOL_I32);
    char *text = NULL;
    failures += pool_alloc(pool, (void **)&text, 100, POOL_STR);
    failures += pool_free((void **)&number, sizeof *number, pool);
    return failures + pool_free_unsized((void **)&text, pool);
}
