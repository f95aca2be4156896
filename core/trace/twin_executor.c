/* The executor on the twin of the pool, which answers all questions itself. */
#include "twin.h"
#undef POOLPROOF_QUESTIONS
#define execute_on_pool execute_on_twin
#define run_report twin_run_report
#define run_report_shadow twin_run_report_shadow
#define run_image twin_run_image
#define run_images_differ twin_run_images_differ
#define run_remember twin_run_remember
#define run_judge_unchanged twin_run_judge_unchanged
#define run_judge_result twin_run_judge_result
#define run_check_all_contents twin_run_check_all_contents
#define run_look twin_run_look
#define run_look_itself twin_run_look_itself
#define run_alloc twin_run_alloc
#define run_realloc twin_run_realloc
#define run_free twin_run_free
#define run_reset twin_run_reset
#define run_misuse twin_run_misuse

/* NOLINTBEGIN(bugprone-suspicious-include) */
#include "pool_executor.c"
#include "run_look.c"
#include "run_misuse.c"
#include "run_objects.c"
#include "run_refusals.c"
/* NOLINTEND(bugprone-suspicious-include) */
