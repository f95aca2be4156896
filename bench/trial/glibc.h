/* The C library's allocator under the names that glibc has for it, whoever preloads another. */
#ifndef POOLPROOF_TRIAL_GLIBC_H
#define POOLPROOF_TRIAL_GLIBC_H

#include <dlfcn.h>
#include <stddef.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);
void *__libc_memalign(size_t, size_t);

/* This one has no such name, and a library that the program is linked with may define it too. */
static size_t (*glibc_usable_size)(void *);

static inline void glibc_start(void)
{
    void *glibc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    if (glibc)
        *(void **)&glibc_usable_size = dlsym(glibc, "malloc_usable_size");
}

#endif
