/* SPDX-License-Identifier: Apache-2.0 */
/* Permits: a pool that waits for itself, jobs that are abandoned and what they take with them. */
#include "support.h"

#include "pool/pool.h"

static rein_time generous(void)
{
        return rein_after(REIN_SEC(60));
}

static void drop_all(rein_future *f[], size_t n)
{
        for (size_t i = 0; i < n; i++) {
                (void)rein_code(f[i]);
                rein_drop(f[i]);
        }
}

/* Free permits, when all is quiet: none may be lost, none made up. */
static int permits(rein_executor *x)
{
        rn_lock_take(&x->lock);
        int n = rn_pool_of(x)->permits;
        rn_lock_give(&x->lock);
        return n;
}

static int lost(rein_executor *x)
{
        rn_lock_take(&x->lock);
        int n = rn_pool_of(x)->lost;
        rn_lock_give(&x->lock);
        return n;
}

/* ---- a pool that waits for itself ---- */

typedef struct depth {
        rein_executor *x;
        int left;
        bool on_worker;
} depth;

static int submit_and_await(void *arg)
{
        depth *d = arg;
        if (d->left == 0)
                return 1;
        depth next = {d->x, d->left - 1, d->on_worker};
        rein_future *f = rein_submit(d->x, submit_and_await, &next, REIN_JOB(.on_worker = d->on_worker));
        int rc = rein_await(f, NULL, REIN_NEVER);
        if (rc == 0)
                rc = rein_code(f) + 1;
        rein_drop(f);
        return rc;
}

static int spawn_and_await(void *arg)
{
        depth *d = arg;
        if (d->left == 0)
                return 1;
        depth next = {d->x, d->left - 1, d->on_worker};
        rein_group g;
        rein_group_open(&g, NULL);
        rein_future *f = rein_spawn_future(&g, d->x, spawn_and_await, &next, REIN_JOB(.on_worker = d->on_worker));
        int rc = rein_await(f, NULL, REIN_NEVER);
        if (rc == 0)
                rc = rein_code(f) + 1;
        return rein_group_close(&g, rc);
}

static int run_on(void *arg)
{
        depth *d = arg;
        if (d->left == 0)
                return 1;
        depth next = {d->x, d->left - 1, d->on_worker};
        int rc = rein_on(NULL, run_on, &next, REIN_JOB(.on_worker = d->on_worker));
        return rc < 0 ? rc : rc + 1;
}

static void test_a_recursion_of_depth_100_on_one_thread_ends(void **state)
{
        (void)state;
        static const rein_fn ways[] = {submit_and_await, spawn_and_await, run_on};
        for (int i = 0; i < 6; i++) {
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .stack_size = i % 2 ? 512 * 1024 : 0));
                depth d = {x, 100, i / 3 == 1};
                rein_future *f = rein_submit(x, ways[i % 3], &d, NULL);
                assert_int_equal(rein_await(f, NULL, generous()), 0);
                assert_int_equal(rein_code(f), 101);
                rein_drop(f);
                EVENTUALLY(permits(x) == 1);
                rein_executor_free(x);
        }
}

static int wait_in_every_way(void *arg)
{
        rein_executor *x = arg;
        rein_future *f[20];
        for (int i = 0; i < 20; i++)
                f[i] = rein_submit(x, job_seven, NULL, REIN_JOB(.on_worker = i % 2));
        int rc = rein_wait_any(f, 20, REIN_NEVER);
        if (rc >= 0)
                rc = rein_wait_first(&f[1], 1, REIN_NEVER);
        rein_done it;
        rein_done_open(&it, f, 20);
        for (int i = 0; rc >= 0 && i < 20; i++)
                rc = rein_done_next(&it, REIN_NEVER);
        rein_done_close(&it);
        if (rc >= 0)
                rc = rein_wait_all(f, 20, rein_after(REIN_SEC(60))); /* with a limit, too */
        drop_all(f, 20);
        rein_future *g = rein_submit(x, job_seven, NULL, REIN_JOB(.on_worker = true));
        if (rc >= 0)
                rc = rein_await(g, NULL, rein_after(REIN_SEC(60)));
        rein_drop(g);
        return rc;
}

