/* The pool where there is no malloc: mem_pool.c and mem_pool.h alone, in the program's own memory.
 *
 * Prints one line, a JSON object: bytes of the struct, how many chunks of 64 bytes 4 KiB give, a
 * checksum of contents, and the largest counts of instructions of single operations. A check that
 * fails prints its line, and ends the program with status 1. Compiled for a hosted machine it
 * prints the checksum that every machine must get.
 */
#include <stddef.h>
#include <stdint.h>

#include "mem_pool.h"

static uint32_t moved; /* instructions of copies since the last operation began */

#if __STDC_HOSTED__

#include <stdio.h>
#include <stdlib.h>

static void count_anew(void)
{
}

static uint32_t counted(void)
{
    return 0;
}

static void print(const char *text)
{
    fputs(text, stdout);
}

static void leave(uint32_t status)
{
    exit((int)status);
}

#else

#include "machine.h"

void *memcpy(void *to, const void *from, size_t bytes)
{
    uint32_t begin = counted();
    unsigned char *into = to;
    const unsigned char *out = from;
    for (size_t i = 0; i < bytes; i++)
        into[i] = out[i];
    if (bytes > POOL_GRANULE)
        moved += counted() - begin;
    return to;
}

void *memset(void *at, int value, size_t bytes)
{
    unsigned char *bytes_at = at;
    for (size_t i = 0; i < bytes; i++)
        bytes_at[i] = (unsigned char)value;
    return at;
}

static void print(const char *text)
{
    host_call(0x04, text); /* SYS_WRITE0 */
}

static void leave(uint32_t status)
{
    const uint32_t why[2] = {0x20026, status}; /* of its own accord */
    host_call(0x20, why);                      /* SYS_EXIT_EXTENDED */
}

#endif

static void print_number(const char *before, uint32_t number)
{
    char digits[11], *at = digits + sizeof digits - 1;
    *at = '\0';
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    print(before);
    print(at);
}

static void check(int truth, uint32_t line)
{
    if (!truth) {
        print_number("program.c:", line);
        print(": a check failed\n");
        leave(1);
    }
}

#define CHECK(truth) check(!!(truth), __LINE__)
#define REFUSED(call, reason)                                                                      \
    do {                                                                                           \
        CHECK((call) == -1);                                                                       \
        CHECK(pool_error(&pool) == (reason));                                                      \
    } while (0)

static struct m_pool pool;
static _Alignas(POOL_GRANULE) unsigned char memory[64 * 1024];

static void init(size_t bytes, unsigned flags)
{
    struct pool_config config = {.buffer = memory, .buffer_size = bytes, .flags = flags};
    CHECK(pool_init_with(&pool, &config) == 0);
}

/* --- Refusals --------------------------------------------------------------------------------- */

static void refuse(void)
{
    static char elsewhere[64];
    struct pool_config small = {.buffer = memory, .buffer_size = 1};
    REFUSED(pool_init_with(&pool, &small), POOL_BUFFER_TOO_SMALL);
#if !__STDC_HOSTED__
    REFUSED(pool_init(&pool), POOL_NO_BACKING);
    struct pool_config lazy = {.capacity = 4096, .flags = POOL_LAZY};
    REFUSED(pool_init_with(&pool, &lazy), POOL_NO_BACKING);
#endif
    init(4096, 0);
    void *chunk = NULL, *copy, *wrong;
    REFUSED(pool_alloc(&pool, &chunk, 0, POOL_USER), POOL_ZERO_SIZE);
    REFUSED(pool_alloc(&pool, &chunk, 4097, POOL_USER), POOL_TOO_LARGE);
    REFUSED(pool_alloc(&pool, &chunk, SIZE_MAX, POOL_USER), POOL_TOO_LARGE);
    REFUSED(pool_alloc(&pool, &chunk, 1, POOL_ALIGN(3)), POOL_BAD_ALIGNMENT);
    REFUSED(pool_alloc(&pool, NULL, 1, POOL_USER), POOL_NULL_ARGUMENT);
    CHECK(chunk == NULL);
    CHECK(pool_alloc(&pool, &chunk, 100, POOL_F64) == 0);
    copy = chunk;
    REFUSED(pool_free(&chunk, 200, &pool), POOL_WRONG_SIZE);
    wrong = (char *)chunk + POOL_GRANULE;
    REFUSED(pool_free(&wrong, 84, &pool), POOL_INTERIOR);
    wrong = (char *)chunk + 1;
    REFUSED(pool_free(&wrong, 100, &pool), POOL_MISALIGNED);
    wrong = elsewhere;
    REFUSED(pool_free(&wrong, sizeof elsewhere, &pool), POOL_OUTSIDE);
    CHECK(wrong == elsewhere && !pool_owns(&pool, elsewhere) && pool_owns(&pool, chunk));
    CHECK(pool_size_of(&pool, chunk) >= 100);
    CHECK(pool_free(&chunk, 100, &pool) == 0 && chunk == NULL);
    REFUSED(pool_free(&copy, 100, &pool), POOL_ALREADY_FREE);
    CHECK(pool_alloc(&pool, &chunk, 100, POOL_F64) == 0 && pool_reset(&pool) == 0);
    REFUSED(pool_free_unsized(&chunk, &pool), POOL_STALE);
    CHECK(pool_error(&pool) == POOL_STALE);
    pool_destroy(&pool);
    REFUSED(pool_alloc(&pool, &chunk, 1, POOL_USER), POOL_DEAD);
    pool_destroy(&pool);
}

