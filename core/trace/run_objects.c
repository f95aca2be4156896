/* The calls of a right program, and the contents of its objects. */
#include "pattern.h"
#include "run.h"

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
        return run_report(run, "contents", "byte %zu of slot %u's %zu has changed by itself", at,
                          slot, state->held.size);
    return 0;
}

int run_check_all_contents(struct run *run)
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
        return run_report(run, "model", "%s: slot %u, %zu bytes at %lld", wrong, slot, size,
                          run_offset(run, place.address));
    if (run->oracles & ORACLE_SHADOW) {
        shadow_open(&run->shadow, place.address, size);
        uintptr_t at = shadow_wrong(&run->shadow, place.address,
                                    chunk_granules(&run->model, size) * POOL_GRANULE);
        if (at != 0)
            return run_report_shadow(run, at, shadow_first_closed(at, 1) != 0);
    }
    if (!(run->oracles & ORACLE_MODEL))
        return 0;
    if (pool_size_of(&run->pool, chunk) != model_size_at(&run->model, place.address))
        return run_report(run, "model", "pool_size_of says %zu for %zu bytes",
                          pool_size_of(&run->pool, chunk), size);
    if (!pool_owns(&run->pool, chunk))
        return run_report(run, "model", "pool_owns denies a live chunk");
    unsigned char *bytes = object_of(state);
    size_t differs = pattern_differs(bytes, kept, state->seed);
    if (differs != kept)
        return run_report(run, "contents", "byte %zu of slot %u was not kept by realloc", differs,
                          slot);
    int wiped = !(run->model.flags & POOL_KEEP_CONTENTS);
    size_t dirty = wiped ? first_not_zero(bytes, kept, size) : size;
    if (dirty != size)
        return run_report(run, "contents", "byte %zu of slot %u's new %zu is not zero", dirty, slot,
                          size);
    if (kept == 0)
        state->seed = run->seed++;
    pattern_fill(bytes, kept, size, state->seed);
    return 0;
}

/* What is due of a request; with a large block the search for room waits until it has been
 * refused. */
static enum pool_reason due_of(struct run *run, int result_is_known, int resize, uint32_t slot,
                               size_t size, unsigned align)
{
    enum pool_reason due = model_due_request(&run->model, size, align);
    if (due != POOL_OK || (!run->whole && !result_is_known))
        return due;
    return resize ? model_due_resize(&run->model, slot, size, align)
                  : model_due_room(&run->model, size, align);
}

int run_alloc(struct run *run, uint32_t slot, size_t size, unsigned align)
{
    enum pool_reason due = due_of(run, 0, 0, slot, size, align);
    if (due != POOL_OK)
        run_remember(run);
    void *chunk = UNTOUCHED;
    int result = pool_alloc(&run->pool, &chunk, size, (enum pool_type)align);
    if (result != 0 && due == POOL_OK)
        due = due_of(run, 1, 0, slot, size, align);
    if (run_judge_result(run, "pool_alloc", result, due) != 0)
        return -1;
    if (result == 0)
        return receive(run, slot, chunk, size, align, 0);
    if (!run->whole && due == POOL_OUT_OF_MEMORY)
        return chunk == UNTOUCHED ? 0
                                  : run_report(run, "refusal",
                                               "a refused pool_alloc changed the pointer variable");
    return run_judge_unchanged(run, "pool_alloc", UNTOUCHED, chunk);
}

int run_realloc(struct run *run, uint32_t slot, size_t size, unsigned align)
{
    struct model_slot *state = &run->model.slots[slot];
    struct place before = state->held;
    if (before.address == 0)
        return 0;
    if (check_contents(run, slot) != 0)
        return -1;
    enum pool_reason due = due_of(run, 0, 1, slot, size, align);
    size_t kept = before.size < size ? before.size : size;
    pattern_fill(object_of(state), kept, kept, state->seed);
    if (due != POOL_OK)
        run_remember(run);
    void *chunk = object_of(state);
    int result = pool_realloc(&run->pool, &chunk, before.size, size, (enum pool_type)align);
    if (result != 0 && due == POOL_OK)
        due = due_of(run, 1, 1, slot, size, align);
    if (run_judge_result(run, "pool_realloc", result, due) != 0)
        return -1;
    if (result != 0) {
        if (!run->whole && due == POOL_OUT_OF_MEMORY)
            return check_contents(run, slot);
        return run_judge_unchanged(run, "pool_realloc", object_of(state), chunk);
    }
    struct place freed = state->freed;
    model_take(&run->model, slot);
    if ((uintptr_t)chunk == before.address)
        state->freed = freed; /* nothing was freed: it has only changed its size */
    if (run->oracles & ORACLE_SHADOW)
        shadow_close(&run->shadow, before.address, granules_of(before.size) * POOL_GRANULE);
    return receive(run, slot, chunk, size, align, kept);
}

int run_free(struct run *run, uint32_t slot)
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
    if (run_judge_result(run, "pool_free", result, POOL_OK) != 0)
        return -1;
    if (result != 0)
        return 0; /* no oracle that would mind is on */
    if (chunk != NULL && (run->oracles & ORACLE_MODEL))
        return run_report(run, "model", "pool_free left the pointer variable as it was");
    model_take(&run->model, slot);
    if (run->oracles & ORACLE_SHADOW)
        shadow_close(&run->shadow, held.address, granules_of(held.size) * POOL_GRANULE);
    if ((run->oracles & ORACLE_MODEL) && pool_size_of(&run->pool, (void *)held.address) != 0)
        return run_report(run, "model", "pool_size_of knows a chunk that has been freed");
    return 0;
}

int run_reset(struct run *run)
{
    run->unchanged = 0;
    run->remembered = 0;
    if (run_check_all_contents(run) != 0)
        return -1;
    if (pool_reset(&run->pool) != 0)
        return run_report(run, "model", "pool_reset was refused");
    if (run->oracles & ORACLE_SHADOW)
        shadow_close(&run->shadow, run->model.base, run->model.reach * POOL_GRANULE);
    model_reset(&run->model);
    return 0;
}
