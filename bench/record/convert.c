/* Addresses become slots, the lowest free one each time. */
#include "convert.h"

#include <stdlib.h>

static void *grow(void *array, size_t *room, size_t size)
{
    *room = *room ? 2 * *room : 64;
    void *larger = *room < UINT32_MAX ? realloc(array, *room * size) : NULL;
    if (!larger)
        out_of_memory();
    return larger;
}

struct conversion *conversion_open(const char *folder)
{
    struct conversion *conversion = calloc(1, sizeof *conversion);
    if (!conversion || !(conversion->stream = trace_stream_open(folder)) ||
        !(conversion->summary.sizes = calloc(SIZE_BUCKETS, sizeof *conversion->summary.sizes)))
        out_of_memory();
    conversion->site_count = 1;
    return conversion;
}

void conversion_close(struct conversion *conversion)
{
    trace_stream_close(conversion->stream);
    slots_drop(&conversion->slots);
    map_drop(&conversion->sites);
    free(conversion->site);
    free(conversion->objects);
    free(conversion->pending);
    free(conversion->summary.sizes);
    free(conversion);
}

/* --- Sizes ------------------------------------------------------------------------------------ */

static size_t size_bucket(uint64_t size)
{
    if (size < SIZE_EXACT)
        return (size_t)size;
    const unsigned shift = 63 - (unsigned)__builtin_clzll(size) - (SIZE_BITS - 1);
    return SIZE_EXACT + (shift - 1) * (size_t)(SIZE_EXACT / 2) +
           (size_t)((size >> shift) - SIZE_EXACT / 2);
}

/* The largest size of a bucket. */
static uint64_t bucket_size(size_t bucket)
{
    if (bucket < SIZE_EXACT)
        return bucket;
    const size_t beyond = bucket - SIZE_EXACT;
    const unsigned shift = (unsigned)(beyond / (SIZE_EXACT / 2)) + 1;
    return ((uint64_t)(beyond % (SIZE_EXACT / 2) + SIZE_EXACT / 2 + 1) << shift) - 1;
}

uint64_t size_percentile(const struct summary *summary, unsigned thousandths)
{
    const uint64_t count =
        summary->kinds[TRACE_ALLOC] + summary->kinds[TRACE_CALLOC] + summary->kinds[TRACE_REALLOC];
    const uint64_t rank = count / 1000 * thousandths + (count % 1000 * thousandths + 999) / 1000;
    uint64_t passed = 0;
    for (size_t bucket = 0; bucket < SIZE_BUCKETS; bucket++) {
        passed += summary->sizes[bucket];
        if (passed >= rank && passed > 0) {
            const uint64_t size = bucket_size(bucket);
            return size < summary->largest ? size : summary->largest;
        }
    }
    return 0;
}

/* --- Events ----------------------------------------------------------------------------------- */

static uint32_t site_index(struct conversion *conversion, const struct event *event)
{
    uint64_t key = event->site ^ (uint64_t)event->module << 48;
    uint32_t index = 0;
    if (key == 0)
        return 0;
    for (; map_get(&conversion->sites, key, &index); key += key + 1 == 0 ? 2 : 1)
        if (conversion->site[index].address == event->site &&
            conversion->site[index].module == event->module)
            return index;
    if (conversion->site_count >= conversion->site_room) {
        size_t room = conversion->site_room;
        conversion->site = grow(conversion->site, &room, sizeof *conversion->site);
        conversion->site_room = (uint32_t)room;
    }
    index = conversion->site_count++;
    conversion->site[index] = (struct call_site){event->site, event->module};
    map_put(&conversion->sites, key, index);
    return index;
}

static uint32_t slot_take(struct conversion *conversion)
{
    if (conversion->free_slot != 0) {
        uint32_t slot = conversion->free_slot - 1;
        conversion->free_slot = conversion->objects[slot].next;
        return slot;
    }
    if (conversion->object_count == conversion->object_room) {
        size_t room = conversion->object_room;
        conversion->objects = grow(conversion->objects, &room, sizeof *conversion->objects);
        conversion->object_room = (uint32_t)room;
    }
    return conversion->object_count++;
}

/* The alignment that a program may rely on, as an exponent: that of the largest type which fits
 * into the object, and what it asked for. Allocators differ below 16 bytes, as C lets them. */
static uint8_t alignment(uint64_t size, uint8_t asked)
{
    unsigned natural = 63 - (unsigned)__builtin_clzll(size);
    if (natural > 4)
        natural = 4;
    if (asked > TRACE_MAX_ALIGN)
        return TRACE_MAX_ALIGN;
    return asked > natural ? asked : (uint8_t)natural;
}

