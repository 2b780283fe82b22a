/* SPDX-License-Identifier: Apache-2.0 */
/* The pool's threads: how many there are, what they begin and end with, and what a job may do to one. */
#include "support.h"

#include <poll.h>

#include "core/ranges.h"
#include "pool/pool.h"

/* ---- how many ---- */

static void test_nonsensical_options_are_refused_and_zero_is_the_default(void **state)
{
        (void)state;
        const rein_pool_opts bad[] = {
                {.size = sizeof(rein_pool_opts), .threads = -1},
                {.size = sizeof(rein_pool_opts), .threads_max = -1},
                {.size = sizeof(rein_pool_opts), .replace_abandoned = -1},
                {.size = sizeof(rein_pool_opts), .idle_ns = -1},
                {.size = sizeof(rein_pool_opts), .grace_ns = -1},
                {.size = sizeof(rein_pool_opts), .full = (rein_full)9},
                {.size = sizeof(rein_pool_opts), .threads = 8, .threads_max = 4},
                {.threads = 1}, /* no size */
        };
        for (size_t i = 0; i < COUNT(bad); i++) {
                assert_null(rein_pool_new(&bad[i]));
                assert_int_equal(rein_error_code(rein_trail()), -EINVAL);
                assert_true(strlen(rein_error_text(rein_trail())) > 5);
        }
        rein_executor *x = rein_pool_new(NULL);
        assert_non_null(x);
        assert_int_equal(rein_executor_threads(x), 0); /* none is started yet */
        assert_int_equal(strncmp(rein_executor_name(x), "pool#", 5), 0);
        rein_executor_free(x);
}

static void test_the_default_is_cpus_and_four(void **state)
{
        (void)state;
        int n = rn_cpus_granted() + 4 < 32 ? rn_cpus_granted() + 4 : 32;
        rein_executor *x = rein_pool_new(NULL);
        stubborn s;
        stubborn_init(&s);
        rein_future *f[40];
        for (int i = 0; i < 40; i++)
                f[i] = rein_submit(x, stubborn_job, &s, NULL);
        EVENTUALLY(s.inside == n);
        assert_int_equal(rein_executor_threads(x), n);
        stubborn_let_go(&s, 40);
        assert_int_equal(rein_wait_all(f, 40, REIN_NEVER), 0);
        for (int i = 0; i < 40; i++)
                rein_drop(f[i]);
        rein_executor_free(x);
        assert_int_equal(s.left, 40);
}

static void test_the_numbers_at_their_ends(void **state)
{
        (void)state;
        const rein_pool_opts most[] = {{.size = sizeof(rein_pool_opts), .threads = RN_MOST_THREADS},
                                       {.size = sizeof(rein_pool_opts), .threads = RN_MOST_THREADS / 4 + 1},
                                       {.size = sizeof(rein_pool_opts), .threads = RN_MOST_THREADS / 4}};
        for (size_t i = 0; i < COUNT(most); i++) {
                rein_executor *x = rein_pool_new(&most[i]);
                assert_non_null(x);
                assert_true(rn_pool_of(x)->opts.threads_max >= most[i].threads);
                assert_true(rn_pool_of(x)->opts.threads_max <= RN_MOST_THREADS);
                rein_executor_free(x);
        }
}

static atomic_int threads_born;

static int born(void *arg)
{
        (void)arg;
        atomic_fetch_add(&threads_born, 1);
        return 0;
}

static void test_jobs_one_after_another_need_one_thread(void **state)
{
        (void)state;
        atomic_store(&threads_born, 0);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 8, .init = born));
        for (int i = 0; i < 200; i++) {
                rein_future *f = rein_submit(x, job_seven, NULL, NULL);
                assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
                rein_drop(f);
        }
        assert_int_equal(threads_born, 1);
        assert_int_equal(rein_executor_threads(x), 1);
        rein_executor_free(x);
}

static bool nobody_searches(rein_executor *x)
{
        rn_lock_take(&x->lock);
        bool nobody = rn_pool_of(x)->searching == 0;
        rn_lock_give(&x->lock);
        return nobody;
}

