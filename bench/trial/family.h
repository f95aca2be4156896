/* The malloc family and C++'s operators, over an arm's five functions. An arm includes this last
 * and defines beforehand, as static inline functions:
 *
 *   arm_start()                  once, when the environment is there and the ledger open
 *   arm_alloc(size, align, site) a chunk of at least one byte, or NULL: the C library serves it
 *   arm_owner(ptr)               what arm_free and arm_usable want to know of it; NULL: not the
 * arm's
 *   arm_free(owner, ptr, site), arm_usable(owner, ptr)
 *   arm_realloc(owner, ptr, size, site)   in place or moved; NULL: the general way
 *   arm_fork_child(), arm_end()
 *
 * The C library's allocator stays beside it: glibc has names of its own for that (__libc_malloc),
 * so nothing is looked up and no lookup can recurse. */
#define _GNU_SOURCE
#include "glibc.h"
#include "ledger.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define HIDDEN __attribute__((visibility("hidden")))
#define SITE __builtin_return_address(0)
#define RARELY(x) __builtin_expect(!!(x), 0)

enum { PLAIN_ALIGN = 16, PAGE = 4096, LARGE_ZEROED = 128 * 1024 };

static enum { ASLEEP, STARTING, STARTED, ASIDE } stage;
static void *(*next_new)(size_t);
static void *(*next_new_aligned)(size_t, size_t);

HIDDEN void *own_malloc(size_t size);

/* A thread's own counts, which reach the ledger once in TALLY_FOLD calls and at the exit. */
enum { TALLY_FOLD = 256 };
static _Thread_local struct {
    uint64_t left, left_bytes, foreign;
} tally __attribute__((tls_model("initial-exec")));

static void fork_child(void)
{
    tally.left = tally.left_bytes = tally.foreign = 0; /* the parent's */
    ledger_fork();
    arm_fork_child();
}

/* The first call comes before constructors, even before there is an environment to read. What is
 * asked for meanwhile, also by the calls in here, is the C library's. */
static __attribute__((noinline, cold)) void start(void)
{
    if (stage != ASLEEP || !environ)
        return;
    stage = STARTING;
    /* The C library's allocator starts now, by system calls that a program may forbid later. */
    __libc_free(__libc_malloc(1));
    ledger_open(ARM_NAME);
    glibc_start();
    if (ledger_own_malloc((uintptr_t)own_malloc)) {
        stage = ASIDE;
        return;
    }
    arm_start();
    pthread_atfork(NULL, NULL, fork_child);
    stage = STARTED;
}

static __attribute__((constructor)) void start_at_last(void)
{
    start();
}

/* --- What the arm does not serve ------------------------------------------------------------ */

static void tally_fold(void)
{
    ledger_add(&ledger_entry->left, tally.left);
    ledger_add(&ledger_entry->left_bytes, tally.left_bytes);
    ledger_add(&ledger_entry->foreign, tally.foreign);
    tally.left = tally.left_bytes = tally.foreign = 0;
}

static __attribute__((destructor)) void end(void)
{
    tally_fold();
    if (stage == STARTED)
        arm_end();
}

static inline void tally_left(size_t size)
{
    tally.left_bytes += size;
    if (RARELY(++tally.left >= TALLY_FOLD))
        tally_fold();
}

static __attribute__((noinline)) void *leave_alloc(size_t size, size_t align)
{
    if (RARELY(stage == ASLEEP || stage == STARTING))
        ledger_add(&ledger_entry->early, 1);
    tally_left(size);
    return align > PLAIN_ALIGN ? __libc_memalign(align, size) : __libc_malloc(size);
}

static __attribute__((noinline)) void leave_free(void *ptr)
{
    if (RARELY(++tally.foreign >= TALLY_FOLD))
        tally_fold();
    __libc_free(ptr);
}

/* --- The general way ------------------------------------------------------------------------ */

static inline void *serve(size_t size, size_t align, const void *site)
{
    void *chunk = NULL;
    size += !size;
    if (RARELY(stage != STARTED))
        start();
    if (RARELY(align > PAGE))
        ledger_add(&ledger_entry->aligned, 1);
    else if (stage == STARTED && size <= PTRDIFF_MAX)
        chunk = arm_alloc(size, align, site);
    return chunk ? chunk : leave_alloc(size, align);
}

static inline void give(void *ptr, const void *site)
{
    void *owner = arm_owner(ptr);
    if (owner)
        arm_free(owner, ptr, site);
    else if (ptr)
        leave_free(ptr);
}

