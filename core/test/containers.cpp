/* The standard containers on a pool: what they hold is right, what they take comes back, a pool too
 * small throws and leaves container and pool as they were.
 */
#include <algorithm>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <new>
#include <numeric>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <csetjmp>
#include <cstdarg>
#include <cstddef>

extern "C" {
#include <cmocka.h>
}

#include "mem_pool.hpp"

namespace
{

struct told {
    int count;
    enum pool_reason reason;
};

void on_error(void *context, const struct m_pool *, enum pool_reason reason, const void *)
{
    auto *heard = static_cast<told *>(context);
    heard->count++;
    heard->reason = reason;
}

/* A pool for one test. Its end asserts that the containers have handed back all they took, with
 * the sizes they took it with. */
class rig
{
  public:
    explicit rig(std::size_t capacity, unsigned flags = 0) : resource(pool)
    {
        struct pool_config config = {};
        config.capacity = capacity;
        config.flags = flags;
        config.on_error = on_error;
        config.context = &heard;
        assert_int_equal(pool_init_with(&pool, &config), 0);
    }
    rig(const rig &) = delete;
    rig &operator=(const rig &) = delete;
    ~rig()
    {
        assert_int_equal(live_bytes(), 0);
        assert_int_equal(pool_check(&pool, nullptr), 0);
        pool_destroy(&pool);
    }

    std::size_t live_bytes() const
    {
        struct pool_stats stats = {};
        assert_int_equal(pool_stats(&pool, &stats), 0);
        return stats.live_bytes;
    }

