/* The counting arm: the C library serves, and every object's life is noted by call site. Never
 * timed; one lock guards all of it. */
#define _GNU_SOURCE
#define ARM_NAME "count"
#include "count.h"
#include "glibc.h"
#include "ledger.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TEMPORARY = 100, TABLE_BITS_MOST = 27, TABLE_BITS_LEAST = 16 };

/* A live object, filed by its address. Linked among its site's from the oldest to the youngest. */
struct object {
    uintptr_t address; /* 0: free entry */
    uint32_t site, thread;
    uint32_t older, younger; /* index of another object's handle, plus 1 */
    uint32_t handle;
    uint64_t size, birth;
};

static struct object *table; /* open addressing, backward-shift deletion */
static uint32_t *place;      /* handle → index in the table: entries move, handles stay */
static uint32_t *spare;      /* handles to be used again */
static size_t spares, handles, table_bits;
static struct site *sites;
static uint32_t *youngest_of, *oldest_of, *last_was_free; /* by site */
static uint32_t threads, last_freed;
static atomic_flag lock = ATOMIC_FLAG_INIT;

static _Thread_local uint32_t thread __attribute__((tls_model("initial-exec")));
static _Thread_local uint64_t births __attribute__((tls_model("initial-exec")));

static void take_lock(void)
{
    while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire))
        ;
}

static void leave_lock(void)
{
    atomic_flag_clear_explicit(&lock, memory_order_release);
}

static void *map_private(size_t bytes)
{
    long at = syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0L);
    return at == -1 ? NULL : (void *)at; /* NOLINT */
}

/* The array that the command reads: POOLPROOF_TRIAL_FOLDER/sites.PID, or private memory. */
static struct site *map_sites(void)
{
    size_t bytes = COUNT_SITES * sizeof(struct site);
    const char *folder = getenv("POOLPROOF_TRIAL_FOLDER");
    char path[4096];
    int length = folder ? snprintf(path, sizeof path, "%s/sites.%d", folder, (int)getpid()) : -1;
    int file = length > 0 && length < (int)sizeof path
                   ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)
                   : -1;
    if (file < 0)
        return map_private(bytes);
    long at = -1;
    if (ftruncate(file, (off_t)bytes) == 0)
        at = syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0L);
    close(file);
    return at == -1 ? map_private(bytes) : (struct site *)at; /* NOLINT */
}

static inline void arm_start(void)
{
    struct rlimit limit;
    size_t each = sizeof *table + sizeof *place + sizeof *spare,
           most = (size_t)each << TABLE_BITS_MOST;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        most = (size_t)limit.rlim_cur / 4;
    for (size_t bits = TABLE_BITS_MOST; bits >= TABLE_BITS_LEAST && !table; bits--) {
        if (each << bits > most)
            continue;
        table_bits = bits;
        char *at = map_private(each << bits);
        if (at) {
            table = (struct object *)(void *)at;
            place = (uint32_t *)(void *)(table + ((size_t)1 << bits));
            spare = place + ((size_t)1 << bits);
        }
    }
    sites = map_sites();
    youngest_of = map_private(3 * COUNT_SITES * sizeof *youngest_of);
    if (!table || !sites || !youngest_of) {
        ledger_add(&ledger_entry->flags, LEDGER_NO_MEMORY);
        table = NULL;
        return;
    }
    oldest_of = youngest_of + COUNT_SITES;
    last_was_free = oldest_of + COUNT_SITES;
}

/* --- Sites ---------------------------------------------------------------------------------- */

static struct site *find_site(uintptr_t address)
{
    size_t at = (size_t)(address * UINT64_C(0x9e3779b97f4a7c15) >> 50) % COUNT_SITES;
    for (size_t i = 0; i < COUNT_SITES / 2; i++, at = (at + 1) % COUNT_SITES)
        if (!sites[at].address || sites[at].address == address)
            return &sites[at];
    return NULL;
}

/* The lock is held before and after, not during the lookup: that may wait for a thread that is
 * loading a library, and allocates. */
