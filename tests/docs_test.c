/* SPDX-License-Identifier: Apache-2.0 */
/* The pages in docs/ say what the examples and the headers say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#define CHECK "python3 " REIN_SOURCE_DIR "/scripts/check_docs.py"

static void the_check_can_fail(void **state)
{
        (void)state;
        assert_int_equal(system(CHECK " --selftest"), 0);
}

static void the_pages_are_true_to_the_code(void **state)
{
        (void)state;
        assert_int_equal(system(CHECK), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_check_can_fail),
                cmocka_unit_test(the_pages_are_true_to_the_code),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
