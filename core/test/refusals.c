/* Every refusal: the exact reason, on_error told once, and nothing changed: not the pool, not the
 * pointer, not one byte of memory.
 */
#include "rig.h"

#include <limits.h>

#define CHUNK ((size_t)48)       /* three granules */
#define LARGE ((size_t)300 * 16) /* more granules than fit a byte */
#define CAPACITY ((size_t)64 * 1024)

/* Where a bad pointer points. */
enum spot {
    AT_LIVE,            /* a live chunk of CHUNK bytes */
    AT_LARGE,           /* a live chunk of LARGE bytes */
    AT_FREED,           /* a freed chunk of CHUNK bytes, the last one freed */
    AT_FREED_EARLIER,   /* one freed before it */
    AT_FREED_ONCE_MORE, /* the first freed of three neighbours, all of them free */
    AT_FREED_MIDDLE,    /* the second of them */
    AT_FREED_LARGE,
    AT_FREED_ODD, /* of 1,008 bytes: the longest that a pool may keep whole, or thereabouts */
    AT_STALE,     /* live before a reset, and nothing there since */
    AT_FRESH,     /* never given out */
    AT_BASE,      /* of the block */
    AT_END,       /* of the block */
    AT_OTHER,     /* a live chunk of another pool */
    AT_STACK,
    AT_NOTHING, /* the address 0 */
    SPOTS
};

/* A pool with something of everything in it. */
struct stage {
    struct rig rig;
    struct rig other;
    unsigned char *spots[SPOTS];
    unsigned char stack[64];
};

static void *take(struct rig *rig, size_t size)
{
    void *ptr = NULL;
    assert_int_equal(pool_alloc(&rig->pool, &ptr, size, POOL_I8), 0);
    memset(ptr, 0xa1, size);
    return ptr;
}

static void drop(struct rig *rig, void *ptr, size_t size)
{
    assert_int_equal(pool_free(&ptr, size, &rig->pool), 0);
}

static int find_fresh(void *context, const struct pool_extent *extent)
{
    if (extent->kind != POOL_FRESH)
        return 0;
    *(unsigned char **)context = extent->start;
    return 1;
}

static void stage_open(struct stage *stage, const struct kind *kind, int aged)
{
    struct rig *rig = &stage->rig;
    memset(stage, 0, sizeof *stage);
    rig_open(&stage->other, kind, CAPACITY);
    rig_open(rig, kind, CAPACITY);
    stage->spots[AT_OTHER] = take(&stage->other, CHUNK);
    stage->spots[AT_STACK] = stage->stack;

    static unsigned char *old[CAPACITY / CHUNK];
    size_t olds = 0;
    if (aged) {
        while (olds < COUNT_OF(old) && pool_alloc(&rig->pool, (void **)&old[olds], CHUNK, 0) == 0)
            olds++;
        assert_int_equal(pool_reset(&rig->pool), 0);
    }

    unsigned char *taken[16];
    size_t sizes[16], count = 0;
#define TAKE(size_) (sizes[count] = (size_), taken[count] = take(rig, sizes[count]), taken[count++])
    TAKE(CHUNK);
    stage->spots[AT_LIVE] = TAKE(CHUNK);
    TAKE(CHUNK);
    stage->spots[AT_LARGE] = TAKE(LARGE);
    stage->spots[AT_FREED_EARLIER] = TAKE(CHUNK);
    TAKE(16);
    stage->spots[AT_FREED] = TAKE(CHUNK);
    TAKE(16);
    stage->spots[AT_FREED_ONCE_MORE] = TAKE(CHUNK);
    stage->spots[AT_FREED_MIDDLE] = TAKE(CHUNK);
    unsigned char *third = TAKE(CHUNK);
    TAKE(16);
    stage->spots[AT_FREED_LARGE] = TAKE(LARGE);
    TAKE(16);
    stage->spots[AT_FREED_ODD] = TAKE(1008);
    TAKE(16);
#undef TAKE
    drop(rig, stage->spots[AT_FREED_ONCE_MORE], CHUNK);
    drop(rig, stage->spots[AT_FREED_MIDDLE], CHUNK);
    drop(rig, third, CHUNK);
    drop(rig, stage->spots[AT_FREED_LARGE], LARGE);
    drop(rig, stage->spots[AT_FREED_ODD], 1008);
    drop(rig, stage->spots[AT_FREED_EARLIER], CHUNK);
    drop(rig, stage->spots[AT_FREED], CHUNK);

    for (size_t i = 0; i < olds; i++) {
        int untouched = 1;
        for (size_t j = 0; j < count; j++)
            untouched &= old[i] + CHUNK <= taken[j] || old[i] >= taken[j] + sizes[j];
        if (untouched)
            stage->spots[AT_STALE] = old[i];
    }
    if (!aged)
        assert_int_equal(pool_walk(&rig->pool, find_fresh, &stage->spots[AT_FRESH]), 1);
    stage->spots[AT_BASE] = rig->base;
    stage->spots[AT_END] = rig->base + rig->block;
    rig->told.count = 0;
}

