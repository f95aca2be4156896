/* A clock that stands still, preloaded where instructions are counted.
 *
 * Allocators that return memory after a while look at the clock now and then. Under Valgrind, which
 * is fifty times slower, they would do so fifty times as often, and never twice alike.
 */
#define _GNU_SOURCE
#include <sys/time.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    *now = (struct timespec){.tv_sec = 1000000000};
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    *now = (struct timeval){.tv_sec = 1000000000};
    return 0;
}
