/* SPDX-License-Identifier: Apache-2.0 */
/* Permits: who may run, who lends, what an abandoned job takes with it.
 *
 * A job's `permit` is told under the executor's lock, and whoever decides something by it holds that lock, so the lock
 * orders each rn_tell32 before it. The two readers without the lock decide nothing: holder_of_permit (deadlock.c) reads
 * the permits of its own task's jobs, and a lend looks again under the lock; wait_can_go (there too) has
 * taken the lock since a permit that counts was granted. */
#include "core/deadlock.h"
#include "pool/pool.h"

void rn_permit_take_locked(pool *p, rein_work *w)
{
        RN_ASSERT(rn_lock_held(&p->base.lock), "permits go from hand to hand under the pool's lock");
        RN_ASSERT(p->permits > 0, "a permit that is taken is free");
        RN_ASSERT(rn_get32(&w->permit) == RN_NO_PERMIT, "a job has one permit at most");
        p->permits--;
        rn_tell32(&w->permit, RN_HAS_PERMIT);
        rn_elastic_watch_locked(p); /* it may have been the last */
}

/* A permit is free: for the first of those who want theirs back, else for the queue. */
void rn_permit_put_locked(pool *p)
{
        RN_ASSERT(rn_lock_held(&p->base.lock), "permits go from hand to hand under the pool's lock");
        RN_ASSERT(p->permits < p->opts.threads + p->spares + p->replaced,
                  "a permit that comes free was not free before");
        rn_link *l = rn_list_pop(&p->returners);
        if (l) {
                returner *r = RN_ITEM(l, returner, link);
                rn_task *t = r->task;
                rn_tell32(&r->mine->permit, RN_HAS_PERMIT);
                r->granted = true;
                rn_unpark(t);
        } else {
                p->permits++;
        }
}

static bool pool_is_exhausted(const pool *p)
{
        return p->lost - p->replaced >= p->opts.threads;
}

/* An abandoned job comes back, and its lost permit with it. Is there still need of the one that replaced it? Then that one
 * goes on to stand in for another that is lost, and this one is free. */
static void permit_comes_back(pool *p)
{
        p->lost--;
        if (p->replaced > p->lost || p->replaced > p->opts.replace_abandoned)
                p->replaced--;
        else
                rn_permit_put_locked(p);
        p->exhausted = pool_is_exhausted(p);
}

void rn_permit_end_job_locked(pool *p, rein_work *w)
{
        RN_ASSERT(rn_lock_held(&p->base.lock), "permits go from hand to hand under the pool's lock");
        RN_ASSERT(rn_get32(&w->state) == RN_WORK_ENDED || rn_get32(&w->state) == RN_WORK_NEVER,
                  "a job whose permit comes free runs no more");
        switch (rn_load32(&w->permit)) {
        case RN_NO_PERMIT:
                return;
        case RN_HAS_PERMIT:
                if (w->has_spare)
                        p->spares--; /* the spare's takes its place */
                else
                        rn_permit_put_locked(p);
                break;
        case RN_LOST_PERMIT:
                permit_comes_back(p);
                break;
        }
        rn_tell32(&w->permit, RN_NO_PERMIT);
        w->has_spare = false;
}

void rn_pool_abandoned(rein_executor *x, rein_work *w)
{
        pool *p = rn_pool_of(x);
        size_t start = 0;
        bool exhausted = false;
        RN_ASSERT(rn_future_is(&w->future, RN_SETTLED), "a job that is abandoned has settled");
        rn_pool_lock(p);
        if (rn_load32(&w->permit) == RN_HAS_PERMIT) { /* else it has come back in this very moment, or lent it */
                rn_tell32(&w->permit, RN_LOST_PERMIT);
                p->lost++;
                if (w->has_spare) {
                        p->spares--;
                        w->has_spare = false;
                        p->replaced++;
                } else if (p->replaced < p->opts.replace_abandoned) {
                        p->replaced++;
                        rn_permit_put_locked(p);
                        start = rn_workers_wanted_locked(p);
                }
                exhausted = p->exhausted = pool_is_exhausted(p);
                if (exhausted)
                        rn_pool_tell_room(p);
        }
        rn_pool_unlock(p);
        rn_workers_start(p, start);
        if (exhausted)
                rn_executor_reject_queued(x, REIN_EREJECTED,
                                          "the pool is exhausted: every thread is held by an abandoned job");
}

