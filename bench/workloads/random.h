/* Alloc a thousand objects, free them in a random order. */
#ifndef POOLPROOF_RANDOM_H
#define POOLPROOF_RANDOM_H

#include "peaks.h"

/* So many orders take turns that no predictor knows them by heart. */
enum { RANDOM_ORDERS = 64, RANDOM_SEED = 2 };

static inline int random_prepare(struct work *work)
{
    const uint32_t live = work->scale->live;
    uint64_t random = RANDOM_SEED;
    if (shape_order(work, (size_t)live * RANDOM_ORDERS) != 0)
        return -1;
    for (unsigned i = 0; i < RANDOM_ORDERS; i++)
        shape_shuffle(work->order + (size_t)i * live, live, &random);
    return 0;
}

SHAPE_LOOP void random_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    void **const objects = work->objects;
    const size_t size = work->scale->most;
    const uint32_t live = work->scale->live;
    for (uint32_t i = 0; i < live; i++)
        objects[i] = object_write(allocator, allocator->alloc(heap, size), size);
    const uint32_t *const order = work->order + (size_t)work->next * live;
    for (uint32_t i = 0; i < live; i++) {
        void *const object = objects[order[i]];
        object_read(object, size);
        allocator->free(heap, object, size);
    }
    work->next = (work->next + 1) % RANDOM_ORDERS;
}

static const struct shape shape_random = {
    .name = "random",
    .question =
        "What is left of the speed when objects die in no order, so that lists lose theirs?",
    PEAKS,
    .prepare = random_prepare,
};

#endif
