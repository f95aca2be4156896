/* The text form: one operation a line, as trace_print_op writes it, between a first and a last
 * line.
 *
 *   poolproof trace 1
 *   origin TEXT              at most once
 *   site TEXT                in order; the first is number 1
 *   alloc 0 64 16 thread 1 site 1
 *   …
 *   end 1                    the number of operations, which may be left out
 *
 * Empty lines and lines that begin with # mean nothing. Words stand one space apart.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "rules.h"

#define VERSION 1

static void put_op(struct sink *sink, const struct trace_op *op)
{
    char line[80];
    trace_print_op(op, line, sizeof line - 1);
    size_t end = strlen(line);
    line[end] = '\n';
    sink_put(sink, line, end + 1);
}

static int put_packed(struct sink *sink, const struct packed *packed)
{
    struct trace_op op = {0};
    uint8_t *payload = malloc(BINARY_MAX_PAYLOAD);
    size_t size;
    int result = payload != NULL ? 1 : -1;
    while (result > 0 && !sink->failed &&
           (result = packed->next(packed->context, payload, &size)) > 0)
        for (size_t at = 0, took; at < size && result > 0; at += took) {
            took = binary_get_op(payload + at, size - at, &op);
            result = took != 0 ? 1 : -1;
            if (took != 0)
                put_op(sink, &op);
        }
    free(payload);
    return result < 0 ? -1 : 0;
}

int text_write(struct sink *sink, const struct trace *trace, const struct packed *packed)
{
    uint64_t count = packed != NULL ? packed->count : trace->count;
    char line[TRACE_MAX_TEXT + 16];
    int size = snprintf(line, sizeof line, TEXT_MAGIC " %d\n", VERSION);
    sink_put(sink, line, (size_t)size);
    if (trace->origin != NULL) {
        size = snprintf(line, sizeof line, "origin %s\n", trace->origin);
        sink_put(sink, line, (size_t)size);
    }
    for (uint32_t i = 1; i < trace->site_count; i++) {
        size = snprintf(line, sizeof line, "site %s\n", trace->sites[i]);
        sink_put(sink, line, (size_t)size);
    }
    for (size_t i = 0; i < trace->count && !sink->failed; i++)
        put_op(sink, &trace->ops[i]);
    if (packed != NULL && put_packed(sink, packed) != 0)
        return -1;
    size = snprintf(line, sizeof line, "end %llu\n", (unsigned long long)count);
    sink_put(sink, line, (size_t)size);
    return 0;
}

/* The line being read: its words are taken from the front. */
struct line {
    const char *at;
    const char *end;
    uint64_t offset; /* bytes from the start of the text */
    uint64_t number;
    struct trace_error *error;
};

/* The start of what stands in the line, safe to print. */
struct excerpt {
    char text[28];
};

static struct excerpt excerpt(const char *at, const char *end)
{
    struct excerpt result = {""};
    size_t size = 0;
    for (; at < end && size < sizeof result.text - 4; at++, size++) {
        result.text[size] = '?';
        if (*at >= ' ' && *at < 127)
            result.text[size] = *at;
    }
    memcpy(result.text + size, "...", at < end ? 4 : 0);
    return result;
}

static int wrong(const struct line *line, const char *what)
{
    return trace_fail(line->error, line->offset, line->number, "line %llu: %s",
                      (unsigned long long)line->number, what);
}

static int wrong_at(const struct line *line, const char *what)
{
    return trace_fail(line->error, line->offset, line->number, "line %llu: %s \"%s\"",
                      (unsigned long long)line->number, what, excerpt(line->at, line->end).text);
}

/* Takes the word if it stands next, with the space after it. */
static int take_word(struct line *line, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(line->end - line->at) < size || memcmp(line->at, word, size) != 0)
        return 0;
    const char *after = line->at + size;
    if (after < line->end && *after != ' ')
        return 0;
    line->at = after < line->end ? after + 1 : after;
    return 1;
}

static int take_number(struct line *line, uint64_t limit, const char *name, uint64_t *value)
{
    const char *at = line->at;
    char what[64];
    *value = 0;
    while (at < line->end && *at >= '0' && *at <= '9') {
        unsigned digit = (unsigned)(*at++ - '0');
        if (*value > (limit - digit) / 10) {
            snprintf(what, sizeof what, "%s is out of range at", name);
            return wrong_at(line, what);
        }
        *value = *value * 10 + digit;
    }
    if (at == line->at || (at < line->end && *at != ' ')) {
        snprintf(what, sizeof what, "expected a number, %s, at", name);
        return wrong_at(line, what);
    }
    line->at = at < line->end ? at + 1 : at;
    return 0;
}

