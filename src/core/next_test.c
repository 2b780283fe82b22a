/* SPDX-License-Identifier: Apache-2.0 */
/* Continuations: each runs exactly once, never in the settler, in order; and can be taken back. */
#include "support.h"

#include "core/executor.h"

/* What the continuations of a test write down: who ran, in which order, with what. */
typedef struct diary {
        atomic_int begun, n; /* entries begun; entries written */
        int who[16];
        rein_future *with[16];
        rein_executor *on[16];
} diary;

typedef struct entry {
        diary *diary;
        int number, rc;
} entry;

static int note(rein_future *f, void *arg)
{
        entry *e = arg;
        int i = atomic_fetch_add(&e->diary->begun, 1), rc = e->rc;
        e->diary->who[i] = e->number;
        e->diary->with[i] = f;
        e->diary->on[i] = rn_self()->now->work->executor;
        atomic_fetch_add(&e->diary->n, 1);
        return rc;
}

static void test_continuations_run_once_each_in_order_with_the_future(void **state)
{
        (void)state;
        diary d = {0};
        entry e[3] = {{&d, 0, 0}, {&d, 1, 0}, {&d, 2, 0}};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        for (int i = 0; i < 3; i++)
                assert_non_null(rein_then(f, x, note, &e[i]));
        assert_int_equal(d.n, 0);
        rein_promise_keep(p, NULL, NULL);
        assert_int_equal(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL), 0);
        EVENTUALLY(d.n == 3);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(d.who[i], i);
                assert_ptr_equal(d.with[i], f);
        }
        rein_promise_drop(p);
        rein_drop(f);
        rein_executor_free(x);
        assert_int_equal(d.n, 3);
}

/* ---- what a continuation may do with its own future ---- */

typedef struct busy {
        diary *diary;
        rein_executor *executor;
        rein_future *own;
        entry again;
        atomic_int code;
} busy;

static int do_everything(rein_future *f, void *arg)
{
        busy *b = arg;
        void *value = NULL;
        if (rein_await(f, &value, REIN_NEVER) != 0 || value != b || rein_code(f) != 0 || rein_value(f, NULL) != b)
                return rein_fail(REIN_EUSER, "not its value");
        if (rein_cancel(f, NULL) != REIN_TOO_LATE)
                return rein_fail(REIN_EUSER, "it could still be cancelled");
        if (!rein_then(f, b->executor, note, &b->again))
                return rein_fail(REIN_EUSER, "no continuation in a continuation");
        rein_drop(b->own); /* the last reference of the user's */
        atomic_store(&b->code, 1);
        return 0;
}

static void test_a_continuation_may_read_add_cancel_and_drop_its_own_future(void **state)
{
        (void)state;
        diary d = {0};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        busy b = {.diary = &d, .executor = x, .own = f, .again = {&d, 7, 0}};
        assert_non_null(rein_then(f, x, do_everything, &b));
        rein_promise_keep(p, &b, NULL);
        rein_promise_drop(p);
        EVENTUALLY(d.n == 1);
        assert_int_equal(b.code, 1);
        assert_int_equal(d.who[0], 7);
        rein_executor_free(x);
}

static void test_a_continuation_of_a_settled_future_runs_once_on_its_executor(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1)), *y = rein_pool_new(REIN_POOL(.threads = 1));
        for (int kind = 0; kind < 3; kind++) { /* kept, broken, cancelled */
                diary d = {0};
                entry e[2] = {{&d, 1, 0}, {&d, 2, 0}};
                rein_future *f;
                rein_promise *p = rein_promise_new(&f);
                if (kind == 0)
                        rein_promise_keep(p, NULL, NULL);
                else if (kind == 1)
                        rein_promise_break(p, -EIO, "broken");
                else
                        assert_int_equal(rein_cancel(f, NULL), REIN_NEVER_STARTED);
                assert_non_null(rein_then(f, x, note, &e[0]));
                EVENTUALLY(d.n == 1);
                assert_non_null(rein_then(f, y, note, &e[1]));
                EVENTUALLY(d.n == 2);
                assert_ptr_equal(d.on[0], x);
                assert_ptr_equal(d.on[1], y);
                (void)rein_code(f);
                rein_promise_drop(p);
                rein_drop(f);
        }
        rein_executor_free(x);
        rein_executor_free(y);
}

static void test_a_failing_continuation_is_reported_and_the_next_ones_run(void **state)
{
        (void)state;
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        diary d = {0};
        entry e[3] = {{&d, 0, 0}, {&d, 1, REIN_EUSER - 5}, {&d, 2, 0}};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        for (int i = 0; i < 3; i++)
                assert_non_null(rein_then(f, x, note, &e[i]));
        rein_promise_keep(p, NULL, NULL);
        EVENTUALLY(d.n == 3);
        rein_promise_drop(p);
        rein_executor_free(x);
        rein_drop(f);
        assert_int_equal(u.count, 1);
        assert_int_equal(u.code, REIN_EUSER - 5);
        rein_on_unseen(NULL, NULL);
}

