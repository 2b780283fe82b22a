/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for work of rein's own: what may be done about it, and when it can never end.
 *
 * A task that waits for a job of the executor whose permit it holds lends that permit meanwhile. A task that waits
 * without a limit says for what, under one lock for the process; who says so last, and closes a circle of tasks and
 * futures, is the one to find it, and gets REIN_EDEADLOCK with the circle in words.
 *
 * An edge of the circle: a task waits for a future whose job runs on a task (all the futures of a wait for all; the one
 * of a wait for one); or for a group: then every task that runs inside that group keeps it waiting. */
#ifndef RN_CORE_DEADLOCK_H
#define RN_CORE_DEADLOCK_H

#include "core/executor.h"
#include "core/group.h"

typedef struct rn_waiting {
        rein_work *mine; /* the job of the running task whose permit is lent */
        bool said;       /* what it waits for */
} rn_waiting;

/* for_ever: without limit, and for all of it. 0, or REIN_EDEADLOCK with the trail set. rn_wait_end in either case. */
int rn_wait_begin(rn_task *self, const rn_waits *what, bool for_ever, rn_waiting *waiting);
void rn_wait_end(rn_task *self, rn_waiting *waiting); /* may wait until a permit is free again; not cancelled */

/* Run w, which nobody has started, right here in place of waiting for it. false: that may not be. */
bool rn_claim_here(rn_task *self, rein_work *w);

#endif