static struct site *site_of(const void *address)
{
    struct site *site = find_site((uintptr_t)address);
    if (site && site->address)
        return site;
    leave_lock();
    Dl_info info = {0};
    bool known = dladdr(address, &info) && info.dli_fname;
    take_lock();
    site = find_site((uintptr_t)address);
    if (!site) {
        ledger_add(&ledger_entry->flags, LEDGER_SITES_LOST);
        return &sites[0];
    }
    if (site->address)
        return site;
    site->address = (uintptr_t)address;
    site->least = UINT64_MAX;
    const char *name = known ? strrchr(info.dli_fname, '/') : NULL;
    name = name ? name + 1 : known ? info.dli_fname : "?";
    strncpy(site->module, name, sizeof site->module - 1);
    if (known)
        site->offset = (uintptr_t)address - (uintptr_t)info.dli_fbase;
    if (known && info.dli_sname)
        strncpy(site->symbol, info.dli_sname, sizeof site->symbol - 1);
    return site;
}

/* The commonest few, by the frequent-items rule: a stranger takes a counter that has come to 0. */
static void note(struct partner *partners, uint32_t site)
{
    struct partner *least = partners;
    for (size_t i = 0; i < COUNT_PARTNERS; i++) {
        if (partners[i].site == site + 1) {
            partners[i].count++;
            return;
        }
        if (partners[i].count < least->count)
            least = &partners[i];
    }
    if (least->count) {
        least->count--;
    } else {
        least->site = site + 1;
        least->count = 1;
    }
}

/* --- Objects -------------------------------------------------------------------------------- */

/* Neighbours in a block of 64 KiB are neighbours here too: a page of the table serves many. */
static size_t home_of(uintptr_t address)
{
    size_t block = (size_t)((address >> 16) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - table_bits));
    return (block + (address >> 4 & 0xfff)) & (((size_t)1 << table_bits) - 1);
}

static struct object *find_object(uintptr_t address)
{
    size_t mask = ((size_t)1 << table_bits) - 1, at = home_of(address);
    while (table[at].address && table[at].address != address)
        at = (at + 1) & mask;
    return &table[at];
}

static void erase(struct object *object)
{
    size_t mask = ((size_t)1 << table_bits) - 1, hole = (size_t)(object - table), at = hole;
    spare[spares++] = object->handle;
    for (;;) {
        at = (at + 1) & mask;
        if (!table[at].address)
            break;
        if (((at - home_of(table[at].address)) & mask) < ((at - hole) & mask))
            continue;
        table[hole] = table[at];
        place[table[hole].handle] = (uint32_t)hole;
        hole = at;
    }
    table[hole].address = 0;
}

static struct object *by_handle(uint32_t link)
{
    return &table[place[link - 1]];
}

static uint64_t granules(uint64_t size)
{
    return (size + 15) & ~UINT64_C(15);
}

static void born(void *chunk, size_t size, const void *from)
{
    if (!chunk || !table)
        return;
    take_lock();
    if (!thread)
        thread = ++threads;
    births++;
    struct site *site = site_of(from);
    uint32_t index = (uint32_t)(site - sites);
    uint64_t mixed = (births * UINT64_C(0x9e3779b97f4a7c15) ^ size) * UINT64_C(0xbf58476d1ce4e5b9);
    ledger_add(&ledger_entry->hash, mixed ^ mixed >> 31);
    ledger_add(&ledger_entry->served, 1);
    ledger_add(&ledger_entry->served_bytes, size);
    site->allocs++;
    site->bytes += size;
    site->least = size < site->least ? size : site->least;
    site->most = size > site->most ? size : site->most;
    site->threads |= UINT64_C(1) << thread % 64;
    last_was_free[index] = 0;
    last_freed = 0;
    if (handles - spares >= ((size_t)1 << table_bits) / 4 * 3) {
        ledger_add(&ledger_entry->flags, LEDGER_SITES_LOST);
        leave_lock();
        return;
    }
    struct object *object = find_object((uintptr_t)chunk);
    uint32_t handle = spares ? spare[--spares] : (uint32_t)handles++;
    *object = (struct object){.address = (uintptr_t)chunk,
                              .site = index,
                              .thread = thread,
                              .older = youngest_of[index],
                              .handle = handle,
                              .size = size,
                              .birth = births};
    place[handle] = (uint32_t)(object - table);
    if (object->older)
        by_handle(object->older)->younger = handle + 1;
    else
        oldest_of[index] = handle + 1;
    youngest_of[index] = handle + 1;
    if (++site->live > site->live_most)
        site->live_most = site->live;
    site->live_bytes += granules(size);
    if (site->live_bytes > site->live_bytes_most)
        site->live_bytes_most = site->live_bytes;
    leave_lock();
}

