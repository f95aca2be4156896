/* What a pool asks of its source: how often, what happens when it is refused, and that all goes
 * back.
 *
 * The library is linked in with malloc, mmap and their siblings wrapped (-Wl,--wrap), so that each
 * request of the library is seen, and the n-th can be made to fail.
 */
#include "rig.h"

#if !defined(_WIN32)
#include <sys/mman.h>
#include <unistd.h>
#endif

/* Requests since watch_from, and the one that fails: 1 the first, 0 none. */
static struct {
    int watching;
    int keeps; /* whether the system takes no page back before its time */
    size_t requests, mallocs, returns, fail_at;
    size_t mapped; /* bytes of the system's that have not gone back */
    int for_good;  /* whether those after it fail as well */
} watch;

static int denied(void)
{
    if (!watch.watching)
        return 0;
    watch.requests++;
    return watch.fail_at != 0 &&
           (watch.requests == watch.fail_at || (watch.for_good && watch.requests > watch.fail_at));
}

static void watch_from(size_t fail_at, int for_good)
{
    memset(&watch, 0, sizeof watch);
    watch.fail_at = fail_at;
    watch.for_good = for_good;
    watch.watching = 1;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void __real_free(void *ptr);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __wrap_free(void *ptr);

void *__wrap_malloc(size_t size)
{
    if (denied())
        return NULL;
    watch.mallocs += (size_t)watch.watching;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return denied() ? NULL : __real_calloc(count, size);
}

void __wrap_free(void *ptr)
{
    watch.returns += watch.watching && ptr != NULL;
    __real_free(ptr);
}

#if defined(_WIN32)

void *__stdcall __real_VirtualAlloc(void *at, size_t size, unsigned long how, unsigned long access);
int __stdcall __real_VirtualFree(void *at, size_t size, unsigned long how);

void *__stdcall __wrap_VirtualAlloc(void *at, size_t size, unsigned long how, unsigned long access);
int __stdcall __wrap_VirtualFree(void *at, size_t size, unsigned long how);

void *__stdcall __wrap_VirtualAlloc(void *at, size_t size, unsigned long how, unsigned long access)
{
    return denied() ? NULL : __real_VirtualAlloc(at, size, how, access);
}

int __stdcall __wrap_VirtualFree(void *at, size_t size, unsigned long how)
{
    int done = __real_VirtualFree(at, size, how);
    watch.returns += (size_t)(watch.watching && done);
    return done;
}

#else

void *__real_aligned_alloc(size_t align, size_t size);
int __real_posix_memalign(void **ptr, size_t align, size_t size);
void *__real_mmap(void *at, size_t size, int access, int flags, int file, off_t offset);
void *__real_mmap64(void *at, size_t size, int access, int flags, int file, off_t offset);
int __real_munmap(void *at, size_t size);
int __real_madvise(void *at, size_t size, int advice);

void *__wrap_aligned_alloc(size_t align, size_t size);
int __wrap_posix_memalign(void **ptr, size_t align, size_t size);
void *__wrap_mmap(void *at, size_t size, int access, int flags, int file, off_t offset);
void *__wrap_mmap64(void *at, size_t size, int access, int flags, int file, off_t offset);
int __wrap_munmap(void *at, size_t size);
int __wrap_madvise(void *at, size_t size, int advice);

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return denied() ? NULL : __real_aligned_alloc(align, size);
}

int __wrap_posix_memalign(void **ptr, size_t align, size_t size)
{
    return denied() ? 12 : __real_posix_memalign(ptr, align, size);
}

