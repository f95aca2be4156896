/* What the command line asks for. */
#ifndef POOLPROOF_REQUEST_H
#define POOLPROOF_REQUEST_H

#include "trace.h"

#include <stdbool.h>

struct request {
    const char *out, *process;
    char *folder; /* of out */
    bool all;
    enum trace_form form;
};

/* Ends the program with one line and status 2 if it is wrong. */
struct request request_read(int argc, char **argv);

#endif
