/* Playing a compiled trace: timed, and measured for memory. */
#define _DEFAULT_SOURCE
#include "replay.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 64, PAGE = 4096, WORD = 8 };

static inline size_t round_up(size_t offset, size_t unit)
{
    return (offset + unit - 1) & ~(unit - 1);
}

static inline size_t least(size_t one, size_t other)
{
    return one < other ? one : other;
}

/* The last line of an object, of at least a word, that is written and read. */
static inline size_t last_line(size_t size)
{
    return least((size - WORD) & ~(size_t)(LINE - 1), REPLAY_LINES_BYTES - LINE);
}

/* Writes a word to each of the first lines of a new object. Short objects get more than one write
 * to their last line, so that there is no branch to mispredict: that would be the harness's
 * time. */
static inline void object_write(char *object, size_t size)
{
    const size_t last = last_line(size);
    for (size_t at = 0; at < REPLAY_LINES_BYTES; at += LINE)
        memcpy(object + least(at, last), &size, WORD);
}

/* Writes a word to each line among the first, and to each page among those behind, that lies in
 * [from, to). */
static inline void object_extend(char *object, size_t from, size_t to, size_t pages)
{
    size_t at;
    for (at = round_up(from, LINE); at + WORD <= to && at < REPLAY_LINES_BYTES; at += LINE)
        memcpy(object + at, &to, WORD);
    for (at = round_up(at > from ? at : from, PAGE); at + WORD <= to && at < pages; at += PAGE)
        memcpy(object + at, &to, WORD);
}

static inline void object_touch(char *object, size_t from, size_t to, size_t pages)
{
    if (__builtin_expect(to < WORD, 0))
        object[0] = (char)to;
    else if (from == 0)
        object_write(object, to);
    if (__builtin_expect(from != 0 || to > PAGE, 0))
        object_extend(object, from, to, pages);
    if (pages == SIZE_MAX && to >= WORD) /* the page that its end may reach into */
        memcpy(object + to - WORD, &to, WORD);
    __asm__ volatile("" : : "r"(object) : "memory");
}

static inline void object_read(const char *object, size_t size)
{
    uint64_t word = 0;
    if (__builtin_expect(size < WORD, 0)) {
        word = (unsigned char)object[0];
    } else {
        const size_t last = last_line(size);
        for (size_t at = 0; at < REPLAY_LINES_BYTES; at += LINE) {
            uint64_t next;
            memcpy(&next, object + least(at, last), WORD);
            word ^= next;
        }
    }
    __asm__ volatile("" : : "r"(word) : "memory");
}

static inline int play(const struct replay *replay, size_t from, size_t to, void **slots,
                       const struct peer *peer, void *arm, size_t pages)
{
    for (const struct replay_op *op = replay->ops + from; op < replay->ops + to; op++) {
        void *object;
        size_t written = 0;
        switch (op->kind) {
        case REPLAY_ALLOC:
            object = peer->alloc(arm, op->size);
            break;
        case REPLAY_ZEROED:
            object = peer->alloc_zeroed(arm, op->size);
            break;
        case REPLAY_ALIGNED:
            object = peer->alloc_aligned(arm, op->size, (size_t)1 << op->align);
            break;
        case REPLAY_REALLOC:
            object = peer->realloc(arm, slots[op->slot], op->old_size, op->size);
            written = op->old_size;
            break;
        default:
            object_read(slots[op->slot], op->size);
            peer->free(arm, slots[op->slot], op->size);
            continue;
        }
        if (__builtin_expect(!object, 0))
            return -1;
        object_touch(object, written, op->size, pages);
        slots[op->slot] = object;
    }
    return 0;
}

int replay_play(const struct replay *replay, size_t from, size_t to, void **slots,
                const struct peer *peer, void *arm)
{
    return play(replay, from, to, slots, peer, arm, REPLAY_PAGES_BYTES);
}

/* Resident bytes of this process. /proc/self/statm lags behind by hundreds of pages; this does
 * not. */
static uint64_t resident_bytes(void)
{
    char text[2048];
    int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    const char *line = strstr(text, "Rss:");
    return line ? strtoull(line + 4, NULL, 10) * 1024 : 0;
}

static uint64_t growth(uint64_t before)
{
    uint64_t now = resident_bytes();
    return now > before ? now - before : 0;
}

int replay_measure(const struct replay *replay, void **slots, const struct peer *peer, void *arm,
                   struct footprint *footprint)
{
    uint64_t before = resident_bytes();
    size_t at = 0;
    *footprint = (struct footprint){0};
    for (size_t stop = 1; stop <= REPLAY_STOPS; stop++) {
        size_t to = replay->drain * stop / REPLAY_STOPS;
        size_t peak = replay->peak_op + 1;
        size_t ends[] = {peak > at && peak < to ? peak : to, to};
        for (int i = 0; i < 2; at = ends[i++]) {
            if (play(replay, at, ends[i], slots, peer, arm, SIZE_MAX) != 0)
                return -1;
            uint64_t now = growth(before);
            if (now > footprint->peak_bytes)
                footprint->peak_bytes = now;
        }
    }
    if (play(replay, replay->drain, replay->count, slots, peer, arm, SIZE_MAX) != 0)
        return -1;
    footprint->end_bytes = growth(before);
    return 0;
}
