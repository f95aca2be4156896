/* Makes a failing input of a pool target small, by operations.
 *
 *     TARGET-minimise FILE > SMALLER
 *
 * Each candidate runs in a process of its own and counts if it fails alike: the same oracle at the
 * same kind of operation, or the same summary of a sanitizer. Operations go first, in halves down
 * to single ones, then sizes, alignments, slots and the pool's settings become simpler, until
 * nothing more can go. Prints the bytes of the result; one line on standard error tells what became
 * of it. Exit 2 if FILE cannot be read, 3 if it does not fail. Cost: a process for each candidate,
 * at most MOST_RUNS of them.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "input.h"

enum {
    MOST_BYTES = INPUT_HEADER + TRACE_DECODE_BYTES * INPUT_MAX_OPS,
    MOST_RUNS = 4000,
    SECONDS = 10
};

static char wanted[256]; /* how the input fails */
static unsigned runs;

/* Copies the text between two marks, or nothing if they are not there. */
static int cut(const char *text, const char *before, const char *after, char *out, size_t room)
{
    const char *from = strstr(text, before);
    if (!from)
        return 0;
    from += strlen(before);
    const size_t length = strcspn(from, after);
    snprintf(out, room, "%.*s", (int)(length < room ? length : room - 1), from);
    return 1;
}

/* How a process failed, by what it said. */
static void name_failure(const char *said, char *name, size_t room)
{
    char oracle[64], operation[64];
    if (cut(said, "{\"oracle\": \"", "\"", oracle, sizeof oracle) &&
        cut(said, "\"operation\": \"", "\" ", operation, sizeof operation))
        snprintf(name, room, "%s at %s", oracle, operation);
    else if (!cut(said, "SUMMARY: ", "\n", name, room) && !cut(said, "Assertion", "\n", name, room))
        snprintf(name, room, "a signal");
}

static void run_child(const uint8_t *bytes, size_t size, int pipe_end)
{
    dup2(pipe_end, STDERR_FILENO);
    alarm(SECONDS);
    uint8_t *const exact = malloc(size > 0 ? size : 1);
    if (exact) {
        memcpy(exact, bytes, size);
        LLVMFuzzerTestOneInput(exact, size);
    }
    _exit(0);
}

/* Runs bytes apart and stores how they fail; returns 0 if they do not. */
static int failure(const uint8_t *bytes, size_t size, char *name, size_t room)
{
    static char said[1 << 17];
    int ends[2], status = 0;
    if (pipe(ends) != 0)
        return 0;
    runs++;
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0)
        run_child(bytes, size, ends[1]);
    close(ends[1]);
    size_t length = 0;
    ssize_t got = 1;
    while (child > 0 && got > 0) {
        char rest[4096];
        const int full = length + 1 >= sizeof said;
        got = full ? read(ends[0], rest, sizeof rest)
                   : read(ends[0], said + length, sizeof said - 1 - length);
        length += got > 0 && !full ? (size_t)got : 0;
    }
    said[length] = 0;
    close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    name_failure(said, name, room);
    return 1;
}

/* If the candidate fails alike it becomes the input, as its bytes decode. */
static int accept(struct input *input, const struct input *candidate)
{
    uint8_t bytes[MOST_BYTES];
    char name[sizeof wanted];
    struct input decoded;
    const size_t size = input_encode(candidate, bytes, sizeof bytes);
    if (runs >= MOST_RUNS || size > sizeof bytes || !failure(bytes, size, name, sizeof name) ||
        strcmp(name, wanted) != 0 || input_decode(bytes, size, &decoded) != 0)
        return 0;
    input_free(input);
    *input = decoded;
    return 1;
}

/* The input without `count` operations from `at`, in memory that the caller lends. */
static struct input without(const struct input *input, size_t at, size_t count,
                            struct trace_op *ops)
{
    struct input less = *input;
    const size_t after = input->trace.count - at - count;
    memcpy(ops, input->trace.ops, at * sizeof *ops);
    memcpy(ops + at, input->trace.ops + at + count, after * sizeof *ops);
    less.trace.ops = ops;
    less.trace.count -= count;
    return less;
}

static int drop_operations(struct input *input)
{
    struct trace_op ops[INPUT_MAX_OPS];
    int changed = 0;
    for (size_t step = (input->trace.count + 1) / 2; step > 0; step /= 2) {
        for (size_t end = input->trace.count; end > 0;) {
            const size_t count = end < step ? end : step;
            const struct input less = without(input, end - count, count, ops);
            changed |= accept(input, &less);
            end = end - count < input->trace.count ? end - count : input->trace.count;
        }
    }
    return changed;
}

