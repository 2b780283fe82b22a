/* SPDX-License-Identifier: Apache-2.0 */
/* Wait sets and rein_on. A wait that ends at the first failure is a group with REIN_ALL (group_test.c). */
#include "support.h"

#include "core/future.h"

enum { MANY = 100 };

typedef struct promised {
        rein_promise *p[MANY];
        rein_future *f[MANY];
        size_t n;
} promised;

static void promise(promised *s, size_t n)
{
        s->n = n;
        for (size_t i = 0; i < n; i++)
                s->p[i] = rein_promise_new(&s->f[i]);
}

static void forget(promised *s)
{
        for (size_t i = 0; i < s->n; i++) {
                rein_promise_keep(s->p[i], NULL, NULL);
                rein_promise_drop(s->p[i]);
                (void)rein_code(s->f[i]);
                rein_drop(s->f[i]);
        }
}

/* ---- all, any, first ---- */

static void test_an_empty_set_ends_at_once(void **state)
{
        (void)state;
        rein_done it;
        assert_int_equal(rein_wait_all(NULL, 0, REIN_NEVER), 0);
        assert_int_equal(rein_wait_any(NULL, 0, REIN_NEVER), -ENOENT);
        assert_int_equal(rein_wait_first(NULL, 0, REIN_NEVER), -ENOENT);
        rein_done_open(&it, NULL, 0);
        assert_int_equal(rein_done_next(&it, REIN_NEVER), -ENOENT);
        assert_int_equal(rein_done_next(&it, REIN_NEVER), -ENOENT);
        rein_done_close(&it);
        assert_int_equal(rein_done_next(&it, REIN_NEVER), -EPERM);
        rein_future *none[1] = {NULL};
        assert_int_equal(rein_wait_all(none, 1, REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_wait_any(NULL, 1, REIN_NOWAIT), -EINVAL);
}

static void test_the_same_future_twice_is_one_future(void **state)
{
        (void)state;
        promised s;
        promise(&s, 2);
        rein_future *f[5] = {s.f[0], s.f[1], s.f[0], s.f[0], s.f[1]};
        rein_done it;
        rein_done_open(&it, f, 5);
        assert_int_equal(rein_wait_any(f, 5, REIN_NOWAIT), REIN_ETIMEOUT);
        rein_promise_keep(s.p[1], NULL, NULL);
        assert_int_equal(rein_wait_any(f, 5, REIN_NEVER), 1);
        assert_int_equal(rein_wait_all(f, 5, REIN_NOWAIT), REIN_ETIMEOUT);
        rein_promise_keep(s.p[0], NULL, NULL);
        assert_int_equal(rein_wait_all(f, 5, REIN_NEVER), 0);
        assert_int_equal(rein_wait_any(f, 5, REIN_NEVER), 0); /* the lowest */
        assert_int_equal(rein_done_next(&it, REIN_NEVER), 1);
        assert_int_equal(rein_done_next(&it, REIN_NEVER), 0);
        assert_int_equal(rein_done_next(&it, REIN_NEVER), -ENOENT); /* each once */
        rein_done_close(&it);
        forget(&s);
}

static void test_any_with_one_settled_returns_at_once_with_the_lowest(void **state)
{
        (void)state;
        promised s;
        promise(&s, MANY);
        rein_promise_keep(s.p[70], NULL, NULL);
        rein_promise_break(s.p[40], -EIO, "bad is settled too");
        assert_int_equal(rein_wait_any(s.f, MANY, REIN_NOWAIT), 40);
        assert_int_equal(rein_wait_any(&s.f[41], MANY - 41, REIN_NOWAIT), 29);
        forget(&s);
}

static void test_first_passes_over_failures_and_cancels_the_others(void **state)
{
        (void)state;
        promised s;
        promise(&s, 5);
        rein_promise_break(s.p[2], -EIO, "bad");
        assert_int_equal(rein_wait_first(s.f, 5, REIN_NOWAIT), REIN_ETIMEOUT);
        assert_int_equal(rein_code(s.f[0]), REIN_EPENDING); /* who leaves cancels nothing */
        rein_promise_keep(s.p[3], NULL, NULL);
        assert_int_equal(rein_wait_first(s.f, 5, REIN_NEVER), 3);
        assert_int_equal(rein_code(s.f[0]), REIN_ECANCELED);
        assert_int_equal(rein_code(s.f[1]), REIN_ECANCELED);
        assert_int_equal(rein_code(s.f[2]), -EIO);
        assert_int_equal(rein_code(s.f[4]), REIN_ECANCELED);
        forget(&s);
}

static void test_first_of_failures_only_has_each_in_its_trail(void **state)
{
        (void)state;
        promised s;
        promise(&s, 3);
        for (int i = 0; i < 3; i++)
                rein_promise_break(s.p[i], -10 - i, "bad %d", i);
        assert_int_equal(rein_wait_first(s.f, 3, REIN_NEVER), REIN_EFAILED);
        for (int i = 0; i < 3; i++)
                assert_true(rein_error_is(rein_trail(), -10 - i));
        assert_false(rein_error_is(rein_trail(), -13));
        forget(&s);
}

typedef struct settler {
        promised *s;
        size_t from, step;
} settler;

static void *settle_some(void *arg)
{
        settler *t = arg;
        for (size_t i = t->from; i < t->s->n; i += t->step) {
                if (i % 3)
                        rein_promise_keep(t->s->p[i], NULL, NULL);
                else
                        rein_promise_break(t->s->p[i], -EIO, "bad");
        }
        return NULL;
}

static void test_all_over_a_hundred_futures_settled_from_many_threads(void **state)
{
        (void)state;
        for (int round = 0; round < 50; round++) {
                promised s;
                settler t[4];
                pthread_t threads[4];
                promise(&s, MANY);
                for (size_t i = 0; i < 4; i++) {
                        t[i] = (settler){&s, i, 4};
                        threads[i] = go(settle_some, &t[i]);
                }
                assert_int_equal(rein_wait_all(s.f, MANY, REIN_NEVER), 0);
                for (int i = 0; i < 4; i++)
                        join(threads[i]);
                forget(&s);
        }
}

static void test_a_wait_that_timed_out_leaves_nothing_behind(void **state)
{
        (void)state;
        promised s;
        promise(&s, 40);
        rein_promise_keep(s.p[5], NULL, NULL);
        for (int i = 0; i < 50; i++) {
                assert_int_equal(rein_wait_all(s.f, 40, rein_after(1)), REIN_ETIMEOUT);
                assert_int_equal(rein_wait_first(&s.f[6], 3, rein_after(1)), REIN_ETIMEOUT);
                assert_int_equal(rein_await(s.f[0], NULL, rein_after(1)), REIN_ETIMEOUT);
        }
        assert_int_equal(rein_code(s.f[5]), 0); /* the split can be read off */
        assert_int_equal(rein_code(s.f[6]), REIN_EPENDING);
        for (int i = 0; i < 40; i++)
                assert_true(rn_list_empty(&s.f[i]->watchers));
        forget(&s); /* settles now: nobody's memory is touched */
}

typedef struct leaver {
        promised *s;
        rein_scope scope;
        seat seat;
        int rc[4];
} leaver;

static void *wait_and_be_cancelled(void *arg)
{
        leaver *l = arg;
        rein_scope_open(&l->scope, REIN_NEVER);
        sit(&l->seat);
        l->rc[0] = rein_wait_all(l->s->f, l->s->n, REIN_NEVER);
        l->rc[1] = rein_wait_any(l->s->f, l->s->n, REIN_NEVER);
        l->rc[2] = rein_wait_first(l->s->f, l->s->n, REIN_NEVER);
        l->rc[3] = rein_await(l->s->f[0], NULL, REIN_NEVER);
        (void)rein_scope_close(&l->scope, 0);
        return NULL;
}

static void test_a_cancelled_waiter_leaves_and_the_futures_go_on(void **state)
{
        (void)state;
        promised s;
        promise(&s, 20);
        leaver l = {.s = &s};
        pthread_t t = go(wait_and_be_cancelled, &l);
        EVENTUALLY(sits_in(&l.seat, "rein_wait_all"));
        rein_scope_cancel(&l.scope, NULL);
        join(t);
        for (int i = 0; i < 4; i++)
                assert_int_equal(l.rc[i], REIN_ECANCELED);
        for (int i = 0; i < 20; i++)
                assert_int_equal(rein_code(s.f[i]), REIN_EPENDING);
        forget(&s);
}

static void test_jobs_cancelled_by_a_stop_or_in_the_queue_are_done_at_once(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        gate g = gate_new();
        rein_future *f[6] = {rein_submit(x, job_pass, &g, NULL)};
        EVENTUALLY(rein_executor_queued(x) == 0);
        for (int i = 1; i < 6; i++)
                f[i] = rein_submit(x, job_seven, NULL, NULL);
        for (int i = 1; i < 3; i++)
                rein_cancel(f[i], NULL);
        assert_int_equal(rein_wait_all(&f[1], 2, REIN_NOWAIT), 0);
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_RUNNING, REIN_NEVER), 0);
        assert_int_equal(rein_wait_all(&f[3], 3, REIN_NOWAIT), 0);
        gate_open(&g);
        assert_int_equal(rein_wait_all(f, 6, REIN_NEVER), 0);
        for (int i = 0; i < 6; i++) {
                (void)rein_code(f[i]);
                rein_drop(f[i]);
        }
        rein_executor_free(x);
        gate_free(&g);
}

