#include "channel.h"

#include <stdlib.h>

int channels_open(struct channel **channels, const struct shape *shape, uint32_t count)
{
    const unsigned number = shape->owners - 1;
    struct channel *made = calloc(number, sizeof *made);
    *channels = made;
    if (!made)
        return -1;
    for (unsigned i = 0; i < number; i++) {
        made[i].count = count;
        made[i].objects = calloc((size_t)CHANNEL_PLACES * count, sizeof *made[i].objects);
        if (!made[i].objects) {
            while (i-- > 0)
                free(made[i].objects);
            free(made);
            return -1;
        }
        sem_init(&made[i].filled, 0, 0);
        sem_init(&made[i].emptied, 0, CHANNEL_PLACES);
    }
    return 0;
}

void channels_close(struct channel *channels, const struct shape *shape)
{
    for (unsigned i = 0; i + 1 < shape->owners; i++) {
        sem_destroy(&channels[i].filled);
        sem_destroy(&channels[i].emptied);
        free(channels[i].objects);
    }
    free(channels);
}
