/* Alloc a number of objects of one size, free them in the same order. */
#ifndef POOLPROOF_GLIBC_SIMPLE_H
#define POOLPROOF_GLIBC_SIMPLE_H

#include "shape.h"

enum { GLIBC_SIMPLE_OBJECTS = 1600 };

static const struct scale glibc_simple_scales[] = {
    {"16x25", 16, 16, 25},
    {"16x1600", 16, 16, 1600},
    {"1024x400", 1024, 1024, 400},
};

/* So many bursts make a batch that calling it does not weigh. */
static inline uint32_t glibc_simple_bursts(const struct scale *scale)
{
    return (GLIBC_SIMPLE_OBJECTS + scale->live - 1) / scale->live;
}

static inline size_t glibc_simple_operations(const struct scale *scale)
{
    return 2 * (size_t)scale->live * glibc_simple_bursts(scale);
}

static inline int glibc_simple_prepare(struct work *work)
{
    if (shape_order(work, work->scale->live) != 0)
        return -1;
    for (uint32_t i = 0; i < work->scale->live; i++) {
        work->sizes[i] = work->scale->most;
        work->order[i] = i;
    }
    return 0;
}

SHAPE_LOOP void glibc_simple_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    const uint32_t bursts = glibc_simple_bursts(work->scale);
    for (uint32_t i = 0; i < bursts; i++)
        shape_peak(work, allocator, heap);
}

static const struct shape shape_glibc_simple = {
    .name = "glibc-simple",
    .question =
        "What does a burst of equal objects cost, short enough for a cache or too long for it?",
    .source = "the GNU C Library, benchtests (malloc-simple), 2017",
    .parameters = "object size in bytes x objects of a burst",
    .harness =
        "Pointers and sizes of a peak's objects are stored and read back, as a program with as "
        "many objects must.",
    .scales = glibc_simple_scales,
    .scale_count = sizeof glibc_simple_scales / sizeof *glibc_simple_scales,
    .ends_empty = 1,
    .operations = glibc_simple_operations,
    .prepare = glibc_simple_prepare,
};

#endif
