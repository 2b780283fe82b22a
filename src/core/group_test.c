/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: the four policies, width, background children, joining, and that nothing outlives or is left. */
#include "support.h"

#include "core/scope.h"

#include <rein/sim.h>
#include "core/group.h"
#include "rein/sim.h"

static rein_executor *pool;

static int make_pool(void **state)
{
        (void)state;
        pool = rein_pool_new(REIN_POOL(.name = "crew", .threads = 4));
        return pool ? 0 : -1;
}

static int free_pool(void **state)
{
        (void)state;
        rein_executor_free(pool);
        return 0;
}

static int fail_with(void *arg)
{
        return rein_fail((int)(intptr_t)arg, "child %d", (int)(intptr_t)arg);
}

static size_t count_errors(const rein_error *e)
{
        size_t n = 0;
        for (; e; e = rein_error_next(e))
                n++;
        return n;
}

/* ---- REIN_ALL ---- */

static void test_all_waits_for_every_child(void **state)
{
        (void)state;
        rein_group g;
        atomic_int runs = 0;
        rein_group_open(&g, NULL);
        for (int i = 0; i < 100; i++)
                rein_spawn(&g, pool, job_count, &runs, NULL);
        assert_int_equal(rein_group_close(&g, 5), 5);
        assert_int_equal(runs, 100);
        rein_group_open(&g, NULL); /* of none */
        assert_int_equal(rein_group_close(&g, 0), 0);
}

static void test_a_failing_child_stops_its_siblings_and_interrupts_the_body(void **state)
{
        (void)state;
        rein_group g;
        seat s = {NULL};
        rein_group_open(&g, NULL);
        rein_future *sibling = rein_spawn_future(&g, pool, job_sleep, &s, NULL);
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        rein_ref(sibling);
        rein_spawn(&g, pool, fail_with, (void *)(intptr_t)-EIO, REIN_JOB(.name = "culprit"));
        assert_int_equal(rein_sleep(REIN_NEVER), REIN_ECANCELED); /* the body */
        assert_non_null(strstr(rein_why(), "culprit"));
        assert_int_equal(rein_group_close(&g, REIN_ECANCELED), REIN_EFAILED);
        const rein_error *e = rein_error_cause(rein_trail());
        assert_int_equal(count_errors(e), 1); /* a cancelled sibling is no failure */
        assert_int_equal(rein_error_code(e), -EIO);
        assert_int_equal(rein_code(sibling), REIN_ECANCELED);
        assert_true(rein_gone(sibling));
        rein_drop(sibling);
        assert_int_equal(rein_checkpoint(), 0); /* only the inside was cancelled */
}

typedef struct pack {
        pthread_barrier_t barrier;
} pack;

static int fail_together(void *arg)
{
        pthread_barrier_wait(&((pack *)arg)->barrier);
        return rein_fail(REIN_EUSER - 1, "all at once");
}

static void test_failures_of_one_moment_are_all_told(void **state)
{
        (void)state;
        for (int round = 0; round < 20; round++) {
                rein_group g;
                pack p;
                pthread_barrier_init(&p.barrier, NULL, 4);
                rein_group_open(&g, NULL);
                for (int i = 0; i < 4; i++)
                        rein_spawn(&g, pool, fail_together, &p, REIN_JOB(.on_worker = true));
                assert_int_equal(rein_group_close(&g, 0), REIN_EFAILED);
                assert_int_equal(count_errors(rein_error_cause(rein_trail())), 4);
                assert_true(rein_error_is(rein_trail(), REIN_EUSER - 1));
                pthread_barrier_destroy(&p.barrier);
        }
}

static int fail_in_shield(void *arg)
{
        (void)rein_sleep(REIN_NEVER);
        return fail_with(arg);
}

static void test_of_many_failures_the_first_16_are_told_whole_and_the_rest_counted(void **state)
{
        (void)state;
        rein_executor *wide = rein_pool_new(REIN_POOL(.threads = 20));
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 0; i < 20; i++)
                rein_spawn(&g, wide, fail_in_shield, (void *)(intptr_t)(-100 - i), NULL);
        EVENTUALLY(rein_executor_queued(wide) == 0);
        rein_group_cancel(&g, NULL);
        int rc = rein_group_close(&g, 0);
        if (rc == REIN_EFAILED) { /* all that had begun failed */
                size_t told = count_errors(rein_error_cause(rein_trail()));
                assert_true(told >= 1 && told <= 16);
        }
        rein_executor_free(wide);
        rein_group_open(&g, REIN_GROUP(.policy = REIN_FIRST)); /* here nothing stops the rest */
        for (int i = 0; i < 20; i++)
                rein_spawn(&g, pool, fail_with, (void *)(intptr_t)(-100 - i), NULL);
        assert_int_equal(rein_group_close(&g, 0), REIN_EFAILED);
        assert_int_equal(count_errors(rein_error_cause(rein_trail())), 16);
        assert_non_null(strstr(rein_error_text(rein_trail()), "20 of"));
}

static void test_a_failure_of_the_bodys_own_stops_the_children_and_is_returned(void **state)
{
        (void)state;
        rein_group g;
        seat s = {NULL};
        rein_group_open(&g, NULL);
        rein_future *f = rein_ref(rein_spawn_future(&g, pool, job_sleep, &s, NULL));
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        assert_int_equal(rein_group_close(&g, rein_fail(-ENOENT, "my own")), -ENOENT);
        assert_int_equal(rein_error_code(rein_trail()), -ENOENT);
        assert_non_null(strstr(rein_error_text(rein_trail()), "my own"));
        assert_int_equal(rein_code(f), REIN_ECANCELED);
        rein_drop(f);
}

static void test_a_failure_of_the_bodys_own_stands_beside_the_childrens(void **state)
{
        (void)state;
        rein_group g;
        rein_group_open(&g, NULL);
        rein_future *f = rein_spawn_future(&g, pool, fail_with, (void *)(intptr_t)-EIO, NULL);
        EVENTUALLY(rein_gone(f));
        assert_int_equal(rein_group_close(&g, rein_fail(-ENOENT, "my own")), -ENOENT);
        assert_int_equal(rein_error_code(rein_trail()), -ENOENT);
        assert_non_null(strstr(rein_error_text(rein_trail()), "my own"));
        assert_true(rein_error_is(rein_trail(), -EIO));
}

