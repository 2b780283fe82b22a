/* SPDX-License-Identifier: Apache-2.0 */
/* Futures, by the million, under everything at once: submits, cancels, waits of all kinds, continuations, groups, shared
 * runs, promises that eight threads race for. Nothing is asserted about any single one of them: what is asserted is that
 * the sums are right. Each future settles once, each argument and each value is released once, each continuation runs
 * once or was taken back, and at the end executors and slabs are as they were. */
#include "faults.h"

enum { DRIVERS = 4, RACERS = 8, BATCH = 64 };

/* ---- what is counted; each on a line of its own ---- */

typedef struct tally {
        _Alignas(64) atomic_llong n;
} tally;

static struct {
        tally futures;                         /* made */
        tally good, failed, canceled, refused; /* settled, by the code their holder read */
        tally args_made, args_back, values_made, values_back;
        tally sum_sent, sum_got; /* what jobs were given, and what those that ran well found */
        tally nexts, nexts_ran, nexts_removed;
        tally unseen, jobs_failed_unheld;
} counts;

static void add(tally *t, long long n)
{
        atomic_fetch_add_explicit(&t->n, n, memory_order_relaxed);
}

static _Noreturn void wrong(int line, const char *what)
{
        fprintf(stderr, "future_storm_test.c:%d: %s\n", line, what);
        report_everybody();
        abort();
}

