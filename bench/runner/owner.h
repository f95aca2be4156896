/* Proof of what is measured: whose malloc this process has. */
#ifndef POOLPROOF_OWNER_H
#define POOLPROOF_OWNER_H

#include <string>

/* The library that all of this process's heap calls go to. */
std::string heap_owner();

#endif
