/* The pool: pages of chunks of one size, units of 16 granules, and a map of granules where memory
 * is short. See DESIGN.md. */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE 1 /* madvise, in pool_system.h */
#endif

#undef POOL_NO_INLINE /* this file defines what others inline */
#include "mem_pool.h"

/* Where there is no malloc, the caller's buffer and map are the sources. */
#if defined(__STDC_HOSTED__) && __STDC_HOSTED__
#include <stdlib.h>
#else
#define malloc(bytes) ((void)(bytes), (void *)NULL)
#define free(memory) ((void)(memory))
#endif

/* Memory from the system, for POOL_LAZY. */
#if defined(__has_include)
#if __has_include("pool_system.h")
#include "pool_system.h"
#endif
#endif
#if !defined(HAVE_SYSTEM)
#define HAVE_SYSTEM 0
#endif

#if defined(__has_include)
#if __has_include("pool_hooks.h")
#include "pool_hooks.h"
#endif
#endif
#if !defined(HOOK_OPEN) /* mem_pool.h and mem_pool.c copied alone */
#define HOOK_OPEN(at, bytes) ((void)(at), (void)(bytes))
#define HOOK_CLOSE(at, bytes) ((void)(at), (void)(bytes))
#define HOOK_UNDEFINED(at, bytes) ((void)(at), (void)(bytes))
#define HOOK_WATCHED 0
#define HOOK_ASSERT(truth) ((void)0)
#endif

/* What only refusals go through stays out of the others' way. */
#if defined(__GNUC__)
#define COLD __attribute__((cold, noinline))
#define SLOW __attribute__((noinline))
#else
#define COLD
#define SLOW
#endif

#if defined(__clang__) /* as in the header: unsigned numbers wrap on purpose */
#pragma clang attribute push(                                                                      \
    __attribute__((no_sanitize("unsigned-integer-overflow", "unsigned-shift-base"))),              \
    apply_to = function)
#endif

/* --- Constants -------------------------------------------------------------------------------- */

#define GRANULE ((size_t)POOL_GRANULE)
#define WORD ((size_t)64) /* granules, a bit of a word each */
#define UNIT ((size_t)16) /* granules, a record of as many tags */
#define UNIT_BYTES (UNIT * GRANULE)
#define PAGE ((size_t)POOL_PAGE_GRANULES) /* of one size class */
#define NONE SIZE_MAX                     /* no granule, and no unit */

#define KNOWN_FLAGS (POOL_KEEP_CONTENTS | POOL_LAZY | POOL_HUGE_PAGES | POOL_STRICT)

/* A pool has pages if so many would fit: from 64 KiB on. */
#define LEAST_PAGES ((size_t)16)

/* So many pages are looked at, to see whether they are empty, before fresh memory is touched. */
#define RECLAIM_PAGES 4

/* A stack has at most so many chunks. */
#define STACK ((size_t)64)

/* Bins are exact below 2^(BIN_SHIFT + 1) units, then 2^BIN_SHIFT for each doubling. */
#define BIN_SHIFT 2
#define BINS 112

/* Freed extents of the first bins are kept whole, so many, until fresh memory would be touched. */
#define KEPT_BINS 32
#define KEPT_MOST 64

/* So many of a bin are looked at. */
#define FEW 4

/* From so many bytes on, purging pages costs less than zeroing them. */
#define PURGE_LEAST ((size_t)16 << 20)

/* Lengths of free runs, as powers of two, of which the lowest is known. */
#define LOWEST (sizeof((struct m_pool *)0)->lowest / sizeof(uint32_t))

enum source { SOURCE_MALLOC, SOURCE_BUFFER, SOURCE_USER, SOURCE_SYSTEM };

_Static_assert((1 << POOL_USER) == POOL_GRANULE, "every chunk start suits max_align_t");
_Static_assert(_Alignof(max_align_t) <= POOL_GRANULE, "every chunk start suits max_align_t");
_Static_assert(sizeof(struct m_pool) <= 1024, "it can live on the stack");

/* What the header inlines, as functions of the library. */
extern inline size_t pool_granule(const struct m_pool *pool, const void *at);
extern inline void pool_wipe(void *chunk, size_t n);
extern inline unsigned pool_lowest(uint64_t word);
extern inline int pool_alloc_inline(struct m_pool *pool, size_t n, size_t *granule);
extern inline void pool_stack(struct m_pool *pool, size_t g, size_t n);
extern inline int pool_free_inline(struct m_pool *pool, void *chunk, size_t n);
extern inline int pool_alloc(struct m_pool *pool, void **ptr, size_t size, enum pool_type type);
extern inline int pool_free(void **ptr, size_t size, struct m_pool *pool);
extern inline int pool_free_unsized(void **ptr, struct m_pool *pool);

/* --- Refusals --------------------------------------------------------------------------------- */

COLD void pool_refuse(struct m_pool *pool, enum pool_reason reason, const void *ptr)
{
    if (!pool)
        return;
    pool->reason = reason;
    if (pool->on_error)
        pool->on_error(pool->context, pool, reason, ptr);
}

static COLD int refuse(struct m_pool *pool, enum pool_reason reason, const void *ptr)
{
    pool_refuse(pool, reason, ptr);
    return -1;
}

/* --- Addresses, granules, bits ---------------------------------------------------------------- */

/* The pointer variable that a void ** names may be of any object pointer type: only its bytes are
 * touched. */
static inline unsigned char *load(void *const *ptr)
{
    unsigned char *value;
    memcpy(&value, ptr, sizeof value);
    return value;
}

static inline void store(void **ptr, const void *value)
{
    memcpy(ptr, &value, sizeof value);
}

static inline unsigned char *address_of(const struct m_pool *pool, size_t g)
{
    return pool->base + g * GRANULE;
}

static inline size_t round_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* Granules for so many bytes; cannot overflow. */
static size_t granules_for(size_t bytes)
{
    return bytes / GRANULE + (bytes % GRANULE != 0);
}

/* The number of the highest bit that is set; value is not 0. */
static unsigned log2_of(uint64_t value)
{
#if defined(__GNUC__)
    return 63 ^ (unsigned)__builtin_clzll(value);
#else
    unsigned bit = 0;
    while (value >>= 1)
        bit++;
    return bit;
#endif
}

/* The first granule from g on that starts at a multiple of align. */
static size_t align_granule(const struct m_pool *pool, size_t g, size_t align)
{
    uintptr_t at = (uintptr_t)address_of(pool, g);
    return g + (size_t)((0 - at) & (align - 1)) / GRANULE;
}

/* Purges the whole pages between two addresses: they go back to the system and become zero. Returns
 * their bytes, which start at *from; 0 and the end if there are none or it is not the system's
 * memory. */
static size_t purge(const struct m_pool *pool, unsigned char *at, unsigned char *end,
                    unsigned char **from)
{
    *from = end;
#if HAVE_SYSTEM
    if (pool->source == SOURCE_SYSTEM)
        return system_purge(at, end, from);
#else
    (void)pool;
    (void)at;
#endif
    return 0;
}

/* Zeroes memory of the pool that is open. */
static void zero(const struct m_pool *pool, unsigned char *at, size_t bytes)
{
    unsigned char *end = at + bytes, *from = end;
    size_t purged = bytes >= PURGE_LEAST ? purge(pool, at, end, &from) : 0;
    memset(at, 0, (size_t)(from - at));
    memset(from + purged, 0, (size_t)(end - from) - purged);
}

