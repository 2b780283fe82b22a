/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions. A waiter stands in the condition's line until it is signalled, and then in the mutex's, both under the
 * mutex's lock; it wakes when it has the mutex, and no sooner, but for the looks at knots (core/deadlock.h): once it has
 * waited for long, so that it can be found, and when it is signalled while the mutex's owner waits without limit. */
#include <errno.h>

#include "core/deadlock.h"
#include "sync/cond.h"

#if RN_CHECKING

const char *rn_cond_wrong(const rein_cond *c)
{
        rn_line_look look;
        const char *what = rn_line_wrong(&c->line, &look);
        if (what)
                return what;
        if (!c->mutex || c->mutex->process != c->process)
                return "a condition has no mutex, or one from before a fork";
        if (c->mutex->at_conds < look.waiting)
                return "a mutex counts fewer that wait at its conditions than wait at one of them";
        if (!look.whole)
                return NULL;
        RN_LIST_EACH(l, &c->line) {
                const rn_stand *s = RN_ITEM(l, rn_stand, link);
                if (rn_get32(&s->moved))
                        return "one that was signalled still stands in the line of its condition";
                if (s->turn->task == rn_getptr(&c->mutex->owner))
                        return "one that waits for a signal has the mutex";
        }
        return NULL;
}

static const char *cond_ask(const rn_object *o)
{
        return rn_cond_wrong(RN_ITEM(o, rein_cond, object));
}

#endif

static void cond_enter(rein_cond *c)
{
        rn_mutex_enter(c->mutex);
        RN_SOUND(rn_cond_wrong(c));
}

static void cond_leave(rein_cond *c)
{
        RN_SOUND(rn_cond_wrong(c));
        rn_mutex_leave(c->mutex);
}

rein_cond *rein_cond_new(rein_mutex *m)
{
        RN_CALL();
        if (rn_sync_may(m, m ? m->process : 0, "rein_cond_new") < 0)
                return NULL;
        rein_cond *c = rn_alloc(sizeof *c);
        if (!c) {
                rn_fail(-ENOMEM, "rein_cond_new", "no memory for a condition");
                return NULL;
        }
        c->mutex = m;
        c->process = m->process;
        rn_list_init(&c->line);
        RN_OBJECT_MADE(c, "a condition", &m->lock, cond_ask);
        return c;
}

void rein_cond_free(rein_cond *c)
{
        RN_CALL();
        RN_TOLD_USED(c);
        if (!rn_sync_is_there(c, c ? c->process : 0, "rein_cond_free"))
                return;
        size_t waiting = 0;
        if (!rn_list_empty(&c->line)) { /* then its mutex is still there: it could not be freed */
                cond_enter(c);
                waiting = rn_line_waiting(&c->line);
                cond_leave(c);
        }
        if (waiting) {
                rn_free_refused_waiting("rein_cond_free", waiting);
                return;
        }
        RN_OBJECT_GONE(c);
        c->process = RN_GIVEN_BACK;
        rn_retire(c);
}

enum { LONG_NS = 10000000 };

/* Not signalled for long: it lets the graph know whom it will wait for once it is. 0: it was; or why it waits no more. The
 * mutex's lock is held. */
static int cond_wait_long(rein_mutex *m, rn_stand *me, int64_t until, rn_doing doing)
{
        rn_task *self = me->turn->task;
        rn_wait wait;
        int rc = 0;
        rn_mutex_leave(m);
        const rn_doing was = rn_task_doing_for_ever(self, doing);
        rn_wait_stay(self, &(rn_wait_target){.held_by = &m->owner, .once = &me->moved}, &wait);
        while (rc == 0 && !rn_load32(&me->moved))
                rc = rn_wait_turn(self, until);
        rn_wait_end(self, &wait);
        rn_task_doing_for_ever(self, was);
        rn_mutex_enter(m);
        return rn_load32(&me->moved) ? 0 : rc; /* it may have been signalled, and have the mutex, since it gave up */
}

/* In the mutex's line, for as long as it takes. The mutex's lock is held. */
static void cond_wait_for_mutex(rein_mutex *m, rn_stand *me, rn_doing doing)
{
        rn_task *self = me->turn->task;
        rn_wait wait;
        rn_mutex_leave(m);
        const rn_doing was = rn_task_doing_for_ever(self, doing);
        rn_wait_stay(self, &(rn_wait_target){.held_by = &m->owner}, &wait);
        while (!rn_load32(&me->turn->chosen))
                rn_wait_turn_staying(self, &wait);
        rn_wait_end(self, &wait);
        rn_task_doing_for_ever(self, was);
        rn_mutex_enter(m);
}

