/* SPDX-License-Identifier: Apache-2.0 */
/* Several stops of one executor: the harshest manner holds, and the earliest moments. What one stop does is in
 * pool_test.c and executor_test.c. */
#include "support.h"

#include <rein/sim.h>

#include "core/executor.h"

static rein_time far(void)
{
        return rein_after(REIN_SEC(7200));
}

static rein_time soon(void)
{
        return rein_after(REIN_MS(100));
}

typedef struct stuck {
        rein_executor *x;
        stubborn st;
        rein_future *f;
} stuck;

static void stuck_begin(stuck *s)
{
        s->x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = 1));
        stubborn_init(&s->st);
        s->f = rein_submit(s->x, stubborn_job, &s->st, NULL);
        EVENTUALLY(s->st.inside == 1);
}

static void stuck_end(stuck *s)
{
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        stubborn_let_go(&s->st, 1);
        EVENTUALLY(u.count == 1); /* the late log */
        rein_on_unseen(NULL, NULL);
        rein_drop(s->f);
        rein_executor_free(s->x);
}

static void test_a_later_stop_does_not_postpone_the_giving_up(void **state)
{
        (void)state;
        for (int how = REIN_STOP_QUEUED; how <= REIN_STOP_NOW; how++) {
                for (int second = REIN_STOP_QUEUED; second <= REIN_STOP_NOW; second++) {
                        stuck s;
                        stuck_begin(&s);
                        assert_int_equal(rein_executor_stop_begin(s.x, (rein_stop)how, soon()), 0);
                        assert_int_equal(rein_executor_stop_begin(s.x, (rein_stop)second, far()), 0);
                        EVENTUALLY(rein_code(s.f) == REIN_EABANDONED);
                        stuck_end(&s);
                }
        }
}

static void test_an_earlier_stop_hastens_the_giving_up(void **state)
{
        (void)state;
        for (int how = REIN_STOP_QUEUED; how <= REIN_STOP_NOW; how++) {
                for (int second = REIN_STOP_QUEUED; second <= REIN_STOP_NOW; second++) {
                        stuck s;
                        stuck_begin(&s);
                        assert_int_equal(rein_executor_stop_begin(s.x, (rein_stop)how, far()), 0);
                        assert_int_equal(rein_executor_stop_begin(s.x, (rein_stop)second, soon()), 0);
                        EVENTUALLY(rein_code(s.f) == REIN_EABANDONED);
                        stuck_end(&s);
                }
        }
}

/* Two moments of a stop: `until` less an hour of grace, and `until`. Each holds by itself. */
static void test_a_later_stop_does_not_postpone_the_cancel(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_SEC(3600)));
        seat s = {NULL};
        rein_future *f = rein_submit(x, job_sleep, &s, NULL);
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        rein_time until = rein_after(REIN_SEC(3600) + REIN_MS(100));
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_QUEUED, until), 0);
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_RUNNING, far()), 0);
        EVENTUALLY(rein_code(f) == REIN_ECANCELED);
        rein_drop(f);
        rein_executor_free(x);
}

static void test_a_harsher_stop_cancels_at_once_however_late_its_deadline(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        seat s = {NULL};
        rein_future *f = rein_submit(x, job_sleep, &s, NULL);
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_QUEUED, far()), 0);
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_NOW, REIN_NEVER), 0);
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_RUNNING, REIN_NEVER), 0); /* softens nothing */
        EVENTUALLY(rein_code(f) == REIN_ECANCELED);
        rein_drop(f);
        rein_executor_free(x);
}

static void moments(rein_executor *x, int64_t *now_at, int64_t *abandon_at)
{
        rn_lock_take(&x->lock);
        *now_at = x->now_at;
        *abandon_at = x->abandon_at;
        rn_lock_give(&x->lock);
}

static void test_a_restart_forgets_the_moments_of_the_stops_before_it(void **state)
{
        (void)state;
        const int64_t grace = REIN_SEC(1);
        int64_t now_at, abandon_at;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = grace));
        rein_time first = rein_after(REIN_SEC(600)), second = rein_after(REIN_SEC(900));
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_QUEUED, second), 0);
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_QUEUED, first), 0);
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_QUEUED, second), 0);
        moments(x, &now_at, &abandon_at);
        assert_true(now_at == first.ns - grace && abandon_at == first.ns);
        assert_int_equal(rein_executor_restart(x), 0);
        moments(x, &now_at, &abandon_at);
        assert_true(now_at == RN_NEVER && abandon_at == RN_NEVER);
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_QUEUED, second), 0);
        moments(x, &now_at, &abandon_at);
        assert_true(now_at == second.ns - grace && abandon_at == second.ns);
        rein_executor_free(x);
}

