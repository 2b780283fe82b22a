/* SPDX-License-Identifier: Apache-2.0 */
/* Spares for jobs that block where rein cannot see: here in a plain read(2) on a pipe into which nobody writes. */
#include "support.h"

#include <sys/syscall.h>

#include "pool/pool.h"

/* Jobs that read a byte from one pipe, and leave one for each byte written. */
typedef struct readers {
        atomic_int inside, left;
        int ends[2];
} readers;

static void readers_init(readers *r)
{
        atomic_init(&r->inside, 0);
        atomic_init(&r->left, 0);
        assert_int_equal(pipe2(r->ends, O_CLOEXEC), 0);
}

static int job_read(void *arg)
{
        readers *r = arg;
        char byte;
        atomic_fetch_add(&r->inside, 1);
        ssize_t n = read(r->ends[0], &byte, 1); /* foreign: this is what the pool has to find out */
        atomic_fetch_add(&r->left, 1);
        return n == 1 ? 0 : -EIO;
}

static int job_read_at(void *arg)
{
        return job_read(*(readers **)arg);
}

static void readers_let_go(readers *r, int n)
{
        while (n--)
                assert_int_equal(write(r->ends[1], "x", 1), 1);
}

static void readers_free(readers *r)
{
        close(r->ends[0]);
        close(r->ends[1]);
}

typedef struct seen {
        int spares, permits;
        bool watching;
        int64_t next_look;
} seen;

static seen look_at(rein_executor *x)
{
        pool *p = rn_pool_of(x);
        rn_lock_take(&x->lock);
        seen s = {p->spares, p->permits, p->watching, p->watch_timer.at};
        rn_lock_give(&x->lock);
        return s;
}

/* Until the pool has looked so many times more at who blocks. */
static void let_it_look(rein_executor *x, int times)
{
        while (times--) {
                int64_t next = look_at(x).next_look;
                EVENTUALLY(look_at(x).next_look != next);
        }
}

static bool has_spare(rein_executor *x, rein_future *f)
{
        rn_lock_take(&x->lock);
        bool has = rn_work_of(f)->has_spare;
        rn_lock_give(&x->lock);
        return has;
}

static void drop_all(rein_future *f[], int n)
{
        for (int i = 0; i < n; i++)
                rein_drop(f[i]);
}

static bool gets_no_spares; /* the first test has failed: the others would wait for spares in vain */

/* Where the kernel does not tell what a thread does, nothing is decided, and an elastic pool is as any other. */
static bool kernel_tells(void)
{
        int64_t cpu, call;
        uint64_t digest;
        return !gets_no_spares && rn_thread_probe(rn_load32(&rn_self()->thread_id), &cpu, &call, &digest);
}

static void test_blocked_jobs_get_spares_up_to_the_cap_and_not_beyond(void **state)
{
        (void)state;
        enum { THREADS = 2, MOST = 5, JOBS = 12 };
        if (!kernel_tells())
                skip();
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = THREADS, .elastic = true, .threads_max = MOST));
        readers r;
        rein_future *f[JOBS];
        readers_init(&r);
        gets_no_spares = true;
        for (int i = 0; i < JOBS; i++)
                f[i] = rein_submit(x, job_read, &r, REIN_JOB(.on_worker = true));
        EVENTUALLY(r.inside == MOST);
        gets_no_spares = false;
        let_it_look(x, 5); /* it goes on looking: jobs are queued, and no permit is free */
        assert_int_equal(r.inside, MOST);
        assert_int_equal(rein_executor_threads(x), MOST);
        assert_int_equal(rein_executor_queued(x), JOBS - MOST);
        assert_int_equal(look_at(x).spares, MOST - THREADS);
        readers_let_go(&r, 4); /* a place that is left is taken: never more than the cap */
        EVENTUALLY(r.inside == MOST + 4);
        let_it_look(x, 5);
        assert_int_equal(r.inside - r.left, MOST);
        assert_int_equal(look_at(x).spares, MOST - THREADS);
        readers_let_go(&r, JOBS - 4);
        assert_int_equal(rein_wait_all(f, JOBS, REIN_NEVER), 0);
        assert_int_equal(look_at(x).spares, 0); /* they went with the jobs they stood in for */
        assert_int_equal(look_at(x).permits, THREADS);
        for (int i = 0; i < JOBS; i++)
                assert_int_equal(rein_code(f[i]), 0);
        drop_all(f, JOBS);
        rein_executor_free(x);
        readers_free(&r);
}

