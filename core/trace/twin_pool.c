/* The twin itself. */
#include "twin.h"

#include "mem_pool.c" /* NOLINT(bugprone-suspicious-include) */
