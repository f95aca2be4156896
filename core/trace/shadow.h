/* Inside core/trace: AddressSanitizer's view of a block, kept beside what it should be. Without
 * ASan every call here does nothing and finds nothing. */
#ifndef POOLPROOF_SHADOW_H
#define POOLPROOF_SHADOW_H

#include <stddef.h>
#include <stdint.h>

#if defined(POOLPROOF_ASAN) /* said by the build, where this file goes without it */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOLPROOF_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define POOLPROOF_ASAN 1
#endif

/* A function that may look at closed and at uninitialised memory, and is a short loop over much of
 * it. */
#if defined(__clang__)
#define SEES_CLOSED                                                                                \
    __attribute__((no_sanitize("address", "memory", "undefined", "coverage"), noinline))
#elif defined(POOLPROOF_ASAN)
#define SEES_CLOSED __attribute__((no_sanitize("address"), no_sanitize("undefined"), noinline))
#elif defined(__GNUC__)
#define SEES_CLOSED __attribute__((noinline)) /* Valgrind knows it by its name */
#else
#define SEES_CLOSED
#endif

struct shadow {
    uintptr_t base;
    size_t size;       /* bytes of the block */
    uint8_t *expected; /* for each 8 bytes, ASan's shadow byte XOR that of closed memory */
};

/* All closed. Fails for lack of memory. The block starts at a multiple of 8 and is one long. */
int shadow_start(struct shadow *shadow, uintptr_t base, size_t size);
void shadow_free(struct shadow *shadow);

/* [address, address + size), which starts at a multiple of 8, is due to be open; all of the
 * 8-byte groups that it touches, closed. */
void shadow_open(struct shadow *shadow, uintptr_t address, size_t size);
void shadow_close(struct shadow *shadow, uintptr_t address, size_t size);

/* The first byte of [address, address + size), both multiples of 8, that is open where it should be
 * closed or the other way round; 0 if there is none. Cost: size / 64 comparisons. */
uintptr_t shadow_wrong(const struct shadow *shadow, uintptr_t address, size_t size);

/* The first byte of [address, address + size) that is closed; 0 if none is. Cost: linear. */
uintptr_t shadow_first_closed(uintptr_t address, size_t size);

#endif
