/* How the threads of a workload hand objects to each other: in batches, and asleep while there is
 * nothing to do, so that the processor's time is that of the work.
 */
#ifndef POOLPROOF_CHANNEL_H
#define POOLPROOF_CHANNEL_H

#include "shape.h"

#include <semaphore.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CHANNEL_PLACES = 4 };

/* From one thread to one other. Each side goes round the places by its own work->next. */
struct channel {
    sem_t filled, emptied; /* places that are so */
    void **objects;        /* of all places */
    uint32_t count;        /* of a place */
};

/* One channel for every owner but the first, with so many objects in a place; -1 for lack of
 * memory. */
int channels_open(struct channel **channels, const struct shape *shape, uint32_t count);
void channels_close(struct channel *channels, const struct shape *shape);

/* Waits for a place in which there is something, or nothing any more, and steps on. */
SHAPE_LOOP void **channel_wait(struct work *work, struct channel *channel, sem_t *state)
{
    void **const objects = channel->objects + work->next * channel->count;
    while (sem_wait(state) != 0) /* a signal came between */
        ;
    work->next = (work->next + 1) % CHANNEL_PLACES;
    return objects;
}

#ifdef __cplusplus
}
#endif

#endif
