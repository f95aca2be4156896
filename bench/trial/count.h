/* What the counting arm says of each call site: a file for each process, an array of these. */
#ifndef TRIAL_COUNT_H
#define TRIAL_COUNT_H

#include <stdint.h>

enum { COUNT_SITES = 16384, COUNT_PARTNERS = 4 };

/* Who frees a site's objects in another thread, or whose objects die right before them. */
struct partner {
    uint32_t site; /* its place in the array, plus 1 */
    uint32_t pad;
    uint64_t count;
};

struct site {
    uint64_t address; /* of the call's return, in this process; 0: no entry */
    uint64_t offset;  /* the same in its module */
    char module[64], symbol[96];
    uint64_t allocs, frees, reallocs;
    uint64_t bytes, least, most;          /* asked for */
    uint64_t live, live_most;             /* objects */
    uint64_t live_bytes, live_bytes_most; /* in granules of 16 */
    uint64_t youngest, oldest, only; /* frees of the site's youngest, oldest or only live object */
    uint64_t sweep; /* frees that followed another free of the site, with no allocation between */
    uint64_t temporary; /* frees before the thread's next 100 allocations */
    uint64_t emptied;   /* times that the last live object died */
    uint64_t threads;   /* one bit for each thread that allocated, by its number modulo 64 */
    uint64_t crossed;   /* frees by another thread than the one that allocated */
    struct partner freed_by[COUNT_PARTNERS], dies_with[COUNT_PARTNERS];
};

#endif
