/* A program image that was recorded: one process from its start, fork or exec to its end. */
#ifndef POOLPROOF_IMAGE_H
#define POOLPROOF_IMAGE_H

#include "convert.h"

#include <sys/types.h>

/* A path that arrives in parts. */
struct text {
    char *bytes; /* `size` and a zero byte */
    uint32_t size;
};

struct image {
    uint32_t number; /* from 1; 0 is none */
    pid_t pid, parent;
    uint32_t forked_from; /* image, or 0 */
    uint32_t which;       /* counts the images of its process, from 0 */
    bool own_malloc, running;
    uint64_t events, threads;
    struct text text; /* the program's path, then its arguments, each ended by a zero byte */
    struct module {
        uint64_t base;
        struct text path;
    } *modules; /* by number, from 1; executed programs too, with their path */
    uint32_t module_room;
    struct conversion *conversion; /* NULL: not wanted, or nothing yet */
};

/* What an event of kind EVENT_IMAGE to EVENT_TEXT says. `from` is the image that a
 * child was forked from, or NULL. */
void image_learn(struct image *image, const struct event *event, const struct image *from);

/* The last part of its program's path. */
const char *image_program(const struct image *image);

/* Its command line as one line of text; arguments that are empty or hold a space are quoted. */
void image_command(const struct image *image, char *text, size_t room);

/* Whether its process runs. */
bool image_runs(const struct image *image);

/* Writes its trace; false, with one line in error->message, if it cannot. `stopped` says why the
 * recording ended early, or is NULL. */
bool image_write(struct image *image, const char *path, enum trace_form form, const char *stopped,
                 struct trace_error *error);

void image_print(const struct image *image, const char *file);
void print_string(const char *text);

#endif
