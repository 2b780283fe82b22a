/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/sem.h"

#include <errno.h>

#if RN_CHECKING

const char *rn_sem_wrong(const rein_sem *s)
{
        rn_line_look look;
        const char *what = rn_line_wrong(&s->line, &look);
        if (what)
                return what;
        const rn_link *first = rn_list_first(&s->line);
        if (first && RN_ITEM(first, rn_stand, link)->wants <= s->units)
                return "the first in the line of a semaphore waits, and there are units enough";
        if (look.whole)
                RN_LIST_EACH(l, &s->line)
                        if (RN_ITEM(l, rn_stand, link)->wants == 0)
                                return "somebody waits for no units at all";
        return NULL;
}

static const char *sem_ask(const rn_object *o)
{
        return rn_sem_wrong(RN_ITEM(o, rein_sem, object));
}

#endif

static void sem_enter(rein_sem *s)
{
        rn_lock_take(&s->lock);
        RN_SOUND(rn_sem_wrong(s));
}

static void sem_leave(rein_sem *s)
{
        const bool over = rn_inside_over(&s->inside);
        RN_SOUND(rn_sem_wrong(s));
        rn_lock_give(&s->lock);
        if (over) {
                RN_OBJECT_GONE(s);
                rn_retire(s);
        }
}

rein_sem *rein_sem_new(size_t units)
{
        RN_CALL();
        rein_sem *s = rn_alloc(sizeof *s);
        if (!s) {
                rn_fail(-ENOMEM, "rein_sem_new", "no memory for a semaphore");
                return NULL;
        }
        s->process = rn_generation();
        s->units = units;
        rn_list_init(&s->line);
        RN_OBJECT_MADE(s, "a semaphore", &s->lock, sem_ask);
        return s;
}

void rein_sem_free(rein_sem *s)
{
        RN_CALL();
        RN_TOLD_USED(s);
        if (!rn_sync_is_there(s, s ? s->process : 0, "rein_sem_free"))
                return;
        sem_enter(s);
        const size_t waiting = rn_line_waiting(&s->line);
        s->inside.freed = waiting == 0;
        if (!waiting)
                s->process = RN_GIVEN_BACK;
        sem_leave(s);
        if (waiting)
                rn_free_refused_waiting("rein_sem_free", waiting);
}

/* To those at the front, as far as it goes. */
static void sem_grant(rein_sem *s, rn_wakes *wakes)
{
        RN_ASSERT(rn_lock_held(&s->lock), "units are given under the semaphore's lock");
        for (rn_link *l; (l = rn_list_first(&s->line)) && RN_ITEM(l, rn_stand, link)->wants <= s->units;)
                s->units -= rn_line_choose(&s->line, wakes)->wants;
}

int rein_sem_acquire(rein_sem *s, size_t k, rein_time until)
{
        RN_CALL();
        RN_TOLD_USED(s);
        rn_task *self;
        int rc = rn_sync_enter(&self, s, s ? s->process : 0, "rein_sem_acquire");
        if (rc < 0)
                return rc;
        if (k == 0)
                return rn_fail(-EINVAL, "rein_sem_acquire", "units must be from 1 on: acquire at least one");
        rn_turn turn = {.task = self};
        rn_stand me = {.turn = &turn, .wants = k};
        rn_wakes wakes = {.n = 0};
        sem_enter(s);
        if (rn_list_empty(&s->line) && s->units >= k) {
                s->units -= k;
        } else {
                rc = rn_line_wait_inside(&s->inside, &s->lock, &s->line, &me, until.ns,
                                         (rn_doing){"rein_sem_acquire", NULL});
                if (rc < 0)
                        sem_grant(s, &wakes); /* it may have been the one that held up the others */
        }
        sem_leave(s);
        rn_wakes_ring(&wakes);
        return rc;
}

int rein_sem_release(rein_sem *s, size_t k)
{
        RN_CALL();
        RN_TOLD_USED(s);
        int rc = rn_sync_may(s, s ? s->process : 0, "rein_sem_release");
        if (rc < 0)
                return rc;
        rn_wakes wakes = {.n = 0};
        sem_enter(s);
        const bool fits = k <= SIZE_MAX - s->units;
        if (fits) {
                s->units += k;
                sem_grant(s, &wakes);
        }
        sem_leave(s);
        rn_wakes_ring(&wakes);
        return fits ? 0
                    : rn_fail(-EOVERFLOW, "rein_sem_release", "it cannot count so many: SIZE_MAX units are the most");
}
