/* SPDX-License-Identifier: Apache-2.0 */
/* Loops where loop.c does not look: one that gets no thread or no memory, a hosted one that was never turned or is taken
 * into use again, two coroutines that are woken by two at once, and descriptors at their deadline and at their end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "loop/loop.h"
#include "scenarios/scenarios.h"

static rein_executor *loop;
static rein_future *future, *other, *kept[2];
static rein_promise *promise[2];
static rein_time at;
static int fds[2];

enum { RAN, RAN_TOO, CODE, CODE_TOO, STOPPED, SAW };

static int job(void *arg)
{
        ++*(int *)arg;
        return 0;
}

static int next(rein_future *f, void *arg)
{
        ++*(int *)arg;
        return rein_code(f);
}

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

static void settle(void *arg)
{
        EXPLORE_CHECK(rein_promise_keep(*(rein_promise **)arg, NULL, NULL) == 0);
}

static void make_promises(void)
{
        for (int i = 0; i < 2; i++)
                promise[i] = rein_promise_new(&kept[i]);
}

static void leave_promises(void)
{
        for (int i = 0; i < 2; i++) {
                (void)rein_promise_keep(promise[i], NULL, NULL);
                rein_promise_drop(promise[i]);
                rein_drop(kept[i]);
        }
}

static void end(rein_executor *x)
{
        EXPLORE_CHECK(rein_executor_stop(x, REIN_STOP_QUEUED, REIN_NEVER, NULL) == 0);
        EXPLORE_CHECK(rein_executor_unfinished(x) == 0 && rein_executor_threads(x) == 0);
        rein_executor_free(x);
}

/* ---- its thread, and memory ---- */

/* No thread can be had once: that job fails, and the next one has a thread. */
static void poor(void)
{
        begin();
        loop = rein_loop_new(NULL);
        explore_go();
        future = rein_submit(loop, job, &mark[RAN], NULL);
        other = rein_submit(loop, job, &mark[RAN_TOO], NULL);
        explore_calm();
        mark[CODE] = rein_code(future);
        mark[CODE_TOO] = rein_code(other);
        EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == -EAGAIN);
        EXPLORE_CHECK(mark[CODE_TOO] == 0 || (mark[CODE_TOO] == -EAGAIN && mark[CODE] == 0));
        EXPLORE_CHECK(mark[RAN] == (mark[CODE] == 0) && mark[RAN_TOO] == (mark[CODE_TOO] == 0));
        rein_drop(future);
        rein_drop(other);
        end(loop);
}

/* It is freed while another thread starts its own for a continuation. */
static void post_free(void)
{
        begin();
        loop = rein_loop_new(NULL);
        make_promises();
        EXPLORE_CHECK(rein_then(kept[0], loop, next, &mark[RAN]) != NULL);
        explore_go();
        explore_start("settle", settle, &promise[0]);
        rein_executor_free(loop);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1);
        leave_promises();
}

static void loop_memory(void)
{
        begin();
        explore_go();
        loop = rein_loop_new(REIN_LOOP(.tell_stacks = true));
        explore_calm();
        mark[RAN] = loop != NULL;
        tell_nobody(); /* of its stacks */
        rein_executor_free(loop);
        tell_again();
}

/* A coroutine cannot host another loop: nothing is left of the attempt. */
static int hosts_inside(void *arg)
{
        (void)arg;
        rein_executor *inner = rein_loop_new(REIN_LOOP(.hosted = true, .tell_stacks = true));
        mark[SAW] = rein_error_code(rein_trail());
        return inner ? -EPROTO : 0;
}

static void hosted_inside(void)
{
        begin();
        loop = warm_loop(NULL);
        explore_go();
        future = rein_submit(loop, hosts_inside, NULL, NULL);
        explore_calm();
        EXPLORE_CHECK(rein_code(future) == 0 && mark[SAW] == -EPERM);
        rein_drop(future);
        end(loop);
}

