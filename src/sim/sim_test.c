/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator from outside: each way to fail is found, named and replayed; what its calls answer where; virtual time. */
#include "support.h"

#include "crew.h"

#include <fcntl.h>
#include <poll.h>

static rein_sim_report report;

static int explore(rein_fn fn, uint32_t faults)
{
        report = (rein_sim_report){.size = sizeof report};
        return rein_sim_explore(
                REIN_SIM(.name = "wrong", .quiet = true, .faults = faults, .max_steps = 3000, .report = &report), fn,
                NULL);
}

static int replay(rein_fn fn, const char *trace)
{
        report = (rein_sim_report){.size = sizeof report};
        return rein_sim_run(
                REIN_SIM(.name = "wrong", .quiet = true, .max_steps = 3000, .replay = trace, .report = &report), fn,
                NULL);
}

static int explore_at_random(rein_fn fn, uint32_t faults)
{
        report = (rein_sim_report){.size = sizeof report};
        return rein_sim_explore(REIN_SIM(.generator = REIN_SIM_RANDOM, .schedules = 300, .faults = faults,
                                         .max_steps = 3000, .quiet = true, .report = &report),
                                fn, NULL);
}

/* ---- one wrong program for each way to fail ---- */

static int answers_code(void *arg)
{
        (void)arg;
        return rein_fail(-EIO, "the disk is on fire");
}

static int check_fails(void *arg)
{
        (void)arg;
        CHECK(rein_sim_choose(7) != 3);
        return 0;
}

static void half_an_update(void *arg)
{
        atomic_int *n = arg;
        int was = atomic_load(n);
        rein_sim_point("between");
        atomic_store(n, was + 1);
}

static int lost_update(void *arg)
{
        (void)arg;
        atomic_int n = 0;
        crew c = {0};
        hand h[2];
        crew_go(&c, &h[0], "one", half_an_update, &n);
        crew_go(&c, &h[1], "other", half_an_update, &n);
        crew_join(&c);
        CHECK(atomic_load(&n) == 2);
        return 0;
}

static int waits_for_ever(void *arg)
{
        (void)arg;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        (void)rein_await(f, NULL, REIN_NEVER);
        rein_promise_drop(p);
        rein_drop(f);
        return 0;
}

typedef struct pair {
        int locks[2];
        atomic_int held[2];
} pair;

static void lock(atomic_int *l)
{
        while (atomic_exchange(l, 1))
                (void)rein_sim_sleep_on(l, "waits for a lock of its own", REIN_NEVER);
}

static void unlock(atomic_int *l)
{
        atomic_store(l, 0);
        (void)rein_sim_wake(l, 1);
}

static void takes_ba(void *arg)
{
        pair *p = arg;
        lock(&p->held[1]);
        rein_sim_point("holds the second");
        lock(&p->held[0]);
        unlock(&p->held[0]);
        unlock(&p->held[1]);
}

static int takes_ab(void *arg)
{
        (void)arg;
        pair p = {0};
        crew c = {0};
        hand h;
        crew_go(&c, &h, "ba", takes_ba, &p);
        lock(&p.held[0]);
        rein_sim_point("holds the first");
        lock(&p.held[1]);
        unlock(&p.held[1]);
        unlock(&p.held[0]);
        crew_join(&c);
        return 0;
}

static void says_ready(void *arg)
{
        atomic_store((atomic_int *)arg, 1);
        (void)rein_sim_wake(arg, 1);
}

static int lost_wakeup(void *arg)
{
        (void)arg;
        atomic_int ready = 0;
        crew c = {0};
        hand h;
        crew_go(&c, &h, "waker", says_ready, &ready);
        if (!atomic_load(&ready)) {
                rein_sim_point("looked, does not sleep yet");
                (void)rein_sim_sleep_on(&ready, "sleeps without a second look", REIN_NEVER);
        }
        crew_join(&c);
        return 0;
}

static int livelock(void *arg)
{
        (void)arg;
        atomic_int never = 0;
        while (!atomic_load(&never))
                rein_sim_point("spins");
        return 0;
}

static void sleeps(void *arg)
{
        (void)rein_sim_sleep_on(arg, "sleeps for ever", REIN_NEVER);
}

static int leaves_a_task(void *arg)
{
        (void)arg;
        static int nothing;
        return rein_sim_start("orphan", sleeps, &nothing);
}

static int leaks_a_future(void *arg)
{
        (void)arg;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        (void)rein_promise_keep(p, NULL, NULL);
        rein_promise_drop(p);
        return 0;
}

static int leaks_a_pool(void *arg)
{
        (void)arg;
        (void)rein_pool_new(REIN_POOL(.name = "forgotten", .threads = 1));
        return 0;
}

