/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking that nobody declared. While somebody waits for a permit and none is free, an elastic pool looks every 10 ms at
 * the jobs that have one. One whose thread's CPU time has not moved since the last look is a suspect; that the thread
 * sits in the same system call, with the same arguments, as at that look decides. A spare permit then stands in for it,
 * up to threads_max, until its job ends. Where the kernel does not tell (/proc/self/task/TID/syscall unreadable) nothing
 * is decided. */
#include "pool/pool.h"

static const int64_t every = 10000000, hardly_any_cpu = 1000000;

/* Jobs wait for one, or those who lent theirs; and none is free. */
static bool elastic_permits_wanted(const pool *p)
{
        return !p->permits && (p->queued || !rn_list_empty(&p->returners));
}

static bool elastic_blocks(rein_work *w)
{
        int64_t cpu, call;
        uint64_t digest;
        const rn_task *t = rn_loadptr(&w->runner);
        if (!t || !rn_thread_probe(rn_load32((rn_a32 *)(uintptr_t)&t->thread_id), &cpu, &call, &digest))
                return false;
        bool same = call >= 0 && call == w->seen_call && digest == w->seen_digest && cpu - w->seen_cpu < hardly_any_cpu;
        RN_ASSERT(!same || digest == w->seen_digest,
                  "a job that blocks is in one call, with the same arguments, at both looks");
        w->seen_cpu = cpu;
        w->seen_call = call;
        w->seen_digest = digest;
        return same;
}

static void elastic_look(rn_errand *e, uint32_t tag)
{
        (void)tag;
        pool *p = RN_ITEM(e, pool, watch_errand);
        rn_pool_lock(p);
        RN_ASSERT(p->watching, "one look at a time is under way");
        p->watching = false;
        RN_LIST_EACH(l, &p->base.works) {
                rein_work *w = RN_ITEM(l, rein_work, all);
                if (!elastic_permits_wanted(p) || p->opts.threads + p->spares >= p->opts.threads_max)
                        break;
                if (rn_load32(&w->permit) != RN_HAS_PERMIT || w->has_spare || !elastic_blocks(w))
                        continue;
                RN_ASSERT(rn_get32(&w->state) != RN_WORK_QUEUED, "a spare permit stands in for a job that runs");
                w->has_spare = true;
                p->spares++;
                rn_permit_put_locked(p);
        }
        size_t start = rn_workers_wanted_locked(p);
        rn_pool_unlock(p);
        rn_workers_start(p, start);
        rn_executor_unref(&p->base);
}

static void elastic_tick(rn_timer *t, uint32_t tag)
{
        rn_hand(&RN_ITEM(t, pool, watch_timer)->watch_errand, tag); /* the reference goes along */
}

void rn_elastic_init(pool *p)
{
        p->watch_timer.fire = elastic_tick;
        p->watch_errand.run = elastic_look;
}

const char *rn_elastic_wrong(const pool *p)
{
        return p->opts.elastic && elastic_permits_wanted(p) && !p->watching
                       ? "somebody waits for a permit, and nobody looks who blocks"
                       : NULL;
}

void rn_elastic_watch_locked(pool *p)
{
        RN_ASSERT(rn_lock_held(&p->base.lock), "whether somebody looks is decided under the pool's lock");
        if (!p->opts.elastic || !elastic_permits_wanted(p) || p->watching)
                return;
        p->watching = true;
        rn_executor_ref(&p->base);
        rn_timer_arm(&p->watch_timer, rn_clock() + every, 0);
}