/* ---- stops ---- */

static int sleeps_long(void *arg)
{
        int rc = rein_sleep(REIN_NEVER);
        ++*(int *)arg;
        return rc;
}

static int stops_its_loop(void *arg)
{
        *(int *)arg = 1 + rein_executor_stop(loop, REIN_STOP_NOW, REIN_NEVER, NULL);
        return 0;
}

/* It waits for the other coroutine, and not for itself. */
static void stop_inside(void)
{
        begin();
        loop = warm_loop(NULL);
        future = rein_submit(loop, sleeps_long, &mark[RAN], NULL);
        explore_calm();
        explore_go();
        other = rein_submit(loop, stops_its_loop, &mark[STOPPED], NULL);
        explore_calm();
        EXPLORE_CHECK(mark[STOPPED] == 1 && mark[RAN] == 1);
        EXPLORE_CHECK(rein_code(other) == 0 && rein_code(future) == REIN_ECANCELED);
        rein_drop(future);
        rein_drop(other);
        end(loop);
}

/* A job that may not be started later comes in by the long way: the loop's thread does not leave it behind, so that the stop
 * would wait until it may not be started any more. */
static void stop_in_time(void *arg)
{
        *(int *)arg = 1 + rein_executor_stop(loop, REIN_STOP_QUEUED, REIN_NEVER, NULL);
        EXPLORE_CHECK(rein_executor_threads(loop) == 0 && rein_now().ns < at.ns);
}

static void start_by_stop(void)
{
        begin();
        loop = warm_loop(NULL);
        at = rein_after(REIN_SEC(3600));
        explore_go();
        explore_start("stop", stop_in_time, &mark[STOPPED]);
        future = rein_submit(loop, job, &mark[RAN], REIN_JOB(.start_by = at));
        explore_calm();
        mark[CODE] = rein_code(future);
        EXPLORE_CHECK(mark[STOPPED] == 1 && (mark[CODE] == 0 || mark[CODE] == REIN_EREJECTED));
        EXPLORE_CHECK(mark[RAN] == (mark[CODE] == 0));
        rein_drop(future);
        rein_executor_free(loop);
}

/* It has no thread yet, is stopped and taken into use again, and its thread sleeps when there is nothing to do. */
static void restart(void *arg)
{
        *(int *)arg = 1 + rein_executor_restart(loop);
}

static void cold_restart(void)
{
        begin();
        loop = rein_loop_new(NULL);
        explore_go();
        explore_start("restart", restart, &mark[CODE]);
        EXPLORE_CHECK(rein_executor_stop_begin(loop, REIN_STOP_QUEUED, REIN_NEVER) == 0);
        explore_calm();
        if (mark[CODE] != 1)
                EXPLORE_CHECK(rein_executor_restart(loop) == 0);
        submit(&mark[RAN]);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && !rn_load32(&rn_loop_of(loop)->closing));
        rein_drop(future);
        end(loop);
}

/* An interrupt comes whenever it likes: main is told, or it comes too late and is kept. One that comes when the run is over
 * is kept in any case. */
static void raise_interrupt(void *arg)
{
        (void)arg;
        EXPLORE_CHECK(rein_sim_raise(SIGINT) == 0);
}

static void run_interrupt(void)
{
        begin();
        explore_go();
        explore_start("^C", raise_interrupt, NULL);
        mark[CODE] = rein_run(job, &mark[RAN], NULL);
        explore_calm();
        EXPLORE_CHECK(mark[CODE] == 0 || mark[CODE] == REIN_ECANCELED);
        mark[SAW] = rein_wait_signal(SIGINT, REIN_NOWAIT);
        EXPLORE_CHECK(mark[SAW] == SIGINT || mark[SAW] == REIN_ETIMEOUT);
        raise_interrupt(NULL);
        EXPLORE_CHECK(rein_wait_signal(SIGINT, REIN_NOWAIT) == SIGINT);
}