static int take_align(struct line *line, uint8_t *align)
{
    struct line before = *line;
    uint64_t bytes;
    if (take_number(line, UINT64_MAX, "the alignment", &bytes) != 0)
        return -1;
    *align = 0;
    while (*align < TRACE_MAX_ALIGN && (UINT64_C(1) << *align) != bytes)
        ++*align;
    if ((UINT64_C(1) << *align) != bytes)
        return wrong_at(&before, "the alignment is not a power of two from 1 to 4096 at");
    return 0;
}

static int parse_op(struct line *line, struct trace_op *op)
{
    unsigned kind = 0;
    while (kind < TRACE_KINDS && !take_word(line, kind_rules[kind].word))
        kind++;
    if (kind == TRACE_KINDS)
        return wrong_at(line, "unknown operation");
    op->kind = (uint8_t)kind;
    uint8_t fields = kind_rules[kind].fields;
    uint64_t value;
    if (fields & FIELD_SLOT) {
        if (take_number(line, UINT32_MAX - 1, "the slot", &value) != 0)
            return -1;
        op->slot = (uint32_t)value;
    }
    if ((fields & FIELD_SIZE) && take_number(line, UINT64_MAX, "the size", &op->size) != 0)
        return -1;
    if ((fields & FIELD_ALIGN) && take_align(line, &op->align) != 0)
        return -1;
    if (take_word(line, "thread")) {
        if (take_number(line, UINT32_MAX - 1, "the thread", &value) != 0)
            return -1;
        op->thread = (uint32_t)value;
    }
    if (take_word(line, "site")) {
        if (take_number(line, UINT32_MAX, "the call site", &value) != 0)
            return -1;
        op->site = (uint32_t)value;
    }
    return line->at == line->end ? 0 : wrong_at(line, "unexpected at the end of the line");
}

static int add_op(struct line *line, struct rules *rules, struct trace *trace)
{
    struct trace_op op = {0};
    const char *reason;
    if (parse_op(line, &op) != 0)
        return -1;
    if (rules_step(rules, &op, trace->site_count, &reason) != 0)
        return wrong(line, reason);
    return trace_append(trace, op) == 0 ? 0 : wrong(line, "not enough memory for the operations");
}

static int add_text(struct line *line, struct trace *trace, int is_origin)
{
    size_t size = (size_t)(line->end - line->at);
    if (!text_is_plain(line->at, size))
        return wrong(line, "the text is too long or holds control characters");
    char text[TRACE_MAX_TEXT + 1];
    memcpy(text, line->at, size);
    text[size] = '\0';
    uint32_t site;
    int result = is_origin ? trace_set_origin(trace, text) : trace_add_site(trace, text, &site);
    return result == 0 ? 0 : wrong(line, "not enough memory for a text");
}

/* What may still come. */
enum stage { STAGE_START, STAGE_ORIGIN, STAGE_SITES, STAGE_OPS, STAGE_END };

static int parse_line(struct line *line, enum stage *stage, struct rules *rules,
                      struct trace *trace)
{
    uint64_t value;
    if (*stage == STAGE_END)
        return wrong(line, "something follows the end");
    if (*stage == STAGE_START) {
        if (!take_word(line, TEXT_MAGIC) || take_number(line, 1000, "the version", &value) != 0 ||
            value != VERSION || line->at != line->end)
            return wrong(line, "expected \"" TEXT_MAGIC " 1\"");
        *stage = STAGE_ORIGIN;
        return 0;
    }
    if (*stage <= STAGE_ORIGIN && take_word(line, "origin")) {
        *stage = STAGE_SITES;
        return add_text(line, trace, 1);
    }
    if (*stage <= STAGE_SITES && take_word(line, "site")) {
        *stage = STAGE_SITES;
        return add_text(line, trace, 0);
    }
    if (take_word(line, "end")) {
        *stage = STAGE_END;
        if (line->at == line->end)
            return 0;
        if (take_number(line, UINT64_MAX, "the number of operations", &value) != 0)
            return -1;
        if (value != trace->count || line->at != line->end)
            return wrong(line, "the end does not tell the number of operations before");
        return 0;
    }
    *stage = STAGE_OPS;
    return add_op(line, rules, trace);
}

int text_parse(const char *text, size_t size, struct trace *trace, struct trace_error *error)
{
    struct line line = {.error = error};
    struct rules rules;
    rules_start(&rules);
    enum stage stage = STAGE_START;
    int result = 0;
    for (size_t at = 0; at < size && result == 0;) {
        const char *newline = memchr(text + at, '\n', size - at);
        line.at = text + at;
        line.end = newline != NULL ? newline : text + size;
        line.offset = at;
        line.number++;
        at = (size_t)(line.end - text) + 1;
        if (line.end > line.at && line.end[-1] == '\r')
            line.end--;
        if (line.at < line.end && *line.at != '#')
            result = parse_line(&line, &stage, &rules, trace);
    }
    rules_free(&rules);
    if (result == 0 && stage != STAGE_END) {
        line.offset = size;
        result = wrong(&line, "the text is cut short: there is no line \"end\"");
    }
    return result;
}
