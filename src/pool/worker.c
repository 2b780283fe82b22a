/* SPDX-License-Identifier: Apache-2.0 */
/* The pool's threads. */
#include <errno.h>
#include <stdio.h>

#include "pool/pool.h"

enum { LINGER_NS = 500 };

/* ---- how many ---- */

/* An idle one that spins, else the one that went idle last; it is searching from now on, and to be unparked. NULL: none is
 * idle. */
worker *rn_worker_take_idle_locked(pool *p)
{
        RN_ASSERT(rn_lock_held(&p->base.lock), "an idle thread is chosen under the pool's lock");
        rn_link *l = p->spins ? &p->spins->idle : rn_list_first(&p->idle);
        if (!l)
                return NULL;
        rn_list_remove(l);
        worker *k = RN_ITEM(l, worker, idle);
        RN_ASSERT(!k->job && !k->woken, "a thread that is idle is woken once");
        p->spins = NULL;
        k->woken = true;
        p->searching++;
        return k;
}

size_t rn_workers_wanted_locked(pool *p)
{
        size_t start = 0;
        RN_ASSERT(rn_lock_held(&p->base.lock), "threads are counted under the pool's lock");
        p->unstarted = 0;
        while (p->searching < p->queued && p->searching < (size_t)p->permits) {
                worker *k = rn_worker_take_idle_locked(p);
                if (k) {
                        rn_unpark(k->task);
                        continue;
                }
                p->searching++;
                p->threads++;
                start++;
        }
        rn_elastic_watch_locked(p);
        return start;
}

void rn_workers_wake_all_locked(pool *p)
{
        for (worker *k; (k = rn_worker_take_idle_locked(p));)
                rn_unpark(k->task);
}

/* Have they left? Those of abandoned jobs, and of jobs that are in a stop themselves, are not waited for. */
bool rn_workers_left(rein_executor *x)
{
        pool *p = rn_pool_of(x);
        size_t there = p->threads;
        RN_LIST_EACH(l, &p->workers) {
                const worker *k = RN_ITEM(l, worker, link);
                if (k->job && (k->job->in_stop || rn_future_is(&k->job->future, RN_SETTLED)))
                        there--;
        }
        return there == 0;
}

/* ---- a thread's life ---- */

static void worker_main(void *arg);

/* There is none, or abandoned jobs hold all there are, and may never give them back. */
static bool pool_no_thread_will_look(const pool *p)
{
        size_t held = 0;
        RN_LIST_EACH(l, &p->workers) {
                const worker *k = RN_ITEM(l, worker, link);
                held += k->job && rn_load32(&k->job->permit) == RN_LOST_PERMIT;
        }
        return held == p->threads;
}

/* When no thread can be had that would look at the queue, what is in it fails with that error, and its continuations go to
 * the hand. */
static void pool_without_thread(pool *p, int failed)
{
        rn_pool_lock(p);
        RN_ASSERT(p->searching > 0 && p->threads > 0, "a thread was counted before it was started");
        p->searching--;
        p->threads--;
        p->unstarted++;
        bool stranded = p->queued && pool_no_thread_will_look(p);
        rn_executor_changed_locked(&p->base);
        rn_pool_unlock(p);
        if (stranded)
                rn_executor_reject_queued(&p->base, failed, "no thread could be started for it");
}

static int worker_start(pool *p)
{
        worker *k = rn_alloc(sizeof *k);
        int rc = -ENOMEM;
        if (k && (k->task = rn_task_new())) {
                k->pool = p;
                rn_executor_ref(&p->base);
                rc = rn_thread_start(worker_main, k, p->base.name, p->opts.stack_size);
                if (rc == 0)
                        return 0;
                rn_task_free(k->task);
                rn_executor_unref(&p->base);
        }
        rn_free(k);
        return rc;
}

void rn_workers_start(pool *p, size_t n)
{
        while (n--) {
                int rc = worker_start(p);
                if (rc < 0)
                        pool_without_thread(p, rc);
        }
}

