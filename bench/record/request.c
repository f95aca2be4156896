/* The command line. */
#define _GNU_SOURCE
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void usage(const char *wrong)
{
    fprintf(stderr,
            "poolproof-convert: %s; usage: poolproof-convert -o OUT.trace [--process NAME] [--all] "
            "[--form binary|gzip|text]\n",
            wrong);
    exit(2);
}

static enum trace_form form_named(const char *name)
{
    if (strcmp(name, "binary") == 0)
        return TRACE_BINARY;
    if (strcmp(name, "gzip") == 0)
        return TRACE_BINARY_GZIP;
    if (strcmp(name, "text") != 0)
        usage("--form is binary, gzip or text");
    return TRACE_TEXT;
}

struct request request_read(int argc, char **argv)
{
    struct request request = {.form = TRACE_BINARY};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--all") == 0) {
            request.all = true;
            continue;
        }
        if (i + 1 == argc)
            usage("an argument is not understood, or its value is missing");
        const char *value = argv[++i];
        if (strcmp(word, "-o") == 0)
            request.out = value;
        else if (strcmp(word, "--process") == 0)
            request.process = value;
        else if (strcmp(word, "--form") == 0)
            request.form = form_named(value);
        else
            usage("an argument is not understood");
    }
    if (!request.out || !(request.folder = strdup(request.out)))
        usage("-o OUT.trace is needed");
    char *slash = strrchr(request.folder, '/');
    strcpy(slash ? slash + (slash == request.folder) : request.folder, slash ? "" : ".");
    return request;
}
