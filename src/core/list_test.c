/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: what is asked of the links. */
#include "core/list.h"

#include "support.h"

#if RN_CHECKING
static void test_a_broken_list_says_so(void **state)
{
        (void)state;
        size_t n = 0;
        rn_link list, a[3] = {{NULL, NULL}};
        rn_list_init(&list);
        assert_null(rn_list_wrong(&list, &n));
        assert_int_equal(n, 0);
        for (int i = 0; i < 3; i++)
                rn_list_push(&list, &a[i]);
        BREAKS(a[1].next, NULL, rn_list_wrong(&list, &n), "a list ends in nothing");
        BREAKS(list.next, NULL, rn_list_wrong(&list, &n), "a list ends in nothing");
        BREAKS(a[0].next, &a[2], rn_list_wrong(&list, &n), "two neighbours in a list do not point to each other");
        BREAKS(list.prev, &a[0], rn_list_wrong(&list, &n), "two neighbours in a list do not point to each other");
        assert_int_equal(n, 3);
        assert_true(rn_list_has(n, 3) && !rn_list_has(n, 2) && !rn_list_has(n, RN_LIST_ASKED + 1));
}

static void test_of_a_long_list_only_the_beginning_is_looked_at(void **state)
{
        (void)state;
        size_t n = 0;
        rn_link list, a[2 * RN_LIST_ASKED] = {{NULL, NULL}};
        rn_list_init(&list);
        for (size_t i = 0; i < COUNT(a); i++)
                rn_list_push(&list, &a[i]);
        BREAKS(a[RN_LIST_ASKED - 2].next, NULL, rn_list_wrong(&list, &n), "a list ends in nothing");
        a[RN_LIST_ASKED + 2].next = NULL;
        assert_null(rn_list_wrong(&list, &n));
        assert_true(rn_list_has(n, COUNT(a)) && !rn_list_has(n, RN_LIST_ASKED));
}
#endif

static void test_a_list_moves_whole(void **state)
{
        (void)state;
        rn_link from, to, a[3] = {{NULL, NULL}};
        rn_list_init(&from);
        rn_list_init(&to);
        rn_list_push(&to, &a[0]);
        rn_list_push(&from, &a[1]);
        rn_list_push(&from, &a[2]);
        rn_list_move(&to, &from);
        rn_list_move(&to, &from);
        assert_true(rn_list_empty(&from));
        for (int i = 0; i < 3; i++)
                assert_ptr_equal(rn_list_pop(&to), &a[i]);
        assert_null(rn_list_pop(&to));
        assert_false(rn_linked(&a[0]));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#if RN_CHECKING
                cmocka_unit_test(test_a_broken_list_says_so),
                cmocka_unit_test(test_of_a_long_list_only_the_beginning_is_looked_at),
#endif
                cmocka_unit_test(test_a_list_moves_whole),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
