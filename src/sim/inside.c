/* SPDX-License-Identifier: Apache-2.0 */
/* What a program may ask for while it is simulated. Outside of a simulation every call here is harmless. */
#include <errno.h>
#include <stdio.h>

#include "core/message.h"
#include "sim/sim.h"

bool rein_simulated(void)
{
        return rn_virtual() != NULL;
}

void rein_sim_point(const char *what)
{
        rn_call(what);
}

uint32_t rein_sim_choose(uint32_t n)
{
        return rn_virtual() && rn_sim->running ? rn_sim_pick(n, 'u', false) : 0;
}

void rein_sim_check_at(const char *place, bool ok, const char *text)
{
        if (ok)
                return;
        if (!rn_virtual()) {
                rn_say("%s: rein_sim_check failed: %s\n", place, text);
                rn_abort();
        }
        rn_sim_over(REIN_SIM_FAILED, "%s: check failed: %s", place, text);
        rn_sim_stop();
}

/* ---- primitives for other layers ---- */

int rein_sim_start(const char *name, void (*main)(void *), void *arg)
{
        const rn_machine *m = rn_virtual();
        if (!m)
                return -EPERM;
        return rn_sim_fault(2, RN_CHOOSE_THREAD) ? -EAGAIN : m->thread_start(main, arg, name);
}

uint64_t rein_sim_number(void)
{
        const rn_machine *m = rn_virtual();
        return m ? m->generation : 0;
}

uint32_t rein_sim_self(void)
{
        return rn_virtual() && rn_sim->running ? rn_sim->running->started : 0;
}

/* What the next op of the running task waits for. The time it was woken at decides, not the address: that may be gone. */
static void task_sleep_on(const void *address, const char *what, int64_t until)
{
        rn_sim_task *me = rn_sim->running;
        RN_ASSERT(me, "a task sleeps");
        if (address && rn_sim->plan->observe) /* before or after a wake: that makes a difference */
                rn_sim_op((rn_op){.kind = RN_OP_LOOK, .at = address, .len = 1, .what = what});
        me->woken = me->poked = false;
        me->until = until;
        me->slept_at = ++rn_sim->queue;
        rn_sim_op((rn_op){.kind = RN_OP_SLEEP, .at = address, .len = 1, .what = what});
        me->until = RN_NEVER;
}

int rein_sim_sleep_on(const void *address, const char *what, rein_time until)
{
        if (!rn_virtual() || !rn_sim->running)
                return -EPERM;
        if (rn_sim_fault(2, RN_CHOOSE_SPURIOUS))
                return 0;
        task_sleep_on(address, what, until.ns);
        const rn_sim_task *me = rn_sim->running;
        return me->woken ? 0 : me->poked ? -EINTR : REIN_ETIMEOUT;
}

int rein_sim_wake(const void *address, unsigned how_many)
{
        return rn_virtual() ? (int)rn_sim_wake(address, how_many) : -EPERM;
}

int rein_sim_refuse(const char *what)
{
        if (!rn_virtual())
                return -EPERM;
        rn_sim_over(REIN_SIM_MISUSE, "'%s' %s", rn_sim_task_name(rn_sim->running), what);
        rn_sim_stop();
}

int rein_sim_block(rein_time until)
{
        if (!rn_virtual() || !rn_sim->running)
                return -EPERM;
        if (rn_sim->plan->observe) /* a poke comes before this, and is lost, or later */
                rn_sim_op((rn_op){.kind = RN_OP_LOOK, .at = &rn_sim->running->poked, .len = 1});
        else
                rn_sim_op((rn_op){.kind = RN_OP_CALL, .what = "enters foreign code"});
        task_sleep_on(&rn_sim->running->poked, "blocks in foreign code", until.ns);
        return rn_sim->running->poked ? -EINTR : 0;
}
