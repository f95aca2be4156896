/* A library to preload into any program: records its heap operations and changes nothing else.
 *
 * Each call goes to the allocator that the program would have had; around it one event goes to the
 * recording command (events.c). No lock is held, nothing is allocated and no file stays open, so
 * signal handlers, fork and programs that close every descriptor are fine.
 */
#define _GNU_SOURCE
#include "recorder.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

/* --- The allocator underneath ---------------------------------------------------------------- */

/* Weak, as is all that glibc alone has: a program of another C library must still start. */
__attribute__((weak)) void *__libc_malloc(size_t);
__attribute__((weak)) void *__libc_calloc(size_t, size_t);
__attribute__((weak)) void *__libc_realloc(void *, size_t);
__attribute__((weak)) void __libc_free(void *);
__attribute__((weak)) void *__libc_memalign(size_t, size_t);

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static void (*next_free)(void *);
static void *(*next_aligned_alloc)(size_t, size_t);
static void *(*next_memalign)(size_t, size_t);
static int (*next_posix_memalign)(void **, size_t, size_t);

/* Until the lookup is done, calls go to glibc's own functions; it allocates nothing on success. */
static void find_next(void)
{
    static atomic_bool looking;
    if (atomic_exchange(&looking, true))
        return;
    *(void **)&next_calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **)&next_realloc = dlsym(RTLD_NEXT, "realloc");
    *(void **)&next_free = dlsym(RTLD_NEXT, "free");
    *(void **)&next_aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
    *(void **)&next_memalign = dlsym(RTLD_NEXT, "memalign");
    *(void **)&next_posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
    *(void **)&next_malloc = dlsym(RTLD_NEXT, "malloc");
}

void *real_malloc(size_t size)
{
    if (!next_malloc)
        find_next();
    return next_malloc ? next_malloc(size) : __libc_malloc(size);
}

static void *real_calloc(size_t count, size_t size)
{
    if (!next_calloc)
        find_next();
    return next_calloc ? next_calloc(count, size) : __libc_calloc(count, size);
}

static void *real_realloc(void *ptr, size_t size)
{
    if (!next_realloc)
        find_next();
    return next_realloc ? next_realloc(ptr, size) : __libc_realloc(ptr, size);
}

void real_free(void *ptr)
{
    if (!next_free)
        find_next();
    if (next_free)
        next_free(ptr);
    else
        __libc_free(ptr);
}

void *real_memalign(size_t align, size_t size)
{
    if (!next_memalign)
        find_next();
    return next_memalign ? next_memalign(align, size) : __libc_memalign(align, size);
}

static void *real_aligned_alloc(size_t align, size_t size)
{
    if (!next_aligned_alloc)
        find_next();
    return next_aligned_alloc ? next_aligned_alloc(align, size) : __libc_memalign(align, size);
}

static int real_posix_memalign(void **ptr, size_t align, size_t size)
{
    if (!next_posix_memalign)
        find_next();
    if (next_posix_memalign)
        return next_posix_memalign(ptr, align, size);
    if (align < sizeof(void *) || (align & (align - 1)) != 0)
        return EINVAL;
    void *got = __libc_memalign(align, size);
    if (!got)
        return ENOMEM;
    *ptr = got;
    return 0;
}

/* --- The calls ------------------------------------------------------------------------------ */

EXPORT void *malloc(size_t size)
{
    if (__builtin_expect(recorder_asks, 0)) {
        recorder_asks = false;
        return NULL;
    }
    void *ptr = real_malloc(size);
    if (ptr)
        record(EVENT_ALLOC, ptr, size, 0, SITE);
    return ptr;
}

EXPORT void *calloc(size_t count, size_t size)
{
    void *ptr = real_calloc(count, size);
    if (ptr)
        record(EVENT_CALLOC, ptr, count * size, 0, SITE);
    return ptr;
}

EXPORT void free(void *ptr)
{
    if (!ptr)
        return;
    record(EVENT_FREE, ptr, 0, 0, SITE);
    real_free(ptr);
}

static void *record_realloc(void *ptr, size_t size, uintptr_t site)
{
    if (!ptr) {
        ptr = real_realloc(NULL, size);
        if (ptr)
            record(EVENT_ALLOC, ptr, size, 0, site);
        return ptr;
    }
    if (size == 0) {
        record(EVENT_FREE, ptr, 0, 0, site);
        ptr = real_realloc(ptr, 0);
        if (ptr)
            record(EVENT_ALLOC, ptr, 0, 0, site);
        return ptr;
    }
    record(EVENT_REALLOC_FROM, ptr, 0, 0, site);
    ptr = real_realloc(ptr, size);
    record(EVENT_REALLOC_TO, ptr, size, 0, site);
    return ptr;
}

EXPORT void *realloc(void *ptr, size_t size)
{
    return record_realloc(ptr, size, SITE);
}

EXPORT void *reallocarray(void *ptr, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return record_realloc(ptr, bytes, SITE);
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
    void *ptr = real_aligned_alloc(align, size);
    if (ptr)
        record(EVENT_ALLOC, ptr, size, align, SITE);
    return ptr;
}

EXPORT void *memalign(size_t align, size_t size)
{
    void *ptr = real_memalign(align, size);
    if (ptr)
        record(EVENT_ALLOC, ptr, size, align, SITE);
    return ptr;
}

EXPORT int posix_memalign(void **ptr, size_t align, size_t size)
{
    int result = real_posix_memalign(ptr, align, size);
    if (result == 0 && *ptr)
        record(EVENT_ALLOC, *ptr, size, align, SITE);
    return result;
}

EXPORT void *valloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *ptr = real_memalign(page, size);
    if (ptr)
        record(EVENT_ALLOC, ptr, size, page, SITE);
    return ptr;
}

EXPORT void *pvalloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (size > SIZE_MAX - page) {
        errno = ENOMEM;
        return NULL;
    }
    size = (size + page - 1) & ~(page - 1);
    void *ptr = real_memalign(page, size);
    if (ptr)
        record(EVENT_ALLOC, ptr, size, page, SITE);
    return ptr;
}