/* ---- cancel and deadline ---- */

static void test_an_outside_cancel_reaches_the_children_and_is_still_delivered(void **state)
{
        (void)state;
        rein_scope s;
        rein_group g;
        seat child = {NULL};
        rein_scope_open(&s, REIN_NEVER);
        rein_group_open(&g, NULL);
        rein_spawn(&g, pool, job_sleep, &child, NULL);
        EVENTUALLY(sits_in(&child, "rein_sleep"));
        rein_scope_cancel(&s, "from outside");
        assert_int_equal(rein_group_close(&g, 0), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&s, REIN_ECANCELED), REIN_ESTOPPED);
}

static void test_a_close_says_that_one_has_stopped_the_group_oneself(void **state)
{
        (void)state;
        rein_group g;
        seat s = {NULL};
        rein_group_open(&g, NULL);
        rein_spawn(&g, pool, job_sleep, &s, NULL);
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        rein_group_cancel(&g, "enough");
        assert_int_equal(rein_checkpoint(), REIN_ECANCELED);
        assert_int_equal(rein_group_close(&g, REIN_ECANCELED), REIN_ESTOPPED);
        rein_group_open(&g, NULL);
        rein_group_cancel(&g, NULL);
        assert_int_equal(rein_group_close(&g, 3), 3); /* nothing was cut short */
        rein_group_open(&g, NULL);
        rein_group_cancel(&g, NULL);
        assert_int_equal(rein_group_close(&g, REIN_ECANCELED), REIN_ESTOPPED); /* but for the opener itself */
        rein_group_cancel(&g, "closed by now");
        assert_int_equal(rein_checkpoint(), 0);
}

static int sleep_and_end_well(void *arg)
{
        return job_sleep(arg) == REIN_ECANCELED ? 0 : -EPROTO;
}

/* As a program does that is stopped by ^C: its children leave, and say that all is well. */
static void test_a_group_is_stopped_also_when_its_children_swallow_the_cancel(void **state)
{
        (void)state;
        for (rein_policy policy = REIN_ALL; policy <= REIN_EACH; policy++) {
                rein_group g;
                seat s = {NULL};
                rein_group_open(&g, REIN_GROUP(.policy = policy));
                rein_spawn(&g, pool, sleep_and_end_well, &s, NULL);
                EVENTUALLY(sits_in(&s, "rein_sleep"));
                rein_group_cancel(&g, "enough");
                const bool has_its_one = policy == REIN_FIRST || policy == REIN_ANY;
                assert_int_equal(rein_group_close(&g, 0), has_its_one ? 0 : REIN_ESTOPPED);
        }
}

static void test_what_others_cancel_is_not_told_as_ones_own_stop(void **state)
{
        (void)state;
        rein_group g;
        rein_scope s;
        seat seats[2] = {{NULL}, {NULL}};
        rein_group_open(&g, REIN_GROUP(.policy = REIN_FIRST)); /* the policy, and after it one's own cancel */
        rein_spawn(&g, pool, job_sleep, &seats[0], NULL);
        EVENTUALLY(sits_in(&seats[0], "rein_sleep"));
        rein_spawn(&g, pool, job_seven, NULL, NULL);
        assert_int_equal(rein_group_join(&g, REIN_NEVER), 0);
        rein_group_cancel(&g, "it is over anyway");
        assert_int_equal(rein_group_close(&g, REIN_ECANCELED), 0);
        rein_group_open(&g, NULL); /* a failure */
        rein_spawn(&g, pool, job_fail, NULL, NULL);
        assert_int_equal(rein_group_join(&g, REIN_NEVER), 0);
        rein_group_cancel(&g, "it is over anyway");
        assert_int_equal(rein_group_close(&g, 0), REIN_EFAILED);
        rein_scope_open(&s, REIN_NEVER); /* a scope outside */
        rein_group_open(&g, NULL);
        rein_spawn(&g, pool, job_sleep, &seats[1], NULL);
        EVENTUALLY(sits_in(&seats[1], "rein_sleep"));
        rein_scope_cancel(&s, "all of it");
        rein_group_cancel(&g, "and this too");
        assert_int_equal(rein_group_close(&g, 0), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&s, REIN_ECANCELED), REIN_ESTOPPED);
        rein_group_open(&g, REIN_GROUP(.until = REIN_NOWAIT)); /* its own deadline, which came before */
        rein_spawn(&g, pool, job_sleep, NULL, NULL);
        rein_group_cancel(&g, "too late");
        assert_int_equal(rein_group_close(&g, 0), REIN_ETIMEOUT);
}

static void test_background_children_are_not_what_a_stop_cuts_short(void **state)
{
        (void)state;
        rein_group g;
        seat s = {NULL};
        rein_group_open(&g, NULL);
        rein_spawn(&g, pool, job_sleep, &s, REIN_JOB(.background = true));
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        rein_group_cancel(&g, "it would be cancelled now anyway");
        assert_int_equal(rein_group_close(&g, 0), 0);
}

static void test_a_groups_deadline_is_told_as_a_timeout(void **state)
{
        (void)state;
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.until = rein_after(REIN_MS(1))));
        rein_spawn(&g, pool, job_sleep, NULL, NULL);
        assert_int_equal(rein_group_close(&g, 0), REIN_ETIMEOUT);
        rein_group_open(&g, REIN_GROUP(.until = rein_after(REIN_SEC(3600))));
        rein_spawn(&g, pool, job_seven, NULL, NULL);
        assert_int_equal(rein_group_close(&g, 0), 0);
        rein_group_open(&g, REIN_GROUP(.until = REIN_NOWAIT));
        atomic_int runs = 0;
        rein_spawn(&g, pool, job_count, &runs, NULL);
        assert_int_equal(rein_group_close(&g, 0), REIN_ETIMEOUT);
        assert_int_equal(runs, 0);
}

