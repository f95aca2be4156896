/* Program images: what is known of them, their call sites as text, and their traces. */
#include "image.h"
#include "symbols.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 1 << 16, MAX_MODULES = 1 << 24 };

/* --- What an image says of itself ------------------------------------------------------------- */

static void text_open(struct text *text, uint64_t size)
{
    if (size > MAX_TEXT)
        size = MAX_TEXT;
    free(text->bytes);
    text->bytes = calloc(size + 1, 1);
    text->size = (uint32_t)size;
    if (!text->bytes)
        out_of_memory();
}

static void text_put(struct text *text, const struct event *event)
{
    if (!text->bytes || event->thread >= text->size)
        return;
    const size_t left = text->size - event->thread;
    memcpy(text->bytes + event->thread, event, left < RING_TEXT_BYTES ? left : RING_TEXT_BYTES);
}

static struct module *module_get(struct image *image, uint32_t number)
{
    if (number >= MAX_MODULES)
        return NULL;
    if (number >= image->module_room) {
        const uint32_t room = number < 32 ? 64 : 2 * number;
        struct module *larger = realloc(image->modules, room * sizeof *larger);
        if (!larger)
            out_of_memory();
        memset(larger + image->module_room, 0, (room - image->module_room) * sizeof *larger);
        image->modules = larger;
        image->module_room = room;
    }
    return &image->modules[number];
}

void image_learn(struct image *image, const struct event *event, const struct image *from)
{
    struct module *module;
    switch (event->kind) {
    case EVENT_IMAGE:
        image->pid = (pid_t)event->address;
        image->parent = (pid_t)event->size;
        image->own_malloc = event->align != 0;
        image->forked_from = (uint32_t)event->site;
        if (from && from->text.bytes) {
            text_open(&image->text, from->text.size);
            memcpy(image->text.bytes, from->text.bytes, from->text.size);
        } else {
            text_open(&image->text, event->thread);
        }
        break;
    case EVENT_MODULE:
    case EVENT_EXECUTION:
        module = module_get(image, event->module);
        if (module) {
            module->base = event->address;
            text_open(&module->path, event->size);
        }
        break;
    default:
        module = event->module ? module_get(image, event->module) : NULL;
        text_put(module ? &module->path : &image->text, event);
        break;
    }
}

