/* A pool without any allocator beneath it: all memory is a static array, as on a small device.
 *
 * The capacity follows from the array. What the pool needs for its own bookkeeping is taken from
 * the same array, so the capacity is somewhat less than the array's size.
 */
#include <stdio.h>
#include "mem_pool.h"

static unsigned char memory[8192];

struct reading {
    unsigned sensor;
    double celsius;
};

static void explain(void *context, const struct m_pool *pool, enum pool_reason reason,
                    const void *ptr)
{
    (void)pool;
    (void)ptr;
    fprintf(context, "refused: %s\n", pool_strerror(reason));
}

int main(void)
{
    struct m_pool pool = {0};
    const struct pool_config config = {
        .buffer = memory,
        .buffer_size = sizeof memory,
        .on_error = explain,
        .context = stderr,
    };
    if (pool_init_with(&pool, &config) == -1)
        return 1;

    static struct reading *readings[200];
    for (size_t i = 0; i < 200; i++) {
        if (pool_alloc(&pool, (void **)&readings[i], sizeof(struct reading), POOL_F64) == -1)
            return 1;
        readings[i]->sensor = (unsigned)i;
        readings[i]->celsius = 20.0 + 0.1 * (double)i;
    }
    printf("sensor %u reads %.1f degrees\n", readings[199]->sensor, readings[199]->celsius);

    /* A second free of one chunk is refused, and explain() is told why */
    struct reading *again = readings[0];
    if (pool_free((void **)&readings[0], sizeof(struct reading), &pool) == -1)
        return 1;
    if (pool_free((void **)&again, sizeof(struct reading), &pool) == -1)
        printf("the first reading was free already\n");

    pool_destroy(&pool); /* the array is the program's own again */
    return 0;
}
