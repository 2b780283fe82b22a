/* SPDX-License-Identifier: Apache-2.0 */
/* What the world of the process has: records in its slabs, executors, timers, lists, locks. No lock is waited for: one that
 * is held is found, and what it guards is not looked at. */
#include "harness/look.h"

#include <stdatomic.h>
#include <time.h>

#include "core/error.h"
#include "core/executor.h"
#include "core/handle.h"
#include "core/group.h"
#include "core/hook.h"
#include "core/scope.h"
#include "core/task.h"
#include "core/world.h"
#include "coro/arena.h"
#include "loop/loop.h"
#include "sim/sim.h"

static bool take(rn_lock *l, const char *whose)
{
        uint32_t free = 0;
        if (rn_cas32(&l->word, &free, 1))
                return true;
        harness_found(HARNESS_LOCKS, NULL, "%s is held", whose);
        return false;
}

/* Whoever still has a record may write to it: a test that has ended so is told of that, not of a race with us. */
#define UNWATCHED __attribute__((no_sanitize("thread")))

UNWATCHED static rn_task *clock_task(void)
{
        return rn_world_now()->clock.clock_task;
}

UNWATCHED static rn_task *hand_task(void)
{
        return rn_world_now()->clock.hand_task;
}

bool harness_is_of_rein(uint32_t thread_id)
{
        const rn_task *clock = clock_task(), *hand = hand_task();
        return (clock && rn_load32(&clock->thread_id) == thread_id) ||
               (hand && rn_load32(&hand->thread_id) == thread_id);
}

static const char *or_nothing(const char *text)
{
        return text ? text : "?";
}

/* ---- the slabs ---- */

UNWATCHED static void tell_task(const void *item)
{
        const rn_task *t = item;
        if (t == rn_self_word() || t == clock_task() || t == hand_task())
                return;
        const char *doing = rn_peekptr(&t->doing), *at = rn_peekptr(&t->doing_at);
        harness_found(HARNESS_TASKS, NULL, "of thread %u, in: %s%s%s", rn_load32(&t->thread_id),
                      doing ? doing : "its own code", at ? " " : "", at ? at : "");
}

UNWATCHED static void tell_scope(const void *item)
{
        const rn_scope *s = item;
        harness_found(HARNESS_SCOPES, NULL, "%s, made at %s",
                      s->work     ? "of a job"
                      : s->group  ? "of a group"
                      : s->ticket ? "lent"
                                  : "opened",
                      or_nothing(s->place));
}

UNWATCHED static void tell_group(const void *item)
{
        harness_found(HARNESS_GROUPS, NULL, "opened at %s", or_nothing(((const rn_group *)item)->place));
}

UNWATCHED static void tell_region(const void *item)
{
        harness_found(HARNESS_REGIONS, NULL, "opened at %s", or_nothing(((const rn_hook *)item)->place));
}

UNWATCHED static void tell_fiber(const void *item)
{
        const rn_fiber *f = item;
        harness_found(HARNESS_FIBERS, NULL, "of the loop '%s', job '%s'", f->loop->base.name,
                      f->work ? f->work->name : "none");
}

UNWATCHED static void look_at_slab(rn_slab *s, const char *lock, void (*tell)(const void *item))
{
        if (!s->item_size || !take(&s->shelf.lock, lock))
                return;
        for (const void *item = NULL; (item = rn_slab_next(s, item));)
                tell(item);
        rn_lock_give(&s->shelf.lock);
}

/* ---- lists ---- */

static void look_at_executors(rn_world *w)
{
        if (!take(&w->lock, "the world's"))
                return;
        RN_LIST_EACH(l, &w->executors) {
                const rein_executor *x = RN_ITEM(l, rein_executor, world);
                harness_found(HARNESS_EXECUTORS, NULL, "'%s' is not freed", x->name);
        }
        rn_lock_give(&w->lock);
}

static void look_at_clock(rn_clockwork *c)
{
        if (take(&c->lock, "the clock's")) {
                for (size_t i = 0; i < c->timers.count; i++)
                        harness_found(HARNESS_TIMERS, NULL, "one is armed");
                rn_lock_give(&c->lock);
        }
        if (take(&c->hand_lock, "the hand's")) {
                RN_LIST_EACH(l, &c->errands)
                        harness_found(HARNESS_TIMERS, NULL, "an errand waits for the hand");
                rn_lock_give(&c->hand_lock);
        }
}