static void test_a_thread_may_be_idle_for_as_long_as_one_can_count(void **state)
{
        (void)state;
        atomic_store(&threads_born, 0);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .init = born, .idle_ns = INT64_MAX));
        for (int i = 0; i < 20; i++) {
                rein_future *f = rein_submit(x, job_seven, NULL, NULL);
                assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
                rein_drop(f);
                EVENTUALLY(nobody_searches(x)); /* it is idle, or has ended */
        }
        assert_int_equal(threads_born, 1);
        rein_executor_free(x);
}

static size_t idle_threads(rein_executor *x)
{
        size_t n = 0;
        rn_lock_take(&x->lock);
        RN_LIST_EACH(l, &rn_pool_of(x)->idle)
                n++;
        rn_lock_give(&x->lock);
        return n;
}

static int note_task(void *arg)
{
        atomic_store((_Atomic(rn_task *) *)arg, rn_self());
        return 0;
}

typedef struct noted {
        _Atomic(rn_task *) on;
        gate until;
} noted;

static int note_and_pass(void *arg)
{
        noted *n = arg;
        atomic_store(&n->on, rn_self());
        return gate_pass(&n->until);
}

enum { ASLEEP = 2 }; /* a thread's door, when it sleeps */

/* So the others are idle for long, and end. */
static void test_the_thread_that_went_idle_last_is_woken_first(void **state)
{
        (void)state;
        enum { N = 3 };
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = N));
        noted n[N] = {{.on = NULL}};
        rein_future *f[N];
        _Atomic(rn_task *) on = NULL;
        for (int i = 0; i < N; i++) {
                n[i].until = gate_new();
                f[i] = rein_submit(x, note_and_pass, &n[i], REIN_JOB(.on_worker = true));
                EVENTUALLY(n[i].on != NULL);
        }
        for (int i = 0; i < N; i++) {
                gate_open(&n[i].until);
                assert_int_equal(rein_await(f[i], NULL, REIN_NEVER), 0);
                EVENTUALLY(idle_threads(x) == (size_t)i + 1 && rn_load32(&n[i].on->door.word) == ASLEEP);
        }
        rein_future *last = rein_submit(x, note_task, (void *)&on, REIN_JOB(.on_worker = true));
        assert_int_equal(rein_await(last, NULL, REIN_NEVER), 0);
        assert_ptr_equal(on, n[N - 1].on);
        rein_drop(last);
        for (int i = 0; i < N; i++) {
                rein_drop(f[i]);
                gate_free(&n[i].until);
        }
        rein_executor_free(x);
}

static void test_sixty_blocking_jobs_on_four_threads(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 4));
        stubborn s;
        stubborn_init(&s);
        rein_future *f[60];
        for (int i = 0; i < 60; i++)
                f[i] = rein_submit(x, stubborn_job, &s, NULL);
        EVENTUALLY(s.inside == 4);
        assert_int_equal(rein_executor_threads(x), 4);
        assert_int_equal(rein_executor_queued(x), 56);
        assert_int_equal(rein_executor_unfinished(x), 60);
        for (int i = 0; i < 60; i++) {
                stubborn_let_go(&s, 1);
                EVENTUALLY(s.left == i + 1);
                EVENTUALLY(s.inside - s.left == (i + 5 <= 60 ? 4 : 59 - i));
                assert_int_equal(rein_executor_threads(x), 4);
        }
        assert_int_equal(rein_wait_all(f, 60, REIN_NEVER), 0);
        for (int i = 0; i < 60; i++)
                rein_drop(f[i]);
        rein_executor_free(x);
}

static int leave_by_pthread_exit(void *arg)
{
        (void)arg;
        pthread_exit(NULL);
        return 0;
}

