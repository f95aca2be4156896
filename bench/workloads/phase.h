/* Alloc a thousand objects of mixed sizes, drop them all at once. */
#ifndef POOLPROOF_PHASE_H
#define POOLPROOF_PHASE_H

#include "shape.h"

enum { PHASE_SEED = 3 };

static const struct scale phase_scales[] = {
    {"64x1000", 64, 64, 1000},
    {"mixed16-512x1000", 16, 512, 1000},
};

static inline size_t phase_operations(const struct scale *scale)
{
    return 2 * (size_t)scale->live;
}

static inline int phase_prepare(struct work *work)
{
    uint64_t random = PHASE_SEED;
    for (uint32_t i = 0; i < work->scale->live; i++)
        work->sizes[i] = shape_size(work->scale, &random);
    return 0;
}

SHAPE_LOOP void phase_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    void **const objects = work->objects;
    const uint32_t *const sizes = work->sizes;
    const uint32_t live = work->scale->live;
    for (uint32_t i = 0; i < live; i++)
        objects[i] = object_write(allocator, allocator->alloc(heap, sizes[i]), sizes[i]);
    for (uint32_t i = 0; i < live; i++)
        object_read(objects[i], sizes[i]);
    if (allocator->reset) {
        allocator->reset(heap);
        return;
    }
    for (uint32_t i = 0; i < live; i++)
        allocator->free(heap, objects[i], sizes[i]);
}

static const struct shape shape_phase = {
    .name = "phase",
    .question =
        "What is gained where a phase of a program ends and all that it made can go at once?",
    .source = "Hanson, Fast Allocation and Deallocation of Memory Based on Object Lifetimes, "
              "Software: Practice and Experience 20(1), 1990",
    .parameters = "object sizes in bytes x objects of a phase; arms without a reset free each",
    .harness = "A thousand pointers are stored and read back, as a program with as many objects "
               "must.",
    .scales = phase_scales,
    .scale_count = sizeof phase_scales / sizeof *phase_scales,
    .ends_empty = 1,
    .resets = 1,
    .operations = phase_operations,
    .prepare = phase_prepare,
};

#endif
