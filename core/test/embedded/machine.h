/* What the machine gives the test program, which has no C library. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>

/* A request to the emulator (semihosting): its number and its argument. */
intptr_t host_call(intptr_t number, const void *argument);

/* Instructions executed since count_anew, some of the two calls' own included, as the emulator
 * counts them with -icount; fewer than 2^19. */
void count_anew(void);
uint32_t counted(void);

#endif
