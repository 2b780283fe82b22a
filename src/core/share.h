/* SPDX-License-Identifier: Apache-2.0 */
/* Single-flight: jobs with one (executor, fn, share) in flight are one *run* with one outcome. Each submit gets a
 * *mirror*: a work that never runs, QUEUED until its run settles, and then settled with the same value (borrowed from
 * the run, which it keeps alive) or error. The run has a root scope of its own. A mirror's cancel detaches that mirror;
 * the last one's cancels the run. The list of mirrors and the executor's list of runs are under the executor's lock.
 *
 * A run with a span (share_ns) that ends well is *remembered* as it leaves the runs in flight, under one lock, so that a
 * submit finds it in one list or in the other. A mirror that finds it there has ended before anybody can cancel it. Only an
 * executor that is OPEN remembers: whoever makes it harder lets go of all of them, and none comes afterwards. */
#ifndef RN_CORE_SHARE_H
#define RN_CORE_SHARE_H

#include "core/work.h"

/* What a run or a mirror has for this, as long as the work lives. */
typedef struct rn_share {
        rein_work *work;                        /* whose it is */
        rein_work *run;                         /* of a mirror: its run, a reference; NULL: it is a run */
        rn_link mirror;                         /* of a mirror: in its run's list */
        rn_link mirrors, in_flight, remembered; /* of a run */
        int64_t share_ns;                       /* of a run: how long its outcome may be given to others */
        int64_t settled_at;                     /* while it is remembered: since when */
        char key[];                             /* of a run */
} rn_share;

rn_share *rn_share_new(const char *key, int64_t share_ns); /* key NULL: a mirror's. NULL: no memory */
void rn_share_free(rn_share *s);                           /* takes NULL; lets its run go */

static inline rein_work *rn_share_run(const rein_work *w) /* NULL: it is no mirror */
{
        return w->share ? w->share->run : NULL;
}

/* A mirror, and a run for it, both NEW. NULL: no memory, nothing happened. Else arg is taken over. */
rein_work *rn_share_work(const char *place, rein_executor *x, rein_fn fn, void *arg, const rein_job *job,
                         rn_scope *parent);
/* Hand w over. A mirror: join it to the run in flight, if there is one (its own is then let go), or else start its own.
 * It may be settled when this returns. self: the running task, or NULL. */
void rn_share_or_accept(rn_task *self, rein_executor *x, rein_work *w);
void rn_share_detach(rein_work *mirror); /* NEVER by now; gives its run's reference back */
void rn_share_finish(rein_work *run);    /* settled; any work may be given */

void rn_share_forget(rein_executor *x); /* x is not OPEN: let go of what is remembered */

const char *rn_share_wrong(const rein_work *run); /* in flight; its executor's lock held, or alone */

#endif
