/* SPDX-License-Identifier: Apache-2.0 */
/* The process: fork and exit. Each is a program of its own: this one, started
 * again. A hang is death by alarm. */
#include "support.h"

#define NEED(condition)                                                                                                \
        do {                                                                                                           \
                if (!(condition)) {                                                                                    \
                        fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                        \
                        _exit(99);                                                                                     \
                }                                                                                                      \
        } while (0)

/* ---- fork ---- */

static int wait_for_child(pid_t pid)
{
        int status = 0;
        if (waitpid(pid, &status, 0) != pid)
                return -1;
        if (WIFSIGNALED(status))
                fprintf(stderr, "the child was killed by signal %d\n", WTERMSIG(status));
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Every thread of rein's sleeps: none is in an allocator, whose locks (a sanitizer's, at least) do not survive a fork. */
static bool all_asleep(void)
{
        rn_slab *tasks = &rn_world_now()->tasks;
        bool asleep = true;
        rn_lock_take(&tasks->shelf.lock);
        for (rn_task *t = NULL; (t = rn_slab_next(tasks, t));) {
                char doing[96] = "";
                if (t == rn_self_if())
                        continue;
                rn_thread_doing(rn_load32(&t->thread_id), doing, sizeof doing);
                asleep = asleep && strstr(doing, "futex");
        }
        rn_lock_give(&tasks->shelf.lock);
        return asleep;
}

typedef struct things {
        rein_executor *pool;
        rein_future *done, *pending, *promised;
        rein_promise *promise;
        rein_next *next;
        rein_scope scope;
        rein_group group;
        rein_hook hook;
        rein_done iterator;
} things;

static int ignore(rein_future *f, void *arg)
{
        (void)f;
        (void)arg;
        return 0;
}

static void no_stop(void *arg)
{
        (void)arg;
}

static void use_the_parents_things(things *t)
{
        void *value;
        void (*release)(void *);
        rein_future *both[] = {t->done, t->pending};
        NEED(rein_await(t->done, NULL, REIN_NEVER) == -EPERM);
        NEED(rein_await(t->pending, NULL, REIN_NEVER) == -EPERM);
        NEED(rein_code(t->done) == -EPERM);
        NEED(rein_value(t->done, NULL) == NULL);
        NEED(rein_error_of(t->done) == NULL);
        NEED(rein_take(t->done, &value, &release) == -EPERM);
        NEED(!rein_gone(t->done));
        NEED(rein_cancel(t->pending, NULL) == REIN_TOO_LATE);
        NEED(rein_then(t->done, t->pool, ignore, NULL) == NULL);
        NEED(rein_error_code(rein_trail()) == -EPERM);
        NEED(rein_next_remove(t->next) == -EPERM);
        NEED(rein_wait_all(both, 2, REIN_NEVER) == -EPERM);
        NEED(rein_wait_any(both, 2, REIN_NEVER) == -EPERM);
        NEED(rein_wait_first(both, 2, REIN_NEVER) == -EPERM);
        NEED(rein_promise_keep(t->promise, NULL, NULL) == -EPERM);
        NEED(rein_promise_break(t->promise, -EIO, "x") == -EPERM);
        rein_promise_on_cancel(t->promise, NULL, NULL);
        NEED(rein_done_next(&t->iterator, REIN_NEVER) == -EPERM);
        rein_done_close(&t->iterator);
        NEED(rein_hook_close(&t->hook, 0) == -EPERM);
        NEED(rein_group_join(&t->group, REIN_NEVER) == -EPERM);
        NEED(rein_group_close(&t->group, 0) == -EPERM);
        NEED(rein_scope_close(&t->scope, 0) == -EPERM);
        NEED(rein_executor_stop(t->pool, REIN_STOP_NOW, REIN_NEVER, NULL) == -EPERM);
        NEED(rein_executor_stop_begin(t->pool, REIN_STOP_NOW, REIN_NEVER) == -EPERM);
        NEED(rein_executor_restart(t->pool) == -EPERM);
        NEED(rein_executor_unfinished(t->pool) == 0);
        NEED(rein_executor_queued(t->pool) == 0);
        NEED(rein_executor_threads(t->pool) == 0);
        rein_future *f = rein_submit(t->pool, job_seven, NULL, NULL);
        NEED(rein_code(f) == -EPERM);
        rein_drop(f);
        NEED(rein_on(t->pool, job_seven, NULL, NULL) == -EPERM);
        NEED(rein_checkpoint() == 0); /* the child is in no scope of the parent's */
        rein_ref(t->done);
        rein_drop(t->done);
        rein_drop(t->pending);
        rein_promise_drop(t->promise);
        rein_executor_free(t->pool);
}

