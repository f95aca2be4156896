/* Grow many arrays in turn, each to its full size, then free them. */
#include "shape.h"
#include "generate.h"

#include <stdlib.h>

enum { SEED = 4, APPENDED = 16 };

static const struct scale scales[] = {
    {"append16-1024x64", 16, 1024, 64},   /* by APPENDED bytes each time, as text is put together */
    {"double16-65536x64", 16, 65536, 64}, /* by its own size each time, as vectors grow */
};

static uint32_t grown(const struct scale *scale, uint32_t size)
{
    return scale->name[0] == 'a' ? size + APPENDED : 2 * size;
}

/* How often an array is grown. */
static uint32_t growths(const struct scale *scale)
{
    uint32_t count = 0;
    for (uint32_t size = scale->least; size < scale->most; size = grown(scale, size))
        count++;
    return count;
}

static size_t operations(const struct scale *scale)
{
    return (size_t)scale->live * (growths(scale) + 2);
}

/* The order in which arrays grow: each as often as it must, in a random order. */
static int prepare(struct work *work)
{
    const struct scale *scale = work->scale;
    uint64_t random = SEED;
    work->step_count = (size_t)scale->live * growths(scale);
    if (work->step_count == 0)
        return -1;
    work->steps = malloc(work->step_count * sizeof *work->steps);
    work->order = malloc(work->step_count * sizeof *work->order);
    if (!work->steps || !work->order)
        return -1;
    shape_shuffle(work->order, (uint32_t)work->step_count, &random);
    for (uint32_t i = 0; i < scale->live; i++)
        work->sizes[i] = scale->least;
    for (size_t i = 0; i < work->step_count; i++) {
        uint32_t place = work->order[i] % scale->live;
        work->sizes[place] = grown(scale, work->sizes[place]);
        work->steps[i] = (struct step){place, work->sizes[place]};
    }
    return 0;
}

static void batch(struct work *work, const struct peer *peer, void *arm)
{
    const struct scale *scale = work->scale;
    void *(*const resize)(void *, void *, size_t, size_t) = peer->realloc;
    void **const objects = work->objects;
    uint32_t *const sizes = work->sizes;
    for (uint32_t i = 0; i < scale->live; i++) {
        objects[i] = peer->alloc(arm, scale->least);
        sizes[i] = scale->least;
        object_write(peer, objects[i], scale->least);
    }
    for (size_t i = 0; i < work->step_count; i++) {
        const struct step step = work->steps[i];
        objects[step.place] = resize(arm, objects[step.place], sizes[step.place], step.size);
        sizes[step.place] = step.size;
        object_write(peer, objects[step.place], step.size);
    }
    for (uint32_t i = 0; i < scale->live; i++) {
        object_read(objects[i], sizes[i]);
        peer->free(arm, objects[i], sizes[i]);
    }
}

const struct shape shape_grow = {
    .name = "grow",
    .question = "What does an array cost that grows while its neighbours do?",
    .source =
        "the growing buffers of Wilson, Johnstone, Neely and Boles, Dynamic Storage Allocation: "
        "A Survey and Critical Review, 1995",
    .parameters = "how (append 16 bytes, or double) and from which to which size, x arrays",
    .scales = scales,
    .scale_count = sizeof scales / sizeof *scales,
    .ends_empty = 1,
    .operations = operations,
    .prepare = prepare,
    .batch = batch,
};
