/* Inputs of the pool targets between their forms, and a run of one as it stands.
 *
 *     fuzz-translate text FILE          the input as text on standard output
 *     fuzz-translate bytes TEXT         the bytes that decode to a text, on standard output
 *     fuzz-translate same TEXT FILE…    in TAP, whether each FILE is what its TEXT gives
 *     fuzz-translate run FILE           the input on a pool, with every oracle; a finding aborts
 *     fuzz-translate c FILE FRAME       a C program of its own, in the frame of reproducer.c
 *     fuzz-translate slices TRACE N OUT inputs OUT-1, OUT-2 …: N slices of any trace file
 *
 * FILE is bytes, or a text that begins with "poolproof trace". Errors are one line on standard
 * error and exit 2.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

static const char bad_origin[] = "the origin must be 'pool source=malloc|buffer|lazy|map bytes=N "
                                 "offset=N flags=none|keep,strict'";

static _Noreturn void refuse(const char *path, const char *message)
{
    fprintf(stderr, "%s: %s\n", path, message);
    exit(2);
}

/* The bytes of a file in memory of its own, followed by a zero. */
static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *const file = fopen(path, "rb");
    size_t room = 4096;
    uint8_t *bytes = malloc(room);
    if (!file)
        refuse(path, strerror(errno));
    *size = 0;
    while (bytes) {
        *size += fread(bytes + *size, 1, room - *size - 1, file);
        if (*size + 1 < room)
            break;
        room *= 2;
        uint8_t *const more = realloc(bytes, room);
        if (!more)
            free(bytes);
        bytes = more;
    }
    if (!bytes || ferror(file))
        refuse(path, strerror(errno));
    fclose(file);
    bytes[*size] = 0;
    return bytes;
}

static struct input read_input(const char *path)
{
    static const char start[] = "poolproof trace";
    struct input input;
    struct trace trace;
    struct trace_error error;
    size_t size;
    uint8_t *const bytes = read_file(path, &size);
    if (size >= sizeof start && memcmp(bytes, start, sizeof start - 1) == 0) {
        if (trace_parse(bytes, size, &trace, &error) != 0)
            refuse(path, error.message);
        if (input_of_trace(&input, &trace) != 0)
            refuse(path, bad_origin);
    } else if (input_decode(bytes, size, &input) != 0) {
        refuse(path, "out of memory");
    }
    free(bytes);
    return input;
}

static uint8_t *encode(const char *path, size_t *size)
{
    struct input input = read_input(path);
    *size = input_encode(&input, NULL, 0);
    uint8_t *const bytes = malloc(*size);
    if (!bytes)
        refuse(path, "out of memory");
    input_encode(&input, bytes, *size);
    input_free(&input);
    return bytes;
}

static void write_bytes(const char *text)
{
    size_t size;
    uint8_t *const bytes = encode(text, &size);
    fwrite(bytes, 1, size, stdout);
    free(bytes);
}

static int compare(int count, char **paths)
{
    int failed = 0;
    printf("1..%d\n", count / 2);
    for (int i = 0; i + 1 < count; i += 2) {
        size_t size, there_size;
        uint8_t *const bytes = encode(paths[i], &size);
        uint8_t *const there = read_file(paths[i + 1], &there_size);
        const int same = size == there_size && memcmp(bytes, there, size) == 0;
        printf("%s %d - %s\n", same ? "ok" : "not ok", i / 2 + 1, paths[i + 1]);
        failed |= !same;
        free(bytes);
        free(there);
    }
    return failed;
}

/* The trace, which is taken over, as the bytes of OUT-NUMBER. */
static void write_input(const char *path, const struct trace *trace, const char *out, size_t number)
{
    uint8_t bytes[INPUT_HEADER + INPUT_MAX_OPS * TRACE_DECODE_BYTES];
    char name[4096];
    struct input input;
    if (input_of_trace(&input, trace) != 0)
        refuse(path, bad_origin);
    const size_t size = input_encode(&input, bytes, sizeof bytes);
    snprintf(name, sizeof name, "%s-%zu", out, number);
    FILE *const file = fopen(name, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        refuse(name, strerror(errno));
    input_free(&input);
}

/* Slices that begin at even distances; of a trace that an input holds, the whole. */
static void write_slices(const char *path, size_t wanted, const char *out)
{
    struct trace trace, slice;
    struct trace_error error;
    if (trace_read(path, &trace, &error) != 0)
        refuse(path, error.message);
    if (trace.count <= INPUT_MAX_OPS && trace.slots <= TRACE_DECODE_SLOTS) {
        write_input(path, &trace, out, 1);
        return;
    }
    for (size_t i = 0; i < wanted; i++) {
        if (trace_slice(&trace, trace.count / wanted * i, INPUT_MAX_OPS, TRACE_DECODE_SLOTS,
                        &slice) != 0)
            refuse(path, "out of memory");
        write_input(path, &slice, out, i + 1);
    }
    trace_free(&trace);
}

static void print_program(const char *path, const char *frame_path)
{
    struct input input = read_input(path);
    FILE *const frame = fopen(frame_path, "r");
    if (!frame)
        refuse(frame_path, strerror(errno));
    if (program_print(&input, frame, stdout) != 0)
        refuse(frame_path, "this is not the frame of reproducer.c");
    fclose(frame);
    input_free(&input);
}

int main(int count, char **arguments)
{
    const char *const verb = count > 2 ? arguments[1] : "";
    int failed = 0;
    if (strcmp(verb, "same") == 0 && count >= 4 && count % 2 == 0) {
        failed = compare(count - 2, arguments + 2);
    } else if (strcmp(verb, "bytes") == 0 && count == 3) {
        write_bytes(arguments[2]);
    } else if (strcmp(verb, "text") == 0 && count == 3) {
        struct input input = read_input(arguments[2]);
        input_print(&input, stdout);
        input_free(&input);
    } else if (strcmp(verb, "run") == 0 && count == 3) {
        struct input input = read_input(arguments[2]);
        input_check(&input, ORACLE_ALL);
        input_free(&input);
    } else if (strcmp(verb, "c") == 0 && count == 4) {
        print_program(arguments[2], arguments[3]);
    } else if (strcmp(verb, "slices") == 0 && count == 5 && strtoul(arguments[3], NULL, 10) > 0) {
        write_slices(arguments[2], strtoul(arguments[3], NULL, 10), arguments[4]);
    } else {
        fprintf(stderr,
                "usage: fuzz-translate text FILE | bytes TEXT | same TEXT FILE… | run FILE | "
                "c FILE FRAME | slices TRACE N OUT\n");
        return 2;
    }
    if (fflush(stdout) != 0)
        refuse("standard output", strerror(errno));
    return failed;
}
