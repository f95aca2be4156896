/* A hash table finds the group of an address, and the address its place in the group. */
#include "slots.h"

#include <stdlib.h>

enum { GRANULE = 16, GROUP_BYTES = SLOTS_GROUP * GRANULE };

/* Groups that are near each other are near in the table. */
static uint64_t group_key(uint64_t address)
{
    return address / GROUP_BYTES * 16 + 1;
}

static bool find_group(const struct slots *slots, uint64_t address, uint32_t *index)
{
    return map_get(&slots->groups, group_key(address), index);
}

static uint32_t *place_in(const struct slots *slots, uint32_t index, uint64_t address)
{
    return &slots->group[index].slot[address / GRANULE % SLOTS_GROUP];
}

bool slots_get(const struct slots *slots, uint64_t address, uint32_t *slot)
{
    uint32_t index;
    if (address % GRANULE != 0)
        return map_get(&slots->odd, address, slot);
    if (!find_group(slots, address, &index))
        return false;
    *slot = *place_in(slots, index, address) - 1;
    return *slot != UINT32_MAX;
}

void slots_expect(const struct slots *slots, uint64_t address)
{
    uint32_t index;
    if (find_group(slots, address, &index))
        __builtin_prefetch(place_in(slots, index, address), 1);
}

static uint32_t group_take(struct slots *slots)
{
    if (slots->unused != 0) {
        const uint32_t index = slots->unused - 1;
        slots->unused = slots->group[index].slot[0];
        slots->group[index].slot[0] = 0;
        return index;
    }
    if (slots->count == slots->room) {
        slots->room = slots->room ? 2 * slots->room : 16;
        slots->group = realloc(slots->group, slots->room * sizeof *slots->group);
        slots->used = realloc(slots->used, slots->room);
        if (!slots->group || !slots->used || slots->room > UINT32_MAX / 2)
            out_of_memory();
    }
    slots->used[slots->count] = 0;
    slots->group[slots->count] = (struct group){0};
    return slots->count++;
}

void slots_put(struct slots *slots, uint64_t address, uint32_t slot)
{
    uint32_t index;
    if (address % GRANULE != 0) {
        map_put(&slots->odd, address, slot);
        return;
    }
    if (!find_group(slots, address, &index)) {
        index = group_take(slots);
        map_put(&slots->groups, group_key(address), index);
    }
    *place_in(slots, index, address) = slot + 1;
    slots->used[index]++;
}

void slots_remove(struct slots *slots, uint64_t address)
{
    uint32_t index;
    if (address % GRANULE != 0) {
        map_remove(&slots->odd, address);
        return;
    }
    if (!find_group(slots, address, &index))
        return;
    *place_in(slots, index, address) = 0;
    if (--slots->used[index] != 0)
        return;
    map_remove(&slots->groups, group_key(address));
    slots->group[index].slot[0] = slots->unused;
    slots->unused = index + 1;
}

void slots_drop(struct slots *slots)
{
    map_drop(&slots->groups);
    map_drop(&slots->odd);
    free(slots->group);
    free(slots->used);
    *slots = (struct slots){0};
}
