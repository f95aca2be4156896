/* talloc, Samba's hierarchical allocator over malloc: every object a child of one context. */
#include "align.h"
#include "arm.h"

#include <talloc.h>

static int open_talloc(void **heap, const struct allocator_needs *needs)
{
    (void)needs;
    *heap = talloc_new(NULL);
    return *heap ? 0 : -1;
}

static void close_talloc(void *heap)
{
    talloc_free(heap);
}

static void *alloc(void *heap, size_t size)
{
    return talloc_size(heap, size);
}

static void *alloc_aligned(void *heap, size_t size, size_t align)
{
    void *base = alloc(heap, size + align);
    return base ? align_within(base, align) : NULL;
}

static void *alloc_zeroed(void *heap, size_t size)
{
    void *ptr = alloc(heap, size);
    return ptr ? memset(ptr, 0, size) : NULL;
}

static void *resize(void *heap, void *ptr, size_t old_size, size_t new_size)
{
    (void)old_size;
    return talloc_realloc_size(heap, ptr, new_size);
}

static void release(void *heap, void *ptr, size_t size)
{
    (void)heap;
    (void)size;
    (void)talloc_free(ptr);
}

static void release_aligned(void *heap, void *ptr, size_t size, size_t align)
{
    release(heap, align_base(ptr), size + align);
}

static void reset(void *heap)
{
    talloc_free_children(heap);
}

static const struct allocator allocator_talloc = {
    .name = "talloc",
    .about = "talloc, children of one context",
    .promise = "unspecified",
    .limits = "No object is larger than 256 MiB; a header of some 100 bytes stands before each.",
    .abilities = ALLOCATOR_REUSES | ALLOCATOR_ALLOCATES,
    .open = open_talloc,
    .close = close_talloc,
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .alloc_zeroed = alloc_zeroed,
    .realloc = resize,
    .free = release,
    .free_aligned = release_aligned,
    .reset = reset,
};

ARM(talloc)
