/* A program into which nothing can be preloaded. */
#include <stdlib.h>

int main(void)
{
    free(malloc(10));
    return 0;
}
