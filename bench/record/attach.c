/* What a program maps at its start, and nothing afterwards. */
#define _GNU_SOURCE
#include "recorder.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct ring *map_ring(const char *path)
{
    struct stat status;
    void *memory = MAP_FAILED;
    int fd = path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &status) == 0 && status.st_size == sizeof(struct ring))
        memory = mmap(NULL, sizeof(struct ring), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                      fd, 0); /* a fault costs more than an event */
    close(fd);
    if (memory == MAP_FAILED || ((struct ring *)memory)->magic == RING_MAGIC)
        return memory == MAP_FAILED ? NULL : memory;
    munmap(memory, sizeof(struct ring));
    return NULL;
}

void *map_wiped_on_fork(size_t size)
{
    void *made = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED)
        return NULL;
    if (madvise(made, size, MADV_WIPEONFORK) == 0)
        return made;
    munmap(made, size);
    return NULL;
}
