/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is weaker than one shared picture: every location keeps its last stores, and a load may get any of them
 * that its task has not yet seen overwritten. A task's view says, per location, the oldest store it may still get. A
 * release store carries the view of its writer, an acquire load that gets it takes that view over. After J. Kang et al.,
 * "A Promising Semantics for Relaxed-Memory Concurrency", POPL 2017, without promises: no load ever gets a store that
 * comes later (load buffering is not shown), and stores to one location are in the order in which they were made.
 *
 * Sequentially consistent operations have one order, as in O. Lahav et al., "Repairing Sequential Consistency in C/C++11",
 * PLDI 2017: here that of the schedule, with one exception. A load gets no store older than the last sequentially
 * consistent one: it would be the same load in a schedule in which it comes earlier. But when something that the load
 * depends on comes after that store, there is no such schedule; and when that dependence is by weaker operations, the
 * order of C11 allows that the load comes first all the same. Such is the store that a processor keeps back behind a later
 * load, when it is only a release. So three views are kept:
 *
 *      known     happens before: by the task's own steps, and by what it acquired
 *      ordered   the sequentially consistent stores that come first in their one order
 *      before    all that this schedule cannot exchange with it, by whatever operations
 *
 * There are no fences, in the library as here. */
#include <string.h>

#include "sim/sim.h"

#if RN_EXPLORING

enum { LOCATIONS = 256, STORES = 8 };

typedef struct view {
        uint32_t seen[LOCATIONS];
} view;

typedef struct views {
        view known, ordered, before;
} views;

typedef struct store {
        uint64_t value;
        bool released;
        uint32_t locations; /* so many there were: of the others its writer knew nothing */
        views of_writer;
} store;

typedef struct location {
        const volatile void *where;
        uint32_t first, count; /* number of the oldest kept; how many are kept */
        uint32_t last_ordered; /* the last that is sequentially consistent */
        uint32_t writer;       /* of the last one */
        store last[STORES];
        view ordered, before; /* of those who stored or loaded here */
} location;

struct rn_weak {
        memory_order order;
        uint32_t locations;
        location at[LOCATIONS];
        views of_task[RN_SIM_TASKS];
        view overtaken; /* what comes before a load that came before a store of an earlier step */
};

static void view_join(view *to, const view *from, uint32_t locations)
{
        for (uint32_t i = 0; i < locations; i++)
                if (from->seen[i] > to->seen[i])
                        to->seen[i] = from->seen[i];
}

static void view_copy(view *to, const view *from, uint32_t locations)
{
        memcpy(to->seen, from->seen, locations * sizeof to->seen[0]);
}

/* A first store, which everybody knows of. */
static location *location_begin_with(location *l, uint64_t value)
{
        l->count = 1;
        l->last_ordered = l->first;
        l->writer = rn_sim->running->id;
        l->last[0].value = value;
        l->last[0].released = false;
        l->last[0].locations = 0;
        return l;
}

/* Something else lies there now, or it was made anew by a plain store: nobody gets what was there before. */
static location *location_as_it_is(location *l, uint64_t value)
{
        RN_ASSERT(l->count > 0 && l->count <= STORES, "a location has its last stores");
        if (l->last[l->count - 1].value != value) {
                l->first += l->count;
                location_begin_with(l, value);
        }
        return l;
}

static location *location_find(const volatile void *where, uint64_t value)
{
        rn_weak *w = rn_sim->weak;
        for (uint32_t i = 0; i < w->locations; i++)
                if (w->at[i].where == where)
                        return location_as_it_is(&w->at[i], value);
        if (w->locations == LOCATIONS) {
                rn_sim_over(REIN_SIM_MISUSE, "more locations than the weak memory can hold");
                rn_sim_stop();
        }
        const uint32_t n = w->locations++;
        location *l = &w->at[n];
        l->where = where;
        l->first = 1;
        for (uint32_t i = 0; i <= n; i++)
                l->ordered.seen[i] = l->before.seen[i] = 0;
        for (uint32_t i = 0; i < n; i++)
                w->at[i].ordered.seen[n] = w->at[i].before.seen[n] = 0;
        for (uint32_t i = 0; i < RN_SIM_TASKS; i++)
                w->of_task[i].known.seen[n] = w->of_task[i].ordered.seen[n] = w->of_task[i].before.seen[n] = 0;
        w->overtaken.seen[n] = 0;
        return location_begin_with(l, value);
}

static views *task_views(void)
{
        return &rn_sim->weak->of_task[rn_sim->running->id];
}

static bool order_acquires(memory_order order)
{
        return order == memory_order_acquire || order == memory_order_acq_rel || order == memory_order_seq_cst;
}

static bool order_releases(memory_order order)
{
        return order == memory_order_release || order == memory_order_acq_rel || order == memory_order_seq_cst;
}

