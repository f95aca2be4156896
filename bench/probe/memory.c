/* What a process holds while it does a workload: an allocator that counts what is live and looks
 * at the resident memory on the way.
 *
 * Every page of every object is written to, as a program that asked for it would. Places lie at
 * equal numbers of operations, and where more is live than ever before.
 */
#define _DEFAULT_SOURCE
#include "probe.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PAGE = 4096, REGULAR = 48, ROOM = 4096 };

/* A new peak is looked at when it is larger than the last by this part of it. */
enum { NOTABLE = 64 };

struct place {
    uint64_t operations, live_bytes, rss_bytes;
};

static struct {
    const struct allocator *inner;
    uint64_t operations, live_bytes, peak_live_bytes;
    uint64_t looked_at; /* the most that was live at a place */
    uint64_t interval, next;
    uint64_t peak_rss_bytes;
    size_t count;
    struct place places[ROOM];
} seen;

/* The number of bytes after a label in one of this process's files, there in KiB; 0 if absent.
 * Without stdio: the heap is what is looked at. */
static uint64_t labelled_bytes(const char *file, const char *label)
{
    char text[4096];
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    const char *line = strstr(text, label);
    return line ? strtoull(line + strlen(label), NULL, 10) * 1024 : 0;
}

/* From the page tables: the kernel's own counters lag by up to hundreds of pages. */
static uint64_t resident_bytes(void)
{
    return labelled_bytes("/proc/self/smaps_rollup", "Rss:");
}

/* Sets the kernel's high-water mark back to what is resident now. Returns whether it did. */
static int reset_high_water(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    int done = fd >= 0 && write(fd, "5", 1) == 1;
    if (fd >= 0)
        close(fd);
    return done;
}

static void look(void)
{
    if (seen.count == ROOM)
        return;
    const uint64_t rss_bytes = resident_bytes();
    seen.places[seen.count++] = (struct place){seen.operations, seen.live_bytes, rss_bytes};
    if (rss_bytes > seen.peak_rss_bytes)
        seen.peak_rss_bytes = rss_bytes;
    if (seen.live_bytes > seen.looked_at)
        seen.looked_at = seen.live_bytes;
}

static void count_operation(void)
{
    if (++seen.operations >= seen.next) {
        look();
        seen.next += seen.interval;
    }
}

static void *weigh_new(void *object, size_t size)
{
    volatile char *bytes = object;
    if (!object)
        return NULL;
    for (size_t at = 0; at < size; at += PAGE)
        bytes[at] = 1;
    bytes[size - 1] = 1;
    seen.live_bytes += size;
    if (seen.live_bytes > seen.peak_live_bytes)
        seen.peak_live_bytes = seen.live_bytes;
    count_operation();
    return object;
}

/* Before live memory shrinks from a peak: afterwards it could not be seen any more. */
static void about_to_shrink(size_t size)
{
    if (seen.live_bytes == seen.peak_live_bytes &&
        seen.live_bytes > seen.looked_at + seen.looked_at / NOTABLE)
        look();
    seen.live_bytes -= size;
}

static void *weighed_alloc(void *heap, size_t size)
{
    return weigh_new(seen.inner->alloc(heap, size), size);
}

static void *weighed_aligned(void *heap, size_t size, size_t align)
{
    return weigh_new(seen.inner->alloc_aligned(heap, size, align), size);
}

static void *weighed_zeroed(void *heap, size_t size)
{
    return weigh_new(seen.inner->alloc_zeroed(heap, size), size);
}

static void weighed_free(void *heap, void *object, size_t size)
{
    about_to_shrink(size);
    seen.inner->free(heap, object, size);
    count_operation();
}

static void weighed_free_aligned(void *heap, void *object, size_t size, size_t align)
{
    about_to_shrink(size);
    seen.inner->free_aligned(heap, object, size, align);
    count_operation();
}

static void *weighed_realloc(void *heap, void *object, size_t old_size, size_t new_size)
{
    about_to_shrink(old_size);
    return weigh_new(seen.inner->realloc(heap, object, old_size, new_size), new_size);
}

static void weighed_reset(void *heap)
{
    about_to_shrink(seen.live_bytes);
    seen.inner->reset(heap);
}

static const struct allocator allocator_weighed = {
    .name = "weighed",
    .alloc = weighed_alloc,
    .alloc_aligned = weighed_aligned,
    .alloc_zeroed = weighed_zeroed,
    .realloc = weighed_realloc,
    .free = weighed_free,
    .free_aligned = weighed_free_aligned,
};

static const struct allocator allocator_weighed_resets = {
    .name = "weighed",
    .alloc = weighed_alloc,
    .alloc_aligned = weighed_aligned,
    .alloc_zeroed = weighed_zeroed,
    .realloc = weighed_realloc,
    .free = weighed_free,
    .free_aligned = weighed_free_aligned,
    .reset = weighed_reset,
};

ARM(weighed)
ARM(weighed_resets)

