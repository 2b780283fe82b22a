/* SPDX-License-Identifier: Apache-2.0 */
#include "core/executor.h"

#include <errno.h>
#include <stdio.h>

#include "core/receipt.h"
#include "core/share.h"
#include "core/stop.h"
#include "core/world.h"
#include "core/text.h"

/* ---- making and freeing ---- */

int rn_executor_init(rein_executor *x, const rn_executor_kind *kind, const char *place, const char *name,
                     const char *prefix, int64_t grace)
{
        RN_ASSERT(kind->accept && kind->post && kind->dequeue && kind->stopping && kind->left && kind->destroy,
                  "a kind of executor has the functions that every executor needs");
        int rc = rn_clock_start();
        if (rc < 0)
                return rc;
        x->receipt = rn_receipt_new(0);
        if (!x->receipt)
                return -ENOMEM;
        rn_world *w = rn_world_now();
        rn_store32(&x->refs, 1);
        x->process = rn_generation();
        x->kind = kind;
        x->place = place;
        x->grace = grace;
        x->state = RN_OPEN;
        rn_list_init(&x->works);
        rn_list_init(&x->sleepers);
        rn_list_init(&x->shares);
        rn_list_init(&x->remembered);
        rn_stop_init(x);
        rn_lock_take(&w->lock);
        uint32_t number = ++w->pools_made;
        rn_lock_give(&w->lock);
        if (name && name[0])
                rn_text_copy(x->name, sizeof x->name, name);
        else
                snprintf(x->name, sizeof x->name, "%s#%u", prefix, number);
        return 0;
}

void rn_executor_undo(rein_executor *x)
{
        rein_receipt_free(x->receipt);
}

void rn_executor_publish(rein_executor *x)
{
        rn_world *w = rn_world_now();
        uint32_t no = 0;
        if (rn_cas32(&w->exit_watched, &no, 1))
                rn_at_exit(rn_stop_all_at_exit);
        rn_lock_take(&w->lock);
        rn_list_push(&w->executors, &x->world);
        rn_lock_give(&w->lock);
}

void rn_executor_ref(rein_executor *x)
{
        RN_ASSERT(rn_get32(&x->refs) > 0, "an executor that gets another holder has one");
        rn_add32(&x->refs, 1);
}

void rn_executor_unref(rein_executor *x)
{
        const uint32_t left = rn_told_sub32(&x->refs);
        RN_ASSERT(left < INT32_MAX, "an executor is not let go more often than it was held");
        if (left != 0)
                return;
        RN_ASSERT(rn_list_empty(&x->works) && rn_list_empty(&x->shares) && rn_list_empty(&x->remembered),
                  "no job is in an executor that is freed");
        RN_ASSERT(!x->unfinished && !x->unsettled && !x->in_stop, "an executor that is freed counts no job");
        RN_ASSERT(!x->stops && rn_list_empty(&x->sleepers), "nobody waits for the stop of an executor that is freed");
        RN_ASSERT(!x->timer.node.in && !rn_linked(&x->errand.link), "the clock of an executor that is freed is off");
        RN_ASSERT(!rn_linked(&x->world), "an executor that is freed is not in the list of the world");
        rein_receipt_free(x->receipt);
        rn_error_unref(x->broken_by);
        x->process = RN_GIVEN_BACK;
        x->kind->destroy(x);
}

bool rn_executor_ours(const rein_executor *x)
{
        return x->process == rn_generation();
}

int rn_executor_refused(const rein_executor *x, const char *call)
{
        char noun[sizeof x->name + 16];
        snprintf(noun, sizeof noun, "the executor '%s'", x->name);
        return rn_handle_refused(x->process, call, (rn_handle_words){noun, "freed"}, x->place);
}

/* For the calls that have no code to say why not. */
static bool executor_may(const rein_executor *x, const char *call)
{
        if (x && !rn_executor_ours(x))
                rn_executor_refused(x, call);
        return x && rn_executor_ours(x);
}

const char *rein_executor_name(const rein_executor *x)
{
        if (x && x->process == RN_GIVEN_BACK)
                rn_executor_refused(x, "rein_executor_name");
        return x ? x->name : "";
}

