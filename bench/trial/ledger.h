/* What each process of a trial says of itself: a file, mapped by all of them, that the command
 * makes and reads. It is written as plain memory, so a program that is killed, that calls _exit or
 * that may make no more system calls has still said what it did. */
#ifndef TRIAL_LEDGER_H
#define TRIAL_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_MAGIC UINT64_C(0x3172656764654c50) /* "PLedger1" */
#define LEDGER_VARIABLE "POOLPROOF_TRIAL_LEDGER"

enum {
    LEDGER_OWN_MALLOC = 1,  /* the program defines malloc itself: nothing was served */
    LEDGER_NO_MEMORY = 2,   /* no address space could be reserved */
    LEDGER_LOCKED = 4,      /* the program locks its memory: pages on first touch, not at once */
    LEDGER_FORKED = 8,      /* a child that went on without exec */
    LEDGER_SITES_LOST = 16, /* more call sites than the table holds */
};

/* A process image. Counts are of calls; every process adds to its own alone. */
struct process {
    int32_t pid, parent;
    char name[40], arm[16], owner[48]; /* owner: the file that malloc is in, by the witness */
    _Atomic uint64_t flags;
    _Atomic uint64_t served, served_bytes; /* allocations that the arm made */
    _Atomic uint64_t left, left_bytes;     /* those it left to the C library … */
    _Atomic uint64_t early;   /* … because it had not started, or the thread had ended */
    _Atomic uint64_t unfit;   /* … because no room was left, */
    _Atomic uint64_t aligned; /* … because the alignment is beyond a page */
    _Atomic uint64_t
        foreign; /* frees of pointers that came from elsewhere, handed to the C library */
    _Atomic uint64_t remote;                /* frees of other threads' chunks */
    _Atomic uint64_t refused;               /* frees of what is not live */
    _Atomic uint64_t owners;                /* heaps made */
    _Atomic uint64_t adopted;               /* heaps of ended threads that a new one took over */
    _Atomic uint64_t reserved, prefault_ns; /* bytes; processor time spent before the program ran */
    _Atomic uint64_t hash;                  /* of the sequences of sizes, one a thread, summed */
    _Atomic uint64_t mapped, mapped_bytes;  /* anonymous memory that the program mapped by itself */
    _Atomic uint64_t time_ns;               /* of the whole process, by the witness */
};

struct ledger {
    uint64_t magic, slots, entry_bytes;
    _Atomic uint64_t used; /* may run past slots; those processes are lost */
    struct process process[];
};

/* This process's entry; a private one if there is no ledger. */
extern struct process *ledger_entry;

/* Maps the ledger and takes an entry. Call once, before the first thread. */
void ledger_open(const char *arm);
/* In a forked child: takes a new entry without a system call. */
void ledger_fork(void);
/* The malloc that the program calls first; 0 if that cannot be told apart from a jump to it. */
uintptr_t ledger_find_malloc(void);
/* Whether the program defines malloc itself, in which case the arm must stand aside. */
bool ledger_own_malloc(uintptr_t ours);

static inline void ledger_add(_Atomic uint64_t *count, uint64_t more)
{
    atomic_fetch_add_explicit(count, more, memory_order_relaxed);
}

#endif
