/* Alloc a thousand objects, free the first one first. */
#ifndef POOLPROOF_FIFO_H
#define POOLPROOF_FIFO_H

#include "shape.h"

static const struct scale fifo_scales[] = {
    {"16x1000", 16, 16, 1000},    {"32x1000", 32, 32, 1000},    {"64x1000", 64, 64, 1000},
    {"128x1000", 128, 128, 1000}, {"256x1000", 256, 256, 1000},
};

static inline size_t fifo_operations(const struct scale *scale)
{
    return 2 * (size_t)scale->live;
}

static inline int fifo_prepare(struct work *work)
{
    (void)work;
    return 0;
}

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
    .source =
        "the peaks of Wilson, Johnstone, Neely and Boles, Dynamic Storage Allocation: A Survey "
        "and Critical Review, 1995",
    .parameters = "object size in bytes, x objects of a peak",
    .harness = "A thousand pointers are stored and read back, as a program with as many objects "
               "must.",
    .scales = fifo_scales,
    .scale_count = sizeof fifo_scales / sizeof *fifo_scales,
    .ends_empty = 1,
    .operations = fifo_operations,
    .prepare = fifo_prepare,
};

#endif