static void test_more_than_16_futures_need_memory_and_a_failure_changes_nothing(void **state)
{
        (void)state;
        promised s;
        promise(&s, 20);
        support_poor = true;
        assert_int_equal(rein_wait_all(s.f, 20, REIN_NOWAIT), -ENOMEM);
        assert_int_equal(rein_wait_all(s.f, 17, REIN_NOWAIT), -ENOMEM);
        assert_int_equal(rein_wait_all(s.f, 16, REIN_NOWAIT), REIN_ETIMEOUT);
        rein_done it;
        rein_done_open(&it, s.f, 20);
        assert_int_equal(rein_done_next(&it, REIN_NOWAIT), -ENOMEM);
        rein_done_close(&it);
        support_poor = false;
        for (int i = 0; i < 20; i++)
                assert_true(rn_list_empty(&s.f[i]->watchers));
        forget(&s);
}

/* ---- as completed ---- */

static void test_a_set_that_makes_no_sense_says_so(void **state)
{
        (void)state;
        rein_future *none[1] = {NULL};
        rein_done it;
        rein_done_open(&it, none, 1);
        assert_int_equal(rein_done_next(&it, REIN_NOWAIT), -EINVAL);
        assert_non_null(strstr(rein_error_text(rein_trail()), "a future that is NULL"));
        rein_done_close(&it);
        rein_done_open(&it, NULL, 1);
        assert_int_equal(rein_done_next(&it, REIN_NOWAIT), -EINVAL);
        rein_done_close(&it);
}

