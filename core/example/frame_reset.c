/* Everything that one frame of a game or one request of a server allocates, freed at once.
 *
 * Nothing is freed chunk by chunk: pool_reset takes back all chunks and keeps the block, so that no
 * frame but the first asks the system for memory.
 */
#include <stdio.h>
#include <string.h>
#include "mem_pool.h"

struct sprite {
    float x, y;
    char *name;
};

/* Makes one sprite with a name of its own; NULL when the frame's memory is used up */
static struct sprite *sprite_new(struct m_pool *frame, const char *name)
{
    struct sprite *sprite = NULL;
    if (pool_alloc(frame, (void **)&sprite, sizeof *sprite, POOL_USER) == -1)
        return NULL;
    if (pool_alloc(frame, (void **)&sprite->name, strlen(name) + 1, POOL_STR) == -1)
        return NULL; /* the reset at the end of the frame takes the sprite back */
    strcpy(sprite->name, name);
    return sprite;
}

int main(void)
{
    struct m_pool frame = {0};
    if (pool_init_with(&frame, &(struct pool_config){.capacity = 64 * 1024}) == -1) {
        fprintf(stderr, "no memory for a frame: %s\n", pool_strerror(pool_error(&frame)));
        return 1;
    }

    for (int number = 0; number < 3; number++) {
        size_t sprites = 0;
        char name[32];
        snprintf(name, sizeof name, "spark of frame %d", number);
        while (sprites < 100 && sprite_new(&frame, name) != NULL)
            sprites++;

        struct pool_stats stats;
        if (pool_stats(&frame, &stats) == -1)
            return 1;
        printf("frame %d: %zu sprites in %zu chunks, %zu bytes\n", number, sprites,
               stats.live_chunks, stats.live_bytes);
        if (pool_reset(&frame) == -1)
            return 1;
    }
    pool_destroy(&frame);
    return 0;
}
