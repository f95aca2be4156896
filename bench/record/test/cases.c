/* Programs that a recorder has harmed: each does what its first argument says, and ends with 0 only
 * if it went as it should. The last line of output is the peak of its resident memory. It is killed
 * after CASES_LIMIT_S seconds. test_cases.py runs each with the recorder and without. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, MANY = 200000, PAIRS_OF_A_LIBRARY = 200, RESIZERS = 4 };

static void *volatile sink;
static volatile int go, done;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int status_file = -1;

static void open_status(void)
{
    status_file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
}

static void print_peak(void)
{
    char text[4096];
    const ssize_t size = read(status_file, text, sizeof text - 1);
    text[size > 0 ? size : 0] = '\0';
    const char *line = strstr(text, "VmHWM:"), *end = line ? strchr(line, '\n') : NULL;
    if (!end || write(STDOUT_FILENO, line, (size_t)(end + 1 - line)) < 0)
        _exit(1);
}

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
    if (pthread_mutex_trylock(&lock) != 0)
        return 1;
    pthread_mutex_unlock(&lock);
    return !done;
}

/* A signal handler on a small stack of its own. */
static void handle(int number)
{
    (void)number;
    pairs(MANY / 5);
    done = 1;
}

static int small_stack(size_t size)
{
    const size_t room = 65536;
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
        ALLOW(SYS_read),
        ALLOW(SYS_write),
        ALLOW(SYS_exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    pairs(1);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return 1;
    pairs(MANY);
    print_peak();
    _exit(0);
}

/* A server's worker gives up its rights, and its root folder if one is named. */
static int drops(const char *folder)
{
    int status = 1;
    const pid_t pid = fork();
    if (pid == 0) {
        pairs(1);
        if ((*folder && chroot(folder) != 0) || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
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

static void *resize(void *number)
{
    char *object = malloc(5000);
    for (long i = 0; i < MANY / 2; i++) {
        const size_t size = (size_t)(2000 + (i * 37 + (long)(intptr_t)number * 1000) % 9000);
        char *moved = realloc(object, size);
        if (!moved)
            abort();
        object = moved;
    }
    free(object);
    return NULL;
}

/* More threads than a small number counts, one after another; then some at once. */
static int threads(const char *count)
{
    pthread_t thread[RESIZERS];
    for (long i = strtol(count, NULL, 10); i > 0; i--) {
        if (pthread_create(&thread[0], NULL, one, NULL) != 0)
            return 1;
        pthread_join(thread[0], NULL);
    }
    for (intptr_t i = 0; i < RESIZERS; i++)
        pthread_create(&thread[i], NULL, resize, (void *)i); // NOLINT: a number is meant
    for (unsigned i = 0; i < RESIZERS; i++)
        pthread_join(thread[i], NULL);
    return 0;
}

/* Much is reserved and little of it used. */
static int reserves(void)
{
    char *object[16];
    for (unsigned i = 0; i < 16; i++) {
        object[i] = malloc(64U << 20);
        if (!object[i])
            abort();
        object[i][0] = 1;
    }
    char *moved = realloc(object[0], 128U << 20);
    if (!moved)
        abort();
    object[0] = moved;
    for (unsigned i = 0; i < 16; i++)
        free(object[i]);
    return 0;
}

/* Goes on in the background after its command has ended. */
static int leaves(void)
{
    if (daemon(1, 1) != 0)
        return 1;
    open_status();
    usleep(300000);
    pairs(MANY);
    return 0;
}

/* --- Libraries -------------------------------------------------------------------------------- */

static void *library_call(void *library, const char *name, long value)
{
    void *(*call)(long);
    *(void **)&call = library ? dlsym(library, name) : NULL;
    if (call)
        return call(value);
    printf("%s\n", dlerror());
    exit(1);
}

/* All libraries of a folder, 1.so, 2.so and so on. */
static int libraries(const char *folder)
{
    char path[1000];
    for (long i = 1; snprintf(path, sizeof path, "%s/%ld.so", folder, i), access(path, R_OK) == 0;
         i++)
        library_call(dlopen(path, RTLD_NOW), "pairs", PAIRS_OF_A_LIBRARY);
    return 0;
}

/* One library after another, each unloaded before the next: they get the same addresses. */
static int unloads(char **paths)
{
    for (unsigned i = 0; i < 4; i++) {
        void *library = dlopen(paths[i % 2], RTLD_NOW);
        free(library_call(library, "make", 0));
        dlclose(library);
    }
    return 0;
}

/* A library in C++ in a program in C. */
static int plugin(const char *path)
{
    return library_call(dlopen(path, RTLD_NOW), "lacks_memory", 0) != NULL;
}

static int run(const char *what, char **values)
{
    if (strcmp(what, "cancel") == 0)
        return cancel();
    if (strcmp(what, "small-stack") == 0)
        return small_stack(strtoul(values[0], NULL, 10));
    if (strcmp(what, "address-space") == 0)
        return address_space();
    if (strcmp(what, "filtered") == 0)
        return filtered();
    if (strcmp(what, "drops") == 0)
        return drops(values[0] ? values[0] : "");
    if (strcmp(what, "threads") == 0)
        return threads(values[0]);
    if (strcmp(what, "leaves") == 0)
        return leaves();
    if (strcmp(what, "reserves") == 0)
        return reserves();
    if (strcmp(what, "libraries") == 0)
        return libraries(values[0]);
    if (strcmp(what, "unloads") == 0)
        return unloads(values);
    if (strcmp(what, "plugin") == 0)
        return plugin(values[0]);
    return 2;
}

int main(int argc, char **argv)
{
    const char *limit = getenv("CASES_LIMIT_S");
    alarm(limit ? (unsigned)strtoul(limit, NULL, 10) : 0);
    open_status();
    const int result = argc > 1 ? run(argv[1], argv + 2) : 2;
    fflush(stdout);
    print_peak();
    return result;
}
