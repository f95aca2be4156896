/* Every misuse is refused in every state: after each operation of the input all misuse that its
 * slot allows is tried, and pool, pointer and memory stay as they were. */
#include "input.h"

enum { MAX_OPS = 48 }; /* each is followed by up to eight misuses */

static const uint8_t when_live[] = {TRACE_FREE_INTERIOR, TRACE_FREE_MISALIGNED,
                                    TRACE_FREE_WRONG_SIZE, TRACE_REALLOC_INTERIOR,
                                    TRACE_REALLOC_WRONG_SIZE};
static const uint8_t when_freed[] = {TRACE_FREE_TWICE, TRACE_REALLOC_TWICE, TRACE_ALLOC_ZERO,
                                     TRACE_ALLOC_HUGE, TRACE_ALLOC_BAD_ALIGN};
static const uint8_t always[] = {TRACE_FREE_BEFORE, TRACE_FREE_AFTER, TRACE_FREE_FOREIGN};

/* Appends the kinds with the fields of op; sizes follow the operation, so that the input chooses
 * them. */
static int append_all(struct trace *trace, struct trace_op op, const uint8_t *kinds, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++) {
        struct trace_op misuse = op;
        misuse.kind = kinds[i];
        misuse.size =
            kinds[i] == TRACE_FREE_WRONG_SIZE ? op.size + 1 + op.size % 257 : op.size / 16 + 1;
        failed = trace_append(trace, misuse);
    }
    return failed;
}

static int append_with_misuse(struct trace *trace, struct trace_op op)
{
    int failed = trace_append(trace, op);
    if (op.kind == TRACE_ALLOC || op.kind == TRACE_CALLOC || op.kind == TRACE_REALLOC)
        failed |= append_all(trace, op, when_live, sizeof when_live);
    if (op.kind == TRACE_FREE)
        failed |= append_all(trace, op, when_freed, sizeof when_freed);
    return failed | append_all(trace, op, always, sizeof always);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input;
    int failed = input_decode(bytes, size, &input);
    const struct trace trace = input.trace;
    input.trace = (struct trace){0};
    for (size_t i = 0; i < trace.count && i < MAX_OPS && !failed; i++)
        failed = append_with_misuse(&input.trace, trace.ops[i]);
    if (!failed)
        input_check(&input, ORACLE_MODEL | ORACLE_REFUSAL);
    input_free(&input);
    input.trace = trace;
    input_free(&input);
    return 0;
}