static void print_places(const char *name, size_t offset, FILE *out)
{
    fprintf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < seen.count; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&seen.places[i] + offset, sizeof value);
        fprintf(out, "%s%llu", i ? "," : "", (unsigned long long)value);
    }
    fputs("]", out);
}

static void write_back(volatile char *at)
{
    const char byte = *at; /* in two steps: linters take one for a mistake */
    *at = byte;
}

/* Makes every page of a table resident; its contents stay. */
static void touch(void *table, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += PAGE)
        write_back((char *)table + i);
    write_back((char *)table + bytes - 1);
}

/* What the workload itself writes to would be taken for the arm's, were it not resident before. */
static void touch_tables(const struct playing *playing)
{
    const struct subject *subject = playing->subject;
    const struct work *work = &playing->work;
    if (subject->shape) {
        touch(work->objects, subject->scale->live * sizeof *work->objects);
        touch(work->sizes, subject->scale->live * sizeof *work->sizes);
    } else {
        touch(playing->slots, (subject->replay->slots + (size_t)1) * sizeof *playing->slots);
    }
}

/* And the program's and its libraries' files, which are read in as they are used. A kernel before
 * 5.14 does without. */
static void touch_files(void)
{
#if defined(MADV_POPULATE_READ)
    static char text[1 << 16];
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got;
    while (fd >= 0 && (got = read(fd, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    if (fd >= 0)
        close(fd);
    text[length] = '\0';
    char *end_of_line, *rest;
    for (char *line = text; (end_of_line = strchr(line, '\n')) != NULL; line = end_of_line + 1) {
        const uintptr_t start = strtoul(line, &rest, 16), end = strtoul(rest + 1, &rest, 16);
        const int is_file = memchr(line, '/', (size_t)(end_of_line - line)) != NULL;
        if (is_file && rest[1] == 'r')
            (void)madvise((void *)start, end - start, MADV_POPULATE_READ);
    }
#endif
}

/* Batches of a shape: until every object has been replaced about four times. */
static size_t weigh_batches(const struct playing *playing)
{
    return 1 + 8 * playing_live(playing) / playing_operations(playing);
}

/* The workload from opening the arm to the last operation. -1 for lack of memory. */
static int weigh(struct playing *playing, struct rusage *before, struct rusage *after)
{
    const size_t count = weigh_batches(playing);
    seen.interval = (playing_live(playing) + count * playing_operations(playing)) / REGULAR + 1;
    seen.next = seen.interval;
    look();
    getrusage(RUSAGE_SELF, before);
    if (playing_open(playing, seen.inner->reset ? &arm_weighed_resets : &arm_weighed) != 0)
        return -1;
    playing_fill(playing);
    for (size_t i = 0; i < count; i++)
        playing_program(playing);
    getrusage(RUSAGE_SELF, after);
    look();
    return 0;
}

static void print_memory(const struct rusage *before, const struct rusage *after, uint64_t drained,
                         FILE *out)
{
    const struct place *end = &seen.places[seen.count - 1];
    fprintf(out,
            "{\"operations\":%llu,\"peak_live_bytes\":%llu,\"base_rss_bytes\":%llu,"
            "\"peak_rss_bytes\":%llu,\"end_rss_bytes\":%llu,\"drained_rss_bytes\":%llu,"
            "\"minor_faults\":%ld,\"major_faults\":%ld",
            (unsigned long long)end->operations, (unsigned long long)seen.peak_live_bytes,
            (unsigned long long)seen.places[0].rss_bytes, (unsigned long long)seen.peak_rss_bytes,
            (unsigned long long)end->rss_bytes, (unsigned long long)drained,
            after->ru_minflt - before->ru_minflt, after->ru_majflt - before->ru_majflt);
    print_places("done", offsetof(struct place, operations), out);
    print_places("live_bytes", offsetof(struct place, live_bytes), out);
    print_places("rss_bytes", offsetof(struct place, rss_bytes), out);
    fputs("}", out);
}

int probe_memory(const struct subject *subject, FILE *out)
{
    struct playing playing;
    struct rusage before, after;
    seen.inner = subject->arm->allocator;
    if (playing_prepare(&playing, subject) != 0)
        return -1;
    touch_tables(&playing);
    touch_files();
    memset(seen.places, 1, sizeof seen.places); /* resident before it is looked at, … */
    resident_bytes();                           /* … as is the code that looks */
    const int marked = reset_high_water();
    if (weigh(&playing, &before, &after) != 0)
        return -1;
    const uint64_t mark = marked ? labelled_bytes("/proc/self/status", "VmHWM:") : 0;
    if (mark > seen.peak_rss_bytes)
        seen.peak_rss_bytes = mark;
    const uint64_t peak_live_bytes = seen.peak_live_bytes;
    seen.next = UINT64_MAX;
    seen.looked_at = UINT64_MAX / 2; /* no more places */
    playing_drain(&playing);
    const uint64_t drained = resident_bytes();
    seen.peak_live_bytes = peak_live_bytes;
    print_memory(&before, &after, drained, out);
    playing_close(&playing);
    return 0;
}
