/* SPDX-License-Identifier: Apache-2.0 */
/* Work: one job, from its submit to the moment nothing of it can touch anything.
 *
 *      NEW --accept--> QUEUED --claim--> RUNNING --> ENDED
 *                        |               |   |
 *                        v               |   +--- abandon: settled, while the code runs on; ENDED when it comes back
 *                      NEVER <-----------+ the last look: it is cancelled, or start_by has passed
 *
 * A compare-and-swap on `state` decides which thread may: run it (QUEUED -> RUNNING), or say that it never runs (QUEUED ->
 * NEVER: a cancel, a stop, a full queue, start_by, an init that failed). The thread that wins finishes it:
 *
 *      RUNNING: run fn; force closed what it left open; leave what it sends to; release(arg); tell the executor (its permit is free);
 *               settle; gone; leave the group; leave the executor's list
 *      NEVER:   take it out of the queue; leave what it sends to; release(arg); settle; gone; leave the group; leave the list
 *
 * A thread that could not forbid a job knows only that another one has forbidden or claimed it. It abandons what it saw
 * RUNNING, and only after a cancel.
 *
 * Settling is the arbiter between the end of the code and an abandon. A job that comes back from being abandoned finds the
 * future settled: its value is released, its outcome goes to the late log.
 *
 * An executor may do the last of it itself (`departs`): a thread of a pool leaves the list when it looks for its next job.
 *
 * References (of the future): the users' together; the *run*'s, from accept until it is out of the executor's list, or the
 * executor gives it up; an armed timer's; a receipt's; a cancel's that is being carried out. */
#ifndef RN_CORE_WORK_H
#define RN_CORE_WORK_H

#include "core/clock.h"
#include "core/context.h"
#include "core/future.h"
#include "core/heap.h"
#include "core/scope.h"
#include "core/sends.h"

struct rn_group;

enum { RN_WORK_NEW, RN_WORK_QUEUED, RN_WORK_RUNNING, RN_WORK_ENDED, RN_WORK_NEVER };

/* What stopped it; the harshest wins. */
typedef enum rn_rung {
        RN_RUNG_NONE,
        RN_RUNG_NEVER,
        RN_RUNG_ASKED,
        RN_RUNG_HOOK,
        RN_RUNG_POKE,
        RN_RUNG_ABANDONED
} rn_rung;

enum { RN_NO_PERMIT, RN_HAS_PERMIT, RN_LOST_PERMIT }; /* lost: abandoned with its job */

enum { RN_NAME_TEXT = 48, RN_STUCK_TEXT = 96 };

/* What a job did when it was asked to end. Made by the thread that asks; without memory, nothing is told. */
typedef struct rn_stuck {
        char in[RN_STUCK_TEXT];
        rn_aptr frames; /* rn_frames, of that moment or of a later poke; NULL: none. Once there, they stay */
} rn_stuck;

struct rein_work {
        rein_future future; /* first: a work is its future */

        /* What every job touches: few cache lines, since they go from the CPU that submits to the one that runs it. */
        rn_a32 state;
        int priority;
        rein_executor *executor; /* a reference */
        rein_fn fn;
        void *arg;
        size_t arg_size;
        void (*release)(void *);
        int64_t limit, start_by; /* 0: none; RN_NEVER: none */
        rein_unheeded unheeded;
        bool on_worker, background;
        bool is_sender;    /* it was made with something to send to; stays */
        bool warm;         /* when it was queued, a thread was awake for it; spin.h */
        bool stocked;      /* its memory comes from a stock, and goes there */
        size_t stack_size; /* 0: the executor's */
        rn_aptr sends;     /* rn_sends; NULL: none, or it has been told that this job has left */
        rn_context *context;
        rn_scope *root;
        uint32_t root_generation;
        rn_a32 permit; /* RN_..._PERMIT of its pool; written under the lock */
        struct rn_group *group;
        rn_aptr arriving; /* rn_task that is handing it to its executor, and may wait there; NULL: none */
        rn_aptr runner;   /* rn_task; NULL: does not run. Cleared before it settles */
        void *given;      /* by rein_give; the runner's */
        size_t given_size;
        void (*given_release)(void *);
        int64_t submitted;
        rn_a64 started, ended; /* told in passing, as times for a receipt: nothing else hangs on them */
        rn_link all;           /* in executor->works; its lock, as the next */
        rn_link by_age;
        uint64_t sequence;
        bool in_stop;   /* it is itself waiting for a stop of its executor */
        bool posted;    /* a continuation: a stop does not take it back, but gives it to the hand thread */
        bool unlisted;  /* in no executor's list: a continuation on the hand, a mirror of a shared run */
        bool has_spare; /* it blocks, and a spare permit stands in for it */
        bool in_receipt;
#if RN_CHECKING
        bool counted_out; /* its executor does not count it as unsettled any more, and it is still in the list */
#endif
        rn_a32 handed_over; /* custom.c: does the user's executor have it? */
        rn_a32 armed;       /* its timer and errand are made */
        rn_a32 rung;
        rn_aptr stuck;               /* rn_stuck; NULL: nobody has asked what it does. Once there, it stays */
        int64_t seen_cpu, seen_call; /* elastic.c: what was seen of its thread last */
        uint64_t seen_digest;
        struct rn_share *share; /* share.h; NULL: it runs for itself alone */

