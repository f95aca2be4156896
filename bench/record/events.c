/* The preloaded library's half of the ring (ring.h): attaching, call sites, and events.
 * What a process knows of itself lies in pages that the kernel wipes on fork, so a child finds them
 * empty and announces itself with its first event. vfork children share their parent's heap and
 * its number. A failure ends the recording, never the program.
 */
#define _GNU_SOURCE
#include "recorder.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef __x86_64__
#define RELAX() __builtin_ia32_pause()
/* No processor without it stops at it. */
#define PREFETCH(place) __asm__ volatile("prefetchw %0" : : "m"(place))
#else
#define RELAX() __asm__ volatile("yield")
#define PREFETCH(place) __builtin_prefetch(&(place), 1)
#endif

/* An event takes few instructions as long as what is rare is not in its way. */
#define INLINE inline __attribute__((always_inline))
#define APART __attribute__((noinline))

enum {
    MODULES = 1 << 14, /* more have unknown call sites */
    PROBES = 64,
    CACHED = 4,
    AHEAD = 12, /* events: the drainer's processor has their lines */
    SPINS = 200,
    ROOM = RING_EVENTS / 4, /* that must be free again for who has slept */
    WAIT_NS = 500 * 1000,
    MAX_WAITS = 30 * 1000,   /* about 15 s without a drained event: the command is gone */
    COMMAND_BYTES = 8 * 1024 /* of a command line that are kept */
};

struct module {
    _Atomic(const struct link_map *) map;
    _Atomic(uint32_t) generation, id;
    uint64_t hash;
};

/* All zero in a new process and again in a forked child. */
struct state {
    _Atomic(uint32_t) image; /* 0: not announced yet */
    _Atomic(uint32_t) announcing;
    _Atomic(uint32_t) threads;
    _Atomic(uint32_t) modules;
    _Atomic(uint64_t) limit; /* tickets below it are known to have room */
    struct module module[MODULES];
};

static struct ring *ring;
static struct state *state;
static uint32_t last_image; /* outlives a fork: the parent's number */
static _Atomic(uint32_t) generation = 1;
static int (*next_dlclose)(void *handle);
static bool own_malloc;
bool recorder_asks;

/* glibc's alone: a program of another C library starts with the recorder, and is not recorded. */
#pragma weak _dl_find_object
__attribute__((weak)) int __register_atfork(void (*prepare)(void), void (*parent)(void),
                                            void (*child)(void), void *library);
extern void *__dso_handle;

/* What a thread knows. */
static _Thread_local struct {
    uint32_t image, number;
    uint32_t next; /* of the cache, to be replaced */
    bool busy;
    struct place {
        uint64_t start, size;
        uint32_t generation, module;
    } cache[CACHED];
} self __attribute__((tls_model("initial-exec")));

/* --- Places in the ring ----------------------------------------------------------------------- */

/* Waits until the ticket's place is free; false if the recording is over. */
static APART bool wait_for_room(uint64_t ticket)
{
    uint64_t seen = 0, slept = 0;
    for (uint64_t spins = 0, waits = 0;; spins++) {
        uint64_t drained = atomic_load_explicit(&ring->drained, memory_order_acquire);
        if (ticket + slept < drained + RING_EVENTS) {
            atomic_store_explicit(&state->limit, drained + RING_EVENTS, memory_order_release);
            return true;
        }
        if (drained != seen) {
            seen = drained;
            spins = waits = 0;
        }
        if (atomic_load_explicit(&ring->closed, memory_order_relaxed))
            return false;
        RELAX();
        if (spins < SPINS)
            continue;
        if (atomic_load_explicit(&ring->no_calls, memory_order_relaxed)) {
            if (spins > UINT64_C(1) << 32)
                break;
            continue;
        }
        const struct timespec pause = {0, WAIT_NS};
        int word = 0, saved = errno;
        call_system(SYS_futex, (const long[6]){(long)&word, FUTEX_WAIT_PRIVATE, 0, (long)&pause});
        errno = saved;
        slept = ROOM;
        if (++waits > MAX_WAITS)
            break;
    }
    atomic_store(&ring->closed, ETIMEDOUT);
    return false;
}

static INLINE struct ring_event *take_place(uint64_t *ticket)
{
    for (;;) {
        *ticket = atomic_fetch_add_explicit(&ring->taken, 1, memory_order_acq_rel);
        if (*ticket >= atomic_load_explicit(&state->limit, memory_order_acquire) &&
            !wait_for_room(*ticket))
            return NULL;
        const size_t place = *ticket % RING_EVENTS;
        if (__builtin_expect(!atomic_load_explicit(&ring->dead_count, memory_order_relaxed), 1) ||
            !atomic_load_explicit(&ring->dead[place], memory_order_relaxed)) {
            PREFETCH(ring->events[(*ticket + AHEAD) % RING_EVENTS]);
            return &ring->events[place];
        }
    }
}

