/* Memory from the system: address space in which pages cost memory once they are touched. A part of
 * mem_pool.c, which includes it where it is there; without it, POOL_LAZY finds no memory.
 *
 * On Windows all of it is committed at once. Pages still cost memory once they are touched, but the
 * whole counts against what the system may promise (memory and page files): a pool beyond that is
 * refused when it is made, and none fails later. Nothing is purged there: a page that was
 * decommitted might not be had again. Huge pages need a privilege there and are not asked for.
 */
#ifndef POOL_SYSTEM_H
#define POOL_SYSTEM_H

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#define HAVE_SYSTEM 1

#if defined(MADV_HUGEPAGE)
#define HUGE_PAGE ((size_t)2 << 20)
#else
#define HUGE_PAGE ((size_t)0) /* there are none to ask for */
#define MADV_HUGEPAGE 0
#endif

/* So many bytes, all zero; NULL if there are none. With huge pages they start at one. */
static void *system_map(size_t bytes, int huge)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), spare = huge ? HUGE_PAGE : 0;
    if (bytes > SIZE_MAX - spare - page)
        return NULL;
    bytes = (bytes + page - 1) / page * page;
    unsigned char *memory = mmap(NULL, bytes + spare, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (spare) {
        size_t before = (0 - (size_t)memory) & (spare - 1);
        if (before)
            (void)munmap(memory, before);
        memory += before;
        (void)munmap(memory + bytes, spare - before);
        (void)madvise(memory, bytes, MADV_HUGEPAGE); /* advice: a system without them goes on */
    }
    return memory;
}

static void system_unmap(void *memory, size_t bytes)
{
    (void)munmap(memory, bytes);
}

#elif defined(_WIN32)
#define HAVE_SYSTEM 1

/* As windows.h declares them, whose macros (near, far, small …) are anybody's names. */
void *__stdcall VirtualAlloc(void *at, size_t bytes, unsigned long how, unsigned long access);
int __stdcall VirtualFree(void *at, size_t bytes, unsigned long how);

static void *system_map(size_t bytes, int huge)
{
    (void)huge;
    return VirtualAlloc(NULL, bytes, 0x3000, 4); /* MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE */
}

static void system_unmap(void *memory, size_t bytes)
{
    (void)bytes;
    (void)VirtualFree(memory, 0, 0x8000); /* MEM_RELEASE */
}

#endif

#if defined(HAVE_SYSTEM)

/* Gives the whole pages between two addresses back, where they become zero. Returns their bytes,
 * which start at *from; 0 if there are none. */
static size_t system_purge(unsigned char *at, const unsigned char *end, unsigned char **from)
{
#if defined(__linux__) /* elsewhere the advice may leave what was there */
    size_t page = (size_t)sysconf(_SC_PAGESIZE), skip = (page - (uintptr_t)at % page) % page;
    size_t bytes = (size_t)(end - at);
    bytes = bytes > skip ? (bytes - skip) / page * page : 0;
    if (bytes && madvise(at + skip, bytes, MADV_DONTNEED) == 0) {
        *from = at + skip;
        return bytes;
    }
#else
    (void)at;
    (void)end;
    (void)from;
#endif
    return 0;
}

#endif

#endif
