/* A micro workload: one question about allocators, at several scales.
 *
 * A shape is one file, NAME.h: what it asks, where its form was published, its scales, and three
 * functions. Random choices and sizes are computed in prepare, from a fixed seed; what is timed is
 * the loop NAME_batch, which a benchmark's iteration calls once. Objects are written when allocated
 * and read before they are freed.
 *
 * The loop is compiled anew for each arm (arm.h), C++ ones among them: shapes keep to what C11
 * and C++20 share.
 */
#ifndef POOLPROOF_SHAPE_H
#define POOLPROOF_SHAPE_H

#include "allocator.h"

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One setting of a shape: sizes from least to most bytes, `live` objects at a time. */
struct scale {
    const char *name; /* "64x1000" */
    uint32_t least, most;
    uint32_t live;
};

/* A replacement of one object by another. */
struct step {
    uint32_t place, old_size, size;
};

/* A prepared workload. A shape allocates what it needs of the arrays; shape_drop frees them. */
struct work {
    const struct shape *shape;
    const struct scale *scale;
    void **objects;     /* `live` places */
    uint32_t *sizes;    /* of the objects in them, when none is live between batches or by fill */
    uint32_t *order;    /* in which places are freed */
    struct step *steps; /* what is replaced, over and over */
    size_t step_count;
    size_t next; /* where the next batch starts, in order, in steps or in a channel */
    /* Of a shape with a capacity: what it may have live, SIZE_MAX where the arm is what refuses;
     * and of all batches so far, what was live when they last got no more, and operations. */
    size_t limit_bytes, reached_bytes, done;
    /* Of a shape with several owners: the thread that this is for, and what they hand over. */
    unsigned thread;
    struct channel *channels;
};

struct shape {
    const char *name;
    const char *question;
    const char *source; /* the publication that its form comes from */
    const char *parameters;
    const char
        *harness; /* why noop may take more than a fifth of the fastest arm's time, or NULL */
    const struct scale *scales;
    size_t scale_count;
    int ends_empty; /* nothing is live between batches */
    int resizes;    /* batches call realloc */
    int resets;     /* batches call reset, where there is one */
    int own_sizes;  /* sizes of the scale are not each as likely: on other heaps they would be */
    /* Bytes that it fills, on an arm of just that capacity where it has one; 0 for a shape that
     * never fills an arm. */
    size_t capacity;
    /* Threads with a batch each, that free on one arm what others allocated; 0 for a single one. */
    unsigned owners;
    /* Operations of one batch, or of one of each owner: an alloc and a free are two. With a
     * capacity about as many, and work->done counts. */
    size_t (*operations)(const struct scale *scale);
    /* Fills *work's arrays; -1 for lack of memory. NULL where it needs none but `objects`. */
    int (*prepare)(struct work *work);
    /* What is to be done with new objects before the first batch, or NULL. Unless the shape ends
     * empty, there is one in each place then, of the size in work->sizes. */
    void (*filled)(struct work *work);
};

/* A loop over an allocator's calls: compiled into the adaptor, which knows the allocator. */
#define SHAPE_LOOP static inline __attribute__((always_inline))

/* Every shape, in the order of bench/meson.build. */
extern const struct shape *const shapes[];
extern const size_t shape_count;

/* Objects that make a heap a used one: they lie all over it, and nothing touches them again. */
struct litter {
    void **objects;
    uint32_t *sizes;
    uint32_t count;
};

/* Fills a heap with twice the objects that a scale has live, of its sizes and of others, and frees
 * all but a quarter of them in a random order; -1 for lack of memory. */
int litter_make(struct litter *litter, const struct scale *scale, const struct allocator *allocator,
                void *heap);
void litter_drop(struct litter *litter, const struct allocator *allocator, void *heap);
/* What it takes of an arm at most. */
struct allocator_needs litter_needs(const struct scale *scale);

/* Prepares a workload for an allocator; -1 for lack of memory. shape_drop frees what it took. */
int shape_prepare(struct work *work, const struct shape *shape, const struct scale *scale,
                  const struct allocator *allocator);
void shape_drop(struct work *work);
/* What a scale takes of an arm at most, its litter left out. */
struct allocator_needs shape_needs(const struct shape *shape, const struct scale *scale);

/* Room for so many steps, or for an order of so many places; -1 for lack of memory. */
int shape_steps(struct work *work, size_t count);
int shape_order(struct work *work, size_t count);

