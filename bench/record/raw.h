/* What the recorder leaves on disk and the converter reads: one raw file for each program image.
 *
 * A raw file is a header, a table of modules, and events in the order in which they took place.
 * The recorder writes all three through shared mappings, so that whatever ends the program, the
 * file holds every event up to the last. The byte order and the widths are those of the machine.
 */
#ifndef POOLPROOF_RAW_H
#define POOLPROOF_RAW_H

#include <stdint.h>

#define RAW_MAGIC "poolraw1"

/* Names in the environment: the folder for raw files. */
#define RAW_FOLDER_VARIABLE "POOLPROOF_RECORD_FOLDER"

enum {
    RAW_MODULES = 512,           /* entries of the table */
    RAW_WINDOW_EVENTS = 1 << 15, /* a file grows by this many events */
    RAW_WINDOWS = 1 << 16        /* at most this many times */
};

enum raw_kind {
    RAW_NOTHING,      /* a hole: taken but never finished, by a thread that was killed */
    RAW_ALLOC,        /* address, size, align: taken after the allocation returned */
    RAW_CALLOC,       /* the same, with zeroes promised */
    RAW_FREE,         /* address: taken before the memory is given back */
    RAW_REALLOC_FROM, /* address: taken before realloc */
    RAW_REALLOC_TO /* address, size: taken after it, on the same thread; address 0 is a failure */
};

struct raw_event {
    uint64_t address;
    uint64_t size; /* bytes, as asked for */
    uint64_t site; /* the return address of the call */
    uint16_t thread;
    uint8_t align; /* exponent of what was asked for; 0: nothing */
    uint8_t kind;  /* written last */
    uint32_t spare;
};

/* A mapped executable range: addresses in [start, end) are bytes of the file from `offset` on. */
struct raw_module {
    uint64_t start, end, offset;
    char path[232]; /* empty for memory without a file */
};

struct raw_header {
    char magic[8];
    uint32_t pid, parent;
    uint32_t image;      /* counts the programs that one process ran, from 0 */
    int32_t stopped;     /* errno of what ended the recording early; 0 while it goes on */
    uint32_t threads;    /* how many have been seen */
    uint32_t modules;    /* entries of the table in use */
    uint64_t started_ns; /* CLOCK_MONOTONIC */
    char program[256];   /* path of the executable */
    char command[3796];  /* its arguments, each ended by a zero byte, perhaps cut short */
    uint32_t own_malloc; /* 1 if the program's calls of malloc do not come to the recorder */
};

#define RAW_MODULES_OFFSET UINT64_C(4096)
#define RAW_EVENTS_OFFSET (RAW_MODULES_OFFSET + RAW_MODULES * sizeof(struct raw_module))
#define RAW_WINDOW_BYTES (RAW_WINDOW_EVENTS * sizeof(struct raw_event))

_Static_assert(sizeof(struct raw_event) == 32, "an event is half a cache line");
_Static_assert(sizeof(struct raw_module) == 256, "modules fill whole pages");
_Static_assert(sizeof(struct raw_header) <= 4096, "the header is one page");

#endif
