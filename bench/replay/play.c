/* Playing a compiled trace to measure memory. */
#define _DEFAULT_SOURCE
#include "replay.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Resident bytes of this process. /proc/self/statm lags behind by hundreds of pages; this does
 * not. */
static uint64_t resident_bytes(void)
{
    char text[2048];
    int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    const char *line = strstr(text, "Rss:");
    return line ? strtoull(line + 4, NULL, 10) * 1024 : 0;
}

static uint64_t growth(uint64_t before)
{
    uint64_t now = resident_bytes();
    return now > before ? now - before : 0;
}

int replay_measure(const struct replay *replay, void **slots, replay_player *play_pages, void *arm,
                   struct footprint *footprint)
{
    uint64_t before = resident_bytes();
    size_t at = 0;
    *footprint = (struct footprint){0};
    for (size_t stop = 1; stop <= REPLAY_STOPS; stop++) {
        size_t to = replay->drain * stop / REPLAY_STOPS;
        size_t peak = replay->peak_op + 1;
        size_t ends[] = {peak > at && peak < to ? peak : to, to};
        for (int i = 0; i < 2; at = ends[i++]) {
            if (play_pages(replay, at, ends[i], slots, arm) != 0)
                return -1;
            uint64_t now = growth(before);
            if (now > footprint->peak_bytes)
                footprint->peak_bytes = now;
        }
    }
    if (play_pages(replay, replay->drain, replay->count, slots, arm) != 0)
        return -1;
    footprint->end_bytes = growth(before);
    return 0;
}