static void test_every_kind_of_wait_lends_the_permit(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, wait_in_every_way, x, NULL);
        assert_int_equal(rein_await(f, NULL, generous()), 0);
        rein_drop(f);
        EVENTUALLY(permits(x) == 1);
        rein_executor_free(x);
}

typedef struct crowd {
        rein_executor *x;
        atomic_int inside, most;
} crowd;

static int be_counted(void *arg)
{
        crowd *c = arg;
        int n = atomic_fetch_add(&c->inside, 1) + 1, most = atomic_load(&c->most);
        while (n > most && !atomic_compare_exchange_weak(&c->most, &most, n))
                ;
        for (int i = 0; i < 50; i++)
                rn_pause(13);
        atomic_fetch_sub(&c->inside, 1);
        return 0;
}

static int await_a_counted_one(void *arg)
{
        crowd *c = arg;
        int rc = be_counted(c);
        rein_future *f = rein_submit(c->x, be_counted, c, NULL);
        if (rc == 0)
                rc = rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        return rc ? rc : be_counted(c);
}

static void test_lending_never_lets_more_run_than_there_are_permits(void **state)
{
        (void)state;
        for (int threads = 1; threads <= 3; threads++) {
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = threads));
                crowd c = {.x = x};
                rein_future *f[60];
                for (int i = 0; i < 60; i++)
                        f[i] = rein_submit(x, await_a_counted_one, &c, REIN_JOB(.on_worker = true));
                assert_int_equal(rein_wait_all(f, 60, generous()), 0);
                for (int i = 0; i < 60; i++)
                        assert_int_equal(rein_code(f[i]), 0);
                assert_true(c.most <= threads);
                EVENTUALLY(permits(x) == threads);
                drop_all(f, 60);
                rein_executor_free(x);
        }
}

/* The place is wanted by a child that comes when the parent already waits. */
typedef struct newcomer {
        rein_executor *near, *far;
        rein_group *group;
        seat parent;
        atomic_int grandchildren;
} newcomer;

static int spawn_back(void *arg)
{
        newcomer *l = arg;
        bool waits;
        COMES_TRUE(sits_in(&l->parent, "the children of the group of"), waits);
        rein_spawn(l->group, l->near, job_count, &l->grandchildren, NULL);
        return waits ? 0 : REIN_EUSER;
}

static int wait_for_family(void *arg)
{
        newcomer *l = arg;
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.until = rein_after(REIN_SEC(20)))); /* so that a failing test ends */
        l->group = &g;
        rein_spawn(&g, l->far, spawn_back, l, NULL);
        sit(&l->parent);
        return rein_group_close(&g, 0);
}

static void test_a_child_that_comes_while_its_parent_waits_finds_the_parents_place(void **state)
{
        (void)state;
        newcomer l = {.near = rein_pool_new(REIN_POOL(.threads = 1)), .far = rein_pool_new(REIN_POOL(.threads = 1))};
        rein_future *f = rein_submit(l.near, wait_for_family, &l, NULL);
        assert_int_equal(rein_await(f, NULL, generous()), 0);
        assert_int_equal(l.grandchildren, 1);
        rein_drop(f);
        rein_executor_free(l.near);
        rein_executor_free(l.far);
}

/* ---- limits and abandoning ---- */

static int nothing_held(void *arg)
{
        return stubborn_stay(*(stubborn **)arg);
}

