/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes and shields: cancel is a level, deadlines, who may close what, and why. */
#include "support.h"

#include <rein/sim.h>
#include "core/scope.h"

/* ---- a cancel is a level ---- */

static void test_a_cancelled_scope_says_so_at_every_entry_until_it_is_left(void **state)
{
        (void)state;
        rein_scope s;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        rein_promise_keep(p, NULL, NULL);
        rein_scope_open(&s, REIN_NEVER);
        assert_int_equal(rein_checkpoint(), 0);
        assert_null(rein_why());
        rein_scope_cancel(&s, "enough");
        for (int i = 0; i < 2; i++) {
                assert_int_equal(rein_checkpoint(), REIN_ECANCELED);
                assert_int_equal(rein_sleep(REIN_NEVER), REIN_ECANCELED);
                assert_int_equal(rein_sleep(REIN_NOWAIT), REIN_ECANCELED);
                assert_int_equal(rein_await(f, NULL, REIN_NEVER), REIN_ECANCELED); /* wins at entry */
                assert_int_equal(rein_wait_fd(0, 1, REIN_NOWAIT), REIN_ECANCELED);
        }
        assert_int_equal(rein_code(f), 0); /* these do not look at the scope */
        assert_int_equal(rein_scope_close(&s, REIN_ECANCELED), REIN_ESTOPPED);
        assert_int_equal(rein_checkpoint(), 0);
        assert_null(rein_why());
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        rein_promise_drop(p);
        rein_drop(f);
}

static void test_a_scope_cancelled_twice_is_cancelled_once_and_the_first_reason_stays(void **state)
{
        (void)state;
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        rein_scope_cancel(&s, "first");
        rein_scope_cancel(&s, "second");
        assert_non_null(strstr(rein_why(), "first"));
        assert_null(strstr(rein_why(), "second"));
        assert_int_equal(rein_scope_close(&s, 0), 0); /* it succeeded all the same */
        rein_scope_cancel(&s, "after the close");
        assert_int_equal(rein_checkpoint(), 0);
}

static void test_a_cancel_inside_leaves_the_outside_untouched(void **state)
{
        (void)state;
        rein_scope outer, inner;
        rein_scope_open(&outer, REIN_NEVER);
        rein_scope_open(&inner, REIN_NEVER);
        rein_scope_cancel(&inner, NULL);
        assert_int_equal(rein_checkpoint(), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&inner, REIN_ECANCELED), REIN_ESTOPPED);
        assert_int_equal(rein_checkpoint(), 0);
        assert_int_equal(rein_scope_close(&outer, 5), 5);
}

static void test_an_outer_cancel_reaches_in_and_stays_a_cancel(void **state)
{
        (void)state;
        rein_scope outer, inner;
        rein_scope_open(&outer, REIN_NEVER);
        rein_scope_open(&inner, rein_after(REIN_SEC(3600)));
        rein_scope_cancel(&outer, "from outside");
        assert_int_equal(rein_checkpoint(), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&inner, REIN_ECANCELED), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&outer, REIN_ECANCELED), REIN_ESTOPPED);
}

/* ---- deadlines ---- */

static void test_only_the_scope_whose_deadline_passed_reports_a_timeout(void **state)
{
        (void)state;
        rein_scope outer, inner;
        rein_scope_open(&outer, rein_after(REIN_SEC(3600)));
        rein_scope_open(&inner, rein_after(REIN_MS(1)));
        assert_int_equal(rein_sleep(REIN_NEVER), REIN_ECANCELED);
        assert_non_null(strstr(rein_why(), "scope_test.c"));
        assert_int_equal(rein_scope_close(&inner, REIN_ECANCELED), REIN_ETIMEOUT);
        assert_int_equal(rein_checkpoint(), 0);
        assert_int_equal(rein_scope_close(&outer, 0), 0);
}

static void test_when_both_deadlines_passed_the_outer_one_is_told_outside(void **state)
{
        (void)state;
        rein_scope outer, inner;
        rein_scope_open(&outer, REIN_TIME(1));
        rein_scope_open(&inner, REIN_TIME(1));
        assert_int_equal(rein_scope_close(&inner, rein_sleep(REIN_NEVER)), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&outer, REIN_ECANCELED), REIN_ETIMEOUT);
}