/* The errand of an old stop, delivered late by a hand that was busy, when the executor was restarted and is being
 * stopped again, gently and with an hour to go: it must find nothing due. */
static int block_the_hand(rein_future *f, void *arg)
{
        (void)f;
        return stubborn_stay(arg);
}

static bool hand_has_errands(void)
{
        rn_clockwork *c = &rn_world_now()->clock;
        rn_lock_take(&c->hand_lock);
        bool has = !rn_list_empty(&c->errands);
        rn_lock_give(&c->hand_lock);
        return has;
}

static int note_hand(rein_future *f, void *arg)
{
        (void)f;
        return atomic_fetch_add((atomic_int *)arg, 1);
}

static void test_the_clock_of_an_old_stop_does_not_harden_the_next(void **state)
{
        (void)state;
        rein_executor *stopped = rein_pool_new(REIN_POOL(.threads = 1)), *x = rein_pool_new(REIN_POOL(.threads = 1));
        stubborn st;
        atomic_int passed = 0;
        stubborn_init(&st);
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        rein_promise_keep(p, NULL, NULL);
        assert_int_equal(rein_executor_stop(stopped, REIN_STOP_NOW, REIN_NEVER, NULL), 0);
        assert_non_null(rein_then(f, stopped, block_the_hand, &st));
        EVENTUALLY(st.inside == 1);
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_QUEUED, REIN_TIME(1)), 0);
        EVENTUALLY(hand_has_errands());
        assert_int_equal(rein_executor_restart(x), 0);
        gate g = gate_new();
        rein_future *job = rein_submit(x, job_pass, &g, NULL), *queued = rein_submit(x, job_seven, NULL, NULL);
        EVENTUALLY(rein_executor_queued(x) == 1);
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_QUEUED, far()), 0);
        assert_non_null(rein_then(f, stopped, note_hand, &passed)); /* behind the errand */
        stubborn_let_go(&st, 1);
        EVENTUALLY(passed == 1);
        gate_open(&g);
        assert_int_equal(rein_await(job, NULL, REIN_NEVER), 0);
        assert_int_equal(rein_await(queued, NULL, REIN_NEVER), 0);
        rein_drop(job);
        rein_drop(queued);
        rein_drop(f);
        rein_promise_drop(p);
        rein_executor_free(x);
        rein_executor_free(stopped);
        gate_free(&g);
}

/* What the first stop abandoned still hangs at the second: its receipt says so too, until it is gone. */
static void test_a_job_abandoned_before_a_restart_is_in_the_next_receipt(void **state)
{
        (void)state;
        stuck s;
        rein_receipt *r = NULL;
        stuck_begin(&s);
        assert_int_equal(rein_executor_stop(s.x, REIN_STOP_NOW, REIN_TIME(1), &r), REIN_ESTUCK);
        assert_int_equal(rein_receipt_count(r), 1);
        assert_int_equal(rein_executor_restart(s.x), 0);
        rein_receipt_free(r);
        for (int i = 0; i < 2; i++) { /* also over two restarts */
                assert_int_equal(rein_executor_stop(s.x, REIN_STOP_NOW, REIN_TIME(1), &r), REIN_ESTUCK);
                assert_int_equal(rein_receipt_count(r), 1);
                rein_straggler one = {.size = sizeof one};
                assert_true(rein_receipt_at(r, 0, &one));
                assert_string_equal(one.stopped_by, "abandoned");
                assert_false(one.gone);
                rein_receipt_free(r);
                assert_int_equal(rein_executor_restart(s.x), 0);
        }
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        stubborn_let_go(&s.st, 1);
        EVENTUALLY(u.count == 1 && rein_gone(s.f)); /* the late log */
        rein_on_unseen(NULL, NULL);
        assert_int_equal(rein_executor_stop(s.x, REIN_STOP_NOW, REIN_NEVER, &r), 0);
        assert_int_equal(rein_receipt_count(r), 0);
        rein_receipt_free(r);
        rein_drop(s.f);
        rein_executor_free(s.x);
}

