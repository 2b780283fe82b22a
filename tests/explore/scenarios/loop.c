/* SPDX-License-Identifier: Apache-2.0 */
/* Loops: posts to one that is about to sleep, to end or to be freed; coroutines that are woken by two at once; stops,
 * restarts, and loops that wait for each other. */
#include <errno.h>
#include <poll.h>

#include "loop/loop.h"
#include "scenarios/scenarios.h"

static rein_executor *loop, *second;
static rein_future *future, *other, *kept;
static rein_promise *promise;
static rein_time at;

enum { RAN, RAN_TOO, CODE, CODE_TOO, STOPPED, ANSWER, SAW, SAW_TOO, RESTARTED };

static int job(void *arg)
{
        ++*(int *)arg;
        return 0;
}

/* A loop whose thread exists, and sleeps. */
static rein_executor *warm_loop(const rein_loop_opts *opts)
{
        rein_executor *x = rein_loop_new(opts);
        EXPLORE_CHECK(x != NULL);
        int ran = 0;
        rein_future *f = rein_submit(x, job, &ran, NULL);
        EXPLORE_CHECK(rein_await(f, NULL, REIN_NEVER) == 0 && ran == 1);
        rein_drop(f);
        return x;
}

static void submit(void *arg)
{
        future = rein_submit(loop, job, arg, NULL);
}

static void submit_too(void *arg)
{
        other = rein_submit(loop, job, arg, NULL);
}

static void settle(void *arg)
{
        (void)arg;
        EXPLORE_CHECK(rein_promise_keep(promise, NULL, NULL) == 0);
}

static void cancel_it(void *arg)
{
        *(int *)arg = (int)rein_cancel(future, "enough");
}

static void stop_queued(void *arg)
{
        *(int *)arg = 1 + rein_executor_stop(loop, REIN_STOP_QUEUED, REIN_NEVER, NULL);
}

static void stop_now(void *arg)
{
        *(int *)arg = 1 + rein_executor_stop(loop, REIN_STOP_NOW, REIN_NEVER, NULL);
}

static int awaits(void *arg)
{
        int rc = rein_await(kept, NULL, REIN_NEVER);
        mark[SAW] = 1 + rc;
        ++*(int *)arg;
        return rc;
}

/* And then by a timer alone. */
static int awaits_until(void *arg)
{
        mark[SAW] = rein_await(kept, NULL, at);
        int rc = rein_sleep(rein_after(REIN_MS(1)));
        ++*(int *)arg;
        return rc;
}

static void end(rein_executor *x)
{
        EXPLORE_CHECK(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL) == 0);
        EXPLORE_CHECK(rein_executor_unfinished(x) == 0 && rein_executor_threads(x) == 0);
        rein_executor_free(x);
}

/* A coroutine that waits in its loop, which sleeps. */
static void waiting_coroutine(rein_fn fn)
{
        begin();
        loop = warm_loop(NULL);
        promise = rein_promise_new(&kept);
        at = rein_after(REIN_MS(1));
        future = rein_submit(loop, fn, &mark[RAN], NULL);
}

static void leave_promise(void)
{
        rein_promise_drop(promise);
        rein_drop(kept);
}

/* ---- a loop that is about to sleep ---- */

static void submit_two(bool warm)
{
        begin();
        loop = warm ? warm_loop(NULL) : rein_loop_new(NULL);
        explore_go();
        explore_start("submit", submit, &mark[RAN]);
        explore_start("submit too", submit_too, &mark[RAN_TOO]);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[RAN_TOO] == 1);
        rein_drop(future);
        rein_drop(other);
        end(loop);
}

static void submit_sleep(void)
{
        submit_two(true);
}

static void first_submit(void)
{
        submit_two(false);
}

static void settle_park(void)
{
        begin();
        loop = warm_loop(NULL);
        promise = rein_promise_new(&kept);
        explore_go();
        explore_start("settle", settle, NULL);
        future = rein_submit(loop, awaits, &mark[RAN], NULL);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[SAW] == 1);
        rein_drop(future);
        leave_promise();
        end(loop);
}

static void settle_submit(void)
{
        waiting_coroutine(awaits);
        explore_go();
        explore_start("settle", settle, NULL);
        explore_start("submit too", submit_too, &mark[RAN_TOO]);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[SAW] == 1 && mark[RAN_TOO] == 1);
        rein_drop(future);
        rein_drop(other);
        leave_promise();
        end(loop);
}

