/* Inside core/trace: the questions that an executor asks of a pool after every operation. With
 * POOLPROOF_QUESTIONS they are those of questions.c, which no sanitizer slows down; otherwise
 * they are the pool's own. */
#ifndef POOLPROOF_QUESTIONS_H
#define POOLPROOF_QUESTIONS_H

#include "mem_pool.h"

#ifdef POOLPROOF_QUESTIONS
int asked_check(const struct m_pool *pool, const char **broken);
int asked_stats(const struct m_pool *pool, struct pool_stats *stats);
int asked_walk(const struct m_pool *pool,
               int (*visit)(void *context, const struct pool_extent *extent), void *context);
#else
#define asked_check pool_check
#define asked_stats pool_stats
#define asked_walk pool_walk
#endif

#endif
