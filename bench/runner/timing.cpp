#include "timing.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

long page_faults()
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

double peak_resident_bytes()
{
    char text[4096]; /* no stream: it would take memory from the arm */
    const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    const ssize_t got = file < 0 ? 0 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    text[got > 0 ? got : 0] = '\0';
    const char *mark = std::strstr(text, "VmHWM:");
    return mark ? 1024 * std::strtod(mark + 6, nullptr) : 0;
}

struct turn delayed(struct turn start, struct turn end)
{
    const double share = 1 + options.delay_percent / 100;
    const uint64_t until = start.cpu_ns + (uint64_t)((double)(end.cpu_ns - start.cpu_ns) * share);
    while (options.delay_percent > 0 && end.cpu_ns < until)
        end = turn_now();
    return {end.wall_ns - start.wall_ns, end.cpu_ns - start.cpu_ns};
}

void *open_heap(const struct allocator *allocator, struct allocator_needs needs)
{
    void *heap;
    if (allocator->open(&heap, &needs) != 0)
        fail(4, std::string(allocator->name) + " gets no memory from this machine");
    return heap;
}