static void test_a_deadline_changes_nothing_but_a_cancel(void **state)
{
        (void)state;
        rein_scope s;
        for (int rc = -5; rc <= 5; rc += 5) {
                rein_scope_open(&s, REIN_NOWAIT);
                assert_int_equal(rein_checkpoint(), REIN_ECANCELED);
                assert_int_equal(rein_scope_close(&s, rc), rc);
        }
}

static int nap_inside(void *arg)
{
        (void)arg;
        return rein_sleep(REIN_NEVER);
}

static void test_within_bounds_a_call_and_does_not_make_it_when_it_is_too_late(void **state)
{
        (void)state;
        atomic_int runs = 0;
        assert_int_equal(rein_within(REIN_NEVER, job_seven, NULL), 7);
        assert_int_equal(rein_within(rein_after(REIN_MS(1)), nap_inside, NULL), REIN_ETIMEOUT);
        assert_int_equal(rein_within(REIN_NOWAIT, job_count, &runs), REIN_ETIMEOUT);
        assert_int_equal(runs, 0);
        assert_int_equal(rein_within(REIN_NEVER, NULL, NULL), -EINVAL);
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        rein_scope_cancel(&s, NULL);
        assert_int_equal(rein_within(REIN_NEVER, job_count, &runs), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&s, 0), 0);
        assert_int_equal(runs, 0);
}

/* ---- from another thread ---- */

typedef struct sleeper {
        rein_scope scope;
        seat seat;
        atomic_bool open;
        int rc, closed;
        char why[300];
} sleeper;

static void *sleep_in_scope(void *arg)
{
        sleeper *s = arg;
        rein_scope inner;
        rein_scope_open(&s->scope, REIN_NEVER);
        rein_scope_open(&inner, REIN_NEVER);
        atomic_store(&s->open, true);
        sit(&s->seat);
        s->rc = rein_sleep(REIN_NEVER);
        snprintf(s->why, sizeof s->why, "%s", rein_why());
        s->rc = rein_scope_close(&inner, s->rc);
        s->closed = rein_scope_close(&s->scope, s->rc);
        return NULL;
}

static void test_a_cancel_from_another_thread_wakes_a_sleeper_two_scopes_deep(void **state)
{
        (void)state;
        sleeper s = {0};
        pthread_t t = go(sleep_in_scope, &s);
        EVENTUALLY(s.open && sits_in(&s.seat, "rein_sleep"));
        rein_scope_cancel(&s.scope, "the user pressed stop");
        join(t);
        assert_int_equal(s.rc, REIN_ECANCELED);
        assert_int_equal(s.closed, REIN_ESTOPPED);
        assert_non_null(strstr(s.why, "the user pressed stop")); /* why, who, where */
        assert_non_null(strstr(s.why, "a plain thread"));
        assert_non_null(strstr(s.why, "scope_test.c:"));
}

static int say_why(void *arg)
{
        int rc = rein_sleep(REIN_NEVER);
        snprintf(arg, 300, "%s", rein_why());
        return rc;
}

static int cancel_other(void *arg)
{
        rein_cancel(arg, "a colleague said so");
        return 0;
}

static void test_why_names_the_job_that_cancelled(void **state)
{
        (void)state;
        char why[300] = "";
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1)), *y = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, say_why, why, NULL);
        EVENTUALLY(rein_executor_queued(x) == 0);
        rein_future *g = rein_submit(y, cancel_other, f, REIN_JOB(.name = "boss"));
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), REIN_EFAILED);
        assert_int_equal(rein_await(g, NULL, REIN_NEVER), 0);
        if (why[0]) { /* it ran */
                assert_non_null(strstr(why, "a colleague said so"));
                assert_non_null(strstr(why, "boss"));
        }
        assert_non_null(strstr(rein_error_text(rein_error_of(f)), "a colleague said so"));
        rein_drop(f);
        rein_drop(g);
        rein_executor_free(x);
        rein_executor_free(y);
}

/* ---- shields ---- */

