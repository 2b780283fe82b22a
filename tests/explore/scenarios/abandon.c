/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that ignore their cancel, are abandoned, and take their permits along: what is queued then, and who waits for room
 * in the queue, is told; what stands in for them runs. */
#include <errno.h>

#include "scenarios/scenarios.h"

enum { WAITING = 7 };

static rein_executor *pool;
static rein_future *stuck, *queued, *late;
static int ran, next_ran, late_code;

static int job(void *arg)
{
        ++*(int *)arg;
        return 0;
}

/* Foreign code, which knows nothing of cancels. */
static int sleep_on(void *arg)
{
        (void)arg;
        rein_sim_block(rein_after(REIN_MS(100)));
        return 0;
}

static int unseen;

static void open_scene(const rein_pool_opts *opts)
{
        begin();
        ran = next_ran = unseen = 0;
        late_code = WAITING;
        rein_on_unseen(nobody_told, &unseen);
        pool = warm_pool(opts->threads, opts);
        stuck = rein_submit(pool, sleep_on, NULL, REIN_JOB(.on_worker = true, .unheeded = REIN_ABANDON_IT));
        explore_calm();
}

/* Everything comes back in the end: the pool has its permits again. */
static void close_scene(void)
{
        rein_sim_block(rein_after(REIN_MS(200)));
        explore_calm();
        EXPLORE_CHECK(rein_code(stuck) == REIN_EABANDONED && unseen == 1);
        EXPLORE_CHECK(rein_executor_unfinished(pool) == 0);
        rein_future *again = rein_submit(pool, job, &ran, REIN_JOB(.on_worker = true));
        EXPLORE_CHECK(rein_await(again, NULL, REIN_NEVER) == 0);
        rein_drop(again);
        rein_drop(stuck);
        rein_executor_free(pool);
}

static int count_next(rein_future *f, void *arg)
{
        (void)f;
        ++*(int *)arg;
        return 0;
}

static void submit_late(void *arg)
{
        rein_scope s;
        (void)arg;
        rein_scope_open(&s, rein_after(REIN_SEC(3600))); /* it does not look around for a deadlock */
        late = rein_submit(pool, job, &ran, REIN_JOB(.on_worker = true));
        late_code = rein_code(late);
        (void)rein_scope_close(&s, 0);
}

/* The last permit is lost: what is queued, and who waits for room, is refused; a continuation runs elsewhere. */
static void exhausted(void)
{
        open_scene(REIN_POOL(.threads = 1, .queue_max = 1, .grace_ns = REIN_MS(1)));
        queued = rein_submit(pool, job, &ran, REIN_JOB(.on_worker = true));
        explore_start("late", submit_late, NULL);
        explore_calm();
        EXPLORE_CHECK(late_code == WAITING);
        explore_go();
        EXPLORE_CHECK(rein_cancel(stuck, "now") == REIN_ASKED);
        rein_sim_block(rein_after(REIN_MS(10)));
        explore_calm();
        EXPLORE_CHECK(rein_code(stuck) == REIN_EABANDONED && rein_code(queued) == REIN_EREJECTED);
        EXPLORE_CHECK(late_code != WAITING && rein_code(late) == REIN_EREJECTED);
        EXPLORE_CHECK(rein_then(queued, pool, count_next, &next_ran) != NULL);
        explore_calm();
        EXPLORE_CHECK(next_ran == 1 && ran == 0);
        rein_drop(queued);
        rein_drop(late);
        close_scene();
}

/* Another permit stands in for the lost one: what is queued has a thread. */
static void replaced(void)
{
        open_scene(REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1), .replace_abandoned = 1));
        queued = rein_submit(pool, job, &ran, REIN_JOB(.on_worker = true));
        explore_go();
        EXPLORE_CHECK(rein_cancel(stuck, "now") == REIN_ASKED);
        rein_sim_block(rein_after(REIN_MS(10)));
        explore_calm();
        EXPLORE_CHECK(rein_code(stuck) == REIN_EABANDONED && rein_code(queued) == 0 && ran == 1);
        rein_drop(queued);
        close_scene();
}

/* And where no thread can be started for that permit, what is queued is told, and does not wait for the abandoned job. */
static void replaced_poor(void)
{
        open_scene(REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1), .replace_abandoned = 1));
        const rein_time began = rein_now();
        explore_go();
        EXPLORE_CHECK(rein_cancel(stuck, "now") == REIN_ASKED);
        queued = rein_submit(pool, job, &ran, REIN_JOB(.on_worker = true));
        const int rc = rein_await(queued, NULL, REIN_NEVER);
        EXPLORE_CHECK(rein_now().ns - began.ns < REIN_MS(50)); /* the other one stays for a hundred */
        EXPLORE_CHECK(rc == 0 ? ran == 1 : rein_code(queued) == -EAGAIN && ran == 0);
        explore_calm();
        rein_drop(queued);
        close_scene();
}

/* What was abandoned has no permit to run another job with: that waits for one. */
static int busy_until(void *arg)
{
        rein_sim_block(rein_after(REIN_MS(50)));
        ++*(int *)arg;
        return 0;
}

static int note_whether_busy(void *arg)
{
        *(int *)arg = 1 + next_ran;
        return 0;
}

static int spawn_when_abandoned(void *arg)
{
        rein_scope shield;
        rein_group g;
        (void)arg;
        rein_sim_block(rein_after(REIN_MS(20)));
        rein_shield_open(&shield, REIN_SEC(3600));
        rein_group_open(&g, NULL);
        rein_future *f = rein_spawn_future(&g, pool, note_whether_busy, &ran, NULL);
        int rc = rein_await(f, NULL, REIN_NEVER);
        rc = rein_group_close(&g, rc);
        (void)rein_scope_close(&shield, 0);
        return rc;
}

static void runs_nothing(void)
{
        begin();
        ran = next_ran = unseen = 0;
        rein_on_unseen(nobody_told, &unseen);
        pool = warm_pool(2, REIN_POOL(.threads = 2, .grace_ns = REIN_MS(1)));
        explore_go();
        stuck = rein_submit(pool, spawn_when_abandoned, NULL, REIN_JOB(.on_worker = true, .unheeded = REIN_ABANDON_IT));
        queued = rein_submit(pool, busy_until, &next_ran, REIN_JOB(.on_worker = true));
        rein_sim_block(rein_after(REIN_MS(5)));
        EXPLORE_CHECK(rein_cancel(stuck, "now") == REIN_ASKED);
        rein_sim_block(rein_after(REIN_MS(100)));
        explore_calm();
        EXPLORE_CHECK(rein_code(queued) == 0 && ran == 2); /* after the busy one, not beside it */
        rein_drop(queued);
        close_scene();
}

static const entry list[] = {
        {"abandon-exhausted", exhausted, {BOUNDED(1), NOT_EARLY("the job would end before it is given up")}},
        {"abandon-replaced", replaced, {BOUNDED(1), NOT_EARLY("the job would end before it is given up")}},
        {"abandon-replaced-poor",
         replaced_poor,
         {BOUNDED(1, .faults = REIN_SIM_THREAD, .most_surprises = 1),
          NOT_EARLY("the job would end before it is given up")}},
        {"abandon-runs-nothing", runs_nothing, {BOUNDED(1), NOT_EARLY("the grace would be over before the job ends")}},
};

const entries abandon_scenarios = ENTRIES(list);
