/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of the sync objects where sync.c does not look: something is given while the waiter steps into the line; a
 * waiter has stood there for so long that it has said what it waits for; a line is longer than what is woken at once. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "scenarios/scenarios.h"
#include "sync/chan.h"

enum { WAITING = 7, CROWD = 10 };

typedef struct person {
        rein_scope scope;
        int rc, item;
} person;

static rein_mutex *mutex, *other_mutex;
static rein_cond *cond;
static rein_sem *sem;
static rein_event *event;
static rein_chan *chan, *second;
static rein_promise *promise;
static rein_future *kept;
static person ann, bob, crowd[CROWD];
static int (*wait_for)(person *p);
static bool ready;

static void open_scene(int (*wait)(person *p))
{
        begin();
        wait_for = wait;
        memset(crowd, 0, sizeof crowd);
        ann = bob = (person){.rc = WAITING};
        ready = false;
        mutex = rein_mutex_new();
        other_mutex = rein_mutex_new();
        cond = rein_cond_new(mutex);
        sem = rein_sem_new(0);
        event = rein_event_new();
        chan = rein_chan_new(sizeof(int), 0, NULL);
        second = rein_chan_new(sizeof(int), 0, NULL);
        promise = rein_promise_new(&kept);
}

static void close_scene(void)
{
        mark[0] = ann.rc;
        mark[1] = bob.rc;
        mark[2] = ann.item;
        EXPLORE_CHECK(rein_mutex_lock(mutex, REIN_NOWAIT) == 0); /* nobody has it, and nobody waits for it */
        EXPLORE_CHECK(rein_mutex_unlock(mutex) == 0);
        rein_cond_free(cond);
        rein_mutex_free(mutex);
        rein_mutex_free(other_mutex);
        rein_sem_free(sem);
        rein_event_free(event);
        rein_chan_free(chan);
        rein_chan_free(second);
        (void)rein_promise_keep(promise, NULL, NULL);
        rein_promise_drop(promise);
        rein_drop(kept);
}

static void person_main(void *arg)
{
        person *p = arg;
        rein_scope_open(&p->scope, REIN_NEVER);
        const int rc = wait_for(p);
        (void)rein_scope_close(&p->scope, 0);
        p->rc = rc;
}

static void cancel_ann(void *arg)
{
        (void)arg;
        rein_scope_cancel(&ann.scope, "whenever it comes");
}

/* ---- something is given while ann steps in ---- */

static void step_in(int (*wait)(person *p))
{
        open_scene(wait);
        bob.rc = 0;
        explore_go();
        explore_start("ann", person_main, &ann);
}

static int wait_event(person *p)
{
        (void)p;
        return rein_event_wait(event, REIN_NEVER);
}

static void event_enter(void)
{
        step_in(wait_event);
        EXPLORE_CHECK(rein_event_set(event) == 0);
        explore_calm();
        EXPLORE_CHECK(ann.rc == 0);
        close_scene();
}

/* A clear lets nobody go. */
static void event_clear(void)
{
        open_scene(wait_event);
        bob.rc = 0;
        explore_start("ann", person_main, &ann);
        explore_go();
        EXPLORE_CHECK(rein_event_clear(event) == 0);
        explore_calm();
        EXPLORE_CHECK(ann.rc == WAITING);
        EXPLORE_CHECK(rein_event_set(event) == 0);
        explore_calm();
        EXPLORE_CHECK(ann.rc == 0);
        close_scene();
}

static int wait_sem(person *p)
{
        (void)p;
        return rein_sem_acquire(sem, 1, REIN_NEVER);
}

static void sem_enter(void)
{
        step_in(wait_sem);
        EXPLORE_CHECK(rein_sem_release(sem, 1) == 0);
        explore_calm();
        EXPLORE_CHECK(ann.rc == 0);
        close_scene();
}

/* The giving up of the mutex and the step into the line are one: who has the mutex finds the waiter there. */
static int wait_until_ready(person *p)
{
        (void)p;
        int rc = rein_mutex_lock(mutex, REIN_NEVER);
        while (rc == 0 && !ready)
                rc = rein_cond_wait(cond, REIN_NEVER);
        return rc < 0 ? rc : rein_mutex_unlock(mutex);
}