/* Makes steps that can be taken over and over: sizes become what the last of them leave, and
 * each step learns the size that it replaces, so that no loop has to look it up. */
void shape_close_circle(struct work *work);
/* Makes sizes those of the objects that are there now, between two batches. */
void shape_settle(struct work *work);

/* A size of the scale, each as likely; or small ones likelier: their number falls off to none in a
 * straight line; or with the inverse of the size, so that every doubling is as likely; or with its
 * inverse square, so that every doubling is half as likely. */
typedef uint32_t shape_sizes(const struct scale *scale, uint64_t *random);
shape_sizes shape_size, shape_size_linear, shape_size_inverse, shape_size_inverse_square;
/* A number from 0 to less than 1. */
double shape_uniform(uint64_t *random);
/* An array of places in a random order. */
void shape_shuffle(uint32_t *order, uint32_t count, uint64_t *random);

/* Ends the process: an arm without memory has no time that means anything. */
#ifdef __cplusplus
[[noreturn]]
#else
_Noreturn
#endif
void shape_out_of_memory(const struct allocator *allocator);

/* Makes `count` steps, an even number, that fill a place which is empty and empty one that is full:
 * of size 0 are those that free. Every place is full before the first and after the last. */
typedef uint32_t shape_places(const struct scale *scale, uint64_t *random);
int shape_toggles(struct work *work, size_t count, shape_places *place, shape_sizes *size,
                  uint64_t seed);

/* Writes the first and the last eight bytes of an object that has at least eight, and returns it.
 * The compiler must believe that the bytes are used. */
SHAPE_LOOP void *object_write(const struct allocator *allocator, void *object, size_t size)
{
    const uint64_t word = size;
    if (__builtin_expect(object == NULL, 0))
        shape_out_of_memory(allocator);
    memcpy(object, &word, sizeof word);
    memcpy((char *)object + size - sizeof word, &word, sizeof word);
    __asm__ volatile("" : : "r"(object) : "memory");
    return object;
}

/* Reads the same bytes. */
SHAPE_LOOP void object_read(const void *object, size_t size)
{
    uint64_t first, last;
    memcpy(&first, object, sizeof first);
    memcpy(&last, (const char *)object + size - sizeof last, sizeof last);
    __asm__ volatile("" : : "r"(first), "r"(last) : "memory");
}

/* Takes all steps that shape_toggles made. */
SHAPE_LOOP void shape_toggle(struct work *work, const struct allocator *allocator, void *heap)
{
    void **const objects = work->objects;
    const struct step *const steps = work->steps;
    const size_t count = work->step_count;
    for (size_t i = 0; i < count; i++) {
        const struct step step = steps[i];
        if (step.size != 0) {
            objects[step.place] =
                object_write(allocator, allocator->alloc(heap, step.size), step.size);
        } else {
            void *const object = objects[step.place];
            object_read(object, step.old_size);
            allocator->free(heap, object, step.old_size);
        }
    }
}

/* Allocates an object in every place, and frees them in the order of the places in work->order. */
SHAPE_LOOP void shape_peak(struct work *work, const struct allocator *allocator, void *heap)
{
    void **const objects = work->objects;
    const uint32_t *const sizes = work->sizes, *const order = work->order;
    const uint32_t live = work->scale->live;
    for (uint32_t i = 0; i < live; i++)
        objects[i] = object_write(allocator, allocator->alloc(heap, sizes[i]), sizes[i]);
    for (uint32_t i = 0; i < live; i++) {
        const uint32_t place = order[i];
        void *const object = objects[place];
        const uint32_t size = sizes[place];
        object_read(object, size);
        allocator->free(heap, object, size);
    }
}

/* Before the first batch and after the last of a shape that does not end empty. */
SHAPE_LOOP void shape_fill_places(struct work *work, const struct allocator *allocator, void *heap)
{
    for (uint32_t i = 0; i < work->scale->live; i++)
        work->objects[i] =
            object_write(allocator, allocator->alloc(heap, work->sizes[i]), work->sizes[i]);
}

SHAPE_LOOP void shape_drain(struct work *work, const struct allocator *allocator, void *heap)
{
    for (uint32_t i = 0; i < work->scale->live; i++)
        allocator->free(heap, work->objects[i], work->sizes[i]);
}

#ifdef __cplusplus
}
#endif

#endif
