/* talloc, Samba's hierarchical allocator over malloc: every object a child of one context. */
#include "align.h"
#include "loops.h"

#include <talloc.h>

static int open_talloc(void **arm, const struct peer_needs *needs)
{
    (void)needs;
    *arm = talloc_new(NULL);
    return *arm ? 0 : -1;
}

static void close_talloc(void *arm)
{
    talloc_free(arm);
}

static void *alloc(void *arm, size_t size)
{
    return talloc_size(arm, size);
}

static void *alloc_aligned(void *arm, size_t size, size_t align)
{
    void *base = alloc(arm, size + align);
    return base ? align_within(base, align) : NULL;
}

static void *alloc_zeroed(void *arm, size_t size)
{
    void *ptr = alloc(arm, size);
    return ptr ? memset(ptr, 0, size) : NULL;
}

static void *resize(void *arm, void *ptr, size_t old_size, size_t new_size)
{
    (void)old_size;
    return talloc_realloc_size(arm, ptr, new_size);
}

static void release(void *arm, void *ptr, size_t size)
{
    (void)arm;
    (void)size;
    (void)talloc_free(ptr);
}

static void release_aligned(void *arm, void *ptr, size_t size, size_t align)
{
    release(arm, align_base(ptr), size + align);
}

static void reset(void *arm)
{
    talloc_free_children(arm);
}

static const struct peer peer_talloc = {
    .name = "talloc",
    .about = "talloc, children of one context",
    .promise = "unspecified",
    .limits = "No object is larger than 256 MiB; a header of some 100 bytes stands before each.",
    .abilities = PEER_REUSES | PEER_ALLOCATES,
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

LOOPS(talloc)
