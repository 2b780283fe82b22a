/* SPDX-License-Identifier: Apache-2.0 */
#include "core/share.h"

#include <string.h>

#include "core/executor.h"

rein_work *rn_share_work(const char *place, rein_executor *x, rein_fn fn, void *arg, const rein_job *job,
                         rn_scope *parent)
{
        rein_job plain = {.size = sizeof plain, .name = job->name, .background = job->background};
        rein_work *mirror = rn_work_new(rn_self_if(), place, x, fn, NULL, &plain, parent);
        rein_work *run = mirror ? rn_work_new(rn_self_if(), place, x, fn, arg, job, NULL) : NULL;
        if (run) {
                run->in_flight = mirror->mirror = (rn_link){0};
                rn_list_init(&run->mirrors);
                mirror->shared = run;
                mirror->unlisted = true;
                rn_future_ref(&run->future);
        } else if (mirror) {
                rn_work_discard(mirror);
        }
        return run ? mirror : NULL;
}

static rein_work *in_flight(const rein_executor *x, const rein_work *like)
{
        RN_LIST_EACH(l, &x->shares) {
                rein_work *w = RN_ITEM(l, rein_work, in_flight);
                if (w->fn == like->fn && strcmp(w->share, like->share) == 0)
                        return w;
        }
        return NULL;
}

void rn_share_or_accept(rn_task *self, rein_executor *x, rein_work *w)
{
        rein_work *run = w->shared;
        if (!run) {
                rn_executor_accept(self, x, w);
                return;
        }
        RN_ASSERT(rn_get32(&w->state) == RN_WORK_NEW && rn_get32(&run->state) == RN_WORK_NEW,
                  "a mirror joins a run once");
        rn_future_ref(&w->future);
        rn_lock_take(&x->lock);
        rein_work *joined = in_flight(x, run);
        if (joined) {
                w->shared = joined;
                rn_future_ref(&joined->future);
        } else {
                rn_list_push(&x->shares, &run->in_flight);
        }
        rn_list_push(&w->shared->mirrors, &w->mirror);
        rn_store32(&w->state, RN_WORK_QUEUED);
        rn_lock_give(&x->lock);
        if (joined) {
                rn_work_discard(run);
                rn_future_unref(&run->future);
        } else {
                rn_executor_accept(self, x, run);
        }
        if (rn_load64(&w->root->cancel_at) != RN_NEVER)
                rn_work_rearm(w);
        rn_future_unref(&w->future);
}

void rn_share_detach(rein_work *mirror)
{
        rein_executor *x = mirror->executor;
        rein_work *run = mirror->shared;
        RN_ASSERT(rn_get32(&mirror->state) == RN_WORK_NEVER, "a mirror that leaves its run was forbidden");
        rn_lock_take(&x->lock);
        if (rn_linked(&mirror->mirror))
                rn_list_remove(&mirror->mirror);
        bool last = rn_list_empty(&run->mirrors) && rn_linked(&run->in_flight);
        if (last)
                rn_list_remove(&run->in_flight);
        rn_lock_give(&x->lock);
        if (last)
                rein_cancel_at("share.c", &run->future, "nobody waits for this shared job any more");
        rn_future_unref(&mirror->future);
}

void rn_share_finish(rein_work *run)
{
        if (!run->share)
                return;
        rein_executor *x = run->executor;
        RN_ASSERT(rn_get32(&run->future.ends) & RN_SETTLED, "a run tells its mirrors when it has settled");
        const rn_outcome *o = &run->future.outcome;
        rn_future_seen(&run->future); /* its mirrors answer for it */
        for (;;) {
                rein_work *mirror = NULL;
                rn_lock_take(&x->lock);
                if (rn_linked(&run->in_flight))
                        rn_list_remove(&run->in_flight);
                while (!mirror && !rn_list_empty(&run->mirrors)) {
                        rein_work *m = RN_ITEM(rn_list_pop(&run->mirrors), rein_work, mirror);
                        uint32_t was = RN_WORK_QUEUED;
                        if (rn_cas32(&m->state, &was, RN_WORK_ENDED)) /* else it was cancelled, and leaves by itself */
                                mirror = m;
                }
                rn_lock_give(&x->lock);
                if (!mirror)
                        return;
                rn_work_end_mirror(mirror, &(rn_outcome){.code = o->code,
                                                         .value = o->value,
                                                         .size = o->size,
                                                         .release = rn_value_is_shared,
                                                         .error = rn_error_ref(o->error)});
        }
}

#if RN_CHECKING

const char *rn_share_wrong(const rein_work *run)
{
        size_t n, seen = 0;
        const char *what = rn_list_wrong(&run->mirrors, &n);
        if (what)
                return what;
        if (!run->share)
                return "a job that nobody may share is in flight for others";
        if (!n)
                return "nobody waits for a shared run that is in flight";
        RN_LIST_EACH(l, &run->mirrors) {
                const rein_work *m = RN_ITEM(l, rein_work, mirror);
                if (m->shared != run || m->executor != run->executor)
                        return "a job waits for a shared run that is not its own";
                if (!rn_get32(&m->future.refs))
                        return "a job that was given back waits for a shared run";
                if (++seen > RN_LIST_ASKED)
                        break;
        }
        return NULL;
}

#endif
