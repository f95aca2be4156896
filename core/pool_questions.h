/* Questions about a whole pool, and what else a program can do without: pool_required, pool_walk,
 * pool_stats, pool_check, pool_strerror, pool_trim. A part of mem_pool.c, which includes it where
 * it is there.
 */
#ifndef POOL_QUESTIONS_H
#define POOL_QUESTIONS_H

/* Granules in which `count` chunks of n granules, each at a multiple of `unit`, fit whatever came
 * before: in a small pool, or in a large one, with pages and units if there are any. What the last
 * but one leaves after it is the last one's. */
static size_t required_granules(size_t count, size_t n, size_t unit, int large)
{
    size_t stride = round_up(n, unit), lead = large ? (unit > UNIT ? unit - UNIT : 0) : unit - 1;
    size_t apart = stride, in_page = PAGE / n, pages = in_page ? (count - 1) / in_page : 0;
    if (large && has_pages(LEAST_PAGES * PAGE)) {
        apart = round_up(stride, UNIT);
        if (n < POOL_CLASSES && unit == 1)
            return pages ? (pages - 1) * PAGE + (count - (pages - 1) * in_page) * n : count * n;
    }
    return count == 1 ? lead + n : lead + (count - 2) * apart + stride + n;
}

size_t pool_required(size_t count, size_t size, enum pool_type type)
{
    const size_t most = chunk_granules(POOL_MAX_CAPACITY), large = LEAST_PAGES * PAGE;
    if (count == 0 || size == 0 || (unsigned)type > POOL_PAGE || size > POOL_MAX_CAPACITY)
        return 0;
    size_t unit = alignment_of((unsigned)type) / GRANULE, n = chunk_granules(size);
    if (count > most / n)
        return 0;
    size_t required = required_granules(count, n, unit, 0);
    if (required >= large) {
        required = required_granules(count, n, unit, 1);
        required = required < large ? large : required;
    }
    return required <= most ? usable(required) : 0;
}

int pool_walk(const struct m_pool *pool,
              int (*visit)(void *context, const struct pool_extent *extent), void *context)
{
    if (!pool || !visit || !pool->granules)
        return -1;
    size_t high = high_water_at(pool);
    for (size_t g = 0; g < pool->granules;) {
        struct span span = {pool->granules, POOL_FRESH};
        if (g < high) {
            span = span_at(pool, g);
            span.end = span.end < high ? span.end : high;
        }
        struct pool_extent extent = {address_of(pool, g), (span.end - g) * GRANULE,
                                     (enum pool_kind)span.kind};
        int ended = visit(context, &extent);
        if (ended)
            return ended;
        g = span.end;
    }
    return 0;
}

struct sum {
    struct pool_stats stats;
    size_t available, together; /* free granules: all, and those adjacent to this place */
};

static int add_up(void *context, const struct pool_extent *extent)
{
    struct sum *sum = context;
    struct pool_stats *stats = &sum->stats;
    size_t n = extent->size / GRANULE;
    if (extent->kind == POOL_LIVE) {
        stats->live_chunks++;
        stats->live_bytes += usable(n);
        sum->together = 0;
        return 0;
    }
    if (extent->kind == POOL_CACHED) {
        stats->cached_chunks++;
        stats->cached_bytes += usable(n);
    }
    stats->free_runs += sum->together == 0;
    sum->together += n;
    sum->available += n;
    if (stats->largest_free < usable(sum->together))
        stats->largest_free = usable(sum->together);
    return 0;
}

int pool_stats(const struct m_pool *pool, struct pool_stats *stats)
{
    struct sum sum = {0};
    if (!pool || !stats || !pool->granules)
        return -1;
    (void)pool_walk(pool, add_up, &sum);
    sum.stats.capacity = usable(pool->granules);
    sum.stats.free_bytes = usable(sum.available);
    sum.stats.high_water = usable(high_water_at(pool));
    sum.stats.overhead = sizeof *pool + pool->memory_size - sum.stats.capacity;
    *stats = sum.stats;
    return 0;
}

/* Purges what is free from granule `from` to granule `to`. Returns its bytes. */
static size_t purge_between(const struct m_pool *pool, size_t from, size_t to)
{
    unsigned char *start;
    return from < to ? purge(pool, address_of(pool, from), address_of(pool, to), &start) : 0;
}

