/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks: what is asked of one. */
#include "core/task.h"

#include "core/hook.h"
#include "support.h"

static void give(rn_held *h)
{
        (void)h;
}

static void test_mutexes_leave_the_list_of_their_holder_in_any_order(void **state)
{
        (void)state;
        rn_task *self = rn_self();
        rn_held a = {.give = give}, b = {.give = give}, c = {.give = give};
        rn_hold(self, &a);
        rn_hold(self, &b);
        rn_hold(self, &c);
        rn_unhold(&b);
        assert_ptr_equal(self->now->held, &c);
        assert_ptr_equal(c.next, &a);
        rn_unhold(&c);
        rn_unhold(&a);
        assert_null(self->now->held);
}

#if RN_CHECKING
static void stop(void *arg)
{
        (void)arg;
}

static void test_a_broken_task_says_so(void **state)
{
        (void)state;
        rn_task *self = rn_self();
        rn_ambient stray = {.outer = &self->base};
        rein_hook region;
        rn_held held = {.give = give}, second = {.give = give};
        const uint32_t generation = rn_slab_generation(&self->in_slab);
        BREAKS(self->backend, NULL, rn_task_wrong(self), "it was given back, or never made");
        BREAKS(self->in_slab.generation.v, generation + 1, rn_task_wrong(self), "it was given back, or never made");
        BREAKS(self->now, NULL, rn_task_wrong(self), "the jobs that it runs do not lead back to its own ambient");
        BREAKS(self->now, &stray, rn_task_wrong(self),
               "it is in more jobs than it counts, or in one whose ambient is another");
        rn_hold(self, &held);
        rn_hold(self, &second);
        BREAKS(held.back, NULL, rn_task_wrong(self), "the mutexes that it holds do not point to each other");
        rn_unhold(&second);
        rn_unhold(&held);
        assert_int_equal(rein_hook_open(&region, stop, NULL), 0);
        rn_hook *h = self->now->hook;
        BREAKS(h->task, NULL, rn_task_wrong(self), "a region that it is in is another task's");
        BREAKS(h->in_slab.generation.v, 4, rn_task_wrong(self), "a region that it is in was given back");
        assert_int_equal(rein_hook_close(&region, 0), 0);
}

static int more_jobs_than_it_counts(void *arg)
{
        rn_task *self = rn_self();
        (void)arg;
        return BROKEN(self->inline_depth, 0, rn_task_wrong(self),
                      "it is in more jobs than it counts, or in one whose ambient is another")
                       ? 0
                       : -EIO;
}

static void test_a_task_with_a_job_that_it_does_not_count_says_so(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        assert_int_equal(rein_on(x, more_jobs_than_it_counts, NULL, NULL), 0);
        rein_executor_free(x);
}
#endif

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_mutexes_leave_the_list_of_their_holder_in_any_order),
#if RN_CHECKING
                cmocka_unit_test(test_a_broken_task_says_so),
                cmocka_unit_test(test_a_task_with_a_job_that_it_does_not_count_says_so),
#endif
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
