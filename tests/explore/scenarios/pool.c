/* SPDX-License-Identifier: Apache-2.0 */
/* Pools: submits, stops, idle exits and restarts that meet; permits lent and taken back; circles. In the end every job
 * has an outcome, and no thread is left. */
#include <errno.h>

#include "core/task.h"
#include "scenarios/scenarios.h"

static rein_executor *pool;
static rein_future *future, *other;

enum { RAN, RAN_TOO, CODE, CODE_TOO, STOPPED, STOPPED_TOO, RELEASED, WAITED, RESTARTED };

static int job(void *arg)
{
        EXPLORE_CHECK(mark[STOPPED] == 0); /* the stop has returned: nothing runs any more */
        ++*(int *)arg;
        return 0;
}

/* Whatever a stop returned for: nothing runs there afterwards. */
static int job_before_the_stop(void *arg)
{
        EXPLORE_CHECK(!mark[STOPPED]);
        return job(arg);
}

static void submit(void *arg)
{
        future = rein_submit(pool, job, arg, NULL);
}

static void submit_before_the_stop(void *arg)
{
        future = rein_submit(pool, job_before_the_stop, arg, NULL);
}

static void stop_queued(void *arg)
{
        *(int *)arg = 1 + rein_executor_stop(pool, REIN_STOP_QUEUED, REIN_NEVER, NULL);
}

static void stop_now(void *arg)
{
        *(int *)arg = 1 + rein_executor_stop(pool, REIN_STOP_NOW, REIN_NEVER, NULL);
}

static void outcome(void)
{
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == REIN_EREJECTED || mark[CODE] == REIN_ECANCELED);
        EXPLORE_CHECK(mark[RAN] == (mark[CODE] == 0));
        EXPLORE_CHECK(rein_executor_unfinished(pool) == 0);
        rein_drop(future);
        rein_executor_free(pool);
}

static void submit_stop(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        explore_start("submit", submit_before_the_stop, &mark[RAN]);
        explore_start("stop", stop_queued, &mark[STOPPED]);
        explore_calm();
        EXPLORE_CHECK(mark[STOPPED] == 1 && mark[CODE] != REIN_ECANCELED);
        EXPLORE_CHECK(rein_executor_threads(pool) == 0);
        outcome();
}

static void submit_stop_now(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        explore_start("submit", submit_before_the_stop, &mark[RAN]);
        explore_start("stop", stop_now, &mark[STOPPED]);
        explore_calm();
        EXPLORE_CHECK(mark[STOPPED] == 1);
        EXPLORE_CHECK(rein_executor_threads(pool) == 0);
        outcome();
}

/* The thread gives up being idle in the moment in which a job comes. */
static void submit_idle_exit(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1, .idle_ns = REIN_MS(1)));
        static rein_time at;
        at = rein_after(REIN_MS(1));
        explore_go();
        rein_sim_block(at);
        future = rein_submit(pool, job, &mark[RAN], REIN_JOB(.on_worker = true));
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        EXPLORE_CHECK(mark[WAITED] == 0);
        explore_calm();
        outcome();
}

static void restart(void *arg)
{
        *(int *)arg = 1 + rein_executor_restart(pool);
}

static void submit_restart(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        EXPLORE_CHECK(rein_executor_stop(pool, REIN_STOP_NOW, REIN_NEVER, NULL) == 0);
        explore_go();
        explore_start("submit", submit, &mark[RAN]);
        explore_start("restart", restart, &mark[RESTARTED]);
        explore_calm();
        EXPLORE_CHECK(mark[RESTARTED] == 1 || mark[RESTARTED] == 1 - EBUSY);
        outcome();
}

static void stop_stop(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        explore_start("stop", stop_queued, &mark[STOPPED]);
        explore_start("stop too", stop_now, &mark[STOPPED_TOO]);
        explore_calm();
        EXPLORE_CHECK(mark[STOPPED] == 1 && mark[STOPPED_TOO] == 1);
        EXPLORE_CHECK(rein_executor_threads(pool) == 0);
        rein_executor_free(pool);
}

