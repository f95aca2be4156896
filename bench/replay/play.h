/* The loop that plays a compiled trace: compiled anew for each arm (arm.h). */
#ifndef POOLPROOF_PLAY_H
#define POOLPROOF_PLAY_H

#include "replay.h"

#include <string.h>

#define PLAY_LOOP static inline __attribute__((always_inline))

enum { PLAY_PAGE = 4096, PLAY_WORD = 8 };

PLAY_LOOP size_t play_round_up(size_t offset, size_t unit)
{
    return (offset + unit - 1) & ~(unit - 1);
}

/* Writes a word to each line among the first, and to each page among those after, that lies in
 * [from, to). */
PLAY_LOOP void play_extend(char *object, size_t from, size_t to)
{
    size_t at;
    for (at = play_round_up(from, REPLAY_LINE); at + PLAY_WORD <= to && at < REPLAY_LINES_BYTES;
         at += REPLAY_LINE)
        memcpy(object + at, &to, PLAY_WORD);
    for (at = play_round_up(at > from ? at : from, PLAY_PAGE);
         at + PLAY_WORD <= to && at < REPLAY_PAGES_BYTES; at += PLAY_PAGE)
        memcpy(object + at, &to, PLAY_WORD);
}

/* Writes what is new of an object: all of it, or with old_size what was added. */
PLAY_LOOP void play_touch(char *object, const struct replay_op *op, size_t old_size)
{
    const size_t size = op->size;
    if (__builtin_expect(size < PLAY_WORD, 0)) {
        object[0] = (char)size;
    } else if (old_size == 0) {
        memcpy(object, &size, PLAY_WORD);
        for (unsigned i = 0; i < REPLAY_LINES - 1; i++)
            memcpy(object + (size_t)PLAY_WORD * op->lines[i], &size, PLAY_WORD);
    }
    if (__builtin_expect(old_size != 0 || size > PLAY_PAGE, 0))
        play_extend(object, old_size, size);
    __asm__ volatile("" : : "r"(object) : "memory");
}

PLAY_LOOP void play_read(const char *object, const struct replay_op *op)
{
    uint64_t word = 0;
    if (__builtin_expect(op->size < PLAY_WORD, 0)) {
        word = (unsigned char)object[0];
    } else {
        memcpy(&word, object, PLAY_WORD);
        for (unsigned i = 0; i < REPLAY_LINES - 1; i++) {
            uint64_t next;
            memcpy(&next, object + (size_t)PLAY_WORD * op->lines[i], PLAY_WORD);
            word ^= next;
        }
    }
    __asm__ volatile("" : : "r"(word) : "memory");
}

PLAY_LOOP int play(const struct replay *replay, size_t from, size_t to, void **slots,
                   const struct allocator *allocator, void *heap)
{
    const struct replay_op *const end = replay->ops + to;
    for (const struct replay_op *op = replay->ops + from; op < end; op++) {
        char *object;
        size_t old_size = 0;
        switch (op->kind) {
        case REPLAY_ALLOC:
            object = (char *)allocator->alloc(heap, op->size);
            break;
        case REPLAY_ZEROED:
            object = (char *)allocator->alloc_zeroed(heap, op->size);
            break;
        case REPLAY_ALIGNED:
            object = (char *)allocator->alloc_aligned(heap, op->size, op->old_size);
            break;
        case REPLAY_REALLOC:
            object = (char *)allocator->realloc(heap, slots[op->slot], op->old_size, op->size);
            old_size = op->old_size;
            break;
        case REPLAY_FREE_ALIGNED:
            object = (char *)slots[op->slot];
            play_read(object, op);
            allocator->free_aligned(heap, object, op->size, op->old_size);
            continue;
        default:
            object = (char *)slots[op->slot];
            play_read(object, op);
            allocator->free(heap, object, op->size);
            continue;
        }
        if (__builtin_expect(!object, 0))
            return -1;
        play_touch(object, op, old_size);
        slots[op->slot] = object;
    }
    return 0;
}

#endif