static INLINE void put(struct ring_event fields, uint32_t image, unsigned align,
                       enum event_kind kind)
{
    uint64_t ticket;
    struct ring_event *event = take_place(&ticket);
    if (!event)
        return;
    event->address = fields.address;
    event->size = fields.size;
    event->site = fields.site;
    event->thread = fields.thread;
    event->module = fields.module;
    atomic_store_explicit(&event->tail, ring_tail(image, ticket, align, kind),
                          memory_order_release);
}

static APART void put_text(const char *text, size_t size, uint32_t image, uint32_t module)
{
    for (size_t at = 0; at < size; at += RING_TEXT_BYTES) {
        struct ring_event event = {.thread = (uint32_t)at, .module = module};
        const size_t left = size - at;
        memcpy(&event, text + at, left < RING_TEXT_BYTES ? left : RING_TEXT_BYTES);
        put(event, image, 0, EVENT_TEXT);
    }
}

/* --- Call sites ------------------------------------------------------------------------------- */

uint32_t modules_generation(void)
{
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

static uint32_t announce_module(const struct link_map *map, size_t length, uint32_t image)
{
    const uint32_t id = atomic_fetch_add(&state->modules, 1) + 1;
    put((struct ring_event){.address = map->l_addr, .size = length, .module = id}, image, 0,
        EVENT_MODULE);
    put_text(map->l_name, length, image, id);
    return id;
}

static uint64_t hash_of(const struct link_map *map, size_t *length)
{
    uint64_t hash = map->l_addr;
    for (*length = 0; map->l_name[*length] != '\0' && *length < PATH_MAX; ++*length)
        hash = (hash ^ (unsigned char)map->l_name[*length]) * UINT64_C(0x100000001b3);
    return hash;
}

/* The module's number. Two threads may announce one twice; that is harmless. */
static uint32_t number_of(const struct link_map *map, uint32_t image, uint32_t now)
{
    size_t length;
    const uint64_t first = (uintptr_t)map * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    for (unsigned i = 0; i < PROBES; i++) {
        struct module *module = &state->module[(first + i) % MODULES];
        const struct link_map *there = NULL;
        if (atomic_compare_exchange_strong(&module->map, &there, map)) {
            module->hash = hash_of(map, &length);
            const uint32_t id = announce_module(map, length, image);
            atomic_store(&module->id, id);
            atomic_store(&module->generation, now);
            return id;
        }
        if (there != map)
            continue;
        if (atomic_load(&module->generation) == now)
            return atomic_load(&module->id);
        const uint64_t hash = hash_of(map, &length);
        const uint32_t id = atomic_load(&module->id);
        if (id != 0 && module->hash == hash) {
            atomic_store(&module->generation, now);
            return id;
        }
        const uint32_t made = announce_module(map, length, image);
        if (id != 0) {
            module->hash = hash;
            atomic_store(&module->id, made);
            atomic_store(&module->generation, now);
        }
        return made;
    }
    return 0;
}

/* Looks an address up without the loader's lock; its module stays while its code is calling. */
static APART uint32_t find_module(uint64_t site, uint32_t image, uint32_t now)
{
    struct dl_find_object found;
    struct place place = {.start = site, .size = 1, .generation = now};
    if (_dl_find_object((void *)(uintptr_t)site, &found) == 0) { // NOLINT: an address is meant
        place.start = (uintptr_t)found.dlfo_map_start;
        place.size = (uintptr_t)found.dlfo_map_end - place.start;
        place.module = number_of(found.dlfo_link_map, image, now);
    }
    self.cache[self.next++ % CACHED] = place;
    return place.module;
}

static uint32_t module_of(uint64_t site, uint32_t image)
{
    const uint32_t now = modules_generation();
    for (unsigned i = 0; i < CACHED; i++) {
        const struct place *place = &self.cache[i];
        if (site - place->start < place->size && place->generation == now)
            return place->module;
    }
    return find_module(site, image, now);
}

EXPORT int dlclose(void *handle)
{
    atomic_fetch_add(&generation, 1);
    int result = next_dlclose(handle);
    atomic_fetch_add(&generation, 1);
    return result;
}

/* --- Events ----------------------------------------------------------------------------------- */

/* Announces a forked child. One thread does it; a signal handler that interrupts it is left out. */
static APART uint32_t announce_child(void)
{
    uint32_t image = 0, none = 0;
    if (self.busy)
        return 0;
    self.busy = true;
    if (atomic_compare_exchange_strong(&state->announcing, &none, 1)) {
        const bool calls = !atomic_load(&ring->no_calls);
        image = atomic_fetch_add(&ring->images, 1) + 1;
        put((struct ring_event){.address = calls ? (uint64_t)getpid() : 0,
                                .size = calls ? (uint64_t)getppid() : 0,
                                .site = last_image},
            image, own_malloc, EVENT_IMAGE);
        last_image = image;
        atomic_store(&state->image, image);
    }
    while ((image = atomic_load(&state->image)) == 0)
        RELAX();
    self.busy = false;
    return image;
}

void record(enum event_kind kind, const void *ptr, size_t size, size_t align, uintptr_t site)
{
    if (__builtin_expect(!state, 0))
        return;
    uint32_t image = atomic_load_explicit(&state->image, memory_order_acquire);
    if (__builtin_expect(image == 0, 0) && (image = announce_child()) == 0)
        return;
    if (__builtin_expect(self.image != image, 0)) {
        self.number = atomic_fetch_add(&state->threads, 1);
        self.image = image;
        for (unsigned i = 0; i < CACHED; i++)
            self.cache[i].size = 0;
    }
    put((struct ring_event){.address = (uintptr_t)ptr,
                            .size = size,
                            .site = site,
                            .thread = self.number,
                            .module = module_of(site, image)},
        image, align ? (unsigned)__builtin_ctzll(align) : 0, kind);
}

void record_no_calls(void)
{
    if (ring)
        atomic_store(&ring->no_calls, 1);
}

uint32_t record_images(void)
{
    return ring ? atomic_load(&ring->images) : 0;
}

void record_execution(const char *path, pid_t pid, uint32_t before, bool cleared)
{
    const uint32_t image = state ? atomic_load(&state->image) : 0;
    if (image == 0 || atomic_load(&ring->no_calls))
        return;
    const size_t length = path ? strlen(path) : 0;
    const uint32_t id = atomic_fetch_add(&state->modules, 1) + 1;
    put((struct ring_event){.address = (uint64_t)(pid ? pid : getpid()),
                            .size = length,
                            .site = before,
                            .module = id},
        image, cleared, EVENT_EXECUTION);
    put_text(path, length, image, id);
}

/* A child is waited for even if it allocates nothing for long. */
static void start_child(void)
{
    if (atomic_load(&state->image) == 0)
        announce_child();
}

/* --- Starting --------------------------------------------------------------------------------- */

static void announce_program(int argc, char **argv)
{
    static char text[PATH_MAX + COMMAND_BYTES];
    ssize_t length = readlink("/proc/self/exe", text, PATH_MAX - 1);
    size_t used = length > 0 ? (size_t)length + 1 : 1;
    for (int i = 0; i < argc && argv[i]; i++) {
        const size_t size = strlen(argv[i]) + 1;
        if (size > sizeof text - used)
            break;
        memcpy(text + used, argv[i], size);
        used += size;
    }
    last_image = atomic_fetch_add(&ring->images, 1) + 1;
    put((struct ring_event){.address = (uint64_t)getpid(),
                            .size = (uint64_t)getppid(),
                            .thread = (uint32_t)used},
        last_image, own_malloc, EVENT_IMAGE);
    put_text(text, used, last_image, 0);
    atomic_store(&state->image, last_image);
}

/* Runs before any other code of the program (-z initfirst). Calls malloc as the program does, to
 * see whether that comes here: an address would not tell, it may be one in the program. */
__attribute__((constructor)) static void start(int argc, char **argv, char **environment)
{
    const char *path = NULL;
    *(void **)&next_dlclose = dlsym(RTLD_NEXT, "dlclose");
    calls_start();
    operators_start();
    if (!_dl_find_object || !__register_atfork) /* and no arguments are handed over */
        return;
    for (char **entry = environment; entry && *entry; entry++)
        if (strncmp(*entry, RING_VARIABLE "=", sizeof RING_VARIABLE) == 0)
            path = *entry + sizeof RING_VARIABLE;
    ring = map_ring(path);
    if (!ring)
        return;
    recorder_asks = true;
    free(malloc(1));
    own_malloc = recorder_asks;
    recorder_asks = false;
    state = map_wiped_on_fork(sizeof *state);
    if (!state)
        return;
    announce_program(argc, argv);
    __register_atfork(NULL, NULL, start_child, __dso_handle);
}
