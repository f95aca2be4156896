/* The tables of shapes and arms, from the lists in bench/meson.build. */
#include "loops.h"
#include "settings.h"

#define SHAPE(name, with) &shape_##name,
const struct shape *const shapes[] = {EACH_SHAPE(SHAPE, )};

#define ARM(name) extern const struct loops loops_##name;
EACH_ARM(ARM)
#undef ARM
#define ARM(name) &loops_##name,
const struct loops *const arms[] = {EACH_ARM(ARM)};

const struct absent_arm absent_arms[] = {ABSENT};

const size_t shape_count = sizeof shapes / sizeof *shapes;
const size_t arm_count = sizeof arms / sizeof *arms;
