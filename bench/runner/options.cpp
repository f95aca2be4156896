#include "options.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

Options options;

void fail(int status, const std::string &message)
{
    std::fprintf(stderr, "poolproof-bench: %s\n", message.c_str());
    std::exit(status);
}

namespace
{

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

void be_held(const char *text)
{
    if (turns_read(text, &options.turns) != 0)
        fail(2, std::string("--turns needs N,GO,TOLD, not '") + text + "'");
}

bool is_littered(const std::string &heap)
{
    if (heap != "fresh" && heap != "littered")
        fail(2, "--heap is fresh or littered, not '" + heap + "'");
    return heap == "littered";
}

} // namespace

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
        else if ((value = value_of(argv[i], "--turns")))
            be_held(value);
        else if ((value = value_of(argv[i], "--batch")))
            options.batch = (long)number(value, "--batch", 1, 1e9);
        else if ((value = value_of(argv[i], "--slices")))
            options.slices = (size_t)number(value, "--slices", 1, 1e6);
        else if ((value = value_of(argv[i], "--delay")))
            options.delay_percent = number(value, "--delay", 0, 1000);
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    argv[kept] = nullptr;
    if (options.delay_percent > 0 && options.turns.count == 0)
        fail(2, "--delay needs --turns");
    if (options.littered && options.workload.empty())
        fail(2, "--heap=littered needs a --workload");
    if (options.littered)
        options.workload += "/littered";
    const size_t last = options.workload.rfind('/') + 1; /* 0 without one */
    if (last > 0 && options.workload.ends_with("-threads"))
        options.threads =
            (unsigned)std::min(std::strtoul(options.workload.c_str() + last, nullptr, 10), 1024ul);
}
