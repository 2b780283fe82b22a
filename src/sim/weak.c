/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is weaker than one shared picture: every location keeps its last stores, and a load may get any of them
 * that its task has not yet seen overwritten. A task's view says, per location, the oldest store it may still get. A
 * release store carries the view of its writer, an acquire load that gets it takes that view over; sequentially
 * consistent operations also meet in one common view. After J. Kang et al., "A Promising Semantics for Relaxed-Memory
 * Concurrency", POPL 2017, without promises: no load ever gets a store that comes later (load buffering is not shown),
 * and stores to one location are in the order in which they were made.
 *
 * The library's own atomics are all sequentially consistent, and must show nothing new here; `order` weakens all of
 * them at once, to show that something would be shown. */
#include <string.h>

#include "sim/sim.h"

#if RN_EXPLORING

enum { LOCATIONS = 256, STORES = 8 };

typedef struct view {
        uint32_t seen[LOCATIONS];
} view;

typedef struct store {
        uint64_t value;
        bool released;
        view of_writer;
} store;

typedef struct location {
        const volatile void *where;
        uint32_t first, count; /* number of the oldest kept; how many are kept */
        store last[STORES];
} location;

struct rn_weak {
        rn_order order;
        uint32_t locations;
        location at[LOCATIONS];
        view of_task[RN_SIM_TASKS], common;
};

static void join(view *to, const view *from)
{
        for (uint32_t i = 0; i < rn_sim->weak->locations; i++)
                if (from->seen[i] > to->seen[i])
                        to->seen[i] = from->seen[i];
}

/* Something else lies there now, or it was made anew by a plain store: nobody gets what was there before. */
static location *as_it_is(location *l, uint64_t value)
{
        RN_ASSERT(l->count > 0 && l->count <= STORES, "a location has its last stores");
        if (l->last[l->count - 1].value != value) {
                l->first += l->count;
                l->count = 1;
                l->last[0] = (store){.value = value};
        }
        return l;
}

static location *find(const volatile void *where, uint64_t value)
{
        rn_weak *w = rn_sim->weak;
        for (uint32_t i = 0; i < w->locations; i++)
                if (w->at[i].where == where)
                        return as_it_is(&w->at[i], value);
        if (w->locations == LOCATIONS) {
                rn_sim_over(REIN_SIM_MISUSE, "more locations than the weak memory can hold");
                rn_sim_stop();
        }
        location *l = &w->at[w->locations++];
        l->where = where;
        l->first = 0;
        l->count = 1;
        l->last[0] = (store){.value = value};
        return l;
}

static view *mine(void)
{
        return &rn_sim->weak->of_task[rn_sim->running->id];
}

static void meet(rn_order order)
{
        if (order == RN_ORDER_SEQ_CST) {
                join(mine(), &rn_sim->weak->common);
                join(&rn_sim->weak->common, mine());
        }
}

uint64_t rn_weak_load(const volatile void *where, uint64_t newest, rn_order order, bool update)
{
        rn_sim_state *s = rn_sim;
        if (!s || !s->weak || !s->running || s->quiet)
                return newest;
        location *l = find(where, newest);
        uint32_t *seen = &mine()->seen[l - s->weak->at];
        meet(order);
        uint32_t last = l->first + l->count - 1, least = *seen > l->first ? *seen : l->first;
        uint32_t got = update ? last : last - rn_sim_pick(last - least + 1, 'w', false);
        RN_ASSERT(got >= least && got <= last, "a load gets a store that its task has not seen overwritten");
        const store *from = &l->last[got - l->first];
        *seen = got;
        if (from->released && (order == RN_ORDER_ACQUIRE || order == RN_ORDER_ACQ_REL || order == RN_ORDER_SEQ_CST))
                join(mine(), &from->of_writer);
        return from->value;
}

void rn_weak_store(const volatile void *where, uint64_t old, uint64_t value, rn_order order, bool update)
{
        rn_sim_state *s = rn_sim;
        if (!s || !s->weak || !s->running || s->quiet)
                return;
        location *l = find(where, old);
        RN_ASSERT(l->count <= STORES, "a location keeps so many stores");
        const store before = l->last[l->count - 1];
        if (l->count == STORES) {
                memmove(&l->last[0], &l->last[1], (STORES - 1) * sizeof l->last[0]);
                l->first++;
                l->count--;
        }
        store *to = &l->last[l->count++];
        *to = (store){.value = value};
        mine()->seen[l - s->weak->at] = l->first + l->count - 1;
        meet(order);
        if (order == RN_ORDER_RELEASE || order == RN_ORDER_ACQ_REL || order == RN_ORDER_SEQ_CST) {
                to->released = true;
                to->of_writer = *mine();
        }
        if (update && before.released) { /* a release sequence goes on through updates */
                to->released = true;
                join(&to->of_writer, &before.of_writer);
        }
}

