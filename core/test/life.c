/* From init to destroy: every source, settings that are refused, dead pools. */
#include "rig.h"

/* Asserts that every call on a pool that is not alive is refused. */
static void assert_dead(struct m_pool *pool)
{
    unsigned char other[64] = {0};
    void *ptr = other;
    size_t released = 77;
    struct pool_stats stats, before;
    const char *broken = NULL;
    memset(&stats, 0x33, sizeof stats);
    before = stats;

    assert_int_equal(pool_alloc(pool, &ptr, 16, POOL_I8), -1);
    assert_int_equal(pool_error(pool), POOL_DEAD);
    assert_int_equal(pool_realloc(pool, &ptr, 16, 32, POOL_I8), -1);
    assert_int_equal(pool_error(pool), POOL_DEAD);
    assert_int_equal(pool_free(&ptr, 16, pool), -1);
    assert_int_equal(pool_error(pool), POOL_DEAD);
    assert_ptr_equal(ptr, other);
    void *nothing = NULL;
    assert_int_equal(pool_free(&nothing, 16, pool), -1);
    assert_int_equal(pool_error(pool), POOL_DEAD);
    assert_int_equal(pool_realloc(pool, &nothing, 0, 16, POOL_I8), -1);
    assert_int_equal(pool_error(pool), POOL_DEAD);
    assert_null(nothing);
    assert_int_equal(pool_reset(pool), -1);
    assert_int_equal(pool_error(pool), POOL_DEAD);
    assert_int_equal(pool_trim(pool, &released), -1);
    assert_int_equal(released, 77);
    assert_int_equal(pool_check(pool, &broken), -1);
    assert_int_equal(pool_check(pool, NULL), -1);
    assert_int_equal(pool_stats(pool, &stats), -1);
    assert_memory_equal(&stats, &before, sizeof stats);
    assert_int_equal(pool_size_of(pool, other), 0);
    assert_int_equal(pool_size_of(pool, NULL), 0);
    assert_int_equal(pool_owns(pool, other), 0);
    assert_int_equal(pool_owns(pool, NULL), 0);
    assert_filled(other, sizeof other, 0);
}

static int never(void *context, const struct pool_extent *extent)
{
    (void)context;
    (void)extent;
    fail_msg("a dead pool was walked");
    return 1;
}

static void zeroed_is_dead(void **state)
{
    (void)state;
    struct m_pool pool = {0};
    assert_int_equal(pool_error(&pool), POOL_OK);
    assert_int_equal(pool_walk(&pool, never, NULL), -1);
    assert_dead(&pool);
    pool_destroy(&pool);
    pool_destroy(&pool);
    assert_dead(&pool);
}

static void destroyed_is_dead(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct rig rig;
        rig_open(&rig, &kinds[i], 4096);
        void *ptr = NULL;
        assert_int_equal(pool_alloc(&rig.pool, &ptr, 100, POOL_I64), 0);
        void *stale = ptr;
        pool_destroy(&rig.pool);
        assert_int_equal(pool_free(&stale, 100, &rig.pool), -1);
        assert_int_equal(pool_error(&rig.pool), POOL_DEAD);
        assert_ptr_equal(stale, ptr);
        assert_int_equal(pool_owns(&rig.pool, ptr), 0);
        assert_int_equal(pool_size_of(&rig.pool, ptr), 0);
        assert_int_equal(pool_walk(&rig.pool, never, NULL), -1);
        assert_dead(&rig.pool);
        pool_destroy(&rig.pool);
        assert_dead(&rig.pool);
        rig_close(&rig);
    }
}