static void test_a_limit_cancels_and_the_cause_is_a_timeout(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, job_sleep, NULL, REIN_JOB(.limit_ns = REIN_MS(1)));
        assert_int_equal(rein_await(f, NULL, generous()), REIN_EFAILED);
        assert_int_equal(rein_code(f), REIN_ETIMEOUT);
        assert_true(rein_gone(f));
        rein_drop(f);
        f = rein_submit(x, job_seven, NULL, REIN_JOB(.limit_ns = REIN_SPAN(INT64_MAX)));
        assert_int_equal(rein_await(f, NULL, generous()), 0);
        rein_drop(f);
        rein_executor_free(x);
}

static void test_the_limit_counts_from_the_start_not_from_the_submit(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        gate g = gate_new();
        rein_future *blocker = rein_submit(x, job_pass, &g, NULL);
        EVENTUALLY(rein_executor_queued(x) == 0);
        rein_future *f = rein_submit(x, job_seven, NULL, REIN_JOB(.limit_ns = REIN_SEC(30), .on_worker = true));
        rein_future *slow = rein_submit(x, job_sleep, NULL, REIN_JOB(.limit_ns = REIN_MS(1), .on_worker = true));
        rein_future *all[] = {slow};
        assert_int_equal(rein_wait_all(all, 1, rein_after(REIN_MS(10))), REIN_ETIMEOUT); /* it has not begun */
        gate_open(&g);
        assert_int_equal(rein_await(f, NULL, generous()), 0);
        assert_int_equal(rein_await(slow, NULL, generous()), REIN_EFAILED);
        assert_int_equal(rein_code(slow), REIN_ETIMEOUT);
        rein_drop(f);
        rein_drop(slow);
        rein_drop(blocker);
        rein_executor_free(x);
        gate_free(&g);
}

static void test_who_ignores_his_limit_is_abandoned_and_takes_his_permit_along(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2, .grace_ns = REIN_MS(1)));
        stubborn st, *p = &st;
        stubborn_init(&st);
        rein_future *f = rein_submit(
                x, nothing_held, REIN_COPY(p, .limit_ns = REIN_MS(1), .name = "clinger", .unheeded = REIN_ABANDON_IT));
        assert_int_equal(rein_await(f, NULL, generous()), REIN_EFAILED);
        assert_int_equal(rein_code(f), REIN_EABANDONED);
        assert_int_equal(rein_error_code(rein_error_cause(rein_error_of(f))), REIN_ETIMEOUT);
        assert_false(rein_gone(f));
        EVENTUALLY(permits(x) == 1); /* one of two */
        assert_int_equal(rein_executor_unfinished(x), 1);
        gate g = gate_new();
        rein_future *a[2] = {rein_submit(x, job_pass, &g, NULL), rein_submit(x, job_pass, &g, NULL)};
        EVENTUALLY(rein_executor_queued(x) == 1); /* only one may run beside it */
        assert_int_equal(u.count, 0);
        stubborn_let_go(&st, 1);
        EVENTUALLY(rein_gone(f));
        EVENTUALLY(rein_executor_queued(x) == 0); /* the place is free again */
        EVENTUALLY(u.count == 1);                 /* and its late end was told */
        assert_int_equal(u.code, REIN_EABANDONED);
        gate_open(&g);
        assert_int_equal(rein_wait_all(a, 2, generous()), 0);
        EVENTUALLY(permits(x) == 2);
        drop_all(a, 2);
        rein_drop(f);
        rein_executor_free(x);
        gate_free(&g);
        rein_on_unseen(NULL, NULL);
}