static void test_four_long_jobs_run_side_by_side_after_the_pool_shrank_or_lost_a_thread(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 4, .idle_ns = 1));
        for (int round = 0; round < 20; round++) {
                stubborn s;
                stubborn_init(&s);
                rein_future *f[4];
                for (int i = 0; i < 4; i++)
                        f[i] = rein_submit(x, stubborn_job, &s, NULL);
                EVENTUALLY(s.inside == 4); /* all four at once */
                stubborn_let_go(&s, 4);
                assert_int_equal(rein_wait_all(f, 4, REIN_NEVER), 0);
                for (int i = 0; i < 4; i++)
                        rein_drop(f[i]);
                if (round % 2)
                        EVENTUALLY(rein_executor_threads(x) == 0); /* it shrank */
                rein_future *lost = rein_submit(x, round % 3 ? job_seven : leave_by_pthread_exit, NULL,
                                                REIN_JOB(.on_worker = true));
                (void)rein_await(lost, NULL, REIN_NEVER);
                rein_drop(lost);
        }
        rein_executor_free(x);
}

/* ---- what ends a thread ---- */

static void test_a_job_that_ends_its_thread_fails_alone_and_the_thread_is_replaced(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        for (int i = 0; i < 20; i++) {
                rein_future *f = rein_submit(x, leave_by_pthread_exit, NULL, REIN_JOB(.name = "quitter"));
                rein_future *next = rein_submit(x, job_seven, NULL, REIN_JOB(.on_worker = true));
                assert_int_equal(rein_await(f, NULL, rein_after(REIN_SEC(20))), REIN_EFAILED);
                assert_int_equal(rein_code(f), REIN_EBROKEN);
                assert_non_null(strstr(rein_error_text(rein_error_of(f)), "pthread_exit"));
                assert_non_null(strstr(rein_error_where(rein_error_of(f)), "quitter"));
                assert_int_equal(rein_await(next, NULL, rein_after(REIN_SEC(20))), 0);
                rein_drop(f);
                rein_drop(next);
        }
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, rein_after(REIN_SEC(20)), NULL), 0);
        assert_int_equal(rein_executor_threads(x), 0);
        rein_executor_free(x);
}

typedef struct exiter {
        gate until;
        rein_executor *x;
        seat stop;
        atomic_int stopped;
} exiter;

static int pass_and_exit(void *arg)
{
        (void)gate_pass(&((exiter *)arg)->until);
        pthread_exit(NULL);
        return 0;
}

static void *stop_it(void *arg)
{
        exiter *e = arg;
        sit(&e->stop);
        if (rein_executor_stop(e->x, REIN_STOP_QUEUED, REIN_NEVER, NULL) == 0)
                atomic_store(&e->stopped, 1);
        return NULL;
}

static void test_a_stop_is_told_that_a_job_has_ended_its_thread(void **state)
{
        (void)state;
        exiter e = {.until = gate_new(), .x = rein_pool_new(REIN_POOL(.threads = 1))};
        rein_future *f = rein_submit(e.x, pass_and_exit, &e, REIN_JOB(.on_worker = true));
        EVENTUALLY(rein_executor_queued(e.x) == 0);
        pthread_t t = go(stop_it, &e);
        EVENTUALLY(sits_in(&e.stop, "rein_executor_stop"));
        gate_open(&e.until);
        EVENTUALLY(e.stopped);
        join(t);
        assert_int_equal(rein_code(f), REIN_EBROKEN);
        rein_drop(f);
        rein_executor_free(e.x);
        gate_free(&e.until);
}

/* The same by what ends the thread itself, or begins it: then the pool is broken, as by any init that fails. */
static void test_a_stop_is_told_that_fini_has_ended_the_thread(void **state)
{
        (void)state;
        exiter e = {.x = rein_pool_new(REIN_POOL(.threads = 1, .fini = leave_by_pthread_exit))};
        rein_future *f = rein_submit(e.x, job_seven, NULL, REIN_JOB(.on_worker = true));
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        pthread_t t = go(stop_it, &e);
        EVENTUALLY(e.stopped);
        join(t);
        assert_int_equal(rein_executor_threads(e.x), 0);
        rein_drop(f);
        rein_executor_free(e.x);
}