/* ---- the timer of a stop_begin ---- */

static size_t armed(void)
{
        rn_clockwork *c = &rn_world_now()->clock;
        rn_lock_take(&c->lock);
        const size_t n = c->timers.count;
        rn_lock_give(&c->lock);
        return n;
}

static void test_a_freed_executor_does_not_stay_until_the_deadline_of_an_older_stop(void **state)
{
        (void)state;
        const size_t before = armed();
        for (int how = REIN_STOP_QUEUED; how <= REIN_STOP_NOW; how++) {
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
                assert_int_equal(rein_executor_stop_begin(x, (rein_stop)how, far()), 0);
                assert_int_equal(armed(), before + (how != REIN_STOP_NOW)); /* that one is over already */
                rein_executor_free(x);
                assert_int_equal(armed(), before);
        }
}

static int free_own(void *arg)
{
        rein_executor *x = arg;
        if (rein_executor_stop_begin(x, REIN_STOP_QUEUED, far()) == 0)
                rein_executor_free(x);
        return 7;
}

/* The job that frees it is the last to settle. */
static void test_nor_does_one_that_a_job_of_its_own_has_freed(void **state)
{
        (void)state;
        const size_t before = armed();
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, free_own, x, NULL);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        assert_int_equal(rein_code(f), 7);
        rein_drop(f);
        EVENTUALLY(armed() == before);
}

/* ---- jobs that stop the executor they run on ---- */

typedef struct stopper {
        rein_executor *x;
        rein_stop how;
        rein_time until;
        bool may_stay; /* after its stop */
        stubborn stays;
} stopper;

static int stop_from_inside(void *arg)
{
        stopper *s = arg;
        int rc = rein_executor_stop(s->x, s->how, s->until, NULL);
        if (s->may_stay)
                stubborn_stay(&s->stays);
        return rc;
}

static void stays_where_it_is(void *arg) /* a release */
{
        (void)arg;
}

static size_t in_stop(rein_executor *x)
{
        rn_lock_take(&x->lock);
        size_t n = x->in_stop;
        rn_lock_give(&x->lock);
        return n;
}

static size_t unsettled(rein_executor *x)
{
        rn_lock_take(&x->lock);
        size_t n = x->unsettled;
        rn_lock_give(&x->lock);
        return n;
}

static void test_a_job_abandoned_inside_its_own_stop_is_not_in_there_any_more(void **state)
{
        (void)state;
        unseen u = {0};
        stubborn st;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2, .grace_ns = 1));
        stopper s = {.x = x, .how = REIN_STOP_QUEUED, .until = REIN_NEVER};
        rein_on_unseen(unseen_note, &u);
        stubborn_init(&st);
        rein_future *runs = rein_submit(x, stubborn_job, &st, NULL);
        rein_future *stops =
                rein_submit(x, stop_from_inside, &s,
                            REIN_JOB(.release = stays_where_it_is, .unheeded = REIN_ABANDON_IT, .on_worker = true));
        EVENTUALLY(st.inside == 1 && in_stop(x) == 1);
        assert_int_equal(rein_cancel(stops, NULL), REIN_ASKED);
        EVENTUALLY(unsettled(x) == 1);
        assert_int_equal(in_stop(x), 0);
        assert_int_equal(rein_code(stops), REIN_EABANDONED);
        stubborn_let_go(&st, 1);
        EVENTUALLY(rein_gone(stops) && rein_gone(runs));
        rein_drop(stops);
        rein_drop(runs);
        rein_executor_free(x);
        EVENTUALLY(u.count == 1); /* the late log */
        rein_on_unseen(NULL, NULL);
}

static void test_a_job_that_has_stopped_its_executor_is_waited_for_again(void **state)
{
        (void)state;
        unseen u = {0};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = 1));
        stopper s = {.x = x, .how = REIN_STOP_NOW, .until = REIN_NEVER, .may_stay = true};
        rein_on_unseen(unseen_note, &u);
        stubborn_init(&s.stays);
        rein_future *f = rein_submit(x, stop_from_inside, &s, REIN_JOB(.on_worker = true));
        EVENTUALLY(s.stays.inside == 1);
        assert_int_equal(in_stop(x), 0);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, REIN_TIME(1), NULL), REIN_ESTUCK);
        assert_int_equal(rein_code(f), REIN_EABANDONED);
        stubborn_let_go(&s.stays, 1);
        EVENTUALLY(rein_gone(f));
        rein_drop(f);
        rein_executor_free(x);
        EVENTUALLY(u.count == 1);
        rein_on_unseen(NULL, NULL);
}

