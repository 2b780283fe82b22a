/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: cancelled, claimed and abandoned while they start, run and end. A job runs at most once, its argument is released
 * once, and what it is told agrees with what happened. */
#include <errno.h>
#include <string.h>

#include "core/work.h"
#include "scenarios/scenarios.h"

static rein_executor *pool;
static rein_future *future, *other;

enum { RAN, ANSWER, ANSWER_TOO, CODE, RELEASED, RAN_TOO, WAITED, STOPPED };

static int job(void *arg)
{
        (void)arg;
        mark[RAN]++;
        return 0;
}

static void released(void *arg)
{
        (void)arg;
        EXPLORE_CHECK(++mark[RELEASED] == 1);
}

static void cancel(void *arg)
{
        *(int *)arg = 1 + (int)rein_cancel(future, "no more");
        EXPLORE_CHECK(*(int *)arg != 1 + (int)REIN_TOO_LATE || rein_code(future) != REIN_EPENDING);
}

static void the_end(void)
{
        rein_executor_free(pool);
        EXPLORE_CHECK(mark[RELEASED] == 1);
}

/* NEVER_STARTED: it did not run. TOO_LATE: it did. ASKED: a thread had it, which may look once more before it begins;
 * begun, it heeds nothing. */
static void agrees(int answer)
{
        mark[CODE] = rein_code(future);
        if (answer != 1 + (int)REIN_ASKED)
                EXPLORE_CHECK(mark[RAN] == (answer == 1 + (int)REIN_TOO_LATE));
        EXPLORE_CHECK(mark[CODE] == (mark[RAN] ? 0 : REIN_ECANCELED));
}

static int told[4];

static void cancel_start(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, job, told, REIN_JOB(.release = released));
        explore_start("cancel", cancel, &mark[ANSWER]);
        explore_calm();
        agrees(mark[ANSWER]);
        rein_drop(future);
        the_end();
}

/* The thread is not there yet. */
static void cancel_first_start(void)
{
        begin();
        pool = rein_pool_new(REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, job, told, REIN_JOB(.release = released));
        explore_start("cancel", cancel, &mark[ANSWER]);
        explore_calm();
        agrees(mark[ANSWER]);
        rein_drop(future);
        the_end();
}

/* It runs already when it is cancelled, and looks. */
static int looking_job(void *arg)
{
        (void)arg;
        mark[RAN]++;
        return rein_checkpoint();
}

static void cancel_completion(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, looking_job, told, REIN_JOB(.release = released, .on_worker = true));
        explore_start("cancel", cancel, &mark[ANSWER]);
        explore_calm();
        mark[CODE] = rein_code(future);
        if (mark[ANSWER] == 1 + (int)REIN_NEVER_STARTED)
                EXPLORE_CHECK(mark[RAN] == 0 && mark[CODE] == REIN_ECANCELED);
        else if (mark[ANSWER] == 1 + (int)REIN_TOO_LATE)
                EXPLORE_CHECK(mark[RAN] == 1 && mark[CODE] == 0);
        else
                EXPLORE_CHECK(mark[CODE] == (mark[RAN] && mark[CODE] == 0 ? 0 : REIN_ECANCELED));
        rein_drop(future);
        the_end();
}

/* It ignores the cancel past the grace, and comes back in the moment in which it is given up. */
static int stubborn_job(void *arg)
{
        rein_sim_block(*(rein_time *)arg);
        mark[RAN]++;
        return 0;
}

static void cancel_abandon(void)
{
        begin();
        rein_on_unseen(nobody_told, &mark[STOPPED]); /* the late log */
        pool = warm_pool(1, REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1)));
        static rein_time at;
        at = rein_after(REIN_MS(1));
        explore_go();
        future = rein_submit(pool, stubborn_job, &at,
                             REIN_JOB(.release = released, .unheeded = REIN_ABANDON_IT, .on_worker = true));
        explore_start("cancel", cancel, &mark[ANSWER]);
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        explore_calm();
        rein_sim_block(rein_after(REIN_MS(5)));
        mark[CODE] = rein_code(future);
        if (mark[RAN])
                EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == REIN_EABANDONED);
        else
                EXPLORE_CHECK(mark[CODE] == REIN_ECANCELED);
        EXPLORE_CHECK(mark[STOPPED] == (mark[CODE] == REIN_EABANDONED)); /* it came back, and that was told */
        EXPLORE_CHECK(rein_gone(future));
        rein_drop(future);
        the_end();
}

/* It runs, and ignores the cancel for longer than the grace. */
static int deaf_job(void *arg)
{
        rein_sim_block(rein_after(REIN_MS(5)));
        return job(arg);
}