static void test_close_waits_for_a_child_that_ignores_its_cancel(void **state)
{
        (void)state;
        rein_group g;
        stubborn st;
        stubborn_init(&st);
        rein_group_open(&g, NULL);
        rein_spawn(&g, pool, stubborn_job, &st, NULL);
        EVENTUALLY(st.inside == 1);
        rein_group_cancel(&g, NULL);
        assert_int_equal(rein_group_join(&g, rein_after(REIN_MS(5))), REIN_ETIMEOUT);
        assert_int_equal(st.left, 0);
        stubborn_let_go(&st, 1);
        assert_int_equal(rein_group_close(&g, 0), REIN_ESTOPPED);
        assert_int_equal(st.left, 1); /* never detached */
}

static int stay_by_pointer(void *arg)
{
        return stubborn_stay(*(stubborn **)arg);
}

static void test_close_does_not_wait_for_a_child_that_may_be_abandoned(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1)));
        rein_group g;
        stubborn st, *p = &st;
        stubborn_init(&st);
        rein_group_open(&g, NULL);
        rein_spawn(&g, x, stay_by_pointer, REIN_COPY(p, .unheeded = REIN_ABANDON_IT));
        EVENTUALLY(st.inside == 1);
        rein_group_cancel(&g, NULL);
        assert_int_equal(rein_group_close(&g, 0), REIN_EFAILED);
        assert_int_equal(rein_error_code(rein_error_cause(rein_trail())), REIN_EABANDONED);
        assert_int_equal(st.left, 0);
        assert_int_equal(live(&rn_world_now()->groups), 0);
        stubborn_let_go(&st, 1); /* it comes back when its group is long gone */
        EVENTUALLY(u.count == 1);
        rein_executor_free(x);
        rein_on_unseen(NULL, NULL);
        EVENTUALLY(live(&rn_world_now()->scopes) == 0);
}

static void test_spawning_into_a_cancelled_or_closed_group_never_runs_and_leaks_nothing(void **state)
{
        (void)state;
        rein_group g;
        atomic_int runs = 0, released = 0;
        rein_group_open(&g, NULL);
        rein_group_cancel(&g, "too late");
        rein_future *f = rein_spawn_future(&g, pool, job_count, &runs, NULL);
        assert_int_equal(rein_code(f), REIN_ECANCELED);
        rein_spawn(&g, pool, job_count, &released, REIN_JOB(.release = release_count));
        assert_int_equal(rein_group_close(&g, 0), REIN_ESTOPPED);
        f = rein_spawn_future(&g, pool, job_count, &runs, NULL);
        assert_int_equal(rein_code(f), -EPERM);
        rein_drop(f);
        rein_spawn(&g, pool, job_count, &released, REIN_JOB(.release = release_count));
        assert_int_equal(runs, 0);
        assert_int_equal(released, 2);
}

/* ---- the other policies ---- */

static void test_first_one_success_stops_the_rest(void **state)
{
        (void)state;
        rein_group g;
        seat s = {NULL};
        rein_group_open(&g, REIN_GROUP(.policy = REIN_FIRST));
        rein_future *loser = rein_ref(rein_spawn_future(&g, pool, job_sleep, &s, NULL));
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        rein_future *bad = rein_spawn_future(&g, pool, fail_with, (void *)(intptr_t)-EIO, NULL);
        EVENTUALLY(rein_gone(bad));
        assert_int_equal(rein_checkpoint(), 0); /* a failure alone stops nothing */
        rein_future *winner = rein_ref(rein_spawn_future(&g, pool, job_seven, NULL, NULL));
        assert_int_equal(rein_group_close(&g, 0), 0);
        assert_int_equal(rein_code(loser), REIN_ECANCELED);
        assert_int_equal(rein_code(winner), 7);
        rein_drop(loser);
        rein_drop(winner);
}

static void test_first_without_a_success_fails_with_all_of_them(void **state)
{
        (void)state;
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_FIRST));
        for (int i = 1; i <= 3; i++)
                rein_spawn(&g, pool, fail_with, (void *)(intptr_t)-i, NULL);
        assert_int_equal(rein_group_close(&g, 0), REIN_EFAILED);
        const rein_error *e = rein_error_cause(rein_trail());
        assert_int_equal(count_errors(e), 3);
        for (int i = 1; i <= 3; i++)
                assert_true(rein_error_is(rein_trail(), -i));
}

static void test_any_the_first_end_good_or_bad_is_the_groups(void **state)
{
        (void)state;
        for (int good = 0; good < 2; good++) {
                rein_group g;
                seat s = {NULL};
                rein_group_open(&g, REIN_GROUP(.policy = REIN_ANY));
                rein_future *rest = rein_ref(rein_spawn_future(&g, pool, job_sleep, &s, NULL));
                EVENTUALLY(sits_in(&s, "rein_sleep"));
                rein_spawn(&g, pool, good ? job_seven : fail_with, good ? NULL : (void *)(intptr_t)-EIO, NULL);
                assert_int_equal(rein_group_close(&g, 0), good ? 0 : REIN_EFAILED);
                if (!good)
                        assert_true(rein_error_is(rein_trail(), -EIO));
                assert_int_equal(rein_code(rest), REIN_ECANCELED);
                rein_drop(rest);
        }
}

static void test_each_stands_alone_and_every_slot_has_value_or_error_in_order(void **state)
{
        (void)state;
        rein_group g;
        rein_future *f[10];
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        for (int i = 0; i < 10; i++)
                f[i] = rein_spawn_future(&g, pool, i % 2 ? fail_with : job_seven, i % 2 ? (void *)(intptr_t)(-i) : NULL,
                                         NULL);
        assert_int_equal(rein_group_join(&g, REIN_NEVER), 0);
        for (int i = 0; i < 10; i++)
                assert_int_equal(rein_code(f[i]), i % 2 ? -i : 7);
        assert_int_equal(rein_group_close(&g, 0), 0);
        assert_int_equal(u.count, 0); /* each was looked at */
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        for (int i = 0; i < 3; i++)
                rein_spawn(&g, pool, job_fail, NULL, NULL);
        assert_int_equal(rein_group_close(&g, 0), 0);
        EVENTUALLY(u.count == 3); /* nobody could look at these */
        rein_on_unseen(NULL, NULL);
}

