/* SPDX-License-Identifier: Apache-2.0 */
#include "core/stop.h"

#include <errno.h>
#include <stdio.h>

#include "core/receipt.h"
#include "core/share.h"
#include "core/world.h"

/* ---- hardening ---- */

/* Into the receipt under way, once in its life. Lock held. */
static void stop_put_in_receipt(rein_executor *x, rein_work *w)
{
        if (w->in_receipt)
                return;
        RN_ASSERT(rn_lock_held(&x->lock), "the lock of the executor is held");
        w->in_receipt = true;
        rn_future_ref(&w->future);
        rn_receipt_add(x->receipt, w);
}

static rein_work *stop_push(rein_work *list, rein_work *w)
{
        w->stop_next = list;
        return w;
}

/* What a harder state does to the works: sorted under the lock, carried out without. */
typedef struct sorted {
        rein_work *never, *running, *posted;
} sorted;

static sorted stop_sort_locked(rein_executor *x, bool queued, bool now, bool stop)
{
        sorted s = {0};
        rn_link *next;
        for (rn_link *l = x->works.next; l != &x->works; l = next) {
                rein_work *w = RN_ITEM(l, rein_work, all);
                next = l->next;
                rn_future_ref(&w->future);
                if (queued && w->posted && rn_executor_take_posted_locked(x, w)) {
                        s.posted = stop_push(s.posted, w);
                } else if (queued && rn_work_forbid(w)) {
                        s.never = stop_push(s.never, w);
                        if (stop)
                                stop_put_in_receipt(x, w);
                } else if (now && rn_load32(&w->state) == RN_WORK_RUNNING && !rn_future_is(&w->future, RN_SETTLED)) {
                        s.running = stop_push(s.running, w);
                        stop_put_in_receipt(x, w);
                } else {
                        rn_future_unref(&w->future); /* never the last: it has not left this list */
                }
        }
        return s;
}

static void stop_cancel_running(rein_work *w, const char *text)
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

static void stop_carry_out(rein_executor *x, sorted s, int code, const char *text)
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
                stop_cancel_running(w, text);
                rn_future_unref(&w->future);
        }
}

/* Make the state at least as harsh as `how`. true: it was not, and *s is what this concerns: then hardened. */
static bool stop_harden_locked(rein_executor *x, rein_stop how, sorted *s)
{
        RN_ASSERT(rn_lock_held(&x->lock), "the lock of the executor is held");
        if ((int)how <= x->state)
                return false;
        x->state = (int)how;
        *s = stop_sort_locked(x, how >= REIN_STOP_RUNNING, how == REIN_STOP_NOW, true);
        return true;
}

static const char *stop_text(const rein_executor *x, char *text, size_t n)
{
        snprintf(text, n, "'%s' was stopped", x->name);
        return text;
}

static void stop_hardened(rein_executor *x, rein_stop how, sorted s)
{
        char text[96];
        stop_carry_out(x, s, REIN_ECANCELED, stop_text(x, text, sizeof text));
        rn_share_forget(x);
        x->kind->stopping(x, how);
}

/* Of the jobs that never run now, those that nobody had cancelled. A simulation, which ends so a thousand times, is not told. */
static size_t stop_count_lost(const sorted *s)
{
        size_t n = 0;
        for (const rein_work *w = rn_virtual() ? NULL : s->never; w; w = w->stop_next)
                n += rn_get64(&w->root->cancel_at) > rn_clock();
        return n;
}

/* How many jobs were thrown away by that: they wait no more, and nobody had cancelled them. */
static size_t stop_harden(rein_executor *x, rein_stop how)
{
        sorted s = {0};
        rn_lock_take(&x->lock);
        bool harder = stop_harden_locked(x, how, &s);
        rn_lock_give(&x->lock);
        size_t lost = stop_count_lost(&s);
        if (harder)
                stop_hardened(x, how, s);
        return lost;
}

static void stop_say_lost(const rein_executor *x, const char *when, size_t n)
{
        if (n)
                rn_say("rein: %s, '%s' had %zu %s that never ran: wait for what is to be done, or cancel it\n", when,
                       x->name, n, n == 1 ? "job" : "jobs");
}

void rn_executor_reject_queued(rein_executor *x, int code, const char *why)
{
        rn_lock_take(&x->lock);
        sorted s = stop_sort_locked(x, true, false, false);
        rn_lock_give(&x->lock);
        stop_carry_out(x, s, code, why);
}

/* ---- waiting for the end ---- */

/* One that another thread has forbidden is settled by that one. */
static void stop_give_up(rein_executor *x, rein_work *w)
{
        char text[96];
        if (rn_work_forbid(w)) {
                rn_work_never(w, REIN_ECANCELED, "its executor was stopped");
        } else if (rn_load32(&w->state) != RN_WORK_NEVER) {
                /* Another stop may not have come to it yet. */
                stop_cancel_running(w, stop_text(x, text, sizeof text));
                rn_work_abandon(w, "its executor was stopped, and the time for that was up");
        }
}