/* An object and what belongs to it: dropped together they leave the others' meaning alone. */
static int drop_slots(struct input *input)
{
    int changed = 0;
    for (uint32_t slot = 0; slot < TRACE_DECODE_SLOTS; slot++) {
        struct trace_op ops[INPUT_MAX_OPS];
        struct input less = *input;
        less.trace.ops = ops;
        less.trace.count = 0;
        for (size_t i = 0; i < input->trace.count; i++) {
            if (input->trace.ops[i].slot != slot)
                ops[less.trace.count++] = input->trace.ops[i];
        }
        changed |= less.trace.count < input->trace.count && accept(input, &less);
    }
    return changed;
}

/* An operation and the next one on its object go together: one alone would only change places. */
static int drop_pairs(struct input *input)
{
    int changed = 0;
    for (size_t i = 0; i < input->trace.count; i++) {
        struct trace_op ops[INPUT_MAX_OPS];
        const struct trace *const trace = &input->trace;
        size_t other = i + 1;
        while (other < trace->count && trace->ops[other].slot != trace->ops[i].slot)
            other++;
        if (other == trace->count)
            continue;
        struct input less = without(input, other, 1, ops);
        memmove(ops + i, ops + i + 1, (less.trace.count - i - 1) * sizeof *ops);
        less.trace.count--;
        changed |= accept(input, &less);
    }
    return changed;
}

/* Tries the input with one operation in place of the one at `at`. */
static int replace(struct input *input, size_t at, struct trace_op op)
{
    struct trace_op ops[INPUT_MAX_OPS];
    struct input other = without(input, 0, 0, ops);
    ops[at] = op;
    return accept(input, &other);
}

/* The smallest size that still fails, by steps that are halved when one does not. */
static int shrink_size(struct input *input, size_t at)
{
    int changed = 0;
    for (uint64_t step = input->trace.ops[at].size; step > 0;) {
        struct trace_op op = input->trace.ops[at];
        if (op.size > step) {
            op.size -= step;
            if (replace(input, at, op) && at < input->trace.count &&
                input->trace.ops[at].size <= op.size) {
                changed = 1;
                continue;
            }
        }
        if (at >= input->trace.count)
            break;
        step = (step < op.size ? step : op.size) / 2;
    }
    return changed;
}

static int simplify_operation(struct input *input, size_t at)
{
    struct trace_op op = input->trace.ops[at];
    int changed = 0;
    if (op.align > 0) {
        op.align = 0;
        changed |= replace(input, at, op);
    }
    if (at < input->trace.count && input->trace.ops[at].kind == TRACE_CALLOC) {
        op = input->trace.ops[at];
        op.kind = TRACE_ALLOC;
        changed |= replace(input, at, op);
    }
    return at < input->trace.count ? changed | shrink_size(input, at) : changed;
}

static int simplify_settings(struct input *input)
{
    const struct input plain[] = {
        {.source = INPUT_MALLOC, .flags = input->flags, .bytes = input->bytes},
        {.source = input->source, .bytes = input->bytes, .offset = input->offset},
        {.source = input->source,
         .flags = POOL_STRICT,
         .bytes = input->bytes,
         .offset = input->offset},
        {.source = input->source, .flags = input->flags, .bytes = input->bytes},
    };
    int changed = 0;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        struct input simpler = plain[i];
        const int is_simpler = simpler.source < input->source || simpler.flags < input->flags ||
                               simpler.offset < input->offset;
        simpler.trace = input->trace;
        changed |= is_simpler && accept(input, &simpler);
    }
    for (size_t bytes = 64; bytes < input->bytes; bytes *= 2) {
        struct input smaller = *input;
        smaller.bytes = bytes;
        changed |= accept(input, &smaller);
    }
    return changed;
}

static size_t read_bytes(const char *path, uint8_t *bytes, size_t room)
{
    FILE *const file = fopen(path, "rb");
    const size_t size = file ? fread(bytes, 1, room, file) : 0;
    if (!file || ferror(file)) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    fclose(file);
    return size;
}

int main(int count, char **arguments)
{
    static uint8_t bytes[1 << 20];
    struct input input;
    if (count != 2) {
        fprintf(stderr, "usage: %s FILE > SMALLER\n", arguments[0]);
        return 2;
    }
    size_t size = read_bytes(arguments[1], bytes, sizeof bytes);
    if (!failure(bytes, size, wanted, sizeof wanted)) {
        fprintf(stderr, "%s: does not fail\n", arguments[1]);
        return 3;
    }
    if (input_decode(bytes, size, &input) != 0)
        return 2;
    const size_t before = input.trace.count;
    int changed;
    do {
        changed = drop_operations(&input) | drop_slots(&input) | drop_pairs(&input) |
                  simplify_settings(&input);
        for (size_t i = 0; i < input.trace.count; i++)
            changed |= simplify_operation(&input, i);
    } while (changed && runs < MOST_RUNS);
    size = input_encode(&input, bytes, sizeof bytes);
    fprintf(stderr, "%s: %zu operations, were %zu, after %u runs; fails by %s\n", arguments[1],
            input.trace.count, before, runs, wanted);
    input_free(&input);
    return fwrite(bytes, 1, size, stdout) != size || fflush(stdout) != 0;
}
