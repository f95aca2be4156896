/* The pool: tags out of line, freed chunks cached by size, free runs in bins by length. See
 * DESIGN.md. */
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

/* The checked build knows sizes to the byte, writes a canary after each chunk, verifies free memory
 * before it is used again, and quarantines it first. What it does stands in constant conditions,
 * most of them under "The checked build" below, or beside its counterpart. */
#if defined(POOL_CHECKED)
#define CHECKED 1
#else
#define CHECKED 0
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
#pragma clang attribute push(__attribute__((no_sanitize("integer"))), apply_to = function)
#endif

/* --- Constants -------------------------------------------------------------------------------- */

#define GRANULE ((size_t)POOL_GRANULE)
#define SMALL ((size_t)POOL_SMALL)
#define NONE SIZE_MAX             /* no granule */
#define CORRUPT (SIZE_MAX - 1)    /* nor here, for a user has written to what would be given */
#define REDZONE ((size_t)CHECKED) /* granules after a chunk that belong to it, and to nobody */

#define KNOWN_FLAGS (POOL_KEEP_CONTENTS | POOL_LAZY | POOL_HUGE_PAGES | POOL_STRICT)

/* Everything free is coalesced before fresh memory is touched if the cached chunks are this share
 * of what has been touched, and if that has grown by this share since the question was last asked:
 * a program in a steady state soon has what it needs in the cache, and no longer pays for tag
 * scans. One whose sizes come and go in no order has much cached again at once, so from the second
 * time in a row on the pool waits for more growth, up to an eighth. A streak ends where hardly
 * anything was cached. */
#define COALESCE_SHARE 16
#define COALESCE_GAP 64
#define COALESCE_HARDLY 32
#define COALESCE_STREAK 3

/* How much is cached is estimated from so many places of so many granules, evenly spread. */
#define ESTIMATE_PLACES ((size_t)128)
#define ESTIMATE_GRANULES ((size_t)32)

/* Each chunk on the slow path takes a sample at one place of the tags: do so many small cached
 * chunks stand there in a row? Everything free is coalesced where that is so at more than one place
 * in SCATTER_WEIGHT + 1 for long enough, if SCATTER_LEAST granules have been touched, for fewer are
 * at hand in any order, and if there was a sample for SCATTER_GAP of them since the last time. */
#define SCATTER_ROW 4
#define SCATTER_WEIGHT 4u
#define SCATTER_ENOUGH 32u
#define SCATTER_LEAST ((size_t)1 << 10)
#define SCATTER_GAP ((size_t)1024)
#define SCATTER_AHEAD 4 /* samples whose tags are being fetched */

/* Chunks of SMALL granules and more are cached while so many granules have been touched at most,
 * and up to this share of these where more have; what is beyond that is coalesced with its
 * neighbours as it is freed. */
#define SHARED_FREELY ((size_t)1 << 17)
#define SHARED_SHARE 64

/* Fresh memory that is touched for a small chunk is so many granules more than the chunk, together
 * about four pages: soon the runs that were left are asked again. */
#define GROWTH ((size_t)960)

/* So many runs of a bin are looked at before fresh memory is touched. */
#define FEW_RUNS ((size_t)8)

/* A tag is two bits of kind and six of length. The first granule of every chunk and run has a kind;
 * the length is its granules, or 0 for SMALL and more, which stand in the length table. Every other
 * granule has kind 0, and there the last granule of a run repeats its length, or LONG_END, so that
 * the run can be found from its end. All else is INTERIOR, the granules of the bump run and those
 * from the frontier on included. */
enum {
    INTERIOR = 0x00,
    LONG_END = 0x01,
    LIVE = POOL_TAG_LIVE,
    CACHED = POOL_TAG_CACHED,
    RUN = 0xc0,
    KIND = 0xc0,
    LENGTH = 0x3f
};

/* From so many bytes on, purging pages costs less than zeroing them. */
#define PURGE_LEAST ((size_t)16 << 20)

enum source { SOURCE_MALLOC, SOURCE_BUFFER, SOURCE_USER, SOURCE_SYSTEM };

/* What the first granule of a run in a bin holds. */
struct links {
    void *next, *prev;
};

_Static_assert(sizeof(struct links) <= POOL_GRANULE, "a run of one granule must hold its links");
_Static_assert(POOL_SMALL - 1 <= LENGTH, "a small length must fit its tag");
_Static_assert((1 << POOL_USER) == POOL_GRANULE, "every chunk start suits max_align_t");
_Static_assert(_Alignof(max_align_t) <= POOL_GRANULE, "every chunk start suits max_align_t");

/* What the header inlines, as functions of the library. */
extern inline size_t pool_granule(const struct m_pool *pool, const void *at);
extern inline void pool_wipe(void *chunk, size_t n);
extern inline void *pool_alloc_inline(struct m_pool *pool, size_t n);
extern inline void pool_cache_inline(struct m_pool *pool, void *chunk, size_t g, size_t n);
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

/* --- Addresses, granules, tags ---------------------------------------------------------------- */

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

/* Granules of a chunk of so many bytes; cannot overflow. */
static size_t chunk_granules(size_t bytes)
{
    return granules_for(bytes) + REDZONE;
}

/* Bytes of the largest chunk that so many granules hold. */
static inline size_t usable(size_t n)
{
    return (n - (CHECKED & (n > 0))) * GRANULE;
}

/* Extents of SMALL granules and more contain a granule whose number is a multiple of 64, and
 * nothing else contains it: that granule's word in the length table is theirs. Stored less one, and
 * less the redzone, for 2^32 granules to fit. */
static void lengths_set(struct m_pool *pool, size_t g, size_t n)
{
    pool->lengths[(g + SMALL - 1) / SMALL] = (uint32_t)(n - 1 - REDZONE);
    pool->lengths[(g + n - 1) / SMALL] = (uint32_t)(n - 1 - REDZONE);
}

#if SIZE_MAX > UINT32_MAX
#define READ_LENGTH(word) (word)
#else
#define READ_LENGTH(word) ((word) % (UINT32_MAX - 1)) /* what a user wrote must not wrap to 0 */
#endif

static size_t lengths_from(const struct m_pool *pool, size_t first)
{
    return (size_t)READ_LENGTH(pool->lengths[(first + SMALL - 1) / SMALL]) + 1 + REDZONE;
}

static size_t lengths_to(const struct m_pool *pool, size_t last)
{
    return (size_t)pool->lengths[last / SMALL] + 1 + REDZONE;
}

static void tag_set(struct m_pool *pool, size_t g, unsigned kind, size_t n)
{
    pool->tags[g] = (unsigned char)(kind | (n < SMALL ? n : 0));
    if (n >= SMALL)
        lengths_set(pool, g, n);
}

/* The length that the chunk or run that starts at g is said to have. */
static size_t claimed_at(const struct m_pool *pool, size_t g)
{
    size_t n = pool->tags[g] & LENGTH;
    return n ? n : lengths_from(pool, g);
}

/* Its length. Who writes past the end of the block may have written to tags and the length table,
 * so none leads out of it. */
static size_t length_at(const struct m_pool *pool, size_t g)
{
    size_t n = claimed_at(pool, g), left = pool->granules - g;
    return n < left ? n : left;
}

/* Whether an extent of this kind and of n granules starts at g. */
static inline int is_tagged(const struct m_pool *pool, size_t g, unsigned kind, size_t n)
{
    if (n < SMALL)
        return g < pool->frontier && pool->tags[g] == (kind | n);
    return g < pool->frontier && pool->tags[g] == kind && length_at(pool, g) == n;
}

static inline unsigned kind_at(const struct m_pool *pool, size_t g)
{
    return pool->tags[g] & KIND;
}

static size_t bump_at(const struct m_pool *pool)
{
    return (size_t)(pool->bump - pool->base) / GRANULE;
}

static size_t bump_end_at(const struct m_pool *pool)
{
    return (size_t)(pool->bump_end - pool->base) / GRANULE;
}

/* Granules from here on have not been given out since init or reset. The bump run may have moved
 * on. */