static void test_those_settled_come_first_then_the_order_of_settling_none_twice(void **state)
{
        (void)state;
        promised s;
        rein_done it;
        static const int later[] = {8, 0, 5, 2, 9, 1, 6};
        promise(&s, 10);
        rein_promise_keep(s.p[7], NULL, NULL);
        rein_promise_break(s.p[3], -EIO, "bad");
        rein_promise_keep(s.p[4], NULL, NULL);
        rein_done_open(&it, s.f, 10);
        for (size_t i = 0; i < COUNT(later); i++)
                rein_promise_keep(s.p[later[i]], NULL, NULL);
        assert_int_equal(rein_done_next(&it, REIN_NOWAIT), 3); /* in the order of the array */
        assert_int_equal(rein_done_next(&it, REIN_NOWAIT), 4);
        assert_int_equal(rein_done_next(&it, REIN_NOWAIT), 7);
        for (size_t i = 0; i < COUNT(later); i++)
                assert_int_equal(rein_done_next(&it, REIN_NOWAIT), later[i]);
        assert_int_equal(rein_done_next(&it, REIN_NOWAIT), -ENOENT);
        rein_done_close(&it);
        forget(&s);
}

static void test_past_its_limit_it_says_k_of_n_unfinished_and_may_go_on(void **state)
{
        (void)state;
        promised s;
        rein_done it;
        promise(&s, 5);
        rein_promise_keep(s.p[1], NULL, NULL);
        rein_done_open(&it, s.f, 5);
        assert_int_equal(rein_done_next(&it, REIN_NOWAIT), 1);
        assert_int_equal(rein_done_next(&it, REIN_NOWAIT), REIN_ETIMEOUT);
        assert_string_equal(rein_error_text(rein_trail()), "4 of 5 unfinished");
        rein_promise_keep(s.p[2], NULL, NULL);
        assert_int_equal(rein_done_next(&it, REIN_NOWAIT), 2);
        rein_done_close(&it);
        for (int i = 0; i < 5; i++)
                assert_true(rn_list_empty(&s.f[i]->watchers)); /* every waiter is unregistered */
        rein_done_close(&it);
        forget(&s);
}