/* Time is up: what has not settled is abandoned. Jobs that are themselves in a stop of x go on. by_clock: nobody who
 * waits keeps it from being restarted meanwhile, and stopped again. */
static void stop_abandon_rest(rein_executor *x, bool by_clock)
{
        for (;;) {
                rein_work *left = NULL;
                rn_lock_take(&x->lock);
                if (by_clock && rn_clock() < x->abandon_at) { /* all had settled, and it was restarted */
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
                        stop_put_in_receipt(x, w);
                        break;
                }
                rn_lock_give(&x->lock);
                if (!left)
                        return;
                stop_give_up(x, left);
                rn_future_unref(&left->future);
        }
}

/* All that a stop waits for. Lock held. */
static bool stop_all_settled(const rein_executor *x)
{
        return x->unsettled <= x->in_stop;
}

/* The running task's jobs of x do not count while they are in here. */
static size_t stop_exempt(rein_executor *x, const rn_task *self, bool yes)
{
        size_t n = 0;
        for (const rn_ambient *a = self ? self->now : NULL; a; a = a->outer) {
                rein_work *w = a->work;
                if (!w || w->executor != x || w->in_stop == yes || rn_future_is(&w->future, RN_SETTLED))
                        continue;
                if (w->unlisted)
                        continue; /* on the hand: it is not among those that the stop waits for */
                w->in_stop = yes;
                n++;
        }
        return n;
}

static int64_t stop_time_before(int64_t at, int64_t span)
{
        return at < INT64_MIN + span ? INT64_MIN : at - span;
}

/* Until something changes. A thread without a task (no memory) is not told, and looks every millisecond. */
static void stop_nap(rein_executor *x, rn_task *self, int64_t until)
{
        if (x->kind->help && x->kind->help(x, until))
                return;
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
        int64_t harden_at = until == RN_NEVER || how == REIN_STOP_NOW ? RN_NEVER : stop_time_before(until, x->grace);
        bool timed_out = false;
        rn_doing was = {0};
        if (self)
                was = rn_task_doing(self, (rn_doing){"rein_executor_stop", x->name});
        rn_lock_take(&x->lock);
        x->in_stop += stop_exempt(x, self, true);
        rn_list_push(&x->sleepers, &me.link);
        rn_executor_changed_locked(x); /* another stop may have waited for just this job */
        while (!(stop_all_settled(x) && (timed_out || x->kind->left(x)))) {
                rn_lock_give(&x->lock);
                int64_t now = rn_clock();
                if (now >= harden_at) {
                        harden_at = RN_NEVER;
                        stop_harden(x, REIN_STOP_NOW);
                } else if (now >= until) {
                        if (timed_out) { /* settled is a matter of instructions now; a wait that is short */
                                stop_nap(x, self, now + 1000000);
                        } else {
                                timed_out = true;
                                stop_harden(x, REIN_STOP_NOW);
                                stop_abandon_rest(x, false);
                        }
                } else {
                        stop_nap(x, self, harden_at < until ? harden_at : until);
                }
                rn_lock_take(&x->lock);
        }
        rn_list_remove(&me.link);
        RN_ASSERT(x->state != RN_OPEN && x->stops > 0, "nobody restarts an executor while its stop is waited for");
        int rc = x->unfinished > x->in_stop || !x->kind->left(x) ? REIN_ESTUCK : 0;
        x->in_stop -= stop_exempt(x, self, false);
        rn_lock_give(&x->lock);
        if (self)
                rn_task_doing(self, was);
        return rc;
}

/* What was abandoned before the stop, by its limit or a cancel, and is still there. Lock held. */
static void stop_put_abandoned_in_receipt(rein_executor *x)
{
        RN_LIST_EACH(l, &x->works) {
                rein_work *w = RN_ITEM(l, rein_work, all);
                if (rn_load32(&w->rung) == RN_RUNG_ABANDONED && !rn_future_is(&w->future, RN_GONE))
                        stop_put_in_receipt(x, w);
        }
}

/* ---- the calls ---- */

static int stop_check(const rein_executor *x, rein_stop how, const char *call)
{
        if (!x || (unsigned)how > REIN_STOP_NOW)
                return rn_fail(
                        -EINVAL, call,
                        "an executor and one of the three manners are needed: REIN_STOP_QUEUED, _RUNNING or _NOW");
        if (!rn_executor_ours(x))
                return rn_executor_refused(x, call);
        return 0;
}

