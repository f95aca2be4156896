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
 *   --delay=PERCENT        spend this much more time in each iteration: a slowdown of known size
 *   --work, --memory, --latency
 *                          run one workload on one arm without Google Benchmark, and print as JSON
 *                          what its probe found (probe/probe.h)
 *
 * and Google Benchmark's own. An iteration is one batch of a micro workload, or one playing of a
 * trace; the counter "operations" says how many allocator operations that is. Exit status: 0, 2
 * on a bad argument or file, 4 if an arm cannot run the workload on this machine.
 */
#include "app.h"
#include "channel.h"
#include "arm.h"
#include "probe.h"
#include "settings.h"

#include <benchmark/benchmark.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace
{

struct Trace {
    std::string name, file;
    struct replay replay; /* loaded by the first run */
};

/* A workload is a scale of a shape, or a trace, warm or cold, or an app, which is cold. */
struct Workload {
    std::string name;
    size_t index; /* of the shape */
    const struct shape *shape;
    const struct scale *scale;
    Trace *trace;
    bool cold;
    bool littered;
    unsigned threads;
    const struct app *app;
};

struct Options {
    bool list = false, owner = false;
    std::string workload, arm;
    long iterations = 0;
    double delay_percent = 0;
    bool littered = false;
    unsigned threads = 1;
    std::string probe; /* what to find out instead of times: "work", "memory" or "latency" */
    std::vector<Trace> traces;
};

Options options;

[[noreturn]] void fail(int status, const std::string &message)
{
    std::fprintf(stderr, "poolproof-bench: %s\n", message.c_str());
    std::exit(status);
}

long page_faults()
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

/* The most that this process ever had resident: getrusage and wait4 would also know the peak of the
 * process that started it. */
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

int64_t now_ns()
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Calls work once for so many iterations, and with a delay waits so long afterwards that they take
 * that much longer. */
template <typename Work> void iterate(benchmark::State &state, Work work, long iterations = 1)
{
    long faults = page_faults();
    if (options.delay_percent <= 0) {
        while (state.KeepRunningBatch(iterations))
            work();
    } else {
        while (state.KeepRunningBatch(iterations)) {
            int64_t start = now_ns();
            work();
            int64_t wait = (int64_t)((double)(now_ns() - start) * options.delay_percent / 100);
            for (int64_t end = now_ns() + wait; now_ns() < end;)
                ;
        }
    }
    state.counters["page_faults"] =
        benchmark::Counter((double)(page_faults() - faults), benchmark::Counter::kAvgIterations);
    state.counters["max_rss_bytes"] = peak_resident_bytes();
}

void *open_heap(const struct allocator *allocator, struct allocator_needs needs)
{
    void *heap;
    if (allocator->open(&heap, &needs) != 0)
        fail(4, std::string(allocator->name) + " gets no memory from this machine");
    return heap;
}

/* --- Micro workloads ------------------------------------------------------------------------ */

/* What the threads of a workload with several owners have in common. */
struct Shared {
    void *heap;
    struct channel *channels;
};

/* One thread's share of a workload: its arrays, its arm unless that is shared, its litter. */
class Player
{
  public:
    Player(const Workload &workload, const struct arm *arm, const Shared *shared = nullptr,
           unsigned thread = 0)
        : workload_(workload), arm_(arm), scale_(workload.scale), owns_heap_(!shared)
    {
        const struct shape *shape = workload.shape;
        if (shape_prepare(&work_, shape, scale_, arm->allocator) != 0)
            fail(4, "no memory for the workload's arrays");
        if (shared) {
            work_.channels = shared->channels;
            work_.thread = thread;
            heap_ = shared->heap;
        } else {
            const struct allocator_needs own = shape_needs(shape, scale_);
            struct allocator_needs needs = workload.littered ? litter_needs(scale_) : own;
            if (arm->allocator->abilities & ALLOCATOR_ONE_SIZE)
                needs.largest = own.largest;
            heap_ = open_heap(arm->allocator, needs);
        }
        if (workload.littered && litter_make(&litter_, scale_, arm->allocator, heap_) != 0)
            fail(4, "no memory for the litter's arrays");
        if (!shape->ends_empty)
            arm->fill(&work_, heap_);
        if (shape->filled)
            shape->filled(&work_);
        /* Each object replaced twice or so: what is timed is a heap in use, not a new one. */
        for (size_t done = 0; done <= 4 * (size_t)scale_->live; done += shape->operations(scale_))
            batch();
    }

    ~Player()
    {
        if (!workload_.shape->ends_empty) {
            shape_settle(&work_);
            arm_->drain(&work_, heap_);
        }
        if (workload_.littered)
            litter_drop(&litter_, arm_->allocator, heap_);
        if (owns_heap_)
            arm_->allocator->close(heap_);
        shape_drop(&work_);
    }

    Player(const Player &) = delete;
    Player &operator=(const Player &) = delete;

    void batch()
    {
        arm_->batches[workload_.index](&work_, heap_);
        if (!(arm_->allocator->abilities & ALLOCATOR_REUSES))
            arm_->allocator->reset(heap_);
    }

    const struct work &work() const
    {
        return work_;
    }

  private:
    const Workload &workload_;
    const struct arm *arm_;
    const struct scale *scale_;
    const bool owns_heap_;
    struct work work_;
    void *heap_;
    struct litter litter_ {
    };
};

void run_shape(benchmark::State &state, const Workload &workload, const struct arm *arm)
{
    const struct shape *shape = workload.shape;
    Player player(workload, arm);
    const size_t done = player.work().done, reached = player.work().reached_bytes;
    iterate(state, [&] { player.batch(); });
    const double batches = (double)state.iterations();
    state.counters["operations"] = shape->capacity ? (double)(player.work().done - done) / batches
                                                   : (double)shape->operations(workload.scale);
    if (shape->capacity && (arm->allocator->abilities & ALLOCATOR_BOUNDED))
        state.counters["usable_share"] =
            (double)(player.work().reached_bytes - reached) / batches / (double)shape->capacity;
}

/* Every thread does all iterations on its own, all at the same time: an iteration is a batch of
 * each of them. A delay follows at the end. Owners have one arm and hand objects over, others have
 * an arm each. */
void run_threads(benchmark::State &state, const Workload &workload, const struct arm *arm)
{
    const struct shape *shape = workload.shape;
    const unsigned count = shape->owners ? shape->owners : workload.threads;
    const long iterations = (long)state.max_iterations;
    Shared shared{};
    if (shape->owners) {
        if (channels_open(&shared.channels, shape, workload.scale->live / CHANNEL_PLACES) != 0)
            fail(4, "no memory for the workload's arrays");
        shared.heap = open_heap(arm->allocator, shape_needs(shape, workload.scale));
    }
    std::barrier meet((std::ptrdiff_t)count + 1);
    std::vector<std::thread> threads;
    threads.reserve(count);
    for (unsigned i = 0; i < count; i++)
        threads.emplace_back([&, i] {
            Player player(workload, arm, shape->owners ? &shared : nullptr, i);
            meet.arrive_and_wait(); /* all are ready: the clock starts … */
            meet.arrive_and_wait(); /* … and they do … */
            for (long done = 0; done < iterations; done++)
                player.batch();
            meet.arrive_and_wait(); /* … until the last is done */
        });
    const auto all = [&] {
        meet.arrive_and_wait();
        meet.arrive_and_wait();
    };
    meet.arrive_and_wait();
    iterate(state, all, iterations);
    for (std::thread &thread : threads)
        thread.join();
    if (shape->owners) {
        arm->allocator->close(shared.heap);
        channels_close(shared.channels, shape);
    }
    state.counters["operations"] =
        (double)(shape->operations(workload.scale) * (shape->owners ? 1 : count));
}

/* --- Traces --------------------------------------------------------------------------------- */

void load(Trace &trace)
{
    char message[400];
    if (!trace.replay.memory &&
        replay_load(trace.file.c_str(), &trace.replay, message, sizeof message))
        fail(2, message);
    if (trace.replay.drain == 0)
        fail(2, trace.file + ": holds no operation that can be played");
}

void run_trace(benchmark::State &state, const Workload &workload, const struct arm *arm)
{
    const struct allocator *allocator = arm->allocator;
    load(*workload.trace);
    const struct replay &replay = workload.trace->replay;
    const struct allocator_needs needs = {replay.peak_bytes + 16 * (size_t)replay.peak_objects,
                                          replay.peak_objects, replay.largest};
    std::vector<void *> slots(replay.slots, nullptr);
    void *heap = nullptr;
    auto play = [&](size_t to) {
        if (arm->play(&replay, 0, to, slots.data(), heap) != 0)
            shape_out_of_memory(allocator);
    };
    if (workload.cold) {
        iterate(state, [&] {
            heap = open_heap(allocator, needs);
            play(replay.drain);
        });
        state.counters["operations"] = (double)replay.drain;
    } else {
        const bool resets = !(allocator->abilities & ALLOCATOR_REUSES);
        const auto play_all = [&] {
            play(replay.count);
            if (resets)
                allocator->reset(heap);
        };
        heap = open_heap(allocator, needs);
        play_all(); /* what is timed is a heap in use, not a new one */
        iterate(state, play_all);
        state.counters["operations"] = (double)replay.count;
        allocator->close(heap);
    }
    state.counters["peak_live_bytes"] = (double)replay.peak_bytes;
}

/* --- Apps ----------------------------------------------------------------------------------- */

/* The whole program, from opening the arm to closing it, is one operation. */
void run_app(benchmark::State &state, const struct app *app, const struct arm *arm)
{
    const std::string script = app->script ? std::string(SCRIPTS "/") + app->script : "";
    uint64_t checksum = 0;
    iterate(state, [&] {
        char message[300];
        void *heap = open_heap(arm->allocator, app->needs);
        if (app->run(arm, heap, script.c_str(), &checksum, message, sizeof message) != 0)
            fail(4, "app/" + std::string(app->name) + " with " + arm->allocator->name + ": " +
                        message);
        arm->allocator->close(heap);
    });
    state.counters["operations"] = 1;
    state.counters["checksum"] = (double)(checksum >> 11); /* what a double holds */
}

/* --- What there is -------------------------------------------------------------------------- */

/* Litter would be gone with the first reset; of sizes not each as likely it would be gigabytes; of
 * a capacity it would be a part; and which of several owners has it would be chance. */
bool has_littered(const struct shape &shape)
{
    return !shape.resets && !shape.own_sizes && !shape.capacity && !shape.owners;
}

/* Micro workloads three times over: as they are, on a littered heap, with as many threads as were
 * asked for. A recorded program has its own past, and its threads' order. */
std::vector<Workload> all_workloads()
{
    std::vector<Workload> workloads;
    const auto add_shapes = [&](const std::string &suffix, bool littered, unsigned threads) {
        for (size_t i = 0; i < shape_count; i++)
            for (size_t j = 0; j < shapes[i]->scale_count; j++)
                if (!(littered && !has_littered(*shapes[i])) && !(threads > 1 && shapes[i]->owners))
                    workloads.push_back(
                        {std::string(shapes[i]->name) + "/" + shapes[i]->scales[j].name + suffix, i,
                         shapes[i], &shapes[i]->scales[j], nullptr, false, littered, threads,
                         nullptr});
    };
    add_shapes("", false, 1);
    add_shapes("/littered", true, 1);
    if (options.threads > 1)
        add_shapes("/" + std::to_string(options.threads) + "-threads", false, options.threads);
    for (Trace &trace : options.traces) {
        workloads.push_back(
            {"trace/" + trace.name, 0, nullptr, nullptr, &trace, false, false, 1, nullptr});
        workloads.push_back(
            {"trace-cold/" + trace.name, 0, nullptr, nullptr, &trace, true, false, 1, nullptr});
    }
    for (size_t i = 0; i < app_count; i++)
        workloads.push_back({std::string("app/") + apps[i]->name, 0, nullptr, nullptr, nullptr,
                             true, false, 1, apps[i]});
    return workloads;
}

/* An arm that cannot reuse what is freed must be able to start over; one that has a single size
 * can do nothing else. */
bool applies(const Workload &workload, const struct allocator *allocator)
{
    const bool one_size = allocator->abilities & ALLOCATOR_ONE_SIZE;
    if (workload.app)
        return !one_size && (allocator->abilities & ALLOCATOR_REUSES) &&
               (allocator->abilities & ALLOCATOR_ALLOCATES);
    if (workload.trace)
        return !one_size;
    if (workload.shape->owners)
        return allocator->abilities & ALLOCATOR_SHARED;
    if (one_size && (workload.shape->resizes || workload.scale->least != workload.scale->most))
        return false;
    return (allocator->abilities & ALLOCATOR_REUSES) ||
           (workload.shape->ends_empty && !workload.littered);
}

/* Why an arm does not apply that does so to other workloads alike; NULL where its own limits say
 * so, or it does. */
const char *objection(const Workload &workload, const struct allocator *allocator)
{
    if (!workload.shape || !workload.shape->owners || (allocator->abilities & ALLOCATOR_SHARED))
        return nullptr;
    return allocator->abilities & ALLOCATOR_ALLOCATES
               ? "One thread frees what another allocated, and such an arm belongs to one thread "
                 "at a time."
               : "Every thread would get the same memory, and fight for it.";
}

/* Whether several threads do a workload. */
bool has_threads(const Workload &workload)
{
    return workload.threads > 1 || (workload.shape && workload.shape->owners);
}

/* Whether the probes can do a workload: what runs once has no slope and no percentiles, and its
 * memory is that of the warm trace. */
bool has_probes(const Workload &workload)
{
    return !workload.cold && !workload.littered && !has_threads(workload);
}

std::string quoted(const std::string &text)
{
    std::string result = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\')
            result += '\\';
        result += c;
    }
    return result + "\"";
}