static void test_who_was_abandoned_before_the_stop_is_in_its_receipt(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "p", .threads = 1, .grace_ns = REIN_MS(1)));
        stubborn st, *p = &st;
        stubborn_init(&st);
        rein_future *f = rein_submit(
                x, nothing_held, REIN_COPY(p, .limit_ns = REIN_MS(1), .name = "clinger", .unheeded = REIN_ABANDON_IT));
        assert_int_equal(rein_await(f, NULL, generous()), REIN_EFAILED);
        assert_int_equal(rein_code(f), REIN_EABANDONED);
        for (int round = 0; round < 2; round++) { /* and in the next one's, as long as it is there: once */
                rein_receipt *r;
                rein_straggler s = {.size = sizeof s};
                rein_stop how = round ? REIN_STOP_NOW : REIN_STOP_QUEUED;
                assert_int_equal(rein_executor_stop(x, how, generous(), &r), REIN_ESTUCK);
                assert_int_equal(rein_receipt_count(r), 1);
                assert_true(rein_receipt_at(r, 0, &s));
                assert_string_equal(s.name, "clinger");
                assert_string_equal(s.stopped_by, "abandoned");
                assert_false(s.gone);
                rein_receipt_free(r);
                assert_int_equal(rein_executor_restart(x), 0);
        }
        stubborn_let_go(&st, 1);
        EVENTUALLY(rein_gone(f));
        EVENTUALLY(u.count == 1);
        rein_drop(f);
        rein_executor_free(x);
        rein_on_unseen(NULL, NULL);
}

typedef struct late_value {
        stubborn *stubborn;
        atomic_int *released;
} late_value;

static int give_late(void *arg)
{
        late_value *v = arg;
        rein_give(v->released, release_count);
        stubborn_stay(v->stubborn);
        return rein_fail(0, "never mind");
}

static void test_a_value_that_comes_late_is_released_and_told(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1)));
        stubborn st;
        atomic_int released = 0;
        stubborn_init(&st);
        late_value v = {&st, &released};
        rein_future *f = rein_submit(x, give_late, REIN_COPY(v, .unheeded = REIN_ABANDON_IT));
        EVENTUALLY(st.inside == 1);
        assert_int_equal(rein_cancel(f, "go"), REIN_ASKED);
        assert_int_equal(rein_await(f, NULL, generous()), REIN_EFAILED);
        assert_int_equal(rein_code(f), REIN_EABANDONED);
        assert_int_equal(rein_error_code(rein_error_cause(rein_error_of(f))), REIN_ECANCELED);
        assert_int_equal(released, 0);
        rein_drop(f);
        stubborn_let_go(&st, 1);
        EVENTUALLY(u.count == 1);
        EVENTUALLY(released == 1);
        rein_executor_free(x);
        rein_on_unseen(NULL, NULL);
}

static void test_who_must_be_waited_for_is_not_abandoned_by_his_limit(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = 1));
        stubborn st;
        stubborn_init(&st);
        rein_future *f = rein_submit(x, stubborn_job, &st, REIN_JOB(.limit_ns = 1));
        EVENTUALLY(st.inside == 1);
        assert_int_equal(rein_await(f, NULL, rein_after(REIN_MS(20))), REIN_ETIMEOUT);
        assert_int_equal(rein_code(f), REIN_EPENDING);
        stubborn_let_go(&st, 1);
        assert_int_equal(rein_await(f, NULL, generous()), 0); /* it ended well, late as it is */
        rein_drop(f);
        rein_executor_free(x);
}

static int count_next(rein_future *f, void *arg)
{
        (void)f;
        atomic_fetch_add((atomic_int *)arg, 1);
        return 0;
}