size_t rein_executor_unfinished(const rein_executor *x)
{
        RN_CALL();
        RN_ASKS(executor, x);
        if (!executor_may(x, "rein_executor_unfinished"))
                return 0;
        rein_executor *y = (rein_executor *)(uintptr_t)x;
        rn_lock_take(&y->lock);
        size_t n = y->unfinished;
        rn_lock_give(&y->lock);
        return n;
}

size_t rein_executor_queued(const rein_executor *x)
{
        RN_CALL();
        RN_ASKS(executor, x);
        if (!executor_may(x, "rein_executor_queued"))
                return 0;
        rein_executor *y = (rein_executor *)(uintptr_t)x;
        size_t n = 0;
        rn_lock_take(&y->lock);
        RN_LIST_EACH(l, &y->works)
                n += rn_load32(&RN_ITEM(l, rein_work, all)->state) == RN_WORK_QUEUED;
        rn_lock_give(&y->lock);
        return n;
}

size_t rein_executor_threads(const rein_executor *x)
{
        RN_CALL();
        RN_ASKS(executor, x);
        return executor_may(x, "rein_executor_threads") && x->kind->threads
                       ? x->kind->threads((rein_executor *)(uintptr_t)x)
                       : 0;
}

rein_work *rn_executor_inside(const rein_executor *x, const rn_task *t)
{
        for (const rn_ambient *a = t ? t->now : NULL; a; a = a->outer)
                if (a->work && a->work->executor == x)
                        return a->work;
        return NULL;
}

rein_executor *rn_executor_here(const rn_task *self)
{
        return self->now->work ? self->now->work->executor : NULL;
}

/* ---- taking work ---- */

static const char *executor_refuses_locked(const rein_executor *x, const rn_task *self)
{
        if (x->broken)
                return "is broken: its init failed in one of its threads";
        if (x->state == RN_OPEN || (x->state == REIN_STOP_QUEUED && rn_executor_inside(x, self)))
                return NULL;
        return x->freed ? "was freed" : "was stopped";
}

static void work_refuse(rein_work *w, int code, const char *text)
{
        if (rn_work_forbid(w))
                rn_work_never(w, code, text);
        rn_future_unref(&w->future); /* the run's: nobody will run it */
}

void rn_executor_refuse(rein_work *w, int code, const char *text)
{
        if (rn_share_run(w)) { /* a mirror: it leaves its run, and the last one to leave cancels it */
                rn_share_or_accept(rn_self_if(), w->executor, w);
                if (rn_work_forbid(w))
                        rn_work_never(w, code, text);
                return;
        }
        uint32_t fresh = RN_WORK_NEW;
        w->unlisted |= rn_cas32(&w->state, &fresh, RN_WORK_QUEUED);
        work_refuse(w, code, text);
}

void rn_executor_accept(rn_task *self, rein_executor *x, rein_work *w)
{
        rn_task *wake = NULL;
        char text[160];
        RN_ASSERT(w->executor == x && rn_get32(&w->state) == RN_WORK_NEW, "a job comes in once, into its own executor");
        RN_ASSERT(!rn_share_run(w), "a mirror does not come in: its run does");
        rn_lock_take(&x->lock);
        const char *what = executor_refuses_locked(x, self);
        rn_list_push(&x->works, &w->all);
        x->unfinished++;
        x->unsettled++;
        rn_told_release(&w->state);
        rn_store32(&w->state, RN_WORK_QUEUED);
        /* A cancel that came while it was NEW found nothing to forbid; whoever is second sees the other. */
        const int64_t cancel_at = rn_load64(&w->root->cancel_at);
        const bool done = !what && cancel_at == RN_NEVER && w->start_by == RN_NEVER && x->kind->put &&
                          x->kind->put(x, self, w, &wake);
        if (!done)
                rn_storeptr(&w->arriving, self);
        rn_lock_give(&x->lock);
        if (done) {
                if (wake)
                        rn_unpark(wake);
                return;
        }
        if (what) {
                snprintf(text, sizeof text, "'%s' %s", x->name, what);
                work_refuse(w, REIN_EREJECTED, text);
                return;
        }
        if (cancel_at != RN_NEVER && cancel_at <= rn_clock()) {
                char reason[RN_REASON_TEXT];
                rn_scope *root = rn_scope_find_locked(w->root, w->root_generation);
                reason[0] = 0;
                if (root) {
                        rn_scope_reason_locked(root, reason, sizeof reason);
                        rn_scope_unlock(root);
                }
                work_refuse(w, REIN_ECANCELED, reason);
                return;
        }
        what = "did not take it";
        rn_future_ref(&w->future);
        /* Before the executor has it: accept may wait, and start_by ends that. */
        if (rn_load64(&w->root->cancel_at) != RN_NEVER || w->start_by != RN_NEVER)
                rn_work_rearm(w);
        int rc = x->kind->accept(x, w, &what);
        rn_storeptr(&w->arriving, NULL);
        if (rc < 0) {
                snprintf(text, sizeof text, "'%s' %s", x->name, what);
                work_refuse(w, rc, text);
        }
        rn_future_unref(&w->future);
}