/* ---- woken by two. Time comes to `at` for the loop's timer and for the other one at once. ---- */

static void settle_cancel(void)
{
        waiting_coroutine(awaits);
        explore_go();
        explore_start("settle", settle, NULL);
        explore_start("cancel", cancel_it, &mark[ANSWER]);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && (mark[SAW] == 1 || mark[SAW] == 1 + REIN_ECANCELED));
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[CODE] == (mark[SAW] == 1 ? 0 : REIN_ECANCELED));
        rein_drop(future);
        leave_promise();
        end(loop);
}

static int naps(void *arg)
{
        int rc = rein_sleep(at);
        ++*(int *)arg;
        return rc;
}

static void settle_timer(void)
{
        waiting_coroutine(awaits_until);
        other = rein_submit(loop, naps, &mark[RAN_TOO], NULL);
        explore_go();
        rein_sim_block(at);
        settle(NULL);
        explore_calm();
        rein_sim_block(rein_after(REIN_MS(2)));
        EXPLORE_CHECK(mark[RAN] == 1 && (mark[SAW] == 0 || mark[SAW] == REIN_ETIMEOUT));
        EXPLORE_CHECK(mark[RAN_TOO] == 1 && rein_code(future) == 0 && rein_code(other) == 0);
        rein_drop(future);
        rein_drop(other);
        leave_promise();
        end(loop);
}

/* Its timer was not needed, and is not left behind where the next one goes. */
static void settle_sleep(void)
{
        waiting_coroutine(awaits_until);
        other = rein_submit(loop, naps, &mark[RAN_TOO], NULL);
        explore_go();
        explore_start("settle", settle, NULL);
        rein_sim_block(rein_after(REIN_MS(3)));
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[SAW] == 0 && mark[RAN_TOO] == 1);
        rein_drop(future);
        rein_drop(other);
        leave_promise();
        end(loop);
}

static void cancel_completion(void)
{
        begin();
        loop = warm_loop(NULL);
        at = rein_after(REIN_MS(1));
        future = rein_submit(loop, naps, &mark[RAN], NULL);
        explore_go();
        rein_sim_block(at);
        cancel_it(&mark[ANSWER]);
        explore_calm();
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[RAN] == 1 && (mark[CODE] == 0 || mark[CODE] == REIN_ECANCELED));
        EXPLORE_CHECK(mark[CODE] == 0 || mark[ANSWER] == REIN_ASKED);
        rein_drop(future);
        end(loop);
}

/* ---- the end ---- */

static void outcome(void)
{
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == REIN_EREJECTED || mark[CODE] == REIN_ECANCELED);
        EXPLORE_CHECK(mark[RAN] == (mark[CODE] == 0));
        EXPLORE_CHECK(mark[STOPPED] == 1 && rein_executor_unfinished(loop) == 0);
        EXPLORE_CHECK(rein_executor_threads(loop) == 0);
        rein_drop(future);
        rein_executor_free(loop);
}

static void submit_stop(void)
{
        begin();
        loop = warm_loop(NULL);
        explore_go();
        explore_start("submit", submit, &mark[RAN]);
        explore_start("stop", stop_queued, &mark[STOPPED]);
        explore_calm();
        EXPLORE_CHECK(mark[STOPPED] == 1 && mark[CODE] != REIN_ECANCELED);
        outcome();
}

static void submit_stop_now(void)
{
        begin();
        loop = warm_loop(NULL);
        explore_go();
        explore_start("submit", submit, &mark[RAN]);
        explore_start("stop", stop_now, &mark[STOPPED]);
        explore_calm();
        outcome();
}

static int next(rein_future *f, void *arg)
{
        ++*(int *)arg;
        return rein_code(f);
}

/* A continuation cannot be refused: it runs on the loop, or after its end elsewhere. */
static void post_stop(void)
{
        begin();
        loop = warm_loop(NULL);
        promise = rein_promise_new(&kept);
        EXPLORE_CHECK(rein_then(kept, loop, next, &mark[RAN]) != NULL);
        explore_go();
        explore_start("settle", settle, NULL);
        explore_start("stop", stop_queued, &mark[STOPPED]);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[STOPPED] == 1);
        leave_promise();
        rein_executor_free(loop);
}

