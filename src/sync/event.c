/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "rein/sync.h"
#include "sync/line.h"

struct rein_event {
        rn_lock lock;
        uint32_t process;
        bool is_set;
        rn_link line;
};

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
        return e;
}

void rein_event_free(rein_event *e)
{
        RN_CALL();
        if (e && e->process == rn_generation())
                rn_free(e);
}

static int put(rein_event *e, bool set, const char *call)
{
        int rc = rn_sync_may(e, e ? e->process : 0, call);
        if (rc < 0)
                return rc;
        rn_wakes wakes = {.n = 0};
        rn_lock_take(&e->lock);
        e->is_set = set;
        if (set)
                rn_line_choose_all(&e->line, 0, &wakes);
        rn_lock_give(&e->lock);
        rn_wakes_ring(&wakes);
        return 0;
}

int rein_event_set(rein_event *e)
{
        RN_CALL();
        return put(e, true, "rein_event_set");
}

int rein_event_clear(rein_event *e)
{
        RN_CALL();
        return put(e, false, "rein_event_clear");
}

int rein_event_wait(rein_event *e, rein_time until)
{
        RN_CALL();
        rn_task *self;
        int rc = rn_sync_enter(&self, e, e ? e->process : 0, "rein_event_wait");
        if (rc < 0)
                return rc;
        rn_turn turn = {.task = self};
        rn_stand me = {.turn = &turn};
        rn_lock_take(&e->lock);
        if (!e->is_set)
                rc = rn_line_wait(&e->lock, &e->line, &me, until.ns, (rn_doing){"rein_event_wait", NULL});
        rn_lock_give(&e->lock);
        return rc;
}
