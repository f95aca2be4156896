/* Which call sites an arm serves: all, or those of the file that POOLPROOF_TRIAL_SITES names.
 *
 * A line of the file is MODULE OFFSET LEAST MOST: the return address of the call in that module,
 * and the sizes, in bytes. An address is looked up among the loaded modules once; then a table
 * knows it. The table is written once for each address and never cleared, so it needs no lock. */
#ifndef TRIAL_ROUTE_H
#define TRIAL_ROUTE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUTES 4096

struct route {
    _Atomic uintptr_t site; /* 0: empty */
    size_t least, most;     /* of the sizes that go to the arm; most 0: none do */
};

extern bool route_some; /* false: everything goes to the arm */
extern struct route route_table[ROUTES];

void route_start(void);
void route_fork_child(void);
/* The entry of a site that the table did not have; where it has no room, one that takes nothing. */
const struct route *route_learn(uintptr_t site);

static inline size_t route_slot(uintptr_t site)
{
    return (size_t)(site * UINT64_C(0x9e3779b97f4a7c15) >> 52);
}

static inline bool route_takes(const void *site, size_t size)
{
    if (!route_some)
        return true;
    uintptr_t key = (uintptr_t)site;
    const struct route *at = &route_table[route_slot(key)];
    for (; atomic_load_explicit(&at->site, memory_order_acquire) != key; at++)
        if (at == &route_table[ROUTES - 1] || !at->site) {
            at = route_learn(key);
            break;
        }
    return size >= at->least && size <= at->most;
}

#endif
