/* A program with an allocator of its own: a bump pointer, so that any pointer of another malloc
 * that reaches its free or realloc is seen. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char memory[1 << 22];
static size_t used;

static int is_own(const void *ptr)
{
    return (uintptr_t)ptr - (uintptr_t)memory < sizeof memory;
}

void *malloc(size_t size)
{
    size_t *at = (size_t *)(void *)(memory + used);
    used += 16 + ((size + 15) & ~(size_t)15);
    if (used > sizeof memory)
        return NULL;
    *at = size;
    return at + 2;
}

void free(void *ptr)
{
    if (ptr && !is_own(ptr))
        _exit(9);
}

void *calloc(size_t count, size_t size)
{
    return malloc(count * size);
}

void *realloc(void *ptr, size_t size)
{
    if (ptr && !is_own(ptr))
        _exit(8);
    void *moved = malloc(size);
    if (moved && ptr)
        memcpy(moved, ptr, ((size_t *)ptr)[-2] < size ? ((size_t *)ptr)[-2] : size);
    return moved;
}

int main(void)
{
    char *p = malloc(10);
    strcpy(p, "own");
    p = reallocarray(p, 10, 20);
    if (!is_own(p) || strcmp(p, "own") != 0)
        return 7;
    free(p);
    free(strdup("text"));
    return 0;
}
