/* SPDX-License-Identifier: Apache-2.0 */
/* The door and the lock under it: no wake-up is lost, and a late one does no harm. A lost one shows as a deadlock. */
#include <errno.h>

#include "core/task.h"
#include "core/world.h"
#include "scenarios/scenarios.h"

static rn_task *task, *task_too;
static rn_a32 flag, flag_too;

/* ---- park, unpark ---- */

static void sleeper(void *arg)
{
        (void)arg;
        if (!rn_task_adopt(task))
                return;
        while (!rn_load32(&flag))
                rn_park(task, RN_NEVER);
        mark[0]++;
}

static void waker(void *arg)
{
        (void)arg;
        rn_store32(&flag, 1);
        rn_unpark(task);
}

static void one_sleeper(void (*main)(void *))
{
        begin();
        task = rn_task_new();
        rn_set32(&flag, 0);
        explore_go();
        explore_start("sleeper", main, NULL);
}

static void park_unpark(void)
{
        one_sleeper(sleeper);
        explore_start("waker", waker, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[0] == 1);
}

static void park_unpark_unpark(void)
{
        one_sleeper(sleeper);
        explore_start("waker", waker, NULL);
        explore_start("waker too", waker, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[0] == 1);
}

/* Two wake-ups, each for something of its own: the second may not be swallowed by the first one's park. */
static void sleeper_twice(void *arg)
{
        sleeper(arg);
        while (rn_load32(&flag) < 2)
                rn_park(task, RN_NEVER);
        mark[0]++;
}

static void waker_twice(void *arg)
{
        waker(arg);
        rn_store32(&flag, 2);
        rn_unpark(task);
}

static void park_twice(void)
{
        one_sleeper(sleeper_twice);
        explore_start("waker", waker_twice, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[0] == 2);
}

/* With a limit: by the waker, or by time. */
static void timed_sleeper(void *arg)
{
        (void)arg;
        if (!rn_task_adopt(task))
                return;
        int64_t until = rn_clock() + 1000;
        while (!rn_load32(&flag) && rn_clock() < until)
                rn_park(task, until);
        mark[0] = rn_load32(&flag) ? 1 : 2;
}

static void park_timed(void)
{
        one_sleeper(timed_sleeper);
        explore_start("waker", waker, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[0] == 1 || mark[0] == 2);
}

/* ---- poll ---- */

static void poller(void *arg)
{
        (void)arg;
        if (!rn_task_adopt(task))
                return;
        while (!rn_load32(&flag))
                EXPLORE_CHECK(task->backend->poll(task, NULL, RN_NEVER) == 0);
        EXPLORE_CHECK(rn_sys_poll_one(task->door.wake - 1, RN_POLLIN, -1, 0) == 0); /* it has rung for this wait */
        mark[0]++;
        while (rn_load32(&flag) < 2)
                rn_park(task, RN_NEVER);
        mark[0]++;
}

static void poll_unpark(void)
{
        one_sleeper(poller);
        explore_start("waker", waker_twice, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[0] == 2);
}

static void second_waker(void *arg)
{
        (void)arg;
        while (rn_load32(&flag) < 1)
                rn_pause(0);
        rn_store32(&flag, 2);
        rn_unpark(task);
}

static void poll_unpark_unpark(void)
{
        one_sleeper(poller);
        explore_start("waker", waker, NULL);
        explore_start("waker too", second_waker, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[0] == 2);
}

/* Nobody rings when its thread has closed the bell: the number may be another's by then. It leaves its poll by itself, for
 * there is something to read. */
static int ends[2];

static int poll_end(bool was_readable)
{
        return was_readable ? task->backend->poll(task, NULL, RN_NEVER)
                            : rn_poll_one(task, ends[0], RN_POLLIN, RN_NEVER);
}

static void writer(void *arg)
{
        (void)arg;
        EXPLORE_CHECK(rn_sys_write(ends[1], "x", 1, false) == 1);
}

static void poller_ends(void *arg)
{
        (void)arg;
        if (!rn_task_adopt(task))
                return;
        for (int rc = 0; rn_load32(&flag) < 2;) {
                rc |= poll_end(rc & RN_POLLIN);
                EXPLORE_CHECK(rc >= 0);
        }
        const int bell = task->door.wake - 1;
        task->backend->close(task);
        mark[1] = rn_sys_wakefd();
        EXPLORE_CHECK(bell < 0 || mark[1] == bell);
        mark[0]++;
}

