/* A program with operators of its own, which loads a plugin. */
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <new>
#include <unistd.h>

void *operator new(std::size_t size)
{
    return std::malloc(size);
}

void operator delete(void *ptr) noexcept
{
    std::free(ptr);
}

void operator delete(void *ptr, std::size_t) noexcept
{
    std::free(ptr);
}

int main(int argc, char **argv)
{
    const char *limit = std::getenv("CASES_LIMIT_S");
    alarm(limit ? unsigned(std::strtoul(limit, nullptr, 10)) : 0);
    int *volatile number = new int;
    ::operator delete(number);
    void *plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW) : nullptr;
    std::puts(plugin ? "loaded" : dlerror());
    return plugin ? 0 : 1;
}