static void cond_enter(void)
{
        step_in(wait_until_ready);
        EXPLORE_CHECK(rein_mutex_lock(mutex, REIN_NEVER) == 0);
        ready = true;
        (void)rein_cond_signal(cond);
        EXPLORE_CHECK(rein_mutex_unlock(mutex) == 0);
        explore_calm();
        EXPLORE_CHECK(ann.rc == 0);
        close_scene();
}

static int select_one(person *p)
{
        int out = 6;
        rein_case cases[] = {REIN_ON_RECV(chan, &p->item), REIN_ON_SEND(second, &out)};
        return rein_select(cases, 2, REIN_NEVER);
}

static void select_enter(void)
{
        step_in(select_one);
        EXPLORE_CHECK(rein_chan_send(chan, &(int){5}, REIN_NEVER) == 0);
        explore_calm();
        EXPLORE_CHECK(ann.rc == 0 && ann.item == 5);
        close_scene();
}

static int fds[2][2];

static void open_pipes(void)
{
        EXPLORE_CHECK(rein_sim_pipe(fds[0], 4) == 0 && rein_sim_pipe(fds[1], 4) == 0);
}

static void close_pipes(bool first)
{
        for (int i = 0; i < 2; i++) {
                if (i == 0 || first)
                        EXPLORE_CHECK(rein_close(fds[i][0]) == 0);
                EXPLORE_CHECK(rein_close(fds[i][1]) == 0);
        }
}

static int select_with_fd(person *p)
{
        rein_case cases[] = {REIN_ON_FD(fds[0][0], POLLIN), REIN_ON_RECV(chan, &p->item)};
        return rein_select(cases, 2, REIN_NEVER);
}

static void select_fd_enter(void)
{
        open_scene(select_with_fd);
        open_pipes();
        bob.rc = 0;
        explore_go();
        explore_start("ann", person_main, &ann);
        EXPLORE_CHECK(rein_chan_send(chan, &(int){5}, REIN_NEVER) == 0);
        explore_calm();
        EXPLORE_CHECK(ann.rc == 1 && ann.item == 5);
        close_pipes(true);
        close_scene();
}

/* Two channels that are made at once have different places in the order in which they are locked. */
static void make_chan(void *arg)
{
        *(rein_chan **)arg = rein_chan_new(sizeof(int), 0, NULL);
}

static void chan_ages(void)
{
        rein_chan *one = NULL, *two = NULL;
        begin();
        explore_go();
        explore_start("make", make_chan, &one);
        make_chan(&two);
        explore_calm();
        EXPLORE_CHECK(one && two && one->age != two->age);
        rein_chan_free(one);
        rein_chan_free(two);
}

/* ---- ann and bob have stood in the line for long ---- */

static void stand_for_long(void)
{
        explore_start("ann", person_main, &ann);
        explore_calm();
        explore_start("bob", person_main, &bob);
        explore_calm();
        rein_sim_block(rein_after(REIN_MS(20)));
        explore_go();
        explore_start("cancel", cancel_ann, NULL);
}

static int lock_and_unlock(person *p)
{
        (void)p;
        int rc = rein_mutex_lock(mutex, REIN_NEVER);
        return rc < 0 ? rc : rein_mutex_unlock(mutex);
}

static void mutex_long(void)
{
        open_scene(lock_and_unlock);
        EXPLORE_CHECK(rein_mutex_lock(mutex, REIN_NOWAIT) == 0);
        stand_for_long();
        EXPLORE_CHECK(rein_mutex_unlock(mutex) == 0);
        explore_calm();
        EXPLORE_CHECK(ann.rc == 0 || ann.rc == REIN_ECANCELED);
        EXPLORE_CHECK(bob.rc == 0);
        close_scene();
}

/* Nobody gives it on: the cancel alone ends the wait. */
static void mutex_long_cancel(void)
{
        open_scene(lock_and_unlock);
        EXPLORE_CHECK(rein_mutex_lock(mutex, REIN_NOWAIT) == 0);
        stand_for_long();
        explore_calm();
        EXPLORE_CHECK(ann.rc == REIN_ECANCELED && bob.rc == WAITING);
        EXPLORE_CHECK(rein_mutex_unlock(mutex) == 0);
        explore_calm();
        EXPLORE_CHECK(bob.rc == 0);
        close_scene();
}

static int wait_once(person *p)
{
        (void)p;
        int rc = rein_mutex_lock(mutex, REIN_NEVER);
        if (rc < 0)
                return rc;
        rc = rein_cond_wait(cond, REIN_NEVER);
        EXPLORE_CHECK(rein_mutex_unlock(mutex) == 0);
        return rc;
}

