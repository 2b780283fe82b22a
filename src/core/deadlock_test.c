/* SPDX-License-Identifier: Apache-2.0 */
/* Waits that can never end: circles of one, two and three tasks, through a group, and the pool that has no
 * place to lend. Each test bounds its waits by a cancel, so that a circle nobody finds fails the test and not the run. */
#include "support.h"

#include "core/deadlock.h"

typedef struct ring {
        rein_executor *x;
        rein_future *await[4]; /* what member i awaits */
        gate begin;
        atomic_int deadlocks, canceled, others;
        int members;
        char text[4][300];
} ring;

typedef struct member {
        ring *ring;
        int number;
} member;

static int await_the_next(void *arg)
{
        member *m = arg;
        ring *r = m->ring;
        int rc = gate_pass(&r->begin);
        if (rc == 0)
                rc = rein_await(r->await[m->number], NULL, REIN_NEVER);
        if (rc == REIN_EDEADLOCK) {
                snprintf(r->text[m->number], sizeof r->text[0], "%s", rein_error_text(rein_trail()));
                atomic_fetch_add(&r->deadlocks, 1);
        } else {
                atomic_fetch_add(rc == REIN_ECANCELED ? &r->canceled : &r->others, 1);
        }
        return rc;
}

static void circle_of(int n)
{
        static const char *const names[] = {"ann", "bob", "cid"};
        for (int round = 0; round < 20; round++) {
                ring r = {.x = rein_pool_new(REIN_POOL(.threads = 3)), .members = n, .begin = gate_new()};
                member m[3];
                rein_future *f[3];
                for (int i = 0; i < n; i++) {
                        m[i] = (member){&r, i};
                        f[i] = rein_submit(r.x, await_the_next, &m[i], REIN_JOB(.name = names[i]));
                }
                for (int i = 0; i < n; i++)
                        r.await[i] = f[(i + 1) % n];
                gate_open(&r.begin);
                int rc = rein_wait_all(f, (size_t)n, rein_after(REIN_SEC(20)));
                for (int i = 0; i < n; i++)
                        rein_cancel(f[i], "the test is over");
                assert_int_equal(rein_wait_all(f, (size_t)n, REIN_NEVER), 0);
                assert_int_equal(rc, 0);
                assert_int_equal(r.deadlocks, 1); /* one is told; the others then see it fail */
                assert_int_equal(r.canceled, 0);
                for (int i = 0; i < n; i++) {
                        if (!r.text[i][0])
                                continue;
                        for (int k = 0; k < n; k++)
                                assert_non_null(strstr(r.text[i], names[k])); /* the circle, whole */
                }
                for (int i = 0; i < n; i++) {
                        (void)rein_code(f[i]);
                        rein_drop(f[i]);
                }
                rein_executor_free(r.x);
                gate_free(&r.begin);
        }
}

static void test_who_waits_for_himself_is_told(void **state)
{
        (void)state;
        circle_of(1);
}

static void test_a_circle_of_two(void **state)
{
        (void)state;
        circle_of(2);
}

static void test_a_circle_of_three(void **state)
{
        (void)state;
        circle_of(3);
}

/* ---- through a group ---- */

typedef struct household {
        rein_executor *x;
        rein_future *parent, *friend_of_child, *chain;
        seat parent_seat, child_seat;
        gate begin;
        _Atomic int child_rc, friend_rc;
} household;

static int await_my_parent(void *arg)
{
        household *h = arg;
        bool waits;
        COMES_TRUE(sits_in(&h->parent_seat, "the children of the group of"), waits);
        int rc = waits ? rein_await(h->parent, NULL, REIN_NEVER) : REIN_EUSER;
        atomic_store(&h->child_rc, rc);
        return rc == REIN_EDEADLOCK ? 0 : rc;
}

static int close_over_a_child(void *arg)
{
        household *h = arg;
        rein_group g;
        int rc = gate_pass(&h->begin);
        rein_group_open(&g, NULL);
        sit(&h->parent_seat);
        rein_spawn(&g, h->x, await_my_parent, h, REIN_JOB(.name = "child"));
        return rein_group_close(&g, rc);
}

static void test_a_child_that_awaits_the_parent_who_waits_for_it(void **state)
{
        (void)state;
        household h = {.x = rein_pool_new(REIN_POOL(.threads = 2)), .begin = gate_new()};
        h.parent = rein_submit(h.x, close_over_a_child, &h, REIN_JOB(.name = "parent"));
        gate_open(&h.begin);
        int rc = rein_await(h.parent, NULL, rein_after(REIN_SEC(20)));
        rein_cancel(h.parent, NULL);
        assert_int_equal(rc, 0);
        assert_int_equal(h.child_rc, REIN_EDEADLOCK);
        rein_drop(h.parent);
        rein_executor_free(h.x);
        gate_free(&h.begin);
}

/* parent closes over child, child awaits friend, friend awaits parent, and comes last. */
static int await_my_friend(void *arg)
{
        household *h = arg;
        sit(&h->child_seat);
        atomic_store(&h->child_rc, rein_await(h->friend_of_child, NULL, REIN_NEVER));
        return 0;
}

