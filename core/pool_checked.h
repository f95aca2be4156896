/* The checked build: exact sizes, canaries, verified free memory, a quarantine. See DESIGN.md. A
 * part of mem_pool.c, which includes it in place of the ordinary pool's answers to the same
 * questions where POOL_CHECKED is defined. There are no pages in it: every chunk is an extent.
 */
#ifndef POOL_CHECKED_H
#define POOL_CHECKED_H

/* What the bytes from a chunk's last one to its end hold. */
#define CANARY 0xb5
/* What a chunk holds on arrival if it is promised nothing, for what reads it to show. */
#define JUNK 0xa7
/* In place of a chunk's slack: it is freed, and quarantined. */
#define QUARANTINED 0xff

/* Granules after a chunk that belong to it, and to nobody. */
#define REDZONE ((size_t)1)

/* A ring of freed chunks, the oldest first, of at most this share of the block. To all that goes by
 * the bit map a quarantined chunk is live. */
#define QUARANTINE_SHARE 4

struct quarantine {
    size_t granules; /* of all that is in it */
    size_t first, count;
    uint32_t ring[]; /* the chunks' first granules */
};

/* --- Sizes ------------------------------------------------------------------------------------ */

/* Granules of a chunk of so many bytes; cannot overflow. */
static size_t chunk_granules(size_t bytes)
{
    return granules_for(bytes) + REDZONE;
}

/* Bytes of the largest chunk that so many granules hold. */
static size_t usable(size_t n)
{
    return n > REDZONE ? (n - REDZONE) * GRANULE : 0;
}

static int has_pages(size_t granules)
{
    (void)granules;
    return 0;
}

/* A chunk is two granules at least, so that a ring of half as many holds all. */
static size_t ring_length(size_t granules)
{
    return granules / 2 + 1;
}

static size_t tags_size(size_t granules)
{
    return round_up(granules, GRANULE) + sizeof(struct quarantine) +
           ring_length(granules) * sizeof(uint32_t);
}

/* After the slack: by how much each chunk is smaller than its granules, in its first one's tag. */
static struct quarantine *quarantine_of(const struct m_pool *pool)
{
    return (struct quarantine *)(void *)(pool->tags + round_up(pool->granules, GRANULE));
}

static size_t size_at(const struct m_pool *pool, size_t g, size_t n)
{
    return n ? usable(n) - pool->tags[g] : 0;
}

/* --- Chunks ----------------------------------------------------------------------------------- */

static int is_quarantined(const struct m_pool *pool, size_t g)
{
    return is_begin(pool, g) && pool->tags[g] == QUARANTINED;
}

static enum pool_reason judge(const struct m_pool *pool, size_t g, size_t n, size_t size)
{
    unsigned char *end = address_of(pool, g) + size;
    size_t rest = n * GRANULE - size, i = 0;
    if (size_at(pool, g, n) != size)
        return POOL_WRONG_SIZE;
    HOOK_OPEN(end, rest);
    while (i < rest && end[i] == CANARY)
        i++;
    HOOK_CLOSE(end, rest);
    return i == rest ? POOL_OK : POOL_OVERRUN;
}

/* Notes the size as well, and writes the canary. */
static void open_to(const struct m_pool *pool, unsigned char *chunk, size_t size)
{
    unsigned char *end = chunk + size;
    size_t rest = chunk_granules(size) * GRANULE - size;
    pool->tags[pool_granule(pool, chunk)] = (unsigned char)(rest - REDZONE * GRANULE);
    HOOK_OPEN(chunk, size + rest);
    memset(end, CANARY, rest);
    HOOK_CLOSE(end, rest);
}

/* A giant's pages are not touched for their junk. */
static void expose(const struct m_pool *pool, unsigned char *chunk, size_t size)
{
    open_to(pool, chunk, size);
    if (pool->flags & POOL_KEEP_CONTENTS) {
        if (size <= PURGE_LEAST)
            memset(chunk, JUNK, size);
        HOOK_UNDEFINED(chunk, size);
    }
}

/* --- Free memory ------------------------------------------------------------------------------ */

