/* poolproof-convert: makes traces of what the recorder notes, while the programs run.
 *
 *     poolproof-convert -o OUT.trace [--process NAME] [--all] [--form FORM]
 *
 * Makes the ring (ring.h), prints its path as a line, and drains it until standard input says "e",
 * the command has ended, and no recorded process is left; at "q" or its end it stops at once. One
 * image becomes a trace: the last of the command's own process, which is the first child of this
 * one's parent, or the one with the most events of those whose program is NAME; with --all every
 * image that has any, into OUT.PID-IMAGE.trace. Prints what it found as JSON. Exit status: 0, 1 if
 * nothing matched, 2 on bad usage, 4 if the ring or OUT cannot be written.
 */
#define _GNU_SOURCE
#include "executions.h"
#include "request.h"
#include "ring_file.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    GIVE_BACK_EVENTS = 256, /* so many at a time are free again */
    MANY = 1024,            /* events: fewer are let gather, or each would cost both sides more */
    ROUNDS = 16,
    AHEAD = 16,             /* events */
    PAUSE_NS = 1000 * 1000, /* the ring holds what a fast program writes meanwhile */
    LOOK_MS = 20,           /* how often the processes that are left are looked at */
    LOOKS = 4,
    HOLE_MS = 2000,    /* a writer that takes longer is taken for dead */
    LAST_HOLE_MS = 50, /* the same once the recording is over */
    MAX_IMAGES = 1 << 22
};