static void use_things_of_ones_own(void)
{
#ifndef REIN_TSAN /* TSan refuses threads in the child of a program with threads */
        atomic_int runs = 0;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        NEED(x);
        rein_future *f[20];
        for (int i = 0; i < 20; i++)
                f[i] = rein_submit(x, job_count, &runs, NULL);
        NEED(rein_wait_all(f, 20, REIN_NEVER) == 0);
        NEED(runs == 20);
        for (int i = 0; i < 20; i++)
                rein_drop(f[i]);
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.until = rein_after(REIN_MS(1))));
        rein_spawn(&g, x, job_sleep, NULL, NULL);
        NEED(rein_group_close(&g, 0) == REIN_ETIMEOUT);
        rein_future *slow = rein_submit(x, job_sleep, NULL, REIN_JOB(.limit_ns = 1)); /* the clock works */
        NEED(rein_await(slow, NULL, REIN_NEVER) == REIN_EFAILED);
        rein_drop(slow);
        NEED(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL) == 0);
        rein_executor_free(x);
        int ends[2];
        char c;
        NEED(pipe2(ends, O_CLOEXEC) == 0);
        NEED(rein_write(ends[1], "x", 1, REIN_NEVER) == 1);
        NEED(rein_read(ends[0], &c, 1, REIN_NEVER) == 1);
        NEED(rein_close(ends[0]) == 0);
#endif
        NEED(rein_sleep(rein_after(1)) == 0);
        rein_future *f2;
        rein_promise *p = rein_promise_new(&f2);
        NEED(rein_promise_keep(p, NULL, NULL) == 0);
        NEED(rein_await(f2, NULL, REIN_NEVER) == 0);
        rein_promise_drop(p);
        rein_drop(f2);
}

static int fork_program(void)
{
        things t;
        gate g = gate_new();
        t.pool = rein_pool_new(REIN_POOL(.threads = 2));
        t.done = rein_submit(t.pool, job_seven, NULL, NULL);
        NEED(rein_await(t.done, NULL, REIN_NEVER) == 0);
        t.pending = rein_submit(t.pool, job_pass, &g, NULL);
        t.promise = rein_promise_new(&t.promised);
        t.next = rein_then(t.promised, t.pool, ignore, NULL);
        rein_scope_open(&t.scope, REIN_NEVER);
        rein_group_open(&t.group, NULL);
        NEED(rein_hook_open(&t.hook, no_stop, NULL) == 0);
        rein_done_open(&t.iterator, &t.pending, 1);
        EVENTUALLY(all_asleep());
        pid_t pid = fork();
        if (pid == 0) {
                alarm(30);
                use_the_parents_things(&t);
                NEED(rn_list_empty(&rn_world_now()->waiting)); /* the parent's job waits, and not here */
                use_things_of_ones_own();
                _exit(7);
        }
        NEED(wait_for_child(pid) == 7);
        rein_done_close(&t.iterator); /* and the parent never noticed */
        NEED(rein_hook_close(&t.hook, 1) == 1);
        NEED(rein_group_close(&t.group, 2) == 2);
        NEED(rein_scope_close(&t.scope, 3) == 3);
        gate_open(&g);
        NEED(rein_await(t.pending, NULL, REIN_NEVER) == 0);
        NEED(rein_code(t.done) == 7);
        rein_promise_keep(t.promise, NULL, NULL);
        rein_promise_drop(t.promise);
        rein_drop(t.promised);
        rein_drop(t.done);
        rein_drop(t.pending);
        rein_executor_free(t.pool);
        gate_free(&g);
        return 0;
}

