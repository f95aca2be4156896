/* Alloc a thousand objects, free them in a random order. */
#include "shape.h"
#include <stdlib.h>

/* So many orders take turns that no predictor knows them by heart. */
enum { ORDERS = 64, SEED = 2 };

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
    const uint32_t live = work->scale->live;
    uint64_t random = SEED;
    work->order = malloc(sizeof *work->order * live * ORDERS);
    if (!work->order)
        return -1;
    for (unsigned i = 0; i < ORDERS; i++)
        shape_shuffle(work->order + (size_t)i * live, live, &random);
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
    const uint32_t *const order = work->order + (size_t)work->next * live;
    for (uint32_t i = 0; i < live; i++) {
        object_read(objects[order[i]], size);
        release(arm, objects[order[i]], size);
    }
    work->next = (work->next + 1) % ORDERS;
}

const struct shape shape_random = {
    .name = "random",
    .question =
        "What is left of the speed when objects die in no order, so that lists lose theirs?",
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
