/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a pool: stop in three manners, receipts, restart, free. Fork and exit are in core/world_test.c. */
#include "support.h"

enum { GENEROUS = 60 };

static rein_time generous(void)
{
        return rein_after(REIN_SEC(GENEROUS));
}

static void drop_all(rein_future *f[], size_t n)
{
        for (size_t i = 0; i < n; i++) {
                (void)rein_code(f[i]);
                rein_drop(f[i]);
        }
}

/* ---- drain ---- */

static void test_after_a_stop_work_is_refused_and_a_second_stop_is_harmless(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "shut", .threads = 2));
        atomic_int runs = 0, released = 0;
        rein_receipt *r;
        for (int how = REIN_STOP_QUEUED; how <= REIN_STOP_NOW; how++) {
                assert_int_equal(rein_executor_stop(x, (rein_stop)how, REIN_NEVER, &r), 0);
                assert_non_null(r);
                assert_int_equal(rein_receipt_count(r), 0);
                rein_receipt_free(r);
                assert_int_equal(rein_executor_stop(x, (rein_stop)how, REIN_NEVER, NULL), 0);
        }
        rein_future *f = rein_submit(x, job_count, &runs, NULL);
        assert_int_equal(rein_code(f), REIN_EREJECTED);
        assert_non_null(strstr(rein_error_text(rein_error_of(f)), "shut"));
        rein_drop(f);
        f = rein_submit(x, job_count, &released, REIN_JOB(.release = release_count));
        assert_int_equal(rein_code(f), REIN_EREJECTED);
        rein_drop(f);
        assert_int_equal(runs, 0);
        assert_int_equal(released, 1);
        rein_executor_free(x);
}

static void test_fifty_queued_jobs_are_completed_before_the_stop_returns(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 3));
        atomic_int runs = 0;
        rein_future *f[50];
        for (int i = 0; i < 50; i++)
                f[i] = rein_submit(x, job_count, &runs, NULL);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(runs, 50);
        for (int i = 0; i < 50; i++)
                assert_int_equal(rein_code(f[i]), 0);
        assert_int_equal(rein_executor_threads(x), 0);
        assert_int_equal(rein_executor_unfinished(x), 0);
        drop_all(f, 50);
        rein_executor_free(x);
}

static void test_stopping_the_queued_cancels_them_and_lets_the_started_ones_finish(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 5));
        stubborn s;
        stubborn_init(&s);
        rein_future *f[50];
        for (int i = 0; i < 50; i++)
                f[i] = rein_submit(x, stubborn_job, &s, NULL);
        EVENTUALLY(s.inside == 5);
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_RUNNING, REIN_NEVER), 0);
        int canceled = 0, pending = 0;
        for (int i = 0; i < 50; i++) {
                canceled += rein_code(f[i]) == REIN_ECANCELED;
                pending += rein_code(f[i]) == REIN_EPENDING;
        }
        assert_int_equal(canceled, 45);
        assert_int_equal(pending, 5);
        stubborn_let_go(&s, 5);
        rein_receipt *r;
        assert_int_equal(rein_executor_stop(x, REIN_STOP_RUNNING, REIN_NEVER, &r), 0);
        assert_int_equal(rein_receipt_count(r), 45); /* every job that did not end by itself */
        for (size_t i = 0; i < 45; i++) {
                rein_straggler one = {.size = sizeof one};
                assert_true(rein_receipt_at(r, i, &one));
                assert_string_equal(one.stopped_by, "never started");
                assert_string_equal(one.stuck_in, "");
                assert_true(one.gone);
        }
        rein_receipt_free(r);
        int done = 0;
        for (int i = 0; i < 50; i++)
                done += rein_code(f[i]) == 0;
        assert_int_equal(done, 5);
        drop_all(f, 50);
        rein_executor_free(x);
}

typedef struct family {
        rein_executor *x;
        gate *gate;
        atomic_int *runs;
        rein_future *child;
} family;

static int submit_a_child(void *arg)
{
        family *f = arg;
        (void)gate_pass(f->gate);
        f->child = rein_submit(f->x, job_count, f->runs, NULL);
        return 0;
}

