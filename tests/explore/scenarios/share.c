/* SPDX-License-Identifier: Apache-2.0 */
/* Shared runs: who joins, who leaves, and the run itself, which ends when the last one has left. */
#include "core/executor.h"
#include "scenarios/scenarios.h"

static rein_executor *pool;
static rein_future *future, *other;

enum { RAN, ANSWER, ANSWER_TOO, CODE, CODE_TOO, RELEASED, WAITED, VALUES };

static void release_value(void *v)
{
        (void)v;
        mark[VALUES]++;
}

static int run(void *arg)
{
        (void)arg;
        mark[RAN]++;
        return rein_give(&mark[RAN], release_value);
}

static void released(void *arg)
{
        (void)arg;
        mark[RELEASED]++;
}

static rein_future *join_run(void)
{
        static int told;
        return rein_submit(pool, run, &told, REIN_JOB(.share = "it", .release = released));
}

static void cancel(void *arg)
{
        rein_future *f = arg;
        mark[f == future ? ANSWER : ANSWER_TOO] = 1 + (int)rein_cancel(f, "no more");
}

static void told(rein_future *f, int *code)
{
        *code = rein_code(f);
        EXPLORE_CHECK(*code == 0 || *code == REIN_ECANCELED);
        EXPLORE_CHECK((*code == 0) == (rein_value(f, NULL) == &mark[RAN]));
}

static void finish(void)
{
        rein_executor_free(pool);
        EXPLORE_CHECK(mark[VALUES] == mark[RAN]);
}

/* The only waiter leaves while it starts and runs. */
static void last_leaves(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = join_run();
        explore_start("cancel", cancel, future);
        explore_calm();
        told(future, &mark[CODE]);
        EXPLORE_CHECK(mark[RELEASED] == 1 && mark[RAN] <= 1);
        rein_drop(future);
        finish();
}

/* Both leave. */
static void both_leave(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = join_run();
        other = join_run();
        explore_start("cancel", cancel, future);
        explore_start("cancel too", cancel, other);
        explore_calm();
        told(future, &mark[CODE]);
        told(other, &mark[CODE_TOO]);
        EXPLORE_CHECK(mark[RELEASED] == 2);
        rein_drop(future);
        rein_drop(other);
        finish();
}

/* One comes while the last one leaves: it joins a run that goes on, or has one of its own; never one that was cancelled. */
static void come(void *arg)
{
        (void)arg;
        other = join_run();
}

static void leave_join(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = join_run();
        explore_start("cancel", cancel, future);
        explore_start("come", come, NULL);
        explore_calm();
        told(future, &mark[CODE]);
        told(other, &mark[CODE_TOO]);
        EXPLORE_CHECK(mark[CODE_TOO] == 0 && mark[RELEASED] == 2);
        rein_drop(future);
        rein_drop(other);
        finish();
}

/* One comes while the run ends: it joins it in time to be told, or has a run of its own. */
static void join_end(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = join_run();
        explore_start("come", come, NULL);
        explore_calm();
        told(future, &mark[CODE]);
        told(other, &mark[CODE_TOO]);
        EXPLORE_CHECK(mark[CODE] == 0 && mark[CODE_TOO] == 0 && mark[RELEASED] == 2);
        rein_drop(future);
        rein_drop(other);
        finish();
}

/* Two functions with one name are two runs. */
static int other_run(void *arg)
{
        ++*(int *)arg;
        return 0;
}

static void two_functions(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = join_run();
        other = rein_submit(pool, other_run, &mark[WAITED], REIN_JOB(.share = "it", .release = released));
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[WAITED] == 1 && mark[RELEASED] == 2);
        rein_drop(future);
        rein_drop(other);
        finish();
}

/* One of two waiters has a deadline, and goes; the run does not end before the other one has its value. */
static int long_run(void *arg)
{
        rein_sim_block(rein_after(REIN_MS(5)));
        return run(arg);
}

static rein_job *shared_long(void)
{
        static rein_job job;
        job = (rein_job){.size = sizeof job, .share = "it", .release = released};
        return &job;
}

