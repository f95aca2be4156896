/* A library to preload into any program: records its heap operations and changes nothing else.
 *
 * Each call goes to the allocator that the program would have had; around it one event is written
 * to a shared mapping of a file in the folder that POOLPROOF_RECORD_FOLDER names (raw.h). An
 * event's place in the file is its place in time: what frees memory takes its place before the
 * memory is given back, what allocates takes it after the call returned, so two threads that pass
 * an address from hand to hand are recorded in the right order.
 *
 * No lock is held, nothing is allocated and no file stays open, so signal handlers, fork and
 * programs that close every descriptor are fine. The state lives in a page that the kernel wipes
 * on fork: a child finds it empty and starts a file of its own, and so does a program that is
 * executed, by inheriting the environment. vfork children share their parent's heap and its file.
 *
 * A full disk or any other failure ends the recording, never the program; the header says why.
 */
#define _GNU_SOURCE
#include "raw.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define SITE ((uintptr_t)__builtin_return_address(0))

enum { PATH_BYTES = 4096, NO_THREAD = 0xffff };

/* --- The allocator behind ------------------------------------------------------------------- */

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);
void *__libc_memalign(size_t, size_t);

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static void (*next_free)(void *);
static void *(*next_aligned_alloc)(size_t, size_t);
static void *(*next_memalign)(size_t, size_t);
static int (*next_posix_memalign)(void **, size_t, size_t);

/* Until the lookup is done, calls go to glibc's own functions; it allocates nothing on success. */
static void find_next(void)
{
    static atomic_bool looking;
    if (atomic_exchange(&looking, true))
        return;
    *(void **)&next_calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **)&next_realloc = dlsym(RTLD_NEXT, "realloc");
    *(void **)&next_free = dlsym(RTLD_NEXT, "free");
    *(void **)&next_aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
    *(void **)&next_memalign = dlsym(RTLD_NEXT, "memalign");
    *(void **)&next_posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
    *(void **)&next_malloc = dlsym(RTLD_NEXT, "malloc");
}

static void *real_malloc(size_t size)
{
    if (!next_malloc)
        find_next();
    return next_malloc ? next_malloc(size) : __libc_malloc(size);
}

static void *real_calloc(size_t count, size_t size)
{
    if (!next_calloc)
        find_next();
    return next_calloc ? next_calloc(count, size) : __libc_calloc(count, size);
}

static void *real_realloc(void *ptr, size_t size)
{
    if (!next_realloc)
        find_next();
    return next_realloc ? next_realloc(ptr, size) : __libc_realloc(ptr, size);
}

static void real_free(void *ptr)
{
    if (!next_free)
        find_next();
    if (next_free)
        next_free(ptr);
    else
        __libc_free(ptr);
}

static void *real_memalign(size_t align, size_t size)
{
    if (!next_memalign)
        find_next();
    return next_memalign ? next_memalign(align, size) : __libc_memalign(align, size);
}

static void *real_aligned_alloc(size_t align, size_t size)
{
    if (!next_aligned_alloc)
        find_next();
    return next_aligned_alloc ? next_aligned_alloc(align, size) : __libc_memalign(align, size);
}

static int real_posix_memalign(void **ptr, size_t align, size_t size)
{
    if (!next_posix_memalign)
        find_next();
    if (next_posix_memalign)
        return next_posix_memalign(ptr, align, size);
    if (align < sizeof(void *) || (align & (align - 1)) != 0)
        return EINVAL;
    void *got = __libc_memalign(align, size);
    if (!got)
        return ENOMEM;
    *ptr = got;
    return 0;
}

/* --- State ---------------------------------------------------------------------------------- */

enum phase { PHASE_NEW, PHASE_OPENING, PHASE_RECORDING, PHASE_STOPPED };

/* All zero in a new process and again in a forked child. */
struct state {
    _Atomic(unsigned) phase;
    _Atomic(bool) reading_maps;
    _Atomic(uint32_t) threads;
    _Atomic(uint32_t) modules;
    pid_t pid;
    struct raw_header *header;
    struct raw_module *table;
    char path[PATH_BYTES];
    _Alignas(64) _Atomic(uint64_t) next; /* place of the next event */
    _Alignas(64) _Atomic(struct raw_event *) windows[RAW_WINDOWS];
};

static _Atomic(struct state *) the_state;

/* What a thread knows: its number in the process `pid`, the module it last called from, whether
 * it is in the middle of starting a file, and whether it asks whose malloc is called. */