static void test_a_drain_begun_returns_at_once_and_own_jobs_may_still_submit(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        gate g = gate_new();
        atomic_int runs = 0;
        family fam = {x, &g, &runs, NULL};
        rein_future *f[3] = {rein_submit(x, submit_a_child, &fam, NULL), rein_submit(x, job_count, &runs, NULL)};
        EVENTUALLY(rein_executor_queued(x) == 1);
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_QUEUED, REIN_NEVER), 0);
        assert_int_equal(rein_code(f[1]), REIN_EPENDING);
        f[2] = rein_submit(x, job_count, &runs, NULL);
        assert_int_equal(rein_code(f[2]), REIN_EREJECTED);
        gate_open(&g);
        assert_int_equal(rein_wait_all(f, 2, REIN_NEVER), 0);
        EVENTUALLY(rein_executor_threads(x) == 0); /* they end after draining */
        assert_int_equal(rein_code(fam.child), 0);
        assert_int_equal(runs, 2);
        rein_drop(fam.child);
        drop_all(f, 3);
        rein_executor_free(x);
        gate_free(&g);
}

static void test_a_job_cancelled_just_before_a_drain_does_not_hang_it(void **state)
{
        (void)state;
        for (int i = 0; i < 50; i++) {
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
                rein_future *f = rein_submit(x, job_sleep, NULL, NULL);
                rein_cancel(f, NULL);
                assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, generous(), NULL), 0);
                assert_int_equal(rein_code(f), REIN_ECANCELED);
                rein_drop(f);
                rein_executor_free(x);
        }
}

static void test_freed_without_a_stop_everything_settles_and_nothing_is_left(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        seat s = {NULL};
        rein_future *f[10];
        for (int i = 0; i < 10; i++)
                f[i] = rein_submit(x, job_sleep, i ? NULL : &s, NULL);
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        rein_executor_free(x);
        for (int i = 0; i < 10; i++) {
                assert_int_equal(rein_code(f[i]), REIN_ECANCELED);
                assert_true(rein_gone(f[i]));
        }
        drop_all(f, 10);
        EVENTUALLY(live(&rn_world_now()->scopes) == 0);
}

static void test_the_pool_keeps_neither_argument_nor_result_of_an_ended_job(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        atomic_int released = 0;
        rein_future *f = rein_submit(x, job_count, &released, REIN_JOB(.release = release_count));
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        assert_int_equal(released, 2); /* it ran, and its argument was released before it settled */
        rein_drop(f);
        rein_executor_free(x);
        assert_int_equal(released, 2);
}

static int copied_well(void *arg)
{
        int *numbers = arg;
        if (rein_arg_size() != 4 * sizeof(int) || (uintptr_t)arg % _Alignof(max_align_t))
                return REIN_EUSER;
        return numbers[0] + numbers[3];
}

static void test_a_copied_argument_may_change_at_once(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        int numbers[4] = {20, 0, 0, 22};
        rein_future *f = rein_submit(x, copied_well, numbers, REIN_JOB(.arg_size = sizeof numbers));
        memset(numbers, 0xff, sizeof numbers);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        assert_int_equal(rein_code(f), 42);
        rein_drop(f);
        assert_int_equal(rein_arg_size(), 0);
        rein_executor_free(x);
}

static void test_what_cannot_be_asked_for_is_a_failed_future_that_says_why(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        atomic_int runs = 0;
        const rein_job bad[] = {
                {.size = sizeof(rein_job), .limit_ns = -1},
                {.size = sizeof(rein_job), .unheeded = REIN_KILL_IT},
                {.size = sizeof(rein_job), .unheeded = (rein_unheeded)7},
                {.size = sizeof(rein_job), .unheeded = REIN_ABANDON_IT}, /* arg is borrowed */
                {.size = sizeof(rein_job), .share = "s"},
                {.size = sizeof(rein_job), .stack_size = 16383},
                {.priority = 1}, /* no size */
        };
        for (size_t i = 0; i < COUNT(bad); i++) {
                rein_future *f = rein_submit(x, job_count, &runs, &bad[i]);
                assert_int_equal(rein_code(f), -EINVAL);
                assert_true(strlen(rein_error_text(rein_error_of(f))) > 10);
                assert_true(rein_gone(f));
                assert_int_equal(rein_cancel(f, NULL), REIN_TOO_LATE);
                rein_drop(f);
        }
        rein_future *f = rein_submit(x, NULL, NULL, NULL);
        assert_int_equal(rein_code(f), -EINVAL);
        rein_drop(f);
        f = rein_submit(NULL, job_seven, NULL, NULL);
        assert_int_equal(rein_code(f), -EINVAL);
        rein_drop(f);
        atomic_int released = 0;
        f = rein_submit(NULL, job_count, &released, REIN_JOB(.release = release_count));
        assert_int_equal(rein_code(f), -EINVAL);
        assert_int_equal(released, 1);
        rein_drop(f);
        struct { /* from a newer header: what we do not know is zero, or not */
                rein_job job;
                uint64_t more[2];
        } newer = {.job = {.size = sizeof newer}};
        f = rein_submit(x, job_count, &runs, &newer.job);
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        rein_drop(f);
        newer.more[1] = 1;
        f = rein_submit(x, job_count, &runs, &newer.job);
        assert_int_equal(rein_code(f), -E2BIG);
        rein_drop(f);
        rein_executor_free(x);
        assert_int_equal(runs, 1);
}

