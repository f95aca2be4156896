/* Every sequence of calls on a pool does what the header promises: the model, the invariants,
 * the shadow and the refusals agree after each operation. */
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input;
    if (input_decode(bytes, size, &input) == 0)
        input_check(&input, ORACLE_ALL);
    input_free(&input);
    return 0;
}