static _Thread_local struct {
    pid_t pid;
    uint16_t number;
    bool busy, asks;
    uint64_t site_start, site_end;
} self __attribute__((tls_model("initial-exec")));

static struct state *state_make(void)
{
    struct state *state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (state == MAP_FAILED)
        return NULL;
    /* Without the wipe a child would go on in its parent's file. */
    struct state *none = NULL;
    if (madvise(state, sizeof *state, MADV_WIPEONFORK) == 0 &&
        atomic_compare_exchange_strong(&the_state, &none, state))
        return state;
    munmap(state, sizeof *state);
    return none;
}

static void stop(struct state *state, int reason)
{
    if (state->header && state->header->stopped == 0)
        state->header->stopped = reason;
    atomic_store(&state->phase, PHASE_STOPPED);
}

/* Maps bytes [offset, offset + size) of the raw file, which are on disk before they are touched:
 * writing to a mapping without room behind it would kill the program. */
static void *map_part(const char *path, int flags, uint64_t offset, size_t size, int *reason)
{
    void *memory = MAP_FAILED;
    struct rlimit limit;
    int fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
    if (fd < 0) {
        *reason = errno;
        return NULL;
    }
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && offset + size > limit.rlim_cur)
        *reason = EFBIG; /* growing further would raise SIGXFSZ */
    else
        *reason = posix_fallocate(fd, (off_t)offset, (off_t)size);
    if (*reason == 0) {
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
        if (memory == MAP_FAILED)
            *reason = errno;
    }
    int saved = *reason;
    close(fd);
    if (saved != 0 && flags != 0)
        unlink(path);
    return memory == MAP_FAILED ? NULL : memory;
}

static void read_command(char *command, size_t room)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t got = read(fd, command, room - 1);
    command[got > 0 ? got : 0] = '\0';
    close(fd);
}

/* Starts the raw file of this process image. A failure that leaves no file is told in
 * FOLDER/failed. */