/* Zeroes n granules from g on and closes them. */
static void wipe_closed(const struct m_pool *pool, size_t g, size_t n)
{
    HOOK_OPEN(address_of(pool, g), n * GRANULE);
    zero(pool, address_of(pool, g), n * GRANULE);
    HOOK_CLOSE(address_of(pool, g), n * GRANULE);
}

/* --- The map of a tight pool ------------------------------------------------------------------ */

/* A tight pool has two bits a granule, as far as the frontier: `used` says that it is not free, and
 * `begin` that a chunk starts there. A chunk ends before what is free or starts. */

static int is_wiping(const struct m_pool *pool);

enum bits { FREE_BIT, USED_BIT, END_BIT };

/* The first granule from g on that is free, is used, or ends a chunk; or the frontier. */
static inline size_t scan(const struct m_pool *pool, size_t g, enum bits what)
{
    for (; g < pool->frontier; g = (g / WORD + 1) * WORD) {
        uint64_t word = pool->used[g / WORD];
        if (what != USED_BIT)
            word = ~word;
        if (what == END_BIT)
            word |= pool->begin[g / WORD];
        word >>= g % WORD;
        if (word) {
            g += pool_lowest(word);
            break;
        }
    }
    return g < pool->frontier ? g : pool->frontier;
}

/* The end of the free granules around g, up to the block's, and where they start. */
static size_t run_around(const struct m_pool *pool, size_t g, size_t *start)
{
    size_t end = scan(pool, g, USED_BIT);
    while (g) {
        uint64_t word = pool->used[(g - 1) / WORD] << (WORD - 1 - (g - 1) % WORD);
        if (word) {
            g -= WORD - 1 - log2_of(word);
            break;
        }
        g = (g - 1) / WORD * WORD;
    }
    *start = g;
    return end < pool->frontier ? end : pool->granules;
}

static void set_bits(uint64_t *words, size_t g, size_t n, int value)
{
    for (size_t end = g + n; g < end;) {
        size_t count = WORD - g % WORD < end - g ? WORD - g % WORD : end - g;
        uint64_t mask = UINT64_MAX >> (WORD - count) << g % WORD;
        words[g / WORD] = value ? words[g / WORD] | mask : words[g / WORD] & ~mask;
        g += count;
    }
}

static inline int is_begin(const struct m_pool *pool, size_t g)
{
    return (int)(pool->begin[g / WORD] >> g % WORD & 1);
}

/* The power of two of a length, as far as they are told apart. */
static unsigned length_class(size_t n)
{
    unsigned exponent = log2_of(n);
    return exponent < LOWEST ? exponent : (unsigned)LOWEST - 1;
}

/* Where n granules at a multiple of align fit into [start, end); NONE if they do not. */
static inline size_t fit(const struct m_pool *pool, size_t start, size_t end, size_t n,
                         size_t align)
{
    size_t g = align_granule(pool, start, align);
    return g <= end && n <= end - g ? g : NONE;
}

/* The first place of n granules at a multiple of align; NONE if there is none. */
static size_t map_find(const struct m_pool *pool, size_t n, size_t align)
{
    size_t g = NONE, start = pool->lowest[length_class(n)];
    while (g == NONE && start < pool->granules) {
        start = scan(pool, start, FREE_BIT);
        size_t end = scan(pool, start, USED_BIT);
        end = end < pool->frontier ? end : pool->granules;
        g = fit(pool, start, end, n, align);
        start = g == NONE ? end : start;
    }
    return g;
}

/* No run of n free granules starts before g. */
static void raise_lowest(struct m_pool *pool, size_t n, size_t g)
{
    unsigned i = length_class(n);
    for (i += n > (size_t)1 << i; i < LOWEST; i++)
        if (pool->lowest[i] < g)
            pool->lowest[i] = g < UINT32_MAX ? (uint32_t)g : UINT32_MAX;
}

/* Memory, tags and the map below granule `to` are in use from now on: what may not be zero is made
 * so. */
static void advance(struct m_pool *pool, size_t to)
{
    to = to < pool->granules ? to : pool->granules;
    if (to <= pool->frontier)
        return;
    if (pool->is_tight) {
        size_t word = (pool->frontier + WORD - 1) / WORD;
        memset(pool->used + word, 0, ((to + WORD - 1) / WORD - word) * sizeof *pool->used);
        memset(pool->begin + word, 0, ((to + WORD - 1) / WORD - word) * sizeof *pool->begin);
    }
    if (to > pool->clean) {
        size_t from = pool->clean, page = (from + PAGE - 1) / PAGE, end = (to + PAGE - 1) / PAGE;
        if (pool->source != SOURCE_SYSTEM && is_wiping(pool))
            wipe_closed(pool, from, to - from);
        if (pool->source != SOURCE_SYSTEM && pool->classes) {
            memset(pool->tags + from, 0, to - from);
            memset(pool->listed + page, 0, end - page);
            memset(pool->pages + page, 0, (end - page) * sizeof *pool->pages);
        }
        pool->clean = to;
        pool->fast_limit = pool->fast_classes ? to : 0;
    }
    pool->frontier = to;
}

static void raise_high_water(struct m_pool *pool, size_t g)
{
    if (pool->high_water < g)
        pool->high_water = g;
}

/* Free granules [g, g + n) below the frontier ⇒ used ones. */
static void map_take(struct m_pool *pool, size_t g, size_t n)
{
    HOOK_ASSERT(n && scan(pool, g, USED_BIT) >= g + n && "what is taken is free");
    set_bits(pool->used, g, n, 1);
    raise_high_water(pool, g + n);
}

static void start_over(struct m_pool *pool);

/* Used granules [g, g + n), of which none is a start ⇒ free ones. */
static void map_free(struct m_pool *pool, size_t g, size_t n)
{
    size_t start, end;
    HOOK_ASSERT(n && g + n <= pool->frontier && "what is freed is in use");
    set_bits(pool->used, g, n, 0);
    end = run_around(pool, g, &start);
    for (unsigned i = 0; i <= length_class(end - start); i++)
        if (pool->lowest[i] > start)
            pool->lowest[i] = (uint32_t)start;
    if (pool->classes && end - start == pool->granules)
        start_over(pool);
}

/* --- Units of a roomy pool -------------------------------------------------------------------- */

/* What is not in pages is extents of whole units. The tags of an extent's first unit are its
 * record; of a free extent the last unit's are too, so that it is found from either end. All other
 * units have no kind: neither a tag of a page, which may outlive its page, nor a length there is
 * one. A free extent is as long as it can be, and none ends at the frontier. */

enum kind {
    KIND_NONE = 0,
    KIND_CHUNK = 0xf0,
    KIND_FREE = 0xf1,
    KIND_LAST = 0xf2,
    KIND_KEPT = 0xf3
};

struct extent {
    uint8_t kind;
    uint8_t spare;       /* granules at its end that its chunk has not */
    uint32_t units;      /* its length */
    uint32_t next, prev; /* in the bin, by unit and 1 */
};

_Static_assert(sizeof(struct extent) <= UNIT, "a record is the tags of a unit");

