/* SPDX-License-Identifier: Apache-2.0 */
/* A sleep that is over at once lets the other coroutines of its loop go first, and tells a cancel that comes meanwhile. */
#include "support.h"

enum { TURNS = 3, SLEEPERS = 2 };

typedef struct sleepers {
        rein_time until;
        char order[TURNS * SLEEPERS + 1];
        int n;
        rein_scope scope;
        bool asleep;
        int code;
} sleepers;

static int sleep_in_turn(sleepers *s, char name)
{
        for (int i = 0; i < TURNS; i++) {
                s->order[s->n++] = name;
                int rc = rein_sleep(s->until);
                if (rc < 0)
                        return rc;
        }
        return 0;
}

static int sleep_a(void *arg)
{
        return sleep_in_turn(arg, 'a');
}

static int sleep_b(void *arg)
{
        return sleep_in_turn(arg, 'b');
}

static int two_in_turn(void *arg)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, sleep_a, arg, NULL);
        rein_spawn(&g, NULL, sleep_b, arg, NULL);
        return rein_group_close(&g, 0);
}

static void test_sleeps_that_are_over_take_turns(void **state)
{
        (void)state;
        const rein_time over[] = {REIN_NOWAIT, REIN_TIME(0), REIN_TIME(1), rein_now()};
        for (size_t i = 0; i < COUNT(over); i++) {
                sleepers s = {.until = over[i]};
                assert_int_equal(rein_run(two_in_turn, &s, NULL), 0);
                assert_string_equal(s.order, "ababab");
        }
}

static int sleep_in_a_scope(void *arg)
{
        sleepers *s = arg;
        rein_scope_open(&s->scope, REIN_NEVER);
        s->asleep = true;
        s->code = rein_sleep(s->until);
        s->asleep = false;
        (void)rein_scope_close(&s->scope, 0);
        return 0;
}

static int cancel_the_sleeper(void *arg)
{
        sleepers *s = arg;
        if (!s->asleep)
                return -EPROTO; /* it has not let this coroutine go first */
        rein_scope_cancel(&s->scope, "enough");
        return 0;
}

static int one_cancels(void *arg)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, sleep_in_a_scope, arg, NULL);
        rein_spawn(&g, NULL, cancel_the_sleeper, arg, NULL);
        return rein_group_close(&g, 0);
}

static void test_a_cancel_while_the_others_went_is_told(void **state)
{
        (void)state;
        const rein_time over[] = {REIN_NOWAIT, REIN_TIME(1)};
        for (size_t i = 0; i < COUNT(over); i++) {
                sleepers s = {.until = over[i]};
                assert_int_equal(rein_run(one_cancels, &s, NULL), 0);
                assert_int_equal(s.code, REIN_ECANCELED);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sleeps_that_are_over_take_turns),
                cmocka_unit_test(test_a_cancel_while_the_others_went_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