static void work_run_on_hand(rn_errand *e, uint32_t tag)
{
        (void)tag;
        rn_work_run_claimed(RN_ITEM(e, rein_work, errand));
}

/* RUNNING, so that no stop takes it back. A continuation has no timer, which alone would have a use for its errand. Uses up
 * a reference. */
void rn_executor_give_to_hand(rein_work *w)
{
        RN_ASSERT(w->posted, "what the hand runs is a continuation");
        RN_ASSERT(rn_get32(&w->state) == RN_WORK_RUNNING, "what the hand runs was claimed");
        w->errand = (rn_errand){.run = work_run_on_hand};
        rn_hand(&w->errand, 0);
}

void rn_executor_post(rein_work *w)
{
        rein_executor *x = w->executor;
        RN_ASSERT(rn_get32(&w->state) == RN_WORK_NEW, "a continuation is posted once");
        rn_lock_take(&x->lock);
        bool open = x->state == RN_OPEN && !x->broken;
        w->posted = true;
        w->unlisted = !open;
        rn_told_release(&w->state);
        rn_store32(&w->state, open ? RN_WORK_QUEUED : RN_WORK_RUNNING);
        if (open) {
                rn_list_push(&x->works, &w->all);
                x->unfinished++;
                x->unsettled++;
        }
        rn_lock_give(&x->lock);
        if (open)
                x->kind->post(x, w);
        else
                rn_executor_give_to_hand(w);
}

rein_work *rn_executor_job(const rn_task *self, const char *place, const char *call, rein_executor *x, rein_fn fn,
                           void *arg, const rein_job *given, rn_scope *parent, rein_future **failed)
{
        rein_job job;
        const char *what = NULL;
        int rc = rn_job_take(&job, given, arg, &what);
        if (rc == 0 && (!x || !fn)) {
                rc = -EINVAL;
                what = x ? "no function to run"
                       : parent
                               ? "no executor: NULL is the one that the calling job runs on, and a plain thread runs on "
                                 "none; name a pool or loop"
                               : "no executor to run it on";
        }
        if (rc == 0 && !rn_executor_ours(x)) {
                rc = rn_executor_refused(x, call);
                what = x->process == RN_GIVEN_BACK ? "the executor was freed before"
                                                   : "the executor is from before a fork";
        }
        rein_work *w = NULL;
        if (rc == 0)
                w = job.share ? rn_share_work(place, x, fn, arg, &job, parent)
                              : rn_work_new(self, place, x, fn, arg, &job, parent);
        if (w)
                return w;
        rn_job_release(given, arg); /* it will never run */
        *failed = rc == 0 ? rn_future_immortal(-ENOMEM) : rn_future_failed(place, rc, call, what);
        return NULL;
}

rein_future *rein_submit_at(const char *place, rein_executor *x, rein_fn fn, void *arg, const rein_job *job)
{
        RN_CALL();
        RN_ASKS_ONCE(executor, x);
        rein_future *failed;
        rn_task *self = rn_self(); /* it has a stock of records; NULL: no memory for that */
        rein_work *w = rn_executor_job(self, place, "rein_submit", x, fn, arg, job, NULL, &failed);
        if (!w)
                return failed;
        rn_future_hold(&w->future);
        rn_share_or_accept(self, x, w);
        return &w->future;
}

/* Was it turned away, so that its code never ran? A mirror holds its run, which was turned away in its place. */
static bool work_turned_away(const rein_work *w)
{
        const rein_work *run = rn_share_run(w);
        return rn_future_is(&w->future, RN_SETTLED) && w->future.outcome.code < 0 &&
               (rn_load32(&w->state) == RN_WORK_NEVER || (run && rn_load32(&run->state) == RN_WORK_NEVER));
}

