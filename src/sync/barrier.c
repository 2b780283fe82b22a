/* SPDX-License-Identifier: Apache-2.0 */
/* Barriers. Those in the line are the ones that came; the last one to come chooses them all. Who comes and has to leave
 * without the others breaks it: they would wait for one that is not there. */
#include <errno.h>

#include "rein/sync.h"
#include "sync/line.h"

struct rein_barrier {
        rn_lock lock;
        uint32_t process;
        size_t parties, here; /* here < parties */
        bool broken;          /* then nobody is here */
        rn_link line;
};

rein_barrier *rein_barrier_new(size_t parties)
{
        RN_CALL();
        if (parties == 0) {
                rn_fail(-EINVAL, "rein_barrier_new", "at least one must come");
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
        return b;
}

void rein_barrier_free(rein_barrier *b)
{
        RN_CALL();
        if (b && b->process == rn_generation())
                rn_free(b);
}

static void let_go(rein_barrier *b, int result, rn_wakes *wakes)
{
        b->here = 0;
        rn_line_choose_all(&b->line, result, wakes);
}

static void break_it(rein_barrier *b, rn_wakes *wakes)
{
        b->broken = true;
        let_go(b, REIN_EBROKEN, wakes);
}

static int arrive(rein_barrier *b, rn_task *self, int64_t until, rn_wakes *wakes)
{
        rn_turn turn = {.task = self};
        rn_stand me = {.turn = &turn};
        if (b->broken)
                return REIN_EBROKEN;
        if (b->here + 1 == b->parties) {
                let_go(b, 0, wakes);
                return 1;
        }
        b->here++;
        int rc = rn_line_wait(&b->lock, &b->line, &me, until, (rn_doing){"rein_barrier_arrive", NULL});
        if (rc == 0)
                return me.result;
        break_it(b, wakes);
        return rc;
}

int rein_barrier_arrive(rein_barrier *b, rein_time until)
{
        RN_CALL();
        rn_task *self;
        int rc = rn_sync_enter(&self, b, b ? b->process : 0, "rein_barrier_arrive");
        if (rc == -EINVAL || rc == -EPERM)
                return rc;
        rn_wakes wakes = {.n = 0};
        rn_lock_take(&b->lock);
        if (rc < 0)
                break_it(b, &wakes);
        else
                rc = arrive(b, self, until.ns, &wakes);
        rn_lock_give(&b->lock);
        rn_wakes_ring(&wakes);
        if (rc == REIN_EBROKEN)
                rn_fail(rc, "rein_barrier_arrive", "a party left before all had come, or the barrier was reset");
        return rc;
}

int rein_barrier_reset(rein_barrier *b)
{
        RN_CALL();
        int rc = rn_sync_may(b, b ? b->process : 0, "rein_barrier_reset");
        if (rc < 0)
                return rc;
        rn_wakes wakes = {.n = 0};
        rn_lock_take(&b->lock);
        b->broken = false;
        let_go(b, REIN_EBROKEN, &wakes);
        rn_lock_give(&b->lock);
        rn_wakes_ring(&wakes);
        return 0;
}