static void test_as_completed_while_many_threads_settle_gives_each_once(void **state)
{
        (void)state;
        for (int round = 0; round < 30; round++) {
                promised s;
                settler t[4];
                pthread_t threads[4];
                int given[MANY] = {0}, rc;
                rein_done it;
                promise(&s, MANY);
                for (size_t i = 0; i < 4; i++) {
                        t[i] = (settler){&s, i, 4};
                        threads[i] = go(settle_some, &t[i]);
                }
                rein_done_open(&it, s.f, MANY);
                while ((rc = rein_done_next(&it, REIN_NEVER)) >= 0)
                        given[rc]++;
                rein_done_close(&it);
                assert_int_equal(rc, -ENOENT);
                for (int i = 0; i < MANY; i++)
                        assert_int_equal(given[i], 1);
                for (int i = 0; i < 4; i++)
                        join(threads[i]);
                forget(&s);
        }
}

/* ---- rein_on ---- */

static void test_on_returns_what_the_job_returned_with_its_trail(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .name = "there"));
        int number = 41;
        assert_int_equal(rein_on(x, job_seven, &number, NULL), 7);
        assert_int_equal(rein_on(x, job_fail, NULL, REIN_JOB(.name = "burner")), -EIO);
        assert_int_equal(rein_error_code(rein_trail()), -EIO);
        assert_string_equal(rein_error_text(rein_trail()), "the disk is on fire");
        assert_non_null(strstr(rein_error_where(rein_trail()), "burner"));
        assert_int_equal(rein_on(NULL, job_seven, NULL, NULL), -EINVAL);
        assert_int_equal(rein_on(x, job_sleep, NULL, REIN_JOB(.limit_ns = REIN_MS(1))), REIN_ETIMEOUT);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, REIN_NEVER, NULL), 0);
        assert_int_equal(rein_on(x, job_seven, NULL, NULL), REIN_EREJECTED);
        rein_executor_free(x);
        assert_int_equal(u.count, 0); /* all told to the caller */
        rein_on_unseen(NULL, NULL);
}

typedef struct caller {
        rein_executor *x;
        rein_fn fn;
        void *arg;
        const rein_job *job;
        rein_scope scope;
        seat seat;
        atomic_int open;
        int rc, closed;
} caller;

