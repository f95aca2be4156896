/* A real program that is run, not replayed, on an arm's memory.
 *
 * An app is one file: a program, what it asks, and how it hands its allocations to an arm. A run is
 * the whole program, from opening its interpreter, database or containers to closing them. What it
 * computes does not depend on the arm: the checksum of its own result says so.
 */
#ifndef POOLPROOF_APP_H
#define POOLPROOF_APP_H

#include "arm.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct app {
    const char *name;
    const char *question;
    const char *source; /* which program, and how it hands out its allocations */
    const char *parameters;
    struct allocator_needs needs;
    const char *script; /* in bench/traces, what the program is to do; NULL if it is in the code */
    /* Runs the program once. Returns 0 and its checksum, or -1 with a sentence in message. */
    int (*run)(const struct arm *arm, void *heap, const char *script, uint64_t *checksum,
               char *message, size_t room);
};

/* An app that was not built, and the package that it lacks. */
struct absent_app {
    const char *name, *package;
};

/* Every app, in the order of bench/meson.build. */
extern const struct app *const apps[];
extern const size_t app_count;
extern const struct absent_app absent_apps[]; /* a nameless one is the last */

/* The start of a checksum, and the sum with more bytes after it (FNV-1a). */
#define APP_CHECKSUM UINT64_C(14695981039346656037)

static inline uint64_t app_checksum(uint64_t sum, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ ((const unsigned char *)bytes)[i]) * UINT64_C(1099511628211);
    return sum;
}

#ifdef __cplusplus
}
#endif

#endif