static void test_cancelling_the_gather_cancels_every_child(void **state)
{
        (void)state;
        rein_group g;
        rein_future *f[4];
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        for (int i = 0; i < 4; i++)
                f[i] = rein_ref(rein_spawn_future(&g, pool, job_sleep, NULL, NULL));
        rein_group_cancel(&g, NULL);
        assert_int_equal(rein_group_close(&g, 0), REIN_ESTOPPED);
        for (int i = 0; i < 4; i++) {
                assert_int_equal(rein_code(f[i]), REIN_ECANCELED);
                rein_drop(f[i]);
        }
}

static void test_p9_a_groups_failures_are_not_reported_as_unseen(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_group g;
        for (int policy = REIN_ALL; policy <= REIN_ANY; policy++) {
                rein_group_open(&g, REIN_GROUP(.policy = (rein_policy)policy));
                rein_spawn(&g, pool, job_fail, NULL, NULL);
                assert_int_equal(rein_group_close(&g, 0), REIN_EFAILED);
        }
        EVENTUALLY(rein_executor_unfinished(pool) == 0);
        assert_int_equal(u.count, 0);
        rein_on_unseen(NULL, NULL);
}

/* ---- width ---- */

typedef struct crowd {
        atomic_int inside, most, ran;
        rein_group *group;
} crowd;

static int be_counted(void *arg)
{
        crowd *c = arg;
        int n = atomic_fetch_add(&c->inside, 1) + 1, most = atomic_load(&c->most);
        while (n > most && !atomic_compare_exchange_weak(&c->most, &most, n))
                ;
        for (int i = 0; i < 20; i++)
                rn_pause(13);
        atomic_fetch_sub(&c->inside, 1);
        atomic_fetch_add(&c->ran, 1);
        return 0;
}

static void test_width_holds_the_spawner_back(void **state)
{
        (void)state;
        rein_group g;
        crowd c = {.group = &g};
        rein_group_open(&g, REIN_GROUP(.width = 2));
        for (int i = 0; i < 200; i++)
                rein_spawn(&g, pool, be_counted, &c, NULL);
        assert_int_equal(rein_group_close(&g, 0), 0);
        assert_int_equal(c.ran, 200);
        assert_true(c.most <= 2);
}

static int spawn_ten(void *arg)
{
        crowd *c = arg;
        for (int i = 0; i < 10; i++)
                rein_spawn(c->group, NULL, job_count, &c->ran, NULL);
        return 0;
}

static void test_width_never_makes_a_child_of_the_group_wait(void **state)
{
        (void)state;
        rein_group g;
        crowd c = {.group = &g};
        rein_group_open(&g, REIN_GROUP(.width = 1));
        rein_spawn(&g, pool, spawn_ten, &c, NULL);
        assert_int_equal(rein_group_close(&g, 0), 0);
        assert_int_equal(c.ran, 10);
}

typedef struct spawner {
        rein_group *group;
        seat seat;
        atomic_int runs;
} spawner;

static const char wants_a_place[] = "rein_spawn, for a place in the group of";

static int spawn_from_outside(void *arg)
{
        spawner *s = arg;
        sit(&s->seat);
        rein_spawn(s->group, pool, job_count, &s->runs, NULL);
        return rein_checkpoint();
}

static void test_width_who_waits_for_a_place_leaves_when_the_group_is_cancelled(void **state)
{
        (void)state;
        rein_group g;
        spawner s = {.group = &g};
        stubborn st;
        stubborn_init(&st);
        rein_group_open(&g, REIN_GROUP(.width = 1));
        rein_spawn(&g, pool, stubborn_job, &st, NULL);
        rein_future *f = rein_submit(pool, spawn_from_outside, &s, NULL);
        EVENTUALLY(sits_in(&s.seat, wants_a_place));
        rein_group_cancel(&g, NULL);
        EVENTUALLY(rein_gone(f));
        assert_int_equal(rein_code(f), 0);
        stubborn_let_go(&st, 1);
        assert_int_equal(rein_group_close(&g, 0), REIN_ESTOPPED);
        assert_int_equal(s.runs, 0);
        rein_drop(f);
}

static void test_width_is_not_exceeded_by_a_spawner_that_is_cancelled_while_it_waits(void **state)
{
        (void)state;
        rein_group g;
        spawner s = {.group = &g};
        stubborn st;
        stubborn_init(&st);
        rein_group_open(&g, REIN_GROUP(.width = 1));
        rein_spawn(&g, pool, stubborn_job, &st, NULL);
        rein_future *f = rein_submit(pool, spawn_from_outside, &s, NULL);
        EVENTUALLY(sits_in(&s.seat, wants_a_place));
        rein_cancel(f, NULL); /* its root scope: the group is not concerned */
        (void)rein_await(f, NULL, rein_after(REIN_SEC(60)));
        rein_drop(f);
        f = rein_submit(pool, job_seven, NULL, NULL); /* the pool is free to run it, if it was spawned */
        (void)rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        stubborn_let_go(&st, 1);
        assert_int_equal(rein_group_close(&g, 0), 0);
        assert_int_equal(s.runs, 0); /* "cancelled while you waited" */
}

static int spawn_background_from_outside(void *arg)
{
        spawner *s = arg;
        rein_spawn(s->group, pool, job_sleep, &s->seat, REIN_JOB(.background = true));
        return 0;
}

