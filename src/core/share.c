/* SPDX-License-Identifier: Apache-2.0 */
#include "core/share.h"

#include <string.h>

#include "core/executor.h"

rn_share *rn_share_new(const char *key, int64_t share_ns)
{
        const size_t n = key ? strlen(key) + 1 : 0;
        rn_share *s = rn_alloc(sizeof *s + n);
        if (!s)
                return NULL;
        if (key)
                memcpy(s->key, key, n);
        s->share_ns = share_ns;
        rn_list_init(&s->mirrors);
        return s;
}

void rn_share_free(rn_share *s)
{
        if (s && s->run)
                rn_future_unref(&s->run->future);
        rn_free(s);
}

rein_work *rn_share_work(const char *place, rein_executor *x, rein_fn fn, void *arg, const rein_job *job,
                         rn_scope *parent)
{
        rein_job plain = {.size = sizeof plain, .name = job->name, .background = job->background};
        rn_task *self = rn_self_if();
        rein_work *mirror = rn_work_new(self, place, x, fn, NULL, &plain, parent);
        rn_share *share = mirror ? rn_share_new(NULL, 0) : NULL;
        rein_work *run = share ? rn_work_new(self, place, x, fn, arg, job, NULL) : NULL;
        if (run) {
                run->share->work = run;
                share->work = mirror;
                share->run = run;
                mirror->share = share;
                mirror->unlisted = true;
                rn_future_ref(&run->future);
        } else if (mirror) {
                rn_share_free(share);
                rn_work_discard(mirror);
        }
        return run ? mirror : NULL;
}

static bool share_same(const rein_work *a, const rein_work *b)
{
        return a->fn == b->fn && strcmp(a->share->key, b->share->key) == 0;
}

static rein_work *share_in_flight(const rein_executor *x, const rein_work *like)
{
        RN_LIST_EACH(l, &x->shares) {
                rein_work *w = RN_ITEM(l, rn_share, in_flight)->work;
                if (share_same(w, like))
                        return w;
        }
        return NULL;
}

/* ---- outcomes that are remembered ---- */

enum { MOST_REMEMBERED = 256 };

/* What is let go of goes to `gone`, with its reference. Lock held. */
static void share_forget_locked(rein_executor *x, rein_work *run, rn_link *gone)
{
        RN_ASSERT(x->remembered_count > 0, "what is forgotten was counted");
        rn_list_remove(&run->share->remembered);
        x->remembered_count--;
        rn_list_push(gone, &run->share->remembered);
}

/* User code releases their values: no lock is held. */
static void share_let_go(rn_link *gone)
{
        for (rn_link *l; (l = rn_list_pop(gone));)
                rn_future_unref(&RN_ITEM(l, rn_share, remembered)->work->future);
}

/* A run whose outcome may be given to one like this now. What is too old for anybody is forgotten. Lock held. */
static rein_work *share_remembered(rein_executor *x, const rein_work *like, rn_link *gone)
{
        rein_work *found = NULL;
        rn_link *next;
        const int64_t now = rn_list_empty(&x->remembered) ? 0 : rn_clock();
        for (rn_link *l = x->remembered.next; l != &x->remembered; l = next) {
                rein_work *run = RN_ITEM(l, rn_share, remembered)->work;
                const int64_t age = now - run->share->settled_at;
                next = l->next;
                if (age >= run->share->share_ns)
                        share_forget_locked(x, run, gone);
                else if (age < like->share->share_ns && share_same(run, like))
                        found = run;
        }
        return found;
}

/* As it leaves the runs in flight. Lock held. */
static void share_remember_locked(rein_executor *x, rein_work *run, rn_link *gone)
{
        if (run->share->share_ns <= 0 || run->future.outcome.code < 0 || x->state != RN_OPEN || x->broken)
                return;
        rn_link *next;
        for (rn_link *l = x->remembered.next; l != &x->remembered; l = next) {
                next = l->next;
                if (share_same(RN_ITEM(l, rn_share, remembered)->work, run)) /* this one is newer */
                        share_forget_locked(x, RN_ITEM(l, rn_share, remembered)->work, gone);
        }
        if (x->remembered_count == MOST_REMEMBERED)
                share_forget_locked(x, RN_ITEM(x->remembered.next, rn_share, remembered)->work, gone);
        run->share->settled_at = rn_clock();
        rn_future_ref(&run->future);
        rn_list_push(&x->remembered, &run->share->remembered);
        x->remembered_count++;
}

void rn_share_forget(rein_executor *x)
{
        rn_link gone;
        rn_list_init(&gone);
        rn_lock_take(&x->lock);
        while (!rn_list_empty(&x->remembered))
                share_forget_locked(x, RN_ITEM(x->remembered.next, rn_share, remembered)->work, &gone);
        rn_lock_give(&x->lock);
        share_let_go(&gone);
}

/* ---- mirrors ---- */

/* ENDED, and it holds its run, which has settled. */
static void mirror_end_as_run(rein_work *mirror)
{
        const rn_outcome *o = &mirror->share->run->future.outcome;
        rn_work_end_mirror(mirror, &(rn_outcome){.code = o->code,
                                                 .value = o->value,
                                                 .size = o->size,
                                                 .release = rn_value_is_shared,
                                                 .error = rn_error_ref(o->error)});
}

