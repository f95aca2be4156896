#include "turns.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int turns_read(const char *text, struct turns *turns)
{
    char more; /* NOLINTNEXTLINE(cert-err34-c): the widths keep each number within its type */
    if (sscanf(text, "%7ld,%6d,%6d%c", &turns->count, &turns->go, &turns->told, &more) != 3)
        return -1;
    return turns->count > 0 && turns->go > 2 && turns->told > 2 ? 0 : -1;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct turn turn_now(void)
{
    return (struct turn){clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_PROCESS_CPUTIME_ID)};
}

int turns_tell(const struct turns *turns, struct turn took)
{
    /* A pipe takes so little whole. */
    return write(turns->told, &took, sizeof took) == (ssize_t)sizeof took ? 0 : -1;
}

int turns_await(const struct turns *turns)
{
    char byte;
    ssize_t got;
    do
        got = read(turns->go, &byte, 1);
    while (got < 0 && errno == EINTR);
    return got == 1 ? 0 : -1;
}