static int close_over_child_with_a_friend(void *arg)
{
        household *h = arg;
        rein_group g;
        int rc = gate_pass(&h->begin);
        rein_group_open(&g, NULL);
        sit(&h->parent_seat);
        rein_spawn(&g, h->x, await_my_friend, h, REIN_JOB(.name = "child"));
        return rein_group_close(&g, rc);
}

static int await_the_parent_of_my_friend(void *arg)
{
        household *h = arg;
        bool waits;
        COMES_TRUE(sits_in(&h->parent_seat, "the children of the group of") && sits_in(&h->child_seat, "rein_await"),
                   waits);
        atomic_store(&h->friend_rc, waits ? rein_await(h->parent, NULL, REIN_NEVER) : REIN_EUSER);
        return 0;
}

static void test_a_circle_through_a_group_closed_from_outside_it(void **state)
{
        (void)state;
        unseen u = {0}; /* a close that finds itself in the circle reports it, cancels the children and waits on */
        rein_on_unseen(unseen_note, &u);
        household h = {.x = rein_pool_new(REIN_POOL(.threads = 3)), .begin = gate_new()};
        h.parent = rein_submit(h.x, close_over_child_with_a_friend, &h, REIN_JOB(.name = "parent"));
        h.friend_of_child = rein_submit(h.x, await_the_parent_of_my_friend, &h, REIN_JOB(.name = "friend"));
        gate_open(&h.begin);
        rein_future *both[] = {h.parent, h.friend_of_child};
        int rc = rein_wait_all(both, 2, rein_after(REIN_SEC(20)));
        rein_cancel(h.parent, NULL);
        rein_cancel(h.friend_of_child, NULL);
        assert_int_equal(rein_wait_all(both, 2, REIN_NEVER), 0);
        assert_int_equal(rc, 0);
        assert_true(h.friend_rc == REIN_EDEADLOCK || h.child_rc == REIN_EDEADLOCK ||
                    (u.count == 1 && u.code == REIN_EDEADLOCK));
        rein_on_unseen(NULL, NULL);
        for (int i = 0; i < 2; i++) {
                (void)rein_code(both[i]);
                rein_drop(both[i]);
        }
        rein_executor_free(h.x);
        gate_free(&h.begin);
}

/* ---- the saturated pool ---- */

static atomic_bool no_threads;

static uint32_t choose(uint32_t n, rn_choice kind)
{
        if (kind == RN_CHOOSE_THREAD)
                return atomic_load(&no_threads);
        return support_choose(n, kind);
}

static int await_a_queued_one(void *arg)
{
        rein_future *f = rein_submit(arg, job_seven, NULL, REIN_JOB(.on_worker = true));
        int rc = rein_await(f, NULL, REIN_NEVER);
        char text[300] = "";
        if (rc == REIN_EDEADLOCK)
                snprintf(text, sizeof text, "%s", rein_error_text(rein_trail()));
        rein_cancel(f, NULL);
        rein_drop(f);
        return rc == REIN_EDEADLOCK && strstr(text, "small") ? 1 : REIN_EUSER;
}

static void test_a_saturated_pool_without_a_thread_to_lend_to_is_a_deadlock(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "small", .threads = 1));
        rein_future *warm = rein_submit(x, job_seven, NULL, REIN_JOB(.on_worker = true));
        assert_int_equal(rein_await(warm, NULL, REIN_NEVER), 0); /* its thread is there */
        rein_drop(warm);
        atomic_store(&no_threads, true);
        rein_future *f = rein_submit(x, await_a_queued_one, x, REIN_JOB(.on_worker = true));
        int rc = rein_await(f, NULL, rein_after(REIN_SEC(20)));
        atomic_store(&no_threads, false);
        rein_cancel(f, NULL);
        assert_int_equal(rc, 0);
        assert_int_equal(rein_code(f), 1);
        rein_drop(f);
        rein_executor_free(x);
}

/* ---- knots across pools ---- */

typedef struct knot {
        rein_executor *a, *b;
        seat first;
        _Atomic int first_rc, second_rc;
        rein_future *third;
} knot;

static int await_back_in_a(void *arg)
{
        knot *k = arg;
        bool waits;
        COMES_TRUE(sits_in(&k->first, "rein_await"), waits);
        k->third = rein_submit(k->a, job_seven, NULL, REIN_JOB(.on_worker = true)); /* behind `first`, which is us */
        atomic_store(&k->second_rc, waits ? rein_await(k->third, NULL, REIN_NEVER) : REIN_EUSER);
        return 0;
}

static int await_in_b(void *arg)
{
        knot *k = arg;
        rein_future *f = rein_submit(k->b, await_back_in_a, k, REIN_JOB(.on_worker = true));
        sit(&k->first);
        atomic_store(&k->first_rc, rein_await(f, NULL, REIN_NEVER));
        rein_cancel(f, NULL);
        rein_future *all[] = {f};
        (void)rein_wait_all(all, 1, rein_after(REIN_SEC(20)));
        rein_drop(f);
        return 0;
}