static void test_an_init_that_ends_its_thread_breaks_the_pool(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .init = leave_by_pthread_exit));
        rein_future *f = rein_submit(x, job_seven, NULL, NULL);
        assert_int_equal(rein_await(f, NULL, rein_after(REIN_SEC(20))), REIN_EFAILED);
        assert_int_equal(rein_code(f), REIN_EREJECTED);
        assert_int_equal(rein_error_code(rein_error_cause(rein_error_of(f))), REIN_EBROKEN);
        assert_non_null(strstr(rein_error_text(rein_error_cause(rein_error_of(f))), "pthread_exit"));
        rein_drop(f);
        EVENTUALLY(rein_executor_threads(x) == 0);
        rein_executor_free(x);
}

static int exit_with_things_open(void *arg)
{
        static rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        rein_give(arg, release_count);
        pthread_exit(NULL);
        return 0;
}

static void test_what_such_a_job_held_is_let_go(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        atomic_int given = 0, arg = 0;
        rein_future *f = rein_submit(x, exit_with_things_open, &given, NULL);
        assert_int_equal(rein_await(f, NULL, rein_after(REIN_SEC(20))), REIN_EFAILED);
        assert_int_equal(given, 1);
        rein_drop(f);
        f = rein_submit(x, leave_by_pthread_exit, &arg, REIN_JOB(.release = release_count));
        assert_int_equal(rein_await(f, NULL, rein_after(REIN_SEC(20))), REIN_EFAILED);
        assert_int_equal(arg, 1);
        rein_drop(f);
        rein_executor_free(x);
        EVENTUALLY(live(&rn_world_now()->scopes) == 0);
}

static int await_one_that_quits(void *arg)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_future *f = rein_spawn_future(&g, arg, leave_by_pthread_exit, NULL, NULL);
        (void)rein_await(f, NULL, REIN_NEVER); /* run right here, most likely: then this job is ended too */
        return rein_group_close(&g, 0);
}

static void test_a_job_run_by_its_waiter_that_ends_the_thread_breaks_both(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, await_one_that_quits, x, NULL);
        assert_int_equal(rein_await(f, NULL, rein_after(REIN_SEC(20))), REIN_EFAILED);
        assert_int_equal(rein_code(f), REIN_EBROKEN);
        rein_drop(f);
        f = rein_submit(x, job_seven, NULL, REIN_JOB(.on_worker = true));
        assert_int_equal(rein_await(f, NULL, rein_after(REIN_SEC(20))), 0);
        rein_drop(f);
        rein_executor_free(x);
}

static void test_a_job_that_fails_leaves_its_worker_to_the_next(void **state)
{
        (void)state;
        atomic_store(&threads_born, 0);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .init = born));
        for (int i = 0; i < 50; i++) {
                rein_future *f = rein_submit(x, job_fail, NULL, NULL);
                assert_int_equal(rein_await(f, NULL, REIN_NEVER), REIN_EFAILED);
                assert_int_equal(rein_code(f), -EIO);
                rein_drop(f);
        }
        rein_future *f = rein_submit(x, job_seven, NULL, NULL);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        rein_drop(f);
        assert_int_equal(threads_born, 1);
        rein_executor_free(x);
}

/* ---- init and fini ---- */

typedef struct lives {
        atomic_int begun, ended, wrong;
} lives;

static _Thread_local int my_state;

static int begin_life(void *arg)
{
        my_state = 42;
        atomic_fetch_add(&((lives *)arg)->begun, 1);
        return 0;
}

static int end_life(void *arg)
{
        atomic_fetch_add(&((lives *)arg)->wrong, my_state != 42);
        atomic_fetch_add(&((lives *)arg)->ended, 1);
        return 0;
}

static int look_at_my_state(void *arg)
{
        atomic_fetch_add(&((lives *)arg)->wrong, my_state != 42);
        return 0;
}

