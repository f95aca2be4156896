/* The file that a ring lies in: the command's side. */
#ifndef POOLPROOF_RING_FILE_H
#define POOLPROOF_RING_FILE_H

#include "ring.h"

#include <stdbool.h>
#include <stdio.h>

struct ring_file {
    struct ring *ring;
    char path[FILENAME_MAX];
};

/* Makes an empty ring, in memory if there is such a file system, else beside the output. False,
 * with errno, if there is no room for it in either place. */
bool ring_make(struct ring_file *file, const char *folder);

/* No program can find it any more; those that have it go on. */
void ring_unlink(struct ring_file *file);

#endif