static void test_a_job_is_not_given_up_by_its_own_stop(void **state)
{
        (void)state;
        unseen u = {0};
        stubborn st;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2, .grace_ns = 1));
        stopper s = {.x = x, .how = REIN_STOP_NOW, .until = REIN_TIME(1)};
        rein_on_unseen(unseen_note, &u);
        stubborn_init(&st);
        rein_future *runs = rein_submit(x, stubborn_job, &st, NULL);
        EVENTUALLY(st.inside == 1);
        rein_future *stops = rein_submit(x, stop_from_inside, &s, REIN_JOB(.on_worker = true));
        (void)rein_await(stops, NULL, REIN_NEVER);
        assert_int_equal(rein_code(stops), REIN_ESTUCK); /* what its stop returned */
        assert_int_equal(rein_code(runs), REIN_EABANDONED);
        stubborn_let_go(&st, 1);
        EVENTUALLY(rein_gone(runs));
        rein_drop(stops);
        rein_drop(runs);
        rein_executor_free(x);
        EVENTUALLY(u.count == 1);
        rein_on_unseen(NULL, NULL);
}

typedef struct submitter {
        rein_executor *x;
        gate gate;
        seat seat;
} submitter;

static int submit_from_inside(void *arg)
{
        submitter *s = arg;
        sit(&s->seat);
        int rc = gate_pass(&s->gate);
        rein_future *f = rein_submit(s->x, job_seven, NULL, NULL);
        if (rc == 0)
                (void)rein_await(f, NULL, REIN_NEVER);
        rc = rein_code(f);
        rein_drop(f);
        return rc;
}

static void test_while_the_queue_is_run_the_jobs_inside_may_submit_and_nobody_else(void **state)
{
        (void)state;
        for (int how = REIN_STOP_QUEUED; how <= REIN_STOP_RUNNING; how++) {
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
                submitter s = {.x = x, .gate = gate_new()};
                rein_future *f = rein_submit(x, submit_from_inside, &s, NULL);
                EVENTUALLY(sits_in(&s.seat, "rein_await"));
                assert_int_equal(rein_executor_stop_begin(x, (rein_stop)how, REIN_NEVER), 0);
                rein_future *outside = rein_submit(x, job_seven, NULL, NULL);
                assert_int_equal(rein_code(outside), REIN_EREJECTED);
                rein_drop(outside);
                gate_open(&s.gate);
                (void)rein_await(f, NULL, REIN_NEVER);
                assert_int_equal(rein_code(f), how == REIN_STOP_QUEUED ? 7 : REIN_EREJECTED);
                rein_drop(f);
                rein_executor_free(x);
                gate_free(&s.gate);
        }
}

/* ---- what it counts ---- */

static void test_a_stop_that_was_begun_holds_one_reference_until_a_restart(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        assert_int_equal(rn_load32(&x->refs), 1);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_QUEUED, far()), 0);
                assert_int_equal(rn_load32(&x->refs), 2); /* its timer's */
        }
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, REIN_NEVER, NULL), 0);
        assert_int_equal(rein_executor_restart(x), 0);
        assert_int_equal(rn_load32(&x->refs), 1);
        rein_executor_free(x);
}

/* In virtual time, which is exact: what runs is cancelled the grace before the deadline. */
static int notes_its_cancel(void *arg)
{
        int rc = rein_sleep(REIN_NEVER);
        *(int64_t *)arg = rn_clock();
        return rc;
}

static int stops_with_grace(void *arg)
{
        int64_t canceled = 0, *early = arg;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_SEC(2)));
        rein_future *f = rein_submit(x, notes_its_cancel, &canceled, REIN_JOB(.on_worker = true));
        (void)rein_sleep(rein_after(REIN_MS(1))); /* it runs */
        rein_time until = rein_after(REIN_SEC(10));
        int rc = rein_executor_stop(x, REIN_STOP_QUEUED, until, NULL);
        *early = until.ns - canceled;
        (void)rein_code(f);
        rein_drop(f);
        rein_executor_free(x);
        return rc;
}

