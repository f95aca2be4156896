/* The executor on a pool: each operation is run, judged by the model, and followed by a look at
 * the whole block. A run ends with the first finding. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

#include "executor.h"
#include "model.h"
#include "pattern.h"
#include "questions.h"
#include "shadow.h"

/* A whole block beyond this is taken but neither read nor given back one by one at the end, in
 * bytes. */
#define MAX_WHOLE_CHUNK ((size_t)256 * 1024 * 1024)
/* What the pointer variable holds before an allocation; no address. */
#define UNTOUCHED ((void *)(uintptr_t)0x5a5a5a5a)

/* A pool's bytes without its reason: what a refusal must not change. */
struct image {
    unsigned char bytes[sizeof(struct m_pool)];
};

struct run {
    const struct trace *trace;
    struct m_pool pool;
    struct model model;
    struct shadow shadow;
    struct m_pool foreign; /* another pool, made when first needed */
    void *foreign_chunk;
    unsigned oracles;
    int whole;     /* the block is small enough to be looked at after each operation */
    int unchanged; /* this operation called nothing, or was refused and the block compared since */
    size_t op;     /* being run */
    size_t not_seen;    /* operations since the last look … */
    size_t not_checked; /* … and since the last pool_check */
    int remembered;     /* memory_before is the block's memory */
    uint64_t seed;      /* of the next pattern */
    unsigned told;      /* calls of on_error, where it is this run's own */
    enum pool_reason told_reason;
    int tells; /* on_error is this run's own */
    struct image pool_before;
    unsigned char *memory_before;
    struct finding *finding;
};

#define FOREIGN_SIZE 48

__attribute__((format(printf, 3, 4))) static int report(struct run *run, const char *oracle,
                                                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    run->finding->oracle = oracle;
    run->finding->op = run->op;
    vsnprintf(run->finding->message, sizeof run->finding->message, format, arguments);
    va_end(arguments);
    return -1;
}

/* An address as its offset in the block, for messages that are the same in every process. */
static long long offset_of(const struct run *run, uintptr_t address)
{
    return (long long)(address - run->model.base);
}

static void on_error(void *context, const struct m_pool *pool, enum pool_reason reason,
                     const void *ptr)
{
    struct run *run = context;
    (void)pool;
    (void)ptr;
    run->told++;
    run->told_reason = reason;
}

/* --- Refusals --------------------------------------------------------------------------------- */

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

static struct image image_of(const struct m_pool *pool)
{
    struct image image;
    memcpy(image.bytes, pool, sizeof image.bytes);
    memset(image.bytes + offsetof(struct m_pool, reason), 0, sizeof pool->reason);
    return image;
}

static int images_differ(const struct image *one, const struct image *other)
{
    return memcmp(one->bytes, other->bytes, sizeof one->bytes) != 0;
}

/* Keeps what a refusal must not change. */
static void remember(struct run *run)
{
    if (!(run->oracles & ORACLE_REFUSAL))
        return;
    run->pool_before = image_of(&run->pool);
    if (run->whole && !run->remembered)
        copy_closed(run->memory_before, run->model.base, run->model.granules * POOL_GRANULE);
    run->remembered = 1;
}

/* Compares with what was remembered, but for the reason. */
static int judge_unchanged(struct run *run, const char *call, const void *before, const void *after)
{
    if (!(run->oracles & ORACLE_REFUSAL))
        return 0;
    if (before != after)
        return report(run, "refusal", "a refused %s changed the pointer variable", call);
    struct image now = image_of(&run->pool);
    if (images_differ(&now, &run->pool_before))
        return report(run, "refusal", "a refused %s changed the struct", call);
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
        return report(run, "refusal", "a refused %s changed the block's memory at byte %zu", call,
                      at);
    run->unchanged = run->whole;
    return 0;
}

