/* A bump pointer that reuses a segment once all in it is dead: next to no work for a call, and no
 * more pages than the segments that still hold something.
 *
 * A thread takes chunks from its current segment. A segment counts its chunks; the owner's frees
 * and other threads' are counted apart. Each chunk has its size in the eight bytes before it. */
#ifndef TRIAL_SEGMENTS_H
#define TRIAL_SEGMENTS_H

#include "ledger.h"

#include <string.h>

#define SEGMENT ((size_t)64 * 1024)
#define SEGMENT_MOST (SEGMENT / 4) /* larger chunks are the C library's */

struct segment {
    struct segment *next, *previous; /* among the owner's retired, or empty, ones */
    struct segments *owner;
    uint32_t made, freed; /* the owner's count */
    _Alignas(64) _Atomic uint32_t freed_elsewhere;
};

struct segments {
    char *at, *end; /* of the current segment */
    struct segment *current, *empty, *retired;
    uint64_t served, bytes, folded, folded_bytes;
};

extern char *segments_base;
extern size_t segments_total;
extern _Thread_local struct segments segments_mine __attribute__((tls_model("initial-exec")));

bool segments_start(void);
/* Makes another segment current; false if there is none. */
bool segments_refill(struct segments *mine);
void segments_reuse(struct segments *mine, struct segment *segment);
void segments_fold(struct segments *mine);

static inline size_t segment_size_of(const void *chunk)
{
    size_t size;
    memcpy(&size, (const char *)chunk - sizeof size, sizeof size);
    return size;
}

static inline void *segments_alloc(size_t size, size_t align)
{
    struct segments *mine = &segments_mine;
    if (size > SEGMENT_MOST || align > SEGMENT_MOST)
        return NULL;
    for (;;) {
        uintptr_t at = ((uintptr_t)mine->at + sizeof size + align - 1) & ~(align - 1);
        if (__builtin_expect(mine->at && at + size <= (uintptr_t)mine->end, 1)) {
            char *chunk = mine->at + (at - (uintptr_t)mine->at);
            memcpy(chunk - sizeof size, &size, sizeof size);
            mine->at = chunk + ((size + 7) & ~(size_t)7);
            mine->current->made++;
            mine->bytes += size;
            if (__builtin_expect(++mine->served % 4096 == 0, 0))
                segments_fold(mine);
            return chunk;
        }
        if (!segments_refill(mine))
            return NULL;
    }
}

static inline struct segment *segment_of(const void *ptr)
{
    size_t offset = (size_t)((uintptr_t)ptr - (uintptr_t)segments_base);
    return offset < segments_total
               ? (struct segment *)(void *)(segments_base + (offset & ~(SEGMENT - 1)))
               : NULL;
}

static inline void segment_free(struct segment *segment)
{
    struct segments *mine = &segments_mine;
    if (__builtin_expect(segment->owner != mine, 0)) {
        atomic_fetch_add_explicit(&segment->freed_elsewhere, 1, memory_order_release);
        return;
    }
    if (++segment->freed == segment->made)
        segments_reuse(mine, segment);
}

#endif