static void test_a_shield_holds_a_cancel_back_and_only_that(void **state)
{
        (void)state;
        rein_scope s, shield;
        rein_scope_open(&s, REIN_NEVER);
        rein_scope_cancel(&s, "stop");
        rein_shield_open(&shield, REIN_SEC(3600));
        assert_int_equal(rein_checkpoint(), 0);
        assert_null(rein_why());
        assert_int_equal(rein_sleep(rein_after(REIN_MS(1))), 0); /* clean-up that blocks */
        rein_scope_cancel(&shield, "its own");
        assert_int_equal(rein_checkpoint(), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&shield, REIN_ECANCELED), REIN_ESTOPPED);
        assert_int_equal(rein_checkpoint(), REIN_ECANCELED); /* the level is still there */
        assert_int_equal(rein_scope_close(&s, REIN_ECANCELED), REIN_ESTOPPED);
}

static void test_the_grace_counts_from_the_cancel_not_from_the_opening(void **state)
{
        (void)state;
        rein_scope s, shield;
        rein_scope_open(&s, REIN_NEVER);
        rein_shield_open(&shield, REIN_MS(1));
        assert_int_equal(rein_sleep(rein_after(REIN_MS(3))), 0); /* longer than the grace: nothing is cancelled yet */
        assert_int_equal(rein_checkpoint(), 0);
        rein_scope_cancel(&s, "now");
        assert_int_equal(rein_sleep(REIN_NEVER), REIN_ECANCELED); /* ends when the grace does */
        assert_int_equal(rein_scope_close(&shield, REIN_ECANCELED), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&s, REIN_ECANCELED), REIN_ESTOPPED);

        rein_scope_open(&s, REIN_TIME(1)); /* cancelled long ago: a shield opened now has no grace left */
        rein_shield_open(&shield, REIN_SEC(1));
        assert_int_equal(rein_checkpoint(), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&shield, 0), 0);
        assert_int_equal(rein_scope_close(&s, 0), 0);
}

static void test_a_shield_holds_deadlines_back_and_scopes_inside_it_too(void **state)
{
        (void)state;
        rein_scope s, shield, inner;
        rein_scope_open(&s, rein_after(REIN_MS(1)));
        assert_int_equal(rein_sleep(REIN_NEVER), REIN_ECANCELED);
        rein_shield_open(&shield, REIN_SEC(3600));
        rein_scope_open(&inner, rein_after(REIN_MS(1)));
        assert_int_equal(rein_scope_close(&inner, rein_sleep(REIN_NEVER)), REIN_ETIMEOUT); /* its own deadline works */
        assert_int_equal(rein_checkpoint(), 0);
        assert_int_equal(rein_scope_close(&shield, 0), 0);
        assert_int_equal(rein_scope_close(&s, REIN_ECANCELED), REIN_ETIMEOUT);
}

static void test_a_negative_grace_is_none_and_a_huge_one_is_for_ever(void **state)
{
        (void)state;
        rein_scope s, shield;
        rein_scope_open(&s, REIN_NEVER);
        rein_scope_cancel(&s, NULL);
        rein_shield_open(&shield, -5);
        assert_int_equal(rein_checkpoint(), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&shield, 0), 0);
        rein_shield_open(&shield, INT64_MAX);
        assert_int_equal(rein_checkpoint(), 0);
        assert_int_equal(rein_scope_close(&shield, 0), 0);
        assert_int_equal(rein_scope_close(&s, 0), 0);
}

typedef struct shielded {
        rein_scope scope;
        seat seat;
        gate gate;
        int inside, after;
} shielded;

static void *clean_up(void *arg)
{
        shielded *s = arg;
        rein_scope shield;
        rein_scope_open(&s->scope, REIN_NEVER);
        rein_shield_open(&shield, REIN_SEC(3600));
        sit(&s->seat);
        s->inside = gate_pass(&s->gate);
        (void)rein_scope_close(&shield, 0);
        s->after = rein_sleep(REIN_NEVER);
        (void)rein_scope_close(&s->scope, 0);
        return NULL;
}

static void test_what_blocks_in_a_shield_is_not_woken_by_the_cancel(void **state)
{
        (void)state;
        shielded s = {.gate = gate_new()};
        pthread_t t = go(clean_up, &s);
        EVENTUALLY(sits_in(&s.seat, "rein_await"));
        rein_scope_cancel(&s.scope, "stop");
        gate_open(&s.gate);
        join(t);
        assert_int_equal(s.inside, 0);
        assert_int_equal(s.after, REIN_ECANCELED);
        gate_free(&s.gate);
}

