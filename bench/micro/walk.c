/* Replace an eighth of a list's objects, then walk the whole list. */
#include "shape.h"
#include "generate.h"

#include <stdlib.h>

enum { SEED = 5, SHARE = 8, ORDERS = 32 };

static const struct scale scales[] = {
    {"mixed16-128/10000", 16, 128, 10000},
    {"mixed16-128/100000", 16, 128, 100000},
};

static uint32_t replaced(const struct scale *scale)
{
    return scale->live / SHARE;
}

static size_t operations(const struct scale *scale)
{
    return 2 * (size_t)replaced(scale);
}

/* Each batch takes one of ORDERS choices of places, all different within it, and sizes for them. */
static int prepare(struct work *work)
{
    const struct scale *scale = work->scale;
    const uint32_t count = replaced(scale);
    uint64_t random = SEED;
    work->step_count = (size_t)count * ORDERS;
    work->steps = malloc(work->step_count * sizeof *work->steps);
    work->order = malloc(scale->live * sizeof *work->order);
    if (!work->steps || !work->order)
        return -1;
    for (unsigned i = 0; i < ORDERS; i++) {
        shape_shuffle(work->order, scale->live, &random);
        for (uint32_t j = 0; j < count; j++)
            work->steps[(size_t)i * count + j] =
                (struct step){work->order[j], shape_size(scale, &random)};
    }
    for (uint32_t i = 0; i < scale->live; i++)
        work->sizes[i] = shape_size(scale, &random);
    return 0;
}

/* An object's first word is the address of the object in the next place. */
static void link_places(void **objects, uint32_t live, uint32_t place)
{
    memcpy(objects[place], &objects[(place + 1) % live], sizeof(void *));
}

static const void *next_of(const void *object)
{
    uintptr_t next;
    memcpy(&next, object, sizeof next);
    return (const void *)next;
}

static void fill(struct work *work, const struct peer *peer, void *arm)
{
    const uint32_t live = work->scale->live;
    for (uint32_t i = 0; i < live; i++) {
        work->objects[i] = peer->alloc(arm, work->sizes[i]);
        object_write(peer, work->objects[i], work->sizes[i]);
    }
    for (uint32_t i = 0; i < live; i++)
        link_places(work->objects, live, i);
}

static void batch(struct work *work, const struct peer *peer, void *arm)
{
    void *(*const alloc)(void *, size_t) = peer->alloc;
    void (*const release)(void *, void *, size_t) = peer->free;
    const uint32_t live = work->scale->live, count = replaced(work->scale);
    void **const objects = work->objects;
    uint32_t *const sizes = work->sizes;
    const struct step *const steps = work->steps + work->next;
    for (uint32_t i = 0; i < count; i++)
        release(arm, objects[steps[i].place], sizes[steps[i].place]);
    for (uint32_t i = 0; i < count; i++) {
        objects[steps[i].place] = alloc(arm, steps[i].size);
        sizes[steps[i].place] = steps[i].size;
        object_write(peer, objects[steps[i].place], steps[i].size);
    }
    for (uint32_t i = 0; i < count; i++) {
        link_places(objects, live, steps[i].place);
        link_places(objects, live, (steps[i].place + live - 1) % live);
    }
    const void *object = objects[0];
    for (uint32_t i = 0; i < live; i++)
        object = next_of(object);
    __asm__ volatile("" : : "r"(object) : "memory");
    work->next = (work->next + count) % work->step_count;
}

static void drain(struct work *work, const struct peer *peer, void *arm)
{
    for (uint32_t i = 0; i < work->scale->live; i++)
        peer->free(arm, work->objects[i], work->sizes[i]);
}

const struct shape shape_walk = {
    .name = "walk",
    .question = "What does a program pay later for where its objects were put?",
    .source = "Grunwald, Zorn and Henderson, Improving the Cache Locality of Memory Allocation, "
              "PLDI 1993",
    .parameters =
        "object sizes in bytes / objects in the list; the time of walking it is spread over "
        "the replacements",
    .scales = scales,
    .scale_count = sizeof scales / sizeof *scales,
    .operations = operations,
    .prepare = prepare,
    .fill = fill,
    .drain = drain,
    .batch = batch,
};
