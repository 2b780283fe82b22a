/* SPDX-License-Identifier: Apache-2.0 */
/* Futures. `state` says what has happened, and is the only thing one may read without the lock:
 *
 *      0 ----settle----> SETTLED ----gone----> SETTLED | GONE
 *
 * Settling writes the outcome under the lock, then SETTLED, fires the watchers, and takes the continuations out to post
 * them once the lock is given back: so a continuation added meanwhile is either in that list or finds SETTLED and posts
 * itself. From SETTLED on the outcome is constant (but for take, under the lock).
 *
 * Two counts. `refs` keeps the record alive: one for all the users together, one for whoever runs the job, and one each
 * for an armed timer, a receipt, an error that lives in the record. `holders` counts the users' references; take looks
 * at it. The last of refs reports a failure that nobody looked at. */
#ifndef RN_CORE_FUTURE_H
#define RN_CORE_FUTURE_H

#include "core/asks.h"
#include "core/error.h"
#include "core/handle.h"
#include "core/list.h"
#include "core/task.h"
#include "rein/future.h"

enum { RN_SETTLED = 1, RN_GONE = 2 };

typedef struct rn_outcome {
        int code;
        void *value;
        size_t size;
        void (*release)(void *);
        rein_error *error; /* a reference; or NULL, and settle makes one of these: */
        const char *text, *where;
        rein_error *cause; /* a reference */
} rn_outcome;

typedef struct rn_future_kind {
        rein_cancel_answer (*cancel)(rein_future *f, const char *why, const char *place); /* f was not settled */
        void (*destroy)(rein_future *f); /* the last reference is gone; frees the record */
} rn_future_kind;

struct rein_future {
        rn_a32 refs, holders;
        rn_a32 state, seen;
        rn_lock lock;
        uint32_t process; /* that it was made in; 0: any; RN_GIVEN_BACK: its users have dropped it (handle.h) */
        const rn_future_kind *kind;
        const char *place;
        rn_outcome outcome;
        bool value_taken;
        bool woke; /* somebody who slept, by its end; its settler's */
        rn_link watchers;
        rn_link nexts;    /* continuations to come: rein_next.link */
        rn_link spent;    /* those that were posted, kept for rein_next_remove to answer */
        rn_link in_group; /* in a group that keeps it; the family's lock */
        rein_error bare;  /* its failure when there is no memory for an error */
};

/* What is told of one state of one future, on the stack of the task that waits or in its set. */
typedef struct rn_watch_set {
        rn_lock lock;
        rn_task *task;
        size_t fired;
        struct rn_watcher *first, *last; /* fired, in order */
} rn_watch_set;

typedef struct rn_watcher {
        rn_link link;
        rn_watch_set *set;
        rein_future *f;
        size_t index;
        uint32_t for_state;
        struct rn_watcher *next_fired;
} rn_watcher;

void rn_future_init(rein_future *f, const rn_future_kind *kind, const char *place); /* refs 1, holders 0 */
void rn_future_done_with(rein_future *f); /* for destroy: lets go of outcome and continuations, reports the unseen */

void rn_future_ref(rein_future *f);
void rn_future_unref(rein_future *f);
void rn_future_hold(rein_future *f); /* a first user reference */

static inline bool rn_future_is(const rein_future *f, uint32_t state)
{
        const bool is = rn_load32(&f->state) & state;
        if (is)
                rn_told_acquire(&f->state);
        return is;
}

bool rn_future_ours(const rein_future *f);                     /* made in this process, and not dropped? */
int rn_future_refused(const rein_future *f, const char *call); /* one that is not; handle.h */

/* 0: settled, and the outcome's value, error and cause are f's; REIN_EALREADY: they are still the caller's. A failure's
 * error is made in here, by the winner alone, so that the reserve has one writer. */
int rn_future_settle(rein_future *f, const rn_outcome *o);
int rn_future_settle_gone(rein_future *f, const rn_outcome *o); /* both at once */
void rn_future_gone(rein_future *f);
void rn_future_seen(rein_future *f);
/* For a call that made f, settled by now, for itself: f's code is its answer, and a failure the trail of self (NULL: a
 * thread that has none), as far as there is memory. Nobody else reports that failure. Drops f. */
int rn_future_answer(rein_future *f, rn_task *self);
rein_cancel_answer rn_future_cancel(rein_future *f, const char *why,
                                    const char *place); /* also of one that was dropped */

/* Watch for w->for_state of w->f, to be told in w->set. false: it has happened already, and nothing was done. */
bool rn_future_watch(rn_watcher *w);
void rn_future_unwatch(rn_watcher *w);
/* Into the fired ones of its set. Its owner may be gone right afterwards; it is the caller who wakes it. */
void rn_watcher_fire(rn_watcher *w);

/* Its lock held, or alone. */
const char *rn_future_wrong(const rein_future *f);
const char *rn_future_ask(const void *f); /* asks.h */

/* A future that has failed, held once. Never NULL: without memory it is one that says -ENOMEM. */
rein_future *rn_future_failed(const char *place, int code, const char *call, const char *text);
bool rn_future_was_refused(const rein_future *f); /* is it one of those: of a call that could not make a job? */
/* One for all, for ever, in every process, that nobody counts: -ENOMEM, or -EPERM. */
rein_future *rn_future_immortal(int code);

#endif
