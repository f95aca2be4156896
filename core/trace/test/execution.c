/* Random traces pass on the pool in each of its kinds, and on malloc. */
#define _GNU_SOURCE
#include "samples.h"

#include "executor.h"
#include "pattern.h"

#include <sys/mman.h>
#include <unistd.h>

static void fail_with(const struct trace *trace, const struct finding *finding, uint64_t seed,
                      const struct pool_config *config)
{
    char op[80] = "the end";
    if (finding->op < trace->count)
        trace_print_op(&trace->ops[finding->op], op, sizeof op);
    fail_msg("seed %llu, capacity %zu, flags %u: operation %zu (%s): %s: %s",
             (unsigned long long)seed, config->capacity, config->flags, finding->op, op,
             finding->oracle, finding->message);
}

static struct trace trace_for(uint64_t seed, size_t capacity)
{
    struct generate_settings settings = {
        .seed = seed,
        .shape = GENERATE_RANDOM,
        .operations = 300,
        .live = 1 + (uint32_t)(seed % 40),
        .sizes = GENERATE_LOGARITHMIC,
        .largest = capacity / (1 + seed % 5) + seed % 40,
        .largest_align = seed % 3 != 0 ? 4 : TRACE_MAX_ALIGN,
        .resize_in_256 = 100,
        .misuse_in_256 = 60,
    };
    struct trace trace;
    assert_int_equal(trace_generate(&settings, &trace), 0);
    return trace;
}

static const size_t capacities[] = {16,   32,   48,   64,    256,   1008,  1024,
                                    1040, 2048, 4096, 16384, 65536, 200000};

static void run_all(unsigned flags, uint64_t rounds)
{
    for (size_t c = 0; c < COUNT_OF(capacities); c++)
        for (uint64_t seed = run_seed(); seed < run_seed() + rounds; seed++) {
            struct trace trace = trace_for(seed, capacities[c]);
            struct pool_config config = {.capacity = capacities[c], .flags = flags};
            struct finding finding;
            if (execute_on_pool(&trace, &config, ORACLE_ALL, &finding) != 0)
                fail_with(&trace, &finding, seed, &config);
            trace_free(&trace);
        }
}

static void a_pool_from_malloc_passes(void **state)
{
    (void)state;
    run_all(0, 20);
}

static void a_pool_that_keeps_contents_passes(void **state)
{
    (void)state;
    run_all(POOL_KEEP_CONTENTS, 20);
}

static void a_lazy_pool_passes(void **state)
{
    (void)state;
    run_all(POOL_LAZY, 10);
    run_all(POOL_LAZY | POOL_KEEP_CONTENTS, 5);
    run_all(POOL_LAZY | POOL_HUGE_PAGES, 1);
}

static void a_strict_pool_passes(void **state)
{
    (void)state;
    run_all(POOL_STRICT, 20);
    run_all(POOL_STRICT | POOL_KEEP_CONTENTS, 5);
    run_all(POOL_STRICT | POOL_LAZY, 5);
}

static void a_pool_in_a_buffer_passes(void **state)
{
    (void)state;
    static unsigned char buffer[8192];
    for (uint64_t seed = run_seed(); seed < run_seed() + 60; seed++) {
        size_t shift = (size_t)(seed % 17);
        size_t size = seed % 2 != 0 ? 8192 - shift : 300 + (size_t)(seed % 500);
        memset(buffer, (int)seed, sizeof buffer);
        struct pool_config config = {.buffer = buffer + shift,
                                     .buffer_size = size,
                                     .flags = seed % 3 == 0 ? POOL_KEEP_CONTENTS : 0};
        struct trace trace = trace_for(seed, size);
        struct finding finding;
        if (execute_on_pool(&trace, &config, ORACLE_ALL, &finding) != 0)
            fail_with(&trace, &finding, seed, &config);
        trace_free(&trace);
    }
}