/* ---- stop now: the ladder and its receipt ---- */

typedef struct region {
        seat seat;
        sem_t sem;
        int fd;
} region;

static void pull_out(void *arg)
{
        sem_post(&((region *)arg)->sem);
}

static int block_in_region(void *arg)
{
        region *r = arg;
        rein_hook h;
        sit(&r->seat);
        int rc = rein_hook_open(&h, pull_out, r);
        if (rc < 0)
                return rc;
        while (sem_wait(&r->sem) != 0)
                ;
        return rein_hook_close(&h, 0);
}

static int block_in_read(void *arg)
{
        region *r = arg;
        char c;
        rein_hook h;
        sit(&r->seat);
        int rc = rein_hook_open(&h, REIN_POKE, NULL);
        if (rc < 0)
                return rc;
        ssize_t n = read(r->fd, &c, 1);
        return rein_hook_close(&h, n < 0 ? -errno : 0);
}

static int compute(void *arg)
{
        atomic_int *turns = arg;
        int rc;
        while ((rc = rein_checkpoint()) == 0)
                atomic_fetch_add(turns, 1);
        return rc;
}

static const rein_straggler *find(const rein_receipt *r, const char *name)
{
        static rein_straggler s;
        for (size_t i = 0; s = (rein_straggler){.size = sizeof s}, rein_receipt_at(r, i, &s); i++)
                if (strcmp(s.name, name) == 0)
                        return &s;
        return NULL;
}

static void test_p8_stop_now_reaches_every_job_and_the_receipt_says_how(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 5, .grace_ns = REIN_SEC(30)));
        seat s = {NULL};
        region in_sem = {.fd = -1}, in_read = {.fd = -1};
        int ends[2];
        atomic_int turns = 0;
        stubborn st;
        sem_init(&in_sem.sem, 0, 0);
        stubborn_init(&st);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        in_read.fd = ends[0];
        rein_future *f[6] = {
                rein_submit(x, job_sleep, &s, REIN_JOB(.name = "sleeper")),
                rein_submit(x, block_in_region, &in_sem, REIN_JOB(.name = "region")),
                rein_submit(x, block_in_read, &in_read, REIN_JOB(.name = "reader")),
                rein_submit(x, compute, &turns, REIN_JOB(.name = "computer")),
                rein_submit(x, stubborn_job, &st, REIN_JOB(.name = "stubborn")),
                rein_submit(x, job_seven, NULL, REIN_JOB(.name = "queued")),
        };
        EVENTUALLY(sits_in(&s, "rein_sleep") && turns > 0 && st.inside == 1);
        EVENTUALLY(sits_in(&in_sem.seat, "hook region") && sits_in(&in_read.seat, "hook region"));
        rein_receipt *r;
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, rein_after(REIN_MS(300)), &r), REIN_ESTUCK);
        for (int i = 0; i < 6; i++)
                assert_int_not_equal(rein_code(f[i]), REIN_EPENDING); /* always, by then */
        assert_int_equal(rein_code(f[4]), REIN_EABANDONED);
        assert_int_equal(rein_receipt_count(r), 6);
        assert_non_null(find(r, "sleeper"));
        assert_string_equal(find(r, "sleeper")->stuck_in, "rein_sleep");
        assert_string_equal(find(r, "sleeper")->stopped_by, "asked");
        assert_true(find(r, "sleeper")->gone);
        assert_true(find(r, "sleeper")->age_ns > 0);
        assert_string_equal(find(r, "region")->stopped_by, "hook");
        assert_non_null(strstr(find(r, "region")->stuck_in, "hook region"));
        assert_non_null(strstr(find(r, "region")->stuck_in, "pool_test.c:"));
        assert_string_equal(find(r, "reader")->stopped_by, "poke");
        assert_string_equal(find(r, "computer")->stopped_by, "asked");
        assert_string_equal(find(r, "queued")->stopped_by, "never started");
        assert_string_equal(find(r, "stubborn")->stopped_by, "abandoned");
        assert_false(find(r, "stubborn")->gone);
        assert_false(rein_gone(f[4]));
        char *text = NULL;
        size_t n = 0;
        FILE *to = open_memstream(&text, &n);
        rein_receipt_print(to, r);
        fclose(to);
        assert_non_null(strstr(text, "stubborn"));
        assert_non_null(strstr(text, "still running"));
        free(text);
        rein_straggler none = {.size = sizeof none};
        assert_false(rein_receipt_at(r, 6, &none));
        assert_false(rein_receipt_at(NULL, 0, &none));

        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        stubborn_let_go(&st, 1);
        EVENTUALLY(rein_gone(f[4]));
        EVENTUALLY(u.count == 1); /* the late log */
        assert_int_equal(u.code, REIN_EABANDONED);
        assert_true(find(r, "stubborn")->gone); /* the receipt lives on */
        rein_receipt_free(r);
        EVENTUALLY(rein_executor_threads(x) == 0);
        rein_executor_free(x);
        rein_on_unseen(NULL, NULL);
        drop_all(f, 6);
        close(ends[0]);
        close(ends[1]);
}

