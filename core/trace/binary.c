/* The binary form.
 *
 *   file      magic, 8 bytes; version, 1 byte; blocks; nothing after the end block
 *   block     type, 1 byte; length of the payload, 4 bytes; payload; checksum, 4 bytes
 *
 * The blocks, in this order, and their payloads:
 *
 *   N, at most one    the origin: text
 *   S, any number     call sites, each: length, text; the first is number 1
 *   O, any number     operations, each: kind and flags, 1 byte; then what the flags announce; then
 *                     slot and size, as the kind names them
 *   E, one            numbers of operations and of call sites
 *
 * Numbers in a payload are varints: seven bits a byte, low ones first, the top bit set on all but
 * the last. Lengths and checksums are little-endian. A checksum is zlib's CRC-32 of everything in
 * the file before it but the checksums, so that a block that is missing, repeated or out of place
 * does not pass.
 */
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "rules.h"

#define VERSION 1
#define HEADER_SIZE (BINARY_MAGIC_SIZE + 1)
#define BLOCK_HEAD 5
#define BLOCK_TAIL 4

/* Flags beside the kind in an operation's first byte; each announces a field, in this order. */
#define KIND_MASK 0x1f
#define HAS_ALIGN 0x20  /* the alignment, 1 byte, is not that of USUAL_ALIGN */
#define HAS_THREAD 0x40 /* the thread is not that of the operation before */
#define HAS_SITE 0x80   /* the site is not that of the operation before */
#define USUAL_ALIGN 4

#define MAX_VARINT 10

enum block { BLOCK_ORIGIN = 'N', BLOCK_SITES = 'S', BLOCK_OPS = 'O', BLOCK_END = 'E' };

_Static_assert(TRACE_KINDS <= KIND_MASK + 1, "a kind fits beside the flags");
_Static_assert(TRACE_MAX_TEXT + MAX_VARINT <= BINARY_MAX_PAYLOAD, "a text fits into a block");

/* --- Writing ---------------------------------------------------------------------------------- */

struct writer {
    struct sink *sink;
    uint32_t crc;
    size_t size; /* of the payload */
    uint8_t payload[BINARY_MAX_PAYLOAD];
};

static size_t put_varint(uint8_t *bytes, uint64_t value)
{
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    return size;
}