static void *map(void *context, size_t bytes)
{
    ++*(int *)context;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void unmap(void *context, void *memory, size_t bytes)
{
    (void)bytes;
    --*(int *)context;
    free(memory);
}

static void a_pool_from_a_source_of_the_users_passes(void **state)
{
    (void)state;
    for (uint64_t seed = run_seed(); seed < run_seed() + 30; seed++) {
        int mapped = 0;
        struct pool_config config = {
            .capacity = 3000, .map = map, .unmap = unmap, .context = &mapped};
        struct trace trace = trace_for(seed, 3000);
        struct finding finding;
        if (execute_on_pool(&trace, &config, ORACLE_ALL, &finding) != 0)
            fail_with(&trace, &finding, seed, &config);
        assert_int_equal(mapped, 0);
        trace_free(&trace);
    }
}

static void a_large_pool_passes(void **state)
{
    (void)state;
    for (int shape = 0; shape < GENERATE_SHAPES; shape++) {
        struct generate_settings settings = {.seed = run_seed(),
                                             .shape = (enum generate_shape)shape,
                                             .operations = 20000,
                                             .live = 2000,
                                             .sizes = GENERATE_LOGARITHMIC,
                                             .largest = 100000,
                                             .largest_align = 6,
                                             .resize_in_256 = 20,
                                             .misuse_in_256 = 5};
        struct trace trace;
        assert_int_equal(trace_generate(&settings, &trace), 0);
        struct pool_config config = {.capacity = trace_peak_bytes(&trace), .flags = POOL_LAZY};
        struct finding finding;
        if (execute_on_pool(&trace, &config, ORACLE_ALL, &finding) != 0)
            fail_with(&trace, &finding, run_seed(), &config);
        trace_free(&trace);
    }
}

/* Every 4-byte code after a fixed beginning, on the smallest pools: what fuzzing starts from. */
static void decoded_bytes_pass(void **state)
{
    (void)state;
    uint64_t random = run_seed();
    for (int round = 0; round < 2000; round++) {
        unsigned char bytes[160];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (unsigned char)generate_next(&random);
        struct trace trace;
        struct finding finding;
        assert_int_equal(trace_decode(bytes, sizeof bytes, SIZE_MAX, &trace), 0);
        struct pool_config config = {.capacity = 16u << (round % 10)};
        if (execute_on_pool(&trace, &config, ORACLE_ALL, &finding) != 0)
            fail_with(&trace, &finding, run_seed(), &config);
        trace_free(&trace);
    }
}

static void a_config_that_is_refused_is_a_finding(void **state)
{
    (void)state;
    struct trace trace = from_text("alloc 0 1 1");
    struct pool_config config = {.flags = POOL_HUGE_PAGES};
    struct finding finding;
    assert_int_equal(execute_on_pool(&trace, &config, ORACLE_ALL, &finding), -1);
    assert_string_equal(finding.oracle, "exhaustion");
    assert_int_equal(execute_on_pool(&trace, NULL, ORACLE_ALL, &finding), 0);
    assert_int_equal(execute_on_pool(&trace, NULL, 0, &finding), 0);
    trace_free(&trace);
}

static void the_model_runs_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t capacity;
        struct outcome due; /* in granules, but the first */
    } cases[] = {
        {"", 1024, {0, 0, 0}},
        {"alloc 0 16 1\nalloc 1 17 1\nfree 0\nalloc 2 1 1", 1024, {0, 3, 3}},
        {"alloc 0 64 1\nalloc 1 1 1\nfree 0\nalloc 2 65 1", 1024, {0, 6, 10}},
        {"alloc 0 64 1\nalloc 1 1 1\nfree 0\nalloc 2 65 1\nfree 2\nfree-twice 0", 144, {1, 5, 5}},
        {"alloc 0 1 1\nalloc 1 1 64", 1024, {0, 2, 5}},
        {"alloc 0 1025 1\nalloc 1 1024 1", 1024, {1, 64, 64}},
        {"alloc 0 16 1\nrealloc 0 160 1\nalloc 1 1 1\nrealloc 0 176 1", 1024, {0, 12, 22}},
        {"alloc 0 16 1\nalloc 1 16 1\nrealloc 0 1024 1\nreset\nalloc 0 1024 1", 1024, {1, 64, 64}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct outcome outcome;
        struct trace trace = from_text(cases[i].text);
        assert_int_equal(execute_on_model(&trace, cases[i].capacity, &outcome), 0);
        assert_int_equal(outcome.refused, cases[i].due.refused);
        assert_int_equal(outcome.peak_live, cases[i].due.peak_live * POOL_GRANULE);
        assert_int_equal(outcome.peak_end, cases[i].due.peak_end * POOL_GRANULE);
        trace_free(&trace);
    }
    /* Where nothing is refused, the peak is that of the trace, and the end not before it. */
    for (uint64_t seed = run_seed(); seed < run_seed() + 50; seed++) {
        struct outcome outcome;
        struct trace trace = trace_for(seed, 2000);
        assert_int_equal(execute_on_model(&trace, 1 << 20, &outcome), 0);
        assert_int_equal(outcome.refused, 0);
        assert_int_equal(outcome.peak_live, trace_peak_bytes(&trace));
        assert_true(outcome.peak_end >= outcome.peak_live);
        trace_free(&trace);
    }
}