/* --- Exhaustion ------------------------------------------------------------------------------- */

/* Fills 4 KiB with chunks of 64 bytes until the pool refuses, takes every other one back and gives
 * it out again, twice over; returns how many there are. */
static uint32_t exhaust(void)
{
    static unsigned char *chunks[4096 / 64];
    uint32_t count = 0;
    init(4096, 0);
    while (pool_alloc(&pool, (void **)&chunks[count], 64, POOL_USER) == 0) {
        for (size_t i = 0; i < 64; i++) {
            CHECK(chunks[count][i] == 0);
            chunks[count][i] = (unsigned char)count;
        }
        count++;
        CHECK(count < sizeof chunks / sizeof chunks[0]); /* the bookkeeping is in the buffer, too */
    }
    CHECK(pool_error(&pool) == POOL_OUT_OF_MEMORY);
    for (int turn = 0; turn < 2; turn++) {
        for (uint32_t i = 0; i < count; i += 2)
            CHECK(pool_free((void **)&chunks[i], 64, &pool) == 0);
        for (uint32_t i = 0; i < count; i += 2)
            CHECK(pool_alloc(&pool, (void **)&chunks[i], 64, POOL_USER) == 0);
        for (uint32_t i = 0; i < count; i++)
            CHECK(chunks[i][0] == (i % 2 ? i : 0) && chunks[i][63] == (i % 2 ? i : 0));
    }
    CHECK(pool_reset(&pool) == 0);
    CHECK(pool_alloc(&pool, (void **)&chunks[0], 2048, POOL_USER) == 0);
    pool_destroy(&pool);
    return count;
}

/* --- Single operations ------------------------------------------------------------------------ */

static uint32_t idle; /* what counting itself takes */
static struct {
    const char *name;
    uint32_t most;
} worst[] = {{"alloc", 0}, {"free", 0}, {"realloc", 0}};

static void note(const char *name)
{
    uint32_t count = counted() - moved - idle;
    for (size_t i = 0; i < sizeof worst / sizeof worst[0]; i++)
        if (worst[i].name[0] == name[0] && worst[i].most < count)
            worst[i].most = count;
}

#define COUNTED(name, call)                                                                        \
    do {                                                                                           \
        moved = 0;                                                                                 \
        count_anew();                                                                              \
        result = (call);                                                                           \
        note(name);                                                                                \
    } while (0)

#include "awkward.h"

static void find_worst(void)
{
    moved = 0;
    count_anew();
    idle = counted();
#if !__STDC_HOSTED__
    count_anew();
    __asm__ volatile(".rept 100\n\tnop\n\t.endr");
    CHECK(counted() - idle == 100);
#endif
    for (uint64_t seed = 1; seed <= 20; seed++) {
        init(sizeof memory, POOL_KEEP_CONTENTS | POOL_STRICT); /* a wipe is as long as the chunk */
        CHECK(awkward(&pool, seed) == 0);
        pool_destroy(&pool);
    }
}

/* --- Contents --------------------------------------------------------------------------------- */

/* The sum (FNV-1a) of all that was read back, of which every byte is as it was written or zero. */
static uint32_t churn(void)
{
    static struct {
        unsigned char *ptr;
        size_t size;
    } slots[32];
    uint32_t sum = UINT32_C(2166136261);
    init(sizeof memory, 0);
    state = 1;
    for (uint32_t step = 0; step < 20000; step++) {
        size_t i = below(32), size = 1 + below(256), kept = slots[i].size;
        void **ptr = (void **)&slots[i].ptr;
        unsigned char *bytes = slots[i].ptr;
        for (size_t j = 0; j < kept; j++)
            sum = (sum ^ bytes[j]) * UINT32_C(16777619);
        if (bytes && below(2)) {
            CHECK(pool_free(ptr, kept, &pool) == 0 && *ptr == NULL);
            slots[i].size = 0;
            continue;
        }
        unsigned char first = bytes ? *bytes : 0;
        CHECK(bytes ? pool_realloc(&pool, ptr, kept, size, POOL_F64) == 0
                    : pool_alloc(&pool, ptr, size, POOL_F64) == 0);
        bytes = slots[i].ptr;
        CHECK((uintptr_t)bytes % 8 == 0 && pool_size_of(&pool, bytes) >= size);
        for (size_t j = 0; j < size; j++) {
            CHECK(bytes[j] == (j < kept ? (unsigned char)(first + j) : 0));
            bytes[j] = (unsigned char)(step + j);
        }
        slots[i].size = size;
    }
    for (size_t i = 0; i < 32; i++)
        CHECK(pool_free_unsized((void **)&slots[i].ptr, &pool) == 0);
    pool_destroy(&pool);
    return sum;
}

int main(void)
{
    refuse();
    uint32_t chunks = exhaust(), sum = churn();
    find_worst();
    print_number("{\"struct\": ", sizeof pool);
    print_number(", \"chunks\": ", chunks);
    print_number(", \"sum\": ", sum);
    for (size_t i = 0; i < sizeof worst / sizeof worst[0]; i++) {
        print(", \"");
        print(worst[i].name);
        print_number("\": ", worst[i].most);
    }
    print("}\n");
    leave(0);
    return 0;
}