/* ---- adding while settling ---- */

enum { ADDERS = 4, EACH = 50 };

typedef struct adder {
        pthread_barrier_t *start;
        rein_future *f;
        rein_executor *x;
        atomic_int runs[EACH];
        int refused;
} adder;

static int run_once(rein_future *f, void *arg)
{
        (void)f;
        return atomic_fetch_add((atomic_int *)arg, 1);
}

static void *add_many(void *arg)
{
        adder *a = arg;
        pthread_barrier_wait(a->start);
        for (int i = 0; i < EACH; i++)
                a->refused += !rein_then(a->f, a->x, run_once, &a->runs[i]);
        return NULL;
}

static void p2_a_continuation_runs_exactly_once_however_late_it_comes(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        for (int round = 0; round < 20; round++) {
                pthread_barrier_t start;
                adder a[ADDERS] = {0};
                pthread_t t[ADDERS];
                rein_future *f;
                rein_promise *p = rein_promise_new(&f);
                pthread_barrier_init(&start, NULL, ADDERS + 1);
                for (int i = 0; i < ADDERS; i++) {
                        a[i].start = &start;
                        a[i].f = f;
                        a[i].x = x;
                        t[i] = go(add_many, &a[i]);
                }
                pthread_barrier_wait(&start);
                rein_promise_keep(p, NULL, NULL);
                for (int i = 0; i < ADDERS; i++)
                        join(t[i]);
                EVENTUALLY(rein_executor_unfinished(x) == 0);
                for (int i = 0; i < ADDERS; i++) {
                        assert_int_equal(a[i].refused, 0);
                        for (int k = 0; k < EACH; k++)
                                assert_int_equal(a[i].runs[k], 1);
                }
                rein_promise_drop(p);
                rein_drop(f);
                pthread_barrier_destroy(&start);
        }
        rein_executor_free(x);
}

/* ---- taking one back ---- */

static void test_a_removed_continuation_never_runs_and_a_late_removal_is_told(void **state)
{
        (void)state;
        diary d = {0};
        entry e[3] = {{&d, 0, 0}, {&d, 1, 0}, {&d, 2, 0}};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        rein_next *n[3];
        for (int i = 0; i < 3; i++)
                n[i] = rein_then(f, x, note, &e[i]);
        assert_int_equal(rein_next_remove(n[1]), 0);
        rein_promise_keep(p, NULL, NULL);
        EVENTUALLY(d.n == 2);
        EVENTUALLY(rein_executor_unfinished(x) == 0);
        assert_int_equal(d.who[0], 0);
        assert_int_equal(d.who[1], 2);
        assert_int_equal(rein_next_remove(n[0]), REIN_EALREADY); /* the handle is good while we hold f */
        assert_int_equal(rein_next_remove(n[2]), REIN_EALREADY);
        rein_promise_drop(p);
        rein_drop(f);
        rein_executor_free(x);
}

/* ---- after a stop ---- */

static int after_a_stop(rein_future *f, void *arg)
{
        rn_task *hand = rn_world_now()->clock.hand_task;
        (void)f;
        atomic_store((_Atomic(bool) *)arg, rn_self() == hand);
        return 0;
}

static void test_continuations_after_a_stop_run_on_the_hand_thread(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        gate g = gate_new();
        _Atomic(bool) before = false, after = false, queued = false;
        rein_future *blocker = rein_submit(x, job_pass, &g, NULL), *f;
        rein_promise *p = rein_promise_new(&f);
        EVENTUALLY(rein_executor_queued(x) == 0);
        assert_non_null(rein_then(f, x, after_a_stop, (void *)&before)); /* promised before the stop */
        rein_promise *q;
        rein_future *settled;
        q = rein_promise_new(&settled);
        rein_promise_keep(q, NULL, NULL);
        assert_non_null(rein_then(settled, x, after_a_stop, (void *)&queued)); /* in the queue of the busy pool */
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, REIN_NEVER, NULL), 0);
        EVENTUALLY(queued);
        rein_promise_keep(p, NULL, NULL);
        EVENTUALLY(before);
        assert_non_null(rein_then(f, x, after_a_stop, (void *)&after));
        EVENTUALLY(after);
        assert_int_equal(rein_code(blocker), REIN_ECANCELED);
        rein_promise_drop(p);
        rein_promise_drop(q);
        rein_drop(f);
        rein_drop(settled);
        rein_drop(blocker);
        gate_free(&g);
        rein_executor_free(x);
}

/* ---- a long chain on small stacks ---- */

enum { CHAIN = 100000 };

typedef struct chain {
        rein_executor *x;
        rein_promise **promises;
        atomic_int reached;
} chain;

static chain long_chain;

static int settle_next(rein_future *f, void *arg)
{
        size_t i = (size_t)(uintptr_t)arg;
        (void)f;
        atomic_fetch_add(&long_chain.reached, 1);
        if (i < CHAIN)
                rein_promise_keep(long_chain.promises[i], NULL, NULL);
        return 0;
}

