/* SPDX-License-Identifier: Apache-2.0 */
/* Users' own executors: what they are told, and that each work accepted or posted is run exactly once. */
#include "support.h"

#include "core/executor.h"
#include "core/receipt.h"
#include "rein/sim.h"

/* A queue that the test turns by hand. */
typedef struct mine {
        pthread_mutex_t lock;
        rein_work *works[64];
        size_t n;
        atomic_int accepted, posted, canceled, stopped, released, harshest;
        int refuse;                 /* accept answers this */
        bool obedient;              /* a cancelled work is run at once, as asked */
        rein_executor *stop_inside; /* accept and post stop it before they take the work */
} mine;

static void put(mine *m, rein_work *w)
{
        pthread_mutex_lock(&m->lock);
        m->works[m->n++] = w;
        pthread_mutex_unlock(&m->lock);
}

static bool take(mine *m, rein_work *w)
{
        bool found = false;
        pthread_mutex_lock(&m->lock);
        for (size_t i = 0; i < m->n && !found; i++) {
                if (m->works[i] != w)
                        continue;
                memmove(&m->works[i], &m->works[i + 1], (--m->n - i) * sizeof *m->works);
                found = true;
        }
        pthread_mutex_unlock(&m->lock);
        return found;
}

static int my_accept(void *self, rein_work *w)
{
        mine *m = self;
        if (m->refuse)
                return m->refuse;
        atomic_fetch_add(&m->accepted, 1);
        if (m->stop_inside)
                rein_executor_stop_begin(m->stop_inside, REIN_STOP_RUNNING, REIN_NEVER);
        put(m, w);
        return 0;
}

static void my_post(void *self, rein_work *w)
{
        mine *m = self;
        atomic_fetch_add(&m->posted, 1);
        if (m->stop_inside)
                rein_executor_stop_begin(m->stop_inside, REIN_STOP_RUNNING, REIN_NEVER);
        put(m, w);
}

static void my_cancel(void *self, rein_work *w)
{
        mine *m = self;
        atomic_fetch_add(&m->canceled, 1);
        if (m->obedient && take(m, w))
                rein_work_run(w);
}

static void my_stop(void *self, rein_stop how)
{
        mine *m = self;
        atomic_fetch_add(&m->stopped, 1);
        if ((int)how > m->harshest)
                atomic_store(&m->harshest, (int)how);
}

static void my_release(void *self)
{
        atomic_fetch_add(&((mine *)self)->released, 1);
}

static const rein_executor_ops ops = {sizeof ops, my_accept, my_post, my_cancel, my_stop, my_release};

static size_t turn(mine *m) /* run all that is there */
{
        size_t n = 0;
        for (;; n++) {
                pthread_mutex_lock(&m->lock);
                rein_work *w = m->n ? m->works[0] : NULL;
                pthread_mutex_unlock(&m->lock);
                if (!w || !take(m, w))
                        return n;
                rein_work_run(w);
        }
}

static rein_executor *new_mine(mine *m)
{
        *m = (mine){.lock = PTHREAD_MUTEX_INITIALIZER, .harshest = -1};
        return rein_executor_new(&ops, m);
}

static void test_jobs_and_continuations_run_where_the_user_turns(void **state)
{
        (void)state;
        mine m;
        rein_executor *x = new_mine(&m);
        atomic_int runs = 0;
        rein_future *f = rein_submit(x, job_count, &runs, NULL), *g = rein_submit(x, job_fail, NULL, NULL);
        assert_int_equal(m.accepted, 2);
        assert_int_equal(rein_executor_queued(x), 2);
        assert_int_equal(rein_code(f), REIN_EPENDING);
        assert_int_equal(turn(&m), 2);
        assert_int_equal(runs, 1);
        assert_int_equal(rein_code(f), 0);
        assert_int_equal(rein_code(g), -EIO);
        assert_int_equal(rein_executor_unfinished(x), 0);
        assert_int_equal(rein_executor_threads(x), 0);
        rein_drop(f);
        rein_drop(g);
        rein_executor_free(x);
        assert_int_equal(m.released, 1);
        assert_int_equal(m.stopped, 1);
        assert_int_equal(m.harshest, REIN_STOP_NOW);
}

static int count_next(rein_future *f, void *arg)
{
        (void)f;
        return atomic_fetch_add((atomic_int *)arg, 1);
}