static void test_init_comes_first_and_fini_last_in_each_thread(void **state)
{
        (void)state;
        lives l = {0};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 3, .init = begin_life, .fini = end_life, .init_arg = &l));
        rein_future *f[60];
        for (int i = 0; i < 60; i++)
                f[i] = rein_submit(x, look_at_my_state, &l, NULL);
        for (int i = 0; i < 60; i++) {
                assert_int_equal(rein_await(f[i], NULL, REIN_NEVER), 0); /* never run by this thread: it has no state */
                rein_drop(f[i]);
        }
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(l.wrong, 0);
        assert_true(l.begun >= 1 && l.begun <= 3);
        assert_int_equal(l.ended, l.begun); /* before the stop returned */
        rein_executor_free(x);
}

typedef struct bad_start {
        gate gate;
        atomic_int tries;
        int fail_from; /* the n-th thread fails, and those after it */
} bad_start;

static int begin_badly(void *arg)
{
        bad_start *b = arg;
        int n = atomic_fetch_add(&b->tries, 1) + 1;
        (void)gate_pass(&b->gate);
        return n >= b->fail_from ? rein_fail(-ENOENT, "no such database") : 0;
}

static void test_a_failing_init_breaks_the_pool_and_is_named_also_when_one_was_cancelled(void **state)
{
        (void)state;
        bad_start b = {.gate = gate_new(), .fail_from = 1};
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "db", .threads = 1, .init = begin_badly, .init_arg = &b));
        rein_future *f[5];
        atomic_int runs = 0;
        for (int i = 0; i < 5; i++)
                f[i] = rein_submit(x, job_count, &runs, NULL);
        assert_int_equal(rein_cancel(f[0], NULL), REIN_NEVER_STARTED); /* CPython then leaves the rest hanging */
        gate_open(&b.gate);
        assert_int_equal(rein_wait_all(f, 5, REIN_NEVER), 0);
        for (int i = 1; i < 5; i++) {
                assert_int_equal(rein_code(f[i]), REIN_EREJECTED);
                const rein_error *e = rein_error_of(f[i]);
                assert_non_null(strstr(rein_error_text(e), "init"));
                assert_int_equal(rein_error_code(rein_error_cause(e)), -ENOENT);
                assert_string_equal(rein_error_text(rein_error_cause(e)), "no such database");
        }
        rein_future *late = rein_submit(x, job_count, &runs, NULL);
        assert_int_equal(rein_code(late), REIN_EREJECTED);
        assert_int_equal(rein_error_code(rein_error_cause(rein_error_of(late))), -ENOENT);
        rein_drop(late);
        for (int i = 0; i < 5; i++)
                rein_drop(f[i]);

        b.fail_from = 1000; /* mended */
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, REIN_NEVER, NULL), 0);
        assert_int_equal(rein_executor_restart(x), 0);
        late = rein_submit(x, job_count, &runs, NULL);
        assert_int_equal(rein_await(late, NULL, REIN_NEVER), 0);
        rein_drop(late);
        rein_executor_free(x);
        assert_int_equal(runs, 1);
        gate_free(&b.gate);
}

typedef struct second_fails {
        atomic_int tries;
        gate gate; /* the second waits for it, then fails */
} second_fails;

static int begin_unless_second(void *arg)
{
        second_fails *s = arg;
        if (atomic_fetch_add(&s->tries, 1) + 1 != 2)
                return 0;
        (void)gate_pass(&s->gate);
        return -EIO;
}

static bool one_is_idle(rein_executor *x)
{
        rn_lock_take(&x->lock);
        bool idle = !rn_list_empty(&rn_pool_of(x)->idle);
        rn_lock_give(&x->lock);
        return idle;
}