/* It comes to an executor without a thread, and none can be started: it runs elsewhere, and the stop need not wait for
 * it. */
static void comes_to_no_thread(rein_executor *x)
{
        loop = x;
        promise = rein_promise_new(&kept);
        EXPLORE_CHECK(rein_then(kept, loop, next, &mark[RAN]) != NULL);
        explore_go();
        explore_start("settle", settle, NULL);
        explore_start("stop", stop_queued, &mark[STOPPED]);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[STOPPED] == 1);
        leave_promise();
        rein_executor_free(loop);
}

static void post_stop_poor(void)
{
        begin();
        comes_to_no_thread(rein_loop_new(NULL));
}

static void post_stop_poor_pool(void)
{
        begin();
        comes_to_no_thread(rein_pool_new(REIN_POOL(.threads = 1)));
}

static void settle_stop_now(void)
{
        waiting_coroutine(awaits);
        explore_go();
        explore_start("settle", settle, NULL);
        explore_start("stop", stop_now, &mark[STOPPED]);
        explore_calm();
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[RAN] == 1 && mark[CODE] == (mark[SAW] == 1 ? 0 : REIN_ECANCELED));
        leave_promise();
        EXPLORE_CHECK(mark[STOPPED] == 1 && rein_executor_threads(loop) == 0);
        rein_drop(future);
        rein_executor_free(loop);
}

static rn_task *sleeper;
static rn_a32 said;

static int sleeps_until_said(void *arg)
{
        sleeper = rn_self();
        while (!rn_load32(&said))
                rn_park(sleeper, RN_NEVER);
        ++*(int *)arg;
        return 0;
}

static void say(void *arg)
{
        (void)arg;
        rn_store32(&said, 1);
        rn_unpark(sleeper);
}

/* The thread that wakes the coroutine has put it into the mail, and not rung yet: the loop, woken by the stop, finds it, ends, and is
 * freed. */
static void ring_free(void)
{
        begin();
        rn_set32(&said, 0);
        loop = warm_loop(NULL);
        future = rein_submit(loop, sleeps_until_said, &mark[RAN], NULL);
        explore_go();
        explore_start("say", say, NULL);
        EXPLORE_CHECK(rein_executor_stop(loop, REIN_STOP_QUEUED, REIN_NEVER, NULL) == 0);
        rein_drop(future);
        rein_executor_free(loop);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1);
}

static void stop_begin(void *arg)
{
        *(int *)arg = 1 + rein_executor_stop_begin(loop, REIN_STOP_QUEUED, REIN_NEVER);
}

/* Nobody waits for this stop, who would ring once more. */
static void stop_alone(void)
{
        begin();
        loop = warm_loop(NULL);
        explore_go();
        explore_start("submit", submit, &mark[RAN]);
        explore_start("stop", stop_begin, &mark[STOPPED]);
        explore_calm();
        outcome();
}

static int spawns(void *arg)
{
        rein_group g;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, job, arg, NULL);
        return rein_group_close(&g, 0);
}

static void spawn_stop(void)
{
        begin();
        loop = warm_loop(NULL);
        explore_go();
        future = rein_submit(loop, spawns, &mark[RAN], NULL);
        explore_start("stop", stop_now, &mark[STOPPED]);
        explore_calm();
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[RAN] <= 1);
        EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == REIN_ECANCELED || mark[CODE] == REIN_EREJECTED ||
                      mark[CODE] == REIN_EFAILED);
        EXPLORE_CHECK(mark[STOPPED] == 1 && rein_executor_threads(loop) == 0);
        rein_drop(future);
        rein_executor_free(loop);
}

static rein_scope scope;

static void cancel_scope(void *arg)
{
        (void)arg;
        rein_scope_cancel(&scope, "before it began");
}

/* Its main job is taken out of the inbox by another thread, whose word that it is gone comes later. It may come twice, and the
 * last one matters alone: that takes many changes of the running task. */
static void run_cancel(void)
{
        begin();
        rein_scope_open(&scope, REIN_NEVER);
        explore_go();
        explore_start("cancel", cancel_scope, NULL);
        mark[CODE] = rein_run(job, &mark[RAN], NULL);
        explore_calm();
        EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == REIN_ECANCELED);
        EXPLORE_CHECK(mark[CODE] == 0 ? mark[RAN] == 1 : mark[RAN] <= 1);
        (void)rein_scope_close(&scope, 0);
}

