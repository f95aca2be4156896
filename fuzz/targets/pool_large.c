/* Chunks and runs far longer than a tag can hold come and go as small ones do: the input's pool
 * and sizes times 256, in memory that costs nothing because nobody writes to it. */
#include "input.h"

enum { TIMES = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input;
    if (input_decode(bytes, size, &input) == 0) {
        input.source = INPUT_LAZY;
        input.flags |= POOL_KEEP_CONTENTS;
        input.bytes *= TIMES;
        for (size_t i = 0; i < input.trace.count; i++) {
            struct trace_op *const op = &input.trace.ops[i];
            if (op->kind == TRACE_ALLOC || op->kind == TRACE_CALLOC || op->kind == TRACE_REALLOC)
                op->size *= TIMES;
        }
        input_check(&input, ORACLE_INVARIANTS | ORACLE_REFUSAL);
    }
    input_free(&input);
    return 0;
}