static int leaks_a_descriptor(void *arg)
{
        (void)arg;
        int fds[2];
        return rein_sim_pipe(fds, 1);
}

static int leaks_a_scope(void *arg)
{
        (void)arg;
        static rein_scope s;
        rein_scope_open(&s, REIN_NEVER);
        return 0;
}

static int fails_unseen(void *arg)
{
        (void)arg;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        rein_drop(rein_submit(pool, job_fail, NULL, NULL));
        (void)rein_executor_stop(pool, REIN_STOP_QUEUED, REIN_NEVER, NULL);
        rein_executor_free(pool);
        return 0;
}

static int reads_a_real_pipe(void *arg)
{
        (void)arg;
        char byte;
        return (int)rein_read(0, &byte, 1, REIN_NEVER);
}

static int refuses(void *arg)
{
        (void)arg;
        return rein_sim_refuse("was about to fork");
}

static int remembers(void *arg)
{
        static int runs;
        (void)arg;
        if (runs++ % 2)
                rein_sim_point("every second time");
        return 0;
}

static const struct {
        const char *name;
        rein_fn fn;
        int ended;
        const char *text;
        int preemptions; /* after shrinking */
} wrong[] = {
        {"answers a code", answers_code, REIN_SIM_FAILED, "EIO: the disk is on fire", 0},
        {"a check fails", check_fails, REIN_SIM_FAILED, "check failed: rein_sim_choose(7) != 3", 0},
        {"lost update", lost_update, REIN_SIM_FAILED, "check failed: ", 1},
        {"waits for ever", waits_for_ever, REIN_SIM_DEADLOCK, "'main' is in rein_await", 0},
        {"two locks", takes_ab, REIN_SIM_DEADLOCK, "waits for a lock of its own", 1},
        {"lost wake-up", lost_wakeup, REIN_SIM_DEADLOCK, "sleeps without a second look", 1},
        {"livelock", livelock, REIN_SIM_LIVELOCK, "no end after max_steps", 0},
        {"left running", leaves_a_task, REIN_SIM_LEFT_RUNNING, "'orphan' sleeps for ever", 0},
        {"future not dropped", leaks_a_future, REIN_SIM_LEAK, "never given back", 0},
        {"pool not freed", leaks_a_pool, REIN_SIM_LEAK, "the executor 'forgotten' was not freed", 0},
        {"descriptor left open", leaks_a_descriptor, REIN_SIM_LEAK, "2 descriptors were left open", 0},
        {"scope not closed", leaks_a_scope, REIN_SIM_LEAK, "'main' ended with a scope opened at ", 0},
        {"unseen failure", fails_unseen, REIN_SIM_UNSEEN, "EIO: the disk is on fire", 0},
        {"real descriptor", reads_a_real_pipe, REIN_SIM_MISUSE, "'main' ", 0},
        {"refused", refuses, REIN_SIM_MISUSE, "'main' was about to fork", 0},
};

static void each_failure_is_found_named_and_replayed(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(wrong); i++) {
                int rc = explore(wrong[i].fn, 0);
                if (rc != REIN_EFOUND || report.ended != wrong[i].ended)
                        fail_msg("%s: answered %d, ended %d", wrong[i].name, rc, report.ended);
                const rein_error *e = rein_trail();
                assert_int_equal(rein_error_code(e), REIN_EFOUND);
                if (!strstr(rein_error_text(e), wrong[i].text) || !strstr(rein_error_text(e), "'wrong': "))
                        fail_msg("%s: the text is '%s'", wrong[i].name, rein_error_text(e));
                assert_int_equal(report.preemptions, wrong[i].preemptions);
                assert_true(report.until_found > 0 && report.until_found <= 1000 && report.trace);
                char *trace = strdup(report.trace);
                uint64_t hash = 0;
                for (int k = 0; k < 2; k++) {
                        assert_int_equal(replay(wrong[i].fn, trace), REIN_EFOUND);
                        assert_int_equal(report.ended, wrong[i].ended);
                        assert_int_equal(report.schedules, 1);
                        assert_string_equal(report.trace, trace);
                        assert_true(k == 0 || hash == report.hash);
                        hash = report.hash;
                }
                free(trace);
        }
}

static void what_is_left_from_the_run_before_is_unstable(void **state)
{
        (void)state;
        assert_int_equal(explore(remembers, 0), REIN_EFOUND);
        assert_int_equal(report.ended, REIN_SIM_UNSTABLE);
        assert_int_equal(report.until_found, 16);
        assert_non_null(strstr(rein_error_text(rein_trail()), "left over from the run before"));
}

static void a_schedule_of_a_passing_program_passes(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++)
                assert_int_equal(rein_sim_run(REIN_SIM(.seed = seed, .quiet = true), job_seven, NULL), 7);
        assert_int_equal(rein_sim_run(NULL, job_seven, NULL), 7);
        assert_int_equal(rein_sim_explore(REIN_SIM(.schedules = 17), job_seven, NULL), 0);
}