static void test_in_a_forked_child_all_handles_answer_and_new_things_work(void **state)
{
        (void)state;
        assert_int_equal(program_run("fork", NULL, 0), 0);
}

/* A group of the parent's, spawned into with a pool of the child's. */
static int fork_spawn_program(void)
{
        rein_group g;
        rein_group_open(&g, NULL);
        EVENTUALLY(all_asleep());
        pid_t pid = fork();
        if (pid == 0) {
                alarm(30);
                atomic_int runs = 0;
                rein_executor *x = rein_pool_new(NULL);
                NEED(rein_code(rein_spawn_future(&g, x, job_count, &runs, NULL)) == -EPERM);
                NEED(runs == 0);
                _exit(7);
        }
        int rc = wait_for_child(pid);
        return rein_group_close(&g, rc == 7 ? 0 : 1);
}

static void test_a_group_of_the_parent_takes_no_children_in_the_child(void **state)
{
        (void)state;
#ifdef REIN_TSAN
        skip();
#endif
        assert_int_equal(program_run("fork_spawn", NULL, 0), 0);
}

static atomic_bool stop_churning;

static void *churn(void *arg)
{
        rein_executor *x = arg;
        int ends[2];
        NEED(pipe2(ends, O_CLOEXEC) == 0);
        while (!atomic_load(&stop_churning)) {
                rein_future *f = rein_submit(x, job_seven, NULL, NULL);
                (void)rein_await(f, NULL, REIN_NEVER);
                rein_drop(f);
                (void)rein_wait_fd(ends[0], 1, REIN_NOWAIT);
                rein_scope s;
                rein_scope_open(&s, rein_after(1));
                (void)rein_scope_close(&s, 0);
        }
        close(ends[0]);
        close(ends[1]);
        return NULL;
}

static int fork_storm_program(void)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2, .idle_ns = 1));
        pthread_t t[3];
        for (int i = 0; i < 3; i++)
                t[i] = go(churn, x);
        for (int i = 0; i < 150; i++) {
                pid_t pid = fork();
                if (pid == 0) {
                        alarm(20);
                        NEED(rein_code(rein_submit(x, job_seven, NULL, NULL)) == -EPERM);
                        use_things_of_ones_own();
                        _exit(7);
                }
                NEED(wait_for_child(pid) == 7);
        }
        atomic_store(&stop_churning, true);
        for (int i = 0; i < 3; i++)
                join(t[i]);
        rein_executor_free(x);
        return 0;
}

static void test_forks_while_other_threads_are_inside_rein(void **state)
{
        (void)state;
#ifdef REIN_ASAN
        skip(); /* the sanitizer's own allocator does not survive a fork while other threads are in it */
#endif
        assert_int_equal(program_run("fork_storm", NULL, 0), 0);
}

static int fork_exit_program(void)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(x, job_sleep, NULL, NULL);
        EVENTUALLY(rein_executor_queued(x) == 0);
        fflush(NULL);
        EVENTUALLY(all_asleep());
        pid_t pid = fork();
        if (pid == 0) {
                alarm(20);
#if defined __has_feature
#if __has_feature(address_sanitizer)
                _exit(7); /* the leak checker would look for the stacks of threads that are not here */
#endif
#endif
                exit(7); /* with the exit hook of the parent: it must not touch the parent's pool */
        }
        NEED(wait_for_child(pid) == 7);
        rein_drop(f);
        rein_executor_free(x);
        return 0;
}

static void test_the_child_exits_cleanly(void **state)
{
        (void)state;
        assert_int_equal(program_run("fork_exit", NULL, 0), 0);
}

/* ---- exit ---- */

static stubborn for_ever;

static int exit_busy_program(void)
{
        stubborn_init(&for_ever);
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "left", .threads = 3, .grace_ns = REIN_SEC(3600)));
        seat *s = calloc(1, sizeof *s);
        rein_drop(rein_submit(x, job_sleep, s, REIN_JOB(.name = "heeding")));
        rein_drop(rein_submit(x, stubborn_job, &for_ever, REIN_JOB(.name = "clinging")));
        EVENTUALLY(for_ever.inside == 1 && sits_in(s, "rein_sleep"));
        for (int i = 0; i < 10; i++)
                rein_drop(rein_submit(x, stubborn_job, &for_ever, NULL));
        exit(3);
}