static void open_file(struct state *state)
{
    static char folder[PATH_BYTES - 64]; /* kept for children whose environment is gone */
    const char *named = getenv(RAW_FOLDER_VARIABLE);
    int reason = 0;
    void *memory = NULL;
    state->pid = getpid();
    if (!folder[0] && named && strlen(named) < sizeof folder)
        strcpy(folder, named);
    if (!folder[0]) {
        stop(state, EINVAL);
        return;
    }
    for (unsigned image = 0; image < 100000; image++) {
        snprintf(state->path, sizeof state->path, "%s/%ld-%u.raw", folder, (long)state->pid, image);
        memory = map_part(state->path, O_CREAT | O_EXCL, 0, RAW_EVENTS_OFFSET, &reason);
        if (memory || reason != EEXIST)
            break;
    }
    if (!memory) {
        char failed[PATH_BYTES];
        snprintf(failed, sizeof failed, "%s/%ld.%d.failed", folder, (long)state->pid, reason);
        int fd = open(failed, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        if (fd >= 0)
            close(fd);
        stop(state, reason);
        return;
    }
    struct raw_header *header = memory;
    const char *image = strrchr(state->path, '-') + 1;
    struct timespec now;
    header->pid = (uint32_t)state->pid;
    header->parent = (uint32_t)getppid();
    header->image = (uint32_t)strtoul(image, NULL, 10);
    clock_gettime(CLOCK_MONOTONIC, &now);
    header->started_ns = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
    ssize_t length = readlink("/proc/self/exe", header->program, sizeof header->program - 1);
    header->program[length > 0 ? length : 0] = '\0';
    read_command(header->command, sizeof header->command);
    memcpy(header->magic, RAW_MAGIC, sizeof header->magic);
    state->header = header;
    state->table = (struct raw_module *)((char *)memory + RAW_MODULES_OFFSET);
    atomic_store(&state->phase, PHASE_RECORDING);
}

/* The state, ready to record, or NULL. */
static struct state *state_get(void)
{
    struct state *state = atomic_load_explicit(&the_state, memory_order_acquire);
    if (__builtin_expect(state != NULL, 1)) {
        unsigned phase = atomic_load_explicit(&state->phase, memory_order_acquire);
        if (__builtin_expect(phase == PHASE_RECORDING, 1))
            return state;
        if (phase == PHASE_STOPPED)
            return NULL;
    }
    if (self.busy) /* a signal handler that interrupted the start below */
        return NULL;
    int saved = errno;
    self.busy = true;
    unsigned phase = PHASE_NEW;
    if (state == NULL)
        state = state_make();
    if (state != NULL) {
        if (atomic_compare_exchange_strong(&state->phase, &phase, PHASE_OPENING))
            open_file(state);
        while ((phase = atomic_load(&state->phase)) == PHASE_OPENING)
            sched_yield();
    }
    self.busy = false;
    errno = saved;
    return phase == PHASE_RECORDING ? state : NULL;
}

/* --- Modules -------------------------------------------------------------------------------- */

static const char *read_hex(const char *text, uint64_t *value)
{
    *value = 0;
    for (;; text++) {
        if (*text >= '0' && *text <= '9')
            *value = *value << 4 | (uint64_t)(*text - '0');
        else if (*text >= 'a' && *text <= 'f')
            *value = *value << 4 | (uint64_t)(*text - 'a' + 10);
        else
            return text;
    }
}

static bool module_known(const struct state *state, uint64_t site)
{
    uint32_t count = atomic_load_explicit(&state->modules, memory_order_acquire);
    for (uint32_t i = count; i-- > 0;) {
        if (site >= state->table[i].start && site < state->table[i].end) {
            self.site_start = state->table[i].start;
            self.site_end = state->table[i].end;
            return true;
        }
    }
    return false;
}

static void module_add(struct state *state, uint64_t start, uint64_t end, uint64_t offset,
                       const char *path)
{
    uint32_t count = atomic_load(&state->modules);
    if (count >= RAW_MODULES)
        return;
    struct raw_module *module = &state->table[count];
    size_t length = strlen(path);
    if (length >= sizeof module->path)
        length = sizeof module->path - 1;
    module->start = start;
    module->end = end;
    module->offset = offset;
    memcpy(module->path, path, length);
    module->path[length] = '\0';
    atomic_store_explicit(&state->modules, count + 1, memory_order_release);
    state->header->modules = count + 1;
}

/* One line of /proc/self/maps: start-end rights offset device inode path. */
static void read_line(struct state *state, const char *line)
{
    uint64_t start, end, offset;
    line = read_hex(line, &start);
    line = read_hex(line + (*line == '-'), &end);
    if (strnlen(line, 6) < 6 || line[3] != 'x')
        return;
    line = read_hex(line + 6, &offset);
    const char *path = strchr(line, '/');
    uint64_t low = self.site_start, high = self.site_end;
    if (!module_known(state, start))
        module_add(state, start, end, offset, path ? path : "");
    self.site_start = low;
    self.site_end = high;
}

/* Adds what is mapped executable now to the table, by plain reads: the loader's own list would need
 * its lock. One thread does it; another one's site stays unresolved until it is met again. */
static void read_maps(struct state *state, uint64_t site)
{
    char text[4096];
    size_t used = 0;
    if (atomic_exchange(&state->reading_maps, true))
        return;
    int saved = errno;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while (fd >= 0) {
        ssize_t got = read(fd, text + used, sizeof text - 1 - used);
        if (got <= 0)
            break;
        used += (size_t)got;
        text[used] = '\0';
        char *line = text;
        for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
            *end = '\0';
            read_line(state, line);
        }
        used -= (size_t)(line - text);
        if (used == sizeof text - 1) /* a line longer than any path can be */
            used = 0;
        memmove(text, line, used);
    }
    if (fd >= 0)
        close(fd);
    if (!module_known(state, site)) /* not asked about again */
        module_add(state, site & ~UINT64_C(4095), (site | 4095) + 1, 0, "");
    errno = saved;
    atomic_store(&state->reading_maps, false);
}

/* --- Events --------------------------------------------------------------------------------- */

/* The window, made if it is missing. Two threads may both make it: one mapping is dropped again. */
static struct raw_event *window_get(struct state *state, uint64_t number)
{
    if (number >= RAW_WINDOWS) {
        stop(state, EOVERFLOW);
        return NULL;
    }
    struct raw_event *window = atomic_load_explicit(&state->windows[number], memory_order_acquire);
    if (__builtin_expect(window != NULL, 1))
        return window;
    int saved = errno, reason = 0;
    struct raw_event *none = NULL;
    window = map_part(state->path, 0, RAW_EVENTS_OFFSET + number * RAW_WINDOW_BYTES,
                      RAW_WINDOW_BYTES, &reason);
    if (!window)
        stop(state, reason);
    else if (!atomic_compare_exchange_strong(&state->windows[number], &none, window)) {
        munmap(window, RAW_WINDOW_BYTES);
        window = none;
    }
    errno = saved;
    return window;
}

