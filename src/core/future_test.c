/* SPDX-License-Identifier: Apache-2.0 */
/* Futures: settling, reading, taking, cancelling and dropping them. That a job is claimed twice cannot be written here: its
 * executor claims it, and the contract of rein_work_run is "exactly once". */
#include "support.h"

#include "core/future.h"
#include "core/next.h"

/* ---- settling ---- */

enum { RACERS = 8, ROUNDS = 500 };

typedef struct race {
        pthread_barrier_t start;
        rein_promise *promise;
        atomic_int winners, losers, others, released;
        atomic_intptr_t winner;
        bool breaks;
} race;

typedef struct racer {
        race *race;
        int number;
        atomic_int *releases; /* of the value it brings */
} racer;

static void *settle_once(void *arg)
{
        racer *me = arg;
        race *r = me->race;
        pthread_barrier_wait(&r->start);
        int rc = r->breaks && me->number % 2
                         ? rein_promise_break(r->promise, -1000 - me->number, "racer %d", me->number)
                         : rein_promise_keep(r->promise, me->releases, release_count);
        if (rc == 0) {
                atomic_fetch_add(&r->winners, 1);
                atomic_store(&r->winner, me->number);
        } else if (rc == REIN_EALREADY) {
                atomic_fetch_add(&r->losers, 1);
        } else {
                atomic_fetch_add(&r->others, 1);
        }
        return NULL;
}

static void settle_race(bool breaks)
{
        for (int round = 0; round < ROUNDS / 10; round++) {
                race r = {.breaks = breaks};
                racer racers[RACERS];
                pthread_t threads[RACERS];
                atomic_int releases[RACERS];
                rein_future *f;
                pthread_barrier_init(&r.start, NULL, RACERS);
                r.promise = rein_promise_new(&f);
                for (int i = 0; i < RACERS; i++) {
                        atomic_init(&releases[i], 0);
                        racers[i] = (racer){&r, i, &releases[i]};
                        threads[i] = go(settle_once, &racers[i]);
                }
                void *seen_by_reader = NULL;
                int read = rein_await(f, &seen_by_reader, REIN_NEVER);
                for (int i = 0; i < RACERS; i++)
                        join(threads[i]);
                int winner = (int)r.winner;
                assert_int_equal(r.winners, 1);
                assert_int_equal(r.losers, RACERS - 1);
                assert_int_equal(r.others, 0);
                if (breaks && winner % 2) {
                        assert_int_equal(read, REIN_EFAILED);
                        assert_int_equal(rein_code(f), -1000 - winner);
                } else {
                        assert_int_equal(read, 0);
                        assert_ptr_equal(seen_by_reader, &releases[winner]);
                        assert_ptr_equal(rein_value(f, NULL), &releases[winner]);
                }
                rein_promise_drop(r.promise);
                rein_drop(f);
                for (int i = 0; i < RACERS; i++) /* the winner's once, the losers' are still theirs */
                        assert_int_equal(releases[i], i == winner && !(breaks && winner % 2) ? 1 : 0);
                pthread_barrier_destroy(&r.start);
        }
}

static void p1_settled_exactly_once_and_the_loser_is_told(void **state)
{
        (void)state;
        settle_race(false);
}

static void test_n_threads_keep_and_break_at_once_one_wins(void **state)
{
        (void)state;
        settle_race(true);
}

static void test_settling_again_is_refused_and_changes_nothing(void **state)
{
        (void)state;
        atomic_int first = 0, second = 0;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        assert_int_equal(rein_promise_keep(p, &first, release_count), 0);
        assert_int_equal(rein_promise_keep(p, &second, release_count), REIN_EALREADY);
        assert_int_equal(rein_promise_break(p, -EIO, "too late"), REIN_EALREADY);
        assert_int_equal(rein_code(f), 0);
        assert_ptr_equal(rein_value(f, NULL), &first);
        assert_null(rein_error_of(f));
        rein_promise_drop(p);
        assert_int_equal(rein_code(f), 0);
        rein_drop(f);
        assert_int_equal(first, 1);
        assert_int_equal(second, 0);

        p = rein_promise_new(&f);
        assert_int_equal(rein_promise_break(p, -EIO, "burnt"), 0);
        assert_int_equal(rein_promise_keep(p, &second, release_count), REIN_EALREADY);
        assert_int_equal(rein_code(f), -EIO);
        assert_string_equal(rein_error_text(rein_error_of(f)), "burnt");
        rein_promise_drop(p);
        rein_drop(f);
        assert_int_equal(second, 0);
}