struct drain {
    const struct request *request;
    struct ring *ring;
    uint64_t at; /* the next ticket */
    int64_t hole_since_ms;
    uint64_t unfinished;
    struct image **images; /* by number less 1 */
    uint32_t count, room;
    const struct image *last; /* that an event was of */
    struct executions executions;
    pid_t command; /* 0: not seen yet */
    bool ended, quit;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static _Noreturn void fail(const char *path, const char *message)
{
    fprintf(stderr, "poolproof-convert: %s: %s\n", path, message);
    exit(4);
}

/* --- Images ----------------------------------------------------------------------------------- */

static struct image *image_get(struct drain *drain, uint32_t number)
{
    return number - 1 < drain->count ? drain->images[number - 1] : NULL;
}

static struct image *image_make(struct drain *drain, uint32_t number)
{
    if (number == 0 || number > MAX_IMAGES)
        return NULL;
    if (number > drain->room) {
        const uint32_t room = 2 * number < 64 ? 64 : 2 * number;
        struct image **larger = realloc(drain->images, room * sizeof(struct image *));
        if (!larger)
            out_of_memory();
        memset(larger + drain->room, 0, (room - drain->room) * sizeof(struct image *));
        drain->images = larger;
        drain->room = room;
    }
    if (number > drain->count)
        drain->count = number;
    struct image **image = &drain->images[number - 1];
    if (!*image && !(*image = calloc(1, sizeof **image)))
        out_of_memory();
    (*image)->number = number;
    return *image;
}

static void begin_image(struct drain *drain, struct image *image, const struct event *event)
{
    image_learn(image, event, image_get(drain, (uint32_t)event->site));
    if (drain->command == 0 && image->parent == getppid() && image->forked_from == 0)
        drain->command = image->pid;
    for (uint32_t i = 0; i < drain->count; i++)
        if (drain->images[i] && drain->images[i] != image && drain->images[i]->pid == image->pid)
            image->which++;
    executions_answer(&drain->executions, image->pid);
}

static bool is_announced(const struct drain *drain, pid_t pid, uint64_t after)
{
    for (uint64_t i = after; i < drain->count; i++)
        if (drain->images[i] && drain->images[i]->pid == pid)
            return true;
    return false;
}

static bool is_wanted(const struct drain *drain, const struct image *image)
{
    if (drain->request->process)
        return strcmp(image_program(image), drain->request->process) == 0;
    return drain->request->all || (image->pid == drain->command && image->pid != 0);
}

static void take_event(struct drain *drain, const struct event *event)
{
    struct image *image = image_get(drain, event->image);
    if (!image && !(image = image_make(drain, event->image)))
        return;
    if (event->kind == EVENT_IMAGE) {
        begin_image(drain, image, event);
        return;
    }
    if (event->kind < EVENT_ALLOC) {
        image_learn(image, event, NULL);
        if (event->kind == EVENT_EXECUTION)
            executions_add(&drain->executions, image, event,
                           is_announced(drain, (pid_t)event->address, event->site));
        return;
    }
    drain->last = image;
    if (image->events++ == 0 && is_wanted(drain, image))
        image->conversion = conversion_open(drain->request->folder);
    if (event->thread >= image->threads)
        image->threads = event->thread + UINT64_C(1);
    if (image->conversion && !convert_event(image->conversion, event))
        atomic_store(&drain->ring->closed, ENOSPC);
}

/* --- Draining --------------------------------------------------------------------------------- */

/* Takes the event at the next ticket; false if it is not there yet. */
static bool take_next(struct drain *drain)
{
    struct ring_event *place = &drain->ring->events[drain->at % RING_EVENTS];
    const uint64_t tail = atomic_load_explicit(&place->tail, memory_order_acquire);
    if (tail >> 16 << 48 != ring_tail(0, drain->at, 0, 0) >> 16 << 48 || (tail & 0xff) == 0)
        return false;
    const struct event event = {.address = place->address,
                                .size = place->size,
                                .site = place->site,
                                .thread = place->thread,
                                .module = place->module,
                                .image = (uint32_t)(tail >> 32),
                                .align = (uint8_t)(tail >> 8),
                                .kind = (uint8_t)tail};
    take_event(drain, &event);
    return true;
}

static bool is_dead(const struct drain *drain)
{
    return atomic_load_explicit(&drain->ring->dead[drain->at % RING_EVENTS],
                                memory_order_relaxed) != 0;
}

/* The memory that an event will need is asked for some events before. */
static void expect(const struct drain *drain, uint64_t ticket)
{
    const struct ring_event *event = &drain->ring->events[ticket % RING_EVENTS];
    if (drain->last && drain->last->conversion)
        slots_expect(&drain->last->conversion->slots, event->address);
}

/* Drains what is there, or much of it; returns how many events that were. */
static uint64_t drain_some(struct drain *drain)
{
    const uint64_t start = drain->at, taken = atomic_load(&drain->ring->taken);
    while (take_next(drain) || is_dead(drain)) {
        drain->hole_since_ms = 0;
        if (++drain->at % GIVE_BACK_EVENTS == 0)
            atomic_store_explicit(&drain->ring->drained, drain->at, memory_order_release);
        if (drain->at + AHEAD < taken)
            expect(drain, drain->at + AHEAD);
        if (drain->at - start >= RING_EVENTS / 4)
            break;
    }
    atomic_store_explicit(&drain->ring->drained, drain->at, memory_order_release);
    return drain->at - start;
}

/* Passes by a place that its writer has left unfinished. */
static void bury(struct drain *drain)
{
    atomic_store(&drain->ring->dead[drain->at % RING_EVENTS], 1);
    atomic_fetch_add(&drain->ring->dead_count, 1);
    drain->unfinished++;
}

static void mind_hole(struct drain *drain)
{
    const int64_t now = now_ms();
    if (drain->at >= atomic_load(&drain->ring->taken))
        drain->hole_since_ms = 0;
    else if (drain->hole_since_ms == 0)
        drain->hole_since_ms = now;
    else if (now - drain->hole_since_ms > HOLE_MS)
        bury(drain);
}

static bool any_runs(struct drain *drain)
{
    bool any = false;
    for (uint32_t i = 0; i < drain->count; i++) {
        struct image *image = drain->images[i];
        if (image)
            any |= image->running = image_runs(image);
    }
    return any;
}

static void listen(struct drain *drain, long timeout_ns)
{
    struct pollfd input = {.fd = drain->ended && drain->quit ? -1 : STDIN_FILENO, .events = POLLIN};
    char word;
    const struct timespec timeout = {0, timeout_ns};
    if (ppoll(&input, 1, &timeout, NULL) <= 0)
        return;
    const ssize_t got = read(STDIN_FILENO, &word, 1);
    drain->ended |= got == 1 && word == 'e';
    drain->quit |= got == 0 || (got == 1 && word == 'q');
}

/* What is left once the recording is over; all writers are waited for at once. */
static void drain_rest(struct drain *drain)
{
    const uint64_t end = atomic_load(&drain->ring->taken);
    const int64_t until_ms = now_ms() + LAST_HOLE_MS;
    while (drain->at < end) {
        if (drain_some(drain))
            continue;
        if (now_ms() < until_ms)
            poll(NULL, 0, 1);
        else
            bury(drain);
    }
}

static void drain_all(struct drain *drain)
{
    int64_t looked = 0;
    unsigned rounds = 0;
    unsigned looks = 0; /* in a row that found no process: one may just be starting */
    while (looks < LOOKS && !drain->quit && !atomic_load(&drain->ring->closed)) {
        const uint64_t drained = drain_some(drain);
        if (drained >= MANY && ++rounds % ROUNDS != 0)
            continue;
        listen(drain, drained >= MANY ? 0 : PAUSE_NS);
        if (drained != 0)
            continue;
        if (drain->ended && now_ms() - looked > LOOK_MS) {
            looks = any_runs(drain) ? 0 : looks + 1;
            looked = now_ms();
        }
        mind_hole(drain);
    }
    uint32_t open = 0;
    atomic_compare_exchange_strong(&drain->ring->closed, &open, ECANCELED);
    any_runs(drain);
    drain_rest(drain);
}

/* --- The traces ------------------------------------------------------------------------------- */

static bool chosen(const struct drain *drain, const struct image *image)
{
    if (!image->conversion || drain->request->all)
        return image->conversion != NULL;
    for (uint32_t i = 0; i < drain->count; i++) {
        const struct image *other = drain->images[i];
        if (other && other->conversion && other != image &&
            (drain->request->process ? other->events > image->events ||
                                           (other->events == image->events && i < image->number)
                                     : other->number > image->number))
            return false;
    }
    return true;
}

static void name_trace(const struct request *request, const struct image *image, char *path,
                       size_t room)
{
    const char *dot = strrchr(request->out, '.');
    size_t stem = dot && !strchr(dot, '/') ? (size_t)(dot - request->out) : strlen(request->out);
    if (request->all)
        snprintf(path, room, "%.*s.%ld-%" PRIu32 "%s", (int)stem, request->out, (long)image->pid,
                 image->which, request->out + stem);
    else
        snprintf(path, room, "%s", request->out);
}

static int finish(struct drain *drain)
{
    const uint32_t closed = atomic_load(&drain->ring->closed);
    int status = 1;
    for (uint32_t i = 0; i < drain->count; i++) { /* the command's own, even if it did nothing */
        struct image *image = drain->images[i];
        if (image && !image->conversion && image->pid == drain->command &&
            is_wanted(drain, image) && !drain->request->all)
            image->conversion = conversion_open(drain->request->folder);
    }
    printf("{\"images\":[");
    for (uint32_t i = 0, printed = 0; i < drain->count; i++) {
        struct image *image = drain->images[i];
        char path[8192];
        if (!image)
            continue;
        const bool writes = chosen(drain, image);
        if (writes) {
            const char *stopped = closed != ECANCELED ? strerror((int)closed)
                                  : image->running    ? "the process ran on"
                                                      : NULL;
            struct trace_error error;
            name_trace(drain->request, image, path, sizeof path);
            if (!image_write(image, path, drain->request->form, stopped, &error))
                fail(path, error.message);
            status = 0;
        }
        printf("%s", printed++ ? "," : "");
        image_print(image, writes ? path : NULL);
        if (drain->request->all && writes) {
            conversion_close(image->conversion);
            image->conversion = NULL;
        }
    }
    printf("],\"unseen\":");
    executions_print(&drain->executions);
    printf(",\"unfinished\":%" PRIu64 ",\"stopped\":", drain->unfinished);
    if (closed != ECANCELED)
        print_string(strerror((int)closed));
    else
        printf("null");
    printf("}\n");
    return status;
}

int main(int argc, char **argv)
{
    const struct request request = request_read(argc, argv);
    struct drain drain = {.request = &request, .at = RING_FIRST};
    struct ring_file file;
    struct rlimit files;
    /* An interrupt from the keyboard is for the command; what was recorded is kept. */
    const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT};
    for (unsigned i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) { /* a file for each image that is long */
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (!ring_make(&file, request.folder))
        fail("no room for the ring in /dev/shm and beside the output", strerror(errno));
    drain.ring = file.ring;
    /* Where all processors are busy, its waking interrupts no program. */
    sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
    printf("%s\n", file.path);
    fflush(stdout);
    drain_all(&drain);
    ring_unlink(&file);
    return finish(&drain);
}
