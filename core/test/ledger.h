/* What a test believes about a pool, kept apart from it: which chunks live, of what size and
 * contents, and which granules they cover. Each call goes to the pool and into the ledger, which
 * asserts that it succeeded exactly where the contract says so, and for the right reason.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include "rig.h"

struct entry {
    unsigned char *ptr;
    size_t size;       /* bytes asked for */
    uint64_t contents; /* seed of the bytes that the chunk holds */
};

struct ledger {
    struct rig *rig;
    size_t granules;
    unsigned char *taken; /* one byte a granule: 1 under a live chunk */
    struct entry *entries;
    size_t count;
    size_t room;
    uint64_t written; /* seeds given out for contents so far */
    int zeroes;       /* whether fresh bytes are promised to be zero */
};

void ledger_open(struct ledger *ledger, struct rig *rig);
void ledger_close(struct ledger *ledger); /* leaves the pool as it is */

/* Each asserts that the call succeeds if and only if there is room, and returns its result. A new
 * chunk is the last entry; a freed entry is replaced by the last one. */
int ledger_alloc(struct ledger *ledger, size_t size, unsigned type);
int ledger_realloc(struct ledger *ledger, size_t entry, size_t size, unsigned type);
void ledger_free(struct ledger *ledger, size_t entry);
void ledger_reset(struct ledger *ledger);

/* Asserts that pool_check, pool_walk, pool_stats and the ledger agree. */
void ledger_assert_agrees(const struct ledger *ledger);

/* Asserts that every live chunk holds what was written into it. */
void ledger_assert_contents(const struct ledger *ledger);

/* Frees everything in random order and asserts that the whole capacity can be had as one chunk. */
void ledger_drain(struct ledger *ledger, uint64_t *random);

/* Granules of the longest free run. */
size_t ledger_longest(const struct ledger *ledger);

#endif
