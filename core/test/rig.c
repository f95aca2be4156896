#include "rig.h"

#define PAGE ((size_t)4096)
#define GUARD 0xe7
#define GUARD_SIZE 128

#define NO_SANITIZE __attribute__((no_sanitize_address, noinline))
#if defined(__has_feature)
#if __has_feature(memory_sanitizer) /* what is looked at and scribbled on need not be written */
#undef NO_SANITIZE
#define NO_SANITIZE __attribute__((no_sanitize("memory"), noinline))
#endif
#endif

/* Valgrind is asked not to tell of it: to find that each byte's error is suppressed takes long. */
#if defined(POOL_VALGRIND)
#include <valgrind/valgrind.h>
#define LOOK_AWAY VALGRIND_DISABLE_ERROR_REPORTING
#define LOOK_AGAIN VALGRIND_ENABLE_ERROR_REPORTING
#else
#define LOOK_AWAY ((void)0)
#define LOOK_AGAIN ((void)0)
#endif

#define EACH_SOURCE(flags, suffix)                                                                 \
    {"malloc" suffix, FROM_MALLOC, flags}, {"buffer" suffix, FROM_BUFFER, flags},                  \
        {"map" suffix, FROM_MAP, flags}, {"lazy" suffix, FROM_SYSTEM, flags},                      \
    {                                                                                              \
        "lazy, huge pages" suffix, FROM_HUGE_PAGES, flags                                          \
    }

const struct kind kinds[KINDS] = {
    EACH_SOURCE(0, ""),
    EACH_SOURCE(POOL_STRICT, ", strict"),
    EACH_SOURCE(POOL_KEEP_CONTENTS, ", keep"),
    EACH_SOURCE(POOL_KEEP_CONTENTS | POOL_STRICT, ", keep, strict"),
};

static const unsigned source_flags[SOURCES] = {
    [FROM_SYSTEM] = POOL_LAZY,
    [FROM_HUGE_PAGES] = POOL_LAZY | POOL_HUGE_PAGES,
};

NO_SANITIZE void raw_read(void *to, const void *from, size_t size)
{
    volatile unsigned char *target = to;
    const volatile unsigned char *origin = from;
    LOOK_AWAY;
    for (size_t i = 0; i < size; i++)
        target[i] = origin[i];
    LOOK_AGAIN;
}

NO_SANITIZE void raw_write(void *to, const void *from, size_t size)
{
    raw_read(to, from, size);
}

static NO_SANITIZE size_t first_other(const unsigned char *bytes, size_t size, unsigned char value)
{
    size_t i = 0;
    LOOK_AWAY;
    while (i < size && ((const volatile unsigned char *)bytes)[i] == value)
        i++;
    LOOK_AGAIN;
    return i;
}

static NO_SANITIZE size_t first_difference(const unsigned char *one, const unsigned char *other,
                                           size_t size)
{
    const volatile unsigned char *left = one, *right = other;
    size_t i = 0;
    LOOK_AWAY;
    while (i < size && left[i] == right[i])
        i++;
    LOOK_AGAIN;
    return i;
}

size_t chunk_granules(size_t size)
{
    return size / POOL_GRANULE + (size % POOL_GRANULE != 0) + REDZONE;
}

size_t usable_bytes(size_t granules)
{
    return granules > REDZONE ? (granules - REDZONE) * POOL_GRANULE : 0;
}

size_t size_as_known(size_t size)
{
    return REDZONE ? size : usable_bytes(chunk_granules(size));
}

size_t room_for(size_t count, size_t size)
{
    return usable_bytes(count * chunk_granules(size));
}

int is_left_out(const char *why)
{
    if (REDZONE)
        print_message("# left out: in the checked build %s\n", why);
    return REDZONE;
}

static void hear(void *context, const struct m_pool *pool, enum pool_reason reason, const void *ptr)
{
    struct told *told = &((struct rig *)context)->told;
    told->count++;
    told->pool = pool;
    told->reason = reason;
    told->asked = pool_error(pool);
    told->ptr = ptr;
}

/* Gives rig->own: `size` bytes of no particular contents between guards. */
static void own_memory(struct rig *rig, size_t size)
{
    size_t before = GUARD_SIZE > rig->shift ? PAGE : 0;
    rig->allocated = malloc(PAGE + before + rig->shift + size + GUARD_SIZE);
    assert_non_null(rig->allocated);
    size_t to_page = (0 - (uintptr_t)rig->allocated) % PAGE;
    rig->own = (unsigned char *)rig->allocated + to_page + before + rig->shift;
    rig->own_size = size;
    memset(rig->own - GUARD_SIZE, GUARD, GUARD_SIZE);
    memset(rig->own, 0x5c, size);
    memset(rig->own + size, GUARD, GUARD_SIZE);
}

static void *map_own(void *context, size_t bytes)
{
    struct rig *rig = context;
    assert_null(rig->own); /* a pool has one block */
    own_memory(rig, bytes);
    rig->mapped++;
    return rig->own;
}

static void unmap_own(void *context, void *memory, size_t bytes)
{
    struct rig *rig = context;
    assert_ptr_equal(memory, rig->own);
    assert_int_equal(bytes, rig->own_size);
    rig->mapped--;
}

static int find_start(void *context, const struct pool_extent *extent)
{
    *(unsigned char **)context = extent->start;
    return 1;
}

/* Asks the new pool where it is. */
static void locate(struct rig *rig)
{
    struct pool_stats stats;
    assert_int_equal(pool_stats(&rig->pool, &stats), 0);
    rig->capacity = stats.capacity;
    rig->block = stats.capacity + (size_t)REDZONE * POOL_GRANULE;
    assert_int_equal(pool_walk(&rig->pool, find_start, &rig->base), 1);
    rig_assert_sound(rig);
}