/* What it ran last leaves the executor's list when the thread takes the lock for its next: one lock for both. */
bool rn_worker_departs(rn_task *self, rein_work *w, bool settled)
{
        worker *k = self->worker;
        if (!k || k->ended != w)
                return false;
        RN_ASSERT(!k->job, "a thread whose job departs has no other one yet");
        k->settled = settled;
        self->woke_somebody = w->future.woke;
        return true;
}

/* The caller gives up its reference, without the lock. NULL: there is none. */
static rein_work *worker_take_ended_locked(worker *k)
{
        rein_work *w = k->ended;
        RN_ASSERT(rn_lock_held(&k->pool->base.lock), "a job leaves the list of its pool under the pool's lock");
        RN_ASSERT(!w || rn_future_is(&w->future, RN_GONE), "a job that leaves the list of its pool is gone");
        k->ended = NULL;
        if (w)
                rn_executor_left_locked(&k->pool->base, w, k->settled, true);
        return w;
}

static void pool_break(pool *p, rn_task *self, int rc)
{
        char text[160], where[RN_ERROR_WHERE];
        rein_error *by = rn_trail_take(self, rc);
        snprintf(where, sizeof where, "init of '%s'", p->base.name);
        if (!by)
                by = rn_error_make(NULL, rc, where, NULL, NULL, "init returned %d", rc);
        snprintf(text, sizeof text, "'%s' is broken: its init failed in one of its threads", p->base.name);
        rn_executor_break(&p->base, by, text);
        rn_pool_lock(p);
        rn_workers_wake_all_locked(p); /* nothing will come for them */
        rn_pool_unlock(p);
}

/* The job ended its thread, or fini did: another takes its place, if there is need. An init that ends it has failed: the
 * next one would as well. */
static void worker_thread_ended(void *arg)
{
        worker *k = arg;
        pool *p = k->pool;
        rn_pool_lock(p); /* its neighbours in the list come and go */
        const bool began = rn_linked(&k->link);
        rn_pool_unlock(p);
        if (!began) {
                rn_error_set(
                        &k->task->now->trail,
                        rn_error_make(NULL, REIN_EBROKEN, p->base.name, NULL, NULL,
                                      "it ended its thread (pthread_exit or pthread_cancel) instead of returning"));
                pool_break(p, k->task, REIN_EBROKEN);
        }
        rn_pool_lock(p);
        rein_work *ended = worker_take_ended_locked(k);
        if (began)
                rn_list_remove(&k->link);
        p->searching--; /* it was counted when its job ended, or was started */
        p->threads--;
        size_t start = p->base.broken ? 0 : rn_workers_wanted_locked(p);
        rn_executor_changed_locked(&p->base);
        rn_pool_unlock(p);
        if (ended)
                rn_future_unref(&ended->future);
        rn_workers_start(p, start);
        rn_executor_unref(&p->base);
        rn_free(k);
}

/* The next job, claimed and with its permit; NULL: none, or no permit. Lock held. */
static rein_work *worker_next_job(pool *p)
{
        while (p->permits > 0) {
                rein_work *w = rn_queue_pop(p);
                if (!w)
                        break;
                if (rn_work_claim(w)) {
                        rn_permit_take_locked(p, w);
                        return w;
                }
                rn_future_unref(&w->future); /* the run's: it was cancelled, and never the last while that goes on */
        }
        return NULL;
}

static bool task_is_unparked(const void *task)
{
        return rn_peek32(&((const rn_task *)task)->door.word) != 0; /* a hint: the park that follows acquires */
}

/* A thread that submits a job and then waits for it can run the job itself, which is cheaper than waking another CPU. A worker
 * that spins would always win that race, so it waits a moment before it takes the job: in vain when the submitter does not
 * wait. */