typedef struct computers {
        atomic_int inside;
        volatile int leave;
} computers;

/* Not one system call, not even a sanitizer's: two of them that fight over its locks do block, now and then. */
__attribute__((no_sanitize("thread"))) static void compute(const computers *c)
{
        while (!c->leave)
                ;
}

static int job_compute(void *arg)
{
        computers *c = arg;
        atomic_fetch_add(&c->inside, 1);
        compute(c);
        return 0;
}

typedef struct lending {
        rein_executor *x;
        computers c;
} lending;

static const rein_straggler *find(const rein_receipt *r, const char *name)
{
        static rein_straggler s;
        for (size_t i = 0; s = (rein_straggler){.size = sizeof s}, rein_receipt_at(r, i, &s); i++)
                if (strcmp(s.name, name) == 0)
                        return &s;
        return NULL;
}

static void test_the_spare_is_for_the_job_that_blocks_and_the_receipt_names_it(void **state)
{
        (void)state;
        if (!kernel_tells())
                skip();
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2, .elastic = true, .threads_max = 4));
        readers r;
        computers c = {0};
        readers_init(&r);
        rein_future *f[4] = {
                rein_submit(x, job_read, &r, REIN_JOB(.name = "reader")),
                rein_submit(x, job_compute, &c, REIN_JOB(.name = "computer")),
        };
        EVENTUALLY(r.inside == 1 && c.inside == 1);
        f[2] = rein_submit(x, job_seven, NULL, REIN_JOB(.on_worker = true));
        EVENTUALLY(rein_code(f[2]) == 7); /* with both threads busy */
        assert_true(has_spare(x, f[0]));
        f[3] = rein_submit(x, job_compute, &c, REIN_JOB(.name = "computer"));
        EVENTUALLY(c.inside == 2);
        rein_future *queued = rein_submit(x, job_seven, NULL, REIN_JOB(.on_worker = true));
        let_it_look(x, 10);
        assert_int_equal(look_at(x).spares, 1); /* who computes is busy, not blocked, however long */
        assert_false(has_spare(x, f[1]));
        assert_false(has_spare(x, f[3]));
        assert_int_equal(rein_code(queued), REIN_EPENDING);
        c.leave = 1;
        EVENTUALLY(rein_code(queued) == 7);

        rein_receipt *receipt;
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, rein_after(REIN_MS(100)), &receipt), REIN_ESTUCK);
        assert_non_null(find(receipt, "reader"));
        assert_string_equal(find(receipt, "reader")->stopped_by, "abandoned");
        assert_non_null(strstr(find(receipt, "reader")->stuck_in, "read"));
        assert_false(find(receipt, "reader")->gone);
        rein_receipt_free(receipt);
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        readers_let_go(&r, 1);
        EVENTUALLY(u.count == 1); /* the late log */
        EVENTUALLY(rein_executor_unfinished(x) == 0);
        rein_on_unseen(NULL, NULL);
        assert_int_equal(look_at(x).spares, 0);
        assert_int_equal(rein_code(f[0]), REIN_EABANDONED);
        rein_drop(queued);
        drop_all(f, 4);
        rein_executor_free(x);
        readers_free(&r);
}

static bool is_exhausted(rein_executor *x)
{
        rn_lock_take(&x->lock);
        bool yes = rn_pool_of(x)->exhausted;
        rn_lock_give(&x->lock);
        return yes;
}

