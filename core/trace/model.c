/* The model: a bit map of live granules and a table of slots. */
#include "model.h"

#include <stdlib.h>

size_t granules_of(size_t bytes)
{
    return bytes / POOL_GRANULE + (bytes % POOL_GRANULE != 0);
}

size_t chunk_granules(const struct model *model, size_t bytes)
{
    return granules_of(bytes) + model->redzone;
}

size_t usable_bytes(const struct model *model, size_t granules)
{
    return granules > model->redzone ? (granules - model->redzone) * POOL_GRANULE : 0;
}

int model_start(struct model *model, uintptr_t base, size_t bytes, unsigned flags, size_t redzone,
                uint32_t slot_count)
{
    size_t granules = bytes / POOL_GRANULE;
    size_t words = granules / 64 + 1;
    *model = (struct model){.base = base,
                            .granules = granules,
                            .flags = flags,
                            .redzone = redzone,
                            .slot_count = slot_count};
    /* One allocation, for a fuzzer makes many models: the maps stand after the slots. */
    size_t maps = words * 2 * sizeof *model->live / sizeof *model->slots + 1;
    model->slots = calloc((size_t)slot_count + 1 + maps, sizeof *model->slots);
    if (model->slots == NULL) {
        model_free(model);
        return -1;
    }
    model->live = (uint64_t *)(void *)(model->slots + slot_count + 1);
    model->starts = model->live + words;
    return 0;
}

void model_free(struct model *model)
{
    free(model->slots);
    *model = (struct model){0};
}

/* --- The map ---------------------------------------------------------------------------------- */

static int bit_at(const uint64_t *map, size_t g)
{
    return (int)(map[g / 64] >> (g % 64) & 1);
}

/* The first granule from g on, below limit, whose bit is `value`; limit if there is none. */
static size_t find_bit(const uint64_t *map, size_t g, size_t limit, int value)
{
    uint64_t flip = value ? 0 : UINT64_MAX;
    while (g < limit) {
        uint64_t word = (map[g / 64] ^ flip) >> (g % 64);
        if (word != 0) {
            g += (size_t)__builtin_ctzll(word);
            return g < limit ? g : limit;
        }
        g = (g / 64 + 1) * 64;
    }
    return limit;
}

static void set_bits(uint64_t *map, size_t g, size_t n, int value)
{
    for (size_t end = g + n; g < end;) {
        size_t count = 64 - g % 64;
        if (count > end - g)
            count = end - g;
        uint64_t mask = UINT64_MAX >> (64 - count) << (g % 64);
        map[g / 64] = value ? map[g / 64] | mask : map[g / 64] & ~mask;
        g += count;
    }
}

/* Nothing is live from reach on, so no search needs to go further. */
size_t model_free_until(const struct model *model, size_t g)
{
    size_t end = g < model->reach ? find_bit(model->live, g, model->reach, 1) : model->reach;
    return end == model->reach ? model->granules : end;
}

size_t model_live_until(const struct model *model, size_t g)
{
    return g < model->reach ? find_bit(model->live, g, model->reach, 0) : g;
}

int model_is_free(const struct model *model, size_t g, size_t n)
{
    size_t end = g + n < model->reach ? g + n : model->reach;
    return g >= end || find_bit(model->live, g, end, 1) == end;
}

/* A chunk ends where another starts or nothing is live, whichever comes first: both maps are
 * searched side by side, for either may be far off. */
size_t model_chunk_at(const struct model *model, size_t g)
{
    if (g >= model->granules || !bit_at(model->starts, g))
        return 0;
    for (size_t at = g + 1; at < model->reach; at = (at / 64 + 1) * 64) {
        uint64_t ends = (model->starts[at / 64] | ~model->live[at / 64]) >> (at % 64);
        if (ends != 0) {
            size_t end = at + (size_t)__builtin_ctzll(ends);
            return (end < model->reach ? end : model->reach) - g;
        }
    }
    return model->reach - g;
}

size_t model_size_at(const struct model *model, uintptr_t address)
{
    uintptr_t offset = address - model->base;
    size_t n = offset % POOL_GRANULE == 0 ? model_chunk_at(model, offset / POOL_GRANULE) : 0;
    for (uint32_t slot = 0; model->redzone && n != 0 && slot < model->slot_count; slot++)
        if (model->slots[slot].held.address == address)
            return model->slots[slot].held.size;
    return usable_bytes(model, n);
}

void model_extents(const struct model *model, size_t *count, size_t *longest)
{
    *count = 0;
    *longest = 0;
    for (size_t g = model_live_until(model, 0); g < model->granules;) {
        size_t end = model_free_until(model, g);
        ++*count;
        if (end - g > *longest)
            *longest = end - g;
        g = end < model->granules ? model_live_until(model, end) : end;
    }
}

/* --- What is due ------------------------------------------------------------------------------ */

static size_t alignment_of(unsigned align)
{
    size_t bytes = (size_t)1 << align;
    return bytes > POOL_GRANULE ? bytes : POOL_GRANULE;
}

