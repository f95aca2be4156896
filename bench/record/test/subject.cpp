/* A C++ program to be recorded: new in all its forms, and containers. */
#include <map>
#include <memory>
#include <string>
#include <vector>

struct alignas(128) Wide {
    char bytes[384];
};

static void *volatile sink;

int main()
{
    auto *number = new long[501];
    sink = number;
    delete[] number;
    auto wide = std::make_unique<Wide>();
    sink = wide.get();
    std::map<std::string, std::vector<int>> map;
    for (int i = 0; i < 1000; i++)
        map["a key that is too long for the string itself " + std::to_string(i % 100)].push_back(i);
    return map.size() == 100 ? 0 : 1;
}
