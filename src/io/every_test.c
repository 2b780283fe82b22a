/* SPDX-License-Identifier: Apache-2.0 */
/* Periodic timers, by the simulated clock, where a time is exact: the grid, what a late loop gets, jitter, the deadline, a
 * cancel. And in a plain thread and a coroutine. */
#include "support.h"

#include "crew.h"

enum { SCHEDULES = 50 };

static void passes(rein_fn fn, uint32_t faults)
{
        rein_sim_report r = {.size = sizeof r};
        assert_int_equal(rein_sim_explore(REIN_SIM(.schedules = SCHEDULES, .faults = faults, .report = &r), fn, NULL),
                         0);
        assert_int_equal(r.schedules, SCHEDULES);
}

/* In ms since the program began. */
static int64_t began;

static int64_t ms(void)
{
        return (rein_now().ns - began) / 1000000;
}

static void work_for(int64_t span_ms)
{
        CHECK(rein_sim_block(rein_after(span_ms * 1000000)) == 0);
}

/* ---- the grid ---- */

static int a_grid_that_does_not_drift(void *arg)
{
        (void)arg;
        rein_every e;
        began = rein_now().ns;
        rein_every_start(&e, REIN_EVERY(.period_ns = REIN_MS(10)));
        for (int i = 1; i <= 20; i++) {
                CHECK(rein_every_next(&e) == 0);
                CHECK(ms() == (int64_t)i * 10);
                work_for(i % 10); /* less than a period, and not the same each time */
        }
        return 0;
}

static void test_the_work_between_does_not_move_the_grid(void **state)
{
        (void)state;
        passes(a_grid_that_does_not_drift, 0);
}

static int where_it_begins(void *arg)
{
        (void)arg;
        rein_every e;
        began = rein_now().ns;
        rein_every_start(&e, REIN_EVERY(.period_ns = REIN_MS(10), .first = REIN_NOWAIT));
        CHECK(rein_every_next(&e) == 0 && ms() == 0);
        CHECK(rein_every_next(&e) == 0 && ms() == 10);
        rein_every_start(&e, REIN_EVERY(.period_ns = REIN_MS(10), .first = rein_after(REIN_MS(3))));
        CHECK(rein_every_next(&e) == 0 && ms() == 13);
        CHECK(rein_every_next(&e) == 0 && ms() == 23);
        /* A time that has passed says where the grid lies; nothing of it was missed. */
        rein_every_start(&e, REIN_EVERY(.period_ns = REIN_MS(10), .first = rein_after(-REIN_MS(18)), .catch_up = true));
        CHECK(rein_every_next(&e) == 0 && ms() == 25);
        rein_every_start(&e, REIN_EVERY(.period_ns = REIN_MS(10), .first = rein_after(-REIN_MS(20))));
        CHECK(rein_every_next(&e) == 0 && ms() == 25); /* a tick is now */
        rein_every_start(&e, REIN_EVERY(.period_ns = REIN_MS(10), .first = REIN_TIME(INT64_MIN + 1)));
        CHECK(rein_every_next(&e) == 0 && ms() >= 25 && ms() <= 35);
        return 0;
}

static void test_the_first_tick_is_where_it_was_said_to_be(void **state)
{
        (void)state;
        passes(where_it_begins, 0);
}

/* ---- a loop that is late ---- */

static int late_and_skips(void *arg)
{
        (void)arg;
        rein_every e;
        began = rein_now().ns;
        rein_every_start(&e, REIN_EVERY(.period_ns = REIN_MS(10)));
        CHECK(rein_every_next(&e) == 0 && ms() == 10);
        work_for(34);
        CHECK(rein_every_next(&e) == 2 && ms() == 44); /* that of 40, at once; those of 20 and 30 are skipped */
        CHECK(rein_every_next(&e) == 0 && ms() == 50);
        work_for(10);
        CHECK(rein_every_next(&e) == 0 && ms() == 60); /* just in time */
        work_for(15);
        CHECK(rein_every_next(&e) == 0 && ms() == 75); /* late, and none was skipped */
        CHECK(rein_every_next(&e) == 0 && ms() == 80);
        return 0;
}

static int late_and_catches_up(void *arg)
{
        (void)arg;
        rein_every e;
        began = rein_now().ns;
        rein_every_start(&e, REIN_EVERY(.period_ns = REIN_MS(10), .catch_up = true));
        CHECK(rein_every_next(&e) == 0 && ms() == 10);
        work_for(34);
        for (int tick = 20; tick <= 40; tick += 10)
                CHECK(rein_every_next(&e) == 0 && ms() == 44);
        CHECK(rein_every_next(&e) == 0 && ms() == 50);
        return 0;
}

static void test_a_late_loop_skips_or_catches_up(void **state)
{
        (void)state;
        passes(late_and_skips, 0);
        passes(late_and_catches_up, 0);
}

