/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes that a program can make with the library, one for each run: mistakes NAME. sanitized.sh compiles this with a
 * sanitizer, links it with the library that was built without, and looks for the report that names the mistake and the
 * function it is in. */
#include <rein/rein.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A frame of its own in the report. */
#define MISTAKE __attribute__((noinline)) static void

static rein_executor *pool;
static int shared;

static int nop(void *arg)
{
        (void)arg;
        return 0;
}

static rein_future *ended(void)
{
        rein_future *f = rein_submit(pool, nop, NULL, NULL);
        rein_await(f, NULL, REIN_NEVER);
        return f;
}

/* ---- handles that were given back ---- */

MISTAKE future_after_drop(void)
{
        rein_future *f = ended();
        rein_drop(f);
        printf("%d\n", rein_code(f));
}

MISTAKE future_dropped_twice(void)
{
        rein_future *f = ended();
        rein_drop(f);
        rein_drop(f);
}

MISTAKE await_after_drop(void)
{
        rein_future *f = ended();
        rein_drop(f);
        rein_await(f, NULL, REIN_NEVER);
}

MISTAKE pool_freed_twice(void)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_executor_free(x);
        rein_executor_free(x);
}

MISTAKE lock_after_free(void)
{
        rein_mutex *m = rein_mutex_new();
        rein_mutex_free(m);
        rein_mutex_lock(m, REIN_NEVER);
}

MISTAKE send_after_free(void)
{
        rein_chan *c = rein_chan_new(sizeof(int), 1, NULL);
        rein_chan_free(c);
        rein_chan_send(c, &(int){1}, REIN_NOWAIT);
}

static int next_nop(rein_future *f, void *arg)
{
        (void)f;
        (void)arg;
        return 0;
}

MISTAKE continuation_removed_twice(void)
{
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        rein_next *next = rein_then(f, pool, next_nop, NULL);
        rein_next_remove(next);
        rein_next_remove(next);
        rein_promise_drop(p);
        rein_drop(f);
}

MISTAKE child_after_free(void)
{
        char *argv[] = {(char *)"true", NULL};
        rein_child *c;
        if (rein_child_start(&c, argv, NULL) < 0)
                return;
        rein_child_wait(c, NULL, REIN_NEVER);
        rein_child_free(c);
        printf("%d\n", rein_child_pid(c));
}

MISTAKE submit_after_free(void)
{
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_executor_free(x);
        rein_drop(rein_submit(x, nop, NULL, NULL));
}

MISTAKE promise_after_drop(void)
{
        rein_future *f;
        rein_promise *p = rein_promise_new(&f);
        rein_promise_drop(p);
        rein_drop(f);
        rein_promise_keep(p, NULL, NULL);
}

static int give_seven(void *arg)
{
        (void)arg;
        int seven = 7;
        return rein_give_copy(&seven, sizeof seven);
}

MISTAKE value_after_drop(void)
{
        rein_future *f = rein_submit(pool, give_seven, NULL, NULL);
        rein_await(f, NULL, REIN_NEVER);
        const int *value = rein_value(f, NULL);
        rein_drop(f);
        printf("%d\n", *value);
}

static int give_and_free(void *arg)
{
        (void)arg;
        void *value = malloc(10);
        int rc = rein_give(value, free);
        free(value);
        return rc;
}

MISTAKE value_given_and_freed(void)
{
        rein_future *f = rein_submit(pool, give_and_free, NULL, NULL);
        rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
}

/* Many: the sanitizer takes what a word of some stack still points to for reachable. */
MISTAKE future_never_dropped(void)
{
        for (int i = 0; i < 50; i++)
                ended();
}

/* ---- stacks ---- */

static rein_event *left;

static int read_argument(void *arg)
{
        rein_event_wait(left, REIN_NEVER);
        return *(volatile int *)arg;
}

__attribute__((noinline)) static rein_future *submit_own_frame(void)
{
        volatile int here = 1;
        return rein_submit(pool, read_argument, (void *)&here, REIN_JOB(.on_worker = true));
}

