/* The calls that arenas share, made of the adaptor's alloc: nothing is freed but all at once. */
#ifndef POOLPROOF_ARENA_H
#define POOLPROOF_ARENA_H

#include <stddef.h>
#include <string.h>

static void *alloc(void *heap, size_t size);

static void *alloc_zeroed(void *heap, size_t size)
{
    void *ptr = alloc(heap, size);
    return ptr ? memset(ptr, 0, size) : NULL;
}

static void *resize(void *heap, void *ptr, size_t old_size, size_t new_size)
{
    if (new_size <= old_size)
        return ptr;
    void *moved = alloc(heap, new_size);
    return moved ? memcpy(moved, ptr, old_size) : NULL;
}

static void release(void *heap, void *ptr, size_t size)
{
    (void)heap;
    (void)ptr;
    (void)size;
}

static void release_aligned(void *heap, void *ptr, size_t size, size_t align)
{
    (void)heap;
    (void)ptr;
    (void)size;
    (void)align;
}

#endif
