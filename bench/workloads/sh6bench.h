/* Alloc many objects of growing sizes, free some last first, the others first first. */
#ifndef POOLPROOF_SH6BENCH_H
#define POOLPROOF_SH6BENCH_H

#include "shape.h"

static const struct scale sh6bench_scales[] = {
    {"8-1000x1000", 8, 1000, 1000},
    {"8-1000x20000", 8, 1000, 20000},
};

static inline size_t sh6bench_operations(const struct scale *scale)
{
    return 2 * (size_t)scale->live;
}

/* Of every eight objects three die last first; then the other five in order. */
static inline int sh6bench_prepare(struct work *work)
{
    const struct scale *scale = work->scale;
    uint32_t at = 0;
    if (shape_order(work, scale->live) != 0)
        return -1;
    for (uint32_t i = 0; i < scale->live; i++)
        work->sizes[i] = scale->least + i % (scale->most - scale->least + 1);
    for (uint32_t i = scale->live; i-- > 0;)
        if (i % 8 < 3)
            work->order[at++] = i;
    for (uint32_t i = 0; i < scale->live; i++)
        if (i % 8 >= 3)
            work->order[at++] = i;
    return 0;
}

SHAPE_LOOP void sh6bench_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    shape_peak(work, allocator, heap);
}

static const struct shape shape_sh6bench = {
    .name = "sh6bench",
    .question = "What does a batch cost of which a part dies in reverse and the rest in order?",
    .source = "MicroQuill, sh6bench, as Leijen describes it in mimalloc-bench",
    .parameters = "object sizes in bytes, in turn x objects of a batch",
    .harness =
        "Pointers and sizes of a batch's objects are stored and read back, as a program with as "
        "many objects must.",
    .scales = sh6bench_scales,
    .scale_count = sizeof sh6bench_scales / sizeof *sh6bench_scales,
    .ends_empty = 1,
    .operations = sh6bench_operations,
    .prepare = sh6bench_prepare,
};

#endif
