/* First of all that a file includes: its pool is the twin of this build's, which is checked where
 * the pool is ordinary, and ordinary where that is checked. */
#ifndef POOLPROOF_TWIN_H
#define POOLPROOF_TWIN_H

#if defined(POOL_CHECKED)
#undef POOL_CHECKED
#else
#define POOL_CHECKED 1
#endif

#define POOL_PREFIX twin_
#include "renamed.h"

#endif