static uint16_t thread_number(struct state *state)
{
    if (__builtin_expect(self.pid != state->pid, 0)) {
        uint32_t number = atomic_fetch_add(&state->threads, 1);
        self.number = number < NO_THREAD ? (uint16_t)number : NO_THREAD - 1;
        self.pid = state->pid;
        state->header->threads = number + 1;
    }
    return self.number;
}

static void record(enum raw_kind kind, const void *ptr, size_t size, unsigned align, uintptr_t site)
{
    struct state *state = state_get();
    if (!state)
        return;
    if (site < self.site_start || site >= self.site_end) {
        if (!module_known(state, site))
            read_maps(state, site);
    }
    uint64_t place = atomic_fetch_add_explicit(&state->next, 1, memory_order_acq_rel);
    struct raw_event *window = window_get(state, place / RAW_WINDOW_EVENTS);
    if (!window)
        return;
    struct raw_event *event = &window[place % RAW_WINDOW_EVENTS];
    event->address = (uintptr_t)ptr;
    event->size = size;
    event->site = site;
    event->thread = thread_number(state);
    event->align = (uint8_t)align;
    __atomic_store_n(&event->kind, (uint8_t)kind, __ATOMIC_RELEASE);
}

static unsigned exponent(size_t align)
{
    return align == 0 ? 0 : (unsigned)__builtin_ctzll(align);
}

/* --- The calls ------------------------------------------------------------------------------ */

EXPORT void *malloc(size_t size)
{
    if (__builtin_expect(self.asks, 0)) {
        self.asks = false;
        return NULL;
    }
    void *ptr = real_malloc(size);
    if (ptr)
        record(RAW_ALLOC, ptr, size, 0, SITE);
    return ptr;
}

EXPORT void *calloc(size_t count, size_t size)
{
    void *ptr = real_calloc(count, size);
    if (ptr)
        record(RAW_CALLOC, ptr, count * size, 0, SITE);
    return ptr;
}

EXPORT void free(void *ptr)
{
    if (!ptr)
        return;
    record(RAW_FREE, ptr, 0, 0, SITE);
    real_free(ptr);
}

static void *record_realloc(void *ptr, size_t size, uintptr_t site)
{
    if (!ptr) {
        ptr = real_realloc(NULL, size);
        if (ptr)
            record(RAW_ALLOC, ptr, size, 0, site);
        return ptr;
    }
    if (size == 0) {
        record(RAW_FREE, ptr, 0, 0, site);
        ptr = real_realloc(ptr, 0);
        if (ptr)
            record(RAW_ALLOC, ptr, 0, 0, site);
        return ptr;
    }
    record(RAW_REALLOC_FROM, ptr, 0, 0, site);
    ptr = real_realloc(ptr, size);
    record(RAW_REALLOC_TO, ptr, size, 0, site);
    return ptr;
}

EXPORT void *realloc(void *ptr, size_t size)
{
    return record_realloc(ptr, size, SITE);
}

EXPORT void *reallocarray(void *ptr, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return record_realloc(ptr, bytes, SITE);
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
    void *ptr = real_aligned_alloc(align, size);
    if (ptr)
        record(RAW_ALLOC, ptr, size, exponent(align), SITE);
    return ptr;
}

EXPORT void *memalign(size_t align, size_t size)
{
    void *ptr = real_memalign(align, size);
    if (ptr)
        record(RAW_ALLOC, ptr, size, exponent(align), SITE);
    return ptr;
}

EXPORT int posix_memalign(void **ptr, size_t align, size_t size)
{
    int result = real_posix_memalign(ptr, align, size);
    if (result == 0 && *ptr)
        record(RAW_ALLOC, *ptr, size, exponent(align), SITE);
    return result;
}

EXPORT void *valloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *ptr = real_memalign(page, size);
    if (ptr)
        record(RAW_ALLOC, ptr, size, exponent(page), SITE);
    return ptr;
}

EXPORT void *pvalloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (size > SIZE_MAX - page) {
        errno = ENOMEM;
        return NULL;
    }
    size = (size + page - 1) & ~(page - 1);
    void *ptr = real_memalign(page, size);
    if (ptr)
        record(RAW_ALLOC, ptr, size, exponent(page), SITE);
    return ptr;
}

/* --- C++ ------------------------------------------------------------------------------------ */

/* operator new and delete are recorded here, so that a call site is the program's and not that of
 * libstdc++, and so that those of an allocator that the program is linked with are seen: they do
 * not call malloc. Memory then comes from malloc on all of these ways. A program that replaces the
 * operators keeps its own: what the C++ library would have called goes on there. */

