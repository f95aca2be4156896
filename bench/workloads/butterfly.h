/* Alloc a thousand objects, free them from both ends to the middle. */
#ifndef POOLPROOF_BUTTERFLY_H
#define POOLPROOF_BUTTERFLY_H

#include "shape.h"

static const struct scale butterfly_scales[] = {
    {"64x1000", 64, 64, 1000},
    {"mixed16-512x1000", 16, 512, 1000},
};

enum { BUTTERFLY_SEED = 10 };

static inline size_t butterfly_operations(const struct scale *scale)
{
    return 2 * (size_t)scale->live;
}

static inline int butterfly_prepare(struct work *work)
{
    const uint32_t live = work->scale->live;
    uint64_t random = BUTTERFLY_SEED;
    if (shape_order(work, live) != 0)
        return -1;
    for (uint32_t i = 0; i < live; i++) {
        work->sizes[i] = shape_size(work->scale, &random);
        work->order[i] = i % 2 == 0 ? i / 2 : live - 1 - i / 2;
    }
    return 0;
}

SHAPE_LOOP void butterfly_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    shape_peak(work, allocator, heap);
}

static const struct shape shape_butterfly = {
    .name = "butterfly",
    .question = "What does freeing from both ends cost, where no two that follow each other are "
                "neighbours?",
    .source = "an order that the tests of allocators have beside first, last and random; no "
              "publication is known",
    .parameters = "object sizes in bytes x objects of a peak",
    .harness =
        "Pointers and sizes of a peak's objects are stored and read back, as a program with as "
        "many objects must.",
    .scales = butterfly_scales,
    .scale_count = sizeof butterfly_scales / sizeof *butterfly_scales,
    .ends_empty = 1,
    .operations = butterfly_operations,
    .prepare = butterfly_prepare,
};

#endif