static void stage_close(struct stage *stage)
{
    rig_close(&stage->rig);
    rig_close(&stage->other);
}

/* One bad pointer or size, given to pool_free and to pool_realloc as the old size, and the pointer
 * to pool_free_unsized. */
static const struct refusal {
    const char *name;
    enum spot spot;
    ptrdiff_t offset;
    size_t size;
    enum pool_reason reason;
} refusals[] = {
    {"freed chunk", AT_FREED, 0, CHUNK, POOL_ALREADY_FREE},
    {"freed chunk, another since", AT_FREED_EARLIER, 0, CHUNK, POOL_ALREADY_FREE},
    {"freed chunk, neighbours too", AT_FREED_ONCE_MORE, 0, CHUNK, POOL_ALREADY_FREE},
    {"freed chunk between freed ones", AT_FREED_MIDDLE, 0, CHUNK, POOL_ALREADY_FREE},
    {"freed large chunk", AT_FREED_LARGE, 0, LARGE, POOL_ALREADY_FREE},
    {"freed chunk of 1,008 bytes", AT_FREED_ODD, 0, 1008, POOL_ALREADY_FREE},
    {"freed chunk, other size", AT_FREED, 0, 16, POOL_ALREADY_FREE},
    {"freed neighbours as one", AT_FREED_ONCE_MORE, 0, 3 * CHUNK, POOL_ALREADY_FREE},

    {"second granule", AT_LIVE, 16, CHUNK, POOL_INTERIOR},
    {"second granule, size of the rest", AT_LIVE, 16, 32, POOL_INTERIOR},
    {"last granule", AT_LIVE, 32, 16, POOL_INTERIOR},
    {"last granule and the neighbour", AT_LIVE, 32, 16 + CHUNK, POOL_INTERIOR},
    {"second granule of a large chunk", AT_LARGE, 16, LARGE, POOL_INTERIOR},
    {"second granule of a large chunk, the rest", AT_LARGE, 16, LARGE - 16, POOL_INTERIOR},
    {"middle of a large chunk", AT_LARGE, 150 * 16, 16, POOL_INTERIOR},
    {"64 granules into a large chunk", AT_LARGE, 64 * 16, LARGE - 64 * 16, POOL_INTERIOR},
    {"256 granules into a large chunk", AT_LARGE, 256 * 16, LARGE - 256 * 16, POOL_INTERIOR},
    {"last granule of a large chunk", AT_LARGE, LARGE - 16, 16, POOL_INTERIOR},

    {"one byte in", AT_LIVE, 1, CHUNK, POOL_MISALIGNED},
    {"eight bytes in", AT_LIVE, 8, CHUNK, POOL_MISALIGNED},
    {"15 bytes in", AT_LIVE, 15, CHUNK, POOL_MISALIGNED},
    {"one byte before its end", AT_LIVE, CHUNK - 1, 16, POOL_MISALIGNED},
    {"one byte before it", AT_LIVE, -1, CHUNK, POOL_MISALIGNED},
    {"inside a large chunk, odd", AT_LARGE, 1601, 16, POOL_MISALIGNED},
    {"freed chunk, odd", AT_FREED, 4, CHUNK, POOL_MISALIGNED},
    {"fresh memory, odd", AT_FRESH, 3, CHUNK, POOL_MISALIGNED},
    {"last byte of the block", AT_END, -1, CHUNK, POOL_MISALIGNED},

    {"a granule before the block", AT_BASE, -16, CHUNK, POOL_OUTSIDE},
    {"a byte before the block", AT_BASE, -1, 16, POOL_OUTSIDE},
    {"a page before the block", AT_BASE, -4096, 16, POOL_OUTSIDE},
    {"end of the block", AT_END, 0, 16, POOL_OUTSIDE},
    {"a byte after the block", AT_END, 1, 16, POOL_OUTSIDE},
    {"a granule after the block", AT_END, 16, CHUNK, POOL_OUTSIDE},
    {"a page after the block", AT_END, 4096, 16, POOL_OUTSIDE},
    {"another pool's", AT_OTHER, 0, CHUNK, POOL_OUTSIDE},
    {"another pool's, odd", AT_OTHER, 5, CHUNK, POOL_OUTSIDE},
    {"on the stack", AT_STACK, 0, 16, POOL_OUTSIDE},
    {"lowest address", AT_NOTHING, 1, 16, POOL_OUTSIDE},
    {"lowest granule", AT_NOTHING, 16, 16, POOL_OUTSIDE},
    {"highest address", AT_NOTHING, -1, 16, POOL_OUTSIDE},
    {"highest granule", AT_NOTHING, -16, 16, POOL_OUTSIDE},

    {"never given out", AT_FRESH, 0, 16, POOL_STALE},
    {"never given out, later", AT_FRESH, 160, CHUNK, POOL_STALE},
    {"never given out, last", AT_END, -16, 16, POOL_STALE},
    {"from before a reset", AT_STALE, 0, CHUNK, POOL_STALE},
    {"from before a reset, other size", AT_STALE, 0, 16, POOL_STALE},

    {"a granule too few", AT_LIVE, 0, CHUNK - 16, POOL_WRONG_SIZE},
    {"a granule too many", AT_LIVE, 0, CHUNK + 16, POOL_WRONG_SIZE},
    {"a byte too many for its granules", AT_LIVE, 0, CHUNK + 1, POOL_WRONG_SIZE},
    {"one granule", AT_LIVE, 0, 1, POOL_WRONG_SIZE},
    {"256 granules more", AT_LIVE, 0, CHUNK + 256 * 16, POOL_WRONG_SIZE},
    {"2^16 granules more", AT_LIVE, 0, CHUNK + (16u << 16), POOL_WRONG_SIZE},
    {"size of SIZE_MAX", AT_LIVE, 0, SIZE_MAX, POOL_WRONG_SIZE},
    {"size that rounds to 0", AT_LIVE, 0, SIZE_MAX - 14, POOL_WRONG_SIZE},
    {"largest size that does not round", AT_LIVE, 0, SIZE_MAX - 15, POOL_WRONG_SIZE},
    {"half of all sizes more", AT_LIVE, 0, SIZE_MAX / 2 + 1 + CHUNK, POOL_WRONG_SIZE},
#if SIZE_MAX > 0xffffffff
    {"2^32 granules more", AT_LIVE, 0, CHUNK + ((size_t)16 << 32), POOL_WRONG_SIZE},
    {"2^32 bytes more", AT_LIVE, 0, CHUNK + ((size_t)1 << 32), POOL_WRONG_SIZE},
#endif
    {"large, a granule too few", AT_LARGE, 0, LARGE - 16, POOL_WRONG_SIZE},
    {"large, a granule too many", AT_LARGE, 0, LARGE + 16, POOL_WRONG_SIZE},
    {"large, 256 granules too few", AT_LARGE, 0, LARGE - 256 * 16, POOL_WRONG_SIZE},
    {"large, 256 granules too many", AT_LARGE, 0, LARGE + 256 * 16, POOL_WRONG_SIZE},
    {"large, 64 granules too few", AT_LARGE, 0, LARGE - 64 * 16, POOL_WRONG_SIZE},
    {"large, size of SIZE_MAX", AT_LARGE, 0, SIZE_MAX, POOL_WRONG_SIZE},
    {"large, one byte", AT_LARGE, 0, 1, POOL_WRONG_SIZE},
    {"size 0", AT_LIVE, 0, 0, POOL_ZERO_SIZE},
    {"large, size 0", AT_LARGE, 0, 0, POOL_ZERO_SIZE},
};