static void test_a_continuation_is_posted_and_cannot_be_refused(void **state)
{
        (void)state;
        mine m;
        rein_executor *x = new_mine(&m);
        atomic_int nexts = 0;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        m.refuse = REIN_EREJECTED;
        assert_non_null(rein_then(f, x, count_next, &nexts));
        rein_promise_keep(p, NULL, NULL);
        assert_int_equal(m.posted, 1);
        assert_int_equal(nexts, 0);
        assert_int_equal(turn(&m), 1);
        assert_int_equal(nexts, 1);
        rein_promise_drop(p);
        rein_drop(f);
        rein_executor_free(x);
        assert_int_equal(m.released, 1);
}

static void test_a_refusal_is_the_futures_failure(void **state)
{
        (void)state;
        static const int codes[] = {REIN_EREJECTED, -ENOSPC};
        for (size_t i = 0; i < COUNT(codes); i++) {
                mine m;
                rein_executor *x = new_mine(&m);
                atomic_int released = 0;
                m.refuse = codes[i];
                rein_future *f = rein_submit(x, job_count, &released, REIN_JOB(.release = release_count));
                assert_int_equal(rein_code(f), codes[i]);
                assert_int_equal(released, 1);
                assert_int_equal(m.canceled, 0); /* it never had it */
                rein_drop(f);
                rein_executor_free(x);
                assert_int_equal(m.released, 1);
        }
}

static void test_a_cancelled_work_is_told_and_running_it_then_does_nothing(void **state)
{
        (void)state;
        for (int obedient = 0; obedient < 2; obedient++) {
                mine m;
                rein_executor *x = new_mine(&m);
                atomic_int runs = 0;
                m.obedient = obedient;
                rein_future *f = rein_submit(x, job_count, &runs, NULL);
                assert_int_equal(rein_cancel(f, NULL), REIN_NEVER_STARTED);
                assert_int_equal(m.canceled, 1);
                assert_int_equal(rein_code(f), REIN_ECANCELED);
                assert_true(rein_gone(f));
                rein_drop(f);
                assert_int_equal(turn(&m), !obedient); /* some day, on any thread */
                assert_int_equal(runs, 0);
                rein_executor_free(x);
                assert_int_equal(m.released, 1);
        }
}

static void test_a_stop_settles_what_was_never_turned(void **state)
{
        (void)state;
        for (int obedient = 0; obedient < 2; obedient++) {
                mine m;
                rein_executor *x = new_mine(&m);
                atomic_int runs = 0, nexts = 0;
                m.obedient = obedient;
                rein_future *f[3];
                for (int i = 0; i < 3; i++)
                        f[i] = rein_submit(x, job_count, &runs, NULL);
                rein_future *settled;
                rein_promise *p = rein_promise_new(&settled);
                rein_promise_keep(p, NULL, NULL);
                assert_non_null(rein_then(settled, x, count_next, &nexts));
                rein_receipt *r;
                assert_int_equal(rein_executor_stop(x, REIN_STOP_RUNNING, REIN_NEVER, &r), 0);
                assert_int_equal(rein_receipt_count(r), 3);
                rein_receipt_free(r);
                for (int i = 0; i < 3; i++) {
                        assert_int_equal(rein_code(f[i]), REIN_ECANCELED);
                        rein_drop(f[i]);
                }
                EVENTUALLY(nexts == 1); /* the continuation, on the hand thread */
                assert_int_equal(m.stopped, 1);
                assert_int_equal(m.canceled, 4); /* the continuation is the hand's, and the user is told */
                assert_int_equal(turn(&m), obedient ? 0 : 4);
                assert_int_equal(runs, 0);
                assert_int_equal(nexts, 1);
                assert_int_equal(rein_executor_restart(x), 0);
                f[0] = rein_submit(x, job_count, &runs, NULL);
                assert_int_equal(turn(&m), 1);
                assert_int_equal(rein_code(f[0]), 0);
                rein_drop(f[0]);
                rein_promise_drop(p);
                rein_drop(settled);
                rein_executor_free(x);
                EVENTUALLY(m.released == 1);
        }
}