/* ---- misuse ---- */

typedef struct thief {
        rein_scope *scope;
        rein_group *group;
        rein_hook *hook;
        rein_done *done;
        int scope_rc, group_rc, join_rc, hook_rc, done_rc;
} thief;

static void *close_what_is_not_mine(void *arg)
{
        thief *t = arg;
        t->scope_rc = rein_scope_close(t->scope, 0);
        t->hook_rc = rein_hook_close(t->hook, 0);
        t->group_rc = rein_group_close(t->group, 0);
        t->join_rc = rein_group_join(t->group, REIN_NEVER);
        t->done_rc = rein_done_next(t->done, REIN_NOWAIT);
        rein_done_close(t->done);
        return NULL;
}

static void no_stop(void *arg)
{
        (void)arg;
}

static void test_a_stranger_closes_nothing(void **state)
{
        (void)state;
        rein_scope s;
        rein_group g;
        rein_hook h;
        rein_done d;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        rein_promise_keep(p, NULL, NULL);
        thief t = {&s, &g, &h, &d, 0, 0, 0, 0, 0};
        rein_scope_open(&s, REIN_NEVER);
        rein_group_open(&g, NULL);
        assert_int_equal(rein_hook_open(&h, no_stop, NULL), 0);
        rein_done_open(&d, &f, 1);
        join(go(close_what_is_not_mine, &t));
        assert_int_equal(t.scope_rc, -EPERM);
        assert_int_equal(t.group_rc, -EPERM);
        assert_int_equal(t.join_rc, -EPERM);
        assert_int_equal(t.hook_rc, -EPERM);
        assert_int_equal(t.done_rc, -EPERM);
        assert_int_equal(rein_done_next(&d, REIN_NOWAIT), 0); /* all as it was */
        rein_done_close(&d);
        assert_int_equal(rein_hook_close(&h, 1), 1);
        assert_int_equal(rein_group_close(&g, 2), 2);
        assert_int_equal(rein_scope_close(&s, 3), 3);
        rein_promise_drop(p);
        rein_drop(f);
}

static void test_closing_out_of_order_or_twice_is_refused_and_changes_nothing(void **state)
{
        (void)state;
        rein_scope outer, inner;
        rein_group g;
        rein_hook h;
        rein_scope_open(&outer, REIN_NEVER);
        rein_scope_open(&inner, REIN_NEVER);
        assert_int_equal(rein_scope_close(&outer, 0), -EPERM);
        assert_non_null(strstr(rein_error_text(rein_trail()), "scope_test.c:")); /* says which */
        assert_int_equal(rein_hook_open(&h, no_stop, NULL), 0);
        assert_int_equal(rein_scope_close(&inner, 0), -EPERM); /* a region is open in it */
        assert_int_equal(rein_hook_close(&h, 0), 0);
        assert_int_equal(rein_hook_close(&h, 0), -EPERM);
        rein_group_open(&g, NULL);
        assert_int_equal(rein_scope_close(&inner, 0), -EPERM); /* a group is */
        assert_int_equal(rein_group_close(&g, 0), 0);
        assert_int_equal(rein_group_close(&g, 0), -EPERM);
        assert_int_equal(rein_group_join(&g, REIN_NEVER), -EPERM);
        assert_int_equal(rein_scope_close(&inner, 0), 0);
        assert_int_equal(rein_scope_close(&inner, 0), -EPERM);
        assert_int_equal(rein_scope_close(&outer, 0), 0);
        assert_int_equal(rein_scope_close(NULL, 0), -EPERM);
        rein_scope never = {{0}};
        assert_int_equal(rein_scope_close(&never, 0), -EPERM);
        rein_scope_cancel(&never, NULL);
        rein_scope_cancel(NULL, NULL);
}

static int close_my_own_root(void *arg)
{
        (void)arg;
        rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        rein_scope copy = s;
        int rc = rein_scope_close(&s, 0);
        return rc ? rc : rein_scope_close(&copy, 0) == -EPERM ? 0 : REIN_EUSER;
}

