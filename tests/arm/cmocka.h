/* SPDX-License-Identifier: Apache-2.0 */
/* The part of cmocka that the tests of src/coro use, for a processor for which no cmocka is installed (scripts/check.sh
 * arm). The first assertion that fails ends the program. */
#ifndef TESTS_ARM_CMOCKA_H
#define TESTS_ARM_CMOCKA_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct CMUnitTest {
        const char *name;
        void (*run)(void **state);
};

#define cmocka_unit_test(function)                                                                                     \
        {                                                                                                              \
#function, function                                                                                    \
        }

static inline void must(int holds, const char *what, const char *where, int line)
{
        if (holds)
                return;
        printf("%s:%d: error: %s\n", where, line, what);
        exit(1);
}

static inline void must_equal(intmax_t a, intmax_t b, const char *what, const char *where, int line)
{
        if (a != b)
                printf("%" PRIdMAX " and %" PRIdMAX "\n", a, b);
        must(a == b, what, where, line);
}

static inline void must_lie(uintmax_t v, uintmax_t min, uintmax_t max, const char *what, const char *where, int line)
{
        if (v < min || v > max)
                printf("%" PRIuMAX " and not from %" PRIuMAX " to %" PRIuMAX "\n", v, min, max);
        must(v >= min && v <= max, what, where, line);
}

#define assert_true(c)             must(!!(c), #c, __FILE__, __LINE__)
#define assert_false(c)            must(!(c), "not: " #c, __FILE__, __LINE__)
#define assert_null(p)             must(!(p), "NULL: " #p, __FILE__, __LINE__)
#define assert_int_equal(a, b)     must_equal((intmax_t)(a), (intmax_t)(b), #a " == " #b, __FILE__, __LINE__)
#define assert_ptr_equal(a, b)     must((a) == (b), #a " == " #b, __FILE__, __LINE__)
#define assert_ptr_not_equal(a, b) must((a) != (b), #a " != " #b, __FILE__, __LINE__)
#define assert_in_range(v, min, max)                                                                                   \
        must_lie((uintmax_t)(v), (uintmax_t)(min), (uintmax_t)(max), #v, __FILE__, __LINE__)
#define skip() return

static inline int run_all(const struct CMUnitTest *tests, size_t n, int (*setup)(void **))
{
        void *state = NULL;
        if (setup && setup(&state) != 0)
                return 1;
        for (size_t i = 0; i < n; i++) {
                printf("%s\n", tests[i].name);
                tests[i].run(&state);
        }
        printf("%zu tests passed\n", n);
        return 0;
}

#define cmocka_run_group_tests(tests, setup, teardown) run_all(tests, sizeof(tests) / sizeof(tests)[0], setup)

#endif
