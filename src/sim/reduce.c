/* SPDX-License-Identifier: Apache-2.0 */
/* Depth-first without the schedules that only exchange what commutes: C. Flanagan, P. Godefroid, "Dynamic Partial-Order
 * Reduction for Model Checking Software", POPL 2005, with sleep sets (P. Godefroid, 1996).
 *
 * Of every step is kept: who took it, what it did, who was enabled then, whom to try there as well (backtrack), who was
 * tried (done), who need not be (sleep). When a step depends on an earlier one of another task, and is not ordered after
 * it anyhow, then the other order must be tried: at that earlier step, beginning with a task that can begin it. That
 * need not be the one whose step it is (P. Abdulla et al., "Optimal Dynamic Partial Order Reduction", POPL 2014): with the
 * first paper's choice a sleep set can hide the one way there. Order is by vector clocks: of a task's own steps, of
 * dependent steps, of a start, and of a lock given and taken (giving is no step of its own).
 *
 * Only who is next may be chosen here: no faults, no early timers. When time jumps nobody is enabled, so everything
 * before is ordered before everything after. */
#include <string.h>

#include "sim/sim.h"

enum { MOST_STEPS = 20000, GIVEN_LOCKS = 256 };

typedef struct step {
        uint64_t enabled, backtrack, done, sleep;
        uint32_t task;
        rn_op op;
        uint32_t clock[RN_SIM_TASKS];
} step;

typedef struct given_lock {
        const volatile void *lock;
        uint32_t clock[RN_SIM_TASKS];
} given_lock;

struct rn_reduction {
        step *steps;
        size_t count, fixed; /* of this run; those before `fixed` are taken again as they were */
        size_t locks;
        given_lock given[GIVEN_LOCKS];
};

/* A poke finds its task asleep or not, and any step of that task may be the last one before it sleeps. */
static bool op_pokes(const rn_op *a, uint32_t task, const rn_op *b)
{
        return a->kind == RN_OP_POKE && (a->whom == task || (b->kind == RN_OP_POKE && a->whom == b->whom));
}

static bool op_reads(rn_op_kind k)
{
        return k == RN_OP_READ || k == RN_OP_PAUSE;
}

static bool memory_overlap(const volatile char *x, size_t x_len, const volatile char *y, size_t y_len)
{
        return x < y + y_len && y < x + x_len;
}

static bool ops_dependent(uint32_t task_a, const rn_op *a, uint32_t task_b, const rn_op *b)
{
        if (op_pokes(a, task_b, b) || op_pokes(b, task_a, a))
                return true;
        const volatile char *x = a->at, *y = b->at;
        if (a->also && memory_overlap(a->also, 1, y, b->len))
                return true;
        if (b->also && memory_overlap(b->also, 1, x, a->len))
                return true;
        if (!x || !y || (op_reads(a->kind) && op_reads(b->kind)) || (a->kind == RN_OP_ADD && b->kind == RN_OP_ADD))
                return false;
        return memory_overlap(x, a->len, y, b->len);
}

int rn_reduction_begin(rn_reduction **r)
{
        *r = rn_host_alloc(sizeof **r);
        if (!*r)
                return -1;
        (*r)->steps = rn_host_alloc(MOST_STEPS * sizeof(step));
        if ((*r)->steps)
                return 0;
        rn_host_free(*r);
        return -1;
}

void rn_reduction_free(rn_reduction *r)
{
        if (r)
                rn_host_free(r->steps);
        rn_host_free(r);
}

void rn_reduction_begin_run(rn_reduction *r)
{
        r->count = r->locks = 0;
}

/* ---- whose turn ---- */

uint32_t rn_reduction_pick(rn_sim_task *const *ready, uint32_t n)
{
        rn_sim_state *s = rn_sim;
        rn_reduction *r = s->reduction;
        if (r->count == MOST_STEPS) {
                rn_sim_over(REIN_SIM_LIVELOCK, "more steps than the reduction can hold");
                return UINT32_MAX;
        }
        RN_ASSERT(n > 0 && r->fixed <= MOST_STEPS, "somebody can go on, and the steps to be taken again are there");
        step *now = &r->steps[r->count];
        now->sleep = 0;
        if (r->count) {
                const step *last = now - 1;
                uint64_t asleep = (last->sleep | last->done) & ~(1ull << last->task);
                for (uint32_t i = 0; i < s->count; i++)
                        if (asleep >> i & 1 && !ops_dependent(i, &s->tasks[i]->op, last->task, &last->op))
                                now->sleep |= 1ull << i;
        }
        now->enabled = 0;
        for (uint32_t i = 0; i < n; i++)
                now->enabled |= 1ull << ready[i]->id;
        if (r->count < r->fixed) {
                for (uint32_t i = 0; i < n; i++)
                        if (ready[i]->id == now->task)
                                return i;
                rn_sim_over(REIN_SIM_UNSTABLE, "the same schedule gave another run");
                return UINT32_MAX;
        }
        now->done = now->backtrack = 0;
        for (uint32_t i = 0; i < n; i++)
                if (!(now->sleep >> ready[i]->id & 1)) {
                        now->backtrack = 1ull << ready[i]->id;
                        return i;
                }
        return UINT32_MAX; /* whatever is next was seen elsewhere */
}