static void cancel_given_up(void)
{
        begin();
        rein_on_unseen(nobody_told, &mark[STOPPED]);
        pool = warm_pool(1, REIN_POOL(.threads = 1, .grace_ns = REIN_MS(1)));
        future = rein_submit(pool, deaf_job, told,
                             REIN_JOB(.release = released, .unheeded = REIN_ABANDON_IT, .on_worker = true));
        explore_calm(); /* it runs */
        explore_go();
        explore_start("cancel", cancel, &mark[ANSWER]);
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        EXPLORE_CHECK(rein_code(future) == REIN_EABANDONED && mark[RAN] == 0);
        rein_sim_block(rein_after(REIN_MS(10)));
        explore_calm();
        EXPLORE_CHECK(mark[ANSWER] == 1 + (int)REIN_ASKED && mark[RAN] == 1 && mark[STOPPED] == 1);
        rein_drop(future);
        the_end();
}

static void cancel_cancel(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, job, told, REIN_JOB(.release = released));
        explore_start("cancel", cancel, &mark[ANSWER]);
        explore_start("cancel too", cancel, &mark[ANSWER_TOO]);
        explore_calm();
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[RAN] == (mark[CODE] == 0) && mark[RAN] <= 1);
        EXPLORE_CHECK(!mark[RAN] ||
                      (mark[ANSWER] != 1 + (int)REIN_NEVER_STARTED && mark[ANSWER_TOO] != 1 + (int)REIN_NEVER_STARTED));
        rein_drop(future);
        the_end();
}

/* The waiter runs it itself, or the thread does. */
static void claim_start(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, job, told, REIN_JOB(.release = released));
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        EXPLORE_CHECK(mark[WAITED] == 0 && mark[RAN] == 1);
        explore_calm();
        rein_drop(future);
        the_end();
}

static void claim_cancel(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, job, told, REIN_JOB(.release = released));
        explore_start("cancel", cancel, &mark[ANSWER]);
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        explore_calm();
        agrees(mark[ANSWER]);
        EXPLORE_CHECK(mark[WAITED] == (mark[RAN] ? 0 : REIN_EFAILED));
        rein_drop(future);
        the_end();
}

/* start_by comes in the moment in which the thread takes it. */
static int punctual_job(void *arg)
{
        EXPLORE_CHECK(rein_now().ns < ((rein_time *)arg)->ns);
        return job(NULL);
}

static void start_by_or(rein_unheeded unheeded)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        static rein_time at;
        at = rein_after(REIN_MS(1));
        other = rein_submit(pool, stubborn_job, &at, REIN_JOB(.on_worker = true));
        explore_go();
        future = rein_submit(pool, punctual_job, &at,
                             REIN_JOB(.release = released, .start_by = at, .on_worker = true, .unheeded = unheeded));
        rein_sim_block(rein_after(REIN_MS(2)));
        explore_calm();
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[CODE] == (mark[RAN] == 2 ? 0 : REIN_EREJECTED));
        rein_drop(future);
        rein_drop(other);
        the_end();
}

static void start_by(void)
{
        start_by_or(REIN_WAIT_FOR_IT);
}

/* Nothing of it is given up: it is in time, or it never runs. */
static void start_by_abandon(void)
{
        start_by_or(REIN_ABANDON_IT);
}

/* The time limit and the end. */
static int job_until(void *arg)
{
        int rc = rein_await(other, NULL, *(rein_time *)arg);
        mark[RAN]++;
        mark[ANSWER] = rc;
        return rc == REIN_ETIMEOUT ? 0 : rc;
}

static void limit_end(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        rein_promise *p = rein_promise_new(&other);
        static rein_time at;
        explore_go();
        at = rein_after(REIN_MS(1));
        future = rein_submit(pool, job_until, &at,
                             REIN_JOB(.release = released, .limit_ns = REIN_MS(1), .on_worker = true));
        rein_sim_block(at);
        rein_promise_keep(p, NULL, NULL);
        explore_calm();
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[RAN] == 1 && (mark[CODE] == 0 || mark[CODE] == REIN_ETIMEOUT));
        rein_drop(future);
        rein_promise_drop(p);
        rein_drop(other);
        the_end();
}

/* It sleeps on until its limit. */
static int job_for_ever(void *arg)
{
        (void)arg;
        mark[ANSWER] = rein_await(other, NULL, REIN_NEVER);
        return mark[ANSWER];
}

static void limit_sleep(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        rein_promise *p = rein_promise_new(&other);
        explore_go();
        future = rein_submit(pool, job_for_ever, told,
                             REIN_JOB(.release = released, .limit_ns = REIN_MS(1), .on_worker = true));
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        explore_calm();
        EXPLORE_CHECK(mark[ANSWER] == REIN_ECANCELED && rein_code(future) == REIN_ETIMEOUT);
        rein_drop(future);
        rein_promise_keep(p, NULL, NULL);
        rein_promise_drop(p);
        rein_drop(other);
        the_end();
}

/* Two things stop it at once: the harsher one is what is told. */
static void stop_it_by(void *rung)
{
        rn_work_stopped_by((rein_work *)(void *)future, *(rn_rung *)rung);
}

static void stopped_by_two(void)
{
        begin();
        static rn_rung asked = RN_RUNG_ASKED, abandoned = RN_RUNG_ABANDONED;
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        future = rein_submit(pool, job, told, REIN_JOB(.release = released, .on_worker = true));
        rein_await(future, NULL, REIN_NEVER);
        explore_go();
        explore_start("asked", stop_it_by, &asked);
        explore_start("abandoned", stop_it_by, &abandoned);
        explore_calm();
        EXPLORE_CHECK(rn_load32(&((rein_work *)(void *)future)->rung) == RN_RUNG_ABANDONED);
        rein_drop(future);
        the_end();
}

