/* A library to load and unload: MAKER makes an object of MADE bytes. */
#include <stdlib.h>

static void *volatile sink;

void *MAKER(void);

void *MAKER(void)
{
    sink = malloc(MADE);
    return sink;
}

void *make(long unused);

void *make(long unused)
{
    (void)unused;
    sink = MAKER();
    return sink;
}

void *pairs(long count);

void *pairs(long count)
{
    for (long i = 0; i < count; i++) {
        sink = malloc(48);
        free(sink);
    }
    return NULL;
}