static inline struct extent *extent_of(const struct m_pool *pool, size_t u)
{
    return (struct extent *)(void *)pool->tags + u;
}

/* Two-level bins: the exponent of the length and its next BIN_SHIFT bits (Masmano et al.,
 * TLSF, ECRTS 2004). Lengths below 2^(BIN_SHIFT + 1) have a bin of their own. */
static unsigned bin_of(size_t n)
{
    unsigned exponent = log2_of(n), shift = exponent - BIN_SHIFT;
    if (exponent <= BIN_SHIFT)
        return (unsigned)n;
    return (shift << BIN_SHIFT) + (unsigned)(n >> shift);
}

/* The first bin from b on that is not empty, or BINS. */
static unsigned next_bin(const struct m_pool *pool, unsigned b)
{
    for (; b < BINS; b = (b | 63) + 1) {
        uint64_t map = pool->bin_map[b / 64] >> b % 64;
        if (map)
            return b + pool_lowest(map);
    }
    return BINS;
}

static void file(struct m_pool *pool, size_t u, size_t units)
{
    struct extent *own = extent_of(pool, u), *last = extent_of(pool, u + units - 1);
    unsigned b = bin_of(units);
    last->kind = KIND_LAST;
    last->units = (uint32_t)units;
    own->kind = KIND_FREE;
    own->units = (uint32_t)units;
    own->prev = 0;
    own->next = pool->bins[b];
    if (own->next)
        extent_of(pool, own->next - 1)->prev = (uint32_t)u + 1;
    pool->bins[b] = (uint32_t)u + 1;
    pool->bin_map[b / 64] |= UINT64_C(1) << b % 64;
}

/* Returns its units. */
static size_t unfile(struct m_pool *pool, size_t u)
{
    struct extent *own = extent_of(pool, u);
    size_t units = own->units;
    HOOK_ASSERT(own->kind == KIND_FREE && "what is taken out of a bin is free");
    if (own->next)
        extent_of(pool, own->next - 1)->prev = own->prev;
    if (own->prev) {
        extent_of(pool, own->prev - 1)->next = own->next;
    } else {
        unsigned b = bin_of(units);
        if (!(pool->bins[b] = own->next))
            pool->bin_map[b / 64] &= ~(UINT64_C(1) << b % 64);
    }
    own->kind = KIND_NONE;
    own[units - 1].kind = KIND_NONE;
    return units;
}

/* Units that are in no extent ⇒ part of a free one, or beyond the frontier. */
static void units_free(struct m_pool *pool, size_t u, size_t units)
{
    struct extent *before = extent_of(pool, u) - 1;
    size_t end = u + units;
    HOOK_ASSERT(units && end * UNIT <= pool->frontier && "what is freed is in use");
    if (u && (before->kind == KIND_FREE || before->kind == KIND_LAST)) {
        u -= before->units;
        unfile(pool, u);
    }
    if (end * UNIT >= pool->frontier) {
        pool->frontier = u * UNIT;
        return;
    }
    if (extent_of(pool, end)->kind == KIND_FREE)
        end += unfile(pool, end);
    file(pool, u, end - u);
}

/* The extent at u, which is a chunk no longer, is kept, or free. */
static void extent_free(struct m_pool *pool, size_t u)
{
    struct extent *own = extent_of(pool, u);
    size_t units = own->units;
    unsigned b = bin_of(units);
    own->kind = KIND_NONE;
    if (b >= KEPT_BINS || pool->kept_count == KEPT_MOST) {
        units_free(pool, u, units);
        return;
    }
    own->kind = KIND_KEPT;
    own->next = pool->kept[b];
    pool->kept[b] = (uint32_t)u + 1;
    pool->kept_count++;
}

/* An extent of so many units that was kept, which is of no kind; NONE if there is none among the
 * last few of its bin. */
static size_t take_kept(struct m_pool *pool, size_t units)
{
    uint32_t *link = pool->kept + bin_of(units);
    for (int i = 0; *link && i < FEW; i++) {
        size_t u = *link - (size_t)1;
        struct extent *own = extent_of(pool, u);
        if (own->units == units) {
            own->kind = KIND_NONE;
            *link = own->next;
            pool->kept_count--;
            return u;
        }
        link = &own->next;
    }
    return NONE;
}

/* What was kept is free. */
static void free_kept(struct m_pool *pool)
{
    for (unsigned b = 0; pool->kept_count && b < KEPT_BINS; b++)
        while (pool->kept[b]) {
            size_t units = extent_of(pool, pool->kept[b] - 1)->units;
            units_free(pool, take_kept(pool, units), units);
        }
}

/* The first unit from u on whose number and `skew` make a multiple of align. */
static inline size_t align_unit(size_t u, size_t align, size_t skew)
{
    return u + (0 - u - skew) % align;
}

/* Units from such a one on in a free extent, which are in none from now on. NONE if none is found
 * in constant time: of each bin of shorter ones than are sure to do a few are looked at. */
static size_t units_find(struct m_pool *pool, size_t units, size_t align, size_t skew)
{
    for (unsigned b = next_bin(pool, bin_of(units)); b < BINS; b = next_bin(pool, b + 1)) {
        uint32_t next = pool->bins[b];
        for (int i = 0; next && i < FEW; i++) {
            size_t u = next - 1, at = align_unit(u, align, skew);
            struct extent *own = extent_of(pool, u);
            if (at + units <= u + own->units) {
                size_t end = u + unfile(pool, u);
                if (u < at)
                    file(pool, u, at - u);
                if (at + units < end)
                    file(pool, at + units, end - at - units);
                return at;
            }
            next = own->next;
        }
    }
    return NONE;
}

static void reclaim(struct m_pool *pool);

/* The same, or what was kept, in empty pages or fresh memory; NONE if there is no room. */
static size_t units_alloc(struct m_pool *pool, size_t units, size_t align, size_t skew)
{
    size_t u = bin_of(units) < KEPT_BINS && align == 1 ? take_kept(pool, units) : NONE, from;
    if (u == NONE)
        u = units_find(pool, units, align, skew);
    if (u == NONE) {
        free_kept(pool);
        reclaim(pool);
        u = units_find(pool, units, align, skew);
    }
    if (u != NONE)
        return u;
    from = pool->frontier / UNIT;
    u = align_unit(from, align, skew);
    if ((u + units) * UNIT > pool->granules)
        return NONE;
    advance(pool, (u + units) * UNIT);
    if (from < u)
        file(pool, from, u - from);
    return u;
}

/* The extent at u holds a chunk of n granules, whose first is returned. */
static size_t make_chunk(struct m_pool *pool, size_t u, size_t n)
{
    struct extent *own = extent_of(pool, u);
    own->kind = KIND_CHUNK;
    own->units = (uint32_t)((n + UNIT - 1) / UNIT);
    own->spare = (uint8_t)(own->units * UNIT - n);
    raise_high_water(pool, u * UNIT + n);
    return u * UNIT;
}

static inline size_t chunk_at(const struct m_pool *pool, size_t u)
{
    const struct extent *own = extent_of(pool, u);
    return own->kind == KIND_CHUNK ? own->units * UNIT - own->spare : 0;
}