int rein_executor_stop(rein_executor *x, rein_stop how, rein_time until, rein_receipt **r)
{
        RN_CALL();
        RN_ASKS_ONCE(executor, x);
        if (r)
                *r = NULL;
        rn_task *self = rn_self();
        rn_stretch_spend(self, RN_SPENDS_CALL);
        int rc = stop_check(x, how, "rein_executor_stop");
        if (rc < 0)
                return rc;
        rn_executor_ref(x);
        rn_lock_take(&x->lock);
        x->stops++; /* nobody restarts it before we are done */
        rn_lock_give(&x->lock);
        stop_harden(x, how);
        rc = wait_for_stop(x, how, until.ns, self);
        rn_lock_take(&x->lock);
        stop_put_abandoned_in_receipt(x);
        rn_receipt_prune(x->receipt);
        if (r) { /* the next stop's is made by restart; one that comes before it gets an empty one */
                *r = x->receipt ? x->receipt : rn_receipt_empty();
                x->receipt = NULL;
        }
        RN_ASSERT(x->stops > 0, "a stop that ends was counted");
        x->stops--;
        rn_lock_give(&x->lock);
        rn_executor_unref(x);
        return rc;
}

static bool stop_over(const rein_executor *x)
{
        return x->state == REIN_STOP_NOW && x->unsettled == 0;
}

/* A stop that is over is not timed: its timer would keep x. */
static int64_t stop_next_of_clock(const rein_executor *x)
{
        if (x->state < (int)REIN_STOP_NOW)
                return x->now_at;
        return stop_over(x) ? RN_NEVER : x->abandon_at;
}

int rein_executor_stop_begin(rein_executor *x, rein_stop how, rein_time until)
{
        RN_CALL();
        RN_ASKS_ONCE(executor, x);
        int rc = stop_check(x, how, "rein_executor_stop_begin");
        if (rc < 0)
                return rc;
        stop_harden(x, how);
        if (until.ns == RN_NEVER)
                return 0;
        int64_t now_at = stop_time_before(until.ns, x->grace);
        rn_executor_ref(x);
        rn_lock_take(&x->lock);
        bool armed = false;
        if (x->state != RN_OPEN) { /* else all had settled, and it was restarted */
                if (now_at < x->now_at)
                        x->now_at = now_at;
                if (until.ns < x->abandon_at)
                        x->abandon_at = until.ns;
                armed = stop_next_of_clock(x) != RN_NEVER && rn_timer_arm(&x->timer, stop_next_of_clock(x), 0);
        }
        rn_lock_give(&x->lock);
        if (!armed)
                rn_executor_unref(x);
        return 0;
}

/* The clock for stop_begin, on the hand thread, with a reference. It may come late, when the stop that had armed it is
 * over and another has begun: what is due is asked of x alone. */
static void stop_errand(rn_errand *e, uint32_t tag)
{
        (void)tag;
        rein_executor *x = RN_ITEM(e, rein_executor, errand);
        RN_ASSERT(rn_get32(&x->refs) > 0, "an errand of the hand holds its executor");
        sorted s = {0};
        rn_lock_take(&x->lock);
        bool harder = rn_clock() >= x->now_at && stop_harden_locked(x, REIN_STOP_NOW, &s);
        rn_lock_give(&x->lock);
        if (harder)
                stop_hardened(x, REIN_STOP_NOW, s);
        rn_lock_take(&x->lock);
        bool due = rn_clock() >= x->abandon_at;
        bool again = !due && stop_next_of_clock(x) != RN_NEVER && rn_timer_arm(&x->timer, stop_next_of_clock(x), 0);
        rn_lock_give(&x->lock);
        if (due)
                stop_abandon_rest(x, true);
        if (!again)
                rn_executor_unref(x);
}

static void stop_timer(rn_timer *t, uint32_t tag)
{
        rein_executor *x = RN_ITEM(t, rein_executor, timer);
        if (!rn_hand(&x->errand, tag))
                rn_executor_unref(x);
}

void rn_stop_init(rein_executor *x)
{
        x->timer.fire = stop_timer;
        x->errand.run = stop_errand;
        x->now_at = x->abandon_at = RN_NEVER;
}

void rn_stop_over_locked(rein_executor *x)
{
        if (stop_over(x) && x->abandon_at != RN_NEVER && rn_timer_disarm(&x->timer))
                rn_told_sub32(&x->refs);
}

/* ---- taking work again; freeing ---- */

static size_t stop_abandoned_locked(const rein_executor *x)
{
        size_t n = 0;
        RN_LIST_EACH(l, &x->works)
                n += rn_future_is(&RN_ITEM(l, rein_work, all)->future, RN_SETTLED);
        return n;
}

/* The next stop's, with what earlier ones left behind. */
static void receipt_fill_locked(rein_receipt *r, const rein_executor *x)
{
        RN_LIST_EACH(l, &x->works) {
                rein_work *w = RN_ITEM(l, rein_work, all);
                if (rn_future_is(&w->future, RN_SETTLED) && !rn_future_is(&w->future, RN_GONE) &&
                    rn_receipt_add_old(r, w))
                        w->in_receipt = true;
        }
}

