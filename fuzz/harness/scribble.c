/* Writing into freed memory, and what must hold all the same. */
#include "scribble.h"

#include <string.h>

#if defined(__clang__) || defined(__GNUC__)
#define UNSEEN __attribute__((no_sanitize("address"), noinline)) /* ASan would stop the write */
#else
#define UNSEEN
#endif

/* The checked build sees what was written, and a reset wipes it; the ordinary one gives it out. */
#if defined(POOL_CHECKED)
#define CHECKED 1
#else
#define CHECKED 0
#endif

UNSEEN static void write_word(unsigned char *at, uint64_t word)
{
    for (unsigned i = 0; i < sizeof word; i++)
        ((volatile unsigned char *)at)[i] = (unsigned char)(word >> 8 * i);
}

static _Noreturn void complain(const struct scribble *scribble, const char *message)
{
    target_complain(scribble->input, "scribble", message);
}

static unsigned char pattern(size_t slot)
{
    return (unsigned char)(0xC0 + slot);
}

/* Whether [at, at + size) touches a live chunk, its last granule whole, other than slot `but`. */
static int touches_live(const struct scribble *scribble, const unsigned char *at, size_t size,
                        size_t but)
{
    for (size_t slot = 0; slot < TRACE_DECODE_SLOTS; slot++) {
        const struct scribbled *const other = &scribble->slots[slot];
        const size_t whole = (other->size + POOL_GRANULE - 1) / POOL_GRANULE * POOL_GRANULE;
        if (other->live && slot != but && at < other->live + whole && other->live < at + size)
            return 1;
    }
    return 0;
}

static void verify(const struct scribble *scribble, size_t slot, size_t size)
{
    const struct scribbled *const chunk = &scribble->slots[slot];
    for (size_t i = 0; i < size; i++) {
        if (chunk->live[i] != pattern(slot))
            complain(scribble, "a live chunk has changed");
    }
}

static void receive(struct scribble *scribble, size_t slot, unsigned char *at, size_t size)
{
    struct scribbled *const chunk = &scribble->slots[slot];
    if (!pool_owns(&scribble->pool, at) || !pool_owns(&scribble->pool, at + size - 1))
        complain(scribble, "a chunk is not in the block");
    if (touches_live(scribble, at, size, slot))
        complain(scribble, "two live chunks overlap");
    chunk->live = at;
    chunk->size = size;
    memset(at, pattern(slot), size);
}

static void resize(struct scribble *scribble, const struct trace_op *op)
{
    struct scribbled *const chunk = &scribble->slots[op->slot];
    void *ptr = chunk->live;
    const size_t old_size = chunk->size, size = (size_t)op->size;
    if (ptr)
        verify(scribble, op->slot, old_size);
    if (pool_realloc(&scribble->pool, &ptr, ptr ? old_size : 0, size, (enum pool_type)op->align) !=
        0) {
        if (ptr != chunk->live)
            complain(scribble, "a refused realloc changed the pointer");
        return;
    }
    if (chunk->live && ptr != chunk->live) {
        chunk->freed = chunk->live;
        chunk->freed_size = old_size;
    }
    const int had = chunk->live != NULL;
    chunk->live = ptr;
    if (had)
        verify(scribble, op->slot, old_size < size ? old_size : size);
    receive(scribble, op->slot, ptr, size);
}

static void release(struct scribble *scribble, size_t slot)
{
    struct scribbled *const chunk = &scribble->slots[slot];
    void *ptr = chunk->live;
    if (!ptr)
        return;
    verify(scribble, slot, chunk->size);
    if (pool_free(&ptr, chunk->size, &scribble->pool) != 0) {
        if (pool_error(&scribble->pool) != POOL_CORRUPTED)
            complain(scribble, "a live chunk is not taken back");
        return;
    }
    chunk->freed = chunk->live;
    chunk->freed_size = chunk->size;
    chunk->live = NULL;
}

