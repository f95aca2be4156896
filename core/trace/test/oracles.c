/* The oracles themselves: each planted mistake of a pool is found, by the oracle that should see
 * it.
 *
 * The linker sends the executor's calls of the pool through the __wrap_ functions here, which do
 * the real thing and then, for the mistake that is planted, something wrong.
 */
#include "samples.h"

#include "executor.h"
#include "shadow.h"

#ifdef POOLPROOF_ASAN
#include <sanitizer/asan_interface.h>
#endif

enum mistake {
    NO_MISTAKE,
    ALLOC_OVERLAPS,
    ALLOC_OUTSIDE,
    ALLOC_NOT_ZEROED,
    ALLOC_NOT_ALIGNED,
    ALLOC_REFUSED_WITH_ROOM,
    ALLOC_ZERO_PASSES,
    ALLOC_WRONG_REASON,
    ALLOC_CLOBBERS_POINTER,
    ALLOC_SCRIBBLES,
    REALLOC_LOSES_CONTENTS,
    REALLOC_LEAVES_DIRT,
    REALLOC_REFUSED_WITH_ROOM,
    FREE_KEEPS_POINTER,
    FREE_DOES_NOTHING,
    FREE_TWICE_PASSES,
    FREE_WRONG_REASON,
    FREE_CLEARS_ON_REFUSAL,
    REFUSAL_CHANGES_STRUCT,
    REFUSAL_CHANGES_MEMORY,
    REFUSAL_UNTOLD,
    RESET_FORGETS,
    STATS_DRIFT,
    WALK_LIES,
    CHECK_FAILS,
    SIZE_OF_LIES,
    OWNS_LIES,
    DESTROY_FORGETS,
    /* seen only with AddressSanitizer */
    ALLOC_OPENS_TOO_MUCH,
    ALLOC_LEAVES_CLOSED,
    FREE_LEAVES_OPEN,
    DESTROY_LEAVES_CLOSED,
    MISTAKES
};

#define FIRST_OF_SHADOW ALLOC_OPENS_TOO_MUCH

static enum mistake planted;
static void *last; /* the chunk that pool_alloc gave last */
static uintptr_t last_freed;
static struct m_pool forgotten[2]; /* pools that DESTROY_FORGETS: the one, and the foreign one */

/* The library's call, and what stands in its place. */
#define WRAPPED(call) __typeof__(call) __real_##call, __wrap_##call
WRAPPED(pool_init_with);
WRAPPED(pool_reset);
WRAPPED(pool_destroy);
WRAPPED(pool_alloc);
WRAPPED(pool_realloc);
WRAPPED(pool_free);
WRAPPED(pool_free_unsized);
WRAPPED(pool_size_of);
WRAPPED(pool_owns);
WRAPPED(pool_walk);
WRAPPED(pool_check);
WRAPPED(pool_stats);
WRAPPED(pool_error);

/* Changes a byte that may be closed. */
SEES_CLOSED static void scribble(void *at)
{
    volatile unsigned char *byte = at;
    *byte ^= 0x55;
}

static void poison(void *at, size_t size, int closed)
{
#ifdef POOLPROOF_ASAN
    if (closed)
        __asan_poison_memory_region(at, size);
    else
        __asan_unpoison_memory_region(at, size);
#else
    (void)at;
    (void)size;
    (void)closed;
#endif
}

static int refuse(struct m_pool *pool, enum pool_reason reason)
{
    pool->reason = reason;
    return -1;
}

int __wrap_pool_init_with(struct m_pool *pool, const struct pool_config *config)
{
    struct pool_config quiet = *config;
    if (planted == REFUSAL_UNTOLD)
        quiet.on_error = NULL;
    last = NULL;
    return __real_pool_init_with(pool, &quiet);
}

int __wrap_pool_reset(struct m_pool *pool)
{
    return planted == RESET_FORGETS ? 0 : __real_pool_reset(pool);
}