static void test_with_a_deadline_escalation_starts_a_grace_before_it(void **state)
{
        (void)state;
        for (int how = REIN_STOP_QUEUED; how <= REIN_STOP_RUNNING; how++) {
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_SEC(3600)));
                seat s = {NULL};
                rein_future *f[2] = {rein_submit(x, job_sleep, &s, NULL), rein_submit(x, job_seven, NULL, NULL)};
                EVENTUALLY(sits_in(&s, "rein_sleep"));
                /* until - grace is past: what still runs is cancelled now, and there is an hour for it to leave. */
                assert_int_equal(rein_executor_stop(x, (rein_stop)how, rein_after(REIN_SEC(600)), NULL), 0);
                assert_int_equal(rein_code(f[0]), REIN_ECANCELED);
                assert_int_equal(rein_code(f[1]), REIN_ECANCELED);
                drop_all(f, 2);
                rein_executor_free(x);
        }
}

static void test_a_stop_begun_abandons_what_is_left_at_its_deadline(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1)));
        stubborn st;
        stubborn_init(&st);
        rein_future *f = rein_submit(x, stubborn_job, &st, NULL);
        EVENTUALLY(st.inside == 1);
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_QUEUED, rein_after(REIN_MS(5))), 0);
        assert_int_equal(rein_await(f, NULL, generous()), REIN_EFAILED);
        assert_int_equal(rein_code(f), REIN_EABANDONED);
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        stubborn_let_go(&st, 1);
        EVENTUALLY(u.count == 1);
        rein_on_unseen(NULL, NULL);
        drop_all(&f, 1);
        rein_executor_free(x);
}

static void test_p8_a_stop_that_may_not_wait_settles_everything_and_returns(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        for (int how = REIN_STOP_QUEUED; how <= REIN_STOP_NOW; how++) {
                for (int begin = 0; begin < 2; begin++) {
                        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
                        stubborn st;
                        stubborn_init(&st);
                        rein_future *f[2] = {rein_submit(x, stubborn_job, &st, NULL),
                                             rein_submit(x, job_seven, NULL, NULL)};
                        EVENTUALLY(st.inside == 1);
                        if (begin)
                                assert_int_equal(rein_executor_stop_begin(x, (rein_stop)how, REIN_NOWAIT), 0);
                        else
                                assert_int_equal(rein_executor_stop(x, (rein_stop)how, REIN_NOWAIT, NULL), REIN_ESTUCK);
                        assert_int_equal(rein_wait_all(f, 2, generous()), 0);
                        assert_int_equal(rein_code(f[0]), REIN_EABANDONED);
                        assert_int_equal(rein_code(f[1]), REIN_ECANCELED);
                        stubborn_let_go(&st, 1);
                        EVENTUALLY(rein_gone(f[0]));
                        drop_all(f, 2);
                        rein_executor_free(x);
                }
        }
        rein_on_unseen(NULL, NULL);
}