/* Asserts what holds after every refusal. */
static void assert_told(struct rig *rig, int result, enum pool_reason reason, const void *ptr)
{
    assert_int_equal(result, -1);
    if (pool_error(&rig->pool) != reason)
        fail_msg("refused as \"%s\" and not as \"%s\"", pool_strerror(pool_error(&rig->pool)),
                 pool_strerror(reason));
    assert_int_equal(rig->told.count, 1);
    assert_ptr_equal(rig->told.pool, &rig->pool);
    assert_int_equal(rig->told.reason, reason);
    assert_int_equal(rig->told.asked, reason);
    if (ptr != NULL)
        assert_ptr_equal(rig->told.ptr, ptr);
    rig->told.count = 0;
    rig_assert_sound(rig);
}

static void refuse(void **state)
{
    const struct refusal *refusal = *state;
    for (size_t k = 0; k < KINDS; k++) {
        struct stage stage;
        stage_open(&stage, &kinds[k], refusal->spot == AT_STALE);
        struct rig *rig = &stage.rig;
        uintptr_t bad = (uintptr_t)stage.spots[refusal->spot] + (uintptr_t)refusal->offset;
        if (refusal->spot != AT_NOTHING)
            assert_non_null(stage.spots[refusal->spot]);

        int sized = refusal->reason == POOL_WRONG_SIZE || refusal->reason == POOL_ZERO_SIZE;
        for (int call = 0; call < (sized ? 4 : 5); call++) {
            static const size_t new_sizes[] = {0, 16, CHUNK, LARGE};
            struct snapshot before, other;
            void *ptr = (void *)bad;
            snapshot_take(&before, rig);
            snapshot_take(&other, &stage.other);
            int result = call == 0   ? pool_free(&ptr, refusal->size, &rig->pool)
                         : call == 4 ? pool_free_unsized(&ptr, &rig->pool)
                                     : pool_realloc(&rig->pool, &ptr, refusal->size,
                                                    new_sizes[call], POOL_I8);
            assert_ptr_equal(ptr, (void *)bad);
            snapshot_assert_same(&before, rig);
            snapshot_assert_same(&other, &stage.other);
            assert_told(rig, result, refusal->reason, ptr);
            rig_assert_guards(rig);
            if (!sized)
                assert_int_equal(pool_size_of(&rig->pool, ptr), 0);
        }
        /* The chunks beside the refusal can still be freed */
        drop(rig, stage.spots[AT_LIVE], CHUNK);
        drop(rig, stage.spots[AT_LARGE], LARGE);
        rig_assert_sound(rig);
        stage_close(&stage);
    }
}

