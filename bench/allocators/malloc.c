/* Whatever malloc this process has: glibc's, or that of a preloaded library.
 *
 * Twice: as it is, and with the promise of zeroes kept by calloc, and by clearing what realloc
 * adds.
 */
#define _DEFAULT_SOURCE
#include "arm.h"

#include <stdlib.h>
#include <string.h>

static int open_malloc(void **heap, const struct allocator_needs *needs)
{
    (void)needs;
    *heap = NULL;
    return 0;
}

static void close_malloc(void *heap)
{
    (void)heap;
}

static void *alloc(void *heap, size_t size)
{
    (void)heap;
    return malloc(size);
}

static void *alloc_zeroed(void *heap, size_t size)
{
    (void)heap;
    return calloc(1, size);
}

static void *alloc_aligned(void *heap, size_t size, size_t align)
{
    void *ptr;
    (void)heap;
    return posix_memalign(&ptr, align, size) == 0 ? ptr : NULL;
}

static void *alloc_aligned_zeroed(void *heap, size_t size, size_t align)
{
    void *ptr = alloc_aligned(heap, size, align);
    return ptr ? memset(ptr, 0, size) : NULL;
}

static void *resize(void *heap, void *ptr, size_t old_size, size_t new_size)
{
    (void)heap;
    (void)old_size;
    return realloc(ptr, new_size);
}

static void *resize_zeroed(void *heap, void *ptr, size_t old_size, size_t new_size)
{
    char *bytes = realloc(ptr, new_size);
    (void)heap;
    if (bytes && new_size > old_size)
        memset(bytes + old_size, 0, new_size - old_size);
    return bytes;
}

static void release(void *heap, void *ptr, size_t size)
{
    (void)heap;
    (void)size;
    free(ptr);
}

static void release_aligned(void *heap, void *ptr, size_t size, size_t align)
{
    (void)align;
    release(heap, ptr, size);
}

static const struct allocator allocator_malloc = {
    .name = "malloc",
    .about = "malloc",
    .promise = "unspecified",
    .abilities = ALLOCATOR_REUSES | ALLOCATOR_ALLOCATES | ALLOCATOR_SHARED,
    .open = open_malloc,
    .close = close_malloc,
    .alloc = alloc,
    .alloc_aligned = alloc_aligned,
    .alloc_zeroed = alloc_zeroed,
    .realloc = resize,
    .free = release,
    .free_aligned = release_aligned,
};

static const struct allocator allocator_calloc = {
    .name = "calloc",
    .about = "calloc",
    .promise = "zeroed",
    .abilities = ALLOCATOR_REUSES | ALLOCATOR_ALLOCATES | ALLOCATOR_SHARED,
    .open = open_malloc,
    .close = close_malloc,
    .alloc = alloc_zeroed,
    .alloc_aligned = alloc_aligned_zeroed,
    .alloc_zeroed = alloc_zeroed,
    .realloc = resize_zeroed,
    .free = release,
    .free_aligned = release_aligned,
};

ARM(malloc)
ARM(calloc)