/* Whether the chunk of `units` at u has become one of n granules in place. */
static int resize_units(struct m_pool *pool, size_t u, size_t n)
{
    size_t units = extent_of(pool, u)->units, end = u + units, more = (n + UNIT - 1) / UNIT;
    if (more > units) {
        size_t to = u + more;
        if (end * UNIT < pool->frontier && extent_of(pool, end)->kind == KIND_KEPT)
            free_kept(pool);
        if (end * UNIT == pool->frontier && to * UNIT <= pool->granules)
            advance(pool, to * UNIT);
        else if (end * UNIT < pool->frontier && extent_of(pool, end)->kind == KIND_FREE &&
                 end + extent_of(pool, end)->units >= to) {
            end += unfile(pool, end);
            if (to < end)
                file(pool, to, end - to);
        } else {
            return 0;
        }
    }
    (void)make_chunk(pool, u, n);
    if (more < units)
        units_free(pool, u + more, units - more);
    return 1;
}

/* --- Pages of a roomy pool -------------------------------------------------------------------- */

/* Of a page each chunk has a tag, which says whether it is free. A free writes it, and stacks the
 * chunk if its class's stack has room; the first since the page was looked at lists the page. An
 * alloc takes the last of the stack. Where that is empty it looks at the next tags. */

#define LIVE POOL_TAG_LIVE
#define GROWN POOL_TAG_GROWN
#define FREE POOL_TAG_FREE
#define FRESH POOL_TAG_FRESH

/* Of GROWN and FRESH: high_water knows how far the chunk has been given out. */
#define IS_KNOWN 1u

/* The class of the page that contains granule g, or 0. */
static inline size_t class_at(const struct m_pool *pool, size_t g)
{
    return pool->pages[g / PAGE].n;
}

/* A chunk of a page that is not listed may be free: the last of its class's ring. */
static void page_list(struct m_pool *pool, size_t page)
{
    struct pool_page *pages = pool->pages;
    uint32_t *list = &pool->classes[pages[page].n].listed, at = (uint32_t)page;
    pool->listed[page] = (unsigned char)pages[page].n;
    pages[page].prev = *list ? *list - 1 : at;
    pages[page].next = *list ? pages[*list - 1].next : at;
    pages[pages[page].prev].next = at;
    pages[pages[page].next].prev = at;
    *list = at + 1;
}

static void page_unlist(struct m_pool *pool, size_t page)
{
    struct pool_page *pages = pool->pages, own = pages[page];
    uint32_t *list = &pool->classes[own.n].listed;
    pool->listed[page] = 0;
    pages[own.prev].next = own.next;
    pages[own.next].prev = own.prev;
    if (*list == page + 1)
        *list = own.prev == page ? 0 : own.prev + 1;
}

/* Where the last chunk of a page ends that was given out whole. */
static size_t page_end(const struct m_pool *pool, size_t page)
{
    size_t n = pool->pages[page].n, end = page * PAGE + PAGE / n * n;
    while (end > page * PAGE && pool->tags[end - n] & IS_KNOWN)
        end -= n;
    return end;
}

/* Granules from here on have not been given out since init or reset. */
static size_t high_water_at(const struct m_pool *pool)
{
    size_t high = pool->high_water, page = pool->is_tight ? 0 : pool->frontier / PAGE;
    for (; page && page * PAGE > high; page--)
        if (pool->pages[page - 1].n && high < page_end(pool, page - 1))
            high = page_end(pool, page - 1);
    return high;
}

/* A page that is empty ⇒ free units. */
static void page_destroy(struct m_pool *pool, size_t page)
{
    size_t n = pool->pages[page].n;
    struct pool_class *own = &pool->classes[n];
    if (pool->listed[page])
        page_unlist(pool, page);
    raise_high_water(pool, page_end(pool, page));
    if (own->next / PAGE == page)
        own->next = 0;
    for (uint32_t i = 0, count = own->count; i < count; i++) {
        own->ready[i - (count - own->count)] = own->ready[i];
        own->count -= own->ready[i] / PAGE == page;
    }
    pool->pages[page].n = 0;
    pool->page_count--;
    units_free(pool, page * (PAGE / UNIT), PAGE / UNIT);
}

static int is_empty(const struct m_pool *pool, size_t page)
{
    unsigned any = 0;
    for (size_t g = page * PAGE; g < (page + 1) * PAGE && !(any & LIVE); g += WORD)
        for (size_t i = 0; i < WORD; i++)
            any |= pool->tags[g + i];
    return !(any & LIVE);
}

/* Looks at a few pages, and makes those free units that are empty. */
static void reclaim(struct m_pool *pool)
{
    for (int i = 0; i < RECLAIM_PAGES && pool->page_count; i++) {
        size_t page = pool->rover * PAGE < pool->frontier ? pool->rover : 0;
        pool->rover = page + 1;
        if (pool->listed[page] && is_empty(pool, page))
            page_destroy(pool, page);
    }
}

/* The class has more chunks in its empty stack: of its page, of the page that has been listed
 * longest, or of a new one. 0 if there is no room for one. */
static SLOW int class_refill(struct m_pool *pool, size_t n)
{
    struct pool_class *own = &pool->classes[n];
    size_t start = own->next, end, left;
    if (start % PAGE == 0) {
        if (own->listed) {
            size_t page = pool->pages[own->listed - 1].next;
            page_unlist(pool, page);
            start = page * PAGE;
        } else {
            size_t u = units_alloc(pool, PAGE / UNIT, PAGE / UNIT, 0);
            if (u == NONE)
                return 0;
            start = u * UNIT;
            memset(pool->tags + start, 0, PAGE);
            for (size_t i = 0; i + n <= PAGE; i += n)
                pool->tags[start + i] = FRESH;
            pool->pages[start / PAGE].n = (uint32_t)n;
            pool->page_count++;
        }
    }
    left = (PAGE - start % PAGE) / n;
    end = start + (left < own->room ? left : own->room) * n;
    own->next = left <= own->room ? 0 : (uint32_t)end;
    uint32_t *top = own->ready;
    for (size_t g = end; g > start;) { /* the lowest are given out first */
        g -= n;
        *top = (uint32_t)g;
        top += pool->tags[g] >> 7;
    }
    own->count = (uint32_t)(top - own->ready);
    return 1;
}

/* Granules of the live chunk that starts at g in a page; 0 if none does. */
static inline size_t page_chunk(const struct m_pool *pool, size_t g)
{
    unsigned tag = pool->tags[g];
    return tag == LIVE ? class_at(pool, g) : tag == GROWN ? pool->tags[g + 1] : 0;
}

/* The chunk at g in a page, which is longer than a granule, is live and of n granules. */
static inline void grow_to(struct m_pool *pool, size_t g, size_t n)
{
    int whole = n == class_at(pool, g);
    pool->tags[g] = whole ? LIVE : GROWN;
    pool->tags[g + 1] = whole ? 0 : (unsigned char)n;
    raise_high_water(pool, g + n);
}

/* What a chunk that became n granules long gets, to become longer: a quarter more at most. */
static inline size_t with_room(size_t n)
{
    size_t step = n < 4 ? 1 : n < 16 ? 2 : (size_t)1 << (log2_of(n) - 2);
    n = (n + step - 1) & ~(step - 1);
    return n < POOL_CLASSES ? n : POOL_CLASSES - 1;
}