void __wrap_pool_destroy(struct m_pool *pool)
{
    unsigned char *buffer = pool->base;
    if (planted != DESTROY_FORGETS)
        __real_pool_destroy(pool);
    else if (pool->memory != forgotten[0].memory)
        forgotten[forgotten[0].memory != NULL] = *pool;
    if (planted == DESTROY_LEAVES_CLOSED && buffer != NULL)
        poison(buffer, 64, 1);
}

int __wrap_pool_alloc(struct m_pool *pool, void **ptr, size_t size, enum pool_type type)
{
    static _Alignas(64) unsigned char elsewhere[2048];
    int many = size > 64; /* so that the mistake comes at one place of the trace */
    if (planted == ALLOC_REFUSED_WITH_ROOM && many)
        return refuse(pool, POOL_OUT_OF_MEMORY);
    if (planted == ALLOC_OVERLAPS && many && last != NULL) {
        *ptr = last;
        return 0;
    }
    if (planted == ALLOC_OUTSIDE && many) {
        memset(elsewhere, 0, sizeof elsewhere);
        *ptr = elsewhere;
        return 0;
    }
    if (planted == ALLOC_NOT_ALIGNED && type > POOL_USER)
        type = POOL_USER;
    if (planted == ALLOC_ZERO_PASSES && size == 0)
        size = 1;
    if (planted == ALLOC_SCRIBBLES && last != NULL)
        scribble(last);
    int result = __real_pool_alloc(pool, ptr, size, type);
    if (result != 0 && planted == ALLOC_WRONG_REASON)
        pool->reason = POOL_OUTSIDE;
    if (result != 0 && planted == ALLOC_CLOBBERS_POINTER)
        *ptr = NULL;
    if (result != 0 && planted == REFUSAL_CHANGES_STRUCT)
        pool->frontier++;
    if (result != 0)
        return result;
    last = *ptr;
    if (planted == ALLOC_NOT_ZEROED)
        ((unsigned char *)*ptr)[size - 1] = 1;
    if (planted == ALLOC_OPENS_TOO_MUCH)
        poison(*ptr, (size + 15) / 16 * 16, 0);
    if (planted == ALLOC_LEAVES_CLOSED && many)
        poison((unsigned char *)*ptr + 64, 8, 1);
    return 0;
}

int __wrap_pool_realloc(struct m_pool *pool, void **ptr, size_t old_size, size_t new_size,
                        enum pool_type type)
{
    if (planted == REALLOC_REFUSED_WITH_ROOM && new_size > old_size)
        return refuse(pool, POOL_OUT_OF_MEMORY);
    int result = __real_pool_realloc(pool, ptr, old_size, new_size, type);
    if (result == 0 && planted == REALLOC_LOSES_CONTENTS)
        ((unsigned char *)*ptr)[0] ^= 1;
    if (result == 0 && planted == REALLOC_LEAVES_DIRT && new_size > old_size)
        ((unsigned char *)*ptr)[old_size] = 1;
    return result;
}

/* A free with its size, or with SIZE_MAX without. */
static int free_wrongly(void **ptr, size_t size, struct m_pool *pool)
{
    unsigned char *chunk = *ptr;
    if (planted == FREE_DOES_NOTHING) {
        *ptr = NULL;
        return 0;
    }
    if (planted == FREE_TWICE_PASSES && (uintptr_t)chunk == last_freed &&
        __real_pool_size_of(pool, chunk) == 0)
        return 0;
    int result =
        size == SIZE_MAX ? __real_pool_free_unsized(ptr, pool) : __real_pool_free(ptr, size, pool);
    if (result == 0) {
        last_freed = (uintptr_t)chunk;
        last = (void *)chunk == last ? NULL : last;
        if (planted == FREE_KEEPS_POINTER)
            *ptr = chunk;
        if (planted == FREE_LEAVES_OPEN)
            poison(chunk, 16, 0);
        return 0;
    }
    if (planted == FREE_WRONG_REASON)
        pool->reason = POOL_STALE;
    if (planted == FREE_CLEARS_ON_REFUSAL)
        *ptr = NULL;
    if (planted == REFUSAL_CHANGES_MEMORY)
        scribble(pool->base + 1000);
    return result;
}