/* A size or type that no pool of this capacity could serve, given to pool_alloc and as a new size.
 * */
static const struct demand {
    const char *name;
    size_t size; /* with its highest bit clear: beyond the capacity */
    int beyond;
    unsigned type;
    enum pool_reason reason;
} demands[] = {
    {"alloc of size 0", 0, 0, POOL_I8, POOL_ZERO_SIZE},
    {"alloc of size 0 to a page", 0, 0, POOL_PAGE, POOL_ZERO_SIZE},
    {"alloc of a byte beyond the capacity", 1, 1, POOL_I8, POOL_TOO_LARGE},
    {"alloc of a granule beyond the capacity", 16, 1, POOL_USER, POOL_TOO_LARGE},
    {"alloc of SIZE_MAX", SIZE_MAX, 0, POOL_I8, POOL_TOO_LARGE},
    {"alloc of a size that rounds to 0", SIZE_MAX - 14, 0, POOL_I8, POOL_TOO_LARGE},
    {"alloc of SIZE_MAX - 15", SIZE_MAX - 15, 0, POOL_I8, POOL_TOO_LARGE},
    {"alloc of SIZE_MAX to a page", SIZE_MAX, 0, POOL_PAGE, POOL_TOO_LARGE},
    {"alloc of SIZE_MAX - 4,095 to a page", SIZE_MAX - 4095, 0, POOL_PAGE, POOL_TOO_LARGE},
    {"alloc of half of all sizes", SIZE_MAX / 2 + 1, 0, POOL_I8, POOL_TOO_LARGE},
    {"alloc of the largest ptrdiff_t", SIZE_MAX / 2, 0, POOL_I8, POOL_TOO_LARGE},
#if SIZE_MAX > 0xffffffff
    {"alloc of 2^32 bytes", (size_t)1 << 32, 0, POOL_I8, POOL_TOO_LARGE},
    {"alloc of 2^32 bytes and 16", ((size_t)1 << 32) + 16, 0, POOL_I8, POOL_TOO_LARGE},
    {"alloc of 2^36 bytes and 16", ((size_t)1 << 36) + 16, 0, POOL_I8, POOL_TOO_LARGE},
    {"alloc of 2^40 bytes and 16", ((size_t)1 << 40) + 16, 0, POOL_I8, POOL_TOO_LARGE},
#endif
    {"alloc of a type beyond a page", 16, 0, POOL_PAGE + 1, POOL_BAD_ALIGNMENT},
    {"alloc to 3 bytes", 16, 0, POOL_ALIGN(3), POOL_BAD_ALIGNMENT},
    {"alloc to 0 bytes", 16, 0, POOL_ALIGN(0), POOL_BAD_ALIGNMENT},
    {"alloc to 8,192 bytes", 16, 0, POOL_ALIGN(8192), POOL_BAD_ALIGNMENT},
    {"alloc of type 31", 16, 0, 31, POOL_BAD_ALIGNMENT},
    {"alloc of type 32", 16, 0, 32, POOL_BAD_ALIGNMENT},
    {"alloc of type 64", 16, 0, 64, POOL_BAD_ALIGNMENT},
    {"alloc of type 68", 16, 0, 68, POOL_BAD_ALIGNMENT},
    {"alloc of type 256", 16, 0, 256, POOL_BAD_ALIGNMENT},
    {"alloc of type INT_MAX", 16, 0, INT_MAX, POOL_BAD_ALIGNMENT},
};