/* The first granule from g on whose address has the alignment; may be beyond the block. */
static size_t aligned_from(const struct model *model, size_t g, unsigned align)
{
    uintptr_t address = model->base + g * POOL_GRANULE;
    uintptr_t over = address % alignment_of(align);
    return g + (over != 0 ? (alignment_of(align) - over) / POOL_GRANULE : 0);
}

/* Whether n granules at the alignment fit into the free granules [g, end). */
static int fits(const struct model *model, size_t g, size_t end, size_t n, unsigned align)
{
    size_t start = aligned_from(model, g, align);
    return start <= end && end - start >= n;
}

enum pool_reason model_due_request(const struct model *model, size_t size, unsigned align)
{
    if (size == 0)
        return POOL_ZERO_SIZE;
    if (align > POOL_PAGE)
        return POOL_BAD_ALIGNMENT;
    if (!fits(model, 0, model->granules, chunk_granules(model, size), align))
        return POOL_TOO_LARGE;
    return POOL_OK;
}

enum pool_reason model_due_room(const struct model *model, size_t size, unsigned align)
{
    size_t n = chunk_granules(model, size);
    if (fits(model, model->reach, model->granules, n, align))
        return POOL_OK;
    return model_first_fit(model, size, align) != 0 ? POOL_OK : POOL_OUT_OF_MEMORY;
}

uintptr_t model_first_fit(const struct model *model, size_t size, unsigned align)
{
    size_t n = chunk_granules(model, size);
    for (size_t g = model_live_until(model, 0); g < model->granules;) {
        size_t end = model_free_until(model, g);
        if (fits(model, g, end, n, align))
            return model->base + aligned_from(model, g, align) * POOL_GRANULE;
        g = end < model->granules ? model_live_until(model, end) : end;
    }
    return 0;
}

int model_fits_in_place(const struct model *model, uint32_t slot, size_t size, unsigned align)
{
    struct place held = model->slots[slot].held;
    size_t g = (held.address - model->base) / POOL_GRANULE;
    size_t n = chunk_granules(model, size);
    return held.address % alignment_of(align) == 0 &&
           (n <= chunk_granules(model, held.size) ||
            n <= model_free_until(model, g + chunk_granules(model, held.size)) - g);
}

enum pool_reason model_due_resize(const struct model *model, uint32_t slot, size_t size,
                                  unsigned align)
{
    return model_fits_in_place(model, slot, size, align) ? POOL_OK
                                                         : model_due_room(model, size, align);
}

enum pool_reason model_due_free(const struct model *model, uintptr_t address, size_t size)
{
    uintptr_t offset = address - model->base; /* wraps to a large number before the block */
    size_t g = offset / POOL_GRANULE;
    if (size == 0)
        return POOL_ZERO_SIZE;
    if (g >= model->granules)
        return POOL_OUTSIDE;
    if (offset % POOL_GRANULE != 0)
        return POOL_MISALIGNED;
    if (bit_at(model->starts, g)) {
        size_t due = model_size_at(model, address);
        int same = model->redzone ? size == due : granules_of(size) * POOL_GRANULE == due;
        return same ? POOL_OK : POOL_WRONG_SIZE;
    }
    if (bit_at(model->live, g))
        return POOL_INTERIOR;
    return g < model->reach ? POOL_ALREADY_FREE : POOL_STALE;
}

/* --- What has happened ------------------------------------------------------------------------ */

const char *model_put(struct model *model, uint32_t slot, struct place place, unsigned align)
{
    uintptr_t offset = place.address - model->base;
    size_t g = offset / POOL_GRANULE;
    size_t n = chunk_granules(model, place.size);
    if (g >= model->granules || n > model->granules - g)
        return "the chunk is not inside of the block";
    if (offset % POOL_GRANULE != 0)
        return "the chunk does not start at a granule";
    if (place.address % alignment_of(align) != 0)
        return "the chunk is not aligned as asked";
    if (find_bit(model->live, g, g + n, 1) != g + n)
        return "the chunk overlaps a live one";
    set_bits(model->live, g, n, 1);
    set_bits(model->starts, g, 1, 1);
    model->reach = g + n > model->reach ? g + n : model->reach;
    model->live_granules += n;
    model->live_chunks++;
    model->slots[slot].held = place;
    model->slots[slot].align = (uint8_t)align;
    return NULL;
}

void model_take(struct model *model, uint32_t slot)
{
    struct place held = model->slots[slot].held;
    size_t g = (held.address - model->base) / POOL_GRANULE;
    size_t n = chunk_granules(model, held.size);
    set_bits(model->live, g, n, 0);
    set_bits(model->starts, g, 1, 0);
    model->live_granules -= n;
    model->live_chunks--;
    model->slots[slot].freed = held;
    model->slots[slot].held = (struct place){0};
}

void model_reset(struct model *model)
{
    for (uint32_t slot = 0; slot < model->slot_count; slot++) {
        struct model_slot *state = &model->slots[slot];
        if (state->held.address != 0)
            state->stale = state->held;
        state->held = (struct place){0};
    }
    set_bits(model->live, 0, model->reach, 0);
    set_bits(model->starts, 0, model->reach, 0);
    model->reach = 0;
    model->live_granules = 0;
    model->live_chunks = 0;
}
