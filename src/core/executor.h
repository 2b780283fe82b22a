/* SPDX-License-Identifier: Apache-2.0 */
/* What every executor has: a name, the list of its works that are not gone, and the stop (stop.h). What is particular to
 * a kind is behind rn_executor_kind; users' own executors are one kind, thread pools another.
 *
 * States only go down, but for a restart:
 *      OPEN -> QUEUED (drain) -> RUNNING (finish what runs) -> NOW          by stop, each may be skipped
 * `broken` (a failing init) refuses work in any state.
 *
 * A work comes in under the lock: listed, then QUEUED, then its scope is looked at once more for a cancel, then `put`: so a
 * cancel that found it NEW is seen, and one that finds it QUEUED finds it in its queue as soon as it has the lock. Only
 * what needs more than that (room to wait for, a thread to start, a deadline to arm) goes on without the lock, by
 * `accept`, and tells by `arriving` who may have to be woken there. */
#ifndef RN_CORE_EXECUTOR_H
#define RN_CORE_EXECUTOR_H

#include "core/work.h"
#include "rein/executor.h"

typedef struct rn_executor_kind {
        /* NULL; or: w, QUEUED and in the list, has been queued, and *wake (NULL: nobody) is to be unparked without the lock.
         * false: that is not all there is to do, and accept is to do it. self: the task that submits it, or NULL. Lock held. */
        bool (*put)(rein_executor *x, const rn_task *self, rein_work *w, rn_task **wake);
        int (*accept)(rein_executor *x, rein_work *w, const char **what);
        void (*post)(rein_executor *x, rein_work *w);
        void (*dequeue)(rein_executor *x, rein_work *w); /* it never runs: give up the run's reference if it is here */
        void (*stopping)(rein_executor *x, rein_stop how); /* may be called again, for a harsher one */
        /* Its code has ended; it is about to settle. self: who ran it; NULL: it has no task. */
        void (*ending)(rein_executor *x, rein_work *w, rn_task *self);
        /* NULL; or: true: the calling thread will say rn_executor_left_locked itself, and give the run's reference back. */
        bool (*departs)(rn_task *self, rein_work *w, bool settled);
        void (*abandoned)(rein_executor *x, rein_work *w);
        bool (*left)(rein_executor *x);   /* have its threads left? lock held */
        int (*restart)(rein_executor *x); /* lock held */
        size_t (*threads)(rein_executor *x);
        void (*destroy)(rein_executor *x);
        /* NULL; or: is it up to the calling thread to make x go on? Then it does so, until something changes, or `until`. */
        bool (*help)(rein_executor *x, int64_t until);
        void (*changed)(rein_executor *x);  /* NULL; or: what such a help waits for may have come. Lock held */
        bool (*may_free)(rein_executor *x); /* NULL: any thread may */
        void (*freed)(rein_executor *x);    /* NULL; or: rein_executor_free has stopped it, and lets go of it */
        /* Waiting inside, for a job of the same executor; NULL: none of it. */
        bool (*claim)(rein_executor *x, rein_work *w, rn_task *self); /* take it and a permit, to run it right here */
        int (*lend)(rein_executor *x, rein_work *mine);               /* 1: lent; 0: not needed; REIN_EDEADLOCK */
        void (*reclaim)(rein_executor *x, rein_work *mine, rn_task *self);
        /* Could what is queued be run some day? By a free permit, or one in the hands of a task that can go on. */
        bool (*could_run)(rein_executor *x, bool (*can_go)(const rn_task *t));
        bool (*has_room)(rein_executor *x); /* for a task that waits to submit: or will it be told otherwise? */
        /* Does what it counts add up? NULL, or a text that lives for ever. Lock held, or nobody else there. */
        const char *(*wrong)(const rein_executor *x);
} rn_executor_kind;

enum { RN_OPEN = -1 }; /* else a rein_stop */

typedef struct rn_sleeper { /* a task that waits for something to change, in a list under some lock */
        rn_link link;
        rn_task *task;
} rn_sleeper;

