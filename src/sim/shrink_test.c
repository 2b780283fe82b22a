/* SPDX-License-Identifier: Apache-2.0 */
/* Shrinking comes down to the preemptions a bug needs: cases whose minimum is known by hand. */
#include "support.h"

#include "crew.h"

static rein_sim_report report;

static int explore(rein_fn fn, uint64_t seed)
{
        report = (rein_sim_report){.size = sizeof report};
        return rein_sim_explore(REIN_SIM(.seed = seed, .schedules = 5000, .quiet = true, .report = &report,
                                         .faults = REIN_SIM_HARMLESS),
                                fn, NULL);
}

/* ---- none: the order of starts is enough ---- */

static atomic_int made;

static void makes(void *arg)
{
        (void)arg;
        atomic_store(&made, 1);
}

static void uses(void *arg)
{
        (void)arg;
        CHECK(atomic_load(&made));
}

static int used_before_made(void *arg)
{
        (void)arg;
        crew c = {0};
        hand h[2];
        atomic_store(&made, 0);
        crew_go(&c, &h[0], "makes", makes, NULL);
        crew_go(&c, &h[1], "uses", uses, NULL);
        crew_join(&c);
        return 0;
}

/* ---- one: an update in two steps, among much that does not matter ---- */

static void update(void *arg)
{
        atomic_int *n = arg;
        for (int i = 0; i < 3; i++)
                rein_sim_point("before");
        int was = atomic_load(n);
        rein_sim_point("between");
        atomic_store(n, was + 1);
        for (int i = 0; i < 3; i++)
                rein_sim_point("after");
}

static int lost_update(void *arg)
{
        (void)arg;
        atomic_int n = 0;
        crew c = {0};
        hand h[3];
        for (int i = 0; i < 3; i++)
                crew_go(&c, &h[i], "updates", update, &n);
        crew_join(&c);
        CHECK(atomic_load(&n) == 3);
        return 0;
}

/* ---- three: a reader sees each value between the right two stores ---- */

static atomic_int first, second, torn;

static void writes(void *arg)
{
        (void)arg;
        for (int i = 1; i <= 2; i++) {
                rein_sim_point("first");
                atomic_store(&first, i);
                rein_sim_point("second");
                atomic_store(&second, i);
        }
}

/* It looks after the writer's first store, then after its second, then after its third: the writer is stopped three
 * times, or the reader twice and the writer once. */
static void reads(void *arg)
{
        (void)arg;
        int a = atomic_load(&first);
        rein_sim_point("read the first");
        int b = atomic_load(&second);
        rein_sim_point("read the second");
        if (a == 1 && b == 1 && atomic_load(&first) == 2 && atomic_load(&second) == 1)
                atomic_store(&torn, 1);
}

static int torn_snapshot(void *arg)
{
        (void)arg;
        crew c = {0};
        hand h[2];
        atomic_store(&first, 0);
        atomic_store(&second, 0);
        atomic_store(&torn, 0);
        crew_go(&c, &h[0], "writes", writes, NULL);
        crew_go(&c, &h[1], "reads", reads, NULL);
        crew_join(&c);
        CHECK(!atomic_load(&torn));
        return 0;
}

/* ---- faults that do not matter go, those that do stay ---- */

static int fails_when_poor(void *arg)
{
        (void)arg;
        for (int i = 0; i < 10; i++)
                (void)rein_sim_choose(4);
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        CHECK(p);
        rein_promise_drop(p);
        (void)rein_error_of(f);
        rein_drop(f);
        return 0;
}

static void down_to_the_least(void **state)
{
        (void)state;
        static const struct {
                rein_fn fn;
                uint32_t preemptions;
        } known[] = {{used_before_made, 0}, {lost_update, 1}, {torn_snapshot, 3}};
        for (size_t i = 0; i < COUNT(known); i++) {
                for (uint64_t seed = 1; seed <= 10; seed++) {
                        assert_int_equal(explore(known[i].fn, seed), REIN_EFOUND);
                        assert_int_equal(report.ended, REIN_SIM_FAILED);
                        assert_int_equal(report.preemptions, known[i].preemptions);
                        /* and a depth-first search with one less finds nothing */
                        if (!known[i].preemptions)
                                continue;
                        rein_sim_report r = {.size = sizeof r};
                        uint32_t bound = known[i].preemptions - 1;
                        if (!bound)
                                continue; /* 0 asks for the default */
                        assert_int_equal(rein_sim_explore(REIN_SIM(.generator = REIN_SIM_DFS, .bound = bound,
                                                                   .quiet = true, .report = &r),
                                                          known[i].fn, NULL),
                                         0);
                        assert_true(r.complete);
                }
        }
}

/* ---- the same way of failing ---- */

static int first_failure;

static int fails_in_two_ways(void *arg)
{
        const uint32_t n = rein_sim_choose(40);
        (void)arg;
        if (n >= 38 && first_failure == REIN_SIM_PASSED)
                first_failure = n == 39 ? REIN_SIM_FAILED : REIN_SIM_MISUSE;
        CHECK(n != 39);
        return n == 38 ? rein_sim_refuse("chose the plainer way to fail") : 0;
}

static void it_goes_on_failing_in_the_same_way(void **state)
{
        (void)state;
        int checks = 0;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                first_failure = REIN_SIM_PASSED;
                assert_int_equal(explore(fails_in_two_ways, seed), REIN_EFOUND);
                assert_int_equal(report.ended, first_failure);
                checks += report.ended == REIN_SIM_FAILED;
        }
        assert_in_range(checks, 1, 19);
}

static void what_does_not_matter_goes(void **state)
{
        (void)state;
        report = (rein_sim_report){.size = sizeof report};
        assert_int_equal(rein_sim_explore(REIN_SIM(.quiet = true, .report = &report, .faults = REIN_SIM_ALLOC),
                                          fails_when_poor, NULL),
                         REIN_EFOUND);
        assert_int_equal(report.preemptions, 0);
        const char *at = report.trace;
        int surprises = 0;
        for (; (at = strstr(at, "of")); at += 2)
                surprises++;
        assert_int_equal(surprises, 1); /* the one allocation */
        assert_non_null(strstr(report.trace, "a1of2."));
        char trace[1000]; /* it says itself which faults there are */
        assert_in_range(snprintf(trace, sizeof trace, "%s", report.trace), 1, sizeof trace - 1);
        assert_int_equal(rein_sim_run(REIN_SIM(.quiet = true, .replay = trace), fails_when_poor, NULL), REIN_EFOUND);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(down_to_the_least),
                cmocka_unit_test(it_goes_on_failing_in_the_same_way),
                cmocka_unit_test(what_does_not_matter_goes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
