/* What a planted bug says of itself. A copy of the pool with a bug in it is compiled with this file
 * before everything else. */
#ifndef POOLPROOF_BUG_H
#define POOLPROOF_BUG_H

/* Notes that the bug's place has been reached and, if `wrong` is not 0, that the pool does
 * something wrong from here on. Returns `wrong`. There is no branch in it that could lead an
 * engine. */
int bug_mark(int wrong);

/* 1 where the bug shows, else 0: BUG(1) for a place that is always wrong. */
#define BUG(condition) bug_mark((condition) != 0)

#endif
