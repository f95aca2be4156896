#include "ledger.h"

static unsigned char byte_of(uint64_t contents, size_t index)
{
    return (unsigned char)((contents * 0x9d + index * 0x35 + (index >> 8)) | 1); /* never 0 */
}

static void write_contents(const struct entry *entry, size_t from)
{
    for (size_t i = from; i < entry->size; i++)
        entry->ptr[i] = byte_of(entry->contents, i);
}

static void assert_contents(const struct entry *entry, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (entry->ptr[i] != byte_of(entry->contents, i))
            fail_msg("byte %zu of a chunk of %zu bytes has changed", i, entry->size);
}

static size_t granule_at(const struct ledger *ledger, const void *ptr)
{
    return (size_t)((const unsigned char *)ptr - ledger->rig->base) / POOL_GRANULE;
}

static int are_free(const struct ledger *ledger, size_t first, size_t count)
{
    return first <= ledger->granules && count <= ledger->granules - first &&
           memchr(ledger->taken + first, 1, count) == NULL;
}

static void mark(struct ledger *ledger, const struct entry *entry, unsigned char taken)
{
    memset(ledger->taken + granule_at(ledger, entry->ptr), taken, chunk_granules(entry->size));
}

/* Whether some place holds `size` bytes at the alignment; with `empty`, as if nothing lived. */
static int has_room(const struct ledger *ledger, size_t size, unsigned type, int empty)
{
    size_t need = chunk_granules(size);
    size_t align = (size_t)1 << type;
    size_t run = 0;
    for (size_t i = ledger->granules; i-- > 0;) {
        run = empty || !ledger->taken[i] ? run + 1 : 0;
        if (run >= need && (uintptr_t)(ledger->rig->base + i * POOL_GRANULE) % align == 0)
            return 1;
    }
    return 0;
}

static void assert_refused_for_room(struct ledger *ledger, size_t size, unsigned type,
                                    const void *ptr)
{
    const struct told *told = &ledger->rig->told;
    enum pool_reason reason = pool_error(&ledger->rig->pool);
    if (size > ledger->rig->capacity)
        assert_int_equal(reason, POOL_TOO_LARGE);
    else if (has_room(ledger, size, type, 1))
        assert_int_equal(reason, POOL_OUT_OF_MEMORY);
    else /* no place of that alignment, ever */
        assert_true(reason == POOL_TOO_LARGE || reason == POOL_OUT_OF_MEMORY);
    assert_int_equal(told->count, 1);
    assert_ptr_equal(told->pool, &ledger->rig->pool);
    assert_int_equal(told->reason, reason);
    if (ptr != NULL)
        assert_ptr_equal(told->ptr, ptr);
}

/* What must hold of a chunk that the pool has just handed out, its own granules being free. */
static void assert_well_placed(const struct ledger *ledger, const void *ptr, size_t size,
                               unsigned type)
{
    const struct m_pool *pool = &ledger->rig->pool;
    assert_non_null(ptr);
    assert_aligned(ptr, type);
    assert_true((const unsigned char *)ptr >= ledger->rig->base);
    size_t first = granule_at(ledger, ptr);
    if (!are_free(ledger, first, chunk_granules(size)))
        fail_msg("the chunk of %zu bytes at granule %zu overlaps another or leaves the block", size,
                 first);
    assert_int_equal(pool_owns(pool, ptr), 1);
    assert_int_equal(pool_owns(pool, (const char *)ptr + size - 1), 1);
    assert_int_equal(pool_size_of(pool, ptr), size_as_known(size));
}

void ledger_open(struct ledger *ledger, struct rig *rig)
{
    memset(ledger, 0, sizeof *ledger);
    ledger->rig = rig;
    ledger->granules = rig->block / POOL_GRANULE;
    ledger->taken = calloc(ledger->granules, 1);
    ledger->zeroes = !(rig->config.flags & POOL_KEEP_CONTENTS);
    assert_non_null(ledger->taken);
}

void ledger_close(struct ledger *ledger)
{
    free(ledger->taken);
    free(ledger->entries);
    memset(ledger, 0, sizeof *ledger);
}

