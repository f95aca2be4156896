/* Reports on a pool's memory: what stands at an address, in words.
 *
 * Beside the library, not in it: compile pool_report.c into a program that is being debugged. Under
 * AddressSanitizer each of its reports on an address in a watched pool is then followed by what the
 * pool knows of that address. Without it pool_describe is all the same, and nothing else prints.
 *
 * Nothing here changes a pool or allocates.
 */
#ifndef POOL_REPORT_H
#define POOL_REPORT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct m_pool;

/* How many pools can be watched at a time. */
#define POOL_REPORT_MOST 64

/* Writes what stands at ptr, whatever it points to, into buffer, as lines that each end with a line
 * end:
 *
 *   0x5034 is 0 bytes after a live chunk of 20 bytes [0x5020, 0x5034), in its slack
 *     preceding: a freed chunk of 48 bytes [0x4ff0, 0x5020), which ends 20 bytes before the address
 *     following: a free run of 896 bytes [0x5040, 0x53c0), which starts 12 bytes after it
 *     in a block of 4096 bytes [0x43c0, 0x53c0) of the pool at 0x7ffc3a0
 *
 * A live chunk's size is that of pool_size_of, and under AddressSanitizer the size that it was last
 * given; from there to its end are slack and, in the checked build, its redzone. Every other size
 * is that of pool_walk. An address outside of the block, a dead pool and NULL get one line.
 * After a chunk of whole granules the next extent starts at once, but for a redzone: what such a
 * chunk was overrun by, the line in front tells.
 * Returns the bytes of the whole description without its NUL, as snprintf does; of these, room - 1
 * at most are written, and a NUL unless room is 0. buffer may be NULL if room is 0.
 * Cost: that of pool_walk. As with any call, the pool belongs to the calling thread meanwhile. */
size_t pool_describe(const struct m_pool *pool, const void *ptr, char *buffer, size_t room);

/* From now on AddressSanitizer's reports on an address in the pool's block are followed by its
 * description, on stderr. Takes AddressSanitizer's report callback: a program that has one of its
 * own calls pool_describe from there instead. In a build without AddressSanitizer nothing is
 * reported. A pool that is watched already stays so; a destroyed or reset one does too, as the
 * struct may be initialised again.
 * Fails (-1) if and only if pool is NULL or POOL_REPORT_MOST others are watched.
 * Threads: any thread may watch and forget, at any time and without locks. A report reads the pool
 * from the thread that erred: if another thread is changing the pool meanwhile, the description may
 * be of no single moment, and that thread must not be destroying it. */
int pool_report_watch(const struct m_pool *pool);

/* Ends that; to be called before the memory of the struct is used otherwise. NULL and a pool that
 * is not watched are fine. */
void pool_report_forget(const struct m_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
