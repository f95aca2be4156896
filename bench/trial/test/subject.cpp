// C++'s operators in all their forms, the new-handler, and an exception when memory is short.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <new>
#include <string>
#include <vector>

namespace
{

struct alignas(256) Wide {
    char bytes[256];
};

int asked;

void give_up()
{
    ++asked;
    std::set_new_handler(nullptr);
}

template <class T> T *hide(T *ptr)
{
    __asm__ volatile("" : "+r"(ptr));
    return ptr;
}

} // namespace

int main()
{
    std::map<std::string, std::vector<int>> map;
    for (int i = 0; i < 10000; i++)
        map[std::to_string(i)].assign(static_cast<std::size_t>(i % 50), i);
    delete hide(new int(1));
    delete[] hide(new int[100]);
    Wide *wide = hide(new Wide), *several = hide(new Wide[3]);
    if (reinterpret_cast<std::uintptr_t>(wide) % 256 ||
        reinterpret_cast<std::uintptr_t>(several) % 256)
        return 1;
    delete wide;
    delete[] several;
    ::operator delete(hide(::operator new(40)), std::size_t{40});
    ::operator delete(hide(::operator new(40, std::nothrow)), std::nothrow);
    ::operator delete(hide(::operator new(64, std::align_val_t{64})), std::size_t{64},
                      std::align_val_t{64});
    std::size_t huge = SIZE_MAX / 2 + 5;
    __asm__ volatile("" : "+r"(huge));
    if (::operator new(huge, std::nothrow))
        return 2;
    std::set_new_handler(give_up);
    try {
        hide(::operator new(huge));
        return 3;
    } catch (const std::bad_alloc &) {
        return asked == 1 ? 0 : 4;
    }
}