int rein_post_at(const char *place, rein_executor *x, rein_fn fn, void *arg, const rein_job *job)
{
        RN_CALL();
        RN_ASKS_ONCE(executor, x);
        rein_future *failed;
        rn_task *self = rn_self(); /* NULL: no memory for it, as in rein_submit */
        rein_work *w = rn_executor_job(self, place, "rein_post", x, fn, arg, job, NULL, &failed);
        if (!w)
                return rn_future_answer(failed, self);
        rn_future_hold(&w->future); /* only to learn of a refusal */
        rn_share_or_accept(self, x, w);
        if (work_turned_away(w))
                return rn_future_answer(&w->future, self);
        rein_drop(&w->future);
        return 0;
}

int rein_submit_many_at(const char *place, rein_executor *x, rein_fn fn, void *const arg[], size_t n,
                        const rein_job *job, rein_future *out[])
{
        RN_CALL();
        RN_ASKS_ONCE(executor, x);
        int accepted = 0;
        if (!out)
                return rn_fail(-EINVAL, "rein_submit_many", "no array for the futures");
        for (size_t i = 0; i < n; i++) {
                out[i] = rein_submit_at(place, x, fn, arg ? arg[i] : NULL, job);
                int code = rn_future_is(out[i], RN_SETTLED) ? out[i]->outcome.code : 0;
                if (!rn_work_of(out[i]) || (code < 0 && rn_load32(&rn_work_of(out[i])->state) == RN_WORK_NEVER))
                        continue;
                accepted++;
        }
        return accepted;
}

/* ---- work leaves ---- */

void rn_executor_changed_locked(rein_executor *x)
{
        RN_ASSERT(rn_lock_held(&x->lock), "the lock of the executor is held");
        RN_LIST_EACH(l, &x->sleepers)
                if (RN_ITEM(l, rn_sleeper, link)->task)
                        rn_unpark(RN_ITEM(l, rn_sleeper, link)->task);
        if (x->kind->changed)
                x->kind->changed(x);
}

static void executor_unlist_locked(rein_executor *x, rein_work *w)
{
        RN_ASSERT(x->unfinished > 0, "a job in the list is counted");
        rn_list_remove(&w->all);
        x->unfinished--;
}

/* For the sums: a job that was abandoned may be out of the list before whoever abandoned it has counted it out. */
static void executor_note_leaving(rein_executor *x, rein_work *w, bool settled, bool gone)
{
#if RN_CHECKING
        const bool first = gone && !settled && !w->counted_out, last = settled && !rn_linked(&w->all);
        x->gone_first += (size_t)first - last;
        x->gone_in_stop += (first ? (size_t)w->in_stop : 0) - (last ? (size_t)w->in_stop : 0);
        w->counted_out |= settled;
#else
        (void)x, (void)w, (void)settled, (void)gone;
#endif
}

void rn_executor_left_locked(rein_executor *x, rein_work *w, bool settled, bool gone)
{
        if (w->unlisted)
                return;
        executor_note_leaving(x, w, settled, gone);
        RN_ASSERT(rn_lock_held(&x->lock), "the lock of the executor is held");
        RN_ASSERT(w->executor == x, "a job leaves its own executor");
        if (settled) {
                RN_ASSERT(x->unsettled > 0 && x->in_stop >= w->in_stop, "a job that settles was counted");
                x->unsettled--;
                x->in_stop -= w->in_stop; /* abandoned while it stops its own executor */
                w->in_stop = false;
                rn_stop_over_locked(x);
        }
        if (gone)
                executor_unlist_locked(x, w);
        if (x->state != RN_OPEN || x->kind->changed)
                rn_executor_changed_locked(x);
}

void rn_executor_left(rein_executor *x, rein_work *w, bool settled, bool gone)
{
        if (w->unlisted)
                return;
        rn_lock_take(&x->lock);
        rn_executor_left_locked(x, w, settled, gone);
        rn_lock_give(&x->lock);
}

bool rn_executor_take_posted_locked(rein_executor *x, rein_work *w)
{
        if (!rn_work_claim(w))
                return false;
        RN_ASSERT(w->posted && x->unsettled > 0, "what is taken back for the hand is a continuation, and counted");
        executor_unlist_locked(x, w);
        x->unsettled--;
        w->unlisted = true;
        rn_executor_changed_locked(x); /* a stop may wait for just this one */
        return true;
}

