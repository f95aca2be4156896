/* What shapes share: memory for their arrays, and random numbers from a fixed seed. */
#include "shape.h"
#include "generate.h"

#include <stdio.h>
#include <stdlib.h>

int shape_prepare(struct work *work, const struct shape *shape, const struct scale *scale,
                  const struct allocator *allocator)
{
    *work = (struct work){.shape = shape, .scale = scale};
    work->limit_bytes = allocator->abilities & ALLOCATOR_BOUNDED ? SIZE_MAX : shape->capacity;
    work->objects = calloc(scale->live, sizeof *work->objects);
    work->sizes = calloc(scale->live, sizeof *work->sizes);
    if (work->objects && work->sizes && (!shape->prepare || shape->prepare(work) == 0))
        return 0;
    shape_drop(work);
    return -1;
}

void shape_drop(struct work *work)
{
    free(work->objects);
    free(work->sizes);
    free(work->order);
    free(work->steps);
    *work = (struct work){0};
}

struct allocator_needs shape_needs(const struct shape *shape, const struct scale *scale)
{
    return (struct allocator_needs){(size_t)scale->live * scale->most, scale->live, scale->most,
                                    shape->capacity};
}

int shape_steps(struct work *work, size_t count)
{
    work->step_count = count;
    work->steps = calloc(count, sizeof *work->steps);
    return work->steps ? 0 : -1;
}

int shape_order(struct work *work, size_t count)
{
    work->order = calloc(count, sizeof *work->order);
    return work->order ? 0 : -1;
}

void shape_close_circle(struct work *work)
{
    for (size_t i = 0; i < work->step_count; i++)
        work->sizes[work->steps[i].place] = work->steps[i].size;
    for (size_t i = 0; i < work->step_count; i++) {
        struct step *step = work->steps + i;
        step->old_size = work->sizes[step->place];
        work->sizes[step->place] = step->size;
    }
}

void shape_settle(struct work *work)
{
    /* A whole circle, so that it costs the same wherever the last batch ended. */
    for (size_t i = work->next; i < work->step_count; i++)
        work->sizes[work->steps[i].place] = work->steps[i].size;
    for (size_t i = 0; i < work->next; i++)
        work->sizes[work->steps[i].place] = work->steps[i].size;
}

uint32_t shape_size(const struct scale *scale, uint64_t *random)
{
    uint64_t span = (uint64_t)scale->most - scale->least + 1;
    return scale->least + (uint32_t)(generate_next(random) % span);
}

double shape_uniform(uint64_t *random)
{
    return (double)(generate_next(random) >> 11) / (double)(UINT64_C(1) << 53);
}

uint32_t shape_size_linear(const struct scale *scale, uint64_t *random)
{
    const uint32_t one = shape_size(scale, random), other = shape_size(scale, random);
    return one < other ? one : other;
}

uint32_t shape_size_inverse(const struct scale *scale, uint64_t *random)
{
    const unsigned doublings = 32 - (unsigned)__builtin_clz(scale->most / scale->least);
    const uint64_t number = generate_next(random);
    const uint32_t from = scale->least << (number >> 32) % doublings;
    const uint32_t size = from + (uint32_t)(number % from);
    return size < scale->most ? size : scale->most;
}

uint32_t shape_size_inverse_square(const struct scale *scale, uint64_t *random)
{
    const double largest = 1.0 / scale->least, smallest = 1.0 / scale->most;
    return (uint32_t)(1.0 / (largest - shape_uniform(random) * (largest - smallest)));
}

/* Fills or empties a place, and says how many more steps that makes, the filling of what is empty
 * at the end included. */
static size_t toggle(struct work *work, size_t at, uint32_t place, uint32_t size)
{
    const int fills = work->sizes[place] == 0;
    work->steps[at] = (struct step){place, work->sizes[place], fills ? size : 0};
    work->sizes[place] = fills ? size : 0;
    return fills ? 0 : 2;
}

