/* Alloc a thousand objects, free the first one first. */
#ifndef POOLPROOF_FIFO_H
#define POOLPROOF_FIFO_H

#include "peaks.h"

SHAPE_LOOP void fifo_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    void **const objects = work->objects;
    const size_t size = work->scale->most;
    const uint32_t live = work->scale->live;
    for (uint32_t i = 0; i < live; i++)
        objects[i] = object_write(allocator, allocator->alloc(heap, size), size);
    for (uint32_t i = 0; i < live; i++) {
        void *const object = objects[i];
        object_read(object, size);
        allocator->free(heap, object, size);
    }
}

static const struct shape shape_fifo = {
    .name = "fifo",
    .question = "What does it cost to free in the order of allocation, so that lists turn round?",
    PEAKS,
};

#endif
