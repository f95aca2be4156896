/* Under AddressSanitizer: its report on a watched pool's memory, and after it what the pool knows.
 * Each death is that of a child.
 */
#define _POSIX_C_SOURCE 200809L

#include "rig.h"

#include <sys/wait.h>
#include <unistd.h>

#include "pool_report.h"

enum { SIZE = 20, LARGE = 2048 };

static char report[1 << 16];

/* What a child writes to stderr when it stores a byte there, into report. It has to die of that. */
static void die_of(volatile unsigned char *at)
{
    int ends[2], status = 0;
    size_t length = 0;
    ssize_t got;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (dup2(ends[1], STDERR_FILENO) != -1)
            *at = 1;
        _exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], report + length, sizeof report - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    report[length] = '\0';
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A line of the report that starts like this and, if that is given, stands after another. */
static const char *line_of(const char *start, const char *after)
{
    char text[1280];
    snprintf(text, sizeof text, "\n%s", start);
    const char *found = strstr(after != NULL ? after : report, text);
    if (found == NULL)
        fail_msg("no line starts with \"%s\" in:\n%s", start, report);
    return found;
}

/* The report of a store to an address starts with `error` and ends with the whole description,
 * whose first line says `first` after the address. */
static void assert_tells(const struct m_pool *pool, unsigned char *at, const char *first)
{
    char start[256], described[1024];
    die_of(at);
    const size_t address = (size_t)(uintptr_t)at;
    snprintf(start, sizeof start, "==ERROR: AddressSanitizer: use-after-poison on address 0x%012zx",
             address);
    char *error = strstr(report, strchr(start, 'E'));
    if (error == NULL)
        fail_msg("no \"%s\" in:\n%s", start, report);
    while (error > report && error[-1] != '\n')
        error--;
    assert_memory_equal(error, "==", 2);
    snprintf(start, sizeof start, "0x%zx is %s", address, first);
    const char *said = line_of(start, error);
    assert_true(pool_describe(pool, at, described, sizeof described) < sizeof described);
    assert_memory_equal(said + 1, described, strlen(described));
    const char *rest = said + 1 + strlen(described);
    assert_memory_equal(rest, "==", 2); /* "==PID==ABORTING", the last that is said */
    assert_non_null(strstr(rest, "==ABORTING\n"));
}

static void assert_tells_nothing(unsigned char *at)
{
    die_of(at);
    assert_non_null(strstr(report, "==ERROR: AddressSanitizer: "));
    assert_null(strstr(report, " of the pool at "));
}

static struct rig rig;
static unsigned char *first, *second, *large, *last;

static unsigned char *take(size_t size)
{
    void *ptr = NULL;
    assert_int_equal(pool_alloc(&rig.pool, &ptr, size, POOL_I8), 0);
    return ptr;
}

static void give(void *chunk, size_t size)
{
    assert_int_equal(pool_free(&chunk, size, &rig.pool), 0);
}

static int set_up(void **state)
{
    (void)state;
    rig_open(&rig, &kinds[0], (size_t)2 * LARGE);
    first = take(SIZE);
    second = take(SIZE);
    large = take(LARGE);
    last = take(SIZE);
    assert_ptr_equal(second, first + chunk_granules(SIZE) * POOL_GRANULE);
    return pool_report_watch(&rig.pool);
}

static int tear_down(void **state)
{
    (void)state;
    pool_report_forget(&rig.pool);
    rig_close(&rig);
    return 0;
}

static void overrun(void **state)
{
    (void)state;
    char said[256];
    snprintf(said, sizeof said,
             "0 bytes after a live chunk of 20 bytes "
             "[0x%zx, 0x%zx), in its slack\n",
             (size_t)(uintptr_t)first, (size_t)(uintptr_t)first + SIZE);
    assert_tells(&rig.pool, first + SIZE, said);
}

/* In the ordinary build a chunk of whole granules has no slack: the next extent starts there. */
static void overrun_of_whole_granules(void **state)
{
    (void)state;
    char said[256];
    give(last, SIZE);
    assert_tells(&rig.pool, large + LARGE,
                 REDZONE ? "0 bytes after a live chunk of 2048 bytes ["
                         : "at the start of a free run of 32 bytes [");
    snprintf(said, sizeof said,
             "  preceding: a live chunk of 2048 bytes [0x%zx, 0x%zx), which ends 0 bytes before ",
             (size_t)(uintptr_t)large, (size_t)(uintptr_t)large + LARGE);
    if (!REDZONE)
        line_of(said, NULL);
}

static void underrun(void **state)
{
    (void)state;
    char said[256];
    snprintf(said, sizeof said,
             "%d bytes after a live chunk of 20 bytes "
             "[0x%zx, 0x%zx), in its %s\n",
             REDZONE ? 27 : 11, (size_t)(uintptr_t)first, (size_t)(uintptr_t)first + SIZE,
             REDZONE ? "redzone" : "slack");
    assert_tells(&rig.pool, second - 1, said);
    snprintf(said, sizeof said,
             "  following: a live chunk of 20 bytes [0x%zx, 0x%zx), which starts 1 byte after it\n",
             (size_t)(uintptr_t)second, (size_t)(uintptr_t)second + SIZE);
    line_of(said, NULL);
}

static void use_after_free(void **state)
{
    (void)state;
    give(second, SIZE);
    assert_tells(&rig.pool, second + 4,
                 REDZONE ? "4 bytes inside of a freed chunk of 48 bytes ["
                         : "4 bytes inside of a free run of 32 bytes [");
}

static void use_after_coalescing(void **state)
{
    (void)state;
    give(large, LARGE);
    assert_int_equal(pool_trim(&rig.pool, NULL), 0);
    assert_tells(&rig.pool, large, "at the start of a free run of ");
}

static void never_given(void **state)
{
    (void)state;
    assert_tells(&rig.pool, last + chunk_granules(SIZE) * POOL_GRANULE,
                 "at the start of fresh memory (given to nobody) of ");
}

/* A pool whose buffer is a chunk of another: both tell. */
static void pool_in_a_pool(void **state)
{
    (void)state;
    struct m_pool inner = {0};
    const struct pool_config config = {.buffer = large, .buffer_size = LARGE};
    void *ptr = NULL;
    char said[128];
    assert_int_equal(pool_init_with(&inner, &config), 0);
    assert_int_equal(pool_alloc(&inner, &ptr, SIZE, POOL_I8), 0);
    assert_int_equal(pool_report_watch(&inner), 0);
    die_of((unsigned char *)ptr + SIZE);
    snprintf(said, sizeof said, "0x%zx is 0 bytes after a live chunk of 20 bytes [",
             (size_t)(uintptr_t)ptr + SIZE);
    line_of(said, NULL);
    snprintf(said, sizeof said, "0x%zx is %zu bytes inside of a live chunk of 2048 bytes [",
             (size_t)(uintptr_t)ptr + SIZE, (size_t)((unsigned char *)ptr + SIZE - large));
    line_of(said, NULL);
    pool_report_forget(&inner);
    pool_destroy(&inner);
}

static void other_memory(void **state)
{
    (void)state;
    unsigned char *own = malloc(SIZE);
    assert_non_null(own);
    assert_tells_nothing(own + SIZE);
    free(own);
    pool_report_forget(&rig.pool);
    assert_tells_nothing(first + SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(overrun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(overrun_of_whole_granules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(underrun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(use_after_free, set_up, tear_down),
        cmocka_unit_test_setup_teardown(use_after_coalescing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(never_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pool_in_a_pool, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