static void restart(void *arg)
{
        *(int *)arg = 1 + rein_executor_restart(loop);
}

/* The thread is on its way out when the loop is taken into use again. */
static void stop_restart(void)
{
        begin();
        loop = warm_loop(NULL);
        explore_go();
        EXPLORE_CHECK(rein_executor_stop_begin(loop, REIN_STOP_QUEUED, REIN_NEVER) == 0);
        explore_start("restart", restart, &mark[RESTARTED]);
        explore_start("submit", submit, &mark[RAN]);
        explore_calm();
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[RESTARTED] == 1 || mark[RESTARTED] == 1 - EBUSY);
        EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == REIN_EREJECTED);
        EXPLORE_CHECK(mark[RAN] == (mark[CODE] == 0));
        rein_drop(future);
        end(loop);
}

/* ---- loops that wait for each other ---- */

static int settles_and_awaits(void *arg)
{
        settle(NULL);
        ++*(int *)arg;
        return rein_await(other, NULL, REIN_NEVER);
}

/* The one on `second` waits for what the one on `loop` settles, which then waits for the one on `second`. */
static void two_loops(void)
{
        begin();
        loop = warm_loop(NULL);
        second = warm_loop(NULL);
        promise = rein_promise_new(&kept);
        other = rein_submit(second, awaits, &mark[RAN_TOO], NULL);
        explore_go();
        future = rein_submit(loop, settles_and_awaits, &mark[RAN], NULL);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[RAN_TOO] == 1 && rein_code(future) == 0 && rein_code(other) == 0);
        rein_drop(future);
        rein_drop(other);
        leave_promise();
        end(loop);
        end(second);
}

/* ---- a guest ---- */

static void turn_until(int *ran)
{
        while (!*ran) {
                rein_loop_turn(loop);
                if (!*ran)
                        EXPLORE_CHECK(rein_wait_fd(rein_loop_fd(loop), POLLIN, REIN_NEVER) == POLLIN);
        }
}

static void hosted_submit(void)
{
        begin();
        loop = rein_loop_new(REIN_LOOP(.hosted = true));
        (void)rein_wait_fd(rein_loop_fd(loop), POLLIN, REIN_NOWAIT);
        explore_go();
        explore_start("submit", submit, &mark[RAN]);
        turn_until(&mark[RAN]);
        explore_calm();
        rein_drop(future);
        end(loop);
}

static void hosted_settle(void)
{
        begin();
        loop = rein_loop_new(REIN_LOOP(.hosted = true));
        promise = rein_promise_new(&kept);
        future = rein_submit(loop, awaits, &mark[RAN], NULL);
        EXPLORE_CHECK(rein_loop_turn(loop) == 1);
        (void)rein_wait_fd(rein_loop_fd(loop), POLLIN, REIN_NOWAIT);
        explore_go();
        explore_start("settle", settle, NULL);
        turn_until(&mark[RAN]);
        explore_calm();
        rein_drop(future);
        leave_promise();
        end(loop);
}

/* Another thread stops it: the coroutine is gone before the loop is out of it. */
static void hosted_stop(void)
{
        begin();
        loop = rein_loop_new(REIN_LOOP(.hosted = true));
        future = rein_submit(loop, job, &mark[RAN], NULL);
        explore_go();
        explore_start("stop", stop_queued, &mark[STOPPED]);
        while (rein_loop_turn(loop) > 0)
                ;
        explore_calm();
        outcome();
}

/* While another thread takes its last job back, and has not yet said so, it sleeps, and does not turn on the spot. */
static void cancel_stop(void)
{
        begin();
        loop = rein_loop_new(REIN_LOOP(.hosted = true));
        future = rein_submit(loop, job, &mark[RAN], NULL);
        const unsigned before = rn_loop_of(loop)->sleeps;
        explore_go();
        explore_start("cancel", cancel_it, &mark[ANSWER]);
        stop_queued(&mark[STOPPED]);
        EXPLORE_CHECK(rn_loop_of(loop)->sleeps <= before + 4);
        explore_calm();
        outcome();
}

/* ---- descriptors ---- */

static int fds[2];

static int reads(void *arg)
{
        char byte;
        mark[SAW] = (int)rein_read(fds[0], &byte, 1, REIN_NEVER);
        ++*(int *)arg;
        return mark[SAW] < 0 ? mark[SAW] : 0;
}

