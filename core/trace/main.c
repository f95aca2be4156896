/* poolproof-trace: look into a trace file, convert it, and run it with every promise verified.
 *
 * Exit code: 0 all is well, 1 a finding, 2 wrong usage, a bad file or one that cannot be written.
 */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec.h"
#include "executor.h"

enum { EXIT_FINDING = 1, EXIT_USAGE = 2 };

static const char usage[] =
    "usage: poolproof-trace info FILE\n"
    "       poolproof-trace print FILE\n"
    "       poolproof-trace convert [--to binary|gzip|text] IN OUT\n"
    "       poolproof-trace run [--on pool|malloc] [--capacity BYTES] [--keep-contents] [--lazy]\n"
    "                           [--strict] FILE\n"
    "\n"
    "FILE may be a binary trace or a text, compressed by gzip or not.\n"
    "  --to FORM        what OUT becomes; else its name decides: .txt text, .gz gzip, others "
    "binary\n"
    "  --on ALLOCATOR   what the trace runs on: pool (the default) or malloc\n"
    "  --capacity BYTES of the pool; else twice the trace's peak and 64 KiB\n"
    "  --keep-contents, --lazy, --strict  flags of the pool\n";

struct options {
    const char *to;
    const char *on;
    uint64_t capacity; /* bytes; 0: not given */
    unsigned flags;    /* of enum pool_flag */
};

static int fail(const char *about, const char *message)
{
    fprintf(stderr, "poolproof-trace: %s: %s\n", about, message);
    return EXIT_USAGE;
}

static int fail_usage(const char *message)
{
    fprintf(stderr, "poolproof-trace: %s; see poolproof-trace --help\n", message);
    return EXIT_USAGE;
}

static int read_or_fail(const char *path, struct trace *trace)
{
    struct trace_error error;
    return trace_read(path, trace, &error) == 0 ? 0 : fail(path, error.message);
}

/* --- Commands --------------------------------------------------------------------------------- */

static int info(const char *path)
{
    struct trace trace;
    if (read_or_fail(path, &trace) != 0)
        return EXIT_USAGE;
    size_t kinds[TRACE_KINDS] = {0};
    for (size_t i = 0; i < trace.count; i++)
        kinds[trace.ops[i].kind]++;
    printf("origin      %s\n", trace.origin != NULL ? trace.origin : "unknown");
    printf("operations  %zu\n", trace.count);
    printf("slots       %" PRIu32 "\n", trace.slots);
    printf("threads     %" PRIu32 "\n", trace.threads);
    printf("call sites  %" PRIu32 "\n", trace.site_count != 0 ? trace.site_count - 1 : 0);
    printf("peak        %zu bytes live\n", trace_peak_bytes(&trace));
    for (unsigned kind = 0; kind < TRACE_KINDS; kind++)
        if (kinds[kind] != 0)
            printf("%-18s  %zu\n", trace_kind_name(kind), kinds[kind]);
    trace_free(&trace);
    return 0;
}

/* Standard output may be a file that something else goes on writing to: not to be replaced. */
static int print(const char *path)
{
    struct trace trace;
    if (read_or_fail(path, &trace) != 0)
        return EXIT_USAGE;
    int descriptor = dup(STDOUT_FILENO);
    struct sink sink = {.file = descriptor >= 0 ? gzdopen(descriptor, "wbT") : NULL};
    errno = 0;
    if (sink.file != NULL)
        (void)text_write(&sink, &trace, NULL);
    trace_free(&trace);
    if (sink.file == NULL || gzclose(sink.file) != Z_OK || sink.failed)
        return fail("standard output", errno != 0 ? strerror(errno) : "cannot be written");
    return 0;
}

static int ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    return size >= strlen(end) && strcmp(text + size - strlen(end), end) == 0;
}

static int convert(const char *from, const char *to, const char *name)
{
    enum trace_form form = TRACE_BINARY;
    struct trace trace;
    struct trace_error error;
    if (name == NULL)
        name = ends_with(to, ".txt") ? "text" : ends_with(to, ".gz") ? "gzip" : "binary";
    if (strcmp(name, "text") == 0)
        form = TRACE_TEXT;
    else if (strcmp(name, "gzip") == 0)
        form = TRACE_BINARY_GZIP;
    else if (strcmp(name, "binary") != 0)
        return fail_usage("--to takes binary, gzip or text");
    if (read_or_fail(from, &trace) != 0)
        return EXIT_USAGE;
    int result = trace_write(to, form, &trace, &error);
    trace_free(&trace);
    return result == 0 ? 0 : fail(to, error.message);
}