int ledger_alloc(struct ledger *ledger, size_t size, unsigned type)
{
    struct m_pool *pool = &ledger->rig->pool;
    int may = has_room(ledger, size, type, 0);
    void *ptr = &ledger; /* anything: it must change on success alone */
    ledger->rig->told.count = 0;
    int result = pool_alloc(pool, &ptr, size, (enum pool_type)type);
    assert_true(result == 0 ? may : result == -1 && !may);
    if (result != 0) {
        assert_ptr_equal(ptr, &ledger);
        assert_refused_for_room(ledger, size, type, NULL);
        return result;
    }
    assert_int_equal(ledger->rig->told.count, 0);
    assert_well_placed(ledger, ptr, size, type);
    if (ledger->zeroes)
        assert_filled(ptr, size, 0);

    if (ledger->count == ledger->room) {
        ledger->room = ledger->room * 2 + 64;
        ledger->entries = realloc(ledger->entries, ledger->room * sizeof *ledger->entries);
        assert_non_null(ledger->entries);
    }
    struct entry *entry = &ledger->entries[ledger->count++];
    *entry = (struct entry){ptr, size, ++ledger->written};
    write_contents(entry, 0);
    mark(ledger, entry, 1);
    return 0;
}

int ledger_realloc(struct ledger *ledger, size_t index, size_t size, unsigned type)
{
    struct entry *entry = &ledger->entries[index];
    size_t first = granule_at(ledger, entry->ptr);
    assert_contents(entry, entry->size);

    int may = has_room(ledger, size, type, 0);
    mark(ledger, entry, 0);
    int in_place = (uintptr_t)entry->ptr % ((size_t)1 << type) == 0 &&
                   are_free(ledger, first, chunk_granules(size));
    mark(ledger, entry, 1);

    void *ptr = entry->ptr;
    ledger->rig->told.count = 0;
    int result = pool_realloc(&ledger->rig->pool, &ptr, entry->size, size, (enum pool_type)type);
    assert_true(result == 0 ? may || in_place : result == -1 && !may && !in_place);
    if (result != 0) {
        assert_ptr_equal(ptr, entry->ptr);
        assert_contents(entry, entry->size);
        assert_refused_for_room(ledger, size, type, ptr);
        return result;
    }
    assert_int_equal(ledger->rig->told.count, 0);
    /* A chunk that moved must not have moved onto itself: its old bytes were still needed there */
    if (ptr == entry->ptr)
        mark(ledger, entry, 0);
    assert_well_placed(ledger, ptr, size, type);
    mark(ledger, entry, 0);

    size_t kept = entry->size < size ? entry->size : size;
    entry->ptr = ptr;
    entry->size = size;
    mark(ledger, entry, 1);
    assert_contents(entry, kept);
    if (ledger->zeroes)
        assert_filled(entry->ptr + kept, size - kept, 0);
    write_contents(entry, kept);
    return 0;
}

void ledger_free(struct ledger *ledger, size_t index)
{
    struct entry *entry = &ledger->entries[index];
    void *ptr = entry->ptr;
    assert_contents(entry, entry->size);
    ledger->rig->told.count = 0;
    if (ledger->written % 2 != 0)
        assert_int_equal(pool_free_unsized(&ptr, &ledger->rig->pool), 0);
    else
        assert_int_equal(pool_free(&ptr, entry->size, &ledger->rig->pool), 0);
    assert_null(ptr);
    assert_int_equal(ledger->rig->told.count, 0);
    assert_int_equal(pool_size_of(&ledger->rig->pool, entry->ptr), 0);
    mark(ledger, entry, 0);
    *entry = ledger->entries[--ledger->count];
}

void ledger_reset(struct ledger *ledger)
{
    assert_int_equal(pool_reset(&ledger->rig->pool), 0);
    memset(ledger->taken, 0, ledger->granules);
    ledger->count = 0;
}

/* A walk under way: what it has seen, to be compared with the ledger and with pool_stats. */
struct tour {
    const struct ledger *ledger;
    unsigned char *next;
    size_t extents, live, cached, cached_bytes, run, runs, longest, fresh_from;
    int was_free;
};

