/* A workload on one arm, step by step; and the probe that only does it. */
#include "probe.h"

#include <stdlib.h>

int playing_prepare(struct playing *playing, const struct subject *subject)
{
    *playing = (struct playing){.subject = subject, .arm = subject->arm};
    if (subject->shape)
        return shape_prepare(&playing->work, subject->shape, subject->scale,
                             subject->arm->allocator);
    playing->slots = calloc(subject->replay->slots + (size_t)1, sizeof *playing->slots);
    return playing->slots ? 0 : -1;
}

int playing_open(struct playing *playing, const struct arm *arm)
{
    const struct scale *scale = playing->subject->scale;
    const struct replay *replay = playing->subject->replay;
    const struct allocator_needs needs =
        scale ? shape_needs(playing->subject->shape, scale)
              : (struct allocator_needs){replay->peak_bytes + 16 * (size_t)replay->peak_objects,
                                         replay->peak_objects, replay->largest, 0};
    playing->arm = arm;
    return playing->subject->arm->allocator->open(&playing->heap, &needs);
}

void playing_fill(struct playing *playing)
{
    const struct shape *shape = playing->subject->shape;
    if (!shape)
        return;
    if (!shape->ends_empty)
        playing->arm->fill(&playing->work, playing->heap);
    if (shape->filled)
        shape->filled(&playing->work);
}

static void start_over(struct playing *playing)
{
    const struct allocator *allocator = playing->arm->allocator;
    if (!(playing->subject->arm->allocator->abilities & ALLOCATOR_REUSES))
        allocator->reset(playing->heap);
}

static void play_trace(struct playing *playing, size_t from, size_t to)
{
    const struct subject *subject = playing->subject;
    if (playing->arm->play(subject->replay, from, to, playing->slots, playing->heap) != 0)
        shape_out_of_memory(subject->arm->allocator);
}

void playing_batch(struct playing *playing)
{
    const struct subject *subject = playing->subject;
    if (subject->shape)
        playing->arm->batches[subject->index](&playing->work, playing->heap);
    else
        play_trace(playing, 0, subject->replay->count);
    start_over(playing);
}

void playing_program(struct playing *playing)
{
    if (playing->subject->shape)
        playing_batch(playing);
    else
        play_trace(playing, 0, playing->subject->replay->drain);
}

void playing_warm(struct playing *playing)
{
    const size_t live = playing->subject->shape ? playing->subject->scale->live : 0;
    for (size_t done = 0; done <= 4 * live; done += playing_operations(playing))
        playing_batch(playing);
}

void playing_drain(struct playing *playing)
{
    const struct subject *subject = playing->subject;
    if (!subject->shape) {
        play_trace(playing, subject->replay->drain, subject->replay->count);
        start_over(playing);
    } else if (!subject->shape->ends_empty) {
        shape_settle(&playing->work);
        playing->arm->drain(&playing->work, playing->heap);
    }
}

void playing_close(struct playing *playing)
{
    playing->subject->arm->allocator->close(playing->heap);
    if (playing->subject->shape)
        shape_drop(&playing->work);
    free(playing->slots);
    *playing = (struct playing){0};
}

size_t playing_operations(const struct playing *playing)
{
    const struct subject *subject = playing->subject;
    return subject->shape ? subject->shape->operations(subject->scale) : subject->replay->count;
}

size_t playing_live(const struct playing *playing)
{
    const struct subject *subject = playing->subject;
    return subject->shape && !subject->shape->ends_empty ? subject->scale->live : 0;
}

/* The one function whose instructions are counted: nothing may pull it into its caller. */
__attribute__((noinline)) void probe_counted(struct playing *playing, long iterations);

void probe_counted(struct playing *playing, long iterations)
{
    for (long i = 0; i < iterations; i++)
        playing_batch(playing);
}

int probe_work(const struct subject *subject, long iterations, FILE *out)
{
    struct playing playing;
    if (playing_prepare(&playing, subject) != 0 || playing_open(&playing, subject->arm) != 0)
        return -1;
    playing_fill(&playing);
    playing_warm(&playing);
    const size_t before = playing.work.done;
    probe_counted(&playing, iterations);
    const double operations = subject->shape && subject->shape->capacity
                                  ? (double)(playing.work.done - before) / (double)iterations
                                  : (double)playing_operations(&playing);
    fprintf(out, "{\"iterations\":%ld,\"operations\":%.17g}", iterations, operations);
    if (subject->shape)
        playing_drain(&playing);
    playing_close(&playing);
    return 0;
}