/* Whoever waits for a place that does not come free is cancelled, so that the test fails and ends. */
static void test_width_children_in_the_background_take_no_place(void **state)
{
        (void)state;
        rein_group g;
        seat s[2] = {{NULL}, {NULL}};
        spawner outside = {.group = &g};
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH, .width = 1));
        for (int i = 0; i < 2; i++)
                rein_spawn(&g, pool, job_sleep, &s[i], REIN_JOB(.background = true));
        for (int i = 0; i < 2; i++)
                EVENTUALLY(sits_in(&s[i], "rein_sleep"));
        rein_future *f = rein_submit(pool, spawn_from_outside, &outside, NULL);
        EVENTUALLY(rein_gone(f) || sits_in(&outside.seat, wants_a_place));
        rein_cancel(f, "it waits");
        assert_int_equal(rein_group_close(&g, 0), 0);
        assert_int_equal(rein_code(f), 0);
        assert_int_equal(outside.runs, 1);
        rein_drop(f);
}

static void test_width_a_child_in_the_background_waits_for_no_place(void **state)
{
        (void)state;
        rein_group g;
        stubborn st;
        spawner outside = {.group = &g};
        stubborn_init(&st);
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH, .width = 1));
        rein_spawn(&g, pool, stubborn_job, &st, NULL); /* has the place, and keeps it */
        EVENTUALLY(st.inside == 1);
        rein_future *f = rein_submit(pool, spawn_background_from_outside, &outside, NULL);
        (void)rein_await(f, NULL, rein_after(REIN_SEC(10)));
        rein_cancel(f, "it waits");
        stubborn_let_go(&st, 1);
        assert_int_equal(rein_group_close(&g, 0), 0);
        assert_int_equal(rein_code(f), 0);
        rein_drop(f);
}

/* The child that has the place waits for the job that waits for the place. */
typedef struct knot {
        gate go;
        rein_future *spawner;
} knot;

static int await_the_spawner(void *arg)
{
        knot *k = arg;
        int rc = gate_pass(&k->go);
        return rc < 0 ? rc : rein_await(k->spawner, NULL, REIN_NEVER);
}

static void test_width_a_child_in_the_background_does_not_hide_a_deadlock(void **state)
{
        (void)state;
        rein_group g;
        knot k = {.go = gate_new()};
        spawner s = {.group = &g}, background = {.group = &g};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 4));
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH, .width = 1));
        rein_future *child = rein_ref(rein_spawn_future(&g, x, await_the_spawner, &k, REIN_JOB(.on_worker = true)));
        rein_future *f = rein_submit(pool, spawn_background_from_outside, &background, NULL);
        (void)rein_await(f, NULL, rein_after(REIN_SEC(10)));
        rein_cancel(f, "it waits");
        rein_drop(f);
        k.spawner = rein_submit(x, spawn_from_outside, &s, REIN_JOB(.on_worker = true));
        EVENTUALLY(sits_in(&s.seat, wants_a_place));
        gate_open(&k.go);
        EVENTUALLY(rein_gone(child) && rein_gone(k.spawner));
        assert_true(rein_code(child) == REIN_EDEADLOCK || rein_code(k.spawner) == REIN_EDEADLOCK ||
                    s.runs == 0); /* one of the two was told */
        assert_int_equal(rein_group_close(&g, 0), 0);
        rein_drop(child);
        rein_drop(k.spawner);
        rein_executor_free(x);
        gate_free(&k.go);
}

/* ---- where NULL is ---- */

typedef struct nowhere {
        int on, spawned;
        char on_text[200], spawned_text[200];
} nowhere;

static int spawn_and_on_null(void *arg)
{
        rein_group g;
        nowhere *n = arg;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        rein_future *f = rein_spawn_future(&g, NULL, job_seven, NULL, NULL);
        n->on = rein_on(NULL, job_seven, NULL, NULL);
        snprintf(n->on_text, sizeof n->on_text, "%s", n->on < 0 ? rein_error_text(rein_trail()) : "");
        if (rein_group_join(&g, REIN_NEVER) == 0)
                n->spawned = rein_code(f);
        snprintf(n->spawned_text, sizeof n->spawned_text, "%s", rein_error_text(rein_error_of(f)));
        return rein_group_close(&g, 0);
}

static void test_null_is_the_executor_of_the_calling_job_and_none_in_a_plain_thread(void **state)
{
        (void)state;
        static const char why[] =
                "no executor: NULL is the one that the calling job runs on, and a plain thread runs on "
                "none; name a pool or loop";
        nowhere n = {0};
        rein_future *f = rein_submit(pool, spawn_and_on_null, &n, NULL);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        rein_drop(f);
        assert_int_equal(n.on, 7);
        assert_int_equal(n.spawned, 7);
        assert_int_equal(spawn_and_on_null(&n), 0);
        assert_int_equal(n.on, -EINVAL);
        assert_int_equal(n.spawned, -EINVAL);
        assert_non_null(strstr(n.on_text, why));
        assert_non_null(strstr(n.spawned_text, why));
}

/* ---- background ---- */

static void test_background_children_do_not_keep_the_group_open(void **state)
{
        (void)state;
        rein_group g;
        seat s = {NULL};
        atomic_int runs = 0;
        rein_group_open(&g, NULL);
        rein_future *heartbeat = rein_ref(rein_spawn_future(&g, pool, job_sleep, &s, REIN_JOB(.background = true)));
        for (int i = 0; i < 10; i++)
                rein_spawn(&g, pool, job_count, &runs, NULL);
        assert_int_equal(rein_group_close(&g, 4), 4);
        assert_int_equal(runs, 10);
        assert_int_equal(rein_code(heartbeat), REIN_ECANCELED);
        rein_drop(heartbeat);
}

static void test_background_join_cancels_them_and_more_may_be_spawned_afterwards(void **state)
{
        (void)state;
        rein_group g;
        rein_group_open(&g, NULL);
        for (int round = 0; round < 3; round++) {
                rein_future *f = rein_spawn_future(&g, pool, job_sleep, NULL, REIN_JOB(.background = true));
                rein_spawn(&g, pool, job_seven, NULL, NULL);
                assert_int_equal(rein_group_join(&g, rein_after(REIN_SEC(60))), 0);
                assert_int_equal(rein_code(f), REIN_ECANCELED);
                assert_int_equal(rein_checkpoint(), 0); /* the group itself is not cancelled */
        }
        assert_int_equal(rein_group_close(&g, 0), 0);
}

