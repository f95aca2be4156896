/* A probe in place of a benchmark. */
#include "options.h"
#include "owner.h"
#include "probe.h"
#include "runs.h"
#include "settings.h"

#include <cstdio>

int run_probe(const std::vector<Workload> &workloads)
{
    const Workload *workload = nullptr;
    const struct arm *arm = nullptr;
    for (const Workload &candidate : workloads)
        if (candidate.name == options.workload)
            workload = &candidate;
    for (size_t i = 0; i < arm_count; i++)
        if (options.arm == arms[i]->allocator->name)
            arm = arms[i];
    const std::string flag = "--" + options.probe;
    if (!workload || !arm || !applies(*workload, arm->allocator))
        fail(2, flag + " needs a --workload and an --arm that applies to it; --list shows them");
    if (!has_probes(*workload))
        fail(2, flag + " does not apply to " + workload->name);
    struct subject subject = {arm, workload->shape, workload->index, workload->scale, nullptr};
    if (workload->trace) {
        load(*workload->trace);
        subject.replay = &workload->trace->replay;
    }
    const long iterations = options.iterations > 0 ? options.iterations : 1;
    std::printf("{\"context\":{\"schema\":\"1\",\"malloc_owner\":%s,\"compiler\":%s,"
                "\"compiler_flags\":%s,\"google_benchmark\":%s},\n\"%s\":",
                quoted(heap_owner()).c_str(), quoted(COMPILER).c_str(),
                quoted(COMPILER_FLAGS).c_str(), quoted(GOOGLE_BENCHMARK).c_str(),
                options.probe.c_str());
    const int status = options.probe == "work"     ? probe_work(&subject, iterations, stdout)
                       : options.probe == "memory" ? probe_memory(&subject, stdout)
                                                   : probe_latency(&subject, iterations, stdout);
    if (status != 0)
        fail(4, std::string(arm->allocator->name) + " gets no memory from this machine");
    std::puts("}");
    return 0;
}