void rn_weak_born(const rn_sim_task *t)
{
        const rn_sim_state *s = rn_sim;
        if (!s->weak)
                return;
        RN_ASSERT(t->id < RN_SIM_TASKS, "a task that is born has a view");
        view *its = &s->weak->of_task[t->id];
        if (s->running)
                *its = *mine();
        else
                memset(its, 0, sizeof *its);
}

/* A lock is not weakened: who takes it sees all that was seen by who gave it last. */
void rn_weak_lock(const volatile void *lock, bool taken)
{
        if (taken)
                rn_weak_load(lock, 0, RN_ORDER_ACQUIRE, true);
        rn_weak_store(lock, !taken, taken, RN_ORDER_ACQ_REL, true);
}

/* ---- the library's atomics ---- */

static rn_order library_order(void)
{
        return rn_sim && rn_sim->weak ? rn_sim->weak->order : RN_ORDER_SEQ_CST;
}

static void before(rn_access access, const volatile void *where)
{
        static const rn_op_kind kinds[] = {[RN_ACCESS_READ] = RN_OP_READ,
                                           [RN_ACCESS_WRITE] = RN_OP_WRITE,
                                           [RN_ACCESS_UPDATE] = RN_OP_UPDATE,
                                           [RN_ACCESS_ADD] = RN_OP_ADD};
        if (rn_virtual() && rn_sim->running)
                rn_sim_op((rn_op){.kind = kinds[access], .at = where, .len = 1});
}

static uint64_t loaded(const volatile void *where, uint64_t newest, rn_access access)
{
        return rn_virtual() ? rn_weak_load(where, newest, library_order(), access >= RN_ACCESS_UPDATE) : newest;
}

static void wrote(const volatile void *where, uint64_t old, uint64_t now, rn_access access)
{
        if (!rn_virtual() || !rn_sim->weak || !rn_sim->running)
                return;
        const bool update = access >= RN_ACCESS_UPDATE;
        if (update)
                rn_weak_load(where, old, library_order(), true);
        rn_weak_store(where, old, now, library_order(), update);
}

static const rn_observer observer = {before, loaded, wrote};

void rn_observe_begin(void)
{
        rn_observe = rn_sim->plan->observe ? &observer : NULL;
}

void rn_observe_end(void)
{
        rn_observe = NULL;
}

/* One for all schedules: it is large, and little of it is used. */
static rn_weak *kept;

int rn_weak_begin(void)
{
        if (!rn_sim->plan->weak)
                return 0;
        if (!kept)
                kept = rn_host_alloc(sizeof *kept);
        if (!kept)
                return -1;
        rn_sim->weak = kept;
        kept->order = rn_sim->plan->order;
        kept->locations = 0;
        memset(&kept->common, 0, sizeof kept->common);
        return 0;
}

void rn_weak_unpaused(const volatile void *where)
{
        rn_weak *w = rn_sim->weak;
        for (uint32_t i = 0; w && i < w->locations; i++)
                if (w->at[i].where == where)
                        mine()->seen[i] = w->at[i].first + w->at[i].count - 1;
}

void rn_weak_calm(void)
{
        rn_weak *w = rn_sim->weak;
        if (!w)
                return;
        w->locations = 0; /* met again, each starts with what it holds now */
        memset(w->of_task, 0, sizeof w->of_task);
        memset(&w->common, 0, sizeof w->common);
}

#else

void rn_weak_unpaused(const volatile void *where)
{
        (void)where;
}

void rn_weak_calm(void)
{
}

void rn_observe_begin(void)
{
}

void rn_observe_end(void)
{
}

int rn_weak_begin(void)
{
        return 0;
}

void rn_weak_born(const rn_sim_task *t)
{
        (void)t;
}

void rn_weak_lock(const volatile void *lock, bool taken)
{
        (void)lock;
        (void)taken;
}

#endif