typedef struct dynasty {
        rein_group *group;
        seat seat;
} dynasty;

static int spawn_my_successor(void *arg)
{
        dynasty *d = arg;
        sit(&d->seat);
        int rc = rein_sleep(REIN_NEVER);
        rein_spawn(d->group, NULL, job_sleep, NULL, REIN_JOB(.background = true));
        return rc;
}

static void test_background_children_that_come_late_are_cancelled_too(void **state)
{
        (void)state;
        rein_group g;
        dynasty d = {.group = &g};
        rein_group_open(&g, NULL);
        rein_spawn(&g, pool, spawn_my_successor, &d, REIN_JOB(.background = true));
        EVENTUALLY(sits_in(&d.seat, "rein_sleep"));
        int rc = rein_group_join(&g, rein_after(REIN_SEC(10)));
        rein_group_cancel(&g, NULL);
        assert_int_equal(rein_group_close(&g, 0), 0);
        assert_int_equal(rc, 0);
}

/* ---- memory ---- */

/* ---- a spawn on a thread for which there is no memory to make it a task ---- */

typedef struct poor_spawn {
        rein_group group;
        rein_executor *x;
        atomic_int ran, released;
} poor_spawn;

static void *spawn_without_memory(void *arg)
{
        poor_spawn *s = arg;
        support_poor = true;
        rein_spawn(&s->group, s->x, job_count, &s->ran, REIN_JOB(.name = "poor"));
        rein_spawn(&s->group, s->x, job_count, &s->released, REIN_JOB(.release = release_count));
        return rn_self_if() ? arg : NULL;
}

static void p9_a_spawn_that_fails_for_want_of_a_task_is_a_failed_child(void **state)
{
        (void)state;
        static const rein_policy policies[] = {REIN_ALL, REIN_EACH};
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        for (size_t i = 0; i < COUNT(policies); i++) {
                poor_spawn s = {.x = rein_pool_new(REIN_POOL(.threads = 1))};
                void *wrong;
                rein_group_open(&s.group, REIN_GROUP(.policy = policies[i], .width = 1));
                join_with(go(spawn_without_memory, &s), &wrong);
                assert_null(wrong);
                assert_int_equal(s.released, 1);
                assert_int_equal(rein_group_close(&s.group, 0), policies[i] == REIN_ALL ? REIN_EFAILED : 0);
                if (policies[i] == REIN_ALL)
                        assert_int_equal(rein_error_code(rein_error_cause(rein_trail())), -ENOMEM);
                assert_int_equal(s.ran, 0);
                assert_int_equal(u.count, policies[i] == REIN_EACH ? 2 : 0);
                rein_executor_free(s.x);
        }
        assert_int_equal(u.code, -ENOMEM);
        rein_on_unseen(NULL, NULL);
}

static void test_a_group_that_lives_long_holds_no_memory_of_ended_children(void **state)
{
        (void)state;
        rn_world *w = rn_world_now();
        rein_group g;
        EVENTUALLY(live(&w->scopes) == 0);
        rein_group_open(&g, REIN_GROUP(.width = 4));
        atomic_int released = 0;
        for (int i = 0; i < 5000; i++) {
                rein_spawn(&g, pool, job_seven, &released, REIN_JOB(.release = release_count));
                assert_true(live(&w->scopes) <= 1 + 4 + 4); /* the group's, the children's, those on their way out */
        }
        EVENTUALLY(released == 5000);
        EVENTUALLY(live(&w->scopes) == 1);
        assert_int_equal(rein_group_close(&g, 0), 0);
        EVENTUALLY(live(&w->scopes) == 0);
        assert_int_equal(live(&w->groups), 0);
}

static void test_kept_futures_are_readable_until_close_and_a_reference_keeps_them_longer(void **state)
{
        (void)state;
        rein_group g;
        rein_group_open(&g, NULL);
        rein_future *f = rein_spawn_future(&g, pool, job_seven, NULL, NULL), *kept;
        assert_int_equal(rein_group_join(&g, REIN_NEVER), 0);
        assert_int_equal(rein_code(f), 7);
        assert_true(rein_gone(f));
        kept = rein_ref(f);
        assert_int_equal(rein_group_close(&g, 0), 0);
        assert_int_equal(rein_code(kept), 7);
        rein_drop(kept);
}

/* ---- what makes no sense ---- */

static void test_a_group_that_makes_no_sense_opens_cancelled_and_close_says_so(void **state)
{
        (void)state;
        const rein_group_opts bad[] = {
                {.size = sizeof(rein_group_opts), .policy = (rein_policy)9},
                {.size = sizeof(rein_group_opts), .width = -1},
                {.policy = REIN_ALL}, /* no size */
        };
        for (size_t i = 0; i < COUNT(bad); i++) {
                rein_group g;
                atomic_int runs = 0;
                rein_group_open(&g, &bad[i]);
                assert_int_equal(rein_checkpoint(), REIN_ECANCELED);
                rein_spawn(&g, pool, job_count, &runs, NULL);
                assert_int_equal(rein_group_close(&g, 0), -EINVAL);
                assert_int_equal(rein_checkpoint(), 0);
                assert_int_equal(runs, 0);
        }
        rein_group g;
        rein_fail(0, "the task is there");
        support_fail_at = 1;
        rein_group_open(&g, NULL);
        support_fail_at = 0;
        assert_int_equal(rein_checkpoint(), REIN_ECANCELED);
        assert_int_equal(rein_group_close(&g, 0), -ENOMEM);
        assert_int_equal(rein_checkpoint(), 0);
}