/* Judges a call's result and reason against what was due. */
static int judge_result(struct run *run, const char *call, int result, struct due due)
{
    run->unchanged = 0;
    run->remembered &= result != 0;
    if (!(run->oracles & (ORACLE_MODEL | ORACLE_REFUSAL)))
        return 0;
    if (result != 0 && result != -1)
        return report(run, "model", "%s returned %d", call, result);
    if (result == 0) {
        if (due.reason != POOL_OK && !due.may_pass)
            return report(run, "model", "%s succeeded, but this is due: %s", call,
                          pool_strerror(due.reason));
        if (run->tells && run->told != 0)
            return report(run, "refusal", "%s succeeded, but on_error was called", call);
        return 0;
    }
    enum pool_reason reason = pool_error(&run->pool);
    if (due.reason == POOL_OK)
        return report(run, "model", "%s was refused (%s), but success is due", call,
                      pool_strerror(reason));
    if (reason != due.reason)
        return report(run, "refusal", "%s was refused for \"%s\", but this is due: %s", call,
                      pool_strerror(reason), pool_strerror(due.reason));
    if (run->tells && (run->told != 1 || run->told_reason != reason))
        return report(run, "refusal", "%s was refused, and on_error was called %u times for \"%s\"",
                      call, run->told, pool_strerror(run->told_reason));
    return 0;
}

/* --- The whole block -------------------------------------------------------------------------- */

struct walk {
    struct run *run;
    size_t next; /* granule at which the next piece must start */
    size_t live_chunks;
};

static int visit(void *context, const struct pool_piece *piece)
{
    struct walk *walk = context;
    struct run *run = walk->run;
    const struct model *model = &run->model;
    size_t g = walk->next;
    size_t n = piece->size / POOL_GRANULE;
    if ((uintptr_t)piece->start != model->base + g * POOL_GRANULE || n == 0 ||
        piece->size % POOL_GRANULE != 0 || n > model->granules - g)
        return report(run, "model", "pool_walk leaves a gap or overlaps at byte %zu",
                      g * POOL_GRANULE);
    if (piece->kind == POOL_LIVE) {
        walk->live_chunks++;
        if (model_chunk_at(model, g) != n)
            return report(run, "model", "pool_walk shows a live chunk at byte %zu that is not so",
                          g * POOL_GRANULE);
    } else if (!model_is_free(model, g, n)) {
        return report(run, "model", "pool_walk shows a free piece at byte %zu over a live chunk",
                      g * POOL_GRANULE);
    } else if ((piece->kind == POOL_FRESH) != (g >= model->reach)) {
        return report(run, "model", "pool_walk is wrong about what is fresh at byte %zu",
                      g * POOL_GRANULE);
    }
    walk->next = g + n;
    return 0;
}

/* The pool's own questions, and those without sanitizers, which are the same elsewhere. */
struct questions {
    int (*check)(const struct m_pool *, const char **);
    int (*stats)(const struct m_pool *, struct pool_stats *);
    int (*walk)(const struct m_pool *, int (*)(void *, const struct pool_piece *), void *);
};

static const struct questions its_own = {pool_check, pool_stats, pool_walk};
static const struct questions unwatched = {asked_check, asked_stats, asked_walk};

static int look_at_statistics(struct run *run, const struct questions *ask)
{
    const struct model *model = &run->model;
    struct pool_stats stats;
    size_t free_runs;
    size_t longest;
    if (ask->stats(&run->pool, &stats) != 0)
        return report(run, "model", "pool_stats was refused");
    model_extents(model, &free_runs, &longest);
    const struct {
        const char *name;
        size_t found;
        size_t due;
    } rows[] = {
        {"capacity", stats.capacity, usable_bytes(model, model->granules)},
        {"live_bytes", stats.live_bytes,
         (model->live_granules - model->redzone * model->live_chunks) * POOL_GRANULE},
        {"live_chunks", stats.live_chunks, model->live_chunks},
        {"free_bytes", stats.free_bytes,
         usable_bytes(model, model->granules - model->live_granules)},
        {"free_runs", stats.free_runs, free_runs},
        {"largest_free", stats.largest_free, usable_bytes(model, longest)},
        {"high_water", stats.high_water, usable_bytes(model, model->reach)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].found != rows[i].due)
            return report(run, "model", "pool_stats says %s = %zu, due is %zu", rows[i].name,
                          rows[i].found, rows[i].due);
    if (stats.cached_bytes > stats.free_bytes ||
        stats.cached_chunks > stats.cached_bytes / POOL_GRANULE)
        return report(run, "model", "pool_stats says more is cached than free");
    return 0;
}