static inline size_t usable(void *ptr)
{
    void *owner = arm_owner(ptr);
    if (owner)
        return arm_usable(owner, ptr);
    return ptr && glibc_usable_size ? glibc_usable_size(ptr) : 0;
}

static __attribute__((noinline)) void *resize_live(void *ptr, size_t size, const void *site)
{
    void *owner = arm_owner(ptr);
    if (!owner) {
        tally_left(size);
        return __libc_realloc(ptr, size);
    }
    if (!size) {
        arm_free(owner, ptr, site);
        return NULL;
    }
    void *moved = size <= PTRDIFF_MAX ? arm_realloc(owner, ptr, size, site) : NULL;
    if (moved)
        return moved;
    size_t old = arm_usable(owner, ptr);
    moved = serve(size, PLAIN_ALIGN, site);
    if (moved) {
        memcpy(moved, ptr, old < size ? old : size);
        arm_free(owner, ptr, site);
    }
    return moved;
}

static inline void *resize(void *ptr, size_t size, const void *site)
{
    return ptr ? resize_live(ptr, size, site) : serve(size, PLAIN_ALIGN, site);
}

/* --- C -------------------------------------------------------------------------------------- */

/* malloc itself, under a name that the program cannot take over. */
void *own_malloc(size_t size)
{
    return serve(size, PLAIN_ALIGN, SITE);
}
EXPORT __typeof(own_malloc) malloc __attribute__((alias("own_malloc")));

EXPORT void free(void *ptr)
{
    give(ptr, SITE);
}

EXPORT void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    /* Fresh memory from the system is zero already, which the C library makes use of. */
    if (RARELY(bytes >= LARGE_ZEROED || stage != STARTED)) {
        start();
        tally_left(bytes);
        return __libc_calloc(count, size);
    }
    void *chunk = serve(bytes, PLAIN_ALIGN, SITE);
    return chunk ? memset(chunk, 0, bytes) : NULL;
}

EXPORT void *realloc(void *ptr, size_t size)
{
    return resize(ptr, size, SITE);
}

EXPORT void *reallocarray(void *ptr, size_t count, size_t size)
{
    size_t bytes;
    if (RARELY(stage == ASIDE)) { /* ptr is of the program's own allocator */
        if (__builtin_mul_overflow(count, size, &bytes)) {
            errno = ENOMEM;
            return NULL;
        }
        return realloc(ptr, bytes);
    }
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return resize(ptr, bytes, SITE);
}

static inline void *aligned(size_t align, size_t size, const void *site)
{
    return serve(size, align < PLAIN_ALIGN ? PLAIN_ALIGN : align, site);
}

EXPORT void *memalign(size_t align, size_t size)
{
    size_t power = PLAIN_ALIGN; /* as glibc: the next power of two */
    while (power < align && power)
        power *= 2;
    if (!power) {
        errno = EINVAL;
        return NULL;
    }
    return aligned(power, size, SITE);
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
    if (!align || align & (align - 1)) {
        errno = EINVAL;
        return NULL;
    }
    return aligned(align, size, SITE);
}

EXPORT int posix_memalign(void **ptr, size_t align, size_t size)
{
    int error = errno;
    if (align < sizeof(void *) || align & (align - 1))
        return EINVAL;
    void *chunk = aligned(align, size, SITE);
    errno = error;
    if (!chunk)
        return ENOMEM;
    *ptr = chunk;
    return 0;
}

EXPORT void *valloc(size_t size)
{
    return aligned(PAGE, size, SITE);
}

EXPORT void *pvalloc(size_t size)
{
    if (size > SIZE_MAX - PAGE) {
        errno = ENOMEM;
        return NULL;
    }
    return aligned(PAGE, (size + PAGE - 1) & ~(size_t)(PAGE - 1), SITE);
}

EXPORT size_t malloc_usable_size(void *ptr)
{
    return usable(ptr);
}

EXPORT void cfree(void *ptr)
{
    give(ptr, SITE);
}

#include "operators.h"

/* --- The program's memory at large ---------------------------------------------------------- */

/* The whole reservation would be made resident; on the first touch is soon enough. */
EXPORT int mlockall(int flags)
{
    static int (*next)(int);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "mlockall");
    ledger_add(&ledger_entry->flags, LEDGER_LOCKED);
    return next ? next(flags | 4 /* MCL_ONFAULT */) : -1;
}
