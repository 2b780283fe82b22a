/* SPDX-License-Identifier: Apache-2.0 */
/* Every task has the program's thread-locals for itself, once a layer asked for it: they are copied out and in where
 * tasks change over. The main task begins with those of the simulating thread, others as new threads do; afterwards the
 * thread has its own again. rein's own word may lie among them; whoever switches sets it afterwards. */
#include <errno.h>

#include "sim/sim.h"

enum { HOST = RN_SIM_TASKS };

static bool wanted;
static void (*task_ends)(void);
static rn_locals locals; /* of the simulating thread; empty: nothing is done */
static char *saved;      /* of every task, and of the host behind them */
static bool begun[RN_SIM_TASKS];

int rein_sim_layer(void (*ends)(void))
{
        rn_locals l;
        if (rn_virtual())
                return -EPERM;
        wanted = true;
        task_ends = ends;
        return rn_locals_find(&l);
}

int rn_sim_locals_begin(void)
{
        locals.size = 0;
        if (!wanted || rn_locals_find(&locals) < 0 || locals.size == 0)
                return 0;
        if (!saved)
                saved = rn_host_alloc(locals.size * (RN_SIM_TASKS + 1));
        if (!saved)
                return -ENOMEM;
        for (size_t i = 0; i < RN_SIM_TASKS; i++)
                begun[i] = false;
        return 0;
}

void rn_sim_locals_switch(const rn_sim_task *from, const rn_sim_task *to)
{
        if (locals.size == 0)
                return;
        RN_ASSERT(saved && from != to, "thread-locals change where one task goes on after another one");
        const uint32_t of = from ? from->id : HOST, next = to ? to->id : HOST;
        rn_locals_save(&locals, saved + of * locals.size);
        if (to && !begun[next]) {
                begun[next] = true;
                if (next != 0)
                        rn_locals_begin(&locals);
                return;
        }
        rn_locals_load(&locals, saved + next * locals.size);
}

void rn_sim_locals_born(const rn_sim_task *t)
{
        RN_ASSERT(t->id < RN_SIM_TASKS, "a task that is born has room for its thread-locals");
        begun[t->id] = false;
}

void rn_sim_locals_free(void)
{
        rn_host_free(saved);
        saved = NULL;
}

void rn_sim_locals_end(void)
{
        if (task_ends)
                task_ends();
}
