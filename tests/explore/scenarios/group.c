/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes and groups: no child is forgotten, none outlives its group, a cancel reaches whoever is inside and nobody else. */
#include <errno.h>

#include "core/group.h"
#include "core/task.h"
#include "core/world.h"
#include "scenarios/scenarios.h"

static rein_executor *pool;
static rein_group group;
static rein_scope scope, second;

enum { RAN, RAN_TOO, CLOSED, CANCELED, CODE, CODE_TOO, WAITED, RELEASED, CLOSED_TOO, GONE };

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

/* A cancel of the group has come in time, or too late. */
static bool stopped_or_not(void)
{
        return mark[CLOSED] == 1 || mark[CLOSED] == 1 + REIN_ESTOPPED;
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

/* One child, which fails: the close waits for it, and knows of it. */
static void failure_close(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        rein_group_open(&group, NULL);
        rein_spawn(&group, pool, failing_child, &mark[RAN], REIN_JOB(.release = released));
        close_group();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[RELEASED] == 1);
        EXPLORE_CHECK(mark[CLOSED] == 1 + REIN_EFAILED);
        explore_calm();
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
        in_no_time();
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
        in_no_time();
        explore_calm();
        EXPLORE_CHECK(stopped_or_not());
        EXPLORE_CHECK(mark[RELEASED] == 1 && mark[RAN] <= 1);
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
        EXPLORE_CHECK(mark[CLOSED] == 1 + REIN_ESTOPPED);
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
        in_no_time();
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1 && mark[RAN] == 1 && mark[RAN_TOO] == 1);
        rein_executor_free(pool);
}

/* Another task waits for the place, while the owner closes. */
static void spawn_two(void *arg)
{
        spawn_other(arg);
        spawn_other(arg);
}

static void width_close(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        rein_group_open(&group, REIN_GROUP(.width = 1));
        explore_go();
        explore_start("spawn", spawn_two, &mark[RAN]);
        close_group();
        mark[RAN_TOO] = mark[RAN];
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1 && mark[RELEASED] == 2 && mark[RAN_TOO] == mark[RAN]);
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
        EXPLORE_CHECK(stopped_or_not() && mark[RAN] <= 1 && mark[RAN_TOO] <= 1);
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

/* Another task waits for a place. The child that has it ends late, and heeds no cancel. */
static int deaf_child(void *arg)
{
        rein_sim_block(rein_after(REIN_MS(5)));
        ++*(int *)arg;
        return 0;
}

static void one_place_taken(void)
{
        begin();
        pool = warm_pool(2, REIN_POOL(.threads = 2));
        rein_group_open(&group, REIN_GROUP(.width = 1));
        rein_spawn(&group, pool, deaf_child, &mark[RAN], REIN_JOB(.on_worker = true));
        explore_calm(); /* it runs */
        explore_go();
}

static void spawn_in_time(void *arg)
{
        spawn_other(arg);
        EXPLORE_CHECK(mark[RAN] == 0);
        mark[WAITED]++;
}

/* The cancel gets it out of there. */
static void place_cancel(void)
{
        one_place_taken();
        explore_start("spawn", spawn_in_time, &mark[RAN_TOO]);
        explore_start("cancel", cancel_group, NULL);
        close_group();
        explore_calm();
        EXPLORE_CHECK(mark[WAITED] == 1 && mark[RELEASED] == 1 && mark[RAN_TOO] == 0);
        rein_executor_free(pool);
}

/* The close waits for it, and for its child. */
static void place_close(void)
{
        one_place_taken();
        explore_start("spawn", spawn_other, &mark[RAN_TOO]);
        close_group();
        mark[CODE] = mark[RAN_TOO];
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1 && mark[RELEASED] == 1 && mark[CODE] == mark[RAN_TOO]);
        rein_executor_free(pool);
}

/* Two wait for the one place: one child at a time. */
static int lonely_child(void *arg)
{
        EXPLORE_CHECK(rn_self()->now->work->group->unfinished == 1);
        return child(arg);
}