/* Stopped from inside accept and post, before they have put the work where cancel could find it. */
static void test_what_is_cancelled_on_its_way_in_is_told_once_it_is_there(void **state)
{
        (void)state;
        for (int continuation = 0; continuation < 2; continuation++) {
                mine m;
                rein_executor *x = new_mine(&m);
                atomic_int runs = 0;
                rein_future *f;
                rein_promise *p = rein_promise_new(&f);
                m.obedient = true;
                m.stop_inside = x;
                if (continuation) {
                        assert_non_null(rein_then(f, x, count_next, &runs));
                        rein_promise_keep(p, NULL, NULL);
                        EVENTUALLY(runs == 1); /* on the hand thread */
                } else {
                        rein_future *g = rein_submit(x, job_count, &runs, NULL);
                        assert_int_equal(rein_code(g), REIN_ECANCELED);
                        rein_drop(g);
                }
                assert_int_equal(m.canceled, 1);
                assert_int_equal(m.n, 0); /* the user had it when it was told */
                assert_int_equal(runs, continuation);
                rein_promise_drop(p);
                rein_drop(f);
                rein_executor_free(x);
                EVENTUALLY(m.released == 1);
        }
}

static int stop_the_one_i_run_on(void *arg)
{
        return rein_executor_stop(*(rein_executor **)arg, REIN_STOP_NOW, rein_after(REIN_SEC(20)), NULL);
}

static void test_a_job_may_stop_the_executor_it_runs_on(void **state)
{
        (void)state;
        mine m;
        rein_executor *x = new_mine(&m);
        rein_future *f = rein_submit(x, stop_the_one_i_run_on, &x, NULL);
        assert_int_equal(turn(&m), 1);
        assert_int_equal(rein_code(f), 0);
        rein_drop(f);
        rein_executor_free(x);
        assert_int_equal(m.released, 1);
}

static void test_what_makes_no_sense_is_refused(void **state)
{
        (void)state;
        rein_executor_ops bad = ops;
        assert_null(rein_executor_new(NULL, NULL));
        assert_int_equal(rein_error_code(rein_trail()), -EINVAL);
        bad.accept = NULL;
        assert_null(rein_executor_new(&bad, NULL));
        bad = ops;
        bad.post = NULL;
        assert_null(rein_executor_new(&bad, NULL));
        bad = ops;
        bad.size = 0;
        assert_null(rein_executor_new(&bad, NULL));
        bad = ops;
        bad.cancel = NULL;
        bad.stop = NULL;
        bad.release = NULL;
        mine m = {.lock = PTHREAD_MUTEX_INITIALIZER};
        rein_executor *x = rein_executor_new(&bad, &m);
        assert_non_null(x);
        rein_future *f = rein_submit(x, job_seven, NULL, NULL);
        rein_cancel(f, NULL);
        rein_drop(f);
        assert_int_equal(turn(&m), 1);
        rein_executor_free(x);
}

/* Several threads turn, submit and cancel at once. */
typedef struct busy {
        mine *m;
        rein_executor *x;
        atomic_int *runs, *stop;
} busy;

static void *turn_around(void *arg)
{
        busy *b = arg;
        while (!atomic_load(b->stop) || turn(b->m))
                turn(b->m);
        return NULL;
}

static void test_each_work_runs_once_however_many_threads_turn(void **state)
{
        (void)state;
        mine m;
        rein_executor *x = new_mine(&m);
        atomic_int runs = 0, stop = 0;
        busy b = {&m, x, &runs, &stop};
        pthread_t t[3];
        m.obedient = true;
        for (int i = 0; i < 3; i++)
                t[i] = go(turn_around, &b);
        int never = 0;
        for (int i = 0; i < 2000; i++) {
                rein_future *f = rein_submit(x, job_count, &runs, NULL);
                if (i % 3 == 0)
                        never += rein_cancel(f, NULL) == REIN_NEVER_STARTED;
                (void)rein_await(f, NULL, REIN_NEVER);
                never += rein_code(f) == REIN_ECANCELED && i % 3; /* none but those that were cancelled */
                rein_drop(f);
        }
        atomic_store(&stop, 1);
        for (int i = 0; i < 3; i++)
                join(t[i]);
        assert_true(runs >= 2000 - 667 && runs <= 2000 - never);
        rein_executor_free(x);
        assert_int_equal(m.released, 1);
}

/* ---- what is counted, and what is let go ---- */

static int count_the_queued(void *arg)
{
        return (int)rein_executor_queued(*(rein_executor **)arg);
}

static void test_the_queued_are_those_that_do_not_run_yet(void **state)
{
        (void)state;
        mine m;
        rein_executor *x = new_mine(&m);
        rein_future *f[3];
        for (int i = 0; i < 3; i++)
                f[i] = rein_submit(x, count_the_queued, &x, NULL);
        assert_int_equal(turn(&m), 3);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(rein_code(f[i]), 2 - i);
                rein_drop(f[i]);
        }
        rein_executor_free(x);
}

