/* Pointers of any type may be stored through a void **: the library is compiled into this file, so
 * that the optimiser sees both sides, and would keep an old value of the pointer if that were
 * undefined.
 */
#include "../mem_pool.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct point {
    double x, y;
};

#define POINTER_OF(name, kind, pool_type_)                                                         \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        struct m_pool pool = {0};                                                                  \
        kind *ptr = NULL;                                                                          \
        kind **where = &ptr;                                                                       \
        assert_int_equal(pool_init(&pool), 0);                                                     \
        assert_null(*where);                                                                       \
        assert_int_equal(pool_alloc(&pool, (void **)where, 5 * sizeof(kind), pool_type_), 0);      \
        assert_non_null(*where);                                                                   \
        kind *first = ptr;                                                                         \
        kind *hem = NULL;                                                                          \
        assert_int_equal(pool_alloc(&pool, (void **)&hem, 1, POOL_I8), 0);                         \
        memset(ptr, 1, 5 * sizeof(kind));                                                          \
        assert_int_equal(                                                                          \
            pool_realloc(&pool, (void **)&ptr, 5 * sizeof(kind), 25 * sizeof(kind), pool_type_),   \
            0);                                                                                    \
        assert_ptr_not_equal(*where, first);                                                       \
        ptr[24] = ptr[0];                                                                          \
        assert_memory_equal(&ptr[24], &ptr[4], sizeof(kind));                                      \
        assert_int_equal(pool_free((void **)where, 25 * sizeof(kind), &pool), 0);                  \
        assert_null(ptr);                                                                          \
        assert_null(*where);                                                                       \
        pool_destroy(&pool);                                                                       \
    }

POINTER_OF(pointer_to_char, char, POOL_STR)
POINTER_OF(pointer_to_short, short, POOL_I16)
POINTER_OF(pointer_to_int, int, POOL_I32)
POINTER_OF(pointer_to_int64, int64_t, POOL_I64)
POINTER_OF(pointer_to_float, float, POOL_F32)
POINTER_OF(pointer_to_double, double, POOL_F64)
POINTER_OF(pointer_to_pointer, char *, POOL_I64)
POINTER_OF(pointer_to_struct, struct point, POOL_USER)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointer_to_char),    cmocka_unit_test(pointer_to_short),
        cmocka_unit_test(pointer_to_int),     cmocka_unit_test(pointer_to_int64),
        cmocka_unit_test(pointer_to_float),   cmocka_unit_test(pointer_to_double),
        cmocka_unit_test(pointer_to_pointer), cmocka_unit_test(pointer_to_struct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
