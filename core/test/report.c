/* What is said of an address, in each state that its memory can be in, word for word; and which
 * pools are watched.
 */
#include "rig.h"

#include "pool_report.h"

/* Under AddressSanitizer a pool opens chunks to the byte, which tells their sizes. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_EXACT 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define IS_EXACT 1
#endif
#if !defined(IS_EXACT)
#define IS_EXACT 0
#endif

#define CAPACITY ((size_t)4096)
#define LONGEST ((size_t)1024)

/* Three chunks side by side from the block's start on, and fresh memory after them. */
enum { A = 40, B = 20, C = 100 };

struct scene {
    struct rig rig;
    unsigned char *a, *b, *c, *end;
};

static size_t known(size_t size)
{
    return IS_EXACT ? size : size_as_known(size);
}

static size_t extent(size_t size)
{
    return chunk_granules(size) * POOL_GRANULE;
}

static unsigned char *take(struct rig *rig, size_t size)
{
    void *ptr = NULL;
    assert_int_equal(pool_alloc(&rig->pool, &ptr, size, POOL_I8), 0);
    return ptr;
}

static void give(struct rig *rig, void *chunk, size_t size)
{
    assert_int_equal(pool_free(&chunk, size, &rig->pool), 0);
}

static void scene_open(struct scene *scene, const struct kind *kind)
{
    rig_open(&scene->rig, kind, CAPACITY);
    scene->a = take(&scene->rig, A);
    scene->b = take(&scene->rig, B);
    scene->c = take(&scene->rig, C);
    scene->end = scene->rig.base + scene->rig.block;
    assert_ptr_equal(scene->a, scene->rig.base);
    assert_ptr_equal(scene->b, scene->a + extent(A));
    assert_ptr_equal(scene->c, scene->b + extent(B));
}

/* The first line is as given, and the others say this of the extents on either side. */
static void assert_says(const struct rig *rig, const void *at, const char *in_front,
                        const char *after, const char *format, ...)
{
    char said[LONGEST], expected[LONGEST], first[LONGEST / 4];
    va_list values;
    va_start(values, format);
    vsnprintf(first, sizeof first, format, values);
    va_end(values);
    snprintf(expected, sizeof expected,
             "0x%zx is %s\n  preceding: %s\n  following: %s\n"
             "  in a block of %zu bytes [0x%zx, 0x%zx) of the pool at 0x%zx\n",
             (size_t)(uintptr_t)at, first, in_front, after, rig->block,
             (size_t)(uintptr_t)rig->base, (size_t)(uintptr_t)rig->base + rig->block,
             (size_t)(uintptr_t)&rig->pool);
    assert_int_equal(pool_describe(&rig->pool, at, said, sizeof said), strlen(expected));
    assert_string_equal(said, expected);
}

/* NAME of so many bytes from an address on, and what comes after, as in what is said. Good for the
 * next three calls. */
static const char *words(const char *name, const unsigned char *start, size_t size,
                         const char *format, ...)
{
    static char texts[4][LONGEST / 4];
    static unsigned next;
    char *text = texts[next++ % COUNT_OF(texts)];
    size_t at = (size_t)(uintptr_t)start;
    int length = snprintf(text, sizeof texts[0], "%s of %zu bytes [0x%zx, 0x%zx)", name, size, at,
                          at + size);
    va_list values;
    va_start(values, format);
    vsnprintf(text + length, sizeof texts[0] - (size_t)length, format, values);
    va_end(values);
    return text;
}

static void live_chunk(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct scene scene;
        scene_open(&scene, &kinds[k]);
        size_t size = known(B), gap = extent(A) - known(A);
        const char *inside[] = {"at the start of ", "1 byte inside of ", "2 bytes inside of "};
        for (size_t at = 0; at < COUNT_OF(inside); at++)
            assert_says(&scene.rig, scene.b + at,
                        words("a live chunk", scene.a, known(A),
                              ", which ends %zu byte%s before the address", gap + at,
                              gap + at == 1 ? "" : "s"),
                        words("a live chunk", scene.c, known(C),
                              ", which starts %zu bytes after it", extent(B) - at),
                        "%s%s", inside[at], words("a live chunk", scene.b, size, ""));
        assert_says(
            &scene.rig, scene.a, "the start of the block",
            words("a live chunk", scene.b, size, ", which starts %zu bytes after it", extent(A)),
            "at the start of %s", words("a live chunk", scene.a, known(A), ""));
        rig_close(&scene.rig);
    }
}