static void *settle_first(void *arg)
{
        (void)arg;
        rein_promise_keep(long_chain.promises[0], NULL, NULL);
        return NULL;
}

static void chain_on(rein_executor *x)
{
        rein_future **f = calloc(CHAIN, sizeof *f);
        long_chain.promises = calloc(CHAIN, sizeof *long_chain.promises);
        atomic_store(&long_chain.reached, 0);
        for (size_t i = 0; i < CHAIN; i++) {
                long_chain.promises[i] = rein_promise_new(&f[i]);
                assert_non_null(rein_then(f[i], x, settle_next, (void *)(uintptr_t)(i + 1)));
        }
        pthread_attr_t attr; /* who settles the first has a small stack too */
        pthread_t t;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, 256 * 1024);
        assert_int_equal(pthread_create(&t, &attr, settle_first, NULL), 0);
        join(t);
        pthread_attr_destroy(&attr);
        EVENTUALLY(long_chain.reached == CHAIN);
        for (size_t i = 0; i < CHAIN; i++) {
                rein_promise_drop(long_chain.promises[i]);
                rein_drop(f[i]);
        }
        free(f);
        free(long_chain.promises);
}

static void test_a_chain_of_100000_continuations_needs_no_stack(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .stack_size = 256 * 1024));
        chain_on(x);
        rein_executor_free(x);
}

static void test_a_chain_of_100000_on_a_stopped_pool_needs_no_stack_either(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, REIN_NEVER, NULL), 0);
        chain_on(x);
        rein_executor_free(x);
}

/* ---- continuations pass the limit of the queue, and keep what they need ---- */

static void test_a_continuation_passes_a_full_queue(void **state)
{
        (void)state;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .queue_max = 1, .full = REIN_FULL_REJECT));
        gate g = gate_new();
        diary d = {0};
        entry e = {&d, 1, 0};
        rein_future *blocker = rein_submit(x, job_pass, &g, NULL);
        EVENTUALLY(rein_executor_queued(x) == 0);
        rein_future *queued = rein_submit(x, job_seven, NULL, NULL), *refused = rein_submit(x, job_seven, NULL, NULL);
        assert_int_equal(rein_code(refused), REIN_EREJECTED);
        assert_non_null(rein_then(refused, x, note, &e));
        gate_open(&g);
        EVENTUALLY(d.n == 1);
        assert_int_equal(rein_await(queued, NULL, REIN_NEVER), 0);
        rein_drop(blocker);
        rein_drop(queued);
        rein_drop(refused);
        rein_executor_free(x);
        gate_free(&g);
}

static void test_a_continuation_keeps_its_future_and_its_executor(void **state)
{
        (void)state;
        diary d = {0};
        entry e = {&d, 3, 0};
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        assert_non_null(rein_then(f, x, note, &e));
        rein_drop(f);
        rein_executor_free(x);
        rein_promise_keep(p, NULL, NULL);
        rein_promise_drop(p);
        EVENTUALLY(d.n == 1);
        assert_int_equal(d.who[0], 3);
}

static void test_what_makes_no_sense_is_refused_and_nothing_runs(void **state)
{
        (void)state;
        diary d = {0};
        entry e = {&d, 1, 0};
        rein_executor *x = rein_pool_new(NULL);
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        assert_null(rein_then(NULL, x, note, &e));
        assert_int_equal(rein_error_code(rein_trail()), -EINVAL);
        assert_null(rein_then(f, NULL, note, &e));
        assert_null(rein_then(f, x, NULL, &e));
        support_fail_at = 1;
        assert_null(rein_then(f, x, note, &e));
        support_fail_at = 0;
        assert_int_equal(rein_error_code(rein_trail()), -ENOMEM);
        rein_promise_keep(p, NULL, NULL);
        rein_promise_drop(p);
        rein_drop(f);
        rein_executor_free(x);
        assert_int_equal(d.n, 0);
}

int main(void)
{
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_continuations_run_once_each_in_order_with_the_future),
                cmocka_unit_test(test_a_continuation_may_read_add_cancel_and_drop_its_own_future),
                cmocka_unit_test(test_a_continuation_of_a_settled_future_runs_once_on_its_executor),
                cmocka_unit_test(test_a_failing_continuation_is_reported_and_the_next_ones_run),
                cmocka_unit_test(p2_a_continuation_runs_exactly_once_however_late_it_comes),
                cmocka_unit_test(test_a_removed_continuation_never_runs_and_a_late_removal_is_told),
                cmocka_unit_test(test_continuations_after_a_stop_run_on_the_hand_thread),
                cmocka_unit_test(test_a_chain_of_100000_continuations_needs_no_stack),
                cmocka_unit_test(test_a_chain_of_100000_on_a_stopped_pool_needs_no_stack_either),
                cmocka_unit_test(test_a_continuation_passes_a_full_queue),
                cmocka_unit_test(test_a_continuation_keeps_its_future_and_its_executor),
                cmocka_unit_test(test_what_makes_no_sense_is_refused_and_nothing_runs),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