static void rig_clear(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    rig->config.on_error = hear;
    rig->config.context = rig;
}

int rig_open_buffer(struct rig *rig, unsigned flags, size_t size, size_t shift)
{
    rig_clear(rig);
    rig->shift = shift;
    own_memory(rig, size);
    rig->config.flags = flags;
    rig->config.buffer = rig->own;
    rig->config.buffer_size = size;
    int result = pool_init_with(&rig->pool, &rig->config);
    if (result == 0)
        locate(rig);
    return result;
}

void rig_open_shifted(struct rig *rig, const struct kind *kind, size_t capacity, size_t shift)
{
    if (kind->source == FROM_BUFFER) {
        /* Bookkeeping, and what aligning costs. A byte of tag for a granule and a word for 64: an
         * eighth is plenty. The checked build has three bytes more. */
        size_t share = REDZONE ? 3 : 8;
        assert_int_equal(
            rig_open_buffer(rig, kind->flags, capacity + capacity / share + 512, shift), 0);
        assert_true(rig->capacity >= capacity);
        return;
    }
    rig_clear(rig);
    rig->shift = shift;
    rig->config.flags = kind->flags | source_flags[kind->source];
    rig->config.capacity = capacity;
    if (kind->source == FROM_MAP) {
        rig->config.map = map_own;
        rig->config.unmap = unmap_own;
    }
    assert_int_equal(pool_init_with(&rig->pool, &rig->config), 0);
    locate(rig);
    assert_int_equal(rig->capacity, (capacity + POOL_GRANULE - 1) / POOL_GRANULE * POOL_GRANULE);
}

void rig_open(struct rig *rig, const struct kind *kind, size_t capacity)
{
    rig_open_shifted(rig, kind, capacity, 0);
}

void rig_close(struct rig *rig)
{
    pool_destroy(&rig->pool);
    assert_int_equal(rig->mapped, 0);
    rig_assert_guards(rig);
    if (rig->own != NULL) {
        memset(rig->own, 0, rig->own_size); /* traps under ASan if a byte is still closed */
        assert_filled(rig->own, rig->own_size, 0);
    }
    free(rig->allocated);
    rig->allocated = NULL;
    rig->own = NULL;
}

void rig_assert_guards(const struct rig *rig)
{
    if (rig->own == NULL)
        return;
    const unsigned char *end = rig->own + rig->own_size;
    assert_int_equal(first_other(rig->own - GUARD_SIZE, GUARD_SIZE, GUARD), GUARD_SIZE);
    assert_int_equal(first_other(end, GUARD_SIZE, GUARD), GUARD_SIZE);
}

void rig_assert_sound(const struct rig *rig)
{
    const char *broken = NULL;
    if (pool_check(&rig->pool, &broken) != 0)
        fail_msg("pool_check: %s", broken != NULL ? broken : "(unnamed)");
}

static const unsigned char *worked_in(const struct rig *rig, size_t *size)
{
    *size = rig->own != NULL ? rig->own_size : rig->block;
    return rig->own != NULL ? rig->own : rig->base;
}

void snapshot_take(struct snapshot *snapshot, const struct rig *rig)
{
    const unsigned char *memory = worked_in(rig, &snapshot->size);
    memcpy(&snapshot->pool, &rig->pool, sizeof rig->pool);
    snapshot->bytes = malloc(snapshot->size + 1);
    assert_non_null(snapshot->bytes);
    raw_read(snapshot->bytes, memory, snapshot->size);
}

void snapshot_assert_same(struct snapshot *snapshot, const struct rig *rig)
{
    size_t size;
    const unsigned char *memory = worked_in(rig, &size);
    struct m_pool now;
    memcpy(&now, &rig->pool, sizeof now);
    now.reason = snapshot->pool.reason;
    assert_int_equal(
        first_difference((unsigned char *)&now, (unsigned char *)&snapshot->pool, sizeof now),
        sizeof now);
    assert_int_equal(size, snapshot->size);
    assert_int_equal(first_difference(memory, snapshot->bytes, size), size);
    free(snapshot->bytes);
    snapshot->bytes = NULL;
}

void assert_filled(const void *memory, size_t size, unsigned char value)
{
    const unsigned char *bytes = memory;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != value)
            fail_msg("byte %zu of %zu is 0x%02x and should be 0x%02x", i, size, bytes[i], value);
}

void assert_aligned(const void *memory, unsigned type)
{
    size_t align = (size_t)1 << (type < 4 ? 4 : type); /* no chunk starts inside a granule */
    if ((uintptr_t)memory % align != 0)
        fail_msg("%p is not aligned to %zu bytes", memory, align);
}

uint64_t random_next(uint64_t *state)
{
    uint64_t mix = *state += UINT64_C(0x9e3779b97f4a7c15);
    mix = (mix ^ (mix >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mix = (mix ^ (mix >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mix ^ (mix >> 31);
}

size_t random_below(uint64_t *state, size_t bound)
{
    return (size_t)(random_next(state) % bound);
}

uint64_t random_seed(uint64_t fallback)
{
    const char *text = getenv("POOL_TEST_SEED");
    uint64_t seed = fallback;
    if (text != NULL && *text != '\0') {
        char *end;
        seed = strtoull(text, &end, 0);
        if (*end != '\0')
            fail_msg("POOL_TEST_SEED is not a number: %s", text);
    }
    print_message("# POOL_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}
