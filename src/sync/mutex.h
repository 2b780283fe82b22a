/* SPDX-License-Identifier: Apache-2.0 */
/* A mutex as its conditions see it: they share its lock, so that a signal moves a waiter from one line to the other in
 * one step. No owner: nobody stands in the line. */
#ifndef RN_SYNC_MUTEX_H
#define RN_SYNC_MUTEX_H

#include "rein/sync.h"
#include "sync/line.h"
#include "sync/object.h"

struct rein_mutex {
#if RN_CHECKING
        rn_object object;
#endif
        rn_lock lock;
        uint32_t process;
        rn_aptr owner; /* rn_task; changes under the lock only */
        rn_held held;  /* the owner's; place and give under the lock */
        bool handed;   /* over to the owner, which has been chosen and has not woken yet */
        rn_link line;
        size_t at_conds; /* wait for a signal of one of its conditions, outside of the mutex */
};

/* NULL, or what does not add up. Its lock is held. */
const char *rn_mutex_wrong(const rein_mutex *m);

/* In builds with checks these two ask that. */
static inline void rn_mutex_enter(rein_mutex *m)
{
        rn_lock_take(&m->lock);
        RN_SOUND(rn_mutex_wrong(m));
}

static inline void rn_mutex_leave(rein_mutex *m)
{
        RN_SOUND(rn_mutex_wrong(m));
        rn_lock_give(&m->lock);
}

/* self has it: it was free, or was handed over. Its lock is held. */
void rn_mutex_have(rein_mutex *m, rn_task *self, const char *place);

/* The owner has no more to do with it: it is the first one's of the line. Its lock is held. */
void rn_mutex_pass(rein_mutex *m, rn_wakes *wakes);

#endif
