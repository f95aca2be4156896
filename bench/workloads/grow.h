/* Grow many arrays in turn, each to its full size, then free them. */
#ifndef POOLPROOF_GROW_H
#define POOLPROOF_GROW_H

#include "shape.h"
#include "generate.h"

enum { GROW_SEED = 4, GROW_APPENDED = 16 };

static const struct scale grow_scales[] = {
    {"append16-1024x64", 16, 1024,
     64}, /* by GROW_APPENDED bytes each time, as text is put together */
    {"double16-65536x64", 16, 65536, 64}, /* by its own size each time, as vectors grow */
};

static inline uint32_t grown(const struct scale *scale, uint32_t size)
{
    return scale->name[0] == 'a' ? size + GROW_APPENDED : 2 * size;
}

/* How often an array is grown. */
static inline uint32_t growths(const struct scale *scale)
{
    uint32_t count = 0;
    for (uint32_t size = scale->least; size < scale->most; size = grown(scale, size))
        count++;
    return count;
}

static inline size_t grow_operations(const struct scale *scale)
{
    return (size_t)scale->live * (growths(scale) + 2);
}

/* The order in which arrays grow: each as often as it must, in a random order. */
static inline int grow_prepare(struct work *work)
{
    const struct scale *scale = work->scale;
    uint64_t random = GROW_SEED;
    const size_t count = (size_t)scale->live * growths(scale);
    if (shape_steps(work, count) != 0 || shape_order(work, count) != 0)
        return -1;
    shape_shuffle(work->order, (uint32_t)count, &random);
    for (uint32_t i = 0; i < scale->live; i++)
        work->sizes[i] = scale->least;
    for (size_t i = 0; i < count; i++) {
        struct step *step = work->steps + i;
        step->place = work->order[i] % scale->live;
        step->old_size = work->sizes[step->place];
        step->size = grown(scale, step->old_size);
        work->sizes[step->place] = step->size;
    }
    return 0;
}

SHAPE_LOOP void grow_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    const struct scale *scale = work->scale;
    void **const objects = work->objects;
    const uint32_t *const sizes = work->sizes;
    const struct step *const steps = work->steps;
    const size_t count = work->step_count;
    for (uint32_t i = 0; i < scale->live; i++)
        objects[i] = object_write(allocator, allocator->alloc(heap, scale->least), scale->least);
    for (size_t i = 0; i < count; i++) {
        const struct step step = steps[i];
        void *const grown = allocator->realloc(heap, objects[step.place], step.old_size, step.size);
        objects[step.place] = object_write(allocator, grown, step.size);
    }
    for (uint32_t i = 0; i < scale->live; i++) {
        void *const object = objects[i];
        const uint32_t size = sizes[i];
        object_read(object, size);
        allocator->free(heap, object, size);
    }
}

static const struct shape shape_grow = {
    .name = "grow",
    .question = "What does an array cost that grows while its neighbours do?",
    .source =
        "the growing buffers of Wilson, Johnstone, Neely and Boles, Dynamic Storage Allocation: "
        "A Survey and Critical Review, 1995",
    .parameters = "how (append 16 bytes, or double) and from which to which size, x arrays",
    .scales = grow_scales,
    .scale_count = sizeof grow_scales / sizeof *grow_scales,
    .ends_empty = 1,
    .resizes = 1,
    .operations = grow_operations,
    .prepare = grow_prepare,
};

#endif
