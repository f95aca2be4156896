/* The ledger's file, and this process's entry in it. */
#define _GNU_SOURCE
#include "ledger.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct process private_entry;
struct process *ledger_entry = &private_entry;
static struct ledger *ledger;

static void take_entry(const char *arm)
{
    uint64_t at = ledger ? atomic_fetch_add(&ledger->used, 1) : 0;
    struct process *entry = ledger && at < ledger->slots ? &ledger->process[at] : &private_entry;
    entry->pid = getpid();
    entry->parent = getppid();
    strncpy(entry->arm, arm, sizeof entry->arm - 1);
    if (program_invocation_short_name)
        strncpy(entry->name, program_invocation_short_name, sizeof entry->name - 1);
    ledger_entry = entry;
}

void ledger_open(const char *arm)
{
    const char *path = getenv(LEDGER_VARIABLE);
    int error = errno, file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    struct stat status;
    if (file >= 0) {
        if (fstat(file, &status) == 0 && (size_t)status.st_size > sizeof *ledger) {
            void *at =
                mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
            ledger = at == MAP_FAILED ? NULL : at;
        }
        close(file);
    }
    if (ledger && (ledger->magic != LEDGER_MAGIC || ledger->entry_bytes != sizeof(struct process)))
        ledger = NULL;
    take_entry(arm);
    errno = error;
}

void ledger_fork(void)
{
    static struct process parent;
    memcpy(&parent, ledger_entry, sizeof parent);
    memset(&private_entry, 0, sizeof private_entry);
    take_entry(parent.arm);
    memcpy(ledger_entry->name, parent.name, sizeof parent.name);
    memcpy(ledger_entry->owner, parent.owner, sizeof parent.owner);
    atomic_store(&ledger_entry->flags, parent.flags | LEDGER_FORKED);
}

/* Where an executable is not position-independent, the address of a function that it takes from a
 * library is that of its own jump to it: a symbol with a value, but undefined. */
uintptr_t ledger_find_malloc(void)
{
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    void *first = dlsym(RTLD_DEFAULT, "malloc");
    if (first && dladdr1(first, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol &&
        symbol->st_shndx == SHN_UNDEF)
        return 0;
    return (uintptr_t)first;
}

bool ledger_own_malloc(uintptr_t ours)
{
    uintptr_t first = ledger_find_malloc();
    bool own = first && first != ours;
    if (own)
        ledger_add(&ledger_entry->flags, LEDGER_OWN_MALLOC);
    return own;
}