static int see(void *context, const struct pool_extent *extent)
{
    struct tour *tour = context;
    const struct ledger *ledger = tour->ledger;
    assert_ptr_equal(extent->start, tour->next);
    assert_true(extent->size > 0);
    assert_int_equal(extent->size % POOL_GRANULE, 0);
    size_t first = granule_at(ledger, extent->start);
    size_t count = extent->size / POOL_GRANULE;
    assert_true(first + count <= ledger->granules);

    if (extent->kind == POOL_LIVE) {
        assert_null(memchr(ledger->taken + first, 0, count));
        size_t size = pool_size_of(&ledger->rig->pool, extent->start);
        assert_int_equal(chunk_granules(size), count);
        tour->live++;
        tour->run = 0;
    } else {
        assert_true(extent->kind == POOL_CACHED || extent->kind == POOL_RUN ||
                    extent->kind == POOL_FRESH);
        assert_null(memchr(ledger->taken + first, 1, count));
        tour->runs += tour->run == 0;
        tour->run += extent->size;
        if (tour->run > tour->longest)
            tour->longest = tour->run;
        if (extent->kind == POOL_CACHED) {
            tour->cached++;
            tour->cached_bytes += usable_bytes(count);
        }
    }
    if (extent->kind != POOL_FRESH)
        tour->fresh_from = (first + count) * POOL_GRANULE;
    tour->next += extent->size;
    tour->extents++;
    return 0;
}

void ledger_assert_agrees(const struct ledger *ledger)
{
    const struct rig *rig = ledger->rig;
    struct tour tour = {.ledger = ledger, .next = rig->base};
    rig_assert_sound(rig);
    assert_int_equal(pool_walk(&rig->pool, see, &tour), 0);
    assert_ptr_equal(tour.next, rig->base + rig->block);
    assert_int_equal(tour.live, ledger->count);

    size_t live_bytes = 0, live_granules = 0;
    for (size_t i = 0; i < ledger->count; i++) {
        const struct entry *entry = &ledger->entries[i];
        assert_int_equal(pool_size_of(&rig->pool, entry->ptr), size_as_known(entry->size));
        live_granules += chunk_granules(entry->size);
        live_bytes += usable_bytes(chunk_granules(entry->size));
    }
    struct pool_stats stats;
    assert_int_equal(pool_stats(&rig->pool, &stats), 0);
    assert_int_equal(stats.capacity, rig->capacity);
    assert_int_equal(stats.live_bytes, live_bytes);
    assert_int_equal(stats.live_chunks, ledger->count);
    assert_int_equal(stats.cached_bytes, tour.cached_bytes);
    assert_int_equal(stats.cached_chunks, tour.cached);
    assert_int_equal(stats.free_bytes, usable_bytes(ledger->granules - live_granules));
    assert_int_equal(stats.free_runs, tour.runs);
    assert_int_equal(stats.largest_free, usable_bytes(tour.longest / POOL_GRANULE));
    assert_int_equal(stats.largest_free, usable_bytes(ledger_longest(ledger)));
    assert_true(stats.high_water >= usable_bytes(tour.fresh_from / POOL_GRANULE));
    assert_true(stats.high_water <= rig->capacity);
    assert_true(stats.overhead >= sizeof(struct m_pool));
    rig_assert_guards(rig);
}

void ledger_assert_contents(const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++)
        assert_contents(&ledger->entries[i], ledger->entries[i].size);
}

void ledger_drain(struct ledger *ledger, uint64_t *random)
{
    while (ledger->count > 0)
        ledger_free(ledger, random_below(random, ledger->count));
    ledger_assert_agrees(ledger);
    assert_int_equal(ledger_alloc(ledger, ledger->rig->capacity, POOL_I8), 0);
    ledger_free(ledger, 0);
    ledger_assert_agrees(ledger);
}

size_t ledger_longest(const struct ledger *ledger)
{
    size_t longest = 0;
    for (size_t i = 0, run = 0; i < ledger->granules; i++) {
        run = ledger->taken[i] ? 0 : run + 1;
        if (run > longest)
            longest = run;
    }
    return longest;
}