static void nothing_to_release(void *arg)
{
        (void)arg;
}

static void test_p8_the_waiters_of_a_shared_run_settle_too_when_the_stop_gives_up(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        stubborn st;
        stubborn_init(&st);
        rein_future *f = rein_submit(x, stubborn_job, &st, REIN_JOB(.share = "one", .release = nothing_to_release));
        EVENTUALLY(st.inside == 1);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, REIN_TIME(1), NULL), REIN_ESTUCK);
        int code = rein_code(f);
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        stubborn_let_go(&st, 1);
        EVENTUALLY(rein_executor_unfinished(x) == 0);
        EVENTUALLY(rein_code(f) != REIN_EPENDING);
        drop_all(&f, 1);
        rein_executor_free(x);
        rein_on_unseen(NULL, NULL);
        assert_int_equal(code, REIN_EABANDONED);
}

static void test_nonsense_stops_are_refused(void **state)
{
        (void)state;
        rein_receipt *r = (rein_receipt *)&state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        assert_int_equal(rein_executor_stop(NULL, REIN_STOP_NOW, REIN_NEVER, &r), -EINVAL);
        assert_null(r);
        assert_int_equal(rein_executor_stop(x, (rein_stop)5, REIN_NEVER, NULL), -EINVAL);
        assert_int_equal(rein_executor_stop_begin(x, (rein_stop)-1, REIN_NEVER), -EINVAL);
        assert_int_equal(rein_executor_stop_begin(NULL, REIN_STOP_NOW, REIN_NEVER), -EINVAL);
        assert_int_equal(rein_executor_restart(NULL), -EINVAL);
        assert_int_equal(rein_executor_restart(x), -EBUSY);
        rein_future *f = rein_submit(x, job_seven, NULL, NULL); /* it still goes */
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        rein_drop(f);
        rein_executor_free(x);
}

/* ---- who stops ---- */

typedef struct stopper {
        rein_executor *x;
        rein_stop how;
        atomic_int *inside;
        int rc;
        bool frees;
} stopper;

static int stop_my_own_pool(void *arg)
{
        stopper *s = arg;
        bool both = true;
        if (s->inside) {
                atomic_fetch_add(s->inside, 1);
                COMES_TRUE(atomic_load(s->inside) == 2, both);
        }
        if (s->frees)
                rein_executor_free(s->x);
        else
                s->rc = rein_executor_stop(s->x, s->how, REIN_NEVER, NULL);
        return both ? 1 : -1;
}

static void test_a_job_stops_its_own_pool_in_every_manner(void **state)
{
        (void)state;
        for (int how = REIN_STOP_QUEUED; how <= REIN_STOP_NOW; how++) {
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
                stopper s = {.x = x, .how = (rein_stop)how, .rc = 1};
                atomic_int runs = 0;
                rein_future *more[20];
                for (int i = 0; i < 20; i++)
                        more[i] = rein_submit(x, job_count, &runs, NULL);
                rein_future *f = rein_submit(x, stop_my_own_pool, &s, NULL);
                assert_int_equal(rein_await(f, NULL, generous()), 0);
                assert_int_equal(s.rc, 0);
                assert_int_equal(rein_wait_all(more, 20, generous()), 0);
                EVENTUALLY(rein_executor_threads(x) == 0);
                rein_drop(f);
                drop_all(more, 20);
                rein_executor_free(x);
        }
}

static void test_two_jobs_of_one_pool_stop_it_at_once(void **state)
{
        (void)state;
        for (int round = 0; round < 20; round++) {
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
                atomic_int inside = 0;
                stopper s[2] = {{.x = x, .how = (rein_stop)(round % 3), .inside = &inside, .rc = 1},
                                {.x = x, .how = REIN_STOP_NOW, .inside = &inside, .rc = 1}};
                rein_future *f[2] = {rein_submit(x, stop_my_own_pool, &s[0], NULL),
                                     rein_submit(x, stop_my_own_pool, &s[1], NULL)};
                assert_int_equal(rein_wait_all(f, 2, generous()), 0);
                assert_int_equal(s[0].rc, 0);
                assert_int_equal(s[1].rc, 0);
                drop_all(f, 2);
                rein_executor_free(x);
        }
}

