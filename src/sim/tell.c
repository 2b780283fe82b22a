/* SPDX-License-Identifier: Apache-2.0 */
/* What a simulation says in words: a step, as it is replayed; a task, and what it waits for. */
#include <stdio.h>

#include "core/deadlock.h"
#include "core/group.h"
#include "core/message.h"
#include "core/task.h"
#include "core/work.h"
#include "sim/sim.h"

static const char *const op_names[RN_OP_KINDS] = {
        [RN_OP_START] = "begins",
        [RN_OP_CALL] = "calls",
        [RN_OP_READ] = "loads",
        [RN_OP_WRITE] = "stores",
        [RN_OP_UPDATE] = "updates",
        [RN_OP_ADD] = "adds to",
        [RN_OP_FREE] = "frees",
        [RN_OP_LOCK] = "locks",
        [RN_OP_LOOK] = "looks before it sleeps on",
        [RN_OP_SLEEP] = "sleeps on",
        [RN_OP_WAKE] = "wakes",
        [RN_OP_POLL] = "waits for descriptor",
        [RN_OP_FD] = "uses descriptor",
        [RN_OP_POKE] = "pokes",
        [RN_OP_PAUSE] = "spins",
        [RN_OP_CALM] = "waits for the others",
        [RN_OP_END] = "ends",
};

const char *rn_sim_op_name(rn_op_kind k)
{
        return op_names[k];
}

/* The job it runs, and what it waits for without a limit: from one line to the next, the circle can be followed. */
static void describe_job(const rn_task *task, char *text, size_t n)
{
        text[0] = 0;
        if (!task->now->work)
                return;
        char job[96];
        rn_work_describe(task->now->work, job, sizeof job);
        snprintf(text, n, ", with %s,", job);
}

static void describe_wait(const rn_task *task, char *text, size_t n)
{
        const rn_wait_target *target = &task->target;
        text[0] = 0;
        if (target->group) {
                snprintf(text, n, " for the group of %s", rn_base_name(target->group->place));
        } else if (target->executor) {
                snprintf(text, n, target->permit_of ? " for its permit of '%s'" : " for room in '%s'",
                         target->executor->name);
        } else if (target->count) {
                const rein_work *w = rn_work_of(target->futures[0]);
                char job[96] = "a promise that nobody kept";
                if (w)
                        rn_work_describe(w, job, sizeof job);
                snprintf(text, n, target->count > 1 ? " for %s and %zu more" : " for %s", job, target->count - 1);
        }
}

void rn_sim_describe(const rn_sim_task *t, char *text, size_t n)
{
        const uintptr_t word = (uintptr_t)t->word;
        const rn_task *task = word & 1 ? NULL : t->word;
        const char *doing = task ? rn_getptr(&task->doing) : NULL;
        const char *at = task ? rn_getptr(&task->doing_at) : NULL;
        char job[128] = "", waits[160] = "";
        if (task) {
                describe_job(task, job, sizeof job);
                describe_wait(task, waits, sizeof waits);
        }
        if (doing)
                snprintf(text, n, "'%s'%s is in %s%s%s%s", t->name, job, doing, at ? " " : "", at ? at : "", waits);
        else if (t->op.what)
                snprintf(text, n, "'%s'%s %s", t->name, job, t->op.what);
        else if (t->op.kind == RN_OP_LOCK)
                snprintf(text, n, "'%s'%s waits for a lock", t->name, job);
        else if (t->op.kind == RN_OP_POLL)
                snprintf(text, n, "'%s'%s waits for descriptor %d", t->name, job, t->fd);
        else
                snprintf(text, n, "'%s'%s sleeps%s", t->name, job, waits);
}

void rn_sim_describe_coroutine(rn_task *task, char *text, size_t n)
{
        const char *doing = rn_getptr(&task->doing), *at = rn_getptr(&task->doing_at);
        char job[96], waits[160];
        rn_work_describe(task->now->work, job, sizeof job);
        describe_wait(task, waits, sizeof waits);
        snprintf(text, n, "%s, a coroutine of '%s', is in %s%s%s%s", job, task->now->work->executor->name,
                 doing ? doing : "its own code", at ? " " : "", at ? at : "", waits);
}

/* "(name) ", or "(where it was submitted) ", of the coroutine that t is in. */
static const char *describe_coroutine(const rn_sim_task *t, char *text, size_t n)
{
        const rn_task *task = (uintptr_t)t->word & 1 ? NULL : t->word;
        const rein_work *w = task && task->coro ? task->now->work : NULL;
        text[0] = 0;
        if (w)
                snprintf(text, n, "(%s) ", w->name[0] ? w->name : rn_base_name(w->future.place));
        return text;
}

void rn_sim_tell(const rn_sim_task *t, bool preempted)
{
        const rn_sim_state *s = rn_sim;
        char who[80];
        const bool loop = t->op.kind == RN_OP_POLL && t->op.what;
        char room[512]; /* of what is allocated here the simulation would know */
        rn_message m;
        rn_message_begin_in(&m, stderr, room, sizeof room);
        rn_message_add(&m, "%6llu  %-12s %s%s", (unsigned long long)s->result->steps, t->name,
                       describe_coroutine(t, who, sizeof who),
                       loop ? "looks what there is to do" : op_names[t->op.kind]);
        if (loop)
                rn_message_add(&m, " (%d)", t->fd);
        else if (t->op.what)
                rn_message_add(&m, " %s", t->op.what);
        else if (t->op.kind == RN_OP_POLL || t->op.kind == RN_OP_FD)
                rn_message_add(&m, " %d", t->fd);
        else if (t->op.at)
                rn_message_add(&m, " %p", (void *)(uintptr_t)t->op.at);
        rn_message_add(&m, "%s\n", preempted ? "      <-- preempts" : "");
        rn_message_end(&m);
}