int __wrap_pool_free(void **ptr, size_t size, struct m_pool *pool)
{
    return free_wrongly(ptr, size, pool);
}

int __wrap_pool_free_unsized(void **ptr, struct m_pool *pool)
{
    return free_wrongly(ptr, SIZE_MAX, pool);
}

size_t __wrap_pool_size_of(const struct m_pool *pool, const void *ptr)
{
    return __real_pool_size_of(pool, ptr) + (planted == SIZE_OF_LIES ? 16 : 0);
}

int __wrap_pool_owns(const struct m_pool *pool, const void *ptr)
{
    return planted == OWNS_LIES ? 1 : __real_pool_owns(pool, ptr);
}

static int visit_wrongly(void *context, const struct pool_extent *extent)
{
    struct pool_extent other = *extent;
    void **inner = context;
    int (**visit)(void *, const struct pool_extent *) = inner[0];
    if (other.kind == POOL_CACHED || other.kind == POOL_RUN)
        other.kind = POOL_FRESH;
    return (*visit)(inner[1], &other);
}

int __wrap_pool_walk(const struct m_pool *pool,
                     int (*visit)(void *context, const struct pool_extent *extent), void *context)
{
    void *inner[] = {&visit, context};
    return planted == WALK_LIES ? __real_pool_walk(pool, visit_wrongly, inner)
                                : __real_pool_walk(pool, visit, context);
}

int __wrap_pool_check(const struct m_pool *pool, const char **broken)
{
    int result = __real_pool_check(pool, broken);
    if (planted != CHECK_FAILS || result != 0)
        return result;
    *broken = "I0: planted";
    return -1;
}

int __wrap_pool_stats(const struct m_pool *pool, struct pool_stats *stats)
{
    int result = __real_pool_stats(pool, stats);
    stats->free_runs += planted == STATS_DRIFT && stats->live_chunks > 2;
    return result;
}

enum pool_reason __wrap_pool_error(const struct m_pool *pool)
{
    return __real_pool_error(pool);
}

/* Every kind of operation at least once, and refusals of each reason that the model knows. */
static const char operations[] = "alloc 0 100 1\n"
                                 "alloc 1 33 64\n"
                                 "calloc 2 7 8\n"
                                 "alloc 3 70 1\n"
                                 "realloc 0 150 1\n"
                                 "realloc 2 3 1\n"
                                 "alloc 4 2000 1\n"
                                 "alloc-zero 4\n"
                                 "alloc-huge 4 3\n"
                                 "alloc-bad-align 4 5\n"
                                 "check\n"
                                 "free 1\n"
                                 "free-twice 1\n"
                                 "free-interior 0 1\n"
                                 "free-misaligned 0 3\n"
                                 "free-before 0\n"
                                 "free-after 0\n"
                                 "free-foreign 48\n"
                                 "free-wrong-size 0 3\n"
                                 "realloc-twice 1 9\n"
                                 "realloc-interior 0 8\n"
                                 "realloc-wrong-size 0 8\n"
                                 "reset\n"
                                 "free-stale 0\n"
                                 "alloc 0 900 1\n"
                                 "alloc 1 500 1\n"
                                 "realloc 0 1024 1\n"
                                 "free 0";

