/* poolproof-convert: makes a trace of the raw files that the recorder left.
 *
 *     poolproof-convert FOLDER -o OUT.trace [--pid PID] [--process NAME] [--all] [--form FORM]
 *
 * Addresses become slots, the lowest free one each time. One program image is converted: the last
 * of process PID, or the one with the most events of those whose program is NAME, or else the one
 * with the most events of all; with --all every image that has any, into OUT.PID-IMAGE.trace.
 * Prints what it found as JSON. Exit status: 0, 1 if nothing matched, 2 on bad input, 4 if OUT
 * cannot be written.
 */
#define _GNU_SOURCE
#include "raw.h"
#include "symbols.h"
#include "trace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- A map from addresses to small numbers -------------------------------------------------- */

/* Open addressing with linear probing; key 0 is an empty place. */
struct map {
    uint64_t *keys;
    uint32_t *values;
    size_t room; /* a power of two, or 0 */
    size_t used;
};

static size_t map_home(const struct map *map, uint64_t key)
{
    return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (map->room - 1);
}

/* The place of the key, or the empty one where it belongs. The map has room. */
static size_t map_place(const struct map *map, uint64_t key)
{
    size_t place = map_home(map, key);
    while (map->keys[place] != 0 && map->keys[place] != key)
        place = (place + 1) & (map->room - 1);
    return place;
}

static bool map_get(const struct map *map, uint64_t key, uint32_t *value)
{
    if (map->room == 0)
        return false;
    size_t place = map_place(map, key);
    *value = map->values[place];
    return map->keys[place] == key;
}

static _Noreturn void out_of_memory(void)
{
    fprintf(stderr, "poolproof-convert: out of memory; record a shorter run\n");
    exit(4);
}

static void map_put(struct map *map, uint64_t key, uint32_t value)
{
    if (2 * map->used >= map->room) {
        struct map larger = {.room = map->room ? 2 * map->room : 1024, .used = map->used};
        larger.keys = calloc(larger.room, sizeof *larger.keys);
        larger.values = calloc(larger.room, sizeof *larger.values);
        if (!larger.keys || !larger.values)
            out_of_memory();
        for (size_t i = 0; i < map->room; i++) {
            if (map->keys[i] != 0) {
                size_t place = map_place(&larger, map->keys[i]);
                larger.keys[place] = map->keys[i];
                larger.values[place] = map->values[i];
            }
        }
        free(map->keys);
        free(map->values);
        *map = larger;
    }
    size_t place = map_place(map, key);
    map->used += map->keys[place] == 0;
    map->keys[place] = key;
    map->values[place] = value;
}

/* Removes a key, pulling later entries of its cluster forward so that no gap hides them. */
static void map_remove(struct map *map, uint64_t key)
{
    size_t mask = map->room - 1, hole = map_place(map, key);
    for (size_t next = hole;;) {
        next = (next + 1) & mask;
        if (map->keys[next] == 0)
            break;
        if (((next - map_home(map, map->keys[next])) & mask) >= ((next - hole) & mask)) {
            map->keys[hole] = map->keys[next];
            map->values[hole] = map->values[next];
            hole = next;
        }
    }
    map->keys[hole] = 0;
    map->used--;
}

static void map_drop(struct map *map)
{
    free(map->keys);
    free(map->values);
    *map = (struct map){0};
}

/* --- Raw files ------------------------------------------------------------------------------ */

struct image {
    char *path;
    void *memory;
    size_t size;
    const struct raw_header *header;
    const struct raw_module *modules;
    const struct raw_event *events;
    uint64_t places;      /* up to the last finished event */
    uint64_t events_seen; /* finished ones among them */
    bool chosen;
};

