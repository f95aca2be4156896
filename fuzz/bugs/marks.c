/* Counts a target's executions, and notes at which of them a planted bug was reached first and
 * went wrong first (after Hazimeh, Herrera and Payer: Magma, SIGMETRICS 2021).
 *
 * The three numbers, of 64 bits each, stand in the file that POOLPROOF_MARKS names, which outlives
 * a process that is ended by its finding. They are 0 for never. Linked with --wrap, so that every
 * execution passes here.
 */
#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bug.h"

struct marks {
    uint64_t executions, reached, wrong;
};

static struct marks nowhere, *marks = &nowhere;

int __real_LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int __wrap_LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int __wrap_LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    marks->executions++;
    return __real_LLVMFuzzerTestOneInput(bytes, size);
}

int bug_mark(int wrong)
{
    marks->reached = marks->reached ? marks->reached : marks->executions;
    marks->wrong = marks->wrong || !wrong ? marks->wrong : marks->executions;
    return wrong;
}

__attribute__((constructor)) static void open_marks(void)
{
    const char *const path = getenv("POOLPROOF_MARKS");
    const int file = path ? open(path, O_RDWR | O_CREAT, 0644) : -1;
    if (file < 0)
        return;
    if (ftruncate(file, sizeof *marks) == 0) {
        void *const shared = mmap(NULL, sizeof *marks, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (shared != MAP_FAILED)
            marks = shared;
    }
    close(file);
}