/* Whether the program's calls of this function come to this library; no if it cannot be told. */
static bool is_ours(const char *name)
{
    Dl_info found, here;
    void *address = dlsym(RTLD_DEFAULT, name);
    return address && dladdr(address, &found) && dladdr(&the_state, &here) &&
           found.dli_fbase == here.dli_fbase;
}

static bool owns_operators(void)
{
    static _Atomic(int) known; /* 0: not looked yet, else 1 more than the answer */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == 0) {
        answer = 1 + (is_ours("_Znwm") && is_ours("_ZdlPv") && is_ours("_ZnwmSt11align_val_t") &&
                      is_ours("_ZdlPvSt11align_val_t"));
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
}

/* What the program would have called without the recorder. */
static void (*next_operator(const char *name))(void)
{
    void (*next)(void);
    *(void **)&next = dlsym(RTLD_NEXT, name);
    if (!next)
        abort(); /* the C++ library has all of them, and only its programs come here */
    return next;
}

static void *new_object(size_t size, size_t align, uintptr_t site)
{
    const size_t room = size + (size == 0);
    void *ptr = align ? real_memalign(align, room) : real_malloc(room);
    if (ptr)
        record(RAW_ALLOC, ptr, size, exponent(align), site);
    return ptr;
}

/* If memory is lacking the next one decides: it calls the new-handler, or throws. */
#define NEW(symbol, parameters, arguments, align)                                                  \
    EXPORT void *symbol parameters;                                                                \
    EXPORT void *symbol parameters                                                                 \
    {                                                                                              \
        void *ptr = owns_operators() ? new_object(size, align, SITE) : NULL;                       \
        return ptr ? ptr : ((void *(*)parameters)next_operator(#symbol))arguments;                 \
    }

NEW(_Znwm, (size_t size), (size), 0)
NEW(_Znam, (size_t size), (size), 0)
NEW(_ZnwmRKSt9nothrow_t, (size_t size, const void *tag), (size, tag), 0)
NEW(_ZnamRKSt9nothrow_t, (size_t size, const void *tag), (size, tag), 0)
NEW(_ZnwmSt11align_val_t, (size_t size, size_t align), (size, align), align)
NEW(_ZnamSt11align_val_t, (size_t size, size_t align), (size, align), align)
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const void *tag),
    (size, align, tag), align)
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const void *tag),
    (size, align, tag), align)

#define DELETE(symbol, parameters, arguments)                                                      \
    EXPORT void symbol parameters;                                                                 \
    EXPORT void symbol parameters                                                                  \
    {                                                                                              \
        if (!owns_operators()) {                                                                   \
            ((void(*) parameters)next_operator(#symbol)) arguments;                                \
        } else if (ptr) {                                                                          \
            record(RAW_FREE, ptr, 0, 0, SITE);                                                     \
            real_free(ptr);                                                                        \
        }                                                                                          \
    }

DELETE(_ZdlPv, (void *ptr), (ptr))
DELETE(_ZdaPv, (void *ptr), (ptr))
DELETE(_ZdlPvm, (void *ptr, size_t size), (ptr, size))
DELETE(_ZdaPvm, (void *ptr, size_t size), (ptr, size))
DELETE(_ZdlPvRKSt9nothrow_t, (void *ptr, const void *tag), (ptr, tag))
DELETE(_ZdaPvRKSt9nothrow_t, (void *ptr, const void *tag), (ptr, tag))
DELETE(_ZdlPvSt11align_val_t, (void *ptr, size_t align), (ptr, align))
DELETE(_ZdaPvSt11align_val_t, (void *ptr, size_t align), (ptr, align))
DELETE(_ZdlPvmSt11align_val_t, (void *ptr, size_t size, size_t align), (ptr, size, align))
DELETE(_ZdaPvmSt11align_val_t, (void *ptr, size_t size, size_t align), (ptr, size, align))
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *ptr, size_t align, const void *tag),
       (ptr, align, tag))
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *ptr, size_t align, const void *tag),
       (ptr, align, tag))

/* Starts the file even of a program that never allocates, so that it is known to have been
 * recorded; and calls malloc as the program does, to see whether that comes here. The address would
 * not tell: that of a function may be one in the program that leads here. */
__attribute__((constructor)) static void start(void)
{
    struct state *state = state_get();
    if (!state)
        return;
    self.asks = true;
    free(malloc(1));
    state->header->own_malloc = self.asks;
    self.asks = false;
}
