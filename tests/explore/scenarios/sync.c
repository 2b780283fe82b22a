/* SPDX-License-Identifier: Apache-2.0 */
/* The sync objects, step by step: ann and bob stand in line in this order; something is given once, and meanwhile ann's
 * scope is cancelled. Under every schedule one of the two has it, and nobody is left waiting for what was given. */
#include <errno.h>
#include <string.h>

#include "scenarios/scenarios.h"

enum { WAITING = 1 };

typedef struct waiter {
        rein_scope scope;
        int rc, item;
} waiter;

static struct {
        rein_mutex *mutex;
        rein_cond *cond;
        rein_sem *sem;
        rein_event *event;
        rein_barrier *barrier;
        rein_chan *chan, *other;
        waiter ann, bob;
        int (*wait)(waiter *w);
        int given, inside;
} scene;

static void open_scene(int (*wait)(waiter *w))
{
        begin();
        memset(&scene, 0, sizeof scene);
        scene.wait = wait;
        scene.ann.rc = scene.bob.rc = WAITING;
        scene.mutex = rein_mutex_new();
        scene.cond = rein_cond_new(scene.mutex);
        scene.sem = rein_sem_new(0);
        scene.event = rein_event_new();
        scene.barrier = rein_barrier_new(3);
        scene.chan = rein_chan_new(sizeof(int), 0, NULL);
        scene.other = rein_chan_new(sizeof(int), 0, NULL);
}

static void close_scene(void)
{
        explore_calm();
        EXPLORE_CHECK(scene.ann.rc != WAITING && scene.bob.rc != WAITING);
        mark[0] = scene.ann.rc;
        mark[1] = scene.bob.rc;
        mark[2] = scene.ann.item;
        mark[3] = scene.bob.item;
        EXPLORE_CHECK(rein_mutex_lock(scene.mutex, REIN_NOWAIT) == 0);
        EXPLORE_CHECK(rein_mutex_unlock(scene.mutex) == 0);
        rein_cond_free(scene.cond);
        rein_mutex_free(scene.mutex);
        rein_sem_free(scene.sem);
        rein_event_free(scene.event);
        rein_barrier_free(scene.barrier);
        rein_chan_free(scene.chan);
        rein_chan_free(scene.other);
}

static void waiter_main(void *arg)
{
        waiter *w = arg;
        rein_scope_open(&w->scope, REIN_NEVER);
        int rc = scene.wait(w);
        if (rc == 0)
                scene.given++;
        (void)rein_scope_close(&w->scope, 0);
        w->rc = rc;
}

static void cancel_ann(void *arg)
{
        (void)arg;
        rein_scope_cancel(&scene.ann.scope, "whenever it comes");
}

/* Both in line, ann first; from here on it is explored. */
static void line_up(void)
{
        explore_start("ann", waiter_main, &scene.ann);
        explore_calm();
        explore_start("bob", waiter_main, &scene.bob);
        explore_go();
        explore_start("cancel", cancel_ann, NULL);
}

static int wait_sem(waiter *w)
{
        (void)w;
        return rein_sem_acquire(scene.sem, 1, REIN_NEVER);
}

static void sem_body(void)
{
        open_scene(wait_sem);
        line_up();
        rein_sem_release(scene.sem, 1);
        explore_calm();
        EXPLORE_CHECK(scene.given == 1);
        rein_sem_release(scene.sem, 1);
        close_scene();
}

/* ann wants two, of which one is there: when she leaves, it is bob's. */
static int wait_sem_two_or_one(waiter *w)
{
        return rein_sem_acquire(scene.sem, w == &scene.ann ? 2 : 1, REIN_NEVER);
}

static void sem_many_body(void)
{
        open_scene(wait_sem_two_or_one);
        line_up();
        rein_sem_release(scene.sem, 1);
        explore_calm();
        EXPLORE_CHECK(scene.ann.rc == REIN_ECANCELED && scene.bob.rc == 0);
        close_scene();
}

static int wait_mutex(waiter *w)
{
        (void)w;
        int rc = rein_mutex_lock(scene.mutex, REIN_NEVER);
        if (rc < 0)
                return rc;
        EXPLORE_CHECK(++scene.inside == 1);
        rein_sim_point("inside");
        EXPLORE_CHECK(--scene.inside == 0);
        return rein_mutex_unlock(scene.mutex);
}

