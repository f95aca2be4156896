/* Whatever malloc this process has: glibc's, or that of a preloaded library.
 *
 * Twice: as it is, and with the promise of zeroes kept by calloc, and by clearing what realloc
 * adds.
 */
#define _DEFAULT_SOURCE
#include "loops.h"

#include <stdlib.h>
#include <string.h>

static int open_malloc(void **arm, const struct peer_needs *needs)
{
    (void)needs;
    *arm = NULL;
    return 0;
}

static void close_malloc(void *arm)
{
    (void)arm;
}

static void *alloc(void *arm, size_t size)
{
    (void)arm;
    return malloc(size);
}

static void *alloc_zeroed(void *arm, size_t size)
{
    (void)arm;
    return calloc(1, size);
}

static void *alloc_aligned(void *arm, size_t size, size_t align)
{
    void *ptr;
    (void)arm;
    return posix_memalign(&ptr, align, size) == 0 ? ptr : NULL;
}

static void *alloc_aligned_zeroed(void *arm, size_t size, size_t align)
{
    void *ptr = alloc_aligned(arm, size, align);
    return ptr ? memset(ptr, 0, size) : NULL;
}

static void *resize(void *arm, void *ptr, size_t old_size, size_t new_size)
{
    (void)arm;
    (void)old_size;
    return realloc(ptr, new_size);
}

static void *resize_zeroed(void *arm, void *ptr, size_t old_size, size_t new_size)
{
    char *bytes = realloc(ptr, new_size);
    (void)arm;
    if (bytes && new_size > old_size)
        memset(bytes + old_size, 0, new_size - old_size);
    return bytes;
}

static void release(void *arm, void *ptr, size_t size)
{
    (void)arm;
    (void)size;
    free(ptr);
}

static void release_aligned(void *arm, void *ptr, size_t size, size_t align)
{
    (void)align;
    release(arm, ptr, size);
}

static const struct peer peer_malloc = {
    .name = "malloc",
    .about = "malloc",
    .promise = "unspecified",
    .abilities = PEER_REUSES | PEER_ALLOCATES | PEER_SHARED,
    .open = open_malloc,
    .close = close_malloc,
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .alloc_zeroed = alloc_zeroed,
    .realloc = resize,
    .free = release,
    .free_aligned = release_aligned,
};

static const struct peer peer_calloc = {
    .name = "calloc",
    .about = "calloc",
    .promise = "zeroed",
    .abilities = PEER_REUSES | PEER_ALLOCATES | PEER_SHARED,
    .open = open_malloc,
    .close = close_malloc,
    .alloc = alloc_zeroed,
    .alloc_aligned = alloc_aligned_zeroed,
    .alloc_zeroed = alloc_zeroed,
    .realloc = resize_zeroed,
    .free = release,
    .free_aligned = release_aligned,
};

LOOPS(malloc)
LOOPS(calloc)