static size_t whole_pages(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

void *__wrap_mmap(void *at, size_t size, int access, int flags, int file, off_t offset)
{
    void *memory = denied() ? MAP_FAILED : __real_mmap(at, size, access, flags, file, offset);
    watch.mapped += memory == MAP_FAILED ? 0 : whole_pages(size);
    return memory;
}

void *__wrap_mmap64(void *at, size_t size, int access, int flags, int file, off_t offset)
{
    void *memory = denied() ? MAP_FAILED : __real_mmap64(at, size, access, flags, file, offset);
    watch.mapped += memory == MAP_FAILED ? 0 : whole_pages(size);
    return memory;
}

int __wrap_munmap(void *at, size_t size)
{
    watch.returns += (size_t)watch.watching;
    watch.mapped -= whole_pages(size);
    return __real_munmap(at, size);
}

int __wrap_madvise(void *at, size_t size, int advice)
{
    return watch.keeps ? -1 : __real_madvise(at, size, advice);
}

#endif

static const struct pool_config from_malloc = {.capacity = 8192};
static const struct pool_config lazy = {.capacity = 1 << 20, .flags = POOL_LAZY};
static const struct pool_config huge = {.capacity = 1 << 23, .flags = POOL_LAZY | POOL_HUGE_PAGES};
static const struct pool_config *const configs[] = {NULL, &from_malloc, &lazy, &huge};

/* Uses a pool for all that could make it ask for more. */
static void use(struct m_pool *pool)
{
    void *chunks[8] = {NULL};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT_OF(chunks); i++)
            assert_int_equal(pool_alloc(pool, &chunks[i], 16 + 8 * i, POOL_I64), 0);
        assert_int_equal(pool_realloc(pool, &chunks[3], 40, 300, POOL_I64), 0);
        assert_int_equal(pool_free(&chunks[3], 300, pool), 0);
        assert_int_equal(pool_alloc(pool, &chunks[3], SIZE_MAX, POOL_I64), -1);
        assert_int_equal(pool_trim(pool, NULL), 0);
        assert_int_equal(pool_check(pool, NULL), 0);
        assert_int_equal(pool_reset(pool), 0);
    }
}

static void default_pool_is_one_malloc(void **state)
{
    (void)state;
    struct m_pool pool = {0};
    watch_from(0, 0);
    assert_int_equal(pool_init(&pool), 0);
    assert_int_equal(watch.requests, 1);
    assert_int_equal(watch.mallocs, 1);
    use(&pool);
    assert_int_equal(watch.requests, 1);
    assert_int_equal(watch.returns, 0);
    pool_destroy(&pool);
    assert_int_equal(watch.returns, 1);
    pool_destroy(&pool);
    assert_int_equal(watch.returns, 1);
    watch.watching = 0;
}

static void all_goes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(configs); i++) {
        struct m_pool pool = {0};
        watch_from(0, 0);
        assert_int_equal(pool_init_with(&pool, configs[i]), 0);
        size_t requests = watch.requests, trimmed = watch.returns;
        assert_true(requests > 0);
        if (configs[i] == &huge && SYSTEM_PURGES)
            assert_int_equal((uintptr_t)pool.memory % ((size_t)2 << 20), 0);
        use(&pool);
        assert_int_equal(watch.requests, requests);
        pool_destroy(&pool);
        assert_true(watch.returns > trimmed);
        assert_int_equal(watch.mapped, 0);
        size_t returns = watch.returns;
        pool_destroy(&pool);
        assert_int_equal(watch.returns, returns);
        watch.watching = 0;
    }
}

static void buffer_asks_for_nothing(void **state)
{
    (void)state;
    static unsigned char buffer[4096];
    const struct pool_config config = {.buffer = buffer, .buffer_size = sizeof buffer};
    struct m_pool pool = {0};
    watch_from(0, 0);
    assert_int_equal(pool_init_with(&pool, &config), 0);
    use(&pool);
    pool_destroy(&pool);
    assert_int_equal(watch.requests, 0);
    assert_int_equal(watch.returns, 0);
    watch.watching = 0;
}

/* The n-th request fails, for every n, once and for good: the pool stays dead, and what was had
 * before goes back.
 */
static void nth_request_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(configs); i++)
        for (int for_good = 0; for_good < 2; for_good++)
            for (size_t n = 1;; n++) {
                struct m_pool pool, before;
                memset(&pool, 0, sizeof pool);
                watch_from(n, for_good);
                int result = pool_init_with(&pool, configs[i]);
                watch.watching = 0;
                if (result == 0) {
                    /* Fewer requests than n, or a pool that helped itself: it must be whole */
                    int spared = watch.requests < n;
                    use(&pool);
                    pool_destroy(&pool);
                    if (spared)
                        break;
                    continue;
                }
                assert_int_equal(pool_error(&pool), POOL_NO_BACKING);
                assert_int_equal(watch.returns, n - 1);
                memset(&before, 0, sizeof before);
                before.reason = pool.reason;
                assert_memory_equal(&pool, &before, sizeof pool);
                void *ptr = &pool;
                assert_int_equal(pool_alloc(&pool, &ptr, 16, POOL_I8), -1);
                assert_int_equal(pool_error(&pool), POOL_DEAD);
                assert_ptr_equal(ptr, &pool);
                pool_destroy(&pool);
                assert_int_equal(pool_init(&pool), 0); /* and can be tried again */
                use(&pool);
                pool_destroy(&pool);
            }
}

/* A system that refuses to take pages back, as it does where memory is locked: what is freed is
 * zeroed by hand, and a trim says that it released nothing. */