/* ---- jitter ---- */

static int64_t earliest, latest;

static int with_jitter(void *arg)
{
        (void)arg;
        rein_every e;
        began = rein_now().ns;
        rein_every_start(&e, REIN_EVERY(.period_ns = REIN_MS(100), .jitter_ns = REIN_MS(40)));
        for (int64_t i = 1; i <= 50; i++) {
                CHECK(rein_every_next(&e) == 0);
                const int64_t off = rein_now().ns - began - i * 100000000;
                CHECK(off >= 0 && off < 40000000);
                earliest = off < earliest ? off : earliest;
                latest = off > latest ? off : latest;
        }
        return 0;
}

static void test_jitter_moves_a_tick_and_not_the_grid(void **state)
{
        (void)state;
        earliest = INT64_MAX;
        latest = 0;
        passes(with_jitter, 0);
        assert_true(earliest < 5000000 && latest > 35000000); /* of 2,500 draws */
}

/* ---- the end ---- */

static int with_a_deadline(void *arg)
{
        (void)arg;
        rein_every e;
        int ticks = 0;
        int64_t rc;
        began = rein_now().ns;
        rein_every_start(&e, REIN_EVERY(.period_ns = REIN_MS(10), .until = rein_after(REIN_MS(35))));
        while ((rc = rein_every_next(&e)) >= 0)
                ticks++;
        CHECK(rc == REIN_ETIMEOUT && ticks == 3 && ms() == 35);
        CHECK(rein_every_next(&e) == REIN_ETIMEOUT && ms() == 35);
        /* A tick at the deadline comes; one that was due before it comes although the loop is later than that. */
        rein_every_start(&e, REIN_EVERY(.period_ns = REIN_MS(10), .until = rein_after(REIN_MS(30))));
        CHECK(rein_every_next(&e) == 0 && ms() == 45);
        CHECK(rein_every_next(&e) == 0 && ms() == 55);
        work_for(25);
        CHECK(rein_every_next(&e) == 0 && ms() == 80); /* that of 65 */
        CHECK(rein_every_next(&e) == REIN_ETIMEOUT);
        rein_every_start(&e, REIN_EVERY(.period_ns = REIN_MS(10), .until = REIN_NOWAIT));
        CHECK(rein_every_next(&e) == REIN_ETIMEOUT && ms() == 80);
        for (int i = 0; i < 20; i++) { /* jitter does not reach beyond it */
                const rein_time until = rein_after(REIN_MS(50));
                rein_every_start(&e, REIN_EVERY(.period_ns = REIN_MS(50), .jitter_ns = REIN_MS(50), .until = until));
                CHECK(rein_every_next(&e) == 0 && rein_now().ns <= until.ns);
                CHECK(rein_every_next(&e) == REIN_ETIMEOUT && rein_now().ns == until.ns);
        }
        return 0;
}

static void test_no_tick_comes_after_the_deadline(void **state)
{
        (void)state;
        passes(with_a_deadline, 0);
}

static int canceled_between(void *arg)
{
        (void)arg;
        rein_every e;
        rein_scope s;
        began = rein_now().ns;
        rein_every_start(&e, REIN_EVERY(.period_ns = REIN_MS(10)));
        rein_scope_open(&s, rein_after(REIN_MS(25)));
        CHECK(rein_every_next(&e) == 0 && rein_every_next(&e) == 0);
        CHECK(rein_every_next(&e) == REIN_ECANCELED && ms() == 25);
        work_for(17);
        CHECK(rein_every_next(&e) == REIN_ECANCELED && ms() == 42);
        CHECK(rein_scope_close(&s, 0) == 0);
        CHECK(rein_every_next(&e) == 1 && ms() == 42); /* the ticks of 30 and 40 were still to come */
        CHECK(rein_every_next(&e) == 0 && ms() == 50);
        return 0;
}

static void test_a_cancel_takes_no_tick(void **state)
{
        (void)state;
        passes(canceled_between, 0);
}

static int ends_of_the_range(void *arg)
{
        (void)arg;
        rein_every e;
        rein_every_start(&e, REIN_EVERY(.period_ns = INT64_MAX));
        rein_scope s;
        rein_scope_open(&s, rein_after(REIN_SEC(1e6)));
        CHECK(rein_every_next(&e) == REIN_ECANCELED); /* the tick that never comes */
        CHECK(rein_scope_close(&s, 0) == 0);
        const int64_t now = rein_now().ns;
        rein_every_start(&e, REIN_EVERY(.period_ns = 1, .first = REIN_NOWAIT));
        CHECK(rein_every_next(&e) == 0);
        work_for(10000);
        const int64_t skipped = rein_every_next(&e); /* more than an int holds */
        CHECK(skipped == rein_now().ns - now - 1 && skipped > INT32_MAX);
        return 0;
}