static void look_at_list(const rn_link *list, const char *what)
{
        RN_LIST_EACH(l, list)
                harness_found(HARNESS_WAITS, NULL, "%s", what);
}

static void look_at_lists(rn_world *w)
{
        if (take(&w->graph, "the deadlock graph's")) {
                look_at_list(&w->waiting, "a task waits without limit");
                rn_lock_give(&w->graph);
        }
        if (!take(&w->fd_lock, "the descriptors'"))
                return;
        for (size_t i = 0; i < RN_FD_BUCKETS; i++)
                look_at_list(&w->fd_calls[i], "somebody is in a call with a descriptor");
        look_at_list(&w->signal_waiters, "somebody waits for a signal");
        look_at_list(&w->children, "a child of the world's");
        look_at_list(&w->lookups, "a lookup waits for a thread");
        for (uint32_t i = 0; i < w->lookup_threads; i++)
                harness_found(HARNESS_WAITS, NULL, "a thread looks up a name");
        rn_lock_give(&w->fd_lock);
}

void harness_records_look(void)
{
        rn_world *w = rn_world_now();
        look_at_slab(&w->tasks, "the tasks'", tell_task);
        look_at_slab(&w->scopes, "the scopes'", tell_scope);
        look_at_slab(&w->groups, "the groups'", tell_group);
        look_at_slab(&w->hooks, "the hook regions'", tell_region);
        look_at_slab(&w->fibers, "the fibers'", tell_fiber);
        look_at_executors(w);
        look_at_clock(&w->clock);
        look_at_lists(w);
        if (take(&w->works.lock, "the works'"))
                rn_lock_give(&w->works.lock);
        if (take(&w->promises.lock, "the promises'"))
                rn_lock_give(&w->promises.lock);
}

/* ---- what is kept for later use ---- */

static atomic_uint asked, answered_by_hand, answered_by_clock;

/* Of the running thread: its spare records, its trail, and the descriptor in its door. */
static void let_go_here(void)
{
        rn_task *t = rn_self_if();
        if (!t)
                return;
        rn_error_set(&t->base.trail, NULL);
        t->backend->close(t);
        if (t->stocks) {
                rn_stock_empty(&t->stocks->works);
                rn_stock_empty(&t->stocks->promises);
                rn_stock_empty(&t->stocks->scopes);
        }
}

static void on_hand(rn_errand *e, uint32_t tag)
{
        (void)e;
        let_go_here();
        atomic_store(&answered_by_hand, tag);
}

static void on_clock(rn_timer *t, uint32_t tag)
{
        (void)t;
        let_go_here();
        atomic_store(&answered_by_clock, tag);
}

static bool all_have_answered(void)
{
        return atomic_load(&answered_by_clock) == atomic_load(&asked) &&
               atomic_load(&answered_by_hand) == atomic_load(&asked);
}

static void ask_clock_and_hand(void)
{
        static rn_errand errand = {.run = on_hand};
        static rn_timer timer = {.fire = on_clock};
        if (!clock_task() || !hand_task())
                return;
        const unsigned round = atomic_fetch_add(&asked, 1) + 1;
        rn_hand(&errand, round);
        rn_timer_arm(&timer, 0, round);
        for (unsigned ms = 0; ms < harness_patience_ms && !all_have_answered(); ms++)
                nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static rn_free_record *first_bundle(rn_shelf *works)
{
        rn_lock_take(&works->lock);
        rn_free_record *first = works->bundles ? works->bundles : works->loose;
        if (works->bundles) {
                works->bundles = first->bundle;
                works->bundle_count--;
        } else {
                works->loose = NULL;
        }
        rn_lock_give(&works->lock);
        return first;
}

static void free_spares(rn_shelf *works)
{
        for (rn_free_record *one; (one = first_bundle(works));)
                for (rn_free_record *next; one; one = next) {
                        next = one->next;
                        rn_free(one);
                }
}

void harness_records_let_go(void)
{
        rn_world *w = rn_world_now();
        if (rn_self_if())
                rn_thread_word_ends(rn_self_word());
        ask_clock_and_hand();
        if (!all_have_answered())
                harness_found(HARNESS_THREADS, NULL, "the clock or the hand does not answer");
        free_spares(&w->works);
        free_spares(&w->promises);
        rn_retired_let_go();
        rn_sim_let_go();
        rn_arenas_let_go();
}