static void refuse_demand(void **state)
{
    const struct demand *demand = *state;
    for (size_t k = 0; k < KINDS; k++) {
        struct stage stage;
        stage_open(&stage, &kinds[k], 0);
        struct rig *rig = &stage.rig;
        size_t size = demand->size + (demand->beyond ? rig->capacity : 0);
        enum pool_type type = (enum pool_type)demand->type;
        struct snapshot before;

        void *ptr = &stage;
        snapshot_take(&before, rig);
        int result = pool_alloc(&rig->pool, &ptr, size, type);
        assert_ptr_equal(ptr, &stage);
        snapshot_assert_same(&before, rig);
        assert_told(rig, result, demand->reason, NULL);

        static const enum spot spots[] = {AT_LIVE, AT_LARGE};
        static const size_t old_sizes[] = {CHUNK, LARGE};
        for (size_t i = 0; i < COUNT_OF(spots); i++) {
            ptr = stage.spots[spots[i]];
            snapshot_take(&before, rig);
            result = pool_realloc(&rig->pool, &ptr, old_sizes[i], size, type);
            assert_ptr_equal(ptr, stage.spots[spots[i]]);
            snapshot_assert_same(&before, rig);
            assert_told(rig, result, demand->reason, NULL);
        }
        ptr = NULL;
        snapshot_take(&before, rig);
        result = pool_realloc(&rig->pool, &ptr, 0, size, type);
        assert_null(ptr);
        snapshot_assert_same(&before, rig);
        assert_told(rig, result, demand->reason, NULL);
        stage_close(&stage);
    }
}