static void *call_on(void *arg)
{
        caller *c = arg;
        rein_scope_open(&c->scope, REIN_NEVER);
        sit(&c->seat);
        atomic_store(&c->open, 1);
        c->rc = rein_on(c->x, c->fn, c->arg, c->job);
        c->closed = rein_scope_close(&c->scope, c->rc);
        return NULL;
}

static void test_a_cancelled_caller_reaches_its_running_job_and_returns_when_it_is_gone(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        seat s = {NULL};
        caller c = {.x = x, .fn = job_sleep, .arg = &s, .job = REIN_JOB(.on_worker = true)};
        pthread_t t = go(call_on, &c);
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        rein_scope_cancel(&c.scope, NULL);
        join(t);
        assert_int_equal(c.rc, REIN_ECANCELED);
        assert_int_equal(c.closed, REIN_ESTOPPED);

        stubborn st; /* who ignores it is waited for: the job may look into the caller's frame */
        stubborn_init(&st);
        caller d = {.x = x, .fn = stubborn_job, .arg = &st, .job = REIN_JOB(.on_worker = true)};
        t = go(call_on, &d);
        EVENTUALLY(st.inside == 1);
        rein_scope_cancel(&d.scope, NULL);
        EVENTUALLY(sits_in(&d.seat, "rein_on"));
        assert_int_equal(st.left, 0);
        stubborn_let_go(&st, 1);
        join(t);
        assert_int_equal(st.left, 1);
        assert_int_equal(d.rc, 0); /* it ended well all the same */
        rein_executor_free(x);
}

static void test_a_queued_job_of_a_cancelled_caller_never_runs(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        gate g = gate_new();
        atomic_int runs = 0;
        rein_future *blocker = rein_submit(x, job_pass, &g, NULL);
        EVENTUALLY(rein_executor_queued(x) == 0);
        caller c = {.x = x, .fn = job_count, .arg = &runs};
        pthread_t t = go(call_on, &c);
        EVENTUALLY(sits_in(&c.seat, "rein_on"));
        rein_scope_cancel(&c.scope, NULL);
        join(t); /* while the pool is still busy */
        assert_int_equal(c.rc, REIN_ECANCELED);
        rein_scope s; /* cancelled before the call: the same */
        rein_scope_open(&s, REIN_NEVER);
        rein_scope_cancel(&s, NULL);
        assert_int_equal(rein_on(x, job_count, &runs, NULL), REIN_ECANCELED);
        assert_int_equal(rein_scope_close(&s, 0), 0);
        gate_open(&g);
        assert_int_equal(rein_await(blocker, NULL, REIN_NEVER), 0);
        rein_drop(blocker);
        rein_executor_free(x);
        assert_int_equal(runs, 0);
        gate_free(&g);
}

static int stay_by_pointer(void *arg)
{
        return stubborn_stay(*(stubborn **)arg);
}

static void test_a_job_that_may_be_abandoned_is_left_behind_and_its_late_end_is_told(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1)));
        stubborn st, *p = &st;
        stubborn_init(&st);
        caller c = {.x = x,
                    .fn = stay_by_pointer,
                    .arg = &p,
                    .job = REIN_JOB(.arg_size = sizeof p, .unheeded = REIN_ABANDON_IT, .on_worker = true)};
        pthread_t t = go(call_on, &c);
        EVENTUALLY(st.inside == 1);
        rein_scope_cancel(&c.scope, NULL);
        join(t);
        assert_int_equal(c.rc, REIN_EABANDONED);
        assert_int_equal(st.left, 0);
        stubborn_let_go(&st, 1);
        EVENTUALLY(u.count == 1);
        rein_executor_free(x);
        rein_on_unseen(NULL, NULL);
}

static const rein_key colour = {"colour", NULL};

static int see_my_colour(void *arg)
{
        return rein_context_get(&colour) == arg ? 0 : REIN_EUSER;
}