static bool image_open(struct image *image, const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0 || (uint64_t)status.st_size < RAW_EVENTS_OFFSET) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    void *memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (memory == MAP_FAILED)
        return false;
    *image = (struct image){.memory = memory, .size = (size_t)status.st_size, .header = memory};
    if (memcmp(image->header->magic, RAW_MAGIC, sizeof image->header->magic) != 0 ||
        image->header->modules > RAW_MODULES) {
        munmap(memory, image->size);
        return false;
    }
    image->path = strdup(path);
    if (!image->path)
        out_of_memory();
    image->modules = (const void *)((const char *)memory + RAW_MODULES_OFFSET);
    image->events = (const void *)((const char *)memory + RAW_EVENTS_OFFSET);
    uint64_t room = (image->size - RAW_EVENTS_OFFSET) / sizeof *image->events;
    for (uint64_t i = 0; i < room; i++) {
        if (image->events[i].kind != RAW_NOTHING) {
            image->places = i + 1;
            image->events_seen++;
        }
    }
    return true;
}

static const char *program_name(const struct raw_header *header)
{
    const char *slash = strrchr(header->program, '/');
    return slash ? slash + 1 : header->program;
}

static int by_start(const void *left, const void *right)
{
    const struct raw_header *a = ((const struct image *)left)->header;
    const struct raw_header *b = ((const struct image *)right)->header;
    if (a->started_ns != b->started_ns)
        return a->started_ns < b->started_ns ? -1 : 1;
    return a->pid < b->pid ? -1 : a->pid > b->pid;
}

/* Opens every raw file of the folder, in the order in which the programs started. */
static size_t open_folder(const char *folder, struct image **images)
{
    size_t count = 0, room = 0;
    DIR *directory = opendir(folder);
    *images = NULL;
    if (!directory) {
        fprintf(stderr, "poolproof-convert: %s: %s\n", folder, strerror(errno));
        exit(2);
    }
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        size_t length = strlen(entry->d_name);
        char *path;
        if (length < 5 || strcmp(entry->d_name + length - 4, ".raw") != 0)
            continue;
        if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
            out_of_memory();
        if (count == room) {
            room = room ? 2 * room : 16;
            struct image *more = realloc(*images, room * sizeof *more);
            if (!more)
                out_of_memory();
            *images = more;
        }
        count += image_open(&(*images)[count], path);
        free(path);
    }
    closedir(directory);
    if (count > 0)
        qsort(*images, count, sizeof **images, by_start);
    return count;
}

/* --- Call sites ----------------------------------------------------------------------------- */

/* A return address as text: module, address in it as linked, and the function if it has a name. The
 * byte before is what belongs to the call: a call that never returns may be a function's last. */
static void site_text(const struct image *image, struct symbols *symbols, uint64_t address,
                      char *text, size_t room)
{
    for (uint32_t i = image->header->modules; i-- > 0;) {
        const struct raw_module *module = &image->modules[i];
        if (address < module->start || address >= module->end || module->path[0] == '\0')
            continue;
        if (!symbols[i].memory)
            symbols[i] = symbols_read(module->path);
        uint64_t linked = symbols_address(&symbols[i], address - module->start + module->offset);
        const struct symbol *function = symbols_find(&symbols[i], linked - 1);
        const char *slash = strrchr(module->path, '/');
        int used = snprintf(text, room, "%s+0x%" PRIx64, slash ? slash + 1 : module->path, linked);
        if (function)
            snprintf(text + used, room - (size_t)used, " %s", function->name);
        return;
    }
    snprintf(text, room, "?+0x%" PRIx64, address);
}

/* --- Conversion ----------------------------------------------------------------------------- */

struct summary {
    uint64_t kinds[TRACE_FREE + 1];
    uint64_t unknown_frees; /* of memory from before the recording began, or from a parent */
    uint64_t missed_frees;  /* memory handed out again without a free in between */
    uint64_t over_aligned;  /* more than a page; recorded as a page */
    uint64_t empty;         /* size 0, recorded as 1 */
    uint64_t live_bytes, peak_bytes;
    uint64_t live_objects, peak_objects;
    uint64_t *sizes; /* of each allocation and resize */
    size_t size_count;
};

