/* A correct program: every kind of call succeeds, and no number wraps, loses bits or its sign. */
#include "mem_pool.h"

#include <stdlib.h>

int main(void)
{
    enum { COUNT = 300 };
    static void *chunks[COUNT];
    static size_t sizes[COUNT];
    static const unsigned flags[] = {0, POOL_KEEP_CONTENTS, POOL_LAZY, POOL_STRICT};
    int failures = 0;
    for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
        struct pool_config config = {0};
        static struct m_pool pool;
        struct pool_stats stats;
        config.capacity = (size_t)1 << 21;
        config.flags = flags[f];
        failures += pool_init_with(&pool, &config);
        for (size_t round = 0; round < 20; round++) {
            for (size_t i = round % 3; i < COUNT; i += 1 + round % 2) {
                size_t size = 1 + (i * 37 + round * 101) % (i % 20 ? 300 : 5000);
                if (!chunks[i])
                    failures += pool_alloc(&pool, &chunks[i], size, POOL_ALIGN(64));
                else if (i % 3 == 0)
                    failures += pool_realloc(&pool, &chunks[i], sizes[i], size, POOL_I8);
                else
                    failures += i % 2 ? pool_free(&chunks[i], sizes[i], &pool)
                                      : pool_free_unsized(&chunks[i], &pool);
                sizes[i] = size;
            }
            failures += pool_check(&pool, NULL) + pool_stats(&pool, &stats);
            failures += pool_trim(&pool, NULL);
        }
        failures += pool_reset(&pool);
        for (size_t i = 0; i < COUNT; i++)
            chunks[i] = NULL;
        pool_destroy(&pool);
    }
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