static int report_shadow(struct run *run, uintptr_t at, int closed)
{
    return report(run, "shadow", "the byte at %lld is %s to ASan", offset_of(run, at),
                  closed ? "closed, but due to be open" : "open, but due to be closed");
}

/* pool_check looks at every tag. In a block of many it waits until as many operations have passed
 * as make that cheap for each, but not in a short trace, which is what findings are made to be. */
static int is_check_due(const struct run *run)
{
    enum { CHEAP = 256, SHORT = 16 };
    const struct trace *const trace = run->trace;
    return (run->oracles & ORACLE_INVARIANTS) &&
           (trace->count <= SHORT || run->op == trace->count ||
            trace->ops[run->op].kind == TRACE_CHECK ||
            run->not_checked >= run->model.reach / CHEAP);
}

/* The first byte whose shadow is not as the model has it; 0 if there is none, or nobody asks. */
static uintptr_t find_wrong_shadow(const struct run *run)
{
    size_t bytes = (run->whole ? run->model.granules : run->model.reach) * POOL_GRANULE;
    return run->oracles & ORACLE_SHADOW ? shadow_wrong(&run->shadow, run->model.base, bytes) : 0;
}

static int look(struct run *run, const struct questions *ask)
{
    run->not_seen = 0;
    /* A checked pool is looked at before it is asked, for it closes what it has verified. */
    uintptr_t wrong = run->model.redzone != 0 ? find_wrong_shadow(run) : 0;
    int closed = wrong != 0 && shadow_first_closed(wrong, 1) != 0;
    if (is_check_due(run)) {
        run->not_checked = 0;
        const char *broken = "nothing";
        if (ask->check(&run->pool, &broken) != 0)
            return report(run, "invariants", "pool_check says: %s", broken);
    }
    if (run->oracles & ORACLE_MODEL) {
        struct walk walk = {.run = run};
        int walked = ask->walk(&run->pool, visit, &walk);
        if (walked != 0)
            return walk.next == 0 && run->finding->oracle == NULL
                       ? report(run, "model", "pool_walk was refused")
                       : -1;
        if (walk.next != run->model.granules || walk.live_chunks != run->model.live_chunks)
            return report(run, "model", "pool_walk does not cover the block");
        if (look_at_statistics(run, ask) != 0)
            return -1;
    }
    if (wrong == 0) {
        wrong = find_wrong_shadow(run);
        closed = wrong != 0 && shadow_first_closed(wrong, 1) != 0;
    }
    return wrong != 0 ? report_shadow(run, wrong, closed) : 0;
}

/* --- Objects ---------------------------------------------------------------------------------- */

static unsigned char *object_of(const struct model_slot *slot)
{
    return (unsigned char *)slot->held.address;
}

static int check_contents(struct run *run, uint32_t slot)
{
    const struct model_slot *state = &run->model.slots[slot];
    if (!(run->oracles & ORACLE_MODEL))
        return 0;
    size_t at = pattern_differs(object_of(state), state->held.size, state->seed);
    if (at != state->held.size)
        return report(run, "contents", "byte %zu of slot %u's %zu has changed by itself", at, slot,
                      state->held.size);
    return 0;
}

static int check_all_contents(struct run *run)
{
    for (uint32_t slot = 0; slot < run->model.slot_count; slot++)
        if (run->model.slots[slot].held.address != 0 && check_contents(run, slot) != 0)
            return -1;
    return 0;
}