/* ---- what the calls answer, and where ---- */

static void options_are_looked_at(void **state)
{
        (void)state;
        rein_sim_report small = {.size = 4};
        assert_int_equal(rein_sim_run(REIN_SIM(.generator = REIN_SIM_DFS + 1), job_seven, NULL), -EINVAL);
        assert_int_equal(rein_sim_run(REIN_SIM(.depth = 1), job_seven, NULL), -EINVAL);
        assert_int_equal(rein_sim_run(REIN_SIM(.depth = 9), job_seven, NULL), -EINVAL);
        assert_int_equal(rein_sim_run(REIN_SIM(.faults = REIN_SIM_TWICE * 2), job_seven, NULL), -EINVAL);
        assert_int_equal(rein_sim_run(REIN_SIM(.report = &small), job_seven, NULL), -EINVAL);
        assert_int_equal(rein_sim_run(REIN_SIM(.name = "x"), NULL, NULL), -EINVAL);
        assert_int_equal(rein_sim_explore(NULL, NULL, NULL), -EINVAL);
        assert_int_equal(rein_sim_run(&(rein_sim_opts){.size = 0}, job_seven, NULL), -EINVAL);
        assert_int_equal(rein_sim_run(REIN_SIM(.reserved = {1}), job_seven, NULL), -E2BIG);
}

static void the_environment_overrides(void **state)
{
        (void)state;
        rein_sim_report r = {.size = sizeof r};
        setenv("REIN_SIM_SCHEDULES", "7", 1);
        assert_int_equal(rein_sim_explore(REIN_SIM(.schedules = 100, .report = &r), job_seven, NULL), 0);
        assert_int_equal(r.schedules, 7);
        setenv("REIN_SIM_SCHEDULES", "seven", 1);
        assert_int_equal(rein_sim_explore(REIN_SIM(.schedules = 9, .report = &r), job_seven, NULL), 0);
        assert_int_equal(r.schedules, 9);
        unsetenv("REIN_SIM_SCHEDULES");
        rein_sim_report one = {.size = sizeof one};
        assert_int_equal(rein_sim_run(REIN_SIM(.seed = 5, .report = &one), takes_ab, NULL) != -EINVAL, 1);
        setenv("REIN_SIM_SEED", "5", 1);
        (void)rein_sim_run(REIN_SIM(.seed = 77, .quiet = true, .report = &r), takes_ab, NULL);
        unsetenv("REIN_SIM_SEED");
        assert_true(r.hash == one.hash);
}

static int inside(void *arg)
{
        CHECK(rein_simulated());
        CHECK(rein_sim_run(NULL, job_seven, NULL) == -EPERM);
        CHECK(rein_sim_explore(NULL, job_seven, NULL) == -EPERM);
        struct outside {
                rein_executor *pool;
                rein_future *f;
                rein_promise *p;
        } *o = arg;
        CHECK(rein_await(o->f, NULL, REIN_NEVER) == -EPERM);
        CHECK(rein_promise_keep(o->p, NULL, NULL) == -EPERM);
        CHECK(rein_executor_stop(o->pool, REIN_STOP_NOW, REIN_NEVER, NULL) == -EPERM);
        rein_future *f = rein_submit(o->pool, job_seven, NULL, NULL);
        CHECK(rein_code(f) == -EPERM);
        rein_drop(f);
        return 0;
}

static void one_at_a_time_and_each_to_its_own_objects(void **state)
{
        (void)state;
        struct outside {
                rein_executor *pool;
                rein_future *f;
                rein_promise *p;
        } o;
        o.pool = rein_pool_new(REIN_POOL(.threads = 1));
        o.p = rein_promise_new(&o.f);
        assert_int_equal(rein_sim_explore(REIN_SIM(.schedules = 20), inside, &o), 0);
        rein_future *f = rein_submit(o.pool, job_seven, NULL, NULL); /* and outside nothing has changed */
        assert_int_equal(rein_await(f, NULL, REIN_NEVER), 0);
        rein_drop(f);
        assert_int_equal(rein_promise_keep(o.p, NULL, NULL), 0);
        rein_promise_drop(o.p);
        rein_drop(o.f);
        rein_executor_free(o.pool);
}

typedef struct two_threads {
        sem_t inside, tried;
        int answer;
} two_threads;

static void *tries(void *arg)
{
        two_threads *t = arg;
        while (sem_wait(&t->inside) != 0)
                ;
        t->answer = rein_sim_run(NULL, job_seven, NULL);
        sem_post(&t->tried);
        return NULL;
}

