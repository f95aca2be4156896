/* Programs that a recorder has harmed: each does what its first argument says, and ends with 0 only
 * if it went as it should. test_cases.py runs them with the recorder and without. */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, MANY = 200000 };

static void *volatile sink;
static volatile int go, done;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void pairs(long count)
{
    for (long i = 0; i < count; i++) {
        sink = malloc(40);
        free(sink);
    }
}

/* malloc is no cancellation point, neither with a lock held nor without. */
static void *cancelled(void *unused)
{
    while (!go)
        continue;
    pthread_mutex_lock(&lock);
    pairs(MANY);
    pthread_mutex_unlock(&lock);
    done = 1;
    pthread_testcancel();
    return unused;
}

static int cancel(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, cancelled, NULL);
    pthread_cancel(thread);
    go = 1;
    pthread_join(thread, NULL);
    return pthread_mutex_trylock(&lock) != 0 || !done;
}

/* A signal handler on a small stack of its own. */
static void handle(int number)
{
    (void)number;
    pairs(MANY / 5);
    done = 1;
}

static int small_stack(void)
{
    const size_t size = 8192, room = 65536;
    char *memory = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int overwritten = 0;
    memset(memory, 0x5a, room - size);
    const stack_t stack = {.ss_sp = memory + room - size, .ss_size = size};
    const struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    for (size_t i = 0; i < room - size; i++)
        overwritten += memory[i] != 0x5a;
    return !done || overwritten;
}

/* Address space is short. */
static int address_space(void)
{
    const struct rlimit limit = {200U << 20, 200U << 20};
    setrlimit(RLIMIT_AS, &limit);
    for (int round = 0; round < 10; round++) {
        pairs(MANY / 2);
        sink = malloc(50U << 20);
        if (!sink)
            return 1;
        free(sink);
    }
    return 0;
}

#define ALLOW(number)                                                                              \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* Only what the program itself needs may be called. */
static int filtered(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_brk),
        ALLOW(SYS_exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    pairs(1);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return 1;
    pairs(MANY);
    _exit(0);
}

/* A server's worker gives up its rights and its root folder. */
static int drops(const char *folder)
{
    int status = 1;
    const pid_t pid = fork();
    if (pid == 0) {
        pairs(1);
        if (chroot(folder) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
            _exit(1);
        pairs(MANY);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void *one(void *unused)
{
    free(malloc(10));
    return unused;
}

static int threads(long count)
{
    pthread_t thread;
    for (long i = 0; i < count; i++) {
        if (pthread_create(&thread, NULL, one, NULL) != 0)
            return 1;
        pthread_join(thread, NULL);
    }
    return 0;
}

/* Goes on in the background after its command has ended. */
static int leaves(void)
{
    if (daemon(1, 1) != 0)
        return 1;
    usleep(300000);
    pairs(MANY);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "", *value = argc > 2 ? argv[2] : "";
    if (strcmp(what, "cancel") == 0)
        return cancel();
    if (strcmp(what, "small-stack") == 0)
        return small_stack();
    if (strcmp(what, "address-space") == 0)
        return address_space();
    if (strcmp(what, "filtered") == 0)
        return filtered();
    if (strcmp(what, "drops") == 0)
        return drops(value);
    if (strcmp(what, "threads") == 0)
        return threads(strtol(value, NULL, 10));
    if (strcmp(what, "leaves") == 0)
        return leaves();
    fprintf(stderr, "cases: what?\n");
    return 2;
}
