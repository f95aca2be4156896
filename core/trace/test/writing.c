/* Writing: a file appears whole or not at all. */
#include "samples.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void put_one(const char *path, const struct trace *trace)
{
    struct trace_error error;
    if (trace_write(path, TRACE_BINARY, trace, &error) != 0)
        fail_msg("%s", error.message);
}

static void assert_holds(const char *path, const struct trace *trace)
{
    struct trace read;
    struct trace_error error;
    if (trace_read(path, &read, &error) != 0)
        fail_msg("%s", error.message);
    assert_true(trace_equal(trace, &read));
    trace_free(&read);
}

/* In a process of its own that may write files of at most 4 KiB. */
static int write_limited(const char *path, enum trace_form form, const struct trace *trace)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = {4096, 4096};
        struct trace_error error = {0};
        signal(SIGXFSZ, SIG_IGN);
        int ready = setrlimit(RLIMIT_FSIZE, &limit) == 0;
        int result = trace_write(path, form, trace, &error);
        _exit(ready && result == -1 && strstr(error.message, strerror(EFBIG)) != NULL ? 7 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_full_disk_leaves_what_was_there(void **state)
{
    (void)state;
    static const enum trace_form forms[] = {TRACE_BINARY, TRACE_BINARY_GZIP, TRACE_TEXT};
    struct trace before = sample(1, 50);
    struct trace large = sample(2, 50000);
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        struct scratch scratch = scratch_make();
        put_one(scratch.path, &before);
        assert_int_equal(write_limited(scratch.path, forms[i], &large), 7);
        assert_holds(scratch.path, &before);
        scratch_remove(&scratch); /* which sees that nothing else was left */
    }
    trace_free(&before);
    trace_free(&large);
}

static void a_folder_that_does_not_exist_is_told(void **state)
{
    (void)state;
    struct scratch scratch = scratch_make();
    struct trace trace = sample(1, 10);
    struct trace_error error;
    char path[400];
    snprintf(path, sizeof path, "%s/none/a.trace", scratch.folder);
    assert_int_equal(trace_write(path, TRACE_TEXT, &trace, &error), -1);
    assert_non_null(strstr(error.message, strerror(ENOENT)));
    assert_int_equal(trace_write(scratch.folder, TRACE_TEXT, &trace, &error), -1);
    assert_non_null(strstr(error.message, "folder"));
    struct trace read;
    assert_int_equal(trace_read(scratch.folder, &read, &error), -1);
    assert_non_null(strstr(error.message, "folder"));
    assert_int_equal(trace_read(path, &read, &error), -1);
    assert_non_null(strstr(error.message, strerror(ENOENT)));
    trace_free(&trace);
    scratch_remove(&scratch);
}

static void a_link_is_followed(void **state)
{
    (void)state;
    struct scratch scratch = scratch_make();
    struct trace trace = sample(1, 10);
    struct trace other = sample(2, 10);
    char link[400];
    snprintf(link, sizeof link, "%s/link", scratch.folder);
    put_one(scratch.path, &trace);
    assert_int_equal(symlink(scratch.path, link), 0);
    put_one(link, &other);
    struct stat status;
    assert_int_equal(lstat(link, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_holds(scratch.path, &other);
    unlink(link);
    trace_free(&trace);
    trace_free(&other);
    scratch_remove(&scratch);
}

/* A device or a pipe is written to, never replaced. */
static void what_is_no_file_is_written_to(void **state)
{
    (void)state;
    struct trace trace = sample(1, 10);
    struct trace_error error;
    struct stat status;
    if (access("/dev/full", W_OK) != 0) {
        print_message("skipped: this system has no /dev/full\n");
        skip();
    }
    assert_int_equal(trace_write("/dev/full", TRACE_TEXT, &trace, &error), -1);
    assert_non_null(strstr(error.message, strerror(ENOSPC)));
    assert_int_equal(trace_write("/dev/null", TRACE_TEXT, &trace, &error), 0);
    assert_int_equal(stat("/dev/null", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
    assert_int_equal(stat("/dev/full", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
    trace_free(&trace);
}

static void a_trace_that_breaks_a_rule_is_not_written(void **state)
{
    (void)state;
    struct scratch scratch = scratch_make();
    struct trace trace = {0};
    struct trace_error error;
    assert_int_equal(trace_append(&trace, (struct trace_op){.kind = TRACE_FREE}), 0);
    assert_int_equal(trace_write(scratch.path, TRACE_TEXT, &trace, &error), -1);
    assert_non_null(strstr(error.message, "holds no object"));
    assert_int_equal(access(scratch.path, F_OK), -1);
    trace_free(&trace);
    scratch_remove(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_leaves_what_was_there),
        cmocka_unit_test(a_folder_that_does_not_exist_is_told),
        cmocka_unit_test(a_link_is_followed),
        cmocka_unit_test(what_is_no_file_is_written_to),
        cmocka_unit_test(a_trace_that_breaks_a_rule_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
