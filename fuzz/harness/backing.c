/* The memory that a target's pools are made of: dirty beforehand, watched, looked at afterwards. */
#define _POSIX_C_SOURCE 200809L

#include <stdlib.h>
#include <string.h>

#include "input.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#endif

enum { DIRT = 0xA5, PAGE = 4096 };

/* So many dirty bytes from the start of a page, so that what an input does with alignments is
 * the same in every process; NULL for lack of memory. */
static unsigned char *dirty_page(size_t bytes)
{
    void *memory;
    if (posix_memalign(&memory, PAGE, bytes) != 0)
        return NULL;
    return memset(memory, DIRT, bytes);
}

static void *map(void *context, size_t bytes)
{
    struct backing *const backing = context;
    if (++backing->maps == backing->refuse_map)
        return NULL;
    if (backing->mapped)
        backing->complaint = "the pool asked for memory twice";
    const size_t before = backing->offset * POOL_GRANULE;
    unsigned char *const page = dirty_page(before + bytes);
    if (!page)
        return NULL;
    backing->mapped = page + before;
    backing->mapped_bytes = bytes;
    return backing->mapped;
}

/* Whether ASan holds any of these bytes for closed. Its own question about a region may miss an
 * unaligned first granule, so that is asked byte by byte. */
static int is_closed(const unsigned char *memory, size_t bytes)
{
#ifdef WITH_ASAN
    for (; bytes > 0 && (uintptr_t)memory % 8 != 0; memory++, bytes--) {
        if (__asan_address_is_poisoned(memory))
            return 1;
    }
    return bytes > 0 && __asan_region_is_poisoned((void *)(uintptr_t)memory, bytes) != NULL;
#else
    (void)memory, (void)bytes;
    return 0;
#endif
}

static void unmap(void *context, void *memory, size_t bytes)
{
    struct backing *const backing = context;
    if (!backing->mapped || memory != backing->mapped || bytes != backing->mapped_bytes)
        backing->complaint = "the pool returned memory that it does not hold";
    else if (is_closed(memory, bytes))
        backing->complaint = "the pool returned memory that is still poisoned";
    if (memory == backing->mapped) {
        free(backing->mapped - backing->offset * POOL_GRANULE);
        backing->mapped = NULL;
    }
}

int backing_open(const struct input *input, struct backing *backing, struct pool_config *config)
{
    *backing = (struct backing){.offset = input->offset};
    *config = (struct pool_config){.capacity = input->bytes, .flags = input->flags};
    switch (input->source) {
    case INPUT_BUFFER:
        backing->buffer = dirty_page(input->offset + input->bytes);
        if (!backing->buffer)
            return -1;
        backing->buffer_size = input->bytes;
        config->capacity = 0;
        config->buffer = backing->buffer + input->offset;
        config->buffer_size = input->bytes;
        break;
    case INPUT_LAZY:
        config->flags |= POOL_LAZY;
        break;
    case INPUT_MAP:
        config->map = map;
        config->unmap = unmap;
        config->context = backing;
        break;
    default:
        break;
    }
    return 0;
}

const char *backing_complaint(const struct backing *backing)
{
    if (backing->complaint)
        return backing->complaint;
    if (backing->mapped)
        return "the pool did not return its memory";
    if (!backing->buffer)
        return NULL;
    for (size_t i = 0; i < backing->offset; i++) {
        if (backing->buffer[i] != DIRT)
            return "the pool wrote before the caller's buffer";
    }
    if (is_closed(backing->buffer + backing->offset, backing->buffer_size))
        return "the pool left the caller's buffer poisoned";
#ifdef WITH_ASAN
    if (!is_closed(backing->buffer + backing->offset + backing->buffer_size, 1))
        return "the pool opened memory after the caller's buffer";
#endif
    return NULL;
}

void backing_close(struct backing *backing)
{
    free(backing->buffer);
    if (backing->mapped)
        free(backing->mapped - backing->offset * POOL_GRANULE);
    *backing = (struct backing){0};
}