/* From a chunk's last byte on: inside of it as far as the build knows, then slack, then redzone. */
static void behind_a_chunk(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, &kinds[0]);
    for (size_t at = B - 1; at < extent(B); at++) {
        char said[LONGEST], expected[LONGEST];
        int is_inside = at < known(B);
        size_t off = is_inside ? at : at - known(B);
        snprintf(expected, sizeof expected, "0x%zx is %zu byte%s %s %s%s\n  preceding: %s, ",
                 (size_t)(uintptr_t)scene.b + at, off, off == 1 ? "" : "s",
                 is_inside ? "inside of" : "after", words("a live chunk", scene.b, known(B), ""),
                 is_inside ? ""
                 : at < 32 ? ", in its slack"
                           : ", in its redzone",
                 words("a live chunk", scene.a, known(A), ""));
        pool_describe(&scene.rig.pool, scene.b + at, said, sizeof said);
        assert_memory_equal(said, expected, strlen(expected));
        if (at + 1 == extent(B))
            assert_non_null(strstr(said, ", which starts 1 byte after it\n"));
    }
    if (IS_EXACT || REDZONE)
        assert_int_equal(known(B), B);
    rig_close(&scene.rig);
}

/* Such a chunk has no slack: its redzone follows, or in the ordinary build the next extent. */
static void behind_whole_granules(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, &kinds[0]);
    const size_t size = (size_t)2 * POOL_GRANULE;
    unsigned char *chunk = take(&scene.rig, size), *next = take(&scene.rig, B);
    char said[LONGEST], expected[LONGEST];
    snprintf(expected, sizeof expected, "0x%zx is %s%s%s\n", (size_t)(uintptr_t)chunk + size,
             REDZONE ? "0 bytes after " : "at the start of ",
             REDZONE ? words("a live chunk", chunk, size, "")
                     : words("a live chunk", next, known(B), ""),
             REDZONE ? ", in its redzone" : "");
    pool_describe(&scene.rig.pool, chunk + size, said, sizeof said);
    assert_memory_equal(said, expected, strlen(expected));
    rig_close(&scene.rig);
}

/* It stays whole in a page, and waits in the checked build. Elsewhere it is part of a free run. */
static void freed_chunk(void **state)
{
    (void)state;
    for (size_t capacity = CAPACITY; capacity <= 16 * CAPACITY; capacity *= 16) {
        struct rig rig;
        int is_whole = capacity > CAPACITY || REDZONE;
        rig_open(&rig, &kinds[0], capacity);
        unsigned char *a = take(&rig, B), *b = take(&rig, B), *c = take(&rig, B);
        give(&rig, b, B);
        assert_says(
            &rig, b + 7,
            words("a live chunk", a, known(B), ", which ends %zu bytes before the address",
                  extent(B) - known(B) + 7),
            words("a live chunk", c, known(B), ", which starts %zu bytes after it", extent(B) - 7),
            "7 bytes inside of %s",
            words(is_whole ? "a freed chunk" : "a free run", b, extent(B), ""));
        rig_close(&rig);
    }
}

static void free_run(void **state)
{
    (void)state;
    struct rig rig;
    const size_t large = CAPACITY / 2; /* too long to wait in the checked build */
    rig_open(&rig, &kinds[0], CAPACITY);
    unsigned char *chunk = take(&rig, large), *next = take(&rig, B);
    assert_ptr_equal(next, chunk + extent(large));
    give(&rig, chunk, large);
    assert_int_equal(pool_trim(&rig.pool, NULL), 0);
    assert_says(&rig, chunk + 1000, "the start of the block",
                words("a live chunk", next, known(B), ", which starts %zu bytes after it",
                      extent(large) - 1000),
                "1000 bytes inside of %s", words("a free run", chunk, extent(large), ""));
    rig_close(&rig);
}

static void fresh_memory(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, &kinds[0]);
    struct rig *rig = &scene.rig;
    unsigned char *fresh = scene.c + extent(C);
    size_t left = (size_t)(scene.end - fresh);
    static const char name[] = "fresh memory (given to nobody)";
    assert_says(rig, scene.end - 1,
                words("a live chunk", scene.c, known(C),
                      ", which ends %zu bytes before the address", extent(C) - known(C) + left - 1),
                "the end of the block", "%zu bytes inside of %s", left - 1,
                words(name, fresh, left, ""));
    assert_int_equal(pool_reset(&rig->pool), 0);
    assert_says(rig, scene.b + 3, "the start of the block", "the end of the block",
                "%zu bytes inside of %s", extent(A) + 3, words(name, rig->base, rig->block, ""));
    rig_close(rig);
}

