/* An engine-free main: runs a target on the files and folders that are its arguments, as a test in
 * TAP.
 *
 *     TARGET-replay [--may-be-empty] FILE|FOLDER…
 *     TARGET-replay --skip REASON
 *
 * One test point for each argument. A finding aborts the process as it would end a fuzzer; the line
 * before it names the file. An argument that cannot be read fails, and so does a folder without
 * inputs, unless --may-be-empty stands before it. Files named README.md and hidden files are no
 * inputs. At least one input must have run for the whole to pass.
 */
#define _POSIX_C_SOURCE 200809L

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "input.h"

static size_t inputs; /* that have run */

/* Returns the count of inputs that ran, or -1 with errno set. */
static long replay_file(const char *path)
{
    FILE *const file = fopen(path, "rb");
    if (!file)
        return -1;
    struct stat status;
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (fstat(fileno(file), &status) == 0) {
        /* Exactly as many bytes as there are, so that ASan sees a target that reads after them. */
        bytes = malloc(status.st_size > 0 ? (size_t)status.st_size : 1);
        size = bytes ? fread(bytes, 1, (size_t)status.st_size, file) : 0;
    }
    const int whole = bytes && size == (size_t)status.st_size;
    fclose(file);
    if (whole) {
        printf("# %s, %zu bytes\n", path, size);
        fflush(stdout);
        LLVMFuzzerTestOneInput(bytes, size);
        inputs++;
    }
    free(bytes);
    return whole ? 1 : -1;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && strcmp(entry->d_name, "README.md") != 0;
}

static long replay_folder(const char *path)
{
    struct dirent **entries = NULL;
    const int count = scandir(path, &entries, is_input, alphasort);
    long done = count < 0 ? -1 : 0;
    for (int i = 0; i < count; i++) {
        char name[4096];
        const int length = snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        errno = ENAMETOOLONG;
        if (done >= 0)
            done = length < (int)sizeof name && replay_file(name) == 1 ? done + 1 : -1;
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return done;
}

int main(int count, char **arguments)
{
    int point = 0, failed = 0, may_be_empty = 0;
    if (count == 3 && strcmp(arguments[1], "--skip") == 0) {
        printf("1..0 # SKIP %s\n", arguments[2]);
        return 0;
    }
    for (int i = 1; i < count; i++) {
        const char *const path = arguments[i];
        if (strcmp(path, "--may-be-empty") == 0) {
            may_be_empty = 1;
            continue;
        }
        struct stat status;
        errno = 0;
        const int there = stat(path, &status) == 0;
        const long done = !there                    ? -1
                          : S_ISDIR(status.st_mode) ? replay_folder(path)
                                                    : replay_file(path);
        const int passed = done > 0 || (done == 0 && may_be_empty);
        if (done < 0)
            printf("# %s: %s\n", path, strerror(errno ? errno : EIO));
        printf("%s %d - %s: %ld inputs\n", passed ? "ok" : "not ok", ++point, path,
               done < 0 ? 0 : done);
        failed |= !passed;
        may_be_empty = 0;
    }
    printf("1..%d\n# %zu inputs in all\n", point, inputs);
    if (inputs == 0)
        fprintf(stderr, "%s: nothing to run; name files or folders of inputs\n", arguments[0]);
    return failed || inputs == 0;
}