static void spawn_lonely(void *arg)
{
        rein_spawn(&group, pool, lonely_child, arg, REIN_JOB(.on_worker = true));
}

static void two_spawners(void)
{
        one_place_taken();
        explore_start("spawn", spawn_lonely, &mark[CODE]);
        explore_start("spawn too", spawn_lonely, &mark[CODE_TOO]);
        rein_sim_block(rein_after(REIN_MS(10)));
        explore_calm();
        close_group();
        EXPLORE_CHECK(mark[CLOSED] == 1 && mark[CODE] == 1 && mark[CODE_TOO] == 1);
        rein_executor_free(pool);
}

/* Two places come free at once: both that wait are let in, for the children need each other. */
static rein_event *event, *free_now;

static int waits_for(void *arg)
{
        return rein_event_wait(arg, REIN_NEVER);
}

static int sets(void *arg)
{
        rein_event_set(arg);
        return waits_for(arg);
}

static void spawn_needy(void *arg)
{
        rein_spawn(&group, pool, arg ? sets : waits_for, event, REIN_JOB(.on_worker = true));
}

static void two_places(void)
{
        begin();
        pool = warm_pool(2, REIN_POOL(.threads = 2));
        event = rein_event_new();
        free_now = rein_event_new();
        rein_group_open(&group, REIN_GROUP(.width = 2));
        rein_spawn(&group, pool, waits_for, free_now, REIN_JOB(.on_worker = true));
        rein_spawn(&group, pool, waits_for, free_now, REIN_JOB(.on_worker = true));
        explore_start("spawn", spawn_needy, NULL);
        explore_calm();
        explore_start("spawn too", spawn_needy, event);
        explore_calm(); /* all of them wait */
        explore_go();
        rein_event_set(free_now);
        explore_calm();
        EXPLORE_CHECK(rein_event_wait(event, REIN_NOWAIT) == 0);
        rein_event_set(event);
        close_group();
        EXPLORE_CHECK(mark[CLOSED] == 1);
        rein_executor_free(pool);
        rein_event_free(event);
        rein_event_free(free_now);
}

/* Nobody but background children is left: the close cancels them. */
static int sleeping_child(void *arg)
{
        ++*(int *)arg;
        return rein_sleep(REIN_NEVER);
}

static void background(void)
{
        begin();
        pool = warm_pool(2, REIN_POOL(.threads = 2));
        explore_go();
        rein_group_open(&group, NULL);
        rein_spawn(&group, pool, sleeping_child, &mark[RAN_TOO], REIN_JOB(.background = true, .on_worker = true));
        rein_spawn(&group, pool, child, &mark[RAN], REIN_JOB(.on_worker = true));
        close_group();
        in_no_time();
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1 && mark[RAN] == 1);
        mark[RAN_TOO] = 0;
        rein_executor_free(pool);
}

/* The owner is a job that closes its group; another task spawns one more, for which it has to lend its permit. */
static rein_executor *other_pool;
static rn_a32 is_there;

static int closes_its_group(void *arg)
{
        (void)arg;
        rein_group_open(&group, NULL);
        rein_spawn(&group, other_pool, deaf_child, &mark[RAN], REIN_JOB(.on_worker = true));
        rn_store32(&is_there, 1);
        return rein_group_close(&group, 0);
}

static void spawn_late(void *arg)
{
        spawn_other(arg);
}

static void join_late_child(void)
{
        begin();
        rn_set32(&is_there, 0);
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        other_pool = warm_pool(1, REIN_POOL(.threads = 1));
        rein_future *f = rein_submit(pool, closes_its_group, NULL, REIN_JOB(.on_worker = true));
        explore_calm(); /* it waits for its children */
        EXPLORE_CHECK(rn_load32(&is_there) == 1);
        explore_go();
        explore_start("spawn", spawn_late, &mark[RAN_TOO]);
        rein_sim_block(rein_after(REIN_MS(1)));
        EXPLORE_CHECK(mark[RAN_TOO] == 1); /* at once, and not when the other has ended */
        rein_await(f, NULL, REIN_NEVER);
        explore_calm();
        EXPLORE_CHECK(rein_code(f) == 0 && mark[RAN] == 1);
        rein_drop(f);
        rein_executor_free(pool);
        rein_executor_free(other_pool);
}

