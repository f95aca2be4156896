/* Fill or empty one of many places, four in five times one of the same fifth. */
#ifndef POOLPROOF_ALLOC_TEST_H
#define POOLPROOF_ALLOC_TEST_H

#include "shape.h"
#include "generate.h"

static const struct scale alloc_test_scales[] = {
    {"8-1024/10000", 8, 1024, 10000},
    {"8-8192/20000", 8, 8192, 20000},
};

enum { ALLOC_TEST_STEPS = 1 << 18, ALLOC_TEST_SEED = 7 };

/* By a Pareto law: the seventh power of a uniform number is below a fifth four times in five. */
static inline uint32_t alloc_test_place(const struct scale *scale, uint64_t *random)
{
    const double number = shape_uniform(random), cube = number * number * number;
    return (uint32_t)(cube * cube * number * scale->live);
}

static inline size_t alloc_test_operations(const struct scale *scale)
{
    (void)scale;
    return ALLOC_TEST_STEPS;
}

static inline int alloc_test_prepare(struct work *work)
{
    return shape_toggles(work, ALLOC_TEST_STEPS, alloc_test_place, shape_size_inverse,
                         ALLOC_TEST_SEED);
}

SHAPE_LOOP void alloc_test_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    shape_toggle(work, allocator, heap);
}

static const struct shape shape_alloc_test = {
    .name = "alloc-test",
    .question = "What does a heap cost where few places are busy and many objects grow old?",
    .source = "Hare and others, Testing Memory Allocators: ptmalloc2 vs tcmalloc vs hoard vs "
              "jemalloc While Trying to Simulate Real-World Loads, ithare.com 2018",
    .parameters =
        "object sizes in bytes, every doubling as likely / places, half of the busy ones full",
    .harness =
        "Whether a step allocates or frees is read from a list, as a program decides it, and "
        "cannot be foretold.",
    .scales = alloc_test_scales,
    .scale_count = sizeof alloc_test_scales / sizeof *alloc_test_scales,
    .own_sizes = 1,
    .operations = alloc_test_operations,
    .prepare = alloc_test_prepare,
};

#endif
