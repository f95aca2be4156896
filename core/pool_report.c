/* What stands at an address of a pool, in words. See pool_report.h. */
#include "pool_report.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include "mem_pool.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REPORT_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define REPORT_ASAN 1
#endif

#if defined(REPORT_ASAN)
#include <sanitizer/asan_interface.h>
#define IS_CLOSED(at) __asan_address_is_poisoned(at)
#else
#define IS_CLOSED(at) ((void)(at), 0)
#endif

#if defined(__GNUC__)
#define LIKE_PRINTF __attribute__((format(printf, 2, 3)))
#else
#define LIKE_PRINTF
#endif

/* Holds every description: four lines of two extents' words and numbers at most. */
#define LONGEST 1024

/* --- Text ------------------------------------------------------------------------------------- */

struct text {
    char *buffer;
    size_t room;
    size_t length; /* of all that was added, whether or not there was room */
};

static LIKE_PRINTF void add(struct text *text, const char *format, ...)
{
    size_t left = text->length < text->room ? text->room - text->length : 0;
    va_list values;
    va_start(values, format);
    int length = vsnprintf(left ? text->buffer + text->length : NULL, left, format, values);
    va_end(values);
    text->length += length > 0 ? (size_t)length : 0;
}

static void add_bytes(struct text *text, size_t bytes)
{
    add(text, bytes == 1 ? "%zu byte" : "%zu bytes", bytes);
}

static void add_range(struct text *text, uintptr_t start, size_t size)
{
    add(text, " of ");
    add_bytes(text, size);
    add(text, " [0x%zx, 0x%zx)", (size_t)start, (size_t)(start + size));
}

/* --- Places ----------------------------------------------------------------------------------- */

struct place {
    const struct m_pool *pool;
    uintptr_t at;
    uintptr_t base;                                /* the block … */
    size_t block;                                  /* … and its bytes */
    struct pool_extent preceding, here, following; /* of size 0: there is none */
};

/* Takes each extent in turn; an address before the block wraps to after everything. */
static int take_extent(void *context, const struct pool_extent *extent)
{
    struct place *place = context;
    if (place->block == 0)
        place->base = (uintptr_t)extent->start;
    place->block += extent->size;
    if (place->at - (uintptr_t)extent->start < extent->size)
        place->here = *extent;
    else if (place->here.size == 0)
        place->preceding = *extent;
    else if (place->following.size == 0)
        place->following = *extent;
    return 0;
}

/* The size that the user of a live chunk knows, as far as the pool does, and AddressSanitizer, for
 * which the pool opens a chunk to the byte. A chunk whose last bytes its user has closed is of the
 * pool's size. */
static size_t size_of(const struct m_pool *pool, const struct pool_extent *extent)
{
    if (extent->kind != POOL_LIVE)
        return extent->size;
    size_t size = pool_size_of(pool, extent->start);
    const char *end = (const char *)extent->start + size;
    for (size_t slack = 0; slack < POOL_GRANULE && slack < size; slack++)
        if (!IS_CLOSED(end - slack - 1))
            return size - slack;
    return size;
}

static void add_extent(struct text *text, const struct m_pool *pool,
                       const struct pool_extent *extent)
{
    static const char *const names[] = {
        [POOL_LIVE] = "a live chunk",
        [POOL_CACHED] = "a freed chunk",
        [POOL_RUN] = "a free run",
        [POOL_FRESH] = "fresh memory (given to nobody)",
    };
    add(text, "%s", names[extent->kind]);
    add_range(text, (uintptr_t)extent->start, size_of(pool, extent));
}

static void add_here(struct text *text, const struct place *place)
{
    size_t offset = place->at - (uintptr_t)place->here.start;
    size_t size = size_of(place->pool, &place->here);
    add(text, "0x%zx is ", (size_t)place->at);
    if (offset == 0) {
        add(text, "at the start of ");
    } else {
        add_bytes(text, offset < size ? offset : offset - size);
        add(text, offset < size ? " inside of " : " after ");
    }
    add_extent(text, place->pool, &place->here);
    if (offset >= size)
        add(text, offset / POOL_GRANULE == (size - 1) / POOL_GRANULE ? ", in its slack"
                                                                     : ", in its redzone");
    add(text, "\n");
}

