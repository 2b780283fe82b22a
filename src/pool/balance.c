/* SPDX-License-Identifier: Apache-2.0 */
/* What a pool counts must add up, whenever its lock is free: no permit, no place in the queue, no thread is lost or there
 * twice. A simulation asks after every step, and every pool once more when it goes. */
#include "pool/pool.h"

static const char *permits_wrong(const pool *p)
{
        size_t has = 0, lost = 0, spares = 0;
        RN_LIST_EACH(l, &p->base.works) {
                const rein_work *w = RN_ITEM(l, rein_work, all);
                has += rn_get32(&w->permit) == RN_HAS_PERMIT;
                lost += rn_get32(&w->permit) == RN_LOST_PERMIT;
                spares += w->has_spare;
        }
        if (p->permits < 0 || p->spares < 0 || p->replaced < 0)
                return "a count of permits fell below none";
        const size_t there = (size_t)p->opts.threads + (size_t)p->spares + (size_t)p->replaced;
        if ((size_t)p->lost != lost || (size_t)p->spares != spares)
                return "its jobs that lost a permit, or block behind a spare one, are not as many as it counts";
        if ((size_t)p->permits + has + lost < there)
                return "a permit was lost: those that are free and those that jobs have are fewer than it has";
        if ((size_t)p->permits + has + lost > there)
                return "a permit is there twice: those that are free and those that jobs have are more than it has";
        return NULL;
}

static const char *queue_wrong(const pool *p)
{
        size_t queued = 0;
        RN_LIST_EACH(l, &p->ranked_by_age) {
                if (!RN_ITEM(l, rein_work, by_age)->by_priority.in)
                        return "a job in its list by age is not in its queue";
                queued++;
        }
        if (queued != p->ranked.count)
                return "its queue and its list by age are not of one length";
        RN_LIST_EACH(l, &p->plain)
                queued++;
        return queued == p->queued ? NULL : "its queue is not as long as it counts";
}

static const char *threads_wrong(const pool *p)
{
        size_t idle = 0, busy = 0;
        RN_LIST_EACH(l, &p->idle)
                idle++;
        RN_LIST_EACH(l, &p->workers)
                busy += RN_ITEM(l, worker, link)->job != NULL;
        return p->threads == p->searching + idle + busy ? NULL : "a thread is lost, or counted twice";
}

const char *rn_pool_wrong(const rein_executor *x)
{
        const pool *p = (const pool *)(const void *)x;
        const char *what = permits_wrong(p);
        if (!what)
                what = queue_wrong(p);
        return what ? what : threads_wrong(p);
}
