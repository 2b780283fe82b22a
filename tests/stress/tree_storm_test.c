/* SPDX-License-Identifier: Apache-2.0 */
/* Random trees of jobs across three pools that wait for each other: nested groups of every policy, rein_on, scopes,
 * shields, hook regions, limits, start_by, shared runs, abandoned jobs, continuations; cancelled, awaited and dropped at
 * random, then stopped in one of the three manners. Pools that wait for each other knot now and then: the knots must be
 * found and told, or this hangs (and the test's time limit ends it).
 *
 * What is conserved: each argument is released once, each continuation runs once or was taken back, every stop ends
 * with nothing unfinished. It found: references taken after a job was forbidden, a mirror that settled before its group
 * knew it, a job counted as settled twice, an elastic pool that stopped looking. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "rein/rein.h"

enum { POOLS = 3, DRIVERS = 3, JOBS = 8, BATCHES = 100, DEPTH = 3 };

static rein_executor *pools[POOLS];
static atomic_long submitted, released, promised, continued;
static atomic_uint seeds = 1;
static int empty_pipe[2];

static unsigned below(unsigned n)
{
        static _Thread_local unsigned state;
        if (!state)
                state = atomic_fetch_add(&seeds, 7919) | 1;
        state = state * 1664525u + 1013904223u;
        return (state >> 8) % n;
}

static rein_time soon(unsigned most_ns)
{
        return rein_after((int64_t)below(most_ns));
}

static void count_release(void *arg)
{
        (void)arg;
        atomic_fetch_add(&released, 1);
}

static void ignore(const rein_error *e, void *arg)
{
        (void)e;
        (void)arg;
}

static void set_flag(void *flag)
{
        atomic_store((atomic_int *)flag, 1);
}

static rein_job random_job(void)
{
        atomic_fetch_add(&submitted, 1);
        return (rein_job){.size = sizeof(rein_job),
                          .release = count_release,
                          .priority = (int)below(3),
                          .background = below(8) == 0,
                          .limit_ns = below(4) ? 0 : REIN_SPAN((int64_t)below(400000)),
                          .start_by = below(6) ? (rein_time){0} : soon(400000),
                          .share = below(10) ? NULL : "shared",
                          .unheeded = below(6) ? REIN_WAIT_FOR_IT : REIN_ABANDON_IT};
}

static int node(void *depth);

static int in_a_foreign_call(bool poke)
{
        rein_hook h;
        atomic_int stopped = 0;
        int rc = rein_hook_open(&h, poke ? REIN_POKE : set_flag, &stopped);
        if (rc < 0)
                return rc;
        for (rein_time end = rein_after(200000); !atomic_load(&stopped) && rein_now().ns < end.ns;)
                ;
        return rein_hook_close(&h, 0);
}

static int in_a_group(intptr_t depth)
{
        rein_group g;
        rein_group_open(&g, REIN_GROUP(.policy = (rein_policy)below(4), .width = (int)below(3) * 2,
                                       .until = below(3) ? (rein_time){0} : soon(1000000)));
        for (unsigned n = below(5); n; n--) {
                rein_job job = random_job();
                if (below(2)) {
                        rein_spawn(&g, pools[below(POOLS)], node, (void *)(depth - 1), &job);
                        continue;
                }
                rein_future *f = rein_spawn_future(&g, pools[below(POOLS)], node, (void *)(depth - 1), &job);
                if (below(3) == 0)
                        rein_cancel(f, "at random");
                if (below(4) == 0)
                        rein_await(f, NULL, soon(300000));
        }
        if (below(4) == 0)
                rein_group_cancel(&g, "at random");
        int rc = rein_group_close(&g, below(5) ? 0 : -EIO);
        return rc == REIN_ESTOPPED ? 0 : rc;
}

static int do_something(intptr_t depth)
{
        char byte;
        switch (below(7)) {
        case 0:
                return rein_sleep(soon(500000));
        case 1:
                return (int)rein_read(empty_pipe[0], &byte, 1, soon(300000));
        case 2:
                return in_a_foreign_call(true);
        case 3:
                return in_a_foreign_call(false);
        case 4:
        case 5:
                return depth > 0 ? in_a_group(depth) : 0;
        default:
                if (depth == 0)
                        return 0;
                atomic_fetch_add(&submitted, 1);
                return rein_on(
                        pools[below(POOLS)], node, (void *)(depth - 1),
                        REIN_JOB(.release = count_release, .unheeded = below(4) ? REIN_WAIT_FOR_IT : REIN_ABANDON_IT));
        }
}

static int node(void *depth)
{
        rein_scope s;
        const unsigned scope = below(8);
        if (scope == 0)
                rein_scope_open(&s, soon(300000));
        else if (scope == 1)
                rein_shield_open(&s, (int64_t)below(300000));
        else if (scope == 2)
                rein_scope_open(&s, REIN_NEVER);
        if (scope == 2 && below(2))
                rein_scope_cancel(&s, "by itself");
        int rc = do_something((intptr_t)depth);
        if (scope <= 2)
                rc = rein_scope_close(&s, rc);
        if (below(6) == 0)
                return rein_fail(REIN_EUSER, "at random");
        if (below(4) == 0)
                rein_give(malloc(10), free);
        return rc < 0 && below(2) ? rc : 0;
}

static int count_continuation(rein_future *f, void *arg)
{
        (void)f;
        (void)arg;
        atomic_fetch_add(&continued, 1);
        return 0;
}

static void continue_it(rein_future *f)
{
        rein_next *n = rein_then(f, pools[below(POOLS)], count_continuation, NULL);
        atomic_fetch_add(&promised, 1);
        if (below(4) == 0 && rein_next_remove(n) == 0)
                atomic_fetch_sub(&promised, 1);
}

static void wait_somehow(rein_future *const f[JOBS])
{
        rein_done done;
        switch (below(4)) {
        case 0:
                rein_wait_all(f, JOBS, REIN_NEVER);
                break;
        case 1:
                rein_wait_any(f, JOBS, REIN_NEVER);
                break;
        case 2:
                rein_wait_first(f, JOBS, rein_after(REIN_MS(5)));
                break;
        default:
                rein_done_open(&done, f, JOBS);
                while (rein_done_next(&done, REIN_NEVER) >= 0)
                        ;
                rein_done_close(&done);
        }
}

static void *drive(void *arg)
{
        (void)arg;
        for (int batch = 0; batch < BATCHES; batch++) {
                rein_future *f[JOBS];
                for (int i = 0; i < JOBS; i++) {
                        rein_job job = random_job();
                        f[i] = rein_submit(pools[below(POOLS)], node, (void *)(intptr_t)DEPTH, &job);
                        if (below(3) == 0)
                                continue_it(f[i]);
                }
                if (below(2))
                        rein_cancel(f[below(JOBS)], "at random");
                wait_somehow(f);
                for (int i = 0; i < JOBS; i++) {
                        if (below(2))
                                rein_await(f[i], NULL, REIN_NEVER);
                        rein_drop(f[i]);
                }
        }
        return NULL;
}

static void make_pools(int round)
{
        pools[0] =
                rein_pool_new(REIN_POOL(.name = "two", .threads = 2, .grace_ns = REIN_MS(1), .replace_abandoned = 50));
        pools[1] = rein_pool_new(REIN_POOL(.name = "small queue", .threads = 3, .queue_max = 4,
                                           .full = (rein_full)(round % 4), .grace_ns = REIN_MS(1),
                                           .replace_abandoned = 50));
        pools[2] = rein_pool_new(REIN_POOL(.name = "elastic", .threads = 1, .idle_ns = REIN_MS(1), .elastic = true,
                                           .threads_max = 5, .grace_ns = REIN_MS(1), .replace_abandoned = 50));
}

static void trees_across_pools_conserve_everything(void **state)
{
        (void)state;
        const char *seconds = getenv("REIN_STRESS_SECONDS"), *count = getenv("REIN_STRESS_COUNT");
        const rein_time end = rein_after(REIN_SEC(seconds ? atoi(seconds) : 30));
        int rounds = 0;
        assert_int_equal(pipe2(empty_pipe, O_CLOEXEC), 0);
        rein_on_unseen(ignore, NULL);
        do {
                pthread_t drivers[DRIVERS];
                make_pools(rounds);
                for (int i = 0; i < DRIVERS; i++)
                        assert_int_equal(pthread_create(&drivers[i], NULL, drive, NULL), 0);
                for (int i = 0; i < DRIVERS; i++)
                        pthread_join(drivers[i], NULL);
                for (int i = 0; i < POOLS; i++) {
                        assert_int_equal(rein_executor_stop(pools[i], (rein_stop)((rounds + i) % 3), REIN_NEVER, NULL),
                                         0);
                        assert_int_equal(rein_executor_unfinished(pools[i]), 0);
                        assert_int_equal(rein_executor_threads(pools[i]), 0);
                }
                /* Continuations of a stopped pool run on the hand thread: they are all that may still be under way. */
                while (atomic_load(&continued) != atomic_load(&promised))
                        rein_sleep(rein_after(REIN_MS(1)));
                for (int i = 0; i < POOLS; i++)
                        rein_executor_free(pools[i]);
                assert_int_equal(atomic_load(&released), atomic_load(&submitted));
                rounds++;
        } while (rounds < 4 || (count ? rounds < atoi(count) / 10000 : rein_now().ns < end.ns));
        print_message("%d rounds, %ld jobs, %ld continuations\n", rounds, atomic_load(&submitted),
                      atomic_load(&promised));
        close(empty_pipe[0]);
        close(empty_pipe[1]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(trees_across_pools_conserve_everything)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
