/* The report's header by itself, in every language: nothing is included before it, and everything
 * in it is used once.
 */
#include "pool_report.h"

size_t use_the_report(const struct m_pool *pool, char *buffer);

size_t use_the_report(const struct m_pool *pool, char *buffer)
{
    if (pool_report_watch(pool) != 0)
        return 0;
    pool_report_forget(pool);
    return pool_describe(pool, buffer, buffer, POOL_REPORT_MOST);
}