/* ---- what it was ordered after ---- */

static void clocks_join(uint32_t *to, const uint32_t *from)
{
        for (uint32_t i = 0; i < rn_sim->count; i++)
                if (from[i] > to[i])
                        to[i] = from[i];
}

static given_lock *reduction_given(rn_reduction *r, const volatile void *lock, bool make)
{
        for (size_t i = 0; i < r->locks; i++)
                if (r->given[i].lock == lock)
                        return &r->given[i];
        if (!make || r->locks == GIVEN_LOCKS)
                return NULL;
        given_lock *g = &r->given[r->locks++];
        memset(g, 0, sizeof *g);
        g->lock = lock;
        return g;
}

void rn_reduction_gave(const volatile void *lock)
{
        rn_reduction *r = rn_sim->reduction;
        given_lock *g = r ? reduction_given(r, lock, true) : NULL;
        if (g)
                clocks_join(g->clock, rn_sim->running->clock);
}

/* Which tasks could begin what remains when step i is taken later: the steps after it that are not ordered after it, and then
 * now. A task can when its first one there is ordered after none of the others. */
static uint64_t reduction_could_begin(const rn_reduction *r, size_t i, const step *now)
{
        const step *first[RN_SIM_TASKS] = {NULL};
        const size_t n = r->count;
        uint64_t who = 0;
        for (size_t j = i + 1; j <= n; j++) {
                const step *s = &r->steps[j];
                if (first[s->task] || (s != now && s->clock[r->steps[i].task] > i))
                        continue;
                bool ordered = false;
                for (uint32_t k = 0; k < rn_sim->count && !ordered; k++)
                        ordered = first[k] && s->clock[k] > (size_t)(first[k] - r->steps);
                first[s->task] = s;
                who |= ordered ? 0 : 1ull << s->task;
        }
        return who;
}

/* Step i and now are in a race: at i, the other order must be tried, if none of those that lead to it has been. There is
 * none when it is step i that let now's task go on. */
static void reduction_ask_for_other_order(const rn_reduction *r, size_t i, const step *now)
{
        RN_ASSERT(i < r->count, "a race is with an earlier step");
        RN_ASSERT(r->steps[i].task != now->task, "a race is with another task's step");
        step *before = &r->steps[i];
        const uint64_t who = reduction_could_begin(r, i, now), can = who & before->enabled;
        if ((who & (before->backtrack | before->sleep)) || (!can && who == 1ull << now->task))
                return;
        if (can >> now->task & 1)
                before->backtrack |= 1ull << now->task;
        else
                before->backtrack |= can ? can & (0 - can) : before->enabled;
}

/* A race is with a step that is ordered before now by nothing but their dependence: one of each other task at most. */
void rn_reduction_stepped(rn_sim_task *t)
{
        rn_reduction *r = rn_sim->reduction;
        step *now = &r->steps[r->count];
        size_t races[RN_SIM_TASKS], n = 0;
        now->op = t->op;               /* its addresses are those of this run */
        if (r->count + 1 < r->fixed) { /* as before, and what it asks for has been asked for */
                memcpy(t->clock, now->clock, sizeof t->clock);
                r->count++;
                return;
        }
        RN_ASSERT(r->count < MOST_STEPS && t->id < RN_SIM_TASKS, "a step that is taken has room");
        RN_ASSERT(!(now->sleep >> t->id & 1), "a task that sleeps in this part of the search takes no step");
        now->task = t->id;
        now->done |= 1ull << t->id;
        for (size_t i = r->count; i-- > 0;) {
                const step *other = &r->steps[i];
                if (other->task == t->id || i + 1 <= t->clock[other->task] ||
                    !ops_dependent(other->task, &other->op, t->id, &now->op))
                        continue;
                RN_ASSERT(n < RN_SIM_TASKS, "a step is in a race with one step of each other task at most");
                races[n++] = i;
                clocks_join(t->clock, other->clock);
        }
        memcpy(now->clock, t->clock, sizeof now->clock);
        while (n)
                reduction_ask_for_other_order(r, races[--n], now);
        const given_lock *g = t->op.kind == RN_OP_LOCK ? reduction_given(r, t->op.at, false) : NULL;
        if (g)
                clocks_join(t->clock, g->clock);
        t->clock[t->id] = (uint32_t)++r->count;
        memcpy(now->clock, t->clock, sizeof now->clock);
}

/* Everything so far is before everything later. */
void rn_reduction_calm(void)
{
        rn_sim_state *s = rn_sim;
        for (uint32_t i = 0; i < s->count; i++)
                for (uint32_t k = 0; k < s->count; k++)
                        s->tasks[i]->clock[k] = (uint32_t)s->reduction->count;
}

bool rn_reduction_next(rn_reduction *r)
{
        for (size_t i = r->count; i-- > 0;) {
                step *s = &r->steps[i];
                uint64_t left = s->backtrack & ~(s->done | s->sleep);
                RN_ASSERT(!(s->backtrack & ~s->enabled), "only a task that could go on is tried at a step");
                if (left) {
                        s->task = (uint32_t)__builtin_ctzll(left);
                        r->fixed = i + 1;
                        return true;
                }
                s->done = 0;
        }
        r->fixed = 0;
        return false;
}