static void stop_restart(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        EXPLORE_CHECK(rein_executor_stop(pool, REIN_STOP_NOW, REIN_NEVER, NULL) == 0);
        explore_go();
        explore_start("stop", stop_queued, &mark[STOPPED]);
        explore_start("restart", restart, &mark[RESTARTED]);
        explore_calm();
        EXPLORE_CHECK(mark[STOPPED] == 1);
        EXPLORE_CHECK(mark[RESTARTED] == 1 || mark[RESTARTED] == 1 - EBUSY);
        rein_executor_free(pool);
}

/* Restarted while a stop is under way: that would have to wait for what is submitted then, though it began before. */
static rein_event *event;

static int waits_for_event(void *arg)
{
        ++*(int *)arg;
        return rein_event_wait(event, REIN_NEVER);
}

static void restart_and_submit(void *arg)
{
        restart(arg);
        future = *(int *)arg == 1 ? rein_submit(pool, waits_for_event, &mark[RAN], REIN_JOB(.on_worker = true)) : NULL;
}

static void stop_restart_submit(void)
{
        begin();
        event = rein_event_new();
        future = NULL;
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        explore_start("restart", restart_and_submit, &mark[RESTARTED]);
        mark[CODE] = rein_executor_stop(pool, REIN_STOP_QUEUED, REIN_NEVER, NULL);
        EXPLORE_CHECK(mark[CODE] == 0);
        rein_event_set(event);
        explore_calm();
        EXPLORE_CHECK(mark[RESTARTED] == 1 || mark[RESTARTED] == 1 - EBUSY);
        EXPLORE_CHECK(mark[RAN] == (mark[RESTARTED] == 1));
        rein_drop(future);
        rein_executor_free(pool);
        rein_event_free(event);
}

/* An executor without threads of its own: nothing but the end of its job tells the stop. */
static int passing_job(void *arg)
{
        others_may_come();
        return job(arg);
}

static void submit_passing(void *arg)
{
        future = rein_submit(pool, passing_job, arg, NULL);
}

static void stop_custom(void)
{
        begin();
        pool = inline_executor();
        explore_go();
        explore_start("submit", submit_passing, &mark[RAN]);
        explore_start("stop", stop_queued, &mark[STOPPED]);
        explore_calm();
        EXPLORE_CHECK(mark[STOPPED] == 1);
        outcome();
}

/* A job runs while the pool stops. Everybody who waits for it is told. */
static void stop_running(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, job, &mark[RAN], REIN_JOB(.on_worker = true));
        explore_start("stop", stop_now, &mark[STOPPED]);
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        explore_calm();
        EXPLORE_CHECK(mark[STOPPED] == 1);
        outcome();
}

/* A stop that is over at its deadline, whatever the job does. */
static int sleeping_job(void *arg)
{
        ++*(int *)arg;
        rein_sim_block(rein_after(REIN_MS(5)));
        return 0;
}

static void stop_in_time(void *arg)
{
        *(int *)arg = 1 + rein_executor_stop(pool, REIN_STOP_NOW, rein_after(REIN_MS(1)), NULL);
}

static void stop_deadline(void)
{
        begin();
        rein_on_unseen(nobody_told, &mark[RELEASED]);
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, sleeping_job, &mark[RAN], REIN_JOB(.on_worker = true));
        explore_start("stop", stop_in_time, &mark[STOPPED]);
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        explore_calm();
        rein_sim_block(rein_after(REIN_MS(10)));
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[STOPPED] == 1 || mark[STOPPED] == 1 + REIN_ESTUCK);
        EXPLORE_CHECK(mark[CODE] == REIN_EABANDONED || mark[CODE] == REIN_ECANCELED);
        EXPLORE_CHECK(mark[RELEASED] == (mark[CODE] == REIN_EABANDONED));
        rein_drop(future);
        rein_executor_free(pool);
}