void rn_executor_rescue(rein_executor *x, rein_work *w)
{
        rn_lock_take(&x->lock);
        bool ours = rn_executor_take_posted_locked(x, w);
        rn_lock_give(&x->lock);
        if (ours)
                rn_executor_give_to_hand(w);
        else
                rn_future_unref(&w->future);
}

/* ---- broken ---- */

void rn_executor_break(rein_executor *x, rein_error *by, const char *why)
{
        rn_lock_take(&x->lock);
        bool first = !x->broken;
        x->broken = true;
        if (first) {
                rein_error *old = x->broken_by;
                x->broken_by = by;
                by = old;
        }
        rn_lock_give(&x->lock);
        rn_error_unref(by);
        rn_executor_reject_queued(x, REIN_EREJECTED, why);
}

rein_error *rn_executor_broken_by(rein_executor *x)
{
        rn_lock_take(&x->lock);
        rein_error *e = x->broken ? rn_error_ref(x->broken_by) : NULL;
        rn_lock_give(&x->lock);
        return e;
}

/* ---- does it add up? ---- */

#if RN_CHECKING

static const char *executor_works_wrong(const rein_executor *x, size_t *listed)
{
        size_t unsettled = 0, in_stop = 0, seen = 0;
        const char *what = rn_list_wrong(&x->works, listed);
        if (what)
                return what;
        RN_LIST_EACH(l, &x->works) {
                const rein_work *w = RN_ITEM(l, rein_work, all);
                what = w->executor != x ? "a job in its list is another executor's" : rn_work_wrong(w);
                if (what)
                        return what;
                unsettled += !w->counted_out;
                in_stop += w->in_stop;
                if (++seen > RN_LIST_ASKED)
                        break;
        }
        if (!rn_list_has(*listed, x->unfinished))
                return "its list of jobs is not as long as it counts";
        if (seen > RN_LIST_ASKED)
                return NULL;
        if (x->unsettled != unsettled + x->gone_first)
                return "its unsettled jobs are not as many as it counts";
        return x->in_stop != in_stop + x->gone_in_stop
                       ? "its jobs that are in a stop of it are not as many as it counts"
                       : NULL;
}

static const char *executor_stops_wrong(const rein_executor *x)
{
        size_t sleeping;
        const char *what = rn_list_wrong(&x->sleepers, &sleeping);
        if (what)
                return what;
        if (x->state < RN_OPEN || x->state > (int)REIN_STOP_NOW)
                return "its state is none of its states";
        if (sleeping > x->stops)
                return "more threads wait for its stop than have called for one";
        if (x->state == RN_OPEN && (x->now_at != RN_NEVER || x->abandon_at != RN_NEVER))
                return "it is open, and the clock of a stop runs";
        return x->receipt ? rn_receipt_wrong(x->receipt) : NULL;
}

static const char *executor_shares_wrong(const rein_executor *x)
{
        size_t n, seen = 0;
        const char *what = rn_list_wrong(&x->shares, &n);
        if (what)
                return what;
        RN_LIST_EACH(l, &x->shares) {
                const rein_work *run = RN_ITEM(l, rn_share, in_flight)->work;
                what = run->executor != x ? "a shared run in its list is another executor's" : rn_share_wrong(run);
                if (what || ++seen > RN_LIST_ASKED)
                        return what;
        }
        what = rn_list_wrong(&x->remembered, &n);
        if (!what && n <= RN_LIST_ASKED && n != x->remembered_count)
                what = "it does not remember as many outcomes as it counts";
        return what;
}

const char *rn_executor_wrong(const rein_executor *x)
{
        size_t listed = 0;
        if (!rn_get32(&x->refs) || rn_get32(&x->refs) > INT32_MAX)
                return "nobody holds it, and it was not freed";
        const char *what = executor_works_wrong(x, &listed);
        if (!what)
                what = executor_stops_wrong(x);
        if (!what)
                what = executor_shares_wrong(x);
        if (!what && x->kind->wrong && listed <= RN_LIST_ASKED)
                what = x->kind->wrong(x);
        return what;
}

const char *rn_executor_ask(const void *record)
{
        rein_executor *x = (rein_executor *)(uintptr_t)record;
        if (!x || !rn_executor_ours(x) || !rn_ask_begin(&x->lock))
                return NULL;
        const char *what = rn_executor_wrong(x);
        rn_ask_end(&x->lock);
        return what;
}

#endif
