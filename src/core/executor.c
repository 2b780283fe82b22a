/* SPDX-License-Identifier: Apache-2.0 */
#include "core/executor.h"

#include <errno.h>
#include <stdio.h>

#include "core/receipt.h"
#include "core/share.h"
#include "core/world.h"

/* ---- making and freeing ---- */

static void errand(rn_errand *e, uint32_t tag);

static void timer(rn_timer *t, uint32_t tag)
{
        rein_executor *x = RN_ITEM(t, rein_executor, timer);
        if (!rn_hand(&x->errand, tag))
                rn_executor_unref(x);
}

int rn_executor_init(rein_executor *x, const rn_executor_kind *kind, const char *name, const char *prefix,
                     int64_t grace)
{
        int rc = rn_clock_start();
        if (rc < 0)
                return rc;
        x->receipt = rn_receipt_new();
        if (!x->receipt)
                return -ENOMEM;
        rn_world *w = rn_world_now();
        rn_store32(&x->refs, 1);
        x->process = rn_generation();
        x->kind = kind;
        x->grace = grace;
        x->state = RN_OPEN;
        rn_list_init(&x->works);
        rn_list_init(&x->sleepers);
        rn_list_init(&x->shares);
        x->timer.fire = timer;
        x->errand.run = errand;
        rn_lock_take(&w->lock);
        uint32_t number = ++w->pools_made;
        rn_lock_give(&w->lock);
        if (name && name[0])
                snprintf(x->name, sizeof x->name, "%s", name);
        else
                snprintf(x->name, sizeof x->name, "%s#%u", prefix, number);
        return 0;
}

void rn_executor_undo(rein_executor *x)
{
        rein_receipt_free(x->receipt);
}

static void stop_all_at_exit(void);

void rn_executor_publish(rein_executor *x)
{
        static rn_a32 registered;
        uint32_t no = 0;
        if (rn_cas32(&registered, &no, 1))
                rn_at_exit(stop_all_at_exit);
        rn_world *w = rn_world_now();
        rn_lock_take(&w->lock);
        rn_list_push(&w->executors, &x->world);
        rn_lock_give(&w->lock);
}

void rn_executor_ref(rein_executor *x)
{
        rn_add32(&x->refs, 1);
}

void rn_executor_unref(rein_executor *x)
{
        if (rn_sub32(&x->refs, 1) != 0)
                return;
        rein_receipt_free(x->receipt);
        rn_error_unref(x->broken_by);
        x->kind->destroy(x);
}

bool rn_executor_ours(const rein_executor *x)
{
        return x->process == rn_generation();
}

const char *rein_executor_name(const rein_executor *x)
{
        return x ? x->name : "";
}

size_t rein_executor_unfinished(const rein_executor *x)
{
        RN_CALL();
        if (!x || !rn_executor_ours(x))
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
        if (!x || !rn_executor_ours(x))
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
        return x && rn_executor_ours(x) && x->kind->threads ? x->kind->threads((rein_executor *)(uintptr_t)x) : 0;
}

rein_work *rn_executor_inside(const rein_executor *x, const rn_task *t)
{
        for (const rn_ambient *a = t ? t->now : NULL; a; a = a->outer)
                if (a->work && a->work->executor == x)
                        return a->work;
        return NULL;
}

/* ---- taking work ---- */

static const char *refuses_locked(const rein_executor *x, const rn_task *self)
{
        if (x->broken)
                return "is broken: its init failed in one of its threads";
        if (x->state == RN_OPEN || (x->state == REIN_STOP_QUEUED && rn_executor_inside(x, self)))
                return NULL;
        return "was stopped";
}

static void refuse(rein_work *w, int code, const char *text)
{
        if (rn_work_forbid(w))
                rn_work_never(w, code, text);
        rn_future_unref(&w->future); /* the run's: nobody will run it */
}