    struct m_pool pool = {};
    told heard = {};
    pool_resource resource;
};

const unsigned flag_sets[] = {0, POOL_KEEP_CONTENTS, POOL_STRICT, POOL_LAZY};

std::pmr::string name_of(int number, std::pmr::memory_resource *resource)
{
    std::pmr::string name(static_cast<std::size_t>(number % 50), 'a', resource);
    return name += std::to_string(number);
}

void vectors(void **)
{
    for (unsigned flags : flag_sets) {
        rig on(1 << 20, flags);
        std::pmr::vector<int> numbers(&on.resource);
        for (int i = 0; i < 10000; i++)
            numbers.push_back(i);
        assert_int_equal(std::accumulate(numbers.begin(), numbers.end(), 0), 49995000);
        assert_true(pool_owns(&on.pool, numbers.data()));
        std::pmr::vector<int> moved(std::move(numbers));
        std::pmr::vector<int> copied(moved, &on.resource);
        std::reverse(copied.begin(), copied.end());
        copied.swap(moved);
        assert_int_equal(moved.front(), 9999);
        moved.resize(7);
        moved.shrink_to_fit();
        assert_int_equal(moved.back(), 9993);
        assert_int_equal(on.heard.count, 0);
    }
}

void lists(void **)
{
    for (unsigned flags : flag_sets) {
        rig on(1 << 20, flags);
        std::pmr::list<std::pmr::string> names(&on.resource);
        for (int i = 0; i < 1000; i++)
            names.push_front(name_of(i, &on.resource));
        names.remove_if([](const std::pmr::string &name) { return name.size() % 3 == 0; });
        names.sort();
        assert_true(std::is_sorted(names.begin(), names.end()));
        std::pmr::list<std::pmr::string> others(&on.resource);
        others.splice(others.end(), names, names.begin(), std::next(names.begin(), 100));
        assert_int_equal(others.size(), 100);
        assert_int_equal(on.heard.count, 0);
    }
}

void maps(void **)
{
    for (unsigned flags : flag_sets) {
        rig on(4 << 20, flags);
        std::pmr::map<int, std::pmr::vector<std::pmr::string>> tree(&on.resource);
        std::pmr::unordered_map<std::pmr::string, int> table(&on.resource);
        std::pmr::set<int> numbers(&on.resource);
        for (int i = 0; i < 3000; i++) {
            tree[i * 7919 % 1000].push_back(name_of(i, &on.resource));
            table[name_of(i, &on.resource)] = i;
            numbers.insert(i * 31 % 977);
        }
        for (int i = 0; i < 3000; i += 2)
            table.erase(name_of(i, &on.resource));
        tree.erase(tree.begin(), tree.find(500));
        assert_int_equal(tree.size(), 500);
        assert_int_equal(table.size(), 1500);
        assert_int_equal(table.at(name_of(1501, &on.resource)), 1501);
        assert_int_equal(numbers.size(), 977);
        assert_int_equal(on.heard.count, 0);
    }
}

void strings_and_deques(void **)
{
    for (unsigned flags : flag_sets) {
        rig on(1 << 20, flags);
        std::pmr::string text(&on.resource);
        std::pmr::deque<std::pmr::string> line(&on.resource);
        for (int i = 0; i < 2000; i++) {
            text += std::to_string(i);
            line.push_back(name_of(i, &on.resource));
            if (line.size() > 40)
                line.pop_front();
        }
        assert_int_equal(text.size(), 6890);
        assert_true(line.front() == name_of(1960, &on.resource));
        assert_int_equal(on.heard.count, 0);
    }
}

struct alignas(4096) page {
    unsigned char bytes[4096];
};

struct alignas(64) line {
    int value;
};

void alignments(void **)
{
    rig on(1 << 20);
    std::pmr::vector<line> lines(3, &on.resource);
    std::pmr::vector<page> pages(2, &on.resource);
    assert_int_equal(reinterpret_cast<std::uintptr_t>(lines.data()) % 64, 0);
    assert_int_equal(reinterpret_cast<std::uintptr_t>(pages.data()) % 4096, 0);
    for (std::size_t alignment = 1; alignment <= 4096; alignment *= 2) {
        void *chunk = on.resource.allocate(3, alignment);
        assert_int_equal(reinterpret_cast<std::uintptr_t>(chunk) % alignment, 0);
        on.resource.deallocate(chunk, 3, alignment);
    }
    void *nothing = on.resource.allocate(0, 1), *more = on.resource.allocate(0, 1);
    assert_non_null(nothing);
    assert_true(nothing != more);
    on.resource.deallocate(nothing, 0, 1);
    on.resource.deallocate(more, 0, 1);
    assert_int_equal(on.heard.count, 0);
}

template <typename Call> bool throws_bad_alloc(const Call &call)
{
    try {
        call();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

void throws(void **)
{
    rig on(4096);
    assert_true(throws_bad_alloc([&] { (void)on.resource.allocate(16, 8192); }));
    assert_int_equal(on.heard.reason, POOL_BAD_ALIGNMENT);
    const volatile std::size_t all = SIZE_MAX; // compilers know that nothing is so large
    assert_true(throws_bad_alloc([&] { (void)on.resource.allocate(all, 1); }));
    assert_int_equal(on.heard.reason, POOL_TOO_LARGE);

    std::pmr::vector<std::pmr::string> names(&on.resource);
    assert_true(throws_bad_alloc([&] {
        for (;;)
            names.push_back(name_of(40, &on.resource));
    }));
    assert_int_equal(on.heard.reason, POOL_OUT_OF_MEMORY);
    assert_true(names.size() > 5);
    assert_true(std::all_of(names.begin(), names.end(), [&](const std::pmr::string &name) {
        return name == name_of(40, std::pmr::new_delete_resource());
    }));
    struct m_pool dead = {};
    pool_resource nowhere(dead);
    assert_true(throws_bad_alloc([&] { (void)nowhere.allocate(16); }));
    assert_int_equal(pool_error(&dead), POOL_DEAD);
}

void refuses_a_bad_free(void **)
{
    rig on(4096);
    void *chunk = on.resource.allocate(100);
    on.resource.deallocate(static_cast<unsigned char *>(chunk) + 16, 100);
    assert_int_equal(on.heard.reason, POOL_INTERIOR);
    on.resource.deallocate(chunk, 150);
    assert_int_equal(on.heard.reason, POOL_WRONG_SIZE);
    on.resource.deallocate(chunk, 100);
    assert_int_equal(on.heard.count, 2);
    on.resource.deallocate(chunk, 100);
    assert_int_equal(on.heard.count, 3);
    assert_int_equal(on.heard.reason, POOL_ALREADY_FREE);
}

void equality(void **)
{
    rig one(4096), two(4096);
    pool_resource again(one.pool);
    assert_true(one.resource == again);
    assert_true(one.resource.is_equal(one.resource));
    assert_true(one.resource != two.resource);
    assert_false(one.resource.is_equal(*std::pmr::new_delete_resource()));
    assert_ptr_equal(again.pool(), &one.pool);
    /* Containers on equal resources hand their memory over; on others they copy. */
    std::pmr::vector<int> source({1, 2, 3}, &one.resource), taken(&again), copied(&two.resource);
    const int *data = source.data();
    taken = std::move(source);
    assert_ptr_equal(taken.data(), data);
    copied = std::move(taken);
    assert_true(pool_owns(&two.pool, copied.data()));
}

struct bomb {
    explicit bomb(int fuse) : left(fuse)
    {
        if (fuse == 0)
            throw fuse;
    }
    int left;
};

void constructors_that_throw(void **)
{
    rig on(1 << 16);
    std::pmr::list<bomb> bombs(&on.resource);
    bombs.emplace_back(2);
    std::size_t before = on.live_bytes();
    try {
        bombs.emplace_back(0);
        fail_msg("the constructor did not throw");
    } catch (int) {
        assert_int_equal(bombs.size(), 1);
    }
    assert_int_equal(on.live_bytes(), before);
}

} // namespace

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(lists),
        cmocka_unit_test(maps),
        cmocka_unit_test(strings_and_deques),
        cmocka_unit_test(alignments),
        cmocka_unit_test(throws),
        cmocka_unit_test(refuses_a_bad_free),
        cmocka_unit_test(equality),
        cmocka_unit_test(constructors_that_throw),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