static int run(enum mistake mistake, struct finding *finding)
{
    static _Alignas(64) unsigned char buffer[1200]; /* the caller's, for a pool in it */
    struct trace trace = from_text(operations);
    struct pool_config config = {.buffer = buffer, .buffer_size = sizeof buffer};
    struct pool_config plain = {0};
    planted = mistake;
    last_freed = 0;
    int result = execute_on_pool(&trace, mistake == DESTROY_LEAVES_CLOSED ? &config : &plain,
                                 ORACLE_ALL, finding);
    planted = NO_MISTAKE;
    for (size_t i = 0; i < COUNT_OF(forgotten); i++)
        __real_pool_destroy(&forgotten[i]);
    poison(buffer, sizeof buffer, 0);
    trace_free(&trace);
    return result;
}

static void without_a_mistake_nothing_is_found(void **state)
{
    (void)state;
    struct finding finding;
    if (run(NO_MISTAKE, &finding) != 0)
        fail_msg("operation %zu: %s: %s", finding.op, finding.oracle, finding.message);
    assert_null(finding.oracle);
}

/* Each mistake of the list from first to last, by the oracle that is due. */
static void find_mistakes(int first, int end)
{
    static const char *const due[MISTAKES] = {
        [ALLOC_OVERLAPS] = "model",
        [ALLOC_OUTSIDE] = "model",
        [ALLOC_NOT_ZEROED] = "contents",
        [ALLOC_NOT_ALIGNED] = "model",
        [ALLOC_REFUSED_WITH_ROOM] = "model",
        [ALLOC_ZERO_PASSES] = "model",
        [ALLOC_WRONG_REASON] = "refusal",
        [ALLOC_CLOBBERS_POINTER] = "refusal",
        [ALLOC_SCRIBBLES] = "contents",
        [REALLOC_LOSES_CONTENTS] = "contents",
        [REALLOC_LEAVES_DIRT] = "contents",
        [REALLOC_REFUSED_WITH_ROOM] = "model",
        [FREE_KEEPS_POINTER] = "model",
        [FREE_DOES_NOTHING] = "model",
        [FREE_TWICE_PASSES] = "model",
        [FREE_WRONG_REASON] = "refusal",
        [FREE_CLEARS_ON_REFUSAL] = "refusal",
        [REFUSAL_CHANGES_STRUCT] = "refusal",
        [REFUSAL_CHANGES_MEMORY] = "refusal",
        [REFUSAL_UNTOLD] = "refusal",
        [RESET_FORGETS] = "model",
        [STATS_DRIFT] = "model",
        [WALK_LIES] = "model",
        [CHECK_FAILS] = "invariants",
        [SIZE_OF_LIES] = "model",
        [OWNS_LIES] = "model",
        [DESTROY_FORGETS] = "refusal",
        [ALLOC_OPENS_TOO_MUCH] = "shadow",
        [ALLOC_LEAVES_CLOSED] = "shadow",
        [FREE_LEAVES_OPEN] = "shadow",
        [DESTROY_LEAVES_CLOSED] = "shadow",
    };
    for (int mistake = first; mistake < end; mistake++) {
        struct finding finding;
        assert_non_null(due[mistake]);
        if (run((enum mistake)mistake, &finding) != -1)
            fail_msg("mistake %d was not found", mistake);
        if (strcmp(finding.oracle, due[mistake]) != 0)
            fail_msg("mistake %d was found by %s, not by %s: operation %zu: %s", mistake,
                     finding.oracle, due[mistake], finding.op, finding.message);
    }
}

static void each_mistake_is_found_by_its_oracle(void **state)
{
    (void)state;
    find_mistakes(NO_MISTAKE + 1, FIRST_OF_SHADOW);
}

#ifdef POOLPROOF_ASAN
static void each_mistake_of_poisoning_is_found(void **state)
{
    (void)state;
    find_mistakes(FIRST_OF_SHADOW, MISTAKES);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_mistake_nothing_is_found),
        cmocka_unit_test(each_mistake_is_found_by_its_oracle),
#ifdef POOLPROOF_ASAN
        cmocka_unit_test(each_mistake_of_poisoning_is_found),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
