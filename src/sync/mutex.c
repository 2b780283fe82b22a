/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/mutex.h"

#include <errno.h>

#include "core/deadlock.h"

/* ---- does it add up? ---- */

#if RN_CHECKING

/* The task that has it says so in a list of its own, which no other thread may look at; in a simulation there is none. */
static bool mutex_may_look_at_held(const rn_task *owner)
{
        return rn_virtual() || (owner && owner == rn_self_if());
}

const char *rn_mutex_wrong(const rein_mutex *m)
{
        rn_line_look look;
        const rn_task *owner = rn_getptr(&m->owner);
        const char *what = rn_line_wrong(&m->line, &look);
        if (what)
                return what;
        if (!owner && m->handed)
                return "a mutex was handed over, and nobody has it";
        if (!owner && look.waiting)
                return "somebody waits for a mutex that is free";
        if (mutex_may_look_at_held(owner) && (m->held.back != NULL) != (owner && !m->handed))
                return "a mutex is in the hands of a task that does not know";
        if (look.whole)
                RN_LIST_EACH(l, &m->line)
                        if (RN_ITEM(l, rn_stand, link)->turn->task == owner)
                                return "the owner of a mutex waits for it";
        return NULL;
}

static const char *mutex_ask(const rn_object *o)
{
        return rn_mutex_wrong(RN_ITEM(o, rein_mutex, object));
}

#endif

/* ---- its owner ---- */

void rn_mutex_have(rein_mutex *m, rn_task *self, const char *place)
{
        RN_ASSERT(rn_lock_held(&m->lock), "a mutex changes hands under its lock");
        RN_ASSERT(rn_getptr(&m->owner) == self, "a task has the mutex that it was given");
        RN_ASSERT(!m->held.back, "a mutex is in the hands of one task");
        m->handed = false;
        m->held.place = place;
        rn_hold(self, &m->held);
}

/* Its owner has ended. In a forked child the lock may be held by a thread that is not there. */
static void mutex_give(rn_held *h)
{
        rein_mutex *m = RN_ITEM(h, rein_mutex, held);
        rn_wakes wakes = {.n = 0};
        if (m->process != rn_generation()) {
                rn_unhold(h);
                return;
        }
        rn_mutex_enter(m);
        rn_unhold(h);
        rn_mutex_pass(m, &wakes);
        rn_mutex_leave(m);
        rn_wakes_ring(&wakes);
}

rein_mutex *rein_mutex_new(void)
{
        RN_CALL();
        rein_mutex *m = rn_alloc(sizeof *m);
        if (!m) {
                rn_fail(-ENOMEM, "rein_mutex_new", "no memory for a mutex");
                return NULL;
        }
        m->process = rn_generation();
        m->held.give = mutex_give;
        rn_list_init(&m->line);
        RN_OBJECT_MADE(m, "a mutex", &m->lock, mutex_ask);
        return m;
}

void rein_mutex_free(rein_mutex *m)
{
        RN_CALL();
        RN_TOLD_USED(m);
        if (!rn_sync_is_there(m, m ? m->process : 0, "rein_mutex_free"))
                return;
        rn_mutex_enter(m);
        const rn_task *owner = rn_loadptr(&m->owner);
        const bool mine = owner && owner == rn_self_if();
        const size_t waiting = rn_line_waiting(&m->line) + m->at_conds;
        const bool handed = m->handed, held = owner && !mine;
        const char *place = m->held.place;
        if (mine && !waiting) {
                rn_unhold(&m->held);
                rn_storeptr(&m->owner, NULL);
        }
        rn_mutex_leave(m);
        if (held && handed)
                rn_free_refused("rein_mutex_free", "it was just handed to a task that waited for it");
        else if (held)
                rn_free_refused("rein_mutex_free", "another task holds it: locked at %s", place);
        else if (waiting)
                rn_free_refused_waiting("rein_mutex_free", waiting);
        if (held || waiting)
                return;
        RN_OBJECTS_WITHOUT(&m->lock);
        m->process = RN_GIVEN_BACK;
        rn_retire(m);
}

enum { LONG_NS = 10000000 };

