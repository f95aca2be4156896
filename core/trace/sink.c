/* Where both forms are written to. */
#include "codec.h"

void sink_put(struct sink *sink, const void *bytes, size_t size)
{
    if (!sink->failed && gzwrite(sink->file, bytes, (unsigned)size) != (int)size)
        sink->failed = 1;
}