static void null_pool(void **state)
{
    (void)state;
    void *ptr = &state;
    const char *broken;
    struct pool_stats stats;
    const struct pool_config config = {0};
    assert_int_equal(pool_init(NULL), -1);
    assert_int_equal(pool_init_with(NULL, NULL), -1);
    assert_int_equal(pool_init_with(NULL, &config), -1);
    assert_int_equal(pool_alloc(NULL, &ptr, 16, POOL_I8), -1);
    assert_int_equal(pool_realloc(NULL, &ptr, 16, 16, POOL_I8), -1);
    assert_int_equal(pool_free(&ptr, 16, NULL), -1);
    assert_int_equal(pool_free(NULL, 16, NULL), -1);
    assert_ptr_equal(ptr, &state);
    assert_int_equal(pool_reset(NULL), -1);
    assert_int_equal(pool_trim(NULL, NULL), -1);
    assert_int_equal(pool_check(NULL, &broken), -1);
    assert_int_equal(pool_stats(NULL, &stats), -1);
    assert_int_equal(pool_walk(NULL, never, NULL), -1);
    assert_int_equal(pool_size_of(NULL, &ptr), 0);
    assert_int_equal(pool_owns(NULL, &ptr), 0);
    assert_int_equal(pool_error(NULL), POOL_NULL_ARGUMENT);
    pool_destroy(NULL);
}

static void default_pool(void **state)
{
    (void)state;
    for (int with = 0; with < 3; with++) {
        struct m_pool pool = {0};
        const struct pool_config zero = {0};
        assert_int_equal(with == 0   ? pool_init(&pool)
                         : with == 1 ? pool_init_with(&pool, NULL)
                                     : pool_init_with(&pool, &zero),
                         0);
        assert_int_equal(pool_error(&pool), POOL_OK);
        struct pool_stats stats;
        assert_int_equal(pool_stats(&pool, &stats), 0);
        assert_int_equal(stats.capacity, 1024);
        assert_int_equal(stats.free_bytes, 1024);
        assert_int_equal(stats.largest_free, 1024);
        assert_int_equal(stats.free_runs, 1);
        assert_int_equal(stats.live_bytes, 0);
        assert_int_equal(stats.live_chunks, 0);
        assert_int_equal(stats.cached_bytes, 0);
        assert_int_equal(stats.cached_chunks, 0);
        assert_int_equal(stats.high_water, 0);

        void *whole = NULL;
        assert_int_equal(pool_alloc(&pool, &whole, 1024, POOL_USER), 0);
        assert_filled(whole, 1024, 0);
        assert_int_equal(pool_free(&whole, 1024, &pool), 0);
        assert_null(whole);
        pool_destroy(&pool);
    }
}

static void every_kind(void **state)
{
    (void)state;
    static const size_t capacities[] = {1, 15, 16, 17, 1000, 1024, 4096, 65536};
    for (size_t i = 0; i < KINDS; i++)
        for (size_t j = 0; j < COUNT_OF(capacities); j++) {
            struct rig rig;
            rig_open(&rig, &kinds[i], capacities[j]);
            void *whole = NULL;
            assert_int_equal(pool_alloc(&rig.pool, &whole, rig.capacity, POOL_I8), 0);
            memset(whole, 0xaa, rig.capacity);
            rig_assert_sound(&rig);
            rig_assert_guards(&rig);
            assert_int_equal(pool_free(&whole, rig.capacity, &rig.pool), 0);
            rig_assert_sound(&rig);
            rig_close(&rig);
        }
}

/* A destroyed pool can be made again, of another kind, and remembers nothing. */
static void made_again(void **state)
{
    (void)state;
    struct m_pool pool = {0};
    static unsigned char buffer[2048];
    const struct pool_config configs[] = {
        {.capacity = 4096},
        {.buffer = buffer, .buffer_size = sizeof buffer},
        {.capacity = 1 << 20, .flags = POOL_LAZY},
        {.capacity = 128, .flags = POOL_STRICT | POOL_KEEP_CONTENTS},
    };
    for (size_t round = 0; round < 12; round++) {
        assert_int_equal(pool_init_with(&pool, &configs[round % COUNT_OF(configs)]), 0);
        assert_int_equal(pool_error(&pool), POOL_OK);
        void *chunks[3] = {NULL, NULL, NULL};
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(pool_alloc(&pool, &chunks[i], 16, POOL_I8), 0);
        assert_int_equal(pool_free(&chunks[1], 16, &pool), 0);
        assert_int_equal(pool_alloc(&pool, &chunks[1], 0, POOL_I8), -1);
        assert_int_equal(pool_check(&pool, NULL), 0);
        pool_destroy(&pool);
    }
}

