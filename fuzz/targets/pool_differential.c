/* One trace keeps its contents and its refusals wherever it runs: on malloc, and on pools from
 * every source and with every flag, ordinary and checked. */
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const unsigned flags[] = {0, POOL_KEEP_CONTENTS, POOL_STRICT,
                                     POOL_KEEP_CONTENTS | POOL_STRICT};
    struct input input;
    if (input_decode(bytes, size, &input) == 0) {
        struct finding finding;
        size_t skipped;
        if (execute_on_malloc(&input.trace, &skipped, &finding) != 0)
            target_fail(&input, &finding);
        for (unsigned i = 0; i < 4; i++) {
            input.source = (enum input_source)((unsigned)input.source + i) % INPUT_SOURCES;
            input.flags = flags[i];
            input_check(&input, ORACLE_MODEL | ORACLE_REFUSAL);
            input_check_twin(&input, ORACLE_MODEL | ORACLE_REFUSAL);
        }
    }
    input_free(&input);
    return 0;
}