static void test_what_runs_is_cancelled_the_grace_before_the_deadline(void **state)
{
        (void)state;
        int64_t early = 0;
        assert_int_equal(rein_sim_run(REIN_SIM(.generator = REIN_SIM_RANDOM), stops_with_grace, &early), 0);
        assert_int_equal(early, REIN_SEC(2));
}

static void test_a_job_abandoned_by_its_limit_is_named_by_a_later_stop(void **state)
{
        (void)state;
        unseen u = {0};
        stubborn st;
        rein_receipt *r = NULL;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = 1));
        rein_on_unseen(unseen_note, &u);
        stubborn_init(&st);
        rein_future *f = rein_submit(x, stubborn_job, &st,
                                     REIN_JOB(.name = "the late one", .release = stays_where_it_is, .limit_ns = 1,
                                              .unheeded = REIN_ABANDON_IT));
        EVENTUALLY(rein_code(f) == REIN_EABANDONED);
        EVENTUALLY(st.inside == 1);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, REIN_TIME(1), &r), REIN_ESTUCK);
        rein_straggler one = {.size = sizeof one};
        assert_int_equal(rein_receipt_count(r), 1);
        assert_true(rein_receipt_at(r, 0, &one));
        assert_string_equal(one.name, "the late one");
        assert_string_equal(one.stopped_by, "abandoned");
        assert_false(one.gone);
        rein_receipt_free(r);
        stubborn_let_go(&st, 1);
        EVENTUALLY(rein_gone(f));
        rein_drop(f);
        rein_executor_free(x);
        EVENTUALLY(u.count == 1);
        rein_on_unseen(NULL, NULL);
}

static void test_a_job_that_heeds_the_stop_is_named(void **state)
{
        (void)state;
        rein_receipt *r = NULL;
        seat s = {NULL};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, job_sleep, &s, REIN_JOB(.name = "the obedient one"));
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, REIN_NEVER, &r), 0);
        rein_straggler one = {.size = sizeof one};
        assert_int_equal(rein_receipt_count(r), 1);
        assert_true(rein_receipt_at(r, 0, &one));
        assert_string_equal(one.name, "the obedient one");
        assert_string_equal(one.stopped_by, "asked");
        assert_string_equal(one.stuck_in, "rein_sleep");
        assert_true(one.gone);
        rein_receipt_free(r);
        rein_drop(f);
        rein_executor_free(x);
}

/* ---- a stop by a continuation that the hand runs: it is in no list, and stands for no job that the stop waits for ---- */

typedef struct by_hand {
        rein_executor *x;
        _Atomic(rein_work *) handed_over;
        stubborn st;
        atomic_int rc, left, over; /* of the stop; what had left when it returned */
} by_hand;

static int take_one(void *self, rein_work *w)
{
        atomic_store(&((by_hand *)self)->handed_over, w);
        return 0;
}

static void post_none(void *self, rein_work *w)
{
        (void)self;
        (void)w;
        abort(); /* it is stopped when the continuation comes */
}

static void *run_taken(void *arg)
{
        rein_work_run(atomic_load(&((by_hand *)arg)->handed_over));
        return NULL;
}

static int stop_from_the_hand(rein_future *f, void *arg)
{
        (void)f;
        by_hand *b = arg;
        atomic_store(&b->rc, rein_executor_stop(b->x, REIN_STOP_QUEUED, REIN_NEVER, NULL));
        atomic_store(&b->left, b->st.left);
        atomic_store(&b->over, 1);
        return 0;
}

static bool is_waited_for(rein_executor *x)
{
        rn_lock_take(&x->lock);
        bool waits = !rn_list_empty(&x->sleepers);
        rn_lock_give(&x->lock);
        return waits;
}

