/* SPDX-License-Identifier: Apache-2.0 */
/* Spinning is left out when it was in vain, and taken up again when it was not. Nothing here asks how long it took. */
#include "core/spin.h"
#include "support.h"

typedef struct waited_for {
        unsigned looks, comes_at; /* 0: never */
} waited_for;

static bool came(const void *arg)
{
        waited_for *w = (waited_for *)(uintptr_t)arg;
        w->looks++;
        return w->comes_at && w->looks >= w->comes_at;
}

/* How many of n warm waits for what does not come span at all. */
static unsigned vain(rn_spin *s, unsigned n, bool warm)
{
        unsigned spun = 0;
        for (unsigned i = 0; i < n; i++) {
                waited_for never = {0};
                assert_false(rn_spin_until(s, warm, came, &never));
                spun += never.looks > 0;
        }
        return spun;
}

static void several_cpus(void)
{
        if (rn_cpus_granted() < 2)
                skip();
}

static void test_what_comes_soon_is_seen(void **state)
{
        (void)state;
        several_cpus();
        rn_spin s = {0};
        waited_for soon = {.comes_at = 5};
        assert_true(rn_spin_until(&s, true, came, &soon));
        assert_int_equal(soon.looks, 5);
}

static void test_who_span_in_vain_leaves_it_out_more_and_more_often(void **state)
{
        (void)state;
        several_cpus();
        rn_spin s = {0};
        assert_int_equal(vain(&s, 1, true), 1);
        const unsigned first = vain(&s, 64, true), later = vain(&s, 640, true);
        assert_in_range(first, 4, 6);
        assert_int_equal(later, 10); /* one in 64 */
}

static void test_who_span_well_goes_on(void **state)
{
        (void)state;
        several_cpus();
        rn_spin s = {0};
        vain(&s, 200, true);
        for (unsigned tried = 0, ok = 0; !ok; tried++) {
                waited_for at_once = {.comes_at = 1};
                assert_in_range(tried, 0, 64);
                ok = rn_spin_until(&s, true, came, &at_once);
        }
        assert_int_equal(vain(&s, 1, true), 1);
}

static void test_where_nothing_speaks_for_it_it_is_tried_rarely(void **state)
{
        (void)state;
        several_cpus();
        rn_spin s = {0};
        assert_int_equal(vain(&s, 63, false), 0);
        assert_int_equal(vain(&s, 1, false), 1);
        assert_int_equal(vain(&s, 127, false), 0);
        assert_int_equal(vain(&s, 1, false), 1);
}

static void test_on_one_cpu_nobody_spins(void **state)
{
        (void)state;
        if (rn_cpus_granted() > 1)
                skip();
        rn_spin s = {0};
        assert_int_equal(vain(&s, 200, true), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_comes_soon_is_seen),
                cmocka_unit_test(test_who_span_in_vain_leaves_it_out_more_and_more_often),
                cmocka_unit_test(test_who_span_well_goes_on),
                cmocka_unit_test(test_where_nothing_speaks_for_it_it_is_tried_rarely),
                cmocka_unit_test(test_on_one_cpu_nobody_spins),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