static void test_of_many_submits_those_taken_are_counted(void **state)
{
        (void)state;
        mine m;
        rein_executor *x = new_mine(&m);
        rein_future *f[3];
        m.refuse = REIN_EREJECTED;
        assert_int_equal(rein_submit_many(x, job_seven, NULL, 3, NULL, f), 0);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(rein_code(f[i]), REIN_EREJECTED);
                rein_drop(f[i]);
        }
        m.refuse = 0;
        assert_int_equal(rein_submit_many(x, job_seven, NULL, 3, NULL, f), 3);
        assert_int_equal(turn(&m), 3);
        for (int i = 0; i < 3; i++)
                rein_drop(f[i]);
        assert_int_equal(rein_submit_many(x, NULL, NULL, 3, NULL, f), 0);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(rein_code(f[i]), -EINVAL);
                rein_drop(f[i]);
        }
        rein_executor_free(x);
}

static void test_a_posted_job_runs_and_its_failure_is_reported_once(void **state)
{
        (void)state;
        mine m;
        unseen u = {0};
        rein_executor *x = new_mine(&m);
        atomic_int ran = 0, released = 0;
        rein_on_unseen(unseen_note, &u);
        assert_int_equal(rein_post(x, job_count, &ran, NULL), 0);
        assert_int_equal(ran, 0);
        assert_int_equal(turn(&m), 1);
        assert_int_equal(ran, 1);
        assert_int_equal(u.count, 0);
        assert_int_equal(rein_post(x, job_fail, &released, REIN_JOB(.release = release_count)), 0);
        assert_int_equal(u.count, 0); /* it has not failed yet */
        assert_int_equal(turn(&m), 1);
        assert_int_equal(u.count, 1);
        assert_int_equal(released, 1);
        assert_int_equal(rein_post(x, job_fail, NULL, REIN_JOB(.share = "one")), 0);
        assert_int_equal(turn(&m), 1);
        assert_int_equal(u.count, 2);
        rein_on_unseen(NULL, NULL);
        rein_executor_free(x);
}

/* It says so once: to the caller. */
static void refused_post(rein_executor *x, rein_fn fn, const rein_job *given, int code)
{
        unseen u = {0};
        atomic_int released = 0;
        rein_job job = *given;
        job.release = release_count;
        rein_on_unseen(unseen_note, &u);
        rn_error_set(&rn_self()->now->trail, NULL);
        assert_int_equal(rein_post(x, fn, &released, &job), code);
        rein_on_unseen(NULL, NULL);
        assert_int_equal(released, 1);
        assert_int_equal(u.count, 0);
        assert_non_null(rein_trail());
        assert_int_equal(rein_error_code(rein_trail()), code);
}

static void test_a_post_that_is_refused_says_why(void **state)
{
        (void)state;
        static const int codes[] = {REIN_EREJECTED, -ENOSPC};
        mine m;
        rein_executor *x = new_mine(&m);
        for (size_t i = 0; i < COUNT(codes); i++) {
                m.refuse = codes[i];
                refused_post(x, job_count, REIN_JOB(.name = "alone"), codes[i]);
                refused_post(x, job_count, REIN_JOB(.share = "shared"), codes[i]);
        }
        m.refuse = 0;
        refused_post(NULL, job_count, REIN_JOB(.name = "nowhere"), -EINVAL);
        refused_post(x, NULL, REIN_JOB(.name = "nothing"), -EINVAL);
        refused_post(x, job_count, REIN_JOB(.limit_ns = -1), -EINVAL);
        assert_int_equal(turn(&m), 0);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        refused_post(x, job_count, REIN_JOB(.name = "late"), REIN_EREJECTED);
        refused_post(x, job_count, REIN_JOB(.share = "late"), REIN_EREJECTED);
        rein_executor_free(x);
}

static int post_a_count(void *arg)
{
        return rein_post(rn_self()->now->work->executor, job_count, arg, NULL);
}

static void test_a_job_may_post_to_its_own_pool(void **state)
{
        (void)state;
        atomic_int ran = 0;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        assert_int_equal(rein_on(x, post_a_count, &ran, REIN_JOB(.on_worker = true)), 0);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(ran, 1);
        rein_executor_free(x);
}

static int wait_to_be_let_go(void *arg)
{
        EVENTUALLY(*(atomic_int *)arg == 1);
        return 0;
}