static int lets_try(void *arg)
{
        two_threads *t = arg;
        sem_post(&t->inside);
        while (sem_wait(&t->tried) != 0) /* foreign: the other thread of the process is real */
                ;
        return 0;
}

static void another_thread_is_told_busy(void **state)
{
        (void)state;
        two_threads t = {.answer = 0};
        sem_init(&t.inside, 0, 0);
        sem_init(&t.tried, 0, 0);
        pthread_t other = go(tries, &t);
        assert_int_equal(rein_sim_run(NULL, lets_try, &t), 0);
        join(other);
        assert_int_equal(t.answer, -EBUSY);
        assert_int_equal(rein_sim_run(NULL, job_seven, NULL), 7);
}

static void outside_of_a_simulation(void **state)
{
        (void)state;
        int fds[2], word;
        assert_false(rein_simulated());
        rein_sim_point("nothing happens");
        assert_int_equal(rein_sim_choose(9), 0);
        assert_int_equal(rein_sim_choose(0), 0);
        rein_sim_check(true);
        assert_int_equal(rein_sim_pipe(fds, 1), -EPERM);
        assert_int_equal(rein_sim_raise(SIGTERM), -EPERM);
        assert_int_equal(rein_sim_start("x", sleeps, NULL), -EPERM);
        assert_int_equal(rein_sim_sleep_on(&word, "x", REIN_NEVER), -EPERM);
        assert_int_equal(rein_sim_wake(&word, 1), -EPERM);
        assert_int_equal(rein_sim_refuse("x"), -EPERM);
        assert_int_equal(rein_sim_block(REIN_NEVER), -EPERM);
}

static void one_point(void *arg)
{
        (void)arg;
        rein_sim_point("one");
}

static void stays(void *arg)
{
        atomic_int *let_go = arg;
        while (!atomic_load(let_go))
                rein_sim_sleep_on(let_go, "stays", REIN_NEVER);
}

static int many(void *arg)
{
        (void)arg;
        atomic_int let_go = 0;
        crew c = {0};
        hand h[63];
        for (int i = 0; i < 63; i++)
                crew_go(&c, &h[i], "one", stays, &let_go);
        CHECK(rein_sim_start("one too many", sleeps, NULL) == -EAGAIN);
        atomic_store(&let_go, 1);
        rein_sim_wake(&let_go, 63);
        crew_join(&c);
        return 0;
}

static void there_are_64_tasks(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_explore(REIN_SIM(.schedules = 20), many, NULL), 0);
}

static int one_after_the_other(void *arg)
{
        (void)arg;
        for (int i = 0; i < 300; i++) {
                crew c = {0};
                hand h;
                crew_go(&c, &h, "one", one_point, NULL);
                crew_join(&c);
        }
        return 0;
}

static void but_more_than_64_one_after_the_other(void **state)
{
        (void)state;
        assert_int_equal(rein_sim_explore(REIN_SIM(.schedules = 40), one_after_the_other, NULL), 0);
}

/* ---- the process goes on ---- */

static atomic_int works_on;

static void *uses_a_pool(void *arg)
{
        (void)arg;
        atomic_int n = 0;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        int done = 0;
        do {
                rein_future *f = rein_submit(pool, job_count, &n, NULL);
                if (rein_await(f, NULL, REIN_NEVER) != 0)
                        return NULL;
                rein_drop(f);
                done++;
        } while (atomic_load(&works_on) || done < 200);
        rein_executor_free(pool);
        return atomic_load(&n) == done ? pool : NULL;
}

static int small_pool(void *arg)
{
        atomic_int n = 0;
        (void)arg;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        rein_future *f = rein_submit(pool, job_count, &n, NULL);
        int rc = rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        rein_executor_free(pool);
        return rc == 0 && atomic_load(&n) == 1 ? 0 : -EPROTO;
}

static void real_threads_go_on_undisturbed(void **state)
{
        (void)state;
        atomic_store(&works_on, 1);
        pthread_t other = go(uses_a_pool, NULL);
        assert_int_equal(rein_sim_explore(REIN_SIM(.schedules = 1000), small_pool, NULL), 0);
        atomic_store(&works_on, 0);
        void *ok;
        pthread_join(other, &ok);
        assert_non_null(ok);
}

/* ---- time ---- */

static int backs_off(void *arg)
{
        rein_time began = rein_now();
        int64_t sum = 0;
        for (int64_t s = 1; s <= 2048; s *= 2) {
                CHECK(rein_sleep(rein_after(REIN_SEC(s))) == 0);
                sum += REIN_SEC(s);
                CHECK(rein_now().ns - began.ns == sum);
        }
        CHECK(sum == REIN_SEC(4095));
        CHECK(rein_sleep(rein_after(REIN_SEC(100 * 3600))) == 0);
        *(int64_t *)arg = rein_now().ns - began.ns;
        return 0;
}