/* In the line, and without limit: after a while it says so, and whether that can end is looked into. */
static int mutex_wait_for_ever(rein_mutex *m, rn_stand *me, rn_doing doing)
{
        rn_task *self = me->turn->task;
        rn_list_push(&m->line, &me->link);
        int rc = rn_stand_sleep(&m->lock, me, rn_clock() + LONG_NS, doing, NULL);
        if (rc == REIN_ETIMEOUT) {
                rn_lock_give(&m->lock);
                rn_wait wait;
                const rn_doing was = rn_task_doing_for_ever(self, doing);
                rc = rn_wait_begin(self, &(rn_wait_target){.held_by = &m->owner, .cancelable = true},
                                   rn_cancel_at(self) == RN_NEVER, &wait);
                while (rc == 0 && !rn_load32(&me->turn->chosen))
                        rc = rn_wait_turn_looking(self, RN_NEVER, true, &wait);
                rn_wait_end(self, &wait);
                rn_task_doing_for_ever(self, was);
                rn_lock_take(&m->lock);
                if (rn_load32(&me->turn->chosen))
                        rc = 0;
        }
        if (rc < 0) {
                RN_ASSERT(rn_linked(&me->link), "a task that gives up a mutex was not chosen");
                rn_list_remove(&me->link);
        }
        return rc;
}

int rein_mutex_lock_at(const char *place, rein_mutex *m, rein_time until)
{
        RN_CALL();
        RN_TOLD_USED(m);
        rn_task *self;
        int rc = rn_sync_enter(&self, m, m ? m->process : 0, "rein_mutex_lock");
        if (rc < 0)
                return rc;
        rn_turn turn = {.task = self};
        rn_stand me = {.turn = &turn};
        const char *held = NULL;
        rn_mutex_enter(m);
        const rn_task *owner = rn_loadptr(&m->owner);
        if (!owner) {
                rn_storeptr(&m->owner, self);
        } else if (owner == self) {
                rc = REIN_EDEADLOCK;
                held = m->held.place;
        } else if (until.ns == RN_NEVER) {
                rc = mutex_wait_for_ever(m, &me, (rn_doing){"rein_mutex_lock", place});
        } else {
                rc = rn_line_wait(&m->lock, &m->line, &me, until.ns, (rn_doing){"rein_mutex_lock", place});
        }
        RN_ASSERT(rc == 0 || held || rn_getptr(&m->owner) != self, "a call that fails to lock does not have the mutex");
        RN_ASSERT(!rn_linked(&me.link), "a task that goes on stands in no line");
        if (rc == 0)
                rn_mutex_have(m, self, place);
        rn_mutex_leave(m);
        if (held)
                rn_fail(rc, "rein_mutex_lock", "you hold it already: locked at %s", held);
        return rc;
}

void rn_mutex_pass(rein_mutex *m, rn_wakes *wakes)
{
        RN_ASSERT(rn_lock_held(&m->lock), "a mutex changes hands under its lock");
        RN_ASSERT(!m->held.back, "who passes a mutex on has let go of it");
        const rn_stand *next = rn_line_choose(&m->line, wakes);
        rn_storeptr(&m->owner, next ? next->turn->task : NULL);
        m->handed = next != NULL;
}

int rein_mutex_unlock(rein_mutex *m)
{
        RN_CALL();
        RN_TOLD_USED(m);
        int rc = rn_sync_may(m, m ? m->process : 0, "rein_mutex_unlock");
        if (rc < 0)
                return rc;
        const rn_task *self = rn_self_if();
        rn_wakes wakes = {.n = 0};
        const char *held = NULL;
        rn_mutex_enter(m);
        const rn_task *owner = rn_loadptr(&m->owner);
        const bool mine = owner && owner == self;
        if (mine) {
                rn_unhold(&m->held);
                rn_mutex_pass(m, &wakes);
        } else if (owner) {
                held = m->held.place;
        }
        rn_mutex_leave(m);
        rn_wakes_ring(&wakes);
        if (mine)
                return 0;
        if (!owner)
                return rn_misused("rein_mutex_unlock", "nobody holds it");
        return rn_misused("rein_mutex_unlock", "another task holds it: locked at %s", held);
}
