/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes and groups: no child is forgotten, none outlives its group, a cancel reaches whoever is inside and nobody else. */
#include <errno.h>

#include "scenarios/scenarios.h"

static rein_executor *pool;
static rein_group group;
static rein_scope scope, second;

enum { RAN, RAN_TOO, CLOSED, CANCELED, CODE, CODE_TOO, WAITED, RELEASED, CLOSED_TOO };

static int child(void *arg)
{
        ++*(int *)arg;
        return 0;
}

static int failing_child(void *arg)
{
        ++*(int *)arg;
        return -EIO;
}

static void released(void *arg)
{
        (void)arg;
        mark[RELEASED]++;
}

static void close_group(void)
{
        mark[CLOSED] = 1 + rein_group_close(&group, 0);
}

/* The failure of one child cancels the group while the next is spawned: that one runs or does not, and is counted. */
static void failure_spawn(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        rein_group_open(&group, NULL);
        rein_spawn(&group, pool, failing_child, &mark[RAN], REIN_JOB(.release = released));
        rein_spawn(&group, pool, child, &mark[RAN_TOO], REIN_JOB(.release = released));
        close_group();
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[RELEASED] == 2);
        EXPLORE_CHECK(mark[CLOSED] == 1 + REIN_EFAILED);
        rein_executor_free(pool);
}

/* Another task spawns while the owner closes: the child is waited for, or refused. */
static void spawn_other(void *arg)
{
        rein_spawn(&group, pool, child, arg, REIN_JOB(.release = released));
}

static void spawn_close(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        rein_group_open(&group, NULL);
        explore_start("spawn", spawn_other, &mark[RAN]);
        close_group();
        mark[RAN_TOO] = mark[RAN];
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1 && mark[RELEASED] == 1);
        EXPLORE_CHECK(mark[RAN_TOO] == mark[RAN]); /* none outlives its group */
        rein_executor_free(pool);
}

static void cancel_group(void *arg)
{
        (void)arg;
        rein_group_cancel(&group, "no more");
        mark[CANCELED]++;
}

static void cancel_close(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        rein_group_open(&group, NULL);
        explore_start("cancel", cancel_group, NULL);
        rein_spawn(&group, pool, child, &mark[RAN], REIN_JOB(.release = released));
        close_group();
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1 && mark[RELEASED] == 1 && mark[RAN] <= 1);
        rein_executor_free(pool);
}

static int occupant(void *event)
{
        return rein_event_wait(event, REIN_NEVER);
}

/* No thread is free: a cancel as the child comes in takes it out of the queue, or never lets it in. Nobody else would. */
static void cancel_spawn_busy(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        rein_event *event = rein_event_new();
        rein_future *busy = rein_submit(pool, occupant, event, NULL);
        explore_go();
        rein_group_open(&group, NULL);
        explore_start("cancel", cancel_group, NULL);
        rein_spawn(&group, pool, child, &mark[RAN], REIN_JOB(.on_worker = true, .release = released));
        explore_calm();
        EXPLORE_CHECK(mark[CANCELED] == 1 && mark[RELEASED] == 1 && mark[RAN] == 0);
        rein_event_set(event);
        close_group();
        EXPLORE_CHECK(mark[CLOSED] == 1);
        rein_await(busy, NULL, REIN_NEVER);
        rein_drop(busy);
        rein_executor_free(pool);
        rein_event_free(event);
}

/* One place: who spawns waits for it. */
static void width(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        rein_group_open(&group, REIN_GROUP(.width = 1));
        rein_spawn(&group, pool, child, &mark[RAN], REIN_JOB(.on_worker = true));
        rein_spawn(&group, pool, child, &mark[RAN_TOO], REIN_JOB(.on_worker = true));
        close_group();
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1 && mark[RAN] == 1 && mark[RAN_TOO] == 1);
        rein_executor_free(pool);
}