static void time_is_virtual(void **state)
{
        (void)state;
        int64_t span = 0;
        assert_int_equal(rein_sim_explore(REIN_SIM(.schedules = 50, .generator = REIN_SIM_RANDOM), backs_off, &span),
                         0);
        assert_true(span == REIN_SEC(4095 + 360000));
}

/* ---- chance ---- */

static int fails_once(void *arg)
{
        bool *failed = arg;
        if (*failed)
                return 0;
        *failed = true;
        return -EAGAIN;
}

/* How long a retry waits is drawn at random: the same in every schedule, whatever draws the schedule itself. */
static int backs_off_by_chance(void *arg)
{
        int64_t *first = arg;
        bool failed = false;
        crew c = {0};
        hand h;
        crew_go(&c, &h, "one", one_point, NULL); /* something to choose */
        const rein_time began = rein_now();
        CHECK(rein_retry(REIN_RETRY(.tries = 2, .delay_ns = REIN_SEC(20)), fails_once, &failed) == 0);
        const int64_t took = rein_now().ns - began.ns;
        CHECK(took > 0 && (*first == 0 || took == *first));
        *first = took;
        crew_join(&c);
        return 0;
}

static void random_numbers_are_the_same_in_every_schedule(void **state)
{
        (void)state;
        int64_t first = 0;
        assert_int_equal(
                rein_sim_explore(REIN_SIM(.generator = REIN_SIM_RANDOM, .schedules = 100), backs_off_by_chance, &first),
                0);
        assert_true(first > 0);
}

/* ---- faults ---- */

static atomic_int poor_promises, poor_threads, poor_descriptors, spurious, early, early_of_descriptors;

static void nothing(void *arg)
{
        (void)arg;
}

static int looks_for_faults(void *arg)
{
        (void)arg;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        atomic_fetch_add(&poor_promises, p == NULL);
        rein_promise_drop(p);
        if (p)
                (void)rein_error_of(f);
        rein_drop(f);
        atomic_fetch_add(&poor_threads, rein_sim_start("x", nothing, NULL) == -EAGAIN);
        int fds[2];
        int rc = rein_sim_pipe(fds, 4);
        atomic_fetch_add(&poor_descriptors, rc == -EMFILE);
        for (int i = 0; rc == 0 && i < 2; i++)
                (void)rein_close(fds[i]);
        atomic_fetch_add(&spurious, rein_sim_sleep_on(&spurious, "x", rein_after(1)) == 0);
        return 0;
}

static atomic_int steps_of_other;

static void ten_steps(void *arg)
{
        (void)arg;
        for (int i = 0; i < 10; i++) {
                rein_sim_point("works");
                atomic_fetch_add(&steps_of_other, 1);
        }
}

static int racy_clock(void *arg)
{
        (void)arg;
        crew c = {0};
        hand h;
        atomic_store(&steps_of_other, 0);
        crew_go(&c, &h, "works", ten_steps, NULL);
        int rc = rein_sim_sleep_on(&early, "x", rein_after(1));
        atomic_fetch_add(&early, rc == REIN_ETIMEOUT && atomic_load(&steps_of_other) < 10);
        crew_join(&c);
        return 0;
}

static int racy_wait_for_a_descriptor(void *arg)
{
        (void)arg;
        int fds[2];
        crew c = {0};
        hand h;
        CHECK(rein_sim_pipe(fds, 1) == 0);
        atomic_store(&steps_of_other, 0);
        crew_go(&c, &h, "works", ten_steps, NULL);
        int rc = rein_wait_fd(fds[0], POLLIN, rein_after(REIN_MS(1)));
        atomic_fetch_add(&early_of_descriptors, rc == REIN_ETIMEOUT && atomic_load(&steps_of_other) < 10);
        crew_join(&c);
        return rein_close(fds[0]) | rein_close(fds[1]);
}

static void each_fault_comes_when_asked_for_and_only_then(void **state)
{
        (void)state;
        atomic_int *const seen[] = {&poor_promises, &poor_threads, &poor_descriptors, &spurious, &early};
        static const uint32_t fault[] = {REIN_SIM_ALLOC, REIN_SIM_THREAD, REIN_SIM_FD, REIN_SIM_SPURIOUS,
                                         REIN_SIM_EARLY};
        for (size_t i = 0; i <= COUNT(seen); i++) {
                for (size_t k = 0; k < COUNT(seen); k++)
                        atomic_store(seen[k], 0);
                const rein_sim_opts *o = REIN_SIM(.schedules = 300, .generator = REIN_SIM_RANDOM, .quiet = true,
                                                  .faults = i < COUNT(seen) ? fault[i] : 0);
                assert_int_equal(rein_sim_explore(o, looks_for_faults, NULL), 0);
                if (i >= COUNT(seen) || fault[i] != REIN_SIM_THREAD) /* it needs one */
                        assert_int_equal(rein_sim_explore(o, racy_clock, NULL), 0);
                for (size_t k = 0; k < COUNT(seen); k++)
                        if ((atomic_load(seen[k]) > 0) != (k == i))
                                fail_msg("fault %zu: %d of fault %zu", i, atomic_load(seen[k]), k);
        }
}

