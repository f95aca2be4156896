/* The tables of shapes and peers, from the lists in bench/meson.build. */
#include "peer.h"
#include "settings.h"
#include "shape.h"

#define SHAPE(name) extern const struct shape shape_##name;
SHAPES
#undef SHAPE
#define PEER(name) extern const struct peer peer_##name;
PEERS
#undef PEER

#define SHAPE(name) &shape_##name,
const struct shape *const shapes[] = {SHAPES};
#define PEER(name) &peer_##name,
const struct peer *const peers[] = {PEERS};

const size_t shape_count = sizeof shapes / sizeof *shapes;
const size_t peer_count = sizeof peers / sizeof *peers;
