/* What a correct pool must look like after each operation, and what it must answer to the next.
 *
 * The model knows the block by its addresses alone and never touches it. It keeps a map of live
 * granules and what each slot holds or held, and says of any request whether it is due to
 * succeed, or why not. Where a pool is free to choose, the place of a new chunk, the model is
 * told and checks.
 */
#ifndef POOLPROOF_MODEL_H
#define POOLPROOF_MODEL_H

#include "mem_pool.h"
#include "trace.h"

/* Granules after each chunk of this build's pools that belong to it, and to nobody. The block of a
 * pool is longer than its capacity by as many. */
#if defined(POOL_CHECKED)
#define POOL_REDZONE 1
#else
#define POOL_REDZONE 0
#endif

/* An object's place; address 0 is none. */
struct place {
    uintptr_t address;
    size_t size; /* bytes, as asked for */
};

struct model_slot {
    struct place held;
    struct place freed; /* the last object that was freed from this slot */
    struct place stale; /* the last object that a reset took from it */
    uint64_t seed;      /* of the pattern that fills it */
    uint8_t align;      /* exponent, as asked for */
};

struct model {
    uintptr_t base;
    size_t granules;
    unsigned flags; /* of enum pool_flag */
    size_t redzone; /* granules; where there is one, sizes are known to the byte */
    size_t
        reach; /* granules below it were given out since the start or the last reset, or skipped */
    size_t live_granules;
    size_t live_chunks;
    uint64_t *live;           /* a bit a granule: part of a live chunk */
    uint64_t *starts;         /* a bit a granule: a live chunk's first */
    struct model_slot *slots; /* slot_count of them, and one that stays empty */
    uint32_t slot_count;
};

/* A model of an empty pool whose block has so many bytes; model_free gives the memory back. Fails
 * for lack of memory.
 * Cost: memory for two bits a granule, touched as it is used. */
int model_start(struct model *model, uintptr_t base, size_t bytes, unsigned flags, size_t redzone,
                uint32_t slot_count);
void model_free(struct model *model);

/* Why a request for so many bytes at 1 << align could not be met by the empty pool, or POOL_OK.
 * Cost: constant. */
enum pool_reason model_due_request(const struct model *model, size_t size, unsigned align);

/* POOL_OK if such a request, which has passed model_due_request, must find room now: if and only if
 * a maximal extent of free granules holds it at its alignment; else POOL_OUT_OF_MEMORY.
 * Cost: the granules given out, 64 at a time; constant where those never given out have room. */
enum pool_reason model_due_room(const struct model *model, size_t size, unsigned align);

/* The lowest address that has room for such a request; 0 if none has. Cost: as model_due_room. */
uintptr_t model_first_fit(const struct model *model, size_t size, unsigned align);

/* As model_due_room, for making slot's object one of so many bytes: its own granules count as
 * free where it can stay in place. */
enum pool_reason model_due_resize(const struct model *model, uint32_t slot, size_t size,
                                  unsigned align);

/* 1 if slot's object can become one of so many bytes where it is, else 0. */
int model_fits_in_place(const struct model *model, uint32_t slot, size_t size, unsigned align);

/* Why a free of (address, size) must be refused; POOL_OK if a live chunk of as many granules
 * starts there. Cost: the granules of the live chunk that starts there, 64 at a time. */
enum pool_reason model_due_free(const struct model *model, uintptr_t address, size_t size);

/* Notes that slot, which is empty, has got a chunk. Returns NULL, or what is wrong with its
 * place: a constant sentence. */
const char *model_put(struct model *model, uint32_t slot, struct place place, unsigned align);

/* Notes that slot's object is freed; moved, to be put again; or that all are by a reset. */
void model_take(struct model *model, uint32_t slot);
void model_reset(struct model *model);

/* Granules of the live chunk that starts at granule g; 0 if none does. Cost: its granules, 64 at a
 * time. */
size_t model_chunk_at(const struct model *model, size_t g);

/* 1 if the n granules from g on are free, else 0. Cost: n / 64. */
int model_is_free(const struct model *model, size_t g, size_t n);

/* The first granule from g on that is not free (or granules), and the first that is. */
size_t model_free_until(const struct model *model, size_t g);
size_t model_live_until(const struct model *model, size_t g);

/* What pool_stats must say of the free granules: maximal extents and the longest, in granules. */
void model_extents(const struct model *model, size_t *count, size_t *longest);

/* Granules of so many bytes, rounded up. */
size_t granules_of(size_t bytes);

/* Granules that a chunk of so many bytes takes, its redzone included. */
size_t chunk_granules(const struct model *model, size_t bytes);

/* Bytes of the largest chunk that so many granules hold. */
size_t usable_bytes(const struct model *model, size_t granules);

/* What pool_size_of says of the chunk that starts at an address; 0 if none does. Cost: where there
 * are redzones, proportional to the slots. */
size_t model_size_at(const struct model *model, uintptr_t address);

#endif
