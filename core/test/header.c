/* The header by itself, in every language that it promises: nothing is included before it,
 * everything in it is used once, and its short names leave room for a user's own where they are not
 * wanted.
 */
#include "mem_pool.h"

#ifdef POOL_NO_SHORT_TYPES
typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;
typedef float f32;
typedef double f64;
typedef struct {
    i8 a;
    i16 b;
    i32 c;
    i64 d;
    f32 e;
    f64 f;
} s;
typedef union {
    s all;
} ud;
#else
enum { s, ud }; /* names that are a user's own in any case */
#endif

static int visit(void *context, const struct pool_extent *extent)
{
    *(size_t *)context += extent->size;
    return extent->kind == POOL_FRESH;
}

int use_the_header(struct m_pool *pool, unsigned char *memory, size_t size);

int use_the_header(struct m_pool *pool, unsigned char *memory, size_t size)
{
    struct pool_config config;
    config.capacity = 0;
    config.map = NULL;
    config.unmap = NULL;
    config.on_error = NULL;
    config.context = memory;
    config.buffer = memory;
    config.buffer_size = size;
    config.flags = POOL_KEEP_CONTENTS | POOL_STRICT;
    struct pool_stats stats;
    const char *broken = POOL_VERSION;
    size_t seen = 0;
    float *number = NULL;
    char *text = NULL;
    int failures = 0;
    failures += pool_init_with(pool, &config) + pool_init(pool);
    failures += pool_alloc(pool, (void **)&number, sizeof *number, POOL_ALIGN(64));
    failures += pool_alloc(pool, (void **)&text, POOL_GRANULE, POOL_STR);
    failures += pool_realloc(pool, (void **)&text, POOL_GRANULE, 40, POOL_PAGE);
    failures += pool_free((void **)&text, 40, pool) + pool_trim(pool, &seen);
    failures += pool_free_unsized((void **)&number, pool);
    number = NULL;
    failures += pool_free((void **)&number, sizeof *number, pool); /* which the compiler sees */
    failures += pool_walk(pool, visit, &seen) + pool_check(pool, &broken);
    failures += pool_stats(pool, &stats) + pool_owns(pool, number) + pool_reset(pool);
    seen += pool_size_of(pool, number) + pool_required(3, POOL_DEFAULT_CAPACITY, POOL_F64);
    failures += seen > POOL_MAX_CAPACITY || pool_strerror(pool_error(pool)) == broken;
    pool_destroy(pool);
    return failures;
}
