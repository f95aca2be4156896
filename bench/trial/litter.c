/* Leaves a used heap, whichever malloc serves, before the program starts: real programs run
 * on one, and a clean heap flatters whoever never sorts it. */
#include <stdint.h>
#include <stdlib.h>

enum { OBJECTS = 40000, LARGEST = 512, SMALLEST = 16 };

static uint64_t random_next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* A random half of the objects is freed in random order; the other half stays. */
static __attribute__((constructor)) void litter(void)
{
    uint64_t state = 1;
    void **objects = malloc(OBJECTS * sizeof *objects);
    if (!objects)
        return;
    for (size_t i = 0; i < OBJECTS; i++) {
        char *object = malloc(SMALLEST + random_next(&state) % (LARGEST - SMALLEST));
        if (object)
            *(volatile char *)object = 1;
        objects[i] = object;
    }
    for (size_t i = OBJECTS - 1; i > 0; i--) {
        size_t other = random_next(&state) % (i + 1);
        void *object = objects[i];
        objects[i] = objects[other];
        objects[other] = object;
    }
    for (size_t i = 0; i < OBJECTS / 2; i++)
        free(objects[i]);
    free(objects);
}
