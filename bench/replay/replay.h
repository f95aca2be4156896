/* The trace player: a recorded program's operations, as fast as they can be issued.
 *
 * A trace is compiled beforehand into sixteen bytes an operation, with the sizes that a free or a
 * realloc must hand back already looked up. Misuse and checks are left out, a reset becomes a
 * free of each live object, and what is still live at the end is freed one by one: the drain. All
 * threads' operations are played by one thread, in the order in which they were recorded.
 *
 * Like a program, the player writes what it allocates and reads what it frees: the first word of
 * each cache line of the first REPLAY_LINES_BYTES, and of each page of the next
 * REPLAY_PAGES_BYTES; of an object that was resized, what is new.
 */
#ifndef POOLPROOF_REPLAY_H
#define POOLPROOF_REPLAY_H

#include "allocator.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    REPLAY_LINE = 64,
    REPLAY_LINES = 4,
    REPLAY_LINES_BYTES = REPLAY_LINES * REPLAY_LINE,
    REPLAY_PAGES_BYTES = 64 * 1024
};

struct replay_op {
    uint32_t slot;
    uint32_t size;     /* new bytes; of a free the object's */
    uint32_t old_size; /* of a realloc, or what `aligned` says */
    uint8_t kind;      /* of enum replay_kind */
    /* Where its second, third and fourth line start, in words; its last if it has not so many. */
    uint8_t lines[REPLAY_LINES - 1];
};

enum replay_kind {
    REPLAY_FREE,
    REPLAY_ALLOC,
    REPLAY_ZEROED,
    REPLAY_REALLOC,
    /* The alignment in bytes is in old_size, and is 32 or more. A resize of an aligned object is
     * played as a free and an alloc, since few arms could do it. */
    REPLAY_ALIGNED,
    REPLAY_FREE_ALIGNED
};

/* A compiled trace. It lies in memory of its own that no allocator has seen. */
struct replay {
    const struct replay_op *ops;
    size_t count; /* operations, the drain included */
    size_t drain; /* the first of the drain */
    uint32_t slots;
    uint32_t largest;      /* bytes of the largest object */
    uint32_t peak_objects; /* live at a time, at most */
    uint64_t peak_bytes;   /* live at a time, at most, as asked for */
    size_t peak_op;        /* the operation that got there */
    size_t left_out;       /* operations that are misuse or checks */
    void *memory;
    size_t memory_size;
};

/* Reads and compiles the trace in a file. The reading takes place in a child process, so that the
 * heap of this one stays as it was. On failure returns -1 and fills message with one line. */
int replay_load(const char *path, struct replay *replay, char *message, size_t room);
void replay_drop(struct replay *replay);

/* What plays operations [from, to) on an arm. slots has replay->slots places, which keep the
 * objects between calls. Returns 0, or -1 if the arm has no memory left. */
typedef int replay_player(const struct replay *replay, size_t from, size_t to, void **slots,
                          void *heap);

#ifdef __cplusplus
}
#endif

#endif
