/* Every arm keeps what allocator.h says: objects are aligned, apart, of the promised contents, keep
 * what they hold when they are resized, and come back after a reset.
 */
#include "arm.h"
#include "generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECTS = 400, STEPS = 20000, ONE_SIZE = 64, LARGEST = 9000 };

struct object {
    unsigned char *bytes;
    size_t size;
    size_t align; /* 0: ordinary */
    unsigned char mark;
};

static size_t failures;

static void check(int held, const struct allocator *allocator, const char *what)
{
    static const char *said;
    if (held)
        return;
    failures++;
    if (said != what) /* each once in a row is enough */
        printf("%s: %s\n", allocator->name, what);
    said = what;
}

static int holds(const unsigned char *bytes, size_t size, unsigned char mark)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != mark)
            return 0;
    return 1;
}

static void make(const struct allocator *allocator, void *heap, struct object *object,
                 uint64_t random)
{
    const int one_size = (allocator->abilities & ALLOCATOR_ONE_SIZE) != 0;
    const unsigned kind = one_size ? 3 : random % 4;
    object->size = one_size ? ONE_SIZE : 1 + (random >> 8) % (random % 16 == 0 ? LARGEST : 600);
    object->align = kind == 0 ? (size_t)32 << (random >> 40) % 8 : 0;
    object->mark = (unsigned char)(random >> 56);
    object->bytes = kind == 0   ? allocator->alloc_aligned(heap, object->size, object->align)
                    : kind == 1 ? allocator->alloc_zeroed(heap, object->size)
                                : allocator->alloc(heap, object->size);
    check(object->bytes != NULL, allocator, "gave no memory");
    if (!object->bytes)
        exit(1);
    const size_t align = object->align                            ? object->align
                         : allocator->abilities & ALLOCATOR_LOOSE ? 8
                                                                  : 16;
    check((uintptr_t)object->bytes % align == 0, allocator, "gave an object that is not aligned");
    if (kind == 1 || strcmp(allocator->promise, "zeroed") == 0)
        check(holds(object->bytes, object->size, 0), allocator,
              "gave an object that is not zeroed");
    memset(object->bytes, object->mark, object->size);
}

static void drop(const struct allocator *allocator, void *heap, struct object *object)
{
    check(holds(object->bytes, object->size, object->mark), allocator,
          "let another object write here");
    if (object->align)
        allocator->free_aligned(heap, object->bytes, object->size, object->align);
    else
        allocator->free(heap, object->bytes, object->size);
    object->bytes = NULL;
}

static void resize(const struct allocator *allocator, void *heap, struct object *object,
                   uint64_t random)
{
    const size_t size = 1 + (random >> 8) % (2 * object->size);
    const size_t kept = size < object->size ? size : object->size;
    object->bytes = allocator->realloc(heap, object->bytes, object->size, size);
    check(object->bytes != NULL, allocator, "did not resize");
    if (!object->bytes)
        exit(1);
    check(holds(object->bytes, kept, object->mark), allocator, "lost what a resized object held");
    if (strcmp(allocator->promise, "zeroed") == 0)
        check(holds(object->bytes + kept, size - kept, 0), allocator,
              "added bytes that are not zeroed");
    object->size = size;
    memset(object->bytes, object->mark, size);
}

static void check_arm(const struct allocator *allocator)
{
    static struct object objects[OBJECTS];
    const int one_size = (allocator->abilities & ALLOCATOR_ONE_SIZE) != 0;
    const size_t largest = one_size ? ONE_SIZE : 2 * LARGEST;
    const struct allocator_needs needs = {OBJECTS * largest, OBJECTS, largest, 0};
    uint64_t random = 1;
    void *heap;
    check(allocator->open(&heap, &needs) == 0, allocator, "does not open");
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < STEPS; i++) {
            const uint64_t number = generate_next(&random);
            struct object *object = objects + (number >> 32) % OBJECTS;
            if (!object->bytes)
                make(allocator, heap, object, generate_next(&random));
            else if (number % 4 == 0 && !object->align && !one_size)
                resize(allocator, heap, object, generate_next(&random));
            else
                drop(allocator, heap, object);
        }
        for (int i = 0; i < OBJECTS; i++)
            if (objects[i].bytes && !(allocator->reset && turn == 0))
                drop(allocator, heap, objects + i);
        if (allocator->reset && turn == 0) {
            allocator->reset(heap);
            memset(objects, 0, sizeof objects);
        }
    }
    allocator->close(heap);
}

/* A capacity is kept to, nearly all of it can be had, and it can be had again. */
static void check_capacity(const struct allocator *allocator)
{
    enum { CAPACITY = 1 << 20, SIZE = 64 };
    static void *objects[CAPACITY / SIZE + 1];
    const struct allocator_needs needs = {CAPACITY, CAPACITY / SIZE, SIZE, CAPACITY};
    /* The checked pool has a granule of its own after each object: a fifth of all at this size. */
    const size_t least = CAPACITY / SIZE / 20 * (strcmp(allocator->name, "pool-checked") ? 19 : 15);
    void *heap;
    check(allocator->open(&heap, &needs) == 0, allocator, "does not open with a capacity");
    for (int turn = 0; turn < 2; turn++) {
        size_t count = 0;
        while (count <= CAPACITY / SIZE && (objects[count] = allocator->alloc(heap, SIZE)) != NULL)
            count++;
        check(count <= CAPACITY / SIZE, allocator, "gave more than its capacity");
        check(count > least, allocator, "refused what its capacity has room for");
        for (size_t i = 0; i < count; i++)
            allocator->free(heap, objects[i], SIZE);
        if (!(allocator->abilities & ALLOCATOR_REUSES))
            allocator->reset(heap);
    }
    allocator->close(heap);
}

int main(void)
{
    for (size_t i = 0; i < arm_count; i++) {
        if (arms[i]->allocator->abilities & ALLOCATOR_ALLOCATES)
            check_arm(arms[i]->allocator);
        if (arms[i]->allocator->abilities & ALLOCATOR_BOUNDED)
            check_capacity(arms[i]->allocator);
    }
    printf("%zu arms, %zu failures\n", arm_count, failures);
    return failures != 0;
}