static void test_when_every_permit_is_lost_the_pool_is_exhausted_and_says_so(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2, .grace_ns = REIN_MS(1)));
        stubborn st, *p = &st;
        atomic_int runs = 0;
        stubborn_init(&st);
        rein_future *f[2], *queued[3];
        for (int i = 0; i < 2; i++)
                f[i] = rein_submit(x, nothing_held, REIN_COPY(p, .unheeded = REIN_ABANDON_IT));
        EVENTUALLY(st.inside == 2);
        for (int i = 0; i < 3; i++)
                queued[i] = rein_submit(x, job_count, &runs, REIN_JOB(.on_worker = true));
        rein_cancel(f[0], NULL);
        assert_int_equal(rein_await(f[0], NULL, generous()), REIN_EFAILED);
        assert_int_equal(rein_code(queued[0]), REIN_EPENDING); /* one is left */
        rein_cancel(f[1], NULL);
        assert_int_equal(rein_wait_all(queued, 3, generous()), 0);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(rein_code(queued[i]), REIN_EREJECTED);
                assert_non_null(strstr(rein_error_text(rein_error_of(queued[i])), "exhausted"));
        }
        rein_future *late = rein_submit(x, job_count, &runs, NULL);
        assert_int_equal(rein_code(late), REIN_EREJECTED);
        rein_drop(late);
        atomic_int next = 0; /* a continuation cannot be refused: it runs elsewhere */
        assert_non_null(rein_then(f[0], x, count_next, &next));
        EVENTUALLY(next == 1);
        stubborn_let_go(&st, 1); /* one comes back: the pool goes on */
        EVENTUALLY(permits(x) == 1);
        late = rein_submit(x, job_count, &runs, NULL);
        assert_int_equal(rein_await(late, NULL, generous()), 0);
        rein_drop(late);
        stubborn_let_go(&st, 1);
        EVENTUALLY(permits(x) == 2);
        EVENTUALLY(u.count == 2);
        assert_int_equal(runs, 1);
        drop_all(f, 2);
        drop_all(queued, 3);
        rein_executor_free(x);
        rein_on_unseen(NULL, NULL);
}

static void test_replaced_threads_keep_the_pool_going_up_to_their_number(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1), .replace_abandoned = 2));
        stubborn st, *p = &st;
        stubborn_init(&st);
        rein_future *f[3];
        for (int i = 0; i < 3; i++) { /* two are replaced, the third is the last straw */
                f[i] = rein_submit(x, nothing_held, REIN_COPY(p, .unheeded = REIN_ABANDON_IT, .limit_ns = 1));
                assert_int_equal(rein_await(f[i], NULL, generous()), REIN_EFAILED);
                if (rein_code(f[i]) == REIN_ETIMEOUT) { /* its limit passed before its first line */
                        rein_drop(f[i--]);
                        continue;
                }
                assert_int_equal(rein_code(f[i]), REIN_EABANDONED);
        }
        EVENTUALLY(st.inside == 3);
        rein_future *late = rein_submit(x, job_seven, NULL, NULL);
        assert_int_equal(rein_await(late, NULL, generous()), REIN_EFAILED);
        assert_int_equal(rein_code(late), REIN_EREJECTED);
        rein_drop(late);
        stubborn_let_go(&st, 3);
        EVENTUALLY(u.count == 3);
        EVENTUALLY(rein_executor_unfinished(x) == 0);
        EVENTUALLY(permits(x) == 1); /* no more than `threads` when all are back */
        drop_all(f, 3);
        rein_executor_free(x);
        rein_on_unseen(NULL, NULL);
}

/* Of two abandoned jobs one is replaced. When the other comes back, the one that is still away is the one replaced. */
static void test_who_comes_back_leaves_the_replacement_to_who_stays_away(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1), .replace_abandoned = 1));
        stubborn st[2];
        rein_future *f[2];
        for (int i = 0; i < 2; i++) {
                stubborn *p = &st[i];
                stubborn_init(p);
                f[i] = rein_submit(x, nothing_held, REIN_COPY(p, .unheeded = REIN_ABANDON_IT));
                EVENTUALLY(st[i].inside == 1);
                rein_cancel(f[i], NULL);
                assert_int_equal(rein_await(f[i], NULL, generous()), REIN_EFAILED);
                assert_int_equal(rein_code(f[i]), REIN_EABANDONED);
        }
        EVENTUALLY(lost(x) == 2);
        stubborn_let_go(&st[0], 1);
        EVENTUALLY(rein_gone(f[0]));
        rein_future *late = rein_submit(x, job_seven, NULL, NULL);
        assert_int_equal(rein_await(late, NULL, generous()), 0);
        rein_drop(late);
        EVENTUALLY(permits(x) == 1);
        stubborn_let_go(&st[1], 1);
        EVENTUALLY(u.count == 2);
        EVENTUALLY(rein_executor_unfinished(x) == 0);
        assert_int_equal(permits(x), 1);
        drop_all(f, 2);
        rein_executor_free(x);
        rein_on_unseen(NULL, NULL);
}