static void deadline(void)
{
        static int told_here;
        rein_scope scope;
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, long_run, &told_here, shared_long());
        rein_scope_open(&scope, rein_after(REIN_MS(1)));
        mark[WAITED] = rein_on(pool, long_run, &told_here, shared_long());
        EXPLORE_CHECK(mark[WAITED] == REIN_ECANCELED && mark[RAN] == 0);
        EXPLORE_CHECK(rein_scope_close(&scope, mark[WAITED]) == REIN_ETIMEOUT);
        EXPLORE_CHECK(rein_await(future, NULL, REIN_NEVER) == 0);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[RELEASED] == 2);
        rein_drop(future);
        finish();
}

/* The only one who waits leaves: the run sleeps, and is cancelled. */
static int sleeping_run(void *arg)
{
        (void)arg;
        return rein_sleep(REIN_NEVER);
}

static void last_sleeps(void)
{
        static int told_here;
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, sleeping_run, &told_here, shared_long());
        explore_start("cancel", cancel, future);
        explore_calm();
        EXPLORE_CHECK(rein_code(future) == REIN_ECANCELED && rein_executor_unfinished(pool) == 0);
        EXPLORE_CHECK(mark[RELEASED] == 1);
        rein_drop(future);
        finish();
}

static void join_memory(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = join_run();
        other = join_run();
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        explore_calm();
        mark[CODE] = rein_code(future);
        mark[CODE_TOO] = rein_code(other);
        EXPLORE_CHECK(mark[CODE] != REIN_EPENDING && mark[CODE_TOO] != REIN_EPENDING && mark[RELEASED] == 2);
        rein_drop(future);
        rein_drop(other);
        finish();
}

/* A run ends, and its outcome is remembered, while another submit comes and the pool is stopped: the other has the first
 * one's outcome, or a run of its own, or is refused; and nothing is remembered by a stopped pool. */
static rein_future *join_remembered(void)
{
        return rein_submit(pool, run, &mark[WAITED],
                           REIN_JOB(.share = "it", .share_ns = REIN_SEC(1), .release = released));
}

static void submit_other(void *arg)
{
        (void)arg;
        other = join_remembered();
}

static void remembered_end(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = join_remembered();
        explore_start("other", submit_other, NULL);
        explore_calm();
        told(future, &mark[CODE]);
        told(other, &mark[CODE_TOO]);
        EXPLORE_CHECK(mark[CODE] == 0 && mark[CODE_TOO] == 0 && mark[RAN] == 1 && mark[RELEASED] == 2);
        rein_drop(future);
        rein_drop(other);
        EXPLORE_CHECK(mark[VALUES] == 0);
        finish();
}

static void stop_pool(void *arg)
{
        (void)arg;
        EXPLORE_CHECK(rein_executor_stop(pool, REIN_STOP_QUEUED, REIN_NEVER, NULL) == 0);
        EXPLORE_CHECK(pool->remembered_count == 0);
}

static void remembered_stop(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        explore_start("stop", stop_pool, NULL);
        future = join_remembered();
        other = join_remembered();
        explore_calm();
        for (int i = 0; i < 2; i++) {
                rein_future *f = i ? other : future;
                const int code = rein_code(f);
                EXPLORE_CHECK(code == 0 || code == REIN_EREJECTED);
                EXPLORE_CHECK((code == 0) == (rein_value(f, NULL) != NULL));
                rein_drop(f);
        }
        EXPLORE_CHECK(mark[RELEASED] == 2);
        finish();
}

static const entry list[] = {
        {"share-last-leaves", last_leaves, {ALL()}},
        {"share-both-leave", both_leave, {ALL()}},
        {"share-leave-join", leave_join, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"share-join-end", join_end, {BOUNDED(2)}},
        {"share-two-functions", two_functions, {BOUNDED(1)}},
        {"share-deadline", deadline, {BOUNDED(1), NOT_EARLY("the run would end before the deadline")}},
        {"share-last-sleeps", last_sleeps, {ALL()}},
        {"share-remembered-end", remembered_end, {BOUNDED(2), NOT_EARLY("the span would pass meanwhile")}},
        {"share-remembered-stop", remembered_stop, {BOUNDED(2), PCT(3, 5000)}},
        {"share-memory", join_memory, {BOUNDED(1, OUT_OF_MEMORY)}},
};

const entries share_scenarios = ENTRIES(list);
