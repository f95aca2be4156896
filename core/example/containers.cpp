// Standard containers on a pool: a word count whose words, nodes and buckets all come from one
// block that is returned at once.
#include <cstdio>
#include <map>
#include <string>
#include "mem_pool.hpp"

int main()
{
    struct m_pool pool = {};
    struct pool_config config = {};
    config.capacity = 64 * 1024;
    config.flags = POOL_KEEP_CONTENTS; // containers initialise what they ask for
    if (pool_init_with(&pool, &config) == -1)
        return 1;
    {
        pool_resource resource(pool);
        std::pmr::map<std::pmr::string, int> counts(&resource);
        const char *const words[] = {"a rose", "is", "a rose", "is", "a rose that has a long name"};
        for (const char *word : words)
            counts[word]++;
        for (const auto &[word, count] : counts)
            std::printf("%d %s\n", count, word.c_str());
        try {
            (void)std::pmr::string(100 * 1024, '-', &resource);
        } catch (const std::bad_alloc &) {
            std::printf("refused: %s\n", pool_strerror(pool_error(&pool)));
        }
    } // the containers are gone before the pool is
    pool_destroy(&pool);
    return 0;
}
