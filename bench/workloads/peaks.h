/* What the workloads share that allocate a thousand objects, then free them in some order. */
#ifndef POOLPROOF_PEAKS_H
#define POOLPROOF_PEAKS_H

#include "shape.h"

static const struct scale peaks_scales[] = {
    {"16x1000", 16, 16, 1000},    {"32x1000", 32, 32, 1000},    {"64x1000", 64, 64, 1000},
    {"128x1000", 128, 128, 1000}, {"256x1000", 256, 256, 1000},
};

static inline size_t peaks_operations(const struct scale *scale)
{
    return 2 * (size_t)scale->live;
}

#define PEAKS                                                                                      \
    .source =                                                                                      \
        "the peaks of Wilson, Johnstone, Neely and Boles, Dynamic Storage Allocation: A Survey "   \
        "and Critical Review, 1995",                                                               \
    .parameters = "object size in bytes, x objects of a peak",                                     \
    .harness = "A thousand pointers are stored and read back, as a program with as many objects "  \
               "must.",                                                                            \
    .scales = peaks_scales, .scale_count = sizeof peaks_scales / sizeof *peaks_scales,             \
    .ends_empty = 1, .operations = peaks_operations

#endif