/* A chunk of n granules in a page, with room to be as long as `whole`; NONE if none can be had. */
static inline size_t class_alloc(struct m_pool *pool, size_t n, size_t whole)
{
    struct pool_class *own = &pool->classes[whole];
    while (!own->count)
        if (!class_refill(pool, whole))
            return NONE;
    size_t g = own->ready[--own->count], given = pool->tags[g] == FRESH ? 0 : g + whole;
    pool->tags[g] = LIVE;
    if (n < whole) {
        raise_high_water(pool, given);
        grow_to(pool, g, n);
    }
    return g;
}

/* --- Everything there is ---------------------------------------------------------------------- */

/* A part of the block. */
struct span {
    size_t end;
    int kind; /* of enum pool_kind */
};

static int is_quarantined(const struct m_pool *pool, size_t g);

/* What starts at g: a chunk, or what is free up to where anything else starts. */
static struct span span_at(const struct m_pool *pool, size_t g)
{
    size_t n, end;
    if (g >= pool->frontier)
        return (struct span){pool->granules, POOL_RUN};
    if (pool->is_tight) {
        if (!is_begin(pool, g)) {
            end = scan(pool, g, USED_BIT);
            return (struct span){end < pool->frontier ? end : pool->granules, POOL_RUN};
        }
        end = scan(pool, g + 1, END_BIT);
        return (struct span){end, is_quarantined(pool, g) ? POOL_CACHED : POOL_LIVE};
    }
    n = class_at(pool, g);
    if (n) {
        size_t live = page_chunk(pool, g), before;
        if (live)
            return (struct span){g + live, POOL_LIVE};
        before = g % PAGE % n;
        end = g / PAGE * PAGE + PAGE;
        return (struct span){end - g < n ? end : g - before + n, before ? POOL_RUN : POOL_CACHED};
    }
    if (g % UNIT) /* after a chunk */
        return (struct span){round_up(g, UNIT), POOL_RUN};
    n = chunk_at(pool, g / UNIT);
    end = g + extent_of(pool, g / UNIT)->units * UNIT;
    if (extent_of(pool, g / UNIT)->kind == KIND_KEPT)
        return (struct span){end, POOL_CACHED};
    return (struct span){n ? g + n : end, n ? POOL_LIVE : POOL_RUN};
}

/* Nothing is live. A pool that can be is roomy. */
static void start_over(struct m_pool *pool)
{
    pool->is_tight = !pool->classes;
    pool->frontier = 0;
    pool->fast_classes = !pool->classes || HOOK_WATCHED ? 0 : POOL_CLASSES;
    pool->fast_limit = pool->fast_classes ? pool->clean : 0;
    memset(pool->lowest, 0, sizeof pool->lowest);
}

/* The most chunks in a stack: one for 32 KiB, so that all stacks take less than a hundredth. */
static size_t stack_room(size_t granules)
{
    size_t room = granules / 2048;
    return room < STACK ? room : STACK;
}

/* No page, no free extent. */
static void forget_roomy(struct m_pool *pool)
{
    pool->page_count = pool->rover = 0;
    pool->bin_map[0] = pool->bin_map[1] = 0;
    pool->kept_count = 0;
    memset(pool->bins, 0, BINS * sizeof *pool->bins);
    memset(pool->kept, 0, KEPT_BINS * sizeof *pool->kept);
    memset(pool->classes, 0, POOL_CLASSES * sizeof *pool->classes);
    for (size_t n = 1; n < POOL_CLASSES; n++) {
        pool->classes[n].room = (uint32_t)stack_room(pool->granules);
        pool->classes[n].ready = pool->ready + (n - 1) * stack_room(pool->granules);
    }
}

/* Pages and units ⇒ the map, with all that is live; or without it. */
static void leave_roomy(struct m_pool *pool, int keep)
{
    size_t to = pool->frontier;
    HOOK_ASSERT((!keep || !pool->kept_count) && "what was kept has been coalesced before");
    if (pool->is_tight)
        return;
    pool->high_water = high_water_at(pool);
    pool->is_tight = 1;
    pool->fast_limit = pool->fast_classes = 0;
    pool->frontier = 0;
    if (keep)
        advance(pool, to);
    for (size_t g = 0, n; g < to; g += n) {
        size_t page = g / PAGE;
        struct extent *own = extent_of(pool, g / UNIT);
        if (pool->pages[page].n) {
            n = pool->pages[page].n;
            for (size_t i = 0; keep && i + n <= PAGE; i += n)
                if (page_chunk(pool, g + i)) {
                    set_bits(pool->used, g + i, page_chunk(pool, g + i), 1);
                    set_bits(pool->begin, g + i, 1, 1);
                }
            pool->pages[page].n = pool->listed[page] = 0;
            n = PAGE;
            continue;
        }
        n = own->units * UNIT;
        if (keep && own->kind == KIND_CHUNK) {
            set_bits(pool->used, g, n - own->spare, 1);
            set_bits(pool->begin, g, 1, 1);
        }
        own[own->units - 1].kind = own->kind = KIND_NONE;
    }
    forget_roomy(pool);
}

/* --- The checked build ------------------------------------------------------------------------ */

/* It knows sizes to the byte, writes a canary after each chunk, verifies free memory before it is
 * used again, and quarantines it first. It has no pages. What differs is here, or else there. */

#if defined(POOL_CHECKED)
#include "pool_checked.h"
#else

/* Granules of a chunk of so many bytes; cannot overflow. */
static inline size_t chunk_granules(size_t bytes)
{
    return granules_for(bytes);
}

/* Bytes of the largest chunk that so many granules hold. */
static inline size_t usable(size_t n)
{
    return n * GRANULE;
}

/* Whether a pool of so many granules may be roomy. */
static int has_pages(size_t granules)
{
    return granules >= LEAST_PAGES * PAGE;
}

/* Bytes for what is known of each granule, and of one after them that no chunk starts at. */
static size_t tags_size(size_t granules)
{
    return has_pages(granules) ? granules + 1 : 0;
}

/* Whether free memory is zero. */
static int is_wiping(const struct m_pool *pool)
{
    return !(pool->flags & POOL_KEEP_CONTENTS);
}

/* Whether the chunk that starts at granule g of a tight pool is free, and waits. */
static inline int is_quarantined(const struct m_pool *pool, size_t g)
{
    (void)pool;
    (void)g;
    return 0;
}

/* What is known of the size of the live chunk [g, g + n), in bytes; 0 where n is 0. */
static inline size_t size_at(const struct m_pool *pool, size_t g, size_t n)
{
    (void)pool;
    (void)g;
    return n * GRANULE;
}

/* POOL_OK if the live chunk [g, g + n) is of so many bytes and has kept to them, or why not. */
static inline enum pool_reason judge(const struct m_pool *pool, size_t g, size_t n, size_t size)
{
    (void)pool;
    (void)g;
    return n == granules_for(size) ? POOL_OK : POOL_WRONG_SIZE;
}

/* Opens so many bytes of a closed chunk. */
static inline void open_to(const struct m_pool *pool, unsigned char *chunk, size_t size)
{
    (void)pool;
    HOOK_OPEN(chunk, size);
}