static void test_exit_with_jobs_running_ends_and_names_what_it_left(void **state)
{
        (void)state;
        char said[4096];
        assert_int_equal(program_run("exit_busy", said, sizeof said), 3);
        assert_non_null(strstr(said, "left"));
        assert_non_null(strstr(said, "clinging"));
        assert_null(strstr(said, "heeding"));
}

static int exit_many_program(void)
{
        for (int i = 0; i < 8; i++) { /* the second is shared by them all */
                stubborn *s = calloc(1, sizeof *s);
                stubborn_init(s);
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = REIN_SEC(3600)));
                rein_drop(rein_submit(x, stubborn_job, s, NULL));
                EVENTUALLY(s->inside == 1);
        }
        alarm(6); /* 8 x 1 s would be too much */
        exit(4);
}

static void test_the_bound_is_for_all_pools_together(void **state)
{
        (void)state;
        assert_int_equal(program_run("exit_many", NULL, 0), 4);
}

static int exit_quiet_program(void)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        rein_future *f = rein_submit(x, job_seven, NULL, NULL);
        NEED(rein_await(f, NULL, REIN_NEVER) == 0);
        rein_drop(f);
        harness_leaves(HARNESS_EXECUTORS, 1, "a pool that is stopped at exit");
        harness_leaves(HARNESS_BLOCKS, 1, "the same pool");
        return 0;
}

static void test_exit_with_an_idle_pool_is_silent(void **state)
{
        (void)state;
        char said[4096];
        assert_int_equal(program_run("exit_quiet", said, sizeof said), 0);
#ifndef REIN_TSAN
        assert_string_equal(said, "");
#endif
}

static int call_exit(void *arg)
{
        (void)arg;
        exit(5);
}

static int exit_inside_program(void)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        rein_drop(rein_submit(x, job_sleep, NULL, NULL));
        rein_drop(rein_submit(x, call_exit, NULL, NULL));
        while (pause() != 0)
                ;
        return 6;
}

static void test_a_job_may_call_exit(void **state)
{
        (void)state;
        assert_int_equal(program_run("exit_inside", NULL, 0), 5);
}

/* ---- threads ---- */

static void *call_in_and_end(void *arg)
{
        (void)arg;
        (void)rein_sleep(rein_after(1));
        rein_fail(-EIO, "a trail that dies with its thread");
        return NULL;
}

static void test_a_plain_thread_leaves_no_trace(void **state)
{
        (void)state;
        rn_world *w = rn_world_now();
        rein_sleep(REIN_NOWAIT);
        size_t tasks = live(&w->tasks);
        for (int i = 0; i < 100; i++)
                join(go(call_in_and_end, NULL));
        assert_int_equal(live(&w->tasks), tasks);
}

int main(int argc, char **argv)
{
        static const program programs[] = {
                {"fork", fork_program},
                {"fork_spawn", fork_spawn_program},
                {"fork_storm", fork_storm_program},
                {"fork_exit", fork_exit_program},
                {"exit_busy", exit_busy_program},
                {"exit_many", exit_many_program},
                {"exit_quiet", exit_quiet_program},
                {"exit_inside", exit_inside_program},
        };
        int rc = program_main(programs, COUNT(programs), argc, argv);
        if (rc >= 0)
                return rc;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_in_a_forked_child_all_handles_answer_and_new_things_work),
                cmocka_unit_test(test_a_group_of_the_parent_takes_no_children_in_the_child),
                cmocka_unit_test(test_forks_while_other_threads_are_inside_rein),
                cmocka_unit_test(test_the_child_exits_cleanly),
                cmocka_unit_test(test_exit_with_jobs_running_ends_and_names_what_it_left),
                cmocka_unit_test(test_the_bound_is_for_all_pools_together),
                cmocka_unit_test(test_exit_with_an_idle_pool_is_silent),
                cmocka_unit_test(test_a_job_may_call_exit),
                cmocka_unit_test(test_a_plain_thread_leaves_no_trace),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
