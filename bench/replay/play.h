/* The loop that plays a compiled trace: compiled anew for each arm (loops.h). */
#ifndef POOLPROOF_PLAY_H
#define POOLPROOF_PLAY_H

#include "replay.h"

#include <string.h>

#define PLAY_LOOP static inline __attribute__((always_inline))

enum { PLAY_LINE = 64, PLAY_PAGE = 4096, PLAY_WORD = 8 };

PLAY_LOOP size_t play_round_up(size_t offset, size_t unit)
{
    return (offset + unit - 1) & ~(unit - 1);
}

PLAY_LOOP size_t play_least(size_t one, size_t other)
{
    return one < other ? one : other;
}

/* The last line of an object, of at least a word, that is written and read. */
PLAY_LOOP size_t play_last_line(size_t size)
{
    const size_t most = REPLAY_LINES_BYTES;
    return play_least((size - PLAY_WORD) & ~(size_t)(PLAY_LINE - 1), most - PLAY_LINE);
}

/* Writes a word to each of the first lines of a new object. Short objects get more than one write
 * to their last line, so that there is no branch to mispredict: that would be the harness's
 * time. */
PLAY_LOOP void play_write(char *object, size_t size)
{
    const size_t last = play_last_line(size);
    for (size_t at = 0; at < REPLAY_LINES_BYTES; at += PLAY_LINE)
        memcpy(object + play_least(at, last), &size, PLAY_WORD);
}

/* Writes a word to each line among the first, and to each page among those behind, that lies in
 * [from, to). */
PLAY_LOOP void play_extend(char *object, size_t from, size_t to, size_t pages)
{
    size_t at;
    for (at = play_round_up(from, PLAY_LINE); at + PLAY_WORD <= to && at < REPLAY_LINES_BYTES;
         at += PLAY_LINE)
        memcpy(object + at, &to, PLAY_WORD);
    for (at = play_round_up(at > from ? at : from, PLAY_PAGE); at + PLAY_WORD <= to && at < pages;
         at += PLAY_PAGE)
        memcpy(object + at, &to, PLAY_WORD);
}

PLAY_LOOP void play_touch(char *object, size_t from, size_t to, size_t pages)
{
    if (__builtin_expect(to < PLAY_WORD, 0))
        object[0] = (char)to;
    else if (from == 0)
        play_write(object, to);
    if (__builtin_expect(from != 0 || to > PLAY_PAGE, 0))
        play_extend(object, from, to, pages);
    if (pages == SIZE_MAX && to >= PLAY_WORD) /* the page that its end may reach into */
        memcpy(object + to - PLAY_WORD, &to, PLAY_WORD);
    __asm__ volatile("" : : "r"(object) : "memory");
}

PLAY_LOOP void play_read(const char *object, size_t size)
{
    uint64_t word = 0;
    if (__builtin_expect(size < PLAY_WORD, 0)) {
        word = (unsigned char)object[0];
    } else {
        const size_t last = play_last_line(size);
        for (size_t at = 0; at < REPLAY_LINES_BYTES; at += PLAY_LINE) {
            uint64_t next;
            memcpy(&next, object + play_least(at, last), PLAY_WORD);
            word ^= next;
        }
    }
    __asm__ volatile("" : : "r"(word) : "memory");
}

PLAY_LOOP int play(const struct replay *replay, size_t from, size_t to, void **slots,
                   const struct peer *peer, void *arm, size_t pages)
{
    for (const struct replay_op *op = replay->ops + from; op < replay->ops + to; op++) {
        char *object;
        size_t written = 0;
        switch (op->kind) {
        case REPLAY_ALLOC:
            object = (char *)peer->alloc(arm, op->size);
            break;
        case REPLAY_ZEROED:
            object = (char *)peer->alloc_zeroed(arm, op->size);
            break;
        case REPLAY_ALIGNED:
            object = (char *)peer->alloc_aligned(arm, op->size, (size_t)1 << op->align);
            break;
        case REPLAY_REALLOC:
            object = (char *)peer->realloc(arm, slots[op->slot], op->old_size, op->size);
            written = op->old_size;
            break;
        default:
            play_read((const char *)slots[op->slot], op->size);
            peer->free(arm, slots[op->slot], op->size);
            continue;
        }
        if (__builtin_expect(!object, 0))
            return -1;
        play_touch(object, written, op->size, pages);
        slots[op->slot] = object;
    }
    return 0;
}

#endif