static void test_a_copied_handle_of_a_closed_scope_is_refused(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, close_my_own_root, NULL, NULL);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        rein_drop(f);
        rein_executor_free(x);
}

/* ---- what a job leaves open ---- */

static int leave_scope_open(void *arg)
{
        (void)arg;
        static rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        return 0;
}

static int leave_hook_open(void *arg)
{
        (void)arg;
        static rein_hook h;
        return rein_hook_open(&h, no_stop, NULL);
}

static int leave_group_open(void *arg)
{
        static rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, job_sleep, arg, NULL);
        return 5;
}

static int leave_two_scopes_open(void *arg)
{
        static rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        return leave_scope_open(arg);
}

static void expect_left_open(rein_executor *x, rein_fn fn, void *arg, const char *what)
{
        rein_future *f = rein_submit(x, fn, arg, NULL);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), REIN_EFAILED);
        assert_int_equal(rein_code(f), -EPROTO);
        assert_non_null(strstr(rein_error_text(rein_error_of(f)), what));
        assert_non_null(strstr(rein_error_text(rein_error_of(f)), "scope_test.c:"));
        assert_int_equal(strstr(rein_error_text(rein_error_of(f)), "there is more") != NULL,
                         fn == leave_two_scopes_open);
        rein_drop(f);
}

static void test_a_job_that_ends_with_something_open_is_told_what_and_where(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        seat s = {NULL};
        expect_left_open(x, leave_scope_open, NULL, "scope opened at");
        expect_left_open(x, leave_two_scopes_open, NULL, "scope opened at");
        expect_left_open(x, leave_hook_open, NULL, "hook region opened at");
        expect_left_open(x, leave_group_open, &s, "group opened at");
        rein_executor_free(x);
        rn_world *w = rn_world_now(); /* nothing of it is left */
        EVENTUALLY(live(&w->scopes) == 0);
        assert_int_equal(live(&w->groups), 0);
        assert_int_equal(live(&w->hooks), 0);
}

static void *leave_all_open_and_end(void *arg)
{
        static rein_scope s;
        static rein_group g;
        static rein_hook h;
        rein_scope_open(&s, REIN_NEVER);
        rein_group_open(&g, NULL);
        rein_spawn(&g, arg, job_sleep, NULL, NULL);
        (void)rein_hook_open(&h, no_stop, NULL);
        return NULL;
}

static void test_a_plain_thread_that_ends_with_things_open_leaves_no_trace(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rn_world *w = rn_world_now();
        size_t tasks = live(&w->tasks);
        join(go(leave_all_open_and_end, x));
        assert_int_equal(live(&w->groups), 0);
        assert_int_equal(live(&w->hooks), 0);
        rein_executor_free(x);
        EVENTUALLY(live(&w->scopes) == 0);
        EVENTUALLY(live(&w->tasks) <= tasks);
}

/* ---- without memory ---- */

static void test_a_scope_without_memory_opens_cancelled_and_close_says_so(void **state)
{
        (void)state;
        rein_scope s, inner;
        assert_int_equal(rein_checkpoint(), 0); /* the task is there */
        rein_fail(0, "it is");
        support_fail_at = 1;
        rein_scope_open(&s, REIN_NEVER);
        support_fail_at = 0;
        assert_int_equal(rein_checkpoint(), REIN_ECANCELED);
        assert_non_null(rein_why());
        assert_int_equal(rein_sleep(REIN_NEVER), REIN_ECANCELED);
        rein_scope_open(&inner, REIN_NEVER); /* and what is inside is cancelled too */
        assert_int_equal(rein_checkpoint(), REIN_ECANCELED);
        (void)rein_scope_close(&inner, 0);
        assert_int_equal(rein_scope_close(&s, 0), -ENOMEM);
        assert_int_equal(rein_checkpoint(), 0);
        assert_int_equal(rein_scope_close(&s, 0), -EPERM);
}

