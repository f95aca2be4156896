/* The promises of mem_pool.h, checked around each call. */

static struct m_pool pool, other;
static unsigned char *block; /* its start … */
static size_t capacity;      /* … and its bytes */
static size_t reach;         /* bytes of it below the end of the last chunk given out */
static struct object {
    unsigned char *at; /* NULL if the slot is empty */
    size_t size;
    unsigned char *freed, *stale;
    size_t freed_size, stale_size;
} objects[SLOTS];
static int step; /* the operation that is running */

static void expect(int holds, const char *promise)
{
    if (holds)
        return;
    fprintf(stderr, "operation %d: %s\n", step, promise);
    abort();
}

static size_t rounded(size_t size)
{
    return (size + POOL_GRANULE - 1) / POOL_GRANULE * POOL_GRANULE;
}

static unsigned char pattern(unsigned slot, size_t i)
{
    return (unsigned char)(1 + (slot * 89 + i * 37) % 255);
}

static void fill(unsigned slot)
{
    for (size_t i = 0; i < objects[slot].size; i++)
        objects[slot].at[i] = pattern(slot, i);
}

#ifdef WITH_ASAN
static int look(void *context, const struct pool_extent *extent)
{
    const unsigned char *const start = extent->start;
    size_t open = 0;
    (void)context;
    for (unsigned slot = 0; slot < SLOTS; slot++)
        open = objects[slot].at == start ? objects[slot].size : open;
    for (size_t i = 0; i < extent->size; i++)
        expect(IS_CLOSED(start + i) == (i >= open), "the shadow of a byte is wrong");
    return 0;
}
#endif

static struct walked {
    size_t bytes, chunks, free, runs, longest; /* free: bytes of the run that is being walked */
} walked;

static int step_over(void *context, const struct pool_extent *extent)
{
    const unsigned char *const start = extent->start;
    (void)context;
    expect(start == block + walked.bytes, "pool_walk leaves a gap");
    if (extent->kind == POOL_LIVE) {
        int known = 0;
        for (unsigned slot = 0; slot < SLOTS; slot++)
            known |= objects[slot].at == start && rounded(objects[slot].size) == extent->size;
        expect(known, "pool_walk shows a live chunk that is not so");
        walked.chunks++;
        walked.free = 0;
    } else {
        expect((extent->kind == POOL_FRESH) == (walked.bytes >= reach),
               "pool_walk is wrong about what is fresh");
        walked.runs += walked.free == 0;
        walked.free += extent->size;
        walked.longest = walked.free > walked.longest ? walked.free : walked.longest;
    }
    walked.bytes += extent->size;
    return 0;
}

/* Whatever holds after every operation. */
static void verify(void)
{
    const char *broken = "";
    size_t live = 0, chunks = 0;
    struct pool_stats stats;
    const int whole = pool_check(&pool, &broken) == 0;
    expect(whole, broken);
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        const struct object *const object = &objects[slot];
        if (!object->at)
            continue;
        live += rounded(object->size);
        chunks++;
        expect(pool_size_of(&pool, object->at) == rounded(object->size), "a chunk lost its size");
        for (size_t i = 0; i < object->size; i++)
            expect(object->at[i] == pattern(slot, i), "a chunk's contents changed");
    }
    walked = (struct walked){0};
    expect(pool_walk(&pool, step_over, NULL) == 0, "pool_walk is refused");
    expect(walked.bytes == capacity && walked.chunks == chunks, "pool_walk leaves something out");
    expect(pool_stats(&pool, &stats) == 0 && stats.live_bytes == live, "the live bytes are wrong");
    expect(stats.capacity == capacity && stats.live_chunks == chunks &&
               stats.free_bytes == capacity - live && stats.free_runs == walked.runs &&
               stats.largest_free == walked.longest && stats.high_water == reach,
           "the statistics are wrong");
#ifdef WITH_ASAN
    pool_walk(&pool, look, NULL);
#endif
}