void rn_executor_refuse(rein_work *w, int code, const char *text)
{
        if (w->shared) { /* a mirror: it leaves its run, and the last one to leave cancels it */
                rn_share_or_accept(w->executor, w);
                if (rn_work_forbid(w))
                        rn_work_never(w, code, text);
                return;
        }
        uint32_t fresh = RN_WORK_NEW;
        w->unlisted |= rn_cas32(&w->state, &fresh, RN_WORK_QUEUED);
        refuse(w, code, text);
}

void rn_executor_accept(rein_executor *x, rein_work *w)
{
        rn_task *self = rn_self_if();
        char text[160];
        rn_lock_take(&x->lock);
        const char *what = refuses_locked(x, self);
        const int64_t cancel_at = rn_load64(&w->root->cancel_at);
        rn_list_push(&x->works, &w->all);
        x->unfinished++;
        x->unsettled++;
        rn_storeptr(&w->arriving, self);
        rn_store32(&w->state, RN_WORK_QUEUED);
        rn_lock_give(&x->lock);
        if (what) {
                snprintf(text, sizeof text, "'%s' %s", x->name, what);
                refuse(w, REIN_EREJECTED, text);
                return;
        }
        if (cancel_at != RN_NEVER && cancel_at <= rn_clock()) {
                char reason[sizeof w->root->line];
                rn_scope *root = rn_scope_find_locked(w->root, w->root_generation);
                reason[0] = 0;
                if (root) {
                        rn_scope_reason_locked(root, reason, sizeof reason);
                        rn_scope_unlock(root);
                }
                refuse(w, REIN_ECANCELED, reason);
                return;
        }
        what = "did not take it";
        rn_future_ref(&w->future);
        int rc = x->kind->accept(x, w, &what);
        rn_storeptr(&w->arriving, NULL);
        if (rc < 0) {
                snprintf(text, sizeof text, "'%s' %s", x->name, what);
                refuse(w, rc, text);
        } else {
                /* A cancel that came while it was NEW found nothing to forbid; whoever is second sees the other. */
                if (rn_load64(&w->root->cancel_at) != RN_NEVER || w->start_by != RN_NEVER)
                        rn_work_rearm(w);
        }
        rn_future_unref(&w->future);
}

static void run_on_hand(rn_errand *e, uint32_t tag)
{
        (void)tag;
        rn_work_run_claimed(RN_ITEM(e, rein_work, errand));
}

/* RUNNING and unlisted: no stop waits for it, and none takes it back. Uses up a reference. */
void rn_executor_give_to_hand(rein_work *w)
{
        w->errand.run = run_on_hand;
        rn_hand(&w->errand, 0);
}

