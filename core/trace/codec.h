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

/* Both keep the rules; what they are given has been checked for them. Failure is in the sink, or
 * for binary_write -1 for lack of memory. */
int binary_write(struct sink *sink, const struct trace *trace);
void text_write(struct sink *sink, const struct trace *trace);

/* As trace_parse; what they have appended to *trace when they fail is the caller's to free. */
int binary_parse(const uint8_t *bytes, size_t size, struct trace *trace, struct trace_error *error);
int text_parse(const char *text, size_t size, struct trace *trace, struct trace_error *error);

#endif
