/* SPDX-License-Identifier: Apache-2.0 */
/* The clock and the hand: what is asked of their timers and errands. How they fire is in heap_test.c. */
#include "core/clock.h"

#include "support.h"

static void fire(rn_timer *t, uint32_t tag)
{
        (void)t;
        (void)tag;
}

static void run(rn_errand *e, uint32_t tag)
{
        (void)e;
        (void)tag;
}

static void test_a_clock_of_a_new_world_has_nothing_to_do(void **state)
{
        (void)state;
        rn_clockwork c = {.state = 7};
        rn_clock_init(&c);
        assert_true(!c.timers.root && rn_list_empty(&c.errands) && !c.state);
        assert_true(c.sleeps_until == RN_NEVER);
}

#if RN_CHECKING
static void test_a_broken_clock_says_so(void **state)
{
        (void)state;
        rn_clockwork c = {.state = 0};
        rn_timer first = {.at = 7, .fire = fire}, second = {.at = 9, .fire = fire};
        rn_clock_init(&c);
        assert_null(rn_timers_wrong(&c));
        rn_heap_push(&c.timers, &first.node);
        rn_heap_push(&c.timers, &second.node);
        c.sleeps_until = 7;
        BREAKS(c.sleeps_until, 8, rn_timers_wrong(&c), "the clock sleeps longer than until the first timer");
        BREAKS(first.fire, NULL, rn_timers_wrong(&c), "a timer is armed that has nothing to do");
        BREAKS(c.timers.count, 3, rn_timers_wrong(&c), "a heap has fewer nodes than it counts");
        BREAKS(second.at, 6, rn_timers_wrong(&c), "a node in a heap comes before its parent");
}

static void test_a_broken_hand_says_so(void **state)
{
        (void)state;
        rn_clockwork c = {.state = 0};
        rn_errand one = {.run = run};
        rn_clock_init(&c);
        rn_list_push(&c.errands, &one.link);
        BREAKS(one.run, NULL, rn_errands_wrong(&c), "an errand waits for the hand that has nothing to do");
        BREAKS(one.link.next, NULL, rn_errands_wrong(&c), "a list ends in nothing");
}
#endif

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_clock_of_a_new_world_has_nothing_to_do),
#if RN_CHECKING
                cmocka_unit_test(test_a_broken_clock_says_so),
                cmocka_unit_test(test_a_broken_hand_says_so),
#endif
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