static uint32_t stamp_larger(uint32_t a, uint32_t b)
{
        return a > b ? a : b;
}

/* The oldest store that a load may get. */
static uint32_t location_oldest_for_load(const location *l, memory_order order)
{
        const rn_weak *w = rn_sim->weak;
        const views *me = task_views();
        const size_t i = (size_t)(l - w->at);
        const uint32_t least = stamp_larger(me->known.seen[i], l->first);
        if (order != memory_order_seq_cst)
                return least;
        if (l->last_ordered > me->before.seen[i])
                return stamp_larger(least, l->last_ordered);
        return stamp_larger(least, stamp_larger(me->ordered.seen[i], w->overtaken.seen[i]));
}

static void store_take_over(const store *from, memory_order order)
{
        views *me = task_views();
        view_join(&me->before, &from->of_writer.before, from->locations);
        if (!from->released || !order_acquires(order))
                return;
        view_join(&me->known, &from->of_writer.known, from->locations);
        view_join(&me->ordered, &from->of_writer.ordered, from->locations);
}

uint64_t rn_weak_load(const volatile void *where, uint64_t newest, memory_order order, bool update)
{
        rn_sim_state *s = rn_sim;
        if (!s || !s->weak || !s->running || s->quiet)
                return newest;
        rn_weak *w = s->weak;
        location *l = location_find(where, newest);
        views *me = task_views();
        const uint32_t last = l->first + l->count - 1, least = update ? last : location_oldest_for_load(l, order);
        const uint32_t got = last - rn_sim_pick(last - least + 1, 'w', false);
        RN_ASSERT(got >= least && got <= last, "a load gets a store that its task has not seen overwritten");
        const store *from = &l->last[got - l->first];
        me->known.seen[l - w->at] = got;
        store_take_over(from, order);
        view_join(&l->before, &me->before, w->locations);
        if (order == memory_order_seq_cst) {
                view_join(&l->ordered, &me->ordered, w->locations);
                if (got < l->last_ordered)
                        view_join(&w->overtaken, &me->ordered, w->locations);
        }
        return from->value;
}

static store *location_next_store(location *l)
{
        RN_ASSERT(l->count > 0 && l->count <= STORES, "a location keeps so many stores");
        if (l->count == STORES) {
                memmove(&l->last[0], &l->last[1], (STORES - 1) * sizeof l->last[0]);
                l->first++;
                l->count--;
        }
        return &l->last[l->count++];
}

/* Does what was released before it go on being released? */
static void store_go_on_releasing(store *to, const store *before)
{
        if (!before->released)
                return;
        if (!to->released) {
                view_copy(&to->of_writer.known, &before->of_writer.known, before->locations);
                view_copy(&to->of_writer.ordered, &before->of_writer.ordered, before->locations);
                for (uint32_t i = before->locations; i < to->locations; i++)
                        to->of_writer.known.seen[i] = to->of_writer.ordered.seen[i] = 0;
                to->released = true;
        } else {
                view_join(&to->of_writer.known, &before->of_writer.known, before->locations);
                view_join(&to->of_writer.ordered, &before->of_writer.ordered, before->locations);
        }
}

void rn_weak_store(const volatile void *where, uint64_t old, uint64_t value, memory_order order, bool update)
{
        rn_sim_state *s = rn_sim;
        if (!s || !s->weak || !s->running || s->quiet)
                return;
        rn_weak *w = s->weak;
        location *l = location_find(where, old);
        views *me = task_views();
        const uint32_t n = w->locations, i = (uint32_t)(l - w->at);
        store *to = location_next_store(l);
        const store *before = to - 1; /* there is always one */
        const uint32_t number = l->first + l->count - 1;
        me->known.seen[i] = number;
        view_join(&me->before, &l->before, n);
        me->before.seen[i] = number;
        if (order == memory_order_seq_cst) {
                view_join(&me->ordered, &l->ordered, n);
                me->ordered.seen[i] = l->last_ordered = number;
                view_join(&l->ordered, &me->ordered, n);
        }
        view_join(&l->before, &me->before, n);
        to->value = value;
        to->locations = n;
        to->released = order_releases(order);
        view_copy(&to->of_writer.before, &me->before, n);
        if (to->released) {
                view_copy(&to->of_writer.known, &me->known, n);
                view_copy(&to->of_writer.ordered, &me->ordered, n);
        }
        if (update) /* a release sequence goes on through updates */
                store_go_on_releasing(to, before);
        l->writer = s->running->id;
}

void rn_weak_born(const rn_sim_task *t)
{
        const rn_sim_state *s = rn_sim;
        if (!s->weak)
                return;
        RN_ASSERT(t->id < RN_SIM_TASKS, "a task that is born has a view");
        views *its = &s->weak->of_task[t->id];
        if (s->running)
                *its = *task_views();
        else
                memset(its, 0, sizeof *its);
}

