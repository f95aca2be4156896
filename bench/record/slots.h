/* A map from the addresses that an allocator gives out to slots. What is near in the program is
 * near in it. */
#ifndef POOLPROOF_SLOTS_H
#define POOLPROOF_SLOTS_H

#include "map.h"

enum { SLOTS_GROUP = 64 };

/* All zero is empty. */
struct slots {
    struct map groups; /* of 64 granules of addresses → index */
    struct group {
        uint32_t slot[SLOTS_GROUP]; /* plus 1; of a group without addresses the first one is the
                                       next such group, plus 1 */
    } *group;
    uint8_t *used; /* how many addresses a group has */
    uint32_t count, room, unused;
    struct map odd; /* addresses between granules */
};

bool slots_get(const struct slots *slots, uint64_t address, uint32_t *slot);
/* Says that an address will be asked for soon. */
void slots_expect(const struct slots *slots, uint64_t address);
/* Adds an address that is not there. */
void slots_put(struct slots *slots, uint64_t address, uint32_t slot);
/* Removes an address that is there. */
void slots_remove(struct slots *slots, uint64_t address);
void slots_drop(struct slots *slots);

#endif