/* The signal goes to one of the two; a cancel that comes first leaves it to the other. */
static void cond_long(void)
{
        open_scene(wait_once);
        stand_for_long();
        EXPLORE_CHECK(rein_cond_signal(cond) == 1);
        explore_calm();
        EXPLORE_CHECK((ann.rc == 0 && bob.rc == WAITING) || (ann.rc == REIN_ECANCELED && bob.rc == 0));
        (void)rein_cond_broadcast(cond);
        explore_calm();
        EXPLORE_CHECK(bob.rc == 0);
        close_scene();
}

static int wait_with_a_limit(person *p)
{
        int rc = rein_mutex_lock(mutex, REIN_NEVER);
        if (rc < 0)
                return rc;
        rc = rein_cond_wait(cond, rein_after(REIN_MS(p == &ann ? 5 : 30)));
        EXPLORE_CHECK(rein_mutex_unlock(mutex) == 0);
        return rc;
}

/* Its limit ends a wait, before and after it has become a long one. */
static void cond_limit(void)
{
        open_scene(wait_with_a_limit);
        explore_go();
        explore_start("ann", person_main, &ann);
        explore_start("bob", person_main, &bob);
        rein_sim_block(rein_after(REIN_MS(40)));
        explore_calm();
        EXPLORE_CHECK(ann.rc == REIN_ETIMEOUT && bob.rc == REIN_ETIMEOUT);
        close_scene();
}

/* A circle of two, one of whom leaves it at the deadline of its scope: that is no deadlock. */
static int lock_both(person *p)
{
        rein_mutex *mine = p == &ann ? mutex : other_mutex, *next = p == &ann ? other_mutex : mutex;
        rein_scope limit;
        int rc = rein_mutex_lock(mine, REIN_NEVER);
        EXPLORE_CHECK(rc == 0);
        rein_sim_block(rein_after(REIN_MS(1))); /* then both have one */
        rein_scope_open(&limit, p == &ann ? rein_after(REIN_MS(40)) : REIN_NEVER);
        rc = rein_mutex_lock(next, REIN_NEVER);
        (void)rein_scope_close(&limit, 0);
        if (rc == 0)
                EXPLORE_CHECK(rein_mutex_unlock(next) == 0);
        EXPLORE_CHECK(rein_mutex_unlock(mine) == 0);
        return rc;
}

static void mutex_limited(void)
{
        open_scene(lock_both);
        explore_go();
        explore_start("ann", person_main, &ann);
        explore_start("bob", person_main, &bob);
        rein_sim_block(rein_after(REIN_MS(60)));
        explore_calm();
        EXPLORE_CHECK(ann.rc == REIN_ECANCELED && bob.rc == 0);
        close_scene();
}

/* ---- who ends with the mutex ---- */

static int lock_and_end(void *arg)
{
        (void)arg;
        int rc = rein_mutex_lock(mutex, REIN_NEVER);
        return rc < 0 ? rc : rein_event_wait(event, REIN_NEVER);
}

static void mutex_end(void)
{
        open_scene(lock_and_unlock);
        bob.rc = 0;
        rein_executor *pool = warm_pool(1, REIN_POOL(.threads = 1));
        rein_future *holder = rein_submit(pool, lock_and_end, NULL, REIN_JOB(.on_worker = true));
        explore_calm();
        explore_start("ann", person_main, &ann);
        explore_go();
        EXPLORE_CHECK(rein_event_set(event) == 0);
        explore_calm();
        EXPLORE_CHECK(ann.rc == 0 && rein_code(holder) == -EPROTO);
        rein_drop(holder);
        rein_executor_free(pool);
        close_scene();
}

/* ---- a long line ---- */

static void event_crowd(void)
{
        open_scene(wait_event);
        ann.rc = bob.rc = 0;
        for (int i = 0; i < CROWD; i++) {
                crowd[i].rc = WAITING;
                explore_start("one of many", person_main, &crowd[i]);
        }
        explore_go();
        EXPLORE_CHECK(rein_event_set(event) == 0);
        explore_calm();
        for (int i = 0; i < CROWD; i++)
                EXPLORE_CHECK(crowd[i].rc == 0);
        close_scene();
}

/* ---- a select, and two things at once ---- */

