/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for work of rein's own: what may be done about it, and when it can never end.
 *
 * A task that waits for a job of the executor whose permit it holds lends that permit meanwhile. A task that waits
 * without a limit says for what, under one lock for the process. Then there are two looks.
 *
 * The *circle*, at once: who says last what it waits for, and closes a circle of tasks and futures, is the one to find
 * it. An edge: a task waits for a future whose job runs on a task (all the futures of a wait for all; the one of a wait
 * for one); or for a group: then every task that runs inside that group keeps it waiting; or for the holder of a mutex,
 * also to have it back after a condition's wait. A wait that a cancel ends, and that is cancelled by now, leads nowhere.
 *
 * The *knot*, after 10 ms without an end: a job that is queued waits for any thread of its executor, which is no single
 * edge. A task that waits is marked as able to go on if something it waits for is: a job that runs on a task which waits for
 * nothing, or is marked; a queued one whose executor has a permit free, or one in the hands of such a task; a promise
 * (anybody may keep it); a mutex whose holder is such a task. Repeated until no mark is added. A task without one waits
 * for ever, with all the unmarked ones. The task that comes last to a knot looks last, and sees all of it.
 *
 * Some *stay*: who waits for its permit, or for the mutex of its condition, must have it before it can do anything. They
 * look for knots only. One that finds itself in one wakes somebody in it who may leave, and without whom it could go on;
 * that one looks again, and is told. It looks again itself, after another while, as long as it finds a knot. There is
 * always one who may leave: who stays wants back what it gave away when it began to wait, so the one who has it now took
 * it later; if that one stays as well, it began later. The last of them waits for one that does not stay.
 *
 * A condition's signal may tie a knot and is no wait, so nobody would look. Two words see to that:
 *      the signaller:        moved = 1 (the waiter's);  then, if holder_waits: wakes the waiter, which says and looks
 *      the mutex's owner:    holder_waits = 1;          then looks, and finds who is moved
 * Who waits for a signal is there to be found once it has waited for 10 ms; and looks itself, if it is moved by then. */
#ifndef RN_CORE_DEADLOCK_H
#define RN_CORE_DEADLOCK_H

#include "core/executor.h"
#include "core/group.h"
#include "core/world.h"

typedef struct rn_wait {
        rein_work *mine; /* the job of the running task whose permit is lent */
        bool said;       /* what it waits for */
        int64_t look_at; /* when to look for a knot; RN_NEVER: no more */
} rn_wait;

/* for_ever: without limit, and for all of it. 0, or REIN_EDEADLOCK with the trail set. rn_wait_end in either case. */
int rn_wait_begin(rn_task *self, const rn_wait_target *what, bool for_ever, rn_wait *wait);
/* Lend, if it was not done and there is reason now. 0; REIN_EDEADLOCK: nobody can be had to run what one waits for. */
int rn_wait_lend(rn_task *self, const rn_wait_target *what, rn_wait *wait);
/* One turn of the wait, as rn_wait_turn; and REIN_EDEADLOCK, with the trail set, when it is found to be in a knot. */
int rn_wait_turn_looking(rn_task *self, int64_t until, bool cancelable, rn_wait *wait);
/* The same for a task that stays: its wait is without limit, not cancelled, and nothing is lent for it. */
void rn_wait_stay(rn_task *self, const rn_wait_target *what, rn_wait *wait);
void rn_wait_turn_staying(rn_task *self, rn_wait *wait);
void rn_wait_end(rn_task *self, rn_wait *wait); /* may wait until a permit is free again; not cancelled */

/* The tasks that say what they wait for; the lock of the graph held, or alone. */
const char *rn_wait_targets_wrong(const rn_world *world);

/* Run w, which nobody has started, right here in place of waiting for it. false: that may not be. */
bool rn_claim_here(rn_task *self, rein_work *w);

#endif