/* What a refusal must not change: the block's memory is only compared where nothing watches it. */
static unsigned char pool_before[sizeof(struct m_pool)];
static unsigned char *memory_before;
static int told; /* how often on_error was called, and last with what */
static enum pool_reason told_reason;

static void hear(void *context, const struct m_pool *where, enum pool_reason reason,
                 const void *ptr)
{
    (void)context, (void)ptr;
    told += where == &pool;
    told_reason = reason;
}

static void remember(void)
{
    told = 0;
    memcpy(pool_before, &pool, sizeof pool);
#ifndef WATCHED
    memory_before = memory_before ? memory_before : malloc(capacity);
    expect(memory_before && block, "there is no memory for a copy");
    memcpy(memory_before, block, capacity);
#endif
}

static void unchanged(void)
{
    expect(told == 1 && told_reason == pool_error(&pool), "on_error is not called once");
    unsigned char now[sizeof pool];
    memcpy(now, &pool, sizeof pool);
    memcpy(pool_before + offsetof(struct m_pool, reason), &pool.reason, sizeof pool.reason);
    expect(memcmp(pool_before, now, sizeof now) == 0, "a refused call changes the pool");
#ifndef WATCHED
    expect(memcmp(memory_before, block, capacity) == 0, "a refused call changes memory");
#endif
}

/* A chunk that the pool gave: its place, and zeroes from `kept` on. */
static void receive(unsigned slot, void *ptr, size_t kept, size_t size, unsigned type)
{
    expect((uintptr_t)ptr % POOL_GRANULE == 0, "a chunk does not start at a granule");
    expect((uintptr_t)ptr % ((size_t)1 << type) == 0, "a chunk is not aligned");
    expect(pool_owns(&pool, ptr), "a chunk is not in the block");
    expect(told == 0, "on_error is called without a refusal");
    objects[slot].at = ptr;
    objects[slot].size = size;
    const size_t end = (size_t)(objects[slot].at - block) + rounded(size);
    reach = end > reach ? end : reach;
    for (size_t i = 0; i < kept && i < size; i++)
        expect(objects[slot].at[i] == pattern(slot, i), "realloc lost contents");
    for (size_t i = kept; i < size && !KEEPS; i++)
        expect(objects[slot].at[i] == 0, "a new byte is not zero");
    fill(slot);
}

/* A refusal is due only if the largest free extent could not have held the chunk for certain. */
static void refused(size_t size, unsigned type)
{
    struct pool_stats stats;
    const size_t align = type > POOL_USER ? (size_t)1 << type : POOL_GRANULE;
    const size_t needed = size + POOL_GRANULE + align - POOL_GRANULE;
    const int known =
        pool_error(&pool) == POOL_OUT_OF_MEMORY || pool_error(&pool) == POOL_TOO_LARGE;
    expect(known, "refused for the wrong reason");
    expect(pool_stats(&pool, &stats) == 0, "no statistics");
    expect(stats.largest_free < needed, "refused although there is room");
    unchanged();
}

static void take(unsigned slot, size_t size, unsigned type)
{
    void *ptr = NULL;
    remember();
    if (pool_alloc(&pool, &ptr, size, (enum pool_type)type) == 0)
        receive(slot, ptr, 0, size, type);
    else
        refused(size, type);
    verify();
}

static void resize(unsigned slot, size_t size, unsigned type)
{
    struct object *const object = &objects[slot];
    const struct object before = *object;
    void *ptr = object->at;
    if (!ptr)
        return; /* its allocation was refused */
    remember();
    if (pool_realloc(&pool, &ptr, object->size, size, (enum pool_type)type) == 0) {
        receive(slot, ptr, object->size, size, type);
        if (ptr != before.at) {
            object->freed = before.at;
            object->freed_size = before.size;
        }
    } else {
        expect(ptr == before.at, "a refused realloc changes the pointer");
        refused(size, type);
    }
    verify();
}

