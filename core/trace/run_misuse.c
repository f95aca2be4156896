/* Calls that must be refused. */
#include "run.h"

#define FOREIGN_SIZE 48

/* A free, or with new_size a realloc, that must be refused; nothing is done where it would be
 * right. */
static int run_wrong(struct run *run, uintptr_t address, size_t size, size_t new_size)
{
    enum pool_reason due = model_due_free(&run->model, address, size);
    if (due == POOL_OK)
        return 0;
    run_remember(run);
    run->told = 0;                 /* an operation may make several of these */
    void *chunk = (void *)address; /* only the pool may judge it */
    void *before = chunk;
    if (run->oracles & ORACLE_MODEL) {
        uintptr_t offset = address - run->model.base;
        int inside = offset / POOL_GRANULE < run->model.granules;
        size_t bytes = model_size_at(&run->model, address);
        if (pool_owns(&run->pool, chunk) != inside)
            return run_report(run, "model", "pool_owns is wrong about the address at %lld",
                              run_offset(run, address));
        if (pool_size_of(&run->pool, chunk) != bytes)
            return run_report(run, "model", "pool_size_of is wrong about the address at %lld",
                              run_offset(run, address));
    }
    int unsized = due != POOL_WRONG_SIZE && due != POOL_ZERO_SIZE && size % 32 >= 16;
    const char *call = new_size != 0 ? "pool_realloc" : unsized ? "pool_free_unsized" : "pool_free";
    int result = new_size != 0 ? pool_realloc(&run->pool, &chunk, size, new_size, POOL_I8)
                 : unsized     ? pool_free_unsized(&chunk, &run->pool)
                               : pool_free(&chunk, size, &run->pool);
    if (run_judge_result(run, call, result, due) != 0)
        return -1;
    return run_judge_unchanged(run, call, before, chunk);
}

static int run_place(struct run *run, struct place place, size_t new_size)
{
    return place.address != 0 ? run_wrong(run, place.address, place.size, new_size) : 0;
}

/* Any size, a granule less than the right one, and more, up to the class of a chunk with room. */
static int run_wrong_sizes(struct run *run, struct place held, size_t size, size_t new_size)
{
    size_t less = held.size > POOL_GRANULE ? held.size - POOL_GRANULE : held.size;
    int result = run_wrong(run, held.address, size, new_size);
    if (result == 0)
        result = run_wrong(run, held.address, less, new_size);
    for (size_t more = 1; more <= 8 && result == 0; more++)
        result = run_wrong(run, held.address, held.size + more * POOL_GRANULE, new_size);
    return result;
}

static int run_bad_alloc(struct run *run, size_t size, unsigned align)
{
    enum pool_reason due = model_due_request(&run->model, size, align);
    if (due == POOL_OK)
        return 0;
    run_remember(run);
    void *chunk = UNTOUCHED;
    int result = pool_alloc(&run->pool, &chunk, size, (enum pool_type)align);
    if (run_judge_result(run, "pool_alloc", result, due) != 0)
        return -1;
    return run_judge_unchanged(run, "pool_alloc", UNTOUCHED, chunk);
}

static int run_foreign(struct run *run, size_t size)
{
    if (run->foreign_chunk == NULL &&
        (pool_init(&run->foreign) != 0 ||
         pool_alloc(&run->foreign, &run->foreign_chunk, FOREIGN_SIZE, POOL_USER) != 0))
        return run_report(run, "executor", "no memory for a second pool");
    struct image before = run_image(&run->foreign);
    if (run_wrong(run, (uintptr_t)run->foreign_chunk, size, 0) != 0)
        return -1;
    struct image following = run_image(&run->foreign);
    if (run_images_differ(&before, &following))
        return run_report(run, "refusal", "a refused pool_free changed the other pool");
    return 0;
}

int run_misuse(struct run *run, const struct trace_op *op)
{
    const uintptr_t block = run->model.base;
    const uintptr_t following = block + run->model.granules * POOL_GRANULE;
    size_t size = op->size < SIZE_MAX ? (size_t)op->size : SIZE_MAX;
    /* After the last slot stands one that is always empty, for the kinds that name none. */
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
    case TRACE_FREE_AFTER:
        return run_wrong(run, following + size * POOL_GRANULE, 16, 0);
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
        return run_wrong_sizes(run, held, size, 0);
    case TRACE_REALLOC_INTERIOR:
        return run_wrong(run, held.address + POOL_GRANULE, held.size, size);
    default:
        return run_wrong_sizes(run, held, size, held.size);
    }
}