/* Takes note of a chunk that slot has got, of which the first `kept` bytes come from before. */
static int receive(struct run *run, uint32_t slot, const void *chunk, size_t size, unsigned align,
                   size_t kept)
{
    struct model_slot *state = &run->model.slots[slot];
    struct place place = {(uintptr_t)chunk, size};
    const char *wrong = model_put(&run->model, slot, place, align);
    if (wrong != NULL)
        return report(run, "model", "%s: slot %u, %zu bytes at %lld", wrong, slot, size,
                      offset_of(run, place.address));
    if (run->oracles & ORACLE_SHADOW) {
        shadow_open(&run->shadow, place.address, size);
        uintptr_t at = shadow_wrong(&run->shadow, place.address,
                                    chunk_granules(&run->model, size) * POOL_GRANULE);
        if (at != 0)
            return report_shadow(run, at, shadow_first_closed(at, 1) != 0);
    }
    if (!(run->oracles & ORACLE_MODEL))
        return 0;
    if (pool_size_of(&run->pool, chunk) != model_size_at(&run->model, place.address))
        return report(run, "model", "pool_size_of says %zu for %zu bytes",
                      pool_size_of(&run->pool, chunk), size);
    if (!pool_owns(&run->pool, chunk))
        return report(run, "model", "pool_owns denies a live chunk");
    unsigned char *bytes = object_of(state);
    size_t differs = pattern_differs(bytes, kept, state->seed);
    if (differs != kept)
        return report(run, "contents", "byte %zu of slot %u was not kept by realloc", differs,
                      slot);
    int wiped = !(run->model.flags & POOL_KEEP_CONTENTS);
    size_t dirty = wiped ? first_not_zero(bytes, kept, size) : size;
    if (dirty != size)
        return report(run, "contents", "byte %zu of slot %u's new %zu is not zero", dirty, slot,
                      size);
    if (kept == 0)
        state->seed = run->seed++;
    pattern_fill(bytes, kept, size, state->seed);
    return 0;
}

/* What is due of a request; with a large block the search for room waits until it has been
 * refused. */
static struct due due_of(struct run *run, int result_is_known, int resize, uint32_t slot,
                         size_t size, unsigned align)
{
    struct due due = {model_due_request(&run->model, size, align), 0};
    if (due.reason != POOL_OK || (!run->whole && !result_is_known))
        return due;
    return resize ? model_due_resize(&run->model, slot, size, align)
                  : model_due_room(&run->model, size, align);
}

static int run_alloc(struct run *run, uint32_t slot, size_t size, unsigned align)
{
    struct due due = due_of(run, 0, 0, slot, size, align);
    if (due.reason != POOL_OK)
        remember(run);
    void *chunk = UNTOUCHED;
    int result = pool_alloc(&run->pool, &chunk, size, (enum pool_type)align);
    if (result != 0 && due.reason == POOL_OK)
        due = due_of(run, 1, 0, slot, size, align);
    if (judge_result(run, "pool_alloc", result, due) != 0)
        return -1;
    if (result == 0)
        return receive(run, slot, chunk, size, align, 0);
    if (!run->whole && due.reason == POOL_OUT_OF_MEMORY)
        return chunk == UNTOUCHED
                   ? 0
                   : report(run, "refusal", "a refused pool_alloc changed the pointer variable");
    return judge_unchanged(run, "pool_alloc", UNTOUCHED, chunk);
}

static int run_realloc(struct run *run, uint32_t slot, size_t size, unsigned align)
{
    struct model_slot *state = &run->model.slots[slot];
    struct place before = state->held;
    if (before.address == 0)
        return 0;
    if (check_contents(run, slot) != 0)
        return -1;
    struct due due = due_of(run, 0, 1, slot, size, align);
    if (due.reason != POOL_OK)
        remember(run);
    void *chunk = object_of(state);
    int result = pool_realloc(&run->pool, &chunk, before.size, size, (enum pool_type)align);
    if (result != 0 && due.reason == POOL_OK)
        due = due_of(run, 1, 1, slot, size, align);
    if (judge_result(run, "pool_realloc", result, due) != 0)
        return -1;
    if (result != 0) {
        if (!run->whole && due.reason == POOL_OUT_OF_MEMORY)
            return check_contents(run, slot);
        return judge_unchanged(run, "pool_realloc", object_of(state), chunk);
    }
    struct place freed = state->freed;
    model_take(&run->model, slot);
    if ((uintptr_t)chunk == before.address)
        state->freed = freed; /* nothing was freed: it has only changed its size */
    if (run->oracles & ORACLE_SHADOW)
        shadow_close(&run->shadow, before.address, granules_of(before.size) * POOL_GRANULE);
    return receive(run, slot, chunk, size, align, before.size < size ? before.size : size);
}