static void *stop_from_a_thread(void *arg)
{
        stopper *s = arg;
        s->rc = rein_executor_stop(s->x, s->how, generous(), NULL);
        return NULL;
}

static void test_two_threads_stop_at_once_and_the_harsher_wins(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = 1));
        seat s = {NULL};
        rein_future *f[2] = {rein_submit(x, job_sleep, &s, NULL), rein_submit(x, job_seven, NULL, NULL)};
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        stopper mild = {.x = x, .how = REIN_STOP_QUEUED, .rc = 1}, harsh = {.x = x, .how = REIN_STOP_NOW, .rc = 1};
        pthread_t a = go(stop_from_a_thread, &mild), b = go(stop_from_a_thread, &harsh);
        join(a);
        join(b);
        assert_int_equal(mild.rc, 0);
        assert_int_equal(harsh.rc, 0);
        assert_int_equal(rein_code(f[0]), REIN_ECANCELED);
        assert_int_equal(rein_code(f[1]), REIN_ECANCELED);
        drop_all(f, 2);
        rein_executor_free(x);
}

static void test_a_job_frees_its_own_pool(void **state)
{
        (void)state;
        for (int i = 0; i < 20; i++) {
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
                stopper s = {.x = x, .frees = true};
                rein_future *other = rein_submit(x, job_sleep, NULL, NULL);
                rein_future *f = rein_submit(x, stop_my_own_pool, &s, NULL); /* from here on x is not ours */
                assert_int_equal(rein_await(f, NULL, generous()), 0);
                assert_int_equal(rein_code(other), REIN_ECANCELED);
                rein_drop(f);
                rein_drop(other);
        }
}

static int stop_in_a_continuation(rein_future *f, void *arg)
{
        stopper *s = arg;
        (void)f;
        s->rc = rein_executor_stop(s->x, REIN_STOP_NOW, REIN_NEVER, NULL);
        atomic_fetch_add(s->inside, 1);
        return 0;
}

static void test_a_continuation_stops_its_own_pool(void **state)
{
        (void)state;
        atomic_int done = 0;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        stopper s = {.x = x, .inside = &done, .rc = 1};
        rein_future *f = rein_submit(x, job_seven, NULL, NULL);
        assert_non_null(rein_then(f, x, stop_in_a_continuation, &s));
        EVENTUALLY(done == 1);
        assert_int_equal(s.rc, 0);
        rein_drop(f);
        rein_executor_free(x);
}

static void test_a_stop_is_not_cancelled_by_a_scope(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        atomic_int runs = 0;
        rein_scope s;
        rein_future *f = rein_submit(x, job_count, &runs, NULL);
        rein_scope_open(&s, REIN_NEVER);
        rein_scope_cancel(&s, NULL);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        assert_int_equal(rein_scope_close(&s, 0), 0);
        assert_int_equal(runs, 1);
        drop_all(&f, 1);
        rein_executor_free(x);
}

static void test_submits_race_a_stop_and_each_settles(void **state)
{
        (void)state;
        for (int round = 0; round < 30; round++) {
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
                atomic_int runs = 0;
                rein_future *f[100];
                stopper s = {.x = x, .how = (rein_stop)(round % 3), .rc = 1};
                pthread_t t = go(stop_from_a_thread, &s);
                for (int i = 0; i < 100; i++)
                        f[i] = rein_submit(x, job_count, &runs, NULL);
                join(t);
                int ran = 0;
                assert_int_equal(rein_wait_all(f, 100, generous()), 0);
                for (int i = 0; i < 100; i++) {
                        int code = rein_code(f[i]);
                        ran += code == 0;
                        assert_true(code == 0 || code == REIN_ECANCELED || code == REIN_EREJECTED);
                }
                assert_int_equal(ran, runs); /* conserved */
                assert_int_equal(s.rc, 0);
                drop_all(f, 100);
                rein_executor_free(x);
        }
}

/* ---- restart ---- */

