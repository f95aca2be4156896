/* Telling of a finding: to a program, to a person, and to the engine by aborting. */
#include <stdlib.h>
#include <string.h>

#include "input.h"

static void print_json_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', stderr);
        fputc((unsigned char)*text < ' ' ? ' ' : *text, stderr);
    }
}

_Noreturn void target_fail(const struct input *input, const struct finding *finding)
{
    char op[96] = "end";
    const size_t count = input->trace.count;
    if (finding->op < count)
        trace_print_op(&input->trace.ops[finding->op], op, sizeof op);
    fprintf(stderr, "{\"oracle\": \"%s\", \"index\": %zu, \"operation\": \"%s\", \"message\": \"",
            finding->oracle, finding->op, op);
    print_json_text(finding->message);
    fprintf(stderr, "\"}\nfinding: the %s oracle at operation %zu (%s)\n  %s\n", finding->oracle,
            finding->op, op, finding->message);
    struct input upto = *input;
    upto.trace.count = finding->op < count ? finding->op + 1 : count;
    input_print(&upto, stderr);
    fflush(stderr);
    abort();
}

_Noreturn void target_complain(const struct input *input, const char *oracle, const char *message)
{
    struct finding finding = {.oracle = oracle, .op = input->trace.count};
    snprintf(finding.message, sizeof finding.message, "%s", message);
    target_fail(input, &finding);
}

/* Whether the buffer is small enough to be refused, and is. */
static int is_too_small(const struct input *input, const struct pool_config *config)
{
    struct m_pool pool = {0};
    if (input->source != INPUT_BUFFER || input->bytes >= INPUT_BUFFER_ENOUGH)
        return 0;
    const int refused = pool_init_with(&pool, config) != 0;
    if (refused && pool_error(&pool) != POOL_BUFFER_TOO_SMALL)
        target_complain(input, "model", pool_strerror(pool_error(&pool)));
    pool_destroy(&pool);
    return refused;
}

typedef int execute(const struct trace *, const struct pool_config *, unsigned, struct finding *);

static void check_with(const struct input *input, execute *run, unsigned oracles)
{
    struct backing backing;
    struct pool_config config;
    struct finding finding;
    if (backing_open(input, &backing, &config) != 0)
        return;
    if (!is_too_small(input, &config) && run(&input->trace, &config, oracles, &finding) != 0)
        target_fail(input, &finding);
    const char *const complaint = backing_complaint(&backing);
    if (complaint)
        target_complain(input, "backing", complaint);
    backing_close(&backing);
}

void input_check(const struct input *input, unsigned oracles)
{
    check_with(input, execute_on_pool, oracles);
}

void input_check_twin(const struct input *input, unsigned oracles)
{
    /* How small a buffer may be differs between the two. */
    if (input->source != INPUT_BUFFER || input->bytes >= INPUT_CHECKED_ENOUGH)
        check_with(input, execute_on_twin, oracles);
}