static void width_cancel(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        rein_group_open(&group, REIN_GROUP(.width = 1));
        explore_start("cancel", cancel_group, NULL);
        rein_spawn(&group, pool, child, &mark[RAN], REIN_JOB(.on_worker = true));
        rein_spawn(&group, pool, child, &mark[RAN_TOO], REIN_JOB(.on_worker = true));
        close_group();
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1 && mark[RAN] <= 1 && mark[RAN_TOO] <= 1);
        rein_executor_free(pool);
}

/* The first success stops the other. */
static void first_success(void)
{
        begin();
        pool = warm_pool(2, REIN_POOL(.threads = 2));
        explore_go();
        rein_group_open(&group, REIN_GROUP(.policy = REIN_FIRST));
        rein_spawn(&group, pool, child, &mark[RAN], REIN_JOB(.release = released));
        rein_spawn(&group, pool, failing_child, &mark[RAN_TOO], REIN_JOB(.release = released));
        close_group();
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1 && mark[RELEASED] == 2 && mark[RAN] == 1);
        rein_executor_free(pool);
}

/* A child that may be abandoned, is, and comes back when the group's record is another's. */
static int late_child(void *arg)
{
        rein_sim_block(rein_after(REIN_MS(5)));
        ++*(int *)arg;
        return 0;
}

static void nobody_told(const rein_error *e, void *arg)
{
        (void)e;
        ++*(int *)arg;
}

static void abandon(void)
{
        begin();
        rein_on_unseen(nobody_told, &mark[WAITED]);
        pool = warm_pool(1, REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1)));
        explore_go();
        rein_group_open(&group, NULL);
        rein_spawn(
                &group, pool, late_child, &mark[RAN],
                REIN_JOB(.release = released, .unheeded = REIN_ABANDON_IT, .limit_ns = REIN_MS(1), .on_worker = true));
        close_group();
        EXPLORE_CHECK(mark[CLOSED] == 1 + REIN_EFAILED && mark[RAN] == 0);
        rein_group_open(&group, NULL);
        rein_sim_block(rein_after(REIN_MS(10)));
        EXPLORE_CHECK(mark[RAN] == 1 && mark[RELEASED] == 1 && mark[WAITED] == 1);
        EXPLORE_CHECK(rein_group_close(&group, 0) == 0); /* for ever, if it were counted here */
        explore_calm();
        rein_executor_free(pool);
}

/* ---- scopes ---- */

static void cancel_scope(void *arg)
{
        (void)arg;
        rein_scope_cancel(&scope, "no more");
        mark[CANCELED]++;
}

/* The cancel comes while the scope closes and the next one, in the same record, opens: that one is not meant. */
static void scope_cancel_close(void)
{
        begin();
        rein_scope_open(&scope, REIN_NEVER);
        explore_go();
        explore_start("cancel", cancel_scope, NULL);
        mark[CODE] = rein_checkpoint();
        mark[CLOSED] = 1 + rein_scope_close(&scope, mark[CODE]);
        rein_scope_open(&second, REIN_NEVER);
        EXPLORE_CHECK(rein_checkpoint() == 0);
        mark[CLOSED_TOO] = 1 + rein_scope_close(&second, 0);
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == (mark[CODE] ? 1 + REIN_ESTOPPED : 1) && mark[CLOSED_TOO] == 1);
}

/* A sleep inside: it is woken by the cancel, never left behind. */
static void scope_cancel_sleep(void)
{
        begin();
        rein_scope_open(&scope, REIN_NEVER);
        rein_promise *p;
        rein_future *f;
        p = rein_promise_new(&f);
        explore_go();
        explore_start("cancel", cancel_scope, NULL);
        mark[WAITED] = rein_await(f, NULL, REIN_NEVER);
        EXPLORE_CHECK(mark[WAITED] == REIN_ECANCELED);
        explore_calm();
        EXPLORE_CHECK(rein_scope_close(&scope, mark[WAITED]) == REIN_ESTOPPED);
        rein_promise_keep(p, NULL, NULL);
        rein_promise_drop(p);
        rein_drop(f);
}