static void mutex_body(void)
{
        open_scene(wait_mutex);
        EXPLORE_CHECK(rein_mutex_lock(scene.mutex, REIN_NOWAIT) == 0);
        line_up();
        rein_mutex_unlock(scene.mutex);
        explore_calm();
        EXPLORE_CHECK(scene.bob.rc == 0);
        close_scene();
}

static int wait_cond(waiter *w)
{
        (void)w;
        int rc = rein_mutex_lock(scene.mutex, REIN_NEVER);
        if (rc < 0)
                return rc;
        rc = rein_cond_wait(scene.cond, REIN_NEVER);
        EXPLORE_CHECK(++scene.inside == 1);
        EXPLORE_CHECK(--scene.inside == 0);
        EXPLORE_CHECK(rein_mutex_unlock(scene.mutex) == 0);
        return rc;
}

static void cond_body(void)
{
        open_scene(wait_cond);
        line_up();
        EXPLORE_CHECK(rein_cond_signal(scene.cond) == 1);
        explore_calm();
        EXPLORE_CHECK(scene.given == 1);
        rein_cond_broadcast(scene.cond);
        close_scene();
}

static int wait_event(waiter *w)
{
        (void)w;
        return rein_event_wait(scene.event, REIN_NEVER);
}

static void event_body(void)
{
        open_scene(wait_event);
        line_up();
        rein_event_set(scene.event);
        rein_event_clear(scene.event);
        explore_calm();
        EXPLORE_CHECK(scene.bob.rc == 0);
        close_scene();
}

static int wait_barrier(waiter *w)
{
        (void)w;
        return rein_barrier_arrive(scene.barrier, REIN_NEVER);
}

static void barrier_body(void)
{
        open_scene(wait_barrier);
        line_up();
        int rc = rein_barrier_arrive(scene.barrier, REIN_NEVER);
        explore_calm();
        const int ann = scene.ann.rc, bob = scene.bob.rc;
        EXPLORE_CHECK((rc == 1 && ann == 0 && bob == 0) ||
                      (rc == REIN_EBROKEN && ann == REIN_ECANCELED && bob == REIN_EBROKEN));
        close_scene();
}

static int wait_recv(waiter *w)
{
        int rc = rein_chan_recv(scene.chan, &w->item, REIN_NEVER);
        EXPLORE_CHECK((rc == 1) == (w->item == 5));
        return rc == 1 ? 0 : -EPIPE;
}

static void recv_body(void)
{
        open_scene(wait_recv);
        line_up();
        EXPLORE_CHECK(rein_chan_send(scene.chan, &(int){5}, REIN_NEVER) == 0);
        explore_calm();
        EXPLORE_CHECK(scene.given == 1);
        rein_chan_close(scene.chan);
        close_scene();
}

static int wait_send(waiter *w)
{
        (void)w;
        return rein_chan_send(scene.chan, &(int){5}, REIN_NEVER);
}

static void send_body(void)
{
        int item = 0;
        open_scene(wait_send);
        line_up();
        EXPLORE_CHECK(rein_chan_recv(scene.chan, &item, REIN_NEVER) == 1);
        EXPLORE_CHECK(item == 5);
        explore_calm();
        EXPLORE_CHECK(scene.given == 1);
        rein_chan_close(scene.chan);
        close_scene();
}

/* In the lines of two channels, to both of which something comes at once: each waiter takes part in one exchange at
 * most, and each exchange has a waiter. */
static int wait_select(waiter *w)
{
        int out = 6;
        rein_case cases[] = {REIN_ON_RECV(scene.chan, &w->item), REIN_ON_SEND(scene.other, &out)};
        int rc = rein_select(cases, 2, REIN_NEVER);
        EXPLORE_CHECK((rc == 0 && cases[0].result == 1) == (w->item == 5));
        return rc < 0 || cases[rc].result == -EPIPE || (rc == 0 && cases[0].result == 0) ? -EPIPE : 0;
}

static int other_got;

static void receive_other(void *arg)
{
        (void)arg;
        int item = 0;
        if (rein_chan_recv(scene.other, &item, REIN_NEVER) == 1)
                other_got += item;
}

static void select_body(void)
{
        open_scene(wait_select);
        other_got = 0;
        explore_start("ann", waiter_main, &scene.ann);
        explore_calm();
        explore_start("bob", waiter_main, &scene.bob);
        explore_go();
        explore_start("other", receive_other, NULL);
        EXPLORE_CHECK(rein_chan_send(scene.chan, &(int){5}, REIN_NEVER) == 0);
        explore_calm();
        EXPLORE_CHECK(scene.given == 2 && other_got == 6);
        EXPLORE_CHECK(scene.ann.item + scene.bob.item == 5);
        close_scene();
}

