/* subject MODE: does what a preloaded malloc must survive, checks it, and exits with 0. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#define CHECK(x)                                                                                   \
    do                                                                                             \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                \
            _exit(1);                                                                              \
        }                                                                                          \
    while (0)

enum { OBJECTS = 2000, ROUNDS = 50, THREADS = 4 };

/* A pointer whose value no compiler sees through: what is allocated stays allocated. */
static void *hide(void *ptr)
{
    __asm__ volatile("" : "+r"(ptr));
    return ptr;
}

static void family(void)
{
    unsigned char *p = hide(calloc(7, 13));
    for (int i = 0; i < 91; i++)
        CHECK(p[i] == 0);
    memset(p, 1, malloc_usable_size(p));
    CHECK(malloc_usable_size(p) >= 91);
    p = realloc(p, 5000);
    CHECK(p[90] == 1);
    p = reallocarray(p, 10, 1000);
    CHECK(p[90] == 1);
    size_t huge = SIZE_MAX / 2;
    __asm__ volatile("" : "+r"(huge));
    errno = 0;
    CHECK(!reallocarray(p, huge, 4) && errno == ENOMEM && p[90] == 1);
    CHECK(!reallocarray(p, huge / 2 + 2, 4)); /* the product would be 4 */
    CHECK(!calloc(huge, 4));
    CHECK(!malloc(huge + 10));
    free(p);
    void *zero = hide(malloc(0)), *other = hide(malloc(0));
    CHECK(zero && other && zero != other);
    free(zero);
    free(other);
    free(NULL);
    CHECK(malloc_usable_size(NULL) == 0);
    for (size_t align = 8; align <= 65536; align *= 2) {
        void *q = NULL;
        CHECK(posix_memalign(&q, align, 100) == 0 && (uintptr_t)q % align == 0);
        memset(q, 2, 100);
        q = realloc(q, 300);
        CHECK(((char *)q)[99] == 2);
        free(q);
        q = memalign(align, 33);
        CHECK((uintptr_t)q % align == 0);
        free(q);
        q = hide(aligned_alloc(align, align));
        CHECK((uintptr_t)q % align == 0);
        free(q);
    }
    void *kept = (void *)1;
    CHECK(posix_memalign(&kept, 3, 10) == EINVAL && kept == (void *)1);
    void *page = hide(valloc(1));
    CHECK((uintptr_t)page % 4096 == 0);
    free(page);
    page = hide(pvalloc(1));
    CHECK((uintptr_t)page % 4096 == 0 && malloc_usable_size(page) >= 4096);
    free(page);
    char *line = NULL;
    CHECK(asprintf(&line, "%d", 12345) == 5 && strcmp(line, "12345") == 0);
    free(line);
    errno = 77;
    free(hide(malloc(10)));
    CHECK(errno == 77);
}

/* calloc must clean memory that was used before. */
static void dirty(void)
{
    for (size_t size = 16; size < 300000; size *= 2) {
        unsigned char *p = hide(malloc(size));
        memset(p, 0xaa, size);
        free(p);
        p = hide(calloc(1, size));
        for (size_t i = 0; i < size; i++)
            CHECK(p[i] == 0);
        free(p);
    }
}

static _Atomic(uintptr_t) slots[OBJECTS];