/* The same for its new user. */
static inline void expose(const struct m_pool *pool, unsigned char *chunk, size_t size)
{
    HOOK_OPEN(chunk, size);
    if (pool->flags & POOL_KEEP_CONTENTS)
        HOOK_UNDEFINED(chunk, size);
}

/* Whether n free granules from g on may be given out. */
#define is_clean(pool, g, n) ((void)(pool), (void)(g), (void)(n), 1)

/* Used granules of a tight pool, of which none is a start ⇒ free ones. */
static inline void release(struct m_pool *pool, size_t g, size_t n)
{
    map_free(pool, g, n);
}

/* What is tried before n granules at a multiple of align are refused; before a chunk that ends at
 * g, and stays, is refused to end at `end`; and why then it and the others were refused: without a
 * chunk, g and `end` are 0 and NONE. */
#define find_short(pool, n, align) ((void)(pool), (void)(n), (void)(align), NONE)
#define make_way(pool, g, end) ((void)(pool), (void)(g), (void)(end))
#define why_none(pool, n, align, g, end)                                                           \
    ((void)(pool), (void)(n), (void)(align), (void)(g), (void)(end), POOL_OUT_OF_MEMORY)

/* Wipes, for a reset, the live chunks, which are open. */
static void wipe_written(struct m_pool *pool)
{
    size_t g = 0, from = 0;
    while (g < pool->frontier) {
        struct span span = span_at(pool, g);
        if (span.kind != POOL_LIVE) {
            zero(pool, address_of(pool, from), (g - from) * GRANULE);
            from = span.end;
        }
        g = span.end;
    }
    zero(pool, address_of(pool, from), (g - from) * GRANULE);
}

/* The first invariant of DESIGN.md that the block's bytes break, or NULL. */
#define check_bytes(pool) ((void)(pool), (const char *)NULL)

/* Nothing waits: before what is free is purged, and after a reset. */
#define evict_all(pool) ((void)(pool))
#define keeps(kind) ((kind) == POOL_LIVE)
#define forget_quarantine(pool) ((void)(pool))

#endif

/* --- Chunks ----------------------------------------------------------------------------------- */

/* n granules at a multiple of align; NONE if there are none. */
static size_t alloc_granules(struct m_pool *pool, size_t n, size_t align)
{
    size_t g = NONE;
    if (!pool->is_tight) {
        if (n < POOL_CLASSES && align == GRANULE) {
            g = class_alloc(pool, n, n);
        } else {
            size_t every = (align - 1) / UNIT_BYTES + 1, skew = (uintptr_t)pool->base / UNIT_BYTES;
            size_t u = units_alloc(pool, (n + UNIT - 1) / UNIT, every, skew);
            if (u != NONE)
                g = make_chunk(pool, u, n);
        }
        if (g != NONE)
            return g;
        leave_roomy(pool, 1);
    }
    g = map_find(pool, n, align);
    if (g == NONE)
        g = find_short(pool, n, align);
    if (g != NONE) {
        advance(pool, round_up(g + n, WORD));
        if (!is_clean(pool, g, n))
            return NONE;
        map_take(pool, g, n);
        set_bits(pool->begin, g, 1, 1);
    }
    if (align == GRANULE)
        raise_lowest(pool, n, g < pool->granules ? g : pool->granules);
    return g;
}

/* Granules of the live chunk that starts at g; 0 if none does. */
static inline size_t live_at(const struct m_pool *pool, size_t g)
{
    if (g >= pool->frontier)
        return 0;
    if (pool->is_tight)
        return is_begin(pool, g) && !is_quarantined(pool, g) ? scan(pool, g + 1, END_BIT) - g : 0;
    if (class_at(pool, g))
        return page_chunk(pool, g);
    return g % UNIT ? 0 : chunk_at(pool, g / UNIT);
}

/* The live chunk of n granules at g ⇒ free memory. */
static void free_granules(struct m_pool *pool, size_t g, size_t n)
{
    if (pool->is_tight) {
        set_bits(pool->begin, g, 1, 0);
        release(pool, g, n);
    } else if (class_at(pool, g)) {
        if (pool->tags[g] == GROWN)
            pool->tags[g + 1] = 0;
        pool->tags[g] = pool->tags[g] == GROWN ? FRESH : FREE;
        pool_stack(pool, g, class_at(pool, g));
        if (!pool->listed[g / PAGE])
            page_list(pool, g / PAGE);
    } else {
        extent_free(pool, g / UNIT);
    }
}

/* Whether the live chunk [g, g + n) has become one of m granules where it is. */
static int resize(struct m_pool *pool, size_t g, size_t n, size_t m)
{
    size_t start;
    if (m == n)
        return 1;
    if (!pool->is_tight && class_at(pool, g))
        return 0;
    if (m < n && is_wiping(pool))
        wipe_closed(pool, g + m, n - m);
    if (!pool->is_tight)
        return resize_units(pool, g / UNIT, m);
    if (m < n) {
        release(pool, g + m, n - m);
        return 1;
    }
    if (g + n < pool->frontier && scan(pool, g + n, FREE_BIT) != g + n)
        return 0;
    if (run_around(pool, g + n, &start) < g + m)
        return 0;
    advance(pool, round_up(g + m, WORD));
    if (!is_clean(pool, g + n, m - n))
        return 0;
    map_take(pool, g + n, m - n);
    return 1;
}

/* --- The struct's life ------------------------------------------------------------------------ */

/* Where the parts of a pool of so many granules are in its memory, in bytes. Nothing that follows
 * a chunk is bookkeeping. */
struct layout {
    size_t bins, ready, listed, pages, used, begin, tags, block, end;
};

/* Bytes that the block's start is a multiple of: where there are units, each is aligned to its
 * size. */
static size_t alignment_for(size_t granules)
{
    return granules < LEAST_PAGES * PAGE ? GRANULE : UNIT_BYTES;
}

static struct layout layout_of(size_t granules, unsigned flags)
{
    size_t words = (granules + WORD - 1) / WORD * sizeof(uint64_t);
    int roomy = !(flags & POOL_STRICT) && has_pages(granules);
    size_t pages = roomy ? (granules + PAGE - 1) / PAGE : 0;
    struct layout at; /* what a roomy pool touches first is side by side */
    at.bins = roomy ? POOL_CLASSES * sizeof(struct pool_class) : 0;
    at.ready = at.bins + (roomy ? BINS + KEPT_BINS : 0) * sizeof(uint32_t);
    at.listed = at.ready;
    if (roomy)
        at.listed += (POOL_CLASSES - 1) * stack_room(granules) * sizeof(uint32_t);
    at.pages = round_up(at.listed + pages, sizeof(uint32_t));
    at.used = round_up(at.pages + pages * sizeof(struct pool_page), sizeof(uint64_t));
    at.begin = at.used + words;
    at.tags = round_up(at.begin + words, GRANULE);
    at.block = at.tags + (has_pages(granules) && !roomy ? 0 : tags_size(granules));
    at.block = round_up(at.block, alignment_for(granules));
    at.end = at.block + granules * GRANULE;
    return at;
}

