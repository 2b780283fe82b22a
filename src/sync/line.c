/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/line.h"

/* ---- choosing ---- */

void rn_wakes_add(rn_wakes *w, rn_task *t)
{
        if (w->n < sizeof w->task / sizeof w->task[0])
                w->task[w->n++] = t;
        else
                rn_unpark(t);
}

void rn_wakes_ring(rn_wakes *w)
{
        for (unsigned i = 0; i < w->n; i++)
                rn_unpark(w->task[i]);
        w->n = 0;
}

rn_stand *rn_line_choose(rn_link *line, rn_wakes *wakes)
{
        for (rn_link *l; (l = rn_list_pop(line));) {
                rn_stand *s = RN_ITEM(l, rn_stand, link);
                uint32_t waiting = 0;
                if (rn_cas32(&s->turn->chosen, &waiting, s->index + 1)) {
                        rn_wakes_add(wakes, s->turn->task);
                        return s;
                }
        }
        return NULL;
}

void rn_line_choose_all(rn_link *line, int result, rn_wakes *wakes)
{
        for (rn_stand *s; (s = rn_line_choose(line, wakes));)
                s->result = result;
}

/* ---- waiting ---- */

int rn_stand_sleep(rn_lock *lock, rn_stand *me, int64_t until, rn_doing doing, rn_wakes *wakes)
{
        rn_task *self = me->turn->task;
        rn_lock_give(lock);
        if (wakes)
                rn_wakes_ring(wakes);
        rn_doing was = rn_task_doing_for_ever(self, doing);
        int rc = 0;
        while (rc == 0 && !rn_load32(&me->turn->chosen))
                rc = rn_wait_turn(self, until);
        rn_task_doing_for_ever(self, was);
        rn_lock_take(lock);
        return rn_load32(&me->turn->chosen) ? 0 : rc;
}

int rn_line_wait(rn_lock *lock, rn_link *line, rn_stand *me, int64_t until, rn_doing doing)
{
        if (until == INT64_MIN)
                return REIN_ETIMEOUT;
        rn_list_push(line, &me->link);
        int rc = rn_stand_sleep(lock, me, until, doing, NULL);
        if (rc < 0)
                rn_list_remove(&me->link);
        return rc;
}