static void null_arguments(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct stage stage;
        stage_open(&stage, &kinds[k], 0);
        struct rig *rig = &stage.rig;
        struct m_pool *pool = &rig->pool;
        struct snapshot before;
        void *live = stage.spots[AT_LIVE];
        struct pool_stats stats;

        snapshot_take(&before, rig);
        assert_told(rig, pool_alloc(pool, NULL, 16, POOL_I8), POOL_NULL_ARGUMENT, NULL);
        assert_told(rig, pool_free(NULL, 16, pool), POOL_NULL_ARGUMENT, NULL);
        assert_told(rig, pool_free_unsized(NULL, pool), POOL_NULL_ARGUMENT, NULL);
        assert_told(rig, pool_realloc(pool, NULL, 16, 32, POOL_I8), POOL_NULL_ARGUMENT, NULL);
        assert_int_equal(pool_alloc(NULL, &live, 16, POOL_I8), -1);
        assert_int_equal(pool_free(&live, CHUNK, NULL), -1);
        assert_int_equal(pool_free_unsized(&live, NULL), -1);
        assert_int_equal(pool_realloc(NULL, &live, CHUNK, 16, POOL_I8), -1);
        assert_int_equal(pool_stats(pool, NULL), -1);
        assert_int_equal(pool_stats(NULL, &stats), -1);
        assert_int_equal(pool_walk(pool, NULL, NULL), -1);
        assert_ptr_equal(live, stage.spots[AT_LIVE]);
        snapshot_assert_same(&before, rig);
        stage_close(&stage);
    }
}

/* Takes all that there is, by granules, and leaves free every `step`th of them; 0: none. */
static size_t fill_up(struct rig *rig, void **chunks, size_t room, size_t step)
{
    size_t count = 0;
    while (count < room && pool_alloc(&rig->pool, &chunks[count], 16, POOL_I8) == 0)
        count++;
    assert_int_equal(count, rig->block / 16 / chunk_granules(16));
    for (size_t i = 0; step > 0 && i < count; i += step)
        assert_int_equal(pool_free(&chunks[i], 16, &rig->pool), 0);
    rig->told.count = 0;
    return count;
}

static void out_of_memory(void **state)
{
    (void)state;
    static void *chunks[4096];
    for (size_t k = 0; k < KINDS; k++)
        for (size_t step = 0; step <= 4; step++) {
            struct rig rig;
            struct snapshot before;
            rig_open(&rig, &kinds[k], 16384);
            size_t count = fill_up(&rig, chunks, COUNT_OF(chunks), step == 1 ? 0 : step);
            size_t spare = (size_t)REDZONE * POOL_GRANULE; /* too little for a chunk */
            size_t size = step < 2 ? 1 : 17 + spare;

            void *ptr = &rig;
            snapshot_take(&before, &rig);
            int result = pool_alloc(&rig.pool, &ptr, size, POOL_I8);
            assert_ptr_equal(ptr, &rig);
            snapshot_assert_same(&before, &rig);
            assert_told(&rig, result, POOL_OUT_OF_MEMORY, NULL);

            /* To grow a chunk that has a live one after it, or the end of the block */
            for (size_t i = 0; i < count; i += count / 7) {
                if (chunks[i] == NULL)
                    continue;
                int hemmed_in = step < 2;
                ptr = chunks[i];
                snapshot_take(&before, &rig);
                result = pool_realloc(&rig.pool, &ptr, 16, (hemmed_in ? 17 : 49) + spare, POOL_I8);
                assert_ptr_equal(ptr, chunks[i]);
                snapshot_assert_same(&before, &rig);
                assert_told(&rig, result, POOL_OUT_OF_MEMORY, ptr);
            }
            rig_close(&rig);
        }
}

/* Whether a granule of a chunk of 16 bytes is aligned for the type. */
static int holds_aligned(const void *chunk, unsigned type)
{
    uintptr_t last = (uintptr_t)chunk + chunk_granules(16) * POOL_GRANULE - 1;
    return ((uintptr_t)chunk - 1) >> type != last >> type;
}

