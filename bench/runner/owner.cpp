#include "owner.h"
#include "options.h"

#include <climits>
#include <cstdlib>
#include <dlfcn.h>

namespace
{

/* The file that the dynamic linker takes a function from; "" if it cannot tell. */
std::string owner(const char *function)
{
    Dl_info info;
    char path[PATH_MAX];
    void *address = dlsym(RTLD_DEFAULT, function);
    if (!address || !dladdr(address, &info) || !info.dli_fname)
        return "";
    return realpath(info.dli_fname, path) ? path : info.dli_fname;
}

} // namespace

std::string heap_owner()
{
    const std::string library = owner("malloc");
    for (const char *function : {"calloc", "realloc", "free", "posix_memalign"})
        if (owner(function) != library)
            fail(4,
                 "malloc comes from " + library + " but " + function + " from " + owner(function));
    return library;
}