static void test_nothing_is_run_inside_a_scope_that_could_not_be_opened(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        atomic_int runs = 0;
        rein_scope s;
        support_fail_at = 1;
        rein_scope_open(&s, REIN_NEVER);
        support_fail_at = 0;
        int rc = rein_on(x, job_count, &runs, NULL);
        assert_int_equal(rein_scope_close(&s, 0), -ENOMEM);
        rein_executor_free(x);
        assert_int_equal(rc, REIN_ECANCELED);
        assert_int_equal(runs, 0);
}

/* In virtual time. Out of two shields comes a deadline late by both graces; what passed sooner inside is the reason. */
static int two_shields(void *arg)
{
        rein_scope outer, first, second, inner;
        (void)arg;
        rein_scope_open_at("outer.c:1", &outer, rein_after(REIN_MS(1)));
        rein_shield_open(&first, REIN_MS(100));
        rein_shield_open(&second, REIN_MS(100));
        rein_scope_open_at("inner.c:2", &inner, rein_after(REIN_MS(150)));
        rein_sim_block(rein_after(REIN_MS(120)));
        bool early = rein_checkpoint() != 0;
        rein_sim_block(rein_after(REIN_MS(100)));
        const char *why = rein_why();
        bool right = why && strstr(why, "inner.c:2");
        int rc = rein_scope_close(&inner, 0) + rein_scope_close(&second, 0) + rein_scope_close(&first, 0) +
                 rein_scope_close(&outer, 0);
        return early || !right ? -EPROTO : rc;
}

static void test_the_graces_of_two_shields_add_up(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_run(REIN_SIM(.generator = REIN_SIM_RANDOM), two_shields, NULL), 0);
}

static void test_every_scope_that_is_left_is_given_back(void **state)
{
        (void)state;
        rn_world *w = rn_world_now();
        rein_scope s[4];
        size_t before = live(&w->scopes);
        for (int i = 0; i < 4; i++)
                rein_scope_open(&s[i], REIN_NEVER);
        assert_int_equal(live(&w->scopes), before + 4);
        for (int i = 3; i >= 0; i--) {
                assert_int_equal(rein_scope_close(&s[i], 0), 0);
                assert_int_equal(live(&w->scopes), before + (size_t)i);
        }
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_scope_open(&s[0], REIN_NEVER); /* a family over two threads: the last one gives the head back */
        assert_int_equal(rein_on(x, job_seven, NULL, REIN_JOB(.on_worker = true)), 7);
        assert_int_equal(rein_scope_close(&s[0], 0), 0);
        assert_int_equal(live(&w->scopes), before);
        rein_executor_free(x);
}

/* In virtual time: the moment of the deadline belongs to what is after it. */
static int in_the_moment(void *arg)
{
        rein_scope s;
        (void)arg;
        rein_time at = rein_after(REIN_MS(1));
        rein_scope_open(&s, at);
        const int before = rein_checkpoint();
        rein_sim_block(at);
        const int then = rein_checkpoint();
        const bool exact = rein_now().ns == at.ns;
        const int rc = rein_scope_close(&s, then);
        return before == 0 && exact && then == REIN_ECANCELED && rc == REIN_ETIMEOUT ? 0 : -EPROTO;
}

static void test_in_the_moment_of_its_deadline_a_scope_is_cancelled(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_run(REIN_SIM(.generator = REIN_SIM_RANDOM), in_the_moment, NULL), 0);
}

