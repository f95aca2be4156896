/* A bump pointer: each object after the last, none freed but all at once.
 *
 * The floor of arenas: where a workload ends empty it is reset, elsewhere it does not apply.
 */
#define _DEFAULT_SOURCE
#include "arena.h"
#include "arm.h"
#include "space.h"

#include <stdint.h>
#include <string.h>

/* At the start of its space. */
struct bump {
    char *base, *next, *end;
    size_t size;
};

static int open_bump(void **heap, const struct allocator_needs *needs)
{
    size_t size;
    struct bump *self = space_reserve(&size);
    if (!self)
        return -1;
    self->size = size;
    self->base = (char *)self + 64;
    self->next = self->base;
    self->end = needs->capacity ? self->base + needs->capacity : (char *)self + size;
    *heap = self;
    return 0;
}

static void close_bump(void *heap)
{
    struct bump *self = heap;
    munmap(self, self->size);
}

static void *alloc(void *heap, size_t size)
{
    struct bump *self = heap;
    char *ptr = self->next;
    size_t rounded = (size + 15) & ~(size_t)15;
    if ((size_t)(self->end - ptr) < rounded)
        return NULL;
    self->next = ptr + rounded;
    return ptr;
}

static void *alloc_aligned(void *heap, size_t size, size_t align)
{
    struct bump *self = heap;
    self->next += -(uintptr_t)self->next & (align - 1);
    return alloc(heap, size);
}

static void reset(void *heap)
{
    struct bump *self = heap;
    self->next = self->base;
}

static const struct allocator allocator_bump = {
    .name = "bump",
    .about = "a bump pointer: a floor",
    .promise = "unspecified",
    .limits = "It frees all at once or not at all, so only workloads that end empty apply.",
    .abilities = ALLOCATOR_ALLOCATES | ALLOCATOR_BOUNDED,
    .open = open_bump,
    .close = close_bump,
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .alloc_zeroed = alloc_zeroed,
    .realloc = resize,
    .free = release,
    .free_aligned = release_aligned,
    .reset = reset,
};

ARM(bump)