static void outside(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, &kinds[0]);
    const uintptr_t base = (uintptr_t)scene.rig.base, end = (uintptr_t)scene.end;
    const uintptr_t ats[] = {0, 1, base - 1, base - 16, end, end + 1, end + 4096, UINTPTR_MAX};
    for (size_t i = 0; i < COUNT_OF(ats); i++) {
        char said[LONGEST], expected[LONGEST];
        size_t off = ats[i] < base ? base - ats[i] : ats[i] - end;
        snprintf(expected, sizeof expected,
                 "0x%zx is %zu byte%s %s the block of %zu bytes [0x%zx, 0x%zx) of the pool at "
                 "0x%zx\n",
                 (size_t)ats[i], off, off == 1 ? "" : "s", ats[i] < base ? "before" : "after",
                 scene.rig.block, (size_t)base, (size_t)end, (size_t)(uintptr_t)&scene.rig.pool);
        assert_int_equal(pool_describe(&scene.rig.pool, (void *)ats[i], said, sizeof said),
                         strlen(expected));
        assert_string_equal(said, expected);
    }
    rig_close(&scene.rig);
}

static void no_pool(void **state)
{
    (void)state;
    struct m_pool pool = {0};
    char said[LONGEST], expected[LONGEST];
    snprintf(expected, sizeof expected,
             "0x10 is in no block: the pool at 0x%zx is dead, never made or destroyed\n",
             (size_t)(uintptr_t)&pool);
    pool_describe(&pool, (void *)16, said, sizeof said);
    assert_string_equal(said, expected);
    assert_int_equal(pool_init(&pool), 0);
    pool_destroy(&pool);
    said[0] = '\0';
    pool_describe(&pool, (void *)16, said, sizeof said);
    assert_string_equal(said, expected);
    pool_describe(NULL, NULL, said, sizeof said);
    assert_string_equal(said, "0x0 is in no block: the pool is NULL\n");
}

/* The same beginning in every room, ended by NUL, and nothing written after it. */
static void every_room(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, &kinds[0]);
    const struct m_pool *pool = &scene.rig.pool;
    char whole[LONGEST];
    size_t length = pool_describe(pool, scene.b, whole, sizeof whole);
    assert_int_equal(length, strlen(whole));
    assert_int_equal(pool_describe(pool, scene.b, NULL, 0), length);
    for (size_t room = 1; room <= length + 2; room++) {
        char said[LONGEST];
        size_t fits = room <= length ? room - 1 : length;
        memset(said, 'x', sizeof said);
        assert_int_equal(pool_describe(pool, scene.b, said, room), length);
        assert_memory_equal(said, whole, fits);
        assert_int_equal(said[fits], '\0');
        assert_filled(said + fits + 1, sizeof said - fits - 1, 'x');
    }
    rig_close(&scene.rig);
}

static void changes_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct scene scene;
        struct snapshot before;
        scene_open(&scene, &kinds[k]);
        give(&scene.rig, scene.b, B);
        snapshot_take(&before, &scene.rig);
        for (size_t i = 0; i < scene.rig.block; i++)
            assert_true(pool_describe(&scene.rig.pool, scene.rig.base + i, NULL, 0) > 0);
        assert_int_equal(pool_error(&scene.rig.pool), POOL_OK);
        snapshot_assert_same(&before, &scene.rig);
        rig_close(&scene.rig);
    }
}

/* Each pool takes one place, however often it is watched. */
static void watched_pools(void **state)
{
    (void)state;
    static struct m_pool pools[POOL_REPORT_MOST + 1];
    struct m_pool *last = &pools[POOL_REPORT_MOST];
    assert_int_equal(pool_report_watch(NULL), -1);
    pool_report_forget(NULL);
    pool_report_forget(last);
    for (int again = 0; again < 2; again++)
        for (size_t i = 0; i < POOL_REPORT_MOST; i++)
            assert_int_equal(pool_report_watch(&pools[i]), 0);
    assert_int_equal(pool_report_watch(last), -1);
    pool_report_forget(&pools[5]);
    assert_int_equal(pool_report_watch(last), 0);
    assert_int_equal(pool_report_watch(&pools[5]), -1);
    for (size_t i = 0; i < COUNT_OF(pools); i++)
        pool_report_forget(&pools[i]);
    assert_int_equal(pool_report_watch(&pools[5]), 0);
    pool_report_forget(&pools[5]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_chunk),
        cmocka_unit_test(behind_a_chunk),
        cmocka_unit_test(behind_whole_granules),
        cmocka_unit_test(freed_chunk),
        cmocka_unit_test(free_run),
        cmocka_unit_test(fresh_memory),
        cmocka_unit_test(outside),
        cmocka_unit_test(no_pool),
        cmocka_unit_test(every_room),
        cmocka_unit_test(changes_nothing),
        cmocka_unit_test(watched_pools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
