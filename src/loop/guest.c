/* SPDX-License-Identifier: Apache-2.0 */
/* The loop as a guest of another one, which watches one descriptor and calls one function. Everything here is for the
 * thread that made it; any other is told so before anything changes. */
#include <errno.h>

#include "core/world.h"
#include "loop/loop.h"
#include "rein/rein.h"

static rn_loop *guest_loop(rein_executor *x, const char *call, int *rc)
{
        rn_loop *l = rn_loop_of(x);
        *rc = 0;
        if (!l || !l->hosted)
                *rc = rn_fail(-EINVAL, call, "a loop made with .hosted is needed");
        else if (!rn_executor_ours(x))
                *rc = rn_executor_refused(x, call);
        else if (!rn_loop_mine(l))
                *rc = rn_misused(call, "%s",
                                 rn_loop_here(l) ? "a coroutine cannot turn the loop it runs in"
                                                 : "the loop belongs to the thread that made it");
        return *rc < 0 ? NULL : l;
}

void rn_loop_rest(rn_loop *l)
{
        RN_ASSERT(l->hosted && rn_loop_owned(l), "a loop rests between two turns of its host");
        rn_swap32(&l->asleep, 1);
        if (!rn_list_empty(&l->ready) || rn_loop_has_mail(l)) {
                rn_swap32(&l->asleep, 0);
                rn_poller_ring(l->poller); /* the descriptor says so */
        }
        l->sure = RN_LOOP_RESTS;
        rn_poller_alarm(l->poller, rn_wheel_next(&l->timers));
}

int rein_loop_fd(rein_executor *x)
{
        RN_CALL();
        int rc;
        rn_loop *l = guest_loop(x, "rein_loop_fd", &rc);
        if (!l)
                return rc;
        rc = rn_poller_fd(l->poller);
        if (rc < 0)
                return rn_fail(rc, "rein_loop_fd", "%s",
                               rc == -ENOTSUP ? "a portable loop has no descriptor"
                                              : "no descriptor for its deadlines");
        rn_poller_alarm(l->poller, rn_wheel_next(&l->timers));
        return rc;
}

int rein_loop_turn(rein_executor *x)
{
        RN_CALL();
        int rc;
        rn_loop *l = guest_loop(x, "rein_loop_turn", &rc);
        if (!l)
                return rc;
        rn_executor_ref(x); /* one of its jobs may free it */
        rn_loop_wakes(l);
        rn_loop_look(l, 0);
        rn_loop_run_ready(l);
        rn_loop_rest(l);
        RN_SOUND(rn_fibers_wrong(l));
        uint32_t alive = rn_load32(&l->busy) + rn_load32(&l->jobs);
        rn_executor_unref(x);
        return alive > INT32_MAX ? INT32_MAX : (int)alive;
}