static void *map_nothing(void *context, size_t bytes)
{
    (void)bytes;
    ++*(int *)context;
    return NULL;
}

static void unmap_nothing(void *context, void *memory, size_t bytes)
{
    (void)memory;
    (void)bytes;
    ++*(int *)context;
}

struct hearing {
    int mapped; /* first, as map_nothing counts here */
    int count;
    const struct m_pool *pool;
    enum pool_reason reason;
};

static void hear(void *context, const struct m_pool *pool, enum pool_reason reason, const void *ptr)
{
    struct hearing *hearing = context;
    (void)ptr;
    hearing->count++;
    hearing->pool = pool;
    hearing->reason = reason;
}

static unsigned char spare[4096];

static const struct refused_config {
    const char *what;
    struct pool_config config;
    enum pool_reason reason;
} refused_configs[] = {
    {"buffer and capacity",
     {.buffer = spare, .buffer_size = sizeof spare, .capacity = 64},
     POOL_BAD_CONFIG},
    {"buffer and map",
     {.buffer = spare, .buffer_size = sizeof spare, .map = map_nothing, .unmap = unmap_nothing},
     POOL_BAD_CONFIG},
    {"buffer and lazy",
     {.buffer = spare, .buffer_size = sizeof spare, .flags = POOL_LAZY},
     POOL_BAD_CONFIG},
    {"map and lazy",
     {.map = map_nothing, .unmap = unmap_nothing, .flags = POOL_LAZY},
     POOL_BAD_CONFIG},
    {"map without unmap", {.map = map_nothing}, POOL_BAD_CONFIG},
    {"unmap without map", {.unmap = unmap_nothing}, POOL_BAD_CONFIG},
    {"huge pages without lazy", {.flags = POOL_HUGE_PAGES}, POOL_BAD_CONFIG},
    {"unknown flag", {.flags = 1u << 20}, POOL_BAD_CONFIG},
    {"highest flag", {.flags = 1u << 31}, POOL_BAD_CONFIG},
    {"known and unknown flag", {.flags = POOL_STRICT | 1u << 9}, POOL_BAD_CONFIG},
    {"one byte beyond the largest capacity",
     {.capacity = POOL_MAX_CAPACITY + 1, .flags = POOL_LAZY},
     POOL_TOO_LARGE},
    {"capacity of SIZE_MAX", {.capacity = SIZE_MAX}, POOL_TOO_LARGE},
    {"capacity just below SIZE_MAX",
     {.capacity = SIZE_MAX - 14, .flags = POOL_LAZY},
     POOL_TOO_LARGE},
    {"capacity of more than half the address space",
     {.capacity = POOL_GRANULE + SIZE_MAX / 2 + 1, .map = map_nothing, .unmap = unmap_nothing},
     POOL_TOO_LARGE},
    {"buffer of one byte", {.buffer = spare, .buffer_size = 1}, POOL_BUFFER_TOO_SMALL},
    {"buffer of one granule", {.buffer = spare, .buffer_size = 16}, POOL_BUFFER_TOO_SMALL},
    {"empty buffer", {.buffer = spare, .buffer_size = 0}, POOL_BUFFER_TOO_SMALL},
    {"map that gives nothing", {.map = map_nothing, .unmap = unmap_nothing}, POOL_NO_BACKING},
    {"map that gives nothing for the largest capacity",
     {.map = map_nothing, .unmap = unmap_nothing, .capacity = POOL_MAX_CAPACITY},
     POOL_NO_BACKING},
    {"map that gives nothing for much",
     {.map = map_nothing, .unmap = unmap_nothing, .capacity = 1 << 30, .flags = POOL_STRICT},
     POOL_NO_BACKING},
};

