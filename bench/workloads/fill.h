/* Alloc until there is no more, free it all. */
#ifndef POOLPROOF_FILL_H
#define POOLPROOF_FILL_H

#include "shape.h"
#include "generate.h"

enum { FILL_CAPACITY = 4 << 20, FILL_SEED = 21 };

static const struct scale fill_scales[] = {
    {"64", 64, 64, FILL_CAPACITY / 64 + 1},
    {"mixed16-512", 16, 512, FILL_CAPACITY / 256},
};

static inline size_t fill_operations(const struct scale *scale)
{
    return 2 * (size_t)FILL_CAPACITY / ((scale->least + scale->most) / 2);
}

/* Sizes for every place, which together are more than the capacity. */
static inline int fill_prepare(struct work *work)
{
    uint64_t random = FILL_SEED;
    for (uint32_t i = 0; i < work->scale->live; i++)
        work->sizes[i] = shape_size(work->scale, &random);
    return 0;
}

/* Allocates objects from one place on until the arm refuses, or as much is live as may be, which
 * *live_bytes counts. Returns the place where it stopped. */
SHAPE_LOOP uint32_t fill_from(struct work *work, const struct allocator *allocator, void *heap,
                              uint32_t place, uint32_t end, size_t *live_bytes)
{
    for (; place < end; place++) {
        const uint32_t size = work->sizes[place];
        if (*live_bytes + size > work->limit_bytes)
            break;
        void *const object = allocator->alloc(heap, size);
        if (object == NULL)
            break;
        work->objects[place] = object_write(allocator, object, size);
        *live_bytes += size;
    }
    return place;
}

SHAPE_LOOP void fill_drop(struct work *work, const struct allocator *allocator, void *heap,
                          uint32_t place)
{
    void *const object = work->objects[place];
    object_read(object, work->sizes[place]);
    allocator->free(heap, object, work->sizes[place]);
}

SHAPE_LOOP void fill_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    size_t live_bytes = 0;
    const uint32_t count = fill_from(work, allocator, heap, 0, work->scale->live, &live_bytes);
    work->reached_bytes += live_bytes;
    work->done += 2 * (size_t)count;
    for (uint32_t i = 0; i < count; i++)
        fill_drop(work, allocator, heap, i);
}

static const struct shape shape_fill = {
    .name = "fill",
    .question =
        "How much of a capacity is handed out before a request is refused, and at what cost?",
    .source =
        "the utilisation of Wilson, Johnstone, Neely and Boles, Dynamic Storage Allocation: A "
        "Survey and Critical Review, 1995",
    .parameters = "object sizes in bytes (mixed: each as likely); the capacity is 4 MiB, and arms "
                  "without one stop when as many bytes are live",
    .harness = "Pointers and sizes of thousands of objects are stored and read back, as a program "
               "with as many must.",
    .scales = fill_scales,
    .scale_count = sizeof fill_scales / sizeof *fill_scales,
    .ends_empty = 1,
    .capacity = FILL_CAPACITY,
    .operations = fill_operations,
    .prepare = fill_prepare,
};

#endif