static void test_a_full_pool_that_rejects_says_so_to_the_post(void **state)
{
        (void)state;
        atomic_int go = 0, ran = 0;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .queue_max = 1, .full = REIN_FULL_REJECT));
        assert_int_equal(rein_post(x, wait_to_be_let_go, &go, NULL), 0);
        EVENTUALLY(rein_executor_queued(x) == 0);
        assert_int_equal(rein_post(x, job_count, &ran, NULL), 0);
        refused_post(x, job_count, REIN_JOB(.name = "one too many"), REIN_EREJECTED);
        go = 1;
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(ran, 1);
        rein_executor_free(x);
}

static void test_a_job_that_makes_no_sense_lets_its_argument_go(void **state)
{
        (void)state;
        mine m;
        rein_executor *x = new_mine(&m);
        atomic_int released = 0;
        rein_future *f = rein_submit(x, NULL, &released, REIN_JOB(.release = release_count));
        assert_int_equal(rein_code(f), -EINVAL);
        assert_int_equal(released, 1);
        rein_drop(f);
        f = rein_submit(x, job_count, &released, REIN_JOB(.release = release_count, .limit_ns = -1));
        assert_int_equal(rein_code(f), -EINVAL);
        assert_int_equal(released, 2);
        rein_drop(f);
        rein_executor_free(x);
}

static void test_what_breaks_it_first_is_kept_and_what_comes_later_is_let_go(void **state)
{
        (void)state;
        mine m;
        rein_executor *x = new_mine(&m);
        rein_error *first = rn_error_make(NULL, -EIO, "", NULL, NULL, "first");
        rein_error *second = rn_error_make(NULL, -ENOSPC, "", NULL, NULL, "second");
        rn_executor_break(x, rn_error_ref(first), "broken");
        rn_executor_break(x, rn_error_ref(second), "broken");
        assert_int_equal(rn_load32(&first->refs), 2);
        assert_int_equal(rn_load32(&second->refs), 1);
        rein_executor_free(x);
        assert_int_equal(rn_load32(&first->refs), 1);
        rn_error_unref(first);
        rn_error_unref(second);
}

/* ---- options of another version's header ---- */

static void test_options_of_another_version(void **state)
{
        (void)state;
        struct {
                rein_job job;
                uint64_t more;
        } newer = {.job = {.size = sizeof newer, .name = "newer"}, .more = 0};
        mine m;
        rein_executor *x = new_mine(&m);
        rein_future *f = rein_submit(x, job_seven, NULL, &newer.job); /* what we do not know is not asked for */
        assert_int_equal(turn(&m), 1);
        assert_int_equal(rein_code(f), 7);
        rein_drop(f);
        newer.more = 1;
        f = rein_submit(x, job_seven, NULL, &newer.job);
        assert_int_equal(rein_code(f), -E2BIG);
        rein_drop(f);
        rein_job older = {.size = offsetof(rein_job, release), .name = "older", .release = release_count};
        f = rein_submit(x, job_seven, NULL, &older); /* its header had no release */
        assert_int_equal(turn(&m), 1);
        assert_int_equal(rein_code(f), 7);
        rein_drop(f);
        rein_job taken;
        const char *what = NULL;
        assert_int_equal(rn_job_take(&taken, &older, NULL, &what), 0);
        assert_int_equal(taken.size, sizeof taken);
        assert_null(taken.release);
        older.size = 0;
        f = rein_submit(x, job_seven, NULL, &older);
        assert_int_equal(rein_code(f), -EINVAL);
        rein_drop(f);
        rein_executor_free(x);
}