static void put_u32(uint8_t bytes[4], uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get_u32(const uint8_t bytes[4])
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void put_summed(struct writer *writer, const uint8_t *bytes, size_t size)
{
    writer->crc = (uint32_t)crc32(writer->crc, bytes, (uInt)size);
    sink_put(writer->sink, bytes, size);
}

static void end_block(struct writer *writer, enum block type)
{
    uint8_t head[BLOCK_HEAD] = {(uint8_t)type};
    put_u32(head + 1, (uint32_t)writer->size);
    put_summed(writer, head, sizeof head);
    if (writer->size != 0)
        put_summed(writer, writer->payload, writer->size);
    uint8_t tail[BLOCK_TAIL];
    put_u32(tail, writer->crc);
    sink_put(writer->sink, tail, sizeof tail);
    writer->size = 0;
}

static void put_text(struct writer *writer, const char *text, size_t size)
{
    memcpy(writer->payload + writer->size, text, size);
    writer->size += size;
}

static void write_sites(struct writer *writer, const struct trace *trace)
{
    for (uint32_t i = 1; i < trace->site_count; i++) {
        size_t size = strlen(trace->sites[i]);
        if (writer->size + MAX_VARINT + size > BINARY_MAX_PAYLOAD)
            end_block(writer, BLOCK_SITES);
        writer->size += put_varint(writer->payload + writer->size, size);
        put_text(writer, trace->sites[i], size);
    }
    if (writer->size != 0)
        end_block(writer, BLOCK_SITES);
}

size_t binary_put_op(uint8_t *bytes, const struct trace_op *op, uint32_t thread, uint32_t site)
{
    uint8_t fields = kind_rules[op->kind].fields;
    size_t size = 1;
    bytes[0] = op->kind;
    if ((fields & FIELD_ALIGN) && op->align != USUAL_ALIGN) {
        bytes[0] |= HAS_ALIGN;
        bytes[size++] = op->align;
    }
    if (op->thread != thread) {
        bytes[0] |= HAS_THREAD;
        size += put_varint(bytes + size, op->thread);
    }
    if (op->site != site) {
        bytes[0] |= HAS_SITE;
        size += put_varint(bytes + size, op->site);
    }
    if (fields & FIELD_SLOT)
        size += put_varint(bytes + size, op->slot);
    if (fields & FIELD_SIZE)
        size += put_varint(bytes + size, op->size);
    return size;
}

int binary_write(struct sink *sink, const struct trace *trace, const struct packed *packed)
{
    struct writer *writer = malloc(sizeof *writer);
    if (writer == NULL)
        return -1;
    sink->held = writer;
    writer->sink = sink;
    writer->crc = 0;
    writer->size = 0;
    static const uint8_t header[HEADER_SIZE + 1] = BINARY_MAGIC "\x01";
    put_summed(writer, header, HEADER_SIZE);
    if (trace->origin != NULL) {
        put_text(writer, trace->origin, strlen(trace->origin));
        end_block(writer, BLOCK_ORIGIN);
    }
    write_sites(writer, trace);
    uint32_t thread = 0;
    uint32_t site = 0;
    for (size_t i = 0; i < trace->count; i++) {
        if (writer->size + BINARY_MAX_OP > BINARY_MAX_PAYLOAD)
            end_block(writer, BLOCK_OPS);
        writer->size += binary_put_op(writer->payload + writer->size, &trace->ops[i], thread, site);
        thread = trace->ops[i].thread;
        site = trace->ops[i].site;
    }
    if (writer->size != 0)
        end_block(writer, BLOCK_OPS);
    for (int result = 0; packed != NULL && (result = packed->next(packed->context, writer->payload,
                                                                  &writer->size)) != 0;) {
        if (result < 0)
            return -1;
        end_block(writer, BLOCK_OPS);
    }
    writer->size = put_varint(writer->payload, packed != NULL ? packed->count : trace->count);
    writer->size += put_varint(writer->payload + writer->size,
                               trace->site_count != 0 ? trace->site_count - 1 : 0);
    end_block(writer, BLOCK_END);
    return 0;
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct reader {
    const uint8_t *bytes; /* the whole file */
    size_t size;
    size_t at;  /* next byte */
    size_t end; /* of the payload being read */
    uint32_t crc;
    uint32_t thread; /* of the operation before */
    uint32_t site;
    struct trace *trace;
    struct rules rules;
    struct trace_error *error;
};

static int damaged(struct reader *reader, size_t at, const char *what)
{
    return trace_fail(reader->error, at, 0, "byte %zu: %s", at, what);
}

/* A varint of at most `limit` from the payload. */
static int get_varint(struct reader *reader, uint64_t limit, uint64_t *value)
{
    size_t start = reader->at;
    *value = 0;
    for (unsigned shift = 0; reader->at < reader->end && shift < 64; shift += 7) {
        uint64_t byte = reader->bytes[reader->at++];
        uint64_t part = byte & 0x7f;
        if (part << shift >> shift != part)
            break;
        *value |= part << shift;
        if (byte >= 0x80)
            continue;
        if (*value > limit || (byte == 0 && shift != 0))
            break;
        return 0;
    }
    return damaged(reader, start, "a number is cut short or out of range");
}

static int add_text(struct reader *reader, size_t at, size_t size, int is_origin)
{
    const char *bytes = (const char *)reader->bytes + at;
    if (!text_is_plain(bytes, size))
        return damaged(reader, at, "a text is not one plain line");
    char text[TRACE_MAX_TEXT + 1];
    memcpy(text, bytes, size);
    text[size] = '\0';
    uint32_t site;
    int result = is_origin ? trace_set_origin(reader->trace, text)
                           : trace_add_site(reader->trace, text, &site);
    return result == 0 ? 0 : damaged(reader, at, "not enough memory for a text");
}

static int parse_sites(struct reader *reader)
{
    while (reader->at < reader->end) {
        size_t at = reader->at;
        uint64_t size;
        if (get_varint(reader, TRACE_MAX_TEXT, &size) != 0)
            return -1;
        if (size > reader->end - reader->at)
            return damaged(reader, at, "a text is longer than its block");
        if (add_text(reader, reader->at, (size_t)size, 0) != 0)
            return -1;
        reader->at += (size_t)size;
    }
    return 0;
}

static int parse_fields(struct reader *reader, struct trace_op *op)
{
    uint8_t first = reader->bytes[reader->at++];
    uint64_t value;
    op->kind = first & KIND_MASK;
    if (op->kind >= TRACE_KINDS)
        return damaged(reader, reader->at - 1, "there is no such kind of operation");
    uint8_t fields = kind_rules[op->kind].fields;
    if (fields & FIELD_ALIGN)
        op->align = USUAL_ALIGN;
    if (first & HAS_ALIGN) {
        if (!(fields & FIELD_ALIGN) || get_varint(reader, TRACE_MAX_ALIGN, &value) != 0)
            return damaged(reader, reader->at - 1, "an alignment is out of place or out of range");
        op->align = (uint8_t)value;
    }
    if (first & HAS_THREAD) {
        if (get_varint(reader, UINT32_MAX - 1, &value) != 0)
            return -1;
        reader->thread = (uint32_t)value;
    }
    if (first & HAS_SITE) {
        if (get_varint(reader, UINT32_MAX, &value) != 0)
            return -1;
        reader->site = (uint32_t)value;
    }
    op->thread = reader->thread;
    op->site = reader->site;
    if (fields & FIELD_SLOT) {
        if (get_varint(reader, UINT32_MAX - 1, &value) != 0)
            return -1;
        op->slot = (uint32_t)value;
    }
    return fields & FIELD_SIZE ? get_varint(reader, UINT64_MAX, &op->size) : 0;
}

size_t binary_get_op(const uint8_t *bytes, size_t size, struct trace_op *op)
{
    struct reader reader = {
        .bytes = bytes, .size = size, .end = size, .thread = op->thread, .site = op->site};
    *op = (struct trace_op){0};
    return parse_fields(&reader, op) == 0 ? reader.at : 0;
}

static int parse_ops(struct reader *reader)
{
    while (reader->at < reader->end) {
        size_t at = reader->at;
        struct trace_op op = {0};
        if (parse_fields(reader, &op) != 0)
            return -1;
        const char *reason;
        if (rules_step(&reader->rules, &op, reader->trace->site_count, &reason) != 0) {
            char text[80];
            trace_print_op(&op, text, sizeof text);
            return trace_fail(reader->error, at, 0, "byte %zu, operation %zu, \"%s\": %s", at,
                              reader->trace->count, text, reason);
        }
        if (trace_append(reader->trace, op) != 0)
            return damaged(reader, at, "not enough memory for the operations");
    }
    return 0;
}

static int parse_end(struct reader *reader)
{
    size_t at = reader->at;
    size_t sites = reader->trace->site_count != 0 ? reader->trace->site_count - 1 : 0;
    uint64_t count;
    uint64_t site_count;
    if (get_varint(reader, UINT64_MAX, &count) != 0 ||
        get_varint(reader, UINT32_MAX, &site_count) != 0)
        return -1;
    if (count != reader->trace->count || site_count != sites || reader->at != reader->end)
        return damaged(reader, at, "the end does not tell the numbers of what came before");
    if (reader->end + BLOCK_TAIL != reader->size)
        return damaged(reader, reader->end + BLOCK_TAIL, "something follows the end");
    return 0;
}

/* Takes the next block's frame: its type, its payload between at and end, and its checksum. */
static int open_block(struct reader *reader, uint8_t *type)
{
    size_t at = reader->at;
    size_t left = reader->size - at;
    if (left < BLOCK_HEAD)
        return damaged(reader, reader->size,
                       left == 0 ? "the file is cut short before its end block"
                                 : "the file is cut short in a block's head");
    uint32_t length = get_u32(reader->bytes + at + 1);
    if (length > BINARY_MAX_PAYLOAD)
        return damaged(reader, at + 1, "a block's length is out of range");
    if (left - BLOCK_HEAD < (size_t)length + BLOCK_TAIL)
        return damaged(reader, reader->size, "the file is cut short in a block");
    reader->crc = (uint32_t)crc32(reader->crc, reader->bytes + at, BLOCK_HEAD + length);
    if (reader->crc != get_u32(reader->bytes + at + BLOCK_HEAD + length))
        return damaged(reader, at,
                       "the block that starts here is damaged: its checksum is another");
    *type = reader->bytes[at];
    reader->at = at + BLOCK_HEAD;
    reader->end = reader->at + length;
    return 0;
}

static int parse_block(struct reader *reader, uint8_t type, int *rank)
{
    static const char order[] = {BLOCK_ORIGIN, BLOCK_SITES, BLOCK_OPS, BLOCK_END};
    const char *found = memchr(order, type, sizeof order);
    size_t head = reader->at - BLOCK_HEAD;
    if (found == NULL || found - order < *rank)
        return damaged(reader, head, "a block of an unknown type or out of its place");
    *rank = (int)(found - order);
    switch (type) {
    case BLOCK_ORIGIN:
        ++*rank; /* there is at most one */
        if (add_text(reader, reader->at, reader->end - reader->at, 1) != 0)
            return -1;
        break;
    case BLOCK_SITES:
        if (parse_sites(reader) != 0)
            return -1;
        break;
    case BLOCK_OPS:
        if (parse_ops(reader) != 0)
            return -1;
        break;
    default:
        if (parse_end(reader) != 0)
            return -1;
        break;
    }
    reader->at = reader->end + BLOCK_TAIL;
    return 0;
}

int binary_parse(const uint8_t *bytes, size_t size, struct trace *trace, struct trace_error *error)
{
    struct reader reader = {.bytes = bytes, .size = size, .trace = trace, .error = error};
    if (size < HEADER_SIZE)
        return damaged(&reader, size, "the file is cut short in its header");
    if (bytes[BINARY_MAGIC_SIZE] != VERSION)
        return trace_fail(error, BINARY_MAGIC_SIZE, 0, "byte %d: version %u, and this reads %d",
                          BINARY_MAGIC_SIZE, bytes[BINARY_MAGIC_SIZE], VERSION);
    reader.crc = (uint32_t)crc32(0, bytes, HEADER_SIZE);
    reader.at = HEADER_SIZE;
    rules_start(&reader.rules);
    uint8_t type = 0;
    int rank = 0;
    int result = 0;
    while (result == 0 && type != BLOCK_END) {
        result = open_block(&reader, &type);
        if (result == 0)
            result = parse_block(&reader, type, &rank);
    }
    rules_free(&reader.rules);
    return result;
}