static int run_on_malloc(const struct trace *trace, struct finding *finding)
{
    size_t skipped = 0;
    int result = execute_on_malloc(trace, &skipped, finding);
    if (result == 0)
        printf("ran %zu operations on malloc, contents verified; %zu of misuse left out\n",
               trace->count - skipped, skipped);
    return result;
}

static int run_on_pool(const struct trace *trace, const struct options *options,
                       struct finding *finding)
{
    size_t peak = trace_peak_bytes(trace);
    size_t room = peak <= POOL_MAX_CAPACITY / 2 - 65536 ? peak * 2 + 65536 : POOL_MAX_CAPACITY;
    struct pool_config config = {
        .capacity = options->capacity != 0 ? (size_t)options->capacity : room,
        .flags = options->flags,
    };
    int result = execute_on_pool(trace, &config, ORACLE_ALL, finding);
    if (result == 0)
        printf("ran %zu operations on a pool of %zu bytes, every promise verified\n", trace->count,
               config.capacity);
    return result;
}

static int run(const char *path, const struct options *options)
{
    struct trace trace;
    struct finding finding;
    int on_malloc = options->on != NULL && strcmp(options->on, "malloc") == 0;
    if (options->on != NULL && !on_malloc && strcmp(options->on, "pool") != 0)
        return fail_usage("--on takes pool or malloc");
    if (options->capacity > POOL_MAX_CAPACITY)
        return fail_usage("--capacity is beyond what a pool can have");
    if (read_or_fail(path, &trace) != 0)
        return EXIT_USAGE;
    if (!on_malloc && options->capacity == 0 && trace_peak_bytes(&trace) > POOL_MAX_CAPACITY) {
        trace_free(&trace);
        return fail(path, "holds more at a time than any pool can");
    }
    int result =
        on_malloc ? run_on_malloc(&trace, &finding) : run_on_pool(&trace, options, &finding);
    if (result != 0) {
        char text[80] = "the end";
        if (finding.op < trace.count)
            trace_print_op(&trace.ops[finding.op], text, sizeof text);
        fprintf(stderr, "poolproof-trace: %s: operation %zu (%s): %s: %s\n", path, finding.op, text,
                finding.oracle, finding.message);
    }
    trace_free(&trace);
    return result == 0 ? 0 : EXIT_FINDING;
}

/* --- Arguments -------------------------------------------------------------------------------- */

static int parse_bytes(const char *text, uint64_t *bytes)
{
    char *end;
    errno = 0;
    *bytes = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *bytes != 0 ? 0 : -1;
}

static int parse_options(int argc, char **argv, struct options *options)
{
    enum { TO = 1, ON, CAPACITY, KEEP_CONTENTS, LAZY, STRICT };
    static const struct option known[] = {
        {"to", required_argument, NULL, TO},
        {"on", required_argument, NULL, ON},
        {"capacity", required_argument, NULL, CAPACITY},
        {"keep-contents", no_argument, NULL, KEEP_CONTENTS},
        {"lazy", no_argument, NULL, LAZY},
        {"strict", no_argument, NULL, STRICT},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        switch (option) {
        case TO:
            options->to = optarg;
            break;
        case ON:
            options->on = optarg;
            break;
        case KEEP_CONTENTS:
            options->flags |= POOL_KEEP_CONTENTS;
            break;
        case LAZY:
            options->flags |= POOL_LAZY;
            break;
        case STRICT:
            options->flags |= POOL_STRICT;
            break;
        case CAPACITY:
            if (parse_bytes(optarg, &options->capacity) == 0)
                break;
            return fail_usage("--capacity takes a number of bytes, not 0");
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            return EXIT_USAGE; /* getopt has said what is wrong */
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    /* A file that may not grow is an error of write, to be told; not the end. */
    signal(SIGXFSZ, SIG_IGN);
    if (parse_options(argc, argv, &options) != 0)
        return EXIT_USAGE;
    const char *command = optind < argc ? argv[optind] : "";
    char **files = argv + optind + 1;
    int count = argc - optind - 1;
    int result;
    if (strcmp(command, "info") == 0 && count == 1)
        result = info(files[0]);
    else if (strcmp(command, "print") == 0 && count == 1)
        result = print(files[0]);
    else if (strcmp(command, "convert") == 0 && count == 2)
        result = convert(files[0], files[1], options.to);
    else if (strcmp(command, "run") == 0 && count == 1)
        result = run(files[0], &options);
    else
        return fail_usage("expected info FILE, print FILE, convert IN OUT or run FILE");
    if (result == 0 && (fflush(stdout) != 0 || ferror(stdout)))
        return fail("standard output", strerror(errno));
    return result;
}
