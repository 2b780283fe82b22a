/* SPDX-License-Identifier: Apache-2.0 */
/* The threads of a pool: the first one, an idle one that wakes for no reason, one whose job stops the pool it runs in, and
 * continuations that come while they leave. */
#include <errno.h>

#include "scenarios/scenarios.h"

static rein_executor *pool;
static rein_future *future, *kept;
static rein_promise *promise;

enum { RAN, CODE, STOPPED, INSIDE };

static int job(void *arg)
{
        ++*(int *)arg;
        return 0;
}

static int next(rein_future *f, void *arg)
{
        ++*(int *)arg;
        return rein_code(f);
}

static void submit(void *arg)
{
        future = rein_submit(pool, job, arg, REIN_JOB(.on_worker = true));
}

/* The pool's first thread is started, or cannot be, and runs what there is, while the pool is stopped. */
static void first_thread(rein_stop how)
{
        begin();
        pool = rein_pool_new(REIN_POOL(.threads = 1));
        explore_go();
        explore_start("submit", submit, &mark[RAN]);
        mark[STOPPED] = 1 + rein_executor_stop(pool, how, REIN_NEVER, NULL);
        explore_calm();
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[STOPPED] == 1 && mark[RAN] == (mark[CODE] == 0));
        EXPLORE_CHECK(rein_executor_threads(pool) == 0);
        rein_drop(future);
        rein_executor_free(pool);
}

static void first_thread_queued(void)
{
        first_thread(REIN_STOP_QUEUED);
}

static void first_thread_now(void)
{
        first_thread(REIN_STOP_NOW);
}

/* It is idle for ten seconds before it ends: not when it wakes for no reason. */
static void idle_spurious(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 2));
        explore_go();
        submit(&mark[RAN]);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && rein_executor_threads(pool) == 1);
        rein_drop(future);
        rein_executor_free(pool);
}

/* A stop wakes those that are idle, and does not wait until they have been for long. */
static void stop_idle(void)
{
        begin();
        pool = warm_pool(2, REIN_POOL(.threads = 2));
        const rein_time before = rein_now();
        explore_go();
        submit(&mark[RAN]);
        EXPLORE_CHECK(rein_executor_stop(pool, REIN_STOP_QUEUED, REIN_NEVER, NULL) == 0);
        EXPLORE_CHECK(rein_executor_threads(pool) == 0 && mark[RAN] == 1);
        EXPLORE_CHECK(rein_now().ns == before.ns);
        explore_calm();
        rein_drop(future);
        rein_executor_free(pool);
}

/* A job stops its own pool, whose other job goes on to its end: the stop waits for that one, not for itself. */
static int stops_its_pool(void *arg)
{
        *(int *)arg = 1 + rein_executor_stop(pool, REIN_STOP_QUEUED, REIN_NEVER, NULL);
        return 0;
}

static void stop_inside(void)
{
        begin();
        pool = warm_pool(2, REIN_POOL(.threads = 2));
        explore_go();
        submit(&mark[RAN]);
        rein_future *stopper = rein_submit(pool, stops_its_pool, &mark[INSIDE], REIN_JOB(.on_worker = true));
        explore_calm();
        EXPLORE_CHECK(mark[INSIDE] == 1 && mark[RAN] == 1 && rein_code(stopper) == 0);
        EXPLORE_CHECK(rein_executor_threads(pool) == 0 && rein_executor_unfinished(pool) == 0);
        rein_drop(stopper);
        rein_drop(future);
        rein_executor_free(pool);
}

/* A continuation comes to a pool that stops: it runs, there or elsewhere, and nothing of it is left in the queue. */
static void settle(void *arg)
{
        (void)arg;
        EXPLORE_CHECK(rein_promise_keep(promise, NULL, NULL) == 0);
}