/* ---- a guest ---- */

/* Whoever comes first is heard of, though nobody has turned it yet. */
static void hosted_first(void)
{
        begin();
        loop = rein_loop_new(REIN_LOOP(.hosted = true));
        const int fd = rein_loop_fd(loop);
        EXPLORE_CHECK(rein_wait_fd(fd, POLLIN, REIN_NOWAIT) == REIN_ETIMEOUT);
        explore_go();
        explore_start("submit", submit, &mark[RAN]);
        EXPLORE_CHECK(rein_wait_fd(fd, POLLIN, REIN_NEVER) == POLLIN);
        explore_calm();
        while (rein_loop_turn(loop) > 0)
                ;
        EXPLORE_CHECK(mark[RAN] == 1);
        rein_drop(future);
        end(loop);
}

static int naps(void *arg)
{
        int rc = rein_sleep(at);
        ++*(int *)arg;
        return rc;
}

/* The stop has turned it, and nobody else has since. */
static void hosted_restart(void)
{
        begin();
        loop = rein_loop_new(REIN_LOOP(.hosted = true));
        at = rein_after(REIN_MS(1));
        other = rein_submit(loop, naps, &mark[RAN_TOO], NULL);
        EXPLORE_CHECK(rein_executor_stop(loop, REIN_STOP_QUEUED, REIN_NEVER, NULL) == 0);
        EXPLORE_CHECK(mark[RAN_TOO] == 1 && rein_executor_restart(loop) == 0);
        rein_drop(other);
        const int fd = rein_loop_fd(loop);
        while (rein_wait_fd(fd, POLLIN, REIN_NOWAIT) == POLLIN)
                rn_poller_wait(rn_loop_of(loop)->poller, &(rn_ready){0}, 1, INT64_MIN); /* what was left of the rings */
        explore_go();
        explore_start("submit", submit, &mark[RAN]);
        EXPLORE_CHECK(rein_wait_fd(fd, POLLIN, REIN_NEVER) == POLLIN);
        explore_calm();
        while (rein_loop_turn(loop) > 0)
                ;
        EXPLORE_CHECK(mark[RAN] == 1);
        rein_drop(future);
        end(loop);
}

/* The descriptor tells when their time has come, whenever it was asked for, and all of them run in one turn. */
static void hosted_timers(bool asked_before)
{
        begin();
        loop = rein_loop_new(REIN_LOOP(.hosted = true));
        at = rein_after(REIN_MS(1));
        int fd = asked_before ? rein_loop_fd(loop) : -1;
        future = rein_submit(loop, naps, &mark[RAN], NULL);
        other = rein_submit(loop, naps, &mark[RAN_TOO], NULL);
        EXPLORE_CHECK(rein_loop_turn(loop) == 2);
        explore_go();
        fd = asked_before ? fd : rein_loop_fd(loop);
        EXPLORE_CHECK(rein_wait_fd(fd, POLLIN, rein_after(REIN_MS(50))) == POLLIN);
        EXPLORE_CHECK(rein_now().ns >= at.ns && rein_loop_turn(loop) == 0);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[RAN_TOO] == 1);
        rein_drop(future);
        rein_drop(other);
        end(loop);
}

static void hosted_timers_before(void)
{
        hosted_timers(true);
}

static void hosted_timers_after(void)
{
        hosted_timers(false);
}

/* ---- woken by two ---- */

static int awaits_first(void *arg)
{
        ++*(int *)arg;
        int rc = rein_await(kept[0], NULL, REIN_NEVER);
        ++*(int *)arg;
        return rc;
}

static int awaits_second(void *arg)
{
        ++*(int *)arg;
        int rc = rein_await(kept[1], NULL, REIN_NEVER);
        ++*(int *)arg;
        return rc;
}