static int run_free(struct run *run, uint32_t slot)
{
    struct model_slot *state = &run->model.slots[slot];
    struct place held = state->held;
    if (held.address == 0)
        return 0;
    if (check_contents(run, slot) != 0)
        return -1;
    void *chunk = object_of(state);
    int result = slot % 2 != 0 ? pool_free_unsized(&chunk, &run->pool)
                               : pool_free(&chunk, held.size, &run->pool);
    if (judge_result(run, "pool_free", result, (struct due){POOL_OK, 0}) != 0)
        return -1;
    if (result != 0)
        return 0; /* no oracle that would mind is on */
    if (chunk != NULL && (run->oracles & ORACLE_MODEL))
        return report(run, "model", "pool_free left the pointer variable as it was");
    model_take(&run->model, slot);
    if (run->oracles & ORACLE_SHADOW)
        shadow_close(&run->shadow, held.address, granules_of(held.size) * POOL_GRANULE);
    if ((run->oracles & ORACLE_MODEL) && pool_size_of(&run->pool, (void *)held.address) != 0)
        return report(run, "model", "pool_size_of knows a chunk that has been freed");
    return 0;
}

static int run_reset(struct run *run)
{
    run->unchanged = 0;
    run->remembered = 0;
    if (check_all_contents(run) != 0)
        return -1;
    if (pool_reset(&run->pool) != 0)
        return report(run, "model", "pool_reset was refused");
    if (run->oracles & ORACLE_SHADOW)
        shadow_close(&run->shadow, run->model.base, run->model.reach * POOL_GRANULE);
    model_reset(&run->model);
    return 0;
}

/* --- Misuse ----------------------------------------------------------------------------------- */

/* A free, or with new_size a realloc, that must be refused; nothing is done where it would be
 * right. */
static int run_wrong(struct run *run, uintptr_t address, size_t size, size_t new_size)
{
    enum pool_reason due = model_due_free(&run->model, address, size);
    if (due == POOL_OK)
        return 0;
    remember(run);
    void *chunk = (void *)address; /* only the pool may judge it */
    void *before = chunk;
    if (run->oracles & ORACLE_MODEL) {
        uintptr_t offset = address - run->model.base;
        int inside = offset / POOL_GRANULE < run->model.granules;
        size_t bytes = model_size_at(&run->model, address);
        if (pool_owns(&run->pool, chunk) != inside)
            return report(run, "model", "pool_owns is wrong about the address at %lld",
                          offset_of(run, address));
        if (pool_size_of(&run->pool, chunk) != bytes)
            return report(run, "model", "pool_size_of is wrong about the address at %lld",
                          offset_of(run, address));
    }
    int unsized = due != POOL_WRONG_SIZE && due != POOL_ZERO_SIZE && size % 32 >= 16;
    const char *call = new_size != 0 ? "pool_realloc" : unsized ? "pool_free_unsized" : "pool_free";
    int result = new_size != 0 ? pool_realloc(&run->pool, &chunk, size, new_size, POOL_I8)
                 : unsized     ? pool_free_unsized(&chunk, &run->pool)
                               : pool_free(&chunk, size, &run->pool);
    if (judge_result(run, call, result, (struct due){due, 0}) != 0)
        return -1;
    return judge_unchanged(run, call, before, chunk);
}

static int run_place(struct run *run, struct place place, size_t new_size)
{
    return place.address != 0 ? run_wrong(run, place.address, place.size, new_size) : 0;
}

static int run_bad_alloc(struct run *run, size_t size, unsigned align)
{
    struct due due = {model_due_request(&run->model, size, align), 0};
    if (due.reason == POOL_OK)
        return 0;
    remember(run);
    void *chunk = UNTOUCHED;
    int result = pool_alloc(&run->pool, &chunk, size, (enum pool_type)align);
    if (judge_result(run, "pool_alloc", result, due) != 0)
        return -1;
    return judge_unchanged(run, "pool_alloc", UNTOUCHED, chunk);
}

static int run_foreign(struct run *run, size_t size)
{
    if (run->foreign_chunk == NULL &&
        (pool_init(&run->foreign) != 0 ||
         pool_alloc(&run->foreign, &run->foreign_chunk, FOREIGN_SIZE, POOL_USER) != 0))
        return report(run, "executor", "no memory for a second pool");
    struct image before = image_of(&run->foreign);
    if (run_wrong(run, (uintptr_t)run->foreign_chunk, size, 0) != 0)
        return -1;
    struct image after = image_of(&run->foreign);
    if (images_differ(&before, &after))
        return report(run, "refusal", "a refused pool_free changed the other pool");
    return 0;
}

