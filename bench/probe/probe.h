/* What Google Benchmark does not tell of an arm on a workload: its instructions, its memory, and
 * how long single operations take.
 *
 * A probe runs one workload on one arm in a process of its own, by the same code that is timed. Two
 * of them put an allocator of their own between the workload and the arm, which sees every
 * operation. Such a process's times mean nothing beside those of whole batches.
 */
#ifndef POOLPROOF_PROBE_H
#define POOLPROOF_PROBE_H

#include "arm.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One workload on one arm: a scale of a shape, or else a trace. */
struct subject {
    const struct arm *arm;
    const struct shape *shape; /* NULL for a trace */
    size_t index;              /* of the shape */
    const struct scale *scale;
    const struct replay *replay;
};

/* Each returns 0, or -1 for lack of memory, and prints one JSON object. */

/* Does the workload this many times, reading no clock, for a tool that counts instructions. */
int probe_work(const struct subject *subject, long iterations, FILE *out);
/* Does the workload once and looks at the resident memory of this process on the way. */
int probe_memory(const struct subject *subject, FILE *out);
/* Does the workload this many times and times every single operation. */
int probe_latency(const struct subject *subject, long iterations, FILE *out);

/* --- For the probes themselves ------------------------------------------------------------- */

/* A workload on its way: prepared, open, filled, in batches, drained. */
struct playing {
    const struct subject *subject;
    const struct arm *arm; /* the subject's, or that of an allocator that stands in front of it */
    void *heap;
    struct work work; /* of a shape */
    void **slots;     /* of a trace */
};

/* Prepares what the workload needs beside the arm. -1 for lack of memory. */
int playing_prepare(struct playing *playing, const struct subject *subject);
/* Opens the subject's arm, to be called through this arm. -1 for lack of memory. */
int playing_open(struct playing *playing, const struct arm *arm);
void playing_fill(struct playing *playing);
void playing_batch(struct playing *playing);
/* Batches until every object has been replaced about twice, as before a timed loop. */
void playing_warm(struct playing *playing);
/* A trace up to where the program ended; a batch of a shape. */
void playing_program(struct playing *playing);
/* Frees what fill left live, or the program. */
void playing_drain(struct playing *playing);
void playing_close(struct playing *playing);
/* Allocator operations of one batch. */
size_t playing_operations(const struct playing *playing);
/* Objects that a shape keeps live from batch to batch; 0 for a trace. */
size_t playing_live(const struct playing *playing);

#ifdef __cplusplus
}
#endif

#endif
