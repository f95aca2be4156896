/* The C library's obstack: a stack of objects in chunks.
 *
 * Freeing one object frees all that are newer, so it is used as most programs do: all are freed at
 * once.
 */
#include "align.h"
#include "arena.h"
#include "arm.h"

#include <obstack.h>
#include <stdlib.h>

#define obstack_chunk_alloc malloc
#define obstack_chunk_free free

enum { CHUNK_BYTES = 1 << 20, ALIGNMENT = 16 };

struct stack {
    struct obstack obstack;
    void *first;
};

static int open_obstack(void **heap, const struct allocator_needs *needs)
{
    struct stack *stack = calloc(1, sizeof *stack);
    (void)needs;
    if (!stack || !obstack_begin(&stack->obstack, CHUNK_BYTES))
        return -1;
    obstack_alignment_mask(&stack->obstack) = ALIGNMENT - 1;
    stack->first = obstack_alloc(&stack->obstack, ALIGNMENT);
    *heap = stack;
    return 0;
}

static void close_obstack(void *heap)
{
    struct stack *stack = heap;
    obstack_free(&stack->obstack, NULL);
    free(stack);
}

static void *alloc(void *heap, size_t size)
{
    struct stack *stack = heap;
    return obstack_alloc(&stack->obstack, size);
}

static void *alloc_aligned(void *heap, size_t size, size_t align)
{
    void *base = alloc(heap, size + align);
    return base ? align_within(base, align) : NULL;
}

static void reset(void *heap)
{
    struct stack *stack = heap;
    obstack_free(&stack->obstack, stack->first);
    stack->first = obstack_alloc(&stack->obstack, ALIGNMENT);
}

static const struct allocator allocator_obstack = {
    .name = "obstack",
    .about = "an obstack of the C library, an arena",
    .promise = "unspecified",
    .limits = "It frees the newest objects or all of them, so only workloads that end empty apply.",
    .abilities = ALLOCATOR_ALLOCATES,
    .open = open_obstack,
    .close = close_obstack,
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .alloc_zeroed = alloc_zeroed,
    .realloc = resize,
    .free = release,
    .free_aligned = release_aligned,
    .reset = reset,
};

ARM(obstack)