/* A stop that nobody waits for: the clock cancels what runs, and gives it up in the end. */
static void stop_begin(void)
{
        begin();
        rein_on_unseen(nobody_told, &mark[RELEASED]);
        pool = warm_pool(1, REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1)));
        future = rein_submit(pool, sleeping_job, &mark[RAN], REIN_JOB(.on_worker = true));
        explore_calm(); /* it runs */
        explore_go();
        EXPLORE_CHECK(rein_executor_stop_begin(pool, REIN_STOP_QUEUED, rein_after(REIN_MS(2))) == 0);
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        EXPLORE_CHECK(rein_code(future) == REIN_EABANDONED);
        rein_sim_block(rein_after(REIN_MS(10)));
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[RELEASED] == 1);
        rein_drop(future);
        rein_executor_free(pool);
}

/* Its only thread is in the hands of a job that was given up: what is queued is told so, and what was promised runs
 * elsewhere, whoever comes first. */
static int late_job(void *arg)
{
        rein_sim_block(rein_after(REIN_MS(20)));
        ++*(int *)arg; /* perhaps after a stop: it was given up */
        return 0;
}

static void released_here(void *arg)
{
        (void)arg;
}

static rein_executor *exhausted_pool(void)
{
        rein_on_unseen(nobody_told, &mark[RELEASED]);
        rein_executor *x = warm_pool(1, REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1)));
        other = rein_submit(x, late_job, &mark[RAN_TOO],
                            REIN_JOB(.limit_ns = REIN_MS(1), .unheeded = REIN_ABANDON_IT, .release = released_here,
                                     .on_worker = true));
        return x;
}

static void exhausted(void)
{
        begin();
        pool = exhausted_pool();
        explore_go();
        future = rein_submit(pool, job, &mark[RAN], REIN_JOB(.on_worker = true));
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        explore_calm();
        EXPLORE_CHECK(rein_code(other) == REIN_EABANDONED);
        EXPLORE_CHECK(mark[RAN] == 0 && rein_code(future) == REIN_EREJECTED);
        rein_sim_block(rein_after(REIN_MS(50)));
        EXPLORE_CHECK(mark[RAN_TOO] == 1);
        rein_drop(other);
        rein_drop(future);
        rein_executor_free(pool);
}

static int continued(rein_future *f, void *arg)
{
        (void)f;
        EXPLORE_CHECK(++*(int *)arg == 1);
        return 0;
}

static void keep(void *arg)
{
        EXPLORE_CHECK(rein_promise_keep(arg, NULL, NULL) == 0);
}

static void rescue_stop(void)
{
        rein_future *kept;
        begin();
        pool = exhausted_pool();
        EXPLORE_CHECK(rein_await(other, NULL, REIN_NEVER) == REIN_EFAILED);
        EXPLORE_CHECK(rein_code(other) == REIN_EABANDONED);
        explore_calm();
        rein_promise *promise = rein_promise_new(&kept);
        EXPLORE_CHECK(rein_then(kept, pool, continued, &mark[RAN]) != NULL);
        explore_go();
        explore_start("keep", keep, promise);
        explore_start("stop", stop_now, &mark[STOPPED]);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1);
        rein_sim_block(rein_after(REIN_MS(50)));
        EXPLORE_CHECK(mark[RAN_TOO] == 1 && mark[STOPPED] != 0);
        rein_promise_drop(promise);
        rein_drop(kept);
        rein_drop(other);
        rein_executor_free(pool);
}

/* It is given up by the stop, and whoever called it by rein_on waits all the same until its code is out. */
static int slow_job(void *arg)
{
        int rc = sleeping_job(arg);
        mark[RAN_TOO]++;
        return rc;
}

static void on_given_up(void)
{
        begin();
        rein_on_unseen(nobody_told, &mark[RELEASED]);
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        explore_start("stop", stop_in_time, &mark[STOPPED]);
        mark[CODE] = rein_on(pool, slow_job, &mark[RAN], REIN_JOB(.on_worker = true));
        EXPLORE_CHECK(mark[RAN_TOO] == mark[RAN]);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] || mark[CODE] == REIN_EREJECTED || mark[CODE] == REIN_ECANCELED);
        EXPLORE_CHECK(mark[RELEASED] == (mark[CODE] == REIN_EABANDONED));
        rein_executor_free(pool);
}