/* A child that may be abandoned, is, and comes back when the group's record is another's. */
static int late_child(void *arg)
{
        rein_sim_block(rein_after(REIN_MS(5)));
        ++*(int *)arg;
        return 0;
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

/* ---- a time that is up ---- */

static int64_t join_until;

/* The next job of the child's thread. Before the time is up: are all children gone? Then the time passes. */
static int look_before(void *arg)
{
        rn_group *g = arg;
        rn_scope_lock(g->scope);
        mark[GONE] = mark[RAN] && g->unfinished == 0 && rn_clock() < join_until;
        rn_scope_unlock(g->scope);
        rein_sim_block(REIN_TIME(join_until + 1000));
        return 0;
}

/* The children are gone, and then the time is up, both between two looks of the task that joins them: what is there wins. */
static void join_value(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        rein_group_open(&group, NULL);
        rn_group *g = rn_loadptr((rn_aptr *)(void *)&group); /* a handle begins with its record */
        join_until = rn_clock() + 10000;
        explore_go();
        rein_spawn(&group, pool, child, &mark[RAN], REIN_JOB(.on_worker = true));
        rein_future *looked = rein_submit(pool, look_before, g, REIN_JOB(.on_worker = true));
        const int rc = rein_group_join(&group, REIN_TIME(join_until));
        explore_calm();
        mark[CODE] = rc == 0 ? 1 : 2;
        EXPLORE_CHECK(rc == 0 || rc == REIN_ETIMEOUT);
        EXPLORE_CHECK(rc == 0 || !mark[GONE]);
        EXPLORE_CHECK(ends_with(looked) == 0);
        rein_drop(looked);
        close_group();
        rein_executor_free(pool);
}

/* ---- scopes ---- */

/* A family over two threads: its head is counted by each member, and given back with the last. */
static void family(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        const size_t before = rn_slab_count(&rn_world_now()->scopes);
        explore_go();
        rein_group_open(&group, NULL);
        rn_scope *head = rn_self()->now->scope;
        rein_spawn(&group, pool, child, &mark[RAN], REIN_JOB(.on_worker = true));
        EXPLORE_CHECK(rein_group_join(&group, REIN_NEVER) == 0);
        explore_calm();
        EXPLORE_CHECK(rn_load32(&head->refs) == 1 && rn_slab_count(&rn_world_now()->scopes) == before + 1);
        close_group();
        EXPLORE_CHECK(rn_slab_count(&rn_world_now()->scopes) == before);
        rein_executor_free(pool);
}

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
        in_no_time();
        explore_calm();
        EXPLORE_CHECK(rein_scope_close(&scope, mark[WAITED]) == REIN_ESTOPPED);
        rein_promise_keep(p, NULL, NULL);
        rein_promise_drop(p);
        rein_drop(f);
}

