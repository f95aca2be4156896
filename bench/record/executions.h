/* Programs that were executed and in which no recorder has answered. */
#ifndef POOLPROOF_EXECUTIONS_H
#define POOLPROOF_EXECUTIONS_H

#include "image.h"

/* All zero is empty. */
struct executions {
    struct execution {
        const struct image *by;
        pid_t pid;
        uint32_t path; /* a module of `by` */
        bool cleared;
    } *list;
    size_t count, room;
};

/* Takes an event of kind EVENT_EXECUTION; `answered` if a later image of its process is known. */
void executions_add(struct executions *executions, const struct image *by,
                    const struct event *event, bool answered);
/* The process's last execution has failed, or its program has announced itself. */
void executions_answer(struct executions *executions, pid_t pid);
/* As a list in JSON. */
void executions_print(const struct executions *executions);

#endif