/* No more may be replaced than replace_abandoned says: none. The job that ran by the spare holds the only permit then. */
static void test_the_spare_of_an_abandoned_job_goes_when_that_job_comes_back(void **state)
{
        (void)state;
        if (!kernel_tells())
                skip();
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        rein_executor *x =
                rein_pool_new(REIN_POOL(.threads = 1, .elastic = true, .threads_max = 2, .grace_ns = REIN_MS(1)));
        readers r[2], *at;
        rein_future *f[2];
        for (int i = 0; i < 2; i++) {
                readers_init(at = &r[i]);
                f[i] = rein_submit(x, job_read_at, REIN_COPY(at, .on_worker = true, .unheeded = REIN_ABANDON_IT));
                EVENTUALLY(r[i].inside == 1);
        }
        assert_true(has_spare(x, f[0]));
        for (int i = 0; i < 2; i++) {
                rein_cancel(f[i], NULL);
                assert_int_equal(rein_await(f[i], NULL, rein_after(REIN_SEC(60))), REIN_EFAILED);
                assert_int_equal(rein_code(f[i]), REIN_EABANDONED);
        }
        EVENTUALLY(is_exhausted(x));
        readers_let_go(&r[0], 1);
        EVENTUALLY(rein_gone(f[0]));
        rein_future *late = rein_submit(x, job_seven, NULL, NULL);
        assert_int_equal(rein_code(late), REIN_EREJECTED);
        rein_drop(late);
        readers_let_go(&r[1], 1);
        EVENTUALLY(rein_gone(f[1]));
        late = rein_submit(x, job_seven, NULL, NULL);
        assert_int_equal(rein_await(late, NULL, rein_after(REIN_SEC(60))), 0);
        rein_drop(late);
        EVENTUALLY(u.count == 2);
        EVENTUALLY(rein_executor_unfinished(x) == 0);
        assert_int_equal(look_at(x).permits, 1);
        drop_all(f, 2);
        rein_executor_free(x);
        for (int i = 0; i < 2; i++)
                readers_free(&r[i]);
        rein_on_unseen(NULL, NULL);
}

static void test_a_pool_that_is_not_elastic_gets_none(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2, .threads_max = 5));
        rein_executor *other = rein_pool_new(REIN_POOL(.threads = 1, .elastic = true, .threads_max = 2));
        readers r, s;
        rein_future *f[6], *g[3];
        readers_init(&r);
        readers_init(&s);
        for (int i = 0; i < 6; i++)
                f[i] = rein_submit(x, job_read, &r, NULL);
        EVENTUALLY(r.inside == 2);
        assert_false(look_at(x).watching);
        if (kernel_tells()) { /* time passes, told by a pool that does look */
                for (int i = 0; i < 3; i++)
                        g[i] = rein_submit(other, job_read, &s, NULL);
                EVENTUALLY(s.inside == 2);
                let_it_look(other, 5);
                readers_let_go(&s, 3);
                assert_int_equal(rein_wait_all(g, 3, REIN_NEVER), 0);
                drop_all(g, 3);
        }
        assert_int_equal(r.inside, 2);
        assert_int_equal(rein_executor_threads(x), 2);
        assert_int_equal(rein_executor_queued(x), 4);
        assert_int_equal(look_at(x).spares, 0);
        assert_false(look_at(x).watching);
        readers_let_go(&r, 6);
        assert_int_equal(rein_wait_all(f, 6, REIN_NEVER), 0);
        drop_all(f, 6);
        rein_executor_free(x);
        rein_executor_free(other);
        readers_free(&r);
        readers_free(&s);
}

/* A task that waits for a permit makes the pool look, whatever it is. */
static void test_it_looks_as_soon_as_a_permit_is_wanted(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .elastic = true, .threads_max = 1));
        gate g = gate_new();
        rein_future *f[2] = {rein_submit(x, job_pass, &g, REIN_JOB(.on_worker = true))};
        EVENTUALLY(rein_executor_queued(x) == 0);
        assert_false(look_at(x).watching); /* nobody wants one */
        f[1] = rein_submit(x, job_seven, NULL, REIN_JOB(.on_worker = true));
        assert_true(look_at(x).watching);
        gate_open(&g);
        assert_int_equal(rein_wait_all(f, 2, REIN_NEVER), 0);
        EVENTUALLY(!look_at(x).watching);
        drop_all(f, 2);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, REIN_NEVER, NULL), 0);
        EVENTUALLY(rn_load32(&x->refs) == 1); /* no look has kept it */
        rein_executor_free(x);
        gate_free(&g);
}