static void malloc_passes(void **state)
{
    (void)state;
    for (uint64_t seed = run_seed(); seed < run_seed() + 100; seed++) {
        struct trace trace = trace_for(seed, 5000);
        struct finding finding;
        size_t misuse = 0;
        size_t skipped = 0;
        for (size_t i = 0; i < trace.count; i++)
            misuse += trace_is_misuse(trace.ops[i].kind) != 0;
        if (execute_on_malloc(&trace, &skipped, &finding) != 0)
            fail_msg("seed %llu: operation %zu: %s: %s", (unsigned long long)seed, finding.op,
                     finding.oracle, finding.message);
        assert_int_equal(skipped, misuse);
        trace_free(&trace);
    }
}

/* --- Allocators with a mistake ---------------------------------------------------------------- */

enum mistake { NONE, SAME_TWICE, NOT_ALIGNED, NOT_ZERO, NOT_KEPT, OUT_OF_MEMORY };

struct wrong {
    enum mistake mistake;
    _Alignas(4096) unsigned char memory[65536];
    size_t used;
};

static void *wrong_alloc(void *context, size_t size, size_t align, int zero)
{
    struct wrong *wrong = context;
    if (wrong->mistake == OUT_OF_MEMORY)
        return NULL;
    if (wrong->mistake == SAME_TWICE)
        wrong->used = 0;
    wrong->used = (wrong->used + align - 1) / align * align + (wrong->mistake == NOT_ALIGNED);
    unsigned char *object = wrong->memory + wrong->used;
    wrong->used += size;
    if (zero)
        memset(object, wrong->mistake == NOT_ZERO, size);
    return object;
}

static void *wrong_resize(void *context, void *object, size_t old_size, size_t new_size,
                          size_t align)
{
    struct wrong *wrong = context;
    unsigned char *moved = wrong_alloc(context, new_size, align, 1);
    if (wrong->mistake != NOT_KEPT)
        memcpy(moved, object, old_size < new_size ? old_size : new_size);
    return moved;
}

static void wrong_release(void *context, void *object, size_t size)
{
    (void)context;
    (void)object;
    (void)size;
}

static void a_wrong_allocator_is_found_out(void **state)
{
    (void)state;
    static const char *const due[] = {
        [NONE] = NULL,           [SAME_TWICE] = "contents", [NOT_ALIGNED] = "model",
        [NOT_ZERO] = "contents", [NOT_KEPT] = "contents",   [OUT_OF_MEMORY] = "exhaustion",
    };
    static struct wrong wrong;
    struct trace trace = from_text("alloc 0 100 8\ncalloc 1 40 16\nrealloc 0 200 8\nalloc 2 5 1\n"
                                   "check\nfree 0\nreset\nalloc 0 1 1");
    for (int mistake = NONE; mistake <= OUT_OF_MEMORY; mistake++) {
        struct allocator allocator = {.name = "wrong",
                                      .context = &wrong,
                                      .alloc = wrong_alloc,
                                      .resize = wrong_resize,
                                      .release = wrong_release};
        struct finding finding;
        wrong.mistake = (enum mistake)mistake;
        wrong.used = 0;
        int result = execute_on_allocator(&trace, &allocator, NULL, &finding);
        assert_int_equal(result, due[mistake] != NULL ? -1 : 0);
        if (due[mistake] != NULL)
            assert_string_equal(finding.oracle, due[mistake]);
    }
    trace_free(&trace);
}