const char *question(const Workload &workload)
{
    if (workload.app)
        return workload.app->question;
    if (!workload.trace)
        return workload.shape->question;
    return workload.cold ? "How long does the program's first run through its allocations take?"
                         : "How long do the program's allocations take, over and over?";
}

const char *source(const Workload &workload)
{
    return workload.app ? workload.app->source : workload.trace ? nullptr : workload.shape->source;
}

const char *parameters(const Workload &workload)
{
    return workload.app     ? workload.app->parameters
           : workload.trace ? nullptr
                            : workload.shape->parameters;
}

/* Operations of an iteration; 0 for a trace, which is not read for this. */
size_t operations(const Workload &workload)
{
    if (workload.app)
        return 1;
    return workload.trace ? 0 : workload.shape->operations(workload.scale);
}

void print_list(const std::vector<Workload> &workloads)
{
    std::string text = "{\"google_benchmark\":" + quoted(GOOGLE_BENCHMARK) + ",\"arms\":[";
    for (size_t i = 0; i < arm_count; i++)
        text += std::string(i ? "," : "") + "\n{\"arm\":" + quoted(arms[i]->allocator->name) +
                ",\"about\":" + quoted(arms[i]->allocator->about) +
                ",\"promise\":" + quoted(arms[i]->allocator->promise) + ",\"limits\":" +
                (arms[i]->allocator->limits ? quoted(arms[i]->allocator->limits) : "null") + "}";
    text += "],\n\"absent\":[";
    for (const struct absent_arm *absent = absent_arms; absent->name; absent++)
        text += std::string(absent == absent_arms ? "" : ",") + "{\"arm\":" + quoted(absent->name) +
                ",\"package\":" + quoted(absent->package) + "}";
    text += "],\n\"workloads\":[";
    for (size_t i = 0; i < workloads.size(); i++) {
        const Workload &workload = workloads[i];
        std::string applying, excluded;
        for (size_t j = 0; j < arm_count; j++) {
            const struct allocator *allocator = arms[j]->allocator;
            if (applies(workload, allocator))
                applying += (applying.empty() ? "" : ",") + quoted(allocator->name);
            if (const char *why = objection(workload, allocator))
                excluded.append(excluded.empty() ? "" : ",")
                    .append(quoted(allocator->name))
                    .append(":")
                    .append(quoted(why));
        }
        text +=
            std::string(i ? "," : "") + "\n{\"workload\":" + quoted(workload.name) +
            ",\"question\":" + quoted(question(workload)) +
            ",\"source\":" + (source(workload) ? quoted(source(workload)) : "null") +
            ",\"parameters\":" + (parameters(workload) ? quoted(parameters(workload)) : "null") +
            ",\"harness\":" +
            (workload.shape && workload.shape->harness ? quoted(workload.shape->harness) : "null") +
            ",\"operations\":" + std::to_string(operations(workload)) +
            ",\"heap\":" + (workload.littered ? "\"littered\"" : "\"fresh\"") +
            ",\"threads\":" + std::to_string(workload.threads) +
            ",\"probes\":" + (has_probes(workload) ? "true" : "false") +
            ",\"capacity\":" + std::to_string(workload.shape ? workload.shape->capacity : 0);
        text.append(",\"excluded\":{").append(excluded);
        text.append("},\"arms\":[").append(applying).append("]}");
    }
    text += "],\n\"absent_workloads\":[";
    for (const struct absent_app *absent = absent_apps; absent->name; absent++)
        text += std::string(absent == absent_apps ? "" : ",") +
                "{\"workload\":" + quoted(std::string("app/") + absent->name) +
                ",\"package\":" + quoted(absent->package) + "}";
    std::puts((text + "]}").c_str());
}

