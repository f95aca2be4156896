/* Under AddressSanitizer the shadow of every byte of the block agrees with the model after each
 * operation, on larger pools than where every oracle runs, and nothing stays poisoned when the
 * pool is gone. */
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input;
    if (input_decode(bytes, size, &input) == 0)
        input_check(&input, ORACLE_SHADOW);
    input_free(&input);
    return 0;
}