/* A task that is not chosen but signalled, out of time or cancelled. The mutex's lock is held. */
static int cond_come_back(rein_mutex *m, rn_stand *me, rn_doing doing, int rc)
{
        RN_ASSERT(rn_lock_held(&m->lock), "a wait for a signal ends under the lock of its mutex");
        if (rn_load32(&me->moved)) {
                rc = 0; /* only the mutex is still missing */
        } else {
                RN_ASSERT(rn_linked(&me->link), "a task that was not signalled stands in the line of its condition");
                rn_list_remove(&me->link);
                m->at_conds--;
                if (!rn_loadptr(&m->owner)) {
                        rn_storeptr(&m->owner, me->turn->task);
                        return rc;
                }
                rn_store32(&me->moved, 1);
                rn_list_push(&m->line, &me->link);
        }
        cond_wait_for_mutex(m, me, doing);
        return rc;
}

static int cond_wait_for_signal(rein_cond *c, rn_task *self, rein_time until)
{
        int rc = rn_sync_may(c, c ? c->process : 0, "rein_cond_wait");
        if (rc < 0)
                return rc;
        if (!self)
                return -ENOMEM;
        if (rn_canceled(self))
                return REIN_ECANCELED;
        rein_mutex *m = c->mutex;
        const rn_doing doing = {"rein_cond_wait", NULL};
        rn_turn turn = {.task = self};
        rn_stand me = {.turn = &turn};
        rn_wakes wakes = {.n = 0};
        cond_enter(c);
        if (rn_loadptr(&m->owner) != self) {
                cond_leave(c);
                return rn_misused("rein_cond_wait", "lock the condition's mutex first");
        }
        const char *place = m->held.place;
        rn_unhold(&m->held);
        rn_mutex_pass(m, &wakes);
        rn_list_push(&c->line, &me.link);
        m->at_conds++;
        const int64_t a_while = rn_clock() + LONG_NS;
        rc = rn_stand_sleep(&m->lock, &me, until.ns < a_while ? until.ns : a_while, doing, &wakes);
        if (rc == REIN_ETIMEOUT && a_while <= until.ns && !rn_load32(&me.moved))
                rc = cond_wait_long(m, &me, until.ns, doing);
        if (!rn_load32(&turn.chosen))
                rc = cond_come_back(m, &me, doing, rc);
        RN_ASSERT(!rn_linked(&me.link), "a task that goes on stands in no line");
        rn_mutex_have(m, self, place);
        rn_mutex_leave(m); /* c may be gone: nobody stands in its line any more */
        return rc;
}

/* It spends on its way out: a signal may be given without the mutex, so between the caller's look at what it waits for and
 * its place in the line no other coroutine may run. */
int rein_cond_wait(rein_cond *c, rein_time until)
{
        RN_CALL();
        RN_TOLD_USED(c);
        rn_task *self = rn_self();
        const int rc = cond_wait_for_signal(c, self, until);
        rn_stretch_spend(self, RN_SPENDS_CALL);
        return rc;
}

static int cond_tell(rein_cond *c, size_t most, const char *call)
{
        int rc = rn_sync_may(c, c ? c->process : 0, call);
        if (rc < 0)
                return rc;
        rein_mutex *m = c->mutex;
        rn_wakes wakes = {.n = 0};
        int told = 0;
        rn_task *first = NULL;
        cond_enter(c);
        for (rn_link *l; most-- && (l = rn_list_pop(&c->line)); told++) {
                rn_stand *s = RN_ITEM(l, rn_stand, link);
                RN_ASSERT(!rn_get32(&s->moved), "a stand is signalled once");
                if (!first)
                        first = s->turn->task;
                rn_store32(&s->moved, 1);
                m->at_conds--;
                rn_list_push(&m->line, l);
        }
        const rn_task *owner = rn_loadptr(&m->owner);
        if (told && !owner)
                rn_mutex_pass(m, &wakes);
        else if (told && rn_load32(&owner->holder_waits))
                rn_wakes_add(&wakes, first); /* it looks whether that can end, also for the others */
        cond_leave(c);
        rn_wakes_ring(&wakes);
        return told;
}

int rein_cond_signal(rein_cond *c)
{
        RN_CALL();
        RN_TOLD_USED(c);
        return cond_tell(c, 1, "rein_cond_signal");
}

int rein_cond_broadcast(rein_cond *c)
{
        RN_CALL();
        RN_TOLD_USED(c);
        return cond_tell(c, SIZE_MAX, "rein_cond_broadcast");
}