/* A scope was open inside, and is not any more: whoever sleeps is right in the outer one. */
static void scope_cancel_after_inner(void)
{
        begin();
        rein_scope_open(&scope, REIN_NEVER);
        rein_scope_open(&second, REIN_NEVER);
        EXPLORE_CHECK(rein_scope_close(&second, 0) == 0);
        explore_go();
        explore_start("cancel", cancel_scope, NULL);
        mark[WAITED] = rein_sleep(REIN_NEVER);
        EXPLORE_CHECK(mark[WAITED] == REIN_ECANCELED);
        explore_calm();
        EXPLORE_CHECK(rein_scope_close(&scope, mark[WAITED]) == REIN_ESTOPPED);
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

/* The same, and it stays open: it is cancelled in the end, whoever came first. */
static void scope_cancel_open_stay(void)
{
        begin();
        rein_scope_open(&scope, REIN_NEVER);
        explore_go();
        explore_start("cancel", cancel_scope, NULL);
        rein_scope_open(&second, REIN_NEVER);
        explore_calm();
        EXPLORE_CHECK(rein_checkpoint() == REIN_ECANCELED);
        EXPLORE_CHECK(rein_scope_close(&second, REIN_ECANCELED) == REIN_ECANCELED);
        EXPLORE_CHECK(rein_scope_close(&scope, REIN_ECANCELED) == REIN_ESTOPPED);
}

/* A cancel goes past what is cancelled by itself, to what is beside it. */
static void cancel_second_child(void)
{
        begin();
        pool = warm_pool(2, REIN_POOL(.threads = 2));
        rein_group_open(&group, NULL);
        rein_future *first = rein_spawn_future(&group, pool, deaf_child, &mark[RAN], REIN_JOB(.on_worker = true));
        rein_spawn(&group, pool, sleeping_child, &mark[RAN_TOO], REIN_JOB(.on_worker = true));
        explore_calm(); /* they run */
        EXPLORE_CHECK(rein_cancel(first, "the first") == REIN_ASKED);
        explore_go();
        explore_start("cancel", cancel_group, NULL);
        close_group(); /* never, if the second were left alone */
        explore_calm();
        EXPLORE_CHECK(mark[CLOSED] == 1 + REIN_ESTOPPED && mark[RAN] == 1);
        rein_executor_free(pool);
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
        {"failure-close", failure_close, {ALL()}},
        {"spawn-close", spawn_close, {ALL(), NOT_EARLY("it asks that no time passes")}},
        {"group-cancel-close",
         cancel_close,
         {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3), NOT_EARLY("it asks that no time passes")}},
        {"group-cancel-spawn-busy", cancel_spawn_busy, {ALL()}},
        {"width",
         width,
         {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3), NOT_EARLY("it asks that no time passes")}},
        {"width-close", width_close, {BOUNDED(2), PCT(3, 10000), PCT(3, 2000, EARLY(2))}},
        {"width-cancel", width_cancel, {BOUNDED(1), PCT(3, 10000), RANDOM(10000), BY_NIGHT(2)}},
        {"first-success", first_success, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"group-place-cancel", place_cancel, {BOUNDED(1), NOT_EARLY("the child would end before the cancel")}},
        {"group-place-close", place_close, {BOUNDED(1)}},
        {"width-two-spawners", two_spawners, {BOUNDED(1)}},
        {"width-two-places", two_places, {BOUNDED(0)}},
        {"group-background", background, {BOUNDED(1), NOT_EARLY("it asks that no time passes")}},
        {"group-join-late-child",
         join_late_child,
         {BOUNDED(1), NOT_EARLY("the scenario's own time would be over first")}},
        {"group-abandon", abandon, {BOUNDED(1), NOT_EARLY("the job's time would be over before it is given up")}},
        {"group-join-value", join_value, {BOUNDED(1, .after = true, EARLY(1))}},
        {"scope-family", family, {BOUNDED(1)}},
        {"scope-cancel-close", scope_cancel_close, {ALL(.slabs = true), BOUNDED(2, .slabs = true)}},
        {"scope-cancel-sleep", scope_cancel_sleep, {ALL(), NOT_EARLY("it asks that no time passes")}},
        {"scope-cancel-after-inner", scope_cancel_after_inner, {ALL()}},
        {"scope-cancel-open", scope_cancel_open, {ALL()}},
        {"scope-cancel-open-stay", scope_cancel_open_stay, {ALL()}},
        {"group-cancel-second-child", cancel_second_child, {BOUNDED(2)}},
        {"scope-cancel-both", scope_cancel_both, {ALL()}},
        {"on-cancel", on_cancel, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"group-memory", group_memory, {BOUNDED(1, OUT_OF_MEMORY)}},
};

const entries group_scenarios = ENTRIES(list);