/* The reason is in the struct, on_error has heard it once, and nothing else has changed. */
static void refuse_config(struct m_pool *pool, const struct refused_config *refused)
{
    struct hearing hearing = {0};
    struct pool_config config = refused->config;
    struct m_pool before = *pool;
    config.on_error = hear;
    config.context = &hearing;
    memset(spare, 0x5c, sizeof spare);
    if (pool_init_with(pool, &config) != -1 || pool_error(pool) != refused->reason)
        fail_msg("%s: %s", refused->what, pool_strerror(pool_error(pool)));
    assert_int_equal(hearing.count, 1);
    assert_ptr_equal(hearing.pool, pool);
    assert_int_equal(hearing.reason, refused->reason);
    assert_int_equal(hearing.mapped, refused->reason == POOL_NO_BACKING ? 1 : 0);
    assert_filled(spare, sizeof spare, 0x5c);
    before.reason = pool->reason;
    assert_memory_equal(pool, &before, sizeof *pool);
}

static void bad_config(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused_configs); i++) {
        struct m_pool pool;
        memset(&pool, 0, sizeof pool);
        refuse_config(&pool, &refused_configs[i]);
        assert_dead(&pool);

        /* Nor does it harm a pool that is alive */
        assert_int_equal(pool_init(&pool), 0);
        void *ptr = NULL;
        assert_int_equal(pool_alloc(&pool, &ptr, 16, POOL_I8), 0);
        refuse_config(&pool, &refused_configs[i]);
        assert_int_equal(pool_free(&ptr, 16, &pool), 0);
        pool_destroy(&pool);
    }
}

static void buffer_size_without_buffer(void **state)
{
    (void)state;
    struct m_pool pool = {0};
    const struct pool_config config = {.buffer_size = 4096};
    assert_int_equal(pool_init_with(&pool, &config), -1);
    assert_int_equal(pool_error(&pool), POOL_BAD_CONFIG);
    assert_dead(&pool);
}

static void reasons_have_sentences(void **state)
{
    (void)state;
    for (unsigned i = 0; i < POOL_REASONS; i++) {
        const char *one = pool_strerror((enum pool_reason)i);
        assert_non_null(one);
        assert_true(strlen(one) > 2);
        assert_int_not_equal(one[strlen(one) - 1], '.');
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(one, pool_strerror((enum pool_reason)j));
    }
    assert_non_null(pool_strerror(POOL_REASONS));
    assert_non_null(pool_strerror((enum pool_reason)0x7fffffff));
}

/* Two pools of each source side by side: what one does, the other does not see. */
static void independent(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct rig one, other;
        struct snapshot snapshot;
        rig_open(&one, &kinds[i], 2048);
        rig_open(&other, &kinds[i], 2048);
        void *mine = NULL;
        assert_int_equal(pool_alloc(&other.pool, &mine, 64, POOL_I8), 0);
        memset(mine, 0x11, 64);
        snapshot_take(&snapshot, &other);
        void *ptr = NULL;
        assert_int_equal(pool_alloc(&one.pool, &ptr, one.capacity, POOL_I8), 0);
        memset(ptr, 0x22, one.capacity);
        assert_int_equal(pool_owns(&other.pool, ptr), 0);
        assert_int_equal(pool_size_of(&other.pool, ptr), 0);
        assert_int_equal(pool_reset(&one.pool), 0);
        pool_destroy(&one.pool);
        snapshot_assert_same(&snapshot, &other);
        rig_close(&one);
        rig_close(&other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_is_dead), cmocka_unit_test(destroyed_is_dead),
        cmocka_unit_test(null_pool),      cmocka_unit_test(default_pool),
        cmocka_unit_test(every_kind),     cmocka_unit_test(made_again),
        cmocka_unit_test(bad_config),     cmocka_unit_test(buffer_size_without_buffer),
        cmocka_unit_test(independent),    cmocka_unit_test(reasons_have_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