static void test_a_stop_by_a_continuation_on_the_hand_waits_for_the_job_that_runs(void **state)
{
        (void)state;
        by_hand b = {.rc = 1};
        const rein_executor_ops ops = {.size = sizeof ops, .accept = take_one, .post = post_none};
        stubborn_init(&b.st);
        b.x = rein_executor_new(&ops, &b);
        rein_future *f, *job = rein_submit(b.x, stubborn_job, &b.st, NULL);
        rein_promise *p = rein_promise_new(&f);
        pthread_t t = go(run_taken, &b);
        EVENTUALLY(b.st.inside == 1);
        assert_int_equal(rein_executor_stop_begin(b.x, REIN_STOP_QUEUED, REIN_NEVER), 0);
        assert_non_null(rein_then(f, b.x, stop_from_the_hand, &b));
        rein_promise_keep(p, NULL, NULL);
        EVENTUALLY(b.over || is_waited_for(b.x));
        stubborn_let_go(&b.st, 1);
        join(t);
        EVENTUALLY(b.over);
        assert_int_equal(b.rc, 0);
        assert_int_equal(b.left, 1);
        rein_drop(job);
        rein_drop(f);
        rein_promise_drop(p);
        rein_executor_free(b.x);
}

/* ---- jobs that never ran ---- */

/* What is said while fn runs. */
static const char *said_by(void (*fn)(rein_executor *x), rein_executor *x)
{
        static char said[4096];
        FILE *to = tmpfile();
        assert_non_null(to);
        fflush(stderr);
        const int was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        assert_true(was >= 0 && dup2(fileno(to), STDERR_FILENO) >= 0);
        fn(x);
        fflush(stderr);
        dup2(was, STDERR_FILENO);
        close(was);
        rewind(to);
        said[fread(said, 1, sizeof said - 1, to)] = 0;
        fclose(to);
        return said;
}

/* One thread, and it is busy until it is cancelled. */
static rein_executor *busy_new(seat *s, rein_future **f)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "busy", .threads = 1));
        *f = rein_submit(x, job_sleep, s, NULL);
        EVENTUALLY(sits_in(s, "rein_sleep"));
        return x;
}

static void free_it(rein_executor *x)
{
        rein_executor_free(x);
}

static void stop_and_free_it(rein_executor *x)
{
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, REIN_NEVER, NULL), 0);
        rein_executor_free(x);
}

static void begin_and_free_it(rein_executor *x)
{
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_QUEUED, REIN_NEVER), 0);
        rein_executor_free(x);
}

static void test_a_free_says_once_how_many_jobs_never_ran(void **state)
{
        (void)state;
        for (int n = 0; n < 4; n++) {
                seat s = {NULL};
                rein_future *f, *waits[4];
                rein_executor *x = busy_new(&s, &f);
                for (int i = 0; i < n; i++)
                        waits[i] = rein_submit(x, job_seven, NULL, NULL);
                const char *said = said_by(n == 3 ? begin_and_free_it : free_it, x), *none = "";
                static const char *const texts[] = {"1 job that", "2 jobs that", "3 jobs that"};
                char all[128];
                snprintf(
                        all, sizeof all,
                        "rein: when it was freed, 'busy' had %s never ran: wait for what is to be done, or cancel it\n",
                        texts[n ? n - 1 : 0]);
                assert_string_equal(said, n ? all : none);
                for (int i = 0; i < n; i++) {
                        assert_int_equal(rein_code(waits[i]), REIN_ECANCELED);
                        rein_drop(waits[i]);
                }
                rein_drop(f);
        }
}

static void test_what_was_cancelled_or_stopped_before_is_not_told_by_the_free(void **state)
{
        (void)state;
        enum { BY_FUTURE, BY_GROUP, BY_DEADLINE, ON_ITS_WAY, BY_STOP, WAYS };
        for (int way = 0; way < WAYS; way++) {
                seat s = {NULL};
                rein_future *f, *waits = NULL;
                rein_executor *x = busy_new(&s, &f);
                rein_group g;
                rein_group_open(&g, REIN_GROUP(.until = way == BY_DEADLINE ? rein_now() : REIN_NEVER));
                if (way == BY_GROUP || way == BY_DEADLINE)
                        rein_spawn(&g, x, job_seven, NULL, NULL);
                else
                        waits = rein_submit(x, job_seven, NULL, NULL);
                if (way == BY_FUTURE)
                        assert_int_equal(rein_cancel(waits, NULL), REIN_NEVER_STARTED);
                if (way == BY_GROUP)
                        rein_group_cancel(&g, NULL);
                if (way == ON_ITS_WAY) /* its scope is cancelled, and the queue not yet looked at */
                        rn_store64(&((rein_work *)(void *)waits)->root->cancel_at, rn_clock());
                assert_string_equal(said_by(way == BY_STOP ? stop_and_free_it : free_it, x), "");
                assert_true(rein_group_close(&g, 0) <= 0);
                rein_drop(waits);
                rein_drop(f);
        }
}

