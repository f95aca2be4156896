/* The pool's source once more, under other names and compiled without sanitizers: the questions
 * that an executor asks after every operation. Instrumented they would take most of a fuzzer's
 * time, to watch code that only looks. */
#define POOL_PREFIX asked_
#include "renamed.h"

#include "mem_pool.c"
