/* Every loop, compiled for one table of functions.
 *
 * An adaptor ends with LOOPS(name) for each struct peer peer_name that it defines. The compiler
 * sees the loops and the table together, so it calls the table's functions directly and inlines
 * what is small: an allocator that is a header or has an inline path costs what it costs its user,
 * and one behind a shared library is a direct call. From outside, a batch or a playing is one
 * indirect call.
 */
#ifndef POOLPROOF_LOOPS_H
#define POOLPROOF_LOOPS_H

#include "play.h"
#include "shapes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What there is for a table: its loops. */
struct loops {
    const struct peer *peer;
    void (*const *batches)(struct work *work, void *arm); /* in the order of shapes */
    void (*fill)(struct work *work, void *arm);
    void (*drain)(struct work *work, void *arm);
    replay_player *play;
    /* All in one, as Lua has it: allocates without a ptr, frees with a new size of 0. */
    void *(*resize)(void *arm, void *ptr, size_t old_size, size_t new_size);
};

/* Every table's, in the order of bench/meson.build. */
extern const struct loops *const arms[];
extern const size_t arm_count;

/* Arms that were not built, and the Debian package that they lack; a NULL name ends them. */
struct absent_arm {
    const char *name, *package;
};
extern const struct absent_arm absent_arms[];

#ifdef __cplusplus
}
#define LOOPS_LINKAGE extern "C"
#else
#define LOOPS_LINKAGE extern
#endif

SHAPE_LOOP void *loops_resize(const struct peer *peer, void *arm, void *ptr, size_t old_size,
                              size_t new_size)
{
    if (new_size != 0)
        return ptr ? peer->realloc(arm, ptr, old_size, new_size) : peer->alloc(arm, new_size);
    if (ptr)
        peer->free(arm, ptr, old_size);
    return NULL;
}

#define LOOPS_BATCH(shape, name)                                                                   \
    static void batch_##name##_##shape(struct work *work, void *arm)                               \
    {                                                                                              \
        shape##_batch(work, &peer_##name, arm);                                                    \
    }

#define LOOPS_BATCH_NAME(shape, name) batch_##name##_##shape,

#define LOOPS(name)                                                                                \
    EACH_SHAPE(LOOPS_BATCH, name)                                                                  \
    static void loop_##name##_fill(struct work *work, void *arm)                                   \
    {                                                                                              \
        shape_fill_places(work, &peer_##name, arm);                                                \
    }                                                                                              \
    static void loop_##name##_drain(struct work *work, void *arm)                                  \
    {                                                                                              \
        shape_drain(work, &peer_##name, arm);                                                      \
    }                                                                                              \
    static int loop_##name##_play(const struct replay *replay, size_t from, size_t to,             \
                                  void **slots, void *arm)                                         \
    {                                                                                              \
        return play(replay, from, to, slots, &peer_##name, arm);                                   \
    }                                                                                              \
    static void *loop_##name##_resize(void *arm, void *ptr, size_t old_size, size_t new_size)      \
    {                                                                                              \
        return loops_resize(&peer_##name, arm, ptr, old_size, new_size);                           \
    }                                                                                              \
    static void (*const loop_##name##_batches[])(struct work *,                                    \
                                                 void *) = {EACH_SHAPE(LOOPS_BATCH_NAME, name)};   \
    LOOPS_LINKAGE const struct loops loops_##name;                                                 \
    const struct loops loops_##name = {&peer_##name,       loop_##name##_batches,                  \
                                       loop_##name##_fill, loop_##name##_drain,                    \
                                       loop_##name##_play, loop_##name##_resize};

#endif