/* ---- cancelling ---- */

typedef struct awaiter {
        rein_future *f;
        seat seat;
        int rc, cause;
} awaiter;

static void *await_it(void *arg)
{
        awaiter *a = arg;
        sit(&a->seat);
        a->rc = rein_await(a->f, NULL, REIN_NEVER);
        a->cause = rein_error_code(rein_error_cause(rein_trail()));
        return NULL;
}

/* A pool of one thread that is busy until the gate opens. */
static rein_executor *busy_pool(gate *g, rein_future **blocker)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        *blocker = rein_submit(x, job_pass, g, NULL);
        return x;
}

static void test_a_job_cancelled_before_its_start_never_runs_and_its_awaiter_wakes(void **state)
{
        (void)state;
        gate g = gate_new();
        rein_future *blocker;
        rein_executor *x = busy_pool(&g, &blocker);
        atomic_int runs = 0, releases = 0;
        EVENTUALLY(rein_executor_queued(x) == 0);
        rein_future *f = rein_submit(x, job_count, &runs, REIN_JOB(.on_worker = true));
        rein_future *owned = rein_submit(x, job_count, &releases, REIN_JOB(.release = release_count));
        awaiter a = {.f = f};
        pthread_t t = go(await_it, &a);
        EVENTUALLY(sits_in(&a.seat, "rein_await"));
        assert_int_equal(rein_cancel(f, "not needed"), REIN_NEVER_STARTED);
        assert_int_equal(rein_code(f), REIN_ECANCELED); /* at once */
        assert_true(rein_gone(f));
        join(t);
        assert_int_equal(a.rc, REIN_EFAILED);
        assert_int_equal(a.cause, REIN_ECANCELED);
        assert_int_equal(rein_cancel(owned, NULL), REIN_NEVER_STARTED);
        assert_int_equal(releases, 1); /* its argument is free although it never ran */
        gate_open(&g);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(runs, 0);
        assert_int_equal(releases, 1);
        assert_int_equal(rein_code(blocker), 0);
        rein_drop(f);
        rein_drop(owned);
        rein_drop(blocker);
        rein_executor_free(x);
        gate_free(&g);
}

static int next_count(rein_future *f, void *arg)
{
        (void)f;
        atomic_fetch_add((atomic_int *)arg, 1);
        return 0;
}

static void test_cancelled_again_changes_nothing_and_continuations_run_once(void **state)
{
        (void)state;
        gate g = gate_new();
        rein_future *blocker;
        rein_executor *x = busy_pool(&g, &blocker), *y = rein_pool_new(REIN_POOL(.threads = 1));
        atomic_int runs = 0, nexts = 0;
        EVENTUALLY(rein_executor_queued(x) == 0);
        rein_future *f = rein_submit(x, job_count, &runs, NULL);
        assert_non_null(rein_then(f, y, next_count, &nexts));
        assert_int_equal(rein_cancel(f, "first"), REIN_NEVER_STARTED);
        assert_int_equal(rein_cancel(f, "second"), REIN_TOO_LATE);
        assert_int_equal(rein_code(f), REIN_ECANCELED);
        assert_non_null(strstr(rein_error_text(rein_error_of(f)), "first"));
        assert_int_equal(rein_executor_stop(y, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(nexts, 1);
        gate_open(&g);
        rein_drop(f);
        rein_drop(blocker);
        rein_executor_free(x);
        rein_executor_free(y);
        gate_free(&g);
        assert_int_equal(runs, 0);
}

static void test_p4_a_running_job_is_asked_and_a_finished_one_is_too_late(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        seat s = {NULL};
        rein_future *f = rein_submit(x, job_sleep, &s, NULL);
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        assert_int_equal(rein_code(f), REIN_EPENDING);
        assert_int_equal(rein_cancel(f, "enough"), REIN_ASKED);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), REIN_EFAILED);
        assert_int_equal(rein_code(f), REIN_ECANCELED);
        assert_non_null(strstr(rein_error_text(rein_error_of(f)), "enough"));
        assert_int_equal(rein_cancel(f, "again"), REIN_TOO_LATE);
        rein_drop(f);

        f = rein_submit(x, job_seven, NULL, NULL);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        assert_int_equal(rein_cancel(f, NULL), REIN_TOO_LATE);
        assert_int_equal(rein_code(f), 7);
        rein_drop(f);
        rein_executor_free(x);
}

