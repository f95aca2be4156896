/* Preloaded into every arm, the baseline too: says in the ledger which library's malloc serves the
 * process and, if asked to, how much processor time it took by itself. */
#define _GNU_SOURCE
#include "ledger.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool timed;

static void say_owner(void)
{
    Dl_info info;
    void *found = (void *)ledger_find_malloc(); /* NOLINT */
    if (!found)
        found = dlsym(RTLD_NEXT, "malloc"); /* this library comes first */
    if (!found || !dladdr(found, &info) || !info.dli_fname)
        return;
    const char *slash = strrchr(info.dli_fname, '/');
    strncpy(ledger_entry->owner, slash ? slash + 1 : info.dli_fname,
            sizeof ledger_entry->owner - 1);
}

static __attribute__((constructor)) void begin(void)
{
    timed = getenv("POOLPROOF_TRIAL_TIMED") != NULL;
    ledger_open("witness");
    say_owner();
    pthread_atfork(NULL, NULL, ledger_fork);
}

static __attribute__((destructor)) void end(void)
{
    struct timespec time;
    if (timed && clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0)
        ledger_add(&ledger_entry->time_ns,
                   (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec);
}