static void pages_are_kept(void **state)
{
    (void)state;
    const size_t size = (size_t)20 << 20;
    for (int keeps = !SYSTEM_PURGES; keeps < 2; keeps++) {
        const struct pool_config config = {.capacity = 2 * size, .flags = POOL_LAZY};
        struct m_pool pool = {0};
        void *ptr = NULL;
        size_t released = 1;
        assert_int_equal(pool_init_with(&pool, &config), 0);
        watch.keeps = keeps;
        for (int round = 0; round < 2; round++) {
            assert_int_equal(pool_alloc(&pool, &ptr, size, POOL_I8), 0);
            assert_filled(ptr, size, 0);
            memset(ptr, 0xff, size);
            assert_int_equal(pool_free(&ptr, size, &pool), 0);
        }
        assert_int_equal(pool_trim(&pool, &released), 0);
        if (keeps)
            assert_int_equal(released, 0);
        else
            assert_in_range(released, size - 8192, size);
        assert_int_equal(pool_check(&pool, NULL), 0);
        watch.keeps = 0;
        pool_destroy(&pool);
    }
}

/* A user's source, which fails the n-th time that it is asked. */
struct own_source {
    size_t asked, fail_at, held;
    size_t bytes;
    void *given;
};

static void *own_map(void *context, size_t bytes)
{
    struct own_source *own = context;
    if (++own->asked == own->fail_at)
        return NULL;
    own->held++;
    own->bytes = bytes;
    own->given = malloc(bytes);
    memset(own->given, 0xdb, bytes); /* of any contents, says the header */
    return own->given;
}

static void own_unmap(void *context, void *memory, size_t bytes)
{
    struct own_source *own = context;
    assert_ptr_equal(memory, own->given);
    assert_int_equal(bytes, own->bytes);
    own->held--;
    free(memory);
}

static void own_source_fails(void **state)
{
    (void)state;
    for (size_t n = 1; n < 4; n++)
        for (int from_bad_to_good = 0; from_bad_to_good < 2; from_bad_to_good++) {
            struct own_source own = {.fail_at = n};
            const struct pool_config config = {
                .capacity = 4096, .map = own_map, .unmap = own_unmap, .context = &own};
            struct m_pool pool = {0};
            watch_from(0, 0);
            int result = pool_init_with(&pool, &config);
            watch.watching = 0;
            assert_int_equal(result, own.asked < n ? 0 : -1);
            if (result != 0) {
                assert_int_equal(pool_error(&pool), POOL_NO_BACKING);
                assert_int_equal(watch.requests, 0); /* it does not turn to malloc instead */
                assert_int_equal(own.held, 0);
                own.fail_at = 0;
                assert_int_equal(pool_init_with(&pool, &config), 0);
            }
            assert_int_equal(own.held, 1);
            void *whole = NULL;
            assert_int_equal(pool_alloc(&pool, &whole, 4096, POOL_I8), 0);
            assert_filled(whole, 4096, 0);
            pool_destroy(&pool);
            assert_int_equal(own.held, 0);
            pool_destroy(&pool);
            assert_int_equal(own.held, 0);
        }
}

/* Memory that breaks the source's own promise is handed back, not used. */
static void *map_odd(void *context, size_t bytes)
{
    struct own_source *own = context;
    own->held++;
    own->bytes = bytes + 8;
    own->given = malloc(bytes + 8);
    return (char *)own->given + 8;
}

static void unmap_odd(void *context, void *memory, size_t bytes)
{
    struct own_source *own = context;
    assert_ptr_equal(memory, (char *)own->given + 8);
    assert_int_equal(bytes + 8, own->bytes);
    own->held--;
    free(own->given);
}

static void own_source_is_misaligned(void **state)
{
    (void)state;
    struct own_source own = {0};
    const struct pool_config config = {
        .capacity = 4096, .map = map_odd, .unmap = unmap_odd, .context = &own};
    struct m_pool pool = {0};
    assert_int_equal(pool_init_with(&pool, &config), -1);
    assert_int_equal(pool_error(&pool), POOL_NO_BACKING);
    assert_int_equal(own.held, 0);
    pool_destroy(&pool);
    assert_int_equal(own.held, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_pool_is_one_malloc),
        cmocka_unit_test(all_goes_back),
        cmocka_unit_test(buffer_asks_for_nothing),
        cmocka_unit_test(nth_request_fails),
        cmocka_unit_test(own_source_fails),
        cmocka_unit_test(own_source_is_misaligned),
        cmocka_unit_test(pages_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