/* It was asked, and ends well all the same: its value is what counts. */
static int heed_not(void *arg)
{
        stubborn_stay(arg);
        return 9;
}

static void test_a_job_that_was_asked_and_ends_well_has_ended_well(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        stubborn s;
        stubborn_init(&s);
        rein_future *f = rein_submit(x, heed_not, &s, NULL);
        EVENTUALLY(s.inside == 1);
        assert_int_equal(rein_cancel(f, "no effect"), REIN_ASKED);
        assert_int_equal(rein_cancel(f, "twice is once"), REIN_ASKED);
        stubborn_let_go(&s, 1);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        assert_int_equal(rein_code(f), 9);
        rein_drop(f);
        rein_executor_free(x);
}

typedef struct set_waiter {
        rein_future *f[2];
        seat seat;
        int times, last;
} set_waiter;

static void *count_given(void *arg)
{
        set_waiter *w = arg;
        rein_done it;
        sit(&w->seat);
        rein_done_open(&it, w->f, 2);
        while ((w->last = rein_done_next(&it, REIN_NEVER)) >= 0)
                w->times += w->last == 0;
        rein_done_close(&it);
        return NULL;
}

static void test_a_cancelled_job_is_claimed_in_vain_and_its_waiters_are_told_once(void **state)
{
        (void)state;
        gate g = gate_new();
        rein_future *blocker;
        rein_executor *x = busy_pool(&g, &blocker);
        atomic_int runs = 0;
        EVENTUALLY(rein_executor_queued(x) == 0);
        rein_future *f = rein_submit(x, job_count, &runs, NULL);
        set_waiter w = {.f = {f, blocker}};
        pthread_t t = go(count_given, &w);
        EVENTUALLY(sits_in(&w.seat, "rein_done_next"));
        rein_cancel(f, NULL);
        gate_open(&g); /* the worker comes to where the cancelled one was */
        join(t);
        assert_int_equal(w.times, 1);
        assert_int_equal(w.last, -ENOENT);
        rein_executor_free(x);
        assert_int_equal(runs, 0);
        rein_drop(f);
        rein_drop(blocker);
        gate_free(&g);
}

/* A cancel and the start race: either it never ran, or it was asked; it always settles. */
static void p4_a_cancel_has_three_answers_and_the_future_settles(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        for (int i = 0; i < ROUNDS; i++) {
                atomic_int runs = 0;
                rein_future *f = rein_submit(x, job_count, &runs, REIN_JOB(.on_worker = true));
                rein_cancel_answer answer = rein_cancel(f, NULL);
                int rc = rein_await(f, NULL, REIN_NEVER), code = rein_code(f);
                switch (answer) {
                case REIN_NEVER_STARTED:
                        assert_int_equal(code, REIN_ECANCELED);
                        assert_int_equal(runs, 0);
                        break;
                case REIN_ASKED: /* it was claimed: ran to its end, or saw the cancel before its first line */
                        assert_true((code == 0 && runs == 1) || (code == REIN_ECANCELED && runs == 0));
                        break;
                case REIN_TOO_LATE:
                        assert_int_equal(code, 0);
                        assert_int_equal(runs, 1);
                        break;
                }
                assert_int_equal(rc, code < 0 ? REIN_EFAILED : 0);
                rein_drop(f);
        }
        rein_executor_free(x);
}

/* ---- waiting ---- */

