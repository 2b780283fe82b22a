/* SPDX-License-Identifier: Apache-2.0 */
/* Context values travel with the work, and each is released once when nobody holds it any more. */
#include "support.h"

static atomic_int nulls_released;

static void release_value(void *value)
{
        release_count(value ? value : &nulls_released);
}

static rein_key number = {"number", NULL}, counted = {"counted", release_value}, other = {"other", NULL};

static int see(void *arg)
{
        return rein_context_get(&number) == arg ? 0 : REIN_EUSER;
}

static int see_next(rein_future *f, void *arg)
{
        (void)f;
        atomic_store((atomic_int *)arg, rein_context_get(&number) == arg ? 1 : 2);
        return 0;
}

static void test_a_child_starts_with_what_its_parent_had(void **state)
{
        (void)state;
        atomic_int here = 0;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_group g;
        assert_null(rein_context_get(&number));
        assert_int_equal(rein_context_set(&number, &here), 0);
        assert_int_equal(rein_context_set(&other, &g), 0);
        assert_ptr_equal(rein_context_get(&number), &here);
        rein_future *f = rein_submit(x, see, &here, REIN_JOB(.on_worker = true));
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        assert_non_null(rein_then(f, x, see_next, &here));
        EVENTUALLY(here == 1);
        rein_group_open(&g, NULL);
        rein_spawn(&g, x, see, &here, REIN_JOB(.on_worker = true));
        assert_int_equal(rein_group_close(&g, 0), 0);
        assert_int_equal(rein_on(x, see, &here, REIN_JOB(.on_worker = true)), 0);
        assert_int_equal(rein_context_set(&number, NULL), 0);
        assert_ptr_equal(rein_context_get(&other), &g); /* untouched */
        assert_int_equal(rein_on(x, see, NULL, REIN_JOB(.on_worker = true)), 0);
        assert_int_equal(rein_context_set(&other, NULL), 0);
        rein_drop(f);
        rein_executor_free(x);
}

static void test_null_takes_a_value_away_and_is_not_released(void **state)
{
        (void)state;
        atomic_int value = 0;
        assert_int_equal(rein_context_set(&counted, NULL), 0); /* nothing there to take away */
        assert_int_equal(rein_context_set(&counted, &value), 0);
        assert_int_equal(rein_context_set(&counted, NULL), 0);
        assert_int_equal(value, 1);
        assert_null(rein_context_get(&counted));
        assert_int_equal(rein_context_set(&counted, NULL), 0);
        assert_int_equal(value, 1);
        assert_int_equal(nulls_released, 0);
}

typedef struct change {
        gate *gate;
        atomic_int *before, *mine;
} change;

static int change_mine(void *arg)
{
        change *c = arg;
        if (gate_pass(c->gate) != 0 || rein_context_get(&counted) != c->before)
                return REIN_EUSER;
        return rein_context_set(&counted, c->mine);
}

static void test_a_change_is_seen_by_neither_parent_nor_running_children(void **state)
{
        (void)state;
        atomic_int first = 0, second = 0, childs = 0;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        gate g = gate_new();
        change c = {&g, &first, &childs};
        assert_int_equal(rein_context_set(&counted, &first), 0);
        rein_future *f = rein_submit(x, change_mine, &c, NULL);
        EVENTUALLY(rein_executor_queued(x) == 0);
        assert_int_equal(rein_context_set(&counted, &second), 0);
        assert_int_equal(first, 0); /* the child still has it */
        gate_open(&g);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        assert_int_equal(first, 1);
        assert_int_equal(childs, 1);
        assert_ptr_equal(rein_context_get(&counted), &second);
        assert_int_equal(rein_context_set(&counted, NULL), 0);
        assert_int_equal(second, 1);
        rein_drop(f);
        rein_executor_free(x);
        gate_free(&g);
}

static void *set_and_end(void *arg)
{
        (void)rein_context_set(&counted, arg);
        (void)rein_context_set(&number, arg);
        return NULL;
}

static void test_each_value_is_released_once_when_its_task_ends(void **state)
{
        (void)state;
        atomic_int released = 0;
        join(go(set_and_end, &released));
        assert_int_equal(released, 1);
        for (int i = 0; i < 50; i++)
                assert_int_equal(rein_context_set(&counted, &released), 0);
        assert_int_equal(released, 50);
        assert_int_equal(rein_context_set(&counted, NULL), 0);
        assert_int_equal(released, 51);
}

static void test_p5_what_fails_changes_nothing_and_the_value_stays_yours(void **state)
{
        (void)state;
        atomic_int kept = 0, refused = 0;
        assert_int_equal(rein_context_set(NULL, &kept), -EINVAL);
        assert_int_equal(rein_context_set(&counted, &kept), 0);
        assert_int_equal(rein_context_set(&number, &state), 0); /* in front of it: the list is copied up to there */
        for (int n = 1; n <= 3; n++) {
                support_fail_at = n;
                int rc = rein_context_set(&counted, &refused);
                support_fail_at = 0;
                if (rc == 0)
                        break;
                assert_int_equal(rc, -ENOMEM);
                assert_ptr_equal(rein_context_get(&counted), &kept);
                assert_ptr_equal(rein_context_get(&number), &state);
                assert_int_equal(refused, 0);
                assert_int_equal(kept, 0);
        }
        assert_int_equal(rein_context_set(&counted, NULL), 0);
        assert_int_equal(rein_context_set(&number, NULL), 0);
        assert_int_equal(kept, 1);
}

int main(void)
{
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_child_starts_with_what_its_parent_had),
                cmocka_unit_test(test_null_takes_a_value_away_and_is_not_released),
                cmocka_unit_test(test_a_change_is_seen_by_neither_parent_nor_running_children),
                cmocka_unit_test(test_each_value_is_released_once_when_its_task_ends),
                cmocka_unit_test(test_p5_what_fails_changes_nothing_and_the_value_stays_yours),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