struct conversion {
    const struct image *image;
    struct trace trace;
    struct summary summary;
    struct map slots;        /* address → slot */
    struct map sites;        /* call site → index */
    struct symbols *symbols; /* by module */
    struct slot {
        uint64_t size;
        uint32_t next; /* a free slot's successor, plus one */
    } *objects;
    uint32_t object_count, object_room, free_slot; /* free_slot: plus one */
    struct pending {
        uint64_t address; /* 0: none */
        uint32_t slot;
        bool known;
    } *pending; /* by thread: between RAW_REALLOC_FROM and RAW_REALLOC_TO */
};

static uint32_t site_index(struct conversion *conversion, uint64_t address)
{
    uint32_t index = 0;
    char text[600];
    if (address == 0 || map_get(&conversion->sites, address, &index))
        return index;
    site_text(conversion->image, conversion->symbols, address, text, sizeof text);
    if (trace_add_site(&conversion->trace, text, &index) != 0)
        out_of_memory();
    map_put(&conversion->sites, address, index);
    return index;
}

static uint32_t slot_take(struct conversion *conversion)
{
    if (conversion->free_slot != 0) {
        uint32_t slot = conversion->free_slot - 1;
        conversion->free_slot = conversion->objects[slot].next;
        return slot;
    }
    if (conversion->object_count == conversion->object_room) {
        conversion->object_room = conversion->object_room ? 2 * conversion->object_room : 4096;
        struct slot *larger =
            realloc(conversion->objects, conversion->object_room * sizeof *larger);
        if (!larger)
            out_of_memory();
        conversion->objects = larger;
    }
    return conversion->object_count++;
}

/* The alignment that a program may rely on, as an exponent: that of the largest type which fits
 * into the object, and what it asked for. Allocators differ below 16 bytes, as C lets them. */
static uint8_t alignment(uint64_t size, uint8_t asked)
{
    unsigned natural = 63 - (unsigned)__builtin_clzll(size);
    if (natural > 4)
        natural = 4;
    if (asked > TRACE_MAX_ALIGN)
        return TRACE_MAX_ALIGN;
    return asked > natural ? asked : (uint8_t)natural;
}

static void emit(struct conversion *conversion, const struct raw_event *event, unsigned kind,
                 uint32_t slot)
{
    struct summary *summary = &conversion->summary;
    struct slot *object = &conversion->objects[slot];
    struct trace_op op = {.kind = (uint8_t)kind, .slot = slot, .thread = event->thread};
    op.site = site_index(conversion, event->site);
    if (kind != TRACE_ALLOC && kind != TRACE_CALLOC) {
        summary->live_bytes -= object->size;
        summary->live_objects--;
    }
    if (kind == TRACE_FREE) {
        object->next = conversion->free_slot;
        conversion->free_slot = slot + 1;
    } else {
        op.size = object->size = event->size ? event->size : 1;
        op.align = alignment(op.size, event->align);
        summary->empty += event->size == 0;
        summary->over_aligned += event->align > TRACE_MAX_ALIGN;
        summary->live_bytes += object->size;
        summary->live_objects++;
        summary->sizes[summary->size_count++] = op.size;
        if (summary->live_bytes > summary->peak_bytes)
            summary->peak_bytes = summary->live_bytes;
        if (summary->live_objects > summary->peak_objects)
            summary->peak_objects = summary->live_objects;
    }
    summary->kinds[kind]++;
    if (trace_append(&conversion->trace, op) != 0)
        out_of_memory();
}

/* Frees what the converter still believes to be at this address: its free went unseen. */
static void forget(struct conversion *conversion, const struct raw_event *event)
{
    uint32_t slot;
    if (!map_get(&conversion->slots, event->address, &slot))
        return;
    conversion->summary.missed_frees++;
    map_remove(&conversion->slots, event->address);
    emit(conversion, event, TRACE_FREE, slot);
}