static void test_the_ends_of_the_range(void **state)
{
        (void)state;
        passes(ends_of_the_range, 0);
}

/* ---- several at once, with everything that does no harm ---- */

typedef struct ticker {
        rein_every every;
        int64_t told;
} ticker;

static int tick_until_the_end(void *arg)
{
        ticker *t = arg;
        int64_t rc;
        while ((rc = rein_every_next(&t->every)) >= 0)
                t->told += rc + 1;
        return rc == REIN_ETIMEOUT ? 0 : (int)rc;
}

static int two_tickers(void *arg)
{
        (void)arg;
        ticker t[2] = {{.told = 0}, {.told = 0}};
        rein_executor *loop = rein_loop_new(NULL);
        rein_group g;
        const int64_t now = rein_now().ns;
        const rein_time until = REIN_TIME(now + REIN_MS(105));
        for (int i = 0; i < 2; i++) {
                const int64_t period = i ? REIN_MS(10) : REIN_MS(7);
                rein_every_start(&t[i].every,
                                 REIN_EVERY(.period_ns = period, .first = REIN_TIME(now + period), .until = until));
        }
        rein_group_open(&g, NULL);
        for (int i = 0; i < 2; i++)
                rein_spawn(&g, loop, tick_until_the_end, &t[i], NULL);
        CHECK(rein_group_close(&g, 0) == 0);
        CHECK(t[0].told == 15 && t[1].told == 10);
        rein_executor_free(loop);
        return 0;
}

static void test_skipped_or_told_every_tick_is_counted(void **state)
{
        (void)state;
        passes(two_tickers, REIN_SIM_HARMLESS);
}

/* ---- outside of a simulation ---- */

static int some_ticks(void *arg)
{
        (void)arg;
        rein_every e;
        int64_t n = 0, rc;
        const rein_time start = rein_now();
        rein_every_start(&e, REIN_EVERY(.period_ns = REIN_MS(1), .until = REIN_TIME(start.ns + REIN_MS(20))));
        while ((rc = rein_every_next(&e)) >= 0)
                n += 1 + rc;
        return rc == REIN_ETIMEOUT && rein_now().ns - start.ns >= 20000000 ? (int)n : -1;
}

static void test_in_a_thread_and_in_a_coroutine(void **state)
{
        (void)state;
        assert_in_range(some_ticks(NULL), 1, 20);
        assert_in_range(rein_run(some_ticks, NULL, NULL), 1, 20);
}

static void test_options_that_make_no_sense_are_told(void **state)
{
        (void)state;
        rein_every e = {{0}};
        assert_int_equal(rein_every_next(&e), -EINVAL); /* never started */
        assert_int_equal(rein_every_next(NULL), -EINVAL);
        rein_every_start(NULL, NULL);
        rein_every_start(&e, NULL);
        assert_int_equal(rein_every_next(&e), -EINVAL);
        static const struct {
                int64_t period, jitter;
                const char *text;
        } wrong[] = {{0, 0, "period_ns has to be at least 1"},
                     {-1, 0, "period_ns has to be at least 1"},
                     {5, -1, "jitter_ns has to be between 0 and period_ns"},
                     {5, 6, "jitter_ns has to be between 0 and period_ns"}};
        for (size_t i = 0; i < COUNT(wrong); i++) {
                rein_every_start(&e, REIN_EVERY(.period_ns = wrong[i].period, .jitter_ns = wrong[i].jitter));
                assert_int_equal(rein_every_next(&e), -EINVAL);
                assert_non_null(strstr(rein_error_text(rein_trail()), wrong[i].text));
        }
        struct {
                rein_every_opts opts;
                int more;
        } newer = {{.size = sizeof newer, .period_ns = 1}, 1};
        rein_every_start(&e, &newer.opts);
        assert_int_equal(rein_every_next(&e), -E2BIG);
        rein_every_start(&e, &(rein_every_opts){.period_ns = 1});
        assert_int_equal(rein_every_next(&e), -EINVAL); /* without a size */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_work_between_does_not_move_the_grid),
                cmocka_unit_test(test_the_first_tick_is_where_it_was_said_to_be),
                cmocka_unit_test(test_a_late_loop_skips_or_catches_up),
                cmocka_unit_test(test_jitter_moves_a_tick_and_not_the_grid),
                cmocka_unit_test(test_no_tick_comes_after_the_deadline),
                cmocka_unit_test(test_a_cancel_takes_no_tick),
                cmocka_unit_test(test_the_ends_of_the_range),
                cmocka_unit_test(test_skipped_or_told_every_tick_is_counted),
                cmocka_unit_test(test_in_a_thread_and_in_a_coroutine),
                cmocka_unit_test(test_options_that_make_no_sense_are_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