/* Two coroutines of one loop, each woken by a thread of its own. */
static void settle_settle(void)
{
        begin();
        loop = warm_loop(NULL);
        make_promises();
        future = rein_submit(loop, awaits_first, &mark[RAN], NULL);
        other = rein_submit(loop, awaits_second, &mark[RAN_TOO], NULL);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[RAN_TOO] == 1);
        explore_go();
        explore_start("settle", settle, &promise[0]);
        explore_start("settle too", settle, &promise[1]);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 2 && mark[RAN_TOO] == 2);
        rein_drop(future);
        rein_drop(other);
        leave_promises();
        end(loop);
}

/* Woken by its deadline and by another thread at once, and then it has ended: it is not woken a second time, in the place
 * of the next one that has its stack. */
static int awaits_until(void *arg)
{
        int rc = rein_await(kept[0], NULL, at);
        ++*(int *)arg;
        return rc == REIN_ETIMEOUT ? 0 : rc;
}

static void settle_deadline(void)
{
        begin();
        loop = warm_loop(NULL);
        make_promises();
        at = rein_after(REIN_MS(1));
        future = rein_submit(loop, awaits_until, &mark[RAN], NULL);
        explore_calm();
        explore_go();
        rein_sim_block(at);
        settle(&promise[0]);
        other = rein_submit(loop, awaits_second, &mark[RAN_TOO], NULL);
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[RAN_TOO] == 1);
        settle(&promise[1]);
        explore_calm();
        EXPLORE_CHECK(mark[RAN_TOO] == 2 && rein_code(future) == 0 && rein_code(other) == 0);
        rein_drop(future);
        rein_drop(other);
        leave_promises();
        end(loop);
}

/* ---- descriptors ---- */

static int reads(void *arg)
{
        char byte;
        mark[SAW] = (int)rein_read(fds[0], &byte, 1, at);
        ++*(int *)arg;
        return 0;
}

static void reader(rein_time until)
{
        begin();
        loop = warm_loop(NULL);
        EXPLORE_CHECK(rein_sim_pipe(fds, 4) == 0);
        at = until;
        future = rein_submit(loop, reads, &mark[RAN], NULL);
        explore_calm();
}

static bool nobody_waits_for(int fd)
{
        return rn_list_empty(&rn_loop_of(loop)->waiters[(unsigned)fd % RN_LOOP_BUCKETS]);
}

static void leave_reader(void)
{
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && nobody_waits_for(fds[0]));
        rein_drop(future);
        EXPLORE_CHECK(rein_close(fds[0]) == 0);
        end(loop);
}

/* The other end is closed: there is nothing to read, and never will be. */
static void read_hangup(void)
{
        reader(REIN_NEVER);
        explore_go();
        EXPLORE_CHECK(rein_close(fds[1]) == 0);
        explore_calm();
        EXPLORE_CHECK(mark[SAW] == 0);
        leave_reader();
}

static void read_timeout(void)
{
        reader(rein_after(REIN_MS(1)));
        explore_go();
        rein_sim_block(rein_after(REIN_MS(2)));
        explore_calm();
        EXPLORE_CHECK(mark[SAW] == REIN_ETIMEOUT && nobody_waits_for(fds[0]));
        EXPLORE_CHECK(rein_close(fds[1]) == 0);
        leave_reader();
}

static int holds_up(void *arg)
{
        (void)arg;
        rein_sim_block(rein_after(REIN_MS(5)));
        return 0;
}

/* The loop is held up until the deadline is over, and by then there is something to read: that counts. */
static void read_late(void)
{
        reader(rein_after(REIN_MS(2)));
        other = rein_submit(loop, holds_up, NULL, NULL);
        explore_calm();
        explore_go();
        rein_sim_block(rein_after(REIN_MS(3)));
        EXPLORE_CHECK(rein_write(fds[1], "x", 1, REIN_NEVER) == 1);
        rein_sim_block(rein_after(REIN_MS(5)));
        explore_calm();
        EXPLORE_CHECK(mark[SAW] == 1);
        EXPLORE_CHECK(rein_close(fds[1]) == 0);
        rein_drop(other);
        leave_reader();
}

