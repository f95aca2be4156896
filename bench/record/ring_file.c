/* The file that a ring lies in, in a folder of its own. */
#define _GNU_SOURCE
#include "ring_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void ring_unlink(struct ring_file *file)
{
    unlink(file->path);
    *strrchr(file->path, '/') = '\0';
    rmdir(file->path);
}

/* What root runs may have dropped its rights before it executes a program, so root's opens for all
 * who know its name. The folder tells it to nobody; a recorded program has it in its environment.
 */
static int open_for_all(struct ring_file *file, int fd)
{
    char *slash = strrchr(file->path, '/');
    if (fchmod(fd, 0666) != 0)
        return -1;
    *slash = '\0';
    const int result = chmod(file->path, 0711);
    *slash = '/';
    return result;
}

static bool ring_fill(struct ring_file *file, int fd)
{
    const int reason = posix_fallocate(fd, 0, sizeof *file->ring);
    errno = reason;
    if (reason != 0 || (geteuid() == 0 && open_for_all(file, fd) != 0))
        return false;
    file->ring = mmap(NULL, sizeof *file->ring, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (file->ring == MAP_FAILED)
        return false;
    file->ring->magic = RING_MAGIC;
    atomic_init(&file->ring->drained, RING_FIRST);
    atomic_init(&file->ring->taken, RING_FIRST);
    return true;
}

static bool ring_make_in(struct ring_file *file, const char *folder)
{
    const int length = snprintf(file->path, sizeof file->path, "%s/.poolproof-XXXXXX", folder);
    errno = ENAMETOOLONG;
    if (length < 0 || (size_t)length + sizeof "/XXXXXX" > sizeof file->path || !mkdtemp(file->path))
        return false;
    strcpy(file->path + length, "/XXXXXX");
    const int fd = mkostemp(file->path, O_CLOEXEC);
    const bool made = fd >= 0 && ring_fill(file, fd);
    const int reason = errno;
    if (fd >= 0)
        close(fd);
    if (!made)
        ring_unlink(file);
    errno = reason;
    return made;
}

bool ring_make(struct ring_file *file, const char *folder)
{
    return ring_make_in(file, "/dev/shm") || ring_make_in(file, folder);
}