typedef struct wanting {
        rein_executor *x;
        gate until, keeps;
        seat seat;
} wanting;

static int lend_and_wait(void *arg)
{
        wanting *w = arg;
        rein_future *both[] = {rein_submit(w->x, job_seven, NULL, REIN_JOB(.on_worker = true)), w->until.open};
        sit(&w->seat);
        int rc = rein_wait_all(both, 2, REIN_NEVER);
        rein_drop(both[0]);
        return rc;
}

static void test_it_looks_for_those_that_want_theirs_back(void **state)
{
        (void)state;
        wanting w = {.until = gate_new(), .keeps = gate_new()};
        w.x = rein_pool_new(REIN_POOL(.threads = 1, .elastic = true, .threads_max = 1));
        rein_future *f[2] = {rein_submit(w.x, lend_and_wait, &w, REIN_JOB(.on_worker = true))};
        EVENTUALLY(sits_in(&w.seat, "rein_wait_all"));
        f[1] = rein_submit(w.x, job_pass, &w.keeps, REIN_JOB(.on_worker = true));
        EVENTUALLY(rein_executor_queued(w.x) == 0);
        EVENTUALLY(!look_at(w.x).watching); /* nobody wants the one permit but who has it */
        gate_open(&w.until);
        EVENTUALLY(sits_in(&w.seat, "its place in"));
        assert_true(look_at(w.x).watching);
        gate_open(&w.keeps);
        assert_int_equal(rein_wait_all(f, 2, REIN_NEVER), 0);
        drop_all(f, 2);
        rein_executor_free(w.x);
        gate_free(&w.until);
        gate_free(&w.keeps);
}

typedef struct poller {
        atomic_int inside;
        atomic_int leave;
} poller;

/* Always in one system call, but never for long in the same one: its arguments tell. */
static int job_poll(void *arg)
{
        poller *p = arg;
        atomic_fetch_add(&p->inside, 1);
        for (long turn = 0; !p->leave; turn++)
                syscall(SYS_poll, NULL, 0, 2, turn); /* foreign: what is seen from outside is the matter */
        return 0;
}

static void test_a_job_that_calls_again_and_again_is_not_blocked(void **state)
{
        (void)state;
        if (!kernel_tells())
                skip();
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .elastic = true, .threads_max = 2));
        poller p = {0};
        rein_future *f[2] = {rein_submit(x, job_poll, &p, REIN_JOB(.on_worker = true))};
        EVENTUALLY(p.inside == 1);
        f[1] = rein_submit(x, job_seven, NULL, REIN_JOB(.on_worker = true));
        let_it_look(x, 10);
        const int spares = look_at(x).spares;
        p.leave = 1;
        assert_int_equal(rein_wait_all(f, 2, REIN_NEVER), 0);
        assert_int_equal(spares, 0);
        drop_all(f, 2);
        rein_executor_free(x);
}

/* It waits, has lent its permit, and so needs no spare: one that computes has that permit. */
static int lend_to_a_computer(void *arg)
{
        lending *l = arg;
        rein_future *f = rein_submit(l->x, job_compute, &l->c, REIN_JOB(.on_worker = true));
        int rc = rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        return rc;
}

