/* A program to be recorded: does what its first argument says, with sizes that a test can look
 * for. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 100000, THREADS = 4, EXCHANGES = 20000, PLACES = 64 };

static void *volatile sink; /* keeps the compiler from leaving a pair out */

static void check(int right)
{
    if (!right)
        abort();
}

static void *resize(void *ptr, size_t size)
{
    void *moved = realloc(ptr, size);
    check(moved != NULL);
    return moved;
}

/* Each allocating function once, each with a size of its own. */
static int families(void)
{
    volatile size_t huge = SIZE_MAX / 2;
    void *ptr, *text;
    char line[1011];
    sink = ptr = malloc(1001);
    check(malloc_usable_size(ptr) >= 1001);
    free(ptr);
    sink = ptr = calloc(2, 1001);
    check(((char *)ptr)[2001] == 0);
    free(ptr);
    sink = ptr = resize(NULL, 1003);
    sink = ptr = resize(ptr, 200003);
    sink = ptr = resize(ptr, 103);
    sink = text = reallocarray(ptr, 5, 1005);
    check(text != NULL);
    ptr = text;
    sink = reallocarray(ptr, huge, 3);
    check(sink == NULL);
    sink = realloc(ptr, huge);
    check(sink == NULL);
    free(ptr);
    sink = ptr = aligned_alloc(64, 1088);
    check((uintptr_t)ptr % 64 == 0);
    free(ptr);
    sink = ptr = memalign(128, 1006);
    check((uintptr_t)ptr % 128 == 0);
    free(ptr);
    check(posix_memalign(&ptr, 256, 1007) == 0 && (uintptr_t)ptr % 256 == 0);
    check(posix_memalign(&text, 3, 1007) != 0);
    sink = text = valloc(1008);
    check((uintptr_t)text % 4096 == 0);
    free(ptr);
    free(text);
    sink = ptr = pvalloc(1009);
    free(ptr);
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    sink = ptr = strdup(line);
    free(ptr);
    free(NULL);
    sink = ptr = malloc(0); /* NOLINT: what the recorder makes of it is the question */
    free(ptr);
    sink = ptr = malloc(1012);
    sink = realloc(ptr, 0);
    check(sink == NULL);
    sink = ptr = malloc(6);
    free(ptr);
    return 0;
}

static int many(void)
{
    for (int i = 0; i < MANY; i++) {
        sink = malloc(1 + (size_t)i % 100);
        free(sink);
    }
    return 0;
}

/* Threads put objects into shared places and free what they find there. With one arena, and
 * objects too large for the caches of threads, an address that one thread frees is the next that
 * another gets. */
static _Atomic(void *) places[PLACES];

static void *exchange(void *argument)
{
    uint32_t random = (uint32_t)(uintptr_t)argument;
    for (int i = 0; i < EXCHANGES; i++) {
        random = random * 1664525 + 1013904223;
        void *made = malloc(1500 + (random >> 16) % 16);
        if (random >> 8 & 1)
            made = resize(made, 3000 + (random >> 24));
        free(atomic_exchange(&places[random >> 10 & (PLACES - 1)], made));
    }
    return NULL;
}

static int threads(void)
{
    pthread_t thread[THREADS];
    check(mallopt(M_ARENA_MAX, 1) == 1);
    for (uintptr_t i = 0; i < THREADS; i++)
        check(pthread_create(&thread[i], NULL, exchange, (void *)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < PLACES; i++)
        free(places[i]);
    return 0;
}

/* The child frees its parent's object and makes one of its own; so does the parent afterwards. */
static int forks(void)
{
    int status;
    sink = malloc(2001);
    clearenv();
    pid_t pid = fork();
    check(pid >= 0);
    free(sink);
    sink = malloc(pid == 0 ? 2002 : 2003);
    if (pid == 0)
        _exit(0);
    check(waitpid(pid, &status, 0) == pid && status == 0);
    return 0;
}

static int executes(char *self)
{
    char *arguments[] = {self, "families", NULL};
    sink = malloc(3001);
    execv(self, arguments);
    return 1;
}

static int spawns(char *self)
{
    char *arguments[] = {self, "many", NULL};
    pid_t pid;
    int status;
    check(posix_spawn(&pid, self, NULL, NULL, arguments, environ) == 0);
    check(waitpid(pid, &status, 0) == pid && status == 0);
    pid = vfork(); /* NOLINT: what the recorder makes of it is the question */
    if (pid == 0)
        _exit(0);
    check(waitpid(pid, &status, 0) == pid && status == 0);
    sink = malloc(4001);
    return 0;
}

static int closes(void)
{
    for (int fd = 0; fd < 1024; fd++)
        close(fd);
    return many();
}

static int waits(void)
{
    many();
    puts("ready");
    fflush(stdout);
    while (pause() < 0)
        continue;
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "families") == 0)
        return families();
    if (strcmp(what, "many") == 0)
        return many();
    if (strcmp(what, "threads") == 0)
        return threads();
    if (strcmp(what, "forks") == 0)
        return forks();
    if (strcmp(what, "executes") == 0)
        return executes(argv[0]);
    if (strcmp(what, "spawns") == 0)
        return spawns(argv[0]);
    if (strcmp(what, "closes") == 0)
        return closes();
    if (strcmp(what, "waits") == 0)
        return waits();
    if (strcmp(what, "killed") == 0)
        return many() + raise(SIGKILL);
    if (strcmp(what, "crashes") == 0)
        return many() + raise(SIGSEGV);
    if (strcmp(what, "status") == 0)
        return 7;
    fprintf(stderr, "subject: what?\n");
    return 2;
}
