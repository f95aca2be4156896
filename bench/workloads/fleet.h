/* Replace a random one of many live objects, sizes as a fleet of servers has them. */
#ifndef POOLPROOF_FLEET_H
#define POOLPROOF_FLEET_H

#include "shape.h"
#include "churn.h"

static const struct scale fleet_scales[] = {
    {"8-32768/10000", 8, 32768, 10000},
    {"8-32768/50000", 8, 32768, 50000},
};

/* Up to how many bytes, how many of a thousand objects are. */
static const struct {
    uint32_t size, thousandths;
} fleet_sizes[] = {{16, 170},  {32, 350},   {64, 520},   {128, 660},  {256, 760},
                   {512, 840}, {1024, 905}, {2048, 945}, {8192, 985}, {32768, 1000}};

static inline uint32_t fleet_size(const struct scale *scale, uint64_t *random)
{
    const uint64_t number = generate_next(random);
    uint32_t from = scale->least;
    for (size_t i = 0;; i++) {
        if (number % 1000 < fleet_sizes[i].thousandths)
            return from + (uint32_t)((number >> 32) % (fleet_sizes[i].size - from + 1));
        from = fleet_sizes[i].size + 1;
    }
}

static inline int fleet_prepare(struct work *work)
{
    return churn_prepare_sizes(work, fleet_size);
}

SHAPE_LOOP void fleet_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    churn_batch(work, allocator, heap);
}

static const struct shape shape_fleet = {
    .name = "fleet",
    .question =
        "What do the sizes of real servers cost: half up to 64 bytes, nine in ten up to 1 KiB?",
    .source =
        "after Hunter, Kennelly, Turner, Gove, Moseley and Ranganathan, Beyond malloc efficiency "
        "to fleet efficiency, OSDI 2021, and Fleetbench; the shares are round numbers, not theirs",
    .parameters = "object sizes in bytes / live objects",
    .scales = fleet_scales,
    .scale_count = sizeof fleet_scales / sizeof *fleet_scales,
    .own_sizes = 1,
    .operations = churn_operations,
    .prepare = fleet_prepare,
};

#endif
