/* SPDX-License-Identifier: Apache-2.0 */
#include "core/next.h"

#include <errno.h>

#include "core/executor.h"

void rn_next_ref(rein_next *n)
{
        rn_future_ref(&n->work.future);
}

void rn_next_unref(rein_next *n)
{
        rn_future_unref(&n->work.future);
}

void rn_next_chain(rn_link *nexts, rn_link *ready)
{
        RN_LIST_EACH(l, nexts)
                rn_list_push(ready, &RN_ITEM(l, rein_next, link)->ready);
}

void rn_next_post_all(rn_link *ready)
{
        for (rn_link *l; (l = rn_list_pop(ready));)
                rn_executor_post(&RN_ITEM(l, rein_next, ready)->work);
}

static int next_run(void *arg)
{
        rein_next *n = arg;
        RN_ASSERT(rn_get32(&n->of->state) & RN_SETTLED, "a continuation runs when its future has settled");
        return n->fn(n->of, n->arg);
}

/* Nothing of the continuation can touch f any more. */
static void next_ended(void *arg)
{
        rein_next *n = arg;
        RN_ASSERT(rn_get32(&n->of->holders) > 0, "a continuation holds its future until it ran");
        rein_drop(n->of);
}

rein_next *rein_then_at(const char *place, rein_future *f, rein_executor *x, int (*fn)(rein_future *, void *),
                        void *arg)
{
        RN_CALL();
        RN_ASKS_ONCE(future, f); /* the continuation may run in here, and let the last of f go */
        if (!f || !x || !fn) {
                rn_fail(-EINVAL, "rein_then", "a future, an executor and a function are needed");
                return NULL;
        }
        if (!rn_future_ours(f) || !rn_executor_ours(x)) {
                if (!rn_future_ours(f))
                        rn_future_refused(f, "rein_then");
                else
                        rn_executor_refused(x, "rein_then");
                return NULL;
        }
        if (!f->process) { /* it stands for a job there was no memory for; it is for ever, and must not keep anything */
                rn_fail(f->outcome.code, "rein_then", "%s", f->outcome.error->text);
                return NULL;
        }
        rein_next *n = rn_alloc(sizeof *n);
        rein_job job = {.size = sizeof job, .name = "continuation", .release = next_ended};
        if (!n || rn_work_init(&n->work, rn_self_if(), place, x, next_run, n, &job, NULL) < 0) {
                rn_free(n);
                rn_fail(-ENOMEM, "rein_then", "no memory for a continuation");
                return NULL;
        }
        n->of = rein_ref(f);
        n->fn = fn;
        n->arg = arg;
        rn_lock_take(&f->lock);
        bool settled = rn_load32(&f->state) & RN_SETTLED;
        if (settled) {
                rn_list_push(&f->spent, &n->link);
                rn_next_ref(n);
        } else {
                rn_list_push(&f->nexts, &n->link);
        }
        rn_lock_give(&f->lock);
        if (settled)
                rn_executor_post(&n->work);
        return n;
}

int rein_next_remove(rein_next *n)
{
        RN_CALL();
        RN_TOLD_USED(n);
        if (!n)
                return rn_fail(-EINVAL, "rein_next_remove", "no continuation");
        if (!rn_future_ours(&n->work.future)) /* it goes with its future, and when it is removed */
                return rn_handle_refused(n->work.future.process, "rein_next_remove",
                                         (rn_handle_words){"the continuation", "removed, or its future dropped,"},
                                         n->work.future.place);
        rein_future *f = n->of;
        if (!rn_future_ours(f))
                return rn_future_refused(f, "rein_next_remove");
        RN_ASKS_ONCE(future, f);
        rn_lock_take(&f->lock);
        bool pending = !(rn_load32(&f->state) & RN_SETTLED);
        if (pending)
                rn_list_remove(&n->link);
        rn_lock_give(&f->lock);
        if (!pending)
                return REIN_EALREADY;
        rn_work_discard(&n->work);
        return 0;
}