int shape_toggles(struct work *work, size_t count, shape_places *place, shape_sizes *size,
                  uint64_t seed)
{
    const struct scale *scale = work->scale;
    uint64_t random = seed;
    size_t at = 0, needed = 0;
    if (shape_steps(work, count) != 0)
        return -1;
    for (uint32_t i = 0; i < scale->live; i++)
        work->sizes[i] = size(scale, &random);
    while (needed < count)
        needed += toggle(work, at++, place(scale, &random), size(scale, &random));
    for (uint32_t i = 0; i < scale->live; i++)
        if (work->sizes[i] == 0)
            toggle(work, at++, i, size(scale, &random));
    /* The second time round, what is freed is what the first left. */
    for (size_t i = 0; i < count; i++) {
        struct step *step = work->steps + i;
        step->old_size = work->sizes[step->place];
        work->sizes[step->place] = step->size;
    }
    return 0;
}

void shape_shuffle(uint32_t *order, uint32_t count, uint64_t *random)
{
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = (uint32_t)(generate_next(random) % i);
        uint32_t moved = order[i - 1];
        order[i - 1] = order[other];
        order[other] = moved;
    }
}

void shape_out_of_memory(const struct allocator *allocator)
{
    fprintf(stderr, "poolproof-bench: %s has no memory left for this workload\n", allocator->name);
    exit(4);
}

enum { LITTER_LEAST = 20000, LITTER_LARGEST = 1024, LITTER_KEPT = 4, LITTER_SEED = 6 };

static uint32_t litter_count(const struct scale *scale)
{
    return 2 * scale->live > LITTER_LEAST ? 2 * scale->live : LITTER_LEAST;
}

struct allocator_needs litter_needs(const struct scale *scale)
{
    const uint32_t live = litter_count(scale) + scale->live;
    const size_t largest = scale->most > LITTER_LARGEST ? scale->most : LITTER_LARGEST;
    return (struct allocator_needs){live * largest, live, largest, 0};
}

/* Half of the workload's sizes, half of sizes that are each as likely as their double. */
static uint32_t litter_size(const struct scale *scale, const struct allocator *allocator,
                            uint64_t *random)
{
    const uint32_t own = shape_size(scale, random);
    const uint64_t number = generate_next(random);
    if ((allocator->abilities & ALLOCATOR_ONE_SIZE) || number % 2 == 0)
        return own;
    const uint32_t doubling = 16u << (number >> 8) % 6;
    return doubling + (uint32_t)((number >> 16) % doubling);
}

int litter_make(struct litter *litter, const struct scale *scale, const struct allocator *allocator,
                void *heap)
{
    const uint32_t count = litter_count(scale);
    uint64_t random = LITTER_SEED;
    uint32_t *order = calloc(count, sizeof *order);
    *litter = (struct litter){.objects = calloc(count, sizeof *litter->objects),
                              .sizes = calloc(count, sizeof *litter->sizes)};
    if (!order || !litter->objects || !litter->sizes) {
        free(order);
        free(litter->objects);
        free(litter->sizes);
        return -1;
    }
    for (uint32_t i = 0; i < count; i++) {
        litter->sizes[i] = litter_size(scale, allocator, &random);
        litter->objects[i] =
            object_write(allocator, allocator->alloc(heap, litter->sizes[i]), litter->sizes[i]);
    }
    shape_shuffle(order, count, &random);
    for (uint32_t i = count / LITTER_KEPT; i < count; i++) {
        allocator->free(heap, litter->objects[order[i]], litter->sizes[order[i]]);
        litter->objects[order[i]] = NULL;
    }
    litter->count = count;
    free(order);
    return 0;
}

void litter_drop(struct litter *litter, const struct allocator *allocator, void *heap)
{
    for (uint32_t i = 0; i < litter->count; i++)
        if (litter->objects[i])
            allocator->free(heap, litter->objects[i], litter->sizes[i]);
    free(litter->objects);
    free(litter->sizes);
    *litter = (struct litter){0};
}
