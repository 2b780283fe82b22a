/* SPDX-License-Identifier: Apache-2.0 */
/* Hook regions under fire. A job blocks in read(2) on a pipe that stays empty, inside a region; it is cancelled at a
 * random moment: before the region, at its opening, on the way to the call, in the call. It must come back every time
 * (nothing else ends that read), and the next call that blocks on that thread, outside any region, must not be
 * interrupted by a signal that comes late. The same with a function for a hook: it must not run outside its region, nor
 * be running when the close has returned. */
#include "faults.h"

#include <fcntl.h>

enum { PAIRS = 2 };

static _Noreturn void wrong(int line, const char *what)
{
        fprintf(stderr, "poke_test.c:%d: %s\n", line, what);
        report_everybody();
        abort();
}

#define CHECK(condition)                                                                                               \
        do {                                                                                                           \
                if (!(condition))                                                                                      \
                        wrong(__LINE__, #condition);                                                                   \
        } while (0)

static struct {
        atomic_llong rounds;
        atomic_llong before, in_call, without_use; /* how the region ended */
        atomic_llong stray;                        /* interruptions that nobody had asked for */
        atomic_llong stops;
} counts;

static effort todo;
static rein_executor *workers;

/* One job and who cancels it. Each is in a fresh one. */
typedef struct round {
        atomic_int stage; /* how far the job is: 1 started, 2 in the region, 3 about to make the call */
        int empty;        /* the end of a pipe into which nobody writes */
        bool by_deadline;
        bool by_function;
        int bell; /* by_function: what its read waits for */
} round_;

static void spin(uint32_t n)
{
        for (volatile uint32_t i = 0; i < n; i++)
                ;
}

/* A call that blocks for a moment, outside any region. */
static void must_not_be_interrupted(void)
{
        struct timespec moment = {0, 20000 + (long)test_random(50000)};
        if (ppoll(NULL, 0, &moment, NULL) != 0)
                counts.stray++;
}

/* ---- the poke ---- */

static int poked(round_ *r)
{
        rein_hook h;
        char byte;
        int rc = rein_hook_open(&h, REIN_POKE, NULL);
        if (rc == REIN_ECANCELED) {
                counts.before++;
                return rc;
        }
        CHECK(rc == 0);
        r->stage = 2;
        spin(test_random(300));
        r->stage = 3;
        ssize_t n;
        int tries = 0;
        do {
                n = read(r->empty, &byte, 1);
                CHECK(n < 0 && errno == EINTR);
                tries++;
        } while (test_random(8) == 0); /* foreign code that makes its call again: it is poked again */
        rc = rein_hook_close(&h, 0);
        if (rc == REIN_ECANCELED)
                counts.in_call++;
        else
                counts.stray++; /* interrupted, though not by this region */
        return rc;
}

/* ---- a function ---- */

static _Thread_local atomic_uint *my_region; /* the number of the region this thread is in; 0: none */

typedef struct region {
        atomic_uint *current;
        unsigned number;
        int bell;
} region;

static void stop_it(void *arg)
{
        region *g = arg;
        uint64_t one = 1;
        CHECK(*g->current == g->number);
        spin(test_random(500));
        ssize_t n = write(g->bell, &one, sizeof one);
        (void)n; /* full is fine */
        counts.stops++;
        CHECK(*g->current == g->number); /* the close waits for us */
}

static atomic_uint region_numbers;

static int stopped_by_function(round_ *r)
{
        static _Thread_local atomic_uint current;
        rein_hook h;
        uint64_t count;
        my_region = &current;
        region g = {&current, ++region_numbers, r->bell};
        current = g.number;
        int rc = rein_hook_open(&h, stop_it, &g);
        if (rc == 0) {
                r->stage = 3;
                ssize_t n = read(r->bell, &count, sizeof count);
                CHECK(n == sizeof count);
                spin(test_random(2000));
                rc = rein_hook_close(&h, 0);
                CHECK(rc == REIN_ECANCELED);
                counts.in_call++;
        } else {
                CHECK(rc == REIN_ECANCELED);
                counts.before++;
        }
        current = 0;
        return rc;
}

/* ---- rounds ---- */

static int job(void *arg)
{
        round_ *r = *(round_ **)arg;
        rein_scope s;
        r->stage = 1;
        rein_scope_open(&s, r->by_deadline ? rein_after(test_random(60000)) : REIN_NEVER);
        spin(test_random(100));
        int rc = r->by_function ? stopped_by_function(r) : poked(r);
        must_not_be_interrupted();
        rc = rein_scope_close(&s, rc);
        must_not_be_interrupted();
        return rc;
}

static void *driver(void *arg)
{
        const bool by_function = arg != NULL;
        int ends[2];
        CHECK(pipe2(ends, O_CLOEXEC) == 0);
        int bell = eventfd(0, EFD_CLOEXEC);
        while (!effort_done(&todo, counts.in_call)) {
                uint64_t rest;
                round_ r = {
                        .empty = ends[0], .by_deadline = test_random(4) == 0, .by_function = by_function, .bell = bell};
                round_ *p = &r;
                rein_future *f = rein_submit(workers, job, &p, REIN_JOB(.arg_size = sizeof p, .on_worker = true));
                int at = (int)test_random(4);
                while (r.stage < at && rein_code(f) == REIN_EPENDING)
                        rn_pause((unsigned)at);
                spin(test_random(3000));
                if (!r.by_deadline)
                        CHECK(rein_cancel(f, "poked") != REIN_TOO_LATE);
                int rc = rein_await(f, NULL, REIN_NEVER);
                CHECK(rc == REIN_EFAILED);
                CHECK(rein_code(f) == (r.by_deadline ? REIN_ETIMEOUT : REIN_ECANCELED));
                rein_drop(f);
                fcntl(bell, F_SETFL, O_NONBLOCK);
                while (read(bell, &rest, sizeof rest) > 0)
                        ;
                fcntl(bell, F_SETFL, 0);
                counts.rounds++;
                progress();
        }
        close(ends[0]);
        close(ends[1]);
        close(bell);
        rein_fail(-1, "lets go of what the trail holds");
        return NULL;
}

static void fire_at_will(const char *name, long long full, void *by_function)
{
        phase(name);
        rein_executor *warm = rein_pool_new(NULL);
        rein_executor_free(warm); /* the clock's threads are there from now on */
        census then = census_now();
        counts.rounds = counts.before = counts.in_call = counts.stray = counts.stops = 0;
        todo = effort_of(full / TEST_SLOW, 1000);
        workers = rein_pool_new(REIN_POOL(.name = "poked", .threads = PAIRS));
        pthread_t t[PAIRS];
        int64_t began = rn_clock();
        for (int i = 0; i < PAIRS; i++)
                CHECK(pthread_create(&t[i], NULL, driver, by_function) == 0);
        for (int i = 0; i < PAIRS; i++)
                pthread_join(t[i], NULL);
        rein_executor_free(workers);
        census_returns_to(then);
        printf("%s: %lld rounds in %.1f s: %lld cancelled before the call, %lld in it; %lld stray interruptions\n",
               name, (long long)counts.rounds, (double)(rn_clock() - began) / 1e9, (long long)counts.before,
               (long long)counts.in_call, (long long)counts.stray);
        assert_int_equal(counts.stray, 0);
        assert_true(counts.in_call > 0);
}

static void a_poke_reaches_its_call_and_no_other(void **state)
{
        (void)state;
        fire_at_will("pokes", 80000, NULL);
}

static void a_hook_runs_inside_its_region_only(void **state)
{
        (void)state;
        fire_at_will("functions", 80000, (void *)1);
}

/* On a plain thread the poke is not blocked, and the cancel comes from another thread through a scope. */
static struct {
        rein_scope scope;
        atomic_int stage, canceled;
        atomic_bool over;
} plain;

static void *cancels_the_scope(void *arg)
{
        (void)arg;
        for (int seen = 0;; seen++) {
                while (plain.stage <= seen)
                        if (plain.over)
                                return NULL;
                        else
                                sched_yield();
                spin(test_random(2000));
                rein_scope_cancel(&plain.scope, "from outside");
                plain.canceled++;
        }
}

static void a_plain_thread_is_poked_too(void **state)
{
        (void)state;
        phase("plain");
        effort e = effort_of(20000 / TEST_SLOW, 500);
        int ends[2];
        char byte;
        pthread_t t;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(pthread_create(&t, NULL, cancels_the_scope, NULL), 0);
        counts.stray = 0;
        for (int n = 0; !effort_done(&e, n); n++) {
                rein_hook h;
                rein_scope_open(&plain.scope, REIN_NEVER);
                plain.stage++;
                int rc = rein_hook_open(&h, REIN_POKE, NULL);
                if (rc == 0) {
                        CHECK(read(ends[0], &byte, 1) < 0 && errno == EINTR);
                        rc = rein_hook_close(&h, 0);
                }
                assert_int_equal(rc, REIN_ECANCELED);
                must_not_be_interrupted();
                EVENTUALLY(plain.canceled == plain.stage);
                assert_int_equal(rein_scope_close(&plain.scope, rc), REIN_ESTOPPED);
                must_not_be_interrupted();
                progress();
        }
        plain.over = true;
        pthread_join(t, NULL);
        close(ends[0]);
        close(ends[1]);
        assert_int_equal(counts.stray, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_poke_reaches_its_call_and_no_other),
                cmocka_unit_test(a_hook_runs_inside_its_region_only),
                cmocka_unit_test(a_plain_thread_is_poked_too),
        };
        watchdog_start();
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        watchdog_stop();
        return failed;
}
