/* The executor on the twin of the pool, which answers all questions itself. */
#include "twin.h"
#undef POOLPROOF_QUESTIONS
#define execute_on_pool execute_on_twin

#include "pool_executor.c" /* NOLINT(bugprone-suspicious-include) */
