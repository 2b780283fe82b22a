/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/mutex.h"

#include <errno.h>

#include "core/deadlock.h"

/* Its owner has ended. In a forked child the lock may be held by a thread that is not there. */
static void give(rn_held *h)
{
        rein_mutex *m = RN_ITEM(h, rein_mutex, held);
        rn_wakes wakes = {.n = 0};
        rn_unhold(h);
        if (m->process != rn_generation())
                return;
        rn_lock_take(&m->lock);
        rn_mutex_pass(m, &wakes);
        rn_lock_give(&m->lock);
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
        m->held.give = give;
        rn_list_init(&m->line);
        return m;
}

void rein_mutex_free(rein_mutex *m)
{
        RN_CALL();
        if (!m || m->process != rn_generation())
                return;
        const rn_task *owner = rn_loadptr(&m->owner);
        if (owner && owner == rn_self_if())
                rn_unhold(&m->held);
        rn_free(m);
}

enum { LONG_NS = 10000000 };

/* In the line, and without limit: after a while it says so, and whether that can end is looked into. */
static int wait_for_ever(rein_mutex *m, rn_stand *me, rn_doing doing)
{
        rn_task *self = me->turn->task;
        rn_list_push(&m->line, &me->link);
        int rc = rn_stand_sleep(&m->lock, me, rn_clock() + LONG_NS, doing, NULL);
        if (rc == REIN_ETIMEOUT) {
                rn_lock_give(&m->lock);
                rn_waiting waiting;
                const rn_doing was = rn_task_doing_for_ever(self, doing);
                rc = rn_wait_begin(self, &(rn_waits){.held_by = &m->owner, .cancelable = true},
                                   rn_cancel_at(self) == RN_NEVER, &waiting);
                while (rc == 0 && !rn_load32(&me->turn->chosen))
                        rc = rn_wait_turn_looking(self, RN_NEVER, true, &waiting);
                rn_wait_end(self, &waiting);
                rn_task_doing_for_ever(self, was);
                rn_lock_take(&m->lock);
                if (rn_load32(&me->turn->chosen))
                        rc = 0;
        }
        if (rc < 0)
                rn_list_remove(&me->link);
        return rc;
}

int rein_mutex_lock_at(const char *place, rein_mutex *m, rein_time until)
{
        RN_CALL();
        rn_task *self;
        int rc = rn_sync_enter(&self, m, m ? m->process : 0, "rein_mutex_lock");
        if (rc < 0)
                return rc;
        rn_turn turn = {.task = self};
        rn_stand me = {.turn = &turn};
        const char *held = NULL;
        rn_lock_take(&m->lock);
        const rn_task *owner = rn_loadptr(&m->owner);
        if (!owner) {
                rn_storeptr(&m->owner, self);
        } else if (owner == self) {
                rc = REIN_EDEADLOCK;
                held = m->held.place;
        } else if (until.ns == RN_NEVER) {
                rc = wait_for_ever(m, &me, (rn_doing){"rein_mutex_lock", place});
        } else {
                rc = rn_line_wait(&m->lock, &m->line, &me, until.ns, (rn_doing){"rein_mutex_lock", place});
        }
        if (rc == 0) {
                m->held.place = place;
                rn_hold(self, &m->held);
        }
        rn_lock_give(&m->lock);
        if (held)
                rn_fail(rc, "rein_mutex_lock", "you hold it already: locked at %s", held);
        return rc;
}

void rn_mutex_pass(rein_mutex *m, rn_wakes *wakes)
{
        const rn_stand *next = rn_line_choose(&m->line, wakes);
        rn_storeptr(&m->owner, next ? next->turn->task : NULL);
}

int rein_mutex_unlock(rein_mutex *m)
{
        RN_CALL();
        int rc = rn_sync_may(m, m ? m->process : 0, "rein_mutex_unlock");
        if (rc < 0)
                return rc;
        const rn_task *self = rn_self_if();
        rn_wakes wakes = {.n = 0};
        const char *held = NULL;
        rn_lock_take(&m->lock);
        const rn_task *owner = rn_loadptr(&m->owner);
        const bool mine = owner && owner == self;
        if (mine) {
                rn_unhold(&m->held);
                rn_mutex_pass(m, &wakes);
        } else if (owner) {
                held = m->held.place;
        }
        rn_lock_give(&m->lock);
        rn_wakes_ring(&wakes);
        if (mine)
                return 0;
        if (!owner)
                return rn_misused("rein_mutex_unlock", "nobody holds it");
        return rn_misused("rein_mutex_unlock", "another task holds it: locked at %s", held);
}
