/* Replace a random one of many live objects, over and over. */
#ifndef POOLPROOF_CHURN_H
#define POOLPROOF_CHURN_H

#include "shape.h"
#include "generate.h"

enum { CHURN_BATCH = 4096, CHURN_STEPS = 1 << 20, CHURN_SEED = 1 };

static const struct scale churn_scales[] = {
    {"16/1000", 16, 16, 1000},
    {"32/1000", 32, 32, 1000},
    {"64/1000", 64, 64, 1000},
    {"128/1000", 128, 128, 1000},
    {"256/1000", 256, 256, 1000},
    {"mixed16-512/1000", 16, 512, 1000},
    {"mixed16-1024/10000", 16, 1024, 10000},
    {"mixed16-1024/200000", 16, 1024, 200000},
};

static inline size_t churn_operations(const struct scale *scale)
{
    (void)scale;
    return 2 * CHURN_BATCH;
}

/* Replacements in random places by objects of random sizes. */
static inline int churn_prepare_sizes(struct work *work, shape_sizes *size)
{
    const struct scale *scale = work->scale;
    uint64_t random = CHURN_SEED;
    if (shape_steps(work, CHURN_STEPS) != 0)
        return -1;
    for (size_t i = 0; i < CHURN_STEPS; i++) {
        work->steps[i].place = (uint32_t)(generate_next(&random) % scale->live);
        work->steps[i].size = size(scale, &random);
    }
    for (uint32_t i = 0; i < scale->live; i++)
        work->sizes[i] = size(scale, &random);
    shape_close_circle(work);
    return 0;
}

static inline int churn_prepare(struct work *work)
{
    return churn_prepare_sizes(work, shape_size);
}

SHAPE_LOOP void churn_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    void **const objects = work->objects;
    const struct step *const steps = work->steps + work->next;
    for (unsigned i = 0; i < CHURN_BATCH; i++) {
        const struct step step = steps[i];
        void *const object = objects[step.place];
        object_read(object, step.old_size);
        allocator->free(heap, object, step.old_size);
        objects[step.place] = object_write(allocator, allocator->alloc(heap, step.size), step.size);
    }
    work->next = (work->next + CHURN_BATCH) % work->step_count;
}

static const struct shape shape_churn = {
    .name = "churn",
    .question = "What does a heap in its middle age cost, where any object may die next?",
    .source =
        "Larson and Krishnan, Memory Allocation for Long-Running Server Applications, ISMM 1998, "
        "on one thread",
    .parameters = "object sizes in bytes (mixed: each as likely) / live objects",
    .harness = "Which object dies is read from a list and its address from memory, as wherever "
               "objects die in no order.",
    .scales = churn_scales,
    .scale_count = sizeof churn_scales / sizeof *churn_scales,
    .operations = churn_operations,
    .prepare = churn_prepare,
};

#endif
