/* SPDX-License-Identifier: Apache-2.0 */
/* The queue, and what a submit meets when it is full. Jobs of priority 0 are in two lists, those from outside and those that
 * the pool's own jobs submitted; the others, which are few in most programs, in a heap, and by age in a list of their own.
 *
 * What comes from outside runs in its order. What comes from inside runs before it, and newest first: a job that makes others
 * finds what they need still in the cache, and a tree of jobs is walked depth first, so that the queue stays as short as the
 * tree is deep where it would grow as wide as the tree is. That alone would be unfair, so one in FAIR jobs is the oldest from
 * outside, and one in FAIR the oldest from inside: a job with n before it in its list starts after FAIR * n others at most. */
#include <errno.h>

#include "core/deadlock.h"
#include "pool/pool.h"

/* By the difference, which is right also where the numbers begin anew. */
bool rn_queue_older(const rein_work *x, const rein_work *y)
{
        return (int64_t)(x->sequence - y->sequence) < 0;
}

static bool queue_before(const rn_heap_node *a, const rn_heap_node *b)
{
        const rein_work *x = RN_ITEM(a, rein_work, by_priority), *y = RN_ITEM(b, rein_work, by_priority);
        return x->priority != y->priority ? x->priority > y->priority : rn_queue_older(x, y);
}

void rn_queue_init(pool *p)
{
        p->ranked.before = queue_before;
        rn_list_init(&p->plain);
        rn_list_init(&p->inside);
        rn_list_init(&p->ranked_by_age);
        rn_list_init(&p->room);
}

void rn_queue_push(pool *p, const rn_task *self, rein_work *w)
{
        RN_ASSERT(rn_lock_held(&p->base.lock), "the queue changes under the pool's lock");
        RN_ASSERT(!rn_queue_has(w), "a job is queued once");
        RN_ASSERT(w->executor == &p->base, "a pool queues its own jobs");
        w->sequence = p->sequence++;
        p->queued++;
        if (w->priority)
                rn_heap_push(&p->ranked, &w->by_priority);
        rn_list_push(w->priority                          ? &p->ranked_by_age
                     : rn_executor_inside(&p->base, self) ? &p->inside
                                                          : &p->plain,
                     &w->by_age);
}

bool rn_queue_has(const rein_work *w)
{
        return rn_linked(&w->by_age);
}

void rn_queue_remove(pool *p, rein_work *w)
{
        RN_ASSERT(rn_lock_held(&p->base.lock), "the queue changes under the pool's lock");
        RN_ASSERT(rn_queue_has(w) && p->queued > 0, "only a job that is queued leaves the queue");
        if (w->priority)
                rn_heap_remove(&p->ranked, &w->by_priority);
        rn_list_remove(&w->by_age);
        p->queued--;
        if (rn_pool_room_is_told(p))
                rn_pool_tell_room(p);
}

enum { FAIR = 61 };

/* The next of priority 0; NULL: there is none. */
static const rn_link *queue_plain_next(pool *p)
{
        const rn_link *outside = rn_list_first(&p->plain), *newest = rn_list_last(&p->inside);
        const unsigned turn = p->pops++ % FAIR;
        if (!newest || (outside && turn == 0))
                return outside;
        return turn == FAIR / 2 ? rn_list_first(&p->inside) : newest;
}

rein_work *rn_queue_pop(pool *p)
{
        rein_work *w = p->ranked.root ? RN_ITEM(p->ranked.root, rein_work, by_priority) : NULL;
        const rn_link *plain = w && w->priority > 0 ? NULL : queue_plain_next(p);
        if (plain)
                w = RN_ITEM(plain, rein_work, by_age);
        if (w)
                rn_queue_remove(p, w);
        return w;
}

static rein_work *queue_oldest(const rn_link *list)
{
        RN_LIST_EACH(l, list) {
                rein_work *w = RN_ITEM(l, rein_work, by_age);
                if (!w->posted)
                        return w;
        }
        return NULL;
}

/* The one queued longest that is not a continuation. */
rein_work *rn_queue_oldest(pool *p)
{
        const rn_link *lists[] = {&p->plain, &p->inside, &p->ranked_by_age};
        rein_work *oldest = NULL;
        for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
                rein_work *w = queue_oldest(lists[i]);
                if (w && (!oldest || rn_queue_older(w, oldest)))
                        oldest = w;
        }
        return oldest;
}

static bool queue_full(const pool *p)
{
        return p->queued >= p->opts.queue_max;
}

/* ---- room ---- */

bool rn_pool_room_is_told(const pool *p)
{
        return !queue_full(p) || p->exhausted;
}

void rn_pool_tell_room(pool *p)
{
        RN_ASSERT(rn_lock_held(&p->base.lock), "those who wait for room are told under the pool's lock");
        RN_LIST_EACH(l, &p->room) {
                entrant *e = RN_ITEM(l, entrant, link);
                e->told = true;
                rn_unpark(e->task);
        }
}

static bool queue_has_room_locked(const pool *p)
{
        return rn_pool_room_is_told(p) || p->base.broken || p->base.state >= (int)REIN_STOP_RUNNING;
}

bool rn_pool_has_room(rein_executor *x)
{
        pool *p = rn_pool_of(x);
        rn_pool_lock(p);
        const bool room = queue_has_room_locked(p);
        rn_pool_unlock(p);
        return room;
}