bool rn_pool_claim(rein_executor *x, rein_work *w, rn_task *self)
{
        pool *p = rn_pool_of(x);
        if (p->opts.init || p->opts.fini)
                return false;
        bool inside = false;
        rn_pool_lock(p);
        for (const rn_ambient *a = self->now; a; a = a->outer)
                inside |= a->work && a->work->executor == x && rn_load32(&a->work->permit) == RN_HAS_PERMIT;
        bool may = rn_queue_has(w) && (inside || p->permits > 0) && rn_work_claim(w);
        if (may) {
                rn_queue_remove(p, w);
                if (!inside)
                        rn_permit_take_locked(p, w);
        }
        rn_pool_unlock(p);
        return may;
}

/* Every thread sits in a wait for this pool, and nobody is on the way to the queue. */
static bool pool_nobody_can_run(const pool *p)
{
        if (p->searching || !p->queued)
                return false;
        RN_LIST_EACH(l, &p->workers) {
                const worker *k = RN_ITEM(l, worker, link);
                if (k->job && rn_load32(&k->job->permit) == RN_HAS_PERMIT)
                        return false;
        }
        return true;
}

int rn_pool_lend(rein_executor *x, rein_work *mine)
{
        pool *p = rn_pool_of(x);
        RN_ASSERT(mine->executor == x, "a job lends the permit of its own pool");
        rn_pool_lock(p);
        if (rn_load32(&mine->permit) != RN_HAS_PERMIT) { /* it was abandoned, and lost it */
                rn_pool_unlock(p);
                return 0;
        }
        rn_tell32(&mine->permit, RN_NO_PERMIT);
        rn_permit_put_locked(p);
        size_t start = rn_workers_wanted_locked(p);
        rn_pool_unlock(p);
        rn_workers_start(p, start);
        rn_pool_lock(p);
        bool stuck = pool_nobody_can_run(p) && p->permits > 0;
        if (stuck)
                rn_permit_take_locked(p, mine);
        rn_pool_unlock(p);
        return stuck ? REIN_EDEADLOCK : 1;
}

void rn_pool_reclaim(rein_executor *x, rein_work *mine, rn_task *self)
{
        pool *p = rn_pool_of(x);
        returner me = {.task = self, .mine = mine};
        RN_ASSERT(rn_get32(&mine->permit) == RN_NO_PERMIT, "a job that wants its permit back has lent it");
        rn_pool_lock(p);
        bool free = p->permits > 0;
        if (free) {
                rn_permit_take_locked(p, mine);
        } else {
                rn_list_push(&p->returners, &me.link);
                rn_elastic_watch_locked(p);
        }
        rn_pool_unlock(p);
        if (free)
                return;
        rn_wait wait;
        rn_doing was = rn_task_doing(self, (rn_doing){"its place in", x->name});
        rn_wait_stay(self, &(rn_wait_target){.executor = x, .permit_of = mine}, &wait);
        for (bool granted = false;;) {
                rn_pool_lock(p);
                granted = me.granted;
                rn_pool_unlock(p);
                if (granted)
                        break;
                rn_wait_turn_staying(self, &wait); /* in a knot it is for the others to give way */
        }
        rn_wait_end(self, &wait);
        rn_task_doing(self, was);
}

bool rn_pool_could_run(rein_executor *x, bool (*can_go)(const rn_task *t))
{
        pool *p = rn_pool_of(x);
        rn_pool_lock(p);
        bool could = p->permits > 0 || p->searching > 0 || p->lost > 0 ||
                     (p->opts.elastic && p->opts.threads + p->spares < p->opts.threads_max);
        RN_LIST_EACH(l, &x->works) {
                rein_work *w = RN_ITEM(l, rein_work, all);
                could |= rn_load32(&w->permit) == RN_HAS_PERMIT && can_go(rn_loadptr(&w->runner));
        }
        rn_pool_unlock(p);
        return could;
}