static int run_misuse(struct run *run, const struct trace_op *op)
{
    const uintptr_t block = run->model.base;
    const uintptr_t behind = block + run->model.granules * POOL_GRANULE;
    size_t size = op->size < SIZE_MAX ? (size_t)op->size : SIZE_MAX;
    /* Behind the last slot stands one that is always empty, for the kinds that name none. */
    uint32_t slots = run->model.slot_count;
    const struct model_slot *slot = &run->model.slots[op->slot < slots ? op->slot : slots];
    switch (op->kind) {
    case TRACE_ALLOC_ZERO:
        return run_bad_alloc(run, 0, POOL_I8);
    case TRACE_ALLOC_HUGE:
        return run_bad_alloc(run, SIZE_MAX - size, POOL_I8);
    case TRACE_ALLOC_BAD_ALIGN:
        return run_bad_alloc(run, size, POOL_PAGE + 1 + size % 3);
    case TRACE_FREE_BEFORE:
        return run_wrong(run, block - (size + 1) * POOL_GRANULE, 16, 0);
    case TRACE_FREE_BEHIND:
        return run_wrong(run, behind + size * POOL_GRANULE, 16, 0);
    case TRACE_FREE_FOREIGN:
        return run_foreign(run, size);
    case TRACE_FREE_TWICE:
        return run_place(run, slot->freed, 0);
    case TRACE_FREE_STALE:
        return run_place(run, slot->stale, 0);
    case TRACE_REALLOC_TWICE:
        return run_place(run, slot->freed, size);
    default:
        break;
    }
    struct place held = slot->held;
    if (held.address == 0)
        return 0;
    switch (op->kind) {
    case TRACE_FREE_INTERIOR:
        return run_wrong(run, held.address + size * POOL_GRANULE, held.size, 0);
    case TRACE_FREE_MISALIGNED:
        return run_wrong(run, held.address + 1 + size % 15, held.size, 0);
    case TRACE_FREE_WRONG_SIZE:
        return run_wrong(run, held.address, size, 0);
    case TRACE_REALLOC_INTERIOR:
        return run_wrong(run, held.address + POOL_GRANULE, held.size, size);
    default:
        return run_wrong(run, held.address, size, held.size);
    }
}

/* --- A run ------------------------------------------------------------------------------------ */

static int step(struct run *run, const struct trace_op *op)
{
    size_t size = op->size < SIZE_MAX ? (size_t)op->size : SIZE_MAX;
    int result;
    run->told = 0;
    run->unchanged = 1;
    switch (op->kind) {
    case TRACE_ALLOC:
    case TRACE_CALLOC:
        result = run_alloc(run, op->slot, size, op->align);
        break;
    case TRACE_REALLOC:
        result = run_realloc(run, op->slot, size, op->align);
        break;
    case TRACE_FREE:
        result = run_free(run, op->slot);
        break;
    case TRACE_RESET:
        result = run_reset(run);
        break;
    case TRACE_CHECK:
        result = check_all_contents(run);
        break;
    default:
        result = run_misuse(run, op);
        break;
    }
    run->not_seen++;
    run->not_checked++;
    if (result == 0 &&
        ((run->whole && !run->unchanged) || op->kind == TRACE_CHECK ||
         (!run->whole && run->not_seen >= run->model.granules / (1024 / POOL_GRANULE))))
        result = look(run, &unwatched);
    return result;
}

/* The fresh block is one piece. */
static int find_block(void *context, const struct pool_piece *piece)
{
    struct pool_piece *block = context;
    if (block->size != 0 || piece->kind != POOL_FRESH)
        return 1;
    *block = *piece;
    return 0;
}