static void test_await_with_nowait_times_out_and_changes_nothing(void **state)
{
        (void)state;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        assert_int_equal(rein_await(f, NULL, REIN_NOWAIT), REIN_ETIMEOUT);
        assert_int_equal(rein_await(f, NULL, REIN_TIME(0)), REIN_ETIMEOUT);
        assert_int_equal(rein_await(f, NULL, REIN_TIME(-1)), REIN_ETIMEOUT);
        assert_int_equal(rein_code(f), REIN_EPENDING);
        assert_null(rein_error_of(f));
        assert_null(rein_value(f, NULL));
        assert_false(rein_gone(f));
        assert_int_equal(rein_promise_keep(p, NULL, NULL), 0);
        assert_int_equal(rein_await(f, NULL, REIN_NOWAIT), 0); /* what is there is given without waiting */
        rein_promise_drop(p);
        rein_drop(f);
}

static void test_p3_a_blocked_getter_wakes_with_the_value(void **state)
{
        (void)state;
        for (int i = 0; i < ROUNDS / 5; i++) {
                rein_future *f;
                rein_promise *p = rein_promise_new(&f);
                awaiter a = {.f = f, .rc = 1};
                pthread_t t = go(await_it, &a);
                if (i % 2)
                        EVENTUALLY(sits_in(&a.seat, "rein_await"));
                assert_int_equal(rein_promise_keep(p, NULL, NULL), 0);
                join(t);
                assert_int_equal(a.rc, 0);
                rein_promise_drop(p);
                rein_drop(f);
        }
}

typedef struct rally {
        rein_promise *promise[64];
        rein_future *future[64];
        int n;
} rally;

static void *answer_rally(void *arg)
{
        rally *r = arg;
        for (int i = 0; i + 1 < r->n; i += 2) {
                if (rein_await(r->future[i], NULL, REIN_NEVER) != 0)
                        return arg;
                rein_promise_keep(r->promise[i + 1], NULL, NULL);
        }
        return NULL;
}

static void p3_no_wake_up_is_lost_in_a_rally(void **state)
{
        (void)state;
        for (int round = 0; round < 50; round++) {
                rally r = {.n = 64};
                void *failed;
                for (int i = 0; i < r.n; i++)
                        r.promise[i] = rein_promise_new(&r.future[i]);
                pthread_t t = go(answer_rally, &r);
                for (int i = 0; i < r.n; i += 2) {
                        assert_int_equal(rein_promise_keep(r.promise[i], NULL, NULL), 0);
                        assert_int_equal(rein_await(r.future[i + 1], NULL, REIN_NEVER), 0);
                }
                join_with(t, &failed);
                assert_null(failed);
                for (int i = 0; i < r.n; i++) {
                        rein_promise_drop(r.promise[i]);
                        rein_drop(r.future[i]);
                }
        }
}

static int time_out_inside(void *arg)
{
        (void)arg;
        return rein_fail(REIN_ETIMEOUT, "the peer was silent");
}

static void test_a_job_that_failed_with_a_timeout_is_not_a_wait_that_timed_out(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        gate g = gate_new();
        rein_future *f = rein_submit(x, time_out_inside, NULL, NULL), *slow = rein_submit(x, job_pass, &g, NULL);
        assert_int_equal(rein_await(f, NULL, rein_after(REIN_SEC(60))), REIN_EFAILED);
        assert_int_equal(rein_error_code(rein_trail()), REIN_EFAILED);
        assert_int_equal(rein_error_code(rein_error_cause(rein_trail())), REIN_ETIMEOUT);
        assert_string_equal(rein_error_text(rein_error_cause(rein_trail())), "the peer was silent");
        assert_int_equal(rein_code(f), REIN_ETIMEOUT);
        assert_int_equal(rein_await(slow, NULL, REIN_NOWAIT), REIN_ETIMEOUT);
        gate_open(&g);
        assert_int_equal(rein_await(slow, NULL, REIN_NEVER), 0);
        rein_drop(f);
        rein_drop(slow);
        rein_executor_free(x);
        gate_free(&g);
}

static int give_a_text(void *arg)
{
        (void)arg;
        int rc = rein_give_copy("text", 5);
        return rc < 0 ? rc : 3;
}