static void test_on_takes_scope_and_context_values_along(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_scope s;
        int red;
        assert_int_equal(rein_context_set(&colour, &red), 0);
        assert_int_equal(rein_on(x, see_my_colour, &red, REIN_JOB(.on_worker = true)), 0);
        assert_int_equal(rein_context_set(&colour, NULL), 0);
        rein_scope_open(&s, rein_after(REIN_MS(1)));
        assert_int_equal(rein_on(x, job_sleep, NULL, REIN_JOB(.on_worker = true)), REIN_ECANCELED); /* my deadline */
        assert_int_equal(rein_scope_close(&s, REIN_ECANCELED), REIN_ETIMEOUT);
        rein_executor_free(x);
}

/* ---- what others see of a wait ---- */

static void test_what_a_task_waits_at_outlives_the_name(void **state)
{
        (void)state;
        rn_task *self = rn_self();
        char name[16], other[16];
        snprintf(name, sizeof name, "pages");
        snprintf(other, sizeof other, "pages");
        const rn_doing was = rn_task_doing(self, (rn_doing){"rein_submit, for room in", name});
        const char *seen = rn_loadptr(&self->doing_at); /* by somebody who reads it late */
        const rn_doing inner = rn_task_doing(self, (rn_doing){"rein_await", NULL});
        memset(name, 'x', sizeof name - 1);
        rn_task_doing(self, inner);
        assert_string_equal(rn_loadptr(&self->doing_at), "pages");
        rn_task_doing(self, was);
        assert_null(rn_loadptr(&self->doing));
        assert_string_equal(seen, "pages");
        assert_ptr_equal(rn_text_for_ever(other), seen); /* each text once */
}

static void test_texts_for_ever_are_bounded_and_do_without_memory(void **state)
{
        (void)state;
        char text[32];
        int kept = 0;
        support_poor = true;
        assert_null(rn_text_for_ever("no memory for it"));
        support_poor = false;
        assert_string_equal(rn_text_for_ever("no memory for it"), "no memory for it");
        for (int i = 0; i < 2000; i++) {
                snprintf(text, sizeof text, "pool#%d", i);
                const char *copy = rn_text_for_ever(text);
                kept += copy && strcmp(copy, text) == 0 && copy != text;
        }
        assert_true(kept > 500 && kept <= 512);
        assert_string_equal(rn_text_for_ever("no memory for it"), "no memory for it");
}

/* ---- what a wait says of a failure, and of a mistake ---- */

static void says(int code, int is, const char *text)
{
        assert_int_equal(code, is);
        assert_int_equal(rein_error_code(rein_trail()), is);
        assert_string_equal(rein_error_text(rein_trail()), text);
}

static void test_a_failure_says_whether_it_was_refused_cancelled_or_failed(void **state)
{
        (void)state;
        gate g = gate_new();
        rein_executor *x =
                rein_pool_new(REIN_POOL(.name = "narrow", .threads = 1, .queue_max = 1, .full = REIN_FULL_REJECT));
        rein_future *runs = rein_submit(x, job_pass, &g, REIN_JOB(.on_worker = true));
        EVENTUALLY(rein_executor_queued(x) == 0);
        rein_future *queued = rein_submit(x, job_seven, NULL, REIN_JOB(.name = "queued", .on_worker = true));
        rein_future *full = rein_submit(x, job_seven, NULL, REIN_JOB(.name = "late"));
        rein_future *wrong = rein_submit(x, job_seven, NULL, REIN_JOB(.limit_ns = -1));
        rein_future *future = NULL;
        rein_promise *p = rein_promise_new(&future);
        rein_promise_break(p, -EIO, "on purpose");
        says(rein_await(full, NULL, REIN_NEVER), REIN_EFAILED, "job 'late' on 'narrow' was refused, and never ran");
        assert_int_equal(rein_error_code(rein_error_cause(rein_trail())), REIN_EREJECTED);
        says(rein_await(wrong, NULL, REIN_NEVER), REIN_EFAILED, "the submit was refused");
        assert_int_equal(rein_error_code(rein_error_cause(rein_trail())), -EINVAL);
        says(rein_await(future, NULL, REIN_NEVER), REIN_EFAILED, "what was promised failed");
        rein_cancel(queued, "not wanted");
        says(rein_await(queued, NULL, REIN_NEVER), REIN_EFAILED, "job 'queued' on 'narrow' was cancelled");
        gate_open(&g);
        assert_int_equal(rein_await(runs, NULL, REIN_NEVER), 0);
        rein_future *fails = rein_submit(x, job_fail, NULL, REIN_JOB(.name = "fails", .on_worker = true));
        says(rein_await(fails, NULL, REIN_NEVER), REIN_EFAILED, "job 'fails' on 'narrow' failed");
        rein_future *const all[] = {runs, queued, full, wrong, future, fails};
        for (size_t i = 0; i < COUNT(all); i++)
                rein_drop(all[i]);
        rein_promise_drop(p);
        rein_executor_free(x);
        gate_free(&g);
}