static void give(unsigned slot)
{
    struct object *const object = &objects[slot];
    void *ptr = object->at;
    if (!ptr)
        return;
    object->freed = object->at;
    object->freed_size = object->size;
    object->at = NULL;
    expect(pool_free(&ptr, object->size, &pool) == 0, "a good free is refused");
    expect(ptr == NULL, "free does not clear the pointer");
    expect(pool_size_of(&pool, object->freed) == 0, "pool_size_of knows what has been freed");
    verify();
}

static void reset(void)
{
    expect(pool_reset(&pool) == 0, "a reset is refused");
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (objects[slot].at) {
            objects[slot].stale = objects[slot].at;
            objects[slot].stale_size = objects[slot].size;
        }
        objects[slot].at = NULL;
    }
    reach = 0;
    verify();
}

/* Why a free of this is refused; POOL_OK if a live chunk of as many granules starts there after
 * all. */
static enum pool_reason due(const unsigned char *at, size_t size)
{
    const size_t offset = (size_t)((uintptr_t)at - (uintptr_t)block);
    if (size == 0)
        return POOL_ZERO_SIZE;
    if (offset >= capacity)
        return POOL_OUTSIDE;
    if (offset % POOL_GRANULE != 0)
        return POOL_MISALIGNED;
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        const struct object *const object = &objects[slot];
        const size_t within = (size_t)((uintptr_t)at - (uintptr_t)object->at);
        if (!object->at || within >= rounded(object->size))
            continue;
        if (within > 0)
            return POOL_INTERIOR;
        return rounded(object->size) == rounded(size) ? POOL_OK : POOL_WRONG_SIZE;
    }
    return offset < reach ? POOL_ALREADY_FREE : POOL_STALE;
}

/* A free, or with a new size a realloc, which is refused unless it is right after all. */
static void bad_call(unsigned char *at, size_t size, size_t new_size)
{
    void *ptr = at;
    const enum pool_reason reason = at ? due(at, size) : POOL_OK;
    if (reason == POOL_OK)
        return;
    remember();
    const int result = new_size > 0 ? pool_realloc(&pool, &ptr, size, new_size, POOL_I8)
                                    : pool_free(&ptr, size, &pool);
    expect(result == -1, "a bad call succeeds");
    expect(ptr == at, "a refused call changes the pointer");
    expect(pool_error(&pool) == reason, "refused for the wrong reason");
    unchanged();
    verify();
}

static void bad_free(unsigned char *at, size_t size)
{
    bad_call(at, size, 0);
}

/* A free so many bytes after the start of an object; after its end that may be right. */
static void bad_free_inside(unsigned slot, size_t offset)
{
    if (objects[slot].at)
        bad_free(objects[slot].at + offset, objects[slot].size);
}

static void bad_free_at(size_t offset)
{
    bad_free((unsigned char *)((uintptr_t)block + offset), 1);
}

static void bad_realloc(unsigned char *at, size_t old_size, size_t size)
{
    bad_call(at, old_size, size);
}

static void bad_realloc_inside(unsigned slot, size_t size)
{
    if (objects[slot].at)
        bad_realloc(objects[slot].at + POOL_GRANULE, objects[slot].size, size);
}

static void bad_alloc(size_t size, unsigned type)
{
    void *ptr = &pool;
    remember();
    expect(pool_alloc(&pool, &ptr, size, (enum pool_type)type) == -1, "a bad alloc succeeds");
    expect(ptr == &pool, "a refused alloc changes the pointer");
    unchanged();
    verify();
}

static unsigned char *foreign(size_t size)
{
    void *ptr = NULL;
    const struct pool_config config = {.capacity = 65536};
    pool_destroy(&other);
    expect(pool_init_with(&other, &config) == 0, "there is no second pool");
    if (pool_alloc(&other, &ptr, size, POOL_I8) != 0)
        (void)pool_alloc(&other, &ptr, 1, POOL_I8);
    return ptr;
}
