/* Calls that the recorder has to know of beside those of the heap: filters of system calls, and
 * executions. A program in which no recorder answers after its execution is named by the command.
 * What executes by descriptor (fexecve, execveat) is not told. */
#define _GNU_SOURCE
#include "recorder.h"

#include <dlfcn.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef char *const *words;

static long (*next_syscall)(long number, ...);
static int (*next_prctl)(int option, ...);
static int (*next_execve)(const char *, words, words);
static int (*next_execvpe)(const char *, words, words);
static int (*next_spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                         const posix_spawnattr_t *, words, words);
static int (*next_spawnp)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                          const posix_spawnattr_t *, words, words);

void calls_start(void)
{
    *(void **)&next_syscall = dlsym(RTLD_NEXT, "syscall");
    *(void **)&next_prctl = dlsym(RTLD_NEXT, "prctl");
    *(void **)&next_execve = dlsym(RTLD_NEXT, "execve");
    *(void **)&next_execvpe = dlsym(RTLD_NEXT, "execvpe");
    *(void **)&next_spawn = dlsym(RTLD_NEXT, "posix_spawn");
    *(void **)&next_spawnp = dlsym(RTLD_NEXT, "posix_spawnp");
}

long call_system(long number, const long *argument)
{
    if (!next_syscall)
        *(void **)&next_syscall = dlsym(RTLD_NEXT, "syscall");
    return next_syscall(number, argument[0], argument[1], argument[2], argument[3], argument[4],
                        argument[5]);
}

/* --- Filters of system calls ------------------------------------------------------------------ */

EXPORT long syscall(long number, ...)
{
    va_list list;
    long argument[6];
    va_start(list, number);
    for (unsigned i = 0; i < 6; i++)
        argument[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_seccomp)
        record_no_calls();
    return call_system(number, argument);
}

EXPORT int prctl(int option, ...)
{
    va_list list;
    unsigned long argument[4];
    va_start(list, option);
    for (unsigned i = 0; i < 4; i++)
        argument[i] = va_arg(list, unsigned long);
    va_end(list);
    if (option == PR_SET_SECCOMP)
        record_no_calls();
    return next_prctl(option, argument[0], argument[1], argument[2], argument[3]);
}

/* --- Executions ------------------------------------------------------------------------------- */

static bool has(words environment, const char *name)
{
    const size_t length = strlen(name);
    for (; environment && *environment; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return true;
    return false;
}

static bool is_cleared(words environment)
{
    return !has(environment, "LD_PRELOAD") || !has(environment, RING_VARIABLE);
}

/* A failure is told too: this process goes on. */
static int execute(int (*next)(const char *, words, words), const char *path, words arguments,
                   words environment)
{
    record_execution(path, 0, record_images(), is_cleared(environment));
    const int result = next(path, arguments, environment);
    record_execution(NULL, 0, 0, false);
    return result;
}

EXPORT int execve(const char *path, words arguments, words environment)
{
    return execute(next_execve, path, arguments, environment);
}

EXPORT int execv(const char *path, words arguments)
{
    return execute(next_execve, path, arguments, environ);
}

EXPORT int execvpe(const char *file, words arguments, words environment)
{
    return execute(next_execvpe, file, arguments, environment);
}

EXPORT int execvp(const char *file, words arguments)
{
    return execute(next_execvpe, file, arguments, environ);
}

static size_t count_words(va_list list)
{
    size_t count = 1;
    while (va_arg(list, const char *))
        count++;
    return count;
}

/* Defines a call that has the arguments in its own list; `rest` takes what comes after them. */
#define EXECUTE_LIST(name, next, rest)                                                             \
    EXPORT int name(const char *path, const char *first, ...)                                      \
    {                                                                                              \
        va_list list;                                                                              \
        va_start(list, first);                                                                     \
        const size_t count = count_words(list);                                                    \
        va_end(list);                                                                              \
        const char *arguments[count + 1];                                                          \
        va_start(list, first);                                                                     \
        arguments[0] = first;                                                                      \
        for (size_t i = 1; i <= count; i++)                                                        \
            arguments[i] = va_arg(list, const char *);                                             \
        words environment = rest;                                                                  \
        va_end(list);                                                                              \
        return execute(next, path, (words)arguments, environment);                                 \
    }

EXECUTE_LIST(execl, next_execve, environ)
EXECUTE_LIST(execlp, next_execvpe, environ)
EXECUTE_LIST(execle, next_execve, va_arg(list, words))

/* The child's number is known afterwards only; it may have announced itself by then, with a number
 * beyond `before`. */
#define SPAWN(name, next)                                                                          \
    EXPORT int name(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,       \
                    const posix_spawnattr_t *attributes, words arguments, words environment)       \
    {                                                                                              \
        pid_t child = 0;                                                                           \
        const uint32_t before = record_images();                                                   \
        const int result = next(&child, path, actions, attributes, arguments, environment);        \
        if (result == 0)                                                                           \
            record_execution(path, child, before, is_cleared(environment));                        \
        if (result == 0 && pid)                                                                    \
            *pid = child;                                                                          \
        return result;                                                                             \
    }

SPAWN(posix_spawn, next_spawn)
SPAWN(posix_spawnp, next_spawnp)
