/* The executor on the model alone: first fit by address, in a block that does not exist. */
#include "executor.h"
#include "model.h"

/* An address with the largest alignment; nothing is there, and nothing looks. */
#define BASE ((uintptr_t)1 << 20)

static void measure(const struct model *model, struct outcome *outcome)
{
    size_t live = model->live_granules * POOL_GRANULE;
    size_t end = model->reach * POOL_GRANULE;
    outcome->peak_live = live > outcome->peak_live ? live : outcome->peak_live;
    outcome->peak_end = end > outcome->peak_end ? end : outcome->peak_end;
}

static void run_alloc(struct model *model, uint32_t slot, size_t size, unsigned align,
                      struct outcome *outcome)
{
    struct place place = {0, size};
    if (model_due_request(model, size, align) == POOL_OK)
        place.address = model_first_fit(model, size, align);
    if (place.address == 0 || model_put(model, slot, place, align) != NULL)
        outcome->refused++;
}

static void run_realloc(struct model *model, uint32_t slot, size_t size, unsigned align,
                        struct outcome *outcome)
{
    struct place place = {model->slots[slot].held.address, size};
    if (place.address == 0)
        return;
    if (model_due_request(model, size, align) != POOL_OK)
        place.address = 0;
    else if (!model_fits_in_place(model, slot, size, align))
        place.address = model_first_fit(model, size, align);
    if (place.address == 0) {
        outcome->refused++;
        return;
    }
    model_take(model, slot);
    if (model_put(model, slot, place, align) != NULL)
        outcome->refused++;
}

int execute_on_model(const struct trace *trace, size_t capacity, struct outcome *outcome)
{
    struct model model;
    *outcome = (struct outcome){0};
    if (model_start(&model, BASE, granules_of(capacity) * POOL_GRANULE, 0, 0, trace->slots) != 0)
        return -1;
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_op *op = &trace->ops[i];
        size_t size = op->size < SIZE_MAX ? (size_t)op->size : SIZE_MAX;
        if (op->kind == TRACE_ALLOC || op->kind == TRACE_CALLOC)
            run_alloc(&model, op->slot, size, op->align, outcome);
        else if (op->kind == TRACE_REALLOC)
            run_realloc(&model, op->slot, size, op->align, outcome);
        else if (op->kind == TRACE_FREE && model.slots[op->slot].held.address != 0)
            model_take(&model, op->slot);
        else if (op->kind == TRACE_RESET)
            model_reset(&model);
        measure(&model, outcome);
    }
    model_free(&model);
    return 0;
}
