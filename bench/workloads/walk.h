/* Replace an eighth of a list's objects, then walk the whole list. */
#ifndef POOLPROOF_WALK_H
#define POOLPROOF_WALK_H

#include "shape.h"
#include "generate.h"

enum { WALK_SEED = 5, WALK_SHARE = 8, WALK_ORDERS = 32 };

static const struct scale walk_scales[] = {
    {"mixed16-128/10000", 16, 128, 10000},
    {"mixed16-128/100000", 16, 128, 100000},
};

static inline uint32_t replaced(const struct scale *scale)
{
    return scale->live / WALK_SHARE;
}

static inline size_t walk_operations(const struct scale *scale)
{
    return 2 * (size_t)replaced(scale);
}

/* Each batch takes one of WALK_ORDERS choices of places, all different within it, and sizes for
 * them. */
static inline int walk_prepare(struct work *work)
{
    const struct scale *scale = work->scale;
    const uint32_t count = replaced(scale);
    uint64_t random = WALK_SEED;
    if (shape_steps(work, (size_t)count * WALK_ORDERS) != 0 || shape_order(work, scale->live) != 0)
        return -1;
    for (unsigned i = 0; i < WALK_ORDERS; i++) {
        shape_shuffle(work->order, scale->live, &random);
        for (uint32_t j = 0; j < count; j++) {
            struct step *step = work->steps + (size_t)i * count + j;
            step->place = work->order[j];
            step->size = shape_size(scale, &random);
        }
    }
    for (uint32_t i = 0; i < scale->live; i++)
        work->sizes[i] = shape_size(scale, &random);
    shape_close_circle(work);
    return 0;
}

/* An object's first word is the address of the object in the next place. */
static inline void link_places(void **objects, uint32_t live, uint32_t place)
{
    memcpy(objects[place], &objects[(place + 1) % live], sizeof(void *));
}

static inline const void *next_of(const void *object)
{
    uintptr_t next;
    memcpy(&next, object, sizeof next);
    return (const void *)next;
}

static inline void walk_filled(struct work *work)
{
    for (uint32_t i = 0; i < work->scale->live; i++)
        link_places(work->objects, work->scale->live, i);
}

SHAPE_LOOP void walk_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    const uint32_t live = work->scale->live, count = replaced(work->scale);
    void **const objects = work->objects;
    const struct step *const steps = work->steps + work->next;
    for (uint32_t i = 0; i < count; i++)
        allocator->free(heap, objects[steps[i].place], steps[i].old_size);
    for (uint32_t i = 0; i < count; i++) {
        const struct step step = steps[i];
        objects[step.place] = object_write(allocator, allocator->alloc(heap, step.size), step.size);
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

static const struct shape shape_walk = {
    .name = "walk",
    .question = "What does a program pay later for where its objects were put?",
    .source = "Grunwald, Zorn and Henderson, Improving the Cache Locality of Memory Allocation, "
              "PLDI 1993",
    .parameters =
        "object sizes in bytes / objects in the list; the time of walking it is spread over "
        "the replacements",
    .harness = "Walking the list is what is asked about, and no allocator does it.",
    .scales = walk_scales,
    .scale_count = sizeof walk_scales / sizeof *walk_scales,
    .operations = walk_operations,
    .prepare = walk_prepare,
    .filled = walk_filled,
};

#endif