static void writes(void *arg)
{
        *(int *)arg = (int)rein_write(fds[1], "x", 1, REIN_NEVER);
}

static void closes(void *arg)
{
        *(int *)arg = 1 + rein_close(fds[0]);
}

static void waiting_reader(void)
{
        begin();
        loop = warm_loop(NULL);
        EXPLORE_CHECK(rein_sim_pipe(fds, 4) == 0);
        future = rein_submit(loop, reads, &mark[RAN], NULL);
}

/* Whatever it waits for, a close by then or later gets it out. */
static void begins_close(void)
{
        begin();
        loop = warm_loop(NULL);
        EXPLORE_CHECK(rein_sim_pipe(fds, 4) == 0);
        explore_go();
        explore_start("close", closes, &mark[ANSWER]);
        future = rein_submit(loop, reads, &mark[RAN], NULL);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[SAW] == -EBADF && mark[ANSWER] == 1);
        EXPLORE_CHECK(rein_code(future) == -EBADF);
        rein_drop(future);
        EXPLORE_CHECK(rein_close(fds[1]) == 0);
        end(loop);
}

static void read_cancel(void)
{
        waiting_reader();
        explore_go();
        explore_start("write", writes, &mark[SAW_TOO]);
        explore_start("cancel", cancel_it, &mark[ANSWER]);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && (mark[SAW] == 1 || mark[SAW] == REIN_ECANCELED) && mark[SAW_TOO] == 1);
        rein_drop(future);
        EXPLORE_CHECK(rein_close(fds[0]) == 0 && rein_close(fds[1]) == 0);
        end(loop);
}

static void read_close(void)
{
        waiting_reader();
        explore_go();
        explore_start("close", closes, &mark[ANSWER]);
        explore_start("submit too", submit_too, &mark[RAN_TOO]);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[SAW] == -EBADF && mark[ANSWER] == 1 && mark[RAN_TOO] == 1);
        EXPLORE_CHECK(rein_code(future) == -EBADF);
        rein_drop(future);
        rein_drop(other);
        EXPLORE_CHECK(rein_close(fds[1]) == 0);
        end(loop);
}

/* ---- threads for what blocks ---- */

static int blocks(void *arg)
{
        int rc = rein_sleep(REIN_NEVER);
        ++*(int *)arg;
        return rc;
}

static int goes_to_a_thread(void *arg)
{
        return rein_to_thread(blocks, arg, NULL);
}

static void offload_cancel(void)
{
        begin();
        rein_executor *pool = warm_pool(1, REIN_POOL(.threads = 1));
        loop = warm_loop(REIN_LOOP(.offload = pool));
        explore_go();
        future = rein_submit(loop, goes_to_a_thread, &mark[RAN], NULL);
        explore_start("cancel", cancel_it, &mark[ANSWER]);
        explore_calm();
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[CODE] == REIN_ECANCELED && mark[RAN] <= 1);
        rein_drop(future);
        end(loop);
        rein_executor_free(pool);
}

/* The one test of memory orders that a loop adds to those of doors and locks: asleep against mail and inbox. */
#define WEAKLY(b) BOUNDED(b, .weak = true, .word_locks = true)

#define NO_THREAD .faults = REIN_SIM_THREAD, .most_surprises = 1

/* ---- without memory ---- */

static void submit_memory(void)
{
        begin();
        loop = rein_loop_new(NULL);
        EXPLORE_CHECK(loop != NULL);
        explore_go();
        future = rein_submit(loop, job, &mark[RAN], NULL);
        explore_calm();
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == -ENOMEM);
        EXPLORE_CHECK(mark[RAN] == (mark[CODE] == 0));
        rein_drop(future);
        end(loop);
}

/* There is no memory for its coroutine, and it runs all the same. */
static void post_memory(void)
{
        begin();
        loop = rein_loop_new(NULL);
        promise = rein_promise_new(&kept);
        EXPLORE_CHECK(rein_then(kept, loop, next, &mark[RAN]) != NULL);
        explore_go();
        settle(NULL);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1);
        leave_promise();
        end(loop);
}

static void writes_and_closes(void *arg)
{
        writes(arg);
        EXPLORE_CHECK(rein_close(fds[1]) == 0);
}