static void test_what_cannot_start_is_a_failed_child(void **state)
{
        (void)state;
        rein_group g;
        atomic_int released = 0;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, job_seven, NULL, NULL); /* a plain thread runs on no executor */
        assert_int_equal(rein_group_close(&g, 0), REIN_EFAILED);
        assert_true(rein_error_is(rein_trail(), -EINVAL));
        rein_group_open(&g, NULL);
        rein_spawn(&g, pool, NULL, &released, REIN_JOB(.release = release_count));
        assert_int_equal(rein_group_close(&g, 0), REIN_EFAILED);
        assert_int_equal(released, 1);
        rein_executor *stopped = rein_pool_new(NULL);
        assert_int_equal(rein_executor_stop(stopped, REIN_STOP_NOW, REIN_NEVER, NULL), 0);
        rein_group_open(&g, NULL);
        rein_spawn(&g, stopped, job_seven, NULL, NULL);
        assert_int_equal(rein_group_close(&g, 0), REIN_EFAILED);
        assert_true(rein_error_is(rein_trail(), REIN_EREJECTED));
        rein_executor_free(stopped);
}

static int fail_when_cancelled(void *arg)
{
        int rc = job_sleep(arg);
        return rc == REIN_ECANCELED ? rein_fail(-EIO, "an error of its own") : rc;
}

static void test_any_a_failure_after_the_first_end_does_not_count(void **state)
{
        (void)state;
        rein_group g;
        seat s = {NULL};
        rein_group_open(&g, REIN_GROUP(.policy = REIN_ANY));
        rein_spawn(&g, pool, fail_when_cancelled, &s, NULL);
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        rein_spawn(&g, pool, job_seven, NULL, NULL);
        assert_int_equal(rein_group_close(&g, 0), 0);
}

static void test_failures_are_told_in_the_order_in_which_they_came(void **state)
{
        (void)state;
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_FIRST));
        for (int i = 1; i <= 3; i++) {
                rein_spawn(&g, pool, fail_with, (void *)(intptr_t)(-100 - i), NULL);
                assert_int_equal(rein_group_join(&g, REIN_NEVER), 0);
        }
        assert_int_equal(rein_group_close(&g, 0), REIN_EFAILED);
        const rein_error *e = rein_error_cause(rein_trail());
        for (int i = 1; i <= 3; i++, e = rein_error_next(e))
                assert_int_equal(rein_error_code(e), -100 - i);
        assert_null(e);
}

static int give_counted(void *arg)
{
        return rein_give(arg, release_count);
}

static void test_the_futures_it_keeps_go_when_it_is_closed(void **state)
{
        (void)state;
        rein_group g;
        atomic_int released = 0;
        rein_group_open(&g, NULL);
        for (int i = 0; i < 3; i++)
                assert_non_null(rein_spawn_future(&g, pool, give_counted, &released, NULL));
        assert_int_equal(rein_group_join(&g, REIN_NEVER), 0);
        assert_int_equal(released, 0);
        assert_int_equal(rein_group_close(&g, 0), 0);
        EVENTUALLY(rein_executor_unfinished(pool) == 0);
        EVENTUALLY(released == 3);
}

/* The child's scope counted it, and gave that back; its own is still there. */
static void test_the_groups_scope_outlives_the_scopes_of_its_children(void **state)
{
        (void)state;
        rn_world *w = rn_world_now();
        rein_group g;
        EVENTUALLY(live(&w->scopes) == 0);
        rein_group_open(&g, NULL);
        rn_scope *s = rn_self()->now->scope;
        for (int i = 0; i < 3; i++) {
                rein_spawn(&g, pool, job_seven, NULL, NULL);
                assert_int_equal(rein_group_join(&g, REIN_NEVER), 0);
                EVENTUALLY(rein_executor_unfinished(pool) == 0);
                assert_int_equal(live(&w->scopes), 1);
                assert_int_equal(rn_load32(&s->refs), 1);
        }
        assert_int_equal(rein_group_close(&g, 0), 0);
        assert_int_equal(live(&w->scopes), 0);
}

/* In virtual time. The child says that all is well, and it is not: the deadline of its group passed under it. */
static int is_late(void *arg)
{
        (void)arg;
        rein_sim_block(rein_after(REIN_MS(5)));
        return 0;
}

static int group_with_a_late_child(void *arg)
{
        rein_group g;
        (void)arg;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_group_open(&g, REIN_GROUP(.until = rein_after(REIN_MS(1))));
        rein_spawn(&g, x, is_late, NULL, REIN_JOB(.on_worker = true));
        int rc = rein_group_close(&g, 0);
        rein_executor_free(x);
        return rc == REIN_ETIMEOUT ? 0 : -EPROTO;
}

static void test_a_groups_deadline_is_told_though_its_children_took_no_notice(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_run(REIN_SIM(.generator = REIN_SIM_RANDOM), group_with_a_late_child, NULL), 0);
}

#if RN_CHECKING
static void test_a_broken_group_says_so(void **state)
{
        (void)state;
        rein_group group;
        rein_group_open(&group, NULL);
        rn_scope *s = rn_self()->now->scope, other = *s;
        rn_group *g = s->group;
        rein_error e = {.code = -1};
        rein_ticket *t = rein_group_lend(&group);
        BREAKS(g->scope, &other, rn_scope_wrong(s), "its group has another scope");
        BREAKS(g->foreground, 1, rn_scope_wrong(s), "more of its children are in the foreground than there are");
        BREAKS(g->in_slab.generation.v, g->in_slab.generation.v + 1, rn_group_wrong(g), "it was given back");
        BREAKS(g->width, -1, rn_group_wrong(g), "it has no owner, or its width is negative");
        BREAKS(g->owner, NULL, rn_group_wrong(g), "it has no owner, or its width is negative");
        BREAKS(g->failures[0], &e, rn_group_wrong(g), "it keeps a failure that it has not counted");
        BREAKS(g->failed, 1, rn_group_wrong(g), "more of its children failed or were cancelled than have ended");
        BREAKS(g->canceled, 1, rn_group_wrong(g), "more of its children failed or were cancelled than have ended");
        g->failed = g->ended = 1;
        BREAKS(g->policy, REIN_EACH, rn_group_wrong(g), "it keeps more failures than its policy knows");
        g->failed = g->ended = 2;
        BREAKS(g->policy, REIN_ANY, rn_group_wrong(g), "it keeps more failures than its policy knows");
        g->failed = g->ended = 0;
        BREAKS(g->spawners.next, NULL, rn_group_wrong(g), "a list ends in nothing");
        BREAKS(g->futures.prev, NULL, rn_group_wrong(g), "two neighbours in a list do not point to each other");
        g->unfinished = 1;
        BREAKS(g->closing.v, 1, rn_group_wrong(g), "it was closed while somebody was inside");
        g->unfinished = 0;
        rein_adopted adopted;
        assert_int_equal(rein_adopt(t, &adopted), 0);
        BREAKS(g->adopted, 0, rn_group_wrong(g), "more threads have adopted it than it counts");
        assert_int_equal(rein_return(&adopted, 0), 0);
        rein_ticket_drop(t);
        assert_int_equal(rein_group_close(&group, 0), 0);
}