static void reset(struct scribble *scribble)
{
    if (pool_reset(&scribble->pool) != 0)
        complain(scribble, "a reset is refused");
    for (size_t slot = 0; slot < TRACE_DECODE_SLOTS; slot++)
        scribble->slots[slot] = (struct scribbled){0};
}

static void trim(struct scribble *scribble)
{
    size_t released = 1;
    if (pool_trim(&scribble->pool, &released) != 0) {
        if (pool_error(&scribble->pool) != POOL_CORRUPTED)
            complain(scribble, "a trim is refused");
    } else if (released != 0 && scribble->input->source != INPUT_LAZY) {
        complain(scribble, "memory that is not the system's was purged");
    }
}

/* What is written: addresses of the neighbourhood are worse than any number. */
static uint64_t choose_word(const struct scribble *scribble, const struct trace_op *op)
{
    const struct scribbled *const self = &scribble->slots[op->slot];
    const struct scribbled *const other = &scribble->slots[op->size % TRACE_DECODE_SLOTS];
    switch (op->kind % 6) {
    case 0:
        return (uintptr_t)self->freed;
    case 1:
        return (uintptr_t)other->live;
    case 2:
        return (uintptr_t)other->freed;
    case 3:
        return (uintptr_t)self->freed + op->size * POOL_GRANULE;
    case 4:
        return (uintptr_t)self->freed - op->size * POOL_GRANULE;
    default:
        return op->size * UINT64_C(0x9e3779b97f4a7c15);
    }
}

static void scribble_word(struct scribble *scribble, const struct trace_op *op)
{
    const struct scribbled *const chunk = &scribble->slots[op->slot];
    const size_t words = (chunk->freed_size + POOL_GRANULE - 1) / POOL_GRANULE * 2;
    if (!chunk->freed)
        return;
    unsigned char *const at = chunk->freed + op->size % words * 8;
    if (!touches_live(scribble, at, 8, TRACE_DECODE_SLOTS))
        write_word(at, choose_word(scribble, op));
}

void scribble_step(struct scribble *scribble, const struct trace_op *op)
{
    if (op->kind == TRACE_REALLOC || op->kind == TRACE_ALLOC || op->kind == TRACE_CALLOC)
        resize(scribble, op);
    else if (op->kind == TRACE_FREE)
        release(scribble, op->slot);
    else if (op->kind == TRACE_RESET)
        reset(scribble);
    else if (op->kind == TRACE_CHECK)
        trim(scribble);
    else if (trace_is_misuse(op->kind))
        scribble_word(scribble, op);
}

void scribble_end(struct scribble *scribble)
{
    struct pool_stats stats;
    const char *broken = "";
    void *whole = NULL;
    for (size_t slot = 0; slot < TRACE_DECODE_SLOTS; slot++) {
        if (scribble->slots[slot].live)
            verify(scribble, slot, scribble->slots[slot].size);
    }
    if (!CHECKED && pool_check(&scribble->pool, &broken) != 0)
        complain(scribble, broken);
    reset(scribble);
    if (pool_check(&scribble->pool, &broken) != 0)
        complain(scribble, broken);
    if (pool_stats(&scribble->pool, &stats) != 0 ||
        pool_alloc(&scribble->pool, &whole, stats.capacity, POOL_USER) != 0)
        complain(scribble, "the whole block cannot be had after a reset");
    if (!CHECKED && (pool_free(&whole, stats.capacity, &scribble->pool) != 0 ||
                     pool_alloc(&scribble->pool, &whole, stats.capacity, POOL_USER) != 0))
        complain(scribble, "the whole block cannot be had twice");
    const unsigned char *const bytes = whole;
    for (size_t i = 0; i < stats.capacity && !(scribble->input->flags & POOL_KEEP_CONTENTS); i++) {
        if (bytes[i] != 0)
            complain(scribble, "the block is not zero");
    }
    pool_destroy(&scribble->pool);
}