        char name[RN_NAME_TEXT]; /* from here on it is cleared by the call that first needs it */
        rn_ambient ambient;
        rn_timer timer;
        rn_errand errand;
        rn_heap_node by_priority;
        struct rein_work *stop_next, *fired_next, *receipt_next;
};

/* The job's options taken in: what from does not have is zero. 0, or -EINVAL, -E2BIG and what to tell. from may be NULL. */
int rn_job_take(rein_job *to, const rein_job *from, const void *arg, const char **what);
void rn_job_release(const rein_job *given,
                    void *arg); /* a job that there never was: of NULL, and of options that make no sense too */

/* Make w ready for accept; it has no user reference yet. self: the running task, or NULL. parent: the scope its chain goes
 * on in; NULL: a root. -ENOMEM: nothing was done, and arg was not released. */
int rn_work_init(rein_work *w, const rn_task *self, const char *place, rein_executor *x, rein_fn fn, void *arg,
                 const rein_job *job, rn_scope *parent);
/* The same with the record. */
rein_work *rn_work_new(const rn_task *self, const char *place, rein_executor *x, rein_fn fn, void *arg,
                       const rein_job *job, rn_scope *parent);
void rn_work_discard(rein_work *w); /* a NEW one: release arg, and give up the run's and the creator's reference */

/* w may never run any more. true: the caller must call rn_work_never. The caller has a reference, not only the run's:
 * that one goes as soon as an executor finds that it may not run w. */
bool rn_work_forbid(rein_work *w);
void rn_work_never(rein_work *w, int code, const char *text);
void rn_works_never(rein_work *list, int code, const char *text); /* fired_next; gives a reference of each back */

/* Its root scope's cancel_at fell. Family lock held. now: it is cancelled already. */
void rn_work_canceled_locked(rein_work *w, bool now, rn_fired *fired);
void rn_work_rearm(rein_work *w);
void rn_work_disarm(rein_work *w); /* its state is such that nobody will arm it */

rein_cancel_answer rn_work_cancel(rein_future *f, const char *why, const char *place); /* f: a work's */

void rn_work_stop_sending(rein_work *w);

/* Settle it although it runs. false: it was settled. */
bool rn_work_abandon(rein_work *w, const char *why);

bool rn_work_claim(rein_work *w);                           /* QUEUED -> RUNNING */
void rn_work_run_claimed(rein_work *w);                     /* uses up the run's reference */
void rn_work_end_mirror(rein_work *w, const rn_outcome *o); /* ENDED by now; uses up the run's reference */
void rn_work_thread_ended(rn_task *t, rein_work *w);

void rn_work_stopped_by(rein_work *w, rn_rung rung);
void rn_work_note_stuck(rein_work *w);                          /* what does it do now? for the receipt */
void rn_work_note_frames(rein_work *w, rn_task *t);             /* once more: its runner is about to be poked */
void rn_work_describe(const rein_work *w, char *out, size_t n); /* "job 'x' on pool 'y'" */

extern const rn_future_kind rn_work_kind;

static inline rein_work *rn_work_of(const rein_future *f) /* NULL: not a job's */
{
        return f->kind == &rn_work_kind ? (rein_work *)(uintptr_t)f : NULL;
}

/* Where its code was when it was asked, from the stack of its thread; none when it was in a call of rein's, did not block,
 * or memory was short. */
static inline struct rn_frames *rn_work_frames(const rein_work *w)
{
        const rn_stuck *s = rn_loadptr(&w->stuck);
        if (!s)
                return NULL;
        rn_told_acquire(&w->stuck);
        return rn_loadptr(&s->frames);
}

static inline const char *rn_work_stuck_in(const rein_work *w)
{
        const rn_stuck *s = rn_loadptr(&w->stuck);
        if (!s)
                return "";
        rn_told_acquire(&w->stuck);
        return s->in;
}

/* A work in the list of its executor; that one's lock held, or alone. */
const char *rn_work_wrong(const rein_work *w);

void rn_value_is_shared(void *value); /* the release of a shared run's value in its mirrors: does nothing */

#endif
