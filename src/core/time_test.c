/* SPDX-License-Identifier: Apache-2.0 */
/* Moments: now, and after a span, at both ends of what a number can say. */
#include "support.h"

static void test_a_span_that_is_too_long_ends_never(void **state)
{
        (void)state;
        assert_true(rein_after(INT64_MAX).ns == REIN_NEVER.ns);
        assert_true(rein_after(INT64_MAX - 1).ns == REIN_NEVER.ns);
        assert_true(rein_after(INT64_MAX / 4).ns < REIN_NEVER.ns);
}

static void test_a_span_into_the_past_has_passed(void **state)
{
        (void)state;
        const rein_time now = rein_now();
        assert_true(rein_after(-1).ns <= rein_now().ns);
        assert_true(rein_after(INT64_MIN).ns <= now.ns);
        assert_true(rein_after(INT64_MIN + 1).ns <= now.ns);
}

static void test_time_goes_on(void **state)
{
        (void)state;
        const rein_time now = rein_now(), then = rein_after(REIN_SEC(1));
        assert_true(now.ns > 0 && then.ns >= now.ns + REIN_SEC(1));
        assert_true(rein_after(0).ns >= now.ns);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_span_that_is_too_long_ends_never),
                cmocka_unit_test(test_a_span_into_the_past_has_passed),
                cmocka_unit_test(test_time_goes_on),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
