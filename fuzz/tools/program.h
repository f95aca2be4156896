/* An input as a C program of its own, which needs the library and nothing of Poolproof. */
#ifndef POOLPROOF_PROGRAM_H
#define POOLPROOF_PROGRAM_H

#include "input.h"

/* Prints the frame, which is reproducer.c, with the input's settings and operations in place of
 * its own: a program that makes these calls, checks after each what the header promises, and
 * aborts with one line at the first promise that does not hold. Fails (-1) if that frame is
 * another file. */
int program_print(const struct input *input, FILE *frame, FILE *stream);

#endif
