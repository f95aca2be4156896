/* The floor under everything: hands out the same memory each time and does nothing else.
 *
 * What it costs is the harness: the loop, and the writing and reading of objects, which here all
 * lie in the first cache. They overlap, and nothing minds.
 */
#define _DEFAULT_SOURCE
#include "arm.h"

#include <string.h>
#include <sys/mman.h>

enum { LARGEST_ALIGN = 4096 };

static int open_noop(void **heap, const struct allocator_needs *needs)
{
    const size_t size = needs->largest + 2 * LARGEST_ALIGN;
    char *space = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
        return -1;
    memcpy(space, &size, sizeof size);
    *heap = space + LARGEST_ALIGN;
    return 0;
}

static void close_noop(void *heap)
{
    char *space = (char *)heap - LARGEST_ALIGN;
    size_t size;
    memcpy(&size, space, sizeof size);
    munmap(space, size);
}

static void *alloc(void *heap, size_t size)
{
    (void)size;
    return heap;
}

static void *alloc_aligned(void *heap, size_t size, size_t align)
{
    (void)size;
    (void)align; /* a mapping is aligned for any */
    return heap;
}

static void *resize(void *heap, void *ptr, size_t old_size, size_t new_size)
{
    (void)heap;
    (void)old_size;
    (void)new_size;
    return ptr;
}

static void release(void *heap, void *ptr, size_t size)
{
    (void)heap;
    (void)ptr;
    (void)size;
}

static void release_aligned(void *heap, void *ptr, size_t size, size_t align)
{
    (void)align;
    release(heap, ptr, size);
}

static const struct allocator allocator_noop = {
    .name = "noop",
    .about = "no allocator: what the harness costs",
    .promise = "unspecified",
    .limits = "It gives no memory: it is what the harness costs.",
    .abilities = ALLOCATOR_REUSES,
    .open = open_noop,
    .close = close_noop,
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .alloc_zeroed = alloc,
    .realloc = resize,
    .free = release,
    .free_aligned = release_aligned,
};

ARM(noop)
