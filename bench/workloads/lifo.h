/* Alloc a thousand objects, free the last one first. */
#ifndef POOLPROOF_LIFO_H
#define POOLPROOF_LIFO_H

#include "shape.h"

static const struct scale lifo_scales[] = {
    {"16x1000", 16, 16, 1000},    {"32x1000", 32, 32, 1000},    {"64x1000", 64, 64, 1000},
    {"128x1000", 128, 128, 1000}, {"256x1000", 256, 256, 1000},
};

static inline size_t lifo_operations(const struct scale *scale)
{
    return 2 * (size_t)scale->live;
}

static inline int lifo_prepare(struct work *work)
{
    (void)work;
    return 0;
}

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
    .source =
        "the peaks of Wilson, Johnstone, Neely and Boles, Dynamic Storage Allocation: A Survey "
        "and Critical Review, 1995",
    .parameters = "object size in bytes, x objects of a peak",
    .harness = "A thousand pointers are stored and read back, as a program with as many objects "
               "must.",
    .scales = lifo_scales,
    .scale_count = sizeof lifo_scales / sizeof *lifo_scales,
    .ends_empty = 1,
    .operations = lifo_operations,
    .prepare = lifo_prepare,
};

#endif
