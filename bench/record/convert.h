/* Events of one program become the operations of a trace. */
#ifndef POOLPROOF_CONVERT_H
#define POOLPROOF_CONVERT_H

#include "slots.h"
#include "ring.h"
#include "trace.h"

/* What an event says, as taken from the ring. */
struct event {
    uint64_t address, size, site;
    uint32_t thread, module, image;
    uint8_t align, kind;
};

/* Sizes below SIZE_EXACT are counted each by itself, above by their twelve leading bits. */
enum { SIZE_BITS = 12, SIZE_EXACT = 1 << SIZE_BITS };
enum { SIZE_BUCKETS = SIZE_EXACT + (64 - SIZE_BITS) * (SIZE_EXACT / 2) };

struct summary {
    uint64_t kinds[TRACE_FREE + 1];
    uint64_t unknown_frees; /* of memory from before the recording began, or from a parent */
    uint64_t missed_frees;  /* memory handed out again without a free in between */
    uint64_t over_aligned;  /* more than a page; recorded as a page */
    uint64_t empty;         /* size 0, recorded as 1 */
    uint64_t live_bytes, peak_bytes;
    uint64_t live_objects, peak_objects;
    uint64_t largest;
    uint64_t *sizes; /* SIZE_BUCKETS counts of allocations and resizes */
};

struct conversion {
    struct trace_stream *stream;
    struct summary summary;
    struct slots slots;
    struct map sites;  /* module and address, or the next key that is free → index from 1 */
    struct call_site { /* by index */
        uint64_t address;
        uint32_t module;
    } *site;
    uint32_t site_count, site_room; /* the unused first one included */
    union slot {
        uint64_t size;
        uint32_t next; /* a free slot's successor, plus one */
    } *objects;
    uint32_t object_count, object_room, free_slot; /* free_slot: plus one */
    struct pending {
        uint64_t address;
        uint32_t thread, slot;
        bool known;
    } *pending; /* between EVENT_REALLOC_FROM and EVENT_REALLOC_TO */
    size_t pending_count, pending_room;
    struct trace_error error;
    bool failed;
};

/* `folder` is for what does not fit into memory. */
struct conversion *conversion_open(const char *folder);
void conversion_close(struct conversion *conversion);

/* False, with conversion->error filled, if the trace cannot grow. */
bool convert_event(struct conversion *conversion, const struct event *event);

/* The smallest size that at least this many in a thousand do not exceed; beyond SIZE_EXACT bytes
 * rounded up by less than one in 2,000, and never above the largest. */
uint64_t size_percentile(const struct summary *summary, unsigned thousandths);

#endif