static void convert_alloc(struct conversion *conversion, const struct raw_event *event,
                          unsigned kind)
{
    forget(conversion, event);
    uint32_t slot = slot_take(conversion);
    map_put(&conversion->slots, event->address, slot);
    emit(conversion, event, kind, slot);
}

static void convert_free(struct conversion *conversion, const struct raw_event *event)
{
    uint32_t slot;
    if (!map_get(&conversion->slots, event->address, &slot)) {
        conversion->summary.unknown_frees++;
        return;
    }
    map_remove(&conversion->slots, event->address);
    emit(conversion, event, TRACE_FREE, slot);
}

static void convert_realloc_from(struct conversion *conversion, const struct raw_event *event)
{
    struct pending *pending = &conversion->pending[event->thread];
    *pending = (struct pending){.address = event->address};
    pending->known = map_get(&conversion->slots, event->address, &pending->slot);
    if (pending->known)
        map_remove(&conversion->slots, event->address);
    else
        conversion->summary.unknown_frees++;
}

static void convert_realloc_to(struct conversion *conversion, const struct raw_event *event)
{
    struct pending *pending = &conversion->pending[event->thread];
    if (pending->address == 0)
        return; /* its other half was never finished */
    if (event->address == 0) {
        if (pending->known)
            map_put(&conversion->slots, pending->address, pending->slot);
    } else if (pending->known) {
        forget(conversion, event);
        map_put(&conversion->slots, event->address, pending->slot);
        emit(conversion, event, TRACE_REALLOC, pending->slot);
    } else {
        convert_alloc(conversion, event, TRACE_ALLOC);
    }
    pending->address = 0;
}

static void convert_event(struct conversion *conversion, const struct raw_event *event)
{
    switch (event->kind) {
    case RAW_ALLOC:
        convert_alloc(conversion, event, TRACE_ALLOC);
        break;
    case RAW_CALLOC:
        convert_alloc(conversion, event, TRACE_CALLOC);
        break;
    case RAW_FREE:
        convert_free(conversion, event);
        break;
    case RAW_REALLOC_FROM:
        convert_realloc_from(conversion, event);
        break;
    case RAW_REALLOC_TO:
        convert_realloc_to(conversion, event);
        break;
    default:
        break;
    }
}

/* The command line as one line of text; arguments that are empty or hold a space are quoted. */
static void command_text(const struct raw_header *header, char *text, size_t room)
{
    size_t used = 0, length = sizeof header->command;
    text[0] = '\0';
    while (length > 0 && header->command[length - 1] == '\0')
        length--;
    for (const char *word = header->command; word < header->command + length && used + 1 < room;
         word += strlen(word) + 1) {
        const char *quote = *word == '\0' || strpbrk(word, " \t\n\"'$") ? "'" : "";
        int got =
            snprintf(text + used, room - used, "%s%s%s%s", used ? " " : "", quote, word, quote);
        used += (size_t)got < room - used ? (size_t)got : room - used - 1;
    }
    for (size_t i = 0; i < used; i++)
        if ((unsigned char)text[i] < ' ')
            text[i] = ' ';
}

static void convert(struct conversion *conversion, const struct image *image)
{
    char command[1000];
    *conversion = (struct conversion){.image = image};
    conversion->pending = calloc(UINT16_MAX + 1, sizeof *conversion->pending);
    conversion->symbols = calloc(RAW_MODULES, sizeof *conversion->symbols);
    conversion->summary.sizes =
        malloc((image->events_seen + 1) * sizeof *conversion->summary.sizes);
    command_text(image->header, command, sizeof command);
    if (!conversion->pending || !conversion->symbols || !conversion->summary.sizes ||
        trace_set_origin(&conversion->trace, command) != 0)
        out_of_memory();
    for (uint64_t i = 0; i < image->places; i++)
        convert_event(conversion, &image->events[i]);
}

