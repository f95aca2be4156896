/* A clock that every process reads alike: blocks of instructions run. It counts the files that a
 * target has compiled with -fsanitize-coverage=trace-pc; where a compiler cannot, it stands
 * still. */
#ifndef POOLPROOF_STEPS_H
#define POOLPROOF_STEPS_H

#include "mem_pool.h"

extern size_t steps; /* there is one: the compiler's callback is given nothing to keep it in */

/* Tells the engine how long a call was and how much of the free memory is not in the largest
 * extent: each class of lengths and each share is a counter of its own, so that new ones are looked
 * for. */
void steps_tell(size_t length, const struct pool_stats *stats);

#endif