/* What it is stuck in is noted while somebody reads that. */
static void note(void *arg)
{
        (void)arg;
        rn_work_note_stuck((rein_work *)(void *)future);
}

static void read_note(void *arg)
{
        const rein_work *w = arg;
        EXPLORE_CHECK(!rn_loadptr(&w->stuck) || strcmp(rn_work_stuck_in(w), "rein_await") == 0);
}

static void stuck_text(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        rein_promise *p = rein_promise_new(&other);
        future = rein_submit(pool, job_for_ever, told, REIN_JOB(.release = released, .on_worker = true));
        explore_calm(); /* it is there */
        explore_go();
        explore_start("notes", note, NULL);
        explore_start("notes too", note, NULL);
        explore_start("reads", read_note, future);
        explore_calm();
        EXPLORE_CHECK(strcmp(rn_work_stuck_in((rein_work *)(void *)future), "rein_await") == 0);
        rein_promise_keep(p, NULL, NULL);
        rein_await(future, NULL, REIN_NEVER);
        rein_drop(future);
        rein_promise_drop(p);
        rein_drop(other);
        the_end();
}

/* A submit in which one allocation fails: the future says so, and the argument is released. */
static void submit_memory(void)
{
        begin();
        pool = warm_pool(1, REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, job, told, REIN_JOB(.release = released));
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        explore_calm();
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[RAN] == (mark[CODE] == 0));
        EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == -ENOMEM);
        rein_drop(future);
        the_end();
}

/* Context values, and one allocation that fails: nothing is lost, and what was set before is there. */
static void value_released(void *value)
{
        ++*(int *)value;
}

static void context_memory(void)
{
        static const rein_key key = {"key", value_released}, other_key = {"other", NULL}, third = {"third", NULL};
        begin();
        EXPLORE_CHECK(rein_context_set(&key, &mark[RELEASED]) == 0);
        EXPLORE_CHECK(rein_context_set(&other_key, told) == 0 && rein_context_set(&third, told) == 0);
        explore_go();
        mark[CODE] = rein_context_set(&key, &mark[RAN]);
        EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == -ENOMEM);
        EXPLORE_CHECK(mark[RELEASED] == (mark[CODE] == 0));
        EXPLORE_CHECK(rein_context_get(&key) == (mark[CODE] == 0 ? &mark[RAN] : &mark[RELEASED]));
        EXPLORE_CHECK(rein_context_get(&other_key) == told);
        explore_calm();
        EXPLORE_CHECK(rein_context_set(&key, NULL) == 0 && rein_context_set(&other_key, NULL) == 0);
        EXPLORE_CHECK(rein_context_set(&third, NULL) == 0);
        EXPLORE_CHECK(mark[RELEASED] == 1 && mark[RAN] == (mark[CODE] == 0));
}

static void first_submit_memory(void)
{
        begin();
        pool = rein_pool_new(REIN_POOL(.threads = 1));
        explore_go();
        future = rein_submit(pool, job, told, REIN_JOB(.release = released, .on_worker = true));
        mark[WAITED] = rein_await(future, NULL, REIN_NEVER);
        explore_calm();
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[RAN] == (mark[CODE] == 0));
        EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == -ENOMEM || mark[CODE] == REIN_EREJECTED);
        rein_drop(future);
        the_end();
}

static const entry list[] = {
        {"cancel-start", cancel_start, {ALL(), BOUNDED(1, .weak = true, .word_locks = true)}},
        {"cancel-first-start", cancel_first_start, {ALL()}},
        {"cancel-completion", cancel_completion, {ALL()}},
        {"cancel-abandon", cancel_abandon, {BOUNDED(2), PCT(3, 10000), BY_NIGHT_ALL(), BY_NIGHT(3)}},
        {"cancel-given-up",
         cancel_given_up,
         {BOUNDED(2), NOT_EARLY("the job's time would be over before it is given up")}},
        {"cancel-cancel-job", cancel_cancel, {ALL()}},
        {"claim-start", claim_start, {ALL(), BOUNDED(1, .weak = true, .word_locks = true)}},
        {"claim-cancel", claim_cancel, {ALL()}},
        {"start-by", start_by, {ALL()}},
        {"start-by-abandon", start_by_abandon, {ALL()}},
        {"limit-end", limit_end, {ALL()}},
        {"limit-sleep", limit_sleep, {ALL()}},
        {"stopped-by-two", stopped_by_two, {ALL()}},
        {"stuck-text", stuck_text, {ALL()}},
        {"context-memory", context_memory, {BOUNDED(1, OUT_OF_MEMORY)}},
        {"submit-memory", submit_memory, {BOUNDED(1, OUT_OF_MEMORY)}},
        {"first-submit-memory", first_submit_memory, {BOUNDED(1, OUT_OF_MEMORY)}},
};

const entries work_scenarios = ENTRIES(list);
