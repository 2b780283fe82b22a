/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/event.h"

#include <errno.h>

#if RN_CHECKING

const char *rn_event_wrong(const rein_event *e)
{
        rn_line_look look;
        const char *what = rn_line_wrong(&e->line, &look);
        if (what)
                return what;
        return e->is_set && look.waiting ? "somebody waits for an event that has come" : NULL;
}

static const char *event_ask(const rn_object *o)
{
        return rn_event_wrong(RN_ITEM(o, rein_event, object));
}

#endif

static void event_enter(rein_event *e)
{
        rn_lock_take(&e->lock);
        RN_SOUND(rn_event_wrong(e));
}

static void event_leave(rein_event *e)
{
        const bool over = rn_inside_over(&e->inside);
        RN_SOUND(rn_event_wrong(e));
        rn_lock_give(&e->lock);
        if (over) {
                RN_OBJECT_GONE(e);
                rn_retire(e);
        }
}

rein_event *rein_event_new(void)
{
        RN_CALL();
        rein_event *e = rn_alloc(sizeof *e);
        if (!e) {
                rn_fail(-ENOMEM, "rein_event_new", "no memory for an event");
                return NULL;
        }
        e->process = rn_generation();
        rn_list_init(&e->line);
        RN_OBJECT_MADE(e, "an event", &e->lock, event_ask);
        return e;
}

void rein_event_free(rein_event *e)
{
        RN_CALL();
        RN_TOLD_USED(e);
        if (!rn_sync_is_there(e, e ? e->process : 0, "rein_event_free"))
                return;
        event_enter(e);
        const size_t waiting = rn_line_waiting(&e->line);
        e->inside.freed = waiting == 0;
        if (!waiting)
                e->process = RN_GIVEN_BACK;
        event_leave(e);
        if (waiting)
                rn_free_refused_waiting("rein_event_free", waiting);
}

static int event_put(rein_event *e, bool set, const char *call)
{
        int rc = rn_sync_may(e, e ? e->process : 0, call);
        if (rc < 0)
                return rc;
        rn_wakes wakes = {.n = 0};
        event_enter(e);
        e->is_set = set;
        if (set)
                rn_line_choose_all(&e->line, 0, &wakes);
        event_leave(e);
        rn_wakes_ring(&wakes);
        return 0;
}

int rein_event_set(rein_event *e)
{
        RN_CALL();
        RN_TOLD_USED(e);
        return event_put(e, true, "rein_event_set");
}

int rein_event_clear(rein_event *e)
{
        RN_CALL();
        RN_TOLD_USED(e);
        return event_put(e, false, "rein_event_clear");
}

int rein_event_wait(rein_event *e, rein_time until)
{
        RN_CALL();
        RN_TOLD_USED(e);
        rn_task *self;
        int rc = rn_sync_enter(&self, e, e ? e->process : 0, "rein_event_wait");
        if (rc < 0)
                return rc;
        rn_turn turn = {.task = self};
        rn_stand me = {.turn = &turn};
        event_enter(e);
        if (!e->is_set)
                rc = rn_line_wait_inside(&e->inside, &e->lock, &e->line, &me, until.ns,
                                         (rn_doing){"rein_event_wait", NULL});
        event_leave(e);
        return rc;
}
