/* Where segments come from, and when they are used again. */
#define _GNU_SOURCE
#include "segments.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define RANGE ((size_t)1 << 38)
#define LOOKS 64 /* retired segments that a refill looks at */

char *segments_base;
size_t segments_total;
_Thread_local struct segments segments_mine __attribute__((tls_model("initial-exec")));
static _Atomic size_t frontier;

bool segments_start(void)
{
    struct rlimit limit;
    size_t most = RANGE;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        most = (size_t)limit.rlim_cur / 4;
    for (; most >= 16 * SEGMENT; most /= 2) {
        void *at = mmap(NULL, most, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED)
            continue;
        uintptr_t start = ((uintptr_t)at + SEGMENT - 1) & ~(SEGMENT - 1);
        segments_base = (char *)at + (start - (uintptr_t)at);
        segments_total = most - SEGMENT;
        segments_total -= segments_total % SEGMENT;
        int error = errno;
        (void)madvise(at, most, MADV_HUGEPAGE); /* as the pools do */
        errno = error;
        ledger_add(&ledger_entry->reserved, most);
        return true;
    }
    ledger_add(&ledger_entry->flags, LEDGER_NO_MEMORY);
    return false;
}

static bool is_empty(const struct segment *segment)
{
    return segment->freed + atomic_load_explicit(&segment->freed_elsewhere, memory_order_acquire) ==
           segment->made;
}

static void retire(struct segments *mine, struct segment *segment)
{
    segment->previous = NULL;
    segment->next = mine->retired;
    if (segment->next)
        segment->next->previous = segment;
    mine->retired = segment;
}

static void unretire(struct segments *mine, struct segment *segment)
{
    if (segment->next)
        segment->next->previous = segment->previous;
    if (segment->previous)
        segment->previous->next = segment->next;
    else
        mine->retired = segment->next;
}

static void make_current(struct segments *mine, struct segment *segment)
{
    segment->made = segment->freed = 0;
    atomic_store_explicit(&segment->freed_elsewhere, 0, memory_order_relaxed);
    segment->owner = mine;
    mine->current = segment;
    mine->at = (char *)(segment + 1);
    mine->end = (char *)segment + SEGMENT;
}

/* Those that other threads emptied are found among the retired ones. */
static struct segment *find_emptied(struct segments *mine)
{
    struct segment *segment = mine->retired;
    for (int i = 0; segment && i < LOOKS; i++, segment = segment->next)
        if (atomic_load_explicit(&segment->freed_elsewhere, memory_order_relaxed) &&
            is_empty(segment)) {
            unretire(mine, segment);
            return segment;
        }
    return NULL;
}

bool segments_refill(struct segments *mine)
{
    struct segment *segment = mine->empty, *last = mine->current;
    if (last) {
        mine->current = NULL;
        mine->at = mine->end = NULL;
        retire(mine, last);
    }
    if (segment) {
        mine->empty = segment->next;
    } else if (!(segment = find_emptied(mine))) {
        size_t at = atomic_fetch_add(&frontier, SEGMENT);
        if (!segments_base || at >= segments_total) {
            ledger_add(&ledger_entry->unfit, 1);
            return false;
        }
        segment = (struct segment *)(void *)(segments_base + at);
    }
    make_current(mine, segment);
    return true;
}

void segments_reuse(struct segments *mine, struct segment *segment)
{
    if (segment == mine->current) {
        make_current(mine, segment);
        return;
    }
    unretire(mine, segment);
    segment->next = mine->empty;
    mine->empty = segment;
}

void segments_fold(struct segments *mine)
{
    ledger_add(&ledger_entry->served, mine->served - mine->folded);
    ledger_add(&ledger_entry->served_bytes, mine->bytes - mine->folded_bytes);
    mine->folded = mine->served;
    mine->folded_bytes = mine->bytes;
}
