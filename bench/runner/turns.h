/* A process that is held between batches, so that arms take turns.
 *
 * With --turns=N,GO,TOLD the process says on the descriptor TOLD that it is set up, and then does N
 * turns: it sleeps until a byte comes on GO, does the work, and tells what the timed part took. Who
 * holds it is analysis/measure/turns.py.
 */
#ifndef POOLPROOF_TURNS_H
#define POOLPROOF_TURNS_H

#include <stdint.h>

/* What a turn takes, or a moment. The processor's time is that of the whole process. */
struct turn {
    uint64_t wall_ns, cpu_ns;
};

/* Of a process that nobody holds, count is 0. */
struct turns {
    long count;
    int go, told;
};

/* What the value of --turns says; -1 if that is nothing. */
int turns_read(const char *text, struct turns *turns);
struct turn turn_now(void);
/* Says that the process is set up (a turn of zeros), or what a turn took; -1 if nobody listens. */
int turns_tell(const struct turns *turns, struct turn took);
/* Sleeps until the next turn; -1 if nobody is there to give it. */
int turns_await(const struct turns *turns);

#endif
