/* A trace that is written operation by operation, in bounded memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec.h"
#include "rules.h"

struct trace_stream {
    char *folder;
    FILE *file; /* blocks: size, payload; NULL while all fits into `payload` */
    struct rules rules;
    uint64_t count;
    uint32_t thread, site; /* of the last operation */
    size_t size;           /* of payload */
    int read;
    uint8_t payload[BINARY_MAX_PAYLOAD];
};

struct trace_stream *trace_stream_open(const char *folder)
{
    struct trace_stream *stream = malloc(sizeof *stream);
    if (stream == NULL)
        return NULL;
    memset(stream, 0, offsetof(struct trace_stream, payload));
    rules_start(&stream->rules);
    stream->folder = strdup(folder);
    if (stream->folder != NULL)
        return stream;
    free(stream);
    return NULL;
}

void trace_stream_close(struct trace_stream *stream)
{
    if (stream == NULL)
        return;
    if (stream->file != NULL)
        fclose(stream->file);
    rules_free(&stream->rules);
    free(stream->folder);
    free(stream);
}

/* A file that vanishes with the process. */
static FILE *open_nameless(const char *folder)
{
    char name[4200];
    snprintf(name, sizeof name, "%s/.poolproof-XXXXXX", folder);
    int descriptor = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor < 0 && (descriptor = mkostemp(name, O_CLOEXEC)) >= 0)
        unlink(name);
    return descriptor >= 0 ? fdopen(descriptor, "w+") : NULL;
}

static int put_block(struct trace_stream *stream)
{
    uint32_t size = (uint32_t)stream->size;
    if (stream->file == NULL && (stream->file = open_nameless(stream->folder)) == NULL)
        return -1;
    stream->size = 0;
    return fwrite(&size, sizeof size, 1, stream->file) == 1 &&
                   fwrite(stream->payload, 1, size, stream->file) == size
               ? 0
               : -1;
}

int trace_stream_append(struct trace_stream *stream, const struct trace_op *op,
                        struct trace_error *error)
{
    const char *reason;
    if (rules_step(&stream->rules, op, UINT32_MAX, &reason) != 0)
        return trace_fail(error, stream->count, 0, "operation %llu: %s",
                          (unsigned long long)stream->count, reason);
    if (stream->size + BINARY_MAX_OP > sizeof stream->payload && put_block(stream) != 0)
        return trace_fail(error, stream->count, 0, "cannot keep operations in %s: %s",
                          stream->folder, strerror(errno));
    stream->size += binary_put_op(stream->payload + stream->size, op, stream->thread, stream->site);
    stream->thread = op->thread;
    stream->site = op->site;
    stream->count++;
    return 0;
}

/* The blocks of the file, then the one that waits in memory. */
static int next_block(void *context, uint8_t *payload, size_t *size)
{
    struct trace_stream *stream = context;
    uint32_t length = 0;
    if (stream->file != NULL && fread(&length, sizeof length, 1, stream->file) == 1) {
        *size = length;
        return length <= BINARY_MAX_PAYLOAD && fread(payload, 1, length, stream->file) == length
                   ? 1
                   : -1;
    }
    if ((stream->file != NULL && ferror(stream->file)) || stream->read)
        return stream->read ? 0 : -1;
    stream->read = 1;
    *size = stream->size;
    memcpy(payload, stream->payload, stream->size);
    return *size != 0;
}

int trace_stream_write(struct trace_stream *stream, const char *path, enum trace_form form,
                       const struct trace *head, struct trace_error *error)
{
    struct packed packed = {next_block, stream, stream->count};
    if (stream->file != NULL && fseek(stream->file, 0, SEEK_SET) != 0)
        return trace_fail(error, 0, 0, "cannot write it: %s", strerror(errno));
    return file_write(path, form, head, &packed, error);
}