static void the_racy_clock_ends_each_kind_of_wait(void **state)
{
        (void)state;
        static const uint32_t generators[] = {REIN_SIM_RANDOM, REIN_SIM_RANDOM, REIN_SIM_MIXED};
        static const uint32_t faults[] = {0, REIN_SIM_EARLY, 0}; /* a tenth of the mixed ones have it unasked */
        for (size_t i = 0; i < COUNT(faults); i++) {
                const rein_sim_opts *o =
                        REIN_SIM(.schedules = 400, .generator = generators[i], .faults = faults[i], .quiet = true);
                atomic_store(&early, 0);
                atomic_store(&early_of_descriptors, 0);
                assert_int_equal(rein_sim_explore(o, racy_clock, NULL), 0);
                assert_int_equal(rein_sim_explore(o, racy_wait_for_a_descriptor, NULL), 0);
                assert_int_equal(atomic_load(&early) > 0, i > 0);
                assert_int_equal(atomic_load(&early_of_descriptors) > 0, i > 0);
        }
}

/* ---- foreign code ---- */

static int foreign(void *arg)
{
        rein_hook hook;
        (void)arg;
        CHECK(rein_sim_block(rein_after(5)) == 0);
        CHECK(rein_hook_open(&hook, REIN_POKE, NULL) == 0);
        const int rc = rein_sim_block(REIN_NEVER);
        CHECK(rc == -EINTR);
        return rein_hook_close(&hook, rc);
}

static int pokes_foreign_code(void *arg)
{
        (void)arg;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(pool, foreign, NULL, NULL);
        CHECK(rein_sleep(rein_after(REIN_SEC(1))) == 0); /* it blocks by then */
        CHECK(rein_cancel(f, "enough") == REIN_ASKED);
        CHECK(rein_await(f, NULL, REIN_NEVER) == REIN_EFAILED || rein_code(f) == REIN_ECANCELED);
        rein_drop(f);
        rein_executor_free(pool);
        return 0;
}

static void foreign_code_ends_by_a_poke_or_by_the_clock(void **state)
{
        (void)state;
        assert_int_equal(explore_at_random(pokes_foreign_code, 0), 0);
}

/* ---- slow tasks ---- */

enum { TURNS = 60, IN_A_ROW = 30 };

static atomic_int alone, most_alone;

/* How many steps it takes between two of the main task. */
static void works_beside(void *arg)
{
        (void)arg;
        for (int i = 0; i < TURNS; i++) {
                rein_sim_point("works");
                int n = atomic_fetch_add(&alone, 1) + 1;
                if (n > atomic_load(&most_alone))
                        atomic_store(&most_alone, n);
        }
}

static int takes_turns(void *arg)
{
        (void)arg;
        crew c = {0};
        hand h;
        atomic_store(&alone, 0);
        crew_go(&c, &h, "beside", works_beside, NULL);
        for (int i = 0; i < TURNS; i++) {
                rein_sim_point("takes its turn");
                atomic_store(&alone, 0);
        }
        atomic_store(&alone, -TURNS); /* from here on it waits */
        crew_join(&c);
        return 0;
}

static void polls(void *arg)
{
        while (!atomic_load((atomic_int *)arg))
                rein_sim_point("polls");
}

static int is_polled_for(void *arg)
{
        (void)arg;
        atomic_int there = 0;
        crew c = {0};
        hand h;
        crew_go(&c, &h, "polls", polls, &there);
        for (int i = 0; i < TURNS; i++)
                rein_sim_point("takes its time");
        atomic_store(&there, 1);
        crew_join(&c);
        return 0;
}

static void a_slow_task_is_left_aside_and_comes_back(void **state)
{
        (void)state;
        atomic_store(&most_alone, 0);
        assert_int_equal(explore_at_random(takes_turns, 0), 0);
        assert_true(atomic_load(&most_alone) < IN_A_ROW);
        assert_int_equal(explore_at_random(takes_turns, REIN_SIM_SLOW), 0);
        assert_true(atomic_load(&most_alone) >= IN_A_ROW);
        assert_int_equal(explore_at_random(is_polled_for, REIN_SIM_SLOW),
                         0); /* and comes back although it is polled for */
}

