/* Fill a capacity, free half of the objects here and there, fill it again. */
#ifndef POOLPROOF_REFILL_H
#define POOLPROOF_REFILL_H

#include "fill.h"

static const struct scale refill_scales[] = {
    {"mixed16-512", 16, 512, 2 * (FILL_CAPACITY / 256)},
};

static inline size_t refill_operations(const struct scale *scale)
{
    return fill_operations(scale) / 2 * 3;
}

/* The first half of the places is for what is filled first, in `order` a random order of them; the
 * other half is for what takes the place of what was freed. */
static inline int refill_prepare(struct work *work)
{
    uint64_t random = FILL_SEED;
    const uint32_t first = work->scale->live / 2;
    if (shape_order(work, first) != 0)
        return -1;
    shape_shuffle(work->order, first, &random);
    return fill_prepare(work);
}

/* Frees those of the first objects that stand in this part of the order. */
SHAPE_LOOP void refill_drop(struct work *work, const struct allocator *allocator, void *heap,
                            uint32_t from, uint32_t to, uint32_t count, size_t *live_bytes)
{
    for (uint32_t i = from; i < to; i++) {
        const uint32_t place = work->order[i];
        if (place >= count)
            continue;
        fill_drop(work, allocator, heap, place);
        *live_bytes -= work->sizes[place];
    }
}

SHAPE_LOOP void refill_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    const uint32_t live = work->scale->live, first = live / 2, middle = first / 2;
    size_t live_bytes = 0;
    const uint32_t count = fill_from(work, allocator, heap, 0, first, &live_bytes);
    refill_drop(work, allocator, heap, 0, middle, count, &live_bytes);
    const uint32_t end = fill_from(work, allocator, heap, first, live, &live_bytes);
    work->reached_bytes += live_bytes;
    work->done += 2 * ((size_t)count + (end - first));
    refill_drop(work, allocator, heap, middle, first, count, &live_bytes);
    for (uint32_t i = first; i < end; i++)
        fill_drop(work, allocator, heap, i);
}

static const struct shape shape_refill = {
    .name = "refill",
    .question = "How much of a full capacity can be used again where half of its objects died?",
    .source = "Robson, Worst Case Fragmentation of First Fit and Best Fit Storage Allocation "
              "Strategies, The Computer Journal 20(3), 1977: its question, at random instead of at "
              "worst",
    .parameters = "object sizes in bytes, each as likely; the capacity is 4 MiB, and arms without "
                  "one stop when as many bytes are live",
    .harness = "Pointers and sizes of thousands of objects are stored and read back, as a program "
               "with as many must.",
    .scales = refill_scales,
    .scale_count = sizeof refill_scales / sizeof *refill_scales,
    .ends_empty = 1,
    .capacity = FILL_CAPACITY,
    .operations = refill_operations,
    .prepare = refill_prepare,
};

#endif
