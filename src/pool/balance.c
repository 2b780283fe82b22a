/* SPDX-License-Identifier: Apache-2.0 */
/* What a pool counts must add up, whenever its lock is free: no permit, no place in the queue, no thread is lost or there
 * twice, and nobody waits for what is there. In builds with checks each change of a pool asks before and after, and a
 * simulation asks after every step. */
#include "pool/pool.h"

/* ---- permits ---- */

static const char *pool_permit_wrong(const rein_work *w)
{
        const uint32_t permit = rn_get32(&w->permit), state = rn_get32(&w->state);
        if (w->has_spare && permit == RN_LOST_PERMIT)
                return "a spare permit stands in for an abandoned job, whose permit is lost";
        if (permit != RN_NO_PERMIT && (state == RN_WORK_NEW || state == RN_WORK_QUEUED))
                return "a job that has not started has a permit";
        return NULL;
}

static const char *pool_works_wrong(const pool *p, size_t *has, size_t *lost, size_t *spares)
{
        size_t n;
        const char *torn = rn_list_wrong(&p->base.works, &n);
        if (torn)
                return torn;
        RN_LIST_EACH(l, &p->base.works) {
                const rein_work *w = RN_ITEM(l, rein_work, all);
                const char *what =
                        w->executor == &p->base ? pool_permit_wrong(w) : "a job of another executor is listed";
                if (what)
                        return what;
                *has += rn_get32(&w->permit) == RN_HAS_PERMIT;
                *lost += rn_get32(&w->permit) == RN_LOST_PERMIT;
                *spares += w->has_spare;
        }
        return NULL;
}

static const char *pool_permits_wrong(const pool *p)
{
        size_t has = 0, lost = 0, spares = 0;
        const char *what = pool_works_wrong(p, &has, &lost, &spares);
        if (what)
                return what;
        if (p->permits < 0 || p->spares < 0 || p->replaced < 0 || p->lost < 0)
                return "a count of permits fell below none";
        const size_t there = (size_t)p->opts.threads + (size_t)p->spares + (size_t)p->replaced;
        if ((size_t)p->lost != lost || (size_t)p->spares != spares)
                return "its jobs that lost a permit, or block behind a spare one, are not as many as it counts";
        if ((size_t)p->permits + has + lost < there)
                return "a permit was lost: those that are free and those that jobs have are fewer than it has";
        if ((size_t)p->permits + has + lost > there)
                return "a permit is there twice: those that are free and those that jobs have are more than it has";
        if (p->replaced > p->lost)
                return "more lost permits were replaced than are lost";
        if (p->spares && (!p->opts.elastic || p->opts.threads + p->spares > p->opts.threads_max))
                return "it has more spare permits than threads_max allows";
        if (p->exhausted != (p->lost - p->replaced >= p->opts.threads))
                return "it says of itself wrongly that every thread is held by an abandoned job, or that none is free";
        return NULL;
}

static const char *pool_returners_wrong(const pool *p)
{
        size_t n;
        const char *torn = rn_list_wrong(&p->returners, &n);
        if (torn)
                return torn;
        if (p->permits && !rn_list_empty(&p->returners))
                return "a job waits to have its permit back, and one is free";
        RN_LIST_EACH(l, &p->returners) {
                const returner *r = RN_ITEM(l, returner, link);
                if (r->granted || rn_get32(&r->mine->permit) != RN_NO_PERMIT)
                        return "a job that has its permit still waits to have it back";
        }
        return NULL;
}

/* ---- the queue ---- */

static bool work_may_be_queued(const rein_work *w)
{
        const uint32_t state = rn_get32(&w->state);
        return state == RN_WORK_QUEUED || state == RN_WORK_NEVER || (w->posted && w->unlisted);
}

static const char *pool_queued_wrong(const pool *p, const rn_link *list, bool plain, size_t *queued)
{
        const rein_work *before = NULL;
        size_t n;
        const char *torn = rn_list_wrong(list, &n);
        if (torn)
                return torn;
        RN_LIST_EACH(l, list) {
                const rein_work *w = RN_ITEM(l, rein_work, by_age);
                if (w->executor != &p->base || !work_may_be_queued(w))
                        return "a job is in its queue that is another's, or runs, or has ended";
                if (plain != (w->priority == 0) || (!plain && !w->by_priority.in))
                        return "a job is in the part of its queue that is not for its priority";
                if ((before && !rn_queue_older(before, w)) || (int64_t)(p->sequence - w->sequence) <= 0)
                        return "its queue is not in the order of the submits";
                before = w;
                ++*queued;
        }
        return NULL;
}

