/* Every loop, compiled for one table of functions.
 *
 * An adaptor ends with ARM(name) for each struct allocator allocator_name that it defines. The
 * compiler sees the loops and the table together, so it calls the table's functions directly and
 * inlines what is small: an allocator that is a header or has an inline path costs what it costs
 * its user, and one in a shared library is a direct call. From outside, a batch or a playing is
 * one indirect call.
 */
#ifndef POOLPROOF_ARM_H
#define POOLPROOF_ARM_H

#include "play.h"
#include "shapes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An arm: an allocator's table, and all loops compiled for it. */
struct arm {
    const struct allocator *allocator;
    void (*const *batches)(struct work *work, void *heap); /* in the order of shapes */
    void (*fill)(struct work *work, void *heap);
    void (*drain)(struct work *work, void *heap);
    replay_player *play;
    /* All in one, as Lua has it: allocates without a ptr, frees with a new size of 0. */
    void *(*resize)(void *heap, void *ptr, size_t old_size, size_t new_size);
};

/* Every arm, in the order of bench/meson.build. */
extern const struct arm *const arms[];
extern const size_t arm_count;

/* Arms that were not built, and the Debian package that they lack; a NULL name ends them. */
struct absent_arm {
    const char *name, *package;
};
extern const struct absent_arm absent_arms[];

#ifdef __cplusplus
}
#define ARM_LINKAGE extern "C"
#else
#define ARM_LINKAGE extern
#endif

SHAPE_LOOP void *arm_resize(const struct allocator *allocator, void *heap, void *ptr,
                            size_t old_size, size_t new_size)
{
    if (new_size != 0)
        return ptr ? allocator->realloc(heap, ptr, old_size, new_size)
                   : allocator->alloc(heap, new_size);
    if (ptr)
        allocator->free(heap, ptr, old_size);
    return NULL;
}

#define ARM_BATCH(shape, name)                                                                     \
    static void batch_##name##_##shape(struct work *work, void *heap)                              \
    {                                                                                              \
        shape##_batch(work, &allocator_##name, heap);                                              \
    }

#define ARM_BATCH_NAME(shape, name) batch_##name##_##shape,

#define ARM(name)                                                                                  \
    EACH_SHAPE(ARM_BATCH, name)                                                                    \
    static void arm_##name##_fill(struct work *work, void *heap)                                   \
    {                                                                                              \
        shape_fill_places(work, &allocator_##name, heap);                                          \
    }                                                                                              \
    static void arm_##name##_drain(struct work *work, void *heap)                                  \
    {                                                                                              \
        shape_drain(work, &allocator_##name, heap);                                                \
    }                                                                                              \
    static int arm_##name##_play(const struct replay *replay, size_t from, size_t to,              \
                                 void **slots, void *heap)                                         \
    {                                                                                              \
        return play(replay, from, to, slots, &allocator_##name, heap);                             \
    }                                                                                              \
    static void *arm_##name##_resize(void *heap, void *ptr, size_t old_size, size_t new_size)      \
    {                                                                                              \
        return arm_resize(&allocator_##name, heap, ptr, old_size, new_size);                       \
    }                                                                                              \
    static void (*const arm_##name##_batches[])(struct work *,                                     \
                                                void *) = {EACH_SHAPE(ARM_BATCH_NAME, name)};      \
    ARM_LINKAGE const struct arm arm_##name;                                                       \
    const struct arm arm_##name = {&allocator_##name,  arm_##name##_batches, arm_##name##_fill,    \
                                   arm_##name##_drain, arm_##name##_play,    arm_##name##_resize};

#endif