void rn_executor_post(rein_work *w)
{
        rein_executor *x = w->executor;
        rn_lock_take(&x->lock);
        bool open = x->state == RN_OPEN && !x->broken;
        w->posted = true;
        w->unlisted = !open;
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

rein_work *rn_executor_job(const char *place, const char *call, rein_executor *x, rein_fn fn, void *arg,
                           const rein_job *given, rn_scope *parent, rein_future **failed)
{
        rein_job job;
        const char *what = NULL;
        int rc = rn_job_take(&job, given, arg, &what);
        if (rc == 0 && (!x || !fn)) {
                rc = -EINVAL;
                what = x ? "no function to run" : "no executor to run it on";
        }
        if (rc == 0 && !rn_executor_ours(x)) {
                rc = -EPERM;
                what = "the executor is from before a fork";
        }
        rein_work *w = NULL;
        if (rc == 0)
                w = job.share ? rn_share_work(place, x, fn, arg, &job, parent)
                              : rn_work_new(place, x, fn, arg, &job, parent);
        if (w)
                return w;
        if (given && given->size >= offsetof(rein_job, release) + sizeof given->release && given->release)
                given->release(arg); /* it will never run */
        *failed = rc == 0 ? rn_future_immortal(-ENOMEM) : rn_future_failed(place, rc, call, what);
        return NULL;
}

rein_future *rein_submit_at(const char *place, rein_executor *x, rein_fn fn, void *arg, const rein_job *job)
{
        RN_CALL();
        rein_future *failed;
        rein_work *w = rn_executor_job(place, "rein_submit", x, fn, arg, job, NULL, &failed);
        if (!w)
                return failed;
        rn_future_hold(&w->future);
        rn_share_or_accept(x, w);
        return &w->future;
}

int rein_submit_many_at(const char *place, rein_executor *x, rein_fn fn, void *const arg[], size_t n,
                        const rein_job *job, rein_future *out[])
{
        RN_CALL();
        int taken = 0;
        if (!out)
                return rn_fail(-EINVAL, "rein_submit_many", "no array for the futures");
        for (size_t i = 0; i < n; i++) {
                out[i] = rein_submit_at(place, x, fn, arg ? arg[i] : NULL, job);
                int code = rn_future_is(out[i], RN_SETTLED) ? out[i]->outcome.code : 0;
                if (!rn_work_of(out[i]) || (code < 0 && rn_load32(&rn_work_of(out[i])->state) == RN_WORK_NEVER))
                        continue;
                taken++;
        }
        return taken;
}

/* ---- the stop ---- */

void rn_executor_changed_locked(rein_executor *x)
{
        RN_LIST_EACH(l, &x->sleepers)
                if (RN_ITEM(l, rn_sleeper, link)->task)
                        rn_unpark(RN_ITEM(l, rn_sleeper, link)->task);
}

static void unlist_locked(rein_executor *x, rein_work *w)
{
        rn_list_remove(&w->all);
        x->unfinished--;
}

void rn_executor_left(rein_executor *x, rein_work *w, bool settled, bool gone)
{
        if (w->unlisted)
                return;
        rn_lock_take(&x->lock);
        if (settled) {
                x->unsettled--;
                x->in_stop -= w->in_stop; /* abandoned while it stops its own executor */
                w->in_stop = false;
        }
        if (gone)
                unlist_locked(x, w);
        if (x->state != RN_OPEN)
                rn_executor_changed_locked(x);
        rn_lock_give(&x->lock);
}

/* Into the receipt under way, once in its life. Lock held. */
static void put_in_receipt(rein_executor *x, rein_work *w)
{
        if (w->in_receipt)
                return;
        w->in_receipt = true;
        rn_future_ref(&w->future);
        rn_receipt_add(x->receipt, w);
}

static rein_work *push(rein_work *list, rein_work *w)
{
        w->stop_next = list;
        return w;
}

/* What a harder state does to the works: sorted under the lock, carried out without. */
typedef struct sorted {
        rein_work *never, *running, *posted;
} sorted;

static sorted sort_locked(rein_executor *x, bool queued, bool now, bool stop)
{
        sorted s = {0};
        rn_link *next;
        for (rn_link *l = x->works.next; l != &x->works; l = next) {
                rein_work *w = RN_ITEM(l, rein_work, all);
                next = l->next;
                rn_future_ref(&w->future);
                if (queued && w->posted && rn_work_claim(w)) {
                        unlist_locked(x, w);
                        x->unsettled--;
                        w->unlisted = true;
                        s.posted = push(s.posted, w);
                } else if (queued && rn_work_forbid(w)) {
                        s.never = push(s.never, w);
                        if (stop)
                                put_in_receipt(x, w);
                } else if (now && rn_load32(&w->state) == RN_WORK_RUNNING && !rn_future_is(&w->future, RN_SETTLED)) {
                        s.running = push(s.running, w);
                        put_in_receipt(x, w);
                } else {
                        rn_future_unref(&w->future); /* never the last: it has not left this list */
                }
        }
        return s;
}

static void cancel_running(rein_work *w, const char *text)
{
        if (rn_loadptr(&w->runner) != rn_self_if())
                rn_work_note_stuck(w);
        rn_scope *root = rn_scope_find_locked(w->root, w->root_generation);
        if (!root)
                return;
        rn_fired fired = {0};
        rn_scope_cancel_locked(root, text, "rein_executor_stop", NULL, &fired);
        rn_scope_unlock(root);
        rn_fired_carry_out(&fired);
}

static void carry_out(rein_executor *x, sorted s, int code, const char *text)
{
        for (rein_work *w; (w = s.posted);) {
                s.posted = w->stop_next;
                x->kind->dequeue(x, w);
                rn_executor_give_to_hand(w); /* with the reference that the list had */
        }
        for (rein_work *w; (w = s.never);) {
                s.never = w->stop_next;
                rn_work_never(w, code, text);
                rn_future_unref(&w->future);
        }
        for (rein_work *w; (w = s.running);) {
                s.running = w->stop_next;
                cancel_running(w, text);
                rn_future_unref(&w->future);
        }
}

/* Make the state at least as harsh as `how`, and reach the works that this concerns. */
static void harden(rein_executor *x, rein_stop how)
{
        char text[96];
        snprintf(text, sizeof text, "'%s' was stopped", x->name);
        rn_lock_take(&x->lock);
        bool harder = (int)how > x->state;
        sorted s = {0};
        if (harder) {
                x->state = (int)how;
                s = sort_locked(x, how >= REIN_STOP_RUNNING, how == REIN_STOP_NOW, true);
        }
        rn_lock_give(&x->lock);
        if (!harder)
                return;
        carry_out(x, s, REIN_ECANCELED, text);
        x->kind->stopping(x, how);
}

void rn_executor_reject_queued(rein_executor *x, int code, const char *why)
{
        rn_lock_take(&x->lock);
        sorted s = sort_locked(x, true, false, false);
        rn_lock_give(&x->lock);
        carry_out(x, s, code, why);
}

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

void rn_executor_rescue(rein_executor *x, rein_work *w)
{
        rn_lock_take(&x->lock);
        bool ours = rn_work_claim(w);
        if (ours) {
                unlist_locked(x, w);
                x->unsettled--;
                w->unlisted = true;
        }
        rn_lock_give(&x->lock);
        if (ours)
                rn_executor_give_to_hand(w);
        else
                rn_future_unref(&w->future);
}

/* Time is up: what has not settled is abandoned. Jobs that are themselves in a stop of x go on. */
static void abandon_rest(rein_executor *x)
{
        for (;;) {
                rein_work *left = NULL;
                rn_lock_take(&x->lock);
                if (x->state == RN_OPEN) { /* all had settled, and it was restarted */
                        rn_lock_give(&x->lock);
                        return;
                }
                RN_LIST_EACH(l, &x->works) {
                        rein_work *w = RN_ITEM(l, rein_work, all);
                        if (w->in_stop || rn_future_is(&w->future, RN_SETTLED) ||
                            rn_load32(&w->state) == RN_WORK_NEVER || rn_load32(&w->state) == RN_WORK_ENDED)
                                continue;
                        left = w;
                        rn_future_ref(&w->future);
                        put_in_receipt(x, w);
                        break;
                }
                rn_lock_give(&x->lock);
                if (!left)
                        return;
                if (rn_work_forbid(left))
                        rn_work_never(left, REIN_ECANCELED, "its executor was stopped");
                else
                        rn_work_abandon(left, "its executor was stopped, and the time for that was up");
                rn_future_unref(&left->future);
        }
}

/* All that a stop waits for. Lock held. */
static bool all_settled(const rein_executor *x)
{
        return x->unsettled <= x->in_stop;
}

/* The running task's jobs of x do not count while they are in here. */
static size_t exempt(rein_executor *x, const rn_task *self, bool yes)
{
        size_t n = 0;
        for (const rn_ambient *a = self ? self->now : NULL; a; a = a->outer) {
                rein_work *w = a->work;
                if (!w || w->executor != x || w->in_stop == yes || rn_future_is(&w->future, RN_SETTLED))
                        continue;
                w->in_stop = yes;
                n++;
        }
        return n;
}

static int64_t before(int64_t at, int64_t span)
{
        return at < INT64_MIN + span ? INT64_MIN : at - span;
}

/* Until something changes. A thread without a task (no memory) is not told, and looks every millisecond. */
static void nap(rn_task *self, int64_t until)
{
        rn_a32 word = {0};
        int64_t soon = rn_clock() + 1000000;
        if (self)
                rn_park(self, until);
        else
                rn_word_wait(&word, 0, until < soon ? until : soon);
}

static int wait_for_stop(rein_executor *x, rein_stop how, int64_t until, rn_task *self)
{
        rn_sleeper me = {.task = self};
        int64_t harden_at = until == RN_NEVER || how == REIN_STOP_NOW ? RN_NEVER : before(until, x->grace);
        bool timed_out = false;
        rn_doing was = {0};
        if (self)
                was = rn_task_doing(self, (rn_doing){"rein_executor_stop", x->name});
        rn_lock_take(&x->lock);
        x->in_stop += exempt(x, self, true);
        rn_list_push(&x->sleepers, &me.link);
        rn_executor_changed_locked(x); /* another stop may have waited for just this job */
        while (!(all_settled(x) && (timed_out || x->kind->left(x)))) {
                rn_lock_give(&x->lock);
                int64_t now = rn_clock();
                if (now >= harden_at) {
                        harden_at = RN_NEVER;
                        harden(x, REIN_STOP_NOW);
                } else if (now >= until) {
                        if (timed_out) { /* settled is a matter of instructions now; a wait that is short */
                                nap(self, now + 1000000);
                        } else {
                                timed_out = true;
                                harden(x, REIN_STOP_NOW);
                                abandon_rest(x);
                        }
                } else {
                        nap(self, harden_at < until ? harden_at : until);
                }
                rn_lock_take(&x->lock);
        }
        rn_list_remove(&me.link);
        int rc = x->unfinished > x->in_stop || !x->kind->left(x) ? REIN_ESTUCK : 0;
        x->in_stop -= exempt(x, self, false);
        rn_lock_give(&x->lock);
        if (self)
                rn_task_doing(self, was);
        return rc;
}

static int check_stop(const rein_executor *x, rein_stop how, const char *call)
{
        if (!x || (unsigned)how > REIN_STOP_NOW)
                return rn_fail(-EINVAL, call, "an executor and one of the three manners are needed");
        if (!rn_executor_ours(x))
                return rn_fail(-EPERM, call, "the executor is from before a fork");
        return 0;
}

int rein_executor_stop(rein_executor *x, rein_stop how, rein_time until, rein_receipt **r)
{
        RN_CALL();
        if (r)
                *r = NULL;
        int rc = check_stop(x, how, "rein_executor_stop");
        if (rc < 0)
                return rc;
        rn_task *self = rn_self();
        rn_executor_ref(x);
        rn_lock_take(&x->lock);
        x->stops++; /* nobody restarts it before we are done */
        rn_lock_give(&x->lock);
        harden(x, how);
        rc = wait_for_stop(x, how, until.ns, self);
        rn_lock_take(&x->lock);
        rn_receipt_prune(x->receipt);
        if (r) { /* the next stop's is made by restart; one that comes before it gets an empty one */
                *r = x->receipt ? x->receipt : rn_receipt_empty();
                x->receipt = NULL;
        }
        x->stops--;
        rn_lock_give(&x->lock);
        rn_executor_unref(x);
        return rc;
}

int rein_executor_stop_begin(rein_executor *x, rein_stop how, rein_time until)
{
        RN_CALL();
        int rc = check_stop(x, how, "rein_executor_stop_begin");
        if (rc < 0)
                return rc;
        harden(x, how);
        if (until.ns == RN_NEVER)
                return 0;
        rn_lock_take(&x->lock);
        x->stop_until = until.ns;
        int64_t at = how == REIN_STOP_NOW ? until.ns : before(until.ns, x->grace);
        rn_executor_ref(x);
        bool armed = rn_timer_arm(&x->timer, at, 0);
        rn_lock_give(&x->lock);
        if (!armed)
                rn_executor_unref(x);
        return 0;
}

/* The clock for stop_begin, on the hand thread, with a reference. */
static void errand(rn_errand *e, uint32_t tag)
{
        (void)tag;
        rein_executor *x = RN_ITEM(e, rein_executor, errand);
        rn_lock_take(&x->lock);
        bool stopped = x->state != RN_OPEN; /* else it was restarted meanwhile */
        rn_lock_give(&x->lock);
        if (stopped)
                harden(x, REIN_STOP_NOW);
        rn_lock_take(&x->lock);
        bool early = x->state != RN_OPEN && rn_clock() < x->stop_until;
        bool again = early && rn_timer_arm(&x->timer, x->stop_until, 0);
        bool due = x->state != RN_OPEN && !early;
        rn_lock_give(&x->lock);
        if (due)
                abandon_rest(x);
        if (!again)
                rn_executor_unref(x);
}

int rein_executor_restart(rein_executor *x)
{
        RN_CALL();
        if (!x)
                return rn_fail(-EINVAL, "rein_executor_restart", "no executor");
        if (!rn_executor_ours(x))
                return rn_fail(-EPERM, "rein_executor_restart", "the executor is from before a fork");
        rein_receipt *fresh = rn_receipt_new(), *old = NULL;
        if (!fresh)
                return -ENOMEM;
        rn_lock_take(&x->lock);
        int rc = -EBUSY;
        if ((x->state != RN_OPEN || x->broken) && x->unsettled == 0 && x->stops == 0 && x->kind->left(x))
                rc = x->kind->restart ? x->kind->restart(x) : 0;
        if (rc == 0) {
                x->state = RN_OPEN;
                x->broken = false;
                old = x->receipt;
                x->receipt = fresh;
                fresh = NULL;
                if (rn_timer_disarm(&x->timer))
                        rn_sub32(&x->refs, 1); /* never the last: the caller has one */
        }
        rn_lock_give(&x->lock);
        rein_receipt_free(fresh);
        rein_receipt_free(old);
        return rc == -EBUSY
                       ? rn_fail(rc, "rein_executor_restart", "'%s' is not stopped, or its stop has not ended", x->name)
                       : rc;
}

void rein_executor_free(rein_executor *x)
{
        RN_CALL();
        if (!x || !rn_executor_ours(x))
                return;
        rn_world *w = rn_world_now();
        rein_receipt *r = NULL;
        int64_t until = rn_clock();
        until = x->grace > RN_NEVER - until ? RN_NEVER : until + x->grace;
        if (rein_executor_stop(x, REIN_STOP_NOW, REIN_TIME(until), &r) == REIN_ESTUCK && rn_receipt_stuck(r)) {
                fprintf(stderr, "rein: '%s' was freed with work that did not leave:\n", x->name);
                rn_receipt_print_stuck(stderr, r);
        }
        rein_receipt_free(r);
        rn_lock_take(&w->lock);
        bool first = rn_linked(&x->world);
        if (first)
                rn_list_remove(&x->world);
        rn_lock_give(&w->lock);
        if (first)
                rn_executor_unref(x);
}

/* ---- the end of the process ---- */

static const int64_t exit_budget = 1000000000;

/* Everything is stopped, side by side; then at most a second in all for it to leave. What has not left is named, and
 * nothing of its is freed. */
static void stop_all_at_exit(void)
{
        rn_world *world = rn_world_now();
        rn_task *self = rn_self();
        int64_t until = rn_clock() + exit_budget;
        if (!self)
                return;
        rn_lock_take(&world->lock);
        RN_LIST_EACH(l, &world->executors)
                rn_executor_ref(RN_ITEM(l, rein_executor, world));
        rn_lock_give(&world->lock);
        /* Nobody makes or frees executors in another thread during exit but at his own risk: the list is stable. */
        RN_LIST_EACH(l, &world->executors)
                harden(RN_ITEM(l, rein_executor, world), REIN_STOP_NOW);
        RN_LIST_EACH(l, &world->executors) {
                rein_executor *x = RN_ITEM(l, rein_executor, world);
                rein_receipt *r = NULL;
                if (rein_executor_stop(x, REIN_STOP_NOW, REIN_TIME(until), &r) == REIN_ESTUCK && rn_receipt_stuck(r)) {
                        fprintf(stderr, "rein: at exit, work of '%s' did not leave:\n", x->name);
                        rn_receipt_print_stuck(stderr, r);
                }
                rein_receipt_free(r);
        }
}