static void post_stop(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        promise = rein_promise_new(&kept);
        EXPLORE_CHECK(rein_then(kept, pool, next, &mark[RAN]) != NULL);
        explore_go();
        explore_start("settle", settle, NULL);
        mark[STOPPED] = 1 + rein_executor_stop(pool, REIN_STOP_NOW, REIN_NEVER, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[STOPPED] == 1);
        EXPLORE_CHECK(rein_executor_threads(pool) == 0);
        rein_promise_drop(promise);
        rein_drop(kept);
        rein_executor_free(pool);
}

/* It is freed while another thread starts one for a continuation, which ends before its starter looks again. */
static void post_free(void)
{
        begin();
        pool = rein_pool_new(REIN_POOL(.threads = 1));
        promise = rein_promise_new(&kept);
        EXPLORE_CHECK(rein_then(kept, pool, next, &mark[RAN]) != NULL);
        explore_go();
        explore_start("settle", settle, NULL);
        rein_executor_free(pool);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1);
        rein_promise_drop(promise);
        rein_drop(kept);
}

/* The init of the second thread fails while the first one goes idle, or has been: nothing will come for it. */
static int inits;

static int second_fails(void *arg)
{
        (void)arg;
        return inits++ ? -EIO : 0;
}

static int passes(void *arg)
{
        (void)arg;
        return rein_await(kept, NULL, REIN_NEVER);
}

static void init_fails(void)
{
        begin();
        inits = 0;
        promise = rein_promise_new(&kept);
        pool = rein_pool_new(REIN_POOL(.threads = 2, .init = second_fails));
        rein_future *first = rein_submit(pool, passes, NULL, REIN_JOB(.on_worker = true));
        explore_calm();
        explore_go();
        explore_start("settle", settle, NULL);
        submit(&mark[RAN]);
        explore_calm();
        rein_sim_block(rein_after(REIN_SEC(1))); /* an idle thread would stay for ten */
        EXPLORE_CHECK(rein_code(first) == 0 && (rein_code(future) == 0 || rein_code(future) == REIN_EREJECTED));
        EXPLORE_CHECK(rein_code(future) == 0 || rein_executor_threads(pool) == 0);
        mark[CODE] = rein_code(future);
        rein_drop(first);
        rein_drop(future);
        rein_promise_drop(promise);
        rein_drop(kept);
        rein_executor_free(pool);
}

/* Each allocation of a pool and its first thread fails in turn: then there is none, or its job is told. */
static void pool_memory(void)
{
        begin();
        explore_go();
        pool = rein_pool_new(REIN_POOL(.threads = 1));
        if (!pool) {
                explore_calm();
                return;
        }
        submit(&mark[RAN]);
        explore_calm();
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == -ENOMEM || mark[CODE] == -EAGAIN);
        EXPLORE_CHECK(mark[RAN] == (mark[CODE] == 0));
        rein_drop(future);
        rein_executor_free(pool);
}

#define NO_THREAD .faults = REIN_SIM_THREAD, .most_surprises = 1

static const entry list[] = {
        {"worker-first", first_thread_queued, {BOUNDED(2)}},
        {"worker-first-now", first_thread_now, {BOUNDED(2, NO_THREAD)}},
        {"worker-idle",
         idle_spurious,
         {BOUNDED(0, .faults = REIN_SIM_SPURIOUS, .most_surprises = 2),
          NOT_EARLY("the idle thread's time would be over")}},
        {"worker-stop-idle", stop_idle, {BOUNDED(1), NOT_EARLY("it asks that no time passes")}},
        {"worker-stop-inside", stop_inside, {BOUNDED(1), PCT(3, 3000)}},
        {"worker-post-stop", post_stop, {BOUNDED(2)}},
        {"worker-post-free", post_free, {BOUNDED(2)}},
        {"worker-init-fails", init_fails, {BOUNDED(2)}},
        {"worker-memory", pool_memory, {BOUNDED(0, OUT_OF_MEMORY), BOUNDED(0, NO_THREAD)}},
};

const entries worker_scenarios = ENTRIES(list);