/* ---- who holds it up ---- */

static int holds_long(void *arg)
{
        ++*(int *)arg;
        rein_sim_block(rein_after(REIN_MS(5)));
        return 0;
}

/* The timer that looks for it finds the loop idle in the moment in which a long stretch begins: it is looked for still. What
 * that prints is not looked at. */
static void stall_begins(void)
{
        begin();
        tell_nobody();
        loop = warm_loop(REIN_LOOP(.slow_ns = REIN_MS(1)));
        explore_go();
        rein_sim_block(rein_after(REIN_MS(1)));
        future = rein_submit(loop, holds_long, &mark[RAN], NULL);
        rein_sim_block(rein_after(REIN_MS(3)));
        EXPLORE_CHECK(mark[RAN] == 1 && rn_load32(&rn_loop_of(loop)->stall.armed));
        rein_sim_block(rein_after(REIN_SEC(3)));
        explore_calm();
        EXPLORE_CHECK(!rn_load32(&rn_loop_of(loop)->stall.armed)); /* and not for ever */
        rein_drop(future);
        end(loop);
        tell_again();
}

/* The clock is racy: a stretch that has just begun may count as a long one, and it is the job of that one that is told. */
static void stall_racy(void)
{
        begin();
        tell_nobody();
        loop = warm_loop(REIN_LOOP(.slow_ns = REIN_MS(1)));
        explore_go();
        rein_drop(rein_submit(loop, job, &mark[RAN], NULL));
        rein_drop(rein_submit(loop, job, &mark[RAN_TOO], NULL));
        explore_calm();
        EXPLORE_CHECK(mark[RAN] == 1 && mark[RAN_TOO] == 1);
        end(loop);
        tell_again();
}

#define NO_THREAD .faults = REIN_SIM_THREAD, .most_surprises = 1

static const entry list[] = {
        {"loop-poor", poor, {BOUNDED(0, NO_THREAD)}},
        {"loop-post-free", post_free, {BOUNDED(2)}},
        {"loop-memory",
         loop_memory,
         {BOUNDED(0, OUT_OF_MEMORY), BOUNDED(0, .faults = REIN_SIM_FD, .most_surprises = 1)}},
        {"loop-hosted-inside", hosted_inside, {BOUNDED(0)}},
        {"loop-stop-inside", stop_inside, {BOUNDED(2)}},
        {"loop-start-by-stop", start_by_stop, {PCT(3, 5000), PCT(4, 5000), NOT_EARLY("the job's time would be over")}},
        {"loop-cold-restart", cold_restart, {BOUNDED(2)}},
        {"loop-run-interrupt", run_interrupt, {BOUNDED(1), PCT(3, 20000)}},
        {"loop-hosted-first", hosted_first, {ALL()}},
        {"loop-hosted-restart", hosted_restart, {ALL()}},
        {"loop-hosted-timers", hosted_timers_before, {ALL()}},
        {"loop-hosted-timers-asked-late", hosted_timers_after, {ALL()}},
        {"loop-settle-settle", settle_settle, {ALL()}},
        {"loop-settle-deadline", settle_deadline, {ALL()}},
        {"loop-read-hangup", read_hangup, {ALL()}},
        {"loop-read-timeout", read_timeout, {ALL()}},
        {"loop-read-late", read_late, {ALL(), NOT_EARLY("the loop would not be held up until the deadline")}},
        {"loop-stall-begins", stall_begins, {BOUNDED(2), NOT_EARLY("the stretch would not be long")}},
        {"loop-stall-racy", stall_racy, {BOUNDED(1, EARLY(1)), PCT(3, 10000, EARLY(2))}},
};

const entries turn_scenarios = ENTRIES(list);