/* ---- permits ---- */

static int inner_wait;

/* As many at once as there are permits. */
static int with_permit;

static int job_with_permit(void *arg)
{
        EXPLORE_CHECK(++with_permit == 1);
        others_may_come();
        --with_permit;
        return job(arg);
}

/* Waits for a job of its own pool, with a limit, so that it cannot run it itself: it lends its permit. */
static int outer_job(void *arg)
{
        (void)arg;
        rein_future *f = rein_submit(pool, job, &mark[RAN], REIN_JOB(.on_worker = true));
        inner_wait = rein_await(f, NULL, rein_after(REIN_SEC(1)));
        rein_drop(f);
        return job_with_permit(&mark[CODE]) == 0 ? inner_wait : -EPROTO;
}

static void lend_take_back(void)
{
        begin();
        with_permit = 0;
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, outer_job, NULL, REIN_JOB(.on_worker = true));
        other = rein_submit(pool, job_with_permit, &mark[RAN_TOO], REIN_JOB(.on_worker = true));
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        EXPLORE_CHECK(mark[WAITED] == 0 && mark[RAN] == 1);
        mark[WAITED] = rein_await(other, NULL, REIN_NEVER);
        EXPLORE_CHECK(mark[WAITED] == 0 && mark[RAN_TOO] == 1);
        explore_calm();
        rein_drop(future);
        rein_drop(other);
        rein_executor_free(pool);
}

/* The same without a limit: it runs it itself, or has it run. */
static int nesting_job(void *arg)
{
        (void)arg;
        rein_future *f = rein_submit(pool, job, &mark[RAN], NULL);
        int rc = rein_await(f, NULL, REIN_NEVER);
        rein_drop(f);
        return rc;
}

static void nested_wait(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, nesting_job, NULL, NULL);
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        EXPLORE_CHECK(mark[WAITED] == 0 && mark[RAN] == 1);
        explore_calm();
        rein_drop(future);
        rein_executor_free(pool);
}

/* Two jobs that wait for each other: one at least is told, and then both end. */
static rn_a32 both_there;

static int waits_for_other(void *arg)
{
        (void)arg;
        while (!rn_load32(&both_there))
                rn_pause(0);
        mark[RAN] = 1 + rein_await(other, NULL, REIN_NEVER);
        return 0;
}

static int waits_for_first(void *arg)
{
        (void)arg;
        mark[RAN_TOO] = 1 + rein_await(future, NULL, REIN_NEVER);
        return 0;
}

static void circle(void)
{
        begin();
        pool = warm_pool(2, REIN_POOL(.threads = 2));
        rn_set32(&both_there, 0);
        explore_go();
        future = rein_submit(pool, waits_for_other, NULL, REIN_JOB(.on_worker = true));
        other = rein_submit(pool, waits_for_first, NULL, REIN_JOB(.on_worker = true));
        rn_store32(&both_there, 1);
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        EXPLORE_CHECK(mark[WAITED] == 0);
        EXPLORE_CHECK(rein_await(other, NULL, REIN_NEVER) == 0);
        explore_calm();
        const int knot = 1 + REIN_EDEADLOCK;
        EXPLORE_CHECK(mark[RAN] == knot || mark[RAN_TOO] == knot);
        EXPLORE_CHECK((mark[RAN] == knot || mark[RAN] == 1) && (mark[RAN_TOO] == knot || mark[RAN_TOO] == 1));
        rein_drop(future);
        rein_drop(other);
        rein_executor_free(pool);
}

/* One holds a mutex, lends its permit and wants it back; another, who has the permit by then or not, wants the mutex. */
static rein_mutex *mutex;
static rein_future *later, *third;

static int wants_the_mutex(void *arg)
{
        (void)arg;
        int rc = rein_mutex_lock(mutex, REIN_NEVER);
        return rc < 0 ? rc : rein_mutex_unlock(mutex);
}