static void conversion_drop(struct conversion *conversion)
{
    map_drop(&conversion->slots);
    map_drop(&conversion->sites);
    for (unsigned i = 0; i < RAW_MODULES; i++)
        symbols_drop(&conversion->symbols[i]);
    free(conversion->symbols);
    free(conversion->objects);
    free(conversion->pending);
    free(conversion->summary.sizes);
    trace_free(&conversion->trace);
}

/* --- The summary ---------------------------------------------------------------------------- */

static void print_string(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < ' ')
            printf("\\u%04x", (unsigned)*text);
        else
            putchar(*text);
    }
    putchar('"');
}

static int by_size(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* The smallest size that at least this many in a thousand do not exceed. */
static uint64_t percentile(const struct summary *summary, unsigned thousandths)
{
    if (summary->size_count == 0)
        return 0;
    size_t rank = (summary->size_count * thousandths + 999) / 1000;
    return summary->sizes[rank ? rank - 1 : 0];
}

static void print_conversion(struct conversion *conversion, const char *file)
{
    struct summary *summary = &conversion->summary;
    qsort(summary->sizes, summary->size_count, sizeof *summary->sizes, by_size);
    printf(",\"file\":");
    print_string(file);
    printf(",\"operations\":%zu,\"alloc\":%" PRIu64 ",\"calloc\":%" PRIu64 ",\"realloc\":%" PRIu64
           ",\"free\":%" PRIu64 ",\"call_sites\":%" PRIu32,
           conversion->trace.count, summary->kinds[TRACE_ALLOC], summary->kinds[TRACE_CALLOC],
           summary->kinds[TRACE_REALLOC], summary->kinds[TRACE_FREE],
           conversion->trace.site_count ? conversion->trace.site_count - 1 : 0);
    printf(",\"peak_live_bytes\":%" PRIu64 ",\"peak_live_objects\":%" PRIu64
           ",\"end_live_bytes\":%" PRIu64 ",\"end_live_objects\":%" PRIu64,
           summary->peak_bytes, summary->peak_objects, summary->live_bytes, summary->live_objects);
    printf(",\"sizes\":{\"p50\":%" PRIu64 ",\"p90\":%" PRIu64 ",\"p99\":%" PRIu64
           ",\"max\":%" PRIu64 "}",
           percentile(summary, 500), percentile(summary, 900), percentile(summary, 990),
           percentile(summary, 1000));
    printf(",\"unknown_frees\":%" PRIu64 ",\"missed_frees\":%" PRIu64 ",\"over_aligned\":%" PRIu64
           ",\"empty\":%" PRIu64,
           summary->unknown_frees, summary->missed_frees, summary->over_aligned, summary->empty);
}

static void print_image(const struct image *image)
{
    char command[1000];
    command_text(image->header, command, sizeof command);
    printf("{\"pid\":%" PRIu32 ",\"image\":%" PRIu32 ",\"parent\":%" PRIu32 ",\"program\":",
           image->header->pid, image->header->image, image->header->parent);
    print_string(program_name(image->header));
    printf(",\"command\":");
    print_string(command);
    printf(",\"events\":%" PRIu64 ",\"unfinished\":%" PRIu64 ",\"threads\":%" PRIu32
           ",\"own_malloc\":%s,\"stopped\":",
           image->events_seen, image->places - image->events_seen, image->header->threads,
           image->header->own_malloc ? "true" : "false");
    if (image->header->stopped)
        print_string(strerror(image->header->stopped));
    else
        printf("null");
}

/* --- The command line ----------------------------------------------------------------------- */

struct request {
    const char *folder, *out, *process;
    long pid; /* 0: any */
    bool all;
    enum trace_form form;
};

static _Noreturn void usage(const char *wrong)
{
    fprintf(stderr,
            "poolproof-convert: %s; usage: poolproof-convert FOLDER -o OUT.trace [--pid PID] "
            "[--process NAME] [--all] [--form binary|gzip|text]\n",
            wrong);
    exit(2);
}

static enum trace_form form_named(const char *name)
{
    if (strcmp(name, "binary") == 0)
        return TRACE_BINARY;
    if (strcmp(name, "gzip") == 0)
        return TRACE_BINARY_GZIP;
    if (strcmp(name, "text") != 0)
        usage("--form is binary, gzip or text");
    return TRACE_TEXT;
}

static struct request read_arguments(int argc, char **argv)
{
    struct request request = {.form = TRACE_BINARY};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        bool takes_value = strcmp(word, "-o") == 0 || strcmp(word, "--pid") == 0 ||
                           strcmp(word, "--process") == 0 || strcmp(word, "--form") == 0;
        if (takes_value && value[0] == '\0')
            usage("a value is missing");
        if (strcmp(word, "-o") == 0)
            request.out = value;
        else if (strcmp(word, "--pid") == 0)
            request.pid = strtol(value, NULL, 10);
        else if (strcmp(word, "--process") == 0)
            request.process = value;
        else if (strcmp(word, "--form") == 0)
            request.form = form_named(value);
        else if (strcmp(word, "--all") == 0)
            request.all = true;
        else if (word[0] != '-' && !request.folder)
            request.folder = word;
        else
            usage("an argument is not understood");
        i += takes_value;
    }
    if (!request.folder || !request.out)
        usage("FOLDER and -o OUT.trace are needed");
    return request;
}

