/* Replace a random object of a working set, sizes by the inverse square. */
#ifndef POOLPROOF_GLIBC_THREAD_H
#define POOLPROOF_GLIBC_THREAD_H

#include "shape.h"
#include "churn.h"

static const struct scale glibc_thread_scales[] = {
    {"8-32768/1024", 8, 32768, 1024},
};

static inline int glibc_thread_prepare(struct work *work)
{
    return churn_prepare_sizes(work, shape_size_inverse_square);
}

SHAPE_LOOP void glibc_thread_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    churn_batch(work, allocator, heap);
}

static const struct shape shape_glibc_thread = {
    .name = "glibc-thread",
    .question =
        "What does a working set cost where nearly all objects are small and some are large?",
    .source = "Newton, benchtests: Add malloc microbenchmark, libc-alpha, April 2014",
    .parameters = "object sizes in bytes, as likely as the inverse of their square / live objects",
    .harness = "Which object dies is read from a list and its address from memory, as wherever "
               "objects die in no order.",
    .scales = glibc_thread_scales,
    .scale_count = sizeof glibc_thread_scales / sizeof *glibc_thread_scales,
    .own_sizes = 1,
    .operations = churn_operations,
    .prepare = glibc_thread_prepare,
};

#endif
