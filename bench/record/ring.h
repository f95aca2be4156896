/* How a recorded program hands its events to the recording command: one ring in shared memory.
 *
 * The command makes the file and drains it. Each program maps it once, before its first thread, and
 * opens, maps and closes nothing afterwards; a forked child goes on in the same mapping under a
 * number of its own. All programs of a recording share the ring.
 *
 * An event's ticket is its place in time. What frees memory takes its ticket before the memory is
 * freed, what allocates takes it after the call returned, so two threads that pass an address
 * from hand to hand are recorded in the right order. A writer waits until the place of its ticket
 * is drained, then writes its event, `tail` last. A place whose writer died is dead: the drainer
 * never gives it out again, so a writer that comes late harms nothing.
 */
#ifndef POOLPROOF_RING_H
#define POOLPROOF_RING_H

#include <stdatomic.h>
#include <stdint.h>

#define RING_MAGIC UINT64_C(0x31676e69726c6f70)
/* Names the file in the environment. */
#define RING_VARIABLE "POOLPROOF_RECORD_RING"

/* The first ticket: every longer recording passes 2^32. */
#define RING_FIRST (UINT64_C(0x100000000) - 1000)

enum { RING_EVENTS = 1 << 14, RING_TEXT_BYTES = 24 };

enum event_kind {
    EVENT_IMAGE = 1,    /* address: process id, size: its parent's, site: the image forked from
                           or 0, thread: bytes of text to come, align: 1 for a malloc of its own */
    EVENT_MODULE,       /* module, address: load base, size: bytes of text (its path) to come */
    EVENT_EXECUTION,    /* address: process id, size: bytes of text to come (the program's path, as
                           a module's), 0: it failed, site: how many images there were, align: 1 if
                           its environment does not name the recorder */
    EVENT_TEXT,         /* of the module, or of the image if 0: 24 bytes at offset `thread` */
    EVENT_ALLOC,        /* address, size, align: taken after the allocation returned */
    EVENT_CALLOC,       /* the same, with zeroes promised */
    EVENT_FREE,         /* address: taken before the memory is freed */
    EVENT_REALLOC_FROM, /* address: taken before realloc */
    EVENT_REALLOC_TO    /* address, size: taken after it, on the same thread; 0 is a failure */
};

struct ring_event {
    uint64_t address;
    uint64_t size; /* bytes, as asked for */
    uint64_t site; /* the return address of the call */
    uint32_t thread;
    uint32_t module; /* that the site is in; 0 is unknown */
    _Atomic(uint64_t) tail;
};

/* The tail: the image, the lap of the ring from 1, the alignment's exponent plus 1, the kind. */
static inline uint64_t ring_tail(uint32_t image, uint64_t ticket, unsigned align, unsigned kind)
{
    return (uint64_t)image << 32 | ((ticket / RING_EVENTS + 1) & 0xffff) << 16 |
           (uint64_t)align << 8 | kind;
}

struct ring {
    uint64_t magic;
    _Atomic(uint32_t) closed;   /* the recording is over */
    _Atomic(uint32_t) no_calls; /* a program filters its system calls: wait without any */
    _Atomic(uint32_t) images;   /* counts the programs */
    _Atomic(uint32_t) dead_count;
    _Alignas(64) _Atomic(uint64_t) taken;   /* the next ticket */
    _Alignas(64) _Atomic(uint64_t) drained; /* tickets below it are free again */
    _Alignas(64) _Atomic(uint8_t) dead[RING_EVENTS];
    _Alignas(64) struct ring_event events[RING_EVENTS];
};

_Static_assert(sizeof(struct ring_event) == 40, "no padding");

#endif