/* Chunks go from thread to thread: each checks what it finds and frees it. */
static void *swap(void *seed)
{
    uint64_t random = (uintptr_t)seed * 77 + 1;
    for (int i = 0; i < OBJECTS * ROUNDS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t size = 16 + (random >> 40) % 500;
        unsigned char *p = malloc(size);
        CHECK(p);
        memset(p, (int)(size & 0xff), size);
        memcpy(p, &size, sizeof size);
        unsigned char *old =
            (unsigned char *)atomic_exchange(&slots[(random >> 33) % OBJECTS], (uintptr_t)p);
        if (!old)
            continue;
        memcpy(&size, old, sizeof size);
        for (size_t k = sizeof size; k < size; k++)
            CHECK(old[k] == (size & 0xff));
        if (i % 7 == 0) {
            old = realloc(old, size + 100);
            CHECK(old[size - 1] == (size & 0xff));
        }
        free(old);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t ids[THREADS];
    for (int round = 0; round < 3; round++) {
        for (uintptr_t i = 0; i < THREADS; i++)
            CHECK(pthread_create(&ids[i], NULL, swap, (void *)(i + 1)) == 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(ids[i], NULL);
    }
    for (int i = 0; i < OBJECTS; i++)
        free((void *)atomic_exchange(&slots[i], 0));
}

/* Threads end while others hold their chunks, more threads than there are heaps. */
static void *one_chunk(void *unused)
{
    (void)unused;
    char *p = malloc(100);
    memset(p, 3, 100);
    return p;
}

static void ended(void)
{
    void *chunks[600];
    for (int i = 0; i < 600; i++) {
        pthread_t id;
        CHECK(pthread_create(&id, NULL, one_chunk, NULL) == 0);
        pthread_join(id, &chunks[i]);
    }
    for (int i = 0; i < 600; i++) {
        CHECK(((char *)chunks[i])[99] == 3);
        free(chunks[i]);
    }
}

/* Destructors of thread-specific data run after the preloaded library's own, and allocate. */
static pthread_key_t keys[8];

static void late(void *value)
{
    for (int i = 0; i < 100; i++)
        free(hide(malloc(64)));
    free(value);
}

static void *with_keys(void *unused)
{
    (void)unused;
    for (int i = 0; i < 8; i++)
        pthread_setspecific(keys[i], malloc(32));
    return NULL;
}

static void destructors(void)
{
    for (int i = 0; i < 8; i++)
        pthread_key_create(&keys[i], late);
    for (int i = 0; i < 50; i++) {
        pthread_t id;
        CHECK(pthread_create(&id, NULL, with_keys, NULL) == 0);
        pthread_join(id, NULL);
    }
}

/* Many threads at once, more than there are heaps. */
static pthread_barrier_t barrier;

static void *hold(void *unused)
{
    (void)unused;
    void *p = malloc(50);
    pthread_barrier_wait(&barrier);
    free(p);
    return NULL;
}

static void many(void)
{
    enum { MANY = 300 };
    pthread_t ids[MANY];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_barrier_init(&barrier, NULL, MANY);
    for (int i = 0; i < MANY; i++)
        CHECK(pthread_create(&ids[i], &small, hold, NULL) == 0);
    for (int i = 0; i < MANY; i++)
        pthread_join(ids[i], NULL);
}

/* Forks while other threads allocate; the child allocates, frees what it inherited, and ends. */
static atomic_bool over;

static void *busy(void *unused)
{
    (void)unused;
    while (!over)
        free(hide(malloc(200)));
    return NULL;
}

static void forks(void)
{
    pthread_t ids[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&ids[i], NULL, busy, NULL) == 0);
    for (int i = 0; i < 50; i++) {
        void *inherited = malloc(100);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            pthread_t id;
            void *made;
            free(inherited);
            for (int k = 0; k < 1000; k++)
                free(hide(malloc((size_t)k + 1)));
            CHECK(pthread_create(&id, NULL, one_chunk, NULL) == 0);
            pthread_join(id, &made);
            free(made);
            exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        free(inherited);
    }
    over = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
}

/* A fork in a thread that is not the first. */
static void *fork_here(void *unused)
{
    void *mine = malloc(10);
    pid_t child = fork();
    if (child == 0) {
        free(mine);
        free(hide(malloc(20)));
        exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    free(mine);
    return unused;
}

static void fork_in_thread(void)
{
    pthread_t id;
    pthread_create(&id, NULL, fork_here, NULL);
    pthread_join(id, NULL);
}

/* dlsym and dlopen allocate by themselves; a library that comes late has thread-local data. */
static void libraries(void)
{
    CHECK(dlsym(RTLD_NEXT, "malloc"));
    CHECK(!dlsym(RTLD_DEFAULT, "there_is_no_such_symbol"));
    CHECK(dlerror());
    void *library = dlopen("libm.so.6", RTLD_NOW);
    CHECK(library && dlsym(library, "cos"));
    dlclose(library);
    CHECK(!dlopen("libthere_is_none.so", RTLD_NOW) && dlerror());
}

/* Second frees, the owner's and another thread's, and frees of what is no chunk: refused, and what
 * is live stays as it is. glibc would abort, so this runs on the pool alone. */
static void *free_it(void *p)
{
    free(p);
    return NULL;
}

static void wrong(void)
{
    char *p = malloc(64), *live = malloc(64);
    pthread_t id;
    memset(live, 5, 64);
    free(p);
    __asm__ volatile("" : "+r"(p));
    free(p);
    free(hide(live + 16));
    p = malloc(64);
    for (int i = 0; i < 2; i++) {
        pthread_create(&id, NULL, free_it, p);
        pthread_join(id, NULL);
    }
    free(hide(p)); /* a third time, by the owner */
    char *a = malloc(64), *b = malloc(64);
    CHECK(a != b && a != live && b != live);
    for (int i = 0; i < 64; i++)
        CHECK(live[i] == 5);
}

/* No new kinds of system calls once the program runs: under a filter that kills for all but these.
 * */
static void filtered(void)
{
    free(hide(malloc(100)));
    static const int allowed[] = {SYS_brk,     SYS_mmap,  SYS_munmap,     SYS_mremap, SYS_mprotect,
                                  SYS_madvise, SYS_write, SYS_exit_group, SYS_futex};
    enum { ALLOWED = sizeof allowed / sizeof *allowed };
    struct sock_filter code[ALLOWED * 2 + 2];
    unsigned n = 0;
    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < ALLOWED; i++) {
        code[n++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    void *kept[500];
    for (int i = 0; i < 500; i++)
        kept[i] = malloc((size_t)i * 1000 + 1);
    for (int i = 0; i < 500; i++)
        free(kept[i]);
    exit(0);
}

/* As a program that wants no page faults does; it must not make the whole reservation resident. */
static void locks(void)
{
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        CHECK(errno == ENOMEM || errno == EPERM); /* not allowed here: nothing was locked */
    void *p = malloc(1000);
    CHECK(p);
    free(p);
}

/* Chunks of the C library's own, which reach free all the same. */
void *__libc_malloc(size_t);

static void foreign(void)
{
    char *p = __libc_malloc(100);
    memset(p, 6, 100);
    CHECK(malloc_usable_size(p) >= 100);
    p = realloc(p, 10000);
    CHECK(p[99] == 6);
    free(p);
    free(hide(__libc_malloc(10)));
    void *q = malloc(10);
    CHECK(q);
    free(q);
}

static void nothing(void)
{
    void *p = malloc(100);
    memset(p, 1, 100);
    free(p);
}

static void crash(void)
{
    for (int i = 0; i < 10000; i++)
        free(hide(malloc(40)));
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static void executes(void)
{
    free(hide(malloc(9)));
    execl("/proc/self/exe", "subject", "nothing", (char *)NULL);
}

static void forever(void)
{
    for (;;)
        free(hide(malloc(10)));
}

static void at_exit_frees(void)
{
    static char *kept;
    kept = malloc(10);
    free(kept);
    free(hide(malloc(20)));
}

static __attribute__((constructor)) void early(void)
{
    char *p = malloc(40);
    memset(p, 4, 40);
    p = realloc(p, 4000);
    CHECK(p[39] == 4);
    free(p);
}

static __attribute__((destructor)) void last(void)
{
    at_exit_frees();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } modes[] = {{"family", family},
                 {"dirty", dirty},
                 {"threads", threads},
                 {"ended", ended},
                 {"destructors", destructors},
                 {"many", many},
                 {"forks", forks},
                 {"fork-in-thread", fork_in_thread},
                 {"libraries", libraries},
                 {"wrong", wrong},
                 {"filtered", filtered},
                 {"locks", locks},
                 {"foreign", foreign},
                 {"nothing", nothing},
                 {"crash", crash},
                 {"executes", executes},
                 {"forever", forever}};
    for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof *modes; i++)
        if (strcmp(argv[1], modes[i].name) == 0) {
            modes[i].run();
            return 0;
        }
    fprintf(stderr, "no such mode\n");
    return 2;
}
