/* poolproof-bench: every micro workload and every given trace on every arm, under Google
 * Benchmark.
 *
 *   --list                 what there is, as JSON
 *   --owner                the file whose malloc this process has, after a use of it
 *   --workload=W --arm=A   run this one alone, under the name W/A
 *   --trace=NAME=FILE      add the workloads trace/NAME (played over and over) and trace-cold/NAME
 *                          (played once, by a new process); may be repeated
 *   --heap=littered        on a heap that was filled and thinned before: the workload W/littered
 *   --threads=N            list the micro workloads W/N-threads as well: N threads, an arm for each
 *   --iterations=N         this many iterations instead of a calibrated number
 *   --turns=N,GO,TOLD      be held between batches, for N turns (runner/turns.h): each is an
 * untimed
 *                          batch that warms the caches and a timed one, or what is done once alone
 *   --batch=N              so many iterations are a batch
 *   --slices=N             an iteration of a trace is the next of so many slices of it. An odd N
 *                          has each of them warm the caches as often as it is timed
 *   --delay=PERCENT        spend this much more time in each batch: a slowdown of known size
 *   --work, --memory, --latency
 *                          run one workload on one arm without Google Benchmark, and print as JSON
 *                          what its probe found (probe/probe.h)
 *
 * and Google Benchmark's own. An iteration is one batch of a micro workload, or one playing of a
 * trace; the counter "operations" says how many allocator operations that is. Exit status: 0, 2
 * on a bad argument or file, 4 if an arm cannot run the workload on this machine.
 */
#include "options.h"
#include "owner.h"
#include "runs.h"
#include "settings.h"

#include <benchmark/benchmark.h>
#include <cstdio>

namespace
{

void add_context()
{
    const std::string library = heap_owner();
    benchmark::AddCustomContext("schema", "1");
    benchmark::AddCustomContext("malloc_owner", library);
    benchmark::AddCustomContext("compiler", COMPILER);
    benchmark::AddCustomContext("compiler_flags", COMPILER_FLAGS);
    benchmark::AddCustomContext("google_benchmark", GOOGLE_BENCHMARK);
    benchmark::AddCustomContext("delay_percent", std::to_string(options.delay_percent));
}

void add_benchmark(const Workload &workload, const struct arm *arm)
{
    auto *added =
        benchmark::RegisterBenchmark((workload.name + "/" + arm->allocator->name).c_str(),
                                     [&workload, arm](benchmark::State &state) {
                                         workload.app            ? run_app(state, workload.app, arm)
                                         : workload.trace        ? run_trace(state, workload, arm)
                                         : has_threads(workload) ? run_threads(state, workload, arm)
                                                                 : run_micro(state, workload, arm);
                                     });
    if (has_threads(workload) &&
        options.turns.count == 0) /* not the time of the thread that waits for the others */
        added->MeasureProcessCPUTime()->UseRealTime();
    if (options.turns.count > 0)
        added->UseManualTime()->Iterations(options.turns.count);
    else if (workload.cold)
        added->Iterations(1);
    else if (options.iterations > 0)
        added->Iterations(options.iterations);
}

bool known_arm(const std::string &name)
{
    for (size_t i = 0; i < arm_count; i++)
        if (name == arms[i]->allocator->name)
            return true;
    return false;
}

/* Registers what was asked for; without a workload or an arm, every one of them that is
 * neither cold nor littered nor of several threads. A cold trace needs the process to itself. */
void add_benchmarks(const std::vector<Workload> &workloads)
{
    bool found = options.workload.empty();
    if (!options.arm.empty() && !known_arm(options.arm))
        fail(2, "no arm '" + options.arm + "'; --list shows what there is");
    size_t added = 0;
    for (const Workload &workload : workloads) {
        const bool apart = workload.cold || workload.littered || workload.threads > 1;
        if (options.workload.empty() ? apart : workload.name != options.workload)
            continue;
        found = true;
        for (size_t i = 0; i < arm_count; i++) {
            if ((options.arm.empty() || options.arm == arms[i]->allocator->name) &&
                applies(workload, arms[i]->allocator)) {
                add_benchmark(workload, arms[i]);
                added++;
            }
        }
        if (workload.cold && added > 1)
            fail(2, "what is done once needs a process of its own: give an --arm as well");
    }
    if (!found)
        fail(2, "no workload '" + options.workload + "'; --list shows what there is");
    if (added == 0)
        fail(2, "the arm " + options.arm + " does not apply to " + options.workload);
}

} // namespace

int main(int argc, char **argv)
{
    read_arguments(&argc, argv);
    const std::vector<Workload> workloads = all_workloads();
    if (options.list) {
        print_list(workloads);
        return 0;
    }
    if (options.owner) {
        std::puts(heap_owner().c_str());
        return 0;
    }
    if (!options.probe.empty())
        return run_probe(workloads);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    add_context();
    add_benchmarks(workloads);
    if (benchmark::RunSpecifiedBenchmarks() == 0)
        fail(2, "no benchmark matches; --list shows what there is");
    benchmark::Shutdown();
    return 0;
}
