/* Files: reading either form, compressed or not, and writing so that a name never holds half a
 * trace. */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec.h"
#include "rules.h"

/* What a file may unfold to; a compressed one of a few bytes could claim anything. */
#define MAX_FILE ((size_t)1 << (sizeof(size_t) > 4 ? 32 : 30))
#define FIRST_READ ((size_t)64 * 1024)

int trace_parse(const void *bytes, size_t size, struct trace *trace, struct trace_error *error)
{
    *trace = (struct trace){0};
    const uint8_t *first = bytes;
    size_t compared = size < BINARY_MAGIC_SIZE ? size : BINARY_MAGIC_SIZE;
    int result;
    if (size == 0)
        result = trace_fail(error, 0, 0, "byte 0: the file is empty");
    else if (memcmp(first, BINARY_MAGIC, compared) == 0)
        result = binary_parse(first, size, trace, error);
    else if (first[0] == TEXT_MAGIC[0] || first[0] == '#' || first[0] == '\n')
        result = text_parse(bytes, size, trace, error);
    else
        result = trace_fail(error, 0, 0, "byte 0: not a trace, binary or text");
    if (result != 0)
        trace_free(trace);
    return result;
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct content {
    uint8_t *bytes;
    size_t size;
};

static int read_gz(gzFile file, struct content *content, struct trace_error *error)
{
    size_t room = 0;
    for (;;) {
        if (content->size == room) {
            room = room != 0 ? room * 2 : FIRST_READ;
            uint8_t *bytes = room <= MAX_FILE ? realloc(content->bytes, room) : NULL;
            if (bytes == NULL)
                return trace_fail(error, content->size, 0,
                                  "byte %zu: the file is too large for this machine's memory",
                                  content->size);
            content->bytes = bytes;
            /* MSan does not see what zlib writes. */
            memset(bytes + content->size, 0, room - content->size);
        }
        size_t left = room - content->size;
        int got =
            gzread(file, content->bytes + content->size, left < INT_MAX ? (unsigned)left : INT_MAX);
        if (got > 0) {
            content->size += (size_t)got;
            continue;
        }
        int code = Z_OK;
        const char *why = gzerror(file, &code);
        if (code == Z_ERRNO)
            why = strerror(errno);
        if (got == 0 && code == Z_OK)
            return 0;
        if (code == Z_BUF_ERROR)
            why = "the compressed file is cut short";
        return trace_fail(error, content->size, 0, "byte %zu: %s", content->size, why);
    }
}

int trace_read(const char *path, struct trace *trace, struct trace_error *error)
{
    *trace = (struct trace){0};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (descriptor < 0)
        return trace_fail(error, 0, 0, "%s", strerror(errno));
    if (fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
        close(descriptor);
        return trace_fail(error, 0, 0, "it is a folder, not a file");
    }
    gzFile file = gzdopen(descriptor, "rb");
    if (file == NULL) {
        close(descriptor);
        return trace_fail(error, 0, 0, "not enough memory to read it");
    }
    struct content content = {0};
    int result = read_gz(file, &content, error);
    gzclose(file);
    if (result == 0)
        result = trace_parse(content.bytes, content.size, trace, error);
    free(content.bytes);
    return result;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* Writes the trace to an open file and closes it. */
static int write_open(int descriptor, enum trace_form form, const struct trace *trace,
                      const struct packed *packed, int is_regular, struct trace_error *error)
{
    /* zlib closes what it is given, and the file has still to be flushed to the disk. */
    int own = dup(descriptor);
    gzFile file = own >= 0 ? gzdopen(own, form == TRACE_BINARY_GZIP ? "wb" : "wbT") : NULL;
    if (file == NULL) {
        int why = own >= 0 ? ENOMEM : errno;
        if (own >= 0)
            close(own);
        close(descriptor);
        return trace_fail(error, 0, 0, "cannot write it: %s", strerror(why));
    }
    struct sink sink = {.file = file};
    errno = 0;
    int result =
        form == TRACE_TEXT ? text_write(&sink, trace, packed) : binary_write(&sink, trace, packed);
    int why = result != 0 ? ENOMEM : errno;
    if (gzclose(file) != Z_OK && !sink.failed) {
        sink.failed = 1;
        why = errno;
    }
    free(sink.held);
    if (!sink.failed && result == 0 && is_regular && fsync(descriptor) != 0) {
        sink.failed = 1;
        why = errno;
    }
    close(descriptor);
    if (sink.failed || result != 0)
        return trace_fail(error, 0, 0, "cannot write it: %s", strerror(why != 0 ? why : EIO));
    return 0;
}

/* Makes a new file beside `path` and stores its name, which the caller frees. */
static int open_beside(const char *path, char **name)
{
    size_t room = strlen(path) + 32;
    *name = malloc(room);
    if (*name == NULL)
        return -1;
    int descriptor = -1;
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        snprintf(*name, room, "%s.%ld-%u.tmp", path, (long)getpid(), attempt);
        descriptor = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0 || errno != EEXIST)
            break;
    }
    return descriptor;
}

/* So that the new name survives a power failure too; not every file system can. */
static void sync_folder(const char *path)
{
    char *folder = strdup(path);
    if (folder == NULL)
        return;
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[slash == folder] = '\0';
    int descriptor = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (descriptor < 0)
        return;
    (void)fsync(descriptor);
    close(descriptor);
}

static int write_regular(const char *path, enum trace_form form, const struct trace *trace,
                         const struct packed *packed, struct trace_error *error)
{
    char *temporary = NULL;
    int descriptor = open_beside(path, &temporary);
    int result;
    if (descriptor < 0)
        result = trace_fail(error, 0, 0, "cannot write it: %s", strerror(errno));
    else {
        result = write_open(descriptor, form, trace, packed, 1, error);
        if (result == 0 && rename(temporary, path) != 0)
            result = trace_fail(error, 0, 0, "cannot write it: %s", strerror(errno));
        if (result == 0)
            sync_folder(path);
        else
            unlink(temporary);
    }
    free(temporary);
    return result;
}

int trace_write(const char *path, enum trace_form form, const struct trace *trace,
                struct trace_error *error)
{
    return trace_check(trace, error) != 0 ? -1 : file_write(path, form, trace, NULL, error);
}

int file_write(const char *path, enum trace_form form, const struct trace *trace,
               const struct packed *packed, struct trace_error *error)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return write_regular(path, form, trace, packed, error);
    if (S_ISDIR(status.st_mode))
        return trace_fail(error, 0, 0, "cannot write it: it is a folder");
    if (!S_ISREG(status.st_mode)) {
        int descriptor = open(path, O_WRONLY | O_CLOEXEC);
        if (descriptor < 0)
            return trace_fail(error, 0, 0, "cannot write it: %s", strerror(errno));
        return write_open(descriptor, form, trace, packed, 0, error);
    }
    /* Through a symbolic link, so that the file it leads to is replaced and not the link. */
    char *real = realpath(path, NULL);
    if (real == NULL)
        return trace_fail(error, 0, 0, "cannot write it: %s", strerror(errno));
    int result = write_regular(real, form, trace, packed, error);
    free(real);
    return result;
}