static void add_neighbours(struct text *text, const struct place *place)
{
    const struct pool_extent *preceding = &place->preceding, *following = &place->following;
    add(text, "  preceding: ");
    if (preceding->size) {
        add_extent(text, place->pool, preceding);
        add(text, ", which ends ");
        add_bytes(text, place->at - (uintptr_t)preceding->start - size_of(place->pool, preceding));
        add(text, " before the address\n");
    } else {
        add(text, "the start of the block\n");
    }
    add(text, "  following: ");
    if (following->size) {
        add_extent(text, place->pool, following);
        add(text, ", which starts ");
        add_bytes(text, (uintptr_t)following->start - place->at);
        add(text, " after it\n");
    } else {
        add(text, "the end of the block\n");
    }
}

static void add_outside(struct text *text, const struct place *place)
{
    int before = place->at < place->base;
    add(text, "0x%zx is ", (size_t)place->at);
    add_bytes(text, before ? place->base - place->at : place->at - place->base - place->block);
    add(text, before ? " before the block" : " after the block");
    add_range(text, place->base, place->block);
    add(text, " of the pool at 0x%zx\n", (size_t)(uintptr_t)place->pool);
}

/* --- The calls -------------------------------------------------------------------------------- */

size_t pool_describe(const struct m_pool *pool, const void *ptr, char *buffer, size_t room)
{
    struct text text = {buffer, room, 0};
    struct place place = {.pool = pool, .at = (uintptr_t)ptr};
    if (!pool) {
        add(&text, "0x%zx is in no block: the pool is NULL\n", (size_t)place.at);
    } else if (pool_walk(pool, take_extent, &place) == -1) {
        add(&text, "0x%zx is in no block: the pool at 0x%zx is dead, never made or destroyed\n",
            (size_t)place.at, (size_t)(uintptr_t)pool);
    } else if (!place.here.size) {
        add_outside(&text, &place);
    } else {
        add_here(&text, &place);
        add_neighbours(&text, &place);
        add(&text, "  in a block");
        add_range(&text, place.base, place.block);
        add(&text, " of the pool at 0x%zx\n", (size_t)(uintptr_t)pool);
    }
    return text.length;
}

/* A slot belongs to whoever exchanges NULL in it for a pool. */
static _Atomic(const struct m_pool *) watched[POOL_REPORT_MOST];

#if defined(REPORT_ASAN)

/* Called by AddressSanitizer, with its own report, once that is written. A pool may lie in a chunk
 * of another: each of them tells. */
static void follow_report(const char *report)
{
    const void *at = __asan_get_report_address();
    (void)report;
    for (size_t i = 0; i < POOL_REPORT_MOST; i++) {
        const struct m_pool *pool = atomic_load(&watched[i]);
        if (pool_owns(pool, at)) {
            char text[LONGEST];
            (void)pool_describe(pool, at, text, sizeof text);
            (void)fputs(text, stderr);
            (void)fflush(stderr);
        }
    }
}

#endif

int pool_report_watch(const struct m_pool *pool)
{
    if (!pool)
        return -1;
#if defined(REPORT_ASAN)
    __asan_set_error_report_callback(follow_report);
#endif
    for (size_t i = 0; i < POOL_REPORT_MOST; i++)
        if (atomic_load(&watched[i]) == pool)
            return 0;
    for (size_t i = 0; i < POOL_REPORT_MOST; i++) {
        const struct m_pool *none = NULL;
        if (atomic_compare_exchange_strong(&watched[i], &none, pool))
            return 0;
    }
    return -1;
}

void pool_report_forget(const struct m_pool *pool)
{
    for (size_t i = 0; pool && i < POOL_REPORT_MOST; i++) {
        const struct m_pool *found = pool;
        (void)atomic_compare_exchange_strong(&watched[i], &found, NULL);
    }
}