static void test_a_future_that_is_NULL_is_named_by_its_number_only_among_several(void **state)
{
        (void)state;
        rein_future *settled = NULL;
        rein_promise *p = rein_promise_new(&settled);
        rein_promise_keep(p, NULL, NULL);
        rein_future *const two[] = {settled, NULL}, *const one[] = {NULL};
        says(rein_await(NULL, NULL, REIN_NEVER), -EINVAL, "the future is NULL");
        says(rein_wait_any(one, 1, REIN_NEVER), -EINVAL, "the future is NULL");
        says(rein_wait_all(two, 2, REIN_NEVER), -EINVAL, "future 1 of 2 is NULL");
        says(rein_wait_first(two, 2, REIN_NEVER), -EINVAL, "future 1 of 2 is NULL");
        rein_promise_drop(p);
        rein_drop(settled);
}

int main(void)
{
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_a_task_waits_at_outlives_the_name),
                cmocka_unit_test(test_an_empty_set_ends_at_once),
                cmocka_unit_test(test_the_same_future_twice_is_one_future),
                cmocka_unit_test(test_any_with_one_settled_returns_at_once_with_the_lowest),
                cmocka_unit_test(test_first_passes_over_failures_and_cancels_the_others),
                cmocka_unit_test(test_first_of_failures_only_has_each_in_its_trail),
                cmocka_unit_test(test_all_over_a_hundred_futures_settled_from_many_threads),
                cmocka_unit_test(test_a_wait_that_timed_out_leaves_nothing_behind),
                cmocka_unit_test(test_a_cancelled_waiter_leaves_and_the_futures_go_on),
                cmocka_unit_test(test_jobs_cancelled_by_a_stop_or_in_the_queue_are_done_at_once),
                cmocka_unit_test(test_a_set_that_makes_no_sense_says_so),
                cmocka_unit_test(test_more_than_16_futures_need_memory_and_a_failure_changes_nothing),
                cmocka_unit_test(test_those_settled_come_first_then_the_order_of_settling_none_twice),
                cmocka_unit_test(test_past_its_limit_it_says_k_of_n_unfinished_and_may_go_on),
                cmocka_unit_test(test_as_completed_while_many_threads_settle_gives_each_once),
                cmocka_unit_test(test_on_returns_what_the_job_returned_with_its_trail),
                cmocka_unit_test(test_a_cancelled_caller_reaches_its_running_job_and_returns_when_it_is_gone),
                cmocka_unit_test(test_a_queued_job_of_a_cancelled_caller_never_runs),
                cmocka_unit_test(test_a_job_that_may_be_abandoned_is_left_behind_and_its_late_end_is_told),
                cmocka_unit_test(test_on_takes_scope_and_context_values_along),
                cmocka_unit_test(test_texts_for_ever_are_bounded_and_do_without_memory),
                cmocka_unit_test(test_a_failure_says_whether_it_was_refused_cancelled_or_failed),
                cmocka_unit_test(test_a_future_that_is_NULL_is_named_by_its_number_only_among_several),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