static int polls_for_another(void *arg)
{
        (void)arg;
        atomic_int there = 0;
        crew c = {0};
        hand h;
        crew_go(&c, &h, "says ready", says_ready, &there);
        polls(&there);
        crew_join(&c);
        return 0;
}

/* Without a preemption the one that polls goes on until the last fifth of the steps. */
static void who_polls_for_another_is_no_livelock(void **state)
{
        (void)state;
        rein_sim_report r = {.size = sizeof r};
        assert_int_equal(rein_sim_explore(REIN_SIM(.generator = REIN_SIM_DFS, .bound = 1, .schedules = 20,
                                                   .max_steps = 500, .quiet = true, .report = &r),
                                          polls_for_another, NULL),
                         0);
        assert_in_range(r.longest, 400, 499);
}

/* ---- the sleeper that is woken ---- */

enum { SLEEPERS = 4 };

static atomic_int stood, went, line[SLEEPERS], order[SLEEPERS];

static void stands_in_line(void *arg)
{
        const int me = (int)(intptr_t)arg;
        atomic_store(&line[atomic_fetch_add(&stood, 1)], me);
        CHECK(rein_sim_sleep_on(line, "stands in line", REIN_NEVER) == 0);
        atomic_store(&order[atomic_fetch_add(&went, 1)], me);
}

/* All that can go on has gone on when the time passes. */
static void lets_others_go_on(void)
{
        CHECK(rein_sleep(rein_after(1)) == 0);
}

static int wakes_a_line(void *arg)
{
        (void)arg;
        crew c = {0};
        hand h[SLEEPERS];
        atomic_store(&stood, 0);
        atomic_store(&went, 0);
        for (int i = 0; i < SLEEPERS; i++)
                crew_go(&c, &h[i], "sleeper", stands_in_line, (void *)(intptr_t)i);
        lets_others_go_on();
        CHECK(atomic_load(&stood) == SLEEPERS && rein_sim_wake(order, 1) == 0);
        for (int i = 0; i < 2; i++) {
                CHECK(rein_sim_wake(line, 1) == 1);
                lets_others_go_on();
                CHECK(atomic_load(&went) == i + 1 && atomic_load(&order[i]) == atomic_load(&line[i]));
        }
        CHECK(rein_sim_wake(line, 7) == 2);
        lets_others_go_on();
        CHECK(atomic_load(&went) == SLEEPERS && rein_sim_wake(line, 1) == 0);
        crew_join(&c);
        return 0;
}

static void the_longest_asleep_is_woken_first_and_no_other(void **state)
{
        (void)state;
        assert_int_equal(explore_at_random(wakes_a_line, 0), 0);
}

/* ---- programs of their own ---- */

static int aborts(void *arg)
{
        (void)arg;
        abort();
}

static int program_crash(void)
{
        return rein_sim_run(REIN_SIM(.name = "crasher"), aborts, NULL);
}

static int program_check(void)
{
        rein_sim_check(1 > 2);
        return 0;
}

static int program_found(void)
{
        return rein_sim_explore(REIN_SIM(.name = "lost"), lost_update, NULL) == REIN_EFOUND ? 3 : 4;
}

#if defined REIN_TSAN
static int plain; /* shared without order: the race to be seen */

static int job_races(void *arg)
{
        (void)arg;
        plain++;
        return 0;
}

static int job_locked(void *arg)
{
        plain++;
        return rein_promise_keep(arg, NULL, NULL);
}

static int races(void *arg)
{
        (void)arg;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        rein_future *a = rein_submit(pool, job_races, NULL, REIN_JOB(.on_worker = true));
        rein_future *b = rein_submit(pool, job_races, NULL, REIN_JOB(.on_worker = true));
        int rc = rein_wait_all((rein_future *[]){a, b}, 2, REIN_NEVER);
        rein_drop(a);
        rein_drop(b);
        rein_executor_free(pool);
        return rc;
}

/* The same word, handed over by a promise. */
static int job_waits(void *arg)
{
        int rc = rein_await(arg, NULL, REIN_NEVER);
        plain++;
        return rc;
}

static int hands_over(void *arg)
{
        (void)arg;
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 2));
        plain = 0;
        rein_future *a = rein_submit(pool, job_waits, f, REIN_JOB(.on_worker = true));
        rein_future *b = rein_submit(pool, job_locked, p, REIN_JOB(.on_worker = true));
        int rc = rein_wait_all((rein_future *[]){a, b}, 2, REIN_NEVER);
        CHECK(plain == 2);
        rein_drop(a);
        rein_drop(b);
        rein_drop(f);
        rein_promise_drop(p);
        rein_executor_free(pool);
        return rc;
}

static int program_races(void)
{
        return rein_sim_explore(REIN_SIM(.schedules = 100), races, NULL);
}

