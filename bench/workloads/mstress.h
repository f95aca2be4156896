/* Fill or empty any of many places, sizes from words to buffers. */
#ifndef POOLPROOF_MSTRESS_H
#define POOLPROOF_MSTRESS_H

#include "shape.h"
#include "generate.h"

static const struct scale mstress_scales[] = {
    {"8-65536/2000", 8, 65536, 2000},
};

enum { MSTRESS_STEPS = 1 << 17, MSTRESS_SEED = 8 };

static inline uint32_t mstress_place(const struct scale *scale, uint64_t *random)
{
    return (uint32_t)(generate_next(random) % scale->live);
}

static inline size_t mstress_operations(const struct scale *scale)
{
    (void)scale;
    return MSTRESS_STEPS;
}

static inline int mstress_prepare(struct work *work)
{
    return shape_toggles(work, MSTRESS_STEPS, mstress_place, shape_size_inverse_square,
                         MSTRESS_SEED);
}

SHAPE_LOOP void mstress_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    shape_toggle(work, allocator, heap);
}

static const struct shape shape_mstress = {
    .name = "mstress",
    .question =
        "What does a server cost whose every second object is tiny and whose last is a buffer?",
    .source = "Leijen, Zorn and de Moura, Mimalloc: Free List Sharding in Action, 2019 (mstress); "
              "on one thread, so that no object changes hands",
    .parameters =
        "object sizes in bytes, every doubling half as likely / places, half of them full",
    .harness =
        "Whether a step allocates or frees is read from a list, as a program decides it, and "
        "cannot be foretold.",
    .scales = mstress_scales,
    .scale_count = sizeof mstress_scales / sizeof *mstress_scales,
    .own_sizes = 1,
    .operations = mstress_operations,
    .prepare = mstress_prepare,
};

#endif
