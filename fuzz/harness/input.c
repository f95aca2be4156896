/* The settings and the trace of an input, as bytes and as text. */
#include "input.h"

#include <stdlib.h>
#include <string.h>

enum { RANGES = 8, CODES = 256 };

/* Capacities in granules: what the second byte counts, and from where on. Most pools are small;
 * three in eight have room for pages. */
static const struct {
    size_t unit, from;
} ranges[RANGES] = {{1, 0}, {1, 0}, {1, 0}, {4, 0}, {16, 0}, {8, 4080}, {8, 4080}, {8, 4080}};

static const char *const source_names[INPUT_SOURCES] = {"malloc", "buffer", "lazy", "map"};

static const struct {
    const char *name;
    unsigned flag;
} flag_names[] = {{"keep", POOL_KEEP_CONTENTS}, {"strict", POOL_STRICT}};

enum { FLAG_NAMES = sizeof flag_names / sizeof *flag_names };

int input_decode(const uint8_t *bytes, size_t size, struct input *input)
{
    uint8_t head[INPUT_HEADER] = {0};
    const size_t given = size < INPUT_HEADER ? size : INPUT_HEADER;
    if (given > 0)
        memcpy(head, bytes, given);
    *input = (struct input){0};
    input->source = (enum input_source)(head[0] & 3);
    for (unsigned i = 0; i < FLAG_NAMES; i++)
        input->flags |= head[0] & 4u << i ? flag_names[i].flag : 0;
    const unsigned range = head[0] >> 4 & (RANGES - 1);
    const size_t granules = ranges[range].from + (1 + (size_t)head[1]) * ranges[range].unit;
    input->bytes = granules * POOL_GRANULE - (head[2] & 15);
    input->offset = head[2] >> 4;
    return trace_decode(bytes + given, size - given, INPUT_MAX_OPS, &input->trace);
}

void input_free(struct input *input)
{
    trace_free(&input->trace);
}

size_t input_encode(const struct input *input, uint8_t *bytes, size_t room)
{
    const size_t granules = (input->bytes + POOL_GRANULE - 1) / POOL_GRANULE;
    unsigned range = 0;
    while (range + 1 < RANGES && granules > ranges[range].from + CODES * ranges[range].unit)
        range++;
    const size_t unit = ranges[range].unit, from = ranges[range].from;
    size_t count = (granules - from + unit - 1) / unit;
    count = count > CODES ? CODES : count;
    const size_t tail = (POOL_GRANULE - input->bytes % POOL_GRANULE) % POOL_GRANULE;
    uint8_t head[INPUT_HEADER] = {(uint8_t)(input->source | range << 4), (uint8_t)(count - 1),
                                  (uint8_t)(input->offset << 4 | tail)};
    for (unsigned i = 0; i < FLAG_NAMES; i++)
        head[0] |= (uint8_t)(input->flags & flag_names[i].flag ? 4u << i : 0);
    if (room > 0)
        memcpy(bytes, head, room < INPUT_HEADER ? room : INPUT_HEADER);
    uint8_t *const rest = room < INPUT_HEADER ? NULL : bytes + INPUT_HEADER;
    return INPUT_HEADER + trace_encode(&input->trace, rest, rest ? room - INPUT_HEADER : 0);
}

/* --- Text ------------------------------------------------------------------------------------- */

static int parse_flags(char *words, unsigned *flags)
{
    *flags = 0;
    if (strcmp(words, "none") == 0)
        return 0;
    for (char *word = strtok(words, ","); word; word = strtok(NULL, ",")) {
        unsigned i = 0;
        while (i < FLAG_NAMES && strcmp(word, flag_names[i].name) != 0)
            i++;
        if (i == FLAG_NAMES)
            return -1;
        *flags |= flag_names[i].flag;
    }
    return 0;
}

/* The number after a name; -1 if the word is another or the number larger than `most`. */
static int parse_number(const char *word, const char *name, size_t most, size_t *value)
{
    const size_t length = strlen(name);
    if (!word || strncmp(word, name, length) != 0 || word[length] < '0' || word[length] > '9')
        return -1;
    char *end;
    const unsigned long long number = strtoull(word + length, &end, 10);
    *value = (size_t)number;
    return *end || number > most ? -1 : 0;
}

/* Settings as input_print writes them. */
static int parse_settings(const char *text, struct input *input)
{
    enum { WORDS = 5 };
    char copy[128], *words[WORDS] = {0};
    if (strlen(text) >= sizeof copy)
        return -1;
    strcpy(copy, text);
    char *word = strtok(copy, " ");
    for (unsigned i = 0; i < WORDS; i++, word = strtok(NULL, " "))
        words[i] = word;
    if (word || !words[4] || strncmp(words[1], "source=", 7) != 0 ||
        parse_number(words[2], "bytes=", INPUT_MOST_BYTES, &input->bytes) != 0 ||
        parse_number(words[3], "offset=", POOL_GRANULE - 1, &input->offset) != 0 ||
        strncmp(words[4], "flags=", 6) != 0 || input->bytes == 0)
        return -1;
    unsigned source = 0;
    while (source < INPUT_SOURCES && strcmp(words[1] + 7, source_names[source]) != 0)
        source++;
    input->source = (enum input_source)source;
    return source < INPUT_SOURCES ? parse_flags(words[4] + 6, &input->flags) : -1;
}

int input_of_trace(struct input *input, const struct trace *trace)
{
    *input = (struct input){.trace = *trace};
    if (trace->origin && strncmp(trace->origin, "pool ", 5) == 0)
        return parse_settings(trace->origin, input);
    const size_t peak = trace_peak_bytes(trace);
    input->bytes = peak > INPUT_MOST_BYTES / 2 ? INPUT_MOST_BYTES : 2 * peak + POOL_GRANULE;
    return 0;
}

void input_print(const struct input *input, FILE *stream)
{
    char flags[32] = "";
    for (unsigned i = 0; i < FLAG_NAMES; i++) {
        if (!(input->flags & flag_names[i].flag))
            continue;
        strcat(flags, *flags ? "," : "");
        strcat(flags, flag_names[i].name);
    }
    fprintf(stream, "poolproof trace 1\norigin pool source=%s bytes=%zu offset=%zu flags=%s\n",
            source_names[input->source], input->bytes, input->offset, *flags ? flags : "none");
    for (size_t i = 0; i < input->trace.count; i++) {
        char line[80];
        trace_print_op(&input->trace.ops[i], line, sizeof line);
        fprintf(stream, "%s\n", line);
    }
    fprintf(stream, "end %zu\n", input->trace.count);
}
