/* SPDX-License-Identifier: Apache-2.0 */
/* Lines: who waits for a mutex, a semaphore, an event, a barrier, a channel. Each object has a lock and a line or two of
 * stands; a stand is a record on the stack of the task that waits, and its turn says whether it still does:
 *
 *      0 (waiting) ----a giver, under the lock of the object----> index + 1 (chosen)
 *
 * The giver hands over with the choice: the mutex is the chosen one's, the item is in its buffer, before it wakes. So
 * nobody overtakes (there is no moment in which the thing is free and somebody waits), a wake-up is not an invitation to
 * try again, and what was given cannot be lost between the two. The price is a switch for each hand-over of a contended
 * mutex, where barging would let the running task take it again.
 *
 * A task that is cancelled or out of time looks once more under the lock. If it was chosen, the call succeeds: it has the thing.
 * If not, it leaves the line, and the object sees to those behind it.
 *
 * A task that waits in the lines of several channels at once (rein_select) has one turn and a stand in each. The first
 * giver to move the turn has it; another one that meets a stand whose turn is gone takes it out of the line and goes on.
 *
 * On its way out a waiter takes the object's lock in any case, and so finds the giver gone from the object: it may free
 * it at once. All of rein's own calls here need the lock for a few instructions only, and call nobody under it.
 *
 * Freeing. The object counts the tasks that are inside: those that stand in its line, and those that were chosen and are
 * still on their way out. Under its lock:
 *
 *      somebody waits             the free is refused and told; nothing changes
 *      all inside were chosen     freed is set, and the last task to leave gives the memory back
 *      nobody is inside           the memory is given back at once
 *
 * So setting an event and freeing it, or closing a channel and freeing it, is safe. A mutex needs no such count: what is
 * handed over has an owner. Those that wait at its conditions it counts in at_conds. */
#ifndef RN_SYNC_LINE_H
#define RN_SYNC_LINE_H

#include <errno.h>

#include "core/handle.h"
#include "core/list.h"
#include "core/task.h"

typedef struct rn_turn {
        rn_task *task;
        rn_a32 chosen; /* index + 1 */
} rn_turn;

typedef struct rn_stand {
        rn_link link;
        rn_turn *turn;
        uint32_t index;
        rn_a32 moved; /* of a condition: it stands in the line of the mutex; changes under its lock only */
        int result;   /* of the call, from the giver */
        size_t wants; /* of a semaphore */
        void *to;     /* of a channel: where the item goes; or */
        const void *from;
} rn_stand;

/* Which tasks are inside of an object; changes under its lock. */
typedef struct rn_inside {
        uint32_t count;
        bool freed; /* by the user: the last to leave gives the memory back */
} rn_inside;

static inline bool rn_inside_over(const rn_inside *in)
{
        return in->freed && in->count == 0;
}

/* Tasks to be woken once the lock is given back: one that wakes earlier would only meet the lock. */
typedef struct rn_wakes {
        rn_task *task[8];
        unsigned n;
} rn_wakes;

void rn_wakes_add(rn_wakes *w, rn_task *t); /* beyond eight: woken at once */
void rn_wakes_ring(rn_wakes *w);

/* What every call checks. given: the object is not NULL; process: its own. 0, -EINVAL or -EPERM. Here, so that the
 * analyzer sees that an object is one afterwards. */
__attribute__((cold)) int rn_sync_refused(uint32_t process, const char *call); /* -EPERM; core/handle.h */

static inline int rn_sync_may(bool given, uint32_t process, const char *call)
{
        if (!given) {
                rn_fail(-EINVAL, call, "there is no object: it is NULL");
                return -EINVAL;
        }
        return process == rn_generation() ? 0 : rn_sync_refused(process, call);
}

/* For what returns nothing: NULL is nothing to be done, and nothing to be told. */
static inline bool rn_sync_is_there(bool given, uint32_t process, const char *call)
{
        return given && rn_sync_may(true, process, call) == 0;
}

/* The same for calls that may block: 0 and the task; -EINVAL, -EPERM, -ENOMEM, REIN_ECANCELED. */
static inline int rn_sync_enter(rn_task **self, bool given, uint32_t process, const char *call)
{
        *self = rn_self();
        rn_stretch_spend(*self, RN_SPENDS_CALL);
        int rc = rn_sync_may(given, process, call);
        if (rc < 0)
                return rc;
        if (!*self)
                return -ENOMEM;
        return rn_canceled(*self) ? REIN_ECANCELED : 0;
}

/* What a line looks like: how many still wait in it, of those looked at; and was that all? Of a long line the
 * beginning is looked at. */
typedef struct rn_line_look {
        size_t waiting;
        bool whole;
} rn_line_look;

/* NULL, or what does not add up. The object's lock is held. */
const char *rn_line_wrong(const rn_link *line, rn_line_look *look);

/* Choose the first that still waits, and take it out of the line; NULL: nobody. The object's lock is held, and what is
 * handed over is written before it is given back. */
rn_stand *rn_line_choose(rn_link *line, rn_wakes *wakes);
void rn_line_choose_all(rn_link *line, int result, rn_wakes *wakes);

/* Sleep until me is chosen: 0; or REIN_ETIMEOUT or REIN_ECANCELED, and then it is not, and still stands in its line. lock
 * is held, given back meanwhile, and held again. wakes (may be NULL) are rung as soon as it is given back. */
int rn_stand_sleep(rn_lock *lock, rn_stand *me, int64_t until, rn_doing doing, rn_wakes *wakes);

/* Stand at the end of the line and sleep. Not chosen: out of the line again. */
int rn_line_wait(rn_lock *lock, rn_link *line, rn_stand *me, int64_t until, rn_doing doing);
/* The same, and inside of the object meanwhile. */
int rn_line_wait_inside(rn_inside *in, rn_lock *lock, rn_link *line, rn_stand *me, int64_t until, rn_doing doing);

/* How many wait in a line, not counting those whose turn is gone. The object's lock is held. */
size_t rn_line_waiting(const rn_link *line);

/* The object was not freed: one line on stderr and the trail say why. A simulation ends there. */
void rn_free_refused(const char *call, const char *fmt, ...) REIN_PRINTF(2, 3);
void rn_free_refused_waiting(const char *call, size_t waiting);

#endif
