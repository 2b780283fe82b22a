/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/barrier.h"

#include <errno.h>

#if RN_CHECKING

const char *rn_barrier_wrong(const rein_barrier *b)
{
        rn_line_look look;
        const char *what = rn_line_wrong(&b->line, &look);
        if (what)
                return what;
        if (b->here >= b->parties)
                return "all have come to a barrier, and it has let nobody go";
        if (b->broken && (b->here || look.waiting))
                return "somebody waits at a barrier that is broken";
        return look.whole && look.waiting != b->here ? "a barrier counts others than those that wait at it" : NULL;
}

static const char *barrier_ask(const rn_object *o)
{
        return rn_barrier_wrong(RN_ITEM(o, rein_barrier, object));
}

#endif

static void barrier_enter(rein_barrier *b)
{
        rn_lock_take(&b->lock);
        RN_SOUND(rn_barrier_wrong(b));
}

static void barrier_leave(rein_barrier *b)
{
        const bool over = rn_inside_over(&b->inside);
        RN_SOUND(rn_barrier_wrong(b));
        rn_lock_give(&b->lock);
        if (over) {
                RN_OBJECT_GONE(b);
                rn_retire(b);
        }
}

rein_barrier *rein_barrier_new(size_t parties)
{
        RN_CALL();
        if (parties == 0) {
                rn_fail(-EINVAL, "rein_barrier_new", "parties must be from 1 on: at least one must come");
                return NULL;
        }
        rein_barrier *b = rn_alloc(sizeof *b);
        if (!b) {
                rn_fail(-ENOMEM, "rein_barrier_new", "no memory for a barrier");
                return NULL;
        }
        b->process = rn_generation();
        b->parties = parties;
        rn_list_init(&b->line);
        RN_OBJECT_MADE(b, "a barrier", &b->lock, barrier_ask);
        return b;
}

void rein_barrier_free(rein_barrier *b)
{
        RN_CALL();
        RN_TOLD_USED(b);
        if (!rn_sync_is_there(b, b ? b->process : 0, "rein_barrier_free"))
                return;
        barrier_enter(b);
        const size_t waiting = rn_line_waiting(&b->line);
        b->inside.freed = waiting == 0;
        if (!waiting)
                b->process = RN_GIVEN_BACK;
        barrier_leave(b);
        if (waiting)
                rn_free_refused_waiting("rein_barrier_free", waiting);
}

static void barrier_let_go(rein_barrier *b, int result, rn_wakes *wakes)
{
        RN_ASSERT(rn_lock_held(&b->lock), "a barrier lets go under its lock");
        b->here = 0;
        rn_line_choose_all(&b->line, result, wakes);
}

static void barrier_break(rein_barrier *b, rn_wakes *wakes)
{
        b->broken = true;
        barrier_let_go(b, REIN_EBROKEN, wakes);
}

static int barrier_arrive(rein_barrier *b, rn_task *self, int64_t until, rn_wakes *wakes)
{
        rn_turn turn = {.task = self};
        rn_stand me = {.turn = &turn};
        if (b->broken)
                return REIN_EBROKEN;
        if (b->here + 1 == b->parties) {
                barrier_let_go(b, 0, wakes);
                return 1;
        }
        RN_ASSERT(b->here + 1 < b->parties, "the last one to come does not wait");
        b->here++;
        int rc = rn_line_wait_inside(&b->inside, &b->lock, &b->line, &me, until,
                                     (rn_doing){"rein_barrier_arrive", NULL});
        if (rc == 0)
                return me.result;
        barrier_break(b, wakes);
        return rc;
}

int rein_barrier_arrive(rein_barrier *b, rein_time until)
{
        RN_CALL();
        RN_TOLD_USED(b);
        rn_task *self;
        int rc = rn_sync_enter(&self, b, b ? b->process : 0, "rein_barrier_arrive");
        if (rc == -EINVAL || rc == -EPERM)
                return rc;
        rn_wakes wakes = {.n = 0};
        barrier_enter(b);
        if (rc < 0)
                barrier_break(b, &wakes);
        else
                rc = barrier_arrive(b, self, until.ns, &wakes);
        barrier_leave(b);
        rn_wakes_ring(&wakes);
        if (rc == REIN_EBROKEN)
                rn_fail(rc, "rein_barrier_arrive", "a party left before all had come, or the barrier was reset");
        return rc;
}

int rein_barrier_reset(rein_barrier *b)
{
        RN_CALL();
        RN_TOLD_USED(b);
        int rc = rn_sync_may(b, b ? b->process : 0, "rein_barrier_reset");
        if (rc < 0)
                return rc;
        rn_wakes wakes = {.n = 0};
        barrier_enter(b);
        b->broken = false;
        barrier_let_go(b, REIN_EBROKEN, &wakes);
        barrier_leave(b);
        rn_wakes_ring(&wakes);
        return 0;
}