static size_t high_water_at(const struct m_pool *pool)
{
    size_t bump = bump_at(pool);
    return bump_end_at(pool) == pool->frontier && bump > pool->high_water ? bump : pool->high_water;
}

/* The first granule from g on that starts at a multiple of align. */
static size_t align_granule(const struct m_pool *pool, size_t g, size_t align)
{
    uintptr_t at = (uintptr_t)address_of(pool, g);
    return g + (size_t)((0 - at) & (align - 1)) / GRANULE;
}

/* --- Links in free memory --------------------------------------------------------------------- */

/* Free memory is closed to the user but not out of reach: whatever is read here is only believed
 * once a tag agrees. Outside of its links free memory is zero, unless POOL_KEEP_CONTENTS. */

/* A cached chunk's link is where a run's next is. */
static inline void *next_of(void *chunk)
{
    void *next;
    HOOK_OPEN(chunk, sizeof next);
    memcpy(&next, chunk, sizeof next);
    HOOK_CLOSE(chunk, sizeof next);
    return next;
}

static inline void set_next(void *chunk, const void *next)
{
    HOOK_OPEN(chunk, sizeof next);
    memcpy(chunk, &next, sizeof next);
    HOOK_CLOSE(chunk, sizeof next);
}

static inline struct links links_of(void *run)
{
    struct links links;
    HOOK_OPEN(run, sizeof links);
    memcpy(&links, run, sizeof links);
    HOOK_CLOSE(run, sizeof links);
    return links;
}

static inline void set_links(void *run, void *next, void *prev)
{
    struct links links = {next, prev};
    HOOK_OPEN(run, sizeof links);
    memcpy(run, &links, sizeof links);
    HOOK_CLOSE(run, sizeof links);
}

static inline void set_prev(void *run, const void *prev)
{
    set_next((unsigned char *)run + offsetof(struct links, prev), prev);
}

static inline void wipe4(unsigned char *at)
{
    memset(at, 0, GRANULE);
    memset(at + GRANULE, 0, GRANULE);
    memset(at + 2 * GRANULE, 0, GRANULE);
    memset(at + 3 * GRANULE, 0, GRANULE);
}