static const char *pool_queue_wrong(const pool *p)
{
        size_t ranked = 0, plain = 0;
        const char *what = pool_queued_wrong(p, &p->ranked_by_age, false, &ranked);
        if (!what)
                what = pool_queued_wrong(p, &p->plain, true, &plain);
        if (!what)
                what = pool_queued_wrong(p, &p->inside, true, &plain);
        if (what)
                return what;
        if (ranked != p->ranked.count || (ranked == 0) != (p->ranked.root == NULL))
                return "its queue and its list by age are not of one length";
        RN_LIST_EACH(l, &p->ranked_by_age)
                if (p->ranked.before(&RN_ITEM(l, rein_work, by_age)->by_priority, p->ranked.root))
                        return "the first of its queue is not the one of the highest priority";
        return ranked + plain == p->queued ? NULL : "its queue is not as long as it counts";
}

static const char *pool_room_wrong(const pool *p)
{
        size_t n;
        const char *torn = rn_list_wrong(&p->room, &n);
        if (torn)
                return torn;
        RN_LIST_EACH(l, &p->room)
                if (!RN_ITEM(l, entrant, link)->told && rn_pool_room_is_told(p))
                        return "a submitter was not told that there is room, or never will be";
        return NULL;
}

/* ---- threads ---- */

static const char *pool_idle_wrong(const pool *p, size_t *idle)
{
        bool spins = p->spins == NULL;
        size_t n;
        const char *torn = rn_list_wrong(&p->idle, &n);
        if (torn)
                return torn;
        RN_LIST_EACH(l, &p->idle) {
                const worker *k = RN_ITEM(l, worker, idle);
                if (k->job || k->woken || !rn_linked(&k->link))
                        return "a thread is among the idle ones, and is awake";
                spins |= k == p->spins;
                ++*idle;
        }
        return spins ? NULL : "the thread that spins is not among the idle ones";
}

static const char *worker_wrong(const pool *p, const worker *k)
{
        if (k->pool != p)
                return "a thread of another pool is among its threads";
        if (k->job && k->ended)
                return "a thread runs a job, and the one before has not left";
        if (k->job && (k->job->executor != &p->base || rn_get32(&k->job->state) == RN_WORK_QUEUED))
                return "a thread runs a job that is another's, or is queued";
        if (k->ended && rn_get32(&k->ended->permit) != RN_NO_PERMIT)
                return "a job has ended and still has its permit";
        return NULL;
}

static const char *pool_threads_wrong(const pool *p)
{
        size_t idle = 0, busy = 0, there = 0, n;
        const char *what = rn_list_wrong(&p->workers, &n);
        if (!what)
                what = pool_idle_wrong(p, &idle);
        if (what)
                return what;
        RN_LIST_EACH(l, &p->workers) {
                const worker *k = RN_ITEM(l, worker, link);
                what = worker_wrong(p, k);
                if (what)
                        return what;
                busy += k->job != NULL;
                there++;
        }
        if (there > p->threads || p->threads != p->searching + idle + busy)
                return "a thread is lost, or counted twice";
        const size_t wanted = p->queued < (size_t)p->permits ? p->queued : (size_t)p->permits;
        if (!p->base.broken && p->searching + p->unstarted < wanted)
                return "a job and a permit are there, and no thread is on its way to them";
        return NULL;
}

const char *rn_pool_wrong(const rein_executor *x)
{
        const pool *p = (const pool *)(const void *)x;
        static const char *(*const parts[])(const pool *) = {pool_permits_wrong, pool_returners_wrong,
                                                             pool_queue_wrong,   pool_room_wrong,
                                                             pool_threads_wrong, rn_elastic_wrong};
        const char *what = NULL;
        for (size_t i = 0; i < sizeof parts / sizeof *parts && !what; i++)
                what = parts[i](p);
        return what;
}