MISTAKE argument_on_a_stack_that_is_gone(void)
{
        left = rein_event_new();
        rein_future *f = submit_own_frame();
        rein_event_set(left);
        rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        rein_event_free(left);
}

static int write_past(void *arg)
{
        volatile char text[8];
        for (int i = 0; i <= *(volatile int *)arg; i++)
                text[i] = 'x';
        return text[0];
}

/* After a switch of stacks: the coroutine has waited. */
static int coroutine(void *arg)
{
        rein_sleep(rein_after(1000 * 1000));
        return write_past(arg);
}

MISTAKE past_the_end_in_a_coroutine(void)
{
        int n = 8;
        rein_run(coroutine, &n, NULL);
}

/* ---- races ---- */

static int add_to_shared(void *arg)
{
        rein_barrier_arrive(arg, REIN_NEVER);
        shared++;
        return 0;
}

MISTAKE two_jobs_write(void)
{
        rein_barrier *both = rein_barrier_new(2);
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, pool, add_to_shared, both, NULL);
        rein_spawn(&g, pool, add_to_shared, both, NULL);
        if (rein_group_close(&g, 0) < 0)
                abort();
        rein_barrier_free(both);
}

static int write_shared(void *arg)
{
        (void)arg;
        shared = 1;
        return 0;
}

MISTAKE read_before_await(void)
{
        rein_future *f = rein_submit(pool, write_shared, NULL, REIN_JOB(.on_worker = true));
        volatile int early = shared;
        (void)early;
        rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
}

static int coroutine_writes(void *arg)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, add_to_shared, arg, NULL);
        rein_spawn(&g, pool, add_to_shared, arg, NULL);
        return rein_group_close(&g, 0);
}

MISTAKE coroutine_and_job_write(void)
{
        rein_barrier *both = rein_barrier_new(2);
        rein_run(coroutine_writes, both, NULL);
        rein_barrier_free(both);
}

/* Its jobs are coroutines of one thread, and run one after the other. */
static int simulated(void *arg)
{
        (void)arg;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 2));
        rein_future *f[2];
        for (int i = 0; i < 2; i++)
                f[i] = rein_submit(x, write_shared, NULL, REIN_JOB(.on_worker = true));
        const int rc = rein_wait_all(f, 2, REIN_NEVER);
        rein_drop(f[0]);
        rein_drop(f[1]);
        rein_executor_free(x);
        return rc;
}

MISTAKE race_in_a_simulation(void)
{
        if (rein_sim_explore(REIN_SIM(.name = "race"), simulated, NULL) < 0)
                abort();
}

int main(int argc, char **argv)
{
        static const struct {
                const char *name;
                void (*make)(void);
        } mistakes[] = {
#define ROW(name) {#name, name}
                ROW(future_after_drop),
                ROW(future_dropped_twice),
                ROW(await_after_drop),
                ROW(pool_freed_twice),
                ROW(submit_after_free),
                ROW(lock_after_free),
                ROW(send_after_free),
                ROW(continuation_removed_twice),
                ROW(child_after_free),
                ROW(promise_after_drop),
                ROW(value_after_drop),
                ROW(value_given_and_freed),
                ROW(future_never_dropped),
                ROW(argument_on_a_stack_that_is_gone),
                ROW(past_the_end_in_a_coroutine),
                ROW(two_jobs_write),
                ROW(read_before_await),
                ROW(coroutine_and_job_write),
                ROW(race_in_a_simulation),
        };
        pool = rein_pool_new(REIN_POOL(.name = "pool", .threads = 2));
        for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++)
                if (argc > 1 && strcmp(argv[1], mistakes[i].name) == 0) {
                        mistakes[i].make();
                        rein_executor_free(pool);
                        return 0;
                }
        fprintf(stderr, "mistakes: no mistake of that name\n");
        return 2;
}