typedef struct lender {
        rein_executor *x;
        gate *gate;
        stubborn *stubborn;
        seat *seat;
} lender;

static int lend_then_cling(void *arg)
{
        lender *l = arg;
        rein_scope shield;
        rein_shield_open(&shield, REIN_SEC(3600)); /* ignores its cancel, in rein's own door */
        rein_future *f = rein_submit(l->x, job_pass, l->gate, REIN_JOB(.on_worker = true));
        sit(l->seat);
        (void)rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        (void)rein_scope_close(&shield, 0);
        return 0;
}

static void test_a_job_abandoned_while_its_permit_is_lent_loses_none(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1)));
        gate g = gate_new();
        seat s = {NULL};
        lender l = {x, &g, NULL, &s};
        rein_future *f = rein_submit(x, lend_then_cling, REIN_COPY(l, .unheeded = REIN_ABANDON_IT));
        EVENTUALLY(sits_in(&s, "rein_await"));
        rein_cancel(f, NULL);
        assert_int_equal(rein_await(f, NULL, generous()), REIN_EFAILED);
        assert_int_equal(rein_code(f), REIN_EABANDONED);
        gate_open(&g);
        EVENTUALLY(rein_executor_unfinished(x) == 0);
        EVENTUALLY(permits(x) == 1);
        rein_future *next = rein_submit(x, job_seven, NULL, NULL);
        assert_int_equal(rein_await(next, NULL, generous()), 0);
        rein_drop(next);
        rein_drop(f);
        rein_executor_free(x);
        gate_free(&g);
        EVENTUALLY(u.count == 1);
        rein_on_unseen(NULL, NULL);
}

/* ---- running it here (P: the waiter holds a permit, or takes a free one) ---- */

static int note_thread(void *arg)
{
        *(pthread_t *)arg = pthread_self();
        return 0;
}

static void test_a_plain_waiter_runs_a_queued_job_only_with_a_free_permit(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        gate g = gate_new();
        rein_future *blocker = rein_submit(x, job_pass, &g, NULL);
        EVENTUALLY(rein_executor_queued(x) == 0);
        pthread_t on = pthread_self();
        rein_future *f = rein_submit(x, note_thread, &on, NULL);
        assert_int_equal(rein_await(f, NULL, rein_after(REIN_MS(5))), REIN_ETIMEOUT); /* no permit, no run */
        gate_open(&g);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        EVENTUALLY(permits(x) == 1);
        rein_drop(f);
        rein_drop(blocker);
        for (int i = 0; i < 200; i++) {
                f = rein_submit(x, note_thread, &on, REIN_JOB(.on_worker = i % 2));
                assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
                if (i % 2)
                        assert_false(pthread_equal(on, pthread_self()));
                rein_drop(f);
        }
        EVENTUALLY(permits(x) == 1);
        rein_executor_free(x);
        gate_free(&g);
}

/* ---- could what is queued be run some day? ---- */

static bool nobody(const rn_task *t)
{
        (void)t;
        return false;
}

static bool anybody(const rn_task *t)
{
        (void)t;
        return true;
}

static void change(rein_executor *x, int *count, int by)
{
        rn_lock_take(&x->lock);
        *count += by;
        rn_lock_give(&x->lock);
}

static void lose(rein_executor *x, rein_future *f, bool lost)
{
        rn_lock_take(&x->lock);
        rn_pool_of(x)->lost += lost ? 1 : -1;
        rn_pool_of(x)->exhausted = lost;
        rn_store32(&rn_work_of(f)->permit, lost ? RN_LOST_PERMIT : RN_HAS_PERMIT);
        rn_lock_give(&x->lock);
}

