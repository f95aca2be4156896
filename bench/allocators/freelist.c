/* Unchecked free lists by size: the least that an allocator can do which reuses what is freed.
 *
 * Sizes to SMALL_BYTES are rounded up to granules and have a list each, larger ones are rounded
 * up to one of four steps in each doubling. Lists are last in, first out, with the link inside
 * the freed object; nothing is checked, split or coalesced. Fresh objects are taken from address
 * space.
 */
#define _DEFAULT_SOURCE
#include "arm.h"
#include "space.h"

#include <stdint.h>
#include <string.h>

enum { GRANULE = 16, SMALL_BYTES = 1024, SMALL_LISTS = SMALL_BYTES / GRANULE + 1, LISTS = 256 };

struct link {
    struct link *next;
};

/* At the start of its space. */
struct freelist {
    struct link *lists[LISTS];
    char *next, *end;
    size_t size;
};

/* The list for a size, and the bytes that its objects have. */
static inline size_t list_of(size_t size, size_t *rounded)
{
    if (size <= SMALL_BYTES) {
        size_t granules = (size + GRANULE - 1) / GRANULE;
        *rounded = granules * GRANULE;
        return granules;
    }
    unsigned doubling = 63 - (unsigned)__builtin_clzll(size - 1);
    size_t step = (size_t)1 << (doubling - 2);
    *rounded = (size + step - 1) & ~(step - 1);
    return SMALL_LISTS + (doubling - 10) * 4 + ((*rounded - 1) >> (doubling - 2)) - 4;
}

static int open_freelist(void **heap, const struct allocator_needs *needs)
{
    size_t size;
    struct freelist *self = space_reserve(&size);
    if (!self)
        return -1;
    self->size = size;
    self->next = (char *)self + (sizeof *self + 63) / 64 * 64;
    self->end = needs->capacity ? self->next + needs->capacity : (char *)self + size;
    *heap = self;
    return 0;
}

static void close_freelist(void *heap)
{
    struct freelist *self = heap;
    munmap(self, self->size);
}

static void *alloc(void *heap, size_t size)
{
    struct freelist *self = heap;
    size_t rounded, list = list_of(size, &rounded);
    struct link *first = self->lists[list];
    if (first) {
        self->lists[list] = first->next;
        return first;
    }
    char *ptr = self->next;
    if ((size_t)(self->end - ptr) < rounded)
        return NULL;
    self->next = ptr + rounded;
    return ptr;
}

/* Aligned objects are fresh each time: no list keeps them apart. */
static void *alloc_aligned(void *heap, size_t size, size_t align)
{
    struct freelist *self = heap;
    size_t rounded;
    (void)list_of(size, &rounded);
    char *ptr = self->next + (-(uintptr_t)self->next & (align - 1));
    if ((size_t)(self->end - ptr) < rounded)
        return NULL;
    self->next = ptr + rounded;
    return ptr;
}

static void *alloc_zeroed(void *heap, size_t size)
{
    void *ptr = alloc(heap, size);
    return ptr ? memset(ptr, 0, size) : NULL;
}

static void release(void *heap, void *ptr, size_t size)
{
    struct freelist *self = heap;
    struct link *link = ptr;
    size_t rounded, list = list_of(size, &rounded);
    link->next = self->lists[list];
    self->lists[list] = link;
}

static void *resize(void *heap, void *ptr, size_t old_size, size_t new_size)
{
    size_t rounded;
    if (list_of(old_size, &rounded) == list_of(new_size, &rounded))
        return ptr;
    void *moved = alloc(heap, new_size);
    if (!moved)
        return NULL;
    memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
    release(heap, ptr, old_size);
    return moved;
}

static void release_aligned(void *heap, void *ptr, size_t size, size_t align)
{
    (void)align;
    release(heap, ptr, size);
}

static const struct allocator allocator_freelist = {
    .name = "freelist",
    .about = "unchecked free lists: a floor",
    .promise = "unspecified",
    .limits = "It checks nothing and never gives one size's memory to another.",
    .abilities = ALLOCATOR_REUSES | ALLOCATOR_ALLOCATES | ALLOCATOR_BOUNDED,
    .open = open_freelist,
    .close = close_freelist,
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .alloc_zeroed = alloc_zeroed,
    .realloc = resize,
    .free = release,
    .free_aligned = release_aligned,
};

ARM(freelist)
