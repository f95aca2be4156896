/* The floor under everything: hands out one and the same piece of memory and does nothing else.
 *
 * What it costs is the harness: the loop, and the writing and reading of objects, which here all
 * lie in the first cache. They overlap, and nothing minds.
 */
#define _DEFAULT_SOURCE
#include "loops.h"

#include <string.h>
#include <sys/mman.h>

enum { LARGEST_ALIGN = 4096 };

static int open_noop(void **arm, const struct peer_needs *needs)
{
    const size_t size = needs->largest + 2 * LARGEST_ALIGN;
    char *space = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
        return -1;
    memcpy(space, &size, sizeof size);
    *arm = space + LARGEST_ALIGN;
    return 0;
}

static void close_noop(void *arm)
{
    char *space = (char *)arm - LARGEST_ALIGN;
    size_t size;
    memcpy(&size, space, sizeof size);
    munmap(space, size);
}

static void *alloc(void *arm, size_t size)
{
    (void)size;
    return arm;
}

static void *alloc_aligned(void *arm, size_t size, size_t align)
{
    (void)size;
    (void)align; /* a mapping is aligned for any */
    return arm;
}

static void *resize(void *arm, void *ptr, size_t old_size, size_t new_size)
{
    (void)arm;
    (void)old_size;
    (void)new_size;
    return ptr;
}

static void release(void *arm, void *ptr, size_t size)
{
    (void)arm;
    (void)ptr;
    (void)size;
}

static void release_aligned(void *arm, void *ptr, size_t size, size_t align)
{
    (void)align;
    release(arm, ptr, size);
}

static const struct peer peer_noop = {
    .name = "noop",
    .about = "no allocator: what the harness costs",
    .promise = "unspecified",
    .limits = "It gives no memory: it is what the harness costs.",
    .abilities = PEER_REUSES,
    .open = open_noop,
    .close = close_noop,
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .alloc_zeroed = alloc,
    .realloc = resize,
    .free = release,
    .free_aligned = release_aligned,
};

LOOPS(noop)
