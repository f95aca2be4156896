/* Alloc a thousand objects, free the first one first. */
#include "shape.h"

static const struct scale scales[] = {
    {"16x1000", 16, 16, 1000},    {"32x1000", 32, 32, 1000},    {"64x1000", 64, 64, 1000},
    {"128x1000", 128, 128, 1000}, {"256x1000", 256, 256, 1000},
};

static size_t operations(const struct scale *scale)
{
    return 2 * (size_t)scale->live;
}

static int prepare(struct work *work)
{
    (void)work;
    return 0;
}

static void batch(struct work *work, const struct peer *peer, void *arm)
{
    void *(*const alloc)(void *, size_t) = peer->alloc;
    void (*const release)(void *, void *, size_t) = peer->free;
    void **const objects = work->objects;
    const size_t size = work->scale->most;
    const uint32_t live = work->scale->live;
    for (uint32_t i = 0; i < live; i++) {
        objects[i] = alloc(arm, size);
        object_write(peer, objects[i], size);
    }
    for (uint32_t i = 0; i < live; i++) {
        object_read(objects[i], size);
        release(arm, objects[i], size);
    }
}

const struct shape shape_fifo = {
    .name = "fifo",
    .question = "What does it cost to free in the order of allocation, so that lists turn round?",
    .source =
        "the peaks of Wilson, Johnstone, Neely and Boles, Dynamic Storage Allocation: A Survey "
        "and Critical Review, 1995",
    .parameters = "object size in bytes, x objects of a peak",
    .scales = scales,
    .scale_count = sizeof scales / sizeof *scales,
    .ends_empty = 1,
    .operations = operations,
    .prepare = prepare,
    .batch = batch,
};
