/* The executor on anything that allocates, and malloc as the first such thing. */
#define _XOPEN_SOURCE 700

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "executor.h"
#include "pattern.h"

/* --- malloc ----------------------------------------------------------------------------------- */

static int is_usual(size_t align)
{
    return align <= _Alignof(max_align_t);
}

static void *malloc_alloc(void *context, size_t size, size_t align, int zero)
{
    (void)context;
    if (is_usual(align))
        return zero ? calloc(1, size) : malloc(size);
    void *object = NULL;
    if (posix_memalign(&object, align, size) != 0)
        return NULL;
    if (zero)
        memset(object, 0, size);
    return object;
}

static void *malloc_resize(void *context, void *object, size_t old_size, size_t new_size,
                           size_t align)
{
    if (is_usual(align))
        return realloc(object, new_size);
    void *moved = malloc_alloc(context, new_size, align, 0);
    if (moved == NULL)
        return NULL;
    memcpy(moved, object, old_size < new_size ? old_size : new_size);
    free(object);
    return moved;
}

static void malloc_release(void *context, void *object, size_t size)
{
    (void)context;
    (void)size;
    free(object);
}

const struct allocator allocator_malloc = {
    .name = "malloc",
    .alloc = malloc_alloc,
    .resize = malloc_resize,
    .release = malloc_release,
};

/* --- A run ------------------------------------------------------------------------------------ */

struct object {
    unsigned char *bytes; /* NULL: the slot is empty */
    size_t size;
    uint64_t seed;
};

struct run {
    const struct allocator *allocator;
    struct object *objects; /* by slot */
    uint32_t slots;
    size_t op;
    uint64_t seed; /* of the next pattern */
    struct finding *finding;
};

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

/* Two live objects that overlap hold each other's patterns, which this notices. */
static int check_contents(struct run *run, uint32_t slot)
{
    const struct object *object = &run->objects[slot];
    if (object->bytes == NULL)
        return 0;
    size_t at = pattern_differs(object->bytes, object->size, object->seed);
    if (at != object->size)
        return report(run, "contents", "byte %zu of slot %u's %zu has changed by itself", at, slot,
                      object->size);
    return 0;
}

static int check_all_contents(struct run *run)
{
    for (uint32_t slot = 0; slot < run->slots; slot++)
        if (check_contents(run, slot) != 0)
            return -1;
    return 0;
}

/* Takes note of what the allocator gave, of which the first `kept` bytes come from before. */
static int receive(struct run *run, uint32_t slot, unsigned char *bytes, size_t size, size_t align,
                   size_t kept)
{
    struct object *object = &run->objects[slot];
    if (bytes == NULL)
        return report(run, "exhaustion", "%s has no %zu bytes for slot %u", run->allocator->name,
                      size, slot);
    object->bytes = bytes;
    object->size = size;
    if ((uintptr_t)bytes % align != 0)
        return report(run, "model", "slot %u is not aligned to %zu bytes", slot, align);
    size_t differs = pattern_differs(bytes, kept, object->seed);
    if (differs != kept)
        return report(run, "contents", "byte %zu of slot %u was not kept by realloc", differs,
                      slot);
    if (kept == 0)
        object->seed = run->seed++;
    pattern_fill(bytes, kept, size, object->seed);
    return 0;
}

static int run_alloc(struct run *run, const struct trace_op *op, size_t size, size_t align)
{
    int zero = op->kind == TRACE_CALLOC;
    unsigned char *bytes = run->allocator->alloc(run->allocator->context, size, align, zero);
    size_t dirty = bytes != NULL && zero ? first_not_zero(bytes, 0, size) : size;
    if (receive(run, op->slot, bytes, size, align, 0) != 0)
        return -1;
    if (dirty != size)
        return report(run, "contents", "byte %zu of slot %u's zeroed %zu is not zero", dirty,
                      op->slot, size);
    return 0;
}

static int run_realloc(struct run *run, uint32_t slot, size_t size, size_t align)
{
    struct object before = run->objects[slot];
    if (check_contents(run, slot) != 0)
        return -1;
    size_t kept = before.size < size ? before.size : size;
    pattern_fill(before.bytes, kept, kept, before.seed);
    unsigned char *bytes =
        run->allocator->resize(run->allocator->context, before.bytes, before.size, size, align);
    return receive(run, slot, bytes, size, align, kept);
}

static int run_free(struct run *run, uint32_t slot)
{
    struct object *object = &run->objects[slot];
    int result = check_contents(run, slot);
    if (object->bytes != NULL)
        run->allocator->release(run->allocator->context, object->bytes, object->size);
    object->bytes = NULL;
    return result;
}

static int free_all(struct run *run)
{
    int result = 0;
    for (uint32_t slot = 0; slot < run->slots; slot++)
        if (run_free(run, slot) != 0)
            result = -1;
    return result;
}

static int run_reset(struct run *run)
{
    if (run->allocator->reset == NULL)
        return free_all(run);
    if (check_all_contents(run) != 0)
        return -1;
    run->allocator->reset(run->allocator->context);
    for (uint32_t slot = 0; slot < run->slots; slot++)
        run->objects[slot].bytes = NULL;
    return 0;
}

static int step(struct run *run, const struct trace_op *op)
{
    size_t align = (size_t)1 << op->align;
    if (op->size > SIZE_MAX / 2)
        return report(run, "exhaustion", "an object of more than half of the address space");
    switch (op->kind) {
    case TRACE_ALLOC:
    case TRACE_CALLOC:
        return run_alloc(run, op, (size_t)op->size, align);
    case TRACE_REALLOC:
        return run_realloc(run, op->slot, (size_t)op->size, align);
    case TRACE_FREE:
        return run_free(run, op->slot);
    case TRACE_RESET:
        return run_reset(run);
    default:
        return check_all_contents(run);
    }
}

int execute_on_allocator(const struct trace *trace, const struct allocator *allocator,
                         size_t *skipped, struct finding *finding)
{
    struct run run = {.allocator = allocator, .slots = trace->slots, .seed = 1, .finding = finding};
    size_t left_out = 0;
    int result = 0;
    finding->oracle = NULL;
    finding->op = 0;
    finding->message[0] = '\0';
    run.objects = calloc((size_t)trace->slots + 1, sizeof *run.objects);
    if (run.objects == NULL)
        return report(&run, "executor", "not enough memory for the objects");
    while (run.op < trace->count && result == 0) {
        if (trace_is_misuse(trace->ops[run.op].kind))
            left_out++;
        else
            result = step(&run, &trace->ops[run.op]);
        run.op += result == 0;
    }
    /* After a finding it still frees, but what it sees then is a consequence. */
    struct finding first = *finding;
    if (free_all(&run) != 0 && result != 0)
        *finding = first;
    free(run.objects);
    if (skipped != NULL)
        *skipped = left_out;
    return finding->oracle != NULL ? -1 : 0;
}

int execute_on_malloc(const struct trace *trace, size_t *skipped, struct finding *finding)
{
    return execute_on_allocator(trace, &allocator_malloc, skipped, finding);
}
