/* The tables of shapes and arms, from the lists in bench/meson.build. */
#include "arm.h"
#include "settings.h"

#define SHAPE(name, with) &shape_##name,
const struct shape *const shapes[] = {EACH_SHAPE(SHAPE, )};

#define EACH(name) extern const struct arm arm_##name;
EACH_ARM(EACH)
#undef EACH
#define EACH(name) &arm_##name,
const struct arm *const arms[] = {EACH_ARM(EACH)};

const struct absent_arm absent_arms[] = {ABSENT};

const size_t shape_count = sizeof shapes / sizeof *shapes;
const size_t arm_count = sizeof arms / sizeof *arms;
