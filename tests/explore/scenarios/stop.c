/* SPDX-License-Identifier: Apache-2.0 */
/* Stops of a pool: two that are only begun, one that is begun as the pool is freed, and what a receipt says. */
#include <string.h>

#include "core/world.h"
#include "scenarios/scenarios.h"

static rein_executor *pool;
static rein_future *future;

enum { RAN, CODE, STOPPED, TOLD, LATE };

static int job(void *arg)
{
        ++*(int *)arg;
        return 0;
}

static int stays_too_long(void *arg)
{
        rein_sim_block(*(rein_time *)arg);
        return 0;
}

static void submit(void *arg)
{
        future = rein_submit(pool, job, arg, NULL);
}

/* Two stops that are only begun: the deadline of the less patient one holds. */
static rein_time soon, later_on;

static void stop_begin(void *arg)
{
        EXPLORE_CHECK(rein_executor_stop_begin(pool, REIN_STOP_NOW, *(rein_time *)arg) == 0);
}

static void stop_begin_begin(void)
{
        begin();
        static rein_time at;
        rein_on_unseen(nobody_told, &mark[LATE]);
        pool = warm_pool(1, REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1)));
        at = rein_after(REIN_MS(9));
        soon = rein_after(REIN_MS(2));
        later_on = rein_after(REIN_MS(20));
        future = rein_submit(pool, stays_too_long, &at, REIN_JOB(.on_worker = true));
        explore_go();
        explore_start("stop", stop_begin, &soon);
        explore_start("stop too", stop_begin, &later_on);
        rein_sim_block(rein_after(REIN_MS(5)));
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[CODE] == REIN_EABANDONED);
        explore_calm();
        rein_sim_block(rein_after(REIN_MS(50)));
        rein_drop(future);
        rein_executor_free(pool);
}

/* Its deadline comes, and it is freed, at once. */
static void stop_begin_free(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        soon = rein_after(REIN_MS(1));
        stop_begin(&soon);
        explore_go();
        rein_sim_block(soon);
        rein_executor_free(pool);
        explore_calm();
}

/* And its last job ends as well. One that was given up is named when the pool is freed. */
static void stop_begin_free_busy(void)
{
        begin();
        tell_nobody();
        rein_on_unseen(nobody_told, &mark[LATE]);
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        soon = rein_after(REIN_MS(1));
        future = rein_submit(pool, stays_too_long, &soon, REIN_JOB(.on_worker = true));
        explore_calm(); /* it runs */
        stop_begin(&soon);
        explore_go();
        rein_sim_block(soon);
        mark[CODE] = rein_code(future);
        rein_drop(future);
        rein_executor_free(pool);
        explore_calm();
        tell_again();
}

/* The clock makes the stop harder in the moment in which it is freed: no timer is left that would keep it for an hour. */
static void stop_begin_free_early(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1, .grace_ns = REIN_SEC(3600)));
        soon = rein_after(REIN_SEC(3600) + REIN_MS(1));
        EXPLORE_CHECK(rein_executor_stop_begin(pool, REIN_STOP_QUEUED, soon) == 0);
        explore_go();
        rein_sim_block(rein_after(REIN_MS(1)));
        rein_executor_free(pool);
        explore_calm();
        rein_sim_block(rein_after(REIN_MS(5)));
        EXPLORE_CHECK(rn_world_now()->clock.timers.count == 0);
}

/* One stop has made it harder, and not cancelled the job yet; the time of another one is up, and gives the job up: it is
 * cancelled all the same. */
static void mark_stays(void *arg)
{
        (void)arg;
}

static int heeds_late(void *arg)
{
        rein_sim_block(rein_after(REIN_MS(5)));
        *(int *)arg = rein_checkpoint();
        return 0;
}

static void stop_stop_late(void)
{
        begin();
        rein_on_unseen(nobody_told, &mark[LATE]);
        pool = warm_pool(1, REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1)));
        soon = rein_after(REIN_SEC(3600));
        future = rein_submit(pool, heeds_late, &mark[RAN],
                             REIN_JOB(.on_worker = true, .unheeded = REIN_ABANDON_IT, .release = mark_stays));
        explore_calm(); /* it runs */
        explore_go();
        explore_start("stop", stop_begin, &soon);
        mark[STOPPED] = rein_executor_stop(pool, REIN_STOP_NOW, REIN_NOWAIT, NULL);
        explore_calm();
        rein_sim_block(rein_after(REIN_MS(50)));
        EXPLORE_CHECK(mark[STOPPED] == REIN_ESTUCK && rein_code(future) == REIN_EABANDONED);
        EXPLORE_CHECK(mark[RAN] == REIN_ECANCELED);
        rein_drop(future);
        rein_executor_free(pool);
}

/* What a receipt says never started, has not. */
static void stop_with_receipt(void *arg)
{
        rein_receipt *r;
        *(int *)arg = 1 + rein_executor_stop(pool, REIN_STOP_NOW, REIN_NEVER, &r);
        for (size_t i = 0; i < rein_receipt_count(r); i++) {
                rein_straggler s = {.size = sizeof s};
                EXPLORE_CHECK(rein_receipt_at(r, i, &s));
                EXPLORE_CHECK(strcmp(s.stopped_by, "never started") != 0 || mark[RAN] == 0);
                mark[TOLD]++;
        }
        rein_receipt_free(r);
}

static void stop_receipt(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        explore_start("submit", submit, &mark[RAN]);
        explore_start("stop", stop_with_receipt, &mark[STOPPED]);
        explore_calm();
        EXPLORE_CHECK(mark[STOPPED] == 1);
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[RAN] == (mark[CODE] == 0));
        rein_drop(future);
        rein_executor_free(pool);
}

static const entry list[] = {
        {"stop-begin-begin",
         stop_begin_begin,
         {BOUNDED(2), PCT(3, 10000), NOT_EARLY("the job's time would be over before it is given up")}},
        {"stop-begin-free", stop_begin_free, {ALL()}},
        {"stop-begin-free-busy", stop_begin_free_busy, {BOUNDED(2), PCT(3, 5000)}},
        {"stop-begin-free-early", stop_begin_free_early, {ALL()}},
        {"stop-stop-late",
         stop_stop_late,
         {BOUNDED(2), PCT(3, 5000), NOT_EARLY("the job's time would be over before it is given up")}},
        {"stop-receipt", stop_receipt, {BOUNDED(2), PCT(3, 10000)}},
};

const entries stop_scenarios = ENTRIES(list);