static void read_memory(void)
{
        begin();
        loop = warm_loop(NULL);
        EXPLORE_CHECK(rein_sim_pipe(fds, 4) == 0);
        explore_go();
        future = rein_submit(loop, reads, &mark[RAN], NULL);
        explore_start("write", writes_and_closes, &mark[SAW_TOO]);
        explore_calm();
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == -ENOMEM);
        EXPLORE_CHECK(mark[CODE] < 0 || mark[SAW] == (mark[SAW_TOO] == 1));
        rein_drop(future);
        EXPLORE_CHECK(rein_close(fds[0]) == 0);
        end(loop);
}

/* A job holds the loop up for as long as is told of, and is gone: also while the hand tells of it. What that prints is
 * the same thousands of times. */
static int holds_up(void *arg)
{
        ++*(int *)arg;
        rein_sim_block(rein_after(REIN_MS(1)));
        return 0;
}

static void stall_return(void)
{
        begin();
        tell_nobody();
        loop = warm_loop(REIN_LOOP(.slow_ns = REIN_MS(1)));
        explore_go();
        rein_drop(rein_submit(loop, holds_up, &mark[RAN], NULL)); /* its end is the last of it */
        rein_sim_block(rein_after(REIN_MS(1)));
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1);
        end(loop);
        tell_again();
}

static const entry list[] = {
        {"loop-submit-sleep", submit_sleep, {ALL(), WEAKLY(1)}},
        {"loop-first-submit", first_submit, {ALL()}},
        {"loop-settle-park", settle_park, {ALL(), WEAKLY(2)}},
        {"loop-settle-submit", settle_submit, {ALL(), WEAKLY(1)}},
        {"loop-settle-cancel", settle_cancel, {ALL()}},
        {"loop-settle-timer", settle_timer, {ALL(), BOUNDED(2, EARLY(1))}},
        {"loop-settle-sleep", settle_sleep, {ALL(), NOT_EARLY("its own time would be over before it is settled")}},
        {"loop-cancel-completion", cancel_completion, {ALL(), BOUNDED(2, EARLY(1))}},
        {"loop-submit-stop", submit_stop, {BOUNDED(2), PCT(3, 10000)}},
        {"loop-submit-stop-now", submit_stop_now, {BOUNDED(2), PCT(3, 10000)}},
        {"loop-stop-alone", stop_alone, {BOUNDED(2), PCT(3, 10000)}},
        {"loop-spawn-stop", spawn_stop, {BOUNDED(2), PCT(3, 10000)}},
        {"loop-run-cancel", run_cancel, {BOUNDED(2), PCT(3, 10000), PCT(5, 10000)}},
        {"loop-post-stop", post_stop, {BOUNDED(2), PCT(3, 10000)}},
        {"loop-post-stop-poor", post_stop_poor, {BOUNDED(2, NO_THREAD)}},
        {"pool-post-stop-poor", post_stop_poor_pool, {BOUNDED(2, NO_THREAD)}},
        {"loop-settle-stop-now", settle_stop_now, {BOUNDED(2), PCT(3, 10000)}},
        {"loop-ring-free", ring_free, {BOUNDED(2), PCT(3, 10000)}},
        {"loop-stop-restart", stop_restart, {ALL()}},
        {"loop-two", two_loops, {ALL()}},
        {"loop-hosted-submit", hosted_submit, {ALL(), WEAKLY(2)}},
        {"loop-hosted-settle", hosted_settle, {ALL(), WEAKLY(2)}},
        {"loop-hosted-stop", hosted_stop, {ALL()}},
        {"loop-cancel-stop", cancel_stop, {ALL()}},
        {"loop-read-cancel", read_cancel, {ALL()}},
        {"loop-read-close", read_close, {ALL()}},
        {"loop-read-begins-close", begins_close, {ALL(), BOUNDED(2)}},
        {"loop-submit-memory", submit_memory, {BOUNDED(2, OUT_OF_MEMORY)}},
        {"loop-post-memory", post_memory, {BOUNDED(2, OUT_OF_MEMORY)}},
        {"loop-read-memory", read_memory, {BOUNDED(1, OUT_OF_MEMORY)}},
        {"loop-stall-return", stall_return, {BOUNDED(2), PCT(3, 10000), PCT(5, 10000), RANDOM(10000), BY_NIGHT(3)}},
        {"loop-offload-cancel", offload_cancel, {BOUNDED(2), PCT(3, 10000)}},
};
const entries loop_scenarios = ENTRIES(list);