static void test_a_broken_pool_lets_its_idle_threads_go_at_once(void **state)
{
        (void)state;
        second_fails s = {.gate = gate_new()};
        rein_executor *x = rein_pool_new(
                REIN_POOL(.threads = 2, .idle_ns = REIN_SEC(3600), .init = begin_unless_second, .init_arg = &s));
        stubborn first;
        stubborn_init(&first);
        rein_future *f[2] = {rein_submit(x, stubborn_job, &first, NULL)};
        EVENTUALLY(first.inside == 1);
        f[1] = rein_submit(x, job_seven, NULL, NULL); /* the second thread starts for it, and is held */
        EVENTUALLY(s.tries == 2);
        stubborn_let_go(&first, 1);
        assert_int_equal(rein_wait_all(f, 2, REIN_NEVER), 0);
        EVENTUALLY(one_is_idle(x));
        assert_int_equal(rein_executor_threads(x), 2);
        gate_open(&s.gate);
        EVENTUALLY(rein_executor_threads(x) == 0);
        assert_int_equal(rein_executor_restart(x), 0);
        for (int i = 0; i < 2; i++)
                rein_drop(f[i]);
        f[0] = rein_submit(x, job_seven, NULL, NULL);
        assert_int_equal(rein_await(f[0], NULL, REIN_NEVER), 0);
        rein_drop(f[0]);
        rein_executor_free(x);
        gate_free(&s.gate);
}

static atomic_int finished;

static int note_fini(void *arg)
{
        (void)arg;
        atomic_fetch_add(&finished, 1);
        return 0;
}

static int init_without_story(void *arg)
{
        (void)arg;
        return -EACCES;
}

static void test_an_init_that_fails_without_a_story_is_named_too(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .init = init_without_story, .fini = note_fini));
        rein_future *f = rein_submit(x, job_seven, NULL, NULL);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), REIN_EFAILED);
        assert_int_equal(rein_code(f), REIN_EREJECTED);
        assert_int_equal(rein_error_code(rein_error_cause(rein_error_of(f))), -EACCES);
        rein_drop(f);
        EVENTUALLY(rein_executor_threads(x) == 0);
        assert_int_equal(rein_executor_restart(x), 0); /* broken by init: no stop is needed first */
        rein_executor_free(x);
        assert_int_equal(finished, 0); /* what has not begun has no end */
}

/* ---- threads that cannot be had ---- */

static atomic_int no_threads; /* how many thread starts fail from now on */

static uint32_t choose_no_thread(uint32_t n, rn_choice kind)
{
        if (kind != RN_CHOOSE_THREAD)
                return support_choose(n, kind);
        int left = atomic_load(&no_threads);
        while (left > 0 && !atomic_compare_exchange_weak(&no_threads, &left, left - 1))
                ;
        return left > 0;
}

static void test_a_thread_that_cannot_be_started_fails_the_job_and_the_pool_goes_on(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        atomic_int runs = 0, released = 0;
        atomic_store(&no_threads, 1);
        rein_future *f = rein_submit(x, job_count, &runs, REIN_JOB(.on_worker = true));
        assert_int_equal(rein_code(f), -EAGAIN);
        rein_drop(f);
        atomic_store(&no_threads, 1);
        f = rein_submit(x, job_count, &released, REIN_JOB(.release = release_count));
        assert_int_equal(rein_code(f), -EAGAIN);
        assert_int_equal(released, 1);
        rein_drop(f);
        f = rein_submit(x, job_count, &runs, NULL);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        rein_drop(f);
        assert_int_equal(runs, 1);

        stubborn s; /* growth that fails: go on with what there is */
        stubborn_init(&s);
        rein_future *a = rein_submit(x, stubborn_job, &s, NULL);
        EVENTUALLY(s.inside == 1);
        atomic_store(&no_threads, 1);
        rein_future *b = rein_submit(x, stubborn_job, &s, REIN_JOB(.on_worker = true));
        assert_int_equal(rein_code(b), REIN_EPENDING);
        stubborn_let_go(&s, 2);
        assert_int_equal(rein_await(a, NULL, REIN_NEVER), 0);
        assert_int_equal(rein_await(b, NULL, REIN_NEVER), 0);
        rein_drop(a);
        rein_drop(b);
        atomic_store(&no_threads, 0);
        rein_executor_free(x);
}

static int note_hand(rein_future *f, void *arg)
{
        (void)f;
        atomic_store((_Atomic(rn_task *) *)arg, rn_self());
        return 0;
}