static enum pool_reason check_config(const struct pool_config *config)
{
    int sources = (config->buffer != NULL) + (config->map != NULL) + !!(config->flags & POOL_LAZY);
    if (config->flags & ~(unsigned)KNOWN_FLAGS || sources > 1 || !config->map != !config->unmap ||
        (config->buffer ? config->capacity : config->buffer_size) ||
        ((config->flags & POOL_HUGE_PAGES) && !(config->flags & POOL_LAZY)))
        return POOL_BAD_CONFIG;
    return config->capacity > POOL_MAX_CAPACITY ? POOL_TOO_LARGE : POOL_OK;
}

/* The caller's buffer: as many granules as it holds with their bookkeeping. */
static enum pool_reason use_buffer(struct m_pool *pool, const struct pool_config *config)
{
    size_t room = config->buffer_size;
    size_t fits = 0, beyond = room / GRANULE + 1;
    if (beyond > chunk_granules(POOL_MAX_CAPACITY) + 1)
        beyond = chunk_granules(POOL_MAX_CAPACITY) + 1;
    while (beyond - fits > 1) {
        size_t n = fits + (beyond - fits) / 2;
        size_t pad = (size_t)(0 - (uintptr_t)config->buffer) % alignment_for(n);
        if (pad <= room && layout_of(n, config->flags).end <= room - pad)
            fits = n;
        else
            beyond = n;
    }
    if (usable(fits) == 0)
        return POOL_BUFFER_TOO_SMALL;
    pool->source = SOURCE_BUFFER;
    pool->memory = config->buffer;
    pool->memory_size = config->buffer_size;
    pool->granules = fits;
    return POOL_OK;
}

/* Memory for the configured capacity from wherever it comes. */
static enum pool_reason use_memory(struct m_pool *pool, const struct pool_config *config)
{
    size_t capacity = config->capacity ? config->capacity : POOL_DEFAULT_CAPACITY;
    if (config->buffer)
        return use_buffer(pool, config);
    pool->granules = chunk_granules(capacity);
    pool->memory_size = layout_of(pool->granules, config->flags).end;
    if (config->map) {
        pool->source = SOURCE_USER;
        pool->memory_size += alignment_for(pool->granules) - GRANULE;
        pool->memory = config->map(config->context, pool->memory_size);
        if ((uintptr_t)pool->memory % GRANULE) {
            config->unmap(config->context, pool->memory, pool->memory_size);
            pool->memory = NULL;
        }
    } else if (config->flags & POOL_LAZY) {
#if HAVE_SYSTEM
        pool->source = SOURCE_SYSTEM;
        pool->memory = system_map(pool->memory_size, !!(config->flags & POOL_HUGE_PAGES));
#endif
    } else {
        pool->source = SOURCE_MALLOC;
        pool->memory_size += alignment_for(pool->granules) - _Alignof(max_align_t);
        pool->memory = malloc(pool->memory_size);
    }
    if (!pool->memory)
        return POOL_NO_BACKING;
    return POOL_OK;
}

int pool_init(struct m_pool *pool)
{
    return pool_init_with(pool, NULL);
}

int pool_init_with(struct m_pool *pool, const struct pool_config *config)
{
    static const struct pool_config plain = {0};
    struct m_pool made = {0};
    if (!pool)
        return -1;
    if (!config)
        config = &plain;
    enum pool_reason reason = check_config(config);
    if (reason == POOL_OK)
        reason = use_memory(&made, config);
    if (reason != POOL_OK) {
        pool->reason = reason;
        if (config->on_error)
            config->on_error(config->context, pool, reason, NULL);
        return -1;
    }
    made.flags = config->flags;
    made.map = config->map;
    made.unmap = config->unmap;
    made.on_error = config->on_error;
    made.context = config->context;
    unsigned char *at = made.memory;
    at += (0 - (uintptr_t)at) % alignment_for(made.granules);
    struct layout parts = layout_of(made.granules, made.flags);
    made.used = (uint64_t *)(void *)(at + parts.used);
    made.begin = (uint64_t *)(void *)(at + parts.begin);
    made.tags = at + parts.tags;
    made.base = at + parts.block;
    made.is_tight = 1;
    if (parts.bins) {
        made.classes = (struct pool_class *)(void *)at;
        made.pages = (struct pool_page *)(void *)(at + parts.pages);
        made.bins = (uint32_t *)(void *)(at + parts.bins);
        made.kept = made.bins + BINS;
        made.ready = (uint32_t *)(void *)(at + parts.ready);
        made.listed = at + parts.listed;
        made.tags[made.granules] = 0;
        forget_roomy(&made);
    }
    start_over(&made);
    forget_quarantine(&made);
    HOOK_CLOSE(made.base, made.granules * GRANULE);
    *pool = made;
    return 0;
}

int pool_reset(struct m_pool *pool)
{
    if (!pool)
        return -1;
    if (!pool->granules)
        return refuse(pool, POOL_DEAD, NULL);
    HOOK_OPEN(pool->base, pool->frontier * GRANULE);
    if (is_wiping(pool))
        wipe_written(pool);
    HOOK_CLOSE(pool->base, pool->frontier * GRANULE);
    leave_roomy(pool, 0);
    start_over(pool);
    forget_quarantine(pool);
    pool->high_water = 0;
    return 0;
}

void pool_destroy(struct m_pool *pool)
{
    if (!pool || !pool->granules)
        return;
    struct m_pool gone = *pool;
    HOOK_OPEN(gone.base, gone.granules * GRANULE);
    memset(pool, 0, sizeof *pool);
    if (gone.source == SOURCE_MALLOC)
        free(gone.memory);
    else if (gone.source == SOURCE_USER)
        gone.unmap(gone.context, gone.memory, gone.memory_size);
#if HAVE_SYSTEM
    else if (gone.source == SOURCE_SYSTEM)
        system_unmap(gone.memory, gone.memory_size);
#endif
}

/* --- Calls ------------------------------------------------------------------------------------ */

/* Bytes; every chunk is aligned to a granule. */
static size_t alignment_of(unsigned type)
{
    return (size_t)1 << (type < POOL_USER ? POOL_USER : type);
}

/* Why a chunk of these can never be had from this pool, or POOL_OK. */
static enum pool_reason check_request(const struct m_pool *pool, size_t size, unsigned type)
{
    if (size - 1 < usable(pool->granules) && type <= POOL_USER)
        return POOL_OK;
    if (!pool->granules)
        return POOL_DEAD;
    if (size == 0)
        return POOL_ZERO_SIZE;
    if (type > POOL_PAGE)
        return POOL_BAD_ALIGNMENT;
    size_t start = align_granule(pool, 0, alignment_of(type));
    if (start > pool->granules || chunk_granules(size) > pool->granules - start)
        return POOL_TOO_LARGE;
    return POOL_OK;
}

/* Why no live chunk of so many bytes starts at p. */
static COLD enum pool_reason why_not_chunk(const struct m_pool *pool, const void *p, size_t size)
{
    size_t offset = (size_t)((uintptr_t)p - (uintptr_t)pool->base), g = offset / GRANULE, n;
    if (!pool->granules)
        return POOL_DEAD;
    if (size == 0)
        return POOL_ZERO_SIZE;
    if (g >= pool->granules)
        return POOL_OUTSIDE;
    if (offset % GRANULE)
        return POOL_MISALIGNED;
    if (g >= high_water_at(pool))
        return POOL_STALE;
    if ((n = live_at(pool, g)) != 0)
        return judge(pool, g, n, size);
    struct span span = {0, 0};
    while (span.end <= g)
        span = span_at(pool, span.end);
    return span.kind == POOL_LIVE ? POOL_INTERIOR : POOL_ALREADY_FREE;
}