static void test_a_queued_job_can_be_run_by_who_may_yet_have_a_permit(void **state)
{
        (void)state;
        for (int elastic = 0; elastic < 2; elastic++) {
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .elastic = elastic, .threads_max = 2));
                pool *p = rn_pool_of(x);
                gate g = gate_new();
                assert_true(rn_pool_could_run(x, nobody)); /* a permit is free */
                rein_future *f = rein_submit(x, job_pass, &g, REIN_JOB(.on_worker = true));
                EVENTUALLY(rein_executor_queued(x) == 0);
                assert_int_equal(rn_pool_could_run(x, nobody), elastic); /* a spare one may come */
                assert_true(rn_pool_could_run(x, anybody));              /* the job that has it may end */
                if (elastic) {
                        change(x, &p->opts.threads_max, -1); /* no more than those */
                        assert_false(rn_pool_could_run(x, nobody));
                        change(x, &p->opts.threads_max, 1);
                } else {
                        lose(x, f, true); /* an abandoned job may come back with it */
                        assert_true(rn_pool_could_run(x, nobody));
                        lose(x, f, false);
                }
                gate_open(&g);
                assert_int_equal(rein_await(f, NULL, generous()), 0);
                rein_drop(f);
                rein_executor_free(x);
                gate_free(&g);
        }
}

/* ---- who wants its permit back ---- */

typedef struct lent {
        rein_executor *x;
        gate until;
        seat seat;
        atomic_int *log;
        int place;
} lent;

/* Lends its permit for a job of the same pool, and waits for more than that. */
static int lend_until(void *arg)
{
        lent *l = arg;
        rein_future *both[] = {rein_submit(l->x, job_seven, NULL, REIN_JOB(.on_worker = true)), l->until.open};
        sit(&l->seat);
        int rc = rein_wait_all(both, 2, REIN_NEVER);
        l->place = atomic_fetch_add(l->log, 1);
        rein_drop(both[0]);
        return rc;
}

static int note_place(void *arg)
{
        lent *l = arg;
        l->place = atomic_fetch_add(l->log, 1);
        return 0;
}

static void test_permits_go_back_in_the_order_in_which_they_are_wanted_and_before_the_queue(void **state)
{
        (void)state;
        enum { N = 3 };
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        lent l[N];
        rein_future *f[N];
        atomic_int log = 0;
        gate keeps = gate_new();
        for (int i = 0; i < N; i++) {
                l[i] = (lent){.x = x, .until = gate_new(), .log = &log};
                f[i] = rein_submit(x, lend_until, &l[i], REIN_JOB(.on_worker = true));
                EVENTUALLY(sits_in(&l[i].seat, "rein_wait_all"));
        }
        rein_future *keeper = rein_submit(x, job_pass, &keeps, REIN_JOB(.on_worker = true));
        EVENTUALLY(rein_executor_queued(x) == 0);
        for (int i = 0; i < N; i++) {
                gate_open(&l[i].until);
                EVENTUALLY(sits_in(&l[i].seat, "its place in"));
        }
        lent last = {.log = &log};
        rein_future *queued = rein_submit(x, note_place, &last, REIN_JOB(.on_worker = true));
        gate_open(&keeps);
        assert_int_equal(rein_wait_all(f, N, generous()), 0);
        assert_int_equal(rein_await(queued, NULL, generous()), 0);
        assert_int_equal(last.place, N);
        rein_drop(queued);
        for (int i = 0; i < N; i++) {
                assert_int_equal(l[i].place, i);
                gate_free(&l[i].until);
        }
        EVENTUALLY(permits(x) == 1);
        rein_drop(keeper);
        drop_all(f, N);
        rein_executor_free(x);
        gate_free(&keeps);
}

typedef struct keeper {
        rein_executor *x;
        rein_mutex *mutex;
        gate until;
        rein_future *lent_for;
        seat seat;
} keeper;