void pool_wipe_more(void *chunk, size_t n)
{
    unsigned char *first = chunk;
    if (n <= 8) {
        wipe4(first);
        wipe4(first + (n - 4) * GRANULE);
    } else {
        memset(first, 0, n * GRANULE);
    }
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

/* Whether constant work is promised, which it never is in the checked build. */
static inline int is_strict(const struct m_pool *pool)
{
    return !CHECKED & !!(pool->flags & POOL_STRICT);
}

/* Whether free memory is zero: where its contents are promised, or verified. */
static inline int is_wiping(const struct m_pool *pool)
{
    return CHECKED | !(pool->flags & POOL_KEEP_CONTENTS);
}

/* --- The checked build ------------------------------------------------------------------------ */

/* Of this section an ordinary pool has the answers alone: nothing is quarantined, all is clean and
 * whole. */

/* What the bytes from a chunk's last one to its end hold. */
#define CANARY 0xb5
/* What a chunk holds on arrival if it is promised nothing, for what reads it to show. */
#define JUNK 0xa7
/* In place of a chunk's slack: it is freed, and quarantined. */
#define QUARANTINED 0xff

/* The quarantine is a ring of freed chunks, the oldest first, of at most this share of the block.
 * To everything that goes by tags a quarantined chunk is live. */
#define QUARANTINE_SHARE 4

/* In front of the length table. */
struct quarantine {
    size_t granules; /* of all that is in it */
    size_t first, count;
};

_Static_assert(sizeof(struct quarantine) % sizeof(uint32_t) == 0, "the length table follows");

#define BEFORE_LENGTHS (CHECKED * sizeof(struct quarantine))

/* Words of the ring for a block of so many granules. It follows the length table, and holds the
 * chunks' first granules. A chunk is two granules at least, so that half as many words hold all. */
static inline size_t ring_length(size_t granules)
{
    return CHECKED * (granules / 2 + 1);
}

static inline struct quarantine *quarantine_of(const struct m_pool *pool)
{
    return (struct quarantine *)(void *)address_of(pool, pool->granules);
}

/* One byte a granule: by how much the chunk that starts there is smaller than its granules. */
static inline unsigned char *slack_of(const struct m_pool *pool, size_t g)
{
    return pool->tags + pool->granules + g;
}

static inline int is_quarantined(const struct m_pool *pool, size_t g)
{
    return CHECKED ? *slack_of(pool, g) == QUARANTINED : 0;
}

static inline void quarantine_clear(const struct m_pool *pool)
{
    if (CHECKED)
        *quarantine_of(pool) = (struct quarantine){0};
}

/* Slack that is more than there is has been written to. */
static inline size_t exact_size(const struct m_pool *pool, size_t g, size_t n)
{
    size_t bytes = usable(n);
    if (CHECKED)
        bytes -= *slack_of(pool, g) < bytes ? *slack_of(pool, g) : bytes;
    return bytes;
}

/* The chunk at g is of so many bytes: notes that, and writes the canary after them. */
static inline void canary_write(const struct m_pool *pool, size_t g, size_t size)
{
    if (CHECKED) {
        unsigned char *end = address_of(pool, g) + size;
        size_t rest = chunk_granules(size) * GRANULE - size;
        *slack_of(pool, g) = (unsigned char)(rest - REDZONE * GRANULE);
        HOOK_OPEN(end, rest);
        memset(end, CANARY, rest);
        HOOK_CLOSE(end, rest);
    }
}

/* Whether nothing was written after the size bytes of the chunk at g. */
static int canary_is_whole(const struct m_pool *pool, size_t g, size_t size)
{
    unsigned char *end = address_of(pool, g) + size;
    size_t rest = chunk_granules(size) * GRANULE - size, i = 0;
    HOOK_OPEN(end, rest);
    while (i < rest && end[i] == CANARY)
        i++;
    HOOK_CLOSE(end, rest);
    return i == rest;
}

/* Whether the chunk of n granules that starts at g is of so many bytes and has kept to them. */
static inline int is_intact(const struct m_pool *pool, size_t g, size_t n, size_t size)
{
    if (CHECKED)
        return !is_quarantined(pool, g) && exact_size(pool, g, n) == size &&
               canary_is_whole(pool, g, size);
    return 1;
}

/* Why the live chunk at g is not one of so many bytes, or none that has kept to them. */
static enum pool_reason why_not_intact(const struct m_pool *pool, size_t g, size_t size)
{
    return exact_size(pool, g, length_at(pool, g)) == size ? POOL_OVERRUN : POOL_WRONG_SIZE;
}

static int is_zero(unsigned char *at, size_t bytes)
{
    uint64_t any = 0;
    HOOK_OPEN(at, bytes);
    for (size_t i = 0; i < bytes; i += sizeof any) {
        uint64_t word;
        memcpy(&word, at + i, sizeof word);
        any |= word;
    }
    HOOK_CLOSE(at, bytes);
    return any == 0;
}

/* Whether n free granules from g on are zero after so many bytes of links. Of more than
 * PURGE_LEAST, which may never have been touched, only either end is looked at. */
static int is_zero_from(const struct m_pool *pool, size_t g, size_t n, size_t links)
{
    size_t end = g + n < pool->touched ? g + n : pool->touched;
    if (g >= end)
        return 1;
    unsigned char *at = address_of(pool, g) + links;
    size_t bytes = (size_t)(address_of(pool, end) - at), part = PURGE_LEAST / 2;
    if (bytes <= PURGE_LEAST)
        return is_zero(at, bytes);
    return is_zero(at, part) && is_zero(at + bytes - part, part);
}

/* Whether n granules from g on, all of one free extent, are. */
static inline int is_clean(const struct m_pool *pool, size_t g, size_t n)
{
    if (CHECKED) {
        int in_bin = g < pool->frontier && kind_at(pool, g) == RUN;
        return is_zero_from(pool, g, n, in_bin ? sizeof(struct links) : 0);
    }
    return 1;
}

/* A place that was found for n granules, or CORRUPT if they are not clean. */
static inline size_t if_clean(const struct m_pool *pool, size_t start, size_t n)
{
    return start == NONE || is_clean(pool, start, n) ? start : CORRUPT;
}

/* Makes a chunk of size bytes that has just been opened ready for its user. */
static inline void init_chunk(const struct m_pool *pool, unsigned char *chunk, size_t size)
{
    if (CHECKED) {
        if (pool->flags & POOL_KEEP_CONTENTS && size <= PURGE_LEAST)
            memset(chunk, JUNK, size);
        canary_write(pool, pool_granule(pool, chunk), size);
    }
}

/* How much of the block a reset wipes, in granules: what was given out; in the checked build also
 * what nobody was given and someone may have written to. Memory not of the system is wiped anyway
 * when it is used for the first time. */
static inline size_t reset_extent(const struct m_pool *pool)
{
    if (CHECKED)
        return pool->source == SOURCE_SYSTEM ? pool->granules : pool->touched;
    return high_water_at(pool);
}

/* Whether a list's head still names no predecessor. If not, a user wrote there, and to set its
 * link would hide that. */
static inline int is_first(void *head)
{
    return CHECKED ? links_of(head).prev == NULL : 1;
}

/* --- Runs, in bins by length ------------------------------------------------------------------ */

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

/* Two-level bins: the exponent of the length and its next POOL_BIN_SHIFT bits (Masmano et al.,
 * TLSF, ECRTS 2004). Lengths below 2^(POOL_BIN_SHIFT + 1) have a bin of their own. */
static unsigned bin_of(size_t n)
{
    unsigned exponent = log2_of(n), shift = exponent - POOL_BIN_SHIFT;
    if (exponent <= POOL_BIN_SHIFT)
        return (unsigned)n;
    return (shift << POOL_BIN_SHIFT) + (unsigned)(n >> shift);
}

/* The first bin from b on that is not empty; POOL_BINS if none. */
static unsigned next_bin(const struct m_pool *pool, unsigned b)
{
    for (; b < POOL_BINS; b = (b | 63) + 1) {
        uint64_t map = pool->bin_map[b / 64] >> b % 64;
        if (map)
            return b + log2_of(map & (0 - map));
    }
    return POOL_BINS;
}

/* Whether a pointer read from free memory is the start of a run in a bin. */
static inline int is_run(const struct m_pool *pool, const void *at)
{
    size_t g = pool_granule(pool, at);
    return g < pool->frontier && kind_at(pool, g) == RUN;
}

/* Whether a run of bin b stands in its list as it says: its neighbours there are runs and name it
 * in turn, the next one is of this bin too, and it is the head if and only if it has no
 * predecessor. Nothing that a user could scribble passes and leads to where no run is, into another
 * list or round in a ring. */
static inline int is_linked(const struct m_pool *pool, void *run, unsigned b, struct links links)
{
    if ((void *)pool->bins[b] == run
            ? links.prev != NULL
            : !links.prev || !is_run(pool, links.prev) || links_of(links.prev).next != run)
        return 0;
    return !links.next || (is_run(pool, links.next) && links_of(links.next).prev == run &&
                           bin_of(length_at(pool, pool_granule(pool, links.next))) == b);
}

/* [g, g + n) of no kind ⇒ a run in its bin. */
static void bin_insert(struct m_pool *pool, size_t g, size_t n)
{
    unsigned b = bin_of(n);
    void *run = address_of(pool, g), *head = pool->bins[b];
    if (n > 1)
        pool->tags[g + n - 1] = (unsigned char)(n < SMALL ? n : LONG_END);
    tag_set(pool, g, RUN, n);
    set_links(run, head, NULL);
    if (head && is_first(head))
        set_prev(head, run);
    pool->bins[b] = run;
    pool->bin_map[b / 64] |= UINT64_C(1) << b % 64;
    HOOK_ASSERT(n <= pool->granules - g && n > 0 && "a run lies in the block");
}

/* The run [g, g + n) of bin b, which is linked so ⇒ granules of no kind, its links zeroed. */
static inline void bin_remove(struct m_pool *pool, size_t g, size_t n, unsigned b,
                              struct links links)
{
    if (links.next)
        set_prev(links.next, links.prev);
    if (links.prev)
        set_next(links.prev, links.next);
    else if (!(pool->bins[b] = links.next))
        pool->bin_map[b / 64] &= ~(UINT64_C(1) << b % 64);
    set_links(address_of(pool, g), NULL, NULL);
    pool->tags[g + n - 1] = INTERIOR;
    pool->tags[g] = INTERIOR;
    HOOK_ASSERT(!pool->bins[b] == !(pool->bin_map[b / 64] >> b % 64 & 1) &&
                "the map knows which bins are empty");
}

/* The same for any run in a bin. 0 and nothing done if the user has scribbled on its links. */
static int bin_try_remove(struct m_pool *pool, size_t g, size_t n)
{
    void *run = address_of(pool, g);
    unsigned b = bin_of(n);
    struct links links = links_of(run);
    if (!is_linked(pool, run, b, links))
        return 0;
    bin_remove(pool, g, n, b, links);
    return 1;
}

/* The length of the run in a bin that ends at g, or 0. */
static size_t run_preceding(const struct m_pool *pool, size_t g)
{
    size_t n = g ? pool->tags[g - 1] : INTERIOR;
    if (n == LONG_END)
        n = lengths_to(pool, g - 1);
    else if (n >= LIVE)
        n = n == (RUN | 1);
    return n < g ? n : g;
}

/* The length of the run in a bin that starts at g, or 0. */
static size_t run_following(const struct m_pool *pool, size_t g)
{
    return g < pool->frontier && kind_at(pool, g) == RUN ? length_at(pool, g) : 0;
}

/* [g, g + n) of no kind ⇒ part of a run in a bin, coalesced with the runs on either side. A
 * neighbour whose links the user has scribbled on stays as it is. */
static void coalesce_insert(struct m_pool *pool, size_t g, size_t n)
{
    size_t preceding = run_preceding(pool, g), following = run_following(pool, g + n);
    if (following && bin_try_remove(pool, g + n, following))
        n += following;
    if (preceding && bin_try_remove(pool, g - preceding, preceding)) {
        g -= preceding;
        n += preceding;
    }
    bin_insert(pool, g, n);
}

/* The granule where n granules at a multiple of align fit into the run at g, or NONE. */
static inline size_t fit(const struct m_pool *pool, size_t g, size_t length, size_t n, size_t align)
{
    size_t start = align == GRANULE ? g : align_granule(pool, g, align);
    return start - g <= length && length - (start - g) >= n ? start : NONE;
}

/* Whether coalescing the bump run with what is beside it, or the last run with fresh memory, gives
 * room. */
static int would_fit_at_bump(const struct m_pool *pool, size_t n, size_t align)
{
    size_t g = bump_at(pool), end = bump_end_at(pool), frontier = pool->frontier;
    size_t preceding = run_preceding(pool, g), tail = run_preceding(pool, frontier);
    end += run_following(pool, end);
    if (end == frontier)
        end = pool->granules;
    return (pool->bump < pool->bump_end &&
            fit(pool, g - preceding, end - (g - preceding), n, align) != NONE) ||
           fit(pool, frontier - tail, pool->granules - (frontier - tail), n, align) != NONE;
}

/* A run that was found, and its links, which hold. */
struct found {
    size_t run, length;
    unsigned bin;
    struct links links;
};

/* Finds a run that n granules at a multiple of align fit into: among the first few of each bin, or
 * if nothing else gives room, among all; with POOL_STRICT, among the first of each. Returns where
 * they do; NONE if nowhere. A run whose links a user has scribbled on ends its list; the checked
 * build returns CORRUPT. */
static size_t bin_find(const struct m_pool *pool, size_t n, size_t align, struct found *found)
{
    for (size_t most = is_strict(pool) ? 1 : FEW_RUNS;; most = SIZE_MAX) {
        for (unsigned b = next_bin(pool, bin_of(n)); b < POOL_BINS; b = next_bin(pool, b + 1)) {
            void *run = pool->bins[b];
            for (size_t left = most; run; left--) {
                size_t g = pool_granule(pool, run), length = length_at(pool, g);
                size_t start = fit(pool, g, length, n, align);
                if (start == NONE && left == 1)
                    break;
                struct links links = links_of(run);
                if (!is_linked(pool, run, b, links)) {
                    if (CHECKED)
                        return CORRUPT;
                    break;
                }
                if (start != NONE) {
                    *found = (struct found){g, length, b, links};
                    return start;
                }
                run = links.next;
            }
        }
        if (most != FEW_RUNS || would_fit_at_bump(pool, n, align))
            return NONE;
    }
}

/* --- The block as a sequence of extents ------------------------------------------------------- */

struct extent {
    size_t n;
    enum pool_kind kind;
};

/* The extent that starts at g, which must be an extent's start below granules. */
static struct extent extent_at(const struct m_pool *pool, size_t g)
{
    size_t bump = bump_at(pool), end = bump_end_at(pool), high_water = high_water_at(pool);
    if (g >= high_water)
        return (struct extent){pool->granules - g, POOL_FRESH};
    if (g == bump && bump < end)
        return (struct extent){(end < high_water ? end : high_water) - g, POOL_RUN};
    enum pool_kind kind = kind_at(pool, g) == RUN ? POOL_RUN : POOL_CACHED;
    if (kind_at(pool, g) == LIVE && !is_quarantined(pool, g))
        kind = POOL_LIVE;
    return (struct extent){length_at(pool, g), kind};
}

/* The first granule after g that is not free, where g is an extent's start. */
static size_t free_until(const struct m_pool *pool, size_t g)
{
    while (g < pool->granules) {
        struct extent extent = extent_at(pool, g);
        if (extent.kind == POOL_LIVE)
            break;
        g += extent.n;
    }
    return g;
}

/* Eight tags as a number, the first in its lowest byte. */
static inline uint64_t load8(const unsigned char *tags)
{
    uint64_t value;
    memcpy(&value, tags, sizeof value);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

#if CHECKED

/* Whether n granules at a multiple of align would fit if everything free were coalesced. Changes
 * nothing. */
static int would_fit(const struct m_pool *pool, size_t n, size_t align)
{
    for (size_t g = 0, start = 0; g < pool->granules;) {
        struct extent extent = extent_at(pool, g);
        g += extent.n;
        if (extent.kind == POOL_LIVE)
            start = g;
        else if (fit(pool, start, g - start, n, align) != NONE)
            return 1;
    }
    return 0;
}

#else

/* The highest bit of each of eight tags, which cached chunks and runs, and only they, have. */
#define HIGHEST UINT64_C(0x8080808080808080)

/* The extents in [from, at + 64) that are still to be reported: all in [from, at), and those that
 * have a bit here, the lowest bit being that of the granule `at`. An extent starts at `from`. */
struct tag_scan {
    const struct m_pool *pool;
    size_t from, at;
    uint64_t free, live, starts; /* starts: of either, reported or not */
};

static struct tag_scan tag_scan_of(const struct m_pool *pool, size_t from, size_t end)
{
    return (struct tag_scan){pool, from, end, 0, 0, 1}; /* as if an extent started at the end */
}

/* Takes up the 64 granules before `at`, or all that are left. Where no extent starts there, all of
 * the long one that they are in is passed over but its start. */
static inline void tag_scan_step(struct tag_scan *scan)
{
    size_t left = scan->at - scan->from, n = left < 64 ? left : 64;
    const unsigned char *tags = scan->pool->tags + (scan->at -= n);
    unsigned char tail[64];
    uint64_t highest = 0, second = 0; /* bits of the tags */
    if (n < 64) {
        memset(tail, INTERIOR, sizeof tail);
        tags = memcpy(tail, tags, n);
    }
#if defined(__GNUC__) && defined(__SSE2__)
    for (unsigned i = 0; i < 64; i += 16) { /* PMOVMSKB: the highest bit of each of 16 bytes */
        typedef unsigned char bytes __attribute__((vector_size(16)));
        typedef char chars __attribute__((vector_size(16)));
        bytes here;
        memcpy(&here, tags + i, sizeof here);
        highest |= (uint64_t)(unsigned)__builtin_ia32_pmovmskb128((chars)here) << i;
        second |= (uint64_t)(unsigned)__builtin_ia32_pmovmskb128((chars)(here + here)) << i;
    }
#else
    for (unsigned i = 0; i < 64; i += 8) { /* the highest byte of a product has those of eight */
        const uint64_t gather = UINT64_C(0x0002040810204081);
        uint64_t here = load8(tags + i);
        highest |= ((here & HIGHEST) * gather >> 56) << i;
        second |= ((here << 1 & HIGHEST) * gather >> 56) << i;
    }
#endif
    scan->free = highest;
    scan->live = second & ~highest;
    if (highest | second) {
        scan->starts = highest | second;
    } else {
        size_t following = scan->at + 64 + log2_of(scan->starts & (0 - scan->starts));
        size_t n = lengths_to(scan->pool, following - 1);
        size_t inside = n > following - scan->from ? scan->from : following - n + 1;
        if (inside < scan->at) /* or else the length table has been written to */
            scan->at = inside;
    }
}

/* The last adjacent cached chunks and runs that have not been reported: where the first and the
 * last of them start; 0 if there are none. Tags from there on may be changed meanwhile. */
static inline int tag_scan_next(struct tag_scan *scan, size_t *first, size_t *last)
{
    while (!scan->free) {
        if (scan->at == scan->from)
            return 0;
        tag_scan_step(scan);
    }
    unsigned bit = log2_of(scan->free);
    uint64_t live = scan->live & ((UINT64_C(1) << bit) - 1);
    uint64_t reported = live ? scan->free & ~UINT64_C(0) << log2_of(live) : scan->free;
    scan->free ^= reported;
    *first = scan->at + log2_of(reported & (0 - reported));
    *last = scan->at + bit;
    return 1;
}

/* Whether n granules at a multiple of align would fit if everything free were coalesced. Changes
 * nothing. Goes by the tags from the end: what was never given out, then what is tagged free, with
 * the bump run, which has no tag, in its turn. */
static int would_fit(const struct m_pool *pool, size_t n, size_t align)
{
    size_t start = high_water_at(pool), end = pool->granules, bump = bump_at(pool);
    size_t bump_end = bump_end_at(pool) < start ? bump_end_at(pool) : start;
    struct tag_scan scan = tag_scan_of(pool, bump < bump_end ? bump_end : 0, start);
    while (fit(pool, start, end - start, n, align) == NONE) {
        size_t first, last, following;
        if (tag_scan_next(&scan, &first, &last)) {
            following = last + length_at(pool, last);
        } else if (scan.from) {
            first = bump;
            following = bump_end;
            scan = tag_scan_of(pool, 0, bump);
        } else {
            return 0;
        }
        if (following != start)
            end = following;
        start = first;
    }
    return 1;
}

#endif

/* --- Making room ------------------------------------------------------------------------------ */

static void set_frontier(struct m_pool *pool, size_t frontier)
{
    pool->frontier = frontier;
    pool->fast_limit = (CHECKED | HOOK_WATCHED | (pool->flags & POOL_STRICT)) ? 0 : frontier;
}

/* The bump run ⇒ a run in a bin, or fresh memory again if it ends at the frontier. */
static void bump_retire(struct m_pool *pool)
{
    size_t g = bump_at(pool), end = bump_end_at(pool);
    pool->high_water = high_water_at(pool);
    if (end == pool->frontier) {
        end = pool->high_water;
        set_frontier(pool, end);
    }
    pool->bump = pool->bump_end = pool->base;
    HOOK_ASSERT(pool->high_water <= pool->frontier && "nothing beyond the frontier was given out");
    HOOK_ASSERT((pool->fast_limit == pool->frontier || !pool->fast_limit) &&
                "the fast path ends at the frontier");
    if (g < end)
        coalesce_insert(pool, g, end - g);
}

/* Empties every list. */
static void forget_free(struct m_pool *pool)
{
    memset(pool->cache, 0, sizeof pool->cache);
    pool->shared = 0;
    pool->samples = pool->scattered = 0;
    quarantine_clear(pool);
    memset(pool->bins, 0, sizeof pool->bins);
    memset(pool->bin_map, 0, sizeof pool->bin_map);
}

/* Which granule a sample is at; spread evenly: Knuth, TAOCP 6.4. */
static inline size_t sample_at(const struct m_pool *pool, uint32_t sample)
{
    return (size_t)((uint64_t)(sample * UINT32_C(0x9e3779b9)) * pool->frontier >> 32);
}

/* Whether coalescing is worth it though no fresh memory is needed: many of the cached chunks lie
 * side by side. Their lists would give them out in the order in which they were freed, a wait for
 * memory each; a run gives them out in the order of addresses, which processors fetch ahead. */
static int is_scattered(struct m_pool *pool)
{
    if (CHECKED) /* nothing is cached */
        return 0;
    if (pool->frontier < SCATTER_LEAST || is_strict(pool))
        return 0;
    size_t g = sample_at(pool, ++pool->samples);
    uint64_t tags = g + 8 <= pool->frontier ? load8(pool->tags + g) : 0;
    POOL_PREFETCH(pool->tags + sample_at(pool, pool->samples + SCATTER_AHEAD));
    if (!tags)
        return 0;
    g += log2_of(tags & (0 - tags)) / 8; /* the first of them */
    int row = 0;
    while (row < SCATTER_ROW && g < pool->frontier && pool->tags[g] > CACHED &&
           pool->tags[g] < RUN) {
        g += pool->tags[g] & LENGTH;
        row++;
    }
    if (row == SCATTER_ROW)
        pool->scattered += SCATTER_WEIGHT;
    else if (pool->scattered > 0)
        pool->scattered--;
    if (pool->scattered < SCATTER_ENOUGH)
        return 0;
    HOOK_ASSERT(pool->scattered <= SCATTER_ENOUGH + SCATTER_WEIGHT && "the score has a limit");
    pool->scattered = SCATTER_ENOUGH;
    return pool->samples >= pool->frontier / SCATTER_GAP;
}

/* The cached chunks of SMALL granules and more ⇒ runs. 0 if there were none. */
static int shared_flush(struct m_pool *pool)
{
    if (pool->shared == 0)
        return 0;
    pool->shared = 0;
    for (size_t i = SMALL; i < SMALL + POOL_SHARED; i++) {
        for (unsigned char *chunk; (chunk = pool->cache[i]) != NULL;) {
            size_t g = pool_granule(pool, chunk);
            pool->cache[i] = NULL;
            if (g >= pool->frontier || kind_at(pool, g) != CACHED)
                break; /* the user has scribbled on the link */
            size_t n = length_at(pool, g);
            pool->cache[i] = next_of(chunk);
            set_next(chunk, NULL);
            pool->tags[g] = INTERIOR;
            coalesce_insert(pool, g, n);
        }
    }
    return 1;
}

/* A chunk of n granules or more at g that stands in a shared list ⇒ part of a run, and so are all
 * in these lists, which name no predecessors. */
static void uncache(struct m_pool *pool, size_t g, size_t n)
{
    if (g < pool->frontier && pool->tags[g] == CACHED && lengths_from(pool, g) >= n)
        (void)shared_flush(pool);
}

#if CHECKED

static inline uint32_t *ring_slot(const struct m_pool *pool, size_t i)
{
    return pool->lengths + pool->granules / SMALL + 1 + i % ring_length(pool->granules);
}

/* The oldest quarantined chunks ⇒ runs, until those of so many granules are left. 0 if one is met
 * that has been written to, which stays where it is. */
static int quarantine_evict(struct m_pool *pool, size_t most)
{
    struct quarantine *ring = quarantine_of(pool);
    while (ring->granules > most) {
        size_t g = *ring_slot(pool, ring->first);
        if (g >= pool->frontier || !is_quarantined(pool, g))
            return 0;
        size_t n = length_at(pool, g);
        if (!is_clean(pool, g, n))
            return 0;
        ring->first = (ring->first + 1) % ring_length(pool->granules);
        ring->count--;
        ring->granules -= n;
        pool->tags[g] = INTERIOR;
        coalesce_insert(pool, g, n);
    }
    return 1;
}

/* A freed chunk ⇒ a quarantined one. A single granule, which is no chunk but the end of one that
 * has shrunk, is not quarantined. */
static void free_insert(struct m_pool *pool, size_t g, size_t n)
{
    struct quarantine *ring = quarantine_of(pool);
    if (n <= REDZONE) {
        pool->tags[g] = INTERIOR;
        coalesce_insert(pool, g, n);
        return;
    }
    tag_set(pool, g, LIVE, n);
    *slack_of(pool, g) = QUARANTINED;
    *ring_slot(pool, ring->first + ring->count++) = (uint32_t)g;
    ring->granules += n;
    (void)quarantine_evict(pool, pool->granules / QUARANTINE_SHARE);
}

/* Everything free ⇒ runs, but for what has been written to. */
static void coalesce_all(struct m_pool *pool)
{
    (void)quarantine_evict(pool, 0);
    bump_retire(pool);
}

#else

/* How many granules the cached chunks have that start among eight tags; none of them is long. */
static inline size_t cached_in(uint64_t tags)
{
    const uint64_t halves = UINT64_C(0x00ff00ff00ff00ff); /* eight lengths may exceed a byte */
    uint64_t kinds = (tags & ~(tags << 1) & HIGHEST) >> 7, lengths = tags & kinds * LENGTH;
    lengths = (lengths & halves) + (lengths >> 8 & halves);
    return (size_t)(lengths * UINT64_C(0x0001000100010001) >> 48);
}

/* Whether enough is cached, asked now and then: a sample of the tags answers. The shared lists must
 * be empty. */
static int should_coalesce(struct m_pool *pool)
{
    size_t frontier = pool->frontier, gap = frontier / ESTIMATE_PLACES, seen = 0, cached = 0;
    if (frontier < pool->coalesce_at)
        return 0;
    if (gap < ESTIMATE_GRANULES)
        gap = ESTIMATE_GRANULES;
    for (size_t end = frontier; end > 0; end -= end < gap ? end : gap) {
        size_t from = end < ESTIMATE_GRANULES ? 0 : end - ESTIMATE_GRANULES;
        seen += end - from;
        for (size_t g = from; g + 8 <= end; g += 8)
            cached += cached_in(load8(pool->tags + g));
    }
    int worth = cached >= seen / COALESCE_SHARE;
    if (worth && pool->coalesce_streak < COALESCE_STREAK)
        pool->coalesce_streak++;
    if (cached < seen / COALESCE_HARDLY)
        pool->coalesce_streak = 0;
    HOOK_ASSERT(pool->coalesce_streak <= COALESCE_STREAK &&
                "the wait after coalescing has a limit");
    pool->coalesce_at =
        frontier + (frontier / COALESCE_GAP
                    << (worth && pool->coalesce_streak > 1 ? pool->coalesce_streak : 0));
    return worth;
}

/* Every cached chunk, run and the bump run ⇒ runs, coalesced, and in their bins the lowest address
 * first. Goes by the tags alone, so that links which the user has scribbled on do no harm. */
static void coalesce_all(struct m_pool *pool)
{
    bump_retire(pool);
    size_t start = pool->frontier, end = start;
    struct tag_scan scan = tag_scan_of(pool, 0, start);
    forget_free(pool);
    for (size_t first, last; tag_scan_next(&scan, &first, &last);) {
        size_t following = last + length_at(pool, last);
        for (size_t g = first; is_wiping(pool) && g < following; g += length_at(pool, g))
            set_links(address_of(pool, g), NULL, NULL);
        pool->tags[following - 1] = INTERIOR;
        pool->tags[first] = INTERIOR;
        if (first < last)
            memset(pool->tags + first, INTERIOR, last - first + 1);
        if (following != start) {
            if (start < end)
                bin_insert(pool, start, end - start);
            end = following;
        }
        start = first;
    }
    if (start < end)
        bin_insert(pool, start, end - start);
}

#endif

/* n granules from the bump run; NONE or CORRUPT if they cannot be had. */
static size_t split_bump(struct m_pool *pool, size_t n, size_t align)
{
    size_t g = bump_at(pool), end = bump_end_at(pool), start = fit(pool, g, end - g, n, align);
    start = if_clean(pool, start, n);
    if (start >= CORRUPT)
        return start;
    pool->bump = address_of(pool, start + n);
    tag_set(pool, start, LIVE, n);
    if (start > g)
        coalesce_insert(pool, g, start - g);
    return start;
}

/* n granules from a run in a bin; NONE or CORRUPT if they cannot be had. What a small chunk leaves
 * of it becomes the bump run if it is longer than that; what a long one leaves goes to a bin, so
 * that others find it whole. */
static size_t split_run(struct m_pool *pool, size_t n, size_t align)
{
    struct found found;
    size_t start = if_clean(pool, bin_find(pool, n, align, &found), n);
    if (start >= CORRUPT)
        return start;
    size_t g = found.run, rest = start + n, end = g + found.length;
    bin_remove(pool, g, found.length, found.bin, found.links);
    tag_set(pool, start, LIVE, n);
    if (start > g)
        bin_insert(pool, g, start - g);
    if (n < SMALL && end - rest > bump_end_at(pool) - bump_at(pool)) {
        bump_retire(pool);
        pool->bump = address_of(pool, rest);
        pool->bump_end = address_of(pool, end);
    } else if (rest < end) {
        bin_insert(pool, rest, end - rest);
    }
    return start;
}

/* n granules from a run; NONE or CORRUPT if they cannot be had. A small chunk shall be had fast; a
 * long one shall fill a hole if it can, and leave the bump run to small ones. */
static size_t split_free(struct m_pool *pool, size_t n, size_t align)
{
    size_t g = n < SMALL ? split_bump(pool, n, align) : split_run(pool, n, align);
    if (g == NONE)
        g = n < SMALL ? split_run(pool, n, align) : split_bump(pool, n, align);
    return g;
}

/* The bump run ends at `to` from now on, and the frontier is there if it was before. Tags and
 * memory used for the first time are made zero, which those of the system are. */
static void advance(struct m_pool *pool, size_t to)
{
    size_t touched = pool->touched;
    pool->bump_end = address_of(pool, to);
    if (to > pool->frontier)
        set_frontier(pool, to);
    HOOK_ASSERT(to <= pool->granules && pool->bump <= pool->bump_end && "bump run in the block");
    if (to <= touched)
        return;
    pool->touched = to;
    if (pool->source == SOURCE_SYSTEM)
        return;
    memset(pool->tags + touched, INTERIOR, to - touched);
    if (is_wiping(pool))
        wipe_closed(pool, touched, to - touched);
}

/* Makes a bump run of the last run and fresh memory, long enough for n granules at a multiple of
 * align if there are as many, and for small chunks that come next. There must be no bump run. */
static void grow(struct m_pool *pool, size_t n, size_t align)
{
    size_t g = pool->frontier, tail = run_preceding(pool, g);
    size_t more = n < SMALL ? GROWTH : 0;
    HOOK_ASSERT(pool->bump == pool->bump_end && "the bump run was retired before another");
    if (tail && bin_try_remove(pool, g - tail, tail))
        g -= tail;
    n += align_granule(pool, g, align) - g;
    more += n;
    if (g + n <= pool->touched) /* memory that has been touched costs nothing more, all of it */
        more = pool->touched - g;
    if (more < tail)
        more = tail;
    pool->bump = address_of(pool, g);
    advance(pool, more < pool->granules - g ? g + more : pool->granules);
}

#if CHECKED

/* n granules at a multiple of align, or NONE with the pool as it was; CORRUPT if it is corrupted.
 * What is quarantined is only taken where nothing else is left. */
static size_t alloc_slow(struct m_pool *pool, size_t n, size_t align)
{
    size_t quarantined = quarantine_of(pool)->granules;
    if (quarantined > pool->granules / QUARANTINE_SHARE) /* the oldest has been written to */
        return CORRUPT;
    size_t g = split_free(pool, n, align);
    if (g != NONE || !would_fit(pool, n, align))
        return g;
    bump_retire(pool);
    while ((g = split_run(pool, n, align)) == NONE && !would_fit_at_bump(pool, n, align))
        if (quarantined == 0 || !quarantine_evict(pool, quarantined /= 2))
            return CORRUPT;
    if (g == NONE) {
        grow(pool, n, align);
        g = split_bump(pool, n, align);
    }
    return g == NONE ? CORRUPT : g;
}

#else

/* n granules at a multiple of align, or NONE with the pool as it was; CORRUPT if it is corrupted.
 * Before fresh memory is touched, all that is free already is coalesced if that is worth it. */
static size_t alloc_slow(struct m_pool *pool, size_t n, size_t align)
{
    size_t g = split_free(pool, n, align);
    if (g != NONE)
        return g;
    int fits = would_fit_at_bump(pool, n, align);
    if (!fits && ((pool->flags & POOL_STRICT) || !would_fit(pool, n, align)))
        return NONE;
    if (shared_flush(pool)) {
        g = split_run(pool, n, align);
        if (g != NONE)
            return g;
    }
    if (pool->flags & POOL_STRICT || (fits && !should_coalesce(pool)))
        bump_retire(pool);
    else
        coalesce_all(pool);
    g = split_run(pool, n, align);
    if (g == NONE) {
        grow(pool, n, align);
        g = split_bump(pool, n, align);
    }
    return g == NONE && !is_strict(pool) ? CORRUPT : g;
}

#endif

/* --- The struct's life ------------------------------------------------------------------------ */

/* Bytes for a block of so many granules and its bookkeeping after it: the block, the length table,
 * tags. */
static size_t memory_for(size_t granules)
{
    size_t words = granules / SMALL + 1 + ring_length(granules);
    return granules * GRANULE + BEFORE_LENGTHS + words * sizeof(uint32_t) +
           (1 + CHECKED) * granules;
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
    size_t pad = (size_t)(0 - (uintptr_t)config->buffer) % GRANULE;
    size_t room = config->buffer_size > pad ? config->buffer_size - pad : 0;
    size_t most = memory_for(POOL_MAX_CAPACITY / GRANULE + REDZONE);
    room = room < most ? room : most;
    size_t group = memory_for(2 * SMALL) - memory_for(SMALL); /* what SMALL granules take */
    size_t n = room < 2 * group ? 0 : (room / group - 1) * SMALL;
    while (memory_for(n + 1) <= room)
        n++;
    if (n <= REDZONE)
        return POOL_BUFFER_TOO_SMALL;
    pool->source = SOURCE_BUFFER;
    pool->memory = config->buffer;
    pool->memory_size = config->buffer_size;
    pool->base = (unsigned char *)config->buffer + pad;
    pool->granules = n;
    return POOL_OK;
}

/* Memory for the configured capacity from wherever it comes. */
static enum pool_reason use_memory(struct m_pool *pool, const struct pool_config *config)
{
    size_t capacity = config->capacity ? config->capacity : POOL_DEFAULT_CAPACITY;
    if (config->buffer)
        return use_buffer(pool, config);
    pool->granules = chunk_granules(capacity);
    pool->memory_size = memory_for(pool->granules);
    if (config->map) {
        pool->source = SOURCE_USER;
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
        pool->memory_size += GRANULE - _Alignof(max_align_t); /* that malloc's may be short of */
        pool->memory = malloc(pool->memory_size);
    }
    if (!pool->memory)
        return POOL_NO_BACKING;
    pool->base = (unsigned char *)pool->memory + (0 - (uintptr_t)pool->memory) % GRANULE;
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
    made.lengths = (uint32_t *)(void *)(address_of(&made, made.granules) + BEFORE_LENGTHS);
    made.tags =
        (unsigned char *)(made.lengths + made.granules / SMALL + 1 + ring_length(made.granules));
    made.bump = made.bump_end = made.base;
    quarantine_clear(&made);
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
    if (is_wiping(pool))
        wipe_closed(pool, 0, reset_extent(pool));
    else
        HOOK_CLOSE(pool->base, high_water_at(pool) * GRANULE);
    zero(pool, pool->tags, high_water_at(pool));
    forget_free(pool);
    pool->bump = pool->bump_end = pool->base;
    pool->high_water = pool->coalesce_at = pool->coalesce_streak = 0;
    set_frontier(pool, 0);
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

/* --- Chunks ----------------------------------------------------------------------------------- */

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
    if (start > pool->granules || size > usable(pool->granules - start))
        return POOL_TOO_LARGE;
    return POOL_OK;
}

/* Whether a live chunk of size bytes, which are n granules, starts at g. */
static inline int is_chunk(const struct m_pool *pool, size_t g, size_t n, size_t size)
{
    return n > REDZONE && is_tagged(pool, g, LIVE, n) && is_intact(pool, g, n, size);
}

/* Why no live chunk of so many bytes starts at p. */
static COLD enum pool_reason why_not_chunk(const struct m_pool *pool, const void *p, size_t size)
{
    size_t offset = (size_t)((uintptr_t)p - (uintptr_t)pool->base), g = offset / GRANULE;
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
    if (kind_at(pool, g) == LIVE && !is_quarantined(pool, g))
        return why_not_intact(pool, g, size);
    if (kind_at(pool, g) || (g >= bump_at(pool) && g < bump_end_at(pool)))
        return POOL_ALREADY_FREE;
    while (g && !pool->tags[g]) /* back to whatever precedes or contains it */
        g--;
    return kind_at(pool, g) == LIVE && !is_quarantined(pool, g) ? POOL_INTERIOR : POOL_ALREADY_FREE;
}

/* Opens a chunk to its user. */
static inline void expose(const struct m_pool *pool, unsigned char *chunk, size_t size)
{
    HOOK_OPEN(chunk, size);
    if (pool->flags & POOL_KEEP_CONTENTS)
        HOOK_UNDEFINED(chunk, size);
    init_chunk(pool, chunk, size);
}

/* Where chunks of n granules are cached. */
static void **list_of(struct m_pool *pool, size_t n)
{
    return &pool->cache[n < SMALL ? n : SMALL + n % POOL_SHARED];
}

/* The first cached chunk of n granules, tagged live and zero where contents are, if it is at a
 * multiple of align; NONE if not, or if the user has scribbled on the link that names it. */
static size_t cache_pop(struct m_pool *pool, size_t n, size_t align)
{
    void **list = list_of(pool, n);
    unsigned char *chunk = *list;
    size_t g = pool_granule(pool, chunk);
    if (!is_tagged(pool, g, CACHED, n) || (uintptr_t)chunk & (align - 1))
        return NONE;
    *list = next_of(chunk);
    set_next(chunk, NULL);
    pool->tags[g] ^= LIVE ^ CACHED;
    pool->shared -= n < SMALL ? 0 : n;
    return g;
}

/* The first n granules of the bump run, tagged live; NONE if it is shorter. */
static size_t bump_pop(struct m_pool *pool, size_t n)
{
    if (CHECKED | ((size_t)(pool->bump_end - pool->bump) < n * GRANULE))
        return NONE;
    size_t g = bump_at(pool);
    pool->bump += n * GRANULE;
    pool->tags[g] = (unsigned char)(LIVE | n);
    return g;
}

/* Where a chunk of n granules at a multiple of align now is, closed; NONE or CORRUPT if there is
 * none. */
static size_t alloc_granules(struct m_pool *pool, size_t n, size_t align)
{
    size_t g = cache_pop(pool, n, align);
    if (g == NONE && n < SMALL && align == GRANULE)
        g = bump_pop(pool, n);
    if (g == NONE)
        g = alloc_slow(pool, n, align);
    if (g < CORRUPT && is_scattered(pool))
        coalesce_all(pool);
    return g;
}

/* Why alloc_granules gave none: free memory that cannot be had has been scribbled on. */
static COLD enum pool_reason why_none(const struct m_pool *pool, size_t n, size_t align,
                                      size_t none)
{
    int first = n < SMALL && pool->cache[n] && ((uintptr_t)pool->cache[n] & (align - 1)) == 0;
    return first || none == CORRUPT ? POOL_CORRUPTED : POOL_OUT_OF_MEMORY;
}

void *pool_alloc_slow(struct m_pool *pool, size_t size, enum pool_type type)
{
    enum pool_reason reason = check_request(pool, size, (unsigned)type);
    if (reason != POOL_OK) {
        pool_refuse(pool, reason, NULL);
        return NULL;
    }
    size_t n = chunk_granules(size), align = alignment_of((unsigned)type);
    size_t g = alloc_granules(pool, n, align);
    if (g >= CORRUPT) {
        pool_refuse(pool, why_none(pool, n, align, g), NULL);
        return NULL;
    }
    unsigned char *chunk = address_of(pool, g);
    expose(pool, chunk, size);
    return chunk;
}

#if !CHECKED

static int is_cacheable(const struct m_pool *pool, size_t n)
{
    return !(pool->flags & POOL_STRICT) && (n < SMALL || pool->frontier <= SHARED_FREELY ||
                                            pool->shared + n <= pool->frontier / SHARED_SHARE);
}

/* A freed chunk ⇒ a cached one, or part of a run. */
static void free_insert(struct m_pool *pool, size_t g, size_t n)
{
    if (is_cacheable(pool, n)) {
        unsigned char *chunk = address_of(pool, g);
        void **list = list_of(pool, n);
        pool->shared += n < SMALL ? 0 : n;
        set_next(chunk, *list);
        *list = chunk;
        tag_set(pool, g, CACHED, n);
    } else {
        pool->tags[g] = INTERIOR;
        coalesce_insert(pool, g, n);
    }
}

#endif

/* The live chunk of n granules at g ⇒ free. */
static void free_chunk(struct m_pool *pool, size_t g, size_t n)
{
    unsigned char *chunk = address_of(pool, g);
    if (is_wiping(pool)) {
        HOOK_OPEN(chunk, n * GRANULE);
        if (n < SMALL)
            pool_wipe(chunk, n);
        else
            zero(pool, chunk, n * GRANULE);
    }
    HOOK_CLOSE(chunk, n * GRANULE);
    free_insert(pool, g, n);
}

int pool_free_slow(struct m_pool *pool, void *ptr, size_t size)
{
    if (!ptr && pool->granules)
        return 0;
    size_t n = chunk_granules(size), g = pool_granule(pool, ptr);
    if (!is_chunk(pool, g, n, size))
        return refuse(pool, why_not_chunk(pool, ptr, size), ptr);
    free_chunk(pool, g, n);
    return 0;
}

int pool_free_unsized_slow(struct m_pool *pool, void *ptr)
{
    size_t size = pool_size_of(pool, ptr);
    return pool_free_slow(pool, ptr, size ? size : 1); /* where no chunk is, no size is wrong */
}

/* Whether granules at hand start at g: those of a run, of the bump run or of a shared list. */
static inline int is_free_at(const struct m_pool *pool, size_t g)
{
    return address_of(pool, g) == pool->bump || g >= pool->frontier || kind_at(pool, g) == RUN ||
           pool->tags[g] == CACHED;
}

/* The live chunk [g, g + n) ⇒ one of m > n granules where those after it are free and at hand;
 * else 0. */
static int extend(struct m_pool *pool, size_t g, size_t n, size_t m)
{
    size_t right = g + n, end = g + m;
    uncache(pool, right, m - n);
    size_t run = run_following(pool, right);
    if (run) {
        if (run < m - n || !is_clean(pool, right, m - n) || !bin_try_remove(pool, right, run))
            return 0;
        if (run > m - n)
            bin_insert(pool, end, run - (m - n));
    } else {
        size_t bump = bump_at(pool), bump_end = bump_end_at(pool);
        if (bump == bump_end && right == pool->frontier)
            bump = bump_end = right;
        if (bump != right || end > (bump_end == pool->frontier ? pool->granules : bump_end))
            return 0;
        pool->bump = address_of(pool, right);
        advance(pool, end > bump_end ? end : bump_end);
        if (!is_clean(pool, right, m - n)) /* which asks as far as was touched */
            return 0;
        pool->bump = address_of(pool, end);
    }
    tag_set(pool, g, LIVE, m);
    return 1;
}

/* The same where those after it are free and only coalescing makes them one run; 0 if the user has
 * written to them. */
static int extend_coalesced(struct m_pool *pool, size_t g, size_t n, size_t m)
{
    if (is_strict(pool))
        bump_retire(pool);
    else
        coalesce_all(pool);
    if (g + m > pool->frontier)
        grow(pool, m - n, GRANULE); /* counts from the last run, which starts at g + n */
    return extend(pool, g, n, m);
}

/* The live chunk [g, g + n) of kept user bytes ⇒ one of m granules and size bytes, in the same
 * place: whatever is not kept is zero and closed, or opened up to size. */
static void finish_resize(struct m_pool *pool, size_t g, size_t n, size_t m, size_t kept,
                          size_t size)
{
    unsigned char *chunk = address_of(pool, g);
    size_t old = (n < m ? n : m) * GRANULE; /* the following granules are zero already */
    if (!(pool->flags & POOL_KEEP_CONTENTS) && kept < old) {
        HOOK_OPEN(chunk, old);
        memset(chunk + kept, 0, old - kept);
    }
    if (m < n) {
        tag_set(pool, g, LIVE, m);
        free_chunk(pool, g + m, n - m);
    }
    HOOK_CLOSE(chunk + round_up(size, GRANULE) - GRANULE, GRANULE);
    HOOK_OPEN(chunk, size);
    canary_write(pool, g, size);
}

/* What the fast path of a resize leaves. */
static SLOW int realloc_slow(struct m_pool *pool, void **ptr, size_t old_size, size_t new_size,
                             enum pool_type type)
{
    unsigned char *chunk = load(ptr);
    if (!chunk && old_size == 0)
        return pool_alloc(pool, ptr, new_size, type);
    size_t n = chunk_granules(old_size), m = chunk_granules(new_size);
    size_t g = pool_granule(pool, chunk);
    if (!is_chunk(pool, g, n, old_size))
        return refuse(pool,
                      pool->granules && !chunk ? POOL_NULL_ARGUMENT
                                               : why_not_chunk(pool, chunk, old_size),
                      chunk);
    enum pool_reason reason = check_request(pool, new_size, (unsigned)type);
    if (reason != POOL_OK)
        return refuse(pool, reason, chunk);
    size_t align = alignment_of((unsigned)type), kept = old_size < new_size ? old_size : new_size;
    int stays = ((uintptr_t)chunk & (align - 1)) == 0;
    if (!stays || (m > n && !(is_free_at(pool, g + n) && extend(pool, g, n, m)))) {
        size_t to = alloc_granules(pool, m, align);
        if (to < CORRUPT) {
            unsigned char *moved = address_of(pool, to);
            expose(pool, moved, new_size);
            memcpy(moved, chunk, kept);
            free_chunk(pool, g, n);
            store(ptr, moved);
            return 0;
        }
        if (!stays || free_until(pool, g + n) < g + m)
            return refuse(pool, why_none(pool, m, align, to), chunk);
        if (!extend_coalesced(pool, g, n, m))
            return refuse(pool, POOL_CORRUPTED, chunk);
    }
    finish_resize(pool, g, n, m, kept, new_size);
    return 0;
}

int pool_realloc(struct m_pool *pool, void **ptr, size_t old_size, size_t new_size,
                 enum pool_type type)
{
    if (!pool)
        return -1;
    if (!ptr)
        return refuse(pool, POOL_NULL_ARGUMENT, NULL);
    /* The fast path: a small chunk that grows, and has nothing free after it. */
    void *chunk = load(ptr);
    size_t n = (old_size - 1) / GRANULE + 1, m = (new_size - 1) / GRANULE + 1;
    size_t g = pool_granule(pool, chunk);
    if (n < m && m < SMALL && (unsigned)type <= POOL_USER && g < pool->fast_limit &&
        pool->tags[g] == (LIVE | n) && !is_free_at(pool, g + n)) {
        void *moved = pool_alloc_inline(pool, m);
        if (moved) {
            memcpy(moved, chunk, old_size);
            pool_cache_inline(pool, chunk, g, n);
            store(ptr, moved);
            return 0;
        }
    }
    return realloc_slow(pool, ptr, old_size, new_size, type);
}

/* --- Questions -------------------------------------------------------------------------------- */

size_t pool_size_of(const struct m_pool *pool, const void *ptr)
{
    size_t g = pool ? pool_granule(pool, ptr) : NONE;
    if (!pool || g >= pool->frontier || kind_at(pool, g) != LIVE || is_quarantined(pool, g))
        return 0;
    return exact_size(pool, g, length_at(pool, g));
}

int pool_owns(const struct m_pool *pool, const void *ptr)
{
    return pool && (uintptr_t)ptr - (uintptr_t)pool->base < pool->granules * GRANULE;
}

size_t pool_required(size_t count, size_t size, enum pool_type type)
{
    const size_t most = POOL_MAX_CAPACITY / GRANULE;
    if (count == 0 || size == 0 || (unsigned)type > POOL_PAGE || size > POOL_MAX_CAPACITY)
        return 0;
    size_t unit = alignment_of((unsigned)type) / GRANULE, n = granules_for(size);
    size_t stride = round_up(n + REDZONE, unit), lead = unit - 1;
    if (n + lead > most || (count - 1) > (most - n - lead) / stride)
        return 0;
    return (lead + (count - 1) * stride + n) * GRANULE;
}

enum pool_reason pool_error(const struct m_pool *pool)
{
    return pool ? (enum pool_reason)pool->reason : POOL_NULL_ARGUMENT;
}

const char *pool_strerror(enum pool_reason reason)
{
    static const char *const sentences[POOL_REASONS] = {
        [POOL_OK] = "no call has failed",
        [POOL_NULL_ARGUMENT] = "a pointer that the call needs is NULL",
        [POOL_DEAD] = "the pool was never initialised, or is destroyed",
        [POOL_ZERO_SIZE] = "the size is 0",
        [POOL_TOO_LARGE] = "the pool could not hold this even when empty",
        [POOL_BAD_ALIGNMENT] = "the type is no alignment from 1 to 4,096",
        [POOL_OUT_OF_MEMORY] = "no adjacent free granules are enough",
        [POOL_ALREADY_FREE] = "the memory at this pointer is free already",
        [POOL_STALE] = "nothing has been allocated here since the pool was made or reset",
        [POOL_INTERIOR] = "the pointer is inside a live chunk, not at its start",
        [POOL_MISALIGNED] = "no chunk can start at this pointer",
        [POOL_OUTSIDE] = "the pointer is outside of the pool's block",
        [POOL_WRONG_SIZE] = "the chunk at this pointer is live, but of another size",
        [POOL_BAD_CONFIG] = "the settings contradict each other",
        [POOL_BUFFER_TOO_SMALL] = "the buffer has no room for a granule and its bookkeeping",
        [POOL_NO_BACKING] = "the source of memory gave none",
        [POOL_CORRUPTED] = "freed memory was written to",
        [POOL_OVERRUN] = "something was written after the end of this chunk",
    };
    return (unsigned)reason < POOL_REASONS ? sentences[reason] : "no reason of this library";
}

int pool_trim(struct m_pool *pool, size_t *released)
{
    size_t sum = 0;
    if (!pool)
        return -1;
    if (!pool->granules)
        return refuse(pool, POOL_DEAD, NULL);
    coalesce_all(pool);
    for (size_t g = 0, n; g < pool->touched; g += n) {
        struct extent extent = extent_at(pool, g);
        unsigned char *from, *at = address_of(pool, g) + sizeof(struct links);
        n = extent.n;
        if (extent.kind == POOL_RUN || extent.kind == POOL_FRESH)
            sum += purge(pool, at, address_of(pool, g + n < pool->touched ? g + n : pool->touched),
                         &from);
    }
    if (released)
        *released = sum;
    return 0;
}

#if defined(__has_include)
#if __has_include("pool_questions.h")
#include "pool_questions.h"
#endif
#endif

#if defined(__clang__)
#pragma clang attribute pop
#endif