static void select_cancel_body(void)
{
        open_scene(wait_select);
        line_up();
        EXPLORE_CHECK(rein_chan_send(scene.chan, &(int){5}, REIN_NEVER) == 0);
        explore_calm();
        EXPLORE_CHECK(scene.given == 1);
        EXPLORE_CHECK(scene.ann.item + scene.bob.item == 5);
        rein_chan_close(scene.chan);
        rein_chan_close(scene.other);
        close_scene();
}

/* Two selects, each of which could serve the other, begin at once. */
static waiter pair[2];

static void pair_main(void *arg)
{
        waiter *w = arg;
        const int me = w == &pair[1];
        int out = 7;
        rein_case cases[] = {REIN_ON_SEND(me ? scene.other : scene.chan, &out),
                             REIN_ON_RECV(me ? scene.chan : scene.other, &w->item)};
        w->rc = rein_select(cases, 2, REIN_NEVER);
}

static void select_pair_body(void)
{
        open_scene(wait_select);
        scene.ann.rc = scene.bob.rc = 0;
        memset(pair, 0, sizeof pair);
        explore_go();
        explore_start("one", pair_main, &pair[0]);
        explore_start("two", pair_main, &pair[1]);
        explore_calm();
        EXPLORE_CHECK(pair[0].rc + pair[1].rc == 1); /* one sent, the other received */
        EXPLORE_CHECK(pair[0].item + pair[1].item == 7);
        mark[4] = pair[0].rc;
        close_scene();
}

/* Two jobs send; one of them is cancelled whenever it comes, perhaps before it starts; the finish meets the end of both.
 * Whatever was sent arrives, and then the channel is closed. */
static int sent;

static int send_five(void *arg)
{
        (void)arg;
        int rc = rein_chan_send(scene.chan, &(int){5}, REIN_NEVER);
        if (rc == 0)
                sent++;
        return rc;
}

static int send_none(void *arg)
{
        (void)arg;
        return 0;
}

static void receive_all(void *arg)
{
        waiter *w = arg;
        int item;
        while ((w->rc = rein_chan_recv(scene.chan, &item, REIN_NEVER)) == 1)
                w->item += item;
}

static void cancel_job(void *arg)
{
        rein_cancel(arg, "whenever it comes");
}

static void finish_after(rein_fn second)
{
        open_scene(NULL);
        sent = 0;
        scene.bob.rc = 0;
        rein_executor *loop = rein_pool_new(REIN_POOL(.threads = 1));
        explore_start("ann", receive_all, &scene.ann);
        explore_calm();
        explore_go();
        rein_future *one = rein_submit(loop, send_five, NULL, REIN_JOB(.sends = scene.chan));
        rein_future *two = rein_submit(loop, second, NULL, REIN_JOB(.sends = scene.chan));
        explore_start("cancel", cancel_job, one);
        rein_chan_finish(scene.chan);
        explore_calm();
        EXPLORE_CHECK(scene.ann.rc == 0 && scene.ann.item == 5 * sent);
        rein_drop(one);
        rein_drop(two);
        rein_executor_free(loop);
        close_scene();
}

static void finish_body(void)
{
        finish_after(send_none);
}

static void finish_two_body(void)
{
        finish_after(send_five);
}

/* An abandoned job leaves the channel in the moment in which it is abandoned or returns, and once. */
static int heedless(void *arg)
{
        (void)arg;
        rein_sim_block(rein_after(REIN_MS(2)));
        return 0;
}

static void finish_abandon_body(void)
{
        int unseen = 0; /* it may have come back after it was abandoned, which is told */
        open_scene(NULL);
        scene.bob.rc = 0;
        rein_on_unseen(nobody_told, &unseen);
        rein_executor *x = warm_pool(1, REIN_POOL(.threads = 1, .grace_ns = REIN_MS(2)));
        explore_start("ann", receive_all, &scene.ann);
        explore_calm();
        rein_future *f = rein_submit(x, heedless, NULL, REIN_JOB(.sends = scene.chan, .unheeded = REIN_ABANDON_IT));
        rein_chan_finish(scene.chan);
        explore_go();
        rein_cancel(f, "enough");
        rein_sim_block(rein_after(REIN_MS(10)));
        explore_calm();
        EXPLORE_CHECK(scene.ann.rc == 0);
        rein_drop(f);
        rein_executor_free(x);
        close_scene();
}

