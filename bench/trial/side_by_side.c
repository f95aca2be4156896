/* poolproof-side-by-side CPU LIMIT_S STOP_S INPUT ARM…
 *     ARM: OUTPUT CLIENT VARIABLES WORDS NAME=VALUE… WORD…
 *
 * Starts the arms' commands together on one processor and says what each took, a JSON line an arm:
 * status, processor time of it and all it waited for, wall time, peak memory. A small program, for
 * a process that starts another hands its own peak memory on to it.
 *
 * What is still there after LIMIT_S seconds is killed. With STOP_S an arm gets SIGTERM after so
 * many seconds; with a CLIENT (a shell command, run on the other processors) when that ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ARMS_MOST = 4, FIXED_WORDS = 4 };

struct arm {
    const char *output, *client;
    char **variables, **words;
    size_t variable_count;
    pid_t pid, client_pid;
    bool ended, client_ended, stopped, killed;
    int status, client_status;
    struct rusage usage;
    double wall_s;
};

static cpu_set_t allowed;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
    fprintf(stderr, "side-by-side: %s: %s\n", what, strerror(errno));
    exit(4);
}

static void open_as(int wanted, const char *path, int flags)
{
    int file = open(path, flags, 0644);
    if (file < 0 || dup2(file, wanted) < 0)
        _exit(126);
    close(file);
}

/* In what was started: signals as they were, and an end when this program is ended. */
static void unblock(void)
{
    sigset_t none;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The command, which waits until the gate closes. */
static void start(struct arm *arm, int cpu, const char *input, const int gate[2])
{
    arm->pid = fork();
    if (arm->pid < 0)
        fail("fork");
    if (arm->pid > 0)
        return;
    cpu_set_t one;
    char byte, path[4096];
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    setpgid(0, 0);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        _exit(126);
    open_as(0, *input ? input : "/dev/null", O_RDONLY);
    snprintf(path, sizeof path, "%s.out", arm->output);
    open_as(1, path, O_WRONLY | O_CREAT | O_TRUNC);
    snprintf(path, sizeof path, "%s.err", arm->output);
    open_as(2, path, O_WRONLY | O_CREAT | O_TRUNC);
    for (size_t i = 0; i < arm->variable_count; i++) {
        char *value = strchr(arm->variables[i], '=');
        *value++ = '\0';
        setenv(arm->variables[i], value, 1);
    }
    close(gate[1]);
    while (read(gate[0], &byte, 1) > 0)
        ;
    close(gate[0]);
    unblock();
    execvp(arm->words[0], arm->words);
    _exit(127);
}

static void start_client(struct arm *arm, int cpu)
{
    cpu_set_t others = allowed;
    if (!*arm->client)
        return;
    arm->client_pid = fork();
    if (arm->client_pid != 0)
        return;
    CPU_CLR(cpu, &others);
    if (CPU_COUNT(&others))
        sched_setaffinity(0, sizeof others, &others);
    setpgid(0, 0);
    open_as(0, "/dev/null", O_RDONLY);
    open_as(1, "/dev/null", O_WRONLY);
    open_as(2, "/dev/null", O_WRONLY);
    unblock();
    execl("/bin/sh", "sh", "-c", arm->client, (char *)NULL);
    _exit(127);
}

static void end_of(struct arm *arms, size_t count, pid_t pid, int status,
                   const struct rusage *usage, double begun)
{
    for (size_t i = 0; i < count; i++) {
        if (arms[i].pid == pid) {
            arms[i].ended = true;
            arms[i].status = status;
            arms[i].usage = *usage;
            arms[i].wall_s = now_s() - begun;
            kill(-pid, SIGKILL); /* what it left running */
        } else if (arms[i].client_pid == pid) {
            arms[i].client_ended = true;
            arms[i].client_status = status;
            kill(arms[i].pid, SIGTERM);
            arms[i].stopped = true;
        }
    }
}

static bool all_ended(const struct arm *arms, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!arms[i].ended)
            return false;
    return true;
}