int pool_trim(struct m_pool *pool, size_t *released)
{
    size_t sum = 0, from = 0;
    struct span span;
    if (!pool)
        return -1;
    if (!pool->granules)
        return refuse(pool, POOL_DEAD, NULL);
    evict_all(pool);
    for (size_t g = 0; g < pool->frontier; g = span.end) {
        span = span_at(pool, g);
        if (keeps(span.kind)) {
            sum += purge_between(pool, from, g);
            from = span.end;
        }
    }
    sum += purge_between(pool, from, pool->clean);
    if (released)
        *released = sum;
    return 0;
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

/* --- Invariants ------------------------------------------------------------------------------- */

/* What of a pool has been met. */
struct met {
    size_t pages, listed, stacked, extents, kept;
};

/* How often a chunk is in the stack of its class. */
static unsigned times_stacked(const struct m_pool *pool, size_t g)
{
    const struct pool_class *own = &pool->classes[class_at(pool, g)];
    unsigned times = 0;
    for (uint32_t i = 0; i < own->count; i++)
        times += own->ready[i] == g;
    return times;
}

static const char *check_page(const struct m_pool *pool, size_t page, size_t *stacked)
{
    size_t n = pool->pages[page].n, start = page * PAGE;
    const struct pool_class *own = &pool->classes[n];
    if (start + PAGE > pool->frontier || n >= POOL_CLASSES ||
        (pool->listed[page] && pool->listed[page] != n))
        return "I2: a page lies below the frontier, and is of a class";
    for (size_t i = 0; i < PAGE; i++) {
        unsigned tag = pool->tags[start + i];
        if (i % n == 1 && pool->tags[start + i - 1] == GROWN) {
            if (!tag || tag >= n)
                return "I3: a chunk with room to grow is shorter than its class";
            continue;
        }
        if (i % n == 0 && i + n <= PAGE ? (tag & ~IS_KNOWN) != LIVE && (tag & ~IS_KNOWN) != FREE
                                        : tag != 0)
            return "I3: each chunk of a page has a tag, and nothing else has";
        if (tag == GROWN && n == 1)
            return "I3: a chunk with room to grow is shorter than its class";
        unsigned times = tag ? times_stacked(pool, start + i) : 0;
        if (tag & LIVE ? times : times > 1)
            return "I4: a stack has free chunks, each once";
        if (tag >> 7 && !times && !pool->listed[page] &&
            (own->next / PAGE != page || start + i < own->next))
            return "I4: a page of which a chunk may be free is listed by its class";
        *stacked += times;
    }
    return NULL;
}

/* Of the extent at u, `before` says whether what precedes it is free. */
static const char *check_extent(const struct m_pool *pool, size_t u, int before)
{
    const struct extent *own = extent_of(pool, u);
    size_t units = own->units;
    if ((own->kind != KIND_CHUNK && own->kind != KIND_FREE && own->kind != KIND_KEPT) || !units ||
        units > pool->frontier / UNIT - u || (own->kind == KIND_CHUNK && own->spare >= UNIT))
        return "I1: chunks, pages and free extents cover the block without gaps";
    for (size_t i = 1; i < units; i++)
        if (own[i].kind >= KIND_CHUNK &&
            !(own->kind == KIND_FREE && i == units - 1 && own[i].kind == KIND_LAST))
            return "I5: no unit within an extent is a first or last one";
    if (own->kind != KIND_FREE)
        return NULL;
    if (before || (u + units) * UNIT == pool->frontier)
        return "I6: a free extent is as long as it can be";
    if (own[units - 1].units != units || (units > 1 && own[units - 1].kind != KIND_LAST))
        return "I5: the last unit of a free extent has its length too";
    return NULL;
}

/* Walks the lists, which must reach exactly the pages and free extents that were met. */
static const char *check_lists(const struct m_pool *pool, struct met met)
{
    for (unsigned b = 0; b < BINS; b++) {
        uint32_t before = 0;
        if (!pool->bins[b] != !(pool->bin_map[b / 64] >> b % 64 & 1))
            return "I7: the maps know which bins are not empty";
        for (uint32_t i = pool->bins[b]; i; before = i, i = extent_of(pool, i - 1)->next) {
            const struct extent *own = extent_of(pool, i - 1);
            if (!met.extents-- || own->kind != KIND_FREE || own->prev != before ||
                bin_of(own->units) != b)
                return "I7: each free extent is in the bin of its length";
        }
    }
    if (met.kept != pool->kept_count)
        return "I7: the extents that are kept are counted";
    for (unsigned b = 0; b < KEPT_BINS; b++)
        for (uint32_t i = pool->kept[b]; i; i = extent_of(pool, i - 1)->next)
            if (!met.kept-- || extent_of(pool, i - 1)->kind != KIND_KEPT ||
                bin_of(extent_of(pool, i - 1)->units) != b)
                return "I7: each extent that is kept is in the list of its length";
    for (size_t n = 1; n < POOL_CLASSES; n++) {
        size_t last = pool->classes[n].listed, page = last - 1;
        if (pool->classes[n].count > pool->classes[n].room)
            return "I4: a stack has no more than its room";
        met.stacked -= pool->classes[n].count;
        for (; last; last = page == last - 1 ? 0 : last) {
            size_t next = pool->pages[page].next;
            if (!met.listed-- || pool->listed[page] != n || pool->pages[next].prev != page)
                return "I4: a page of which a chunk may be free is listed by its class";
            page = next;
        }
    }
    if (met.stacked)
        return "I4: a stack has chunks of its class only";
    return met.extents || met.listed || met.kept
               ? "I7: each free extent and listed page is in its list"
               : NULL;
}

static const char *check_roomy(const struct m_pool *pool)
{
    struct met met = {0, 0, 0, 0, 0};
    const char *broken = NULL;
    int before = 0;
    for (size_t g = 0; g < pool->frontier && !broken;) {
        if (class_at(pool, g)) {
            broken = check_page(pool, g / PAGE, &met.stacked);
            met.pages++;
            met.listed += pool->listed[g / PAGE] != 0;
            before = 0;
            g += PAGE;
        } else {
            broken = pool->listed[g / PAGE] ? "I2: only a page is listed"
                                            : check_extent(pool, g / UNIT, before);
            before = extent_of(pool, g / UNIT)->kind == KIND_FREE;
            met.extents += (size_t)before;
            met.kept += extent_of(pool, g / UNIT)->kind == KIND_KEPT;
            g += extent_of(pool, g / UNIT)->units * UNIT;
        }
    }
    if (!broken && met.pages != pool->page_count)
        return "I2: the pages are counted";
    return broken ? broken : check_lists(pool, met);
}

static const char *check_tight(const struct m_pool *pool)
{
    size_t g = 0;
    for (unsigned before = 0; g < pool->frontier; g++) {
        unsigned used = (unsigned)(pool->used[g / WORD] >> g % WORD & 1);
        if (is_begin(pool, g) ? !used : used && !before)
            return "I1: a chunk starts where its granules are used";
        before = used;
    }
    for (unsigned i = 0; i < LOWEST; i++)
        for (size_t start = 0, end; start < pool->lowest[i] && start < pool->frontier;) {
            start = scan(pool, start, FREE_BIT);
            end = span_at(pool, start).end;
            if (start < pool->lowest[i] && start < pool->granules && end - start >= (size_t)1 << i)
                return "I7: no long run of free granules starts below the lowest";
            start = end;
        }
    return NULL;
}

static const char *check_all(const struct m_pool *pool)
{
    if (pool->frontier > pool->granules || pool->frontier > pool->clean ||
        pool->high_water > pool->clean || pool->clean > pool->granules ||
        (!pool->is_tight && pool->frontier % UNIT) ||
        (pool->is_tight && pool->frontier % WORD &&
         pool->used[pool->frontier / WORD] >> pool->frontier % WORD) ||
        (pool->is_tight ? pool->fast_limit : pool->fast_limit && pool->fast_limit != pool->clean))
        return "I8: the high-water mark, the frontier and what is clean are in order";
    return pool->is_tight ? check_tight(pool) : check_roomy(pool);
}

int pool_check(const struct m_pool *pool, const char **broken)
{
    const char *found = "the pool is NULL or dead";
    if (pool && pool->granules)
        found = check_all(pool);
    if (!found)
        found = check_bytes(pool);
    if (broken)
        *broken = found;
    return found ? -1 : 0;
}

#endif