static bool worker_leave_to_waiter(worker *k)
{
        /* `lingers` was told before the unpark, and the park has taken that unpark's ring: the door orders the two. */
        if (!rn_peek32(&k->lingers) || !rn_spin_worth(&k->linger, true))
                return false;
        rn_spin_for(LINGER_NS);
        return true;
}

/* Sleep in the idle list. false: idle long enough. Lock held, searching counted on return when true. */
static bool worker_idle(pool *p, worker *k)
{
        const int64_t now = rn_clock(), until = p->opts.idle_ns > RN_NEVER - now ? RN_NEVER : now + p->opts.idle_ns;
        bool left = false;
        RN_ASSERT(!p->queued || p->permits <= 0, "a thread goes idle when there is nothing for it to do");
        RN_ASSERT(!k->job && !k->ended, "a thread that goes idle has let go of its job");
        p->searching--;
        k->woken = false;
        rn_tell32(&k->lingers, 0); /* its own, as long as it is in no list: the lock orders it before the next one's */
        rn_list_push_front(&p->idle, &k->idle);
        if (!p->spins && !k->task->woke_somebody && rn_spin_possible()) {
                p->spins = k;
                rn_pool_unlock(p);
                if (rn_spin_until(&k->task->idle_spin, true, task_is_unparked, k->task)) {
                        rn_park(k->task, until); /* at once: the permit is there */
                        left = worker_leave_to_waiter(k);
                }
                rn_pool_lock(p);
                if (p->spins == k)
                        p->spins = NULL;
        }
        while (!k->woken && rn_clock() < until) {
                rn_pool_unlock(p);
                rn_park(k->task, until);
                rn_pool_lock(p);
        }
        if (left) {
                const bool in_vain = p->queued == 0; /* and to spin for it was in vain */
                rn_spin_told(&k->linger, !in_vain);
                rn_spin_told(&k->task->idle_spin, in_vain);
        }
        if (k->woken)
                return true;
        rn_list_remove(&k->idle);
        p->searching++; /* as every thread that ends */
        return false;
}

static void worker_main(void *arg)
{
        worker *k = arg;
        pool *p = k->pool;
        rn_task *self = k->task;
        rn_task_adopt_surely(self);
        self->worker = k;
        self->thread_ended = worker_thread_ended;
        self->thread_ended_arg = k;
        if (p->opts.stack_size) {
                self->stack_base = rn_stack_base();
                self->stack_size = p->opts.stack_size;
        }
        int rc = p->opts.init ? p->opts.init(p->opts.init_arg) : 0;
        if (rc < 0)
                pool_break(p, self, rc);

        rn_pool_lock(p);
        rn_list_push(&p->workers, &k->link);
        while (rc >= 0) {
                rein_work *ended = worker_take_ended_locked(k), *w = worker_next_job(p);
                if (w) {
                        p->searching--;
                        k->job = w;
                }
                if (w || ended)
                        rn_pool_unlock(p);
                if (ended)
                        rn_future_unref(&ended->future);
                if (w)
                        rn_work_run_claimed(w);
                if (w || ended) {
                        rn_pool_lock(p);
                } else if (p->base.state != RN_OPEN || p->base.broken || !worker_idle(p, k)) {
                        break;
                }
        }
        rn_pool_unlock(p);
        if (rc >= 0 && p->opts.fini)
                p->opts.fini(p->opts.init_arg);
        self->thread_ended = NULL;
        self->worker = NULL;
        rn_pool_lock(p);
        RN_ASSERT(!k->job && !k->ended && !rn_linked(&k->idle), "a thread that ends has no job and is not idle");
        rn_list_remove(&k->link);
        p->searching--;
        p->threads--;
        size_t start = p->base.broken ? 0 : rn_workers_wanted_locked(p); /* a job may have come while fini ran */
        rn_executor_changed_locked(&p->base);
        rn_pool_unlock(p);
        rn_workers_start(p, start);
        rn_free(k);
        rn_executor_unref(&p->base);
}