static void test_restart_takes_work_again_in_every_manner(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        for (int round = 0; round < 12; round++) {
                seat s = {NULL};
                rein_future *f[2] = {rein_submit(x, round % 3 ? job_sleep : job_seven, round % 3 ? &s : NULL, NULL),
                                     rein_submit(x, job_seven, NULL, NULL)};
                rein_receipt *r;
                if (round % 3)
                        EVENTUALLY(sits_in(&s, "rein_sleep"));
                assert_int_equal(rein_executor_restart(x), -EBUSY); /* it is open */
                assert_int_equal(rein_executor_stop(x, round % 3 ? REIN_STOP_NOW : REIN_STOP_QUEUED, generous(), &r),
                                 0);
                assert_int_equal(rein_receipt_count(r) > 0, round % 3 > 0);
                rein_receipt_free(r);
                drop_all(f, 2);
                assert_int_equal(rein_executor_restart(x), 0);
        }
        rein_executor_free(x);
}

static void test_restart_refuses_while_the_stop_goes_on(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        stubborn st;
        stubborn_init(&st);
        rein_future *f = rein_submit(x, stubborn_job, &st, NULL);
        EVENTUALLY(st.inside == 1);
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_RUNNING, REIN_NEVER), 0);
        assert_int_equal(rein_executor_restart(x), -EBUSY);
        stubborn_let_go(&st, 1);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_RUNNING, REIN_NEVER, NULL), 0);
        assert_int_equal(rein_executor_restart(x), 0);
        drop_all(&f, 1);
        rein_executor_free(x);
}

static void test_restart_leaves_an_abandoned_job_its_place_until_it_is_gone(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        stubborn st, next;
        stubborn_init(&st);
        stubborn_init(&next);
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_future *stuck = rein_submit(x, stubborn_job, &st, NULL), *f[2];
        EVENTUALLY(st.inside == 1);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, REIN_TIME(1), NULL), REIN_ESTUCK);
        assert_int_equal(rein_executor_restart(x), 0);
        for (int i = 0; i < 2; i++)
                f[i] = rein_submit(x, stubborn_job, &next, NULL);
        EVENTUALLY(next.inside == 1);
        assert_int_equal(rein_executor_queued(x), 1); /* two places, one taken by the abandoned one */
        stubborn_let_go(&st, 1);
        EVENTUALLY(next.inside == 2);
        assert_int_equal(u.count, 1);
        stubborn_let_go(&next, 2);
        assert_int_equal(rein_wait_all(f, 2, generous()), 0);
        drop_all(f, 2);
        drop_all(&stuck, 1);
        rein_executor_free(x);
        rein_on_unseen(NULL, NULL);
}

/* The clock of an old stop, delivered late by a hand that was busy, must not stop the pool that was restarted. */
static int block_the_hand(rein_future *f, void *arg)
{
        (void)f;
        return stubborn_stay(arg);
}

static void test_restart_is_not_undone_by_the_clock_of_the_old_stop(void **state)
{
        (void)state;
        rein_executor *stopped = rein_pool_new(REIN_POOL(.threads = 1)), *x = rein_pool_new(REIN_POOL(.threads = 1));
        stubborn st;
        stubborn_init(&st);
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        rein_promise_keep(p, NULL, NULL);
        assert_int_equal(rein_executor_stop(stopped, REIN_STOP_NOW, REIN_NEVER, NULL), 0);
        assert_non_null(rein_then(f, stopped, block_the_hand, &st));
        EVENTUALLY(st.inside == 1);
        assert_int_equal(rein_executor_stop_begin(x, REIN_STOP_QUEUED, REIN_TIME(1)), 0);
        rn_clockwork *c = &rn_world_now()->clock;
        bool waits = false;
        while (!waits) { /* until the clock has given it to the hand */
                rn_lock_take(&c->hand_lock);
                waits = !rn_list_empty(&c->errands);
                rn_lock_give(&c->hand_lock);
        }
        assert_int_equal(rein_executor_restart(x), 0);
        gate g = gate_new();
        rein_future *job = rein_submit(x, job_pass, &g, NULL);
        EVENTUALLY(rein_executor_queued(x) == 0);
        stubborn_let_go(&st, 1);
        do { /* until the hand has done it */
                rn_lock_take(&c->hand_lock);
                waits = !rn_list_empty(&c->errands);
                rn_lock_give(&c->hand_lock);
        } while (waits);
        rein_future *later = rein_submit(x, job_seven, NULL, NULL);
        assert_int_equal(rein_code(job), REIN_EPENDING);
        gate_open(&g);
        assert_int_equal(rein_await(job, NULL, REIN_NEVER), 0);
        assert_int_equal(rein_await(later, NULL, REIN_NEVER), 0);
        rein_drop(job);
        rein_drop(later);
        rein_drop(f);
        rein_promise_drop(p);
        rein_executor_free(x);
        rein_executor_free(stopped);
        gate_free(&g);
}