static void poll_unpark_ends(void)
{
        begin();
        EXPLORE_CHECK(rein_sim_pipe(ends, 8) == 0);
        task = rn_task_new();
        rn_set32(&flag, 0);
        explore_go();
        explore_start("poller", poller_ends, NULL);
        explore_start("writer", writer, NULL);
        explore_start("waker", waker, NULL);
        explore_start("waker too", second_waker, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[0] == 1);
        EXPLORE_CHECK(rn_sys_poll_one(mark[1], RN_POLLIN, -1, 0) == 0);
        rn_sys_close(mark[1]);
        rn_sys_close(ends[0]);
        rn_sys_close(ends[1]);
        mark[1] = 0;
}

/* A descriptor becomes ready while the door is rung. */
static void reader(void *arg)
{
        (void)arg;
        if (!rn_task_adopt(task))
                return;
        bool rung = false, readable = false;
        while (!rung || !readable) {
                int rc = poll_end(readable);
                EXPLORE_CHECK(rc >= 0);
                readable |= (rc & RN_POLLIN) != 0;
                rung |= rn_load32(&flag) == 1;
        }
        mark[0]++;
}

static void poll_read_unpark(void)
{
        begin();
        EXPLORE_CHECK(rein_sim_pipe(ends, 8) == 0);
        task = rn_task_new();
        rn_set32(&flag, 0);
        explore_go();
        explore_start("reader", reader, NULL);
        explore_start("writer", writer, NULL);
        explore_start("waker", waker, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[0] == 1);
        rn_sys_close(ends[0]);
        rn_sys_close(ends[1]);
}

/* All descriptors are taken, so the thread gets none by which it could be woken: it sleeps on its word. */
static void reader_without_bell(void *arg)
{
        reader(arg);
        EXPLORE_CHECK(task->door.wake == 0);
}

static void poll_no_bell(void)
{
        int taken[64], n = 0;
        begin();
        EXPLORE_CHECK(rein_sim_pipe(ends, 8) == 0);
        while (n < 64 && (taken[n] = rn_sys_wakefd()) >= 0)
                n++;
        EXPLORE_CHECK(n < 64);
        task = rn_task_new();
        rn_set32(&flag, 0);
        explore_go();
        explore_start("reader", reader_without_bell, NULL);
        explore_start("writer", writer, NULL);
        explore_start("waker", waker, NULL);
        rein_sim_block(rein_after(REIN_MS(20))); /* it looks at its descriptor now and then */
        explore_calm();
        EXPLORE_CHECK(mark[0] == 1);
        while (n > 0)
                rn_sys_close(taken[--n]);
        rn_sys_close(ends[0]);
        rn_sys_close(ends[1]);
}

/* ---- late ---- */

/* The sleeper sees the flag and is gone before the unpark: it falls on whoever has the record now. */
static void next_sleeper(void *arg)
{
        (void)arg;
        rn_task *self = rn_self();
        mark[1] = self == task;
        task_too = self;
        rn_store32(&flag_too, 1);
        while (rn_load32(&flag_too) < 2)
                rn_park(self, RN_NEVER);
        mark[2]++;
}

static void next_waker(void *arg)
{
        (void)arg;
        while (rn_load32(&flag_too) < 1)
                rn_pause(0);
        rn_store32(&flag_too, 2);
        rn_unpark(task_too);
}

static void late_unpark(void)
{
        rn_set32(&flag_too, 0);
        one_sleeper(sleeper);
        explore_start("waker", waker, NULL);
        explore_start("next", next_sleeper, NULL);
        explore_calm();
        explore_start("next waker", next_waker, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[0] == 1 && mark[2] == 1);
}

/* ---- the lock ---- */

static rn_lock lock;
static int inside;

static void locker(void *arg)
{
        (void)arg;
        rn_lock_take(&lock);
        EXPLORE_CHECK(inside++ == 0);
        rn_load32(&flag); /* a point: others may try */
        EXPLORE_CHECK(--inside == 0);
        rn_lock_give(&lock);
        mark[0]++;
}

static void lock_by(int tasks)
{
        begin();
        lock = (rn_lock){0};
        inside = 0;
        explore_go();
        for (int i = 0; i < tasks; i++)
                explore_start("locker", locker, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[0] == tasks && rn_load32(&lock.word) == 0);
}

static void lock_two(void)
{
        lock_by(2);
}

static void lock_three(void)
{
        lock_by(3);
}

/* Twice each: one that was waited for is waited for again. */
static void lock_again(void *arg)
{
        locker(arg);
        locker(arg);
}

static void lock_two_again(void)
{
        begin();
        lock = (rn_lock){0};
        inside = 0;
        explore_go();
        explore_start("locker", lock_again, NULL);
        explore_start("locker too", lock_again, NULL);
        explore_calm();
        EXPLORE_CHECK(mark[0] == 4);
}

