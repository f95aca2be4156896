/* Alloc one object, free it, again. */
#ifndef POOLPROOF_PAIR_H
#define POOLPROOF_PAIR_H

#include "shape.h"

enum { PAIR_PAIRS = 1000 };

static const struct scale pair_scales[] = {
    {"16", 16, 16, 1},    {"32", 32, 32, 1},    {"64", 64, 64, 1},
    {"128", 128, 128, 1}, {"256", 256, 256, 1},
};

static inline size_t pair_operations(const struct scale *scale)
{
    (void)scale;
    return 2 * PAIR_PAIRS;
}

SHAPE_LOOP void pair_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    const size_t size = work->scale->most;
    for (unsigned i = 0; i < PAIR_PAIRS; i++) {
        void *object = object_write(allocator, allocator->alloc(heap, size), size);
        object_read(object, size);
        allocator->free(heap, object, size);
    }
}

static const struct shape shape_pair = {
    .name = "pair",
    .question = "What does the shortest path cost, when what was just freed is asked for again?",
    .source = "Grunwald and Zorn, CustoMalloc, Software: Practice and Experience 23(8), 1993: most "
              "requests repeat a size that was just freed",
    .parameters = "object size in bytes",
    .harness = "The shortest path of an inlined allocator is a few loads and stores, hardly more "
               "than writing and reading the object.",
    .scales = pair_scales,
    .scale_count = sizeof pair_scales / sizeof *pair_scales,
    .ends_empty = 1,
    .operations = pair_operations,
};

#endif