enum { MANY = 5000 }; /* more than a loop starts in one turn */

static atomic_int ran;

static int submit_and_leave(void *arg)
{
        (void)arg;
        rein_executor *x = rn_self()->now->work->executor;
        for (int i = 0; i < MANY; i++)
                rein_drop(rein_submit(x, job_count, &ran, NULL));
        return 0;
}

static void run_and_leave(rein_executor *x)
{
        (void)x;
        assert_int_equal(rein_run(submit_and_leave, NULL, NULL), 0);
}

static void test_so_does_the_end_of_a_program_in_a_loop(void **state)
{
        (void)state;
        int lost = 0;
        atomic_store(&ran, 0);
        const char *said = said_by(run_and_leave, NULL);
        static const char begins[] = "rein: when its program had ended, 'main' had ";
        assert_memory_equal(said, begins, sizeof begins - 1);
        assert_int_equal(sscanf(said + sizeof begins - 1, "%d jobs that never ran:", &lost), 1);
        assert_true(lost > 0 && ran < MANY);
        assert_int_equal(lost + ran, MANY);
}

static int program_leaves_jobs(void)
{
        seat s = {NULL};
        rein_future *f;
        harness_leaves_all("a pool that is not freed");
        rein_executor *x = busy_new(&s, &f);
        for (int i = 0; i < 2; i++)
                rein_drop(rein_submit(x, job_seven, NULL, NULL));
        rein_drop(f);
        return 0;
}

static const program programs[] = {{"leaves", program_leaves_jobs}};

static void test_so_does_the_exit_of_a_program_that_did_not_free_its_pool(void **state)
{
        (void)state;
        char said[4096];
        assert_int_equal(program_run("leaves", said, sizeof said), 0);
        assert_string_equal(
                said, "rein: at exit, 'busy' had 2 jobs that never ran: wait for what is to be done, or cancel it\n");
}

int main(int argc, char **argv)
{
        int rc = program_main(programs, COUNT(programs), argc, argv);
        if (rc >= 0)
                return rc;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_later_stop_does_not_postpone_the_giving_up),
                cmocka_unit_test(test_an_earlier_stop_hastens_the_giving_up),
                cmocka_unit_test(test_a_later_stop_does_not_postpone_the_cancel),
                cmocka_unit_test(test_a_harsher_stop_cancels_at_once_however_late_its_deadline),
                cmocka_unit_test(test_a_restart_forgets_the_moments_of_the_stops_before_it),
                cmocka_unit_test(test_a_job_abandoned_before_a_restart_is_in_the_next_receipt),
                cmocka_unit_test(test_the_clock_of_an_old_stop_does_not_harden_the_next),
                cmocka_unit_test(test_a_freed_executor_does_not_stay_until_the_deadline_of_an_older_stop),
                cmocka_unit_test(test_nor_does_one_that_a_job_of_its_own_has_freed),
                cmocka_unit_test(test_a_job_abandoned_inside_its_own_stop_is_not_in_there_any_more),
                cmocka_unit_test(test_a_job_that_has_stopped_its_executor_is_waited_for_again),
                cmocka_unit_test(test_a_job_is_not_given_up_by_its_own_stop),
                cmocka_unit_test(test_while_the_queue_is_run_the_jobs_inside_may_submit_and_nobody_else),
                cmocka_unit_test(test_a_stop_that_was_begun_holds_one_reference_until_a_restart),
                cmocka_unit_test(test_what_runs_is_cancelled_the_grace_before_the_deadline),
                cmocka_unit_test(test_a_job_abandoned_by_its_limit_is_named_by_a_later_stop),
                cmocka_unit_test(test_a_job_that_heeds_the_stop_is_named),
                cmocka_unit_test(test_a_stop_by_a_continuation_on_the_hand_waits_for_the_job_that_runs),
                cmocka_unit_test(test_a_free_says_once_how_many_jobs_never_ran),
                cmocka_unit_test(test_what_was_cancelled_or_stopped_before_is_not_told_by_the_free),
                cmocka_unit_test(test_so_does_the_end_of_a_program_in_a_loop),
                cmocka_unit_test(test_so_does_the_exit_of_a_program_that_did_not_free_its_pool),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