#if RN_CHECKING
static void test_a_broken_executor_says_so(void **state)
{
        (void)state;
        mine m;
        rein_executor *x = new_mine(&m), other = {.state = 0};
        rein_future *f = rein_submit(x, job_seven, NULL, NULL);
        rein_work *w = m.works[0], *last = w;
        rn_sleeper sleeper = {.task = NULL};
        BREAKS(x->refs.v, 0, rn_executor_wrong(x), "nobody holds it, and it was not freed");
        BREAKS(x->works.next, NULL, rn_executor_wrong(x), "a list ends in nothing");
        BREAKS(w->executor, &other, rn_executor_wrong(x), "a job in its list is another executor's");
        BREAKS(w->state.v, RN_WORK_NEW, rn_executor_wrong(x), "a job in the list has never come in");
        BREAKS(w->unlisted, true, rn_executor_wrong(x), "a job in the list counts as one that is in none");
        BREAKS(w->future.refs.v, 0, rn_executor_wrong(x), "a job in the list was given back");
        BREAKS(x->unfinished, 2, rn_executor_wrong(x), "its list of jobs is not as long as it counts");
        BREAKS(x->unsettled, 2, rn_executor_wrong(x), "its unsettled jobs are not as many as it counts");
        BREAKS(x->unsettled, 0, rn_executor_wrong(x), "its unsettled jobs are not as many as it counts");
        BREAKS(w->counted_out, true, rn_executor_wrong(x), "its unsettled jobs are not as many as it counts");
        BREAKS(x->in_stop, 1, rn_executor_wrong(x), "its jobs that are in a stop of it are not as many as it counts");
        BREAKS(w->in_stop, true, rn_executor_wrong(x),
               "its jobs that are in a stop of it are not as many as it counts");
        BREAKS(x->state, 3, rn_executor_wrong(x), "its state is none of its states");
        BREAKS(x->now_at, 5, rn_executor_wrong(x), "it is open, and the clock of a stop runs");
        BREAKS(x->sleepers.next, NULL, rn_executor_wrong(x), "a list ends in nothing");
        x->stops = 1;
        rn_list_push(&x->sleepers, &sleeper.link);
        BREAKS(x->stops, 0, rn_executor_wrong(x), "more threads wait for its stop than have called for one");
        rn_list_remove(&sleeper.link);
        x->stops = 0;
        BREAKS(x->receipt->count, 1, rn_executor_wrong(x),
               "a receipt has not so many jobs as it counts, or another last one");
        BREAKS(x->receipt->last, last, rn_receipt_wrong(x->receipt),
               "a receipt has not so many jobs as it counts, or another last one");
        BREAKS(x->receipt->olds, 1, rn_receipt_wrong(x->receipt), "a receipt has more old jobs than it has room for");
        w->in_receipt = true;
        x->receipt->first = x->receipt->last = w;
        x->receipt->count = 1;
        BREAKS(w->in_receipt, false, rn_receipt_wrong(x->receipt),
               "a job in a receipt does not know it, or was given back");
        x->receipt->first = x->receipt->last = NULL;
        x->receipt->count = 0;
        w->in_receipt = false;
        rein_work_run(w);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        rein_drop(f);
        rein_executor_free(x);
}

/* Of a job: what other locks guard is asked of a program that is alone. */
static int break_a_job(void *arg)
{
        (void)arg;
        mine m;
        rein_executor *x = new_mine(&m);
        rein_future *f = rein_submit(x, job_seven, NULL, REIN_JOB(.start_by = rein_after(REIN_SEC(9))));
        rein_work *w = m.works[0];
        bool well = BROKEN(f->refs.v, 2, rn_executor_wrong(x), "a job has fewer references than those that hold it");
        well = BROKEN(w->runner.v, rn_self(), rn_executor_wrong(x),
                      "a job has a task that runs it, and does not run") &&
               well;
        well = BROKEN(f->outcome.code, -1, rn_executor_wrong(x), "it has an outcome before it has settled") && well;
        rein_work_run(w);
        int rc = rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        rein_executor_free(x);
        return rc < 0 ? rc : well ? 0 : -EIO;
}

static void test_a_broken_job_says_so(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_run(REIN_SIM(.quiet = true), break_a_job, NULL), 0);
}

static void test_a_job_that_is_gone_before_it_is_counted_out_adds_up(void **state)
{
        (void)state;
        mine m;
        rein_executor *x = new_mine(&m);
        rein_future *f = rein_submit(x, job_seven, NULL, NULL);
        rein_work *w = m.works[0];
        rn_future_ref(&w->future);
        rn_lock_take(&x->lock); /* it was abandoned, came back and is gone; now whoever abandoned it comes */
        rn_executor_left_locked(x, w, false, true);
        const char *what = rn_executor_wrong(x);
        rn_executor_left_locked(x, w, true, false);
        const char *after = rn_executor_wrong(x);
        w->counted_out = false;
        x->unfinished = x->unsettled = 1;
        rn_list_push(&x->works, &w->all);
        rn_lock_give(&x->lock);
        assert_null(what);
        assert_null(after);
        rein_work_run(w);
        rn_future_unref(&w->future);
        rein_drop(f);
        rein_executor_free(x);
}
#endif

/* ---- what the argument owns goes exactly once ---- */

typedef struct owner {
        rein_executor *x;
        atomic_int *released;
} owner;

static void owner_release(void *arg)
{
        atomic_fetch_add(((owner *)arg)->released, 1);
}

