#include "options.h"
#include "settings.h"

#include <cstdio>

namespace
{

/* Litter would be gone with the first reset; of sizes not each as likely it would be gigabytes; of
 * a capacity it would be a part; and which of several owners has it would be chance. */
bool has_littered(const struct shape &shape)
{
    return !shape.resets && !shape.own_sizes && !shape.capacity && !shape.owners;
}

} // namespace

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

bool has_threads(const Workload &workload)
{
    return workload.threads > 1 || (workload.shape && workload.shape->owners);
}

bool has_probes(const Workload &workload)
{
    return !workload.cold && !workload.littered && !has_threads(workload);
}

/* --- As JSON -------------------------------------------------------------------------------- */

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

namespace
{

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

} // namespace

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
