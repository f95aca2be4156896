/* The sites to serve, read once, and the addresses that they turn out to be. */
#define _GNU_SOURCE
#include "route.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool route_some;
struct route route_table[ROUTES];
static struct route no_route = {.least = 1};
static const char *list, *list_end;
static atomic_flag learning = ATOMIC_FLAG_INIT;

void route_start(void)
{
    const char *path = getenv("POOLPROOF_TRIAL_SITES");
    struct stat status;
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    route_some = path != NULL;
    if (file < 0)
        return;
    if (fstat(file, &status) == 0 && status.st_size > 0) {
        void *at = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (at != MAP_FAILED) {
            list = at;
            list_end = list + status.st_size;
        }
    }
    close(file);
}

/* The number at *at, and *at after it and the byte after; lines end with one that is no digit. */
static size_t next_number(const char **at)
{
    size_t value = 0;
    while (*at < list_end && **at >= '0' && **at <= '9')
        value = value * 10 + (size_t)(*(*at)++ - '0');
    *at += *at < list_end;
    return value;
}

static struct route find(uintptr_t site)
{
    struct route found = {.site = site, .least = 1};
    Dl_info info;
    if (!dladdr((const void *)site, &info) || !info.dli_fname) /* NOLINT */
        return found;
    const char *name = strrchr(info.dli_fname, '/');
    name = name ? name + 1 : info.dli_fname;
    size_t length = strlen(name), offset = site - (uintptr_t)info.dli_fbase;
    for (const char *at = list; at && at < list_end;) {
        const char *space = memchr(at, ' ', (size_t)(list_end - at));
        if (!space)
            break;
        bool same = (size_t)(space - at) == length && memcmp(at, name, length) == 0;
        at = space + 1;
        same &= next_number(&at) == offset;
        size_t least = next_number(&at), most = next_number(&at);
        if (same) {
            found.least = least;
            found.most = most;
            break;
        }
    }
    return found;
}

/* The lookup comes before the lock: it may wait for a thread that is loading a library, and that
 * allocates. */
const struct route *route_learn(uintptr_t site)
{
    struct route found = find(site);
    const struct route *result = &no_route;
    while (atomic_flag_test_and_set_explicit(&learning, memory_order_acquire))
        ;
    for (struct route *at = &route_table[route_slot(site)]; at < route_table + ROUTES; at++) {
        uintptr_t key = atomic_load_explicit(&at->site, memory_order_relaxed);
        if (key && key != site)
            continue;
        if (!key) {
            at->least = found.least;
            at->most = found.most;
            atomic_store_explicit(&at->site, site, memory_order_release);
        }
        result = at;
        break;
    }
    atomic_flag_clear_explicit(&learning, memory_order_release);
    return result;
}

/* Another thread of the parent may have held the lock. */
void route_fork_child(void)
{
    atomic_flag_clear(&learning);
}
