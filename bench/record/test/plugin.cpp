/* A library in C++: while it is loaded a thread of its own allocates and is waited for. */
#include <new>
#include <pthread.h>

static void *volatile sink;

static void *allocate(void *unused)
{
    sink = ::operator new[](64);
    ::operator delete[](sink);
    return unused;
}

__attribute__((constructor)) static void start()
{
    pthread_t thread;
    pthread_create(&thread, nullptr, allocate, nullptr);
    pthread_join(thread, nullptr);
}

/* NULL if it is told as it should. */
extern "C" void *lacks_memory(long)
{
    const volatile std::size_t size = std::size_t(1) << 62;
    sink = ::operator new(size, std::nothrow);
    if (sink)
        return sink;
    try {
        sink = ::operator new(size);
        return sink;
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}
