/* Inside the preloaded library. */
#ifndef POOLPROOF_RECORDER_H
#define POOLPROOF_RECORDER_H

#include "ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define EXPORT __attribute__((visibility("default")))
#define SITE ((uintptr_t)__builtin_return_address(0))

/* Set while start-up asks whose malloc the program calls: ours answers NULL and clears it. */
extern bool recorder_asks;

/* Writes one event. No system call but the wait for a full ring, no lock, no allocation. */
void record(enum event_kind kind, const void *ptr, size_t size, size_t align, uintptr_t site);

/* The program filters its system calls from now on. */
void record_no_calls(void);

/* How many programs have been announced. */
uint32_t record_images(void);

/* A process, 0 for this one, executes a program after so many had been announced; NULL: it could
 * not. `cleared`: its environment does not name the recorder. */
void record_execution(const char *path, pid_t pid, uint32_t before, bool cleared);

/* Calls the system as the program would. */
long call_system(long number, const long *argument);

/* The ring in a file; NULL if there is none. */
struct ring *map_ring(const char *path);

/* Zeroes, in a forked child too, or it would be its parent; NULL if there is no memory. */
void *map_wiped_on_fork(size_t size);

/* Looks up what calls.c forwards to. Before the program's first thread. */
void calls_start(void);

/* The allocator that the program would have had. */
void *real_malloc(size_t size);
void *real_memalign(size_t align, size_t size);
void real_free(void *ptr);

/* Looks up what the operators of C++ forward to. Before the program's first thread. */
void operators_start(void);

/* Counts the unloadings of libraries: an address may mean another module after one. */
uint32_t modules_generation(void);

#endif
