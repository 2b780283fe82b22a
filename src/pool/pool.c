/* SPDX-License-Identifier: Apache-2.0 */
#include "pool/pool.h"

#include <errno.h>

#include "core/opts.h"
#include "core/ranges.h"

static int pool_take(rein_executor *x, rein_work *w, const char **what)
{
        int rc = rn_queue_enter(rn_pool_of(x), w, what);
        return rc < 0 ? rc : 0;
}

static void pool_post(rein_executor *x, rein_work *w)
{
        pool *p = rn_pool_of(x);
        rn_pool_lock(p);
        bool mine = rn_load32(&w->state) == RN_WORK_QUEUED; /* else a stop gave it to the hand meanwhile */
        bool rescue = mine && p->exhausted;
        if (mine && !rescue)
                rn_queue_push(p, NULL, w); /* in the order of the registration */
        size_t start = rn_workers_wanted_locked(p);
        rn_pool_unlock(p);
        if (rescue)
                rn_executor_rescue(x, w);
        else if (!mine)
                rn_future_unref(&w->future);
        rn_workers_start(p, start);
}

static void pool_dequeue(rein_executor *x, rein_work *w)
{
        pool *p = rn_pool_of(x);
        rn_pool_lock(p);
        bool here = rn_queue_has(w);
        if (here)
                rn_queue_remove(p, w);
        rn_pool_unlock(p);
        rn_task *arriving = rn_loadptr(&w->arriving);
        if (here)
                rn_future_unref(&w->future);
        else if (arriving && arriving != rn_self_if())
                rn_unpark(arriving); /* it may wait for room, for a job that will never run */
}

static void pool_stopping(rein_executor *x, rein_stop how)
{
        (void)how;
        pool *p = rn_pool_of(x);
        rn_pool_lock(p);
        rn_workers_wake_all_locked(p);
        rn_pool_tell_room(p);
        rn_pool_unlock(p);
}

/* Its code has ended, and it is about to settle: the permit is free, and its thread counts as searching from now on. */
static void pool_ending(rein_executor *x, rein_work *w, rn_task *self)
{
        pool *p = rn_pool_of(x);
        rn_pool_lock(p);
        rn_permit_end_job_locked(p, w);
        if (self && self->worker && self->worker->job == w) {
                RN_ASSERT(!self->worker->ended, "what a thread ran before has left by the time its next job ends");
                self->worker->job = NULL;
                self->worker->ended = w;
                p->searching++;
        }
        size_t start = rn_workers_wanted_locked(p);
        rn_pool_unlock(p);
        rn_workers_start(p, start);
}

static int pool_restart(rein_executor *x)
{
        (void)x;
        return 0;
}

static size_t pool_threads(rein_executor *x)
{
        pool *p = rn_pool_of(x);
        rn_pool_lock(p);
        size_t n = p->threads;
        rn_pool_unlock(p);
        return n;
}

static void pool_destroy(rein_executor *x)
{
        const rn_machine *m = rn_virtual();
        const pool *p = rn_pool_of(x);
        if (m && (p->permits != p->opts.threads || p->queued || p->threads))
                m->wrong(x->name, "it goes, and a permit, a thread or a job in its queue is missing or left");
        RN_ASSERT(p->permits == p->opts.threads && !p->queued && !p->threads,
                  "a pool that goes has all of its permits, no thread and no job");
        RN_ASSERT(rn_list_empty(&p->room) && rn_list_empty(&p->returners) && !p->watching,
                  "nobody waits for a pool that goes");
        rn_retire(x);
}

static const rn_executor_kind pool_kind = {
        .put = rn_queue_put,
        .accept = pool_take,
        .post = pool_post,
        .dequeue = pool_dequeue,
        .stopping = pool_stopping,
        .ending = pool_ending,
        .departs = rn_worker_departs,
        .abandoned = rn_pool_abandoned,
        .left = rn_workers_left,
        .restart = pool_restart,
        .threads = pool_threads,
        .destroy = pool_destroy,
        .claim = rn_pool_claim,
        .lend = rn_pool_lend,
        .reclaim = rn_pool_reclaim,
        .could_run = rn_pool_could_run,
        .has_room = rn_pool_has_room,
        .wrong = rn_pool_wrong,
};

static bool pool_threads_out_of_range(int n)
{
        return n < 0 || n > RN_MOST_THREADS;
}

static int pool_take_opts(rein_pool_opts *o, const rein_pool_opts *given, const char **what)
{
        *o = (rein_pool_opts){.size = sizeof *o};
        int rc = given ? rn_opts_take(o, sizeof *o, given, given->size, what) : 0;
        if (rc < 0)
                return rc;
        *what = NULL;
        if (pool_threads_out_of_range(o->threads) || pool_threads_out_of_range(o->threads_max) ||
            pool_threads_out_of_range(o->replace_abandoned))
                *what = "threads, threads_max and replace_abandoned must be " RN_THREADS_RANGE "; 0 is the default";
        else if (o->queue_max > RN_MOST_QUEUE)
                *what = "queue_max must be " RN_QUEUE_RANGE "; 0 is the default, 65536";
        else if (rn_stack_out_of_range(o->stack_size))
                *what = "stack_size must be " RN_STACK_RANGE "; 0 is the default, the system's";
        else if (o->idle_ns < 0 || o->grace_ns < 0)
                *what = "idle_ns and grace_ns must be " RN_SPAN_RANGE "; 0 is the default";
        else if ((unsigned)o->full > REIN_FULL_DROP_OLDEST)
                *what = "full must be one of the four policies: REIN_FULL_WAIT, _REJECT, _CALLER or _DROP_OLDEST";
        if (*what)
                return -EINVAL;
        if (!o->threads) {
                int n = rn_cpus_granted() + 4;
                o->threads = n < 32 ? n : 32;
        }
        if (!o->threads_max)
                o->threads_max = o->threads > RN_MOST_THREADS / 4 ? RN_MOST_THREADS : 4 * o->threads;
        if (!o->queue_max)
                o->queue_max = 65536;
        if (!o->idle_ns)
                o->idle_ns = INT64_C(10000000000);
        if (!o->grace_ns)
                o->grace_ns = INT64_C(2000000000);
        if (o->threads_max < o->threads) {
                *what = "threads_max must be at least threads; 0 is the default, 4 times as many";
                return -EINVAL;
        }
        return 0;
}

rein_executor *rein_pool_new_at(const char *place, const rein_pool_opts *given)
{
        RN_CALL();
        rein_pool_opts opts;
        const char *what = NULL;
        int rc = pool_take_opts(&opts, given, &what);
        pool *p = rc == 0 ? rn_alloc(sizeof *p) : NULL;
        if (rc == 0) {
                what = "no memory, or rein's clock thread could not be started";
                rc = p ? rn_executor_init(&p->base, &pool_kind, place, opts.name, "pool", opts.grace_ns) : -ENOMEM;
        }
        if (rc < 0 || !p) {
                rn_free(p);
                rn_fail(rc, "rein_pool_new", "%s", what);
                return NULL;
        }
        p->opts = opts;
        p->opts.name = p->base.name;
        p->permits = opts.threads;
        rn_queue_init(p);
        rn_list_init(&p->workers);
        rn_list_init(&p->idle);
        rn_list_init(&p->returners);
        rn_elastic_init(p);
        rn_executor_publish(&p->base);
        return &p->base;
}

int rein_cpus(void)
{
        return rn_cpus_granted();
}
