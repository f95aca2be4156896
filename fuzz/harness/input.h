/* What the bytes of a pool target mean: how to make the pool, then a trace to run on it.
 *
 * Every string of bytes is an input: the first INPUT_HEADER of them are the settings (missing ones
 * are zero), the rest is what trace_decode makes of it. As a trace file an input has its settings
 * for origin:
 *     origin pool source=malloc bytes=1024 offset=0 flags=keep,strict
 * Nothing here is global; an input belongs to one thread.
 */
#ifndef POOLPROOF_INPUT_H
#define POOLPROOF_INPUT_H

#ifdef NDEBUG
#error "assertions are one of the oracles; build without NDEBUG"
#endif

#include <stdint.h>
#include <stdio.h>

#include "executor.h"

enum { INPUT_HEADER = 3, INPUT_MAX_OPS = 256, INPUT_MOST_BYTES = 1 << 24 };

enum input_source {
    INPUT_MALLOC,
    INPUT_BUFFER, /* the caller's */
    INPUT_LAZY,
    INPUT_MAP, /* functions that hand out dirty memory and keep account of it */
    INPUT_SOURCES
};

struct input {
    enum input_source source;
    unsigned flags; /* POOL_KEEP_CONTENTS and POOL_STRICT */
    size_t bytes;   /* capacity, or the size of the buffer; of decoded ones at most 95.75 KiB */
    size_t offset; /* 0 to 15: bytes of the buffer, granules of map's memory after a page's start */
    struct trace trace;
};

/* Fills *input from any bytes. Fails (-1) only for lack of memory. input_free frees what it
 * owns. */
int input_decode(const uint8_t *bytes, size_t size, struct input *input);
void input_free(struct input *input);

/* Bytes that input_decode turns into this input or its nearest expressible neighbour, as
 * trace_encode. */
size_t input_encode(const struct input *input, uint8_t *bytes, size_t room);

/* Makes an input of a trace, which it takes over, and of the settings in its origin; a trace
 * from elsewhere gets a pool of twice its peak. Fails (-1) if the origin begins as settings do
 * and holds none. */
int input_of_trace(struct input *input, const struct trace *trace);

/* Writes the input as the text of a trace file. */
void input_print(const struct input *input, FILE *stream);

/* The memory beneath a pool of this input, and what happens to it. */
struct backing {
    unsigned char *buffer; /* of INPUT_BUFFER, with the offset before it */
    size_t buffer_size, offset;
    unsigned char *mapped; /* what map gave and unmap has not taken back yet */
    size_t mapped_bytes;
    unsigned maps, refuse_map; /* how often map was asked; which time it refuses, 0 for never */
    const char *complaint;     /* the first thing that a pool did wrong with it, or NULL */
};

/* Sets up *backing and fills *config so that pools can be made of it, one after the other.
 * Memory of the caller's and of map is dirty. Fails (-1) only for lack of memory. */
int backing_open(const struct input *input, struct backing *backing, struct pool_config *config);

/* What a pool that is gone again did wrong: memory not returned, written outside of it, or left
 * poisoned under ASan. NULL if nothing. */
const char *backing_complaint(const struct backing *backing);
void backing_close(struct backing *backing);

/* From so many bytes on a caller's buffer must do, wherever it starts: for a checked pool, and for
 * a pool of this build. */
enum { INPUT_CHECKED_ENOUGH = 111 };
#if defined(POOL_CHECKED)
enum { INPUT_BUFFER_ENOUGH = INPUT_CHECKED_ENOUGH };
#else
enum { INPUT_BUFFER_ENOUGH = 47 };
#endif

/* Runs the input on a pool with these oracles and looks at the backing afterwards; what is found is
 * reported as target_fail does. A buffer that is rightly called too small runs nothing. */
void input_check(const struct input *input, unsigned oracles);

/* The same on a pool of the other kind: see execute_on_twin. */
void input_check_twin(const struct input *input, unsigned oracles);

/* Prints a finding to stderr, first as a line of JSON and then for people, with the input as
 * text up to the operation; then aborts, which is how an engine learns of it. */
_Noreturn void target_fail(const struct input *input, const struct finding *finding);

/* target_fail for what a target saw itself: at the end of the trace unless it names an
 * operation. */
_Noreturn void target_complain(const struct input *input, const char *oracle, const char *message);

/* The function that every target defines: runs one input, returns 0, and aborts on a finding. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