/* The spawner writes which group a job is of: only a program that is alone is asked. */
static int break_the_children(void *arg)
{
        (void)arg;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_group group;
        gate first = gate_new();
        rein_group_open(&group, NULL);
        rein_spawn(&group, x, job_pass, &first, NULL);
        rein_spawn(&group, x, job_seven, NULL, REIN_JOB(.background = true));
        rn_group *g = rn_self()->now->scope->group;
        bool well = BROKEN(g->unfinished, 1, rn_group_wrong(g), "more children are in its tree than it counts");
        well = BROKEN(g->foreground, 0, rn_group_wrong(g), "more children are in its tree than it counts") && well;
        gate_open(&first);
        int rc = rein_group_close(&group, 0);
        gate_free(&first);
        rein_executor_free(x);
        return rc < 0 ? rc : well ? 0 : -EIO;
}

static void test_a_group_with_fewer_children_than_there_are_says_so(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_run(REIN_SIM(.quiet = true), break_the_children, NULL), 0);
}
#endif

int main(void)
{
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_waits_for_every_child),
                cmocka_unit_test(test_a_failing_child_stops_its_siblings_and_interrupts_the_body),
                cmocka_unit_test(test_failures_of_one_moment_are_all_told),
                cmocka_unit_test(test_of_many_failures_the_first_16_are_told_whole_and_the_rest_counted),
                cmocka_unit_test(test_a_failure_of_the_bodys_own_stops_the_children_and_is_returned),
                cmocka_unit_test(test_a_failure_of_the_bodys_own_stands_beside_the_childrens),
                cmocka_unit_test(test_an_outside_cancel_reaches_the_children_and_is_still_delivered),
                cmocka_unit_test(test_a_close_says_that_one_has_stopped_the_group_oneself),
                cmocka_unit_test(test_a_group_is_stopped_also_when_its_children_swallow_the_cancel),
                cmocka_unit_test(test_what_others_cancel_is_not_told_as_ones_own_stop),
                cmocka_unit_test(test_background_children_are_not_what_a_stop_cuts_short),
                cmocka_unit_test(test_a_groups_deadline_is_told_as_a_timeout),
                cmocka_unit_test(test_close_waits_for_a_child_that_ignores_its_cancel),
                cmocka_unit_test(test_close_does_not_wait_for_a_child_that_may_be_abandoned),
                cmocka_unit_test(test_spawning_into_a_cancelled_or_closed_group_never_runs_and_leaks_nothing),
                cmocka_unit_test(test_first_one_success_stops_the_rest),
                cmocka_unit_test(test_first_without_a_success_fails_with_all_of_them),
                cmocka_unit_test(test_any_the_first_end_good_or_bad_is_the_groups),
                cmocka_unit_test(test_each_stands_alone_and_every_slot_has_value_or_error_in_order),
                cmocka_unit_test(test_cancelling_the_gather_cancels_every_child),
                cmocka_unit_test(test_p9_a_groups_failures_are_not_reported_as_unseen),
                cmocka_unit_test(test_width_holds_the_spawner_back),
                cmocka_unit_test(test_width_never_makes_a_child_of_the_group_wait),
                cmocka_unit_test(test_width_who_waits_for_a_place_leaves_when_the_group_is_cancelled),
                cmocka_unit_test(test_width_is_not_exceeded_by_a_spawner_that_is_cancelled_while_it_waits),
                cmocka_unit_test(test_width_children_in_the_background_take_no_place),
                cmocka_unit_test(test_width_a_child_in_the_background_waits_for_no_place),
                cmocka_unit_test(test_width_a_child_in_the_background_does_not_hide_a_deadlock),
                cmocka_unit_test(test_null_is_the_executor_of_the_calling_job_and_none_in_a_plain_thread),
                cmocka_unit_test(test_background_children_do_not_keep_the_group_open),
                cmocka_unit_test(test_background_join_cancels_them_and_more_may_be_spawned_afterwards),
                cmocka_unit_test(test_background_children_that_come_late_are_cancelled_too),
                cmocka_unit_test(p9_a_spawn_that_fails_for_want_of_a_task_is_a_failed_child),
                cmocka_unit_test(test_a_group_that_lives_long_holds_no_memory_of_ended_children),
                cmocka_unit_test(test_kept_futures_are_readable_until_close_and_a_reference_keeps_them_longer),
                cmocka_unit_test(test_a_group_that_makes_no_sense_opens_cancelled_and_close_says_so),
                cmocka_unit_test(test_what_cannot_start_is_a_failed_child),
                cmocka_unit_test(test_any_a_failure_after_the_first_end_does_not_count),
                cmocka_unit_test(test_failures_are_told_in_the_order_in_which_they_came),
                cmocka_unit_test(test_the_futures_it_keeps_go_when_it_is_closed),
                cmocka_unit_test(test_the_groups_scope_outlives_the_scopes_of_its_children),
                cmocka_unit_test(test_a_groups_deadline_is_told_though_its_children_took_no_notice),
#if RN_CHECKING
                cmocka_unit_test(test_a_broken_group_says_so),
                cmocka_unit_test(test_a_group_with_fewer_children_than_there_are_says_so),
#endif
        };
        return cmocka_run_group_tests(tests, make_pool, free_pool);
}