static int select_settled_or_recv(person *p)
{
        rein_case cases[] = {REIN_ON_SETTLED(kept), REIN_ON_RECV(chan, &p->item)};
        return rein_select(cases, 2, REIN_NEVER);
}

static void settle(void *arg)
{
        (void)arg;
        EXPLORE_CHECK(rein_promise_keep(promise, NULL, NULL) == 0);
}

/* What was sent has arrived, also when the future settles at the same moment. */
static void select_settle(void)
{
        open_scene(select_settled_or_recv);
        bob.rc = 0;
        explore_start("ann", person_main, &ann);
        explore_go();
        explore_start("settle", settle, NULL);
        const int sent = rein_chan_send(chan, &(int){5}, REIN_NOWAIT);
        explore_calm();
        EXPLORE_CHECK(sent == 0 ? ann.rc == 1 && ann.item == 5 : ann.rc == 0 && ann.item == 0);
        close_scene();
}

static int result_of_close;

static int select_two_fds(person *p)
{
        (void)p;
        rein_case cases[] = {REIN_ON_FD(fds[0][0], POLLIN), REIN_ON_FD(fds[1][0], POLLIN)};
        int rc = rein_select(cases, 2, REIN_NEVER);
        result_of_close = cases[1].result;
        return rc;
}

/* One of several descriptors is closed while they are waited for. */
static void select_close(void)
{
        open_scene(select_two_fds);
        open_pipes();
        bob.rc = 0;
        explore_start("ann", person_main, &ann);
        explore_go();
        EXPLORE_CHECK(rein_close(fds[1][0]) == 0);
        explore_calm();
        EXPLORE_CHECK(ann.rc == 1 && result_of_close == -EBADF);
        close_pipes(false);
        close_scene();
}

/* Of several times the first one ends the wait, and not as one that is out of time. */
static int select_times(person *p)
{
        (void)p;
        rein_case cases[] = {REIN_ON_TIME(rein_after(REIN_MS(50))), REIN_ON_TIME(rein_after(REIN_MS(5))),
                             REIN_ON_SETTLED(kept), REIN_ON_TIME(REIN_NEVER)};
        return rein_select(cases, 4, rein_after(REIN_MS(100)));
}

static void select_first_time(void)
{
        step_in(select_times);
        rein_sim_block(rein_after(REIN_MS(20)));
        explore_calm();
        EXPLORE_CHECK(ann.rc == 1);
        close_scene();
}

/* More cases than there is room for on the stack: all of it is given back, also when nothing came. */
static int select_many(person *p)
{
        rein_case cases[12] = {REIN_ON_RECV(chan, &p->item), REIN_ON_SETTLED(kept)};
        return rein_select(cases, 12, REIN_NEVER);
}

static void select_many_cancel(void)
{
        open_scene(select_many);
        bob.rc = 0;
        explore_start("ann", person_main, &ann);
        explore_go();
        explore_start("cancel", cancel_ann, NULL);
        const int sent = rein_chan_send(chan, &(int){5}, REIN_NOWAIT);
        explore_calm();
        EXPLORE_CHECK(sent == 0 ? ann.rc == 0 && ann.item == 5 : ann.rc == REIN_ECANCELED && ann.item == 0);
        close_scene();
}

static const entry list[] = {
        {"line-event-enter", event_enter, {ALL()}},
        {"line-event-clear", event_clear, {ALL()}},
        {"line-sem-enter", sem_enter, {ALL()}},
        {"line-cond-enter", cond_enter, {ALL()}},
        {"line-select-enter", select_enter, {ALL()}},
        {"line-select-fd-enter", select_fd_enter, {ALL()}},
        {"line-chan-ages", chan_ages, {ALL()}},
        {"line-mutex-long", mutex_long, {ALL()}},
        {"line-mutex-long-cancel", mutex_long_cancel, {ALL()}},
        {"line-cond-long", cond_long, {ALL()}},
        {"line-cond-limit", cond_limit, {BOUNDED(2)}},
        {"line-mutex-limited", mutex_limited, {BOUNDED(2)}},
        {"line-mutex-end", mutex_end, {BOUNDED(2)}},
        {"line-event-crowd", event_crowd, {RANDOM(200)}},
        {"line-select-settle", select_settle, {ALL()}},
        {"line-select-close", select_close, {ALL()}},
        {"line-select-times", select_first_time, {ALL()}},
        {"line-select-many-cancel", select_many_cancel, {ALL()}},
};

const entries line_scenarios = ENTRIES(list);
