/* SPDX-License-Identifier: Apache-2.0 */
/* A work, from outside: a cancel, its time that is over, its being abandoned; and what it was stuck in, for the receipt.
 * work.h has its states, and who wins against its own end.
 *
 * The timer says when something is to be done although nobody calls (work_next_event). Whatever changes what it depends on
 * arms it anew, under the future's lock: so the last one to arm has seen all that happened. It is made with the first
 * arming; `armed` is stored before the state is looked at, and the work's end stores the state before it looks at `armed`: so
 * either nothing is armed any more, or the end finds it. It fires on the clock thread, which hands it to the hand. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/executor.h"
#include "core/frames.h"
#include "core/group.h"
#include "core/share.h"
#include "core/text.h"

/* ---- its timer ---- */

void rn_work_canceled_locked(rein_work *w, bool now, rn_fired *fired)
{
        RN_ASSERT(rn_scope_locked(w->root), "the lock of the family is held");
        rn_future_ref(&w->future); /* before it is forbidden: who finds that, in its queue, lets the run's go */
        if (now && rn_work_forbid(w)) {
                w->fired_next = fired->unstarted;
                fired->unstarted = w;
                return;
        }
        rn_work_rearm(w);
        rn_future_unref(&w->future); /* never the last: it has not left this scope */
}

/* The moment at which something has to be done about w, which is in this state, although nobody calls. */
static int64_t work_next_event(const rein_work *w, uint32_t state)
{
        int64_t cancel_at = rn_load64(&w->root->cancel_at);
        switch (state) {
        case RN_WORK_QUEUED:
                return w->start_by < cancel_at ? w->start_by : cancel_at;
        case RN_WORK_RUNNING:
                if (w->unheeded == REIN_ABANDON_IT && cancel_at != RN_NEVER &&
                    cancel_at <= RN_NEVER - w->executor->grace && !rn_future_is(&w->future, RN_SETTLED))
                        return cancel_at + w->executor->grace;
                return RN_NEVER;
        default:
                return RN_NEVER;
        }
}

static void work_errand(rn_errand *e, uint32_t tag);
static void work_timer(rn_timer *t, uint32_t tag);

/* Most jobs never need them. */
static void work_make_timer_locked(rein_work *w)
{
        RN_ASSERT(rn_lock_held(&w->future.lock), "the lock of the future is held");
        if (rn_load32(&w->armed))
                return;
        w->timer = (rn_timer){.fire = work_timer};
        w->errand = (rn_errand){.run = work_errand};
        rn_store32(&w->armed, 1);
}

/* Called while the root scope lives, or by a thread that hands w in: then w may have been forbidden, or have ended, before this
 * look at it. Its root may be another job's scope by then; the state says that there is nothing to time any more. */
void rn_work_rearm(rein_work *w)
{
        RN_ASSERT(rn_get32(&w->root->in_slab.generation) == w->root_generation ||
                          rn_get32(&w->state) == RN_WORK_ENDED || rn_get32(&w->state) == RN_WORK_NEVER,
                  "a job whose scope is gone has ended, or never runs");
        rn_lock_take(&w->future.lock);
        work_make_timer_locked(w);
        int64_t at = work_next_event(w, rn_load32(&w->state));
        if (at != RN_NEVER) {
                rn_future_ref(&w->future);
                if (!rn_timer_arm(&w->timer, at, 0))
                        rn_told_sub32(&w->future.refs); /* it had one */
        }
        rn_lock_give(&w->future.lock);
}

void rn_work_disarm(rein_work *w)
{
        RN_ASSERT(rn_get32(&w->state) == RN_WORK_ENDED || rn_get32(&w->state) == RN_WORK_NEVER,
                  "nobody times a job any more when its timer is taken away");
        if (!rn_load32(&w->armed))
                return;
        rn_lock_take(&w->future.lock);
        bool armed = rn_timer_disarm(&w->timer);
        rn_lock_give(&w->future.lock);
        if (armed)
                rn_future_unref(&w->future);
}

static void work_timer(rn_timer *t, uint32_t tag)
{
        rein_work *w = RN_ITEM(t, rein_work, timer);
        if (!rn_hand(&w->errand, tag))
                rn_future_unref(&w->future); /* it is waiting there already, with a reference */
}

/* On the hand thread, with a reference: what has to be done, if it still has. */
static void work_errand(rn_errand *e, uint32_t tag)
{
        (void)tag;
        rein_work *w = RN_ITEM(e, rein_work, errand);
        char reason[RN_REASON_TEXT];
        bool due = false, canceled = false;
        const uint32_t state = rn_load32(&w->state);
        rn_scope *root = rn_scope_find_locked(w->root, w->root_generation);
        if (root) {
                int64_t now = rn_clock();
                due = work_next_event(w, state) <= now;
                canceled = rn_load64(&root->cancel_at) <= now;
                rn_scope_reason_locked(root, reason, sizeof reason);
                if (!due)
                        rn_work_rearm(w);
                rn_scope_unlock(root);
        }
        if (due && state == RN_WORK_QUEUED && rn_work_forbid(w)) /* else it began meanwhile: that was in time */
                rn_work_never(w, canceled ? REIN_ECANCELED : REIN_EREJECTED,
                              canceled ? reason : "it was not started by its start_by");
        else if (due && state == RN_WORK_RUNNING)
                rn_work_abandon(w, reason);
        rn_future_unref(&w->future);
}

/* ---- abandoned, cancelled ---- */