/* A lock is not weakened: the task that takes it sees all that was seen by the one that gave it last. */
void rn_weak_lock(const volatile void *lock, bool taken)
{
        if (taken)
                rn_weak_load(lock, 0, memory_order_acquire, true);
        rn_weak_store(lock, !taken, taken, memory_order_acq_rel, true);
}

/* What others stored there must have happened before. */
void rn_weak_gives_back(const void *p, size_t n)
{
        const rn_sim_state *s = rn_sim;
        const rn_weak *w = s->weak;
        if (!w || !s->running || s->quiet)
                return;
        const volatile char *from = p;
        for (uint32_t i = 0; i < w->locations; i++) {
                const location *l = &w->at[i];
                const volatile char *at = l->where;
                if (at >= from && at < from + n &&
                    stamp_larger(task_views()->known.seen[i], l->first) < l->first + l->count - 1)
                        rn_sim_over(
                                REIN_SIM_MISUSE,
                                "'%s' gives memory back in which '%s' has stored something, and has not acquired that",
                                s->running->name, s->tasks[l->writer]->name);
        }
}

/* ---- the library's atomics ---- */

/* The order in the code, unless the plan weakens those that are sequentially consistent. */
static memory_order order_weakened(memory_order order)
{
        const memory_order all = rn_sim && rn_sim->weak ? rn_sim->weak->order : memory_order_relaxed;
        return order == memory_order_seq_cst && all != memory_order_relaxed ? all : order;
}

static void observe_before(rn_access access, const volatile void *where)
{
        static const rn_op_kind kinds[] = {[RN_ACCESS_READ] = RN_OP_READ,
                                           [RN_ACCESS_WRITE] = RN_OP_WRITE,
                                           [RN_ACCESS_TELL] = RN_OP_WRITE,
                                           [RN_ACCESS_UPDATE] = RN_OP_UPDATE,
                                           [RN_ACCESS_ADD] = RN_OP_ADD};
        if (rn_virtual() && rn_sim->running && (access != RN_ACCESS_TELL || rn_sim->plan->tells))
                rn_sim_op((rn_op){.kind = kinds[access], .at = where, .len = 1, .between = access == RN_ACCESS_TELL});
}

static void observe_after(void)
{
        if (rn_virtual() && rn_sim->running)
                rn_sim_after();
}

static bool observe_at_rest(void)
{
        return !rn_virtual() || rn_sim_at_rest(rn_sim->running);
}

static uint64_t observe_loaded(const volatile void *where, uint64_t newest, rn_access access, memory_order order)
{
        return rn_virtual() ? rn_weak_load(where, newest, order_weakened(order), access >= RN_ACCESS_UPDATE) : newest;
}

static void observe_wrote(const volatile void *where, uint64_t old, uint64_t now, rn_access access, memory_order order)
{
        if (!rn_virtual() || !rn_sim->weak || !rn_sim->running)
                return;
        const bool update = access >= RN_ACCESS_UPDATE;
        if (update)
                rn_weak_load(where, old, order_weakened(order), true);
        rn_weak_store(where, old, now, order_weakened(order), update);
}

static const rn_observer observer = {observe_before, observe_after, observe_at_rest, observe_loaded, observe_wrote};

void rn_observe_begin(void)
{
        rn_observe = rn_sim->plan->observe ? &observer : NULL;
}

void rn_observe_end(void)
{
        rn_observe = NULL;
}

/* One for all schedules: it is large, and little of it is used. */
static rn_weak *used_again;

int rn_weak_begin(void)
{
        if (!rn_sim->plan->weak)
                return 0;
        if (!used_again)
                used_again = rn_host_alloc(sizeof *used_again);
        if (!used_again)
                return -1;
        rn_sim->weak = used_again;
        used_again->order = rn_sim->plan->order;
        used_again->locations = 0;
        return 0;
}

void rn_weak_free(void)
{
        rn_host_free(used_again);
        used_again = NULL;
}

void rn_weak_unpaused(const volatile void *where)
{
        rn_weak *w = rn_sim->weak;
        for (uint32_t i = 0; w && i < w->locations; i++)
                if (w->at[i].where == where)
                        task_views()->known.seen[i] = w->at[i].first + w->at[i].count - 1;
}

void rn_weak_calm(void)
{
        rn_weak *w = rn_sim->weak;
        if (w)
                w->locations = 0; /* met again, each starts with what it holds now */
}

#else

void rn_weak_gives_back(const void *p, size_t n)
{
        (void)p;
        (void)n;
}

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

void rn_weak_free(void)
{
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