static bool matches(const struct request *request, const struct image *image)
{
    if (request->process)
        return strcmp(program_name(image->header), request->process) == 0;
    return request->pid == 0 || image->header->pid == (uint32_t)request->pid;
}

static void choose(const struct request *request, struct image *images, size_t count)
{
    struct image *best = NULL;
    for (size_t i = 0; i < count; i++) {
        struct image *image = &images[i];
        if (request->all)
            image->chosen = image->events_seen > 0;
        else if (matches(request, image) && (!best || (request->pid && !request->process) ||
                                             image->events_seen > best->events_seen))
            best = image;
    }
    if (best)
        best->chosen = true;
}

static bool write_trace(const struct request *request, const struct conversion *conversion,
                        char *path, size_t room)
{
    struct trace_error error;
    const struct raw_header *header = conversion->image->header;
    const char *dot = strrchr(request->out, '.');
    size_t stem = dot && !strchr(dot, '/') ? (size_t)(dot - request->out) : strlen(request->out);
    if (request->all)
        snprintf(path, room, "%.*s.%" PRIu32 "-%" PRIu32 "%s", (int)stem, request->out, header->pid,
                 header->image, request->out + stem);
    else
        snprintf(path, room, "%s", request->out);
    if (trace_write(path, request->form, &conversion->trace, &error) == 0)
        return true;
    fprintf(stderr, "poolproof-convert: %s: %s\n", path, error.message);
    return false;
}

int main(int argc, char **argv)
{
    struct request request = read_arguments(argc, argv);
    struct image *images;
    size_t count = open_folder(request.folder, &images);
    int status = 1;
    choose(&request, images, count);
    printf("{\"images\":[");
    for (size_t i = 0; i < count; i++) {
        printf("%s", i ? "," : "");
        print_image(&images[i]);
        if (images[i].chosen) {
            struct conversion conversion;
            char path[4200];
            convert(&conversion, &images[i]);
            if (!write_trace(&request, &conversion, path, sizeof path))
                return 4;
            print_conversion(&conversion, path);
            conversion_drop(&conversion);
            status = 0;
        }
        printf("}");
        free(images[i].path);
        munmap(images[i].memory, images[i].size);
    }
    printf("]}\n");
    free(images);
    return status;
}