/* The end of pool_free for a chunk that is wiped and long. */
void pool_free_long(struct m_pool *pool, size_t g, size_t n)
{
    memset(address_of(pool, g), 0, n * GRANULE);
    pool->tags[g] = FREE;
    pool_stack(pool, g, n);
}

void *pool_alloc_slow(struct m_pool *pool, size_t size, enum pool_type type)
{
    enum pool_reason reason = check_request(pool, size, (unsigned)type);
    size_t g = NONE;
    if (reason == POOL_OK) {
        size_t n = chunk_granules(size), align = alignment_of((unsigned)type);
        g = alloc_granules(pool, n, align);
        if (g == NONE)
            reason = why_none(pool, n, align, (size_t)0, NONE);
    }
    if (g == NONE) {
        pool_refuse(pool, reason, NULL);
        return NULL;
    }
    unsigned char *chunk = address_of(pool, g);
    expose(pool, chunk, size);
    return chunk;
}

/* The live chunk of n granules at g ⇒ free, wiped and closed. */
static void free_chunk(struct m_pool *pool, size_t g, size_t n)
{
    unsigned char *chunk = address_of(pool, g);
    if (is_wiping(pool)) {
        HOOK_OPEN(chunk, n * GRANULE);
        zero(pool, chunk, n * GRANULE);
    }
    HOOK_CLOSE(chunk, n * GRANULE);
    free_granules(pool, g, n);
}

int pool_free_slow(struct m_pool *pool, void *ptr, size_t size)
{
    if (!ptr && pool->granules)
        return 0;
    size_t g = pool_granule(pool, ptr), n = live_at(pool, g);
    if (!n || judge(pool, g, n, size) != POOL_OK)
        return refuse(pool, why_not_chunk(pool, ptr, size), ptr);
    free_chunk(pool, g, n);
    return 0;
}

int pool_free_unsized_slow(struct m_pool *pool, void *ptr)
{
    size_t size = pool_size_of(pool, ptr);
    return pool_free_slow(pool, ptr, size ? size : 1); /* where no chunk is, no size is wrong */
}

/* The resized chunk of kept user bytes that now is of size bytes, and was of as many granules as
 * they take or of n: whatever is not kept is zero and closed, or opened up to size. */
static void finish_resize(struct m_pool *pool, unsigned char *chunk, size_t n, size_t kept,
                          size_t size)
{
    size_t m = chunk_granules(size), old = (n < m ? n : m) * GRANULE; /* what follows is zero */
    if (is_wiping(pool) && kept < old) {
        HOOK_OPEN(chunk, old);
        memset(chunk + kept, 0, old - kept);
    }
    if (m < n)
        HOOK_CLOSE(chunk + m * GRANULE, (n - m) * GRANULE);
    HOOK_CLOSE(chunk + round_up(size, GRANULE) - GRANULE, GRANULE);
    open_to(pool, chunk, size);
}

/* What the fast path of a resize leaves. */
static SLOW int realloc_slow(struct m_pool *pool, void **ptr, size_t old_size, size_t new_size,
                             enum pool_type type)
{
    unsigned char *chunk = load(ptr);
    if (!chunk && old_size == 0)
        return pool_alloc(pool, ptr, new_size, type);
    size_t g = pool_granule(pool, chunk), n = live_at(pool, g), m = chunk_granules(new_size);
    if (!n || judge(pool, g, n, old_size) != POOL_OK)
        return refuse(pool,
                      pool->granules && !chunk ? POOL_NULL_ARGUMENT
                                               : why_not_chunk(pool, chunk, old_size),
                      chunk);
    enum pool_reason reason = check_request(pool, new_size, (unsigned)type);
    if (reason != POOL_OK)
        return refuse(pool, reason, chunk);
    size_t align = alignment_of((unsigned)type), kept = old_size < new_size ? old_size : new_size;
    int stays = ((uintptr_t)chunk & (align - 1)) == 0;
    if (!stays || !resize(pool, g, n, m)) {
        size_t to = alloc_granules(pool, m, align);
        if (to != NONE) {
            unsigned char *moved = address_of(pool, to);
            expose(pool, moved, new_size);
            memcpy(moved, chunk, kept);
            free_chunk(pool, g, n);
            store(ptr, moved);
            return 0;
        }
        size_t end = stays ? g + m : NONE;
        make_way(pool, g + n, end);
        if (!stays || !resize(pool, g, n, m)) /* what was a page's is one no longer */
            return refuse(pool, why_none(pool, m, align, g + n, end), chunk);
    }
    finish_resize(pool, chunk, n, kept, new_size);
    return 0;
}

/* The live chunk of n granules in a page ⇒ one of m, if there is one at hand. */
static inline int realloc_fast(struct m_pool *pool, void **ptr, size_t n, size_t m, size_t kept)
{
    unsigned char *chunk = load(ptr);
    size_t to, g = pool_granule(pool, chunk);
    if (g >= pool->fast_limit || !class_at(pool, g) || page_chunk(pool, g) != n)
        return 0;
    if (n == m || (pool->tags[g] == GROWN && m <= class_at(pool, g) && m > class_at(pool, g) / 2)) {
        if (n != m)
            grow_to(pool, g, m);
        if (is_wiping(pool))
            memset(chunk + kept, 0, n * GRANULE - kept);
        return 1;
    }
    to = class_alloc(pool, m, m > n ? with_room(m) : m);
    if (to == NONE)
        return 0;
    memcpy(address_of(pool, to), chunk, kept);
    free_chunk(pool, g, n);
    store(ptr, address_of(pool, to));
    return 1;
}

int pool_realloc(struct m_pool *pool, void **ptr, size_t old_size, size_t new_size,
                 enum pool_type type)
{
    if (!pool)
        return -1;
    if (!ptr)
        return refuse(pool, POOL_NULL_ARGUMENT, NULL);
    size_t n = (old_size - 1) / GRANULE + 1, m = (new_size - 1) / GRANULE + 1;
    size_t kept = old_size < new_size ? old_size : new_size;
    if (n < pool->fast_classes && m < pool->fast_classes && (unsigned)type <= POOL_USER &&
        realloc_fast(pool, ptr, n, m, kept))
        return 0;
    return realloc_slow(pool, ptr, old_size, new_size, type);
}

/* --- Questions -------------------------------------------------------------------------------- */

size_t pool_size_of(const struct m_pool *pool, const void *ptr)
{
    size_t g = pool ? pool_granule(pool, ptr) : NONE;
    return pool ? size_at(pool, g, live_at(pool, g)) : 0;
}

int pool_owns(const struct m_pool *pool, const void *ptr)
{
    return pool && (uintptr_t)ptr - (uintptr_t)pool->base < pool->granules * GRANULE;
}

enum pool_reason pool_error(const struct m_pool *pool)
{
    return pool ? (enum pool_reason)pool->reason : POOL_NULL_ARGUMENT;
}

#if defined(__has_include)
#if __has_include("pool_questions.h")
#include "pool_questions.h"
#endif
#endif

#if defined(__clang__)
#pragma clang attribute pop
#endif
