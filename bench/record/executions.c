/* Executions without an answer: few at a time, so a list. */
#include "executions.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_EXECUTIONS = 10000 };

void executions_add(struct executions *executions, const struct image *by,
                    const struct event *event, bool answered)
{
    if (event->size == 0)
        executions_answer(executions, (pid_t)event->address);
    if (event->size == 0 || answered || executions->count == MAX_EXECUTIONS)
        return;
    if (executions->count == executions->room) {
        executions->room = executions->room ? 2 * executions->room : 64;
        executions->list = realloc(executions->list, executions->room * sizeof *executions->list);
        if (!executions->list)
            out_of_memory();
    }
    executions->list[executions->count++] =
        (struct execution){by, (pid_t)event->address, event->module, event->align != 0};
}

void executions_answer(struct executions *executions, pid_t pid)
{
    for (size_t i = executions->count; i-- > 0;) {
        if (executions->list[i].pid == pid) {
            executions->list[i] = executions->list[--executions->count];
            return;
        }
    }
}

void executions_print(const struct executions *executions)
{
    printf("[");
    for (size_t i = 0; i < executions->count; i++) {
        const struct execution *one = &executions->list[i];
        const struct text *path = &one->by->modules[one->path].path;
        printf("%s{\"pid\":%ld,\"cleared\":%s,\"program\":", i ? "," : "", (long)one->pid,
               one->cleared ? "true" : "false");
        print_string(path->bytes ? path->bytes : "?");
        printf("}");
    }
    printf("]");
}
