/* An allocator that lets other threads go first: before it allocates and after it has freed.
 *
 * Preloaded after the recorder, it makes sure that an address changes hands just there.
 */
#include <sched.h>
#include <stddef.h>

void *__libc_malloc(size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);

void *malloc(size_t size)
{
    sched_yield();
    return __libc_malloc(size);
}

void *realloc(void *ptr, size_t size)
{
    sched_yield();
    ptr = __libc_realloc(ptr, size);
    sched_yield();
    return ptr;
}

void free(void *ptr)
{
    __libc_free(ptr);
    sched_yield();
}