static void test_a_knot_across_two_pools_is_found_or_untied(void **state)
{
        (void)state;
        knot k = {.a = rein_pool_new(REIN_POOL(.threads = 1)), .b = rein_pool_new(REIN_POOL(.threads = 1))};
        rein_future *f = rein_submit(k.a, await_in_b, &k, REIN_JOB(.on_worker = true));
        int rc = rein_await(f, NULL, rein_after(REIN_SEC(20)));
        rein_cancel(f, NULL);
        rein_future *all[] = {f};
        assert_int_equal(rein_wait_all(all, 1, REIN_NEVER), 0);
        rein_executor_free(k.a);
        rein_executor_free(k.b);
        (void)rein_code(f);
        rein_drop(f);
        rein_drop(k.third);
        assert_int_equal(rc, 0); /* it ended by itself: someone was told, or the place was lent */
        assert_true((k.first_rc == 0 && k.second_rc == 0) || k.first_rc == REIN_EDEADLOCK ||
                    k.second_rc == REIN_EDEADLOCK);
}

/* ---- what is no deadlock ---- */

static int await_within(void *arg)
{
        ring *r = arg;
        rein_scope s;
        rein_scope_open(&s, rein_after(REIN_MS(50)));
        int rc = rein_scope_close(&s, rein_await(r->await[0], NULL, REIN_NEVER)); /* myself */
        return rc == REIN_ETIMEOUT ? 1 : rc;
}

static void test_a_wait_that_a_scope_ends_is_no_deadlock(void **state)
{
        (void)state;
        ring r = {.x = rein_pool_new(REIN_POOL(.threads = 1)), .begin = gate_new()};
        gate g = gate_new();
        rein_future *blocker = rein_submit(r.x, job_pass, &g, NULL);
        rein_future *f = r.await[0] = rein_submit(r.x, await_within, &r, REIN_JOB(.on_worker = true));
        gate_open(&g);
        assert_int_equal(rein_await(f, NULL, rein_after(REIN_SEC(20))), 0);
        assert_int_equal(rein_code(f), 1);
        rein_drop(f);
        rein_drop(blocker);
        rein_executor_free(r.x);
        gate_free(&g);
        gate_free(&r.begin);
}

static void test_a_wait_with_a_limit_or_for_one_of_many_is_no_deadlock(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        gate g = gate_new();
        rein_future *f = rein_submit(x, job_pass, &g, NULL);
        assert_int_equal(rein_await(f, NULL, rein_after(REIN_MS(1))), REIN_ETIMEOUT);
        gate_open(&g);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        rein_drop(f);
        rein_executor_free(x);
        gate_free(&g);
}

#if RN_CHECKING
static void test_broken_waits_say_so(void **state)
{
        (void)state;
        rn_world *w = rn_world_now();
        rn_task *self = rn_self();
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        rein_work job = {.executor = NULL};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rn_wait wait;
        assert_int_equal(rn_wait_begin(self, &(rn_wait_target){.futures = &f, .count = 1}, true, &wait), 0);
        BREAKS(w->waiting.next, NULL, rn_wait_targets_wrong(w), "a list ends in nothing");
        BREAKS(self->in_slab.generation.v, 2, rn_wait_targets_wrong(w),
               "a task that was given back still says what it waits for");
        BREAKS(self->target.count, 0, rn_wait_targets_wrong(w),
               "a task in the list of those that wait does not say for what");
        BREAKS(self->target.stays, true, rn_wait_targets_wrong(w),
               "a task that cannot leave its wait waits for what it never had");
        self->target.executor = job.executor = x;
        self->target.permit_of = &job;
        BREAKS(job.executor, NULL, rn_wait_targets_wrong(w),
               "a task wants the permit of a job back from an executor that is not the job's");
        self->target.executor = NULL;
        self->target.permit_of = NULL;
        rn_wait_end(self, &wait);
        assert_null(rn_wait_targets_wrong(w));
        rein_promise_keep(p, NULL, NULL);
        rein_promise_drop(p);
        rein_drop(f);
        rein_executor_free(x);
}
#endif

int main(void)
{
        rn_choose_by(choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_who_waits_for_himself_is_told),
                cmocka_unit_test(test_a_circle_of_two),
                cmocka_unit_test(test_a_circle_of_three),
                cmocka_unit_test(test_a_child_that_awaits_the_parent_who_waits_for_it),
                cmocka_unit_test(test_a_circle_through_a_group_closed_from_outside_it),
                cmocka_unit_test(test_a_saturated_pool_without_a_thread_to_lend_to_is_a_deadlock),
                cmocka_unit_test(test_a_knot_across_two_pools_is_found_or_untied),
                cmocka_unit_test(test_a_wait_that_a_scope_ends_is_no_deadlock),
                cmocka_unit_test(test_a_wait_with_a_limit_or_for_one_of_many_is_no_deadlock),
#if RN_CHECKING
                cmocka_unit_test(test_broken_waits_say_so),
#endif
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