static void test_an_outcome_is_code_value_and_error_at_once(void **state)
{
        (void)state;
        unseen u = {0};
        rein_outcome o = {.size = sizeof o};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_on_unseen(unseen_note, &u);

        gate g = gate_new();
        o.value = &g;
        o.value_size = 1;
        assert_int_equal(rein_outcome_of(g.open, &o), REIN_EPENDING);
        assert_int_equal(o.code, REIN_EPENDING);
        assert_true(!o.value && !o.error && o.value_size == 0);
        gate_free(&g);

        rein_future *f = rein_submit(x, give_a_text, NULL, NULL);
        EVENTUALLY(rein_gone(f));
        assert_int_equal(rein_outcome_of(f, &o), 0);
        assert_int_equal(o.code, 3);
        assert_string_equal(o.value, "text");
        assert_ptr_equal(o.value, rein_value(f, NULL));
        assert_int_equal(o.value_size, 5);
        assert_null(o.error);
        rein_drop(f);

        f = rein_submit(x, job_fail, NULL, NULL);
        EVENTUALLY(rein_gone(f));
        assert_int_equal(rein_outcome_of(f, &o), 0);
        assert_int_equal(o.code, -EIO);
        assert_true(!o.value && o.value_size == 0);
        assert_string_equal(rein_error_text(o.error), "the disk is on fire");
        struct {
                size_t size;
                int code;
        } older = {.size = sizeof older}; /* of a version that had only these */
        assert_int_equal(rein_outcome_of(f, (rein_outcome *)(void *)&older), 0);
        assert_true(older.code == -EIO);
        o.size = 0;
        o.code = 12;
        assert_int_equal(rein_outcome_of(f, &o), -EINVAL);
        assert_int_equal(rein_outcome_of(f, NULL), -EINVAL);
        assert_int_equal(rein_outcome_of(NULL, &o), -EINVAL);
        assert_int_equal(o.code, 12);
        rein_drop(f);
        assert_int_equal(u.count, 0); /* it counts as looked at */
        rein_on_unseen(NULL, NULL);
        rein_executor_free(x);
}

static void test_a_hundred_waiters_of_one_future_all_wake(void **state)
{
        (void)state;
        enum { WAITERS = 100 };
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        awaiter a[WAITERS];
        pthread_t t[WAITERS];
        for (int i = 0; i < WAITERS; i++) {
                a[i] = (awaiter){.f = f, .rc = 1};
                t[i] = go(await_it, &a[i]);
        }
        for (int i = 0; i < WAITERS; i++)
                EVENTUALLY(sits_in(&a[i].seat, "rein_await"));
        rein_promise_keep(p, NULL, NULL);
        for (int i = 0; i < WAITERS; i++) {
                join(t[i]);
                assert_int_equal(a[i].rc, 0);
        }
        rein_promise_drop(p);
        rein_drop(f);
}

/* ---- failures ---- */

static void test_p9_a_failure_nobody_looked_at_is_reported_once_at_the_last_drop(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, job_fail, NULL, NULL);
        rein_future *same = rein_ref(f);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        rein_drop(f);
        assert_int_equal(u.count, 0);
        rein_drop(same);
        assert_int_equal(u.count, 1);
        assert_int_equal(u.code, -EIO);
        rein_executor_free(x);
        rein_on_unseen(NULL, NULL);
}

static void test_p9_a_failure_that_was_looked_at_is_not_reported_nor_is_a_cancel(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, job_fail, NULL, NULL);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), REIN_EFAILED); /* awaited */
        rein_drop(f);
        f = rein_submit(x, job_fail, NULL, NULL);
        rein_future *all[] = {f};
        assert_int_equal(rein_wait_all(all, 1, REIN_NEVER), 0);
        assert_int_equal(rein_code(f), -EIO); /* read */
        rein_drop(f);
        f = rein_submit(x, job_fail, NULL, NULL);
        all[0] = f;
        assert_int_equal(rein_wait_all(all, 1, REIN_NEVER), 0);
        assert_string_equal(rein_error_text(rein_error_of(f)), "the disk is on fire");
        rein_drop(f);
        seat s = {NULL};
        f = rein_submit(x, job_sleep, &s, NULL);
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        rein_cancel(f, NULL);
        rein_drop(f);
        rein_executor_free(x);
        assert_int_equal(u.count, 0);
        rein_on_unseen(NULL, NULL);
}