/* --- The command line ----------------------------------------------------------------------- */

/* The value of --NAME=VALUE if that is what the word is, else NULL. */
const char *value_of(const char *word, const char *name)
{
    size_t length = std::strlen(name);
    return std::strncmp(word, name, length) == 0 && word[length] == '=' ? word + length + 1
                                                                        : nullptr;
}

double number(const char *text, const char *name, double least, double most)
{
    char *end;
    double value = std::strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= least && value <= most))
        fail(2, std::string(name) + " needs a number from " + std::to_string((long)least) + " to " +
                    std::to_string((long)most) + ", not '" + text + "'");
    return value;
}

void add_trace(const char *text)
{
    const char *equals = std::strchr(text, '=');
    if (!equals || equals == text || equals[1] == '\0')
        fail(2, std::string("--trace needs NAME=FILE, not '") + text + "'");
    options.traces.push_back({std::string(text, equals), equals + 1, {}});
}

bool is_littered(const std::string &heap)
{
    if (heap != "fresh" && heap != "littered")
        fail(2, "--heap is fresh or littered, not '" + heap + "'");
    return heap == "littered";
}

/* Takes our own words out of the command line and leaves the others to Google Benchmark. */
void read_arguments(int *argc, char **argv)
{
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        const char *value;
        if (std::strcmp(argv[i], "--list") == 0)
            options.list = true;
        else if (std::strcmp(argv[i], "--owner") == 0)
            options.owner = true;
        else if ((value = value_of(argv[i], "--workload")))
            options.workload = value;
        else if ((value = value_of(argv[i], "--arm")))
            options.arm = value;
        else if ((value = value_of(argv[i], "--trace")))
            add_trace(value);
        else if ((value = value_of(argv[i], "--iterations")))
            options.iterations = (long)number(value, "--iterations", 1, 1e9);
        else if (std::strcmp(argv[i], "--work") == 0 || std::strcmp(argv[i], "--memory") == 0 ||
                 std::strcmp(argv[i], "--latency") == 0)
            options.probe = argv[i] + 2;
        else if ((value = value_of(argv[i], "--heap")))
            options.littered = is_littered(value);
        else if ((value = value_of(argv[i], "--threads")))
            options.threads = (unsigned)number(value, "--threads", 1, 1024);
        else if ((value = value_of(argv[i], "--delay")))
            options.delay_percent = number(value, "--delay", 0, 1000);
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    argv[kept] = nullptr;
    if (options.littered && options.workload.empty())
        fail(2, "--heap=littered needs a --workload");
    if (options.littered)
        options.workload += "/littered";
    const size_t last = options.workload.rfind('/') + 1; /* 0 without one */
    if (last > 0 && options.workload.ends_with("-threads"))
        options.threads =
            (unsigned)std::min(std::strtoul(options.workload.c_str() + last, nullptr, 10), 1024ul);
}

/* --- Proof of what is measured -------------------------------------------------------------- */

/* The file that the dynamic linker takes a function from; "" if it cannot tell. */
std::string owner(const char *function)
{
    Dl_info info;
    char path[PATH_MAX];
    void *address = dlsym(RTLD_DEFAULT, function);
    if (!address || !dladdr(address, &info) || !info.dli_fname)
        return "";
    return realpath(info.dli_fname, path) ? path : info.dli_fname;
}

/* The library that all of this process's heap calls go to. */
std::string heap_owner()
{
    const std::string library = owner("malloc");
    for (const char *function : {"calloc", "realloc", "free", "posix_memalign"})
        if (owner(function) != library)
            fail(4,
                 "malloc comes from " + library + " but " + function + " from " + owner(function));
    return library;
}

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
                                                                 : run_shape(state, workload, arm);
                                     });
    if (has_threads(workload)) /* not the time of the thread that waits for the others */
        added->MeasureProcessCPUTime()->UseRealTime();
    if (workload.cold)
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

/* --- Probes --------------------------------------------------------------------------------- */

/* Finds out one thing about one workload on one arm, and prints it as JSON beside the proof of what
 * it was. */
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
