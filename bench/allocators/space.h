/* Address space for arms that take their memory from it: pages cost memory when touched. */
#ifndef POOLPROOF_SPACE_H
#define POOLPROOF_SPACE_H

#include <stddef.h>
#include <sys/mman.h>

/* Address space that any recorded trace fits into, in bytes; less where a machine has limits. */
#define SPACE_MOST ((size_t)1 << 36)
#define SPACE_LEAST ((size_t)1 << 26)

/* Reserves as much as the machine grants, at most SPACE_MOST; NULL if not even SPACE_LEAST. */
static inline void *space_reserve(size_t *bytes)
{
    for (*bytes = SPACE_MOST; *bytes >= SPACE_LEAST; *bytes /= 2) {
        void *space = mmap(NULL, *bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (space != MAP_FAILED)
            return space;
    }
    return NULL;
}

#endif