static int lends_with_a_mutex(void *arg)
{
        (void)arg;
        if (rein_mutex_lock(mutex, REIN_NEVER) < 0)
                return -EPROTO;
        other = rein_submit(pool, wants_the_mutex, NULL, REIN_JOB(.on_worker = true));
        rein_future *f =
                rein_submit(pool, job, &mark[RAN], REIN_JOB(.on_worker = true)); /* the newest: it runs first */
        rein_future *both[] = {f, later};
        int rc = rein_wait_all(both, 2, REIN_NEVER);
        rein_drop(f);
        EXPLORE_CHECK(rein_mutex_unlock(mutex) == 0);
        return rc;
}

static void permit_knot(void)
{
        begin();
        mutex = rein_mutex_new();
        rein_promise *promise = rein_promise_new(&later);
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, lends_with_a_mutex, NULL, REIN_JOB(.on_worker = true));
        rein_sim_block(rein_after(REIN_MS(20))); /* then the other one looks */
        EXPLORE_CHECK(rein_promise_keep(promise, NULL, NULL) == 0);
        EXPLORE_CHECK(ends_with(future) == 0);
        mark[CODE] = ends_with(other);
        EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == REIN_EDEADLOCK);
        explore_calm();
        rein_drop(future);
        rein_drop(other);
        rein_drop(later);
        rein_promise_drop(promise);
        rein_executor_free(pool);
        rein_mutex_free(mutex);
}

/* A job waits for its permit back, and gets it in the moment in which somebody who waits for the job looks whether it can
 * ever end. It can. */
static rein_time at;

static int ends_at(void *arg)
{
        rein_sim_block(at);
        return job(arg);
}

static int lends_for_a_while(void *arg)
{
        (void)arg;
        other = rein_submit(pool, ends_at, &mark[RAN], REIN_JOB(.on_worker = true));
        const int rc = rein_await(other, NULL, rein_after(REIN_MS(1)));
        return rc == REIN_ETIMEOUT ? 0 : rc;
}

static void permit_granted(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        at = rein_after(REIN_MS(10)); /* then the look comes */
        future = rein_submit(pool, lends_for_a_while, NULL, REIN_JOB(.on_worker = true));
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        EXPLORE_CHECK(mark[WAITED] == 0);
        EXPLORE_CHECK(ends_with(other) == 0 && mark[RAN] == 1);
        explore_calm();
        rein_drop(future);
        rein_drop(other);
        rein_executor_free(pool);
}

/* A job waits for its group, of which the first child needs its permit, and the last one is elsewhere. */
static rein_executor *elsewhere;
static rein_promise *promised;

static int keeps_it(void *arg)
{
        return rein_promise_keep(arg, NULL, NULL);
}

static int waits_for_it(void *arg)
{
        (void)arg;
        return rein_await(later, NULL, REIN_NEVER);
}

static int lends_for_its_group(void *arg)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, pool, keeps_it, promised, REIN_JOB(.on_worker = true));
        rein_spawn(&g, elsewhere, waits_for_it, arg, REIN_JOB(.on_worker = true));
        return rein_group_close(&g, 0);
}

static void lend_for_a_group(void)
{
        begin();
        promised = rein_promise_new(&later);
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        elsewhere = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, lends_for_its_group, NULL, REIN_JOB(.on_worker = true));
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        explore_calm();
        EXPLORE_CHECK(mark[WAITED] == 0);
        rein_drop(future);
        rein_drop(later);
        rein_promise_drop(promised);
        rein_executor_free(pool);
        rein_executor_free(elsewhere);
}

/* What looks like a knot, and is none, because a foreign thread that adopted the group may end it; and does. */
static rein_ticket *ticket;
static rein_group *lent;

static void ends_it(void *arg)
{
        rein_adopted a;
        (void)arg;
        EXPLORE_CHECK(rein_adopt(ticket, &a) == 0);
        EXPLORE_CHECK(rein_sleep(rein_after(REIN_MS(50))) == 0); /* long enough for everybody to look */
        rein_group_cancel(lent, "the foreign thread has its way");
        EXPLORE_CHECK(rein_return(&a, 0) == 0);
        rein_ticket_drop(ticket);
}