#define CHECK(condition)                                                                                               \
        do {                                                                                                           \
                if (!(condition))                                                                                      \
                        wrong(__LINE__, #condition);                                                                   \
        } while (0)

/* ---- jobs ---- */

typedef struct load {
        uint32_t number, what;
        atomic_uint runs, released;
} load;

enum { NOTHING, GIVES, FAILS, SLEEPS, YIELDS, KINDS };

static load *load_new(uint32_t what)
{
        load *l = malloc(sizeof *l);
        *l = (load){.number = test_random(1000), .what = what};
        add(&counts.args_made, 1);
        return l;
}

static void load_release(void *arg)
{
        load *l = arg;
        CHECK(l->released++ == 0);
        add(&counts.args_back, 1);
        free(l);
}

static void value_release(void *value)
{
        add(&counts.values_back, 1);
        free(value);
}

static int job(void *arg)
{
        load *l = arg;
        CHECK(l->runs++ == 0);
        CHECK(l->released == 0);
        uint32_t *value;
        switch (l->what) {
        case GIVES:
                value = malloc(sizeof *value);
                *value = l->number;
                add(&counts.values_made, 1);
                CHECK(rein_give(value, value_release) == 0);
                break;
        case FAILS:
                return rein_fail(-EIO, "job %u fails", l->number);
        case SLEEPS:
                return rein_sleep(rein_after(test_random(20000)));
        case YIELDS:
                sched_yield();
                if (rein_checkpoint() < 0)
                        return REIN_ECANCELED;
                break;
        default:
                break;
        }
        return (int)l->number;
}

static rein_future *submit(rein_executor *x, uint32_t what)
{
        load *l = load_new(what);
        return rein_submit(x, job, l, REIN_JOB(.release = load_release, .priority = (int)test_random(3)));
}

/* Read a settled future as its holder does, and drop it. */
static void account(rein_future *f)
{
        int code = rein_code(f);
        CHECK(code != REIN_EPENDING);
        if (code >= 0) {
                const uint32_t *value = rein_value(f, NULL);
                CHECK(!value || (int)*value == code);
                CHECK(!rein_error_of(f));
                add(&counts.good, 1);
        } else {
                CHECK(rein_error_code(rein_error_of(f)) == code);
                add(code == REIN_ECANCELED   ? &counts.canceled
                    : code == REIN_EREJECTED ? &counts.refused
                                             : &counts.failed,
                    1);
        }
        rein_drop(f);
}

static void await_and_account(rein_future *f)
{
        int rc = rein_await(f, NULL, REIN_NEVER);
        CHECK(rc == 0 || rc == REIN_EFAILED);
        account(f);
}

/* ---- what a driver does, many times, in any order; each returns how many futures it made ---- */

static uint32_t some_kind(void)
{
        uint32_t r = test_random(64);
        return r == 0 ? SLEEPS : r < 8 ? YIELDS : r < 24 ? GIVES : r < 32 ? FAILS : NOTHING;
}

static int flood(rein_executor *x)
{
        rein_future *f[BATCH];
        for (int i = 0; i < BATCH; i++)
                f[i] = submit(x, some_kind());
        for (int i = 0; i < BATCH; i++)
                await_and_account(f[i]);
        return BATCH;
}

static int cancel_some(rein_executor *x)
{
        rein_future *f[BATCH];
        for (int i = 0; i < BATCH; i++)
                f[i] = submit(x, some_kind());
        for (int i = 0; i < BATCH; i++) {
                if (test_random(2))
                        continue;
                rein_cancel_answer answer = rein_cancel(f[i], "the storm");
                if (answer == REIN_NEVER_STARTED)
                        EVENTUALLY(rein_code(f[i]) != REIN_EPENDING); /* another canceller may be at it */
                CHECK(answer != REIN_NEVER_STARTED || rein_code(f[i]) == REIN_ECANCELED);
        }
        CHECK(rein_wait_all(f, BATCH, REIN_NEVER) == 0);
        for (int i = 0; i < BATCH; i++)
                account(f[i]);
        return BATCH;
}

static int wait_for_any(rein_executor *x)
{
        rein_future *f[12];
        for (int i = 0; i < 12; i++)
                f[i] = submit(x, some_kind());
        int first = rein_wait_any(f, 12, REIN_NEVER);
        CHECK(first >= 0 && rein_code(f[first]) != REIN_EPENDING);
        int rc = rein_wait_first(f, 12, REIN_NEVER);
        CHECK(rc == REIN_EFAILED || (rc >= 0 && rein_code(f[rc]) >= 0));
        rein_done it;
        rein_done_open(&it, f, 12);
        unsigned seen = 0;
        for (int i; (i = rein_done_next(&it, REIN_NEVER)) != -ENOENT; seen |= 1u << i)
                CHECK(i >= 0 && i < 12 && !(seen & 1u << i));
        CHECK(seen == (1u << 12) - 1);
        rein_done_close(&it);
        for (int i = 0; i < 12; i++)
                account(f[i]);
        return 12;
}

static int count_next(rein_future *f, void *arg)
{
        CHECK(rein_code(f) != REIN_EPENDING);
        CHECK(atomic_fetch_add((atomic_uint *)arg, 1) == 0);
        add(&counts.nexts_ran, 1);
        return 0;
}

/* Continuations, some taken back, while the future settles. The flag of each is its proof of running once. */
static int continue_it(rein_executor *x)
{
        enum { N = 8, M = 3 };
        rein_future *f[N];
        rein_next *next[N][M];
        atomic_uint(*ran)[M] = calloc(N, sizeof *ran);
        bool taken[N][M] = {{false}};
        for (int i = 0; i < N; i++) {
                f[i] = submit(x, some_kind());
                for (int k = 0; k < M; k++) {
                        next[i][k] = rein_then(f[i], x, count_next, &ran[i][k]);
                        CHECK(next[i][k]);
                        add(&counts.nexts, 1);
                }
                if (test_random(2))
                        rein_cancel(f[i], NULL);
                int rc = rein_next_remove(next[i][1]);
                CHECK(rc == 0 || rc == REIN_EALREADY);
                taken[i][1] = rc == 0;
                add(&counts.nexts_removed, rc == 0);
        }
        for (int i = 0; i < N; i++) {
                for (int k = 0; k < M; k++)
                        EVENTUALLY(taken[i][k] || ran[i][k] == 1);
                CHECK(!taken[i][1] || ran[i][1] == 0);
                account(f[i]);
        }
        free(ran);
        return N;
}

/* Children of a group: their futures are the group's, and their failures are reported by its close. */
static int group_of_them(rein_executor *x)
{
        rein_group g;
        rein_policy policy = (rein_policy)test_random(4);
        int n = 1 + (int)test_random(12);
        rein_future *kept[12];
        rein_group_open(&g, REIN_GROUP(.policy = policy, .width = (int)test_random(4)));
        for (int i = 0; i < n; i++)
                kept[i] = rein_ref(
                        rein_spawn_future(&g, x, job, load_new(some_kind()), REIN_JOB(.release = load_release)));
        if (test_random(4) == 0)
                rein_group_cancel(&g, "the storm");
        int rc = rein_group_close(&g, 0);
        CHECK(rc == 0 || rc == REIN_EFAILED || rc == REIN_ESTOPPED);
        for (int i = 0; i < n; i++) {
                CHECK(rein_gone(kept[i]));
                account(kept[i]);
        }
        return n;
}

static int scope_over_an_await(rein_executor *x)
{
        rein_scope s;
        rein_future *f = submit(x, test_random(2) ? SLEEPS : YIELDS);
        rein_scope_open(&s, rein_after(test_random(4) ? test_random(30000) : INT64_MAX));
        int rc = rein_await(f, NULL, REIN_NEVER);
        CHECK(rc == 0 || rc == REIN_EFAILED || rc == REIN_ECANCELED);
        int closed = rein_scope_close(&s, rc);
        CHECK(closed == (rc == REIN_ECANCELED ? REIN_ETIMEOUT : rc));
        if (test_random(2))
                rein_cancel(f, NULL);
        await_and_account(f);
        return 1;
}

static int job_shared(void *arg)
{
        uint32_t *value = malloc(sizeof *value);
        *value = *(uint32_t *)arg;
        add(&counts.values_made, 1);
        CHECK(rein_give(value, value_release) == 0);
        return (int)*value;
}

static int share_it(rein_executor *x)
{
        static const char *const names[] = {"a", "b", "c"};
        rein_future *f[6];
        for (int i = 0; i < 6; i++) {
                uint32_t number = test_random(3);
                f[i] = rein_submit(x, job_shared, &number, REIN_JOB(.arg_size = sizeof number, .share = names[number]));
                if (test_random(4) == 0)
                        rein_cancel(f[i], NULL);
        }
        for (int i = 0; i < 6; i++)
                await_and_account(f[i]);
        return 6;
}

static int run_here(rein_executor *x)
{
        int rc = rein_on(x, job, load_new(some_kind()), REIN_JOB(.release = load_release));
        add(&counts.good, rc >= 0);
        add(&counts.failed, rc < 0);
        CHECK(rc >= 0 || rc == -EIO);
        return 1;
}

/* Nobody holds them: a failure is reported as unseen, exactly once. */
static int job_unheld(void *arg)
{
        load *l = arg;
        CHECK(l->runs++ == 0);
        if (l->what != FAILS)
                return 0;
        add(&counts.jobs_failed_unheld, 1);
        return -EIO;
}

static int let_them_go(rein_executor *x)
{
        for (int i = 0; i < 8; i++)
                rein_drop(rein_submit(x, job_unheld, load_new(test_random(4) ? NOTHING : FAILS),
                                      REIN_JOB(.release = load_release)));
        add(&counts.good, 8); /* or failed, which only the hook for the unseen is told */
        return 8;
}

/* A job that submits to its own pool and waits, so that permits are lent. */
static int job_waits_inside(void *arg)
{
        rein_executor *x = *(rein_executor **)arg;
        rein_future *f[3];
        for (int i = 0; i < 3; i++)
                f[i] = submit(x, some_kind());
        int rc = rein_wait_all(f, 3, REIN_NEVER);
        if (rc == REIN_ECANCELED)
                for (int i = 0; i < 3; i++)
                        EVENTUALLY(rein_code(f[i]) != REIN_EPENDING);
        for (int i = 0; i < 3; i++)
                account(f[i]);
        return rc;
}

static int wait_inside(rein_executor *x)
{
        rein_future *f = rein_submit(x, job_waits_inside, &x, REIN_JOB(.arg_size = sizeof x));
        await_and_account(f);
        return 4;
}

static int (*const moves[])(rein_executor *) = {flood,         cancel_some, wait_for_any, continue_it,
                                                group_of_them, share_it,    run_here,     scope_over_an_await,
                                                let_them_go,   wait_inside, flood,        cancel_some};

/* ---- the storm ---- */

static rein_executor *pools[2];
static effort todo;

static void *driver(void *arg)
{
        (void)arg;
        while (!effort_done(&todo, counts.futures.n)) {
                rein_executor *x = pools[test_random(2)];
                add(&counts.futures, moves[test_random(sizeof moves / sizeof *moves)](x));
                progress();
        }
        rein_fail(-1, "lets go of what the trail holds");
        return NULL;
}

static void unseen(const rein_error *e, void *arg)
{
        (void)arg;
        CHECK(rein_error_code(e) == -EIO);
        add(&counts.unseen, 1);
}

static void run_threads(void *(*fn)(void *), int n, void *arg)
{
        pthread_t t[16];
        for (int i = 0; i < n; i++)
                CHECK(pthread_create(&t[i], NULL, fn, arg) == 0);
        for (int i = 0; i < n; i++)
                CHECK(pthread_join(t[i], NULL) == 0);
}

static void storm(void **state)
{
        (void)state;
        rein_executor *warm = rein_pool_new(NULL);
        rein_executor_free(warm); /* the clock's threads are there from now on */
        census then = census_now();
        phase("storm");
        todo = effort_of(20000000 / (TEST_SLOW * TEST_SLOW), 20000);
        rein_on_unseen(unseen, NULL);
        int64_t began = rn_clock();
        pools[0] = rein_pool_new(REIN_POOL(.name = "storm", .threads = 3));
        pools[1] = rein_pool_new(REIN_POOL(.name = "narrow", .threads = 1, .queue_max = 32, .full = REIN_FULL_WAIT));
        run_threads(driver, DRIVERS, NULL);
        for (int i = 0; i < 2; i++) {
                EVENTUALLY(rein_executor_unfinished(pools[i]) == 0);
                rein_executor_free(pools[i]);
        }
        printf("%lld futures in %.1f s: %lld good, %lld failed, %lld cancelled, %lld refused; %lld continuations, of which "
               "%lld taken back; %lld unseen\n",
               counts.futures.n, (double)(rn_clock() - began) / 1e9, counts.good.n, counts.failed.n, counts.canceled.n,
               counts.refused.n, counts.nexts.n, counts.nexts_removed.n, counts.unseen.n);
        census_returns_to(then);
        assert_int_equal(counts.futures.n, counts.good.n + counts.failed.n + counts.canceled.n + counts.refused.n);
        assert_int_equal(counts.args_made.n, counts.args_back.n);
        assert_int_equal(counts.values_made.n, counts.values_back.n);
        assert_int_equal(counts.nexts.n, counts.nexts_ran.n + counts.nexts_removed.n);
        assert_int_equal(counts.unseen.n, counts.jobs_failed_unheld.n);
        assert_int_equal(counts.refused.n, 0);
        rein_on_unseen(NULL, NULL);
}

/* ---- a promise and eight who want to answer it ---- */

static struct {
        rein_promise *promise[BATCH];
        pthread_barrier_t start, end;
        atomic_llong won, lost, dropped;
        bool over;
} race;

static void *racer(void *arg)
{
        (void)arg;
        for (;;) {
                pthread_barrier_wait(&race.start);
                if (race.over)
                        return NULL;
                for (int i = 0; i < BATCH; i++) {
                        uint32_t *value = malloc(sizeof *value);
                        rein_promise *p = race.promise[i];
                        int rc;
                        add(&counts.values_made, 1);
                        if (test_random(2)) {
                                rc = rein_promise_keep(p, value, value_release);
                                if (rc != 0)
                                        value_release(value);
                        } else {
                                rc = rein_promise_break(p, -EIO, "broken by one of %d", RACERS);
                                value_release(value);
                        }
                        CHECK(rc == 0 || rc == REIN_EALREADY);
                        race.won += rc == 0;
                        race.lost += rc == REIN_EALREADY;
                        rein_promise_drop(p);
                }
                pthread_barrier_wait(&race.end);
        }
}

static void one_winner(void **state)
{
        (void)state;
        phase("promise race");
        effort e = effort_of(1000000 / (TEST_SLOW * TEST_SLOW), 2000);
        census then = census_now();
        counts.values_made.n = counts.values_back.n = 0;
        pthread_barrier_init(&race.start, NULL, RACERS + 1);
        pthread_barrier_init(&race.end, NULL, RACERS + 1);
        pthread_t t[RACERS];
        for (int i = 0; i < RACERS; i++)
                CHECK(pthread_create(&t[i], NULL, racer, NULL) == 0);
        long long made = 0;
        for (; !effort_done(&e, made); made += BATCH) {
                rein_future *f[BATCH];
                for (int i = 0; i < BATCH; i++) {
                        race.promise[i] = rein_promise_new(&f[i]);
                        CHECK(race.promise[i]);
                        for (int k = 1; k < RACERS; k++)
                                CHECK(rein_promise_ref(race.promise[i]) == race.promise[i]);
                }
                pthread_barrier_wait(&race.start);
                CHECK(rein_wait_all(f, BATCH, REIN_NEVER) == 0);
                pthread_barrier_wait(&race.end);
                for (int i = 0; i < BATCH; i++) {
                        int code = rein_code(f[i]);
                        CHECK(code == 0 || code == -EIO);
                        CHECK((code == 0) == (rein_value(f[i], NULL) != NULL));
                        rein_drop(f[i]);
                }
                progress();
        }
        race.over = true;
        pthread_barrier_wait(&race.start);
        for (int i = 0; i < RACERS; i++)
                pthread_join(t[i], NULL);
        printf("%lld promises, %d who answered each: %lld won, %lld were told REIN_EALREADY\n", made, RACERS,
               (long long)race.won, (long long)race.lost);
        assert_int_equal(race.won, made);
        assert_int_equal(race.lost, made * (RACERS - 1));
        assert_int_equal(counts.values_made.n, counts.values_back.n);
        census_returns_to(then);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(storm), cmocka_unit_test(one_winner)};
        watchdog_start();
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        watchdog_stop();
        return failed;
}
