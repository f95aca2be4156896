/* The one language of Poolproof: a sequence of allocator operations.
 *
 * A benchmark's workload, a fuzz input, a recorded program and a minimised crash are all traces, and an
 * executor (executor.h) runs one against a pool, the model or malloc. Here are the vocabulary, the
 * binary and the text form, and the decoder that makes a trace of any bytes.
 *
 * Objects are named by slots: small integers, each free for reuse after its object is freed. A trace
 * holds sizes, alignments, threads and call sites, never addresses and never contents.
 *
 * All functions return 0 on success and -1 on failure with *error filled; none prints. A struct trace
 * owns its arrays until trace_free. Nothing is global; one trace belongs to one thread at a time.
 */
#ifndef POOLPROOF_TRACE_H
#define POOLPROOF_TRACE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What an operation does. In the text form each is the word in the comment, followed by its fields. */
enum trace_kind {
    TRACE_ALLOC,   /* alloc SLOT SIZE ALIGN      the slot must be empty */
    TRACE_CALLOC,  /* calloc SLOT SIZE ALIGN     the same, and the program wanted zeroes */
    TRACE_REALLOC, /* realloc SLOT SIZE          the slot must hold an object */
    TRACE_FREE,    /* free SLOT                  the slot must hold an object */
    TRACE_RESET,   /* reset                      empties every slot */
    TRACE_CHECK,   /* check                      verify every live object now */
    /* Misuse: what a correct program never does. Each must be refused and change nothing. */
    TRACE_ALLOC_ZERO,      /* alloc-zero SLOT            size 0 */
    TRACE_ALLOC_HUGE,      /* alloc-huge SLOT SIZE       SIZE bytes below SIZE_MAX */
    TRACE_ALLOC_BAD_ALIGN, /* alloc-bad-align SLOT SIZE  a type beyond the largest */
    TRACE_FREE_TWICE,      /* free-twice SLOT            the pointer last freed from this slot */
    TRACE_FREE_INTERIOR,   /* free-interior SLOT SIZE    SIZE granules behind its start */
    TRACE_FREE_MISALIGNED, /* free-misaligned SLOT SIZE  1 + SIZE % 15 bytes behind its start */
    TRACE_FREE_BEFORE,     /* free-before SIZE           SIZE + 1 granules before the block */
    TRACE_FREE_BEHIND,     /* free-behind SIZE           SIZE granules behind the block's end */
    TRACE_FREE_FOREIGN,    /* free-foreign SIZE          a live chunk of another pool */
    TRACE_FREE_WRONG_SIZE, /* free-wrong-size SLOT SIZE  SIZE bytes instead of its own */
    TRACE_FREE_STALE,      /* free-stale SLOT            the pointer that it held before a reset */
    TRACE_REALLOC_TWICE,   /* realloc-twice SLOT SIZE    realloc of the pointer last freed from it */
    TRACE_REALLOC_INTERIOR,   /* realloc-interior SLOT SIZE    realloc of one granule behind its start */
    TRACE_REALLOC_WRONG_SIZE, /* realloc-wrong-size SLOT SIZE  realloc with SIZE as the old size */
    TRACE_KINDS
};

struct trace_op {
    uint8_t kind;    /* of enum trace_kind */
    uint8_t align;   /* exponent: alignment in bytes is 1 << align; 0..12 */
    uint16_t thread; /* which of the program's threads; 0 is the first */
    uint32_t slot;
    uint32_t site; /* index into trace.sites; 0 is unknown */
    uint64_t size; /* bytes, or as the kind says */
};

struct trace {
    struct trace_op *ops;
    size_t count;       /* operations */
    uint32_t slots;     /* one more than the largest slot */
    uint16_t threads;   /* one more than the largest thread */
    char **sites;       /* call sites as text, from index 1; sites[0] is NULL */
    uint32_t site_count; /* entries of sites, the unused first one included; 0 if none */
    char *origin;       /* what was recorded, as one line of text; NULL if unknown */
};

/* What is wrong with a file or a text, and where. */
struct trace_error {
    uint64_t offset;   /* bytes from its start */
    uint64_t line;     /* of a text, from 1; 0 for a binary */
    char message[200]; /* one sentence, without the file's name */
};

/* Reads a trace from a file, binary or text, compressed by gzip or not: the form is recognised. Each
 * operation is checked against the rules above (an empty slot is not freed, a full one not filled) and
 * each block of a binary against its checksum. Fails on a file that cannot be read, is cut short, is
 * damaged or breaks a rule; *trace is then empty. Cost: linear. */
int trace_read(const char *path, struct trace *trace, struct trace_error *error);

/* The same from memory; the bytes are not compressed. */
int trace_parse(const void *bytes, size_t size, struct trace *trace, struct trace_error *error);

enum trace_form { TRACE_BINARY, TRACE_BINARY_GZIP, TRACE_TEXT };

/* Writes a trace so that trace_read gives an equal one. The file appears whole under its name or not at
 * all: a full or read-only folder leaves what was there before. */
int trace_write(const char *path, enum trace_form form, const struct trace *trace,
                struct trace_error *error);

/* The text of one operation, as a line without its end, into a buffer of `size` bytes. */
void trace_print_op(const struct trace_op *op, char *buffer, size_t size);

/* Makes a trace of any bytes: every string of bytes is one, and every operation in it is well placed (what
 * is freed is live, misuse names what it needs). Small sizes and few slots are the likeliest. At most
 * max_ops operations. Fails only for lack of memory. */
int trace_decode(const uint8_t *bytes, size_t size, size_t max_ops, struct trace *trace);

/* Bytes that trace_decode turns into this trace, or into its nearest expressible neighbour. Returns the
 * bytes needed, which may be more than `room`; nothing beyond room is written. */
size_t trace_encode(const struct trace *trace, uint8_t *bytes, size_t room);

/* Appends one operation, growing the arrays; -1 for lack of memory. Rules are not checked. */
int trace_append(struct trace *trace, struct trace_op op);

/* Frees what the trace owns and empties it. An empty (all zero) trace is fine. */
void trace_free(struct trace *trace);

#ifdef __cplusplus
}
#endif

#endif
