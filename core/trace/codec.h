/* Inside core/trace: the two forms of a trace file, between a trace and a stream of bytes. */
#ifndef POOLPROOF_CODEC_H
#define POOLPROOF_CODEC_H

#include <zlib.h>

#include "trace.h"

/* How both begin. */
#define BINARY_MAGIC "\x93PPT\r\n\x1a\n"
#define BINARY_MAGIC_SIZE 8
#define TEXT_MAGIC "poolproof trace"

/* Where a form is written to; failed once a write has failed, and errno says why. */
struct sink {
    gzFile file;
    int failed;
    void *held; /* to be freed once the file is closed: zlib reads it then if a write failed */
};

void sink_put(struct sink *sink, const void *bytes, size_t size);

/* The longest block of operations, and the longest of them: its first byte, alignment, and thread,
 * site, slot and size at their longest. */
#define BINARY_MAX_PAYLOAD TRACE_STREAM_BYTES
#define BINARY_MAX_OP (1 + 1 + 5 + 5 + 5 + 10)

/* Packs an operation; thread and site are those of the one before, at first 0. Returns its bytes.
 * */
size_t binary_put_op(uint8_t *bytes, const struct trace_op *op, uint32_t thread, uint32_t site);

/* Unpacks the operation that bytes begin with; *op holds the one before, at first all 0. Returns
 * its bytes, 0 if it is damaged. */
size_t binary_get_op(const uint8_t *bytes, size_t size, struct trace_op *op);

/* Operations that wait packed in blocks of at most BINARY_MAX_PAYLOAD bytes. next copies the next
 * block: 1 if there was one, 0 at the end, -1 on failure. */
struct packed {
    int (*next)(void *context, uint8_t *payload, size_t *size);
    void *context;
    uint64_t count;
};

/* Both keep the rules; what they are given has been checked for them. Failure is in the sink, or -1
 * for lack of memory or of the packed operations, which are written instead of the trace's own
 * unless packed is NULL. */
int binary_write(struct sink *sink, const struct trace *trace, const struct packed *packed);
int text_write(struct sink *sink, const struct trace *trace, const struct packed *packed);

/* As trace_write, which checks the rules first. */
int file_write(const char *path, enum trace_form form, const struct trace *trace,
               const struct packed *packed, struct trace_error *error);

/* As trace_parse; what they have appended to *trace when they fail is the caller's to free. */
int binary_parse(const uint8_t *bytes, size_t size, struct trace *trace, struct trace_error *error);
int text_parse(const char *text, size_t size, struct trace *trace, struct trace_error *error);

#endif
