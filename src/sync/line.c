/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/line.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/message.h"

/* ---- does it add up? ---- */

#if RN_CHECKING

static const char *stand_wrong(const rn_stand *s)
{
        if (!s->turn || !s->turn->task)
                return "somebody stands in a line and has no turn";
        if (rn_get32(&s->turn->chosen) == s->index + 1)
                return "one that was chosen still stands in its line";
        return NULL;
}

const char *rn_line_wrong(const rn_link *line, rn_line_look *look)
{
        size_t n, seen = 0;
        const char *what = rn_list_wrong(line, &n);
        *look = (rn_line_look){.whole = n <= RN_LIST_ASKED};
        if (what)
                return what;
        RN_LIST_EACH(l, line) {
                const rn_stand *s = RN_ITEM(l, rn_stand, link);
                what = stand_wrong(s);
                if (what || ++seen > RN_LIST_ASKED)
                        return what;
                look->waiting += rn_get32(&s->turn->chosen) == 0;
        }
        return NULL;
}

#endif

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
                RN_ASSERT(rn_get32(&s->turn->chosen) != s->index + 1, "a stand is chosen once");
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
        RN_ASSERT(rn_lock_held(lock), "a task goes to sleep in a line with the lock of its object");
        RN_ASSERT(rn_linked(&me->link), "a task that sleeps in a line stands there");
        RN_ASSERT(self == rn_self_if(), "a task stands in a line for itself");
        rn_lock_give(lock);
        if (wakes)
                rn_wakes_ring(wakes);
        rn_doing was = rn_task_doing_for_ever(self, doing);
        int rc = 0;
        while (rc == 0 && !rn_load32(&me->turn->chosen))
                rc = rn_wait_turn(self, until);
        rn_task_doing_for_ever(self, was);
        rn_lock_take(lock);
        RN_ASSERT(rn_get32(&me->turn->chosen) <= 1, "in one line there is one stand to choose");
        RN_ASSERT(!rn_get32(&me->turn->chosen) == rn_linked(&me->link),
                  "who is chosen is out of its line, and nobody else");
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
        RN_ASSERT(!rn_linked(&me->link), "a task that goes on stands in no line");
        return rc;
}

int rn_line_wait_inside(rn_inside *in, rn_lock *lock, rn_link *line, rn_stand *me, int64_t until, rn_doing doing)
{
        in->count++;
        int rc = rn_line_wait(lock, line, me, until, doing);
        in->count--;
        return rc;
}

/* ---- freeing ---- */

int rn_sync_refused(uint32_t process, const char *call)
{
        return rn_handle_refused(process, call, (rn_handle_words){"the object", "freed"}, NULL);
}

size_t rn_line_waiting(const rn_link *line)
{
        size_t n = 0;
        RN_LIST_EACH(l, line)
                n += rn_load32(&RN_ITEM(l, rn_stand, link)->turn->chosen) == 0;
        return n;
}

void rn_free_refused(const char *call, const char *fmt, ...)
{
        char text[256], told[sizeof text + 20];
        va_list args;
        va_start(args, fmt);
        vsnprintf(text, sizeof text, fmt, args);
        va_end(args);
        snprintf(told, sizeof told, "it is not freed: %s", text);
        rn_fail(-EBUSY, call, "%s", text);
        rn_misuse_told(call, told);
}

void rn_free_refused_waiting(const char *call, size_t waiting)
{
        rn_free_refused(call, waiting == 1 ? "%zu task waits for it" : "%zu tasks wait for it", waiting);
}
