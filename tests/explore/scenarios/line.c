/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of the sync objects where sync.c does not look: something is given while the waiter steps into the line; a
 * waiter has stood there for so long that it has said what it waits for; a line is longer than what is woken at once. */
#include <errno.h>
#include <string.h>

#include "scenarios/scenarios.h"
#include "sync/chan.h"

enum { WAITING = 7, CROWD = 10 };

typedef struct person {
        rein_scope scope;
        int rc;
} person;

static rein_mutex *mutex, *other_mutex;
static rein_cond *cond;
static rein_sem *sem;
static rein_event *event;
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
}

static void close_scene(void)
{
        mark[0] = ann.rc;
        mark[1] = bob.rc;
        EXPLORE_CHECK(rein_mutex_lock(mutex, REIN_NOWAIT) == 0); /* nobody has it, and nobody waits for it */
        EXPLORE_CHECK(rein_mutex_unlock(mutex) == 0);
        rein_cond_free(cond);
        rein_mutex_free(mutex);
        rein_mutex_free(other_mutex);
        rein_sem_free(sem);
        rein_event_free(event);
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

static void line_up(void)
{
        explore_start("ann", person_main, &ann);
        explore_calm();
        explore_start("bob", person_main, &bob);
        explore_calm();
}

static void stand_for_long(void)
{
        line_up();
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
static void signalled_one(void)
{
        explore_calm();
        EXPLORE_CHECK((ann.rc == 0 && bob.rc == WAITING) || (ann.rc == REIN_ECANCELED && bob.rc == 0));
        (void)rein_cond_broadcast(cond);
        explore_calm();
        EXPLORE_CHECK(bob.rc == 0);
        close_scene();
}

static void cond_long(void)
{
        open_scene(wait_once);
        stand_for_long();
        EXPLORE_CHECK(rein_cond_signal(cond) == 1);
        signalled_one();
}

/* Whoever is signalled, or cancelled, has to wait for the mutex: the signaller has it. */
static void cond_held(void)
{
        open_scene(wait_once);
        line_up();
        explore_go();
        explore_start("cancel", cancel_ann, NULL);
        EXPLORE_CHECK(rein_mutex_lock(mutex, REIN_NEVER) == 0);
        EXPLORE_CHECK(rein_cond_signal(cond) == 1);
        rein_sim_point("with the mutex");
        EXPLORE_CHECK(bob.rc == WAITING);
        EXPLORE_CHECK(rein_mutex_unlock(mutex) == 0);
        signalled_one();
}

/* A task that is cancelled still has to wait for the mutex, however often it wakes for no reason. */
static void cond_give_up(void)
{
        open_scene(wait_once);
        bob.rc = 0;
        explore_start("ann", person_main, &ann);
        explore_calm();
        EXPLORE_CHECK(rein_mutex_lock(mutex, REIN_NEVER) == 0);
        explore_go();
        explore_start("cancel", cancel_ann, NULL);
        explore_calm();
        EXPLORE_CHECK(ann.rc == WAITING);
        EXPLORE_CHECK(rein_mutex_unlock(mutex) == 0);
        explore_calm();
        EXPLORE_CHECK(ann.rc == REIN_ECANCELED);
        close_scene();
}

/* ann holds one mutex and waits for a signal on the other; bob holds that other one, and wants ann's. The signal closes the
 * circle while bob begins to say that it waits: one of the two is told. */
static int wait_or_hold(person *p)
{
        rein_mutex *mine = p == &ann ? other_mutex : mutex;
        int rc = rein_mutex_lock(mine, REIN_NEVER);
        if (rc == 0 && p == &ann)
                rc = wait_once(p);
        else if (rc == 0 && (rc = rein_mutex_lock(other_mutex, REIN_NEVER)) == 0)
                rc = rein_mutex_unlock(other_mutex);
        EXPLORE_CHECK(rein_mutex_unlock(mine) == 0);
        return rc;
}

static void cond_knot(void)
{
        open_scene(wait_or_hold);
        explore_start("ann", person_main, &ann);
        explore_calm();
        rein_sim_block(rein_after(REIN_MS(20)));
        explore_start("bob", person_main, &bob);
        explore_go();
        EXPLORE_CHECK(rein_cond_signal(cond) == 1);
        rein_sim_block(rein_after(REIN_MS(100)));
        explore_calm();
        EXPLORE_CHECK(ann.rc == 0 && bob.rc == REIN_EDEADLOCK);
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

/* ---- what one gives to several ---- */

static void sem_both(void)
{
        open_scene(wait_sem);
        line_up();
        explore_go();
        EXPLORE_CHECK(rein_sem_release(sem, 2) == 0);
        explore_calm();
        EXPLORE_CHECK(ann.rc == 0 && bob.rc == 0);
        close_scene();
}

static rein_barrier *barrier;

static int arrive(person *p)
{
        (void)p;
        return rein_barrier_arrive(barrier, REIN_NEVER);
}

/* A reset lets those go that are there, and who comes afterwards waits for two more again. */
static void barrier_reset(void)
{
        open_scene(arrive);
        barrier = rein_barrier_new(3);
        line_up();
        explore_go();
        EXPLORE_CHECK(rein_barrier_reset(barrier) == 0);
        explore_calm();
        EXPLORE_CHECK(ann.rc == REIN_EBROKEN && bob.rc == REIN_EBROKEN);
        ann.rc = bob.rc = WAITING;
        line_up();
        EXPLORE_CHECK(ann.rc == WAITING && bob.rc == WAITING);
        EXPLORE_CHECK(rein_barrier_arrive(barrier, REIN_NEVER) == 1);
        explore_calm();
        EXPLORE_CHECK(ann.rc == 0 && bob.rc == 0);
        rein_barrier_free(barrier);
        close_scene();
}

static rein_chan *buffer;

static int send_four(person *p)
{
        (void)p;
        return rein_chan_send(buffer, &(int){4}, REIN_NEVER);
}

/* The buffer is full, its first item goes, and the sender that waits for room has it: at the end of the order. */
static void chan_room(void)
{
        int item = 0;
        open_scene(send_four);
        buffer = rein_chan_new(sizeof item, 3, NULL);
        bob.rc = 0;
        for (int i = 1; i <= 3; i++)
                EXPLORE_CHECK(rein_chan_send(buffer, &i, REIN_NOWAIT) == 0);
        explore_start("ann", person_main, &ann);
        explore_go();
        for (int i = 1; i <= 4; i++) {
                EXPLORE_CHECK(rein_chan_recv(buffer, &item, REIN_NOWAIT) == 1 && item == i);
                explore_calm();
                EXPLORE_CHECK(ann.rc == 0);
        }
        for (int i = 5; i <= 16; i++) { /* round the end of the buffer, with two in it */
                EXPLORE_CHECK(rein_chan_send(buffer, &i, REIN_NOWAIT) == 0);
                EXPLORE_CHECK(i == 5 || (rein_chan_recv(buffer, &item, REIN_NOWAIT) == 1 && item == i - 1));
        }
        rein_chan_free(buffer);
        close_scene();
}

/* ---- freed at once by the one that lets them through; ann is cancelled meanwhile ---- */

static void freed_scene(int (*wait)(person *p))
{
        open_scene(wait);
        line_up();
        explore_go();
        explore_start("cancel", cancel_ann, NULL);
}

static void event_freed(void)
{
        freed_scene(wait_event);
        EXPLORE_CHECK(rein_event_set(event) == 0);
        rein_event_free(event);
        event = NULL;
        explore_calm();
        EXPLORE_CHECK((ann.rc == 0 || ann.rc == REIN_ECANCELED) && bob.rc == 0);
        close_scene();
}

static void sem_freed(void)
{
        freed_scene(wait_sem);
        EXPLORE_CHECK(rein_sem_release(sem, 2) == 0);
        rein_sem_free(sem);
        sem = NULL;
        explore_calm();
        EXPLORE_CHECK((ann.rc == 0 || ann.rc == REIN_ECANCELED) && bob.rc == 0);
        close_scene();
}

static void barrier_freed(void)
{
        barrier = rein_barrier_new(3);
        freed_scene(arrive);
        const int rc = rein_barrier_arrive(barrier, REIN_NEVER);
        rein_barrier_free(barrier);
        explore_calm();
        EXPLORE_CHECK(rc == 1 ? ann.rc == 0 && bob.rc == 0 : ann.rc == REIN_ECANCELED && bob.rc == REIN_EBROKEN);
        close_scene();
}

static int released;

static void release_four(void *item)
{
        EXPLORE_CHECK(*(int *)item == 4);
        released++;
}

/* Both wait for room; what is in the buffer is released once, by the one that frees. */
static void chan_freed(void)
{
        released = 0;
        buffer = rein_chan_new(sizeof(int), 1, release_four);
        EXPLORE_CHECK(rein_chan_send(buffer, &(int){4}, REIN_NOWAIT) == 0);
        freed_scene(send_four);
        rein_chan_close(buffer);
        rein_chan_free(buffer);
        EXPLORE_CHECK(released == 1);
        explore_calm();
        EXPLORE_CHECK((ann.rc == -EPIPE || ann.rc == REIN_ECANCELED) && bob.rc == -EPIPE);
        close_scene();
}

static int select_four(person *p)
{
        int item = 0;
        rein_case cases[] = {REIN_ON_SEND(buffer, &item), REIN_ON_SEND(buffer, &item)};
        (void)p;
        const int rc = rein_select(cases, 2, REIN_NEVER);
        return rc < 0 ? rc : cases[rc].result;
}

static void select_freed(void)
{
        buffer = rein_chan_new(sizeof(int), 0, NULL);
        freed_scene(select_four);
        rein_chan_close(buffer);
        rein_chan_free(buffer);
        explore_calm();
        EXPLORE_CHECK((ann.rc == -EPIPE || ann.rc == REIN_ECANCELED) && bob.rc == -EPIPE);
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

static const entry list[] = {
        {"line-event-enter", event_enter, {ALL()}},
        {"line-event-clear", event_clear, {ALL()}},
        {"line-sem-enter", sem_enter, {ALL()}},
        {"line-cond-enter", cond_enter, {ALL()}},
        {"line-chan-ages", chan_ages, {ALL()}},
        {"line-mutex-long", mutex_long, {ALL()}},
        {"line-mutex-long-cancel", mutex_long_cancel, {ALL()}},
        {"line-cond-long", cond_long, {ALL()}},
        {"line-cond-held", cond_held, {ALL()}},
        {"line-cond-give-up", cond_give_up, {BOUNDED(1, .faults = REIN_SIM_SPURIOUS, .most_surprises = 2)}},
        {"line-cond-knot", cond_knot, {BOUNDED(1), BOUNDED(1, EARLY(2))}},
        {"line-cond-limit", cond_limit, {BOUNDED(2), NOT_EARLY("the scenario's own time would be over first")}},
        {"line-mutex-limited", mutex_limited, {BOUNDED(2), NOT_EARLY("the scenario's own time would be over first")}},
        {"line-mutex-end", mutex_end, {BOUNDED(2)}},
        {"line-sem-both", sem_both, {ALL()}},
        {"line-barrier-reset", barrier_reset, {ALL()}},
        {"line-chan-room", chan_room, {ALL()}},
        {"line-event-freed", event_freed, {ALL(), BOUNDED(2)}},
        {"line-sem-freed", sem_freed, {ALL(), BOUNDED(2)}},
        {"line-barrier-freed", barrier_freed, {ALL(), BOUNDED(2)}},
        {"line-chan-freed", chan_freed, {ALL(), BOUNDED(2)}},
        {"line-select-freed", select_freed, {ALL(), BOUNDED(2)}},
        {"line-event-crowd", event_crowd, {RANDOM(200)}},
};

const entries line_scenarios = ENTRIES(list);
