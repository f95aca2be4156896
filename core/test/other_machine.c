/* Mistakes that most machines forgive: each case is right on one kind of machine and wrong on
 * another, so that a build for the other can prove that it is one.
 *
 *     other-machine byte-order|word-size|char-sign|long-size
 *
 * Prints "mistake: WHAT" and ends with 1 where the mistake shows; else 0. An unknown name is exit
 * code 2.
 */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A number's bytes, taken for least first. */
static int byte_order(void)
{
    const uint32_t number = 1;
    unsigned char bytes[sizeof number];
    memcpy(bytes, &number, sizeof number);
    return bytes[0] != 1;
}

/* A sum of sizes, taken not to wrap. */
static int word_size(void)
{
    volatile size_t size = UINT32_MAX;
    return size + 1 == 0;
}

/* A char, taken to be able to hold -1. */
static int char_sign(void)
{
    return CHAR_MIN == 0;
}

/* A size, taken to fit into a long. */
static int long_size(void)
{
    return sizeof(long) < sizeof(size_t);
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        int (*is_wrong)(void);
    } mistakes[] = {{"byte-order", byte_order},
                    {"word-size", word_size},
                    {"char-sign", char_sign},
                    {"long-size", long_size}};
    for (size_t i = 0; count == 2 && i < sizeof mistakes / sizeof *mistakes; i++) {
        if (strcmp(arguments[1], mistakes[i].name) != 0)
            continue;
        if (mistakes[i].is_wrong())
            printf("mistake: %s\n", mistakes[i].name);
        return mistakes[i].is_wrong();
    }
    fprintf(stderr, "other-machine: name one of byte-order, word-size, char-sign, long-size\n");
    return 2;
}