static void note_order(struct site *site, const struct object *object)
{
    if (!object->older && !object->younger)
        site->only++;
    else if (!object->younger)
        site->youngest++;
    else if (!object->older)
        site->oldest++;
}

/* from is NULL for a realloc, which is no death. */
static void died(void *chunk, const void *from)
{
    if (!table)
        return;
    take_lock();
    struct site *freer = from ? site_of(from) : NULL;
    struct object *object = find_object((uintptr_t)chunk);
    if (!object->address) {
        leave_lock();
        return;
    }
    uint32_t index = object->site;
    struct site *site = &sites[index];
    if (freer) {
        site->frees++;
        note_order(site, object);
        site->sweep += last_was_free[index];
        last_was_free[index] = 1;
        site->temporary += object->thread == thread && births - object->birth < TEMPORARY;
        if (object->thread != thread) {
            site->crossed++;
            note(site->freed_by, (uint32_t)(freer - sites));
        }
        if (last_freed && last_freed != index + 1)
            note(site->dies_with, last_freed - 1);
        last_freed = index + 1;
    } else {
        site->reallocs++;
    }
    if (object->older)
        by_handle(object->older)->younger = object->younger;
    else
        oldest_of[index] = object->younger;
    if (object->younger)
        by_handle(object->younger)->older = object->older;
    else
        youngest_of[index] = object->older;
    site->live_bytes -= granules(object->size);
    if (--site->live == 0)
        site->emptied++;
    erase(object);
    leave_lock();
}

/* --- The arm -------------------------------------------------------------------------------- */

static inline void *arm_alloc(size_t size, size_t align, const void *site)
{
    void *chunk = align > 16 ? __libc_memalign(align, size) : __libc_malloc(size);
    born(chunk, size, site);
    return chunk;
}

static inline void *arm_owner(void *ptr)
{
    return table ? ptr : NULL;
}

static inline void arm_free(void *owner, void *ptr, const void *site)
{
    (void)owner;
    died(ptr, site);
    __libc_free(ptr);
}

static inline size_t arm_usable(void *owner, void *ptr)
{
    (void)owner;
    return glibc_usable_size ? glibc_usable_size(ptr) : 0;
}

static inline void *arm_realloc(void *owner, void *ptr, size_t size, const void *site)
{
    (void)owner;
    died(ptr, NULL); /* before its address can be another thread's */
    void *moved = __libc_realloc(ptr, size);
    born(moved ? moved : ptr, size, site);
    return moved;
}

/* The child's sites go to a file of its own: the same places, what is live, and no counts yet. */
static inline void arm_fork_child(void)
{
    atomic_flag_clear(&lock);
    if (!table)
        return;
    struct site *parents = sites;
    sites = map_sites();
    for (size_t i = 0; i < COUNT_SITES; i++) {
        if (!parents[i].address)
            continue;
        struct site *site = &sites[i];
        memcpy(site, &parents[i], offsetof(struct site, allocs));
        site->least = UINT64_MAX;
        site->live = site->live_most = parents[i].live;
        site->live_bytes = site->live_bytes_most = parents[i].live_bytes;
    }
    munmap(parents, COUNT_SITES * sizeof *parents);
}

static inline void arm_end(void)
{
}

#include "family.h"

/* Memory that the program takes from the system by itself: an allocator that no trial of malloc
 * sees. */
static void *count_map(void *at, size_t bytes, int protection, int flags, int file, off_t offset)
{
    if (flags & MAP_ANONYMOUS && protection & PROT_WRITE) {
        ledger_add(&ledger_entry->mapped, 1);
        ledger_add(&ledger_entry->mapped_bytes, bytes);
    }
    long made = syscall(SYS_mmap, at, bytes, protection, flags, file, offset);
    return made == -1 ? MAP_FAILED : (void *)made; /* NOLINT */
}

/* By these names whatever the width of an offset is called here. */
#define MMAP(own, name)                                                                            \
    EXPORT void *own(void *at, size_t bytes, int protection, int flags, int file,                  \
                     off_t offset) __asm__(name);                                                  \
    EXPORT void *own(void *at, size_t bytes, int protection, int flags, int file, off_t offset)    \
    {                                                                                              \
        return count_map(at, bytes, protection, flags, file, offset);                              \
    }
MMAP(own_mmap, "mmap")
MMAP(own_mmap64, "mmap64")
