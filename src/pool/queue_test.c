/* SPDX-License-Identifier: Apache-2.0 */
/* The queue: order, start_by, and what a submit meets when it is full. */
#include "support.h"

#include "pool/pool.h"

/* A pool of one thread that is busy until its gate opens. */
typedef struct busy {
        rein_executor *x;
        rein_future *blocker;
        gate gate;
} busy;

static void busy_begin(busy *b, const rein_pool_opts *opts)
{
        b->x = rein_pool_new(opts);
        b->gate = gate_new();
        b->blocker = rein_submit(b->x, job_pass, &b->gate, NULL);
        EVENTUALLY(rein_executor_queued(b->x) == 0);
}

static void busy_end(busy *b)
{
        gate_open(&b->gate);
        (void)rein_await(b->blocker, NULL, REIN_NEVER);
        rein_drop(b->blocker);
        rein_executor_free(b->x);
        gate_free(&b->gate);
}

/* ---- order ---- */

static int order[64];
static atomic_int ordered;

static int note_order(void *arg)
{
        order[atomic_fetch_add(&ordered, 1)] = (int)(intptr_t)arg;
        return 0;
}

static void test_higher_priorities_run_first_and_equals_in_the_order_they_came(void **state)
{
        (void)state;
        static const int priorities[] = {0, 5, -3, 5, 0, 9, -3, 9};
        static const int expected[] = {5, 7, 1, 3, 0, 4, 2, 6};
        busy b;
        busy_begin(&b, REIN_POOL(.threads = 1));
        atomic_store(&ordered, 0);
        for (int i = 0; i < 8; i++)
                rein_drop(rein_submit(b.x, note_order, (void *)(intptr_t)i, REIN_JOB(.priority = priorities[i])));
        gate_open(&b.gate);
        assert_int_equal(rein_executor_stop(b.x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(ordered, 8);
        for (int i = 0; i < 8; i++)
                assert_int_equal(order[i], expected[i]);
        busy_end(&b);
}

/* ---- jobs that a pool's own jobs submit ---- */

static rein_executor *nest;

static int submit_five(void *arg)
{
        (void)arg;
        for (int i = 0; i < 5; i++)
                rein_drop(rein_submit(nest, note_order, (void *)(intptr_t)i, NULL));
        return 0;
}

static void test_what_comes_from_inside_runs_newest_first_and_before_what_waits_outside(void **state)
{
        (void)state;
        static const int expected[] = {4, 3, 2, 1, 0, 10, 11};
        busy b;
        busy_begin(&b, REIN_POOL(.threads = 1));
        nest = b.x;
        atomic_store(&ordered, 0);
        rein_drop(rein_submit(b.x, submit_five, NULL, NULL));
        for (int i = 10; i < 12; i++)
                rein_drop(rein_submit(b.x, note_order, (void *)(intptr_t)i, NULL));
        gate_open(&b.gate);
        assert_int_equal(rein_executor_stop(b.x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(ordered, (int)COUNT(expected));
        for (int i = 0; i < (int)COUNT(expected); i++)
                assert_int_equal(order[i], expected[i]);
        busy_end(&b);
}

enum { FAIR_TURNS = 61, CHAIN = 4 * FAIR_TURNS };

static atomic_int links, seen_at[3];

/* It submits itself again, as the last thing it does: it is always the newest. */
static int go_on(void *arg)
{
        if (atomic_fetch_add(&links, 1) < CHAIN)
                rein_drop(rein_submit(nest, go_on, arg, NULL));
        return 0;
}

static int see(void *arg)
{
        atomic_store(&seen_at[(intptr_t)arg], atomic_load(&links));
        return 0;
}

static int leave_one_and_go_on(void *arg)
{
        rein_drop(rein_submit(nest, see, arg, NULL));
        return go_on(arg);
}

static void test_one_that_goes_on_for_ever_holds_up_neither_what_is_outside_nor_what_is_inside(void **state)
{
        (void)state;
        busy b;
        busy_begin(&b, REIN_POOL(.threads = 1));
        nest = b.x;
        atomic_store(&links, 0);
        rein_drop(rein_submit(b.x, leave_one_and_go_on, (void *)0, NULL));
        rein_drop(rein_submit(b.x, see, (void *)1, NULL));
        rein_drop(rein_submit(b.x, see, (void *)2, NULL));
        gate_open(&b.gate);
        EVENTUALLY(atomic_load(&links) > CHAIN);
        assert_int_equal(rein_executor_stop(b.x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_in_range(seen_at[0], 1, FAIR_TURNS);
        assert_in_range(seen_at[1], 1, FAIR_TURNS);
        assert_in_range(seen_at[2], seen_at[1] + 1, 2 * FAIR_TURNS);
        busy_end(&b);
}

static int hold_one_inside(void *arg)
{
        gate *g = arg;
        rein_drop(rein_submit(nest, note_order, (void *)(intptr_t)7, NULL));
        return job_pass(g);
}

static void test_the_oldest_may_be_one_from_inside(void **state)
{
        (void)state;
        rein_executor *x = nest = rein_pool_new(REIN_POOL(.threads = 1, .queue_max = 1, .full = REIN_FULL_DROP_OLDEST));
        gate g = gate_new();
        atomic_store(&ordered, 0);
        rein_future *holder = rein_submit(x, hold_one_inside, &g, NULL);
        EVENTUALLY(rein_executor_unfinished(x) == 2);
        EVENTUALLY(rein_executor_queued(x) == 1);
        rein_future *f = rein_submit(x, note_order, (void *)(intptr_t)8, NULL);
        assert_int_equal(rein_executor_queued(x), 1);
        gate_open(&g);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        assert_int_equal(ordered, 1);
        assert_int_equal(order[0], 8);
        assert_int_equal(rein_await(holder, NULL, REIN_NEVER), 0);
        rein_drop(holder);
        rein_drop(f);
        rein_executor_free(x);
        gate_free(&g);
}

static void test_submit_many_takes_all_in_order(void **state)
{
        (void)state;
        busy b;
        void *args[20];
        rein_future *f[20];
        busy_begin(&b, REIN_POOL(.threads = 1));
        atomic_store(&ordered, 0);
        for (int i = 0; i < 20; i++)
                args[i] = (void *)(intptr_t)i;
        assert_int_equal(rein_submit_many(b.x, note_order, args, 20, NULL, f), 20);
        gate_open(&b.gate);
        for (int i = 0; i < 20; i++) {
                assert_int_equal(rein_await(f[i], NULL, REIN_NEVER), 0);
                rein_drop(f[i]);
        }
        for (int i = 0; i < 20; i++)
                assert_int_equal(order[i], i);
        busy_end(&b);
}

static void test_submit_many_says_how_many_were_taken(void **state)
{
        (void)state;
        busy b;
        rein_future *f[5];
        busy_begin(&b, REIN_POOL(.threads = 1, .queue_max = 3, .full = REIN_FULL_REJECT));
        assert_int_equal(rein_submit_many(b.x, job_seven, NULL, 5, NULL, f), 3);
        for (int i = 0; i < 5; i++)
                assert_int_equal(rein_code(f[i]), i < 3 ? REIN_EPENDING : REIN_EREJECTED);
        gate_open(&b.gate);
        for (int i = 0; i < 5; i++) {
                (void)rein_await(f[i], NULL, REIN_NEVER);
                rein_drop(f[i]);
        }
        busy_end(&b);
}

/* ---- start_by ---- */

static void test_a_job_not_started_by_its_start_by_is_rejected_and_never_runs(void **state)
{
        (void)state;
        busy b;
        atomic_int runs = 0, released = 0;
        busy_begin(&b, REIN_POOL(.threads = 1));
        rein_future *late = rein_submit(b.x, job_count, &runs, REIN_JOB(.start_by = rein_after(REIN_MS(1))));
        rein_future *past =
                rein_submit(b.x, job_count, &released, REIN_JOB(.start_by = REIN_TIME(1), .release = release_count));
        rein_future *in_time = rein_submit(b.x, job_count, &runs, REIN_JOB(.start_by = rein_after(REIN_SEC(3600))));
        rein_future *both[] = {late, past};
        assert_int_equal(rein_wait_all(both, 2, REIN_NEVER), 0); /* while the pool is still busy */
        assert_int_equal(rein_code(late), REIN_EREJECTED);
        assert_int_equal(rein_code(past), REIN_EREJECTED);
        assert_non_null(strstr(rein_error_text(rein_error_of(late)), "start_by"));
        assert_int_equal(released, 1);
        assert_int_equal(rein_executor_queued(b.x), 1);
        gate_open(&b.gate);
        assert_int_equal(rein_await(in_time, NULL, REIN_NEVER), 0);
        assert_int_equal(runs, 1);
        rein_drop(late);
        rein_drop(past);
        rein_drop(in_time);
        busy_end(&b);
}

/* ---- full ---- */

static void test_reject(void **state)
{
        (void)state;
        busy b;
        atomic_int released = 0, runs = 0;
        busy_begin(&b, REIN_POOL(.name = "tiny", .threads = 1, .queue_max = 1, .full = REIN_FULL_REJECT));
        rein_future *queued = rein_submit(b.x, job_count, &runs, NULL);
        rein_future *refused = rein_submit(b.x, job_count, &released, REIN_JOB(.release = release_count));
        assert_int_equal(rein_code(refused), REIN_EREJECTED);
        assert_non_null(strstr(rein_error_text(rein_error_of(refused)), "tiny"));
        assert_non_null(strstr(rein_error_text(rein_error_of(refused)), "full"));
        assert_int_equal(released, 1);
        gate_open(&b.gate);
        assert_int_equal(rein_await(queued, NULL, REIN_NEVER), 0);
        assert_int_equal(runs, 1);
        rein_drop(queued);
        rein_drop(refused);
        busy_end(&b);
}

static pthread_t ran_on;

static int note_thread(void *arg)
{
        ran_on = pthread_self();
        return arg ? rein_give(arg, NULL) : 0;
}

static void test_the_caller_runs_it(void **state)
{
        (void)state;
        busy b;
        busy_begin(&b, REIN_POOL(.threads = 1, .queue_max = 1, .full = REIN_FULL_CALLER));
        rein_future *queued = rein_submit(b.x, job_seven, NULL, NULL);
        rein_future *here = rein_submit(b.x, note_thread, &b, NULL);
        assert_int_equal(rein_code(here), 0); /* before submit returned */
        assert_true(pthread_equal(ran_on, pthread_self()));
        assert_ptr_equal(rein_value(here, NULL), &b);
        gate_open(&b.gate);
        assert_int_equal(rein_await(queued, NULL, REIN_NEVER), 0);
        rein_drop(queued);
        rein_drop(here);
        busy_end(&b);
}

static void test_drop_the_oldest(void **state)
{
        (void)state;
        busy b;
        atomic_int released = 0, runs = 0;
        busy_begin(&b, REIN_POOL(.threads = 1, .queue_max = 2, .full = REIN_FULL_DROP_OLDEST));
        rein_future *f[4];
        f[0] = rein_submit(b.x, job_count, &released, REIN_JOB(.release = release_count, .priority = 9));
        for (int i = 1; i < 4; i++)
                f[i] = rein_submit(b.x, job_count, &runs, NULL);
        assert_int_equal(rein_code(f[0]), REIN_EREJECTED); /* queued longest, whatever its priority */
        assert_int_equal(rein_cancel(f[0], "it has its outcome"), REIN_TOO_LATE);
        assert_int_equal(rein_code(f[1]), REIN_EREJECTED);
        assert_int_equal(released, 1);
        assert_int_equal(rein_executor_queued(b.x), 2);
        gate_open(&b.gate);
        assert_int_equal(rein_await(f[2], NULL, REIN_NEVER), 0);
        assert_int_equal(rein_await(f[3], NULL, REIN_NEVER), 0);
        assert_int_equal(runs, 2);
        for (int i = 0; i < 4; i++)
                rein_drop(f[i]);
        busy_end(&b);
}

static int count_next(rein_future *f, void *arg)
{
        (void)f;
        atomic_fetch_add((atomic_int *)arg, 1);
        return 0;
}

static void test_a_continuation_is_not_what_is_dropped(void **state)
{
        (void)state;
        busy b;
        atomic_int runs = 0, next = 0;
        gate first = gate_new();
        busy_begin(&b, REIN_POOL(.threads = 1, .queue_max = 2, .full = REIN_FULL_DROP_OLDEST));
        assert_non_null(rein_then(first.open, b.x, count_next, &next));
        gate_open(&first); /* from here on it is the oldest in the queue */
        rein_future *f[2] = {rein_submit(b.x, job_count, &runs, NULL), rein_submit(b.x, job_count, &runs, NULL)};
        assert_int_equal(rein_code(f[0]), REIN_EREJECTED);
        assert_int_equal(rein_code(f[1]), REIN_EPENDING);
        gate_open(&b.gate);
        assert_int_equal(rein_await(f[1], NULL, REIN_NEVER), 0);
        assert_int_equal(next, 1);
        assert_int_equal(runs, 1);
        for (int i = 0; i < 2; i++)
                rein_drop(f[i]);
        busy_end(&b);
        gate_free(&first);
}

/* From the moment the last permit is lost until what is queued has been rejected. */
static void set_exhausted(busy *b, bool yes)
{
        rn_lock_take(&b->x->lock);
        pool *p = rn_pool_of(b->x);
        rn_tell32(&rn_work_of(b->blocker)->permit, yes ? RN_LOST_PERMIT : RN_HAS_PERMIT);
        p->lost = yes;
        p->exhausted = yes;
        rn_lock_give(&b->x->lock);
}

static void test_an_exhausted_pool_rejects_the_newcomer_alone(void **state)
{
        (void)state;
        for (int full = REIN_FULL_WAIT; full <= REIN_FULL_DROP_OLDEST; full++) {
                busy b;
                atomic_int runs = 0, never = 0;
                busy_begin(&b, REIN_POOL(.threads = 1, .queue_max = 1, .full = (rein_full)full));
                rein_future *queued = rein_submit(b.x, job_count, &runs, NULL);
                set_exhausted(&b, true);
                rein_future *refused = rein_submit(b.x, job_count, &never, NULL);
                assert_int_equal(rein_code(refused), REIN_EREJECTED);
                assert_non_null(strstr(rein_error_text(rein_error_of(refused)), "exhausted"));
                assert_int_equal(rein_code(queued), REIN_EPENDING);
                set_exhausted(&b, false);
                gate_open(&b.gate);
                assert_int_equal(rein_await(queued, NULL, REIN_NEVER), 0);
                assert_int_equal(runs, 1);
                assert_int_equal(never, 0);
                rein_drop(queued);
                rein_drop(refused);
                busy_end(&b);
        }
}

typedef struct submitter {
        rein_executor *x;
        rein_scope scope;
        atomic_int open, runs, released;
        seat seat;
        rein_future *f;
} submitter;

static void *submit_one(void *arg)
{
        submitter *s = arg;
        rein_scope_open(&s->scope, REIN_NEVER);
        sit(&s->seat);
        atomic_store(&s->open, 1);
        s->f = rein_submit(s->x, job_count, &s->runs, NULL);
        (void)rein_scope_close(&s->scope, 0);
        return NULL;
}

static const char waiting[] = "rein_submit, for room in";

static void test_wait_until_there_is_room(void **state)
{
        (void)state;
        busy b;
        busy_begin(&b, REIN_POOL(.threads = 1, .queue_max = 1));
        rein_future *queued = rein_submit(b.x, job_seven, NULL, NULL);
        submitter s = {.x = b.x};
        pthread_t t = go(submit_one, &s);
        EVENTUALLY(sits_in(&s.seat, waiting));
        assert_int_equal(rein_cancel(queued, "makes room"), REIN_NEVER_STARTED);
        join(t);
        assert_int_equal(rein_code(s.f), REIN_EPENDING);
        gate_open(&b.gate);
        assert_int_equal(rein_await(s.f, NULL, REIN_NEVER), 0);
        assert_int_equal(s.runs, 1);
        rein_drop(s.f);
        rein_drop(queued);
        busy_end(&b);
}

static void test_who_waits_for_room_may_be_cancelled(void **state)
{
        (void)state;
        busy b;
        busy_begin(&b, REIN_POOL(.threads = 1, .queue_max = 1));
        rein_future *queued = rein_submit(b.x, job_seven, NULL, NULL);
        submitter s = {.x = b.x};
        pthread_t t = go(submit_one, &s);
        EVENTUALLY(sits_in(&s.seat, waiting));
        rein_scope_cancel(&s.scope, "no more patience");
        join(t);
        assert_int_equal(rein_code(s.f), REIN_ECANCELED);
        gate_open(&b.gate);
        assert_int_equal(rein_await(queued, NULL, REIN_NEVER), 0);
        rein_drop(s.f);
        rein_drop(queued);
        busy_end(&b);
        assert_int_equal(s.runs, 0);
}

static void test_who_waits_for_room_leaves_when_the_pool_is_stopped(void **state)
{
        (void)state;
        busy b;
        busy_begin(&b, REIN_POOL(.threads = 1, .queue_max = 1));
        rein_future *queued = rein_submit(b.x, job_seven, NULL, NULL);
        submitter s = {.x = b.x};
        pthread_t t = go(submit_one, &s);
        EVENTUALLY(sits_in(&s.seat, waiting));
        assert_int_equal(rein_executor_stop(b.x, REIN_STOP_NOW, REIN_NEVER, NULL), 0);
        join(t);
        assert_true(rein_code(s.f) == REIN_ECANCELED || rein_code(s.f) == REIN_EREJECTED);
        rein_drop(s.f);
        rein_drop(queued);
        busy_end(&b);
        assert_int_equal(s.runs, 0);
}

/* Its scope has a deadline far away, so that it does not look around for a deadlock: nothing wakes it but being told. */
typedef struct waiter {
        rein_executor *x;
        rein_group *group; /* somebody else's; NULL: plain submit */
        rein_job job;
        atomic_int runs, back;
        seat seat;
        rein_future *f;
} waiter;

static void *submit_patiently(void *arg)
{
        waiter *w = arg;
        rein_scope s;
        rein_scope_open(&s, rein_after(REIN_SEC(3600)));
        sit(&w->seat);
        w->f = w->group ? rein_ref(rein_spawn_future(w->group, w->x, job_count, &w->runs, &w->job))
                        : rein_submit(w->x, job_count, &w->runs, &w->job);
        atomic_store(&w->back, 1);
        (void)rein_scope_close(&s, 0);
        return NULL;
}

static void test_who_waits_for_room_leaves_when_another_cancels_the_job(void **state)
{
        (void)state;
        busy b;
        rein_group g;
        busy_begin(&b, REIN_POOL(.threads = 1, .queue_max = 1));
        rein_future *queued = rein_submit(b.x, job_seven, NULL, NULL);
        rein_group_open(&g, NULL);
        waiter w = {.x = b.x, .group = &g, .job = {.size = sizeof w.job}};
        pthread_t t = go(submit_patiently, &w);
        EVENTUALLY(sits_in(&w.seat, waiting));
        rein_group_cancel(&g, "the opener has second thoughts");
        EVENTUALLY(w.back); /* while the queue is as full as before */
        assert_int_equal(rein_code(queued), REIN_EPENDING);
        join(t);
        assert_int_equal(rein_code(w.f), REIN_ECANCELED);
        assert_int_equal(rein_group_close(&g, 0), REIN_ESTOPPED);
        gate_open(&b.gate);
        assert_int_equal(rein_await(queued, NULL, REIN_NEVER), 0);
        rein_drop(w.f);
        rein_drop(queued);
        busy_end(&b);
        assert_int_equal(w.runs, 0);
}

static void test_who_waits_for_room_leaves_when_the_job_may_start_no_more(void **state)
{
        (void)state;
        busy b;
        busy_begin(&b, REIN_POOL(.threads = 1, .queue_max = 1));
        rein_future *queued = rein_submit(b.x, job_seven, NULL, NULL);
        waiter w = {.x = b.x, .job = {.size = sizeof w.job, .start_by = rein_after(REIN_MS(20))}};
        pthread_t t = go(submit_patiently, &w);
        EVENTUALLY(w.back);
        assert_int_equal(rein_code(queued), REIN_EPENDING);
        join(t);
        assert_int_equal(rein_await(w.f, NULL, REIN_NEVER), REIN_EFAILED); /* the hand may be about to settle it */
        assert_int_equal(rein_code(w.f), REIN_EREJECTED);
        assert_non_null(strstr(rein_error_text(rein_error_of(w.f)), "start_by"));
        gate_open(&b.gate);
        assert_int_equal(rein_await(queued, NULL, REIN_NEVER), 0);
        rein_drop(w.f);
        rein_drop(queued);
        busy_end(&b);
        assert_int_equal(w.runs, 0);
}

typedef struct flood {
        rein_executor *x;
        atomic_int *runs;
        gate *gate;
} flood;

static int submit_twenty(void *arg)
{
        flood *f = arg;
        for (int i = 0; i < 20; i++)
                rein_drop(rein_submit(f->x, job_count, f->runs, NULL));
        return 0;
}

static void test_a_job_of_the_pool_is_never_made_to_wait(void **state)
{
        (void)state;
        atomic_int runs = 0;
        for (int full = REIN_FULL_WAIT; full <= REIN_FULL_DROP_OLDEST; full++) {
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .queue_max = 1, .full = (rein_full)full));
                flood fl = {x, &runs, NULL};
                atomic_store(&runs, 0);
                rein_future *f = rein_submit(x, submit_twenty, &fl, NULL);
                assert_int_equal(rein_await(f, NULL, rein_after(REIN_SEC(60))), 0);
                rein_drop(f);
                assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
                assert_int_equal(runs, 20);
                rein_executor_free(x);
        }
}

enum { PRODUCERS = 4, JOBS = 200 };

static void *produce(void *arg)
{
        flood *f = arg;
        for (int i = 0; i < JOBS; i++)
                rein_drop(rein_submit(f->x, job_count, f->runs, NULL));
        return NULL;
}

static void test_waiting_submitters_lose_nothing(void **state)
{
        (void)state;
        atomic_int runs = 0;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2, .queue_max = 2));
        flood fl = {x, &runs, NULL};
        pthread_t t[PRODUCERS];
        for (int i = 0; i < PRODUCERS; i++)
                t[i] = go(produce, &fl);
        for (int i = 0; i < PRODUCERS; i++)
                join(t[i]);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(runs, PRODUCERS * JOBS);
        rein_executor_free(x);
}

/* ---- bulkheads ---- */

static void test_one_pool_full_of_stuck_jobs_leaves_the_other_alone(void **state)
{
        (void)state;
        rein_executor *stuck = rein_pool_new(REIN_POOL(.threads = 2)), *well = rein_pool_new(REIN_POOL(.threads = 1));
        stubborn s;
        stubborn_init(&s);
        rein_future *f[50];
        for (int i = 0; i < 50; i++)
                f[i] = rein_submit(stuck, stubborn_job, &s, NULL);
        EVENTUALLY(s.inside == 2);
        for (int i = 0; i < 200; i++) {
                rein_future *g = rein_submit(well, job_seven, NULL, REIN_JOB(.on_worker = true));
                assert_int_equal(rein_await(g, NULL, rein_after(REIN_SEC(60))), 0);
                rein_drop(g);
        }
        assert_int_equal(rein_executor_queued(stuck), 48);
        stubborn_let_go(&s, 50);
        assert_int_equal(rein_wait_all(f, 50, REIN_NEVER), 0);
        for (int i = 0; i < 50; i++)
                rein_drop(f[i]);
        rein_executor_free(stuck);
        rein_executor_free(well);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_higher_priorities_run_first_and_equals_in_the_order_they_came),
                cmocka_unit_test(test_what_comes_from_inside_runs_newest_first_and_before_what_waits_outside),
                cmocka_unit_test(test_one_that_goes_on_for_ever_holds_up_neither_what_is_outside_nor_what_is_inside),
                cmocka_unit_test(test_the_oldest_may_be_one_from_inside),
                cmocka_unit_test(test_submit_many_takes_all_in_order),
                cmocka_unit_test(test_submit_many_says_how_many_were_taken),
                cmocka_unit_test(test_a_job_not_started_by_its_start_by_is_rejected_and_never_runs),
                cmocka_unit_test(test_reject),
                cmocka_unit_test(test_the_caller_runs_it),
                cmocka_unit_test(test_drop_the_oldest),
                cmocka_unit_test(test_a_continuation_is_not_what_is_dropped),
                cmocka_unit_test(test_an_exhausted_pool_rejects_the_newcomer_alone),
                cmocka_unit_test(test_wait_until_there_is_room),
                cmocka_unit_test(test_who_waits_for_room_may_be_cancelled),
                cmocka_unit_test(test_who_waits_for_room_leaves_when_the_pool_is_stopped),
                cmocka_unit_test(test_who_waits_for_room_leaves_when_another_cancels_the_job),
                cmocka_unit_test(test_who_waits_for_room_leaves_when_the_job_may_start_no_more),
                cmocka_unit_test(test_a_job_of_the_pool_is_never_made_to_wait),
                cmocka_unit_test(test_waiting_submitters_lose_nothing),
                cmocka_unit_test(test_one_pool_full_of_stuck_jobs_leaves_the_other_alone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