const char *image_program(const struct image *image)
{
    const char *path = image->text.bytes ? image->text.bytes : "?";
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void image_command(const struct image *image, char *text, size_t room)
{
    size_t used = 0;
    text[0] = '\0';
    if (!image->text.bytes)
        return;
    const char *end = image->text.bytes + image->text.size;
    for (const char *word = image->text.bytes + strlen(image->text.bytes) + 1;
         word < end && used + 1 < room; word += strlen(word) + 1) {
        const char *quote = *word == '\0' || strpbrk(word, " \t\n\"'$") ? "'" : "";
        int got =
            snprintf(text + used, room - used, "%s%s%s%s", used ? " " : "", quote, word, quote);
        used += (size_t)got < room - used ? (size_t)got : room - used - 1;
    }
    for (size_t i = 0; i < used; i++)
        if ((unsigned char)text[i] < ' ')
            text[i] = ' ';
}

bool image_runs(const struct image *image)
{
    char line[512];
    snprintf(line, sizeof line, "/proc/%ld/stat", (long)image->pid);
    FILE *file = image->pid > 0 ? fopen(line, "re") : NULL;
    if (!file)
        return false;
    const bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    const char *end = read ? strrchr(line, ')') : NULL;
    return end && end[1] == ' ' && end[2] != 'Z' && end[2] != 'X';
}

/* --- Its trace -------------------------------------------------------------------------------- */

/* A return address as text: module, address in it as linked, and the function if it has a name. The
 * byte before is what belongs to the call: a call that never returns may be a function's last. */
static void site_text(const struct image *image, struct symbols *symbols,
                      const struct call_site *site, char *text, size_t room)
{
    const struct module *module =
        site->module < image->module_room ? &image->modules[site->module] : NULL;
    if (site->module == 0 || !module || !module->path.bytes) {
        snprintf(text, room, "?+0x%" PRIx64, site->address);
        return;
    }
    const char *path = module->path.bytes[0] ? module->path.bytes : image->text.bytes;
    struct symbols *known = &symbols[site->module];
    if (!known->memory)
        *known = symbols_read(path);
    const uint64_t linked = site->address - module->base;
    const struct symbol *function = symbols_find(known, linked - 1);
    const char *slash = strrchr(path, '/');
    int used = snprintf(text, room, "%s+0x%" PRIx64, slash ? slash + 1 : path, linked);
    if (function && used > 0 && (size_t)used < room)
        snprintf(text + used, room - (size_t)used, " %s", function->name);
}

static void add_sites(const struct image *image, struct trace *head)
{
    struct symbols *symbols = calloc((size_t)image->module_room + 1, sizeof *symbols);
    uint32_t index;
    char text[TRACE_MAX_TEXT];
    if (!symbols)
        out_of_memory();
    for (uint32_t i = 1; i < image->conversion->site_count; i++) {
        site_text(image, symbols, &image->conversion->site[i], text, sizeof text);
        if (trace_add_site(head, text, &index) != 0)
            out_of_memory();
    }
    for (uint32_t i = 0; i < image->module_room; i++)
        symbols_drop(&symbols[i]);
    free(symbols);
}

bool image_write(struct image *image, const char *path, enum trace_form form, const char *stopped,
                 struct trace_error *error)
{
    struct trace head = {0};
    char origin[1200];
    if (image->conversion->failed) {
        *error = image->conversion->error;
        return false;
    }
    image_command(image, origin, 1000);
    if (stopped)
        snprintf(origin + strlen(origin), sizeof origin - strlen(origin),
                 " [recording stopped after %" PRIu64 " events: %.100s]", image->events, stopped);
    if (trace_set_origin(&head, origin) != 0)
        out_of_memory();
    add_sites(image, &head);
    const int result = trace_stream_write(image->conversion->stream, path, form, &head, error);
    trace_free(&head);
    return result == 0;
}

/* --- JSON ------------------------------------------------------------------------------------- */

void print_string(const char *text)
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

static void print_conversion(const struct conversion *conversion, const char *file)
{
    const struct summary *summary = &conversion->summary;
    uint64_t operations = 0;
    for (unsigned kind = 0; kind <= TRACE_FREE; kind++)
        operations += summary->kinds[kind];
    printf(",\"file\":");
    print_string(file);
    printf(",\"operations\":%" PRIu64 ",\"alloc\":%" PRIu64 ",\"calloc\":%" PRIu64
           ",\"realloc\":%" PRIu64 ",\"free\":%" PRIu64 ",\"call_sites\":%" PRIu32,
           operations, summary->kinds[TRACE_ALLOC], summary->kinds[TRACE_CALLOC],
           summary->kinds[TRACE_REALLOC], summary->kinds[TRACE_FREE], conversion->site_count - 1);
    printf(",\"peak_live_bytes\":%" PRIu64 ",\"peak_live_objects\":%" PRIu64
           ",\"end_live_bytes\":%" PRIu64 ",\"end_live_objects\":%" PRIu64,
           summary->peak_bytes, summary->peak_objects, summary->live_bytes, summary->live_objects);
    printf(",\"sizes\":{\"p50\":%" PRIu64 ",\"p90\":%" PRIu64 ",\"p99\":%" PRIu64
           ",\"max\":%" PRIu64 "}",
           size_percentile(summary, 500), size_percentile(summary, 900),
           size_percentile(summary, 990), size_percentile(summary, 1000));
    printf(",\"unknown_frees\":%" PRIu64 ",\"missed_frees\":%" PRIu64 ",\"over_aligned\":%" PRIu64
           ",\"empty\":%" PRIu64,
           summary->unknown_frees, summary->missed_frees, summary->over_aligned, summary->empty);
}

void image_print(const struct image *image, const char *file)
{
    char command[1000];
    image_command(image, command, sizeof command);
    printf("{\"pid\":%ld,\"image\":%" PRIu32 ",\"parent\":%ld,\"program\":", (long)image->pid,
           image->which, (long)image->parent);
    print_string(image_program(image));
    printf(",\"command\":");
    print_string(command);
    printf(",\"events\":%" PRIu64 ",\"threads\":%" PRIu64 ",\"own_malloc\":%s,\"running\":%s",
           image->events, image->threads, image->own_malloc ? "true" : "false",
           image->running ? "true" : "false");
    if (file)
        print_conversion(image->conversion, file);
    printf("}");
}
