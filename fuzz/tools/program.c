/* Fills the frame of reproducer.c with an input's settings and operations. */
#include "program.h"

#include <string.h>

/* One operation as a call of the frame's functions. */
static void print_call(const struct trace_op *op, FILE *stream)
{
    const unsigned slot = op->slot;
    const unsigned long long size = op->size;
    char object[24];
    snprintf(object, sizeof object, "objects[%u]", slot);
    switch (op->kind) {
    case TRACE_ALLOC:
    case TRACE_CALLOC:
        fprintf(stream, "take(%u, %llu, %u);", slot, size, op->align);
        break;
    case TRACE_REALLOC:
        fprintf(stream, "resize(%u, %llu, %u);", slot, size, op->align);
        break;
    case TRACE_FREE:
        fprintf(stream, "give(%u);", slot);
        break;
    case TRACE_RESET:
        fprintf(stream, "reset();");
        break;
    case TRACE_CHECK:
        fprintf(stream, "verify();");
        break;
    case TRACE_ALLOC_ZERO:
        fprintf(stream, "bad_alloc(0, 0);");
        break;
    case TRACE_ALLOC_HUGE:
        fprintf(stream, "bad_alloc(SIZE_MAX - %llu, 0);", size);
        break;
    case TRACE_ALLOC_BAD_ALIGN:
        fprintf(stream, "bad_alloc(%llu, POOL_PAGE + 1);", size);
        break;
    case TRACE_FREE_TWICE:
        fprintf(stream, "bad_free(%s.freed, %s.freed_size);", object, object);
        break;
    case TRACE_FREE_STALE:
        fprintf(stream, "bad_free(%s.stale, %s.stale_size);", object, object);
        break;
    case TRACE_FREE_INTERIOR:
        fprintf(stream, "bad_free_inside(%u, %llu * POOL_GRANULE);", slot, size);
        break;
    case TRACE_FREE_MISALIGNED:
        fprintf(stream, "bad_free_inside(%u, %llu);", slot, 1 + size % 15);
        break;
    case TRACE_FREE_BEFORE:
        fprintf(stream, "bad_free_at(0 - (size_t)%llu * POOL_GRANULE);", size + 1);
        break;
    case TRACE_FREE_AFTER:
        fprintf(stream, "bad_free_at(capacity + (size_t)%llu * POOL_GRANULE);", size);
        break;
    case TRACE_FREE_FOREIGN:
        fprintf(stream, "bad_free(foreign(%llu), %llu);", size, size);
        break;
    case TRACE_FREE_WRONG_SIZE:
        fprintf(stream, "bad_free(%s.at, %llu);", object, size);
        break;
    case TRACE_REALLOC_TWICE:
        fprintf(stream, "bad_realloc(%s.freed, %s.freed_size, %llu);", object, object, size);
        break;
    case TRACE_REALLOC_INTERIOR:
        fprintf(stream, "bad_realloc_inside(%u, %llu);", slot, size);
        break;
    case TRACE_REALLOC_WRONG_SIZE:
        fprintf(stream, "bad_realloc(%s.at, %llu, %s.size);", object, size, object);
        break;
    default:
        break;
    }
}

static void print_settings(const struct input *input, FILE *stream)
{
    fprintf(stream, "enum { SOURCE = %d, BYTES = %zu, OFFSET = %zu, FLAGS = %u, SLOTS = %u };\n",
            (int)input->source, input->bytes, input->offset, input->flags,
            input->trace.slots > 0 ? (unsigned)input->trace.slots : 1u);
}

static void print_operations(const struct trace *trace, FILE *stream)
{
    for (size_t i = 0; i < trace->count; i++) {
        char line[80];
        trace_print_op(&trace->ops[i], line, sizeof line);
        fprintf(stream, "    step = %zu, ", i);
        print_call(&trace->ops[i], stream);
        fprintf(stream, " /* %s */\n", line);
    }
}

int program_print(const struct input *input, FILE *frame, FILE *stream)
{
    char line[256];
    int inside = 0, filled = 0;
    while (fgets(line, sizeof line, frame)) {
        if (strstr(line, "/* end "))
            inside = 0;
        if (!inside)
            fputs(line, stream);
        if (strstr(line, "/* begin settings */"))
            print_settings(input, stream);
        else if (strstr(line, "/* begin operations */"))
            print_operations(&input->trace, stream);
        else
            continue;
        inside = 1;
        filled++;
    }
    return filled == 2 && !ferror(frame) ? 0 : -1;
}