/* An abandoned job may outlive the scopes above it: it is cut off from them, and keeps the reason. */
static bool work_cut_off(rein_work *w, const char *why)
{
        rn_scope *root = rn_scope_find_locked(w->root, w->root_generation);
        if (!root)
                return false;
        rn_scope *culprit = rn_scope_culprit_locked(root);
        RN_ASSERT(culprit, "a job is cancelled before it is abandoned");
        bool timeout = culprit && culprit->until <= culprit->canceled_at;
        if (w->unheeded == REIN_ABANDON_IT) {
                if (culprit != root && root->canceled_at == RN_NEVER) {
                        root->who[0] = 0;
                        root->canceled_at = rn_clock();
                        rn_text_copy(root->why, sizeof root->why, why);
                }
                rn_scope_cut(root);
        }
        rn_scope_unlock(root);
        return timeout;
}

bool rn_work_abandon(rein_work *w, const char *why)
{
        char text[320], where[RN_ERROR_WHERE];
        RN_ASSERT(rn_get32(&w->state) >= RN_WORK_RUNNING, "a job that is abandoned was claimed");
        rn_work_describe(w, where, sizeof where);
        rn_work_note_stuck(w);
        bool timeout = work_cut_off(w, why);
        snprintf(text, sizeof text, "it did not leave in time and was abandoned%s%s",
                 rn_work_stuck_in(w)[0] ? ", in " : "", rn_work_stuck_in(w));
        rein_error *cause = rn_error_make(NULL, timeout ? REIN_ETIMEOUT : REIN_ECANCELED, where, NULL, NULL, "%s", why);
        rn_outcome o = {.code = REIN_EABANDONED, .text = text, .where = where, .cause = cause};
        rn_work_stopped_by(w, RN_RUNG_ABANDONED);
        rn_work_stop_sending(w); /* before it settles: the channel may go then */
        if (rn_future_settle(&w->future, &o) != 0) {
                rn_error_unref(cause);
                return false;
        }
        if (w->executor->kind->abandoned)
                w->executor->kind->abandoned(w->executor, w);
        rn_share_finish(w);
        if (w->unheeded == REIN_ABANDON_IT && w->group)
                rn_group_child_parts(w);
        rn_executor_left(w->executor, w, true, false);
        return true;
}

rein_cancel_answer rn_work_cancel(rein_future *f, const char *why, const char *place)
{
        rein_work *w = (rein_work *)(void *)f;
        char who[RN_WHO_TEXT], text[RN_WHY_TEXT + RN_WHO_TEXT + 160];
        rn_scope_whoami(who);
        if (rn_work_forbid(w)) {
                snprintf(text, sizeof text, "%s (by %s, %s)", why ? why : "cancelled", who, rn_base_name(place));
                rn_work_never(w, REIN_ECANCELED, text);
                return REIN_NEVER_STARTED;
        }
        rn_fired fired = {0};
        rn_scope *root = rn_scope_find_locked(w->root, w->root_generation);
        if (!root) { /* its code has returned, or somebody forbade it: it settles in this moment, or has */
                if (!rn_future_is(f, RN_SETTLED))
                        return REIN_ASKED;
                const bool cancelled = rn_load32(&w->state) == RN_WORK_NEVER && f->outcome.code == REIN_ECANCELED;
                return cancelled ? REIN_NEVER_STARTED : REIN_TOO_LATE; /* refused or dropped: it has another outcome */
        }
        rn_scope_cancel_locked(root, why, who, place, &fired);
        rn_scope_unlock(root);
        rn_fired_carry_out(&fired);
        return REIN_ASKED;
}

/* ---- for receipts ---- */

void rn_work_stopped_by(rein_work *w, rn_rung rung)
{
        RN_ASSERT(rung > RN_RUNG_NONE && rung <= RN_RUNG_ABANDONED, "what stops a job is one of the rungs");
        uint32_t was = rn_load32(&w->rung);
        while (was < (uint32_t)rung && !rn_cas32(&w->rung, &was, (uint32_t)rung))
                ;
}

static void work_keep_frames(rein_work *w, rn_stuck *s, rn_task *t)
{
        rn_frames *f = rn_frames_take(t);
        void *none = NULL;
        /* If it has left by now, they may be of the next one. */
        if (f && (rn_loadptr(&w->runner) != t || !rn_casptr(&s->frames, &none, f)))
                rn_frames_free(f);
}

void rn_work_note_stuck(rein_work *w)
{
        char text[RN_STUCK_TEXT] = "";
        bool foreign = false;
        rn_task *t = rn_loadptr(&w->runner); /* its memory stays; what it says may be about the next job, at worst */
        if (t) {
                const char *what = rn_loadptr(&t->doing), *at = rn_loadptr(&t->doing_at);
                rn_text_told();
                if (what)
                        snprintf(text, sizeof text, "%s%s%s", what, at ? " " : "", at ? at : "");
                else
                        rn_thread_doing(rn_load32(&t->thread_id), text, sizeof text);
                foreign = !what || strcmp(what, "hook region") == 0;
        }
        rn_stuck *s = text[0] ? rn_alloc(sizeof *s) : NULL;
        if (!s)
                return;
        void *before = NULL; /* what another thread has told */
        memcpy(s->in, text, sizeof text);
        rn_told_release(&w->stuck);
        rn_casptr(&w->stuck, &before, s);
        if (before)
                rn_free(s);
        else if (foreign)
                work_keep_frames(w, s, t);
}

void rn_work_note_frames(rein_work *w, rn_task *t)
{
        rn_stuck *s = rn_loadptr(&w->stuck);
        if (!s)
                return;
        rn_told_acquire(&w->stuck);
        if (!rn_peekptr(&s->frames)) /* a hint: work_keep_frames decides by a swap */
                work_keep_frames(w, s, t);
}
