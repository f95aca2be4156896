/* The C library's own allocator, called more than once, or with a delay: what a call costs, and
 * whether the trial can see a small difference. */
#define _GNU_SOURCE
#define ARM_NAME "calls"
#include "glibc.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

enum { DELAY_UNIT_PS = 2000 * 1000 }; /* long against a reading of the clock */

static size_t more_calls, delay_ps;
static _Thread_local size_t owed_ps __attribute__((tls_model("initial-exec")));

static inline void arm_start(void)
{
    const char *calls = getenv("POOLPROOF_TRIAL_CALLS"), *delay = getenv("POOLPROOF_TRIAL_DELAY");
    more_calls = calls ? strtoull(calls, NULL, 10) - 1 : 0;
    delay_ps = delay ? strtoull(delay, NULL, 10) : 0;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static __attribute__((noinline)) void spin(void)
{
    size_t ps = owed_ps;
    int64_t end = now_ns() + (int64_t)(ps / 1000);
    owed_ps = 0;
    while (now_ns() < end)
        ;
}

/* Nothing is served: what comes back is NULL, and the C library does the call that counts. */
static inline void *arm_alloc(size_t size, size_t align, const void *site)
{
    (void)align, (void)site;
    for (size_t i = 0; i < more_calls; i++)
        __libc_free(__libc_malloc(size));
    owed_ps += delay_ps;
    if (__builtin_expect(owed_ps >= DELAY_UNIT_PS, 0))
        spin();
    return NULL;
}

static inline void *arm_owner(const void *ptr)
{
    (void)ptr;
    return NULL;
}

static inline void arm_free(void *owner, void *ptr, const void *site)
{
    (void)site;
    (void)owner, (void)ptr;
}

static inline size_t arm_usable(void *owner, const void *ptr)
{
    (void)owner, (void)ptr;
    return 0;
}

static inline void *arm_realloc(void *owner, void *ptr, size_t size, const void *site)
{
    (void)owner, (void)ptr, (void)size, (void)site;
    return NULL;
}

static inline void arm_fork_child(void)
{
}

static inline void arm_end(void)
{
}

#include "family.h"