/* A scope inside opens while the outer one is cancelled: it is cancelled as well, and knows why. */
static void scope_cancel_open(void)
{
        begin();
        rein_scope_open(&scope, REIN_NEVER);
        explore_go();
        explore_start("cancel", cancel_scope, NULL);
        rein_scope_open(&second, REIN_NEVER);
        mark[CODE] = rein_checkpoint();
        EXPLORE_CHECK(!mark[CODE] || rein_why() != NULL);
        mark[CLOSED] = 1 + rein_scope_close(&second, mark[CODE]);
        explore_calm();
        EXPLORE_CHECK(rein_checkpoint() == REIN_ECANCELED);
        EXPLORE_CHECK(rein_scope_close(&scope, REIN_ECANCELED) == REIN_ESTOPPED);
}

static void cancel_second(void *arg)
{
        (void)arg;
        rein_scope_cancel(&second, "inner");
}

/* Both at once: the inner close tells its own cancel only when the outer one has not come. */
static void scope_cancel_both(void)
{
        begin();
        rein_scope_open(&scope, REIN_NEVER);
        rein_scope_open(&second, REIN_NEVER);
        explore_go();
        explore_start("cancel", cancel_scope, NULL);
        explore_start("cancel inner", cancel_second, NULL);
        explore_calm();
        EXPLORE_CHECK(rein_checkpoint() == REIN_ECANCELED);
        mark[CLOSED_TOO] = 1 + rein_scope_close(&second, REIN_ECANCELED);
        EXPLORE_CHECK(mark[CLOSED_TOO] == 1 + REIN_ECANCELED);
        EXPLORE_CHECK(rein_scope_close(&scope, REIN_ECANCELED) == REIN_ESTOPPED);
}

/* rein_on: the caller is not back before the job's code is. */
static int on_job(void *arg)
{
        ++*(int *)arg;
        rein_checkpoint();
        --*(int *)arg;
        mark[RAN]++;
        return 0;
}

static void on_cancel(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        rein_scope_open(&scope, REIN_NEVER);
        explore_go();
        explore_start("cancel", cancel_scope, NULL);
        mark[CODE] = rein_on(pool, on_job, &mark[RAN_TOO], REIN_JOB(.on_worker = true));
        EXPLORE_CHECK(mark[RAN_TOO] == 0 && mark[RAN] == (mark[CODE] == 0));
        explore_calm();
        mark[CLOSED] = 1 + rein_scope_close(&scope, 0);
        rein_executor_free(pool);
}

/* One allocation fails: the group says so, and every child is accounted for. */
static void group_memory(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        rein_group_open(&group, NULL);
        rein_spawn(&group, pool, child, &mark[RAN], REIN_JOB(.release = released));
        rein_spawn(&group, pool, child, &mark[RAN_TOO], REIN_JOB(.release = released));
        close_group();
        explore_calm();
        EXPLORE_CHECK(mark[RELEASED] == 2);
        EXPLORE_CHECK(mark[CLOSED] == 1 ? mark[RAN] && mark[RAN_TOO] : true);
        rein_executor_free(pool);
}

static const entry list[] = {
        {"failure-spawn", failure_spawn, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"spawn-close", spawn_close, {ALL()}},
        {"group-cancel-close", cancel_close, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"group-cancel-spawn-busy", cancel_spawn_busy, {ALL()}},
        {"width", width, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"width-cancel", width_cancel, {BOUNDED(1), PCT(3, 10000), RANDOM(10000), BY_NIGHT(2)}},
        {"first-success", first_success, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"group-abandon", abandon, {BOUNDED(1)}},
        {"scope-cancel-close", scope_cancel_close, {ALL(.slabs = true), BOUNDED(2, .slabs = true)}},
        {"scope-cancel-sleep", scope_cancel_sleep, {ALL()}},
        {"scope-cancel-open", scope_cancel_open, {ALL()}},
        {"scope-cancel-both", scope_cancel_both, {ALL()}},
        {"on-cancel", on_cancel, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"group-memory", group_memory, {BOUNDED(1, OUT_OF_MEMORY)}},
};

const entries group_scenarios = ENTRIES(list);
