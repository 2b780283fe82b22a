/* SPDX-License-Identifier: Apache-2.0 */
/* The thread pool. Everything here is under the executor's lock (base.lock).
 *
 * Permits. A job runs with a permit; there are `threads` of them, so that is the limit on jobs that run, abandoned ones
 * included. A job that parks to wait for a job of this pool lends its permit, and takes one back before it goes on:
 * those who wait for that come before the queue. A job that is abandoned takes its permit with it (RN_LOST_PERMIT),
 * unless replace_abandoned allows for another.
 *
 * Threads. A thread is searching (on its way to look at the queue), busy, or idle. Searching ones are counted, idle ones
 * are in a list; no tokens that could go stale. The rule, after every change: as many threads are searching as there are
 * jobs and permits for; missing ones are woken from the idle list, the latest first, or else started.
 *      started -> searching -> busy -> searching -> ... -> idle -> searching | ended (idle_ns, a stop, a broken pool)
 * A busy thread counts as searching before its job settles: who awaits one job and submits the next starts no thread.
 * What it ran is in `ended` until it takes the lock for its next job, and leaves the executor's list then.
 *
 * One of the idle ones may spin before it sleeps (`spins`): it is in the list as the others, and woken as they are, by its
 * door, but without a system call; so it is taken first. It gives `spins` up under the lock before it sleeps. */
#ifndef RN_POOL_POOL_H
#define RN_POOL_POOL_H

#include "core/executor.h"
#include "rein/pool.h"

typedef struct worker {
        rn_link link, idle; /* in pool->workers; in pool->idle */
        struct pool *pool;
        rn_task *task;
        rein_work *job;   /* what it runs; NULL: searching or idle */
        rein_work *ended; /* what it ran, until it is out of the executor's list; its own */
        bool settled;     /* by its end: it was not abandoned before */
        bool woken;       /* out of the idle list, and counted as searching */
        rn_a32 lingers;   /* woken for a job that its submitter may wait for, and run itself */
        rn_spin linger;   /* the worker's own */
} worker;

typedef struct returner { /* waits to have its permit back */
        rn_link link;
        rn_task *task;
        rein_work *mine;
        bool granted;
} returner;

typedef struct entrant { /* waits for room in the queue */
        rn_link link;
        rn_task *task;
        bool told; /* woken since there is room, or never will be: it looks before it sleeps again */
} entrant;

typedef struct pool {
        rein_executor base;
        rein_pool_opts opts;
        rn_link plain;         /* queued jobs of priority 0 that came from outside; these lists are oldest first */
        rn_link inside;        /* those that its own jobs submitted */
        rn_heap ranked;        /* those of another, by priority, then in order */
        rn_link ranked_by_age; /* the same */
        size_t queued;         /* all of them */
        uint64_t sequence;
        unsigned pops; /* of the two lists of priority 0; for fairness */
        rn_link workers, idle;
        worker *spins; /* the idle one that still spins, before it sleeps; spin.h */
        size_t threads, searching;
        size_t unstarted; /* threads that could not be started: searching may be so many fewer than the rule says */
        int permits;      /* free ones */
        int lost, replaced, spares;
        bool exhausted;
        rn_link returners;
        rn_link room; /* submitters that wait for room in the queue */
        rn_timer watch_timer;
        rn_errand watch_errand;
        bool watching;
} pool;

static inline pool *rn_pool_of(rein_executor *x)
{
        return (pool *)(void *)x;
}

/* balance.c. Lock held. */
const char *rn_pool_wrong(const rein_executor *x);

/* In builds with checks these two ask whether the pool adds up: when its lock is taken, and before it is given back. One
 * with many jobs is asked in simulations only. */
static inline void rn_pool_lock(pool *p)
{
        rn_lock_take(&p->base.lock);
        RN_SOUND(p->base.unfinished <= RN_LIST_ASKED ? rn_pool_wrong(&p->base) : NULL);
}

static inline void rn_pool_unlock(pool *p)
{
        RN_SOUND(p->base.unfinished <= RN_LIST_ASKED ? rn_pool_wrong(&p->base) : NULL);
        rn_lock_give(&p->base.lock);
}

/* queue.c. Lock held. */
void rn_queue_init(pool *p);
void rn_queue_push(pool *p, const rn_task *self, rein_work *w); /* self: the task that submits it, or NULL */
void rn_queue_remove(pool *p, rein_work *w);
bool rn_queue_has(const rein_work *w);
bool rn_queue_older(const rein_work *x, const rein_work *y); /* was x pushed before y? */
rein_work *rn_queue_pop(pool *p);                            /* NULL: empty */
rein_work *rn_queue_oldest(pool *p);
bool rn_pool_room_is_told(const pool *p);                     /* is there what whoever waits for room has been told? */
void rn_pool_tell_room(pool *p);                              /* that there is room, or never will be */
int rn_queue_enter(pool *p, rein_work *w, const char **what); /* push, by the policy; gives the lock back; 0, 1: it ran
                                                                 here, or why not */
bool rn_queue_put(rein_executor *x, const rn_task *self, rein_work *w,
                  rn_task **wake); /* the same, when there is nothing to it */

/* permit.c. */
void rn_permit_take_locked(pool *p, rein_work *w); /* one is free */
void rn_permit_put_locked(pool *p);
void rn_permit_end_job_locked(pool *p, rein_work *w);
void rn_pool_abandoned(rein_executor *x, rein_work *w);
bool rn_pool_claim(rein_executor *x, rein_work *w, rn_task *self);
int rn_pool_lend(rein_executor *x, rein_work *mine);
void rn_pool_reclaim(rein_executor *x, rein_work *mine, rn_task *self);
bool rn_pool_has_room(rein_executor *x);
bool rn_pool_could_run(rein_executor *x, bool (*can_go)(const rn_task *t));

/* worker.c. */
bool rn_worker_departs(rn_task *self, rein_work *w, bool settled);
worker *rn_worker_take_idle_locked(pool *p); /* by the caller to be unparked; NULL: none */
/* By the rule above. Wakes at once; returns how many threads to start, each counted already: then, with the lock given
 * back, rn_workers_start. */
size_t rn_workers_wanted_locked(pool *p);
void rn_workers_start(pool *p, size_t n);
void rn_workers_wake_all_locked(pool *p);
bool rn_workers_left(rein_executor *x);

/* elastic.c. */
void rn_elastic_init(pool *p);
void rn_elastic_watch_locked(pool *p);       /* if jobs wait and no permit is free: see who blocks */
const char *rn_elastic_wrong(const pool *p); /* lock held */

#endif
