/* The pool's source once more, under other names and compiled without sanitizers: the questions
 * that an executor asks after every operation. Instrumented they would take most of a fuzzer's
 * time, to watch code that only looks. */
#define pool_alloc asked_alloc
#define pool_alloc_any asked_alloc_any
#define pool_check asked_check
#define pool_destroy asked_destroy
#define pool_error asked_error
#define pool_free asked_free
#define pool_free_any asked_free_any
#define pool_give_short asked_give_short
#define pool_granule asked_granule
#define pool_init asked_init
#define pool_init_with asked_init_with
#define pool_owns asked_owns
#define pool_realloc asked_realloc
#define pool_refuse asked_refuse
#define pool_required asked_required
#define pool_reset asked_reset
#define pool_size_of asked_size_of
#define pool_stats asked_stats
#define pool_strerror asked_strerror
#define pool_take_short asked_take_short
#define pool_trim asked_trim
#define pool_walk asked_walk
#define pool_wipe asked_wipe
#define pool_wipe_more asked_wipe_more
#include "mem_pool.c"
