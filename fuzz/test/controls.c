/* Positive controls: each misuse of pool memory that AddressSanitizer must stop, done in a process
 * of its own whose report is read. A control that runs through, or is stopped for another reason,
 * is a failed test.
 *
 * Prints TAP. In a build without AddressSanitizer every point is skipped, and says so.
 */
#define _POSIX_C_SOURCE 200809L

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem_pool.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#endif
#ifndef WITH_ASAN
#define WITH_ASAN 0
#endif

enum { SIZE = 20, LARGE = 2048 };

/* Three chunks side by side in a pool with room for more. */
struct scene {
    struct m_pool pool;
    unsigned char *left, *middle, *right;
};

static unsigned char *chunk_of(struct m_pool *pool, size_t size)
{
    void *chunk = NULL;
    if (pool_alloc(pool, &chunk, size, POOL_USER) != 0)
        abort();
    return chunk;
}

static void set(struct scene *scene, size_t size)
{
    const struct pool_config config = {.capacity = (size_t)16 * 1024};
    memset(scene, 0, sizeof *scene);
    if (pool_init_with(&scene->pool, &config) != 0)
        abort();
    scene->left = chunk_of(&scene->pool, size);
    scene->middle = chunk_of(&scene->pool, size);
    scene->right = chunk_of(&scene->pool, size);
}

/* Frees a chunk and leaves its address in the caller's hands. */
static void release(struct scene *scene, unsigned char *chunk, size_t size)
{
    void *ptr = chunk;
    if (pool_free(&ptr, size, &scene->pool) != 0)
        abort();
}

static void write_past_end(void)
{
    struct scene scene;
    set(&scene, SIZE);
    ((volatile unsigned char *)scene.middle)[SIZE] = 1;
}

static void read_past_end(void)
{
    struct scene scene;
    set(&scene, SIZE);
    (void)((volatile unsigned char *)scene.middle)[SIZE];
}

static void write_fresh(void)
{
    struct scene scene;
    set(&scene, SIZE);
    ((volatile unsigned char *)scene.right)[64] = 1;
}

static void read_freed(void)
{
    struct scene scene;
    set(&scene, SIZE);
    release(&scene, scene.middle, SIZE);
    (void)*(volatile unsigned char *)scene.middle;
}

static void write_cached(void)
{
    struct scene scene;
    set(&scene, SIZE);
    release(&scene, scene.left, SIZE);
    release(&scene, scene.middle, SIZE);
    ((volatile unsigned char *)scene.middle)[SIZE - 1] = 1;
}

/* Chunks too large for the cache are coalesced with their neighbours as they are freed. */
static void write_coalesced(void)
{
    struct scene scene;
    set(&scene, LARGE);
    release(&scene, scene.left, LARGE);
    release(&scene, scene.right, LARGE);
    release(&scene, scene.middle, LARGE);
    ((volatile unsigned char *)scene.middle)[0] = 1;
}

/* The tail of a run that a smaller chunk has been split from. */
static void write_remainder(void)
{
    struct scene scene;
    set(&scene, LARGE);
    release(&scene, scene.middle, LARGE);
    (void)chunk_of(&scene.pool, LARGE / 2);
    ((volatile unsigned char *)scene.middle)[LARGE - 1] = 1;
}

static void write_reset(void)
{
    struct scene scene;
    set(&scene, SIZE);
    if (pool_reset(&scene.pool) != 0)
        abort();
    *(volatile unsigned char *)scene.left = 1;
}

static void write_shrunk(void)
{
    struct scene scene;
    set(&scene, LARGE);
    void *ptr = scene.right;
    if (pool_realloc(&scene.pool, &ptr, LARGE, SIZE, POOL_USER) != 0)
        abort();
    ((volatile unsigned char *)ptr)[SIZE] = 1;
}

static void write_destroyed(void)
{
    struct scene scene;
    set(&scene, SIZE);
    pool_destroy(&scene.pool);
    *(volatile unsigned char *)scene.left = 1;
}

static const struct control {
    const char *name;
    void (*misuse)(void);
    const char *report;
} controls[] = {
    {"one byte written past the requested size", write_past_end, "use-after-poison"},
    {"one byte read past the requested size", read_past_end, "use-after-poison"},
    {"a write to memory never given out", write_fresh, "use-after-poison"},
    {"a read of a freed chunk", read_freed, "use-after-poison"},
    {"a write to a freed chunk in the cache", write_cached, "use-after-poison"},
    {"a write to freed chunks once they are coalesced", write_coalesced, "use-after-poison"},
    {"a write to the rest of a run that was split", write_remainder, "use-after-poison"},
    {"a write to a chunk after a reset", write_reset, "use-after-poison"},
    {"a write past a chunk that shrank", write_shrunk, "use-after-poison"},
    {"a write to a chunk of a destroyed pool", write_destroyed, "heap-use-after-free"},
};

enum { CONTROLS = sizeof controls / sizeof *controls };

/* Whether a line of the report is "==PID==ERROR: AddressSanitizer: KIND …" of that process. */
static int is_reported(const char *said, pid_t process, const char *kind)
{
    char line[128];
    const int length =
        snprintf(line, sizeof line, "==%ld==ERROR: AddressSanitizer: %s ", (long)process, kind);
    while (said && strncmp(said, line, (size_t)length) != 0) {
        said = strchr(said, '\n');
        said = said ? said + 1 : NULL;
    }
    return said != NULL;
}

/* Runs a misuse apart; returns whether it was stopped by the report that is due. */
static int is_stopped(const struct control *control)
{
    static char said[1 << 16];
    int ends[2], status = 0;
    size_t length = 0;
    if (pipe(ends) != 0)
        return 0;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        control->misuse();
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t got = 1; child > 0 && got > 0 && length + 1 < sizeof said;) {
        got = read(ends[0], said + length, sizeof said - 1 - length);
        length += got > 0 ? (size_t)got : 0;
    }
    said[length] = 0;
    close(ends[0]);
    const int ended = child > 0 && waitpid(child, &status, 0) == child;
    const int failed = ended && (!WIFEXITED(status) || WEXITSTATUS(status) != 0);
    return failed && is_reported(said, child, control->report);
}

int main(void)
{
    int failed = 0;
    if (!WITH_ASAN) {
        printf("1..0 # SKIP this build has no AddressSanitizer to trip\n");
        return 0;
    }
    printf("1..%d\n", CONTROLS);
    for (int i = 0; i < CONTROLS; i++) {
        const int stopped = is_stopped(&controls[i]);
        printf("%s %d - %s: %s\n", stopped ? "ok" : "not ok", i + 1, controls[i].name,
               controls[i].report);
        failed |= !stopped;
    }
    return failed;
}