static int program_orders(void)
{
        return rein_sim_explore(REIN_SIM(.schedules = 200), hands_over, NULL);
}

static void a_race_in_the_program_is_seen(void **state)
{
        (void)state;
        char said[4096];
        assert_int_not_equal(program_run("races", said, sizeof said), 0);
        assert_non_null(strstr(said, "data race"));
        assert_non_null(strstr(said, "job_races"));
        assert_int_equal(program_run("orders", said, sizeof said), 0);
}
#endif

static const program programs[] = {
        {"crash", program_crash}, {"check", program_check},   {"found", program_found},
#if defined REIN_TSAN
        {"races", program_races}, {"orders", program_orders},
#endif
};

static void a_crash_says_how_to_see_it_again(void **state)
{
        (void)state;
        char said[4096];
        assert_true(program_run("crash", said, sizeof said) != 0);
        assert_non_null(strstr(said, "REIN-SIM CRASH crasher: "));
        assert_non_null(strstr(said, "the program crashed in 'main'"));
        assert_non_null(strstr(said, "REIN_SIM_REPLAY='crasher:1."));
}

static void a_failed_check_outside_aborts(void **state)
{
        (void)state;
        char said[4096];
        assert_int_equal(program_run("check", said, sizeof said), -SIGABRT);
        assert_non_null(strstr(said, "sim_test.c:"));
        assert_non_null(strstr(said, "rein_sim_check failed: 1 > 2"));
}

/* The line that a failing program prints is what makes it fail again, step by step. */
static void the_line_replays_in_another_process(void **state)
{
        (void)state;
        char said[4096], trace[1024];
        assert_int_equal(program_run("found", said, sizeof said), 3);
        const char *at = strstr(said, "REIN_SIM_REPLAY='");
        assert_non_null(at);
        at += strlen("REIN_SIM_REPLAY='");
        size_t n = strcspn(at, "'");
        assert_true(n > 0 && n < sizeof trace);
        memcpy(trace, at, n);
        trace[n] = 0;
        assert_non_null(strstr(said, "REIN-SIM FAIL lost: failed: "));
        assert_non_null(strstr(said, " preemptions=1 "));
        assert_memory_equal(trace, "lost:1.", 7);
        setenv("REIN_SIM_REPLAY", trace, 1);
        int code = program_run("found", said, sizeof said);
        unsetenv("REIN_SIM_REPLAY");
        assert_int_equal(code, 3);
        assert_non_null(strstr(said, "<-- preempts"));
        assert_non_null(strstr(said, "calls between"));
        assert_non_null(strstr(said, "schedule=1 "));
        assert_non_null(strstr(said, trace));
        setenv("REIN_SIM_REPLAY", "another:1.0.0.cbf29ce484222325", 1); /* not for this one */
        code = program_run("found", said, sizeof said);
        unsetenv("REIN_SIM_REPLAY");
        assert_int_equal(code, 3);
        assert_null(strstr(said, "calls between"));
}

int main(int argc, char **argv)
{
        int rc = program_main(programs, COUNT(programs), argc, argv);
        if (rc >= 0)
                return rc;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_failure_is_found_named_and_replayed),
                cmocka_unit_test(what_is_left_from_the_run_before_is_unstable),
                cmocka_unit_test(a_schedule_of_a_passing_program_passes),
                cmocka_unit_test(options_are_looked_at),
                cmocka_unit_test(the_environment_overrides),
                cmocka_unit_test(one_at_a_time_and_each_to_its_own_objects),
                cmocka_unit_test(another_thread_is_told_busy),
                cmocka_unit_test(outside_of_a_simulation),
                cmocka_unit_test(there_are_64_tasks),
                cmocka_unit_test(but_more_than_64_one_after_the_other),
                cmocka_unit_test(real_threads_go_on_undisturbed),
                cmocka_unit_test(time_is_virtual),
                cmocka_unit_test(random_numbers_are_the_same_in_every_schedule),
                cmocka_unit_test(each_fault_comes_when_asked_for_and_only_then),
                cmocka_unit_test(the_racy_clock_ends_each_kind_of_wait),
                cmocka_unit_test(foreign_code_ends_by_a_poke_or_by_the_clock),
                cmocka_unit_test(a_slow_task_is_left_aside_and_comes_back),
                cmocka_unit_test(who_polls_for_another_is_no_livelock),
                cmocka_unit_test(the_longest_asleep_is_woken_first_and_no_other),
                cmocka_unit_test(a_crash_says_how_to_see_it_again),
                cmocka_unit_test(a_failed_check_outside_aborts),
                cmocka_unit_test(the_line_replays_in_another_process),
#if defined REIN_TSAN
                cmocka_unit_test(a_race_in_the_program_is_seen),
#endif
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
