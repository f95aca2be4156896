/* Every workload does what it says: what it hands back is of the size that it asked for, an
 * iteration has as many operations as stated, sizes keep to their scale, and nothing stays live.
 */
#include "channel.h"
#include "arm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 16, ROUNDS = 3 };

static struct {
    size_t operations, live, most_live;
    size_t least, most; /* bytes asked for */
    unsigned wrong;     /* objects handed back with another size */
} seen;

static void *checked_alloc(void *heap, size_t size)
{
    char *object = malloc(HEADER + size);
    (void)heap;
    if (!object)
        return NULL;
    memcpy(object, &size, sizeof size);
    seen.operations++;
    seen.live++;
    if (seen.live > seen.most_live)
        seen.most_live = seen.live;
    if (size < seen.least)
        seen.least = size;
    if (size > seen.most)
        seen.most = size;
    return object + HEADER;
}

static void forget(void *ptr, size_t size)
{
    size_t noted;
    memcpy(&noted, (char *)ptr - HEADER, sizeof noted);
    seen.wrong += noted != size;
    memset((char *)ptr - HEADER, 0xff, sizeof noted);
    free((char *)ptr - HEADER);
    seen.live--;
}

static void checked_free(void *heap, void *ptr, size_t size)
{
    (void)heap;
    seen.operations++;
    forget(ptr, size);
}

static void *checked_realloc(void *heap, void *ptr, size_t old_size, size_t new_size)
{
    seen.live--; /* two for a moment, and one in the end */
    char *moved = checked_alloc(heap, new_size);
    if (!moved)
        return NULL;
    seen.live++;
    memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
    forget(ptr, old_size);
    return moved;
}

static const struct allocator allocator_checked = {
    .name = "checked",
    .abilities = ALLOCATOR_REUSES | ALLOCATOR_ALLOCATES,
    .alloc = checked_alloc,
    .alloc_aligned = NULL,
    .alloc_zeroed = checked_alloc,
    .realloc = checked_realloc,
    .free = checked_free,
};

ARM(checked)

static unsigned complain(const struct shape *shape, const struct scale *scale, unsigned complaints)
{
    complaints += seen.wrong + (seen.live != 0) + (seen.most_live > scale->live) +
                  (seen.least < scale->least) + (seen.most > scale->most);
    if (complaints != 0)
        printf("%s/%s: %u wrong sizes, %zu left live, %zu live of %u, sizes %zu to %zu, %zu "
               "operations of %zu\n",
               shape->name, scale->name, seen.wrong, seen.live, seen.most_live, scale->live,
               seen.least, seen.most, seen.operations, shape->operations(scale));
    return complaints;
}

/* The owners of a workload one after the other, which the places of their channels allow. */
static unsigned check_owners(size_t index, const struct scale *scale)
{
    enum { MOST_OWNERS = 4 };
    const struct shape *shape = shapes[index];
    struct work works[MOST_OWNERS];
    struct channel *channels;
    unsigned complaints = shape->owners > MOST_OWNERS;
    memset(&seen, 0, sizeof seen);
    seen.least = SIZE_MAX;
    if (complaints || channels_open(&channels, shape, scale->live / CHANNEL_PLACES) != 0)
        return 1;
    for (unsigned i = 0; i < shape->owners; i++) {
        complaints += shape_prepare(&works[i], shape, scale, &allocator_checked) != 0;
        works[i].channels = channels;
        works[i].thread = i;
    }
    for (unsigned batch = 0; batch < 3 * CHANNEL_PLACES && complaints == 0; batch++) {
        seen.operations = 0;
        for (unsigned i = 0; i < shape->owners; i++)
            arm_checked.batches[index](&works[i], NULL);
        complaints += seen.operations != shape->operations(scale);
    }
    for (unsigned i = 0; i < shape->owners; i++)
        shape_drop(&works[i]);
    channels_close(channels, shape);
    return complain(shape, scale, complaints);
}

/* Returns how many complaints there are, each printed. */
static unsigned check(size_t index, const struct scale *scale)
{
    const struct shape *shape = shapes[index];
    const size_t stated = shape->operations(scale);
    struct work work;
    unsigned complaints = 0;
    memset(&seen, 0, sizeof seen);
    seen.least = SIZE_MAX;
    if (shape_prepare(&work, shape, scale, &allocator_checked) != 0)
        return 1;
    if (!shape->ends_empty)
        arm_checked.fill(&work, NULL);
    if (shape->filled)
        shape->filled(&work);
    const size_t batches = ROUNDS * (1 + work.step_count / stated);
    for (size_t i = 0; i < batches; i++) {
        const size_t live = seen.live;
        seen.operations = 0;
        work.done = work.reached_bytes = 0;
        arm_checked.batches[index](&work, NULL);
        complaints += seen.operations != (shape->capacity ? work.done : stated);
        complaints += seen.live != live;
        /* Where nothing refuses, what stops it is the capacity. */
        complaints += shape->capacity != 0 && (work.reached_bytes > shape->capacity ||
                                               work.reached_bytes + scale->most < shape->capacity);
    }
    if (!shape->ends_empty) {
        shape_settle(&work);
        arm_checked.drain(&work, NULL);
    }
    shape_drop(&work);
    return complain(shape, scale, complaints);
}

int main(void)
{
    unsigned complaints = 0;
    for (size_t i = 0; i < shape_count; i++)
        for (size_t j = 0; j < shapes[i]->scale_count; j++)
            complaints += shapes[i]->owners ? check_owners(i, &shapes[i]->scales[j])
                                            : check(i, &shapes[i]->scales[j]);
    return complaints != 0;
}
