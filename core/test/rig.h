/* A pool under test: every source of memory through one call, with guard bytes around memory that
 * is the test's own, and copies of that memory that show what a call has changed.
 *
 * Whatever a rig asserts fails the cmocka test that is running. Memory is read and written past
 * AddressSanitizer, because a pool closes what nobody holds. */
#ifndef RIG_H
#define RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mem_pool.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Granules after each chunk that belong to it, and to nobody. */
#if defined(POOL_CHECKED)
#define REDZONE 1
#else
#define REDZONE 0
#endif

/* Whether the system gets memory back before its time; pool_system.h says why it may not. */
#if defined(__linux__)
#define SYSTEM_PURGES 1
#else
#define SYSTEM_PURGES 0
#endif

/* Granules that a chunk of `size` bytes takes, bytes of the largest chunk that so many hold, and
 * what pool_size_of says of one of `size` bytes: the exact size in the checked build alone. */
size_t chunk_granules(size_t size);
size_t usable_bytes(size_t granules);
size_t size_as_known(size_t size);

/* The capacity in which `count` chunks of `size` bytes lie side by side and fill it. */
size_t room_for(size_t count, size_t size);

/* Whether this is the checked build, of which the running test is then left out: says so, and why,
 * in a TAP comment that `./poolproof test` counts as a skip. */
int is_left_out(const char *why);

/* Where a pool's memory comes from. */
enum source { FROM_MALLOC, FROM_BUFFER, FROM_MAP, FROM_SYSTEM, FROM_HUGE_PAGES, SOURCES };

/* Source and flags, in every combination that a configuration can name. */
struct kind {
    const char *name;
    enum source source;
    unsigned flags; /* POOL_KEEP_CONTENTS and POOL_STRICT; the source adds its own */
};

#define KINDS 20
extern const struct kind kinds[KINDS];

/* What on_error heard. */
struct told {
    size_t count;
    const struct m_pool *pool;
    enum pool_reason reason;
    enum pool_reason asked; /* what pool_error answered meanwhile */
    const void *ptr;
};

struct rig {
    struct m_pool pool;
    struct pool_config config;
    struct told told;
    unsigned char *base; /* the pool's block */
    size_t capacity;     /* the largest chunk's bytes, from pool_stats */
    size_t block;        /* the block's bytes: in the checked build a redzone more */
    unsigned char *own;  /* the test's memory that the pool works in, else NULL */
    size_t own_size;
    size_t shift;    /* bytes from a page boundary to where that memory starts */
    void *allocated; /* what holds it, guards included */
    size_t mapped;   /* blocks that map gave and unmap has not had back */
};

/* Opens a pool of at least `capacity` bytes; exactly that (in granules) unless it is FROM_BUFFER.
 * */
void rig_open(struct rig *rig, const struct kind *kind, size_t capacity);

/* The same with memory that starts `shift` bytes after a page boundary: below 4,096, and a
 * multiple of POOL_GRANULE for FROM_MAP. Without meaning for sources that are not the test's. */
void rig_open_shifted(struct rig *rig, const struct kind *kind, size_t capacity, size_t shift);

/* A pool in a caller's buffer of exactly `size` bytes, `shift` bytes after a page boundary.
 * Returns what pool_init_with does; after a failure too the rig is to be closed. */
int rig_open_buffer(struct rig *rig, unsigned flags, size_t size, size_t shift);

/* Destroys the pool and asserts that guards stand, that memory has gone back, and that the test's
 * own memory is open again. */
void rig_close(struct rig *rig);

/* Asserts that nothing was written around the test's own memory. */
void rig_assert_guards(const struct rig *rig);

/* Asserts that pool_check finds nothing broken. */
void rig_assert_sound(const struct rig *rig);

/* All of the pool as it was at one moment: the struct and the memory it works in. */
struct snapshot {
    struct m_pool pool;
    unsigned char *bytes;
    size_t size;
};

/* Copies the struct and the test's own memory, or the block where the memory is not the test's. */
void snapshot_take(struct snapshot *snapshot, const struct rig *rig);

/* Asserts that nothing but the struct's reason has changed since, and frees the copy. */
void snapshot_assert_same(struct snapshot *snapshot, const struct rig *rig);

/* Copy and fill without AddressSanitizer. */
void raw_read(void *to, const void *from, size_t size);
void raw_write(void *to, const void *from, size_t size);

/* Asserts that `size` bytes all are `value`; by ordinary reads, so a closed byte is a finding. */
void assert_filled(const void *memory, size_t size, unsigned char value);

/* Asserts that memory is aligned for a type. */
void assert_aligned(const void *memory, unsigned type);

/* Random numbers from a seed; splitmix64. */
uint64_t random_next(uint64_t *state);
/* Below `bound`, which is not 0. */
size_t random_below(uint64_t *state, size_t bound);

/* POOL_TEST_SEED as a number, else `fallback`. Prints which, as a TAP comment. */
uint64_t random_seed(uint64_t fallback);

#endif
