/* SPDX-License-Identifier: Apache-2.0 */
/* Pools: submits, stops, idle exits and restarts that meet; permits lent and taken back; circles. In the end every job
 * has an outcome, and no thread is left. */
#include <errno.h>

#include "scenarios/scenarios.h"

static rein_executor *pool;
static rein_future *future, *other;

enum { RAN, RAN_TOO, CODE, CODE_TOO, STOPPED, STOPPED_TOO, RELEASED, WAITED, RESTARTED };

static int job(void *arg)
{
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
        rein_sim_point("in the job");
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

static void nobody_told(const rein_error *e, void *arg)
{
        (void)e;
        ++*(int *)arg;
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
        return job(arg);
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

/* Waits for a job of its own pool, with a limit, so that it cannot run it itself: it lends its permit. */
static int outer_job(void *arg)
{
        (void)arg;
        rein_future *f = rein_submit(pool, job, &mark[RAN], REIN_JOB(.on_worker = true));
        inner_wait = rein_await(f, NULL, rein_after(REIN_SEC(1)));
        rein_drop(f);
        return inner_wait;
}

static void lend_take_back(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, outer_job, NULL, REIN_JOB(.on_worker = true));
        other = rein_submit(pool, job, &mark[RAN_TOO], REIN_JOB(.on_worker = true));
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
static rein_future *later;

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
        rein_future *f = rein_submit(pool, job, &mark[RAN], REIN_JOB(.on_worker = true));
        other = rein_submit(pool, wants_the_mutex, NULL, REIN_JOB(.on_worker = true));
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

/* Full queue, one place: who waits for room is let in, or told of the stop. */
static rein_future *third;

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
        {"stop-begin", stop_begin, {BOUNDED(2)}},
        {"exhausted", exhausted, {BOUNDED(1)}},
        {"rescue-stop", rescue_stop, {BOUNDED(2)}},
        {"on-given-up", on_given_up, {BOUNDED(1)}},
        {"lend-take-back", lend_take_back, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"nested-wait", nested_wait, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"circle", circle, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"permit-knot", permit_knot, {BOUNDED(2), PCT(3, 10000)}},
        {"permit-granted", permit_granted, {BOUNDED(2)}},
        {"room-stop", room_stop, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"nested-memory", nested_memory, {BOUNDED(1, OUT_OF_MEMORY)}},
};

const entries pool_scenarios = ENTRIES(list);