#if RN_CHECKING
static void test_a_broken_scope_says_so(void **state)
{
        (void)state;
        rein_scope outer, inner;
        rein_scope_open(&outer, REIN_TIME(INT64_C(1) << 60));
        rein_shield_open(&inner, 1000);
        rn_scope *in = rn_self()->now->scope, *out = in->parent, other = *out;
        BREAKS(in->refs.v, 0, rn_scope_wrong(in), "nobody holds it, and it was not given back");
        BREAKS(in->family.v, in, rn_scope_wrong(in), "its parent is of another family");
        BREAKS(in->parent, NULL, rn_scope_wrong(in), "a scope without a parent is among somebody's children");
        BREAKS(out->closed.v, 1, rn_scope_wrong(in), "a scope was left before what is inside of it");
        BREAKS(out->family.v, in, rn_scope_wrong(out), "the head of its family is none");
        BREAKS(in->until, 7, rn_scope_wrong(in), "it is cancelled later than by its own deadline or cancel");
        BREAKS(in->canceled_at, 7, rn_scope_wrong(in), "it is cancelled later than by its own deadline or cancel");
        BREAKS(in->cancel_at.v, INT64_MAX, rn_scope_wrong(in), "it is cancelled later than what is above it");
        BREAKS(in->grace, 0, rn_scope_wrong(in), "it is cancelled later than what is above it");
        BREAKS(in->cancel_at.v, 5, rn_scope_wrong(in), "it is cancelled, and nothing that could be the reason says so");
        BREAKS(out->children.next, NULL, rn_scope_wrong(out), "a list ends in nothing");
        BREAKS(out->hooks.next, NULL, rn_scope_wrong(out), "a list ends in nothing");
        BREAKS(in->parent, &other, rn_scope_wrong(out), "a child of it has another parent");
        BREAKS(out->inner, out, rn_scope_wrong(out), "what its task opened inside of it is none of its children");
        BREAKS(in->task, NULL, rn_scope_wrong(out), "what was opened inside of it is another task's");
        BREAKS(in->sibling.prev, &in->sibling, rn_scope_wrong(in), "it and its siblings do not point to each other");
        BREAKS(out->refs.v, 1, rn_tree_wrong(out), "its family has more members than hold its head");
        BREAKS(in->cancel_at.v, 5, rn_tree_wrong(out), "it is cancelled, and nothing that could be the reason says so");
        assert_true(rn_scope_is_open(in) && rn_scope_is_open(out));
        assert_int_equal(rein_scope_close(&inner, 0), 0);
        assert_int_equal(rein_scope_close(&outer, 0), 0);
        assert_false(rn_scope_is_open(in));
}
#endif

int main(void)
{
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_cancelled_scope_says_so_at_every_entry_until_it_is_left),
                cmocka_unit_test(test_a_scope_cancelled_twice_is_cancelled_once_and_the_first_reason_stays),
                cmocka_unit_test(test_a_cancel_inside_leaves_the_outside_untouched),
                cmocka_unit_test(test_an_outer_cancel_reaches_in_and_stays_a_cancel),
                cmocka_unit_test(test_only_the_scope_whose_deadline_passed_reports_a_timeout),
                cmocka_unit_test(test_when_both_deadlines_passed_the_outer_one_is_told_outside),
                cmocka_unit_test(test_a_deadline_changes_nothing_but_a_cancel),
                cmocka_unit_test(test_within_bounds_a_call_and_does_not_make_it_when_it_is_too_late),
                cmocka_unit_test(test_a_cancel_from_another_thread_wakes_a_sleeper_two_scopes_deep),
                cmocka_unit_test(test_why_names_the_job_that_cancelled),
                cmocka_unit_test(test_a_shield_holds_a_cancel_back_and_only_that),
                cmocka_unit_test(test_the_grace_counts_from_the_cancel_not_from_the_opening),
                cmocka_unit_test(test_a_shield_holds_deadlines_back_and_scopes_inside_it_too),
                cmocka_unit_test(test_a_negative_grace_is_none_and_a_huge_one_is_for_ever),
                cmocka_unit_test(test_what_blocks_in_a_shield_is_not_woken_by_the_cancel),
                cmocka_unit_test(test_a_stranger_closes_nothing),
                cmocka_unit_test(test_closing_out_of_order_or_twice_is_refused_and_changes_nothing),
                cmocka_unit_test(test_a_copied_handle_of_a_closed_scope_is_refused),
                cmocka_unit_test(test_a_job_that_ends_with_something_open_is_told_what_and_where),
                cmocka_unit_test(test_a_plain_thread_that_ends_with_things_open_leaves_no_trace),
                cmocka_unit_test(test_a_scope_without_memory_opens_cancelled_and_close_says_so),
                cmocka_unit_test(test_nothing_is_run_inside_a_scope_that_could_not_be_opened),
                cmocka_unit_test(test_the_graces_of_two_shields_add_up),
                cmocka_unit_test(test_every_scope_that_is_left_is_given_back),
                cmocka_unit_test(test_in_the_moment_of_its_deadline_a_scope_is_cancelled),
#if RN_CHECKING
                cmocka_unit_test(test_a_broken_scope_says_so),
#endif
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