static void test_waiting_alone_is_not_looking(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, job_fail, NULL, NULL);
        rein_future *all[] = {f};
        assert_int_equal(rein_wait_all(all, 1, REIN_NEVER), 0);
        rein_drop(f);
        rein_executor_free(x);
        assert_int_equal(u.count, 1);
        rein_on_unseen(NULL, NULL);
}

static void test_the_trail_moves_to_the_awaiter_with_job_and_cause(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "kitchen", .threads = 1));
        rein_future *f = rein_submit(x, job_fail, NULL, REIN_JOB(.name = "toast"));
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), REIN_EFAILED);
        const rein_error *e = rein_trail();
        assert_int_equal(rein_error_code(e), REIN_EFAILED);
        assert_non_null(strstr(rein_error_text(e), "toast"));
        const rein_error *cause = rein_error_cause(e);
        assert_int_equal(rein_error_code(cause), -EIO);
        assert_non_null(strstr(rein_error_where(cause), "toast"));
        assert_non_null(strstr(rein_error_where(cause), "kitchen"));
        assert_ptr_equal(cause, rein_error_of(f)); /* shared, not copied */
        rein_drop(f);
        assert_string_equal(rein_error_text(cause), "the disk is on fire"); /* the trail holds it */
        rein_executor_free(x);
}

/* ---- values ---- */

typedef struct giver {
        atomic_int first, second;
        int code;
} giver;

static int give_twice(void *arg)
{
        giver *g = arg;
        rein_give(&g->first, release_count);
        rein_give(&g->second, release_count);
        return g->code;
}

static void test_the_value_is_released_exactly_once_in_every_end(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        giver g = {0}, failing = {.code = -EIO};
        void *value = NULL;
        void (*release)(void *) = NULL;
        rein_future *f = rein_submit(x, give_twice, &g, NULL);
        assert_int_equal(rein_await(f, &value, REIN_NEVER), 0);
        assert_ptr_equal(value, &g.second);
        assert_int_equal(g.first, 1); /* replaced */
        assert_int_equal(g.second, 0);
        rein_future *other = rein_ref(f);
        assert_int_equal(rein_take(f, &value, &release), -EBUSY);
        rein_drop(other);
        value = NULL;
        assert_int_equal(rein_take(f, &value, &release), 0);
        assert_ptr_equal(value, &g.second);
        assert_int_equal(rein_take(f, &value, &release), -ENOENT);
        assert_null(rein_value(f, NULL));
        rein_drop(f);
        assert_int_equal(g.second, 0); /* it was taken: ours to release */
        release(&g.second);

        g = (giver){0};
        f = rein_submit(x, give_twice, &g, NULL); /* never read */
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        rein_drop(f);
        f = rein_submit(x, give_twice, &failing, NULL); /* failed: not delivered */
        assert_int_equal(rein_await(f, &value, REIN_NEVER), REIN_EFAILED);
        assert_null(rein_value(f, NULL));
        assert_int_equal(rein_take(f, &value, &release), REIN_EFAILED);
        rein_drop(f);
        rein_executor_free(x);
        assert_int_equal(g.second, 1);
        assert_int_equal(failing.first, 1);
        assert_int_equal(failing.second, 1);
}

static int give_text(void *arg)
{
        (void)arg;
        return rein_give_copy("hello", 6);
}

static void test_a_copy_comes_with_its_size(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, give_text, NULL, NULL);
        size_t n = 99;
        void *value = NULL;
        assert_int_equal(rein_await(f, &value, REIN_NEVER), 0);
        assert_string_equal(value, "hello");
        assert_ptr_equal(rein_value(f, &n), value);
        assert_int_equal(n, 6);
        rein_drop(f);
        rein_executor_free(x);
        assert_int_equal(rein_give(NULL, NULL), -EINVAL); /* not inside a job */
        assert_int_equal(rein_give_copy("x", 1), -EINVAL);
}

