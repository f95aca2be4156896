/* Questions about a whole pool: pool_walk, pool_stats and pool_check. A part of mem_pool.c, which
 * includes it where it is there; a pool works without it. They change nothing.
 */
#ifndef POOL_QUESTIONS_H
#define POOL_QUESTIONS_H

int pool_walk(const struct m_pool *pool,
              int (*visit)(void *context, const struct pool_extent *extent), void *context)
{
    if (!pool || !visit || !pool->granules)
        return -1;
    for (size_t g = 0; g < pool->granules;) {
        struct extent found = extent_at(pool, g);
        struct pool_extent extent = {address_of(pool, g), found.n * GRANULE, found.kind};
        int ended = visit(context, &extent);
        if (ended)
            return ended;
        g += found.n;
    }
    return 0;
}

int pool_stats(const struct m_pool *pool, struct pool_stats *stats)
{
    if (!pool || !stats || !pool->granules)
        return -1;
    struct pool_stats sum = {0};
    size_t available = 0, together = 0; /* free granules: all, and those adjacent to this place */
    for (size_t g = 0; g < pool->granules;) {
        struct extent extent = extent_at(pool, g);
        g += extent.n;
        if (extent.kind == POOL_LIVE) {
            sum.live_chunks++;
            sum.live_bytes += usable(extent.n);
            together = 0;
            continue;
        }
        if (extent.kind == POOL_CACHED) {
            sum.cached_chunks++;
            sum.cached_bytes += usable(extent.n);
        }
        sum.free_runs += together == 0;
        together += extent.n;
        available += extent.n;
        if (sum.largest_free < usable(together))
            sum.largest_free = usable(together);
    }
    sum.capacity = usable(pool->granules);
    sum.free_bytes = usable(available);
    sum.high_water = usable(high_water_at(pool));
    sum.overhead = sizeof *pool + pool->memory_size - sum.capacity;
    *stats = sum;
    return 0;
}

static inline size_t quarantined_granules(const struct m_pool *pool)
{
    return CHECKED ? quarantine_of(pool)->granules : 0;
}

/* What an extent of the block shows of writes to where nobody may write; NULL if nothing. */
static const char *check_bytes(const struct m_pool *pool, size_t g, size_t n, enum pool_kind kind)
{
    if (kind != POOL_LIVE)
        return is_clean(pool, g, n) ? NULL : "I9: free granules are zero but for their links";
    if (CHECKED)
        return *slack_of(pool, g) < GRANULE && canary_is_whole(pool, g, exact_size(pool, g, n))
                   ? NULL
                   : "I10: the canary after each chunk is whole";
    return NULL;
}

/* Each invariant of DESIGN.md that an extent of the block can break; NULL if it breaks none. */
static const char *check_extent(const struct m_pool *pool, size_t g, struct extent extent)
{
    int untagged = extent.kind == POOL_FRESH || (g == bump_at(pool) && pool->bump < pool->bump_end);
    if ((untagged ? extent.n : claimed_at(pool, g)) - 1 >=
        pool->granules - g) /* an empty one wraps */
        return "I1: the extents cover the block without gaps";
    if (untagged)
        return NULL;
    size_t ends = extent.kind == POOL_RUN && extent.n > 1;
    for (size_t i = g + 1; i < g + extent.n - ends; i++)
        if (pool->tags[i] != INTERIOR)
            return "I2: only the first and the last granule of an extent are tagged";
    if (extent.kind != POOL_RUN)
        return NULL;
    if (run_preceding(pool, g + extent.n) != extent.n)
        return "I3: a run is found from its end by its length";
    void *run = address_of(pool, g);
    if (!is_linked(pool, run, bin_of(extent.n), links_of(run)))
        return "I4: a run is filed under its length, and its neighbours there link back";
    if (g + extent.n < pool->frontier && kind_at(pool, g + extent.n) == RUN)
        return "I5: no two runs are adjacent";
    return NULL;
}

/* Walks the caches and bins, which must reach exactly the cached granules and the runs that were
 * counted. check_extent has found each run linked, so no list of a bin comes back to where it was,
 * and only a head can be something else. */
static const char *check_lists(const struct m_pool *pool, size_t cached, size_t runs)
{
    size_t left = cached, shared = 0;
    for (size_t i = 0; i < SMALL + POOL_SHARED; i++) {
        for (void *chunk = pool->cache[i]; chunk; chunk = next_of(chunk)) {
            size_t g = pool_granule(pool, chunk);
            size_t n = g < pool->frontier && kind_at(pool, g) == CACHED ? length_at(pool, g) : 0;
            if (n == 0 || left < n || i != (n < SMALL ? n : SMALL + n % POOL_SHARED))
                return "I6: a cache list holds the cached chunks of its length, each once";
            left -= n;
            shared += n < SMALL ? 0 : n;
        }
    }
    if (left || shared != pool->shared)
        return "I6: a cache list holds the cached chunks of its length, each once";
    for (unsigned b = next_bin(pool, 0); b < POOL_BINS; b = next_bin(pool, b + 1)) {
        if (!pool->bins[b])
            return "I7: the map knows which bins are not empty";
        for (void *run = pool->bins[b]; run; run = links_of(run).next, runs--)
            if (!is_run(pool, run) || bin_of(length_at(pool, pool_granule(pool, run))) != b)
                return "I4: a run is filed under its length, and its neighbours there link back";
    }
    return runs ? "I4: a run is filed under its length, and its neighbours there link back" : NULL;
}

static const char *check_all(const struct m_pool *pool)
{
    size_t cached = 0, runs = 0;
    size_t bump = bump_at(pool), end = bump_end_at(pool);
    if (pool->high_water > pool->frontier || pool->frontier > pool->granules || bump > end ||
        end > pool->frontier || (pool->high_water < pool->frontier && end != pool->frontier) ||
        pool->frontier > pool->touched)
        return "I8: what was given out, the frontier and the bump run are in order";
    for (size_t g = 0; g < pool->granules;) {
        struct extent extent = extent_at(pool, g);
        const char *broken = check_extent(pool, g, extent);
        broken = broken ? broken : check_bytes(pool, g, extent.n, extent.kind);
        if (broken)
            return broken;
        cached += extent.kind == POOL_CACHED ? extent.n : 0;
        runs += extent.kind == POOL_RUN && !(g == bump && bump < end);
        g += extent.n;
    }
    for (size_t g = bump; g < end; g++)
        if (pool->tags[g] != INTERIOR)
            return "I2: only the first and the last granule of an extent are tagged";
    return check_lists(pool, cached - quarantined_granules(pool), runs);
}

int pool_check(const struct m_pool *pool, const char **broken)
{
    const char *found = "the pool is NULL or dead";
    if (pool && pool->granules)
        found = check_all(pool);
    if (broken)
        *broken = found;
    return found ? -1 : 0;
}

#endif