static void test_a_continuation_runs_although_no_thread_can_be_had(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        _Atomic(rn_task *) on = NULL;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        assert_non_null(rein_then(f, x, note_hand, (void *)&on));
        atomic_store(&no_threads, 1);
        rein_promise_keep(p, NULL, NULL);
        EVENTUALLY(on != NULL);
        assert_ptr_equal(on, rn_world_now()->clock.hand_task);
        atomic_store(&no_threads, 0);
        rein_promise_drop(p);
        rein_drop(f);
        rein_executor_free(x);
}

/* ---- spinning before it sleeps (core/spin.h) ---- */

static int until_it_sleeps(void *task)
{
        rn_task *waiter = task;
        while (waiter && rn_load32(&waiter->door.word) != ASLEEP)
                poll(NULL, 0, 1);
        return 0;
}

/* Did the pool's one thread spin, after a job at whose end `waiter` (NULL: nobody) had to be woken? */
static bool spins_after(rn_task *waiter)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, until_it_sleeps, waiter, REIN_JOB(.on_worker = true));
        if (waiter)
                assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        pool *p = rn_pool_of(x);
        rn_task *thread = NULL;
        EVENTUALLY(rein_executor_unfinished(x) == 0);
        rn_lock_take(&x->lock);
        thread = RN_ITEM(p->workers.next, worker, link)->task;
        rn_lock_give(&x->lock);
        EVENTUALLY(rn_load32(&thread->door.word) == ASLEEP);
        const bool span = thread->idle_spin.vain > 0; /* by now it is its own no more: it sleeps */
        rein_drop(f);
        rein_executor_free(x);
        return span;
}

static void test_a_thread_that_woke_somebody_leaves_him_the_cpu(void **state)
{
        (void)state;
        assert_false(spins_after(rn_self()));
        assert_int_equal(spins_after(NULL), rn_cpus_granted() > 1);
}

int main(void)
{
        rn_choose_by(choose_no_thread);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_thread_that_woke_somebody_leaves_him_the_cpu),
                cmocka_unit_test(test_nonsensical_options_are_refused_and_zero_is_the_default),
                cmocka_unit_test(test_the_numbers_at_their_ends),
                cmocka_unit_test(test_a_thread_may_be_idle_for_as_long_as_one_can_count),
                cmocka_unit_test(test_the_thread_that_went_idle_last_is_woken_first),
                cmocka_unit_test(test_the_default_is_cpus_and_four),
                cmocka_unit_test(test_jobs_one_after_another_need_one_thread),
                cmocka_unit_test(test_sixty_blocking_jobs_on_four_threads),
                cmocka_unit_test(test_four_long_jobs_run_side_by_side_after_the_pool_shrank_or_lost_a_thread),
                cmocka_unit_test(test_a_job_that_ends_its_thread_fails_alone_and_the_thread_is_replaced),
                cmocka_unit_test(test_a_stop_is_told_that_a_job_has_ended_its_thread),
                cmocka_unit_test(test_a_stop_is_told_that_fini_has_ended_the_thread),
                cmocka_unit_test(test_an_init_that_ends_its_thread_breaks_the_pool),
                cmocka_unit_test(test_what_such_a_job_held_is_let_go),
                cmocka_unit_test(test_a_job_run_by_its_waiter_that_ends_the_thread_breaks_both),
                cmocka_unit_test(test_a_job_that_fails_leaves_its_worker_to_the_next),
                cmocka_unit_test(test_init_comes_first_and_fini_last_in_each_thread),
                cmocka_unit_test(test_a_failing_init_breaks_the_pool_and_is_named_also_when_one_was_cancelled),
                cmocka_unit_test(test_a_broken_pool_lets_its_idle_threads_go_at_once),
                cmocka_unit_test(test_an_init_that_fails_without_a_story_is_named_too),
                cmocka_unit_test(test_a_thread_that_cannot_be_started_fails_the_job_and_the_pool_goes_on),
                cmocka_unit_test(test_a_continuation_runs_although_no_thread_can_be_had),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