static int owner_seven(void *arg)
{
        return ((owner *)arg)->released ? 7 : -EPROTO;
}

static int owner_fails(void *arg)
{
        return ((owner *)arg)->released ? rein_fail(-EIO, "it fails") : 0;
}

static int owner_sleeps(void *arg)
{
        (void)arg;
        return rein_sleep(REIN_NEVER);
}

#define OWNED(...) REIN_COPY(o, .release = owner_release, __VA_ARGS__)

static void drop(rein_future *f)
{
        (void)rein_await(f, NULL, REIN_NEVER);
        (void)rein_code(f);
        rein_drop(f);
}

static void by_its_end(owner o)
{
        drop(rein_submit(o.x, owner_seven, OWNED(.name = "ends")));
}

static void by_its_failure(owner o)
{
        drop(rein_submit(o.x, owner_fails, OWNED(.name = "fails")));
}

static void by_no_executor(owner o)
{
        drop(rein_submit(NULL, owner_seven, OWNED(.name = "nowhere")));
}

static void by_no_function(owner o)
{
        drop(rein_submit(o.x, NULL, OWNED(.name = "nothing")));
}

static void by_options_that_make_no_sense(owner o)
{
        drop(rein_submit(o.x, owner_seven, OWNED(.limit_ns = -1)));
}

static void by_start_by(owner o)
{
        drop(rein_submit(o.x, owner_seven, OWNED(.start_by = REIN_NOWAIT)));
}

static void by_a_stop(owner o)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_executor_stop(x, REIN_STOP_NOW, REIN_NEVER, NULL);
        drop(rein_submit(x, owner_seven, OWNED(.name = "late")));
        rein_executor_free(x);
}

static void by_a_full_queue(owner o, rein_full full)
{
        seat s = {NULL};
        atomic_int other = 0;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .queue_max = 1, .full = full));
        rein_future *running = rein_submit(x, job_sleep, &s, NULL), *queued;
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        if (full == REIN_FULL_REJECT) {
                queued = rein_submit(x, job_seven, NULL, NULL);
                drop(rein_submit(x, owner_seven, OWNED(.name = "rejected")));
        } else {
                rein_future *oldest = rein_submit(x, owner_seven, OWNED(.name = "dropped"));
                queued = rein_submit(x, job_count, &other, NULL);
                drop(oldest);
        }
        rein_cancel(queued, NULL);
        rein_cancel(running, NULL);
        drop(queued);
        drop(running);
        rein_executor_free(x);
}

static void by_rejection(owner o)
{
        by_a_full_queue(o, REIN_FULL_REJECT);
}

static void by_dropping_the_oldest(owner o)
{
        by_a_full_queue(o, REIN_FULL_DROP_OLDEST);
}

static void by_a_cancel_while_it_runs(owner o)
{
        rein_future *f = rein_submit(o.x, owner_sleeps, OWNED(.name = "sleeps"));
        rein_cancel(f, NULL);
        drop(f);
}

static void by_want_of_memory(owner o)
{
        support_poor = true;
        rein_future *f = rein_submit(o.x, owner_seven, OWNED(.name = "poor"));
        support_poor = false;
        drop(f);
}

static void by_rein_on(owner o)
{
        (void)rein_on(o.x, owner_seven, OWNED(.name = "on"));
}

static void by_rein_on_nowhere(owner o)
{
        (void)rein_on(NULL, owner_seven, OWNED(.limit_ns = -1));
}

static void by_rein_to_thread_in_no_loop(owner o)
{
        (void)rein_to_thread(owner_seven, &o, REIN_JOB(.arg_size = sizeof o, .release = owner_release, .limit_ns = -1));
}

static void by_a_spawn(owner o)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, o.x, owner_seven, OWNED(.name = "child"));
        assert_int_equal(rein_group_close(&g, 0), 0);
}

static void by_a_spawn_into_a_cancelled_group(owner o)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_group_cancel(&g, NULL);
        rein_spawn(&g, o.x, owner_seven, OWNED(.name = "child"));
        assert_int_equal(rein_group_close(&g, 0), REIN_ESTOPPED);
}

static void by_a_spawn_that_makes_no_sense(owner o)
{
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        drop(rein_ref(rein_spawn_future(&g, o.x, owner_seven, OWNED(.limit_ns = -1))));
        assert_int_equal(rein_group_close(&g, 0), 0);
}

