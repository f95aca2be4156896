/* Replace a random one of many live objects, over and over. */
#include "shape.h"
#include "generate.h"

#include <stdlib.h>

enum { BATCH = 4096, STEPS = 1 << 20, SEED = 1 };

static const struct scale scales[] = {
    {"16/1000", 16, 16, 1000},
    {"32/1000", 32, 32, 1000},
    {"64/1000", 64, 64, 1000},
    {"128/1000", 128, 128, 1000},
    {"256/1000", 256, 256, 1000},
    {"mixed16-512/1000", 16, 512, 1000},
    {"mixed16-1024/10000", 16, 1024, 10000},
    {"mixed16-1024/200000", 16, 1024, 200000},
};

static size_t operations(const struct scale *scale)
{
    (void)scale;
    return 2 * BATCH;
}

static int prepare(struct work *work)
{
    const struct scale *scale = work->scale;
    uint64_t random = SEED;
    work->step_count = STEPS;
    work->steps = malloc(sizeof *work->steps * STEPS);
    if (!work->steps)
        return -1;
    for (size_t i = 0; i < STEPS; i++) {
        work->steps[i].place = (uint32_t)(generate_next(&random) % scale->live);
        work->steps[i].size = shape_size(scale, &random);
    }
    for (uint32_t i = 0; i < scale->live; i++)
        work->sizes[i] = shape_size(scale, &random);
    return 0;
}

static void fill(struct work *work, const struct peer *peer, void *arm)
{
    for (uint32_t i = 0; i < work->scale->live; i++) {
        work->objects[i] = peer->alloc(arm, work->sizes[i]);
        object_write(peer, work->objects[i], work->sizes[i]);
    }
}

static void batch(struct work *work, const struct peer *peer, void *arm)
{
    void *(*const alloc)(void *, size_t) = peer->alloc;
    void (*const release)(void *, void *, size_t) = peer->free;
    void **const objects = work->objects;
    uint32_t *const sizes = work->sizes;
    const struct step *const steps = work->steps + work->next;
    for (unsigned i = 0; i < BATCH; i++) {
        const struct step step = steps[i];
        object_read(objects[step.place], sizes[step.place]);
        release(arm, objects[step.place], sizes[step.place]);
        objects[step.place] = alloc(arm, step.size);
        sizes[step.place] = step.size;
        object_write(peer, objects[step.place], step.size);
    }
    work->next = (work->next + BATCH) % work->step_count;
}

static void drain(struct work *work, const struct peer *peer, void *arm)
{
    for (uint32_t i = 0; i < work->scale->live; i++)
        peer->free(arm, work->objects[i], work->sizes[i]);
}

const struct shape shape_churn = {
    .name = "churn",
    .question = "What does a heap in its middle age cost, where any object may die next?",
    .source =
        "Larson and Krishnan, Memory Allocation for Long-Running Server Applications, ISMM 1998, "
        "on one thread",
    .parameters = "object sizes in bytes (mixed: each as likely) / live objects",
    .scales = scales,
    .scale_count = sizeof scales / sizeof *scales,
    .operations = operations,
    .prepare = prepare,
    .fill = fill,
    .drain = drain,
    .batch = batch,
};