static int needs_the_pool(void *arg)
{
        (void)arg;
        mark[CODE] = rein_on(pool, job, &mark[RAN], REIN_JOB(.on_worker = true));
        return mark[CODE];
}

static int waits_for_the_needy(void *arg)
{
        rein_group g;
        (void)arg;
        lent = &g;
        rein_group_open(&g, NULL);
        ticket = rein_group_lend(&g);
        explore_start("foreign", ends_it, NULL);
        rein_sim_block(rein_after(REIN_MS(1))); /* it is inside */
        rein_spawn(&g, elsewhere, needs_the_pool, NULL, REIN_JOB(.on_worker = true));
        return rein_group_close(&g, 0);
}

static void knot_adopted(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        elsewhere = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, waits_for_the_needy, NULL, REIN_JOB(.on_worker = true));
        (void)rein_await(future, NULL, rein_after(REIN_SEC(1)));
        explore_calm();
        EXPLORE_CHECK(rein_code(future) == REIN_ESTOPPED);
        EXPLORE_CHECK(mark[CODE] == REIN_ECANCELED && mark[RAN] == 0);
        rein_drop(future);
        rein_executor_free(pool);
        rein_executor_free(elsewhere);
}

/* What a waiter may not run itself: what a cancel of its scope would not reach, and anything inside a hook region. */
static rn_task *waiter;

static int not_by_the_waiter(void *arg)
{
        EXPLORE_CHECK(rn_self() != waiter);
        return job(arg);
}

static void await_it(bool on_worker)
{
        waiter = rn_self();
        future = rein_submit(pool, not_by_the_waiter, &mark[RAN], REIN_JOB(.on_worker = on_worker));
        EXPLORE_CHECK(rein_await(future, NULL, REIN_NEVER) == 0 && mark[RAN] == 1);
        rein_drop(future);
}

static void claim_in_a_scope(void)
{
        rein_scope s;
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        rein_scope_open(&s, REIN_NEVER);
        await_it(false);
        EXPLORE_CHECK(rein_scope_close(&s, 0) == 0);
        explore_calm();
        rein_executor_free(pool);
}

static void claim_in_a_region(void)
{
        rein_hook h;
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        EXPLORE_CHECK(rein_hook_open(&h, released_here, NULL) == 0);
        await_it(false);
        EXPLORE_CHECK(rein_hook_close(&h, 0) == 0);
        explore_calm();
        rein_executor_free(pool);
}

static void claim_on_worker(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        await_it(true);
        explore_calm();
        rein_executor_free(pool);
}

/* One of two waits for any of several, of which one is a promise: that is no circle. */
static int waits_for_any(void *arg)
{
        rein_future *any[] = {other, later};
        (void)arg;
        while (!rn_load32(&both_there))
                rn_pause(0);
        any[0] = other;
        return rein_wait_any(any, 2, REIN_NEVER);
}

static void circle_any(void)
{
        begin();
        promised = rein_promise_new(&later);
        pool = warm_pool(2, REIN_POOL(.threads = 2));
        rn_set32(&both_there, 0);
        explore_go();
        future = rein_submit(pool, waits_for_any, NULL, REIN_JOB(.on_worker = true));
        other = rein_submit(pool, waits_for_first, NULL, REIN_JOB(.on_worker = true));
        rn_store32(&both_there, 1);
        rein_sim_block(rein_after(REIN_MS(30))); /* everybody has looked */
        EXPLORE_CHECK(rein_promise_keep(promised, NULL, NULL) == 0);
        EXPLORE_CHECK(rein_await(other, NULL, REIN_NEVER) == 0 && mark[RAN_TOO] == 1);
        EXPLORE_CHECK(rein_await(future, NULL, REIN_NEVER) == 0);
        explore_calm();
        EXPLORE_CHECK(rein_code(future) == 1);
        rein_drop(future);
        rein_drop(other);
        rein_drop(later);
        rein_promise_drop(promised);
        rein_executor_free(pool);
}