static void emit(struct conversion *conversion, const struct event *event, unsigned kind,
                 uint32_t slot)
{
    struct summary *summary = &conversion->summary;
    union slot *object = &conversion->objects[slot];
    struct trace_op op = {.kind = (uint8_t)kind, .slot = slot, .thread = event->thread};
    op.site = site_index(conversion, event);
    if (kind != TRACE_ALLOC && kind != TRACE_CALLOC) {
        summary->live_bytes -= object->size;
        summary->live_objects--;
    }
    if (kind == TRACE_FREE) {
        object->next = conversion->free_slot;
        conversion->free_slot = slot + 1;
    } else {
        op.size = object->size = event->size ? event->size : 1;
        op.align = alignment(op.size, event->align);
        summary->empty += event->size == 0;
        summary->over_aligned += event->align > TRACE_MAX_ALIGN;
        summary->live_bytes += object->size;
        summary->live_objects++;
        summary->sizes[size_bucket(op.size)]++;
        if (op.size > summary->largest)
            summary->largest = op.size;
        if (summary->live_bytes > summary->peak_bytes)
            summary->peak_bytes = summary->live_bytes;
        if (summary->live_objects > summary->peak_objects)
            summary->peak_objects = summary->live_objects;
    }
    summary->kinds[kind]++;
    if (!conversion->failed &&
        trace_stream_append(conversion->stream, &op, &conversion->error) != 0)
        conversion->failed = true;
}

/* Frees what the converter still believes to be at this address: its free went unseen. */
static void forget(struct conversion *conversion, const struct event *event)
{
    uint32_t slot;
    if (!slots_get(&conversion->slots, event->address, &slot))
        return;
    conversion->summary.missed_frees++;
    slots_remove(&conversion->slots, event->address);
    emit(conversion, event, TRACE_FREE, slot);
}

static void convert_alloc(struct conversion *conversion, const struct event *event, unsigned kind)
{
    forget(conversion, event);
    uint32_t slot = slot_take(conversion);
    slots_put(&conversion->slots, event->address, slot);
    emit(conversion, event, kind, slot);
}

static void convert_free(struct conversion *conversion, const struct event *event)
{
    uint32_t slot;
    if (!slots_get(&conversion->slots, event->address, &slot)) {
        conversion->summary.unknown_frees++;
        return;
    }
    slots_remove(&conversion->slots, event->address);
    emit(conversion, event, TRACE_FREE, slot);
}

static void convert_realloc_from(struct conversion *conversion, const struct event *event)
{
    struct pending pending = {.address = event->address, .thread = event->thread};
    pending.known = slots_get(&conversion->slots, event->address, &pending.slot);
    if (pending.known)
        slots_remove(&conversion->slots, event->address);
    else
        conversion->summary.unknown_frees++;
    if (conversion->pending_count == conversion->pending_room)
        conversion->pending = grow(conversion->pending, &conversion->pending_room, sizeof pending);
    conversion->pending[conversion->pending_count++] = pending;
}

static void convert_realloc_to(struct conversion *conversion, const struct event *event)
{
    size_t i = conversion->pending_count;
    while (i > 0 && conversion->pending[i - 1].thread != event->thread)
        i--;
    if (i == 0)
        return; /* its other half was never finished */
    const struct pending pending = conversion->pending[i - 1];
    conversion->pending[i - 1] = conversion->pending[--conversion->pending_count];
    if (event->address == 0) {
        if (pending.known)
            slots_put(&conversion->slots, pending.address, pending.slot);
    } else if (pending.known) {
        forget(conversion, event);
        slots_put(&conversion->slots, event->address, pending.slot);
        emit(conversion, event, TRACE_REALLOC, pending.slot);
    } else {
        convert_alloc(conversion, event, TRACE_ALLOC);
    }
}

bool convert_event(struct conversion *conversion, const struct event *event)
{
    switch (event->kind) {
    case EVENT_ALLOC:
        convert_alloc(conversion, event, TRACE_ALLOC);
        break;
    case EVENT_CALLOC:
        convert_alloc(conversion, event, TRACE_CALLOC);
        break;
    case EVENT_FREE:
        convert_free(conversion, event);
        break;
    case EVENT_REALLOC_FROM:
        convert_realloc_from(conversion, event);
        break;
    case EVENT_REALLOC_TO:
        convert_realloc_to(conversion, event);
        break;
    default:
        break;
    }
    return !conversion->failed;
}