/* Whether free memory is zero: here it is verified, whatever is promised. */
static int is_wiping(const struct m_pool *pool)
{
    (void)pool;
    return 1;
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

/* Whether the free granules [g, end) are zero, as far as the pool has made them so. Of more than
 * PURGE_LEAST, which may never have been touched, only either end is looked at. */
static int is_zero_between(const struct m_pool *pool, size_t g, size_t end)
{
    end = end < pool->clean ? end : pool->clean;
    if (g >= end)
        return 1;
    unsigned char *at = address_of(pool, g);
    size_t bytes = (end - g) * GRANULE, part = PURGE_LEAST / 2;
    if (bytes <= PURGE_LEAST)
        return is_zero(at, bytes);
    return is_zero(at, part) && is_zero(at + bytes - part, part);
}

/* The start of the first live chunk from g on, where another span starts at g. */
static size_t free_until(const struct m_pool *pool, size_t g)
{
    while (g < pool->granules) {
        struct span span = span_at(pool, g);
        if (span.kind == POOL_LIVE)
            break;
        g = span.end;
    }
    return g;
}

/* Whether n granules at a multiple of align would fit if nothing were quarantined. */
static int would_fit(const struct m_pool *pool, size_t n, size_t align)
{
    for (size_t g = 0, end; g < pool->granules; g = span_at(pool, end).end) {
        end = free_until(pool, g);
        if (fit(pool, g, end, n, align) != NONE)
            return 1;
    }
    return 0;
}

/* Whether n free granules from g on may be given out: they are zero, and so was each chunk whose
 * time in the quarantine was over. */
static int is_clean(const struct m_pool *pool, size_t g, size_t n)
{
    return quarantine_of(pool)->granules <= pool->granules / QUARANTINE_SHARE &&
           is_zero_between(pool, g, g + n);
}

/* What would do was written to, or else there is nothing that would. */
static enum pool_reason why_none(const struct m_pool *pool, size_t n, size_t align, size_t g,
                                 size_t end)
{
    if (free_until(pool, g) >= end || would_fit(pool, n, align))
        return POOL_CORRUPTED;
    return POOL_OUT_OF_MEMORY;
}

/* Wipes whatever may have been written to. Memory not of the system is wiped when it is used for
 * the first time. */
static void wipe_written(const struct m_pool *pool)
{
    wipe_closed(pool, 0, pool->source == SOURCE_SYSTEM ? pool->granules : pool->clean);
}

/* --- The quarantine --------------------------------------------------------------------------- */

/* The oldest quarantined chunks ⇒ parts of free extents, until those of so many granules are left.
 * 0 if one is met that was written to, which stays where it is. */
static int quarantine_evict(struct m_pool *pool, size_t most)
{
    struct quarantine *own = quarantine_of(pool);
    while (own->granules > most) {
        size_t g = own->ring[own->first], end = scan(pool, g + 1, END_BIT);
        if (!is_zero_between(pool, g, end))
            return 0;
        own->first = (own->first + 1) % ring_length(pool->granules);
        own->count--;
        own->granules -= end - g;
        set_bits(pool->begin, g, 1, 0);
        map_free(pool, g, end - g);
    }
    return 1;
}

/* Used granules ⇒ a quarantined chunk. A single one, which is no chunk but the end of one that has
 * shrunk, is not quarantined. */
static void release(struct m_pool *pool, size_t g, size_t n)
{
    struct quarantine *own = quarantine_of(pool);
    if (n <= REDZONE) {
        map_free(pool, g, n);
        return;
    }
    set_bits(pool->begin, g, 1, 1);
    pool->tags[g] = QUARANTINED;
    own->ring[(own->first + own->count++) % ring_length(pool->granules)] = (uint32_t)g;
    own->granules += n;
    (void)quarantine_evict(pool, pool->granules / QUARANTINE_SHARE);
}

/* What is tried before n granules at a multiple of align are refused: evicts the older half of the
 * quarantine, and again, if that can help. */
static size_t find_short(struct m_pool *pool, size_t n, size_t align)
{
    size_t g = NONE, left = quarantine_of(pool)->granules;
    if (!would_fit(pool, n, align))
        return NONE;
    while (g == NONE && left && quarantine_evict(pool, left /= 2))
        g = map_find(pool, n, align);
    return g;
}

static void make_way(struct m_pool *pool, size_t g, size_t end)
{
    if (free_until(pool, g) >= end)
        (void)quarantine_evict(pool, 0);
}

static void evict_all(struct m_pool *pool)
{
    (void)quarantine_evict(pool, 0);
}

static int keeps(int kind)
{
    return kind != POOL_RUN;
}

static void forget_quarantine(struct m_pool *pool)
{
    *quarantine_of(pool) = (struct quarantine){0};
}

/* --- Invariants ------------------------------------------------------------------------------- */

static inline const char *check_bytes(const struct m_pool *pool)
{
    size_t quarantined = 0;
    struct span span;
    for (size_t g = 0; g < pool->granules; g = span.end) {
        span = span_at(pool, g);
        size_t n = span.end - g;
        if (span.kind == POOL_LIVE) {
            if (pool->tags[g] >= GRANULE || judge(pool, g, n, size_at(pool, g, n)))
                return "I10: the canary after each chunk is whole";
            continue;
        }
        if (!is_zero_between(pool, g, span.end))
            return "I9: free granules are zero";
        quarantined += span.kind == POOL_CACHED ? n : 0;
    }
    return quarantined == quarantine_of(pool)->granules ? NULL : "I9: the quarantine is counted";
}

#endif
