/* SPDX-License-Identifier: Apache-2.0 */
/* Permits of a pool: lent, wanted back, kept by a job that is abandoned; and two jobs that need a thread each. */
#include "scenarios/scenarios.h"

static rein_executor *pool;
static rein_future *future, *other, *busy;

enum { RAN, RAN_TOO, WAITED, RELEASED, LATE };

static int job(void *arg)
{
        ++*(int *)arg;
        return 0;
}

static void released(void *arg)
{
        (void)arg;
        mark[RELEASED]++;
}

/* ---- lent ---- */

/* A job has waited for another one until the moment in which that one ends: it wants back the permit that it has lent. */
static int blocks_until(void *arg)
{
        rein_sim_block(*(rein_time *)arg);
        return 0;
}

static int lends_until(void *arg)
{
        rein_future *f = rein_submit(pool, blocks_until, arg, REIN_JOB(.on_worker = true));
        mark[RAN_TOO] = rein_await(f, NULL, *(rein_time *)arg);
        rein_drop(f);
        return mark[RAN_TOO] == REIN_ETIMEOUT ? 0 : mark[RAN_TOO];
}

static void lend_back(void)
{
        begin();
        static rein_time at;
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        at = rein_after(REIN_MS(1));
        future = rein_submit(pool, lends_until, &at, REIN_JOB(.on_worker = true));
        explore_go();
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        EXPLORE_CHECK(mark[WAITED] == 0);
        explore_calm();
        rein_drop(future);
        rein_executor_free(pool);
}

/* A job begins to wait for one of its own pool in the moment in which another task looks for a deadlock: it lends its
 * permit, so there is none. */
static int lends_later(void *arg)
{
        rein_sim_block(*(rein_time *)arg);
        rein_future *f = rein_submit(pool, job, &mark[RAN], REIN_JOB(.on_worker = true));
        int rc = rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        return rc;
}

static void lend_look(void)
{
        begin();
        static rein_time at;
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        at = rein_after(REIN_MS(10));
        future = rein_submit(pool, lends_later, &at, REIN_JOB(.on_worker = true));
        explore_go();
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER); /* and looks after 10 ms */
        EXPLORE_CHECK(mark[WAITED] == 0 && mark[RAN] == 1);
        explore_calm();
        rein_drop(future);
        rein_executor_free(pool);
}

/* ---- two at once ---- */

/* Two submits at once, of jobs that need each other. */
static rein_event *event;

static int occupies(void *arg)
{
        return rein_event_wait(arg, REIN_NEVER);
}

static int sets(void *arg)
{
        rein_event_set(arg);
        return 0;
}

static void submit_pair(void)
{
        begin();
        event = rein_event_new();
        pool = warm_pool(2, REIN_POOL(.threads = 2));
        explore_go();
        future = rein_submit(pool, occupies, event, REIN_JOB(.on_worker = true));
        other = rein_submit(pool, sets, event, REIN_JOB(.on_worker = true));
        explore_calm();
        EXPLORE_CHECK(rein_code(future) == 0 && rein_code(other) == 0);
        rein_drop(future);
        rein_drop(other);
        rein_executor_free(pool);
        rein_event_free(event);
}

/* ---- abandoned ---- */

/* An abandoned job keeps its permit: with two threads, a third job runs when the code of one has come back. */
static int inside;

static int stays_too_long(void *arg)
{
        inside++;
        rein_sim_block(*(rein_time *)arg);
        rein_sim_point("it comes back");
        inside--;
        return 0;
}

static int makes_two(void *arg)
{
        EXPLORE_CHECK(inside < 2);
        return job(arg);
}

static void abandon_next(void)
{
        begin();
        static rein_time at;
        inside = 0;
        rein_on_unseen(nobody_told, &mark[LATE]); /* the late log */
        pool = warm_pool(2, REIN_POOL(.threads = 2, .grace_ns = REIN_MS(1)));
        at = rein_after(REIN_MS(2));
        future = rein_submit(pool, stays_too_long, &at,
                             REIN_JOB(.release = released, .unheeded = REIN_ABANDON_IT, .on_worker = true));
        busy = rein_submit(pool, stays_too_long, &at, REIN_JOB(.on_worker = true));
        other = rein_submit(pool, makes_two, &mark[RAN_TOO], REIN_JOB(.on_worker = true));
        explore_go();
        mark[WAITED] = (int)rein_cancel(future, "no more");
        rein_sim_block(at);
        explore_calm();
        EXPLORE_CHECK(rein_code(future) == REIN_EABANDONED && mark[RELEASED] == 1);
        EXPLORE_CHECK(rein_code(busy) == 0 && mark[RAN_TOO] == 1);
        rein_drop(future);
        rein_drop(busy);
        rein_drop(other);
        rein_executor_free(pool);
}

static const entry list[] = {
        {"lend-back", lend_back, {BOUNDED(2), PCT(3, 10000)}},
        {"lend-look", lend_look, {BOUNDED(2), PCT(3, 10000)}},
        {"submit-pair", submit_pair, {BOUNDED(2), PCT(3, 10000)}},
        {"abandon-next",
         abandon_next,
         {BOUNDED(2), PCT(3, 10000), NOT_EARLY("the job's time would be over before it is given up")}},
};

const entries lend_scenarios = ENTRIES(list);
