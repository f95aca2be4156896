/* A server: each request replaces a random object of those that it found. */
#ifndef POOLPROOF_LARSON_H
#define POOLPROOF_LARSON_H

#include "shape.h"
#include "churn.h"

static const struct scale larson_scales[] = {
    {"8-1000/5000", 8, 1000, 5000},
    {"8-64/1000", 8, 64, 1000},
};

static inline int larson_prepare(struct work *work)
{
    return churn_prepare_sizes(work, shape_size);
}

SHAPE_LOOP void larson_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    churn_batch(work, allocator, heap);
}

static const struct shape shape_larson = {
    .name = "larson",
    .question = "What does a server pay for objects that outlive the request which made them?",
    .source =
        "Larson and Krishnan, Memory Allocation for Long-Running Server Applications, ISMM 1998; "
        "with several threads each keeps its own objects, as none may free what another pool gave",
    .parameters = "object sizes in bytes, each as likely / live objects of a thread",
    .harness = "Which object dies is read from a list and its address from memory, as wherever "
               "objects die in no order.",
    .scales = larson_scales,
    .scale_count = sizeof larson_scales / sizeof *larson_scales,
    .operations = churn_operations,
    .prepare = larson_prepare,
};

#endif