static void test_who_has_lent_its_place_gets_no_spare(void **state)
{
        (void)state;
        if (!kernel_tells())
                skip();
        lending l = {.x = rein_pool_new(REIN_POOL(.threads = 1, .elastic = true, .threads_max = 3))};
        rein_future *f[2] = {rein_submit(l.x, lend_to_a_computer, &l, REIN_JOB(.on_worker = true))};
        EVENTUALLY(l.c.inside == 1);
        f[1] = rein_submit(l.x, job_seven, NULL, REIN_JOB(.on_worker = true));
        let_it_look(l.x, 5);
        const int spares = look_at(l.x).spares;
        l.c.leave = 1;
        assert_int_equal(rein_wait_all(f, 2, REIN_NEVER), 0);
        assert_int_equal(spares, 0);
        drop_all(f, 2);
        rein_executor_free(l.x);
}

/* Any system call, not only the first of the table. */
static void test_a_job_that_blocks_in_any_call_gets_a_spare(void **state)
{
        (void)state;
        if (!kernel_tells())
                skip();
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .elastic = true, .threads_max = 2));
        stubborn s;
        stubborn_init(&s);
        rein_future *f[2] = {rein_submit(x, stubborn_job, &s, REIN_JOB(.on_worker = true))};
        EVENTUALLY(s.inside == 1);
        f[1] = rein_submit(x, job_seven, NULL, REIN_JOB(.on_worker = true));
        EVENTUALLY(rein_code(f[1]) == 7); /* with the only thread blocked */
        assert_true(has_spare(x, f[0]));
        stubborn_let_go(&s, 1);
        assert_int_equal(rein_await(f[0], NULL, REIN_NEVER), 0);
        EVENTUALLY(look_at(x).permits == 1);
        drop_all(f, 2);
        rein_executor_free(x);
}

typedef struct lender {
        rein_executor *x;
        readers *r;
} lender;

/* Lends its place to the reader it waits for, and wants it back when its patience is over. */
static int lend_and_want_it_back(void *arg)
{
        lender *l = arg;
        rein_future *f = rein_submit(l->x, job_read, l->r, REIN_JOB(.on_worker = true));
        int rc;
        do
                rc = rein_await(f, NULL, rein_after(REIN_MS(1)));
        while (rc == REIN_ETIMEOUT && atomic_load(&l->r->inside) == 0);
        rein_drop(f);
        return rc == REIN_ETIMEOUT ? 7 : rc;
}

static void test_who_lent_its_place_gets_it_back_from_a_spare(void **state)
{
        (void)state;
        if (!kernel_tells())
                skip();
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .elastic = true, .threads_max = 2));
        readers r;
        readers_init(&r);
        lender l = {x, &r};
        rein_future *f = rein_submit(x, lend_and_want_it_back, &l, REIN_JOB(.on_worker = true));
        EVENTUALLY(rein_code(f) != REIN_EPENDING);
        assert_int_equal(rein_code(f), 7);
        assert_int_equal(r.left, 0); /* the reader has the pool's one permit still */
        assert_int_equal(look_at(x).spares, 1);
        readers_let_go(&r, 1);
        EVENTUALLY(rein_executor_unfinished(x) == 0);
        assert_int_equal(look_at(x).spares, 0);
        assert_int_equal(look_at(x).permits, 1);
        rein_drop(f);
        rein_executor_free(x);
        readers_free(&r);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_blocked_jobs_get_spares_up_to_the_cap_and_not_beyond),
                cmocka_unit_test(test_the_spare_is_for_the_job_that_blocks_and_the_receipt_names_it),
                cmocka_unit_test(test_the_spare_of_an_abandoned_job_goes_when_that_job_comes_back),
                cmocka_unit_test(test_a_pool_that_is_not_elastic_gets_none),
                cmocka_unit_test(test_it_looks_as_soon_as_a_permit_is_wanted),
                cmocka_unit_test(test_it_looks_for_those_that_want_theirs_back),
                cmocka_unit_test(test_a_job_that_calls_again_and_again_is_not_blocked),
                cmocka_unit_test(test_who_has_lent_its_place_gets_no_spare),
                cmocka_unit_test(test_a_job_that_blocks_in_any_call_gets_a_spare),
                cmocka_unit_test(test_who_lent_its_place_gets_it_back_from_a_spare),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