static void by_a_spawn_into_a_closed_group(owner o)
{
        rein_group g;
        rein_group_open(&g, NULL);
        assert_int_equal(rein_group_close(&g, 0), 0);
        rein_spawn(&g, o.x, owner_seven, OWNED(.name = "child"));
}

static void by_a_spawn_that_makes_no_sense_into_a_closed_group(owner o)
{
        rein_group g;
        rein_group_open(&g, NULL);
        assert_int_equal(rein_group_close(&g, 0), 0);
        rein_spawn(&g, o.x, owner_seven, OWNED(.limit_ns = -1));
}

static void by_a_run_that_is_shared(owner o)
{
        rein_future *first = rein_submit(o.x, owner_sleeps, OWNED(.share = "one"));
        rein_cancel(first, NULL);
        drop(first);
}

static void test_what_the_argument_owns_is_released_exactly_once_in_every_case(void **state)
{
        (void)state;
        static const struct {
                const char *name;
                void (*fn)(owner o);
        } ways[] = {{"its end", by_its_end},
                    {"its failure", by_its_failure},
                    {"no executor", by_no_executor},
                    {"no function", by_no_function},
                    {"options", by_options_that_make_no_sense},
                    {"start_by", by_start_by},
                    {"a stop", by_a_stop},
                    {"a rejection", by_rejection},
                    {"the oldest", by_dropping_the_oldest},
                    {"a cancel", by_a_cancel_while_it_runs},
                    {"no memory", by_want_of_memory},
                    {"rein_on", by_rein_on},
                    {"rein_on nowhere", by_rein_on_nowhere},
                    {"rein_to_thread", by_rein_to_thread_in_no_loop},
                    {"a spawn", by_a_spawn},
                    {"a cancelled group", by_a_spawn_into_a_cancelled_group},
                    {"a spawn's options", by_a_spawn_that_makes_no_sense},
                    {"a closed group", by_a_spawn_into_a_closed_group},
                    {"a closed group and options", by_a_spawn_that_makes_no_sense_into_a_closed_group},
                    {"a shared run", by_a_run_that_is_shared}};
        unseen u = {0};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        rein_on_unseen(unseen_note, &u);
        for (size_t i = 0; i < COUNT(ways); i++) {
                atomic_int released = 0;
                ways[i].fn((owner){x, &released});
                EVENTUALLY(released > 0 && rein_executor_unfinished(x) == 0);
                if (released != 1)
                        fail_msg("%s: released %d times", ways[i].name, (int)released);
        }
        rein_on_unseen(NULL, NULL);
        rein_executor_free(x);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_jobs_and_continuations_run_where_the_user_turns),
                cmocka_unit_test(test_a_continuation_is_posted_and_cannot_be_refused),
                cmocka_unit_test(test_a_refusal_is_the_futures_failure),
                cmocka_unit_test(test_a_cancelled_work_is_told_and_running_it_then_does_nothing),
                cmocka_unit_test(test_a_stop_settles_what_was_never_turned),
                cmocka_unit_test(test_what_is_cancelled_on_its_way_in_is_told_once_it_is_there),
                cmocka_unit_test(test_a_job_may_stop_the_executor_it_runs_on),
                cmocka_unit_test(test_what_makes_no_sense_is_refused),
                cmocka_unit_test(test_each_work_runs_once_however_many_threads_turn),
                cmocka_unit_test(test_the_queued_are_those_that_do_not_run_yet),
                cmocka_unit_test(test_of_many_submits_those_taken_are_counted),
                cmocka_unit_test(test_a_posted_job_runs_and_its_failure_is_reported_once),
                cmocka_unit_test(test_a_post_that_is_refused_says_why),
                cmocka_unit_test(test_a_job_may_post_to_its_own_pool),
                cmocka_unit_test(test_a_full_pool_that_rejects_says_so_to_the_post),
                cmocka_unit_test(test_a_job_that_makes_no_sense_lets_its_argument_go),
                cmocka_unit_test(test_what_breaks_it_first_is_kept_and_what_comes_later_is_let_go),
                cmocka_unit_test(test_options_of_another_version),
#if RN_CHECKING
                cmocka_unit_test(test_a_broken_executor_says_so),
                cmocka_unit_test(test_a_broken_job_says_so),
                cmocka_unit_test(test_a_job_that_is_gone_before_it_is_counted_out_adds_up),
#endif
                cmocka_unit_test(test_what_the_argument_owns_is_released_exactly_once_in_every_case),
        };
        rn_choose_by(support_choose);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