/* ---- P6: a stop needs no memory ---- */

static void p6_a_stop_succeeds_without_memory(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        seat s = {NULL};
        rein_future *f[3] = {rein_submit(x, job_sleep, &s, NULL), NULL, NULL};
        EVENTUALLY(sits_in(&s, "rein_sleep"));
        stubborn st;
        stubborn_init(&st);
        f[1] = rein_submit(x, stubborn_job, &st, NULL);
        EVENTUALLY(st.inside == 1);
        f[2] = rein_submit(x, job_seven, NULL, NULL);
        rein_receipt *r;
        atomic_store(&support_all_poor, true);
        int rc = rein_executor_stop(x, REIN_STOP_NOW, rein_after(REIN_MS(50)), &r);
        int codes[3] = {rein_code(f[0]), rein_code(f[1]), rein_code(f[2])};
        size_t told = rein_receipt_count(r);
        atomic_store(&support_all_poor, false);
        assert_int_equal(rc, REIN_ESTUCK);
        assert_int_equal(codes[0], REIN_ECANCELED);
        assert_int_equal(codes[1], REIN_EABANDONED);
        assert_int_equal(codes[2], REIN_ECANCELED);
        assert_int_equal(told, 3);
        rein_receipt_free(r);
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        atomic_store(&support_all_poor, true);
        stubborn_let_go(&st, 1);
        EVENTUALLY(rein_gone(f[1]));
        EVENTUALLY(u.count == 1); /* even the late log is told */
        atomic_store(&support_all_poor, false);
        rein_on_unseen(NULL, NULL);
        drop_all(f, 3);
        rein_executor_free(x);
}

int main(void)
{
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_after_a_stop_work_is_refused_and_a_second_stop_is_harmless),
                cmocka_unit_test(test_fifty_queued_jobs_are_completed_before_the_stop_returns),
                cmocka_unit_test(test_stopping_the_queued_cancels_them_and_lets_the_started_ones_finish),
                cmocka_unit_test(test_a_drain_begun_returns_at_once_and_own_jobs_may_still_submit),
                cmocka_unit_test(test_a_job_cancelled_just_before_a_drain_does_not_hang_it),
                cmocka_unit_test(test_freed_without_a_stop_everything_settles_and_nothing_is_left),
                cmocka_unit_test(test_the_pool_keeps_neither_argument_nor_result_of_an_ended_job),
                cmocka_unit_test(test_a_copied_argument_may_change_at_once),
                cmocka_unit_test(test_what_cannot_be_asked_for_is_a_failed_future_that_says_why),
                cmocka_unit_test(test_p8_stop_now_reaches_every_job_and_the_receipt_says_how),
                cmocka_unit_test(test_with_a_deadline_escalation_starts_a_grace_before_it),
                cmocka_unit_test(test_a_stop_begun_abandons_what_is_left_at_its_deadline),
                cmocka_unit_test(test_p8_a_stop_that_may_not_wait_settles_everything_and_returns),
                cmocka_unit_test(test_p8_the_waiters_of_a_shared_run_settle_too_when_the_stop_gives_up),
                cmocka_unit_test(test_nonsense_stops_are_refused),
                cmocka_unit_test(test_a_job_stops_its_own_pool_in_every_manner),
                cmocka_unit_test(test_two_jobs_of_one_pool_stop_it_at_once),
                cmocka_unit_test(test_two_threads_stop_at_once_and_the_harsher_wins),
                cmocka_unit_test(test_a_job_frees_its_own_pool),
                cmocka_unit_test(test_a_continuation_stops_its_own_pool),
                cmocka_unit_test(test_a_stop_is_not_cancelled_by_a_scope),
                cmocka_unit_test(test_submits_race_a_stop_and_each_settles),
                cmocka_unit_test(test_restart_takes_work_again_in_every_manner),
                cmocka_unit_test(test_restart_refuses_while_the_stop_goes_on),
                cmocka_unit_test(test_restart_leaves_an_abandoned_job_its_place_until_it_is_gone),
                cmocka_unit_test(test_restart_is_not_undone_by_the_clock_of_the_old_stop),
                cmocka_unit_test(p6_a_stop_succeeds_without_memory),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
