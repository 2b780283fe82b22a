/* SPDX-License-Identifier: Apache-2.0 */
/* A mutex as its conditions see it: they share its lock, so that a signal moves a waiter from one line to the other in
 * one step. No owner: nobody stands in the line. */
#ifndef RN_SYNC_MUTEX_H
#define RN_SYNC_MUTEX_H

#include "rein/sync.h"
#include "sync/line.h"

struct rein_mutex {
        rn_lock lock;
        uint32_t process;
        rn_aptr owner; /* rn_task; changes under the lock only */
        rn_held held;  /* the owner's; place and give under the lock */
        rn_link line;
};

/* The owner has no more to do with it: it is the first one's of the line. Its lock is held. */
void rn_mutex_pass(rein_mutex *m, rn_wakes *wakes);

#endif