/* Two wait for each other, but one of them is cancelled before the other begins, whether it has left by then or not. */
static int waits_for_canceled(void *arg)
{
        (void)arg;
        while (!rn_load32(&both_there))
                rn_pause(0);
        rein_cancel(other, "it need not wait any more");
        mark[RAN] = 1 + rein_await(other, NULL, REIN_NEVER);
        return 0;
}

static void circle_canceled(void)
{
        begin();
        pool = warm_pool(2, REIN_POOL(.threads = 2));
        rn_set32(&both_there, 0);
        explore_go();
        future = rein_submit(pool, waits_for_canceled, NULL, REIN_JOB(.on_worker = true));
        other = rein_submit(pool, waits_for_first, NULL, REIN_JOB(.on_worker = true));
        rn_store32(&both_there, 1);
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        EXPLORE_CHECK(mark[WAITED] == 0);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 || mark[RAN] == 1 + REIN_EFAILED); /* it began, or it did not */
        EXPLORE_CHECK(mark[RAN_TOO] == 1 + REIN_ECANCELED || mark[RAN_TOO] == 0);
        rein_drop(future);
        rein_drop(other);
        rein_executor_free(pool);
}

/* A knot of two, and one of them is cancelled before anybody looks, but has not left: nobody is told of a deadlock. */
static int64_t knot_began, knot_canceled;

static void look_of(int rc)
{
        if (rc == REIN_EDEADLOCK)
                EXPLORE_CHECK(!knot_canceled || knot_canceled >= knot_began + REIN_MS(10));
}

static int waits_for_queued(void *arg)
{
        (void)arg;
        knot_began = rn_clock();
        mark[CODE] = rein_await(third, NULL, REIN_NEVER);
        look_of(mark[CODE]);
        return 0;
}

static int holds_the_thread(void *arg)
{
        (void)arg;
        while (!rn_load32(&both_there))
                rn_pause(0);
        mark[CODE_TOO] = rein_await(future, NULL, REIN_NEVER);
        look_of(mark[CODE_TOO]);
        return 0;
}

static void cancel_the_holder(void *arg)
{
        (void)arg;
        rein_cancel(other, "it need not wait any more");
        knot_canceled = rn_clock();
}

static void knot_canceled_in_time(void)
{
        begin();
        knot_began = knot_canceled = 0;
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        elsewhere = warm_pool(1, REIN_POOL(.threads = 1));
        rn_set32(&both_there, 0);
        other = rein_submit(elsewhere, holds_the_thread, NULL, REIN_JOB(.on_worker = true));
        third = rein_submit(elsewhere, job, &mark[RAN], REIN_JOB(.on_worker = true));
        future = rein_submit(pool, waits_for_queued, NULL, REIN_JOB(.on_worker = true));
        rn_store32(&both_there, 1);
        explore_calm(); /* all of them wait */
        explore_go();
        explore_start("cancel", cancel_the_holder, NULL);
        EXPLORE_CHECK(ends_with(future) == 0 && ends_with(other) != REIN_EPENDING && ends_with(third) == 0);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1);
        rein_drop(future);
        rein_drop(other);
        rein_drop(third);
        rein_executor_free(pool);
        rein_executor_free(elsewhere);
}

/* Its wait for the children of a group is over; it has another group now, and does not wait for that yet. */
static int waits_for_parent(void *arg)
{
        (void)arg;
        mark[RAN_TOO] = rein_await(future, NULL, REIN_NEVER);
        return mark[RAN_TOO];
}

static int two_groups(void *arg)
{
        rein_group g;
        (void)arg;
        while (!rn_load32(&both_there))
                rn_pause(0);
        rein_group_open(&g, NULL);
        rein_spawn(&g, pool, sleeping_job, &mark[RAN], REIN_JOB(.on_worker = true));
        int rc = rein_group_close(&g, 0);
        rein_group_open(&g, NULL);
        rein_spawn(&g, pool, waits_for_parent, NULL, REIN_JOB(.on_worker = true));
        rein_sim_block(rein_after(REIN_MS(30)));
        rein_group_cancel(&g, "it need not wait any more");
        const int closed = rein_group_close(&g, 0);
        return rc < 0 ? rc : closed == REIN_ESTOPPED ? 0 : -EPROTO;
}

