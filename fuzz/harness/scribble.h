/* A user who writes into memory that is no longer theirs, and looks after what is.
 *
 * Allocations, frees and resets of a trace are done as they stand, a check trims the pool. Each
 * misuse in it becomes eight bytes written into the memory last freed from its slot, a number or an
 * address that leads somewhere it should not. Live chunks are filled, and verified whenever one
 * comes or goes.
 */
#ifndef POOLPROOF_SCRIBBLE_H
#define POOLPROOF_SCRIBBLE_H

#include "input.h"

struct scribble {
    const struct input *input;
    struct m_pool pool;
    struct scribbled {
        unsigned char *live, *freed; /* NULL if none */
        size_t size, freed_size;
    } slots[TRACE_DECODE_SLOTS];
};

/* Does one operation; a chunk out of place or changed is reported as target_complain does. */
void scribble_step(struct scribble *scribble, const struct trace_op *op);

/* Resets the pool, which must then give its whole capacity, zeroed where it promises that once the
 * chunk with what was written has been freed, and destroys it. */
void scribble_end(struct scribble *scribble);

#endif