/* It was cancelled before it came: no run is started for it. A cancel that came while it was NEW has left it alone. */
static void mirror_never_came(rein_work *w, rein_work *run)
{
        char reason[RN_REASON_TEXT] = "";
        rn_scope *root = rn_scope_find_locked(w->root, w->root_generation);
        if (root) {
                rn_scope_reason_locked(root, reason, sizeof reason);
                rn_scope_unlock(root);
        }
        rn_store32(&w->state, RN_WORK_NEVER);
        rn_work_discard(run); /* but for the reference that w has */
        rn_work_never(w, REIN_ECANCELED, reason);
}

void rn_share_or_accept(rn_task *self, rein_executor *x, rein_work *w)
{
        rein_work *run = rn_share_run(w);
        if (!run) {
                rn_executor_accept(self, x, w);
                return;
        }
        RN_ASSERT(rn_get32(&w->state) == RN_WORK_NEW && rn_get32(&run->state) == RN_WORK_NEW,
                  "a mirror joins a run once");
        const int64_t cancel_at = rn_load64(&w->root->cancel_at);
        if (cancel_at != RN_NEVER && cancel_at <= rn_clock()) {
                mirror_never_came(w, run);
                return;
        }
        rn_link gone;
        rn_list_init(&gone);
        rn_future_ref(&w->future);
        rn_lock_take(&x->lock);
        const bool may = run->share->share_ns && x->state == RN_OPEN && !x->broken;
        rein_work *known = may ? share_remembered(x, run, &gone) : NULL,
                  *joined = known ? NULL : share_in_flight(x, run);
        if (known) {
                w->share->run = known;
                rn_future_ref(&known->future);
                rn_store32(&w->state, RN_WORK_ENDED);
                rn_lock_give(&x->lock);
                share_let_go(&gone);
                rn_work_discard(run);
                rn_future_unref(&run->future);
                mirror_end_as_run(w);
                rn_future_unref(&w->future);
                return;
        }
        if (joined) {
                w->share->run = joined;
                rn_future_ref(&joined->future);
        } else {
                rn_list_push(&x->shares, &run->share->in_flight);
        }
        rn_list_push(&w->share->run->share->mirrors, &w->share->mirror);
        rn_told_release(&w->state);
        rn_store32(&w->state, RN_WORK_QUEUED);
        rn_lock_give(&x->lock);
        share_let_go(&gone);
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
        rein_work *run = mirror->share->run;
        RN_ASSERT(rn_get32(&mirror->state) == RN_WORK_NEVER, "a mirror that leaves its run was forbidden");
        rn_lock_take(&x->lock);
        if (rn_linked(&mirror->share->mirror))
                rn_list_remove(&mirror->share->mirror);
        bool last = rn_list_empty(&run->share->mirrors) && rn_linked(&run->share->in_flight);
        if (last)
                rn_list_remove(&run->share->in_flight);
        rn_lock_give(&x->lock);
        if (last)
                rein_cancel_at("share.c", &run->future, "nobody waits for this shared job any more");
        rn_future_unref(&mirror->future);
}

void rn_share_finish(rein_work *run)
{
        if (!run->share || run->share->run)
                return;
        rein_executor *x = run->executor;
        RN_ASSERT(rn_get32(&run->future.state) & RN_SETTLED, "a run tells its mirrors when it has settled");
        rn_link gone;
        rn_list_init(&gone);
        rn_future_seen(&run->future); /* its mirrors answer for it */
        for (;;) {
                rein_work *mirror = NULL;
                rn_lock_take(&x->lock);
                if (rn_linked(&run->share->in_flight)) {
                        rn_list_remove(&run->share->in_flight);
                        share_remember_locked(x, run, &gone);
                }
                while (!mirror && !rn_list_empty(&run->share->mirrors)) {
                        rein_work *m = RN_ITEM(rn_list_pop(&run->share->mirrors), rn_share, mirror)->work;
                        uint32_t was = RN_WORK_QUEUED;
                        if (rn_cas32(&m->state, &was, RN_WORK_ENDED)) /* else it was cancelled, and leaves by itself */
                                mirror = m;
                }
                rn_lock_give(&x->lock);
                share_let_go(&gone);
                if (!mirror)
                        return;
                mirror_end_as_run(mirror);
        }
}

#if RN_CHECKING

const char *rn_share_wrong(const rein_work *run)
{
        size_t n, seen = 0;
        if (!run->share || run->share->work != run || run->share->run)
                return "a job that nobody may share is in flight for others";
        const char *what = rn_list_wrong(&run->share->mirrors, &n);
        if (what)
                return what;
        if (!n)
                return "nobody waits for a shared run that is in flight";
        RN_LIST_EACH(l, &run->share->mirrors) {
                const rein_work *m = RN_ITEM(l, rn_share, mirror)->work;
                if (rn_share_run(m) != run || m->executor != run->executor)
                        return "a job waits for a shared run that is not its own";
                if (!rn_get32(&m->future.refs))
                        return "a job that was given back waits for a shared run";
                if (++seen > RN_LIST_ASKED)
                        break;
        }
        return NULL;
}

#endif