/* The lock goes with what it guards: who was last gives it back to nobody. */
typedef struct guarded {
        rn_lock lock;
        rn_a32 refs;
} guarded;

static void leave_guarded(void *arg)
{
        guarded *g = arg;
        rn_lock_take(&g->lock);
        mark[0]++;
        rn_lock_give(&g->lock);
        if (rn_sub32(&g->refs, 1) == 0)
                rn_free(g);
}

static void lock_goes(void)
{
        begin();
        guarded *g = rn_alloc(sizeof *g);
        rn_set32(&g->refs, 2);
        explore_go();
        explore_start("leaves", leave_guarded, g);
        explore_start("leaves too", leave_guarded, g);
        explore_calm();
        EXPLORE_CHECK(mark[0] == 2);
}

/* ---- the world of a forked child ---- */

static rein_future *of_parent;

static void call_in(void *arg)
{
        int *at = arg;
        rein_promise *p;
        rein_future *f;
        EXPLORE_CHECK(rein_await(of_parent, NULL, REIN_NEVER) == -EPERM);
        EXPLORE_CHECK(rein_cancel(of_parent, "no") == REIN_TOO_LATE);
        p = rein_promise_new(&f);
        EXPLORE_CHECK(p && rein_promise_keep(p, NULL, NULL) == 0);
        *at = 1 + rein_await(f, NULL, REIN_NEVER);
        rein_promise_drop(p);
        rein_drop(f);
}

/* Two threads call into the child's empty world at once: it is set up once, and what the parent made answers -EPERM. */
static void fork_generation(void)
{
        begin();
        rein_promise *p = rein_promise_new(&of_parent);
        rein_promise_keep(p, NULL, NULL);
        rn_self();
        explore_go();
        const uint32_t parent = rn_sim->machine.generation;
        const rn_slab_chunk *of_parent_chunks = rn_world_now()->tasks.chunks;
        rn_sim->machine.generation = parent + 1;
        explore_start("calls in", call_in, &mark[0]);
        explore_start("calls in too", call_in, &mark[1]);
        explore_calm();
        EXPLORE_CHECK(mark[0] == 1 && mark[1] == 1);
        EXPLORE_CHECK(rn_slab_count(&rn_world_now()->tasks) == 0);          /* the parent's are not the child's */
        EXPLORE_CHECK(rn_world_now()->tasks.inherited == of_parent_chunks); /* by the thread that set it up, once */
        rn_sim->machine.generation = parent;
        rein_drop(of_parent);
        rein_promise_drop(p);
        rn_sim->machine.generation = parent + 1; /* the parent's task is not the child's to give back */
}

#define WEAKLY(b) BOUNDED(b, .weak = true, .word_locks = true)

static const entry list[] = {
        {"park-unpark", park_unpark, {ALL(), FULL(), WEAKLY(4)}},
        {"park-unpark-unpark", park_unpark_unpark, {ALL(), WEAKLY(2)}},
        {"park-twice", park_twice, {ALL(), WEAKLY(3)}},
        {"park-timed", park_timed, {ALL(), BOUNDED(3, EARLY(3)), WEAKLY(2)}},
        {"park-spurious", park_unpark_unpark, {BOUNDED(3, .faults = REIN_SIM_SPURIOUS, .most_surprises = 2)}},
        {"poll-unpark", poll_unpark, {ALL(), WEAKLY(2)}},
        {"poll-unpark-unpark", poll_unpark_unpark, {ALL(), WEAKLY(1)}},
        {"poll-unpark-ends", poll_unpark_ends, {BOUNDED(2)}},
        {"poll-read-unpark", poll_read_unpark, {ALL(), WEAKLY(1)}},
        {"poll-no-bell", poll_no_bell, {ALL(), NOT_EARLY("the scenario's own time would be over first")}},
        {"late-unpark", late_unpark, {ALL(.slabs = true), WEAKLY(1)}},
        {"lock-two", lock_two, {ALL(.word_locks = true), FULL(.word_locks = true), WEAKLY(3)}},
        {"lock-three", lock_three, {ALL(.word_locks = true), WEAKLY(2)}},
        {"lock-two-again", lock_two_again, {ALL(.word_locks = true), WEAKLY(2)}},
        {"lock-goes", lock_goes, {ALL(.word_locks = true), FULL(.word_locks = true), WEAKLY(3)}},
        {"fork-generation", fork_generation, {ALL(.slabs = true), WEAKLY(1)}},
};

const entries door_scenarios = ENTRIES(list);
