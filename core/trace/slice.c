/* Short traces out of a long one. */
#include <stdlib.h>

#include "trace.h"

/* Slots of the slice: which are empty, and what each slot of the long trace is called there. */
struct names {
    uint32_t *name; /* of a slot of the long trace, plus one; 0 for an object that is left out */
    uint32_t *empty, left;
};

static void forget(struct names *names, uint32_t slots, uint32_t most)
{
    for (uint32_t slot = 0; slot < slots; slot++)
        names->name[slot] = 0;
    for (names->left = 0; names->left < most; names->left++)
        names->empty[names->left] = most - 1 - names->left; /* the lowest is taken first */
}

/* Renames the operation's slot; 0 if the operation is left out. */
static int rename_slot(struct names *names, struct trace_op *op)
{
    uint32_t *const name = &names->name[op->slot];
    if (op->kind == TRACE_CHECK)
        return 1;
    if (op->kind == TRACE_ALLOC || op->kind == TRACE_CALLOC)
        *name = names->left > 0 ? names->empty[--names->left] + 1 : 0;
    if (*name == 0)
        return 0;
    op->slot = *name - 1;
    if (op->kind == TRACE_FREE) {
        names->empty[names->left++] = op->slot;
        *name = 0;
    }
    return 1;
}

int trace_slice(const struct trace *trace, size_t first, size_t most, uint32_t slots,
                struct trace *slice)
{
    struct names names = {.name = malloc(((size_t)trace->slots + 1) * sizeof *names.name),
                          .empty = malloc(((size_t)slots + 1) * sizeof *names.empty)};
    int result = names.name && names.empty ? 0 : -1;
    *slice = (struct trace){0};
    if (result == 0)
        forget(&names, trace->slots, slots);
    for (size_t i = first; i < trace->count && slice->count < most && result == 0; i++) {
        struct trace_op op = trace->ops[i];
        op.thread = 0;
        op.site = 0;
        if (op.kind == TRACE_RESET)
            forget(&names, trace->slots, slots);
        else if (trace_is_misuse(op.kind) || !rename_slot(&names, &op))
            continue;
        result = trace_append(slice, op);
    }
    free(names.name);
    free(names.empty);
    if (result != 0)
        trace_free(slice);
    return result;
}