/* Whoever makes room after this look finds it untold, and wakes it. */
static bool queue_sees_room(pool *p, entrant *me)
{
        rn_pool_lock(p);
        const bool room = me->told = queue_has_room_locked(p);
        rn_pool_unlock(p);
        return room;
}

/* Lock held on entry and on return. 0: there is room, or w is finished already. */
static int queue_wait_for_room(pool *p, rein_work *w, rn_task *self, const char **what)
{
        rein_executor *x = &p->base;
        entrant me = {.task = self};
        rn_wait wait;
        RN_ASSERT(rn_lock_held(&x->lock), "a submitter joins those who wait for room under the pool's lock");
        RN_ASSERT(!rn_pool_room_is_told(p), "a submitter waits for room only while there is none");
        rn_list_push(&p->room, &me.link);
        rn_pool_unlock(p);
        rn_doing was = rn_task_doing(self, (rn_doing){"rein_submit, for room in", x->name});
        bool for_ever = rn_cancel_at(self) == RN_NEVER;
        int rc = rn_wait_begin(self, &(rn_wait_target){.executor = x, .cancelable = true}, for_ever, &wait);
        while (rc == 0 && !queue_sees_room(p, &me) && rn_load32(&w->state) == RN_WORK_QUEUED)
                rc = rn_wait_turn_looking(self, RN_NEVER, true, &wait);
        rn_wait_end(self, &wait);
        rn_task_doing(self, was);
        rn_pool_lock(p);
        rn_list_remove(&me.link);
        if (rc == REIN_EDEADLOCK)
                *what = "is full, and the wait for room can never end: its jobs wait for the submitter";
        else if (rc < 0)
                *what = "was full, and the submitter was cancelled while it waited for room";
        return rc;
}

static void queue_drop(rein_work *victim)
{
        if (!victim)
                return;
        if (rn_work_forbid(victim))
                rn_work_never(victim, REIN_EREJECTED,
                              "the queue was full, and it was the oldest: a newer one took its place");
        rn_future_unref(&victim->future);
}

/* Whatever room there is: 0, or why it never gets in. Lock held. */
static int queue_refuses(const pool *p, const rein_work *w, const char **what)
{
        if (rn_load32(&w->state) != RN_WORK_QUEUED)
                return REIN_EREJECTED; /* a stop or a cancel has finished it meanwhile; it keeps that outcome */
        if (!p->exhausted)
                return 0;
        *what = "is exhausted: every thread is held by an abandoned job";
        return REIN_EREJECTED;
}

/* Out of the queue, for one more to get in. The caller drops it, without the lock. Lock held. */
static rein_work *queue_take_victim(pool *p)
{
        rein_work *victim = rn_queue_oldest(p);
        if (!victim)
                return NULL;
        rn_future_ref(&victim->future);
        rn_queue_remove(p, victim);
        rn_future_unref(&victim->future); /* the run's; ours is left */
        return victim;
}

int rn_queue_enter(pool *p, rein_work *w, const char **what)
{
        rein_executor *x = &p->base;
        rn_task *self = rn_self();
        rein_work *victim = NULL;
        const bool own = rn_executor_inside(x, self);
        size_t start = 0;
        rn_pool_lock(p);
        const bool was_full = queue_full(p) && !own;
        int rc = self ? queue_refuses(p, w, what) : -ENOMEM;
        while (rc == 0 && p->opts.full == REIN_FULL_WAIT && queue_full(p) && !own) {
                rc = queue_wait_for_room(p, w, self, what);
                if (rc == 0)
                        rc = queue_refuses(p, w, what);
        }
        if (rc == 0 && queue_full(p) && !own) {
                if (p->opts.full == REIN_FULL_CALLER) {
                        rn_pool_unlock(p);
                        rein_work_run(w);
                        rn_stretch_spend(self, RN_SPENDS_CALL);
                        return 1;
                }
                if (p->opts.full == REIN_FULL_DROP_OLDEST) {
                        victim = queue_take_victim(p);
                } else {
                        rc = REIN_EREJECTED;
                        *what = "is full";
                }
        }
        if (rc == 0) {
                rn_queue_push(p, self, w);
                start = rn_workers_wanted_locked(p);
        }
        rn_pool_unlock(p);
        queue_drop(victim);
        rn_workers_start(p, start);
        if (was_full) /* else a submit never blocks */
                rn_stretch_spend(self, RN_SPENDS_CALL);
        return rc;
}

bool rn_queue_put(rein_executor *x, const rn_task *self, rein_work *w, rn_task **wake)
{
        pool *p = rn_pool_of(x);
        RN_ASSERT(rn_lock_held(&x->lock), "a job is put into the queue under the pool's lock");
        const bool enough = p->searching > p->queued || p->searching >= (size_t)p->permits;
        if (p->exhausted || queue_full(p) || (!enough && rn_list_empty(&p->idle)))
                return false;
        w->warm = p->searching > p->queued || (!enough && p->spins);
        rn_queue_push(p, self, w);
        if (!enough) {
                worker *k = rn_worker_take_idle_locked(p);
                rn_tell32(&k->lingers, !w->on_worker); /* before its unpark, which pairs with its park */
                *wake = k->task;
        }
        rn_elastic_watch_locked(p);
        return true;
}
