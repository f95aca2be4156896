/* Mistakes for the tools that read programs: nothing compiles this file, and each tool must object
 * to it. */
#include <stdlib.h>

int freed_twice(char *bytes)
{
    free(bytes);
    free(bytes);
    return 0;
}

int null_read(int asked)
{
    int *number = asked ? &asked : NULL;
    if (!asked)
        return *number;
    return 0;
}

int past_the_end(void)
{
    int numbers[4] = {0};
    return numbers[4];
}
