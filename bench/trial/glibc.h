/* The C library's allocator under the names that glibc has for it, whoever preloads another. */
#ifndef POOLPROOF_TRIAL_GLIBC_H
#define POOLPROOF_TRIAL_GLIBC_H

#include <stddef.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);
void *__libc_memalign(size_t, size_t);

#endif
