/* Alloc a thousand objects of mixed sizes, drop them all at once. */
#include "shape.h"

enum { SEED = 3 };

static const struct scale scales[] = {
    {"64x1000", 64, 64, 1000},
    {"mixed16-512x1000", 16, 512, 1000},
};

static size_t operations(const struct scale *scale)
{
    return 2 * (size_t)scale->live;
}

static int prepare(struct work *work)
{
    uint64_t random = SEED;
    for (uint32_t i = 0; i < work->scale->live; i++)
        work->sizes[i] = shape_size(work->scale, &random);
    return 0;
}

static void batch(struct work *work, const struct peer *peer, void *arm)
{
    void *(*const alloc)(void *, size_t) = peer->alloc;
    void (*const release)(void *, void *, size_t) = peer->free;
    void **const objects = work->objects;
    const uint32_t *const sizes = work->sizes;
    const uint32_t live = work->scale->live;
    for (uint32_t i = 0; i < live; i++) {
        objects[i] = alloc(arm, sizes[i]);
        object_write(peer, objects[i], sizes[i]);
    }
    for (uint32_t i = 0; i < live; i++)
        object_read(objects[i], sizes[i]);
    if (peer->reset) {
        peer->reset(arm);
        return;
    }
    for (uint32_t i = 0; i < live; i++)
        release(arm, objects[i], sizes[i]);
}

const struct shape shape_phase = {
    .name = "phase",
    .question =
        "What is gained where a phase of a program ends and all that it made can go at once?",
    .source = "Hanson, Fast Allocation and Deallocation of Memory Based on Object Lifetimes, "
              "Software: Practice and Experience 20(1), 1990",
    .parameters = "object sizes in bytes x objects of a phase; arms without a reset free each",
    .scales = scales,
    .scale_count = sizeof scales / sizeof *scales,
    .ends_empty = 1,
    .operations = operations,
    .prepare = prepare,
    .batch = batch,
};