static int hold_and_lend(void *arg)
{
        keeper *k = arg;
        int rc = rein_mutex_lock(k->mutex, REIN_NEVER);
        if (rc < 0)
                return rc;
        rein_future *both[] = {k->lent_for, k->until.open};
        k->lent_for = both[0] = rein_submit(k->x, job_seven, NULL, REIN_JOB(.on_worker = true));
        sit(&k->seat);
        rc = rein_wait_all(both, 2, REIN_NEVER);
        (void)rein_mutex_unlock(k->mutex);
        return rc;
}

static int lock_and_unlock(void *arg)
{
        keeper *k = arg;
        sit(&k->seat);
        int rc = rein_mutex_lock(k->mutex, REIN_NEVER);
        return rc < 0 ? rc : rein_mutex_unlock(k->mutex);
}

/* One holds a mutex and has lent its permit; the other one has the permit, and wants the mutex. */
static void test_who_wants_its_permit_back_is_in_the_knot(void **state)
{
        (void)state;
        for (int late = 0; late < 2; late++) {
                keeper first = {.x = rein_pool_new(REIN_POOL(.threads = 1)), .mutex = rein_mutex_new()};
                first.until = gate_new();
                keeper second = {.mutex = first.mutex};
                rein_future *f[2] = {rein_submit(first.x, hold_and_lend, &first, REIN_JOB(.on_worker = true))};
                EVENTUALLY(sits_in(&first.seat, "rein_wait_all"));
                f[1] = rein_submit(first.x, lock_and_unlock, &second, REIN_JOB(.on_worker = true));
                if (late)
                        EVENTUALLY(sits_and_may_go(&second.seat));
                else
                        EVENTUALLY(sits_in(&second.seat, "rein_mutex_lock"));
                gate_open(&first.until);
                assert_int_equal(rein_wait_all(f, 2, generous()), 0);
                assert_int_equal(rein_code(f[0]), 0);
                assert_int_equal(rein_code(f[1]), REIN_EDEADLOCK);
                EVENTUALLY(permits(first.x) == 1);
                drop_all(f, 2);
                rein_drop(first.lent_for);
                rein_executor_free(first.x);
                rein_mutex_free(first.mutex);
                gate_free(&first.until);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_recursion_of_depth_100_on_one_thread_ends),
                cmocka_unit_test(test_every_kind_of_wait_lends_the_permit),
                cmocka_unit_test(test_lending_never_lets_more_run_than_there_are_permits),
                cmocka_unit_test(test_a_child_that_comes_while_its_parent_waits_finds_the_parents_place),
                cmocka_unit_test(test_a_limit_cancels_and_the_cause_is_a_timeout),
                cmocka_unit_test(test_the_limit_counts_from_the_start_not_from_the_submit),
                cmocka_unit_test(test_who_ignores_his_limit_is_abandoned_and_takes_his_permit_along),
                cmocka_unit_test(test_who_was_abandoned_before_the_stop_is_in_its_receipt),
                cmocka_unit_test(test_a_value_that_comes_late_is_released_and_told),
                cmocka_unit_test(test_who_must_be_waited_for_is_not_abandoned_by_his_limit),
                cmocka_unit_test(test_when_every_permit_is_lost_the_pool_is_exhausted_and_says_so),
                cmocka_unit_test(test_replaced_threads_keep_the_pool_going_up_to_their_number),
                cmocka_unit_test(test_who_comes_back_leaves_the_replacement_to_who_stays_away),
                cmocka_unit_test(test_a_job_abandoned_while_its_permit_is_lent_loses_none),
                cmocka_unit_test(test_a_plain_waiter_runs_a_queued_job_only_with_a_free_permit),
                cmocka_unit_test(test_a_queued_job_can_be_run_by_who_may_yet_have_a_permit),
                cmocka_unit_test(test_permits_go_back_in_the_order_in_which_they_are_wanted_and_before_the_queue),
                cmocka_unit_test(test_who_wants_its_permit_back_is_in_the_knot),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