/* One awaits a job with the mutex in its hands, which that job wants back as soon as it is signalled: the signal, the
 * wait and the looks at both meet. Whoever comes last, the one that may leave is told, and both end. */
static rein_executor *pool;
static rein_future *signalled, *holder;

static int wait_and_end(void *arg)
{
        (void)arg;
        int rc = rein_mutex_lock(scene.mutex, REIN_NEVER);
        if (rc < 0)
                return rc;
        rc = rein_cond_wait(scene.cond, REIN_NEVER);
        return rein_mutex_unlock(scene.mutex) == 0 ? rc : -EPROTO;
}

static int hold_and_await(void *arg)
{
        (void)arg;
        int rc = rein_mutex_lock(scene.mutex, REIN_NEVER);
        if (rc == 0)
                rc = rein_await(signalled, NULL, REIN_NEVER);
        EXPLORE_CHECK(rein_mutex_unlock(scene.mutex) == 0);
        return rc;
}

static void cond_knot_after(rein_time while_ago)
{
        open_scene(NULL);
        scene.ann.rc = scene.bob.rc = 0;
        pool = warm_pool(2, REIN_POOL(.threads = 2));
        signalled = rein_submit(pool, wait_and_end, NULL, REIN_JOB(.on_worker = true));
        explore_calm();
        rein_sim_block(while_ago);
        explore_go();
        holder = rein_submit(pool, hold_and_await, NULL, REIN_JOB(.on_worker = true));
        rein_sim_block(rein_after(REIN_MS(10))); /* then the holder looks */
        EXPLORE_CHECK(rein_cond_signal(scene.cond) == 1);
        EXPLORE_CHECK(ends_with(signalled) == 0);
        mark[4] = ends_with(holder);
        EXPLORE_CHECK(mark[4] == 0 || mark[4] == REIN_EDEADLOCK);
        explore_calm();
        rein_drop(signalled);
        rein_drop(holder);
        rein_executor_free(pool);
        close_scene();
}

static void cond_knot_body(void)
{
        cond_knot_after(rein_now());
}

/* It waits for long when the signal comes: it is there to be found, and sleeps without a limit. */
static void cond_knot_long_body(void)
{
        cond_knot_after(rein_after(REIN_MS(50)));
}

static const entry list[] = {
        {"sync-sem", sem_body, {ALL(), RANDOM(2000, .faults = REIN_SIM_SPURIOUS)}},
        {"sync-sem-many", sem_many_body, {ALL(), RANDOM(2000, .faults = REIN_SIM_SPURIOUS)}},
        {"sync-mutex", mutex_body, {ALL(), RANDOM(2000, .faults = REIN_SIM_SPURIOUS)}},
        {"sync-cond", cond_body, {ALL(), RANDOM(2000, .faults = REIN_SIM_SPURIOUS)}},
        {"sync-cond-knot", cond_knot_body, {BOUNDED(2), PCT(3, 10000), PCT(3, 10000, EARLY(2))}},
        {"sync-cond-knot-long", cond_knot_long_body, {BOUNDED(2), PCT(3, 10000), PCT(3, 10000, EARLY(2))}},
        {"sync-event", event_body, {ALL(), RANDOM(2000, .faults = REIN_SIM_SPURIOUS)}},
        {"sync-barrier", barrier_body, {ALL(), RANDOM(2000, .faults = REIN_SIM_SPURIOUS)}},
        {"sync-recv", recv_body, {ALL(), RANDOM(2000, .faults = REIN_SIM_SPURIOUS)}},
        {"sync-send", send_body, {ALL(), RANDOM(2000, .faults = REIN_SIM_SPURIOUS)}},
        {"sync-finish", finish_body, {ALL(), BOUNDED(2)}},
        {"sync-finish-two", finish_two_body, {BOUNDED(2), PCT(3, 10000)}},
        {"sync-finish-abandon", finish_abandon_body, {ALL(), PCT(3, 10000, EARLY(2))}},
        {"sync-select", select_body, {ALL(), RANDOM(2000, .faults = REIN_SIM_SPURIOUS)}},
        {"sync-select-cancel", select_cancel_body, {ALL(), RANDOM(2000, .faults = REIN_SIM_SPURIOUS)}},
        {"sync-select-pair", select_pair_body, {ALL(), RANDOM(2000, .faults = REIN_SIM_SPURIOUS)}},
};

const entries sync_scenarios = ENTRIES(list);