struct rein_executor {
        rn_a32 refs;
        uint32_t process; /* RN_GIVEN_BACK: it is no more (handle.h) */
        const rn_executor_kind *kind;
        const char *place; /* where the program made it */
        char name[RN_NAME_TEXT];
        int64_t grace;
        rn_link world; /* in world->executors; world lock */

        rn_lock lock;
        int state;
        bool freed; /* by the program; what still runs keeps it */
        bool broken;
        rein_error *broken_by; /* of the init that failed; constant while broken */
        rn_link works;
        size_t unfinished, unsettled, in_stop, stops;
#if RN_CHECKING
        size_t gone_first, gone_in_stop; /* out of the list, and still to be counted out of the two */
#endif
        rn_link sleepers;   /* stops */
        rn_link shares;     /* runs in flight */
        rn_link remembered; /* runs that have settled, the oldest first; a reference each. None comes after a stop */
        size_t remembered_count;
        rein_receipt *receipt; /* reserved for the next stop, filled by it */
        int64_t now_at;        /* the earliest moment at which a stop_begin turns into NOW ... */
        int64_t abandon_at;    /* ... and at which what is left is abandoned; RN_NEVER while it is open */
        rn_timer timer;
        rn_errand errand;
};

int rn_executor_init(rein_executor *x, const rn_executor_kind *kind, const char *place, const char *name,
                     const char *prefix, int64_t grace);
void rn_executor_publish(rein_executor *x); /* it is whole: exit may find it */
void rn_executor_undo(rein_executor *x);    /* init, taken back; the record is the caller's to free */

void rn_executor_ref(rein_executor *x);
void rn_executor_unref(rein_executor *x);
bool rn_executor_ours(const rein_executor *x);
int rn_executor_refused(const rein_executor *x, const char *call); /* one that is not; handle.h */
bool rn_executor_usable(const rein_executor *x);                   /* lock held: does it take work from outside? */

/* What NULL means to rein_spawn and rein_on: the executor that the running job runs on; NULL: no job runs here. */
rein_executor *rn_executor_here(const rn_task *self);

/* Make it QUEUED and hand it over; what is refused never runs. */
void rn_executor_accept(rn_task *self, rein_executor *x, rein_work *w); /* self: the running task, or NULL */
void rn_executor_post(rein_work *w);                                    /* a continuation; uses up a reference */

void rn_executor_left(rein_executor *x, rein_work *w, bool settled, bool gone); /* which of the two is new */
void rn_executor_left_locked(rein_executor *x, rein_work *w, bool settled, bool gone);
void rn_executor_break(rein_executor *x, rein_error *by, const char *why); /* by: taken over. A failing init: what is
                                                                              queued fails, and what will come */
void rn_executor_reject_queued(rein_executor *x, int code, const char *why);
void rn_executor_give_to_hand(rein_work *w);                         /* RUNNING; uses up a reference */
bool rn_executor_take_posted_locked(rein_executor *x, rein_work *w); /* a continuation, RUNNING and unlisted now, for
                                                                        the hand; false: it runs or ran */
void rn_executor_rescue(rein_executor *x, rein_work *w); /* a continuation that no thread can be had for: to the hand */
rein_error *rn_executor_broken_by(rein_executor *x);     /* a reference, or NULL */
void rn_executor_changed_locked(rein_executor *x);       /* wake the stops: threads have left */

/* Instead of accepting it: it never runs. */
void rn_executor_refuse(rein_work *w, int code, const char *text);

/* A job for x as the running task would submit it: a work, or a future that has failed (then *failed). */
rein_work *rn_executor_job(const rn_task *self, const char *place, const char *call, rein_executor *x, rein_fn fn,
                           void *arg, const rein_job *job, rn_scope *parent, rein_future **failed);

/* Its lock held, or alone: what every executor counts, and what its kind does. */
const char *rn_executor_wrong(const rein_executor *x);
const char *rn_executor_ask(const void *x); /* asks.h */

/* The innermost job of x in the running task's ambients, or NULL. */
rein_work *rn_executor_inside(const rein_executor *x, const rn_task *t);

#endif
