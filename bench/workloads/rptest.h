/* Fill or empty any of many places, sizes that become rarer in a straight line. */
#ifndef POOLPROOF_RPTEST_H
#define POOLPROOF_RPTEST_H

#include "shape.h"
#include "generate.h"

static const struct scale rptest_scales[] = {
    {"16-16000/4000", 16, 16000, 4000},
};

enum { RPTEST_STEPS = 1 << 16, RPTEST_SEED = 9 };

static inline uint32_t rptest_place(const struct scale *scale, uint64_t *random)
{
    return (uint32_t)(generate_next(random) % scale->live);
}

static inline size_t rptest_operations(const struct scale *scale)
{
    (void)scale;
    return RPTEST_STEPS;
}

static inline int rptest_prepare(struct work *work)
{
    return shape_toggles(work, RPTEST_STEPS, rptest_place, shape_size_linear, RPTEST_SEED);
}

SHAPE_LOOP void rptest_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    shape_toggle(work, allocator, heap);
}

static const struct shape shape_rptest = {
    .name = "rptest",
    .question = "What does a heap cost whose middle sizes are as usual as its small ones?",
    .source = "Jansson, rpmalloc-benchmark, 2017 (its random sizes with a linear falloff); on one "
              "thread, so that no object is freed by another",
    .parameters = "object sizes in bytes, fewer the larger / places, half of them full",
    .scales = rptest_scales,
    .scale_count = sizeof rptest_scales / sizeof *rptest_scales,
    .own_sizes = 1,
    .operations = rptest_operations,
    .prepare = rptest_prepare,
};

#endif