int rein_executor_restart(rein_executor *x)
{
        RN_CALL();
        RN_ASKS(executor, x);
        if (!x)
                return rn_fail(-EINVAL, "rein_executor_restart", "no executor");
        if (!rn_executor_ours(x))
                return rn_executor_refused(x, "rein_executor_restart");
        rn_lock_take(&x->lock);
        size_t left = stop_abandoned_locked(x); /* it is stopped, or we say so: they become fewer only */
        rn_lock_give(&x->lock);
        rein_receipt *fresh = rn_receipt_new(left), *old = NULL;
        if (!fresh)
                return -ENOMEM;
        rn_lock_take(&x->lock);
        int rc = -EBUSY;
        if ((x->state != RN_OPEN || x->broken) && x->unsettled == 0 && x->stops == 0 && x->kind->left(x))
                rc = x->kind->restart ? x->kind->restart(x) : 0;
        if (rc == 0) {
                RN_ASSERT(rn_list_empty(&x->sleepers) && !x->in_stop, "nobody waits for the stop that a restart ends");
                x->state = RN_OPEN;
                x->broken = false;
                x->now_at = x->abandon_at = RN_NEVER;
                old = x->receipt;
                receipt_fill_locked(fresh, x);
                x->receipt = fresh;
                fresh = NULL;
                if (rn_timer_disarm(&x->timer))
                        rn_told_sub32(&x->refs); /* never the last: the caller has one */
        }
        rn_lock_give(&x->lock);
        rein_receipt_free(fresh);
        rein_receipt_free(old);
        return rc == -EBUSY
                       ? rn_fail(rc, "rein_executor_restart", "'%s' is not stopped, or its stop has not ended", x->name)
                       : rc;
}

static void executor_let_go(rein_executor *x)
{
        rn_world *w = rn_world_now();
        rn_lock_take(&w->lock);
        bool first = rn_linked(&x->world);
        if (first)
                rn_list_remove(&x->world);
        rn_lock_give(&w->lock);
        if (!first) {
                rn_misused_aloud("rein_executor_free", "the executor '%s' made at %s was freed before", x->name,
                                 x->place);
                return;
        }
        rn_lock_take(&x->lock);
        x->freed = true;
        rn_stop_over_locked(x);
        rn_lock_give(&x->lock);
        if (x->kind->freed)
                x->kind->freed(x);
        rn_executor_unref(x);
}

void rn_stop_and_let_go(rein_executor *x, const char *when, const char *stuck)
{
        rein_receipt *r = NULL;
        int64_t until = rn_clock();
        until = x->grace > RN_NEVER - until ? RN_NEVER : until + x->grace;
        stop_say_lost(x, when, stop_harden(x, REIN_STOP_NOW));
        if (rein_executor_stop(x, REIN_STOP_NOW, REIN_TIME(until), &r) == REIN_ESTUCK && rn_receipt_stuck(r))
                rn_receipt_say_stuck(r, "rein: '%s' %s:\n", x->name, stuck);
        rein_receipt_free(r);
        executor_let_go(x);
}

void rein_executor_free(rein_executor *x)
{
        RN_CALL();
        RN_ASKS_ONCE(executor, x);
        if (!x)
                return;
        if (!rn_executor_ours(x)) {
                rn_executor_refused(x, "rein_executor_free");
                return;
        }
        if (x->kind->may_free && !x->kind->may_free(x)) {
                rn_misused("rein_executor_free", "'%s' is hosted by another thread, which must free it", x->name);
                return;
        }
        rn_stop_and_let_go(x, "when it was freed", "was freed with work that did not leave");
}

/* ---- the end of the process ---- */

static const int64_t exit_budget = 1000000000;

/* Everything is stopped, side by side; then at most a second in all for it to leave. What has not left is named, and
 * nothing of its is freed. */
void rn_stop_all_at_exit(void)
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
        /* Nobody makes or frees executors in another thread during exit but at its own risk: the list is stable. */
        RN_LIST_EACH(l, &world->executors) {
                rein_executor *x = RN_ITEM(l, rein_executor, world);
                stop_say_lost(x, "at exit", stop_harden(x, REIN_STOP_NOW));
        }
        RN_LIST_EACH(l, &world->executors) {
                rein_executor *x = RN_ITEM(l, rein_executor, world);
                rein_receipt *r = NULL;
                if (rein_executor_stop(x, REIN_STOP_NOW, REIN_TIME(until), &r) == REIN_ESTUCK && rn_receipt_stuck(r))
                        rn_receipt_say_stuck(r, "rein: at exit, work of '%s' did not leave:\n", x->name);
                rein_receipt_free(r);
        }
}