static void test_a_future_nobody_holds_goes_on_to_its_end(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        atomic_int runs = 0;
        for (int i = 0; i < 100; i++)
                rein_drop(rein_submit(x, job_count, &runs, NULL));
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(runs, 100);
        rein_executor_free(x);
}

static void test_futures_stay_readable_when_their_pool_is_freed(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .name = "gone"));
        rein_future *good = rein_submit(x, give_text, NULL, NULL), *bad = rein_submit(x, job_fail, NULL, NULL);
        rein_future *both[] = {good, bad};
        assert_int_equal(rein_wait_all(both, 2, REIN_NEVER), 0);
        rein_executor_free(x);
        assert_string_equal(rein_value(good, NULL), "hello");
        assert_int_equal(rein_code(bad), -EIO);
        assert_int_equal(rein_await(bad, NULL, REIN_NEVER), REIN_EFAILED);
        assert_non_null(strstr(rein_error_where(rein_error_of(bad)), "gone"));
        rein_drop(good);
        rein_drop(bad);
}

static void test_null_is_answered(void **state)
{
        (void)state;
        void *value;
        void (*release)(void *);
        assert_int_equal(rein_await(NULL, NULL, REIN_NEVER), -EINVAL);
        assert_int_equal(rein_code(NULL), -EINVAL);
        assert_null(rein_value(NULL, NULL));
        assert_null(rein_error_of(NULL));
        assert_int_equal(rein_take(NULL, &value, &release), -EINVAL);
        assert_false(rein_gone(NULL));
        assert_int_equal(rein_cancel(NULL, NULL), REIN_TOO_LATE);
        assert_int_equal(rein_next_remove(NULL), -EINVAL);
        assert_null(rein_ref(NULL));
        rein_drop(NULL);
        rein_promise_drop(NULL);
        assert_int_equal(rein_promise_keep(NULL, NULL, NULL), -EINVAL);
        assert_int_equal(rein_promise_break(NULL, -EIO, "x"), -EINVAL);
        rein_executor_free(NULL);
        rein_receipt_free(NULL);
}

/* The error is the future's own, with a text that says why it has none, and what it was because of is let go with the future. */
static void test_a_failure_without_memory_lets_its_cause_go(void **state)
{
        (void)state;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        rein_error *cause = rn_error_make(NULL, -ENOSPC, "", NULL, NULL, "the disk is full");
        support_poor = true;
        const rn_outcome o = {.code = -EIO, .text = "no page", .where = "here", .cause = rn_error_ref(cause)};
        const int rc = rn_future_settle_gone(f, &o);
        support_poor = false;
        assert_int_equal(rc, 0);
        assert_ptr_equal(rein_error_of(f), &f->bare);
        assert_int_equal(rein_error_code(rein_error_of(f)), -EIO);
        assert_string_equal(rein_error_text(rein_error_of(f)), "there was no memory for the text of this failure");
        assert_non_null(strstr(rein_error_where(rein_error_of(f)), "future_test.c:"));
        assert_int_equal(rein_error_code(rein_error_cause(rein_error_of(f))), -ENOSPC);
        assert_int_equal(rn_load32(&cause->refs), 2);
        rein_promise_drop(p);
        rein_drop(f);
        assert_int_equal(rn_load32(&cause->refs), 1);
        rn_error_unref(cause);
}

#if RN_CHECKING
static int no_next(rein_future *f, void *arg)
{
        (void)f;
        (void)arg;
        return 0;
}

