/* SPDX-License-Identifier: Apache-2.0 */
/* A channel as rein_select sees it. Under its lock always holds, but for stands whose turn is gone:
 *
 *      OPEN --finish--> FINISHED --the last job that sends to it leaves--> CLOSED
 *      either --close--> CLOSED; and finish, when no job sends to it: CLOSED at once
 *
 *      not finished: jobs may come and leave, and it stays open when none is left
 *      finished: it is closed, or a job that sends to it is not gone
 *
 *      senders stand there only while the buffer is full, receivers only while it is empty;
 *      when capacity is 0 there is no buffer, and a sender and a receiver both stand there only in one rein_select;
 *      closed: nobody stands there.
 *
 * A receiver that takes an item from the buffer moves the first sender's into it; so items go in the order of the sends. */
#ifndef RN_SYNC_CHAN_H
#define RN_SYNC_CHAN_H

#include "core/sends.h"
#include "rein/sync.h"
#include "sync/line.h"
#include "sync/object.h"

enum { RN_CHAN_MUST_WAIT = 2 };

struct rein_chan {
        rn_sends sends; /* first: as a job knows it */
#if RN_CHECKING
        rn_object object;
#endif
        rn_lock lock;
        uint32_t process;
        rn_inside inside; /* a rein_select once for each of its cases here */
        int64_t age;      /* several channels are locked in the order of their making */
        size_t item_size, capacity, first, count;
        void (*release)(void *item);
        size_t sending; /* jobs that send to it, and are not gone */
        bool finished, closed;
        rn_link senders, receivers;
        _Alignas(max_align_t) unsigned char items[];
};

/* NULL, or what of the above does not hold. Its lock is held. */
const char *rn_chan_wrong(const rein_chan *c);

/* In builds with checks these two ask that. */
static inline void rn_chan_lock(rein_chan *c)
{
        rn_lock_take(&c->lock);
        RN_SOUND(rn_chan_wrong(c));
}

static inline void rn_chan_unlock(rein_chan *c)
{
        const bool over = rn_inside_over(&c->inside);
        RN_SOUND(rn_chan_wrong(c));
        rn_lock_give(&c->lock);
        if (over) {
                RN_OBJECT_GONE(c);
                rn_retire(c);
        }
}

/* What can be done at once, under the lock. put: 0; -EPIPE; MUST_WAIT. take: 1; 0: closed and empty; MUST_WAIT. */
int rn_chan_put(rein_chan *c, const void *item, rn_wakes *wakes);
int rn_chan_take(rein_chan *c, void *item, rn_wakes *wakes);

#endif