static void follow(struct arm *arms, size_t count, double limit_s, double stop_s)
{
    double begun = now_s();
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while (!all_ended(arms, count)) {
        struct timespec patience = {.tv_nsec = 20 * 1000000};
        struct rusage usage;
        int status;
        pid_t pid;
        sigtimedwait(&child, NULL, &patience);
        while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0)
            end_of(arms, count, pid, status, &usage, begun);
        for (size_t i = 0; i < count; i++) {
            struct arm *arm = &arms[i];
            if (arm->ended)
                continue;
            if (stop_s > 0 && now_s() - begun > stop_s && !arm->stopped) {
                arm->stopped = true;
                kill(arm->pid, SIGTERM);
            }
            if (now_s() - begun > limit_s && !arm->killed) {
                arm->killed = true;
                kill(-arm->pid, SIGKILL);
            }
        }
    }
    for (size_t i = 0; i < count; i++)
        if (arms[i].client_pid > 0 && !arms[i].client_ended)
            kill(-arms[i].client_pid, SIGKILL);
}

static void say(const struct arm *arm)
{
    const struct rusage *usage = &arm->usage;
    int status = WIFEXITED(arm->status) ? WEXITSTATUS(arm->status) : -WTERMSIG(arm->status);
    printf("{\"status\": %d, \"user_s\": %.6f, \"system_s\": %.6f, \"wall_s\": %.6f, "
           "\"max_rss_bytes\": %lld, \"minor_faults\": %ld, \"killed\": %s, \"stopped\": %s, "
           "\"client_status\": %d}\n",
           status, (double)usage->ru_utime.tv_sec + (double)usage->ru_utime.tv_usec * 1e-6,
           (double)usage->ru_stime.tv_sec + (double)usage->ru_stime.tv_usec * 1e-6, arm->wall_s,
           (long long)usage->ru_maxrss * 1024, usage->ru_minflt, arm->killed ? "true" : "false",
           arm->stopped ? "true" : "false",
           arm->client_ended && WIFEXITED(arm->client_status) ? WEXITSTATUS(arm->client_status)
           : arm->client_pid                                  ? -1
                                                              : 0);
}

int main(int argc, char **argv)
{
    static struct arm arms[ARMS_MOST];
    size_t count = 0;
    int at = 1 + FIXED_WORDS, gate[2];
    if (argc <= at) {
        fputs("usage: poolproof-side-by-side CPU LIMIT_S STOP_S INPUT ARM...\n", stderr);
        return 2;
    }
    while (at + 4 < argc && count < ARMS_MOST) {
        struct arm *arm = &arms[count++];
        arm->output = argv[at];
        arm->client = argv[at + 1];
        arm->variable_count = strtoul(argv[at + 2], NULL, 10);
        size_t words = strtoul(argv[at + 3], NULL, 10);
        arm->variables = argv + at + 4;
        char **given = arm->variables + arm->variable_count;
        if (!words || given + words > argv + argc)
            return 2;
        arm->words = calloc(words + 1, sizeof *arm->words);
        if (!arm->words)
            return 4;
        memcpy(arm->words, given, words * sizeof *arm->words);
        at += 4 + (int)(arm->variable_count + words);
    }
    int cpu = (int)strtol(argv[1], NULL, 10);
    sigset_t child;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* with whoever asked for the figures */
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    sched_getaffinity(0, sizeof allowed, &allowed);
    if (pipe(gate) != 0)
        fail("pipe");
    for (size_t i = 0; i < count; i++)
        start(&arms[i], cpu, argv[4], gate);
    close(gate[0]);
    close(gate[1]);
    for (size_t i = 0; i < count; i++)
        start_client(&arms[i], cpu);
    follow(arms, count, strtod(argv[2], NULL), strtod(argv[3], NULL));
    for (size_t i = 0; i < count; i++) {
        say(&arms[i]);
        free(arms[i].words);
    }
    return 0;
}