static void test_a_broken_future_says_so(void **state)
{
        (void)state;
        rein_future *f, other;
        rein_promise *p = rein_promise_new(&f);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_error e = {.code = -1};
        rn_watch_set set = {.task = rn_self()};
        rn_watcher w = {.set = &set, .f = f, .for_state = RN_SETTLED};
        BREAKS(f->refs.v, 0, rn_future_wrong(f), "nobody holds it, and it was not freed");
        BREAKS(f->refs.v, UINT32_MAX, rn_future_wrong(f), "nobody holds it, and it was not freed");
        BREAKS(f->holders.v, UINT32_MAX, rn_future_wrong(f), "its users have dropped it more often than they held it");
        BREAKS(f->state.v, RN_GONE, rn_future_wrong(f), "it is gone, and has not settled");
        BREAKS(f->outcome.code, -1, rn_future_wrong(f), "it has an outcome before it has settled");
        BREAKS(f->outcome.value, f, rn_future_wrong(f), "it has an outcome before it has settled");
        BREAKS(f->value_taken, true, rn_future_wrong(f), "it has an outcome before it has settled");
        BREAKS(f->outcome.text, "", rn_future_wrong(f), "it keeps what only its settler has");
        assert_true(rn_future_watch(&w));
        BREAKS(w.f, &other, rn_future_wrong(f), "what waits in its list waits for another future");
        BREAKS(w.set, NULL, rn_future_wrong(f), "what waits in its list waits for another future");
        BREAKS(f->state.v, RN_SETTLED, rn_future_wrong(f), "somebody waits for an end that has come");
        BREAKS(f->watchers.next, NULL, rn_future_wrong(f), "a list ends in nothing");
        rn_future_unwatch(&w);
        rein_next *n = rein_then(f, x, no_next, NULL);
        BREAKS(n->of, &other, rn_future_wrong(f), "a continuation in its list is another future's, or was given back");
        BREAKS(f->state.v, RN_SETTLED, rn_future_wrong(f),
               "a continuation waits for what was, or was posted before it was");
        assert_int_equal(rein_next_remove(n), 0);
        assert_int_equal(rein_promise_keep(p, x, NULL), 0);
        BREAKS(f->outcome.error, &e, rn_future_wrong(f), "it has an error, and its code is none");
        BREAKS(f->value_taken, true, rn_future_wrong(f), "its value was taken, and is still there");
        rein_promise_drop(p);
        rein_drop(f);
        rein_executor_free(x);
}
#endif

int main(void)
{
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(p1_settled_exactly_once_and_the_loser_is_told),
                cmocka_unit_test(test_n_threads_keep_and_break_at_once_one_wins),
                cmocka_unit_test(test_settling_again_is_refused_and_changes_nothing),
                cmocka_unit_test(test_a_job_cancelled_before_its_start_never_runs_and_its_awaiter_wakes),
                cmocka_unit_test(test_cancelled_again_changes_nothing_and_continuations_run_once),
                cmocka_unit_test(test_p4_a_running_job_is_asked_and_a_finished_one_is_too_late),
                cmocka_unit_test(test_a_job_that_was_asked_and_ends_well_has_ended_well),
                cmocka_unit_test(test_a_cancelled_job_is_claimed_in_vain_and_its_waiters_are_told_once),
                cmocka_unit_test(p4_a_cancel_has_three_answers_and_the_future_settles),
                cmocka_unit_test(test_await_with_nowait_times_out_and_changes_nothing),
                cmocka_unit_test(test_p3_a_blocked_getter_wakes_with_the_value),
                cmocka_unit_test(p3_no_wake_up_is_lost_in_a_rally),
                cmocka_unit_test(test_a_job_that_failed_with_a_timeout_is_not_a_wait_that_timed_out),
                cmocka_unit_test(test_an_outcome_is_code_value_and_error_at_once),
                cmocka_unit_test(test_a_hundred_waiters_of_one_future_all_wake),
                cmocka_unit_test(test_p9_a_failure_nobody_looked_at_is_reported_once_at_the_last_drop),
                cmocka_unit_test(test_p9_a_failure_that_was_looked_at_is_not_reported_nor_is_a_cancel),
                cmocka_unit_test(test_waiting_alone_is_not_looking),
                cmocka_unit_test(test_the_trail_moves_to_the_awaiter_with_job_and_cause),
                cmocka_unit_test(test_the_value_is_released_exactly_once_in_every_end),
                cmocka_unit_test(test_a_copy_comes_with_its_size),
                cmocka_unit_test(test_a_future_nobody_holds_goes_on_to_its_end),
                cmocka_unit_test(test_futures_stay_readable_when_their_pool_is_freed),
                cmocka_unit_test(test_a_failure_without_memory_lets_its_cause_go),
                cmocka_unit_test(test_null_is_answered),
#if RN_CHECKING
                cmocka_unit_test(test_a_broken_future_says_so),
#endif
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