/* --- Large objects ---------------------------------------------------------------------------- */

enum { LARGE = 3000001 };

/* Spoils the last byte of the large object when a small one is asked for, or when it moves. */
struct spoiler {
    unsigned char *large;
    int when_moved;
};

static void *spoiler_alloc(void *context, size_t size, size_t align, int zero)
{
    struct spoiler *spoiler = context;
    (void)align;
    unsigned char *object = zero ? calloc(1, size) : malloc(size);
    if (size == LARGE)
        spoiler->large = object;
    else if (!spoiler->when_moved)
        spoiler->large[LARGE - 1] ^= 1;
    return object;
}

static void *spoiler_resize(void *context, void *object, size_t old_size, size_t new_size,
                            size_t align)
{
    struct spoiler *spoiler = context;
    (void)align;
    unsigned char *moved = realloc(object, new_size);
    if (moved != NULL && spoiler->when_moved)
        moved[(old_size < new_size ? old_size : new_size) - 1] ^= 1;
    return moved;
}

static void spoiler_release(void *context, void *object, size_t size)
{
    (void)context;
    (void)size;
    free(object);
}

static void the_end_of_a_large_object_is_verified(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int when_moved, due;
    } cases[] = {
        {"alloc 0 3000001 8\nalloc 1 1 1\nfree 0", 0, -1},
        {"alloc 0 3000001 8\nfree 0", 0, 0},
        {"alloc 0 3000001 8\nrealloc 0 2000003 8\nrealloc 0 5000001 8\nrealloc 0 9 8\nfree 0", 0,
         0},
        {"alloc 0 3000001 8\nrealloc 0 5000001 8\nfree 0", 1, -1},
        {"alloc 0 3000001 8\nrealloc 0 2000003 8\nfree 0", 1, -1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct spoiler spoiler = {.when_moved = cases[i].when_moved};
        struct allocator allocator = {.name = "spoiler",
                                      .context = &spoiler,
                                      .alloc = spoiler_alloc,
                                      .resize = spoiler_resize,
                                      .release = spoiler_release};
        struct trace trace = from_text(cases[i].text);
        struct finding finding;
        assert_int_equal(execute_on_allocator(&trace, &allocator, NULL, &finding), cases[i].due);
        if (cases[i].due != 0)
            assert_string_equal(finding.oracle, "contents");
        trace_free(&trace);
    }
}

static void zeroes_that_nobody_touched_stay_untouched(void **state)
{
    (void)state;
    enum { BYTES = 32 << 20, PAGES = BYTES / 4096 };
    static unsigned char there[PAGES];
    size_t touched = 0;
    unsigned char *memory =
        mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    memory[5000000] = 0; /* touched, and zero */
    assert_int_equal(first_not_zero(memory, 3, BYTES - 3), BYTES - 3);
    assert_int_equal(mincore(memory, BYTES, there), 0);
    for (size_t i = 0; i < PAGES; i++)
        touched += there[i] & 1;
    if (access("/proc/self/pagemap", R_OK) == 0)
        assert_true(touched < PAGES / 4); /* a huge page at most */
    memory[20000000] = 1;
    assert_int_equal(first_not_zero(memory, 3, BYTES - 3), 20000000);
    assert_int_equal(munmap(memory, BYTES), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_from_malloc_passes),
        cmocka_unit_test(a_pool_that_keeps_contents_passes),
        cmocka_unit_test(a_lazy_pool_passes),
        cmocka_unit_test(a_strict_pool_passes),
        cmocka_unit_test(a_pool_in_a_buffer_passes),
        cmocka_unit_test(a_pool_from_a_source_of_the_users_passes),
        cmocka_unit_test(a_large_pool_passes),
        cmocka_unit_test(decoded_bytes_pass),
        cmocka_unit_test(a_config_that_is_refused_is_a_finding),
        cmocka_unit_test(the_model_runs_alone),
        cmocka_unit_test(malloc_passes),
        cmocka_unit_test(a_wrong_allocator_is_found_out),
        cmocka_unit_test(the_end_of_a_large_object_is_verified),
        cmocka_unit_test(zeroes_that_nobody_touched_stay_untouched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
