/* What a call answers, and what a refused one must leave as it was. */
#include <stdlib.h>
#include <string.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

#include "run.h"

/* Four words of a granule's alignment, at once. */
typedef uint64_t words __attribute__((vector_size(32), aligned(8), may_alias));

_Static_assert(2 * POOL_GRANULE == sizeof(words), "a block may end half way");

/* Granules of closed memory, without asking ASan. */
SEES_CLOSED static void copy_closed(unsigned char *to, uintptr_t from, size_t size)
{
    size_t at = 0;
    for (; at + sizeof(words) <= size; at += sizeof(words))
        *(volatile words *)(to + at) = *(const volatile words *)(from + at);
    for (; at < size; at += sizeof(uint64_t))
        *(volatile uint64_t *)(to + at) = *(const volatile uint64_t *)(from + at);
}

/* The offset of the first word that is not as in the copy; size if there is none. */
SEES_CLOSED static size_t closed_differs(const unsigned char *copy, uintptr_t from, size_t size)
{
    size_t at = 0;
    for (; at + sizeof(words) <= size; at += sizeof(words)) {
        const words off =
            *(const volatile words *)(copy + at) ^ *(const volatile words *)(from + at);
        if (off[0] | off[1] | off[2] | off[3])
            break;
    }
    while (at < size &&
           *(const volatile uint64_t *)(copy + at) == *(const volatile uint64_t *)(from + at))
        at += sizeof(uint64_t);
    return at;
}

struct image run_image(const struct m_pool *pool)
{
    struct image image;
    memcpy(image.bytes, pool, sizeof image.bytes);
    memset(image.bytes + offsetof(struct m_pool, reason), 0, sizeof pool->reason);
    return image;
}

int run_images_differ(const struct image *one, const struct image *other)
{
    return memcmp(one->bytes, other->bytes, sizeof one->bytes) != 0;
}

void run_remember(struct run *run)
{
    if (!(run->oracles & ORACLE_REFUSAL))
        return;
    run->pool_before = run_image(&run->pool);
    if (run->whole && !run->remembered)
        copy_closed(run->memory_before, run->model.base, run->model.granules * POOL_GRANULE);
    run->remembered = 1;
}

int run_judge_unchanged(struct run *run, const char *call, const void *before, const void *after)
{
    if (!(run->oracles & ORACLE_REFUSAL))
        return 0;
    if (before != after)
        return run_report(run, "refusal", "a refused %s changed the pointer variable", call);
    /* A pool may prepare for the next alloc where memory is short: the model's questions tell
     * whether it shows. */
    struct image now = run_image(&run->pool);
    if (pool_error(&run->pool) != POOL_OUT_OF_MEMORY && run_images_differ(&now, &run->pool_before))
        return run_report(run, "refusal", "a refused %s changed the struct", call);
    size_t size = run->whole ? run->model.granules * POOL_GRANULE : 0;
    /* A block's memory may be closed and uninitialised, which is no reason not to compare it. */
#ifdef VALGRIND_DISABLE_ERROR_REPORTING
    VALGRIND_DISABLE_ERROR_REPORTING;
#endif
    size_t at = closed_differs(run->memory_before, run->model.base, size);
#ifdef VALGRIND_ENABLE_ERROR_REPORTING
    VALGRIND_ENABLE_ERROR_REPORTING;
#endif
    if (at != size)
        return run_report(run, "refusal", "a refused %s changed the block's memory at byte %zu",
                          call, at);
    run->unchanged = run->whole && pool_error(&run->pool) != POOL_OUT_OF_MEMORY;
    return 0;
}

int run_judge_result(struct run *run, const char *call, int result, enum pool_reason due)
{
    run->unchanged = 0;
    run->remembered &= result != 0;
    if (!(run->oracles & (ORACLE_MODEL | ORACLE_REFUSAL)))
        return 0;
    if (result != 0 && result != -1)
        return run_report(run, "model", "%s returned %d", call, result);
    if (result == 0) {
        if (due != POOL_OK)
            return run_report(run, "model", "%s succeeded, but this is due: %s", call,
                              pool_strerror(due));
        if (run->tells && run->told != 0)
            return run_report(run, "refusal", "%s succeeded, but on_error was called", call);
        return 0;
    }
    enum pool_reason reason = pool_error(&run->pool);
    if (due == POOL_OK)
        return run_report(run, "model", "%s was refused (%s), but success is due", call,
                          pool_strerror(reason));
    if (reason != due)
        return run_report(run, "refusal", "%s was refused for \"%s\", but this is due: %s", call,
                          pool_strerror(reason), pool_strerror(due));
    if (run->tells && (run->told != 1 || run->told_reason != reason))
        return run_report(run, "refusal",
                          "%s was refused, and on_error was called %u times for \"%s\"", call,
                          run->told, pool_strerror(run->told_reason));
    return 0;
}
