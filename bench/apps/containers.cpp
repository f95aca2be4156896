/* The containers of the C++ library: with malloc as they come, with the pool by the resource that
 * it has for them, with other arms by one like it. */
#define POOL_NO_SHORT_TYPES
#include "app.h"
#include "mem_pool.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <new>
#include <string>
#include <unordered_map>
#include <vector>

namespace
{

/* An arm as a resource. */
class ArmResource : public std::pmr::memory_resource
{
  public:
    ArmResource(const struct arm *arm, void *heap) : arm_(arm), heap_(heap)
    {
    }

  private:
    void *do_allocate(size_t size, size_t align) override
    {
        void *ptr = align > alignof(std::max_align_t)
                        ? arm_->allocator->alloc_aligned(heap_, size, align)
                        : arm_->resize(heap_, nullptr, 0, size);
        if (!ptr)
            throw std::bad_alloc();
        return ptr;
    }

    void do_deallocate(void *ptr, size_t size, size_t align) override
    {
        if (align > alignof(std::max_align_t))
            arm_->allocator->free_aligned(heap_, ptr, size, align);
        else
            arm_->resize(heap_, ptr, size, 0);
    }

    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
    {
        return this == &other;
    }

    const struct arm *arm_;
    void *heap_;
};

uint32_t next(uint32_t &state)
{
    state = static_cast<uint32_t>(uint64_t{state} * 48271 % 2147483647);
    return state;
}

/* The program: words are counted and indexed, sessions come and go, a graph is searched. A is
 * std::allocator or std::pmr::polymorphic_allocator; the latter takes the default resource. */
template <template <typename> class A> class Program
{
    template <typename T> using Vector = std::vector<T, A<T>>;
    template <typename T> using List = std::list<T, A<T>>;
    using String = std::basic_string<char, std::char_traits<char>, A<char>>;
    template <typename V>
    using Map = std::map<String, V, std::less<String>, A<std::pair<const String, V>>>;
    struct Hash {
        size_t operator()(const String &text) const
        {
            return app_checksum(APP_CHECKSUM, text.data(), text.size());
        }
    };
    template <typename V>
    using Table =
        std::unordered_map<String, V, Hash, std::equal_to<String>, A<std::pair<const String, V>>>;

    enum { WORDS = 20000, SESSIONS = 15000, OPEN = 500, NODES = 4000, EDGES = 6 };

    uint32_t random_ = 1;
    uint64_t sum_ = APP_CHECKSUM;

    template <typename T> void add(T value)
    {
        sum_ = app_checksum(sum_, &value, sizeof value);
    }

    void add(const String &text)
    {
        sum_ = app_checksum(sum_, text.data(), text.size());
    }

    String word()
    {
        String text;
        for (uint32_t left = next(random_) % 4000; left > 0; left /= 7)
            text += "ban cor del fim gas hut lop mid nar pev"[next(random_) % 39];
        return text += std::to_string(next(random_) % 50).c_str();
    }

    void index_words()
    {
        Table<uint32_t> counts;
        Map<Vector<uint32_t>> places;
        for (uint32_t i = 0; i < WORDS; i++) {
            const String text = word();
            counts[text]++;
            places[text].push_back(i);
        }
        for (const auto &[text, where] : places) {
            add(text);
            add(where.back() + counts.at(text));
        }
    }

    /* The least recently used of OPEN sessions makes room. */
    void keep_sessions()
    {
        struct Session {
            uint32_t number;
            String state;
            Vector<String> pages;
        };
        List<Session> sessions;
        std::map<uint32_t, typename List<Session>::iterator, std::less<uint32_t>,
                 A<std::pair<const uint32_t, typename List<Session>::iterator>>>
            by_number;
        for (uint32_t i = 0; i < SESSIONS; i++) {
            const uint32_t number = next(random_) % (3 * OPEN);
            auto found = by_number.find(number);
            if (found == by_number.end()) {
                sessions.push_front({number, word(), {}});
                by_number.emplace(number, sessions.begin());
            } else {
                sessions.splice(sessions.begin(), sessions, found->second);
            }
            sessions.front().pages.push_back(word());
            if (sessions.size() > OPEN) {
                add(sessions.back().state);
                add(sessions.back().pages.size());
                by_number.erase(sessions.back().number);
                sessions.pop_back();
            }
        }
    }

    void search_graph()
    {
        Vector<Vector<uint32_t>> edges(NODES);
        for (auto &list : edges)
            for (uint32_t i = 0; i < EDGES; i++)
                list.push_back(next(random_) % NODES);
        for (uint32_t start = 0; start < 8; start++) {
            Vector<bool> seen(NODES);
            List<uint32_t> queue{start};
            uint64_t order = 0;
            while (!queue.empty()) {
                const uint32_t node = queue.front();
                queue.pop_front();
                order = order * 31 + node;
                for (uint32_t other : edges[node])
                    if (!seen[other]) {
                        seen[other] = true;
                        queue.push_back(other);
                    }
            }
            add(order);
        }
    }

  public:
    uint64_t run()
    {
        index_words();
        keep_sessions();
        search_graph();
        return sum_;
    }
};

bool is_pool(const struct allocator *allocator)
{
    return std::string(allocator->name).rfind("pool", 0) == 0;
}

/* The arms of the pool are pools. */
std::unique_ptr<std::pmr::memory_resource> resource_of(const struct arm *arm, void *heap)
{
    if (is_pool(arm->allocator))
        return std::make_unique<pool_resource>(*static_cast<struct m_pool *>(heap));
    return std::make_unique<ArmResource>(arm, heap);
}

int run(const struct arm *arm, void *heap, const char *, uint64_t *checksum, char *message,
        size_t room)
{
    const auto resource = resource_of(arm, heap);
    std::pmr::memory_resource *before = std::pmr::set_default_resource(resource.get());
    int result = 0;
    try {
        *checksum = std::string(arm->allocator->name) == "malloc"
                        ? Program<std::allocator>().run()
                        : Program<std::pmr::polymorphic_allocator>().run();
    } catch (const std::bad_alloc &) {
        std::snprintf(message, room, "%s has no memory left for the containers",
                      arm->allocator->name);
        result = -1;
    }
    std::pmr::set_default_resource(before);
    return result;
}

} // namespace

extern "C" const struct app app_containers;
const struct app app_containers = {
    .name = "containers",
    .question = "How long does a C++ program take, its maps, lists and strings on the arm?",
    .source = "the C++ library: std::pmr containers; with malloc those of std",
    .parameters = "none: 20,000 words indexed, 15,000 visits of sessions, a graph searched",
    .needs = {.live_bytes = 32 << 20, .objects = 200000, .largest = 4 << 20},
    .script = nullptr,
    .run = run,
};