static void ended_wait(void)
{
        begin();
        pool = warm_pool(2, REIN_POOL(.threads = 2));
        rn_set32(&both_there, 0);
        explore_go();
        future = rein_submit(pool, two_groups, NULL, REIN_JOB(.on_worker = true));
        rn_store32(&both_there, 1);
        EXPLORE_CHECK(rein_await(future, NULL, REIN_NEVER) == 0);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[RAN_TOO] == REIN_ECANCELED);
        rein_drop(future);
        rein_executor_free(pool);
}

/* Full queue, one place: who waits for room is let in, or told of the stop. */
static void submit_third(void *arg)
{
        third = rein_submit(pool, job, arg, NULL);
}

static void room_stop(void)
{
        begin();
        pool = rein_pool_new(REIN_POOL(.threads = 1, .queue_max = 1, .full = REIN_FULL_WAIT));
        explore_go();
        future = rein_submit(pool, job, &mark[RAN], REIN_JOB(.on_worker = true));
        explore_start("submit", submit_third, &mark[RAN_TOO]);
        explore_start("stop", stop_now, &mark[STOPPED]);
        explore_calm();
        mark[CODE_TOO] = rein_code(third);
        EXPLORE_CHECK(mark[RAN_TOO] == (mark[CODE_TOO] == 0));
        EXPLORE_CHECK(mark[CODE_TOO] != REIN_EPENDING && mark[STOPPED] == 1);
        rein_drop(third);
        outcome();
}

/* A pool whose thread cannot be started for want of memory says so to the job; it does not keep it for ever. */
static void nested_memory(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, outer_job, NULL, REIN_JOB(.on_worker = true));
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        explore_calm();
        mark[CODE] = rein_code(future);
        rein_drop(future);
        rein_executor_free(pool);
}

static const entry list[] = {
        {"submit-stop", submit_stop, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"submit-stop-now", submit_stop_now, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"submit-idle-exit", submit_idle_exit, {ALL(), BOUNDED(1, EARLY(1))}},
        {"submit-restart", submit_restart, {ALL()}},
        {"stop-stop", stop_stop, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"stop-restart", stop_restart, {ALL()}},
        {"stop-running", stop_running, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"stop-deadline",
         stop_deadline,
         {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3),
          NOT_EARLY("the job's time would be over before the stop begins")}},
        {"stop-restart-submit", stop_restart_submit, {BOUNDED(2)}},
        {"stop-custom", stop_custom, {ALL()}},
        {"stop-begin", stop_begin, {BOUNDED(2), NOT_EARLY("the job's time would be over before it is given up")}},
        {"exhausted", exhausted, {BOUNDED(1)}},
        {"rescue-stop", rescue_stop, {BOUNDED(2)}},
        {"on-given-up", on_given_up, {BOUNDED(1)}},
        {"lend-take-back", lend_take_back, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"nested-wait", nested_wait, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"circle", circle, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"permit-knot", permit_knot, {BOUNDED(2), PCT(3, 10000)}},
        {"permit-granted", permit_granted, {BOUNDED(2)}},
        {"lend-for-a-group", lend_for_a_group, {BOUNDED(1)}},
        {"knot-adopted",
         knot_adopted,
         {BOUNDED(1), NOT_EARLY("the knot would be looked for before the thread is inside")}},
        {"claim-in-a-scope", claim_in_a_scope, {ALL()}},
        {"claim-in-a-region", claim_in_a_region, {ALL()}},
        {"claim-on-worker", claim_on_worker, {ALL()}},
        {"circle-any", circle_any, {BOUNDED(1)}},
        {"circle-canceled", circle_canceled, {BOUNDED(1)}},
        {"knot-canceled", knot_canceled_in_time, {BOUNDED(0, EARLY(1))}},
        {"ended-wait", ended_wait, {BOUNDED(1)}},
        {"room-stop", room_stop, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"nested-memory", nested_memory, {BOUNDED(1, OUT_OF_MEMORY)}},
};

const entries pool_scenarios = ENTRIES(list);
