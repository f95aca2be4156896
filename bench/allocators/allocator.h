/* An allocator as the benchmarks see it: one table of functions.
 *
 * An adaptor is one file that defines one or more tables and has all loops compiled for each
 * (arm.h), and one line in bench/meson.build.
 */
#ifndef POOLPROOF_ALLOCATOR_H
#define POOLPROOF_ALLOCATOR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a workload will ask for at most, so that capacity is nobody's advantage. */
struct allocator_needs {
    size_t live_bytes; /* at a time */
    size_t objects;    /* at a time */
    size_t largest;    /* bytes of one object */
    size_t capacity;   /* bytes of memory that ALLOCATOR_BOUNDED has in all; 0 for plenty */
};

enum allocator_ability {
    ALLOCATOR_REUSES = 1u << 0, /* freed memory is given out again; else only reset gets it back */
    ALLOCATOR_ALLOCATES =
        1u << 1, /* objects do not share memory; else it measures the harness alone */
    ALLOCATOR_ONE_SIZE =
        1u << 2, /* all objects are of allocator_needs.largest bytes, and none is resized */
    ALLOCATOR_LOOSE = 1u << 3,   /* objects are aligned to 8 bytes only */
    ALLOCATOR_BOUNDED = 1u << 4, /* refuses what allocator_needs.capacity has no room for */
    ALLOCATOR_SHARED = 1u << 5   /* any thread may use it, and free what another one allocated */
};

struct allocator {
    const char *name;
    const char *about;   /* what it is, as a phrase */
    const char *promise; /* what a fresh object holds: "zeroed" or "unspecified" */
    const char *limits;  /* what it cannot do, as a sentence; NULL if nothing */
    unsigned abilities;  /* of enum allocator_ability */
    /* Makes a heap and stores it; -1 if memory is lacking. There may be several, each of one
     * thread. */
    int (*open)(void **heap, const struct allocator_needs *needs);
    void (*close)(void *heap);
    /* The next four return NULL for lack of memory. Sizes are in bytes and never 0; the caller
     * hands the size back. Objects are aligned to 16 bytes. With ALLOCATOR_ONE_SIZE, only alloc,
     * free and reset are called. */
    void *(*alloc)(void *heap, size_t size);
    void *(*alloc_aligned)(void *heap, size_t size, size_t align); /* to 32 bytes or more */
    void *(*alloc_zeroed)(void *heap, size_t size); /* zeroes whatever the promise is */
    void *(*realloc)(void *heap, void *ptr, size_t old_size,
                     size_t new_size); /* not of an aligned */
    void (*free)(void *heap, void *ptr, size_t size);
    void (*free_aligned)(void *heap, void *ptr, size_t size, size_t align);
    void (*reset)(void *heap); /* frees everything at once; NULL if it cannot */
    /* Of a live object, at least what was asked for; NULL if it cannot tell. */
    size_t (*size_of)(const void *heap, const void *ptr);
};

#ifdef __cplusplus
}
#endif

#endif