static int start(struct run *run, const struct pool_config *config)
{
    struct pool_config own = {0};
    if (config != NULL)
        own = *config;
    run->tells = own.on_error == NULL && own.map == NULL;
    if (run->tells) {
        own.on_error = on_error;
        own.context = run;
    }
    if (pool_init_with(&run->pool, &own) != 0)
        return report(run, "exhaustion", "pool_init_with was refused: %s",
                      pool_strerror(pool_error(&run->pool)));
    struct pool_piece block = {0};
    if (pool_walk(&run->pool, find_block, &block) != 0 || block.size == 0 ||
        (uintptr_t)block.start % POOL_GRANULE != 0)
        return report(run, "model", "a new pool's block is not one fresh, aligned piece");
    size_t due = (own.capacity != 0 ? own.capacity : POOL_DEFAULT_CAPACITY);
    if (own.buffer == NULL && block.size != (granules_of(due) + POOL_REDZONE) * POOL_GRANULE)
        return report(run, "model", "a new pool of %zu bytes has a block of %zu", due, block.size);
    run->whole = block.size <= EXECUTOR_WHOLE_BLOCK;
    uintptr_t base = (uintptr_t)block.start;
    if (model_start(&run->model, base, block.size, own.flags, POOL_REDZONE, run->trace->slots) !=
            0 ||
        ((run->oracles & ORACLE_SHADOW) && shadow_start(&run->shadow, base, block.size) != 0))
        return report(run, "executor", "not enough memory for the model");
    if (run->whole && (run->oracles & ORACLE_REFUSAL)) {
        run->memory_before = malloc(block.size);
        if (run->memory_before == NULL)
            return report(run, "executor", "not enough memory for a copy of the block");
    }
    return look(run, &its_own);
}

/* All that is left is freed, and then the block is there as a whole. */
static int drain(struct run *run)
{
    run->told = 0;
    for (uint32_t slot = 0; slot < run->trace->slots; slot++)
        if (run_free(run, slot) != 0)
            return -1;
    if (look(run, &its_own) != 0 || !(run->oracles & ORACLE_MODEL))
        return run->finding->oracle == NULL ? 0 : -1;
    size_t capacity = usable_bytes(&run->model, run->model.granules);
    void *chunk = UNTOUCHED;
    if (pool_alloc(&run->pool, &chunk, capacity, POOL_I8) != 0)
        return report(run, "model", "all is free, but the whole capacity was refused: %s",
                      pool_strerror(pool_error(&run->pool)));
    if ((uintptr_t)chunk != run->model.base)
        return report(run, "model", "the whole capacity is not the block");
    if (capacity > MAX_WHOLE_CHUNK)
        return 0;
    int wiped = !(run->model.flags & POOL_KEEP_CONTENTS);
    size_t dirty = wiped ? first_not_zero(chunk, 0, capacity) : capacity;
    if (dirty != capacity)
        return report(run, "contents", "byte %zu of the whole capacity is not zero", dirty);
    if (pool_free(&chunk, capacity, &run->pool) != 0)
        return report(run, "model", "the whole capacity could not be freed");
    return 0;
}

/* Destroys the pool, twice, and looks at what is left of it. */
static int finish(struct run *run, const struct pool_config *config)
{
    pool_destroy(&run->pool);
    int judge = run->finding->oracle == NULL && (run->oracles & ORACLE_MODEL);
    void *chunk = UNTOUCHED;
    if (judge && (pool_alloc(&run->pool, &chunk, 16, POOL_I8) != -1 ||
                  pool_error(&run->pool) != POOL_DEAD || chunk != UNTOUCHED))
        return report(run, "refusal", "a destroyed pool does not refuse as a dead one");
    pool_destroy(&run->pool);
    if (judge && (run->oracles & ORACLE_SHADOW) && config != NULL && config->buffer != NULL) {
        uintptr_t closed = shadow_first_closed((uintptr_t)config->buffer, config->buffer_size);
        if (closed != 0)
            return report(run, "shadow", "byte %zu of the caller's buffer is closed after destroy",
                          (size_t)(closed - (uintptr_t)config->buffer));
    }
    return 0;
}

int execute_on_pool(const struct trace *trace, const struct pool_config *config, unsigned oracles,
                    struct finding *finding)
{
    struct run run = {.trace = trace, .oracles = oracles, .finding = finding, .seed = 1};
    finding->oracle = NULL;
    finding->op = 0;
    finding->message[0] = '\0';
    int result = start(&run, config);
    for (; result == 0 && run.op < trace->count; run.op++)
        if ((result = step(&run, &trace->ops[run.op])) != 0)
            break;
    if (result == 0)
        result = drain(&run);
    if (finish(&run, config) != 0)
        result = -1;
    pool_destroy(&run.foreign);
    model_free(&run.model);
    shadow_free(&run.shadow);
    free(run.memory_before);
    return result;
}