/* Free granules enough, but none where the alignment asks for them. */
static void out_of_aligned_memory(void **state)
{
    (void)state;
    static void *chunks[4096];
    for (size_t k = 0; k < KINDS; k++)
        for (unsigned type = 5; type <= 8; type++) {
            struct rig rig;
            struct snapshot before;
            rig_open(&rig, &kinds[k], 16384);
            size_t count = fill_up(&rig, chunks, COUNT_OF(chunks), 0);
            for (size_t i = 0; i < count; i++)
                if (!holds_aligned(chunks[i], type))
                    assert_int_equal(pool_free(&chunks[i], 16, &rig.pool), 0);
            void *ptr = &rig;
            snapshot_take(&before, &rig);
            int result = pool_alloc(&rig.pool, &ptr, 16, (enum pool_type)type);
            assert_ptr_equal(ptr, &rig);
            snapshot_assert_same(&before, &rig);
            assert_told(&rig, result, POOL_OUT_OF_MEMORY, NULL);
            rig_close(&rig);
        }
}

/* Inside of what has been freed, where no chunk ever started: refused, by whichever name. */
static void inside_a_freed_chunk(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct stage stage;
        stage_open(&stage, &kinds[k], 0);
        struct rig *rig = &stage.rig;
        static const enum spot spots[] = {AT_FREED, AT_FREED_MIDDLE, AT_FREED_LARGE, AT_FREED_ODD};
        for (size_t i = 0; i < COUNT_OF(spots); i++) {
            struct snapshot before;
            void *bad = stage.spots[spots[i]] + 16, *ptr = bad;
            snapshot_take(&before, rig);
            assert_int_equal(pool_free(&ptr, 16, &rig->pool), -1);
            assert_ptr_equal(ptr, bad);
            snapshot_assert_same(&before, rig);
            enum pool_reason reason = pool_error(&rig->pool);
            assert_true(reason == POOL_ALREADY_FREE || reason == POOL_STALE ||
                        reason == POOL_INTERIOR);
            rig->told.count = 0;
        }
        stage_close(&stage);
    }
}

/* What the user writes into a chunk is never taken for the pool's own knowledge. */
static void contents_are_not_believed(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++)
        for (unsigned value = 0; value < 256; value++) {
            struct rig rig;
            rig_open(&rig, &kinds[k], 2048);
            void *live = take(&rig, 320);
            memset(live, (int)value, 320);
            for (size_t offset = 16; offset < 320; offset += 16) {
                void *ptr = (char *)live + offset;
                assert_int_equal(pool_free(&ptr, 16, &rig.pool), -1);
                assert_int_equal(pool_error(&rig.pool), POOL_INTERIOR);
            }
            assert_filled(live, 320, (unsigned char)value);
            drop(&rig, live, 320);
            rig_close(&rig);
        }
}

/* Nor is what a buffer happens to hold before anything has been given out. */
static void old_contents_are_not_believed(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value++) {
        static unsigned char buffer[4096];
        const struct pool_config config = {.buffer = buffer, .buffer_size = sizeof buffer};
        struct m_pool pool = {0};
        memset(buffer, (int)value, sizeof buffer);
        assert_int_equal(pool_init_with(&pool, &config), 0);
        for (size_t granules = 1; granules <= 100; granules++)
            for (size_t at = 0; at < 100 * 16; at += 7 * 16) {
                void *ptr = pool.base + at;
                assert_int_equal(pool_size_of(&pool, ptr), 0);
                assert_int_equal(pool_free(&ptr, granules * 16, &pool), -1);
                assert_int_equal(pool_error(&pool), POOL_STALE);
            }
        pool_destroy(&pool);
    }
}

int main(void)
{
    static struct CMUnitTest tests[COUNT_OF(refusals) + COUNT_OF(demands) + 6] = {
        cmocka_unit_test(null_arguments),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(out_of_aligned_memory),
        cmocka_unit_test(inside_a_freed_chunk),
        cmocka_unit_test(contents_are_not_believed),
        cmocka_unit_test(old_contents_are_not_believed),
    };
    size_t count = 6;
    for (size_t i = 0; i < COUNT_OF(refusals); i++)
        tests[count++] = (struct CMUnitTest){
            .name = refusals[i].name, .test_func = refuse, .initial_state = (void *)&refusals[i]};
    for (size_t i = 0; i < COUNT_OF(demands); i++)
        tests[count++] = (struct CMUnitTest){.name = demands[i].name,
                                             .test_func = refuse_demand,
                                             .initial_state = (void *)&demands[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
