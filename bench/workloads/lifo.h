/* Alloc a thousand objects, free the last one first. */
#ifndef POOLPROOF_LIFO_H
#define POOLPROOF_LIFO_H

#include "peaks.h"

SHAPE_LOOP void lifo_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    void **const objects = work->objects;
    const size_t size = work->scale->most;
    const uint32_t live = work->scale->live;
    for (uint32_t i = 0; i < live; i++)
        objects[i] = object_write(allocator, allocator->alloc(heap, size), size);
    for (uint32_t i = live; i-- > 0;) {
        void *const object = objects[i];
        object_read(object, size);
        allocator->free(heap, object, size);
    }
}

static const struct shape shape_lifo = {
    .name = "lifo",
    .question = "How fast is a stack of objects, freed in the order that free lists like best?",
    PEAKS,
};

#endif
